"""The process `ftworker ingest`: messages from a broker into the inbox, a batch at a time, until it is told to stop.

A batch is one transaction; its messages are acknowledged only after the commit. The consumer gathers the next
batch while a thread writes the last, for the database driver leaves Python to others while it waits. When the
database is away the broker's connection is closed, so that messages wait in the broker and not here; when either
is back, work goes on. No failure ends the process. Logs say counts, never content.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ftworker.errors import DatabaseRejected, DatabaseUnavailable, FtworkerError
from ftworker.events.contract import EventRejected, decode
from ftworker.events.transport import Delivery, Transport
from ftworker.settings import IngestSettings
from ftworker.store import inbox, processes
from ftworker.store.connection import Store
from ftworker.store.inbox import BatchCounts, NewEvent
from ftworker.store.parked import ParkedMessage

logger = logging.getLogger(__name__)

PROCESS_NAME = "ingest"
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""A batch is written at this size even when few messages are in it: PostgreSQL takes 1 GB in a statement."""
KEPT_OF_TOO_LARGE = 65_536
"""Bytes kept of a message above ingest.max_message_bytes; enough to see who sent it."""
STATEMENT_TIMEOUT_SECONDS = 60.0
"""Longest statement. One that waits longer hangs, and is done again on another connection."""
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
REPORT_SECONDS = 60.0
"""How often the counts are logged, when there are any."""
SWITCH_SECONDS = 0.0005
"""For sys.setswitchinterval in a process that ingests: how soon the writer gets Python back from the consumer when the
database has answered. Python's own 5 ms, several times a batch, would cost more than the writing."""
IDLE_SECONDS = 1.0
"""Longest wait in one place, so that a signal is answered soon."""

Monotonic = Callable[[], float]


class Batch:
    """Messages that gather until they are enough, or old enough. Pure but for its clock."""

    def __init__(self, size: int, linger_seconds: float, monotonic: Monotonic) -> None:
        self._size = size
        self._linger_seconds = linger_seconds
        self._monotonic = monotonic
        self._waiting: deque[tuple[Delivery, float]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Add messages that have come now."""
        now = self._monotonic()
        self._waiting.extend((delivery, now) for delivery in deliveries)
        self._bytes += sum(len(delivery.raw) for delivery in deliveries)

    @property
    def room(self) -> int:
        """How many messages are still welcome before the batch is full."""
        return 0 if self.is_full() else self._size - len(self._waiting)

    def is_full(self) -> bool:
        return len(self._waiting) >= self._size or self._bytes >= MAX_BATCH_BYTES

    def seconds_left(self) -> float | None:
        """Time until the oldest message has waited long enough; None when there is none."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting[0][1] + self._linger_seconds - self._monotonic())

    def is_due(self) -> bool:
        return self.is_full() or self.seconds_left() == 0.0

    def take(self) -> list[Delivery]:
        """The oldest messages, at most a full batch; what came beyond it stays, with its age."""
        taken: list[Delivery] = []
        taken_bytes = 0
        while self._waiting and len(taken) < self._size:
            size = len(self._waiting[0][0].raw)
            if taken and taken_bytes + size > MAX_BATCH_BYTES:
                break
            taken.append(self._waiting.popleft()[0])
            taken_bytes += size
        self._bytes -= taken_bytes
        return taken

    def clear(self) -> None:
        self._waiting.clear()
        self._bytes = 0


class Doorbell:
    """Calls `notify` in a thread of its own, at most once for each ring; a broker that hangs delays nobody."""

    def __init__(self, notify: Callable[[], object] | None) -> None:
        self._notify = notify
        self._changed = threading.Condition()
        self._rung = False
        self._closing = False
        self._thread = threading.Thread(target=self._answer, args=(notify,), name="doorbell", daemon=True)
        if notify is not None:
            self._thread.start()

    def ring(self) -> None:
        with self._changed:
            self._rung = True
            self._changed.notify()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Answer the last ring and end; a `notify` that hangs is left behind."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._notify is not None:
            self._thread.join(timeout_seconds)

    def _answer(self, notify: Callable[[], object]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._rung or self._closing)
                if not self._rung:
                    return
                self._rung = False
            try:
                notify()
            except Exception as error:  # noqa: BLE001 - the sweep rings again, so nothing is lost
                logger.warning("the doorbell did not ring (%s); the sweep finds the events", _name(error))


@dataclass
class _Writing:
    """A batch that is being written."""

    deliveries: list[Delivery]
    future: Future[BatchCounts]


class Ingest:
    """Moves messages from one transport into the inbox. `run` returns after `stop`, with all that it took settled."""

    def __init__(
        self,
        transport: Transport,
        store: Store,
        settings: IngestSettings,
        *,
        notify: Callable[[], object] | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        """`notify` is called after commits that recorded something; its errors are logged and ignored."""
        self._transport = transport
        self._store = store
        self._settings = settings
        self._monotonic = monotonic
        self._notify = notify
        # A plain flag: a lock could be held by the very thread that a signal interrupts.
        self._stopping = False
        self._batch = Batch(settings.batch_size, settings.linger_seconds, monotonic)
        self._backoff_seconds = 0.0
        self._trouble = ""
        self._next_seen = monotonic()
        self._next_report = monotonic() + REPORT_SECONDS
        self._reported = BatchCounts(0, 0, 0)
        self.counts = BatchCounts(0, 0, 0)
        """What this process has recorded and acknowledged so far."""

    def stop(self) -> None:
        """Ask `run` to end: safe in a signal handler, repeatable. It answers within about a second."""
        self._stopping = True

    def is_stopping(self) -> bool:
        return self._stopping

    def run(self) -> None:
        """Work until `stop`. Outages of broker or database are waited out; nothing raises."""
        self._doorbell = Doorbell(self._notify)
        self._writer = ThreadPoolExecutor(1, "inbox-writer")
        try:
            while not self._stopping:
                try:
                    self._await_database()
                    self._consume()
                except FtworkerError as error:
                    self._pause(str(error))
                except Exception as error:
                    # A bug or a driver's surprise. Its text could hold a message, so `logs` shows its place alone.
                    if _name(error) != self._trouble:
                        logger.exception("unexpected %s", _name(error))
                    self._pause(_name(error))
        finally:
            self._report()
            self._writer.submit(self._say_goodbye).result()
            self._writer.shutdown()
            self._doorbell.close()
        logger.info("stopped; what was not acknowledged waits in the broker")

    def _pause(self, why: str) -> None:
        if self._stopping:
            return
        self._backoff_seconds = min(
            max(self._backoff_seconds * 2, FIRST_BACKOFF_SECONDS), MAX_BACKOFF_SECONDS
        )
        if why != self._trouble:
            logger.error(
                "%s; trying again from %.1f s to %.0f s", why, self._backoff_seconds, MAX_BACKOFF_SECONDS
            )
        self._trouble = why
        until = self._monotonic() + self._backoff_seconds
        while self._monotonic() < until and not self.is_stopping():
            time.sleep(0.1)

    def _await_database(self) -> None:
        """Return when the database takes writes: only then are messages asked for."""
        self._writer.submit(self._greet_database).result()

    def _greet_database(self) -> None:
        with self._store.transaction() as cursor:
            processes.seen(cursor, PROCESS_NAME)
        self._next_seen = self._monotonic() + processes.BEAT_SECONDS

    def _consume(self) -> None:
        """Connect and work until `stop`. Raises what broke; whatever was not acknowledged is delivered again."""
        self._batch.clear()
        writing: _Writing | None = None
        try:
            self._transport.connect()
            logger.info("consuming events from %s", self._transport.name)
            while not self._stopping:
                self._transport.tend()
                if writing is not None and (writing.future.done() or self._batch.is_full()):
                    self._settle(writing)
                    writing = None
                if writing is None and (self._batch.is_due() or self._monotonic() >= self._next_seen):
                    writing = self._begin_write()
                if self._batch.room:
                    self._batch.extend(self._transport.receive(self._batch.room, self._wait_seconds(writing)))
                self._report_if_due()
            while writing is not None or self._batch:
                if writing is None:
                    writing = self._begin_write()
                self._settle(writing)
                writing = None
        finally:
            if writing is not None:
                # It cannot be called off, and the next connection must not run beside it.
                wait([writing.future])
            self._transport.close()

    def _wait_seconds(self, writing: _Writing | None) -> float:
        left = self._batch.seconds_left()
        if left is None:
            return IDLE_SECONDS if writing is None else min(IDLE_SECONDS, self._settings.linger_seconds)
        # Never zero while a batch that is due waits for the one before it: that would be a busy loop.
        return min(IDLE_SECONDS, max(left, 0.005 if writing is not None else 0.0))

    def _begin_write(self) -> _Writing:
        deliveries = self._batch.take()
        return _Writing(deliveries, self._writer.submit(self._write, deliveries))

    def _settle(self, writing: _Writing) -> None:
        """Wait for the commit, keeping the connection alive, then acknowledge. Raises what the write raised."""
        while not wait([writing.future], IDLE_SECONDS).done:
            self._transport.tend()
        counts = writing.future.result()
        if writing.deliveries:
            self._transport.acknowledge(writing.deliveries)
        self._backoff_seconds = 0.0
        self._trouble = ""
        self.counts = _sum(self.counts, counts)

    def _write(self, deliveries: list[Delivery]) -> BatchCounts:
        """Record one batch in one transaction. In the writer's thread."""
        events: list[NewEvent] = []
        parked: list[ParkedMessage] = []
        for delivery in deliveries:
            self._sort(delivery, events, parked)
        try:
            counts = self._record(events, parked)
        except DatabaseRejected:
            if not deliveries:
                raise
            # Without this a message that PostgreSQL refuses would come again and again, and its batch with it.
            with self._store.transaction() as cursor:
                inbox.check_writable(cursor)
            counts = self._record_in_halves(deliveries)
        if counts.recorded:
            self._doorbell.ring()
        if parked:
            reasons = Counter(message.reason for message in parked)
            shown = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
            logger.warning("parked %s; see `ftworker parked list`", shown)
        return counts

    def _sort(self, delivery: Delivery, events: list[NewEvent], parked: list[ParkedMessage]) -> None:
        raw = delivery.raw
        if delivery.trouble is not None:
            reason, detail = delivery.trouble
            parked.append(ParkedMessage.of(raw, reason, detail, keep_bytes=self._settings.max_message_bytes))
            return
        try:
            event = decode(raw, self._settings.max_message_bytes)
        except EventRejected as error:
            keep_bytes = KEPT_OF_TOO_LARGE if error.reason == "too_large" else None
            parked.append(ParkedMessage.of(raw, error.reason, error.detail, keep_bytes=keep_bytes))
            return
        events.append(
            NewEvent(
                event.source, event.id, event.source_name, event.data.conversation_id, raw.decode("utf-8")
            )
        )

    def _record(self, events: list[NewEvent], parked: list[ParkedMessage]) -> BatchCounts:
        with self._store.transaction() as cursor:
            inbox.limit_statements(cursor, STATEMENT_TIMEOUT_SECONDS)
            counts = inbox.record_batch(cursor, events, parked, self._transport.name)
            if self._monotonic() >= self._next_seen:
                processes.seen(cursor, PROCESS_NAME)
                self._next_seen = self._monotonic() + processes.BEAT_SECONDS
        return counts

    def _record_in_halves(self, deliveries: list[Delivery]) -> BatchCounts:
        """Record all but the messages that the database refuses, and park those."""
        events: list[NewEvent] = []
        parked: list[ParkedMessage] = []
        for delivery in deliveries:
            self._sort(delivery, events, parked)
        try:
            return self._record(events, parked)
        except DatabaseRejected as error:
            if len(deliveries) == 1:
                detail = f"{error}; report it, then replay with a newer ftworker"
                return self._record([], [ParkedMessage.of(deliveries[0].raw, "database_refused", detail)])
        middle = len(deliveries) // 2
        return _sum(self._record_in_halves(deliveries[:middle]), self._record_in_halves(deliveries[middle:]))

    def _say_goodbye(self) -> None:
        try:
            with self._store.transaction() as cursor:
                processes.gone(cursor, PROCESS_NAME)
        except (DatabaseUnavailable, DatabaseRejected):
            logger.info("the database is away; this process's row stays until it is old")
        self._store.close()

    def _report_if_due(self) -> None:
        now = self._monotonic()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            self._report()

    def _report(self) -> None:
        if self.counts != self._reported:
            self._reported = now = self.counts
            logger.info("so far %d recorded, %d repeats, %d parked", now.recorded, now.duplicates, now.parked)


def _sum(first: BatchCounts, second: BatchCounts) -> BatchCounts:
    return BatchCounts(
        first.recorded + second.recorded, first.duplicates + second.duplicates, first.parked + second.parked
    )


def _name(error: BaseException) -> str:
    return type(error).__name__
