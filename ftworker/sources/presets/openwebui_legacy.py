"""Open WebUI before it had a table of messages: a chat is one JSON, with its tree in `history`.

The opinion of a message stands in its `annotation`. Checked with the models of Open WebUI 0.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg2 import sql

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.branches import branch_messages
from ftworker.sources.preset import Reader, Row, Table, TableUse, fixed_preset
from ftworker.sources.presets.openwebui import CANNOT_TELL, people, readable, row_of_message
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE, decode_json, when

# The list holds the messages of the current branch; a tree without one counts as one message.
_LENGTH = """
    CASE WHEN json_typeof({chat} -> 'messages') = 'array' AND ({chat} -> 'messages' -> 0) IS NOT NULL
    THEN json_array_length({chat} -> 'messages')
    WHEN ({chat} -> 'history' -> 'messages')::text NOT IN ('{{}}', 'null') THEN 1 ELSE 0 END
"""
_NEVER = datetime.min.replace(tzinfo=UTC)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    (row,) = rows
    chat, broken = row.get("chat"), row.get(LONE_SURROGATE)
    if isinstance(chat, str):  # before 0.3.33 the column was a text
        try:
            chat, broken = decode_json(chat)
        except ValueError:
            return (Message("", "", error=UNREADABLE),)
    chat = chat if isinstance(chat, dict) else {}
    history = chat.get("history")
    tree = history.get("messages") if isinstance(history, dict) else None
    found = _tree(tree, reader) if isinstance(tree, dict) and tree else _chain(chat.get("messages"))
    current = history.get("currentId") if isinstance(history, dict) else None
    return branch_messages(
        [
            {
                **row_of_message({**said, "sources": said.get("sources") or said.get("citations")}),
                "parent_id": said.get("parentId"),
                "created_at": said.get("timestamp"),
                "rating": _opinion(said.get("annotation")),
                "current_id": current,
                LONE_SURROGATE: broken,
            }
            for said in found
        ],
        reader,
    )


def _tree(tree: Mapping[str, Any], reader: Reader) -> list[dict[str, Any]]:
    """The messages by their times; those of one moment as they stand in the chat."""
    found = [{**said, "id": identity} for identity, said in tree.items() if isinstance(said, dict)]
    return sorted(found, key=lambda said: when(said.get("timestamp"), reader.zone) or _NEVER)


def _chain(listed: Any) -> list[dict[str, Any]]:
    """What the oldest versions kept instead of a tree: a list, each message after the one before."""
    found = [said for said in listed if isinstance(said, dict)] if isinstance(listed, list) else []
    return [
        {**said, "id": str(place), "parentId": str(place - 1) if place else None}
        for place, said in enumerate(found)
    ]


def _opinion(annotation: Any) -> Any:
    return annotation.get("rating") if isinstance(annotation, dict) else None


def _parts(_: SourceSettings, tables: Mapping[str, Table]) -> dict[str, sql.Composable]:
    return {
        "people": people(tables["chat"].columns),
        "length": sql.SQL(_LENGTH).format(chat=readable("c.chat")),
    }


PRESET = fixed_preset(
    "openwebui_legacy",
    TableUse(
        "chat",
        dict.fromkeys(("id", "user_id", "chat", "updated_at"), ""),
        times="updated_at",
    ),
    messages=_messages,
    order=("id",),
    cannot_tell=CANNOT_TELL,
    parts_of=_parts,
)
