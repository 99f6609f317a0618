"""What a reading costs: the backlog, never the history. Proved by the plans that PostgreSQL runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ftworker.store import Cursor, Store, metrics
from ftworker.store.connection import queries

PIPELINES = ["tutor", "other"]
HISTORY = 20_000
BACKLOG = 50
GROWING = {
    "inbox",
    "examples",
    "conversations",
    "drops",
    "quarantine_reviews",
    "run_journal",
    "store_changes",
}
"""Tables with a row an event, conversation or turn; the others have one a training or less."""
INDEX_SCANS = {"Index Scan", "Index Only Scan"}
PARAMETERS = {"pipelines": PIPELINES, "dead_after_seconds": 60, "name": metrics.SWEEP_TOTAL}
WRITES_AND_SETTINGS = {"begin", "record_sweep"}


@pytest.fixture(scope="module")
def with_history(postgres_server: Any, _template_database: str) -> Iterator[Store]:
    """Much that was, little that waits, and no statistics yet: the worst that a planner can meet."""
    postgres_server.start()
    url = postgres_server.create_database(template=_template_database)
    store = Store(url)
    with store.transaction() as cursor:
        cursor.execute(
            """
            INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, processed_at, outcome)
            SELECT 's', n::text, 's', n::text, CASE WHEN n > %(backlog)s THEN now() END,
                   CASE WHEN n > %(backlog)s THEN 'examples' END
            FROM generate_series(1, %(history)s) AS n;
            INSERT INTO ftworker.conversations
                (source_name, conversation_id, content_sha256, message_count, closed_at)
            SELECT 's', n::text, '', 2, now() FROM generate_series(1, %(history)s) AS n;
            INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
            SELECT 'tutor', n, 'all', '{}', 500 FROM generate_series(1, 40) AS n;
            INSERT INTO ftworker.examples
                (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count, dataset_id)
            SELECT 'tutor', id, 0, 'g', 'text', sha256(id::text::bytea), 100,
                   CASE WHEN id > %(backlog)s THEN (SELECT min(id) FROM ftworker.datasets) + id %% 40 END
            FROM ftworker.conversations;
            INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason)
            SELECT 'tutor', id, 1, 'too_short' FROM ftworker.conversations;
            INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason)
            SELECT 'tutor', id, -1, CASE WHEN id > %(backlog)s THEN 'rejected_by_person' ELSE 'quarantined_health' END
            FROM ftworker.conversations;
            INSERT INTO ftworker.quarantine_reviews (conversation_id, content_sha256, decision)
            SELECT id, content_sha256, 'rejected' FROM ftworker.conversations WHERE id > %(backlog)s;
            """,
            {"history": HISTORY, "backlog": BACKLOG},
        )
    yield store
    store.close()
    postgres_server.drop_database(url)


@contextmanager
def as_a_reading(store: Store) -> Iterator[Cursor]:
    with store.transaction() as cursor:
        cursor.execute(queries("metrics.sql")["begin"], {"timeout_milliseconds": 5_000})
        yield cursor


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Relation Name" in plan:
        yield plan
    for child in plan.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("analysed", [False, True], ids=["before ANALYZE", "after ANALYZE"])
@pytest.mark.parametrize("name", sorted(set(queries("metrics.sql")) - WRITES_AND_SETTINGS))
def test_no_statement_reads_more_of_a_growing_table_than_what_waits(
    with_history: Store, name: str, analysed: bool
) -> None:
    if analysed:
        with with_history.transaction() as cursor:
            cursor.execute("ANALYZE")
    with as_a_reading(with_history) as cursor:
        statement = queries("metrics.sql")[name]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", PARAMETERS)
        row = cursor.fetchone()
    assert row is not None
    for scan in scans(row[0][0]["Plan"]):
        if scan["Relation Name"] in GROWING:
            assert scan["Node Type"] in INDEX_SCANS, scan
            read = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
            assert read * scan["Actual Loops"] <= BACKLOG, scan


def test_the_statements_of_the_test_are_those_of_a_reading(with_history: Store) -> None:
    with with_history.transaction() as cursor:
        snapshot = metrics.read_snapshot(cursor, PIPELINES, statement_timeout_seconds=5)
    assert snapshot.inbox.waiting == snapshot.waiting["tutor"].examples == BACKLOG
    assert snapshot.datasets["tutor"].sequence == 40
    assert snapshot.quarantined["tutor"].conversations == BACKLOG


def test_a_reading_sees_one_moment_and_cannot_write(with_history: Store) -> None:
    with as_a_reading(with_history) as cursor:
        assert settings_of(cursor) == ("repeatable read", "on", "5s")
    # The settings are the transaction's own: the connection is as it was.
    with with_history.transaction() as cursor:
        assert settings_of(cursor) == ("read committed", "off", "0")


def settings_of(cursor: Cursor) -> tuple[str, ...]:
    names = ("transaction_isolation", "transaction_read_only", "statement_timeout")
    cursor.execute("SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in names))
    row = cursor.fetchone()
    assert row is not None
    return tuple(row)
