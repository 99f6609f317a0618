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
from ftworker.sources.presets.openwebui import CANNOT_TELL, row_of_message
from ftworker.sources.values import LONE_SURROGATE, when

# The list holds the messages of the current branch; a tree without one counts as one message.
_LENGTH = """
    CASE WHEN json_typeof(c.chat::json -> 'messages') = 'array' AND (c.chat::json -> 'messages' -> 0) IS NOT NULL
    THEN json_array_length(c.chat::json -> 'messages')
    WHEN (c.chat::json -> 'history' -> 'messages')::text NOT IN ('{}', 'null') THEN 1 ELSE 0 END
"""
_NEVER = datetime.min.replace(tzinfo=UTC)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    (chat,) = rows
    history = chat.get("history")
    tree = history.get("messages") if isinstance(history, dict) else None
    found = _tree(tree, reader) if isinstance(tree, dict) and tree else _chain(chat.get("listed"))
    current = history.get("currentId") if isinstance(history, dict) else None
    return branch_messages(
        [
            {
                **row_of_message({**said, "sources": said.get("sources") or said.get("citations")}),
                "parent_id": said.get("parentId"),
                "created_at": said.get("timestamp"),
                "rating": _opinion(said.get("annotation")),
                "current_id": current,
                LONE_SURROGATE: chat.get(LONE_SURROGATE),
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
    people = "NOT starts_with(c.user_id, 'shared-')"
    if "meta" in tables["chat"].columns:
        people += " AND (c.meta::json -> 'internal')::text IS DISTINCT FROM 'true'"
    return {"people": sql.SQL(people), "length": sql.SQL(_LENGTH)}


PRESET = fixed_preset(
    "openwebui_legacy",
    TableUse(
        "chat",
        dict.fromkeys(("id", "user_id", "chat", "updated_at"), ""),
        indexes={"updated_at": "sweep_idle asks it every minute for what is new"},
    ),
    messages=_messages,
    order=("id",),
    cannot_tell=CANNOT_TELL,
    parts_of=_parts,
)
