"""`ftworker ingest` as a real process on both transports: outages, kills and shutdowns, counted to the row."""

from __future__ import annotations

import json
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import amqp
import kombu
import pytest
import redis

from ftworker.events import Publisher
from ftworker.events.amqp import AmqpSender
from ftworker.events.contract import EVENT_TYPE
from ftworker.events.stream import GONE_SECONDS, StreamTransport
from ftworker.events.transport import BrokerUnavailable, Delivery, make_transport
from ftworker.settings import IngestSettings
from ftworker.store import Store, migrate, totals
from tests.conftest import StartProcess
from tests.servers import OwnProcess, PostgresServer, Server, wait_until
from tests.store_rows import fetch

SETTINGS = IngestSettings(batch_size=200, claim_idle_seconds=1.0, max_message_bytes=2_000, delivery_limit=50)
CONFIGURATION = """
[ingest]
batch_size = 200
claim_idle_seconds = 1.0
max_message_bytes = 2000
delivery_limit = 50
"""
SECRET = "me llamo Lucía"


def closing(number: int | str, **fields: Any) -> bytes:
    data = {"conversation_id": f"c{number}", "messages": [{"role": "user", "content": SECRET}], **fields}
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/rag", "type": EVENT_TYPE, "data": data}
    return json.dumps(event).encode()


@dataclass
class Broker(ABC):
    """One of the two brokers, as a publisher sees it and as its operator does."""

    server: Server
    url: str
    kind: str

    @abstractmethod
    def publish(self, *raws: bytes) -> None:
        """Put bytes where a RAG would put its events."""

    @abstractmethod
    def left(self) -> int:
        """Messages that wait, or were taken and not acknowledged by a consumer that is alive or dead."""

    @abstractmethod
    def tasks(self) -> list[str]:
        """Take what waits for Celery's workers, with its headers, as text."""


class Rabbitmq(Broker):
    def publish(self, *raws: bytes) -> None:
        sender = AmqpSender(self.url, SETTINGS.exchange, SETTINGS.routing_key, 30.0)
        sender.send([(str(number), raw) for number, raw in enumerate(raws)])
        sender.close()

    def left(self) -> int:
        return int(self._passive().message_count)

    def tasks(self) -> list[str]:
        try:
            with kombu.Connection(self.url) as connection:
                message = connection.default_channel.basic_get("ftworker", no_ack=True)
        except amqp.NotFound:
            return []
        return [f"{message.properties} {message.body}"] if message is not None else []

    def consumers(self) -> int:
        return int(self._passive().consumer_count)

    def _passive(self) -> Any:
        with kombu.Connection(self.url) as connection:
            return connection.default_channel.queue_declare(SETTINGS.queue, passive=True)


class Stream(Broker):
    def publish(self, *raws: bytes) -> None:
        with redis.Redis.from_url(self.url) as client:
            pipeline = client.pipeline(transaction=False)
            for raw in raws:
                pipeline.xadd(SETTINGS.stream, {"event": raw})
            pipeline.execute()

    def left(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            groups: Any = client.xinfo_groups(SETTINGS.stream)
            return int(groups[0]["pending"]) + int(groups[0]["lag"])

    def tasks(self) -> list[str]:
        with redis.Redis.from_url(self.url) as client:
            task: Any = client.rpop("ftworker")
        return [task.decode()] if task is not None else []


@pytest.fixture(params=["amqp", "stream"])
def broker(request: pytest.FixtureRequest) -> Broker:
    made: Broker
    if request.param == "amqp":
        server = request.getfixturevalue("rabbitmq_server")
        made = Rabbitmq(server, request.getfixturevalue("rabbitmq_url"), "amqp")
    else:
        server = request.getfixturevalue("valkey_server")
        made = Stream(server, request.getfixturevalue("valkey_url"), "stream")
    transport = make_transport(made.url, SETTINGS)
    transport.connect()  # makes the queue, as an earlier ingest would have
    transport.close()
    return made


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


StartIngest = Callable[..., OwnProcess]


@pytest.fixture
def start_ingest(
    start_process: StartProcess, database_url: str, broker: Broker, tmp_path: Path
) -> StartIngest:
    (tmp_path / "ftworker.toml").write_text(CONFIGURATION)

    def start(database: str = database_url, *, ready: bool = True) -> OwnProcess:
        process = start_process(
            ["ftworker", "ingest"],
            {
                "FTWORKER_CONFIG": str(tmp_path / "ftworker.toml"),
                "FTWORKER_DATABASE_URL": database,
                "FTWORKER_EVENTS_URL": broker.url,
                "FTWORKER_BROKER_URL": broker.url,
            },
        )
        if ready:
            process.wait_for_output("consuming events")
        return process

    return start


def count(store: Store) -> int:
    return int(fetch(store, "SELECT count(*) FROM ftworker.inbox")[0][0])


def wait_for_rows(store: Store, rows: int, timeout: float = 30) -> None:
    wait_until(lambda: count(store) >= rows, timeout, message=lambda: f"{count(store)} of {rows} rows")
    assert count(store) == rows


def wait_for_at_least(store: Store, rows: int) -> None:
    wait_until(lambda: count(store) >= rows, 30, interval=0.01)


def total(store: Store, name: str) -> float:
    with store.transaction() as cursor:
        return sum(value for (known, _), value in totals.read(cursor).items() if known == name)


def stop(process: OwnProcess) -> None:
    assert process.terminate() == 0
    assert "Traceback" not in process.output()
    assert SECRET not in process.output()


def test_events_are_recorded_once_counted_and_acknowledged(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    broker.publish(*(closing(number % 500) for number in range(600)))
    process = start_ingest()
    wait_for_rows(store, 500)
    wait_until(lambda: broker.left() == 0)
    stop(process)
    assert "500 recorded, 100 repeats, 0 parked" in process.output()
    assert (total(store, "ingest_events"), total(store, "ingest_duplicates")) == (500, 100)
    assert total(store, "ingest_batches") == total(store, "ingest_batch_size") >= 3
    assert fetch(store, "SELECT 1 FROM ftworker.processes") == []
    (row,) = fetch(
        store, "SELECT event_source, source_name, payload FROM ftworker.inbox WHERE event_id = 'e7'"
    )
    assert tuple(row) == ("/rag", "default", closing(7).decode())


def test_what_is_no_event_is_parked_and_the_rest_goes_on(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    unknown = closing(1).replace(b"closed.v1", b"closed.v9")
    huge = closing(2, system_prompt="x" * 100_000)
    broker.publish(
        closing("first"), b"{" + SECRET.encode(), b"\xff\x00", unknown, unknown, huge, closing("last")
    )
    process = start_ingest()
    wait_for_rows(store, 2)
    wait_until(lambda: broker.left() == 0)
    stop(process)
    parked = fetch(store, "SELECT reason, raw, raw_bytes, origin, times FROM ftworker.parked ORDER BY reason")
    assert [(row[0], bytes(row[1]), *row[2:]) for row in parked] == [
        ("malformed_json", b"{" + SECRET.encode(), 16, broker.kind, 1),
        ("not_utf8", b"\xff\x00", 2, broker.kind, 1),
        ("too_large", huge[:65_536], len(huge), broker.kind, 1),
        ("unknown_version", unknown, len(unknown), broker.kind, 2),
    ]
    assert "parked 1 malformed_json, 1 not_utf8, 1 too_large, 2 unknown_version" in process.output()
    assert total(store, "ingest_parked") == 5


@pytest.mark.parametrize("broker,outage", [("amqp", "stop"), ("stream", "kill")], indirect=["broker"])
def test_a_database_outage_stops_consuming_and_resumes_by_itself(
    broker: Broker, start_ingest: StartIngest, store: Store, postgres_server: PostgresServer, outage: str
) -> None:
    process = start_ingest()
    broker.publish(*(closing(number) for number in range(50)))
    wait_for_rows(store, 50)
    getattr(postgres_server, outage)()
    broker.publish(*(closing(number) for number in range(50, 350)))
    process.wait_for_output("trying again")
    if isinstance(broker, Rabbitmq):
        wait_until(lambda: broker.consumers() == 0)
    postgres_server.start()
    store.close()  # its connection is as broken as everyone's
    wait_for_rows(store, 350)
    wait_until(lambda: broker.left() == 0)
    stop(process)


@pytest.mark.parametrize("broker,outage", [("amqp", "kill"), ("stream", "stop")], indirect=["broker"])
def test_a_broker_outage_is_waited_out(
    broker: Broker, start_ingest: StartIngest, store: Store, outage: str
) -> None:
    process = start_ingest()
    broker.publish(*(closing(number) for number in range(50)))
    wait_for_rows(store, 50)
    getattr(broker.server, outage)()
    process.wait_for_output("trying again")
    broker.server.start()
    broker.publish(*(closing(number) for number in range(100)))
    wait_for_rows(store, 100)
    wait_until(lambda: broker.left() == 0)
    stop(process)


@pytest.mark.parametrize(
    "broker,number", [("amqp", signal.SIGTERM), ("stream", signal.SIGINT)], indirect=["broker"]
)
def test_a_clean_shutdown_in_the_middle_loses_nothing_and_repeats_nothing(
    broker: Broker, start_ingest: StartIngest, store: Store, number: signal.Signals
) -> None:
    broker.publish(*(closing(number) for number in range(3_000)))
    process = start_ingest()
    wait_until(lambda: count(store) > 0)
    process.send_signal(number)
    assert process.wait(15) == 0
    first = count(store)
    # What is not recorded is still there, and not one message more: what was recorded was acknowledged too.
    wait_until(lambda: broker.left() == 3_000 - first)
    process = start_ingest()
    wait_for_rows(store, 3_000)
    wait_until(lambda: broker.left() == 0)
    stop(process)
    assert (total(store, "ingest_events"), total(store, "ingest_duplicates")) == (3_000, 0)


def test_killed_again_and_again_not_one_event_is_lost_or_counted_twice(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    chance = random.Random(20261123)
    broker.publish(*(closing(number) for number in range(3_000)))
    for _ in range(3):
        before = count(store)
        process = start_ingest()
        wait_for_at_least(store, min(before + chance.randint(1, 700), 3_000))
        process.kill()
    process = start_ingest()
    wait_for_rows(store, 3_000)
    wait_until(lambda: broker.left() == 0, 30)
    stop(process)
    assert total(store, "ingest_events") == 3_000


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_a_database_without_tables_is_named_and_waited_for(
    broker: Broker, start_ingest: StartIngest, empty_database_url: str
) -> None:
    broker.publish(closing(1))
    process = start_ingest(empty_database_url, ready=False)
    process.wait_for_output("ftworker migrate")
    migrate(empty_database_url)
    migrated = Store(empty_database_url)
    wait_for_rows(migrated, 1)
    migrated.close()
    stop(process)


def test_the_doorbell_rings_the_workers(broker: Broker, start_ingest: StartIngest, store: Store) -> None:
    process = start_ingest()
    broker.publish(closing(1))
    wait_for_rows(store, 1)
    (task,) = wait_until(broker.tasks)
    assert "ftworker.accumulate" in task
    assert SECRET not in task
    stop(process)


@pytest.mark.parametrize("broker", ["amqp"], indirect=True)
def test_a_publisher_and_ingest_agree(broker: Broker, start_ingest: StartIngest, store: Store) -> None:
    process = start_ingest()
    with Publisher(broker.url) as rag:
        ids = {rag.publish({"conversation_id": str(number)}) for number in range(5)}
    wait_for_rows(store, 5)
    assert {row[0] for row in fetch(store, "SELECT event_id FROM ftworker.inbox")} == ids
    stop(process)


@pytest.mark.parametrize("broker", ["amqp"], indirect=True)
def test_a_queue_of_another_kind_is_a_clear_error_and_heals_when_it_is_gone(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    with kombu.Connection(broker.url) as connection:
        channel = connection.default_channel
        channel.queue_delete(SETTINGS.queue)
        channel.queue_declare(SETTINGS.queue, durable=True, auto_delete=False)
        process = start_ingest(ready=False)
        process.wait_for_output("inequivalent arg 'x-")
        process.wait_for_output(
            "give ingest.queue and ingest.exchange other names, or empty and delete the queue"
        )
        assert process.is_running()
        channel.queue_delete(SETTINGS.queue)
    process.wait_for_output("consuming events")
    broker.publish(closing(1))
    wait_for_rows(store, 1)
    stop(process)


def test_a_message_that_kills_its_consumers_ends_in_the_dead_letter_queue(rabbitmq_url: str) -> None:
    settings = IngestSettings(delivery_limit=2, queue="short-tempered")
    transport = make_transport(rabbitmq_url, settings)
    transport.connect()
    transport.close()
    with Publisher(rabbitmq_url) as rag:
        rag.publish({"conversation_id": "poison"})
    for _ in range(3):
        transport.connect()
        assert len(wait_until(lambda: transport.receive(10, 0.2))) == 1
        transport.close()
    with kombu.Connection(rabbitmq_url) as connection:
        channel = connection.default_channel
        message = wait_until(lambda: channel.basic_get("short-tempered.dead", no_ack=True))
        assert b"poison" in bytes(str(message.body), "utf-8")


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_a_key_that_is_no_stream_is_a_clear_error_and_heals(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    with redis.Redis.from_url(broker.url) as client:
        client.delete(SETTINGS.stream)
        client.set(SETTINGS.stream, "text")
        process = start_ingest(ready=False)
        process.wait_for_output("WRONGTYPE")
        client.delete(SETTINGS.stream)
    process.wait_for_output("consuming events")
    broker.publish(closing(1))
    wait_for_rows(store, 1)
    stop(process)


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_a_flushed_server_gets_its_group_back(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    process = start_ingest()
    with redis.Redis.from_url(broker.url) as client:
        client.flushall()
    broker.publish(closing(1))
    wait_for_rows(store, 1)
    stop(process)


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_a_server_that_came_back_with_an_older_stream_or_none_is_read_on_by_itself(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    """Its ids go back, its group forgets; what it lost is lost, what it repeats is a repeat."""
    broker.publish(*(closing(number) for number in range(3)))
    process = start_ingest()
    wait_for_rows(store, 3)
    with redis.Redis.from_url(broker.url) as client:
        older: Any = client.dump(SETTINGS.stream)
        broker.publish(*(closing(number) for number in range(3, 6)))
        wait_for_rows(store, 6)
        client.restore(SETTINGS.stream, 0, older, replace=True)
        broker.publish(closing(6))
        wait_for_rows(store, 7)
        for number in (7, 8):
            # Made anew by a publisher, with ids that begin again and without the group.
            client.delete(SETTINGS.stream)
            client.xadd(SETTINGS.stream, {"event": closing(number)}, id=f"{number}-1")
            broker.publish(closing(0))
            wait_for_rows(store, number + 1)
    wait_until(lambda: broker.left() == 0, 10)
    assert "unexpected" not in process.output()
    stop(process)


@pytest.mark.parametrize("anew", [True, False])
def test_a_stream_that_is_lost_before_its_acknowledgement_is_an_outage(valkey_url: str, anew: bool) -> None:
    transport = StreamTransport(valkey_url, SETTINGS)
    transport.connect()
    with redis.Redis.from_url(valkey_url) as client:
        client.xadd(SETTINGS.stream, {"event": closing(1)})
        taken = transport.receive(10, 1.0)
        client.delete(SETTINGS.stream)
        if anew:
            client.xadd(SETTINGS.stream, {"event": closing(2)})
    with pytest.raises(BrokerUnavailable):
        transport.acknowledge(taken)
    transport.connect()
    assert len(transport.receive(10, 0.1)) == anew
    transport.close()


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_what_a_dead_consumer_took_is_taken_over_and_the_stream_is_trimmed(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    broker.publish(*(closing(number) for number in range(10)))
    with redis.Redis.from_url(broker.url) as client:
        taken: Any = client.xreadgroup(SETTINGS.group, "dead", {SETTINGS.stream: ">"}, count=10)
        client.xdel(SETTINGS.stream, taken[0][1][0][0])
        process = start_ingest()
        wait_for_rows(store, 9)
        broker.publish(closing(10))
        wait_for_rows(store, 10)
        wait_until(lambda: broker.left() == 0)
        # Trimming goes with an acknowledgement, at most every second.
        numbers = iter(range(100, 200))

        def trimmed() -> bool:
            broker.publish(closing(next(numbers)))
            return int(client.xlen(SETTINGS.stream)) <= 2

        wait_until(trimmed, interval=0.4)
    stop(process)


PATIENT = IngestSettings(claim_idle_seconds=600.0, max_message_bytes=2_000)


class Other(StreamTransport):
    """As in a process with another number."""

    def __init__(self, url: str, settings: IngestSettings = PATIENT) -> None:
        super().__init__(url, settings)
        self._consumer = f"{self._consumer}-other"


def test_what_a_killed_consumer_took_comes_at_once_and_not_after_the_time_for_a_stuck_one(
    valkey_url: str,
) -> None:
    killed, next_one = StreamTransport(valkey_url, PATIENT), Other(valkey_url)
    with redis.Redis.from_url(valkey_url) as client:
        killed.connect()
        for number in range(3):
            client.xadd(PATIENT.stream, {"event": closing(number)})
        assert len(killed.receive(10, 1.0)) == 3
        killed.close()
        began = time.monotonic()
        next_one.connect()
        taken: list[Delivery] = []
        while len(taken) < 3:
            assert time.monotonic() < began + 30
            taken += next_one.receive(10, 0.2)
        next_one.acknowledge(taken)
        assert client.xpending(PATIENT.stream, PATIENT.group)["pending"] == 0
    assert [delivery.raw for delivery in taken] == [closing(number) for number in range(3)]
    next_one.close()


def looks(transport: StreamTransport, times: int) -> list[Delivery]:
    """What comes while it looks for gone consumers so many times."""
    found: list[Delivery] = []
    for _ in range(times):
        transport._next_look = 0.0
        found += transport.receive(10, 0.05)
    return found


def test_a_consumer_that_is_connected_keeps_what_it_took(valkey_url: str) -> None:
    busy, other = StreamTransport(valkey_url, PATIENT), Other(valkey_url)
    with redis.Redis.from_url(valkey_url) as client:
        busy.connect()
        client.xadd(PATIENT.stream, {"event": closing(1)})
        (taken,) = busy.receive(10, 1.0)
        time.sleep(GONE_SECONDS * 1.2)  # it writes a batch, and does not read
        other.connect()
        assert looks(other, 3) == []
        busy.acknowledge([taken])
    busy.close()
    other.close()


def test_without_the_right_to_see_clients_the_gone_are_taken_for_stuck(valkey_url: str) -> None:
    killed = StreamTransport(valkey_url, PATIENT)
    with redis.Redis.from_url(valkey_url) as client:
        client.acl_setuser("reader", enabled=True, nopass=True, keys="*", categories=["+@all"])
        client.execute_command("ACL", "SETUSER", "reader", "-client|list")
        killed.connect()
        client.xadd(PATIENT.stream, {"event": closing(1)})
        assert len(killed.receive(10, 1.0)) == 1
        killed.close()
        time.sleep(GONE_SECONDS * 1.2)
        other = Other(valkey_url.replace("redis://", "redis://reader:any@"))
        other.connect()
        assert looks(other, 2) == []
        other.close()
        impatient = Other(
            valkey_url.replace("redis://", "redis://reader:any@"),
            IngestSettings(claim_idle_seconds=1.0, max_message_bytes=2_000),
        )
        impatient.connect()
        assert [delivery.raw for delivery in impatient.receive(10, 0.1)] == [closing(1)]
        impatient.close()
        client.acl_deluser("reader")


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_a_stream_that_others_read_too_is_not_trimmed(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    broker.publish(*(closing(number) for number in range(10)))
    with redis.Redis.from_url(broker.url) as client:
        client.xgroup_create(SETTINGS.stream, "analytics", id="0")
        process = start_ingest()
        wait_for_rows(store, 10)
        process.wait_for_output("2 consumer groups")
        stop(process)
        assert client.xlen(SETTINGS.stream) == 10


@pytest.mark.parametrize("broker", ["stream"], indirect=True)
def test_an_entry_that_is_delivered_too_often_or_has_no_event_is_parked(
    broker: Broker, start_ingest: StartIngest, store: Store
) -> None:
    broker.publish(closing("worn"), closing("good"))
    with redis.Redis.from_url(broker.url) as client:
        client.xadd(SETTINGS.stream, {"evento": "x", "otro": "y"})
        taken: Any = client.xreadgroup(SETTINGS.group, "dead", {SETTINGS.stream: ">"}, count=1)
        entry = taken[0][1][0][0]
        client.xclaim(SETTINGS.stream, SETTINGS.group, "dead", 0, [entry], retrycount=50)
    process = start_ingest()
    wait_for_rows(store, 1)
    wait_until(lambda: broker.left() == 0)
    stop(process)
    rows = fetch(store, "SELECT reason, detail, raw FROM ftworker.parked ORDER BY reason")
    assert [(row[0], bytes(row[2])) for row in rows] == [
        ("delivery_limit", closing("worn")),
        ("no_event_field", b"evento: x\notro: y"),
    ]
    assert rows[0][1] == "delivered 51 times without being recorded; the limit is 50"


def test_a_url_of_another_kind_is_a_configuration_error(
    start_process: StartProcess, database_url: str
) -> None:
    process = start_process(
        ["ftworker", "ingest"],
        {
            "FTWORKER_EVENTS_URL": "kafka://h",
            "FTWORKER_BROKER_URL": "redis://h",
            "FTWORKER_DATABASE_URL": database_url,
        },
    )
    assert process.wait() == 2
    assert "FTWORKER_EVENTS_URL = kafka://...: a URL that begins with amqp://" in process.output()
