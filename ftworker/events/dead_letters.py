"""RabbitMQ's dead letters: messages that were delivered too often without being done. Taken over into PostgreSQL.

Events go to the parked messages, where a person sees and replays them. Of our own task messages only
`conversation_closed` holds what PostgreSQL does not know, and is recorded; the others were doorbells. A stream has no
dead letters: its ingest parks such entries itself. `ftworker parked collect` is the caller, and `doctor` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import amqp
import msgspec

from ftworker.events.amqp import DEAD_SUFFIX, broker_errors, open_connection
from ftworker.events.closing import TASKS_DEAD_QUEUE, closing_by_id
from ftworker.events.transport import AMQP_SCHEMES, scheme_of
from ftworker.settings import Settings
from ftworker.store import inbox
from ftworker.store.connection import Cursor, Store
from ftworker.store.inbox import NewEvent
from ftworker.store.parked import ParkedMessage

TASK_TRANSPORT: Final = "task"
EVENT_TRANSPORT: Final = "amqp"
BATCH: Final = 100
"""Messages that one transaction takes over."""
_CLOSING_TASK: Final = "ftworker.conversation_closed"


@dataclass(frozen=True)
class Collected:
    """What became of dead letters. `doorbells`: task messages that were not needed, for rows say what is due."""

    parked: int = 0
    recorded: int = 0
    doorbells: int = 0


@dataclass(frozen=True)
class _Letters:
    """What a batch of messages holds."""

    parked: list[ParkedMessage]
    events: list[NewEvent]
    doorbells: int


def dead_queues(settings: Settings) -> list[tuple[str, str]]:
    """URL and name of each queue of dead letters; none where no broker is RabbitMQ."""
    broker_url = settings.broker_url.get_secret_value() if settings.broker_url is not None else None
    named = [(settings.events(), settings.ingest.queue + DEAD_SUFFIX), (broker_url, TASKS_DEAD_QUEUE)]
    return [(url, queue) for url, queue in named if url is not None and scheme_of(url) in AMQP_SCHEMES]


def count(settings: Settings, url: str, queue: str) -> int:
    """Messages in the queue; 0 where nobody has made it yet. Raises BrokerUnavailable, BrokerRefused."""
    with _channel(settings, url) as channel, broker_errors(f"look at {queue}"):
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except amqp.NotFound:
            return 0


def collect(store: Store, settings: Settings, told: Callable[[int], object] = lambda _: None) -> Collected:
    """Take over every dead letter that is there now; `told` hears how many are done so far.

    Each batch is committed before RabbitMQ forgets it, so a message may be taken over twice and counts once. Raises
    BrokerUnavailable, BrokerRefused, DatabaseUnavailable.
    """
    parked = recorded = doorbells = 0
    for url, queue in dead_queues(settings):
        is_tasks = queue == TASKS_DEAD_QUEUE
        with _channel(settings, url) as channel:
            for messages in _batches(channel, queue, count(settings, url, queue)):
                letters = (
                    _of_tasks(messages)
                    if is_tasks
                    else _of_events(messages, queue, settings.ingest.max_message_bytes)
                )
                with store.transaction() as cursor:
                    recorded += _keep(cursor, letters, TASK_TRANSPORT if is_tasks else EVENT_TRANSPORT)
                with broker_errors(f"acknowledge in {queue}"):
                    channel.basic_ack(messages[-1].delivery_tag, multiple=True)
                parked += len(letters.parked)
                doorbells += letters.doorbells
                told(parked + len(letters.events) + doorbells)
    return Collected(parked, recorded, doorbells)


@contextmanager
def _channel(settings: Settings, url: str) -> Iterator[Any]:
    connection = open_connection(url, heartbeat_seconds=0, answer_seconds=settings.network.answer_seconds)
    try:
        with broker_errors("open a channel"):
            channel = connection.connection.channel()
            channel.auto_decode = False
        yield channel
    finally:
        connection.release()


def _batches(channel: Any, queue: str, there: int) -> Iterator[list[Any]]:
    """As many messages as were there, so that what dies again meanwhile cannot keep this going."""
    left = there
    while left > 0:
        batch: list[Any] = []
        with broker_errors(f"read {queue}"):
            while len(batch) < min(BATCH, left):
                message = channel.basic_get(queue)
                if message is None:
                    break
                batch.append(message)
        if not batch:
            return
        left -= len(batch)
        yield batch


def _keep(cursor: Cursor, letters: _Letters, transport: str) -> int:
    return inbox.record_batch(cursor, letters.events, letters.parked, transport).recorded


def _of_events(messages: list[Any], queue: str, keep_bytes: int) -> _Letters:
    detail = f"given up by RabbitMQ and kept in {queue}: it, or another of its batch, ended ingest too often"
    parked = [
        ParkedMessage.of(message.body or b"", "delivery_limit", detail, keep_bytes=keep_bytes)
        for message in messages
    ]
    return _Letters(parked, [], 0)


def _of_tasks(messages: list[Any]) -> _Letters:
    """Celery's headers say which task a message is for; its body is [args, kwargs, options] in JSON (protocol 2)."""
    events: list[NewEvent] = []
    parked: list[ParkedMessage] = []
    doorbells = 0
    for message in messages:
        headers = message.properties.get("application_headers") or {}
        task = str(headers.get("task", ""))
        if task.startswith("ftworker.") and task != _CLOSING_TASK:
            doorbells += 1
            continue
        raw = message.body or b""
        known = _closing(raw, str(headers.get("id", ""))) if task == _CLOSING_TASK else None
        if known is None:
            detail = f"no task message of ftworker's, in {TASKS_DEAD_QUEUE}"
            parked.append(ParkedMessage.of(raw, "not_a_task", detail))
        else:
            events += known[0]
            parked += known[1]
    return _Letters(parked, events, doorbells)


def _closing(raw: bytes, task_id: str) -> tuple[list[NewEvent], list[ParkedMessage]] | None:
    """What the task would have recorded; None for a body that the task could not have been called with."""
    try:
        given, named, _ = msgspec.json.decode(raw, type=tuple[list[Any], dict[str, Any], Any])
        arguments = dict(zip(("conversation_id", "source_name", "reason"), given, strict=False)) | named
        return closing_by_id(
            task_id,
            arguments.pop("conversation_id"),
            arguments.pop("source_name", "default"),
            arguments.pop("reason", "user_ended"),
            arguments,
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return None
