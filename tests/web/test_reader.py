"""The reading of the database: shared, bounded in time, honest about an outage, and back after it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg2
import pytest

from ftworker.settings import Settings, settings_from
from ftworker.store import Store, connect
from ftworker.store.metrics import read_snapshot
from ftworker.web import reader as reader_module
from ftworker.web.reader import Problem, Reader
from tests.servers import PostgresServer
from tests.web.conftest import CONFIGURATION, StartWeb, Web


@contextmanager
def reading(settings: Settings, store: Store) -> Iterator[Reader]:
    reader = Reader(settings, store)
    try:
        yield reader
    finally:
        reader.close()


@pytest.fixture
def count_reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    reads = []
    real = read_snapshot

    def counted(*arguments: object, **options: object) -> object:
        reads.append(1)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "read_snapshot", counted)
    return lambda: len(reads)


def test_many_scrapers_cost_one_reading_and_one_connection(
    start_web: StartWeb, filled: Store, database_url: str, count_reads: Callable[[], int]
) -> None:
    cached = settings_from({**CONFIGURATION, "web": {"cache_seconds": 60}})
    web = start_web(cached, filled)
    with ThreadPoolExecutor(16) as scrapers:
        answers = list(scrapers.map(lambda _: web.get("/metrics").text, range(48)))
    assert all("ftworker_scrape_success 1.0" in answer for answer in answers)
    # Those that came while the first reading was under way share the one after it.
    assert count_reads() <= 2
    filled.close()
    with (
        closing(connect(database_url, application_name="counting")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'ftworker'"
        )
        row = cursor.fetchone()
    assert row is not None
    assert row[0] == 1


def test_a_reading_is_made_anew_when_it_is_older_than_the_cache(
    settings: Settings, filled: Store, count_reads: Callable[[], int]
) -> None:
    now = [1_000.0]
    cached = settings_from({**CONFIGURATION, "web": {"cache_seconds": 5}})
    reader = Reader(cached, filled, monotonic=lambda: now[0])
    first = reader.latest()
    assert reader.latest() is first
    now[0] += 4.9
    assert reader.latest() is first
    now[0] += 0.2
    assert reader.latest() is not first
    assert count_reads() == 2
    reader.close()


def everything(web: Web) -> tuple[str, int, str, int]:
    metrics, health, page = web.get("/metrics"), web.get("/healthz"), web.get("/")
    assert metrics.status == 200
    return metrics.text, health.status, health.text, page.status


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill])
def test_an_outage_of_the_database_is_told_and_over_when_it_is(
    start_web: StartWeb,
    settings: Settings,
    filled: Store,
    postgres_server: PostgresServer,
    end: Callable[[PostgresServer], None],
) -> None:
    web = start_web(settings, filled)
    metrics, health_status, _, page_status = everything(web)
    assert "ftworker_scrape_success 1.0" in metrics
    assert (health_status, page_status) == (200, 200)

    end(postgres_server)
    metrics, health_status, health, page_status = everything(web)
    names = {line.split("{")[0].split(" ")[0] for line in metrics.splitlines() if not line.startswith("#")}
    assert names == {"ftworker_build_info", "ftworker_scrape_success", "ftworker_scrape_duration_seconds"}
    assert "ftworker_scrape_success 0.0" in metrics
    assert (health_status, page_status) == (503, 503)
    assert json.loads(health)["checks"] == {"database": "failing", "migrations": "unknown"}
    for secret in ("hunter2", str(postgres_server.port), "127.0.0.1", "tester"):
        assert secret not in health

    postgres_server.start()
    metrics, health_status, health, page_status = everything(web)
    assert "ftworker_scrape_success 1.0" in metrics
    assert "ftworker_examples_waiting" in metrics
    assert (health_status, page_status) == (200, 200)
    assert json.loads(health)["status"] == "ok"


def test_a_restart_of_the_database_between_two_scrapes_goes_unnoticed(
    settings: Settings, filled: Store, postgres_server: PostgresServer
) -> None:
    with reading(settings, filled) as reader:
        assert reader.latest().problem is None
        postgres_server.stop()
        postgres_server.start()
        assert reader.latest().problem is None


def test_a_database_that_was_never_migrated_is_reachable_and_says_so(
    start_web: StartWeb, settings: Settings, empty_database_url: str
) -> None:
    web = start_web(settings, Store(empty_database_url))
    metrics, health_status, health, page_status = everything(web)
    assert "ftworker_scrape_success 0.0" in metrics
    assert (health_status, page_status) == (503, 503)
    assert json.loads(health)["checks"] == {"database": "ok", "migrations": "failing"}
    assert "ftworker migrate" in health
    assert "ftworker migrate" in web.get("/").text


def test_a_user_without_rights_is_told_to_get_them(
    settings: Settings, database_url: str, postgres_server: PostgresServer
) -> None:
    execute(postgres_server.url(), "CREATE ROLE stranger LOGIN")
    try:
        store = Store(database_url.replace(f"//{postgres_server.user}@", "//stranger@"))
        with reading(settings, store) as reader:
            assert reader.latest().problem is Problem.SCHEMA
    finally:
        execute(postgres_server.url(), "DROP ROLE stranger")


def execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def test_a_lock_in_the_database_costs_one_who_asks_the_longest_wait_and_no_more(
    settings: Settings, filled: Store, database_url: str
) -> None:
    with reading(settings, filled) as reader:
        assert reader.latest().problem is None
        with locked(database_url, "ftworker.examples"):
            started = time.monotonic()
            assert reader.latest(wait_seconds=0.3).problem is Problem.SLOW
            assert time.monotonic() - started < 2
        assert reader.latest().problem is None


def test_a_statement_that_takes_too_long_is_ended(
    settings: Settings, filled: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "STATEMENT_SECONDS", 0.2)
    with reading(settings, filled) as reader, locked(database_url, "ftworker.totals"):
        found = reader.latest()
        assert found.problem is Problem.DATABASE
        assert 0.1 < found.duration_seconds < 4


def test_a_server_that_accepts_and_then_says_nothing_holds_up_neither_answers_nor_the_end(
    settings: Settings,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        reader = Reader(settings, Store(f"postgresql://tester@127.0.0.1:{port}/nothing"))
        started = time.monotonic()
        assert reader.latest(wait_seconds=0.2).problem is Problem.SLOW
        reader.close(wait_seconds=0.2)
        assert time.monotonic() - started < 2


def test_the_web_process_says_that_it_lives_and_that_it_ends(
    settings: Settings, store: Store, database_url: str
) -> None:
    with reading(settings, store) as reader:
        found = reader.latest()
        assert found.snapshot is not None
        assert found.snapshot.processes["web"].alive == 1
    with closing(connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ftworker.processes")
        assert cursor.fetchone() == (0,)


def test_a_bug_in_a_reading_is_said_and_does_not_end_the_reader(
    settings: Settings,
    filled: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with reading(settings, filled) as reader:
        monkeypatch.setattr(reader_module, "read_snapshot", broken)
        assert reader.latest().problem is Problem.FAILED
        assert "ZeroDivisionError" in caplog.text
        monkeypatch.setattr(reader_module, "read_snapshot", read_snapshot)
        assert reader.latest().problem is None


def test_an_outage_is_logged_once_and_its_end_too(
    settings: Settings, filled: Store, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=reader_module.__name__)
    with reading(settings, filled) as reader:
        postgres_server.stop()
        for _ in range(3):
            assert reader.latest().problem is Problem.DATABASE
        postgres_server.start()
        assert reader.latest().problem is None
    said = [record.message for record in caplog.records if record.name == reader_module.__name__]
    assert len(said) == 2
    assert said[0].startswith("no metrics: ")
    assert said[1] == "metrics are back"


def test_all_who_wait_get_the_same_reading(settings: Settings, filled: Store, database_url: str) -> None:
    with reading(settings, filled) as reader:
        reader.latest()
        with ThreadPoolExecutor(8) as pool, locked(database_url, "ftworker.runs"):
            asked = [pool.submit(reader.latest) for _ in range(8)]
            # Until all of them wait, on the condition that guards the readings.
            deadline = time.monotonic() + 5
            while len(reader._changed._waiters) < 8 and time.monotonic() < deadline:  # type: ignore[attr-defined]
                threading.Event().wait(0.01)
        assert len({id(future.result()) for future in asked}) == 1
