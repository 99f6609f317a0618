"""Fixtures for every test: private servers, fresh databases, processes of ours, no way out to the network.

`servers` holds what they are made of. A server starts when a test first asks and stops with the session.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psycopg2
import pytest

from tests.audited import AuditedExports
from tests.servers import OwnProcess, PostgresServer, RabbitmqServer, ValkeyServer
from tests.servers import wait_until as wait_until_true

REPOSITORY = Path(__file__).resolve().parent.parent

# What a developer may have set for their own ftworker must not reach a test, nor a test their account.
OWN_VARIABLES = ("FTWORKER_", "OPENAI_", "OLLAMA_", "PG", "CELERY_", "AWS_")

pytest_plugins = ["tests.doubles.fixtures"]

TEMPLATE_DATABASE = "ftworker_template"


class StartProcess(Protocol):
    def __call__(
        self, arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> OwnProcess: ...


def pytest_configure() -> None:
    sys.addaudithook(_only_this_machine)
    # A shell starts what it runs in the background with Ctrl-C ignored, and our processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _only_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every connection of this process that leaves the machine. Audit hooks cannot be removed."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if not isinstance(address, tuple) or address[0] in {"localhost", ""}:
        return
    try:
        host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    except ValueError:
        return  # a name: the resolver calls again with an address
    if not host.is_loopback:
        raise RuntimeError(f"a test tried to connect to {address[0]}: tests stay on this machine")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the developer's own ftworker, and a home that goes away with the test."""
    for variable in list(os.environ):
        if variable.startswith(OWN_VARIABLES):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("FTWORKER_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """The levels and handlers that were there before: a command called in a test sets up logging for good."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    levels = {name: logging.getLogger(name).level for name in [None, *logging.Logger.manager.loggerDict]}
    yield
    root.handlers[:] = handlers
    for name in [None, *logging.Logger.manager.loggerDict]:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running PostgreSQL. Its `stop`, `start` and `kill` make outages; the next test finds it started."""
    server = PostgresServer(tmp_path_factory.mktemp("postgresql"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _template_database(postgres_server: PostgresServer) -> str:
    from ftworker.store import migrate

    postgres_server.start()
    migrate(postgres_server.create_database(name=TEMPLATE_DATABASE))
    return TEMPLATE_DATABASE


@pytest.fixture
def database_url(postgres_server: PostgresServer, _template_database: str) -> Iterator[str]:
    """The URL of a fresh database that holds ftworker's schema and no row."""
    postgres_server.start()
    url = postgres_server.create_database(template=_template_database)
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def _module_database(postgres_server: PostgresServer, _template_database: str) -> Iterator[str]:
    postgres_server.start()
    url = postgres_server.create_database(template=_template_database)
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture
def emptied_database_url(_module_database: str) -> str:
    """The URL of a database that the tests of one module share, emptied of every row before each.

    Several times quicker than `database_url`, which makes and drops one; ids go on counting.
    """
    with contextlib.closing(psycopg2.connect(_module_database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ftworker' AND tablename <> 'migrations'"
        )
        tables = [row[0] for row in cursor.fetchall()]
        # Without foreign keys the order does not matter.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(";".join(f"DELETE FROM ftworker.{table}" for table in tables))
        connection.commit()
    return _module_database


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database with nothing in it, such as a RAG's own store before its tables."""
    postgres_server.start()
    url = postgres_server.create_database()
    yield url
    postgres_server.start()
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A running Valkey that keeps what it answered through `kill` and `stop`."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The URL of a running, empty Valkey."""
    valkey_server.start()
    valkey_server.flush()
    return valkey_server.url()


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitmqServer]:
    """A running RabbitMQ node (it takes some seconds to start, so one serves the whole session)."""
    server = RabbitmqServer(tmp_path_factory.mktemp("rabbitmq"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitmqServer) -> Iterator[str]:
    """The URL of a fresh virtual host on a running RabbitMQ."""
    rabbitmq_server.start()
    url = rabbitmq_server.create_vhost()
    yield url
    rabbitmq_server.start()
    rabbitmq_server.delete_vhost(url)


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Start a program of ours: `start_process(["ftworker", "ingest"], {"FTWORKER_DATABASE_URL": url})`.

    The first word is looked up beside this Python. `env` is added to the environment of the test. Whatever
    still runs at the end is ended; its output shows with a failing test.
    """
    started: list[OwnProcess] = []

    def start(
        arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> OwnProcess:
        program = Path(sys.executable).parent / arguments[0]
        words = [str(program) if program.exists() else arguments[0], *arguments[1:]]
        output = tmp_path / f"process-{len(started) + 1}-{program.name}.log"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(env or {})}
        process = OwnProcess(words, environment, output, cwd or tmp_path)
        started.append(process)
        return process

    yield start
    # The last first: a worker stops before what it was given to talk to.
    for process in reversed(started):
        process.close()
    for process in started:
        print(f"--- output of {' '.join(process.arguments)} (exit status {process.returncode})")
        print(process.output()[-8000:])


@pytest.fixture
def wait_until() -> Callable[..., object]:
    """`wait_until(predicate, timeout=10)`: see `tests.servers.wait_until`, which can also be imported."""
    return wait_until_true


@pytest.fixture(autouse=True)
def every_dataset_is_clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No dataset that a test exports leaks from one side to the other."""
    exports = AuditedExports()
    monkeypatch.setattr("ftworker.runs.steps.export", exports.export)
    monkeypatch.setattr("tests.datasets.exported.export", exports.export)
    yield
    assert exports.unclean == []
