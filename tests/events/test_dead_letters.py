"""Dead letters of a real RabbitMQ: taken over into PostgreSQL, once, and seen by `doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
from click.testing import CliRunner
from kombu import Exchange, Queue

from ftworker.celery import DEAD_QUEUE, DELIVERY_LIMIT, queues
from ftworker.cli.events import parked as command
from ftworker.events import Publisher, dead_letters
from ftworker.events.amqp import AmqpTransport
from ftworker.events.contract import EVENT_TYPE
from ftworker.settings import Settings, load_settings
from ftworker.store import Store, parked
from tests.servers import wait_until
from tests.store_rows import fetch

EVENTS = "ftworker.conversation-closed"


@pytest.fixture
def settings(
    database_url: str, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", rabbitmq_url)
    monkeypatch.setenv("FTWORKER_INGEST__DELIVERY_LIMIT", "2")
    monkeypatch.chdir(tmp_path)
    return load_settings()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def broker(settings: Settings, rabbitmq_url: str) -> Iterator[kombu.Connection]:
    """With every queue of ours declared."""
    ingest = AmqpTransport(rabbitmq_url, settings.ingest)
    ingest.connect()
    ingest.close()
    with kombu.Connection(rabbitmq_url) as connection:
        dead = Queue(
            DEAD_QUEUE,
            Exchange(DEAD_QUEUE, type="fanout", durable=True),
            queue_arguments={"x-queue-type": "quorum"},
        )
        for queue in (dead, *queues(rabbitmq_url)):
            queue.bind(connection.default_channel).declare()
        yield connection


def closing(number: int) -> dict[str, Any]:
    data = {"conversation_id": f"c{number}"}
    return {"specversion": "1.0", "id": f"e{number}", "source": "/rag", "type": EVENT_TYPE, "data": data}


def give_up(broker: kombu.Connection, queue: str, times: int) -> None:
    """Take what is in the queue and hand it back, as a consumer does that dies each time."""
    channel = broker.channel()
    for _ in range(times + 1):
        while (message := channel.basic_get(queue)) is not None:
            channel.basic_reject(message.delivery_tag, requeue=True)
            if message.delivery_info["message_count"] == 0:
                break
    channel.close()


def lose_events(broker: kombu.Connection, settings: Settings, numbers: range) -> None:
    with Publisher(broker.as_uri(include_password=True)) as publisher:
        publisher.publish_many(closing(number) for number in numbers)
    dead = EVENTS + ".dead"

    def are_dead() -> bool:
        give_up(broker, EVENTS, settings.ingest.delivery_limit)
        return dead_letters.count(settings, broker.as_uri(include_password=True), dead) == len(numbers)

    wait_until(are_dead, 20)


def send_task(broker: kombu.Connection, name: str, arguments: list[Any], **named: Any) -> None:
    """As Celery does, protocol 2."""
    broker.Producer().publish(
        [arguments, named, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}],
        exchange="",
        routing_key="ftworker",
        serializer="json",
        headers={"lang": "py", "task": name, "id": f"id-of-{name}", "retries": 0},
    )


def test_events_that_nobody_could_take_are_parked_and_can_be_replayed(
    store: Store, settings: Settings, broker: kombu.Connection
) -> None:
    lose_events(broker, settings, range(3))
    told: list[int] = []
    assert dead_letters.collect(store, settings, told.append) == dead_letters.Collected(parked=3)
    assert told == [3]
    rows = fetch(
        store, "SELECT reason, origin, convert_from(raw, 'UTF8')::jsonb ->> 'id' FROM ftworker.parked"
    )
    assert sorted(tuple(row) for row in rows) == [("delivery_limit", "amqp", f"e{n}") for n in range(3)]
    assert dead_letters.collect(store, settings) == dead_letters.Collected()

    replayed = CliRunner().invoke(command, ["replay", "--reason", "delivery_limit", "--json"])
    assert json.loads(replayed.stdout)["recorded"] == 3
    with store.transaction() as cursor:
        assert parked.ids(cursor) == []


def test_a_kill_between_commit_and_acknowledgement_parks_nothing_twice(
    store: Store, settings: Settings, broker: kombu.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_events(broker, settings, range(2))

    class Killed(BaseException):
        pass

    def killed(_: int) -> None:
        raise Killed

    monkeypatch.setattr("amqp.Channel.basic_ack", lambda *_, **__: killed(0))
    with pytest.raises(Killed):
        dead_letters.collect(store, settings)
    monkeypatch.undo()
    monkeypatch.setenv("FTWORKER_BROKER_URL", broker.as_uri(include_password=True))
    assert len(fetch(store, "SELECT 1 FROM ftworker.parked")) == 2
    assert dead_letters.collect(store, settings).parked == 2
    assert [row.times for row in fetch(store, "SELECT times FROM ftworker.parked")] == [2, 2]


def test_a_closing_that_came_as_a_task_is_recorded_and_doorbells_are_let_go(
    store: Store, settings: Settings, broker: kombu.Connection
) -> None:
    send_task(broker, "ftworker.conversation_closed", ["c1"], source_name="moodle")
    send_task(broker, "ftworker.conversation_closed", ["c2"], source_name="moodle", messages="texts")
    send_task(broker, "ftworker.conversation_closed", [], source_name="moodle")
    send_task(broker, "ftworker.poll_status", [7])
    send_task(broker, "somebody.elses", ["x"])

    def are_dead() -> bool:
        give_up(broker, "ftworker", DELIVERY_LIMIT)
        there = dead_letters.count(settings, broker.as_uri(include_password=True), DEAD_QUEUE)
        return there == 5

    wait_until(are_dead, 20)
    checked = CliRunner().invoke(command, ["collect", "--json"])
    assert json.loads(checked.stdout) == {"parked": 3, "recorded": 1, "doorbells": 1}
    (event,) = fetch(store, "SELECT event_id, conversation_id, source_name FROM ftworker.inbox")
    assert tuple(event) == ("id-of-ftworker.conversation_closed", "c1", "moodle")
    reasons = fetch(store, "SELECT reason FROM ftworker.parked")
    assert sorted(row.reason for row in reasons) == ["not_a_task", "not_a_task", "not_an_id"]


def test_queues_that_nobody_has_made_hold_nothing(
    store: Store, settings: Settings, rabbitmq_url: str
) -> None:
    assert [queue for _, queue in dead_letters.dead_queues(settings)] == [EVENTS + ".dead", "ftworker.dead"]
    assert dead_letters.count(settings, rabbitmq_url, "ftworker.dead") == 0
    assert dead_letters.collect(store, settings) == dead_letters.Collected()


def test_a_stream_has_no_dead_letters(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    assert dead_letters.dead_queues(load_settings()) == []


def test_doctor_says_how_many_wait_and_what_to_do(
    store: Store, settings: Settings, broker: kombu.Connection
) -> None:
    from ftworker.doctor import _dead_letters

    assert [check.level for check in _dead_letters(settings)] == ["ok", "ok"]
    lose_events(broker, settings, range(1))
    first, second = _dead_letters(settings)
    assert (first.level, second.level) == ("warning", "ok")
    assert first.message.startswith(f"1 messages wait in {EVENTS}.dead")
    assert "ftworker parked collect" in first.advice
