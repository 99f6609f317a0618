"""Closed conversations become examples: waiting inbox rows in, examples and drops with reasons out.

One transaction a batch: the rows stay locked until their examples are committed, so that a worker that dies leaves
them waiting and nobody does them twice. A conversation without inline messages is read from its source meanwhile;
nobody else needs the locked rows, so a slow source delays only them. Never sends a message: `tasks` does.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ftworker.conversations import Conversation
from ftworker.curation.reasons import DropReason
from ftworker.errors import FtworkerError, NotFound, SourceRejected, SourceUnavailable, TransientError
from ftworker.events.contract import ClosedEvent, EventRejected, decode, to_conversation, with_event_facts
from ftworker.examples_of import Taken, content_sha256, examples_of, takers
from ftworker.rosters import scanner_for
from ftworker.settings import Settings
from ftworker.sources.contract import Source
from ftworker.store import examples as stored
from ftworker.store import inbox, quarantine, totals
from ftworker.store.connection import Cursor, Store
from ftworker.store.examples import ConversationVersion, Key, NewDrop, NewExample
from ftworker.store.inbox import Outcome, WaitingEvent
from ftworker.tokenizers import counter_for

logger = logging.getLogger(__name__)

MISSING_ATTEMPTS = 5
"""Looks for a conversation that its source does not have (a replica may lag) before its event is parked."""

UNEXPECTED_ATTEMPTS = 5
"""Tries of an event that ends in an error of ours before it is parked; about a quarter of an hour."""

MISSING_RETRY_SECONDS = 2.0
SOURCE_RETRY_SECONDS = 30.0
MAX_SOURCE_RETRY_SECONDS = 900.0

SourceFactory = Callable[[str], Source]
"""Name to source. Raises NotFound for a name that is not configured, SourceRejected for one that cannot work."""


@dataclass(frozen=True)
class Closing:
    """An event being worked on: its row, its envelope, and the conversation once it is known."""

    row: WaitingEvent
    event: ClosedEvent
    conversation: Conversation | None

    @property
    def key(self) -> Key:
        return (self.row.source_name, self.row.conversation_id)

    @property
    def closed_at(self) -> datetime:
        """When it closed, by which versions are ordered.

        A clock in the future must not shut out every later version, so it is never after the event's arrival.
        """
        data = self.event.data
        said = data.closed_at or data.last_message_at or self.event.time
        return min(said, self.row.received_at) if said else self.row.received_at


@dataclass
class Accumulated:
    """What one batch did. `pipelines` are those that got new examples, whose triggers may now hold."""

    taken: int = 0
    examples: int = 0
    drops: int = 0
    pipelines: set[str] = field(default_factory=set)


def accumulate(store: Store, settings: Settings, make_source: SourceFactory) -> Accumulated:
    """Turn one batch of waiting events into examples. Repeatable; `taken == 0` when nothing waits.

    Raises DatabaseUnavailable, and ConfigurationError for a tokenizer that cannot be read; trouble with a source or an
    event is recorded on its row and does not stop the rest.
    """
    for name in settings.pipelines:
        # Before any row is taken: what is wrong here is no event's fault, and must not park one.
        counter_for(settings, name)
    done = Accumulated()
    limit = settings.worker.accumulate_batch
    try:
        while not _one_batch(store, settings, make_source, done, limit):
            continue
    except _BatchFailed as failed:
        _one_by_one(store, settings, make_source, done, len(failed.rows))
    return done


class _BatchFailed(Exception):
    """A batch ended in an error that trying again gives again; nothing of it was kept."""

    def __init__(self, rows: list[WaitingEvent], kind: str) -> None:
        super().__init__(kind)
        self.rows = rows
        self.kind = kind


def _one_batch(
    store: Store, settings: Settings, make_source: SourceFactory, done: Accumulated, limit: int
) -> bool:
    """Do one batch; False when it held deletions, which were done alone, and the rest of it still waits.

    Raises DatabaseUnavailable, and _BatchFailed for an error of ours.
    """
    rows: list[WaitingEvent] = []
    deleted: list[Closing] = []
    kept = Accumulated()
    try:
        with store.transaction() as cursor:
            rows = inbox.take_waiting(cursor, limit)
            closings = _decode(cursor, settings, rows)
            deleted = [closing for closing in closings if closing.event.data.reason == "deleted"]
            if deleted:
                # In a transaction of their own: a batch locks the rows of its conversations in one order, by one
                # statement. A second one in the same transaction could deadlock with another worker's batch.
                _erase(cursor, deleted)
            else:
                kept = _keep(cursor, settings, closings, make_source)
    except TransientError:
        raise
    except Exception as error:
        logger.exception("a batch of %s events ended in %s", len(rows), type(error).__name__)
        raise _BatchFailed(rows, type(error).__name__) from None
    if deleted:
        done.taken += len(deleted)
        return False
    done.taken += len(rows)
    done.examples += kept.examples
    done.drops += kept.drops
    done.pipelines |= kept.pipelines
    return True


def _one_by_one(
    store: Store, settings: Settings, make_source: SourceFactory, done: Accumulated, number: int
) -> None:
    """Do the events of a failed batch alone: one must not hold up all that came with it.

    Each that fails is left alone for a growing time and parked after some tries, so that a fault of ours that breaks
    every event can be mended before all of them are parked.
    """
    for _ in range(number):
        try:
            _one_batch(store, settings, make_source, done, 1)
        except _BatchFailed as failed:
            done.taken += len(failed.rows)
            with store.transaction() as cursor:
                for row in failed.rows:
                    if row.attempts + 1 < UNEXPECTED_ATTEMPTS:
                        inbox.postpone(cursor, [row.id], _wait(SOURCE_RETRY_SECONDS, row.attempts))
                        continue
                    detail = (
                        f"it ended {UNEXPECTED_ATTEMPTS} times in an unexpected {failed.kind}; "
                        "the worker's log has its place: report it, then replay"
                    )
                    inbox.park(cursor, [row.id], "unexpected_error", detail)


def _keep(
    cursor: Cursor, settings: Settings, closings: list[Closing], make_source: SourceFactory
) -> Accumulated:
    newest, older = _newest_each(closings)
    ready = _with_names(cursor, settings, _read_sources(cursor, newest, make_source))
    kept, outcomes = _store_examples(cursor, settings, ready)
    # An older event is superseded only by one that could be used: else it stays, and its turn comes.
    for closing in ready:
        outcomes |= dict.fromkeys(older.get(closing.key, ()), "superseded")
    inbox.finish(cursor, outcomes)
    return kept


def _decode(cursor: Cursor, settings: Settings, rows: Iterable[WaitingEvent]) -> list[Closing]:
    closings = []
    for row in rows:
        if row.payload is None:
            inbox.park(
                cursor, [row.id], "no_payload", "the event's text was erased before it was accumulated"
            )
            continue
        try:
            event = decode(row.payload.encode("utf-8"), settings.ingest.max_message_bytes)
        except EventRejected as error:
            inbox.park(cursor, [row.id], error.reason, error.detail)
            continue
        closings.append(Closing(row, event, to_conversation(event, row.received_at)))
    return closings


def _newest_each(closings: Iterable[Closing]) -> tuple[list[Closing], dict[Key, list[int]]]:
    """Of several events about one conversation the newest, and the rows of the others by conversation."""
    by_key: dict[Key, list[Closing]] = defaultdict(list)
    for closing in closings:
        by_key[closing.key].append(closing)
    newest = []
    older = {}
    for key, events in by_key.items():
        *before, last = sorted(events, key=lambda c: (c.closed_at, c.row.id))
        newest.append(last)
        older[key] = [closing.row.id for closing in before]
    return newest, older


def _read_sources(cursor: Cursor, closings: list[Closing], make_source: SourceFactory) -> list[Closing]:
    """Give each event without inline messages its conversation: one query for each source."""
    ready = [closing for closing in closings if closing.conversation is not None]
    by_source: dict[str, list[Closing]] = defaultdict(list)
    for closing in closings:
        if closing.conversation is None:
            by_source[closing.row.source_name].append(closing)
    for name, waiting in by_source.items():
        ids = [closing.row.id for closing in waiting]
        try:
            source = make_source(name)
            found = {
                c.conversation_id: c
                for c in source.fetch([closing.row.conversation_id for closing in waiting])
            }
        except SourceUnavailable:
            _postpone(cursor, waiting, SOURCE_RETRY_SECONDS)
            continue
        except NotFound as error:
            inbox.park(cursor, ids, "unknown_source", str(error))
            continue
        except SourceRejected as error:
            inbox.park(cursor, ids, "source_rejected", str(error))
            continue
        missing = []
        for closing in waiting:
            conversation = found.get(closing.row.conversation_id)
            if conversation is None:
                missing.append(closing)
            else:
                known = with_event_facts(conversation, closing.event, closing.row.received_at)
                ready.append(replace(closing, conversation=known))
        _handle_missing(cursor, name, missing)
    return ready


def _with_names(cursor: Cursor, settings: Settings, closings: list[Closing]) -> list[Closing]:
    """Those whose rosters can be read. The others wait: without its names a conversation is not looked through."""
    ready: list[Closing] = []
    waiting: list[Closing] = []
    for closing in closings:
        conversation = closing.conversation
        assert conversation is not None
        try:
            for name in takers(settings, conversation):
                scanner_for(settings, name, conversation.tenant_id)
        except FtworkerError as error:
            if not waiting:
                logger.warning("conversations wait until their roster can be read: %s", error)
            waiting.append(closing)
        else:
            ready.append(closing)
    _postpone(cursor, waiting, SOURCE_RETRY_SECONDS)
    return ready


def _handle_missing(cursor: Cursor, source_name: str, missing: list[Closing]) -> None:
    given_up = [closing.row.id for closing in missing if closing.row.attempts + 1 >= MISSING_ATTEMPTS]
    again = [closing for closing in missing if closing.row.attempts + 1 < MISSING_ATTEMPTS]
    if given_up:
        inbox.park(
            cursor,
            given_up,
            "conversation_not_found",
            f"source {source_name} does not have this conversation after {MISSING_ATTEMPTS} looks; "
            "check the id that the RAG sends, then replay",
        )
    _postpone(cursor, again, MISSING_RETRY_SECONDS)


def _postpone(cursor: Cursor, closings: Iterable[Closing], first_wait_seconds: float) -> None:
    """Leave each event alone for a time that doubles with its attempts."""
    by_attempts: dict[int, list[int]] = defaultdict(list)
    for closing in closings:
        by_attempts[closing.row.attempts].append(closing.row.id)
    for attempts, ids in by_attempts.items():
        inbox.postpone(cursor, ids, _wait(first_wait_seconds, attempts))


def _wait(first_seconds: float, attempts: int) -> float:
    return min(first_seconds * 2.0 ** min(attempts, 20), MAX_SOURCE_RETRY_SECONDS)


def _store_examples(
    cursor: Cursor, settings: Settings, closings: list[Closing]
) -> tuple[Accumulated, dict[int, Outcome]]:
    """Store what the conversations give; returns the counts and the outcome of each row."""
    outcomes: dict[int, Outcome] = {}
    row_ids = stored.upsert_conversations(cursor, [_version(closing) for closing in closings])
    deleted = stored.deleted_among(cursor, [c.key for c in closings if c.key not in row_ids])
    cut = stored.cut_turns(cursor, list(row_ids.values()))
    # After the upsert, which holds the rows: a decision about these versions comes before it or after this batch.
    decisions = quarantine.decisions(cursor, list(row_ids.values()))
    taken: list[Taken] = []
    rows: list[int] = []
    for closing in closings:
        row_id = row_ids.get(closing.key)
        if closing.key in deleted:
            # It came after the deletion: nothing of it stays.
            inbox.erase_conversation(cursor, *closing.key)
        elif row_id is None or closing.conversation is None:
            outcomes[closing.row.id] = "superseded"
        else:
            rows.append(closing.row.id)
            taken.append(
                Taken(closing.conversation, row_id, closing.event.data.reason, decisions.get(row_id))
            )
    found_examples: list[NewExample] = []
    drops: list[NewDrop] = []
    redactions: Counter[tuple[str, str]] = Counter()
    for row, found in zip(rows, examples_of(settings, taken, cut), strict=True):
        outcomes[row] = found.outcome
        found_examples += found.examples
        drops += found.drops
        redactions += found.redactions
    examples, duplicates = _without_duplicates(cursor, settings, row_ids.values(), found_examples)
    drops += duplicates
    left = {drop.row_id for drop in duplicates} - {example.row_id for example in examples}
    for closing in closings:
        if row_ids.get(closing.key) in left:
            outcomes[closing.row.id] = "dropped"
    new_examples, new_drops = stored.replace_examples(cursor, sorted(row_ids.values()), examples, drops)
    totals.add(cursor, _totals(new_examples, new_drops, redactions))
    return Accumulated(
        examples=new_examples.total(), drops=new_drops.total(), pipelines=set(new_examples)
    ), outcomes


def _without_duplicates(
    cursor: Cursor, settings: Settings, row_ids: Iterable[int], examples: list[NewExample]
) -> tuple[list[NewExample], list[NewDrop]]:
    """Leave out what teaches words that the pipeline keeps already, where the pipeline wants that."""
    wanted = {name for name, pipeline in settings.pipelines.items() if pipeline.curation.drop_duplicates}
    looked_at = [example for example in examples if example.pipeline in wanted]
    kept, duplicates = stored.without_duplicates(cursor, list(row_ids), looked_at)
    kept += [example for example in examples if example.pipeline not in wanted]
    return kept, [
        NewDrop(example.pipeline, example.row_id, example.turn, DropReason.DUPLICATE)
        for example in duplicates
    ]


def _totals(
    new_examples: Mapping[str, int],
    new_drops: Mapping[tuple[str, str], int],
    redactions: Mapping[tuple[str, str], int],
) -> dict[tuple[str, str], float]:
    amounts: dict[tuple[str, str], float] = {
        ("examples_kept", totals.label_text(pipeline=name)): number for name, number in new_examples.items()
    }
    for (name, reason), number in new_drops.items():
        amounts["examples_dropped", totals.label_text(pipeline=name, reason=reason)] = number
    for (name, kind), number in redactions.items():
        amounts["redactions", totals.label_text(pipeline=name, kind=kind)] = number
    return amounts


def _erase(cursor: Cursor, deleted: list[Closing]) -> None:
    """The RAG deleted these conversations: nothing of them is kept but the tombstone and the lineage.

    Tombstones first: a worker that holds an event of one of them finds the tombstone and erases that event itself.
    """
    keys = sorted({closing.key for closing in deleted})
    stored.erase_conversations(cursor, keys)
    inbox.finish(cursor, {closing.row.id: "deleted" for closing in deleted})
    for source_name, conversation_id in keys:
        inbox.erase_conversation(cursor, source_name, conversation_id)


def _version(closing: Closing) -> ConversationVersion:
    conversation = closing.conversation
    assert conversation is not None
    return ConversationVersion(
        source_name=closing.key[0],
        conversation_id=closing.key[1],
        tenant_id=conversation.tenant_id,
        course_id=conversation.course_id,
        content_sha256=content_sha256(conversation),
        message_count=len(conversation.messages),
        last_message_at=conversation.last_message_at,
        closed_at=closing.closed_at,
    )
