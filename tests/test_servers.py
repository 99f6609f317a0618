"""The test servers themselves: an outage made by a test is a real one, and does not cost the next test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import kombu
import psutil
import psycopg2
import pytest
import redis

from tests.conftest import REPOSITORY, StartProcess
from tests.servers import PostgresServer, RabbitmqServer, ServerMissing, ValkeyServer, wait_until


def run_sql(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_each_test_gets_a_database_of_its_own(
    empty_database_url: str, postgres_server: PostgresServer
) -> None:
    other = postgres_server.create_database()
    run_sql(empty_database_url, "CREATE TABLE t (x int)")
    assert run_sql(other, "SELECT to_regclass('t')") == [(None,)]
    postgres_server.drop_database(other)


@pytest.mark.parametrize("outage", ["stop", "kill"])
def test_postgresql_keeps_committed_rows_through_an_outage(
    empty_database_url: str, postgres_server: PostgresServer, outage: str
) -> None:
    run_sql(empty_database_url, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)")
    getattr(postgres_server, outage)()
    with pytest.raises(psycopg2.OperationalError):
        run_sql(empty_database_url, "SELECT x FROM t")
    postgres_server.start()
    assert run_sql(empty_database_url, "SELECT x FROM t") == [(7,)]


@pytest.mark.parametrize("outage", ["stop", "kill"])
def test_valkey_keeps_answered_writes_through_an_outage(
    valkey_url: str, valkey_server: ValkeyServer, outage: str
) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set("key", "value")
        getattr(valkey_server, outage)()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        valkey_server.start()
        assert client.get("key") == b"value"


@pytest.mark.parametrize("outage", ["stop", "kill"])
def test_rabbitmq_keeps_confirmed_messages_through_an_outage(
    rabbitmq_url: str, rabbitmq_server: RabbitmqServer, outage: str
) -> None:
    def connection() -> kombu.Connection:
        return kombu.Connection(rabbitmq_url, transport_options={"confirm_publish": True})

    queue = kombu.Queue("q", durable=True, queue_arguments={"x-queue-type": "quorum"})
    with connection() as broker:
        broker.Producer().publish({"n": 1}, routing_key="q", declare=[queue], delivery_mode=2)
    getattr(rabbitmq_server, outage)()
    rabbitmq_server.start()
    with connection() as broker:

        def get() -> object:
            message = queue(broker.default_channel).get()
            return message and message.payload

        # A quorum queue elects its leader again after the restart.
        assert wait_until(get) == {"n": 1}


def test_a_virtual_host_starts_empty_and_costs_little(rabbitmq_server: RabbitmqServer) -> None:
    first, second = rabbitmq_server.create_vhost(), rabbitmq_server.create_vhost()
    with kombu.Connection(first) as broker:
        kombu.Queue("mine", durable=True)(broker.default_channel).declare()
    with kombu.Connection(second) as broker, pytest.raises(broker.channel_errors):
        kombu.Queue("mine")(broker.default_channel).queue_declare(passive=True)
    rabbitmq_server.delete_vhost(first)
    rabbitmq_server.delete_vhost(second)


def test_a_missing_server_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerMissing, match="apt-get install rabbitmq-server"):
        RabbitmqServer(Path("/unused"))


def test_a_process_of_ours_is_ended_with_all_its_children(start_process: StartProcess) -> None:
    process = start_process(["python", "-c", "import time; print('up', flush=True); time.sleep(60)"])
    process.wait_for_output("up")
    assert process.terminate() == -signal.SIGTERM
    parent = start_process(["sh", "-c", "sleep 60 & echo started; wait"])
    parent.wait_for_output("started")
    (child,) = parent.children()
    parent.kill()
    # It is nobody's child now: where nothing collects such, as in a small container, it stays as a zombie.
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_killed_test_run_leaves_no_server_behind(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from tests.servers import PostgresServer, ValkeyServer
        servers = [PostgresServer(Path(sys.argv[1]) / "p"), ValkeyServer(Path(sys.argv[1]) / "v")]
        for server in servers:
            server.directory.mkdir()
            server.start()
        print(*(server.pid for server in servers), flush=True)
        time.sleep(60)
        """
    )
    tmp_path.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as run:
        assert run.stdout is not None
        servers = [psutil.Process(int(word)) for word in run.stdout.readline().split()]
        assert len(servers) == 2
        run.kill()
    for server in servers:
        server.wait(15)


def test_a_test_cannot_leave_this_machine() -> None:
    import socket

    with socket.socket() as client, pytest.raises(RuntimeError, match="tests stay on this machine"):
        client.connect(("192.0.2.1", 9))


def test_the_environment_of_the_developer_does_not_reach_a_test() -> None:
    assert "OPENAI_API_KEY" not in os.environ
    assert os.environ["FTWORKER_HOME"] != ".ftworker"
