"""The OpenAI Agents SDK's SQLAlchemySession: items of the Responses API in `agent_messages.message_data`.

Items that nobody said (reasoning, calls of tools) are left out. What a file search found is the retrieved context of
the answer. EncryptedSession's items cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE, decode_json

_RESULTS = {
    "file_search_call": "results",
    "function_call_output": "output",
    "custom_tool_call_output": "output",
}


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple(said for row in rows if (said := _message(row, reader)) is not None)


def _message(row: Row, reader: Reader) -> Message | None:
    broken = row.get(LONE_SURROGATE, False)
    item: Any = row.get("item")
    try:
        if isinstance(item, str):
            item, broken = decode_json(item)
    except ValueError:
        item = None
    if not isinstance(item, dict) or "__enc__" in item:
        return Message("", "", id=str(row.get("id")), error=UNREADABLE)
    kind = item.get("type", "message")
    about = {"id": row.get("id"), "created_at": row.get("created_at"), LONE_SURROGATE: broken}
    if kind in _RESULTS:
        found = item.get(_RESULTS[kind])
        context = found if kind == "file_search_call" else None
        content = None if kind == "file_search_call" else found
        return reader.message({**about, "role": "tool", "content": content, "context": context})
    if kind != "message":
        return None
    cut_off = item.get("status") == "incomplete"
    return reader.message(
        {**about, "role": item.get("role"), "content": item.get("content"), "error": cut_off}
    )


PRESET = fixed_preset(
    "openai_agents",
    TableUse(
        "agent_messages",
        dict.fromkeys(("id", "session_id", "message_data", "created_at"), ""),
        indexes={"session_id": "each batch of conversations is read by it"},
        times="created_at",
    ),
    roles={"developer": "system"},
    messages=_messages,
    cannot_tell=(
        "ratings: bad answers cannot be told from good ones",
        "users: training and validation are split by conversation instead of by user",
        "consent: a pipeline with require_consent takes nothing from here",
        "models: answers of a model that was tuned here are not known as such",
        "retrieved context: only the results of a file search that the program asked to include are known",
        "instructions: the agent's are not stored; write them into the pipeline's system prompt",
    ),
)
