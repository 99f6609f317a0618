"""The conversations that a source already holds, taken in as if they had just closed.

Ids alone go into the inbox; `accumulate` reads the messages when their turn comes. A conversation's row is
named by its id and version, so that a backfill that runs again adds nothing, and a conversation that changed
adds one row. Each page and the position after it are one transaction: a backfill that dies goes on where it
was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ftworker.errors import Refused
from ftworker.events.contract import (
    ClosedEvent,
    ConversationClosed,
    EventRejected,
    Reason,
    decode,
    encode,
)
from ftworker.sources.contract import ListedConversation, Source
from ftworker.store import inbox, source_progress
from ftworker.store.connection import Cursor, Store
from ftworker.store.inbox import NewEvent
from ftworker.store.parked import ParkedMessage

BATCH = 2_000
"""Conversations in one page, one INSERT and one COMMIT."""

MAX_EVENT_BYTES = 65_536

Way = Literal["backfill", "sweep_idle"]
"""How ftworker itself came to a conversation: the transport in metrics, and part of the event's source."""

REASONS: dict[Way, Reason] = {"backfill": "backfill", "sweep_idle": "idle_timeout"}


@dataclass(frozen=True)
class Backfilled:
    """What a backfill did, from its beginning on, over all the times that it was interrupted but for
    `looked_at`."""

    looked_at: int
    """Conversations that were recent enough, in this run."""
    recorded: int
    """New in the inbox."""
    known: int
    """Recorded before, in this version."""
    parked: int
    """With an id that no event can carry."""
    open: int
    """Changed too lately to count as closed; the sweep, their event, or the next backfill takes them."""


def backfill(
    store: Store,
    source: Source,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    batch: int = BATCH,
    progress: Callable[[int], None] = lambda _: None,
    restart: bool = False,
    dry_run: bool = False,
) -> Backfilled:
    """Record every conversation of the source that changed at or after `since` and not after `until` (None:
    any time).

    Goes on where an interrupted backfill with the same `since` ended, unless `restart`. `progress` is told
    how many conversations were looked at. `dry_run` counts and writes nothing. In a store without times all
    count as closed. Raises SourceUnavailable and DatabaseUnavailable (run it again: it goes on),
    SourceRejected, and Refused where the store has no times to compare with `since`, or another backfill
    moved the position.
    """
    purpose = f"backfill:{since.isoformat() if since else 'all'}"
    at = _start(store, source.name, purpose, restart=restart, dry_run=dry_run)
    looked_at = recorded = known = parked = still_open = 0
    finished = False
    while not finished:
        page = source.iterate_ids(since, at.position or None, batch)
        closed = [
            one
            for one in page.conversations
            if until is None or one.last_change_at is None or one.last_change_at <= until
        ]
        looked_at += len(page.conversations)
        still_open += len(page.conversations) - len(closed)
        finished = page.next is None
        position, added = page.next or at.position, len(page.conversations)
        if dry_run:
            recorded += len(closed)
            at = source_progress.Progress(position, at.done + added)
        else:
            with store.transaction() as cursor:
                counts = record(cursor, source.name, closed, "backfill")
                moved = source_progress.advance(
                    cursor, source.name, purpose, at, position=position, added=added, finished=finished
                )
                if moved is None:
                    raise Refused(
                        f"another backfill of source {source.name} is running; nothing is lost, let that one finish"
                    )
            at = moved
            recorded, known, parked = (
                recorded + counts.recorded,
                known + counts.duplicates,
                parked + counts.parked,
            )
        progress(at.done)
    return Backfilled(looked_at, recorded, known, parked, still_open)


def record(
    cursor: Cursor,
    source_name: str,
    listed: Iterable[ListedConversation],
    way: Way,
    closed_at: datetime | None = None,
) -> inbox.BatchCounts:
    """Put listed conversations into the inbox, each version once; closed, unless said, when they last changed."""
    events, parked = [], []
    for one in listed:
        event = closing(source_name, one, way, closed_at)
        if isinstance(event, NewEvent):
            events.append(event)
        else:
            parked.append(event)
    return inbox.record_batch(cursor, events, parked, way)


def version_hash(version: str) -> bytes:
    """The version as the change-table and the event's id hold it."""
    return hashlib.sha256(version.encode()).digest()


def closing(
    source_name: str, listed: ListedConversation, way: Way, closed_at: datetime | None = None
) -> NewEvent | ParkedMessage:
    """The event that says this version of a conversation closed: the same version gives the same event id.

    A message to park instead, when the store's id is one that no event can carry.
    """
    identity = hashlib.sha256(listed.conversation_id.encode() + b"\0" + version_hash(listed.version))
    event = ClosedEvent(
        specversion="1.0",
        id=identity.hexdigest()[:40],
        source=f"ftworker/{way}/{source_name}",
        type="org.ftworker.conversation.closed.v1",
        data=ConversationClosed(
            conversation_id=listed.conversation_id,
            source_name=source_name,
            reason=REASONS[way],
            last_message_at=listed.last_change_at,
            closed_at=closed_at or listed.last_change_at,
            message_count=listed.message_count,
        ),
    )
    raw = encode(event)
    try:
        decode(raw, MAX_EVENT_BYTES)
    except EventRejected as error:
        return ParkedMessage.of(raw, error.reason, error.detail, keep_bytes=MAX_EVENT_BYTES)
    return NewEvent(event.source, event.id, source_name, listed.conversation_id, raw.decode())


def _start(
    store: Store, source_name: str, purpose: str, *, restart: bool, dry_run: bool
) -> source_progress.Progress:
    with store.transaction() as cursor:
        before = source_progress.read(cursor, source_name, purpose)
        if dry_run:
            return source_progress.Progress((), 0)
        if before is None or before.finished_at is not None or restart:
            return source_progress.begin(cursor, source_name, purpose)
        return before
