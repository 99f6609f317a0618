"""The loop of ingest with a transport in memory: what a batch is, when it is acknowledged, what a failure leaves."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from ftworker.events import Publisher
from ftworker.events.amqp import AmqpTransport
from ftworker.events.contract import EVENT_TYPE
from ftworker.events.ingest import MAX_BATCH_BYTES, Batch, Doorbell, Ingest
from ftworker.events.transport import BrokerUnavailable, Delivery
from ftworker.settings import IngestSettings
from ftworker.store import Store
from ftworker.store.inbox import BatchCounts
from tests.servers import wait_until
from tests.store_rows import fetch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def delivery(tag: int, raw: bytes = b"x") -> Delivery:
    return Delivery(raw, tag)


def closing(conversation_id: str) -> bytes:
    data = {"conversation_id": conversation_id}
    event = {"specversion": "1.0", "id": conversation_id, "source": "/t", "type": EVENT_TYPE, "data": data}
    return json.dumps(event).encode()


class Memory:
    """A transport over a list. What is not acknowledged when it closes is delivered again."""

    name = "amqp"

    def __init__(self, raws: Sequence[bytes]) -> None:
        self.queue = [Delivery(raw, tag) for tag, raw in enumerate(raws, 1)]
        self.out: list[Delivery] = []
        self.acknowledged: list[list[Delivery]] = []
        self.connects = 0
        self.fail: Callable[[str], None] = lambda step: None

    def connect(self) -> None:
        self.connects += 1
        self.fail("connect")

    def receive(self, limit: int, timeout_seconds: float) -> list[Delivery]:
        self.fail("receive")
        taken, self.queue = self.queue[:limit], self.queue[limit:]
        self.out += taken
        if not taken:
            threading.Event().wait(min(timeout_seconds, 0.01))
        return taken

    def tend(self) -> None:
        self.fail("tend")

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self.fail("acknowledge")
        assert list(deliveries) == self.out[: len(deliveries)]
        del self.out[: len(deliveries)]
        self.acknowledged.append(list(deliveries))

    def close(self) -> None:
        self.queue = self.out + self.queue
        self.out = []


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


SMALL = IngestSettings(batch_size=10, linger_seconds=0.02, max_message_bytes=2_000)


@contextmanager
def running(ingest: Ingest) -> Iterator[None]:
    thread = threading.Thread(target=ingest.run)
    thread.start()
    try:
        yield
    finally:
        ingest.stop()
        thread.join(20)
        assert not thread.is_alive()


def conversations(store: Store) -> list[str]:
    return [row[0] for row in fetch(store, "SELECT conversation_id FROM ftworker.inbox ORDER BY id")]


def test_a_batch_is_due_when_it_is_full_or_old_enough() -> None:
    clock = Clock()
    batch = Batch(3, 0.2, clock)
    assert (batch.is_due(), batch.seconds_left(), batch.room, len(batch)) == (False, None, 3, 0)
    batch.extend([delivery(1)])
    clock.now += 0.15
    assert (batch.is_due(), batch.room) == (False, 2)
    assert batch.seconds_left() == pytest.approx(0.05)
    clock.now += 0.06
    assert batch.is_due()
    batch.extend([delivery(2), delivery(3), delivery(4)])
    assert (batch.is_full(), batch.room) == (True, 0)


def test_what_came_beyond_a_full_batch_stays_with_its_own_age() -> None:
    clock = Clock()
    batch = Batch(2, 0.2, clock)
    batch.extend([delivery(1), delivery(2)])
    clock.now += 0.1
    batch.extend([delivery(3)])
    clock.now += 0.15
    assert [taken.tag for taken in batch.take()] == [1, 2]
    assert not batch.is_due()
    assert batch.seconds_left() == pytest.approx(0.05)
    batch.clear()
    assert (len(batch), batch.take()) == (0, [])


def test_a_batch_of_huge_messages_is_full_before_it_has_many() -> None:
    batch = Batch(500, 60.0, Clock())
    huge = b"x" * (MAX_BATCH_BYTES // 2 + 1)
    batch.extend([delivery(1, huge)])
    assert not batch.is_full()
    batch.extend([delivery(2, huge), delivery(3)])
    assert batch.is_full()
    assert [taken.tag for taken in batch.take()] == [1]
    assert [taken.tag for taken in batch.take()] == [2, 3]


def test_messages_are_recorded_and_acknowledged_in_order_and_in_batches(store: Store) -> None:
    transport = Memory([closing(f"c{number}") for number in range(35)])
    ingest = Ingest(transport, store, SMALL)
    with running(ingest):
        wait_until(lambda: ingest.counts.recorded == 35)
    assert conversations(store) == [f"c{number}" for number in range(35)]
    assert [len(batch) for batch in transport.acknowledged][:3] == [10, 10, 10]
    assert sum(map(len, transport.acknowledged)) == 35
    assert ingest.counts == BatchCounts(35, 0, 0)


def test_a_lost_acknowledgement_costs_a_repeat_and_no_second_row(store: Store) -> None:
    transport = Memory([closing(f"c{number}") for number in range(5)])
    failures = iter([BrokerUnavailable("gone")])

    def fail_once(step: str) -> None:
        if step == "acknowledge" and (error := next(failures, None)) is not None:
            raise error

    transport.fail = fail_once
    ingest = Ingest(transport, store, SMALL)
    with running(ingest):
        wait_until(lambda: ingest.counts.duplicates == 5)
    assert len(conversations(store)) == 5
    assert transport.connects == 2


@pytest.mark.parametrize("step", ["connect", "receive", "tend", "acknowledge"])
def test_even_a_bug_in_the_transport_ends_nothing_and_shows_no_text(
    store: Store, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    transport = Memory([closing("c")])
    failures = iter([ValueError("texto de un alumno")])

    def fail_once(at: str) -> None:
        if at == step and (error := next(failures, None)) is not None:
            raise error

    transport.fail = fail_once
    ingest = Ingest(transport, store, SMALL)
    with caplog.at_level(logging.ERROR), running(ingest):
        wait_until(lambda: transport.acknowledged)
    assert conversations(store) == ["c"]
    assert "unexpected ValueError" in caplog.messages
    assert "texto de un alumno" not in " ".join(caplog.messages)


def test_a_message_that_the_database_refuses_is_parked_alone(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("ALTER TABLE ftworker.inbox ADD CHECK (conversation_id <> 'c7')")
    transport = Memory([*(closing(f"c{number}") for number in range(10)), b"{"])
    ingest = Ingest(transport, store, IngestSettings(batch_size=20, linger_seconds=0.02))
    with running(ingest):
        wait_until(lambda: transport.acknowledged)
    assert conversations(store) == [f"c{number}" for number in range(10) if number != 7]
    parked = fetch(store, "SELECT reason, detail, raw FROM ftworker.parked ORDER BY reason")
    assert [row[0] for row in parked] == ["database_refused", "malformed_json"]
    assert "CheckViolation" in parked[0][1]
    assert bytes(parked[0][2]) == closing("c7")


def test_a_database_that_refuses_everything_loses_and_parks_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.transaction() as cursor:
        cursor.execute("ALTER TABLE ftworker.inbox RENAME TO elsewhere")
    transport = Memory([closing("c")])
    ingest = Ingest(transport, store, SMALL)
    with running(ingest):
        wait_until(lambda: "ftworker migrate" in caplog.text)
        with store.transaction() as cursor:
            cursor.execute("ALTER TABLE ftworker.elsewhere RENAME TO inbox")
        wait_until(lambda: transport.acknowledged)
    assert conversations(store) == ["c"]
    assert fetch(store, "SELECT 1 FROM ftworker.parked") == []


def test_each_reason_to_park_keeps_the_bytes_and_the_true_size(store: Store) -> None:
    raws = [b"", b"\xff", closing("x" * 3_000), closing("good")]
    transport = Memory(raws)
    transport.queue.append(Delivery(b"a: 1", 99, ("no_event_field", "the entry has no field `event`")))
    ingest = Ingest(transport, store, SMALL)
    with running(ingest):
        wait_until(lambda: ingest.counts.parked == 4)
    assert conversations(store) == ["good"]
    rows = fetch(store, "SELECT reason, raw, raw_bytes FROM ftworker.parked ORDER BY reason")
    assert [(row[0], bytes(row[1]), row[2]) for row in rows] == [
        ("malformed_json", b"", 0),
        ("no_event_field", b"a: 1", 4),
        ("not_utf8", b"\xff", 1),
        ("too_large", raws[2], len(raws[2])),
    ]


def test_stopping_settles_what_was_taken(store: Store) -> None:
    transport = Memory([closing(f"c{number}") for number in range(7)])
    ingest = Ingest(transport, store, IngestSettings(batch_size=5, linger_seconds=30))
    with running(ingest):
        wait_until(lambda: len(transport.out) == 7 or transport.acknowledged)
    assert len(conversations(store)) == 7
    assert transport.out == transport.queue == []


def test_the_process_shows_that_it_is_alive_and_takes_its_row_away(store: Store) -> None:
    ingest = Ingest(Memory([]), store, SMALL)
    with running(ingest):
        wait_until(lambda: fetch(store, "SELECT 1 FROM ftworker.processes WHERE name = 'ingest'"))
    assert fetch(store, "SELECT 1 FROM ftworker.processes") == []


def test_the_doorbell_rings_after_the_commit_and_only_when_something_is_new(
    store: Store, database_url: str
) -> None:
    seen: list[int] = []

    def notify() -> None:
        other = Store(database_url)
        seen.append(len(conversations(other)))
        other.close()

    transport = Memory([closing("a")])
    ingest = Ingest(transport, store, SMALL, notify=notify)
    with running(ingest):
        wait_until(lambda: seen == [1])
        transport.queue += [Delivery(closing("a"), 2), Delivery(b"{", 3)]
        wait_until(lambda: ingest.counts == BatchCounts(1, 1, 1))
    assert seen == [1]


def test_a_database_that_hangs_does_not_cost_the_connection_to_rabbitmq(
    store: Store, database_url: str, rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # RabbitMQ hangs up on who is silent for two heartbeats; the batch in the database takes four.
    transport = AmqpTransport(rabbitmq_url, SMALL, answer_seconds=1.0)
    ingest = Ingest(transport, store, SMALL)
    other = Store(database_url)
    with caplog.at_level(logging.INFO), running(ingest):
        wait_until(lambda: "consuming" in caplog.text)
        with Publisher(rabbitmq_url) as rag, other.transaction() as cursor:
            cursor.execute("LOCK TABLE ftworker.inbox IN ACCESS EXCLUSIVE MODE")
            rag.publish_many({"conversation_id": str(number)} for number in range(25))
            threading.Event().wait(4.5)
        wait_until(lambda: ingest.counts.recorded == 25)
    other.close()
    assert caplog.text.count("consuming") == 1
    assert "trying again" not in caplog.text


def test_a_doorbell_that_fails_or_hangs_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("secret")

    bell = Doorbell(broken)
    bell.ring()
    bell.close()
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text

    release = threading.Event()
    rung = threading.Semaphore(0)

    def hang() -> None:
        rung.release()
        release.wait()

    bell = Doorbell(hang)
    bell.ring()
    assert rung.acquire(timeout=5)
    bell.ring()
    bell.close(timeout_seconds=0.01)
    release.set()
    assert rung.acquire(timeout=5), "the ring that came while it hung is answered too"
