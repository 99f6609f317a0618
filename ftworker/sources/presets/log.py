"""The generic preset `log`: one table whose rows are a question with its answer, named in the settings.

Three ways to know a conversation: a column that names it; else a person's rows until a gap of `idle_seconds`,
named by the first row's id; else each row is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
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
    column,
    comparable,
    fill,
    require,
    time_of,
    times_in,
)
from ftworker.sources.values import LONE_SURROGATE

_FIELDS = {
    "id": "id",
    "question": "question",
    "answer": "answer",
    "created_at": "created_at",
    "user_ref": "user",
    "tenant_id": "tenant",
    "course_id": "course",
    "context": "context",
    "rating": "rating",
    "model": "model",
}
"""Field of a row to the setting that names its column."""

_MISSING = {
    "user": "users: training and validation are split by conversation instead of by user",
    "rating": "ratings: bad answers cannot be told from good ones",
    "context": "retrieved context: examples hold question and answer alone",
}
_ALWAYS_MISSING = ("consent: a pipeline with require_consent takes nothing from here",)


def _uses(settings: SourceSettings) -> tuple[TableUse, ...]:
    columns = settings.log
    require("log", columns, ["table", "id", "question", "answer"])
    named = ("conversation_id", *_FIELDS.values())
    by_gap = _is_by_gap(settings)
    key = columns.user if by_gap else columns.conversation_id or columns.id
    indexes = {key: "each batch of conversations is read by it"}
    if by_gap:
        indexes[columns.id] = "conversations are found by their first row"
    if columns.created_at and settings.sweep_idle:
        indexes[columns.created_at] = "sweep_idle asks it every minute for what is new"
    wanted = {found: f"log.{setting}" for setting in named if (found := getattr(columns, setting))}
    return (TableUse(columns.table, wanted, "log.table", indexes),)


def _is_by_gap(settings: SourceSettings) -> bool:
    columns = settings.log
    return not columns.conversation_id and bool(columns.user) and bool(columns.created_at)


def _plan(settings: SourceSettings, tables: Mapping[str, Table]) -> Plan:
    columns = settings.log
    log = tables[columns.table]
    table = Name(settings.schema_name, log.name)
    selected = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(column("l", found), Name(name))
        for name, setting in _FIELDS.items()
        if (found := getattr(columns, setting))
    )
    identity = column("l", columns.id)
    created_at = times_in(log, columns.created_at)
    missing: tuple[str, ...] = (
        *(() if created_at else (NO_TIMES,)),
        *(text for setting, text in _MISSING.items() if not getattr(columns, setting)),
        *_ALWAYS_MISSING,
    )
    if _is_by_gap(settings) and created_at is not None:
        user = column("l", columns.user)
        at = time_of("l", created_at)
        return Plan(
            messages=fill(
                "log", "messages_by_gap", user=user, at=at, id=identity, columns=selected, table=table
            ),
            changes=fill("log", "changes_by_gap", user=user, at=at, id=identity, table=table),
            scopes=fill("log", "scopes", scope=user, table=table),
            touched=fill("log", "touched", scope=user, table=table, created_at=comparable("l", created_at)),
            order=("at", "id"),
            scope="scope",
            parameters={"gap": timedelta(seconds=settings.idle_seconds)},
            cannot_tell=(
                *missing,
                f"conversations: a person's rows are one until a gap of {settings.idle_seconds:g} s",
                "rows without a person or a time: they are left out",
            ),
        )
    key = column("l", columns.conversation_id or columns.id)
    numbered = log.columns[columns.id].is_integer
    by_row = numbered and created_at is None
    if not columns.conversation_id:
        missing += ("conversations: each row is one",)
    return Plan(
        messages=fill("log", "messages", key=key, columns=selected, table=table),
        changes=fill(
            "log",
            "changes",
            key=key,
            table=table,
            last_change_at=sql.SQL("max({})").format(time_of("l", created_at))
            if created_at
            else sql.SQL("NULL"),
            last_row=sql.SQL("max({})").format(identity) if numbered else sql.SQL("NULL"),
        ),
        scopes=fill("log", "scopes", scope=key, table=table),
        touched=fill("log", "touched", scope=key, table=table, created_at=comparable("l", created_at))
        if created_at
        else None,
        appended=fill("log", "appended", key=key, table=table, row=identity) if by_row else None,
        last_row=fill("log", "last_row", table=table, row=identity) if by_row else None,
        order=("created_at", "id") if columns.created_at else ("id",),
        cannot_tell=missing,
    )


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    """Two messages a row. Rating, context and model belong to the answer."""
    messages = []
    for row in rows:
        answer = reader.message({**row, "role": "assistant", "content": row.get("answer")})
        question = reader.message(
            {"role": "user", "content": row.get("question"), LONE_SURROGATE: row.get(LONE_SURROGATE)}
        )
        messages += [msgspec.structs.replace(question, created_at=answer.created_at), answer]
    return tuple(messages)


PRESET = Preset(name="log", uses=_uses, plan=_plan, messages=_messages)
