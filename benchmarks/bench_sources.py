"""How fast a RAG's conversations are read and backfilled, in how much memory, beside PostgreSQL's own COPY of
the same rows.

A private server with a store of the generic shape, six messages a conversation, written as chats are: many at
once, in the order of time. Each way is a process of its own, so that its peak memory is its own; the ways
take turns, ratios within one run: absolute numbers say more about the machine. `python -m
benchmarks.bench_sources [--conversations 200000] [--rounds 3]`. The figures are in docs/SOURCES.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from pydantic import SecretStr

from benchmarks.place import own_place
from ftworker.backfill import backfill
from ftworker.settings import ColumnsMessages, SourceSettings
from ftworker.sources.contract import Position
from ftworker.sources.postgres import PostgresSource
from ftworker.store import Store, migrate
from tests.servers import PostgresServer

BATCH = 500
"""Conversations in one fetch: what `accumulate` takes at once by default."""

ONE_BY_ONE = 2_000
"""Conversations for the way that nobody should go: one query each."""

FILL = """
CREATE TABLE conversations (id bigint PRIMARY KEY, alumno text, curso text, closed_at timestamptz);
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id bigint NOT NULL,
    role text NOT NULL, content text NOT NULL, created_at timestamptz NOT NULL, rating smallint, context jsonb);
INSERT INTO conversations
SELECT n, 'alumno-' || n %% 5000, 'curso-' || n %% 40, timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, %(conversations)s) n;
INSERT INTO messages (conversation_id, role, content, created_at, rating, context)
SELECT n, CASE WHEN m %% 2 = 0 THEN 'user' ELSE 'assistant' END,
    CASE WHEN m %% 2 = 0 THEN '¿Puedes explicarme la pregunta ' || m || ' del tema ' || n %% 97 || '? "Gracias"'
    ELSE repeat('La energía de un fotón es proporcional a su frecuencia: E=hν. ', 6 + (n %% 7)::int) || n END,
    timestamptz '2026-01-01' + n * interval '1 minute' - (6 - m) * interval '20 seconds',
    CASE WHEN m = 5 AND n %% 9 = 0 THEN 1 END,
    CASE WHEN m %% 2 = 1 AND n %% 3 = 0 THEN jsonb_build_array(jsonb_build_object(
        'text', repeat('El efecto fotoeléctrico libera electrones. ', 12), 'source', 'tema.pdf', 'score', 0.5)) END
FROM generate_series(1, %(conversations)s) n, generate_series(0, 5) m
ORDER BY n + m * 20;
CREATE INDEX ON messages (conversation_id);
CREATE INDEX ON messages (created_at);
ANALYZE;
"""

COLUMNS = ColumnsMessages(
    user="alumno", course="curso", closed_at="closed_at", rating="rating", context="context"
)


@dataclass(frozen=True)
class Figure:
    """What one way did: conversations, bytes of text, seconds, and the peak memory of its process."""

    conversations: int
    text_bytes: int
    seconds: float
    peak_mb: float


class Nowhere:
    """Takes what COPY gives and forgets it."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, chunk: bytes) -> None:
        self.bytes += len(chunk)


def source(url: str) -> PostgresSource:
    return PostgresSource(
        "tutor", SourceSettings(preset="messages", url=SecretStr(url), messages=COLUMNS), url
    )


def copy(url: str, _: str) -> tuple[int, int]:
    connection = psycopg2.connect(url)
    nowhere = Nowhere()
    with connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY messages TO STDOUT", nowhere)
        cursor.execute("SELECT count(*) FROM conversations")
        ((conversations,),) = cursor.fetchall()
    connection.close()
    return conversations, nowhere.bytes


def read(url: str, _: str) -> tuple[int, int]:
    """Every conversation, listed and read in batches: what backfill and accumulate do together."""
    store = source(url)
    position: Position | None = None
    conversations = text_bytes = 0
    while True:
        page = store.iterate_ids(None, position, BATCH)
        for found in store.fetch([one.conversation_id for one in page.conversations]):
            conversations += 1
            for message in found.messages:
                text_bytes += len(message.content) + sum(len(chunk.text) for chunk in message.context)
        position = page.next
        if position is None:
            return conversations, text_bytes


def read_one_by_one(url: str, _: str) -> tuple[int, int]:
    store = source(url)
    ids = [one.conversation_id for one in store.iterate_ids(None, None, ONE_BY_ONE).conversations]
    for identity in ids:
        for _found in store.fetch([identity]):
            pass
    return len(ids), 0


def take_in(url: str, own_url: str) -> tuple[int, int]:
    own = Store(own_url)
    with own.transaction() as cursor:
        cursor.execute("TRUNCATE ftworker.inbox CASCADE; TRUNCATE ftworker.source_progress")
    return backfill(own, source(url)).recorded, 0


WAYS: dict[str, Callable[[str, str], tuple[int, int]]] = {
    "COPY to nowhere": copy,
    "list and read, 500 a batch": read,
    "read, one query each": read_one_by_one,
    "backfill into the inbox": take_in,
}


def measure(way: str, url: str, own_url: str) -> Figure:
    """One way in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[Figure] = context.Queue()
    child = context.Process(target=_measured, args=(way, url, own_url, answers))
    child.start()
    figure = answers.get()
    child.join()
    return figure


def _measured(way: str, url: str, own_url: str, answers: multiprocessing.Queue[Figure]) -> None:
    begun = time.perf_counter()
    conversations, text_bytes = WAYS[way](url, own_url)
    seconds = time.perf_counter() - begun
    answers.put(Figure(conversations, text_bytes, seconds, _peak_mb()))


def _peak_mb() -> float:
    # Not ru_maxrss: a child begins with its parent's.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--conversations", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with own_place() as place:
        server = place.start(PostgresServer)
        url, own_url = server.create_database(), server.create_database()
        migrate(own_url)
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute(FILL, {"conversations": chosen.conversations})
            cursor.execute("SELECT pg_total_relation_size('messages') / 1e6")
            ((size_mb,),) = cursor.fetchall()
        connection.close()
        print(f"{chosen.conversations} conversations, messages {size_mb:.0f} MB with indexes")
        rounds = [{way: measure(way, url, own_url) for way in WAYS} for _ in range(chosen.rounds)]
    show(rounds)


def show(rounds: list[dict[str, Figure]]) -> None:
    print(f"{'':30}{'conversations/s':>16}{'MB/s':>7}{'of COPY':>9}{'peak MB':>9}")
    for way in WAYS:
        figures = [results[way] for results in rounds]
        rate = statistics.median(figure.conversations / figure.seconds for figure in figures)
        mb = statistics.median(figure.text_bytes / figure.seconds / 1e6 for figure in figures)
        ratio = statistics.median(
            (results[way].conversations / results[way].seconds)
            / (results["COPY to nowhere"].conversations / results["COPY to nowhere"].seconds)
            for results in rounds
        )
        peak = max(figure.peak_mb for figure in figures)
        print(f"{way:30}{rate:>16,.0f}{mb or float('nan'):>7.1f}{ratio:>9.2f}{peak:>9.0f}")


if __name__ == "__main__":
    main()
