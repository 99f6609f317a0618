"""What a person does with a quarantined conversation: look at it, release it, reject it.

Released ones go back to work as they came: their event waits again, or a new one says that their source has them. A
decision is for the version that the person saw. Never shows a text by itself: `look` tells what kinds of cues
stand at which message. The queue is `store.quarantine`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ftworker.accumulate import SourceFactory
from ftworker.clock import Clock, utc_now
from ftworker.conversations import Conversation
from ftworker.curation.privacy.scan import Scanner
from ftworker.curation.privacy.wellbeing import sensitive
from ftworker.errors import NotFound, Refused
from ftworker.events.contract import (
    ClosedEvent,
    ConversationClosed,
    EventRejected,
    decode,
    encode,
    to_conversation,
    with_event_facts,
)
from ftworker.examples_of import content_sha256
from ftworker.settings import Settings
from ftworker.store import inbox
from ftworker.store import quarantine as stored
from ftworker.store.connection import Cursor, Store
from ftworker.store.inbox import NewEvent
from ftworker.store.quarantine import Decision, Quarantined

TRANSPORT = "quarantine"
"""Label of events that a release made, in the totals and in their own origin."""

BackBy = Literal["event", "source", "nothing"]
"""How a conversation came back to work: its own event waits again, or a new one names its source."""


@dataclass(frozen=True)
class Decided:
    """What a decision did. `back_by` is `nothing` where nothing has to be judged anew."""

    name: str
    decision: Decision
    back_by: BackBy


def decide(
    store: Store,
    settings: Settings,
    row_id: int,
    decision: Decision,
    *,
    version: str = "",
    clock: Clock = utc_now,
) -> Decided:
    """Record what a person decided about the newest version, and let it be judged anew. Repeatable.

    `version` is the first digits of the version's hash that the person saw. Raises NotFound, and Refused when a
    newer version came meanwhile, or when nothing holds the conversation any more; then nothing is recorded.
    """
    with store.transaction() as cursor:
        known = stored.lock(cursor, row_id)
        row = stored.get(cursor, row_id, version)
        if row.decision == decision:
            return Decided(row.name, decision, "nothing")
        stored.review(cursor, row_id, decision)
        # Rejecting what waits changes nothing; rejecting what was released takes its waiting examples back.
        if decision == "rejected" and row.decision is None:
            return Decided(row.name, decision, "nothing")
        return Decided(row.name, decision, _back_to_work(cursor, settings, clock, row, known))


def _back_to_work(
    cursor: Cursor, settings: Settings, clock: Clock, row: Quarantined, known: stored.LockedVersion
) -> BackBy:
    kept = stored.kept_event(cursor, row)
    if kept is not None:
        stored.wait_again(cursor, kept)
        return "event"
    if row.source_name not in settings.sources:
        raise Refused(
            f"conversation {row.id}: its event was erased after worker.retention_days, and no source "
            f"{row.source_name!r} is configured to read it from; configure it, or let the RAG send its event again"
        )
    origin = f"ftworker/{TRANSPORT}/{row.source_name}"
    if not stored.event_waits(cursor, row, origin):
        event = _closed_again(row, known, origin, clock)
        inbox.record_batch(cursor, [event], [], TRANSPORT)
    return "source"


def _closed_again(row: Quarantined, known: stored.LockedVersion, origin: str, clock: Clock) -> NewEvent:
    """An event that names the conversation in its source, with what the erased one said and we still know."""
    # A later release of the same version is another event: the time makes it one.
    identity = hashlib.sha256(f"{row.id}:{row.version}:{clock().isoformat()}".encode()).hexdigest()[:40]
    event = ClosedEvent(
        specversion="1.0",
        id=identity,
        source=origin,
        type="org.ftworker.conversation.closed.v1",
        data=ConversationClosed(
            conversation_id=row.conversation_id,
            source_name=row.source_name,
            tenant_id=known.tenant_id,
            course_id=known.course_id,
            reason="backfill",
            closed_at=known.closed_at,
        ),
    )
    return NewEvent(origin, identity, row.source_name, row.conversation_id, encode(event).decode())


@dataclass(frozen=True)
class SeenMessage:
    """A message without its text. `cues`: how many of which kind; `uncertain`: nobody can say what a cue names."""

    role: str
    characters: int
    sensitive: Literal["wellbeing", "health"] | None
    cues: Mapping[str, int]
    uncertain: bool


@dataclass(frozen=True)
class Seen:
    """A quarantined conversation as a person looks at it."""

    row: Quarantined
    conversation: Conversation
    is_judged_version: bool
    """False: the store holds a newer version than the one that was judged."""


def read(store: Store, settings: Settings, make_source: SourceFactory, row: Quarantined) -> Seen:
    """The conversation itself, from its event or else from its source.

    Raises NotFound when neither holds it any more, SourceUnavailable and SourceRejected for the source.
    """
    with store.transaction() as cursor:
        kept = stored.kept_event(cursor, row)
    conversation = None
    if kept is not None:
        try:
            event = decode(kept.payload.encode("utf-8"), settings.ingest.max_message_bytes)
        except EventRejected:
            # It was accumulated once; a smaller limit set since must not hide that its source may have it.
            event = None
        if event is not None:
            conversation = to_conversation(event, kept.received_at)
            if conversation is None and (found := _from_source(make_source, row)) is not None:
                conversation = with_event_facts(found, event, kept.received_at)
    if conversation is None:
        conversation = _from_source(make_source, row)
    if conversation is None:
        raise NotFound(
            f"conversation {row.id} is in source {row.source_name!r} no more; `ftworker quarantine reject {row.id}`"
        )
    return Seen(row, conversation, content_sha256(conversation).hex() == row.version)


def _from_source(make_source: SourceFactory, row: Quarantined) -> Conversation | None:
    return next(iter(make_source(row.source_name).fetch([row.conversation_id])), None)


def look(conversation: Conversation, scanner: Scanner) -> list[SeenMessage]:
    """What kinds of cues stand at which message; what was found, and not what it says."""
    seen = []
    for message in conversation.messages:
        text = whole_characters(message.content)
        redacted = scanner.redact([text])
        seen.append(
            SeenMessage(
                role=message.role,
                characters=len(message.content),
                sensitive=sensitive(text),
                cues={kind.value: number for kind, number in redacted.counts.items()},
                uncertain=redacted.uncertain,
            )
        )
    return seen


def whole_characters(text: str) -> str:
    """The text with `?` for each half of a surrogate pair, which a store may hold and no terminal can show."""
    return text.encode("utf-8", "replace").decode("utf-8")
