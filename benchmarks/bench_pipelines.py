"""What many pipelines cost: a look at every trigger, a batch for many of them, and a sweep with 1,000 runs in flight.

1, 10, 100 and 1,000 pipelines, each with the conversations of a school of its own; in turns, medians. The sweep is the
task itself, with a real broker. `python -m benchmarks.bench_pipelines [--rounds 5]`. docs/SCALE.md has the figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.bench_scale import BATCH, no_source
from benchmarks.place import Place, own_place
from benchmarks.spanish_talks import record_talks
from ftworker.accumulate import accumulate
from ftworker.settings import Settings, settings_from
from ftworker.store import Store, metrics, migrate
from tests.servers import PostgresServer, ValkeyServer

PIPELINES = (1, 10, 100, 1_000)
RUNS = 1_000
_spawn = multiprocessing.get_context("spawn")

WAITING = """
INSERT INTO ftworker.conversations (source_name, conversation_id, content_sha256, message_count, closed_at)
SELECT 'chat', n::text, sha256(n::text::bytea), 6, now() FROM generate_series(1, 50000) AS n;
INSERT INTO ftworker.examples
    (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count)
SELECT 'p' || (id %% %(pipelines)s), id, 0, md5(id::text), repeat('palabra ', 60), sha256(id::text::bytea), 180
FROM ftworker.conversations;
ANALYZE;
"""
"""50,000 examples wait, whatever the number of pipelines."""
RUNNING = """
INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
SELECT 'p' || n, 1, 'all', '{}', 10 FROM generate_series(1, %(runs)s) AS n;
INSERT INTO ftworker.runs
    (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state, run_key, training_file_id,
     attempted_at, job_id, next_action_at)
SELECT pipeline, id, 'openai', 'gpt-4.1-mini', '{}', 'm', 'min_examples', 'submitted', 'run-' || id, 'file', now(),
       'job-' || id, now() + interval '1 hour'
FROM ftworker.datasets;
ANALYZE;
"""
ALL_DUE = "UPDATE ftworker.runs SET next_action_at = now() - interval '1 second', notified_at = NULL"
NOT_NOTIFIED = "SELECT count(*) AS n FROM ftworker.runs WHERE notified_at IS NULL"


def configuration(pipelines: int) -> dict[str, Any]:
    """So many pipelines, each with the conversations of a tenant of its own; none fires."""
    return {
        "pipelines": {
            f"p{number}": {
                "provider": "openai",
                "base_model": "gpt-4.1-mini",
                "tenant": f"t{number}",
                "trigger": {"min_examples": 10**9},
            }
            for number in range(pipelines)
        }
    }


def bench_pipelines(postgres: PostgresServer, rounds: int) -> None:
    """Print what a batch, its triggers, all triggers and a scrape cost."""
    stores: dict[int, tuple[Store, Settings]] = {}
    for pipelines in PIPELINES:
        database = postgres.create_database()
        migrate(database)
        store = Store(database)
        with store.transaction() as cursor:
            cursor.execute(WAITING, {"pipelines": pipelines})
        stores[pipelines] = store, settings_from(configuration(pipelines))
    taken: dict[int, dict[str, list[float]]] = {pipelines: {} for pipelines in PIPELINES}
    for number in range(rounds + 1):
        for pipelines, (store, settings) in stores.items():
            measured = one_round(store, settings, number)
            # The first round opens connections and warms caches.
            if number:
                for name, seconds in measured.items():
                    taken[pipelines].setdefault(name, []).append(seconds)
    print(f"medians of {rounds} rounds in turns, milliseconds; 50,000 examples wait in all")
    print(f"{'':34}" + "".join(f"{pipelines:>10,}" for pipelines in PIPELINES) + "  pipelines")
    for name in taken[1]:
        cells = (f"{statistics.median(taken[pipelines][name]) * 1e3:10.1f}" for pipelines in PIPELINES)
        print(f"{name:34}" + "".join(cells), flush=True)
    for store, _ in stores.values():
        store.close()


def one_round(store: Store, settings: Settings, number: int) -> dict[str, float]:
    """Seconds of each thing."""
    # Tasks read their configuration from the environment when they are first imported.
    from ftworker import tasks

    names = list(settings.pipelines)
    vars(tasks)["installation"] = lambda: _Here(store, settings)
    record_talks(store, number * BATCH, BATCH, tenants=len(names))
    times = [time.perf_counter()]
    done = accumulate(store, settings, no_source)
    times.append(time.perf_counter())
    tasks.begin_those_due(sorted(done.pipelines))
    times.append(time.perf_counter())
    tasks.begin_those_due(names)
    times.append(time.perf_counter())
    with store.transaction() as cursor:
        metrics.read_snapshot(cursor, names, statement_timeout_seconds=60)
    times.append(time.perf_counter())
    labels = (
        f"accumulate, {BATCH} conversations",
        "their pipelines' triggers",
        "check_triggers",
        "a scrape's reads",
    )
    return dict(zip(labels, (after - before for before, after in pairwise(times)), strict=True))


class _Here:
    """What the tasks see of an installation."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings

    @staticmethod
    def clock() -> Any:
        from ftworker.clock import utc_now

        return utc_now()


def sweep_here(environment: dict[str, str], rounds: int, answers: Any) -> None:
    """A child process: the sweep as a worker runs it, over runs that are all due, and again when none is."""
    os.environ.update(environment)
    from ftworker import tasks

    store = Store(environment["FTWORKER_DATABASE_URL"])

    def one(number_due: int) -> tuple[float, int]:
        begun = time.perf_counter()
        tasks.sweep.apply(throw=True)
        seconds = time.perf_counter() - begun
        with store.transaction() as cursor:
            cursor.execute(NOT_NOTIFIED)
            return seconds, number_due - int(cursor.fetchone().n)

    one(0)
    due, idle = [], []
    for _ in range(rounds):
        with store.transaction() as cursor:
            cursor.execute(ALL_DUE)
        due.append(one(RUNS))
        while True:
            if one(RUNS)[1] == RUNS:
                break
        idle.append(one(0)[0])
    answers.put((due, idle))


def bench_sweep(postgres: PostgresServer, place: Place, rounds: int) -> None:
    """Print what a sweep costs, and how many of 1,000 due runs it rings for."""
    database = postgres.create_database()
    migrate(database)
    store = Store(database)
    with store.transaction() as cursor:
        cursor.execute(RUNNING, {"runs": RUNS})
    store.close()
    valkey = place.start(ValkeyServer)
    environment = {
        "FTWORKER_DATABASE_URL": database,
        "FTWORKER_BROKER_URL": valkey.url(),
        "FTWORKER_HOME": str(place.folder),
        "FTWORKER_CONFIG": str(_toml(place.folder)),
    }
    answers = _spawn.Queue()
    child = _spawn.Process(target=sweep_here, args=(environment, rounds, answers))
    child.start()
    due, idle = answers.get(timeout=300)
    child.join()
    print(
        f"sweep over {RUNS:,} runs in flight: all due {statistics.median(s for s, _ in due):.2f} s for "
        f"{statistics.median(n for _, n in due):,.0f} of them; none due {statistics.median(idle) * 1e3:.1f} ms"
    )


def _toml(folder: Path) -> Path:
    path = folder / "ftworker.toml"
    path.write_text('[pipelines.p0]\nprovider = "openai"\nbase_model = "gpt-4.1-mini"\n')
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with own_place() as place:
        postgres = place.start(PostgresServer)
        bench_pipelines(postgres, options.rounds)
        bench_sweep(postgres, place, options.rounds)


if __name__ == "__main__":
    main()
