"""What processes wait for in PostgreSQL while they share a database: a server that tells, and what reads it.

Three witnesses. The server's log holds every wait for a lock (row, unique key, extension of a table) of more than a
millisecond, with its length. `pg_stat_activity`, looked at a hundred times a second, shows the short ones inside the
server (LWLock) that no log has. `pg_stat_statements` counts rows and time of each statement. Used by `bench_scale`.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import psycopg2

from benchmarks.place import DurablePostgres

SAMPLE_SECONDS = 0.01
_WAITED = re.compile(r"process \d+ acquired (\w+) on (\w+).* after ([\d.]+) ms")

_SAMPLE = """
SELECT coalesce(wait_event_type, 'CPU'), coalesce(wait_event, '') FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'ftworker' AND state = 'active'
"""


class TellingPostgres(DurablePostgres):
    """As in production, and it logs every wait for a lock and counts every statement."""

    def _initialise(self) -> None:
        super()._initialise()
        with (self._data / "postgresql.conf").open("a") as configuration:
            configuration.write(
                "log_lock_waits = on\ndeadlock_timeout = '1ms'\nshared_preload_libraries = 'pg_stat_statements'\n"
                "pg_stat_statements.track_planning = on\ntrack_io_timing = on\nautovacuum_naptime = '10s'\n"
                "max_wal_size = '4GB'\n"
            )

    def lock_waits(self, since: int) -> tuple[Counter[str], float]:
        """Waits for locks in the log beyond that many bytes of it: how many of each kind, and their milliseconds."""
        with self.log_path.open("rb") as log:
            log.seek(since)
            found = _WAITED.findall(log.read().decode(errors="replace"))
        kinds = Counter(f"{mode} on {thing}" for mode, thing, _ in found)
        return kinds, sum(float(milliseconds) for _, _, milliseconds in found)

    def cpu_seconds(self) -> float:
        """Processor time of the whole server until now."""
        server = psutil.Process(self.pid)
        own = server.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in server.children():
            try:
                of_child = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += of_child.user + of_child.system
        return total


@dataclass
class Waits:
    """What was seen in one stretch of work."""

    seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    locks: Counter[str] = field(default_factory=Counter)
    """Waits of more than a millisecond, by kind."""
    lock_milliseconds: float = 0.0
    samples: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a backend of ours, at work, was seen waiting for what; type `CPU`: for nothing."""
    deadlocks: int = 0
    rollbacks: int = 0

    def share(self, kind: str) -> float:
        """Of the times that a backend was seen at work, how often it waited for such a thing."""
        total = self.samples.total()
        return sum(n for (of, _), n in self.samples.items() if of == kind) / total if total else 0.0

    def most(self, kind: str, names: int = 2) -> str:
        """The things of that kind waited for most."""
        of_kind = Counter({name: n for (of, name), n in self.samples.items() if of == kind})
        return ", ".join(f"{name} {n}" for name, n in of_kind.most_common(names))


@contextmanager
def watched(postgres: TellingPostgres, url: str) -> Iterator[Waits]:
    """Watch a database while the block works; the answer is whole when the block has ended."""
    seen = Waits()
    done = threading.Event()
    watcher = psycopg2.connect(url, application_name="watcher")
    watcher.autocommit = True
    thread = threading.Thread(target=_look, args=(watcher, seen, done))
    log, cpu, before = postgres.log_path.stat().st_size, postgres.cpu_seconds(), _troubles(watcher)
    begun = time.perf_counter()
    thread.start()
    try:
        yield seen
    finally:
        seen.seconds = time.perf_counter() - begun
        done.set()
        thread.join()
        seen.server_cpu_seconds = postgres.cpu_seconds() - cpu
        after = _troubles(watcher)
        watcher.close()
    seen.deadlocks, seen.rollbacks = after[0] - before[0], after[1] - before[1]
    seen.locks, seen.lock_milliseconds = postgres.lock_waits(log)


def _look(watcher: psycopg2.extensions.connection, seen: Waits, done: threading.Event) -> None:
    with watcher.cursor() as cursor:
        while not done.wait(SAMPLE_SECONDS):
            cursor.execute(_SAMPLE)
            seen.samples.update((kind, name) for kind, name in cursor.fetchall())


def _troubles(watcher: psycopg2.extensions.connection) -> tuple[int, int]:
    with watcher.cursor() as cursor:
        cursor.execute(
            "SELECT deadlocks, xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def statements(url: str) -> dict[str, tuple[int, int, float]]:
    """Calls, rows and milliseconds of each statement so far, by the first 60 characters of its text."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT query, calls, rows, total_exec_time + total_plan_time FROM pg_stat_statements "
            "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        found = {row[0]: (int(row[1]), int(row[2]), float(row[3])) for row in cursor.fetchall()}
    connection.close()
    return found
