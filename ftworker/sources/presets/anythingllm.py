"""AnythingLLM with its PostgreSQL option: `workspace_chats`, where a row is a question with its answer as JSON text.

A thread is a conversation; so is a session of the developer API, and for each user what stands in a workspace
outside of threads. The workspace is the course. Left out are rows with `include = false`: reset by the person, or
the refusals of query mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from psycopg2 import sql

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.preset import Reader, Row, Table, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE, decode_json

_KEY = """CASE
    WHEN m.thread_id IS NOT NULL THEN 'thread-' || m.thread_id
    WHEN m.api_session_id IS NOT NULL THEN 'api-' || m."workspaceId" || '-' || m.api_session_id
    ELSE 'workspace-' || m."workspaceId" || '-' || coalesce(m.user_id::text, 'anyone') END"""

_COLUMNS = (
    "id", "workspaceId", "prompt", "response", "include", "user_id", "thread_id", "api_session_id", "createdAt",
    "feedbackScore",
)  # fmt: skip


def _parts(_: SourceSettings, __: Mapping[str, Table]) -> dict[str, sql.Composable]:
    return {"key": sql.SQL(_KEY)}


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple([message for row in rows for message in _turn(row, reader)])


def _turn(row: Row, reader: Reader) -> tuple[Message, Message]:
    """A question and its answer. Passages and rating belong to the answer."""
    broken = row.get(LONE_SURROGATE, False)
    asked = reader.message({"role": "user", "content": row.get("question"), LONE_SURROGATE: broken})
    try:
        stored, replaced = decode_json(row.get("response") or "")
    except ValueError:
        stored, replaced = None, False
    known = stored if isinstance(stored, dict) else {}
    metrics = known.get("metrics")
    answered = reader.message(
        {
            "id": row.get("id"),
            "role": "assistant",
            "content": known.get("text"),
            "context": known.get("sources"),
            "created_at": row.get("created_at"),
            "rating": row.get("rating"),
            "model": metrics.get("model") if isinstance(metrics, dict) else None,
            LONE_SURROGATE: broken or replaced,
        }
    )
    if not isinstance(stored, dict):
        answered = msgspec.structs.replace(answered, error=UNREADABLE)
    return msgspec.structs.replace(asked, created_at=answered.created_at), answered


PRESET = fixed_preset(
    "anythingllm",
    TableUse("workspace_chats", dict.fromkeys(_COLUMNS, ""), times="createdAt"),
    TableUse("workspaces", dict.fromkeys(("id", "slug"), "")),
    messages=_messages,
    cannot_tell=(
        "users: only in multi-user mode; API calls without a session and a single-user instance are one conversation",
        "what a person corrected: an edited answer stands there in place of what was said",
        "other answers to the same question: making one anew deletes the one before",
        "the whole of pinned documents: their first 1,000 characters are kept",
        "chats of the embedded widget: they stand in embed_chats, which is not read",
        "consent: a pipeline with require_consent takes nothing from here",
    ),
    parts_of=_parts,
)
