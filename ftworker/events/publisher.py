"""The publisher for RAGs written in Python: an event is published when the broker has said that it keeps it.

On RabbitMQ with publisher confirms and `mandatory`, so that an event no queue takes is an error and not lost; on
Valkey and Redis with XADD. Validates before it sends. Loads no Celery, database driver or settings unless asked to
find the URL itself.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from ftworker.clock import Clock, utc_now
from ftworker.conversations import canonical_json
from ftworker.errors import ConfigurationError, ConfigurationProblem, TransientError
from ftworker.events.contract import EVENT_TYPE, ClosedEvent, ConversationClosed, EventRejected, decode
from ftworker.events.transport import (
    AMQP_SCHEMES,
    STREAM_SCHEMES,
    BrokerUnavailable,
    scheme_of,
    unknown_scheme,
)

EXCHANGE = "rag.events"
ROUTING_KEY = "conversation.closed.v1"
STREAM = "ftworker:events"
MAX_MESSAGE_BYTES = 4_194_304
WINDOW_EVENTS = 500
WINDOW_BYTES = 8 * 1024 * 1024
"""How much `publish_many` sends before it waits for the broker's word."""

Event = Mapping[str, Any] | ClosedEvent | ConversationClosed
Outgoing = tuple[str, bytes]
"""An event's id and its JSON."""


class PublishFailed(TransientError):
    """The broker did not confirm in time. Publish again with the same id: an event that did arrive counts once."""


class Sender(Protocol):
    """One connection that sends and waits for the broker's word.

    Raises BrokerUnavailable, BrokerRefused, Unroutable.
    """

    def send(self, messages: Sequence[Outgoing]) -> None: ...

    def close(self) -> None: ...


def prepare(
    event: Event, *, source: str, clock: Clock = utc_now, max_bytes: int = MAX_MESSAGE_BYTES
) -> Outgoing:
    """The id and the JSON of an event, checked. A bare `data` object (with conversation_id) gets its envelope.

    The id of a bare object that says which version of the conversation it is (its messages, closed_at or
    last_message_at) comes from its content, so that publishing it twice counts once; else it is random.
    Raises EventRejected.
    """
    try:
        if isinstance(event, ClosedEvent):
            raw = msgspec.json.encode(event)
        elif isinstance(event, ConversationClosed) or _is_bare(event):
            raw = canonical_json(
                {
                    "specversion": "1.0",
                    "id": _new_id(event, source),
                    "source": source,
                    "type": EVENT_TYPE,
                    "time": clock(),
                    "data": event,
                }
            )
        elif "specversion" in event or "data" in event:
            raw = msgspec.json.encode(event)
        else:
            raise EventRejected(
                "missing_conversation_id",
                "conversation_id: missing; expected it, or a whole CloudEvent with its specversion",
            )
    except UnicodeEncodeError:
        raise EventRejected(
            "lone_surrogate", "a text holds half of a surrogate pair; expected Unicode text"
        ) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        detail = (
            f"a value is not JSON ({type(error).__name__}); expected text, numbers, lists, objects, times"
        )
        raise EventRejected("malformed_json", detail) from None
    return decode(raw, max_bytes).id, raw


def _is_bare(event: Mapping[str, Any]) -> bool:
    return "specversion" not in event and "conversation_id" in event


def _new_id(data: Mapping[str, Any] | ConversationClosed, source: str) -> str:
    plain: Any = msgspec.to_builtins(data) if isinstance(data, ConversationClosed) else data
    if any(plain.get(field) is not None for field in ("messages", "closed_at", "last_message_at")):
        return hashlib.sha256(canonical_json([source, plain])).hexdigest()[:32]
    return str(uuid.uuid4())


class Publisher:
    """Publishes events over one connection, which it opens when first needed and again after it broke.

    A context manager; may be shared by threads, which then take turns. `url` and the names default to ftworker's own
    configuration (`FTWORKER_EVENTS_URL`, config/ftworker.toml), which is only read when `url` is not given.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        source: str = "/rag",
        exchange: str = EXCHANGE,
        routing_key: str = ROUTING_KEY,
        stream: str = STREAM,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        timeout_seconds: float = 10.0,
        clock: Clock = utc_now,
    ) -> None:
        """`source` is the CloudEvents source of bare `data`; `timeout_seconds` the longest wait to be confirmed.

        Raises ConfigurationError for a URL of another kind, or when none is given and none configured.
        """
        if url is None:
            url, names = _configured()
            exchange, routing_key, stream = names.exchange, names.routing_key, names.stream
            max_message_bytes = names.max_message_bytes
        self._make_sender = _sender_factory(url, exchange, routing_key, stream, timeout_seconds)
        self._source = source
        self._max_message_bytes = max_message_bytes
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._sender: Sender | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, event: Event) -> str:
        """Publish one event and return its id, once the broker has confirmed it.

        A mapping is a whole CloudEvent or a bare `data` object. Raises EventRejected (nothing was sent), Unroutable,
        BrokerRefused, PublishFailed. Safe to repeat with the same id.
        """
        outgoing = prepare(event, source=self._source, clock=self._clock, max_bytes=self._max_message_bytes)
        self._send([outgoing])
        return outgoing[0]

    def publish_many(self, events: Iterable[Event], confirmed: Callable[[int], object] | None = None) -> int:
        """Publish events in order and return how many; `confirmed` is told how many are safe so far.

        Raises as `publish` does; what came before the event that raised may be published.
        """
        done = 0
        window: list[Outgoing] = []
        size = 0
        for event in events:
            outgoing = prepare(
                event, source=self._source, clock=self._clock, max_bytes=self._max_message_bytes
            )
            window.append(outgoing)
            size += len(outgoing[1])
            if len(window) >= WINDOW_EVENTS or size >= WINDOW_BYTES:
                done += self._flush(window, done, confirmed)
                size = 0
        return done + self._flush(window, done, confirmed)

    def close(self) -> None:
        """Close the connection. The publisher may be used again and opens a new one."""
        with self._turn:
            self._drop()

    def _flush(self, window: list[Outgoing], done: int, confirmed: Callable[[int], object] | None) -> int:
        count = len(window)
        if count:
            self._send(window)
            window.clear()
            if confirmed is not None:
                confirmed(done + count)
        return count

    def _send(self, messages: Sequence[Outgoing]) -> None:
        give_up_at = time.monotonic() + self._timeout_seconds
        wait_seconds = 0.1
        with self._turn:
            while True:
                try:
                    if self._sender is None:
                        self._sender = self._make_sender()
                    self._sender.send(messages)
                    return
                except BrokerUnavailable as error:
                    self._drop()
                    if time.monotonic() + wait_seconds > give_up_at:
                        count = len(messages)
                        raise PublishFailed(
                            f"not confirmed: {count} event{'s' if count != 1 else ''}; {error}; publish again"
                        ) from error
                    time.sleep(wait_seconds)
                    wait_seconds = min(wait_seconds * 2, 2.0)
                except BaseException:
                    # The channel is closed by a refusal, and its state unknown after anything else.
                    self._drop()
                    raise

    def _drop(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()


def publish(event: Event, url: str | None = None, **options: Any) -> str:
    """Publish one event over a connection of its own and return its id: `Publisher` for whoever publishes many.

    `options` are those of Publisher. Raises as `Publisher` and its `publish` do.
    """
    with Publisher(url, **options) as publisher:
        return publisher.publish(event)


def _sender_factory(
    url: str, exchange: str, routing_key: str, stream: str, timeout_seconds: float
) -> Callable[[], Sender]:
    scheme = scheme_of(url)
    if scheme in AMQP_SCHEMES:
        from ftworker.events.amqp import AmqpSender

        return lambda: AmqpSender(url, exchange, routing_key, timeout_seconds)
    if scheme in STREAM_SCHEMES:
        from ftworker.events.stream import StreamSender

        return lambda: StreamSender(url, stream, timeout_seconds)
    raise unknown_scheme(url)


def _configured() -> tuple[str, Any]:
    from ftworker.settings import load_settings

    settings = load_settings()
    url = settings.events()
    if url is None:
        expected = "where events go: an amqp:// or redis:// URL (or give `url`)"
        raise ConfigurationError(
            "environment", [ConfigurationProblem("FTWORKER_EVENTS_URL", "(not set)", expected)]
        )
    return url, settings.ingest
