"""Connections: they come back after an outage, belong to one thread of one process, and tell no row's text."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ftworker.errors import DatabaseRejected, DatabaseUnavailable
from ftworker.logs import SafeFormatter, describe
from ftworker.store import Store, connect
from tests.chaos.proxy import Network
from tests.servers import PostgresServer

SECRET = "el gato de Marisol duerme"


@pytest.fixture
def store(emptied_database_url: str) -> Iterator[Store]:
    made = Store(emptied_database_url)
    yield made
    made.close()


def one(store: Store, query: str, *parameters: Any) -> Any:
    with store.transaction() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]


def backend(store: Store) -> int:
    number: int = one(store, "SELECT pg_backend_pid()")
    return number


# -- snapshots


def test_a_snapshot_outlasts_work_that_asks_nothing(emptied_database_url: str) -> None:
    """An export looks through its files for as long as that takes; a transaction that asks nothing is ended before."""
    hasty = Store(emptied_database_url, answer_seconds=0.3)
    with hasty.snapshot() as snapshot, snapshot.cursor() as cursor:
        for _ in range(2):
            cursor.execute("SELECT 1 AS one")
            assert cursor.fetchone().one == 1
            time.sleep(0.8)
    hasty.close()


# -- transactions


def test_a_transaction_is_kept_at_its_end_and_not_when_anything_is_raised(store: Store) -> None:
    def write(name: str, error: BaseException | None) -> None:
        with store.transaction() as cursor:
            cursor.execute("INSERT INTO ftworker.pipelines (name) VALUES (%s)", (name,))
            if error is not None:
                raise error

    write("kept", None)
    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write("lost", error)
    assert one(store, "SELECT string_agg(name, ',') FROM ftworker.pipelines") == "kept"


def test_a_server_finds_within_a_minute_that_the_machine_of_a_transaction_is_gone(store: Store) -> None:
    """Its row locks would hold up every sweep for as long."""
    idle, interval, count = (
        int(one(store, f"SHOW tcp_keepalives_{what}")) for what in ("idle", "interval", "count")
    )
    assert 0 < idle + interval * count <= 60


def test_times_are_utc_whatever_the_server_thinks(store: Store) -> None:
    now = one(store, "SELECT now()")
    assert now.utcoffset() == timedelta(0)
    assert one(store, "SHOW timezone") == "UTC"


def test_the_databases_time_can_be_asked_inside_a_transaction_and_outside(store: Store) -> None:
    before = store.now()
    with store.transaction() as cursor:
        inside = store.now()
        cursor.execute("SELECT clock_timestamp() AS now")
        after = cursor.fetchone().now
    assert before < inside < after < store.now()


def test_one_connection_serves_a_thread_again_and_again(store: Store) -> None:
    assert backend(store) == backend(store)


def test_threads_have_connections_of_their_own(store: Store) -> None:
    gate = threading.Barrier(3)

    def meet() -> int:
        with store.transaction() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            gate.wait(timeout=20)
            number: int = cursor.fetchone()[0]
        store.close()
        return number

    with ThreadPoolExecutor(3) as pool:
        assert len({future.result() for future in [pool.submit(meet) for _ in range(3)]}) == 3


def test_a_transaction_inside_a_transaction_is_a_mistake_that_says_so(store: Store) -> None:
    with pytest.raises(DatabaseRejected, match="re-entered"), store.transaction(), store.transaction():
        pass
    assert one(store, "SELECT 1") == 1


def test_closing_twice_or_before_the_first_use_is_no_trouble(store: Store) -> None:
    store.close()
    backend(store)
    store.close()
    store.close()
    assert one(store, "SELECT 1") == 1


# -- outages


def test_a_store_comes_back_by_itself_after_the_server_was_restarted(
    postgres_server: PostgresServer, store: Store
) -> None:
    before = backend(store)
    postgres_server.stop()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            one(store, "SELECT 1")
    postgres_server.start()
    assert backend(store) != before


def test_a_connection_that_is_cut_costs_one_transaction(store: Store, emptied_database_url: str) -> None:
    other = Store(emptied_database_url)
    one(other, "SELECT pg_terminate_backend(%s)", backend(store))
    other.close()
    with pytest.raises(DatabaseUnavailable, match="dropped the transaction"):
        one(store, "SELECT 1")
    assert one(store, "SELECT 1") == 1


def test_a_server_that_goes_while_it_is_greeted_is_a_passing_failure(
    emptied_database_url: str, postgres_server: PostgresServer
) -> None:
    outcomes = set()
    with Network() as network:
        proxy = network.proxy("postgres", postgres_server.port)
        url = emptied_database_url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        for count in range(20, 900, 20):
            proxy.cut_after(count)
            try:
                connect(url).close()
                outcomes.add("connected")
            except DatabaseUnavailable as error:
                outcomes.add(str(error).partition(":")[0])
            proxy.heal()

    assert outcomes == {
        "connected",
        "PostgreSQL does not accept a connection",
        "PostgreSQL dropped a new connection",
    }


def test_an_export_whose_connection_is_cut_is_a_passing_failure(store: Store) -> None:
    def export() -> None:
        with store.stream("SELECT pg_backend_pid(), n FROM generate_series(1, 100000) AS n", {}) as rows:
            for number, _ in rows:
                one(store, "SELECT pg_terminate_backend(%s)", number)

    with pytest.raises(DatabaseUnavailable, match="dropped the export"):
        export()
    assert one(store, "SELECT 1") == 1


@pytest.mark.parametrize(
    "statement",
    ["SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", "SET TRANSACTION READ ONLY; CREATE TABLE x ()"],
    ids=["statement timeout", "read-only standby"],
)
def test_what_can_succeed_later_is_a_passing_failure(store: Store, statement: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        one(store, statement)
    assert one(store, "SELECT 1") == 1


def test_of_two_that_block_each_other_one_fails_in_passing(store: Store, emptied_database_url: str) -> None:
    with store.transaction() as cursor:
        cursor.execute("INSERT INTO ftworker.pipelines (name) VALUES ('a'), ('b')")
    gate = threading.Barrier(2)

    def lock(first: str, second: str) -> bool:
        mine = Store(emptied_database_url)
        try:
            with mine.transaction() as cursor:
                cursor.execute("SELECT FROM ftworker.pipelines WHERE name = %s FOR UPDATE", (first,))
                gate.wait(timeout=20)
                cursor.execute("SELECT FROM ftworker.pipelines WHERE name = %s FOR UPDATE", (second,))
        except DatabaseUnavailable:
            return False
        finally:
            mine.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        ways = [pool.submit(lock, "a", "b"), pool.submit(lock, "b", "a")]
        assert sorted(way.result() for way in ways) == [False, True]


def test_a_stream_is_one_moment_of_the_database(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.pipelines (name) SELECT 'p' || n FROM generate_series(1, 50) AS n"
        )
    with store.stream("SELECT name FROM ftworker.pipelines", {}, fetch_size=10) as rows:
        first = next(rows)
        with store.transaction() as cursor:
            cursor.execute("DELETE FROM ftworker.pipelines")
        assert len([first, *rows]) == 50
    with (
        pytest.raises((DatabaseRejected, DatabaseUnavailable)),
        store.stream("INSERT INTO ftworker.pipelines (name) VALUES ('x') RETURNING name", {}),
    ):
        pass


# -- forks


FORKING = """
import gc, os, sys
from ftworker.store import Store

def backend(store):
    with store.transaction() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

store = Store(sys.argv[1])
parents = backend(store)
for what in ("use", "close", "use and close", "nothing", "forget"):
    child = os.fork()
    if child == 0:
        if "use" in what:
            assert backend(store) != parents
        if "close" in what:
            store.close()
        if what == "forget":
            store._local.held = None
            gc.collect()
        # As a worker's child ends: with its clean-up.
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0, what
    assert backend(store) == parents, what
print("whole")
"""


def test_a_forked_child_leaves_its_parents_connection_alone(emptied_database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, emptied_database_url], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr


# -- what errors say


def insert_example(cursor: Any, **columns: Any) -> None:
    cursor.execute(
        "INSERT INTO ftworker.conversations (source_name, conversation_id, content_sha256, message_count, closed_at) "
        "VALUES ('chat', 'c', '', 1, now()) RETURNING id"
    )
    values = {
        "pipeline": "tutor",
        "conversation_id": cursor.fetchone().id,
        "turn": 0,
        "split_group": "g",
        "content": SECRET,
        "content_sha256": b"",
        "token_count": 1,
    } | columns
    cursor.execute(
        f"INSERT INTO ftworker.examples ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})",
        list(values.values()),
    )


BAD_STATEMENTS: dict[str, tuple[Callable[[Any], None], str]] = {
    "a check": (lambda c: insert_example(c, token_count=-1), "examples_token_count_check"),
    "a missing value": (lambda c: insert_example(c, split_group=None), "23502"),
    "a foreign key": (lambda c: insert_example(c, conversation_id=-5), "examples_conversation_id_fkey"),
    "a bad number": (lambda c: c.execute("SELECT %s::integer", (SECRET,)), "22P02"),
    "a bad time": (lambda c: c.execute("SELECT %s::timestamptz", (SECRET,)), "22007"),
    "bad json": (lambda c: c.execute("SELECT %s::jsonb", (f'{{"a": "{SECRET}',)), "22P02"),
    "a syntax error": (lambda c: c.execute(f"SELEKT '{SECRET}'"), "42601"),
    "an unknown column": (lambda c: c.execute(f'SELECT "{SECRET}"'), "42703"),
    "a division by zero": (lambda c: c.execute("SELECT 1 / 0, %s", (SECRET,)), "22012"),
    "a number too large": (lambda c: c.execute("SELECT 99999999999::integer, %s", (SECRET,)), "22003"),
    "a value too large for its index": (
        lambda c: c.execute("INSERT INTO ftworker.pipelines (name) VALUES (%s || %s)", (SECRET, _noise())),
        "54000",
    ),
    "an error of our own making": (
        lambda c: c.execute("DO $$ BEGIN RAISE EXCEPTION 'look: %%', %s; END $$", (SECRET,)),
        "P0001",
    ),
}


def _noise() -> str:
    # Hardly compressible, so that it stays too large for an index row.
    return "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(4_000))


@pytest.mark.parametrize("case", BAD_STATEMENTS)
def test_an_error_names_its_code_and_never_the_text_of_a_row(store: Store, case: str) -> None:
    act, code = BAD_STATEMENTS[case]
    with pytest.raises(DatabaseRejected) as caught, store.transaction() as cursor:
        act(cursor)
    assert code in str(caught.value)
    assert_silent(caught.value)
    assert one(store, "SELECT 1") == 1


def assert_silent(error: BaseException) -> None:
    """The text of a row is neither in the error nor in anything that is made of it."""
    record = logging.LogRecord(
        "x", logging.ERROR, "x", 1, "failed", None, (type(error), error, error.__traceback__)
    )
    for text in (str(error), repr(error), describe(error), SafeFormatter().format(record)):
        assert "Marisol" not in text
    assert "Marisol" not in "".join(traceback.format_exception_only(error))
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_an_error_inside_an_export_is_as_silent(store: Store) -> None:
    with (
        pytest.raises(DatabaseRejected) as caught,
        store.stream(
            "SELECT 1 / (n - 3), %(text)s FROM generate_series(1, 5) AS n", {"text": SECRET}
        ) as rows,
    ):
        list(rows)
    assert "22012" in str(caught.value)
    assert_silent(caught.value)


def test_a_database_that_was_never_migrated_says_what_to_do(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    with pytest.raises(DatabaseRejected, match="run `ftworker migrate`"):
        one(store, "SELECT count(*) FROM ftworker.runs")
    store.close()


@pytest.mark.parametrize(
    "url, says",
    [
        ("postgresql://u:geheim@127.0.0.1:1/db", "does not accept a connection"),
        ("postgresql://u:geheim@heim@127.0.0.1:1/db", "does not accept a connection"),
        ("postgresql://u:ge/heim@127.0.0.1:1/db", "FTWORKER_DATABASE_URL"),
        ("postgresql://u:geheim@127.0.0.1:abc/db", "FTWORKER_DATABASE_URL"),
        ("host=127.0.0.1 port=1 password=geheim", "does not accept a connection"),
        ("geheim", "is not a PostgreSQL URL"),
        ("", "FTWORKER_DATABASE_URL"),
    ],
)
def test_an_address_that_does_not_work_is_named_without_its_password(url: str, says: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        connect(url)
    assert says in str(caught.value)
    assert "heim" not in str(caught.value)
    assert "\n" not in str(caught.value)
