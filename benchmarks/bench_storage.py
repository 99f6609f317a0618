"""What an event costs for good: bytes a row and an index, WAL, vacuum, connections; and whether partitions would help.

First a real filled database: events come in, are accumulated, cut, and their text is erased as `tidy` does. Then the
inbox as it is beside one partitioned by month, filled to the same size, in turns: a batch recorded, a batch taken and
ended, and a month erased. Server time is the processor time of PostgreSQL.
`python -m benchmarks.bench_storage [--conversations 4000] [--rows 300000]`. docs/SCALE.md has the figures.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.bench_accumulate import accumulated
from benchmarks.bench_scale import BATCH, settings_with
from benchmarks.contention import TellingPostgres
from benchmarks.place import own_place
from benchmarks.spanish_talks import record_talks, roster
from ftworker.clock import utc_now
from ftworker.runs import cutting
from ftworker.store import Store, inbox, migrate

TABLES = ("inbox", "conversations", "examples", "drops")
SIZES = """
SELECT c.relname, c.reltuples::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid),
       (SELECT string_agg(i.relname || ' ' || pg_relation_size(i.oid), ', ' ORDER BY pg_relation_size(i.oid) DESC)
        FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid)
FROM pg_class AS c WHERE c.relnamespace = 'ftworker'::regnamespace AND c.relname = ANY(%s)
"""

PLAIN = """
CREATE TABLE plain (LIKE ftworker.inbox INCLUDING ALL)
"""
MONTHS = """
CREATE TABLE months (LIKE ftworker.inbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (received_at);
CREATE SEQUENCE months_id;
ALTER TABLE months ALTER id SET DEFAULT nextval('months_id');
ALTER TABLE months ADD PRIMARY KEY (id, received_at), ADD UNIQUE (event_source, event_id, received_at);
CREATE INDEX ON months (coalesce(not_before, received_at), id) INCLUDE (received_at, not_before)
    WHERE processed_at IS NULL;
CREATE INDEX ON months (processed_at) WHERE payload IS NOT NULL AND processed_at IS NOT NULL;
CREATE INDEX ON months (source_name, conversation_id);
CREATE TABLE months_keys (event_source text, event_id text, PRIMARY KEY (event_source, event_id));
SELECT format('CREATE TABLE month_%1$s PARTITION OF months FOR VALUES FROM (%2$L) TO (%3$L)',
              n, date '2025-12-01' + n * interval '1 month', date '2026-01-01' + n * interval '1 month')
FROM generate_series(0, 11) AS n \\gexec
"""
FILL = """
INSERT INTO {table} (event_source, event_id, source_name, conversation_id, payload, received_at, processed_at, outcome)
SELECT '/rag', md5(n::text), 'chat', 'c' || n, repeat(md5(n::text), 32), at, at, 'examples'
FROM (SELECT n, timestamptz '2025-12-01' + n * (interval '334 days' / %(rows)s) AS at
      FROM generate_series(1, %(rows)s) AS n) AS old
"""
RECORD = """
INSERT INTO {table} (event_source, event_id, source_name, conversation_id, payload, received_at)
SELECT '/rag', md5(n::text), 'chat', 'c' || n, repeat(md5(n::text), 32), timestamptz '2026-11-20'
FROM generate_series(%(first)s, %(last)s) AS n ON CONFLICT DO NOTHING
"""
KEYS = """
INSERT INTO months_keys SELECT '/rag', md5(n::text) FROM generate_series(%(first)s, %(last)s) AS n
ON CONFLICT DO NOTHING
"""
TAKE = """
SELECT id FROM {table} WHERE processed_at IS NULL AND (not_before IS NULL OR not_before <= timestamptz '2026-12-01')
ORDER BY coalesce(not_before, received_at), id LIMIT 500 FOR UPDATE SKIP LOCKED
"""
END = """
UPDATE {table} SET processed_at = now(), outcome = 'examples', not_before = NULL
WHERE id = ANY(%(ids)s) AND outcome IS NULL
"""
ERASE = (
    "UPDATE {table} SET payload = NULL WHERE received_at < timestamptz '2026-01-01' AND payload IS NOT NULL"
)


class Meter:
    """A connection that tells what work costs the server."""

    def __init__(self, postgres: TellingPostgres, database: str) -> None:
        self.postgres = postgres
        self.connection = psycopg2.connect(database)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()

    def of(self, work: Callable[[], Any]) -> tuple[float, float, int]:
        """Seconds, the server's processor time, and bytes of WAL."""
        begun = time.perf_counter(), self.postgres.cpu_seconds(), self.wal()
        work()
        return time.perf_counter() - begun[0], self.postgres.cpu_seconds() - begun[1], self.wal() - begun[2]

    def wal(self) -> int:
        self.cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        row = self.cursor.fetchone()
        assert row is not None
        return int(row[0])


def footprint(postgres: TellingPostgres, folder: Path, conversations: int) -> None:
    """Print what a conversation of 2.2 KB leaves behind."""
    database = postgres.create_database()
    migrate(database)
    store, meter = Store(database), Meter(postgres, database)
    names = folder / "roster.txt"
    names.write_text("\n".join(roster()), encoding="utf-8")
    settings = settings_with(names)
    record_talks(store, 0, BATCH)
    accumulated(store, settings)
    cost = {
        "record": meter.of(lambda: record_talks(store, BATCH, conversations)),
        "accumulate": meter.of(lambda: accumulated(store, settings)),
    }
    meter.cursor.execute("VACUUM ANALYZE")
    total = conversations + BATCH
    print(f"{total:,} conversations of 2.2 KB, {examples_of(meter)} examples: bytes a conversation")
    sizes(meter, total)
    cost["cut"] = meter.of(lambda: cutting.start_by_hand(store, settings, "bench", utc_now))
    cost["vacuum after the cut"] = meter.of(lambda: meter.cursor.execute("VACUUM ftworker.examples"))

    def tidied() -> None:
        with store.transaction() as cursor:
            inbox.erase_old(cursor, 0, total)

    cost["erase the text"] = meter.of(tidied)
    cost["vacuum after that"] = meter.of(lambda: meter.cursor.execute("VACUUM ftworker.inbox"))
    print("a conversation:", "".join(f"{name:>22}" for name in ("server us", "bytes of WAL")))
    for name, (_, server, wal) in cost.items():
        each = conversations if name in ("record", "accumulate") else total
        print(f"  {name:26}{server / each * 1e6:12.1f}{wal / each:22,.0f}")
    meter.cursor.execute("VACUUM FULL ftworker.inbox, ftworker.examples")
    meter.cursor.execute("ANALYZE")
    print("without the events' text, and packed: bytes a conversation")
    sizes(meter, total)
    store.close()


def examples_of(meter: Meter) -> str:
    meter.cursor.execute("SELECT count(*) FROM ftworker.examples")
    row = meter.cursor.fetchone()
    assert row is not None
    return f"{row[0]:,}"


def sizes(meter: Meter, total: int) -> None:
    meter.cursor.execute(SIZES, (list(TABLES),))
    for name, _, table, indexes, each in meter.cursor.fetchall():
        parts = ", ".join(
            f"{index} {int(size) / total:.0f}"
            for index, size in (part.split(" ") for part in each.split(", "))
        )
        print(f"  {name:14} table {table / total:7,.0f}   indexes {indexes / total:6,.0f}   ({parts})")


def partitions(postgres: TellingPostgres, rows: int, rounds: int) -> None:
    """Print a batch's cost in the inbox as it is and in one of twelve months."""
    database = postgres.create_database()
    migrate(database)
    meter = Meter(postgres, database)
    meter.cursor.execute(PLAIN)
    made, _, partitions_of = MONTHS.partition("SELECT format")
    meter.cursor.execute(made)
    meter.cursor.execute("SELECT format" + partitions_of.replace("\\gexec", ""))
    for (statement,) in meter.cursor.fetchall():
        meter.cursor.execute(statement)
    for table in ("plain", "months"):
        meter.cursor.execute(FILL.format(table=table), {"rows": rows})
    meter.cursor.execute(
        "INSERT INTO months_keys SELECT '/rag', md5(n::text) FROM generate_series(1, %s) AS n", (rows,)
    )
    meter.cursor.execute("VACUUM ANALYZE")
    taken: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for number in range(rounds + 1):
        span = range(rows + 1 + number * 10 * BATCH, rows + (number + 1) * 10 * BATCH, BATCH)
        for way in ("plain", "months", "months and a table of keys"):
            table = way.partition(" ")[0]

            def record(table: str = table, keys: bool = way.endswith("keys"), span: range = span) -> None:
                for begin in span:
                    batch = {"first": begin, "last": begin + BATCH - 1}
                    if keys:
                        meter.cursor.execute(KEYS, batch)
                    meter.cursor.execute(RECORD.format(table=table), batch)

            def end(table: str = table) -> None:
                for _ in range(10):
                    meter.cursor.execute(TAKE.format(table=table))
                    ids = [row[0] for row in meter.cursor.fetchall()]
                    meter.cursor.execute(END.format(table=table), {"ids": ids})

            if way.endswith("keys"):
                # The same rows of this round again, so that only the keys' table is new work.
                meter.cursor.execute("DELETE FROM months WHERE received_at >= timestamptz '2026-11-20'")
            measured = {"record 500": meter.of(record), "take and end 500": meter.of(end)}
            if number:
                for name, cost in measured.items():
                    taken.setdefault((name, way), []).append(cost)
    print(f"\n{rows:,} rows of 1 KB in twelve months, medians of {rounds} rounds in turns: a batch of 500")
    for (name, way), each in taken.items():
        wall, server, wal = (statistics.median(one[place] for one in each) / 10 for place in range(3))
        print(
            f"  {name:17} {way:27} {wall * 1e3:7.1f} ms  server {server * 1e3:6.1f} ms  WAL {wal / 1e3:7,.0f} KB"
        )
    for name, statement in (
        ("erase a month's text", ERASE.format(table="plain")),
        ("vacuum after it", "VACUUM plain"),
        ("drop a month", "DROP TABLE month_0"),
    ):
        wall, server, wal = meter.of(lambda statement=statement: meter.cursor.execute(statement))  # type: ignore[misc]
        print(f"  {name:45} {wall * 1e3:7.1f} ms  server {server * 1e3:6.1f} ms  WAL {wal / 1e3:7,.0f} KB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=4_000)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with own_place() as place:
        postgres = place.start(TellingPostgres)
        footprint(postgres, place.folder, options.conversations)
        partitions(postgres, options.rows, options.rounds)


if __name__ == "__main__":
    main()
