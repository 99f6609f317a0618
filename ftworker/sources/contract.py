"""What a source of conversations can do, whatever store is behind it. No I/O: `postgres` does it, `registry`
makes it.

A source reads and never writes. Every method raises SourceUnavailable (try later) or SourceRejected (a person
must change the configuration, a table or a right); neither ever carries the text of a row or a password.
Callers: `accumulate` (fetch), `backfill` (iterate_ids), `idle` (idle, snapshot), `doctor` and `sources test`
(the rest).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from ftworker.conversations import Conversation

Position = tuple[str, ...]
"""How far a walk through a store has come: opaque, made of texts so that it can be kept as JSON."""


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation as a listing sees it: which one, and which version of it. Never its text."""

    conversation_id: str
    version: str
    """Another text as soon as a message is added or taken away. Means nothing but equal or not."""
    message_count: int
    last_change_at: datetime | None
    """Its newest message, or its closing when that is later. None in a store without times."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a walk. It may be empty and still have a `next`: the page held nothing recent enough."""

    conversations: tuple[ListedConversation, ...]
    next: Position | None
    """Where to go on; None when this was the last page."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a source saw. `error`: it cannot work. `warning`: it works and should not
    stay so."""

    level: Literal["ok", "note", "warning", "error"]
    """`note`: what this store cannot tell, such as ratings."""
    subject: str
    """What was looked at: connection, tables, rights, indexes, content."""
    message: str
    advice: str = ""
    """The next step, often a statement to run; empty when there is nothing to do."""


class Source(Protocol):
    """A store of conversations under the name that the configuration gives it.

    Connects when first used and again after a failure; safe to keep between tasks, threads and forks.
    """

    @property
    def name(self) -> str: ...

    @property
    def idle_seconds(self) -> float:
        """How long a conversation must be untouched to count as closed."""
        ...

    def fetch(self, ids: Sequence[str]) -> Iterator[Conversation]:
        """The conversations with these ids, in any order: one query and one snapshot for all of them.

        A conversation that does not exist, or has no message, is not yielded; neither is one asked for twice
        yielded twice. A row that cannot be read is a message with `error` set, never the end of the batch.
        """
        ...

    def iterate_ids(self, since: datetime | None, after: Position | None, limit: int) -> Page:
        """The next page of a walk through all conversations: about `limit` of them looked at.

        Pages follow the conversations' keys, so a walk can stop and go on anywhere: what existed when it
        began and still exists is seen exactly once. With `since`, only conversations changed at or after that
        time are given. Raises Refused when `since` is asked of a store that keeps no times.
        """
        ...

    def idle(self, since: datetime, until: datetime) -> Iterator[ListedConversation]:
        """Conversations whose last change lies after `since` and at or before `until`, in any order, each
        once.

        Needs times: ask `has_times` first. Cost follows the number of rows written since `since` when the
        store has an index on their time (`check` warns where it lacks).
        """
        ...

    def has_times(self) -> bool:
        """Whether the store says when a message was written. Without times, `snapshot` and a change-table
        serve."""
        ...

    def last_row(self) -> Position | None:
        """The newest row's number in a store that numbers its rows upwards; None where rows have no such
        number."""
        ...

    def snapshot(self, after_row: Position | None) -> Iterator[ListedConversation]:
        """Every conversation with its count of messages, in any order.

        With `after_row` (what `last_row` answered earlier), only those that may have changed since.
        """
        ...

    def newest(self, limit: int) -> tuple[ListedConversation, ...]:
        """The conversations that changed last, newest first; in a store without times, those with the
        newest rows."""
        ...

    def count(self) -> int | None:
        """How many conversations there are; None when counting takes longer than the source's statement
        timeout."""
        ...

    def check(self) -> tuple[Finding, ...]:
        """Look at connection, tables, columns, rights and indexes; say what is wrong and what to do. Never
        raises SourceUnavailable or SourceRejected: those become findings."""
        ...

    def close(self) -> None:
        """Give the connection back. The source may be used again."""
        ...
