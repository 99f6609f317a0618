"""Onyx (before: Danswer): `chat_session` and the tree of `chat_message` below an empty SYSTEM root.

The branch goes from the root along `preferred_response_id` (chosen among the answers of several models), else
`latest_child_message_id`. Of what was retrieved only the blurb of each document is kept, not the passage that the
model read. Columns that newer versions added are read where they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import sql

from ftworker.settings import SourceSettings
from ftworker.sources.branches import branch_messages
from ftworker.sources.preset import Table, TableUse, fixed_preset

_MESSAGE = (
    "id", "chat_session_id", "parent_message_id", "latest_child_message_id", "message", "message_type", "time_sent",
    "error", "citations",
)  # fmt: skip
_DOCUMENT = ("id", "document_id", "chunk_ind", "semantic_id", "blurb", "score")


def _parts(_: SourceSettings, tables: Mapping[str, Table]) -> dict[str, sql.Composable]:
    said, sessions = tables["chat_message"].columns, tables["chat_session"].columns
    latest = "m.latest_child_message_id"
    return {
        "model": sql.SQL("m.model_display_name" if "model_display_name" in said else "NULL"),
        "preferred": sql.SQL(
            f"coalesce(m.preferred_response_id, {latest})" if "preferred_response_id" in said else latest
        ),
        "unless_summary": sql.SQL(
            "AND m.last_summarized_message_id IS NULL" if "last_summarized_message_id" in said else ""
        ),
        "unless_incognito": sql.SQL(
            "AND c.incognito_record_mode IS NULL" if "incognito_record_mode" in sessions else ""
        ),
    }


PRESET = fixed_preset(
    "onyx",
    TableUse("chat_session", dict.fromkeys(("id", "user_id", "persona_id", "deleted"), "")),
    TableUse(
        "chat_message",
        dict.fromkeys(_MESSAGE, ""),
        indexes={"chat_session_id": "each batch of conversations is read by it"},
        times="time_sent",
    ),
    TableUse("chat_feedback", dict.fromkeys(("id", "chat_message_id", "is_positive"), "")),
    TableUse("chat_message__search_doc", dict.fromkeys(("chat_message_id", "search_doc_id"), "")),
    TableUse("search_doc", dict.fromkeys(_DOCUMENT, "")),
    roles={"USER": "user", "ASSISTANT": "assistant", "SYSTEM": "system", "TOOL_CALL_RESPONSE": "tool"},
    messages=branch_messages,
    cannot_tell=(
        'retrieved context: only a blurb of each document is kept; train with curation.context = "none"',
        "consent: a pipeline with require_consent takes nothing from here",
        "what a person corrected: Onyx keeps no such text",
    ),
    parts_of=_parts,
)
