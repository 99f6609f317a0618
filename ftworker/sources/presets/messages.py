"""The generic preset `messages`: conversations and messages in two tables, or messages alone, named in the
settings."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import sql

from ftworker.settings import ColumnsMessages, SourceSettings
from ftworker.sources.connection import Name
from ftworker.sources.preset import (
    NO_TIMES,
    Plan,
    Preset,
    Table,
    TableUse,
    column,
    comparable,
    fill,
    require,
    time_of,
    times_in,
)

_MESSAGE_FIELDS = {
    "id": "message_id",
    "role": "role",
    "content": "content",
    "created_at": "created_at",
    "context": "context",
    "rating": "rating",
    "error": "error",
    "model": "model",
    "correction": "correction",
}
_CONVERSATION_FIELDS = {
    "user_ref": "user",
    "tenant_id": "tenant",
    "course_id": "course",
    "closed_at": "closed_at",
    "consent": "consent",
    "debug": "debug",
}
"""Field of a row to the setting that names its column."""

_MISSING = {
    "user": "users: training and validation are split by conversation instead of by user",
    "rating": "ratings: bad answers cannot be told from good ones",
    "context": "retrieved context: examples hold question and answer alone",
    "consent": "consent: a pipeline with require_consent takes nothing from here",
}


def _named(columns: ColumnsMessages, fields: Mapping[str, str]) -> dict[str, str]:
    """Field to column, of the fields that the configuration names a column for."""
    return {name: found for name, setting in fields.items() if (found := getattr(columns, setting))}


def _settings_of(columns: ColumnsMessages, *settings: str) -> dict[str, str]:
    """Column to the setting that names it."""
    return {found: f"messages.{setting}" for setting in settings if (found := getattr(columns, setting))}


def _uses(settings: SourceSettings) -> tuple[TableUse, ...]:
    columns = settings.messages
    needed = ["messages_table", "message_conversation_id", "role", "content"]
    if columns.conversations_table:
        needed.append("conversation_id")
    if not columns.created_at:
        needed.append("message_id")  # something must put the messages in order
    require("messages", columns, needed)
    of_messages = _settings_of(columns, "message_conversation_id", *_MESSAGE_FIELDS.values())
    of_conversations = _settings_of(columns, "conversation_id", *_CONVERSATION_FIELDS.values())
    indexes = {columns.message_conversation_id: "each batch of conversations is read by it"}
    if columns.created_at and settings.sweep_idle:
        indexes[columns.created_at] = "sweep_idle asks it every minute for what is new"
    if not columns.conversations_table:
        of_conversations.pop(columns.conversation_id, None)
        of_messages |= {
            name: setting for name, setting in of_conversations.items() if name not in of_messages
        }
        return (TableUse(columns.messages_table, of_messages, "messages.messages_table", indexes),)
    return (
        TableUse(columns.messages_table, of_messages, "messages.messages_table", indexes),
        TableUse(
            columns.conversations_table,
            of_conversations,
            "messages.conversations_table",
            {columns.conversation_id: "conversations are looked up by it"},
        ),
    )


def _plan(settings: SourceSettings, tables: Mapping[str, Table]) -> Plan:
    columns = settings.messages
    messages = tables[columns.messages_table]
    conversations = tables[columns.conversations_table] if columns.conversations_table else None
    messages_table = Name(settings.schema_name, messages.name)
    key = column("m", columns.message_conversation_id)
    conversation_key = column("c", columns.conversation_id)
    if conversations is not None:
        ours = messages.columns[columns.message_conversation_id].type_name
        if ours != conversations.columns[columns.conversation_id].type_name:
            # A uuid in one table and a text in the other: the same once both are text.
            key, conversation_key = (sql.SQL("{}::text").format(side) for side in (key, conversation_key))

    selected = _named(columns, _MESSAGE_FIELDS)
    if conversations is None:
        selected |= _named(columns, _CONVERSATION_FIELDS)
    created_at = times_in(messages, columns.created_at)
    closed_at = times_in(conversations or messages, columns.closed_at)
    closed_alias = "c" if conversations is not None else "m"
    times = [
        sql.SQL("max({})").format(time_of(alias, found))
        for alias, found in (("m", created_at), (closed_alias, closed_at))
        if found is not None
    ]
    numbered = bool(columns.message_id) and messages.columns[columns.message_id].is_integer
    row = column("m", columns.message_id)

    spans = []
    if created_at is not None:
        spans.append(
            fill(
                "messages",
                "touched",
                key=key,
                messages_table=messages_table,
                created_at=comparable("m", created_at),
            )
        )
    if closed_at is not None:
        spans.append(
            fill(
                "messages",
                "closed",
                key=conversation_key if conversations is not None else key,
                table=Name(settings.schema_name, (conversations or messages).name),
                alias=sql.SQL(closed_alias),
                closed_at=comparable(closed_alias, closed_at),
            )
        )

    joined: sql.Composable = sql.SQL("")
    of_conversations = None
    if conversations is not None:
        conversations_table = Name(settings.schema_name, conversations.name)
        joined = sql.SQL("JOIN {} AS c ON {} = {}").format(conversations_table, conversation_key, key)
        of_conversations = fill(
            "messages",
            "conversations",
            key=conversation_key,
            columns=_columns("c", {"id": columns.conversation_id} | _named(columns, _CONVERSATION_FIELDS)),
            conversations_table=conversations_table,
        )
    by_row = numbered and not times
    # Both sides: a join passes equalities on to its other side, but not `= ANY`.
    narrowed = [sql.SQL("AND {} = ANY(%(scopes)s)").format(side) for side in (key, conversation_key)]

    def changes(within: sql.Composable) -> sql.Composable:
        return fill(
            "messages",
            "changes",
            key=key,
            messages_table=messages_table,
            with_conversations=joined,
            within=within,
            last_change_at=sql.SQL("greatest({})").format(sql.SQL(", ").join(times))
            if times
            else sql.SQL("NULL"),
            last_row=sql.SQL("max({})").format(row) if numbered else sql.SQL("NULL"),
        )

    selection = _columns("m", selected)
    if columns.created_at and not numbered:
        # A question and its answer saved in one transaction have one time. Numbers then say which came first;
        # random ids do not, and a question comes before its answer.
        selection += sql.SQL(", lower({}::text) = ANY(%(answer_roles)s) AS answers").format(
            column("m", columns.role)
        )
    return Plan(
        messages=fill("messages", "messages", key=key, columns=selection, messages_table=messages_table),
        conversations=of_conversations,
        changes=changes(sql.SQL("")),
        changes_within=changes(sql.SQL(" ").join(narrowed)) if conversations is not None else None,
        touched=sql.SQL(" UNION ALL ").join(spans) if spans else None,
        appended=fill("messages", "appended", key=key, messages_table=messages_table, row=row)
        if by_row
        else None,
        last_row=fill("messages", "last_row", messages_table=messages_table, row=row) if by_row else None,
        scopes=fill(
            "messages",
            "scopes",
            key=conversation_key if conversations is not None else key,
            table=Name(settings.schema_name, (conversations or messages).name),
            alias=sql.SQL("c" if conversations is not None else "m"),
        ),
        order=_order(columns, numbered=numbered),
        parameters={"answer_roles": [said.lower() for said in columns.role_assistant]},
        cannot_tell=(
            *(() if times else (NO_TIMES,)),
            *(text for setting, text in _MISSING.items() if not getattr(columns, setting)),
        ),
    )


def _roles(settings: SourceSettings) -> dict[str, str]:
    columns = settings.messages
    return {said.casefold(): "user" for said in columns.role_user} | {
        said.casefold(): "assistant" for said in columns.role_assistant
    }


def _columns(alias: str, selected: Mapping[str, str]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(column(alias, found), Name(name)) for name, found in selected.items()
    )


def _order(columns: ColumnsMessages, *, numbered: bool) -> tuple[str, ...]:
    if not columns.created_at:
        return ("id",)
    if numbered:
        return ("created_at", "id")
    return ("created_at", "answers", "id") if columns.message_id else ("created_at", "answers")


PRESET = Preset(name="messages", uses=_uses, plan=_plan, roles=_roles)
