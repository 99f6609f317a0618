"""LangChain's chat history: langchain-postgres, langchain-community's `message_store`, n8n, LangChain.js.

A row is `(id serial, session_id, message)`, with `created_at` in langchain-postgres alone. One call writes
all its rows with one time, so the numbers give the order. Python writes `{"type": ..., "data": {...}}`,
JavaScript and n8n the same flat. There is no rating and no user, and a session id can be a phone number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.connection import Name
from ftworker.sources.preset import (
    NO_TIMES,
    Plan,
    Preset,
    Reader,
    Row,
    Table,
    TableUse,
    comparable,
    fill,
    time_of,
)
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE, decode_json, word

ROLES = {"human": "user", "humanmessagechunk": "user", "ai": "assistant", "aimessagechunk": "assistant"}
_CUT_OFF = frozenset({"length", "max_tokens", "content_filter", "MAX_TOKENS", "SAFETY"})
_DOCUMENTS = ("documents", "docs", "context", "source_documents", "sourceDocuments")

_CANNOT_TELL = (
    "ratings: bad answers cannot be told from good ones",
    "users: training and validation are split by conversation instead of by user",
    "consent: a pipeline with require_consent takes nothing from here",
    "retrieved context: only documents that a tool returned as its artifact are known",
)


def _uses(settings: SourceSettings) -> tuple[TableUse, ...]:
    columns = dict.fromkeys(("id", "session_id", "message"), "")
    indexes = {"session_id": "each batch of conversations is read by it"}
    return (TableUse(settings.langchain_table, columns, "langchain_table", indexes),)


def _plan(settings: SourceSettings, tables: Mapping[str, Table]) -> Plan:
    found = tables[settings.langchain_table]
    table = Name(settings.schema_name, found.name)
    created_at = found.columns.get("created_at")
    return Plan(
        messages=fill(
            "langchain",
            "messages",
            table=table,
            with_created_at=sql.SQL(", l.created_at AS created_at" if created_at else ""),
        ),
        changes=fill(
            "langchain",
            "changes",
            table=table,
            last_change_at=sql.SQL("max({})").format(time_of("l", created_at))
            if created_at
            else sql.SQL("NULL"),
        ),
        scopes=fill("langchain", "scopes", table=table),
        touched=fill("langchain", "touched", table=table, created_at=comparable("l", created_at))
        if created_at
        else None,
        appended=None if created_at else fill("langchain", "appended", table=table),
        last_row=None if created_at else fill("langchain", "last_row", table=table),
        order=("id",),
        cannot_tell=_CANNOT_TELL if created_at else (NO_TIMES, *_CANNOT_TELL),
    )


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple([_message(row, reader) for row in rows])


def _message(row: Row, reader: Reader) -> Message:
    stored, broken = row.get("message"), row.get(LONE_SURROGATE, False)
    if isinstance(stored, str):
        try:
            stored, broken = decode_json(stored)
        except ValueError:
            stored = None
    about = {"id": row.get("id"), "created_at": row.get("created_at"), LONE_SURROGATE: broken}
    return read_message(stored, reader, about)


def read_message(stored: Any, reader: Reader, about: Row) -> Message:
    """A message as LangChain keeps it, in Python's nested form, JavaScript's flat one, or the one with `lc` and
    `kwargs`. `about` is what stands beside it. Also what LangGraph keeps."""
    if not isinstance(stored, dict):
        # Nobody can say who spoke, so the role stays empty and the conversation is dropped for it.
        return Message("", "", id=word(about.get("id")), error=UNREADABLE)
    inner = stored.get("kwargs") if stored.get("lc") else stored.get("data")
    data = inner if isinstance(inner, dict) else stored
    kind = (
        data.get("type") or data.get("role") if stored.get("lc") else stored.get("type") or data.get("type")
    )
    if kind in (None, "chat", "generic"):
        kind = data.get("role")
    metadata = data.get("response_metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return reader.message(
        {
            **about,
            "role": kind,
            "content": data.get("content"),
            "context": _documents(data.get("artifact")),
            "error": data.get("status") == "error" or _is_cut_off(metadata),
            "model": metadata.get("model_name") or metadata.get("model"),
        }
    )


def _is_cut_off(about: Mapping[str, Any]) -> bool:
    # OpenAI, Ollama and Anthropic each have their own name for why an answer ended.
    ends = (about.get(name) for name in ("finish_reason", "done_reason", "stop_reason"))
    return any(end in _CUT_OFF for end in ends if isinstance(end, str))


def _documents(artifact: Any) -> list[Any]:
    """The documents that a tool returned beside its answer. An artifact can be anything; only documents
    count."""
    if isinstance(artifact, dict):
        artifact = next(
            (artifact[name] for name in _DOCUMENTS if isinstance(artifact.get(name), list)), [artifact]
        )
    if not isinstance(artifact, list):
        return []
    return [item for item in artifact if isinstance(item, dict) and _is_document(item)]


def _is_document(item: Mapping[str, Any]) -> bool:
    inside = item.get("kwargs")
    fields = inside if isinstance(inside, dict) else item
    return "page_content" in fields or "pageContent" in fields


PRESET = Preset(name="langchain", uses=_uses, plan=_plan, messages=_messages, roles=lambda _: ROLES)
