"""LobeChat with its server database: `messages`, by topic, with `parent_id` and in newer versions branches.

Where a message has several children, its `metadata.activeBranchIndex` says which one is shown; without it the first
that goes on, else the first. Versions without branches leave `parent_id` of a question empty: it follows the message
before it. The assistant (or the session that stands for it) is the course.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.branches import chosen_branch
from ftworker.sources.preset import Reader, Row, Table, TableUse, fixed_preset

_KEY = "coalesce(m.topic_id, 'session:' || coalesce(m.session_id, 'inbox') || ':' || m.user_id)"
_SPEAKERS = ("user", "assistant", "system", "tool")
_COLUMNS = (
    "id", "role", "content", "model", "error", "metadata", "parent_id", "topic_id", "session_id", "thread_id",
    "agent_id", "group_id", "user_id", "created_at", "updated_at",
)  # fmt: skip


def _parts(_: SourceSettings, __: Mapping[str, Table]) -> dict[str, sql.Composable]:
    return {"key": sql.SQL(_KEY)}


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    # What a task of its own reported hangs beside the answer that sums it up, and would look like another answer.
    rows = [row for row in rows if row.get("role") in _SPEAKERS]
    known = {row["id"] for row in rows}
    linked: list[dict[str, Any]] = []
    children: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        parent = row.get("parent_id")
        if parent not in known:
            parent = linked[-1]["id"] if linked else None
        linked.append({**row, "parent_id": parent})
        children.setdefault(parent, []).append(linked[-1])

    def active(row: Row) -> Any:
        below = children.get(row["id"], [])
        if not below:
            return None
        said = row.get("active_branch")
        place = int(said) if isinstance(said, str) and said.isdecimal() else None
        if place is not None and place < len(below):
            return below[place]["id"]
        return next((child["id"] for child in below if child["id"] in children), below[0]["id"])

    return reader.each_row(chosen_branch(linked, reader.role, preferred=active))


PRESET = fixed_preset(
    "lobechat",
    TableUse(
        "messages",
        dict.fromkeys(_COLUMNS, ""),
        indexes={"topic_id": "each batch of conversations is read by it"},
        times="updated_at",
    ),
    TableUse("message_query_chunks", dict.fromkeys(("id", "chunk_id", "similarity"), "")),
    TableUse("chunks", dict.fromkeys(("id", "text"), "")),
    messages=_messages,
    cannot_tell=(
        "ratings: bad answers cannot be told from good ones",
        "visitors of a shared assistant: what they say stands under the one who shared it",
        "conversations outside of topics: all that a user says to an assistant there is one",
        "what a person corrected: an edited answer stands there in place of what was said",
        "consent: a pipeline with require_consent takes nothing from here",
    ),
    parts_of=_parts,
)
