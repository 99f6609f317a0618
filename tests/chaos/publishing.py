"""The RAG of a plant: publishes messages over the cut-off network until each broker has said that it keeps them.

A message whose publishing failed is published again, as the contract asks of a RAG: it may have arrived.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

import amqp
import kombu
import redis
from celery import Celery
from kombu.exceptions import KombuError

from ftworker.celery import SHORT_QUEUE
from ftworker.errors import FtworkerError
from ftworker.events.amqp import DEAD_SUFFIX, AmqpSender
from ftworker.events.stream import StreamSender
from ftworker.events.transport import Unroutable
from ftworker.settings import IngestSettings
from tests.chaos.plan import Published, Transport

TIMEOUT_SECONDS = 3.0
PAUSE_SECONDS = 0.2
TOGETHER = 5


class TaskSender:
    """A RAG that speaks Celery: sends `ftworker.conversation_closed` as docs/EVENTS.md shows it."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._app = Celery("rag", broker=url, set_as_current=False)
        self._app.conf.update(
            task_ignore_result=True,
            broker_connection_timeout=timeout_seconds,
            broker_transport_options=(
                {
                    "confirm_publish": True,
                    "read_timeout": timeout_seconds,
                    "write_timeout": timeout_seconds,
                }
                if url.startswith("amqp")
                else {"socket_timeout": timeout_seconds}
            ),
        )
        if not url.startswith("amqp"):
            return
        # Celery publishes to a queue that is not there without a word.
        with self._app.connection_for_write() as connection:
            try:
                connection.default_channel.queue_declare(SHORT_QUEUE, passive=True)
            except amqp.NotFound as error:
                raise Unroutable(f"no worker has made the queue {SHORT_QUEUE} yet") from error

    def send(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for _, raw in messages:
            event = json.loads(raw)
            self._app.send_task(
                "ftworker.conversation_closed",
                kwargs=event["data"],
                task_id=event["id"],
                # The worker's queue as it is: declared here it would get other arguments, which RabbitMQ refuses.
                queue=kombu.Queue(SHORT_QUEUE, no_declare=True),
                retry=False,
            )

    def close(self) -> None:
        self._app.close()


class PublishingThread:
    """Publishes what it is given, in order for each transport. A context manager."""

    def __init__(self, urls: Mapping[Transport, str], settings: IngestSettings) -> None:
        self.per_second = 40.0
        self.trouble = ""
        self.confirmed = 0
        self.repeated = 0
        """Publications of which nobody knows whether they arrived, done again."""
        self.sent_at: dict[bytes, float] = {}
        """When, by `time.monotonic`, the last publication of these bytes began that the broker confirmed."""
        self._urls = urls
        self._settings = settings
        self._waiting: dict[Transport, deque[Published]] = {via: deque() for via in urls}
        self._senders: dict[Transport, AmqpSender | StreamSender | TaskSender] = {}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(via,), name=f"publisher-{via}", daemon=True)
            for via in urls
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS * 2)

    def give(self, messages: Iterable[Published]) -> None:
        for message in messages:
            self._waiting[message.via].append(message)

    @property
    def left(self) -> int:
        """Messages that no broker has confirmed yet."""
        return sum(map(len, self._waiting.values()))

    def _work(self, via: Transport) -> None:
        waiting = self._waiting[via]
        while not self._stopping.is_set():
            if not waiting:
                self._stopping.wait(0.05)
                continue
            chunk = [waiting[place] for place in range(min(TOGETHER, len(waiting)))]
            begun = time.monotonic()
            try:
                self._sender(via).send([(str(message.key), message.raw) for message in chunk])
            except (FtworkerError, OSError, amqp.AMQPError, KombuError, redis.RedisError) as error:
                self.trouble = f"{via}: {error}"
                # Before ingest has made its queue nothing was taken, and everybody knows.
                self.repeated += 0 if isinstance(error, Unroutable) else len(chunk)
                self._forget(via)
                self._stopping.wait(PAUSE_SECONDS)
                continue
            for message in chunk:
                waiting.popleft()
                self.sent_at[message.raw_sha256] = begun
            self.confirmed += len(chunk)
            self._stopping.wait(len(chunk) / self.per_second)
        self._forget(via)

    def _sender(self, via: Transport) -> AmqpSender | StreamSender | TaskSender:
        if via not in self._senders:
            settings = self._settings
            if via == "amqp":
                self._senders[via] = AmqpSender(
                    self._urls[via], settings.exchange, settings.routing_key, TIMEOUT_SECONDS
                )
            elif via == "task":
                self._senders[via] = TaskSender(self._urls[via], TIMEOUT_SECONDS)
            else:
                self._senders[via] = StreamSender(self._urls[via], settings.stream, TIMEOUT_SECONDS)
        return self._senders[via]

    def _forget(self, via: Transport) -> None:
        sender = self._senders.pop(via, None)
        if sender is not None:
            sender.close()

    def pending(self) -> Iterator[str]:
        """What stands in the brokers that `ingest` has not acknowledged, in words; also what cannot be asked."""
        for via, url in self._urls.items():
            if via == "task":
                continue  # its messages lie among the worker's own
            try:
                count = self.unacknowledged(via, url)
            except (OSError, redis.RedisError, amqp.AMQPError, kombu.exceptions.KombuError) as error:
                yield f"{via} does not answer: {type(error).__name__}"
            else:
                if count:
                    yield f"{via}: {count} events are not acknowledged"

    def unacknowledged(self, via: Transport, url: str) -> int:
        """How many events the broker still holds."""
        settings = self._settings
        if via == "stream":
            with contextlib.closing(redis.Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS)) as client:
                if not client.exists(settings.stream):
                    return 0
                groups = client.xinfo_groups(settings.stream)
                behind = sum(int(group["lag"] or 0) + int(group["pending"]) for group in groups)
                return behind if groups else int(client.xlen(settings.stream))
        with kombu.Connection(url, connect_timeout=TIMEOUT_SECONDS) as connection:
            return int(connection.default_channel.queue_declare(settings.queue, passive=True).message_count)

    def dead_letters(self) -> int:
        """Events that RabbitMQ gave up after too many deliveries."""
        url = self._urls.get("amqp")
        if url is None:
            return 0
        with kombu.Connection(url, connect_timeout=TIMEOUT_SECONDS) as connection:
            queue = self._settings.queue + DEAD_SUFFIX
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)

    def wait_until_confirmed(self, timeout_seconds: float) -> bool:
        """Whether every message given so far was taken within the time."""
        deadline = time.monotonic() + timeout_seconds
        while self.left and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.left
