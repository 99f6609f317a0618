"""Events that ftworker makes itself, for whoever only says which conversation closed: the Celery task.

Ids alone. Never does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftworker.conversations import canonical_json
from ftworker.events.contract import EVENT_TYPE, EventRejected, decode
from ftworker.store.inbox import NewEvent
from ftworker.store.parked import ParkedMessage

EVENT_SOURCE = "ftworker/task"
MAX_BYTES = 65_536
TASKS_DEAD_QUEUE = "ftworker.dead"
"""RabbitMQ's queue for task messages that were delivered too often: `dead_letters` takes them over."""


def closing_by_id(
    event_id: str, conversation_id: str, source_name: str, reason: str, other: Mapping[str, Any]
) -> tuple[list[NewEvent], list[ParkedMessage]]:
    """The event to record, or the message to park, for a conversation named by its id.

    `event_id` is the task message's own id: a redelivered message is the same event. `other` may hold tenant_id,
    course_id and user_ref; anything else is parked, because content must not travel in task arguments.
    """
    data = {"conversation_id": conversation_id, "source_name": source_name, "reason": reason, **other}
    raw = canonical_json(
        {"specversion": "1.0", "id": event_id, "source": EVENT_SOURCE, "type": EVENT_TYPE, "data": data}
    )
    unknown = sorted(set(other) - {"tenant_id", "course_id", "user_ref"})
    if unknown:
        detail = f"the task takes ids alone, not {', '.join(unknown)[:200]}; publish an event instead (docs/EVENTS.md)"
        return [], [ParkedMessage.of(raw, "not_an_id", detail, keep_bytes=MAX_BYTES)]
    try:
        event = decode(raw, MAX_BYTES)
    except EventRejected as error:
        return [], [ParkedMessage.of(raw, error.reason, error.detail, keep_bytes=MAX_BYTES)]
    new = NewEvent(EVENT_SOURCE, event_id, event.source_name, conversation_id, raw.decode("utf-8"))
    return [new], []
