"""The publisher against a real RabbitMQ and a real Valkey: published means that the broker has it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import amqp
import kombu
import pytest
import redis

from ftworker.errors import ConfigurationError
from ftworker.events import (
    BrokerRefused,
    EventRejected,
    Publisher,
    PublishFailed,
    Unroutable,
    contract,
    decode,
    publish,
    publisher,
    schema,
)
from ftworker.events.transport import BrokerUnavailable, make_transport
from ftworker.settings import IngestSettings
from tests.conftest import StartProcess
from tests.servers import RabbitmqServer, ValkeyServer, free_port

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INGEST = IngestSettings()


@contextmanager
def channel(url: str) -> Iterator[Any]:
    with kombu.Connection(url) as connection:
        yield connection.default_channel


def bind_queue(url: str, queue: str = "taken") -> None:
    with channel(url) as raw:
        raw.exchange_declare(INGEST.exchange, "topic", durable=True, auto_delete=False)
        raw.queue_declare(queue, durable=True, auto_delete=False)
        raw.queue_bind(queue, INGEST.exchange, INGEST.routing_key)


def taken(url: str, queue: str = "taken") -> list[amqp.Message]:
    messages = []
    with channel(url) as raw:
        raw.auto_decode = False
        while (message := raw.basic_get(queue, no_ack=True)) is not None:
            messages.append(message)
    return messages


def entries(url: str) -> list[bytes]:
    with redis.Redis.from_url(url) as client:
        return [fields[b"event"] for _, fields in client.xrange(INGEST.stream)]


def test_a_conversation_without_its_id_is_told_so_and_not_that_it_is_no_cloudevent() -> None:
    with pytest.raises(EventRejected, match="conversation_id: missing; expected it, or a whole CloudEvent"):
        publisher.prepare({"conversation": "c-1"}, source="/rag")
    with pytest.raises(EventRejected, match="specversion"):
        publisher.prepare({"data": {"conversation_id": "c-1"}}, source="/rag")


def test_the_publishers_names_are_the_defaults_of_the_settings() -> None:
    assert INGEST.exchange == publisher.EXCHANGE
    assert INGEST.routing_key == publisher.ROUTING_KEY
    assert INGEST.stream == publisher.STREAM
    assert INGEST.max_message_bytes == publisher.MAX_MESSAGE_BYTES


def test_a_bare_data_object_gets_its_envelope() -> None:
    event_id, raw = publisher.prepare(
        {"conversation_id": "c", "closed_at": NOW}, source="/tutor", clock=lambda: NOW
    )
    assert json.loads(raw) == {
        "specversion": "1.0",
        "id": event_id,
        "source": "/tutor",
        "type": contract.EVENT_TYPE,
        "time": "2026-11-23T12:00:00Z",
        "data": {"conversation_id": "c", "closed_at": "2026-11-23T12:00:00Z"},
    }


def test_the_same_version_of_a_conversation_has_the_same_id_and_a_bare_name_never_has() -> None:
    def made(data: Any, source: str = "/rag") -> str:
        return publisher.prepare(data, source=source)[0]

    version = {"conversation_id": "c", "last_message_at": "2026-11-20T10:00:00Z"}
    assert made(version) == made(dict(reversed(version.items())))
    assert made(version) != made({**version, "last_message_at": "2026-11-20T10:00:01Z"})
    assert made(version) != made(version, source="/other")
    assert made({"conversation_id": "c"}) != made({"conversation_id": "c"})


def test_a_whole_event_is_sent_as_it_is_with_its_extensions() -> None:
    event = {**schema.EXAMPLE, "traceparent": "00-abc"}
    event_id, raw = publisher.prepare(event, source="/ignored")
    assert (event_id, json.loads(raw)) == (schema.EXAMPLE["id"], event)


def test_the_typed_forms_can_be_published_too() -> None:
    event = decode(json.dumps(schema.EXAMPLE).encode(), 10_000)
    assert publisher.prepare(event, source="/x")[0] == schema.EXAMPLE["id"]
    _, raw = publisher.prepare(event.data, source="/typed", clock=lambda: NOW)
    assert decode(raw, 10_000).data == event.data


@pytest.mark.parametrize(
    "event,reason",
    [
        ({"conversation_id": ""}, "empty_conversation_id"),
        ({"data": {}}, "not_cloudevent"),
        ({"conversation_id": "c", "closed_at": datetime(2026, 1, 1)}, "bad_time"),  # noqa: DTZ001
        ({"conversation_id": "c", "messages": [{"role": "user", "content": "\ud800"}]}, "lone_surrogate"),
        ({"conversation_id": "c", "model": object()}, "malformed_json"),
        ({"conversation_id": "c", "user_ref": {1, 2}}, "invalid_field"),
        ({"conversation_id": "c", "messages": [{"role": "user", "content": "x" * 5_000}]}, "too_large"),
    ],
)
def test_what_is_no_event_is_refused_before_anything_is_sent(event: dict[str, Any], reason: str) -> None:
    with (
        Publisher("amqp://guest@127.0.0.1:1//", max_message_bytes=4_000) as rag,
        pytest.raises(EventRejected) as caught,
    ):
        rag.publish(event)
    assert caught.value.reason == reason


def test_an_event_arrives_on_rabbitmq_persistent_and_labelled(rabbitmq_url: str) -> None:
    bind_queue(rabbitmq_url)
    event_id = publish({"conversation_id": "ñ"}, rabbitmq_url)
    (message,) = taken(rabbitmq_url)
    assert decode(message.body, 10_000).data.conversation_id == "ñ"
    assert message.properties["message_id"] == event_id
    assert message.properties["delivery_mode"] == 2
    assert message.properties["content_type"] == "application/cloudevents+json"


def test_many_events_arrive_in_order_and_are_counted_as_they_are_confirmed(rabbitmq_url: str) -> None:
    bind_queue(rabbitmq_url)
    confirmed: list[int] = []
    with Publisher(rabbitmq_url) as rag:
        assert (
            rag.publish_many(({"conversation_id": str(n)} for n in range(1_201)), confirmed=confirmed.append)
            == 1_201
        )
        assert rag.publish_many([]) == 0
    assert confirmed == [500, 1_000, 1_201]
    ids = [decode(message.body, 10_000).data.conversation_id for message in taken(rabbitmq_url)]
    assert ids == [str(n) for n in range(1_201)]


def test_an_event_that_no_queue_takes_is_an_error_and_the_publisher_works_on(rabbitmq_url: str) -> None:
    with Publisher(rabbitmq_url) as rag:
        with pytest.raises(Unroutable, match=r"no exchange rag\.events; start `ftworker ingest`"):
            rag.publish({"conversation_id": "c"})
        with channel(rabbitmq_url) as raw:
            raw.exchange_declare(INGEST.exchange, "topic", durable=True, auto_delete=False)
        with pytest.raises(Unroutable, match=r"no queue for 2 events \(the first: id .*\) with routing key"):
            rag.publish_many([{"conversation_id": "c"}, {"conversation_id": "d"}])
        bind_queue(rabbitmq_url)
        rag.publish({"conversation_id": "e"})
    assert [decode(m.body, 10_000).data.conversation_id for m in taken(rabbitmq_url)] == ["e"]


def test_a_full_queue_that_refuses_is_not_published(rabbitmq_url: str) -> None:
    bind_queue(rabbitmq_url, "other")
    with channel(rabbitmq_url) as raw:
        raw.queue_delete("other")
        raw.queue_declare(
            "full",
            durable=True,
            auto_delete=False,
            arguments={"x-max-length": 1, "x-overflow": "reject-publish"},
        )
        raw.queue_bind("full", INGEST.exchange, INGEST.routing_key)
    with Publisher(rabbitmq_url, timeout_seconds=0.5) as rag:
        rag.publish({"conversation_id": "kept"})
        with pytest.raises(PublishFailed, match="not confirmed: 1 event; RabbitMQ could not keep 1 of 1"):
            rag.publish({"conversation_id": "refused"})


def test_a_wrong_password_is_a_refusal_and_not_an_outage(
    rabbitmq_server: RabbitmqServer, rabbitmq_url: str
) -> None:
    with pytest.raises(BrokerRefused, match="refused to connect"):
        publish(
            {"conversation_id": "c"},
            rabbitmq_url.replace("guest@", "guest:wrong@").replace(":guest@", ":wrong@"),
        )


def test_nobody_listening_is_an_error_that_says_to_publish_again() -> None:
    for scheme in ("amqp", "redis"):
        port = free_port()
        url = f"{scheme}://rag:geheim@127.0.0.1:{port}"
        where = rf"{scheme}://rag:\*\*\*@127\.0\.0\.1:{port} does not answer .*FTWORKER_EVENTS_URL.*"
        with pytest.raises(PublishFailed, match=rf"not confirmed: 1 event; .*{where}; publish again"):
            publish({"conversation_id": "c"}, url, timeout_seconds=0.3)
        with pytest.raises(BrokerUnavailable, match=where):
            make_transport(url, INGEST).connect()


def test_a_broker_that_restarts_between_two_events_costs_nothing(
    rabbitmq_server: RabbitmqServer, rabbitmq_url: str
) -> None:
    bind_queue(rabbitmq_url)
    with Publisher(rabbitmq_url, timeout_seconds=30) as rag:
        rag.publish({"conversation_id": "before"})
        rabbitmq_server.stop()
        restart = threading.Thread(target=rabbitmq_server.start)
        restart.start()
        rag.publish({"conversation_id": "after"})
        restart.join()
    ids = [decode(message.body, 10_000).data.conversation_id for message in taken(rabbitmq_url)]
    assert ids == ["before", "after"]


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_an_event_arrives_on_the_stream(valkey_url: str, scheme: str) -> None:
    url = valkey_url.replace("redis://", f"{scheme}://")
    with Publisher(url) as rag:
        rag.publish({"conversation_id": "a"})
        rag.publish_many({"conversation_id": str(n)} for n in range(501))
    ids = [decode(raw, 10_000).data.conversation_id for raw in entries(valkey_url)]
    assert ids == ["a", *map(str, range(501))]


def test_a_stream_server_that_restarts_between_two_events_costs_nothing(
    valkey_server: ValkeyServer, valkey_url: str
) -> None:
    with Publisher(valkey_url, timeout_seconds=30) as rag:
        rag.publish({"conversation_id": "before"})
        valkey_server.kill()
        restart = threading.Thread(target=valkey_server.start)
        restart.start()
        rag.publish({"conversation_id": "after"})
        restart.join()
    ids = [decode(raw, 10_000).data.conversation_id for raw in entries(valkey_url)]
    assert ids == ["before", "after"]


def test_a_key_of_another_kind_is_a_refusal(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set(INGEST.stream, "text")
    with pytest.raises(BrokerRefused, match="WRONGTYPE"):
        publish({"conversation_id": "c"}, valkey_url)


def test_threads_may_share_a_publisher(rabbitmq_url: str) -> None:
    bind_queue(rabbitmq_url)
    with Publisher(rabbitmq_url) as rag:
        threads = [
            threading.Thread(target=lambda: [rag.publish({"conversation_id": "c"}) for _ in range(25)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({message.properties["message_id"] for message in taken(rabbitmq_url)}) == 100


def test_a_url_of_another_kind_or_none_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("kafka://host", "nonsense", "sentinel://host"):
        with pytest.raises(ConfigurationError, match="begins with amqp://"):
            publish({"conversation_id": "c"}, url)
    monkeypatch.chdir("/")
    with pytest.raises(ConfigurationError, match="FTWORKER_EVENTS_URL"):
        publish({"conversation_id": "c"})


def test_the_url_comes_from_the_environment(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTWORKER_EVENTS_URL", valkey_url)
    publish({"conversation_id": "c"})
    assert len(entries(valkey_url)) == 1


def test_publish_from_a_shell_names_bad_lines_and_publishes_the_others(
    valkey_url: str, database_url: str, start_process: StartProcess, tmp_path: Path
) -> None:
    lines = [
        json.dumps(schema.EXAMPLE),
        "",
        '{"conversation_id": "bare"}',
        '{"conversation_id": 7}',
        "not JSON, but a secret",
        "[1]",
        '{"conversation_id": "' + "x" * 300 + '"}',
    ]
    (tmp_path / "events.jsonl").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    environment = {
        "FTWORKER_EVENTS_URL": valkey_url,
        "FTWORKER_BROKER_URL": valkey_url,
        "FTWORKER_DATABASE_URL": database_url,
    }
    for options, answer in ((["--check"], "2 good, 4 bad"), ([], "2 published, 4 bad")):
        process = start_process(["ftworker", "publish", *options, "events.jsonl"], environment)
        assert process.wait() == 1
        output = process.output()
        assert answer in output
        for number, words in (
            (4, "put it between quotes"),
            (5, "malformed_json"),
            (6, "a list of 1"),
            (7, "1 to 256"),
        ):
            assert f"events.jsonl, line {number}: " in output
            assert words in output
        assert "secret" not in output
    events = [decode(raw, 10_000) for raw in entries(valkey_url)]
    assert [(event.source, event.data.conversation_id) for event in events] == [
        ("/rag", "c-1042"),
        ("/ftworker-publish", "bare"),
    ]
