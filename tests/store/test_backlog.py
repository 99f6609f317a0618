"""A batch costs the batch: not what waits behind it, not what was done before, also when statistics are old.

PostgreSQL gathers its statistics now and then. While a backlog of a million rows builds up or goes down they say what
was true before, and a statement that is quick by its plan for that can read the whole backlog for each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ftworker.store import Store
from ftworker.store.connection import Cursor, queries

BATCH = 100
MANY = 5_000

EVENTS = """
INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, payload, processed_at, outcome)
SELECT 'rag', n::text, 'chat', n::text, repeat('x', 100), CASE WHEN %(done)s THEN now() END,
       CASE WHEN %(done)s THEN 'examples' END
FROM generate_series(%(first)s, %(last)s) AS n
"""
EXAMPLES = """
INSERT INTO ftworker.conversations (source_name, conversation_id, content_sha256, message_count, closed_at)
SELECT 'chat', n::text, '', 2, now() FROM generate_series(%(first)s, %(last)s) AS n;
INSERT INTO ftworker.examples
    (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count, dataset_id, pair_sha256)
SELECT 'tutor', id, 0, 'u', '[]', sha256(id::text::bytea), 9, %(dataset)s,
       CASE WHEN %(dataset)s::bigint IS NULL THEN sha256(id::text::bytea) END
FROM ftworker.conversations WHERE conversation_id::int BETWEEN %(first)s AND %(last)s
"""
DATASET = """
INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
VALUES ('tutor', 1, 'all', '{}', 0) RETURNING id
"""


@pytest.fixture
def cursor(emptied_database_url: str) -> Iterator[Cursor]:
    """In one transaction, so that no autovacuum brings the statistics up to date; nothing of it is kept."""
    store = Store(emptied_database_url)
    with store.transaction() as cursor:
        yield cursor
        cursor.connection.rollback()
    store.close()


def rows_read(cursor: Cursor, file: str, name: str, parameters: Mapping[str, Any]) -> int:
    """Run a statement of ours; how many rows of tables it looked at."""
    statement = queries(file)[name]
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
    return _read_below(cursor.fetchone()[0][0]["Plan"])


def _read_below(node: Mapping[str, Any]) -> int:
    read = 0
    if "Relation Name" in node and "Scan" in node["Node Type"]:
        left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        read = (node["Actual Rows"] + left_out) * node["Actual Loops"]
    return int(read) + sum(_read_below(below) for below in node.get("Plans", ()))


def test_ending_a_batch_reads_the_batch_and_not_the_backlog(cursor: Cursor) -> None:
    """As while a backfill comes in: MANY events wait behind the batch, and the statistics say that none does."""
    cursor.execute(EVENTS, {"done": True, "first": 1, "last": MANY})
    cursor.execute("ANALYZE ftworker.inbox")
    cursor.execute(EVENTS, {"done": False, "first": MANY + 1, "last": 2 * MANY})
    cursor.execute("SELECT id FROM ftworker.inbox WHERE processed_at IS NULL ORDER BY id LIMIT %s", (BATCH,))
    ids = [row.id for row in cursor.fetchall()]
    assert rows_read(cursor, "inbox.sql", "finish", {"ids": ids, "outcome": "examples"}) <= 2 * BATCH


def test_looking_for_what_waits_does_not_read_what_is_done(cursor: Cursor) -> None:
    """As after a backfill: when the statistics were taken everything waited, and now nearly everything is done."""
    cursor.execute(EVENTS, {"done": False, "first": 1, "last": 2 * MANY})
    cursor.execute("ANALYZE ftworker.inbox")
    cursor.execute(
        "UPDATE ftworker.inbox SET processed_at = now(), outcome = 'examples' WHERE event_id::int <= %s",
        (MANY,),
    )
    assert rows_read(cursor, "inbox.sql", "take_waiting", {"limit": BATCH}) <= BATCH


def test_what_a_batch_asks_of_examples_costs_the_batch(cursor: Cursor) -> None:
    """MANY examples wait, more are in datasets, and the statistics say that none waits and none has a pair."""
    cursor.execute(DATASET)
    dataset = cursor.fetchone().id
    cursor.execute(EXAMPLES, {"first": 1, "last": MANY, "dataset": dataset})
    cursor.execute("ANALYZE ftworker.examples")
    cursor.execute(EXAMPLES, {"first": MANY + 1, "last": 2 * MANY, "dataset": None})
    cursor.execute(
        "SELECT conversation_id, pair_sha256 FROM ftworker.examples WHERE dataset_id IS NULL LIMIT %s",
        (BATCH,),
    )
    rows = cursor.fetchall()
    ids = {"conversation_ids": [row.conversation_id for row in rows]}
    pairs = {"pipelines": ["tutor"] * BATCH, "pair_sha256s": [bytes(row.pair_sha256) for row in rows]}
    nothing: dict[str, Any] = {"pipelines": [], "row_ids": [], "turns": []}
    read = {
        name: rows_read(cursor, "examples.sql", name, parameters)
        for name, parameters in (
            ("lock_waiting", ids),
            ("cut_turns", ids),
            ("kept_elsewhere", {**ids, **pairs}),
            ("delete_stale_examples", {**ids, **nothing}),
        )
    }
    assert all(number <= 3 * BATCH for number in read.values()), read
