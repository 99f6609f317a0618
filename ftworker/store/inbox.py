"""Events as they arrived: recorded once, taken by `accumulate`, ended with an outcome, erased when old.

A row is written before its message is acknowledged, and its unique key makes a redelivery no new row: that is
why nothing is lost and nothing counts twice, whatever dies when. Never decodes an event: that is
`events.contract`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Literal

from ftworker.store import parked as parked_messages
from ftworker.store import totals
from ftworker.store.connection import Cursor, queries
from ftworker.store.parked import ParkedMessage

Outcome = Literal["examples", "dropped", "superseded", "unmatched", "deleted", "parked"]
"""What became of an event. `superseded`: a newer version of its conversation was already known."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to record: its CloudEvents identity, whose conversation it closes, and its JSON as it came.

    No field is empty.
    """

    event_source: str
    event_id: str
    source_name: str
    conversation_id: str
    payload: str


@dataclass(frozen=True)
class BatchCounts:
    """What a batch was: `recorded` + `duplicates` = the events given; `parked` counts repeats too."""

    recorded: int
    duplicates: int
    parked: int


@dataclass(frozen=True)
class WaitingEvent:
    """A row taken for work, locked until the transaction ends."""

    id: int
    event_source: str
    event_id: str
    source_name: str
    conversation_id: str
    payload: str | None
    received_at: datetime
    attempts: int


def record_batch(
    cursor: Cursor, events: Sequence[NewEvent], parked: Sequence[ParkedMessage], transport: str
) -> BatchCounts:
    """Record events and park what is no event, with their totals, in the caller's transaction. Repeatable.

    `transport` is where they came from: amqp, stream, task. Three statements at most, whatever the size. Two
    callers that record the same events in opposite order can deadlock: one then gets DatabaseUnavailable and
    tries again.
    """
    if not events and not parked:
        return BatchCounts(0, 0, 0)
    recorded = 0
    if events:
        columns = {
            "event_sources": [event.event_source for event in events],
            "event_ids": [event.event_id for event in events],
            "source_names": [event.source_name for event in events],
            "conversation_ids": [event.conversation_id for event in events],
            "payloads": [event.payload for event in events],
        }
        separator = _separator(columns.values())
        parameters = {name: separator.join(column) for name, column in columns.items()}
        cursor.execute(queries("inbox.sql")["record"], {**parameters, "separator": separator})
        recorded = cursor.rowcount
    parked_messages.hold(cursor, parked, transport)
    counts = BatchCounts(recorded, len(events) - recorded, len(parked))
    of_transport = totals.label_text(transport=transport)
    bound = totals.batch_size_bound(len(events) + len(parked))
    amounts: dict[tuple[str, str], float] = {
        ("ingest_events", of_transport): counts.recorded,
        ("ingest_duplicates", of_transport): counts.duplicates,
        ("ingest_batches", of_transport): 1,
        ("ingest_batch_size", totals.label_text(le=bound, transport=transport)): 1,
    }
    for reason, number in Counter(message.reason for message in parked).items():
        amounts["ingest_parked", totals.label_text(reason=reason, transport=transport)] = number
    totals.add(cursor, amounts)
    return counts


def _separator(columns: Iterable[Sequence[str]]) -> str:
    """A character that stands in no value. JSON and valid ids hold no raw control character, so the first will do."""
    values = list(chain.from_iterable(columns))
    candidates = map(chr, chain(range(1, 32), range(0xE000, 0xF900)))
    return next(character for character in candidates if not any(character in value for value in values))


def check_writable(cursor: Cursor) -> None:
    """Record an event and take it back: raises what any event would meet, so that the fault is not in an event."""
    cursor.execute("SAVEPOINT check_writable")
    record_batch(cursor, [NewEvent("ftworker", "check", "check", "check", "{}")], [], "check")
    cursor.execute("ROLLBACK TO SAVEPOINT check_writable")


def limit_statements(cursor: Cursor, seconds: float) -> None:
    """Let no statement of this transaction run longer from now on; one that does is DatabaseUnavailable."""
    cursor.execute(queries("inbox.sql")["limit_statements"], {"milliseconds": str(int(seconds * 1000))})


def take_waiting(cursor: Cursor, limit: int) -> list[WaitingEvent]:
    """At most `limit` waiting rows that are due, those due longest first, none that another worker holds."""
    cursor.execute(queries("inbox.sql")["take_waiting"], {"limit": limit})
    return [WaitingEvent(*row) for row in cursor.fetchall()]


def has_waiting(cursor: Cursor) -> bool:
    """Whether a row is due. Read from the index of waiting rows alone."""
    cursor.execute(queries("inbox.sql")["has_waiting"])
    row = cursor.fetchone()
    return bool(row and row[0])


def finish(cursor: Cursor, outcomes: Mapping[int, Outcome]) -> int:
    """End rows with their outcomes, a statement for each kind; returns how many were still waiting."""
    by_outcome: dict[Outcome, list[int]] = defaultdict(list)
    for row_id, outcome in outcomes.items():
        by_outcome[outcome].append(row_id)
    ended = 0
    for outcome, ids in by_outcome.items():
        cursor.execute(queries("inbox.sql")["finish"], {"ids": ids, "outcome": outcome})
        ended += cursor.rowcount
    return ended


def postpone(cursor: Cursor, ids: Sequence[int], seconds: float) -> int:
    """Leave waiting rows alone for `seconds` and count an attempt; returns how many were still waiting."""
    cursor.execute(queries("inbox.sql")["postpone"], {"ids": list(ids), "seconds": seconds})
    return cursor.rowcount


def park(cursor: Cursor, ids: Sequence[int], reason: str, detail: str) -> int:
    """Move waiting rows to `parked`, for a person to look at; returns how many.

    `detail` says what is wrong, where, and the next step; never text of a conversation.
    """
    cursor.execute(queries("inbox.sql")["park"], {"ids": list(ids), "reason": reason, "detail": detail})
    return cursor.rowcount


def take_again(cursor: Cursor, source_name: str) -> int:
    """Make everything that was taken in from a source wait once more, for a pipeline that came later; returns how many.

    What a pipeline has of a conversation stays: turns in datasets are settled, waiting ones are written anew. Rows
    whose payload was erased are forgotten where `backfill` made them, so that it can make them again.
    """
    named = queries("inbox.sql")
    cursor.execute(named["forget_backfilled"], {"source_name": source_name})
    forgotten = cursor.rowcount
    cursor.execute(named["take_again"], {"source_name": source_name})
    return forgotten + cursor.rowcount


def erase_old(cursor: Cursor, days: int, limit: int) -> int:
    """Erase payloads of at most `limit` rows processed more than `days` ago; returns how many were erased."""
    cursor.execute(queries("inbox.sql")["erase_old"], {"days": days, "limit": limit})
    return cursor.rowcount


def erase_conversation(cursor: Cursor, source_name: str, conversation_id: str) -> int:
    """Erase what the inbox and `accumulate`'s parked rows hold of a conversation; what waited ends `deleted`.

    Finish the event that asked for it first, so that its own outcome stands. Returns the number of inbox rows
    changed. Messages parked before they were understood carry no conversation id; they stay until dropped.
    """
    parameters = {"source_name": source_name, "conversation_id": conversation_id}
    cursor.execute(queries("inbox.sql")["erase_parked_of_conversation"], parameters)
    cursor.execute(queries("inbox.sql")["erase_conversation"], parameters)
    return cursor.rowcount
