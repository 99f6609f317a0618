"""What a soak samples: each process, the database, the brokers, the files. Reads only, and keeps what it read.

A sample is numbers by who they are of and what they say: `{"worker child 812": {"own MB": 41.2, "files": 18}}`.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import amqp
import psutil
import redis

from ftworker.store.connection import connect
from tests.chaos.evidence import page
from tests.chaos.plant import Plant

MB = 1e6
TRAININGS = "training jobs and stages"
FILES = "files of ours"
LOGS = "logs"
DATABASE = "PostgreSQL"
STREAM = "the stream"
PAGE = "/metrics"
OURS = "processes of ours"
ROWS = "rows"

Numbers = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """Everything at one moment, so many seconds after the beginning."""

    at_seconds: float
    numbers: dict[str, Numbers]


@dataclass
class Sampler:
    """Takes samples of a plant. `temporary_folder` is what its processes have for TMPDIR."""

    plant: Plant
    temporary_folder: Path
    samples: list[Sample] = field(default_factory=list)
    failed_scrapes: int = 0

    def __post_init__(self) -> None:
        self._begun = time.monotonic()
        self._connection = connect(self.plant.direct_database_url, application_name="soak")
        self._connection.autocommit = True

    def close(self) -> None:
        self._connection.close()

    def is_ready(self) -> bool:
        """Whether every queue is made and every process has said that it is there."""
        try:
            list(self._brokers())
        except (amqp.AMQPError, OSError):
            return False
        text = page(self.plant, PAGE)
        return all(
            f'ftworker_processes{{name="{name}"}} 1.0' in text for name in ("worker", "trainer", "beat")
        )

    def take(self) -> Sample:
        """Look at everything now, and keep it."""
        at = time.monotonic() - self._begun
        numbers = dict(self._processes())
        numbers |= dict(self._servers())
        numbers |= dict(self._database())
        numbers |= dict(self._brokers())
        numbers[FILES] = self._files()
        numbers[LOGS] = self._logs()
        numbers[PAGE] = self._scrape()
        sample = Sample(at, numbers)
        self.samples.append(sample)
        return sample

    # -- processes

    def _processes(self) -> Iterator[tuple[str, Numbers]]:
        masters = {
            kept.process.pid: name
            for name, kept in self.plant.processes.kept.items()
            if kept.process is not None
        }
        trainings = zombies = 0
        for pid in self.plant.processes.pids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                name = masters.get(pid)
                if name is None and process.ppid() in masters:
                    name = f"{masters[process.ppid()]} child {pid}"
                if name is None:
                    trainings += 1
                else:
                    yield name, process_numbers(process)
        for pid in masters:
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(pid).children(recursive=True)
                zombies += sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
        yield TRAININGS, {"processes": float(trainings)}
        yield OURS, {"zombies": float(zombies)}

    def _servers(self) -> Iterator[tuple[str, Numbers]]:
        plant = self.plant
        for name, server in (
            ("PostgreSQL's processes", plant.postgres),
            ("RabbitMQ's processes", plant.rabbitmq),
            ("the events' Valkey's process", plant.valkey_events),
            ("the tasks' Valkey's process", plant.valkey_tasks),
        ):
            if server is not None:
                top = psutil.Process(server.pid)
                memory = 0
                for process in [top, *top.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        memory += process.memory_full_info().pss
                yield name, {"memory MB": memory / MB}

    # -- database

    def _database(self) -> Iterator[tuple[str, Numbers]]:
        (sessions,) = self._ask(SESSIONS)
        yield DATABASE, {name.replace("_", " "): float(value) for name, value in sessions._asdict().items()}
        for row in self._ask(CONNECTIONS):
            yield f"connections of {row.application}", {"connections": float(row.count)}
        for row in self._ask(TABLES):
            numbers = {"MB": row.bytes / MB, "index MB": row.index_bytes / MB, "dead rows": float(row.dead)}
            if row.live > 1_000:
                numbers["bytes a row"] = row.bytes / row.live
            yield f"table {row.name}", numbers
        (counts,) = self._ask(COUNTS)
        yield ROWS, {name.replace("_", " "): float(value) for name, value in counts._asdict().items()}

    def _ask(self, query: str) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            rows: list[Any] = cursor.fetchall()
            return rows

    # -- brokers

    def _brokers(self) -> Iterator[tuple[str, Numbers]]:
        plant = self.plant
        depths = {name: float(plant.tasks._depth(name)) for name in ("ftworker", "ftworker.training")}
        for via in plant.events:
            depths[f"events in {via}"] = float(plant.publisher.unacknowledged(via, plant._url(via)))
        depths["dead events"] = float(plant.publisher.dead_letters())
        for name, depth in depths.items():
            yield f"queue {name}", {"length": depth}
        for name, server in (("events", plant.valkey_events), ("tasks", plant.valkey_tasks)):
            if server is not None:
                with contextlib.closing(redis.Redis(port=server.port)) as client:
                    yield f"the {name}' Valkey", _valkey_numbers(client)
        if plant.valkey_events is not None:
            with contextlib.closing(redis.Redis(port=plant.valkey_events.port)) as client:
                yield STREAM, _stream_numbers(client, plant.settings.ingest.stream)

    # -- files

    def _files(self) -> Numbers:
        """Finished files grow with what was made of them; temporary ones must not."""
        counts: Numbers = defaultdict(float)
        for place, folder in (
            ("home", self.plant.folder / "home"),
            ("storage", Path(self.plant.disk.folder)),
            ("temporary folder", self.temporary_folder),
        ):
            counts[f"in {place}"] = 0.0
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):
                    if path.is_file():
                        counts[f"in {place}"] += 1
                        counts[f"{place} MB"] += path.stat().st_size / MB
                        counts["temporary"] += path.name.startswith(".") or path.suffix == ".part"
        return dict(counts)

    def _logs(self) -> Numbers:
        size = sum(path.stat().st_size for path in self.plant.logs.iterdir())
        return {"MB": size / MB, "bytes an event": size / max(1, self.plant.publisher.confirmed)}

    def _scrape(self) -> Numbers:
        begun = time.monotonic()
        text = page(self.plant, PAGE)
        # Without a database an answer has the series of the scrape alone.
        if "ftworker_processes{" not in text:
            self.failed_scrapes += 1
        return {"bytes": float(len(text)), "seconds": time.monotonic() - begun}


def process_numbers(process: psutil.Process) -> Numbers:
    """Memory, files, sockets and threads of one process. `own` is what nobody shares (USS), the measure of a leak."""
    with process.oneshot():
        memory = process.memory_full_info()
        return {
            "own MB": memory.uss / MB,
            "share MB": memory.pss / MB,
            "resident MB": memory.rss / MB,
            "files": float(process.num_fds()),
            "sockets": float(len(process.net_connections("all"))),
            "threads": float(process.num_threads()),
        }


def _valkey_numbers(client: redis.Redis) -> Numbers:
    info: Any = client.info()
    return {
        "memory MB": info["used_memory_dataset"] / MB,
        "keys": float(client.dbsize()),
        "clients": float(info["connected_clients"]),
    }


def _stream_numbers(client: redis.Redis, stream: str) -> Numbers:
    if not client.exists(stream):
        return {}
    groups: Any = client.xinfo_groups(stream)
    return {
        "entries": float(client.xlen(stream)),
        "pending": float(sum(group["pending"] for group in groups)),
        "consumers": float(sum(group["consumers"] for group in groups)),
    }


SESSIONS = """
SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       coalesce(extract(epoch FROM max(now() - xact_start)), 0)::float AS oldest_transaction_seconds,
       (SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()) AS locks,
       (SELECT count(*) FROM pg_locks WHERE NOT granted) AS lock_waits,
       pg_database_size(current_database()) / 1e6 AS database_mb
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
CONNECTIONS = """
SELECT coalesce(nullif(application_name, ''), 'nobody') AS application, count(*) AS count
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1
"""
TABLES = """
SELECT relname AS name, pg_total_relation_size(relid) AS bytes, pg_indexes_size(relid) AS index_bytes,
       n_live_tup AS live, n_dead_tup AS dead
FROM pg_stat_user_tables WHERE schemaname = 'ftworker'
"""
COUNTS = """
SELECT (SELECT count(*) FROM ftworker.inbox WHERE processed_at IS NULL) AS waiting_events,
       (SELECT count(*) FROM ftworker.runs WHERE lease_token IS NOT NULL) AS runs_leased,
       (SELECT count(*) FROM ftworker.runs WHERE lease_expires_at < now()) AS leases_past_their_time,
       (SELECT count(*) FROM ftworker.runs WHERE state = 'parked') AS runs_parked,
       (SELECT count(*) FROM ftworker.runs WHERE finished_at IS NOT NULL) AS runs_finished,
       (SELECT count(*) FROM ftworker.runs WHERE finished_at IS NULL) AS runs_on_their_way,
       (SELECT count(*) FROM ftworker.processes) AS processes
"""
