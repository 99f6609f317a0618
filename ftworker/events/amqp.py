"""RabbitMQ: our durable quorum queue, bound to the publishers' topic exchange, consumed and acknowledged in batches.

Works on the raw channel of py-amqp: kombu's message objects would cost as much again as all the rest. Never decodes
a body. The connection belongs to one thread. `ingest` drives it; `publisher` publishes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import amqp
import kombu
from kombu.exceptions import KombuError

from ftworker.events.contract import EVENT_TYPE
from ftworker.events.transport import BrokerRefused, BrokerUnavailable, Delivery, Unroutable, not_answering

if TYPE_CHECKING:
    from ftworker.settings import IngestSettings

CONNECT_TIMEOUT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
"""Longest wait for an answer where no configuration says another (`network.answer_seconds`)."""
DEAD_SUFFIX = ".dead"


@contextmanager
def broker_errors(what: str, *, url: str | None = None) -> Iterator[None]:
    """Turn the driver's errors into BrokerUnavailable or BrokerRefused. RabbitMQ's texts name queues, not bodies.

    `url`: of the server, where it may be wrong because no connection was made yet. Shown without its password.
    """
    try:
        yield
    except (amqp.AMQPError, KombuError) as error:
        code = getattr(error, "code", 0) or 0
        text = f"RabbitMQ refused to {what}: {getattr(error, 'reply_text', None) or type(error).__name__}"
        if isinstance(error, amqp.AccessRefused | amqp.PreconditionFailed | amqp.NotAllowed):
            raise BrokerRefused(f"{text} ({code})") from error
        raise BrokerUnavailable(f"{text} ({code})") from error
    except (OSError, EOFError) as error:
        raise BrokerUnavailable(not_answering("RabbitMQ", error, url)) from error


def open_connection(url: str, *, heartbeat_seconds: int, answer_seconds: float) -> kombu.Connection:
    """A connection to the first server of the URL that answers. Raises BrokerUnavailable or BrokerRefused.

    No later wait takes longer than `answer_seconds`: without that, py-amqp waits for ever for a server that is silent.
    """
    connection = kombu.Connection(
        url,
        heartbeat=heartbeat_seconds,
        connect_timeout=min(CONNECT_TIMEOUT_SECONDS, answer_seconds),
        transport_options={"read_timeout": answer_seconds, "write_timeout": answer_seconds},
    )
    with broker_errors("connect", url=url):
        connection.connect()
    return connection


def heartbeat_seconds(answer_seconds: float) -> int:
    """The interval of heartbeats: after two without a word either side hangs up."""
    return max(1, int(answer_seconds))


class AmqpTransport:
    """Consumes the queue of `settings`, after declaring it with its exchange, binding and dead-letter queue."""

    name = "amqp"

    def __init__(self, url: str, settings: IngestSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._settings = settings
        self._answer_seconds = answer_seconds
        self._connection: kombu.Connection | None = None
        self._channel: Any = None
        self._received: list[Delivery] = []
        self._next_heartbeat = 0.0

    def connect(self) -> None:
        self._received = []
        self._connection = open_connection(
            self._url,
            heartbeat_seconds=heartbeat_seconds(self._answer_seconds),
            answer_seconds=self._answer_seconds,
        )
        with broker_errors("open a channel"):
            self._channel = self._connection.connection.channel()
            # Bodies stay bytes whatever content_encoding their publisher wrote on them.
            self._channel.auto_decode = False
        self._declare()
        with broker_errors(f"consume from {self._settings.queue}"):
            # One batch is being written while the next gathers; more would only wait in our memory.
            self._channel.basic_qos(0, 2 * self._settings.batch_size, False)
            self._channel.basic_consume(self._settings.queue, callback=self._on_message)

    def _declare(self) -> None:
        settings, channel = self._settings, self._channel
        dead = settings.queue + DEAD_SUFFIX
        quorum = {"x-queue-type": "quorum"}
        try:
            with broker_errors("declare the exchange and the queues"):
                channel.exchange_declare(settings.exchange, "topic", durable=True, auto_delete=False)
                channel.exchange_declare(dead, "fanout", durable=True, auto_delete=False)
                channel.queue_declare(dead, durable=True, auto_delete=False, arguments=quorum)
                channel.queue_bind(dead, dead)
                channel.queue_declare(
                    settings.queue,
                    durable=True,
                    auto_delete=False,
                    arguments={
                        **quorum,
                        "x-delivery-limit": settings.delivery_limit,
                        "x-dead-letter-exchange": dead,
                    },
                )
                channel.queue_bind(settings.queue, settings.exchange, settings.routing_key)
        except BrokerRefused as error:
            raise BrokerRefused(
                f"{error}. What is there was made by something else: give ingest.queue and ingest.exchange other "
                f"names, or empty and delete the queue {settings.queue} and let `ftworker ingest` make it anew"
            ) from error

    def _on_message(self, message: amqp.Message) -> None:
        # An empty body is an empty string in py-amqp.
        self._received.append(Delivery(message.body or b"", message.delivery_tag))

    def receive(self, limit: int, timeout_seconds: float) -> list[Delivery]:
        connection = self._open().connection
        with broker_errors("deliver"):
            try:
                if not self._received:
                    connection.drain_events(timeout=timeout_seconds)
                # Not zero: with zero py-amqp would spin while the second half of a frame is on its way. Set once and
                # not for each call: py-amqp sets it and back again for each of an event's three frames.
                with connection.transport.having_timeout(0.001):
                    while len(self._received) < limit:
                        connection.drain_events()
            except TimeoutError:
                pass
        received, self._received = self._received, []
        return received

    def tend(self) -> None:
        connection = self._open()
        now = time.monotonic()
        if now < self._next_heartbeat:
            return
        self._next_heartbeat = now + 1.0
        with broker_errors("keep the connection"):
            try:
                # The broker's heartbeats count only when they are read. No more than the prefetch can come in.
                while True:
                    connection.connection.drain_events(timeout=0.001)
            except TimeoutError:
                pass
            connection.heartbeat_check(rate=2)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._open()
        with broker_errors("acknowledge"):
            self._channel.basic_ack(deliveries[-1].tag, multiple=True)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._channel = None
        self._received = []
        if connection is None:
            return
        try:
            connection.close()
        except (amqp.AMQPError, KombuError, OSError, EOFError):
            return

    def _open(self) -> kombu.Connection:
        if self._connection is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        return self._connection


class AmqpSender:
    """Publishes persistent messages with confirms and `mandatory`, and waits until RabbitMQ has them all."""

    def __init__(self, url: str, exchange: str, routing_key: str, timeout_seconds: float) -> None:
        self._exchange = exchange
        self._routing_key = routing_key
        self._timeout_seconds = timeout_seconds
        # No heartbeat: between two events nobody would send one, and RabbitMQ would hang up.
        self._connection = open_connection(url, heartbeat_seconds=0, answer_seconds=timeout_seconds)
        with broker_errors("open a channel"):
            self._channel = self._connection.connection.channel()
            self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._sent = 0
        self._unconfirmed: set[int] = set()
        self._refused = 0
        self._returned: list[str] = []
        self._is_broken = False

    def send(self, messages: Sequence[tuple[str, bytes]]) -> None:
        try:
            with broker_errors("publish"):
                for event_id, raw in messages:
                    self._sent += 1
                    self._unconfirmed.add(self._sent)
                    self._channel.basic_publish(
                        amqp.Message(
                            raw,
                            content_type="application/cloudevents+json",
                            content_encoding="utf-8",
                            delivery_mode=2,
                            message_id=event_id,
                            type=EVENT_TYPE,
                        ),
                        exchange=self._exchange,
                        routing_key=self._routing_key,
                        mandatory=True,
                    )
                while self._unconfirmed:
                    self._connection.connection.drain_events(timeout=self._timeout_seconds)
        except BrokerUnavailable as error:
            self._is_broken = True
            if isinstance(error.__cause__, amqp.NotFound):
                raise Unroutable(
                    f"RabbitMQ has no exchange {self._exchange}; start `ftworker ingest` once, which makes it"
                ) from error
            raise
        if self._returned:
            count, first = len(self._returned), self._returned[0]
            raise Unroutable(
                f"RabbitMQ has no queue for {count} event{'s' if count != 1 else ''} (the first: id {first}) with "
                f"routing key {self._routing_key} on {self._exchange}; start `ftworker ingest` once, which binds one"
            )
        if self._refused:
            raise BrokerUnavailable(f"RabbitMQ could not keep {self._refused} of {len(messages)} events")

    def close(self) -> None:
        try:
            if self._is_broken:
                # Its goodbye would wait for an answer.
                self._connection.collect()
            else:
                self._connection.close()
        except (amqp.AMQPError, KombuError, OSError, EOFError):
            return

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > delivery_tag}
        else:
            self._unconfirmed.discard(delivery_tag)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        before = len(self._unconfirmed)
        self._on_ack(delivery_tag, multiple)
        self._refused += before - len(self._unconfirmed)

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: amqp.Message) -> None:
        self._returned.append(str(message.properties.get("message_id")))
