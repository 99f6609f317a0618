"""A filled database, a web process in this one, and what talks to it."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ftworker.settings import Settings, settings_from
from ftworker.store import Store
from ftworker.web.app import Site
from ftworker.web.reader import Reader
from ftworker.web.server import WebServer
from tests.servers import PostgresServer, Server, ServerMissing
from tests.web.rows import fill

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CONFIG = REPOSITORY / "config"

CONFIGURATION: dict[str, Any] = {
    "broker_url": "amqp://guest:hunter2@127.0.0.1/",
    "database_url": "postgresql://ftworker:hunter2@127.0.0.1/ftworker",
    "web": {"port": 0, "cache_seconds": 0},
    "pipelines": {
        "tutor": {
            "provider": "openai",
            "base_model": "gpt-4.1-mini",
            "trigger": {"min_examples": 10, "min_tokens": 2_000, "max_wait_seconds": 604_800},
        },
        "other": {"trigger": {"min_examples": None, "schedule": "0 3 * * sun"}},
    },
}


@dataclass(frozen=True)
class Answer:
    """An answer of the web process."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class Web:
    """A web process that runs in threads of this one, and a client for it."""

    url: str
    reader: Reader
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = urlsplit(self.url).port or 0

    def get(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        return request(self.url, path, method=method, headers=headers)


StartWeb = Callable[[Settings, Store], Web]


def request(
    url: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read().decode())
    finally:
        connection.close()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return settings_from(CONFIGURATION)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def filled(store: Store) -> Store:
    """A database of the test's own with rows of every kind."""
    fill(store)
    return store


@pytest.fixture
def start_web() -> Iterator[StartWeb]:
    """Start a web process in threads of this one: `start_web(settings, store)`."""
    with ExitStack() as started:

        def start(settings: Settings, store: Store) -> Web:
            return started.enter_context(running(settings, store))

        yield start


@pytest.fixture(scope="module")
def web(settings: Settings, postgres_server: PostgresServer, _template_database: str) -> Iterator[Web]:
    """A web process over rows of every kind, shared by the tests of a module, which do not change them."""
    postgres_server.start()
    url = postgres_server.create_database(template=_template_database)
    store = Store(url)
    fill(store)
    with running(settings, store) as web:
        yield web
    store.close()
    postgres_server.start()
    postgres_server.drop_database(url)


@contextmanager
def running(settings: Settings, store: Store) -> Iterator[Web]:
    """A web process in threads of this one."""
    server = WebServer("127.0.0.1", 0)
    reader = Reader(settings, store)
    try:
        server.start(Site(settings, reader).respond)
        yield Web(server.url, reader)
    finally:
        server.stop()
        reader.close()


class PrometheusServer(Server):
    """Debian's Prometheus with a configuration, a port and data of its own."""

    name = "prometheus"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._program = program("prometheus", "prometheus")

    def configure(self, configuration: str) -> None:
        """What it reads when it starts."""
        (self.directory / "prometheus.yml").write_text(configuration, encoding="utf-8")

    def api(self, path: str) -> Any:
        """The `data` of an answer of Prometheus' HTTP API."""
        answer = json.loads(request(f"http://127.0.0.1:{self.port}", f"/api/v1/{path}").text)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples that an expression gives now."""
        result: list[Any] = self.api(f"query?query={quote(expression)}")["result"]
        return result

    def _launch(self, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                self._program,
                f"--config.file={self.directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        try:
            return request(f"http://127.0.0.1:{self.port}", "/-/ready").status == 200
        except OSError:
            return False


def program(name: str, package: str) -> str:
    """The path of a program of Debian's."""
    found = shutil.which(name)
    if found is None:
        raise ServerMissing(f"{name} is not installed; run: apt-get install {package}")
    return found


def promtool(*arguments: str, text: str | None = None, cwd: Path = REPOSITORY) -> str:
    """What promtool prints. Fails with it when promtool is not content."""
    done = subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=60,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{printed}"
    return printed
