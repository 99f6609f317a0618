"""The sweep over stores whose RAG emits no events: conversations untouched for long enough are closed.

Where the store keeps times, what changed between the last sweep and `idle_seconds` ago is asked for. Where it
keeps none, the change-table notes what each look saw, and a conversation is idle when no look saw a change
for that long. Each version of a conversation is handed on once; one that goes on comes again with its new
version. What lies before the first sweep is left to `ftworker backfill`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

from ftworker.backfill import record, version_hash
from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.settings import SourceSettings
from ftworker.sources.contract import ListedConversation, Source
from ftworker.store import source_progress, store_changes
from ftworker.store.connection import Store
from ftworker.store.source_progress import Progress
from ftworker.store.store_changes import SeenConversation

logger = logging.getLogger(__name__)

BATCH = 2_000
FIRST_LOOK_BACK = timedelta(days=1)
"""The first sweep takes what became idle within this time, so that nothing falls between a backfill and
it."""

BY_TIME = "sweep_idle"
BY_COUNT = "sweep_idle:changes"


def sweep_sources(
    store: Store, sources: Mapping[str, SourceSettings], make_source: Callable[[str], Source], now: datetime
) -> int:
    """Sweep every source with `sweep_idle = true`; returns how many versions are new.

    A source that cannot be read is logged and does not keep the others waiting. Raises DatabaseUnavailable.
    """
    found = 0
    for name in sorted(name for name, settings in sources.items() if settings.sweep_idle):
        try:
            found += sweep_idle(store, make_source(name), now)
        except (SourceUnavailable, SourceRejected) as error:
            logger.warning("sweep_idle: %s", error)
    return found


def sweep_idle(store: Store, source: Source, now: datetime) -> int:
    """Hand on the conversations of a source that have become idle; returns how many versions are new.

    Repeatable, and safe beside another sweep of the same source. A crash loses nothing: what was handed on is
    known. Raises SourceUnavailable, SourceRejected and DatabaseUnavailable; the next sweep goes on from the
    same position.
    """
    until = now - timedelta(seconds=source.idle_seconds)
    if source.has_times():
        return _sweep_by_time(store, source, now, until)
    return _sweep_by_changes(store, source, now, until)


def _sweep_by_time(store: Store, source: Source, now: datetime, until: datetime) -> int:
    at = _position(store, source, BY_TIME) or _begin(
        store, source, BY_TIME, (until - FIRST_LOOK_BACK).isoformat()
    )
    since = datetime.fromisoformat(at.position[0])
    found, newest = 0, since
    conversations = source.idle(since, until)
    while batch := list(islice(conversations, BATCH)):
        newest = max([newest, *(one.last_change_at for one in batch if one.last_change_at is not None)])
        with store.transaction() as cursor:
            found += record(cursor, source.name, batch, "sweep_idle", now).recorded
    # Not to `until` but to what was seen: rows that a lagging replica has not got yet are asked for again.
    if newest > since:
        _move(store, source, BY_TIME, at, newest.astimezone(UTC).isoformat())
    return found


def _sweep_by_changes(store: Store, source: Source, now: datetime, until: datetime) -> int:
    last_row = source.last_row()
    at = _position(store, source, BY_COUNT)
    if at is None:
        return _note_the_past(store, source, now, last_row)
    # Rows that come after `last_row` was asked for are looked at twice, never skipped.
    for batch in _batches(source.snapshot(at.position if last_row is not None else None)):
        with store.transaction() as cursor:
            store_changes.observe(cursor, source.name, batch, now)
    found, closed = 0, BATCH
    while closed == BATCH:
        with store.transaction() as cursor:
            idle = store_changes.close_idle(cursor, source.name, until, BATCH)
            listed = (
                ListedConversation(
                    one.conversation_id, one.version.hex(), one.message_count, one.last_changed_at
                )
                for one in idle
            )
            found += record(cursor, source.name, listed, "sweep_idle", now).recorded
        closed = len(idle)
    if last_row is not None and last_row != at.position:
        _move(store, source, BY_COUNT, at, last_row[0])
    return found


def _note_the_past(store: Store, source: Source, now: datetime, last_row: tuple[str, ...] | None) -> int:
    """The first look at a store without times: what is there counts as closed before our time."""
    # With numbered rows, only what the next looks will see again: the newest.
    for batch in _batches(source.snapshot(last_row)):
        with store.transaction() as cursor:
            # Another first look was quicker. What came since is not the past, and is the next sweep's.
            if source_progress.read(cursor, source.name, BY_COUNT) is not None:
                return 0
            store_changes.observe(cursor, source.name, batch, now, closed=True)
    _begin(store, source, BY_COUNT, *(last_row or ()))
    logger.info(
        "source %s: first sweep; what it holds already is left to `ftworker backfill --source %s`",
        source.name,
        source.name,
    )
    return 0


def _batches(conversations: Iterator[ListedConversation]) -> Iterator[list[SeenConversation]]:
    while batch := list(islice(conversations, BATCH)):
        yield [
            SeenConversation(one.conversation_id, one.message_count, version_hash(one.version))
            for one in batch
        ]


def _position(store: Store, source: Source, purpose: str) -> Progress | None:
    with store.transaction() as cursor:
        return source_progress.read(cursor, source.name, purpose)


def _begin(store: Store, source: Source, purpose: str, *position: str) -> Progress:
    with store.transaction() as cursor:
        return source_progress.begin(cursor, source.name, purpose, position)


def _move(store: Store, source: Source, purpose: str, at: Progress, position: str) -> None:
    """Where another sweep has moved it meanwhile, this one's position is not needed."""
    with store.transaction() as cursor:
        source_progress.advance(cursor, source.name, purpose, at, position=(position,), added=0)
