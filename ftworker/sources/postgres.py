"""A source behind PostgreSQL: runs a preset's statements, batch by batch, and makes conversations of their
rows.

One read-only snapshot a batch, never one query a conversation. The tables are compared with the preset before
its first statement, so a wrong name is reported as such. Where a single conversation cannot be read, it is
found by halving the batch and given as one broken message; the others are read as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from psycopg2 import sql

from ftworker.conversations import Conversation, Message
from ftworker.errors import Refused, SourceRejected, SourceUnavailable
from ftworker.settings import SourceSettings
from ftworker.sources.catalog import compare, read_catalog, writable_tables
from ftworker.sources.connection import Connections, Name, Reading, UnreadableRows, array_literal
from ftworker.sources.contract import Finding, ListedConversation, Page, Position
from ftworker.sources.preset import Plan, Reader, Row, preset, reader
from ftworker.sources.values import TOO_LARGE, UNREADABLE, decode_rows, opinion, truth, when, word

FETCH_SIZE = 100
"""Conversations in one answer of the server: a hundred long ones are a few megabytes."""

LISTING_SIZE = 2_000
"""Listed conversations in one answer, and in one statement that narrows by them."""

CONVERSATIONS_A_SCOPE = 50
"""Conversations that a person is taken to have, where a page can only be bounded by persons."""

ROW_OVERLAP = 1_000
"""Row numbers looked at again: a number is given out before its transaction commits, so a lower one may
come later."""

MAX_CONVERSATION_BYTES = 67_108_864
"""A conversation whose messages are larger as JSON is not sent: it could not be an example."""

MAX_UNREADABLE = 16
"""Unreadable conversations in one batch before the store itself is taken to be at fault."""

_INTEGERS = {20: 2**63, 21: 2**15, 23: 2**31}
_UUID = 2950
_UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INTEGER_FORM = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")

_FETCH = """
SELECT found.key::text, {conversation},
    CASE WHEN octet_length(found.messages) <= {limit} THEN found.messages END
FROM (
    SELECT m.key, json_agg(m ORDER BY {order})::text AS messages FROM ({messages}) AS m GROUP BY m.key
) AS found {with_conversations}
"""
_WITH_CONVERSATIONS = "JOIN ({conversations}) AS c ON c.key = found.key"
# A clock that was set wrong, or `infinity`, is a time that no event can carry: as if there were none.
_LISTED = """
SELECT c.key::text, c.message_count, {revision},
    CASE WHEN c.last_change_at::timestamptz BETWEEN '1970-01-02' AND '9998-01-01' THEN c.last_change_at::timestamptz END
FROM ({changes}) AS c
"""
# Scopes first, then their conversations: a page of the grouped rows would group the whole table each time.
_PAGE = """
SELECT page.scope::text
FROM (
    SELECT DISTINCT s.scope FROM ({scopes}) AS s WHERE s.scope {condition} ORDER BY s.scope LIMIT %(limit)s
) AS page ORDER BY page.scope
"""
_DISTINCT = "SELECT DISTINCT s.scope::text FROM ({scopes}) AS s WHERE s.scope IS NOT NULL"


@dataclass(frozen=True)
class _Prepared:
    """What is known once the tables have been looked at."""

    plan: Plan
    key_type: int
    """PostgreSQL's number of the type of conversations' keys."""


class PostgresSource:
    """`contract.Source` over a RAG's PostgreSQL; which store it is stands in the settings' preset."""

    def __init__(self, name: str, settings: SourceSettings, url: str) -> None:
        self._name = name
        self._settings = settings
        self._preset = preset(settings.preset)
        self._reader: Reader = reader(name, settings)
        self._connections = Connections(
            name,
            url,
            statement_timeout_seconds=settings.statement_timeout_seconds,
            time_zone=settings.naive_timezone,
        )
        self._known: _Prepared | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def idle_seconds(self) -> float:
        return self._settings.idle_seconds

    def fetch(self, ids: Sequence[str]) -> Iterator[Conversation]:
        waiting = list(dict.fromkeys(ids))
        if not waiting:
            return
        unreadable = 0
        batches = [waiting]
        while batches:
            batch = batches.pop()
            done = set()
            try:
                for conversation in self._fetch_batch(batch):
                    done.add(conversation.conversation_id)
                    yield conversation
            except UnreadableRows as error:
                left = [identity for identity in batch if identity not in done]
                if len(left) > 1:
                    batches += [left[len(left) // 2 :], left[: len(left) // 2]]
                    continue
                unreadable += 1
                if unreadable > MAX_UNREADABLE:
                    raise SourceRejected(
                        f"source {self._name}: more than {MAX_UNREADABLE} conversations of one batch cannot "
                        f"be read: {error}; compare the configured columns' types with docs/SOURCES.md"
                    ) from None
                yield self._broken(left[0], UNREADABLE)

    def iterate_ids(self, since: datetime | None, after: Position | None, limit: int) -> Page:
        if since is not None and not self.has_times():
            raise Refused(
                f"source {self._name} keeps no times, so nobody can say what is newer than {since:%Y-%m-%d}; "
                "leave --since out to take every conversation"
            )
        with self._listing() as (reading, plan):
            # A person's conversations come together, and there may be hundreds.
            scopes_a_page = limit if plan.scope == "key" else max(1, limit // CONVERSATIONS_A_SCOPE)
            condition = "IS NOT NULL" if after is None else "> %(after)s"
            page = sql.SQL(_PAGE).format(scopes=plan.scopes, condition=sql.SQL(condition))
            parameters = {**plan.parameters, "limit": scopes_a_page, "after": after[0] if after else None}
            scopes = [row[0] for row in reading.rows(page, parameters)]
            found = self._within(reading, plan, scopes, plan.parameters, sql.SQL(""))
            return Page(
                tuple(
                    one
                    for one in sorted(found, key=lambda one: one.conversation_id)
                    if since is None or (one.last_change_at is not None and one.last_change_at >= since)
                ),
                (scopes[-1],) if len(scopes) == scopes_a_page else None,
            )

    def idle(self, since: datetime, until: datetime) -> Iterator[ListedConversation]:
        with self._listing() as (reading, plan):
            if plan.touched is None:
                raise Refused(
                    f"source {self._name} keeps no times; its conversations are followed by their snapshot"
                )
            span = {**plan.parameters, "since": since, "until": until}
            tail = sql.SQL("AND c.last_change_at > %(since)s AND c.last_change_at <= %(until)s")
            yield from self._narrowed(reading, plan, plan.touched, span, tail)

    def has_times(self) -> bool:
        return self._prepared().plan.touched is not None

    def last_row(self) -> Position | None:
        with self._listing() as (reading, plan):
            if plan.last_row is None:
                return None
            return (str(reading.value(plan.last_row, plan.parameters) or 0),)

    def snapshot(self, after_row: Position | None) -> Iterator[ListedConversation]:
        with self._listing() as (reading, plan):
            if after_row is None or plan.appended is None:
                rows = reading.stream(
                    _listing_of(plan, plan.changes) + sql.SQL("WHERE c.key IS NOT NULL"),
                    plan.parameters,
                    LISTING_SIZE,
                )
                yield from map(_listed, rows)
            else:
                span = {**plan.parameters, "after_row": int(after_row[0]) - ROW_OVERLAP}
                yield from self._narrowed(reading, plan, plan.appended, span, sql.SQL(""))

    def newest(self, limit: int) -> tuple[ListedConversation, ...]:
        with self._listing() as (reading, plan):
            by = sql.SQL("last_change_at" if plan.touched is not None else "last_row")
            statement = _listing_of(plan, plan.changes) + sql.SQL(
                "WHERE c.key IS NOT NULL ORDER BY c.{} DESC NULLS LAST, c.key LIMIT %(limit)s"
            ).format(by)
            return tuple(_listed(row) for row in reading.rows(statement, {**plan.parameters, "limit": limit}))

    def count(self) -> int | None:
        try:
            with self._listing() as (reading, plan):
                total = sql.SQL("SELECT count(*) FROM ({}) AS c").format(plan.changes)
                counted: int = reading.value(total, plan.parameters)
                return counted
        except SourceUnavailable:
            self._prepared()  # an outage is raised here; what remains is that counting takes too long
            return None

    def check(self) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        try:
            with self._connections.reading() as reading:
                uses = self._preset.uses(self._settings)
                names = [use.name for use in uses]
                catalog = read_catalog(reading, self._settings.schema_name, names)
                findings.append(
                    Finding("ok", "connection", f"database {catalog.database} answers role {catalog.role}")
                )
                findings += self._check_rights(reading, catalog.role, names)
                compared = compare(self._name, catalog, uses)
                findings += compared
            if not any(finding.level == "error" for finding in compared):
                self._known = None
                plan = self._prepared().plan
                findings.append(Finding("ok", "tables", f"tables and columns are there: {', '.join(names)}"))
                findings += [Finding("note", "content", f"does not say: {text}") for text in plan.cannot_tell]
        except SourceUnavailable as error:
            findings.append(
                Finding("error", "connection", str(error), "is the server up, and its address right?")
            )
        except SourceRejected as error:
            findings.append(Finding("error", "connection", str(error)))
        return tuple(findings)

    def close(self) -> None:
        self._connections.close()

    def _check_rights(self, reading: Reading, role: str, tables: Sequence[str]) -> Iterable[Finding]:
        if reading.value("SHOW transaction_read_only") == "on":
            yield Finding("ok", "rights", "every transaction is read-only")
        writable = writable_tables(reading, self._settings.schema_name, tables)
        if writable:
            yield Finding(
                "note",
                "rights",
                f"role {role} could also change {', '.join(writable)}; ftworker never does",
                "a role with nothing but SELECT is safer: docs/SOURCES.md",
            )

    def _prepared(self) -> _Prepared:
        """Look at the tables once. Raises SourceRejected with the first thing that cannot work."""
        if self._known is None:
            uses = self._preset.uses(self._settings)
            with self._connections.reading() as reading:
                catalog = read_catalog(reading, self._settings.schema_name, [use.name for use in uses])
                wrong = [found for found in compare(self._name, catalog, uses) if found.level == "error"]
                if wrong:
                    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
                    raise SourceRejected(f"source {self._name}: {wrong[0].message}{more}; {wrong[0].advice}")
                plan = self._preset.plan(self._settings, catalog.tables)
                self._known = _Prepared(plan, reading.column_types(plan.changes, plan.parameters)["key"])
        return self._known

    @contextmanager
    def _listing(self) -> Iterator[tuple[Reading, Plan]]:
        plan = self._prepared().plan
        try:
            with self._connections.reading() as reading:
                yield reading, plan
        except SourceRejected:
            self._known = None  # the tables may have changed under us: look again next time
            raise
        except UnreadableRows as error:
            raise SourceRejected(
                f"source {self._name}: its conversations cannot be listed: {error}; compare the "
                "configured columns' types with docs/SOURCES.md"
            ) from None

    def _fetch_batch(self, ids: Sequence[str]) -> Iterator[Conversation]:
        known = self._prepared()
        asked = _comparable_ids(ids, known.key_type)
        if not asked:
            return
        plan = known.plan
        statement = sql.SQL(_FETCH).format(
            conversation=sql.SQL("row_to_json(c)::text" if plan.conversations is not None else "NULL"),
            limit=sql.Literal(MAX_CONVERSATION_BYTES),
            order=sql.SQL(", ").join(sql.SQL("m.{}").format(Name(name)) for name in plan.order),
            messages=plan.messages,
            with_conversations=sql.SQL(_WITH_CONVERSATIONS).format(conversations=plan.conversations)
            if plan.conversations is not None
            else sql.SQL(""),
        )
        try:
            with self._connections.reading() as reading:
                for key, about, rows in reading.stream(
                    statement, {**plan.parameters, "ids": array_literal(list(asked))}, FETCH_SIZE
                ):
                    for identity in asked[key]:
                        conversation = self._conversation(identity, about, rows)
                        if conversation.messages:
                            yield conversation
        except SourceRejected:
            self._known = None
            raise

    def _conversation(self, identity: str, about: str | None, rows_json: str | None) -> Conversation:
        if rows_json is None:
            return self._broken(identity, TOO_LARGE)
        try:
            rows = decode_rows(rows_json)
            fields: Row = decode_rows(f"[{about}]")[0] if about is not None else _last_said(rows)
        except ValueError:
            return self._broken(identity, UNREADABLE)
        messages = self._preset.messages(rows, self._reader)
        return Conversation(
            self._name,
            identity,
            messages,
            tenant_id=word(fields.get("tenant_id")),
            course_id=word(fields.get("course_id")),
            user_ref=word(fields.get("user_ref")),
            locale=word(fields.get("locale")),
            model=word(fields.get("model")) if about is not None else None,
            rating=opinion(fields.get("rating"), self._reader.up, self._reader.down)
            if about is not None
            else None,
            training_consent=truth(fields.get("consent")),
            debug=truth(fields.get("debug")) is True,
            closed_at=when(fields.get("closed_at"), self._reader.zone),
            last_message_at=max((said.created_at for said in messages if said.created_at), default=None),
        )

    def _broken(self, identity: str, error: str) -> Conversation:
        """A conversation that is there and cannot be read: a single message that says why."""
        return Conversation(self._name, identity, (Message("", "", error=error),))

    def _narrowed(
        self,
        reading: Reading,
        plan: Plan,
        scopes: sql.Composable,
        parameters: Mapping[str, Any],
        tail: sql.Composable,
    ) -> Iterator[ListedConversation]:
        """Listed conversations within the scopes that a statement gives, some thousand scopes a statement."""
        found = reading.stream(sql.SQL(_DISTINCT).format(scopes=scopes), parameters, LISTING_SIZE)
        while batch := [row[0] for row in islice(found, LISTING_SIZE)]:
            yield from self._within(reading, plan, batch, parameters, tail)

    def _within(
        self,
        reading: Reading,
        plan: Plan,
        scopes: Sequence[str],
        parameters: Mapping[str, Any],
        tail: sql.Composable,
    ) -> Iterator[ListedConversation]:
        if scopes:
            within = sql.SQL("WHERE c.{} = ANY(%(scopes)s) ").format(Name(plan.scope))
            statement = _listing_of(plan, plan.changes_within or plan.changes) + within + tail
            yield from map(_listed, reading.rows(statement, {**parameters, "scopes": array_literal(scopes)}))


def _listing_of(plan: Plan, changes: sql.Composable) -> sql.Composable:
    return sql.SQL(_LISTED).format(
        changes=changes, revision=sql.SQL("c.revision" if plan.is_revised else "c.last_row")
    )


def _listed(row: tuple[Any, ...]) -> ListedConversation:
    key, message_count, revision, last_change_at = row
    changed = last_change_at.astimezone(UTC) if last_change_at is not None else None
    return ListedConversation(
        conversation_id=key,
        version=f"{message_count}/{revision or ''}/{changed.isoformat() if changed else ''}",
        message_count=message_count,
        last_change_at=changed,
    )


def _last_said(rows: Sequence[Row]) -> Row:
    """What the messages' own columns say of their conversation: the last that is no NULL."""
    return {name: value for row in rows for name, value in row.items() if value is not None}


def _comparable_ids(ids: Iterable[str], key_type: int) -> dict[str, list[str]]:
    """The ids that the key's type can hold, as PostgreSQL writes them, to the forms asked for.

    An id of another form names nothing here, and would fail the whole batch if it were sent.
    """
    asked: dict[str, list[str]] = {}
    for identity in ids:
        if key_type == _UUID:
            key = identity.lower()
            fits = _UUID_FORM.fullmatch(key) is not None
        elif key_type in _INTEGERS:
            key, bound = identity, _INTEGERS[key_type]
            fits = _INTEGER_FORM.fullmatch(key) is not None and -bound <= int(key) < bound
        else:
            key, fits = identity, _can_be_sent(identity)
        if fits:
            asked.setdefault(key, []).append(identity)
    return asked


def _can_be_sent(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
