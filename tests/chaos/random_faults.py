"""Faults at random: which, in what order and how long follows from the seed; when exactly they hit, nobody can say.

`make_steps` is the plan (pure), `Injector` does it to a plant. Every step is one fault; the ones that last are undone
when their time is over, or by `Plant.heal`.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import psutil
import psycopg2

from ftworker.silence import answer_within
from tests.chaos.plant import Plant
from tests.chaos.proxy import Proxy
from tests.doubles.openai_api import CATALOGUE
from tests.servers import Server, ServerFailed

HOUR_SECONDS = 3_600.0
SILENCE_SECONDS = 7.0
"""Longer than any wait that the plant's configuration allows for one answer."""
UNKNOWN_STATUS = "reticulating"
LOCK_SECONDS = 3.0
"""Longest that a fault waits for the table that it locks."""

OPENAI_OPERATIONS = (
    *("files.create", "files.list", "files.retrieve", "jobs.list", "jobs.retrieve", "jobs.events"),
    *("models.retrieve", "jobs.checkpoints", "jobs.create", "jobs.create", "jobs.create"),
)
"""The paid call is named more than once: it is the one that matters most."""
OPENAI_BEHAVIOURS: tuple[Mapping[str, Any], ...] = (
    {"unknown_status": UNKNOWN_STATUS},
    {"job_error": ["server_error", "The job failed due to an internal error."]},
    {"file_error": "The file could not be read."},
    {"file_processing_polls": 3},
    {"listing_lag_calls": 3},
    {"metadata_stored": False},
    {"metadata_filter_works": False},
    {"metadata_filter_works": False, "metadata_stored": False, "listing_lag_calls": 2},
    {"cursor_works": False},
    {"moderation_blocks": True},
    {"model_name_given": False},
    {"error_is_empty_object": False},
)
OLLAMA_FAULTS = (
    *("error_500", "drop", "drop_after_effect", "slow", "not_found", "disk_full", "malformed", "no_success"),
    *("not_kept", "restart"),
)
OLLAMA_OPERATIONS = ("version", "tags", "show", "create", "create", "copy", "delete", "generate", "chat")


@dataclass(frozen=True)
class Step:
    """One fault: its name, the time to wait before it, how long it lasts, and four numbers that choose the rest."""

    name: str
    pause_seconds: float
    lasts_seconds: float
    picks: tuple[float, float, float, float]

    def pick(self, things: Any, number: int = 0) -> Any:
        """One of the things, by one of the step's own numbers."""
        return things[int(self.picks[number] * len(things))]


def make_steps(seed: int, weights: Mapping[str, float], pause_seconds: float = 0.45) -> Iterator[Step]:
    """Faults without end; the same for the same seed and weights."""
    chance = random.Random(f"faults {seed}")
    names = sorted(weights)
    while True:
        yield Step(
            chance.choices(names, weights=[weights[name] for name in names])[0],
            round(chance.expovariate(1 / pause_seconds), 3),
            round(chance.uniform(0.2, 3.5), 3),
            (chance.random(), chance.random(), chance.random(), chance.random()),
        )


class Injector:
    """Does faults to a plant and counts them. `weights` names those that this plant can suffer."""

    def __init__(self, plant: Plant) -> None:
        self.done: Counter[str] = Counter()
        self._plant = plant
        self._undo: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._faults: dict[str, tuple[float, Callable[[Step], str | None]]] = {
            "kill ingest": (4, self._kill_ingest),
            "kill a prefork child": (10, self._kill_child),
            "kill the worker's master": (2, lambda step: self._kill("worker")),
            "kill the worker with its children": (2, lambda step: self._kill("worker", whole_group=True)),
            "kill the trainer": (2, lambda step: self._kill("trainer", whole_group=step.picks[0] < 0.5)),
            "kill beat": (3, lambda step: self._kill("beat")),
            "freeze a process": (5, self._freeze),
            "stop PostgreSQL at once": (2, self._stop_postgres),
            "restart PostgreSQL": (1, self._restart_postgres),
            "end database sessions": (5, self._end_sessions),
            "take all database connections": (2, self._take_connections),
            "lock a table": (3, self._lock_table),
            "cut the network": (28, self._cut_network),
            "silence a server": (4, self._silence),
            "fill the disk": (2, self._fill_disk),
            "move clocks by an hour": (4, self._move_clocks),
            "spoil a call of OpenAI": (24, self._spoil_openai),
            "change OpenAI": (7, self._change_openai),
            "spoil a call of Ollama": (10, self._spoil_ollama),
        }
        if plant.database_disk.is_own:
            self._faults["fill PostgreSQL's disk"] = (2, self._fill_database_disk)
        if plant.database_clock.can_move:
            self._faults["move PostgreSQL's clock by an hour"] = (2, self._move_database_clock)
        if plant.rabbitmq is not None:
            self._faults |= {
                "restart RabbitMQ": (0.7, self._restart_rabbitmq),
                "close RabbitMQ's connections": (4, self._close_connections),
            }
        if plant.valkey_events is not None:
            self._faults |= {
                "restart the events' Valkey": (2, self._restart_valkey_events),
                "lose the events' stream": (2, self._lose_stream),
            }
        if plant.trainings:
            self._faults["kill a training job"] = (8, self._kill_job)
        self._faults["lose all task messages"] = (5, self._lose_tasks)

    @property
    def weights(self) -> dict[str, float]:
        return {name: weight for name, (weight, _) in self._faults.items()}

    def perform(self, step: Step) -> bool:
        """Wait and do one step; False when it found nothing to hurt."""
        self._wait(step.pause_seconds)
        said = self._faults[step.name][1](step)
        if said is None:
            return False
        fault = f"{step.name}{': ' if said else ''}{said}"
        self.done[fault] += 1
        with (self._plant.folder / "faults.log").open("a") as log:
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S},{fault}, lasts {step.lasts_seconds}", file=log)
        self._plant.tasks.read_along()
        return True

    def rest(self) -> None:
        """Undo what still lasts."""
        while self._undo:
            heapq.heappop(self._undo)[2]()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            while self._undo and self._undo[0][0] <= now:
                heapq.heappop(self._undo)[2]()
            if now >= deadline:
                return
            time.sleep(min(0.05, deadline - now))

    def _later(self, seconds: float, undo: Callable[[], object]) -> None:
        heapq.heappush(self._undo, (time.monotonic() + seconds, next(self._order), undo))

    # -- processes

    def _kill(self, name: str, *, whole_group: bool = False) -> str | None:
        return "" if self._plant.processes.kill(name, whole_group=whole_group) else None

    def _kill_ingest(self, step: Step) -> str | None:
        return self._kill(f"ingest-{step.pick(self._plant.ingests)}")

    def _kill_child(self, step: Step) -> str | None:
        return _signal(step.pick(self._plant.processes.children("worker") or [None]), signal.SIGKILL)

    def _kill_job(self, step: Step) -> str | None:
        return _signal(step.pick(self._plant.processes.jobs() or [None]), signal.SIGKILL)

    def _freeze(self, step: Step) -> str | None:
        """Stop a process for longer or shorter than a lease, and let it go on: it was taken for dead."""
        name = step.pick(("worker", "trainer", *(f"ingest-{via}" for via in self._plant.ingests)))
        found: list[psutil.Process | None] = [*self._plant.processes.children(name)] or [
            *self._plant.processes.own(name)
        ]
        process: psutil.Process | None = step.pick(found or [None], 1)
        if _signal(process, signal.SIGSTOP) is None:
            return None
        self._later(step.lasts_seconds * 1.7, lambda: _signal(process, signal.SIGCONT))
        return str(name)

    # -- servers

    def _stop_postgres(self, step: Step) -> str | None:
        self._plant.database_disk.free()  # it would not start
        return _restart(self._plant.postgres, signal.SIGQUIT, step.lasts_seconds / 3)

    def _restart_postgres(self, step: Step) -> str | None:
        self._plant.database_disk.free()
        return _restart(self._plant.postgres, signal.SIGINT, 0.0)

    def _end_sessions(self, step: Step) -> str | None:
        """An administrator ends every session, or a failover does."""
        try:
            with contextlib.closing(psycopg2.connect(self._plant.direct_database_url)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
        except psycopg2.Error:
            return None
        return ""

    def _take_connections(self, step: Step) -> str | None:
        """Somebody else has every connection that PostgreSQL gives; who of ours has one keeps it."""
        held: list[Any] = []
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                # Into another database: what ends the sessions of ours leaves these.
                held.append(psycopg2.connect(self._plant.postgres.url(), connect_timeout=5))
        if not held:
            return None
        self._later(step.lasts_seconds, lambda: [connection.close() for connection in held])
        return ""

    def _lock_table(self, step: Step) -> str | None:
        """An operator's statement (ALTER TABLE, VACUUM FULL) holds a table, or two that ours take in another order."""
        tables = step.pick((("runs", "inbox"), ("examples", "datasets"), ("inbox",), ("runs",)))
        try:
            connection = psycopg2.connect(self._plant.direct_database_url)
            # By a clock of ours: PostgreSQL's lock_timeout lasts an hour when its clock is set back meanwhile, and one
            # lock of ours may wait for another, which is let go by this thread.
            with (
                connection.cursor() as cursor,
                answer_within(connection.fileno(), LOCK_SECONDS, psycopg2.OperationalError),
            ):
                cursor.execute("SET deadlock_timeout = '2s'")
                for table in tables:
                    cursor.execute(f"LOCK TABLE ftworker.{table} IN ACCESS EXCLUSIVE MODE")
        except psycopg2.Error:
            return None
        self._later(step.lasts_seconds, connection.close)
        return " and ".join(tables)

    def _fill_database_disk(self, step: Step) -> str | None:
        """No room for PostgreSQL's own files: its next write-ahead file ends it, and it starts when there is room."""
        said = self._plant.database_disk.fill()

        def free() -> None:
            self._plant.database_disk.free()
            if not self._plant.postgres.is_running():
                self._plant.postgres._forget()
                self._plant.postgres.start()

        self._later(step.lasts_seconds, free)
        return said

    def _restart_rabbitmq(self, step: Step) -> str | None:
        assert self._plant.rabbitmq is not None
        self._plant.rabbitmq.kill()
        self._plant.rabbitmq.start()
        return ""

    def _close_connections(self, step: Step) -> str | None:
        assert self._plant.rabbitmq is not None
        try:
            self._plant.rabbitmq.close_connections()
        except ServerFailed:
            return None
        return ""

    def _restart_valkey_events(self, step: Step) -> str | None:
        assert self._plant.valkey_events is not None
        return _restart(self._plant.valkey_events, signal.SIGKILL, step.lasts_seconds / 3)

    def _lose_stream(self, step: Step) -> str | None:
        """A server without a file, or one that was restored from a copy: what it had confirmed may be gone."""
        assert self._plant.stream_loss is not None
        name, how = step.pick(self._plant.stream_loss.ways)
        return name if self._plant.stream_loss.lose(how) else None

    def _lose_tasks(self, step: Step) -> str | None:
        """The broker loses what it had in memory: Valkey without a file is killed, RabbitMQ's queues are emptied."""
        if self._plant.valkey_tasks is not None:
            return _restart(self._plant.valkey_tasks, signal.SIGKILL, step.lasts_seconds / 4)
        return "" if self._plant.tasks.lose_everything() else None

    # -- network, disk, time

    def _cut_network(self, step: Step) -> str | None:
        proxy: Proxy = step.pick(sorted(self._plant.network.proxies.values(), key=lambda one: one.name))
        how = step.pick(("stall", "stall", "reset", "reset", "refuse", "half-close", "cut in a message"), 1)
        match how:
            case "stall":
                proxy.stall()
                self._later(step.lasts_seconds, proxy.heal)
            case "refuse":
                proxy.refuse()
                self._later(step.lasts_seconds / 2, proxy.heal)
            case "reset":
                proxy.reset()
            case "half-close":
                proxy.half_close("client" if step.picks[2] < 0.5 else "server")
            case _:
                proxy.cut_after(int(10 ** (1 + 4 * step.picks[2])))
                self._later(5.0, proxy.heal)
        return f"{proxy.name} {how}"

    def _silence(self, step: Step) -> str | None:
        """For longer than ours wait: nothing comes any more, nobody hears of it; or some connections are forgotten."""
        proxy: Proxy = step.pick(sorted(self._plant.network.proxies.values(), key=lambda one: one.name))
        if step.picks[1] < 0.4:
            proxy.forget(0.6, step.picks[2])
            return f"{proxy.name} on some connections"
        in_a_message = step.picks[1] < 0.6
        proxy.silence(after_bytes=int(10 ** (1 + 3 * step.picks[2])) if in_a_message else 0)
        self._later(SILENCE_SECONDS + step.lasts_seconds, proxy.heal)
        return f"{proxy.name}{' in a message' if in_a_message else ''}"

    def _fill_disk(self, step: Step) -> str | None:
        said = self._plant.disk.fill()
        self._later(step.lasts_seconds, self._plant.disk.free)
        return said

    def _move_clocks(self, step: Step) -> str | None:
        names = step.pick(((), (), ("beat",), ("worker",), ("trainer",)))
        hours = step.pick((-1, 1), 1)
        self._plant.set_clock(hours * HOUR_SECONDS, *names)
        self._later(step.lasts_seconds * 2, lambda: self._plant.set_clock(0, *names))
        return f"{hours:+d} for {', '.join(names) or 'all'}"

    def _move_database_clock(self, step: Step) -> str | None:
        """It stays so: the next move may bring it back, as when somebody puts a wrong clock right."""
        hours = step.pick((-1, 1))
        self._plant.database_clock.move(hours * HOUR_SECONDS)
        return f"{hours:+d}"

    # -- vendors

    def _spoil_openai(self, step: Step) -> str | None:
        name, operation = step.pick(sorted(CATALOGUE)), step.pick(OPENAI_OPERATIONS, 1)
        changes: dict[str, Any] = {}
        if CATALOGUE[name].kind == "slow":
            changes["delay_seconds"] = 0.5 + 2 * step.picks[2]
        if CATALOGUE[name].retry_after_seconds:
            changes["retry_after_seconds"] = 1.0
        self._plant.vendors.openai_fault(name, operation, **changes)
        return f"{operation} {name}"

    def _change_openai(self, step: Step) -> str | None:
        changes = step.pick(OPENAI_BEHAVIOURS)
        usual = self._plant.vendors.openai_behaves(**changes)
        self._later(step.lasts_seconds, lambda: self._plant.vendors.openai_behaves(**usual))
        return ", ".join(changes)

    def _spoil_ollama(self, step: Step) -> str | None:
        kind, operation = step.pick(OLLAMA_FAULTS), step.pick(OLLAMA_OPERATIONS, 1)
        self._plant.vendors.ollama_fault(kind, operation, seconds=0.5 + 2 * step.picks[2])
        return f"{operation} {kind}"


def _restart(server: Server, how: signal.Signals, seconds: float) -> str | None:
    if not server.is_running():
        return None
    os.kill(server.pid, how)
    assert server._process is not None
    server._process.wait(30)
    server._forget()
    time.sleep(seconds)
    server.start()
    return ""


def _signal(process: psutil.Process | None, number: signal.Signals) -> str | None:
    if process is None:
        return None
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return None
    return ""
