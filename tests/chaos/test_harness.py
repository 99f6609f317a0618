"""The tools of the harness: the plan is the same for a seed, the proxy cuts as it says, a full disk is full."""

from __future__ import annotations

import errno
import hashlib
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis

from ftworker.events.contract import EventRejected, decode
from tests.chaos import __main__ as chaos
from tests.chaos.disk import Disk
from tests.chaos.invariants import CANARY
from tests.chaos.plan import canary, make_plan
from tests.chaos.proxy import Network, Proxy
from tests.chaos.random_faults import make_steps
from tests.chaos.stream_loss import StreamLoss
from tests.conftest import REPOSITORY
from tests.servers import ValkeyServer, wait_until


def test_the_same_seed_gives_the_same_events_and_faults() -> None:
    weights = {"kill": 1.0, "cut": 2.0}

    assert make_plan(7, 50, first=100) == make_plan(7, 50, first=100) != make_plan(8, 50, first=100)
    assert [*islice(make_steps(7, weights), 20)] == [*islice(make_steps(7, weights), 20)]


def test_a_plan_holds_repeats_malformed_bytes_and_events_out_of_order() -> None:
    plan = make_plan(7, 1_000, transports=("amqp", "stream"))

    events = [message for message in plan.messages if message.key]
    malformed = [message for message in plan.messages if message.key is None]
    distinct = {message.key for message in events}
    assert 0.09 < 1 - len(distinct) / len(events) < 0.11
    assert 0.005 < len(malformed) / len(plan.messages) < 0.015
    assert {message.via for message in plan.messages} == {"amqp", "stream"}
    first_at = {message.key: place for place, message in reversed([*enumerate(plan.messages)])}
    later = [key for key in distinct if key and key[1].endswith("-v2")]
    overtaken = [key for key in later if first_at[key] < first_at[key[0], key[1].replace("-v2", "-v1")]]
    assert len(overtaken) > len(later) / 4
    assert sum(one.deleted for one in plan.conversations) > 20


def test_each_message_of_a_plan_is_what_it_claims_to_be() -> None:
    for message in make_plan(7, 200).messages:
        if message.key is None:
            with pytest.raises(EventRejected):
                decode(message.raw, 1_000_000)
        else:
            event = decode(message.raw, 1_000_000)
            assert (event.source, event.id) == message.key


def test_a_canary_is_found_inside_any_text() -> None:
    words = {canary(7, number) for number in range(1_000)}

    assert len(words) == 1_000
    assert CANARY.findall(f"error: {canary(7, 1)}|{canary(7, 2)}.") == [canary(7, 1), canary(7, 2)]


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says back what it hears; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_say_back, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _say_back(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(1024):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Network() as network:
        yield network.proxy("echo", echo)


def _connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def _hear(proxy: Proxy) -> bytes:
    with _connect(proxy) as client:
        return client.recv(10)


def _hear_all(client: socket.socket) -> None:
    while client.recv(10):
        continue


def test_a_stalled_proxy_holds_everything_back_until_it_heals(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.stall()
        client.sendall(b"two")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
        proxy.heal()
        client.settimeout(5)
        assert client.recv(10) == b"two"


def test_a_reset_ends_what_there_is_and_lets_the_next_connection_through(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    with _connect(proxy) as client:
        client.sendall(b"two")
        assert client.recv(10) == b"two"


def test_a_refusing_proxy_resets_every_new_connection(proxy: Proxy) -> None:
    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        _hear(proxy)
    proxy.heal()
    with _connect(proxy) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"


def test_a_side_that_goes_without_a_goodbye_is_gone_for_the_other_side(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"one")
        select.select([client], [], [], 5)
        # With words unread the kernel says no goodbye: it resets.
    wait_until(lambda: proxy.connections == 0, 5)


def test_a_half_closed_connection_ends_for_one_side(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        proxy.half_close("client")
        assert client.recv(10) == b""


def test_a_cut_comes_after_so_many_bytes(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        proxy.cut_after(5)
        client.sendall(b"12345678")
        with pytest.raises(ConnectionResetError):
            _hear_all(client)


@pytest.mark.parametrize("way", range(3))
def test_a_lost_stream_excuses_what_it_still_held_and_nothing_else(tmp_path: Path, way: int) -> None:
    server = ValkeyServer(tmp_path)
    server.start()
    try:
        loss = StreamLoss(server, "events", "readers")
        with redis.Redis(port=server.port) as client:
            for word in (b"recorded", b"in hand", b"waits"):
                client.xadd("events", {"event": word})
            client.xgroup_create("events", "readers", "0")
            entries: Any = client.xreadgroup("readers", "one", {"events": ">"}, count=2)
            client.xack("events", "readers", entries[0][1][0][0])
        _, how = loss.ways[way]

        assert loss.lose(how)

        assert loss.held == {hashlib.sha256(word).digest() for word in (b"in hand", b"waits")}
        with redis.Redis(port=server.port) as client:
            assert client.xlen("events") == 0
    finally:
        server.stop()


WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(line.strip(), "wb") as file:
            file.write(bytes(100_000))
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@pytest.mark.parametrize("as_root", [True, False])
def test_a_full_disk_takes_nothing_and_then_again_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_root: bool
) -> None:
    """As root by a file system that is full; for anybody else, and where none can be mounted, by a limit."""
    if not as_root:
        monkeypatch.setattr("tests.chaos.disk.os.geteuid", lambda: 1000)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:

        def write(name: str) -> int:
            assert writer.stdin is not None
            assert writer.stdout is not None
            print(tmp_path / "data" / name, file=writer.stdin, flush=True)
            return int(writer.stdout.readline())

        with Disk(tmp_path / "data", lambda: [writer.pid]) as disk:
            before = write("before")
            disk.fill()
            full = write("full")
            disk.free()
            after = write("after")

    assert (before, after) == (0, 0)
    assert full in {errno.ENOSPC, errno.EFBIG}


def test_a_clock_file_moves_the_time_of_day_of_a_program(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+3600\n")
    script = f"""
import time
from datetime import UTC, datetime
from pathlib import Path
from tests.chaos.with_clock import MovedClock, move_clocks
move_clocks(MovedClock(Path({str(clock)!r})))
from celery import Celery
from ftworker.clock import utc_now
real = datetime.now(UTC)
print(*(round((now - real).total_seconds() / 60) for now in (utc_now(), Celery().now())))
print(round((time.time() - real.timestamp()) / 60))
"""
    asked = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )

    assert asked.stdout.split() == ["60", "60", "60"]


def test_silence_is_for_good_and_nobody_is_told(proxy: Proxy) -> None:
    with _connect(proxy) as before:
        before.sendall(b"one")
        assert before.recv(10) == b"one"
        proxy.silence()
        with _connect(proxy) as meanwhile:
            proxy.reset()
            proxy.heal()
            for client in (before, meanwhile):
                client.sendall(b"two")
                client.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    client.recv(10)
    with _connect(proxy) as after:
        after.sendall(b"three")
        assert after.recv(10) == b"three"


def test_silence_can_begin_in_the_middle_of_a_message(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        proxy.silence(after_bytes=5)
        client.sendall(b"12345678")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(10)
    with _connect(proxy) as late:
        late.sendall(b"one")
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.recv(10)


def test_a_forgotten_connection_is_silent_and_new_ones_work(proxy: Proxy) -> None:
    with _connect(proxy) as forgotten:
        forgotten.sendall(b"one")
        assert forgotten.recv(10) == b"one"
        proxy.forget(1.0, seed=7)
        forgotten.sendall(b"two")
        forgotten.settimeout(0.2)
        with pytest.raises(TimeoutError):
            forgotten.recv(10)
    with _connect(proxy) as new:
        new.sendall(b"three")
        assert new.recv(10) == b"three"


def test_several_seeds_are_named_by_their_ends_and_one_by_one() -> None:
    assert chaos._seeds("11-13,20") == [11, 12, 13, 20]
    rest = chaos._without(
        ["--seeds", "11-13", "--faults", "9", "--runs=3", "--broker", "amqp"], ("--seeds", "--runs")
    )
    assert rest == ["--faults", "9", "--broker", "amqp"]
