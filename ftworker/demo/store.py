"""A RAG's chat store as the demonstration's RAG would have written it: conversations, messages, pupils.

chat_store.sql makes the tables in schema `rag_demo`, or in that of another demonstration; the source of its
configuration reads the chats with the generic preset `messages`, and its roster the names of the pupils. Never touches
ftworker's own schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from ftworker.store import Cursor

SCHEMA = "rag_demo"
"""As the statements here and in chat_store.sql have it."""

WRITE_CONVERSATION = """
    INSERT INTO rag_demo.conversations (
        id, tenant, course, user_ref, locale, model, consent, consent_policy, rating,
        started_at, last_message_at, closed_at, close_reason)
    VALUES (
        %(id)s, %(tenant)s, %(course)s, %(user_ref)s, %(locale)s, %(model)s, %(consent)s, %(consent_policy)s,
        %(rating)s, %(started_at)s, %(last_message_at)s, %(closed_at)s, %(close_reason)s)
    ON CONFLICT (id) DO UPDATE SET
        tenant = excluded.tenant, course = excluded.course, user_ref = excluded.user_ref,
        locale = excluded.locale, model = excluded.model, consent = excluded.consent,
        consent_policy = excluded.consent_policy, rating = excluded.rating, started_at = excluded.started_at,
        last_message_at = excluded.last_message_at, closed_at = excluded.closed_at,
        close_reason = excluded.close_reason
"""

WRITE_MESSAGE = """
    INSERT INTO rag_demo.messages (
        id, conversation_id, position, parent_id, role, content, context,
        rating, rating_comment, error, correction, created_at)
    VALUES (
        %(id)s, %(conversation_id)s, %(position)s, %(parent_id)s, %(role)s, %(content)s, %(context)s,
        %(rating)s, %(rating_comment)s, %(error)s, %(correction)s, %(created_at)s)
    ON CONFLICT (id) DO UPDATE SET
        conversation_id = excluded.conversation_id, position = excluded.position,
        parent_id = excluded.parent_id, role = excluded.role, content = excluded.content,
        context = excluded.context, rating = excluded.rating, rating_comment = excluded.rating_comment,
        error = excluded.error, correction = excluded.correction, created_at = excluded.created_at
"""

WRITE_PUPIL = """
    INSERT INTO rag_demo.pupils (tenant, name) VALUES (%(tenant)s, %(name)s) ON CONFLICT DO NOTHING
"""


def create_chat_store(cursor: Cursor, schema: str = SCHEMA) -> None:
    """Create schema and tables where they are missing. Repeatable; keeps what is there."""
    statements = files("ftworker.demo").joinpath("chat_store.sql").read_text(encoding="utf-8")
    cursor.execute(_in(schema, statements))


def write_conversations(
    cursor: Cursor, conversations: Iterable[Mapping[str, Any]], schema: str = SCHEMA
) -> int:
    """Write conversations (the `data` of their events); return how many. Repeatable: the newest words win."""
    write_conversation, write_message = _in(schema, WRITE_CONVERSATION), _in(schema, WRITE_MESSAGE)
    written = 0
    for conversation in conversations:
        cursor.execute(write_conversation, _conversation_row(conversation))
        for row in _message_rows(conversation):
            cursor.execute(write_message, row)
        written += 1
    return written


def write_pupils(cursor: Cursor, tenant: str, names: Iterable[str], schema: str = SCHEMA) -> None:
    """Write the names of a school's pupils. Repeatable."""
    for name in names:
        cursor.execute(_in(schema, WRITE_PUPIL), {"tenant": tenant, "name": name})


def _in(schema: str, statement: str) -> str:
    """The statement for the tables of this schema, a name of ours."""
    return re.sub(rf"\b{SCHEMA}\b", schema, statement)


def _conversation_row(conversation: Mapping[str, Any]) -> dict[str, Any]:
    rating = conversation["rating"]
    return {
        "id": conversation["conversation_id"],
        "tenant": conversation["tenant_id"],
        "course": conversation["course_id"],
        "user_ref": conversation["user_ref"],
        "locale": conversation["locale"],
        "model": conversation["model"],
        "consent": conversation["consent"]["training"],
        "consent_policy": conversation["consent"]["policy"],
        "rating": rating["value"] if rating else None,
        "started_at": conversation["started_at"],
        "last_message_at": conversation["last_message_at"],
        "closed_at": conversation["closed_at"],
        "close_reason": conversation["reason"],
    }


def _message_rows(conversation: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    opinions = {feedback["message_id"]: feedback for feedback in conversation["feedback"]}
    for position, message in enumerate(conversation["messages"]):
        opinion = opinions.get(message["id"], {})
        yield {
            "id": message["id"],
            "conversation_id": conversation["conversation_id"],
            "position": position,
            "parent_id": message["parent_id"],
            "role": message["role"],
            "content": message["content"],
            "context": msgspec.json.encode(message["context"]).decode(),
            "rating": opinion.get("value"),
            "rating_comment": opinion.get("comment"),
            "error": message["error"],
            "correction": message.get("correction"),
            "created_at": message["created_at"],
        }
