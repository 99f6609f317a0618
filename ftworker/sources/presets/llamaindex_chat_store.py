"""LlamaIndex's PostgresChatStore: `(key, value json[])`, a conversation a row, rewritten in place, without times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE

ROLES = {"chatbot": "assistant", "model": "assistant"}

CANNOT_TELL = (
    "ratings: bad answers cannot be told from good ones",
    "users: training and validation are split by conversation instead of by user",
    "consent: a pipeline with require_consent takes nothing from here",
    "retrieved context: LlamaIndex keeps no source nodes beside the answer",
    "models: answers of a model that was tuned here are not known as such",
)


def read_message(stored: Any, reader: Reader, about: Row) -> Message:
    """A ChatMessage as LlamaIndex keeps it: `blocks`, or in versions before 0.12 `content`."""
    if not isinstance(stored, dict):
        return Message("", "", error=UNREADABLE)
    blocks = stored.get("blocks")
    content = _text(blocks) if isinstance(blocks, list) else stored.get("content")
    return reader.message({**about, "role": stored.get("role"), "content": content})


def _text(blocks: Sequence[Any]) -> str:
    """As ChatMessage.content: the text blocks alone, a line each. A thinking block's `content` was not said."""
    return "\n".join(
        block["text"]
        for block in blocks
        if isinstance(block, dict)
        and block.get("block_type", "text") == "text"
        and isinstance(block.get("text"), str)
    )


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple(
        read_message(row.get("message"), reader, {LONE_SURROGATE: row.get(LONE_SURROGATE)}) for row in rows
    )


PRESET = fixed_preset(
    "llamaindex_chat_store",
    TableUse("chatstore", dict.fromkeys(("id", "key", "value"), "")),
    roles=ROLES,
    messages=_messages,
    order=("number",),
    is_revised=True,
    cannot_tell=CANNOT_TELL,
)
