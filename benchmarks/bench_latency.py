"""How long from the event that crosses a threshold to the job's POST at the provider.

Real processes (ingest, worker) against private servers on an otherwise idle machine; the provider is a double that
notes when the call arrived. One round: fill a pipeline to one below its threshold, publish one more event, wait for
the POST. `python -m benchmarks.bench_latency [--rounds 7]`. The figures are kept in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.place import own_place
from ftworker.events import publish
from ftworker.store import migrate
from tests.doubles.openai_api import OpenAIDouble
from tests.integration.workbench import Workbench, closed_events
from tests.servers import OwnProcess, PostgresServer, RabbitmqServer, ValkeyServer, wait_until

THRESHOLD = 20
TARGET_SECONDS = 1.0


def main() -> None:
    """Measure on both brokers and print medians with their spread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with own_place() as place:
        postgres, valkey, rabbitmq = (
            place.start(PostgresServer),
            place.start(ValkeyServer),
            place.start(RabbitmqServer),
        )
        print(f"{'broker':10} {'median':>8} {'least':>8} {'most':>8}   rounds")
        for name, url in (("RabbitMQ", rabbitmq.create_vhost()), ("Valkey", valkey.url())):
            database = postgres.create_database()
            migrate(database)
            seconds = measure(place.folder / f"home-{name}", database, url, options.rounds)
            median = statistics.median(seconds)
            verdict = "" if median <= TARGET_SECONDS else f"   above the target of {TARGET_SECONDS:.1f} s"
            print(
                f"{name:10} {median:6.3f} s {min(seconds):6.3f} s {max(seconds):6.3f} s   {len(seconds)}{verdict}",
                flush=True,
            )


def measure(folder: Path, database: str, broker: str, rounds: int) -> list[float]:
    """Seconds from publishing the crossing event to the POST, for each round."""
    folder.mkdir()
    started: list[OwnProcess] = []

    def start(
        arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> OwnProcess:
        output = folder / f"process-{len(started)}.log"
        program = Path(sys.executable).parent / arguments[0]
        process = OwnProcess(
            [str(program), *arguments[1:]], {**os.environ, **(env or {})}, output, cwd or folder
        )
        started.append(process)
        return process

    seconds = []
    with OpenAIDouble() as api:
        bench = Workbench(
            folder,
            database,
            broker,
            start,
            openai_base_url=api.base_url,
            key=api.keys[0],
            threshold=THRESHOLD,
        )
        try:
            bench.start("ingest", "worker", "beat")
            for number in range(rounds + 1):
                elapsed = one_round(bench, api, broker, number)
                # The first round pays for imports of the worker's children.
                if number:
                    seconds.append(elapsed)
        finally:
            for process in reversed(started):
                process.close()
    return seconds


def one_round(bench: Workbench, api: OpenAIDouble, broker: str, number: int) -> float:
    """Fill to one below the threshold, cross it, and return how long the POST took to arrive."""
    first = number * THRESHOLD
    events = closed_events(THRESHOLD, first=first)
    for event in events[:-1]:
        publish(event, url=broker)
    wait_until(lambda: waiting(bench) == THRESHOLD - 1, 60)
    jobs = api.jobs_created
    time.sleep(0.5)
    begun = time.monotonic()
    publish(events[-1], url=broker)
    wait_until(lambda: api.jobs_created == jobs + 1, 60, interval=0.002)
    elapsed = time.monotonic() - begun
    wait_until(lambda: all(run.finished_at for run in bench.all_runs()), 60)
    return elapsed


def waiting(bench: Workbench) -> int:
    """Examples that wait for the next dataset."""
    with bench.store.transaction() as cursor:
        cursor.execute("SELECT count(*)::int AS n FROM ftworker.examples WHERE dataset_id IS NULL")
        return int(cursor.fetchone().n)


if __name__ == "__main__":
    main()
