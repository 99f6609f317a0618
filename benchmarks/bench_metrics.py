"""What a scrape of /metrics costs with little and with much history: it must not grow with it.

Two databases on one private server, with the same backlog and 10,000 and 1,000,000 examples behind it (and as many
conversations and events, a dropped turn for every ten, a dataset and a run for every 500). Scrapes alternate between
the two, over HTTP, without a cache. `python -m benchmarks.bench_metrics [--rounds 200]`. The figures are kept in
docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack

from benchmarks.place import own_place
from ftworker.settings import settings_from
from ftworker.store import Store, migrate
from ftworker.web.app import Site
from ftworker.web.reader import Reader
from ftworker.web.server import WebServer
from tests.servers import PostgresServer
from tests.web.conftest import request

SIZES = (10_000, 1_000_000)
BACKLOG = 450
EXAMPLES_A_DATASET = 500
TARGET_RATIO = 1.5

HISTORY = """
INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, processed_at, outcome)
SELECT 'rag', n::text, 'chat', n::text, CASE WHEN n > %(backlog)s THEN now() END,
       CASE WHEN n > %(backlog)s THEN 'examples' END
FROM generate_series(1, %(size)s) AS n;
INSERT INTO ftworker.conversations (source_name, conversation_id, content_sha256, message_count, closed_at)
SELECT 'chat', n::text, sha256(n::text::bytea), 6, now() FROM generate_series(1, %(size)s) AS n;
INSERT INTO ftworker.pipelines (name) VALUES ('tutor');
INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
SELECT 'tutor', n, 'all', '{}', %(each)s FROM generate_series(1, %(size)s / %(each)s) AS n;
INSERT INTO ftworker.examples
    (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count, dataset_id, pair_sha256)
SELECT 'tutor', n, 0, md5((n / 20)::text), repeat('palabra ', 60), sha256(n::text::bytea), 180,
       CASE WHEN n > %(backlog)s THEN 1 + (n - 1) / %(each)s END, sha256(('pair ' || n)::bytea)
FROM generate_series(1, %(size)s) AS n;
INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason)
SELECT 'tutor', n, 1, 'too_short' FROM generate_series(1, %(size)s, 10) AS n;
INSERT INTO ftworker.runs
    (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state, finished_at, run_key,
     training_file_id, attempted_at, job_id, model, trained_tokens, estimated_usd, detail)
SELECT 'tutor', id, 'openai', 'gpt-4.1-mini', '{"n_epochs": 3}', 'm', 'min_examples', 'promoted', now(),
       'run-' || id, 'file', now(), 'job', 'model', 270000, 1.35, jsonb_build_object('curve', repeat('0.5 ', 200))
FROM ftworker.datasets;
INSERT INTO ftworker.totals (name, labels, shard, value)
SELECT 'examples_dropped', 'pipeline=tutor,reason=reason_' || n, shard, 10
FROM generate_series(1, 20) AS n, generate_series(1, 8) AS shard;
"""


def main() -> None:
    """Fill, scrape, print medians and their ratio; ends with 1 when it is above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with own_place() as place:
        postgres = place.start(PostgresServer)
        urls = {size: start(place.stack, fill(postgres, size)) for size in SIZES}
        seconds = measure(urls, options.rounds)
    print(f"\n{'examples':>10} {'median':>10} {'95th':>10} {'most':>10}   scrapes")
    for size, taken in seconds.items():
        ordered = sorted(taken)
        print(
            f"{size:10,} {statistics.median(taken) * 1e3:7.2f} ms {ordered[int(len(ordered) * 0.95)] * 1e3:7.2f} ms "
            f"{ordered[-1] * 1e3:7.2f} ms   {len(taken)}"
        )
    small, large = (statistics.median(seconds[size]) for size in SIZES)
    ratio = large / small
    print(f"ratio {ratio:.2f}, target at most {TARGET_RATIO}")
    if ratio > TARGET_RATIO:
        raise SystemExit(1)


def fill(postgres: PostgresServer, size: int) -> str:
    """A new database with that many examples behind its backlog; returns its URL."""
    started = time.monotonic()
    url = postgres.create_database()
    migrate(url)
    store = Store(url)
    with store.transaction() as cursor:
        # Foreign keys hold by construction; checking each of a million rows would take most of the time.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(HISTORY, {"size": size, "backlog": BACKLOG, "each": EXAMPLES_A_DATASET})
        cursor.execute("ANALYZE")
    store.close()
    print(f"filled with {size:,} examples in {time.monotonic() - started:.0f} s", flush=True)
    return url


def start(stack: ExitStack, database_url: str) -> str:
    """A web process without a cache over that database; returns its URL."""
    settings = settings_from({"web": {"cache_seconds": 0}, "pipelines": {"tutor": {"provider": "openai"}}})
    server = WebServer("127.0.0.1", 0)
    reader = Reader(settings, Store(database_url))
    server.start(Site(settings, reader).respond)
    stack.callback(reader.close)
    stack.callback(server.stop)
    return server.url


def measure(urls: dict[int, str], rounds: int) -> dict[int, list[float]]:
    """Seconds of each scrape, the databases in turn."""
    seconds: dict[int, list[float]] = {size: [] for size in urls}
    for number in range(rounds + 5):
        for size, url in urls.items():
            started = time.perf_counter()
            answer = request(url, "/metrics")
            taken = time.perf_counter() - started
            if "ftworker_scrape_success 1.0" not in answer.text:
                raise SystemExit(f"the scrape at {size:,} examples failed")
            # The first ones open connections and warm caches.
            if number >= 5:
                seconds[size].append(taken)
    return seconds


if __name__ == "__main__":
    main()
