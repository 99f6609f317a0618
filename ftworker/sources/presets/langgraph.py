"""LangGraph's PostgresSaver: LangChain's messages, as MessagePack in the checkpoints of a thread.

Decoded as data alone: nothing of LangGraph or LangChain is imported, no stored constructor is called.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.presets import langchain
from ftworker.sources.values import LONE_SURROGATE, decode_json, decode_msgpack

_CLASSES = {"HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system", "ToolMessage": "tool"}


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    state: dict[object, tuple[Any, bool]] = {}  # by the message's id, as LangGraph's own reducer has it
    for row in rows:
        for stored, broken in _decoded(row):
            identity = stored.get("id") if isinstance(stored, dict) else None
            known = identity if isinstance(identity, str) else object()
            if isinstance(stored, dict) and stored.get("type") == "remove":
                state.pop(known, None)
            else:
                state[known] = (stored, broken)
    return tuple(
        langchain.read_message(
            stored,
            reader,
            {"id": stored.get("id") if isinstance(stored, dict) else None, LONE_SURROGATE: broken},
        )
        for stored, broken in state.values()
    )


def _decoded(row: Row) -> list[tuple[Any, bool]]:
    """The messages of a stored list or write. What is encrypted, pickled or broken is one that cannot be read."""
    broken = False
    try:
        data = b64decode(row.get("blob") or "")
        if row.get("type") == "msgpack":
            value = decode_msgpack(data)
        elif row.get("type") == "json":
            value, broken = decode_json(data.decode())
        else:
            value = None
    except ValueError:
        value = None
    if isinstance(value, list) and [type(item) for item in value] == [str, str]:
        value = [value]  # ("user", "Hola"): one message, as a program may write it
    return [(_fields(item), broken) for item in (value if isinstance(value, list) else [value])]


def _fields(item: Any) -> Any:
    if isinstance(item, list) and [type(part) for part in item] == [str, str]:
        return {"type": item[0], "content": item[1]}
    if isinstance(item, dict) and item.get("lc") and isinstance(item.get("kwargs"), dict):
        # As LangGraph wrote JSON before MessagePack: the class stands in the id.
        path = item.get("id")
        name = path[-1] if isinstance(path, list) and path else None
        return {"type": _CLASSES.get(str(name)), **item["kwargs"]}
    return item


PRESET = fixed_preset(
    "langgraph",
    TableUse(
        "checkpoints",
        dict.fromkeys(
            ("thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "checkpoint"), ""
        ),
        indexes={"thread_id": "each batch of conversations is read by it"},
    ),
    TableUse(
        "checkpoint_blobs",
        dict.fromkeys(("thread_id", "checkpoint_ns", "channel", "version", "type", "blob"), ""),
        indexes={"thread_id": "each batch of conversations is read by it"},
    ),
    TableUse(
        "checkpoint_writes",
        dict.fromkeys(
            (
                "thread_id",
                "checkpoint_ns",
                "checkpoint_id",
                "task_id",
                "task_path",
                "idx",
                "channel",
                "type",
                "blob",
            ),
            "",
        ),
    ),
    roles=langchain.ROLES | {"ai": "assistant"},
    messages=_messages,
    order=("step", "is_write", "path", "task", "idx"),
    cannot_tell=(
        "times of messages: only that of the thread's last step is known",
        "ratings: bad answers cannot be told from good ones",
        "users: training and validation are split by conversation instead of by user",
        "consent: a pipeline with require_consent takes nothing from here",
        "retrieved context: only documents that a tool returned as its artifact are known",
        "answers made anew from an earlier checkpoint: only the newest branch is read",
    ),
)
