"""Several processes on one PostgreSQL: do they share the work, and what do they wait for?

1, 2 and 4 ingest processes on one queue, then 1, 2 and 4 processes that accumulate, with every wait for a lock counted.
On a machine with fewer cores than processes look at the waits, and at the processor time an event: they must not grow.
`python -m benchmarks.bench_scale [--rounds 3] [--only ingest|workers]`. docs/SCALE.md has the figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from benchmarks.bench_ingest import event, truncate
from benchmarks.contention import TellingPostgres, Waits, watched
from benchmarks.place import own_place
from benchmarks.spanish_talks import record_talks, roster
from ftworker.accumulate import accumulate
from ftworker.events.ingest import SWITCH_SECONDS, Ingest
from ftworker.events.publisher import Publisher
from ftworker.events.transport import make_transport
from ftworker.settings import IngestSettings, Settings, settings_from
from ftworker.store import Store, inbox, migrate
from tests.servers import RabbitmqServer, ValkeyServer

BATCH = 500
PROCESSES = (1, 2, 4)
PIPELINES = (1, 10, 100, 1_000)
_spawn = multiprocessing.get_context("spawn")


# -- ingest


@dataclass(frozen=True)
class Crew:
    """What the processes of a round have in common."""

    counts: Any
    """How much each has done so far."""
    begin: Any
    end: Any
    answers: Any

    @classmethod
    def of(cls, processes: int) -> Crew:
        return cls(
            _spawn.Array("q", processes), _spawn.Barrier(processes + 1), _spawn.Event(), _spawn.Queue()
        )

    def done(self) -> int:
        return sum(self.counts[:])


@dataclass(frozen=True)
class Share:
    """What one process of a round did."""

    taken: int
    cpu_seconds: float


def ingest_here(url: str, database: str, place: int, crew: Crew) -> None:
    """A child process: take events from the queue until told to end."""
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = IngestSettings()
    ingest = Ingest(make_transport(url, settings), Store(database), settings)
    crew.begin.wait()
    cpu = time.process_time()
    thread = threading.Thread(target=ingest.run)
    thread.start()
    while not crew.end.is_set():
        crew.counts[place] = ingest.counts.recorded + ingest.counts.duplicates
        time.sleep(0.005)
    cpu = time.process_time() - cpu
    ingest.stop()
    thread.join()
    crew.answers.put(Share(ingest.counts.recorded + ingest.counts.duplicates, cpu))


def ingest_round(
    postgres: TellingPostgres, database: str, url: str, processes: int, events: int
) -> tuple[Waits, list[Share]]:
    """All events of the queue by so many processes; what they waited for, and what each did."""
    crew = Crew.of(processes)
    children = [
        _spawn.Process(target=ingest_here, args=(url, database, place, crew)) for place in range(processes)
    ]
    for child in children:
        child.start()
    crew.begin.wait()
    with watched(postgres, database) as waits:
        until(lambda: crew.done() >= events)
    crew.end.set()
    shares = [crew.answers.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    return waits, shares


def bench_ingest(postgres: TellingPostgres, events: int, rounds: int) -> None:
    database = postgres.create_database()
    migrate(database)
    with own_place() as place:
        rabbitmq, valkey = place.start(RabbitmqServer), place.start(ValkeyServer)
        with redis.Redis.from_url(valkey.url()) as client:
            client.config_set("appendfsync", "always")

        @contextmanager
        def queue_of(broker: str) -> Iterator[str]:
            if broker == "Valkey":
                valkey.flush()
                yield valkey.url()
                return
            url = rabbitmq.create_vhost()
            transport = make_transport(url, IngestSettings())
            transport.connect()  # declares the queue that the events go to
            transport.close()
            yield url
            rabbitmq.delete_vhost(url)

        for broker in ("RabbitMQ", "Valkey"):
            table = Table(f"ingest from {broker}: {events:,} events of 1 KB", "events/s", events)
            for _ in range(rounds):
                for processes in PROCESSES:
                    truncate(database)
                    with queue_of(broker) as url:
                        with Publisher(url) as publisher:
                            publisher.publish_many(event(number) for number in range(events))
                        table.add(processes, *ingest_round(postgres, database, url, processes, events))
            table.show()
    postgres.drop_database(database)


# -- accumulate


def accumulate_here(database: str, names: Path, crew: Crew) -> None:
    """A child process: accumulate until nothing waits, as the task does."""
    settings = settings_with(names)
    store = Store(database)
    accumulate(store, settings, no_source)  # imports, vocabulary, roster: what the first batch pays for
    crew.begin.wait()
    cpu, taken = time.process_time(), 0
    while True:
        done = accumulate(store, settings, no_source)
        taken += done.taken
        if done.taken < settings.worker.accumulate_batch:
            break
    crew.answers.put(Share(taken, time.process_time() - cpu))
    store.close()


def worker_round(
    postgres: TellingPostgres, names: Path, processes: int, conversations: int
) -> tuple[Waits, list[Share]]:
    """All waiting rows by so many processes; ends the program when a row is left, or taken twice."""
    database = postgres.create_database()
    migrate(database)
    store = Store(database)
    record_talks(store, 0, BATCH * processes)
    crew = Crew.of(processes)
    children = [
        _spawn.Process(target=accumulate_here, args=(database, names, crew)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    until(lambda: crew.begin.n_waiting == processes)
    record_talks(store, BATCH * processes, conversations)
    with watched(postgres, database) as waits:
        crew.begin.wait()
        shares = [crew.answers.get(timeout=600) for _ in children]
    for child in children:
        child.join()
    with store.transaction() as cursor:
        if inbox.has_waiting(cursor):
            raise SystemExit("rows are left")
    store.close()
    postgres.drop_database(database)
    if sum(share.taken for share in shares) != conversations:
        raise SystemExit(f"{conversations} rows waited, {[share.taken for share in shares]} were taken")
    return waits, shares


def bench_workers(postgres: TellingPostgres, folder: Path, conversations: int, rounds: int) -> None:
    table = Table(f"accumulate: {conversations:,} conversations of 2.2 KB", "conversations/s", conversations)
    names = folder / "roster.txt"
    names.write_text("\n".join(roster()), encoding="utf-8")
    for _ in range(rounds):
        for processes in PROCESSES:
            table.add(processes, *worker_round(postgres, names, processes, conversations))
    table.show()


def no_source(name: str) -> Any:
    raise SystemExit(f"nothing is read from a source here, and {name} was asked for")


# -- what is shared


class Table:
    """Rounds of one kind of work with 1, 2 and 4 processes."""

    def __init__(self, title: str, unit: str, work: int) -> None:
        self.title, self.unit, self.work = title, unit, work
        self.rounds: dict[int, list[tuple[Waits, list[Share]]]] = {}

    def add(self, processes: int, waits: Waits, shares: list[Share]) -> None:
        self.rounds.setdefault(processes, []).append((waits, shares))

    def show(self) -> None:
        """Medians; waits of all rounds together."""
        print(f"\n{self.title}, medians of {len(next(iter(self.rounds.values())))} rounds in turns")
        print(
            f"{'':9} {'':>15} {'us CPU of':>9} {'us CPU of':>10} {'lock':>6} {'ms':>8} {'seen:':>6} {'':>7} dead-"
            f"\n{'processes':9} {self.unit:>15} {'ftworker':>9} {'PostgreSQL':>10} {'waits':>6} {'waited':>8} "
            f"{'Lock':>6} {'LWLock':>7} locks  least and most that a process did"
        )
        for processes, rounds in self.rounds.items():
            rate = statistics.median(self.work / waits.seconds for waits, _ in rounds)
            own = statistics.median(sum(share.cpu_seconds for share in shares) for _, shares in rounds)
            server = statistics.median(waits.server_cpu_seconds for waits, _ in rounds)
            parts = [share.taken * processes / self.work for _, shares in rounds for share in shares]
            print(
                f"{processes:9} {rate:15,.0f} {own / self.work * 1e6:9.0f} {server / self.work * 1e6:10.0f} "
                f"{sum(w.locks.total() for w, _ in rounds):6} {sum(w.lock_milliseconds for w, _ in rounds):8.1f} "
                f"{statistics.median(w.share('Lock') for w, _ in rounds):6.1%} "
                f"{statistics.median(w.share('LWLock') for w, _ in rounds):7.1%} "
                f"{sum(w.deadlocks for w, _ in rounds):5}  {min(parts):.2f} to {max(parts):.2f} of an equal share",
                flush=True,
            )
            kinds = sum((w.locks for w, _ in rounds), Counter[str]())
            if kinds:
                print(f"{'':9}   waits: " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common(4)))
            seen = max((w for w, _ in rounds), key=lambda w: w.share("LWLock"))
            if seen.share("LWLock"):
                print(
                    f"{'':9}   LWLock: {seen.most('LWLock')}; beside it IO: {seen.most('IO', 1)}", flush=True
                )


def until(true: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"not done within {seconds:g} s")
        time.sleep(0.002)


def settings_with(names: Path) -> Settings:
    """One pipeline that never fires, and a roster."""
    return settings_from(
        {
            "privacy": {"rosters": {"school": {"file": str(names)}}},
            "pipelines": {
                "bench": {
                    "provider": "openai",
                    "base_model": "gpt-4.1-mini",
                    "trigger": {"min_examples": 10**9},
                }
            },
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--conversations", type=int, default=4_000)
    parser.add_argument("--only", choices=("ingest", "workers"))
    options = parser.parse_args()
    with own_place() as place:
        postgres = place.start(TellingPostgres)
        if options.only in (None, "ingest"):
            bench_ingest(postgres, options.events, options.rounds)
        if options.only in (None, "workers"):
            bench_workers(postgres, place.folder, options.conversations, options.rounds)


if __name__ == "__main__":
    main()
