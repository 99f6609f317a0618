"""LlamaIndex's Memory: `(key, timestamp, role, status, data)`, a message a row, times in nanoseconds."""

from __future__ import annotations

from collections.abc import Sequence

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.presets.llamaindex_chat_store import CANNOT_TELL, ROLES, read_message


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple(read_message(row.get("message"), reader, row) for row in rows)


PRESET = fixed_preset(
    "llamaindex_memory",
    TableUse(
        "llama_index_memory",
        dict.fromkeys(("id", "key", "timestamp", "data"), ""),
        indexes={"key": "each batch of conversations is read by it"},
        times="timestamp",
    ),
    roles=ROLES,
    messages=_messages,
    cannot_tell=CANNOT_TELL,
)
