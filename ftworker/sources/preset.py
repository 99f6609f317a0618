"""What makes a preset: which tables it needs, the statements that read them, and how its rows become
messages.

A preset is an `.sql` file in `presets` and a module beside it with `PRESET`; docs/SOURCES.md shows how to add
one. `postgres` runs whatever stands in the plan, and is the same for every store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from psycopg2 import sql
from pydantic import BaseModel

from ftworker.conversations import Message, Sibling
from ftworker.errors import SourceRejected
from ftworker.settings import SourceSettings
from ftworker.sources.connection import Name
from ftworker.sources.values import (
    LONE_SURROGATE,
    MAX_CONTENT_CHARACTERS,
    TOO_LARGE,
    chunks,
    failure,
    opinion,
    plain_text,
    when,
    word,
)

NO_TIMES = "times: conversations are followed by their number of messages; `--since` cannot be used"

Row = Mapping[str, Any]
"""A row of a preset's `messages`, as JSON gives it: SQL's NULL is None."""


@dataclass(frozen=True)
class Column:
    """A column that the source uses. `type_name` is PostgreSQL's: `timestamp with time zone`, `bigint`,
    `text`."""

    name: str
    type_name: str

    @property
    def is_integer(self) -> bool:
        return self.type_name in ("bigint", "integer", "smallint")

    @property
    def is_time(self) -> bool:
        """Whether it can be compared with a time as it stands, and so through its index."""
        return self.type_name.startswith("timestamp")


@dataclass(frozen=True)
class Table:
    """A table or view as the store has it."""

    name: str
    columns: Mapping[str, Column]
    is_view: bool = False
    unreadable: frozenset[str] = frozenset()
    """Columns that the role has no right to SELECT."""
    leading: frozenset[str] = frozenset()
    """Columns that an index begins with."""


@dataclass(frozen=True)
class TableUse:
    """A table that a preset reads, and what it needs there."""

    name: str
    columns: Mapping[str, str]
    """Column to the setting that names it, or to "" where the preset itself knows it."""
    setting: str = ""
    """The setting that names the table, such as `messages.messages_table`; "" where the preset itself
    knows it."""
    indexes: Mapping[str, str] = field(default_factory=dict)
    """Column that an index should begin with, to the reason."""
    times: str = ""
    """Column by which a sweep asks what is new: with `sweep_idle` an index should begin with it too."""


@dataclass(frozen=True)
class Plan:
    """The statements of one source, and what they cannot tell. Parameters are in the names of their
    fields' texts."""

    messages: sql.Composable
    """Rows of the conversations `%(ids)s`: `key`, and the columns that the preset's mapping reads."""
    changes: sql.Composable
    """One row a conversation: `key`, `message_count`, `last_change_at` and `last_row` (NULL where unknown)."""
    scopes: sql.Composable
    """`scope` of everything there is, repeats included; no grouping, so that an index gives it in order."""
    changes_within: sql.Composable | None = None
    """`changes` narrowed to `%(scopes)s` from inside, where narrowing it from outside would not reach every table."""
    conversations: sql.Composable | None = None
    """`key`, `user_ref`, `tenant_id`, `course_id`, `consent`, `closed_at`, `rating`, `debug`... of the
    conversations `%(ids)s`.

    One that it does not give does not exist, whatever messages are left of it. None: the message rows say
    all.
    """
    touched: sql.Composable | None = None
    """`scope` of the rows with a time after `%(since)s` and at or before `%(until)s`, repeats included.

    With it, the store is one that has times.
    """
    appended: sql.Composable | None = None
    """`scope` of the rows numbered above `%(after_row)s`, repeats included."""
    last_row: sql.Composable | None = None
    """The newest row's number, in a store without times that numbers its rows upwards."""
    order: tuple[str, ...] = ("created_at", "id")
    """Columns of `messages` that put a conversation in order."""
    scope: str = "key"
    """The column of `changes` by which it can be narrowed cheaply: the key, or what the key is computed
    within."""
    is_revised: bool = False
    """Whether `changes` also gives `revision`, another value as soon as a message says something else: for
    stores that rewrite messages in place, where neither count nor number shows it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters of the statements."""
    cannot_tell: tuple[str, ...] = ()
    """What this store does not say, for the person who configures it."""


@dataclass(frozen=True)
class Reader:
    """What a mapping needs to know of the settings: the zone of naive times, and the words for ratings."""

    zone: tzinfo
    up: frozenset[str]
    down: frozenset[str]
    roles: Mapping[str, str]
    """The store's words for who speaks, in lower case, to `user` and `assistant`. Others stay as they are."""

    def role(self, value: Any) -> str:
        if isinstance(value, str) and value in self.roles:
            return self.roles[value]
        said = word(value) or ""
        return self.roles.get(said.strip().casefold(), said)

    def message(self, row: Row) -> Message:
        """A row with the columns role, content, and where it has them id, parent_id, context, rating,
        error, model, created_at, correction, and siblings: a list of `{content, rating, model}`."""
        get = row.get
        text = plain_text(get("content"))
        error: str | bool | None = None if get("error") is None else failure(row["error"])
        if get(LONE_SURROGATE):
            error = LONE_SURROGATE
        if len(text) > MAX_CONTENT_CHARACTERS:
            text, error = "", TOO_LARGE
        # Most columns of most rows hold nothing, and this runs for every message there ever was.
        context, rating, created_at = get("context"), get("rating"), get("created_at")
        return Message(
            self.role(get("role")),
            text,
            id=word(get("id")),
            parent_id=None if get("parent_id") is None else word(row["parent_id"]),
            context=chunks(context) if context else (),
            error=error,
            created_at=None if created_at is None else when(created_at, self.zone),
            rating=None if rating is None else opinion(rating, self.up, self.down),
            model=None if get("model") is None else word(row["model"]),
            correction=plain_text(row["correction"]).strip() or None if get("correction") else None,
            siblings=self.siblings(row["siblings"]) if get("siblings") else (),
        )

    def siblings(self, value: Any) -> tuple[Sibling, ...]:
        """Other answers to the same question, from a list of `{content, rating, model}`; empty ones are left out."""
        found = []
        for item in value if isinstance(value, list) else ():
            text = plain_text(item.get("content")) if isinstance(item, dict) else ""
            if text.strip() and len(text) <= MAX_CONTENT_CHARACTERS:
                rating = opinion(item.get("rating"), self.up, self.down)
                found.append(Sibling(text, rating, word(item.get("model"))))
        return tuple(found)

    def each_row(self, rows: Sequence[Row]) -> tuple[Message, ...]:
        """The mapping of most stores: a row is a message."""
        return tuple([self.message(row) for row in rows])


@dataclass(frozen=True)
class Preset:
    """A kind of chat store."""

    name: str
    uses: Callable[[SourceSettings], tuple[TableUse, ...]]
    """The tables it reads, so that a missing one is named before any statement runs."""
    plan: Callable[[SourceSettings, Mapping[str, Table]], Plan]
    """Its statements over those tables as the store has them."""
    messages: Callable[[Sequence[Row], Reader], tuple[Message, ...]] = lambda rows, reader: reader.each_row(
        rows
    )
    """Its mapping: the rows of one conversation, in order, to its messages."""
    roles: Callable[[SourceSettings], Mapping[str, str]] = lambda _: {}
    """Its words for who speaks."""


def preset(name: str) -> Preset:
    """The preset with this name, from the module of the same name in `presets`."""
    found: Preset = import_module(f"ftworker.sources.presets.{name}").PRESET
    return found


@cache
def statements(name: str) -> dict[str, str]:
    """The statements of `presets/NAME.sql`."""
    return named_statements(
        files("ftworker.sources.presets").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    )


def named_statements(text: str) -> dict[str, str]:
    """The statements of an `.sql` file: `-- name: NAME` begins each."""
    found = {}
    for part in text.split("-- name: ")[1:]:
        title, _, body = part.partition("\n")
        found[title.strip()] = body.strip().removesuffix(";")
    return found


def fixed_preset(
    name: str,
    *uses: TableUse,
    roles: Mapping[str, str] | None = None,
    messages: Callable[[Sequence[Row], Reader], tuple[Message, ...]] = lambda rows, reader: reader.each_row(
        rows
    ),
    order: tuple[str, ...] = ("created_at", "id"),
    is_revised: bool = False,
    cannot_tell: tuple[str, ...] = (),
    parts_of: Callable[[SourceSettings, Mapping[str, Table]], Mapping[str, sql.Composable]] | None = None,
) -> Preset:
    """The preset of a store whose tables and columns are always the same: all else stands in `presets/NAME.sql`.

    Its statements are named as the fields of Plan and hold the parts `{schema}` and, by the name it has in `uses`,
    each table with its schema: `FROM {chat_message} AS m`. The tables named so may have another name in a source's
    `tables`. Statements `messages`, `changes` and `scopes` must be there; with `touched` it is a store that has times.

    `parts_of` gives further parts, from the settings and from the tables by the names they have in `uses`: for
    columns that only some versions of the store have.
    """

    def actual(settings: SourceSettings) -> tuple[TableUse, ...]:
        unknown = sorted(set(settings.tables) - {use.name for use in uses})
        if unknown:
            raise SourceRejected(
                f"the preset {name} reads no table {unknown[0]}; tables can rename "
                f"{', '.join(use.name for use in uses)}"
            )
        return tuple(_as_configured(use, settings) for use in uses)

    def plan(settings: SourceSettings, found: Mapping[str, Table]) -> Plan:
        named = {use.name: settings.tables.get(use.name, use.name) for use in uses}
        filled: dict[str, sql.Composable] = {
            "schema": Name(settings.schema_name),
            **{own: Name(settings.schema_name, there) for own, there in named.items()},
            **(parts_of(settings, {own: found[there] for own, there in named.items()}) if parts_of else {}),
        }
        parts = {title: sql.SQL(text).format(**filled) for title, text in statements(name).items()}
        untold = cannot_tell if "touched" in parts else (NO_TIMES, *cannot_tell)
        return Plan(order=order, is_revised=is_revised, cannot_tell=untold, **parts)  # type: ignore[arg-type]

    words = {said.casefold(): role for said, role in (roles or {}).items()}
    return Preset(name, actual, plan, messages, lambda _: words)


def _as_configured(use: TableUse, settings: SourceSettings) -> TableUse:
    """A table under the name that the configuration gives it, with the index that a sweep needs."""
    if settings.sweep_idle and use.times:
        use = replace(
            use, indexes={**use.indexes, use.times: "sweep_idle asks it every minute for what is new"}
        )
    if use.name in settings.tables:
        use = replace(use, name=settings.tables[use.name], setting=f"tables.{use.name}")
    return use


def fill(name: str, statement: str, **parts: sql.Composable) -> sql.Composed:
    """A statement of `presets/NAME.sql` with its `{parts}`. Identifiers come quoted, from the
    configuration alone."""
    return sql.SQL(statements(name)[statement]).format(**parts)


def column(alias: str, name: str) -> sql.Composable:
    """`alias."name"`, quoted."""
    return sql.SQL("{}.{}").format(sql.SQL(alias), Name(name))


def time_of(alias: str, found: Column) -> sql.Composable:
    """A column as a time with a zone, whatever the store keeps there; NULL where it holds no time."""
    value = column(alias, found.name)
    if found.is_time:
        # A naive time takes the session's zone, which `connection` sets to the source's own.
        return sql.SQL("{}::timestamptz").format(value)
    if found.is_integer or found.type_name in ("numeric", "double precision", "real"):
        return sql.SQL(
            "to_timestamp({0} / CASE WHEN abs({0}) > 1e17 THEN 1e9 WHEN abs({0}) > 1e14 THEN 1e6"
            " WHEN abs({0}) > 1e11 THEN 1e3 ELSE 1.0 END)"
        ).format(value)
    return sql.SQL(
        "CASE WHEN {0}::text ~ '^\\d{{4}}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d' THEN {0}::text::timestamptz END"
    ).format(value)


def require(section: str, columns: BaseModel, needed: Sequence[str]) -> None:
    """Raise SourceRejected when a setting that the preset cannot do without is empty."""
    empty = [f"{section}.{setting}" for setting in needed if not getattr(columns, setting)]
    if empty:
        raise SourceRejected(
            f"the preset {section} needs a name in {', '.join(empty)}, which the configuration leaves empty"
        )


def times_in(table: Table, name: str) -> Column | None:
    """The column with the rows' times. None where the configuration names none, and for bare days: a
    conversation of today would count as untouched since midnight."""
    found = table.columns[name] if name else None
    return None if found is None or found.type_name == "date" else found


def comparable(alias: str, found: Column) -> sql.Composable:
    """A column to compare with a time: as it stands where that lets its index serve."""
    return column(alias, found.name) if found.is_time else time_of(alias, found)


def reader(name: str, settings: SourceSettings) -> Reader:
    """The reader of a source; raises SourceRejected for a zone that nobody knows."""
    try:
        zone = ZoneInfo(settings.naive_timezone)
    except (KeyError, ValueError, OSError):
        raise SourceRejected(
            f"source {name}: sources.{name}.naive_timezone = {settings.naive_timezone}: no such time zone; "
            "expected a name such as Europe/Madrid"
        ) from None
    return Reader(
        zone=zone,
        up=frozenset(said.casefold() for said in settings.ratings_up),
        down=frozenset(said.casefold() for said in settings.ratings_down),
        roles=preset(settings.preset).roles(settings),
    )
