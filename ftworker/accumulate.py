"""Closed conversations become examples: waiting inbox rows in, examples and drops with reasons out.

One transaction a batch: the rows stay locked until their examples are committed, so that a worker that dies leaves
them waiting and nobody does them twice. A conversation without inline messages is read from its source meanwhile;
nobody else needs the locked rows, so a slow source delays only them. Never sends a message: `tasks` does.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ftworker.conversations import Conversation, canonical_json
from ftworker.curation.curate import curate
from ftworker.errors import NotFound, SourceRejected, SourceUnavailable
from ftworker.events.contract import ClosedEvent, EventRejected, decode, to_conversation, with_event_facts
from ftworker.settings import PipelineSettings, Settings
from ftworker.sources.contract import Source
from ftworker.store import examples as stored
from ftworker.store import inbox, totals
from ftworker.store.connection import Cursor, Store
from ftworker.store.examples import ConversationVersion, Key, NewDrop, NewExample
from ftworker.store.inbox import Outcome, WaitingEvent

MISSING_ATTEMPTS = 5
"""Looks for a conversation that its source does not have (a replica may lag) before its event is parked."""

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

    Raises DatabaseUnavailable; trouble with a source or an event is recorded on its row and does not stop the rest.
    """
    done = Accumulated()
    with store.transaction() as cursor:
        rows = inbox.take_waiting(cursor, settings.worker.accumulate_batch)
        done.taken = len(rows)
        if not rows:
            return done
        outcomes: dict[int, Outcome] = {}
        closings = _decode(cursor, settings, rows)
        deleted = [closing for closing in closings if closing.event.data.reason == "deleted"]
        closings = [closing for closing in closings if closing.event.data.reason != "deleted"]
        closings = _newest_each(closings, outcomes)
        closings = _read_sources(cursor, closings, make_source)
        _store_examples(cursor, settings, closings, outcomes, done)
        _erase(cursor, deleted)
        inbox.finish(cursor, outcomes)
    return done


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


def _newest_each(closings: Iterable[Closing], outcomes: dict[int, Outcome]) -> list[Closing]:
    """Of several events about one conversation, the newest; the others are superseded."""
    newest: dict[Key, Closing] = {}
    for closing in closings:
        present = newest.get(closing.key)
        if present is None:
            newest[closing.key] = closing
            continue
        older, newer = sorted((present, closing), key=lambda c: (c.closed_at, c.row.id))
        outcomes[older.row.id] = "superseded"
        newest[closing.key] = newer
    return list(newest.values())


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
            attempts = max(closing.row.attempts for closing in waiting)
            inbox.postpone(cursor, ids, min(SOURCE_RETRY_SECONDS * 2**attempts, MAX_SOURCE_RETRY_SECONDS))
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
    for closing in again:
        inbox.postpone(cursor, [closing.row.id], 2.0 ** (closing.row.attempts + 1))


def _store_examples(
    cursor: Cursor,
    settings: Settings,
    closings: list[Closing],
    outcomes: dict[int, Outcome],
    done: Accumulated,
) -> None:
    row_ids = stored.upsert_conversations(cursor, [_version(closing) for closing in closings])
    cut = stored.cut_turns(cursor, list(row_ids.values()))
    examples: list[NewExample] = []
    drops: list[NewDrop] = []
    for closing in closings:
        row_id = row_ids.get(closing.key)
        conversation = closing.conversation
        if row_id is None or conversation is None:
            outcomes[closing.row.id] = "superseded"
            continue
        outcome: Outcome = "unmatched"
        for name, pipeline in settings.pipelines.items():
            if not matches(pipeline, conversation):
                continue
            curated = curate(
                conversation,
                pipeline.curation,
                closed_reason=closing.event.data.reason,
                after_turn=cut.get((row_id, name), -1),
            )
            group = split_group(conversation)
            examples += [
                NewExample(
                    pipeline=name,
                    row_id=row_id,
                    turn=example.turn,
                    split_group=group,
                    content=example.content.decode("utf-8"),
                    content_sha256=example.content_sha256,
                    token_count=example.token_count,
                    rating=example.rating,
                    model=example.model,
                )
                for example in curated.examples
            ]
            drops += [NewDrop(name, row_id, drop.turn, drop.reason) for drop in curated.drops]
            if curated.examples:
                outcome = "examples"
            elif outcome == "unmatched":
                outcome = "dropped"
        outcomes[closing.row.id] = outcome
    new_examples, new_drops = stored.replace_examples(cursor, sorted(row_ids.values()), examples, drops)
    done.examples, done.drops = new_examples.total(), new_drops.total()
    done.pipelines = set(new_examples)
    totals.add(cursor, _totals(new_examples, new_drops))


def _totals(
    new_examples: Mapping[str, int], new_drops: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], float]:
    amounts: dict[tuple[str, str], float] = {
        ("examples_kept", totals.label_text(pipeline=name)): number for name, number in new_examples.items()
    }
    for (name, reason), number in new_drops.items():
        amounts["examples_dropped", totals.label_text(pipeline=name, reason=reason)] = number
    return amounts


def _erase(cursor: Cursor, deleted: list[Closing]) -> None:
    """The RAG deleted these conversations: nothing of them is kept but the tombstone and the lineage."""
    if not deleted:
        return
    inbox.finish(cursor, {closing.row.id: "deleted" for closing in deleted})
    stored.erase_conversations(cursor, [closing.key for closing in deleted])
    for source_name, conversation_id in sorted({closing.key for closing in deleted}):
        inbox.erase_conversation(cursor, source_name, conversation_id)


def matches(pipeline: PipelineSettings, conversation: Conversation) -> bool:
    """Whether the pipeline trains on this conversation's source, tenant and course."""
    return (
        pipeline.source in ("*", conversation.source_name)
        and pipeline.tenant in ("*", conversation.tenant_id)
        and pipeline.course in ("*", conversation.course_id)
    )


def split_group(conversation: Conversation) -> str:
    """Hash of the user, or of the conversation when no user is known: who is on one side stays on it.

    Names of users and conversations are personal data, so only the hash is stored beside the example.
    """
    parts = (
        ("user", conversation.tenant_id or "", conversation.user_ref)
        if conversation.user_ref
        else ("conversation", conversation.source_name, conversation.conversation_id)
    )
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def _version(closing: Closing) -> ConversationVersion:
    conversation = closing.conversation
    assert conversation is not None
    return ConversationVersion(
        source_name=closing.key[0],
        conversation_id=closing.key[1],
        tenant_id=conversation.tenant_id,
        course_id=conversation.course_id,
        content_sha256=hashlib.sha256(canonical_json(conversation.messages)).digest(),
        message_count=len(conversation.messages),
        last_message_at=conversation.last_message_at,
        closed_at=closing.closed_at,
    )
