"""A worker on Valkey goes on taking messages: after a failed acknowledgement, and after a silence."""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable
from typing import Any

import kombu
import pytest
import redis
from kombu.asynchronous import Hub
from kombu.transport.redis import Channel

from ftworker.valkey_channel import mend_channels
from tests.servers import ValkeyServer

ANSWER_SECONDS = 0.5
HEALTH_SECONDS = 0.2

_spawn = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def own_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Channel, "QoS", Channel.QoS)
    monkeypatch.setattr(Channel, "_connparams", Channel._connparams)


def taken_by(url: str, settle: Callable[[kombu.Message], object]) -> list[Any]:
    """What a consumer with one place takes of two messages when Valkey is silent at the first one's `settle`."""
    place = kombu.Queue("one-place")
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
            producer.publish(number, routing_key=place.name, declare=[place], serializer="json")

        def work(body: Any, message: kombu.Message) -> None:
            taken.append(body)
            if len(taken) == 1:
                server.client_pause(int(ANSWER_SECONDS * 3_000))
            settle(message)
            if len(taken) == 1:
                time.sleep(ANSWER_SECONDS * 3)

        channel = connection.channel()
        channel.basic_qos(0, 1, False)
        with kombu.Consumer(channel, [place], callbacks=[work]):
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
    mend_channels()
    assert len(taken_by(valkey_url, settle)) == 2


def test_kombu_alone_takes_nothing_any_more(valkey_server: ValkeyServer, valkey_url: str) -> None:
    """When this fails, kombu has mended it, and that half of `ftworker.valkey_channel` can go."""
    assert taken_by(valkey_url, acknowledge) == [0]


def take_beyond_a_silence(url: str, mended: bool, told: Any) -> None:
    """A worker's loop, with tasks and a broadcast as it has for remote control, and a child forked since it connected;
    then Valkey is silent for so long that both connections are dropped. Tells what it took before and after."""
    if mended:
        mend_channels()
    hub = Hub()
    options = {"health_check_interval": HEALTH_SECONDS, "socket_timeout": 5.0, "brpop_timeout": 1}
    tasks = kombu.Queue("tasks")
    everyone = kombu.Queue("everyone", kombu.Exchange("everyone", type="fanout"), exclusive=True)

    def take(body: Any, message: kombu.Message) -> None:
        message.ack()
        told.put(body)

    def turn(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            next(loop)

    with (
        redis.Redis.from_url(url) as server,
        kombu.Connection(url, transport_options=options) as connection,
        kombu.Consumer(connection.channel(), [tasks, everyone], callbacks=[take]),
    ):
        connection.transport.register_with_event_loop(connection.connection, hub)
        loop = hub.create_loop()
        connection.Producer().publish("before", routing_key=tasks.name)
        turn(0.5)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        told.put(child)
        # Beyond the second unanswered ping, and beyond the reply that the waiting read should have had.
        server.client_pause(2_000)
        turn(3)
        with kombu.Connection(url) as other:
            other.Producer().publish("after", routing_key=tasks.name)
        turn(60)


def taken_beyond_a_silence(url: str, *, mended: bool) -> list[Any]:
    told = _spawn.Queue()
    worker = _spawn.Process(target=take_beyond_a_silence, args=(url, mended, told))
    worker.start()
    child = 0
    taken: list[Any] = []
    try:
        while len(taken) < 2:
            said = told.get(timeout=10)
            if isinstance(said, int):
                child = said
            else:
                taken.append(said)
    except queue.Empty:
        pass
    finally:
        worker.kill()
        worker.join()
        os.kill(child, signal.SIGKILL)
    return taken


def test_a_worker_with_a_new_child_takes_messages_again_after_a_silence(
    valkey_server: ValkeyServer, valkey_url: str
) -> None:
    assert taken_beyond_a_silence(valkey_url, mended=True) == ["before", "after"]


def test_kombu_alone_waits_for_ever_after_a_silence(valkey_server: ValkeyServer, valkey_url: str) -> None:
    """When this fails, kombu has mended it, and that half of `ftworker.valkey_channel` can go."""
    assert taken_beyond_a_silence(valkey_url, mended=False) == ["before"]
