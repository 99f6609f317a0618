"""From waiting events to stored examples, a core: accumulate beside a plain assembly with psycopg2.

Both read the same waiting rows of a private PostgreSQL, make rows of them as in bench_curation, and leave examples and
ended events behind. The plain one does it as a careful engineer does in an afternoon: a batch of rows under SKIP
LOCKED, `execute_values`, one commit a batch. It keeps no versions of conversations, no drops with their reasons, no
totals, and knows neither repeated words nor what a dataset holds.
`python -m benchmarks.bench_accumulate [--rounds 5] [--profile]`. The figures are in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg2
from psycopg2.extras import execute_values

from benchmarks.bench_scale import BATCH, no_source, settings_with
from benchmarks.contention import TellingPostgres, statements
from benchmarks.place import own_place
from benchmarks.plain_assembly import PlainAssembly
from benchmarks.spanish_talks import record_talks, roster
from ftworker.accumulate import accumulate
from ftworker.conversations import Conversation
from ftworker.events.contract import ClosedEvent
from ftworker.settings import Settings
from ftworker.store import Store, migrate

PLAIN_TABLE = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE plain_examples (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id text NOT NULL, turn integer NOT NULL,
    content text NOT NULL, token_count integer NOT NULL, signature bytea NOT NULL, dataset_id bigint,
    created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (conversation_id, turn));
CREATE INDEX ON plain_examples (id) WHERE dataset_id IS NULL;
"""
TAKE = """
SELECT id, conversation_id, payload FROM ftworker.inbox WHERE processed_at IS NULL
ORDER BY coalesce(not_before, received_at), id LIMIT %s FOR UPDATE SKIP LOCKED
"""
KEEP = """
INSERT INTO plain_examples (conversation_id, turn, content, token_count, signature) VALUES %s
ON CONFLICT (conversation_id, turn) DO UPDATE SET content = excluded.content, token_count = excluded.token_count
"""
END = "UPDATE ftworker.inbox SET processed_at = now(), outcome = 'examples' WHERE id = ANY(%s)"


def accumulated(store: Store, settings: Settings) -> None:
    """All that waits, as the task does it."""
    while accumulate(store, settings, no_source).taken == settings.worker.accumulate_batch:
        continue


class PlainWorker:
    """The plain assembly with a database around it."""

    def __init__(self, database: str) -> None:
        self._connection = psycopg2.connect(database)
        self._assembly = PlainAssembly(roster())
        self._decode = msgspec.json.Decoder(ClosedEvent).decode

    def work(self) -> None:
        """All that waits."""
        while self._one_batch() == BATCH:
            continue

    def _one_batch(self) -> int:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(TAKE, (BATCH,))
            rows = cursor.fetchall()
            made = []
            for _, conversation_id, payload in rows:
                data = self._decode(payload).data
                talk = Conversation("bench", conversation_id, data.messages or (), user_ref=data.user_ref)
                for turn, (line, tokens, signature) in enumerate(self._assembly.curate(talk)):
                    made.append(
                        (
                            conversation_id,
                            turn,
                            line.decode(),
                            tokens,
                            bytes(str(signature.digest()[:4]), "ascii"),
                        )
                    )
            if made:
                execute_values(cursor, KEEP, made, page_size=len(made))
            cursor.execute(END, ([row[0] for row in rows],))
        return len(rows)


def measure(postgres: TellingPostgres, folder: Path, conversations: int, rounds: int) -> None:
    """Print conversations a second, and processor time here and in PostgreSQL, in turns."""
    database = postgres.create_database()
    migrate(database)
    store = Store(database)
    with store.transaction() as cursor:
        cursor.execute(PLAIN_TABLE)
    names = folder / "roster.txt"
    names.write_text("\n".join(roster()), encoding="utf-8")
    settings = settings_with(names)
    plain = PlainWorker(database)
    ways: dict[str, Callable[[], None]] = {
        "ftworker": lambda: accumulated(store, settings),
        "plain assembly": plain.work,
    }
    taken: dict[str, list[tuple[float, float, float]]] = {}
    first = 0
    for number in range(rounds + 1):
        for name, work in ways.items():
            count = conversations if number else BATCH
            record_talks(store, first, count)
            first += count
            begun = time.perf_counter(), time.process_time(), postgres.cpu_seconds()
            work()
            ended = time.perf_counter(), time.process_time(), postgres.cpu_seconds()
            # The first round pays for imports, vocabulary and roster.
            if number:
                taken.setdefault(name, []).append(
                    (ended[0] - begun[0], ended[1] - begun[1], ended[2] - begun[2])
                )
    print(f"{conversations:,} conversations of 2.2 KB a round, medians of {rounds} rounds in turns")
    print(f"{'':16} {'conversations/s':>16} {'/s of CPU here':>15} {'us here':>9} {'us PostgreSQL':>14}")
    cpu: dict[str, float] = {}
    for name, each in taken.items():
        wall, own, server = (
            statistics.median(one[place] for one in each) / conversations for place in range(3)
        )
        cpu[name] = own + server
        print(f"{name:16} {1 / wall:16,.0f} {1 / own:15,.0f} {own * 1e6:9.0f} {server * 1e6:14.0f}")
    print(f"of the plain assembly, by processor time of both: {cpu['plain assembly'] / cpu['ftworker']:.2f}")
    store.close()


def profile(postgres: TellingPostgres, folder: Path, conversations: int) -> None:
    """Print the functions and the statements in which accumulate spends its time."""
    database = postgres.create_database()
    migrate(database)
    store = Store(database)
    with store.transaction() as cursor:
        cursor.execute("CREATE EXTENSION pg_stat_statements")
    names = folder / "roster.txt"
    names.write_text("\n".join(roster()), encoding="utf-8")
    settings = settings_with(names)
    record_talks(store, 0, BATCH)
    accumulated(store, settings)
    record_talks(store, BATCH, conversations)
    with store.transaction() as cursor:
        cursor.execute("SELECT pg_stat_statements_reset()")
    with cProfile.Profile() as profiler:
        accumulated(store, settings)
    pstats.Stats(profiler).sort_stats("cumtime").print_stats(
        r"ftworker.(accumulate|examples_of|store|events)|execute"
    )
    for text, (calls, rows, milliseconds) in sorted(statements(database).items(), key=lambda one: -one[1][2])[
        :12
    ]:
        print(
            f"{milliseconds / conversations * 1e3:7.1f} us {calls:5} calls {rows:7} rows  {' '.join(text.split())[:80]}"
        )
    store.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="only: where accumulate spends its time")
    options = parser.parse_args()
    with own_place() as place:
        postgres = place.start(TellingPostgres)
        if options.profile:
            profile(postgres, place.folder, options.conversations)
        else:
            measure(postgres, place.folder, options.conversations, options.rounds)


if __name__ == "__main__":
    main()
