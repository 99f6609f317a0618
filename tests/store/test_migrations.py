"""Migrations: together or one by one, twice, at the same moment, by an older ftworker, and broken ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from ftworker.errors import DatabaseRejected, PermanentError
from ftworker.store import Store, migrate, pending_migrations
from ftworker.store.migrate import LOCK_KEY, available_migrations
from tests.servers import PostgresServer

REAL = available_migrations()
NEXT = [
    (
        "9001_first",
        "ALTER TABLE ftworker.pipelines ADD COLUMN a integer; CREATE INDEX a_index ON ftworker.pipelines (a)",
    ),
    ("9002_second", "ALTER TABLE ftworker.pipelines ALTER COLUMN a SET NOT NULL, ADD CHECK (a > 0)"),
]

CATALOG = """
SELECT 'column' AS kind, c.oid::regclass::text AS place, a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS definition, a.attnotnull::text AS flag,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '') || a.attidentity::text AS filled
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'ftworker'::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', ''
FROM pg_constraint WHERE connamespace = 'ftworker'::regnamespace
UNION ALL
SELECT 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid), indisvalid::text, ''
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'ftworker'::regnamespace
UNION ALL
SELECT 'relation', oid::regclass::text, relkind::text, '', '', ''
FROM pg_class WHERE relnamespace = 'ftworker'::regnamespace
UNION ALL
SELECT 'function', oid::regprocedure::text, '', prosrc, '', ''
FROM pg_proc WHERE pronamespace = 'ftworker'::regnamespace
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(pg_trigger.oid), '', ''
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = 'ftworker'::regnamespace AND NOT tgisinternal
ORDER BY 1, 2, 3
"""


@pytest.fixture
def fresh(postgres_server: PostgresServer) -> Iterator[list[str]]:
    """URLs of three databases with nothing in them."""
    postgres_server.start()
    urls = [postgres_server.create_database() for _ in range(3)]
    yield urls
    for url in urls:
        postgres_server.drop_database(url)


def catalog(url: str) -> list[tuple[str, ...]]:
    store = Store(url)
    with store.transaction() as cursor:
        cursor.execute(CATALOG)
        found = [tuple(row) for row in cursor.fetchall()]
    store.close()
    return found


def use(monkeypatch: pytest.MonkeyPatch, migrations: list[tuple[str, str]]) -> None:
    # By import, because `ftworker.store.migrate` as an attribute is the function.
    module = import_module("ftworker.store.migrate")
    monkeypatch.setattr(module, "available_migrations", lambda: migrations)


def test_migrating_step_by_step_gives_the_same_database_as_migrating_at_once(
    fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, stepwise, real_alone = fresh
    every = REAL + NEXT
    use(monkeypatch, every)
    assert migrate(at_once) == [name for name, _ in every]
    for number in range(1, len(every) + 1):
        use(monkeypatch, every[:number])
        assert migrate(stepwise) == [every[number - 1][0]]
    assert catalog(stepwise) == catalog(at_once)

    use(monkeypatch, REAL)
    migrate(real_alone)
    assert catalog(real_alone) != catalog(at_once)
    assert {kind for kind, *_ in catalog(real_alone)} >= {"column", "constraint", "index", "relation"}


def test_migrations_are_numbered_without_gaps_and_in_order() -> None:
    assert [int(name.partition("_")[0]) for name, _ in REAL] == list(range(1, len(REAL) + 1))


def test_migrating_again_changes_nothing(emptied_database_url: str) -> None:
    before = catalog(emptied_database_url)
    assert migrate(emptied_database_url) == []
    assert catalog(emptied_database_url) == before


def test_what_is_missing_is_known_before_and_after(fresh: list[str]) -> None:
    store = Store(fresh[0])
    assert pending_migrations(store) == [name for name, _ in REAL]
    migrate(fresh[0])
    assert pending_migrations(store) == []
    store.close()


def test_migrators_at_one_moment_apply_each_migration_once(fresh: list[str]) -> None:
    gate = threading.Barrier(5)

    def run() -> list[str]:
        gate.wait(timeout=30)
        return migrate(fresh[0])

    with ThreadPoolExecutor(5) as pool:
        applied = [future.result() for future in [pool.submit(run) for _ in range(5)]]
    assert sorted(applied) == [[], [], [], [], [name for name, _ in REAL]]


def test_an_older_ftworker_refuses_a_newer_database_and_changes_nothing(
    fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, REAL + NEXT[:1])
    migrate(fresh[0])
    before = catalog(fresh[0])
    use(monkeypatch, REAL)
    with pytest.raises(PermanentError, match=r"9001_first.*upgrade this one"):
        migrate(fresh[0])
    assert catalog(fresh[0]) == before


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, [*REAL, ("9001_broken", "ALTER TABLE ftworker.pipelines ADD COLUMN b integer; BROKEN")])
    with pytest.raises(DatabaseRejected, match="42601"):
        migrate(fresh[0])
    store = Store(fresh[0])
    with store.transaction() as cursor:
        cursor.execute("SELECT count(*) AS n FROM pg_namespace WHERE nspname = 'ftworker'")
        assert cursor.fetchone().n == 0
    store.close()
    use(monkeypatch, REAL)
    assert migrate(fresh[0]) == [name for name, _ in REAL]


def test_a_role_that_may_not_make_the_schema_is_told_what_would_let_it(fresh: list[str]) -> None:
    role, database = f"reader_{uuid4().hex[:8]}", urlsplit(fresh[0]).path.removeprefix("/")
    owner = Store(fresh[0])
    with owner.transaction() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    split = urlsplit(fresh[0])
    reader = split._replace(netloc=f"{role}:x@{split.hostname}:{split.port}").geturl()
    try:
        with pytest.raises(
            DatabaseRejected, match=f"permission denied for database {database}.*GRANT CREATE"
        ):
            migrate(reader)
    finally:
        with owner.transaction() as cursor:
            cursor.execute(f"DROP ROLE {role}")
        owner.close()


def test_a_server_that_is_too_old_is_refused_before_anything_is_made_in_it(
    fresh: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("ftworker.store.migrate"), "MINIMUM_POSTGRESQL", 990_000)
    with pytest.raises(PermanentError, match=r"PostgreSQL \d+.* is too old, .*; use PostgreSQL 14 or newer"):
        migrate(fresh[0])
    store = Store(fresh[0])
    with store.transaction() as cursor:
        cursor.execute("SELECT to_regnamespace('ftworker') AS made")
        assert cursor.fetchone().made is None
    store.close()


def test_ftworker_lives_beside_the_tables_of_a_rag_without_touching_them(fresh: list[str]) -> None:
    store = Store(fresh[0])
    with store.transaction() as cursor:
        cursor.execute("CREATE TABLE public.runs (id integer); INSERT INTO public.runs VALUES (7)")
    migrate(fresh[0])
    with store.transaction() as cursor:
        cursor.execute("SELECT id FROM public.runs")
        assert [row.id for row in cursor.fetchall()] == [7]
        cursor.execute("SELECT count(*) AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        assert cursor.fetchone().n == 1
    store.close()


def test_the_lock_of_migrators_is_our_own() -> None:
    # "ftwr": another program's migrations in the same database take another number.
    assert LOCK_KEY.to_bytes(4, "big") == b"ftwr"
