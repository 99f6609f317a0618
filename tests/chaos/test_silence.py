"""A server that falls silent for good, without a reset or a goodbye: nobody of ours waits for it for ever.

Each test has a connection that works, then silence on it and on every new one, and looks at how long ours wait; then
the network is back for new connections alone, and the work goes on.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from ftworker.errors import DatabaseUnavailable, SourceUnavailable
from ftworker.events import Publisher, PublishFailed
from ftworker.events.amqp import AmqpTransport
from ftworker.events.ingest import Ingest
from ftworker.events.stream import StreamTransport
from ftworker.settings import IngestSettings
from ftworker.sources.connection import Connections
from ftworker.store import Store
from tests.chaos.proxy import Network, Proxy
from tests.conftest import REPOSITORY
from tests.servers import wait_until

ANSWER_SECONDS = 1.0
Broker = Literal["amqp", "valkey"]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as network:
        yield network


@pytest.fixture(params=["amqp", "valkey"])
def broker(request: pytest.FixtureRequest) -> Broker:
    which: Broker = request.param
    return which


@pytest.fixture
def broker_url(broker: Broker, request: pytest.FixtureRequest) -> str:
    """The URL of a real broker; nothing is between."""
    return str(request.getfixturevalue("rabbitmq_url" if broker == "amqp" else "valkey_url"))


def behind_proxy(network: Network, url: str) -> tuple[Proxy, str]:
    """A proxy in front of the server of a URL, and the URL by which it is asked."""
    port = int(url.rpartition("@")[2].removeprefix("redis://").partition("/")[0].rpartition(":")[2])
    proxy = network.proxy("server", port)
    return proxy, url.replace(f":{port}/", f":{proxy.port}/")


SENDS = """
import sys, time
from ftworker.celery import app
for line in sys.stdin:
    begun = time.monotonic()
    try:
        app.send_task("ftworker.accumulate")
        said = "sent"
    except Exception as error:
        said = type(error).__name__
    print(said, round(time.monotonic() - begun, 2), flush=True)
"""


def test_a_task_message_to_a_silent_broker_is_an_error_in_time(
    network: Network, broker_url: str, tmp_path: Path
) -> None:
    """As beat's ticks, the sweep and the next links send them."""
    proxy, url = behind_proxy(network, broker_url)
    config = tmp_path / "ftworker.toml"
    config.write_text(f"[network]\nanswer_seconds = {ANSWER_SECONDS}\n")
    environment = {
        "PATH": "",
        "PYTHONPATH": str(REPOSITORY),
        "FTWORKER_CONFIG": str(config),
        "FTWORKER_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "FTWORKER_BROKER_URL": url,
        "FTWORKER_HOME": str(tmp_path),
    }
    with subprocess.Popen(
        [sys.executable, "-c", SENDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    ) as sender:
        hung = threading.Timer(40.0, sender.kill)
        hung.start()

        def send() -> tuple[str, float]:
            assert sender.stdin is not None
            assert sender.stdout is not None
            print("send", file=sender.stdin, flush=True)
            said, _, seconds = sender.stdout.readline().partition(" ")
            return said, float(seconds or "inf")

        before = send()
        proxy.silence()
        silent = send()
        proxy.heal()
        after = send()
        hung.cancel()

    assert before[0] == after[0] == "sent"
    assert silent[0] == "OperationalError"
    # Four tries of a second each, and the waits between them.
    assert silent[1] < 12.0


def test_a_rag_that_publishes_to_a_silent_broker_hears_of_it_in_time(
    network: Network, broker: Broker, broker_url: str
) -> None:
    settings = IngestSettings()
    transport = _transport(broker, broker_url, settings)
    transport.connect()
    transport.close()
    proxy, url = behind_proxy(network, broker_url)
    event = {"conversation_id": "c"}
    with Publisher(url, timeout_seconds=ANSWER_SECONDS) as rag:
        rag.publish(event)
        proxy.silence()
        with _within(8.0), pytest.raises(PublishFailed):
            rag.publish(event)
        proxy.heal()
        rag.publish(event)
        proxy.silence()
        # More than a connection takes in that nobody reads from.
        long = [{"role": "user", "content": "m" * 200_000}]
        many = ({"conversation_id": f"c-{number}", "messages": long} for number in range(100))
        with _within(8.0), pytest.raises(PublishFailed):
            rag.publish_many(many)
        with _within(3.0):
            rag.close()


def test_ingest_leaves_a_silent_broker_and_takes_events_from_the_next_connection(
    network: Network, broker: Broker, broker_url: str, emptied_database_url: str
) -> None:
    settings = IngestSettings(linger_seconds=0.05)
    proxy, url = behind_proxy(network, broker_url)
    store = Store(emptied_database_url)
    ingest = Ingest(_transport(broker, url, settings), store, settings)
    thread = threading.Thread(target=ingest.run)
    thread.start()
    try:
        with Publisher(broker_url) as rag:
            wait_until(lambda: _publishes(rag, "before"), 10)
            wait_until(lambda: ingest.counts.recorded, 10)
            proxy.silence()
            rag.publish({"conversation_id": "meanwhile"})
            time.sleep(ANSWER_SECONDS)
            assert ingest.counts.recorded == 1
            proxy.heal()
            wait_until(lambda: ingest.counts.recorded == 2, 20)
    finally:
        proxy.silence()
        ingest.stop()
        thread.join(15.0)
        store.close()
    assert not thread.is_alive()


def test_a_statement_to_a_silent_database_is_an_outage_in_time(
    network: Network, emptied_database_url: str
) -> None:
    proxy, url = behind_proxy(network, emptied_database_url)
    store = Store(url, answer_seconds=ANSWER_SECONDS)
    with store.transaction() as cursor:
        cursor.execute("SELECT 1")

    def statement() -> None:
        with store.transaction() as cursor:
            cursor.execute("SELECT 2")
            proxy.silence()
            cursor.execute("SELECT 3")

    def commit() -> None:
        with store.transaction() as cursor:
            cursor.execute("SELECT 4")
            proxy.silence()

    def export() -> None:
        store.close()  # a connection of its own is what counts
        with store.stream("SELECT generate_series(1, 9)", {}, fetch_size=3) as rows:
            assert [next(rows)[0] for _ in range(3)] == [1, 2, 3]
            proxy.silence()
            next(rows)

    for work in (statement, commit, export):
        with _within(3.0), pytest.raises(DatabaseUnavailable, match=r"no answer within 1 s"):
            work()
        proxy.heal()
        with store.transaction() as cursor:
            cursor.execute("SELECT 5 AS answer")
            assert cursor.fetchone().answer == 5
    store.close()


def test_a_statement_that_takes_its_time_is_waited_for(emptied_database_url: str) -> None:
    store = Store(emptied_database_url, answer_seconds=ANSWER_SECONDS)
    with store.transaction() as cursor:
        # Python's own work between two statements does not count, and neither do others' statements.
        cursor.execute("SELECT pg_sleep(0.6)")
        time.sleep(0.6)
        cursor.execute("SELECT pg_sleep(0.6)")
    store.close()


def test_the_store_of_a_rag_that_falls_silent_is_an_outage_in_time(
    network: Network, emptied_database_url: str
) -> None:
    proxy, url = behind_proxy(network, emptied_database_url)
    connections = Connections(
        "tutor", url, statement_timeout_seconds=ANSWER_SECONDS, time_zone="UTC", margin_seconds=0.5
    )
    with connections.reading() as reading:
        assert reading.value("SELECT 1") == 1

    def read() -> None:
        with connections.reading() as reading:
            proxy.silence()
            reading.value("SELECT 2")

    with _within(4.0), pytest.raises(SourceUnavailable):
        read()
    proxy.heal()
    with connections.reading() as reading:
        assert reading.value("SELECT 3") == 3
    connections.close()


def _transport(broker: Broker, url: str, settings: IngestSettings) -> AmqpTransport | StreamTransport:
    if broker == "amqp":
        return AmqpTransport(url, settings, answer_seconds=ANSWER_SECONDS)
    return StreamTransport(url, settings, answer_seconds=ANSWER_SECONDS)


def _publishes(rag: Publisher, conversation_id: str) -> bool:
    try:
        return bool(rag.publish({"conversation_id": conversation_id}))
    except Exception:  # noqa: BLE001 - ingest has not made its queue yet
        return False


class _within:  # noqa: N801 - reads as a word
    """What is inside ends within so many seconds, by itself."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self._begun
        assert took < self._seconds, f"took {took:.1f} s"
