"""A worker on Valkey whose acknowledgement fails goes on taking messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import kombu
import pytest
import redis
from kombu.transport.redis import Channel

from ftworker.acknowledging import keep_places
from tests.servers import ValkeyServer

ANSWER_SECONDS = 0.5


@pytest.fixture(autouse=True)
def own_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Channel, "QoS", Channel.QoS)


def taken_by(url: str, settle: Callable[[kombu.Message], object]) -> list[Any]:
    """What a consumer with one place takes of two messages when Valkey is silent at the first one's `settle`."""
    queue = kombu.Queue("one-place")
    taken: list[Any] = []
    with (
        redis.Redis.from_url(url) as server,
        kombu.Connection(
            url,
            transport_options={"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS},
        ) as connection,
    ):
        producer = connection.Producer()
        for number in range(2):
            producer.publish(number, routing_key=queue.name, declare=[queue], serializer="json")

        def work(body: Any, message: kombu.Message) -> None:
            taken.append(body)
            if len(taken) == 1:
                server.client_pause(int(ANSWER_SECONDS * 3_000))
            settle(message)
            if len(taken) == 1:
                time.sleep(ANSWER_SECONDS * 3)

        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        with kombu.Consumer(channel, [queue], callbacks=[work]):
            until = time.monotonic() + 6
            while len(taken) < 2 and time.monotonic() < until:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
    return taken


def acknowledge(message: kombu.Message) -> None:
    message.ack_log_error(logging.getLogger("test"), (redis.RedisError,))


def give_back(message: kombu.Message) -> None:
    message.reject_log_error(logging.getLogger("test"), (redis.RedisError,), requeue=True)


@pytest.mark.parametrize("settle", [acknowledge, give_back])
def test_a_failed_acknowledgement_frees_its_place(
    valkey_server: ValkeyServer, valkey_url: str, settle: Callable[[kombu.Message], object]
) -> None:
    keep_places()
    assert len(taken_by(valkey_url, settle)) == 2


def test_kombu_alone_takes_nothing_any_more(valkey_server: ValkeyServer, valkey_url: str) -> None:
    """When this fails, kombu has mended it, and `ftworker.acknowledging` can go."""
    assert taken_by(valkey_url, acknowledge) == [0]
