"""The hands of a person at a plant: commands as processes of their own, and what the situations of deeds are made of.

What is done with them is in `crash_deeds`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ftworker.errors import Refused
from ftworker.runs import control, cutting
from ftworker.runs.states import IN_FLIGHT, RunState
from ftworker.store import runs
from ftworker.store.runs import RunRow
from tests.chaos.crash_plant import CrashPlant
from tests.chaos.plan import make_plan
from tests.servers import wait_until

LEAST = 14
"""Good examples that a plant has before the first run: what OpenAI trains on, and some."""
NUMBERS_FROM = 800_000
"""Numbers of the conversations of deeds: none of a round's."""
COMMAND_SECONDS = 120.0
DONE_SECONDS = 90.0


@dataclass(frozen=True)
class Scene:
    """A situation made: the command's words, and what is wrong as long as its effect is not there ("" then)."""

    words: tuple[str, ...]
    wrong: Callable[[], str]


@dataclass(frozen=True)
class Deed:
    """A command in one kind of situation."""

    name: str
    """The command's words, and in brackets the situation where there are several."""
    scene: Callable[[Hand], Scene]
    only: str = ""
    """Points to crash at, a regular expression; the others are passed by other deeds or processes as well."""
    times: int = 2
    """At most so many times that it passes one point are crashed at."""
    is_alone: bool = False
    """While the command runs nobody else takes a step: no tick comes."""
    needs_rabbitmq: bool = False
    """What it is about is only there."""
    after: Callable[[Hand], None] = lambda _: None
    """Done when all its points are, before the rules are looked at."""

    @property
    def command(self) -> str:
        return self.name.partition(" (")[0]


class Hand:
    """The person's hands: commands as processes of their own, and what situations are made of."""

    def __init__(self, plant: CrashPlant) -> None:
        self.plant = plant
        self.there = plant.plant
        self.store = plant.plant.store
        self.vendors = plant.plant.vendors
        self._number = NUMBERS_FROM
        self._folders = 0

    # -- commands

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`ftworker WORDS`, once."""
        there = self.there
        environment = {
            **there.environment,
            **self.plant.board.environment,
            "FTWORKER_EVENTS_URL": there._url(there.ingests[0]),
        }
        return subprocess.run(
            [sys.executable, "-m", "ftworker.cli", *words],
            env=environment,
            cwd=there.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )

    def must(self, *words: str) -> str:
        """The same for a command that has to go through; what it printed."""
        done = self.command(*words)
        assert done.returncode == 0, f"ftworker {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def nobody_else(self) -> Iterator[None]:
        """No tick comes: what is due stays so until this is over."""
        beats = self.there.processes.own("beat")
        for beat in beats:
            beat.suspend()
        time.sleep(1.0)  # what was ticked already
        try:
            yield
        finally:
            for beat in beats:
                with suppress(psutil.NoSuchProcess):
                    beat.resume()

    # -- conversations

    def numbers(self, count: int) -> int:
        """The first of so many numbers that nobody has used."""
        self._number += count
        return self._number - count

    def folder(self) -> Path:
        """A new place for files."""
        self._folders += 1
        return self.there.folder / f"by-hand-{self._folders}"

    def publish(self, count: int) -> None:
        """Let so many conversations close."""
        first = self.numbers(count)
        self.there.publish(make_plan(1, count, first=first, transports=self.there.ingests))

    def one(self, sql: str, **parameters: Any) -> Any:
        """The first column of the first row."""
        with self.store.transaction() as cursor:
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
        return row[0] if row else None

    def examples(self, pipeline: str, *, waiting: bool) -> int:
        condition = "dataset_id IS NULL" if waiting else "erased_at IS NULL"
        return int(
            self.one(
                f"SELECT count(*) FROM ftworker.examples WHERE pipeline = %(p)s AND {condition}", p=pipeline
            )
        )

    def make_wait(self, pipeline: str) -> None:
        """See that something waits for the pipeline's next dataset, and that there is enough for one."""
        while self.examples(pipeline, waiting=True) == 0 or self.examples(pipeline, waiting=False) < LEAST:
            before = self.examples(pipeline, waiting=False)
            self.publish(LEAST if before < LEAST else 2)
            wait_until(lambda: not list(self.there.due()), DONE_SECONDS, interval=0.2)

    # -- runs

    def run(self, run_id: int) -> RunRow:
        with self.store.transaction() as cursor:
            return runs.get_run(cursor, run_id)

    def runs(self, pipeline: str) -> list[RunRow]:
        with self.store.transaction() as cursor:
            return runs.list_runs(cursor, pipeline=pipeline, limit=10_000)

    def clear(self, pipeline: str) -> None:
        """Nothing of the pipeline is on its way."""

        def is_clear() -> bool:
            busy = [run for run in self.runs(pipeline) if run.state in IN_FLIGHT]
            for run in busy:
                try:
                    control.cancel_run(self.store, run.id)
                except Refused:
                    continue
            return not busy

        wait_until(is_clear, DONE_SECONDS, interval=0.5)

    def begin(self, pipeline: str) -> int:
        """A new run; the sweep finds it."""
        self.clear(pipeline)
        wait_until(lambda: not list(self.there.due()), DONE_SECONDS, interval=0.2)
        self.make_wait(pipeline)
        return cutting.start_by_hand(self.store, self.there.settings, pipeline, self.store.now)

    def until(self, run_id: int, state: RunState) -> int:
        wait_until(
            lambda: self.run(run_id).state is state,
            DONE_SECONDS,
            interval=0.2,
            message=lambda: f"run {run_id} is {self.run(run_id).state} and not {state}",
        )
        return run_id

    def is_not(self, run_id: int, state: RunState, **also: Any) -> str:
        """What is wrong as long as the run is not there, with these columns."""
        run = self.run(run_id)
        lacks = {name: getattr(run, name) for name, value in also.items() if getattr(run, name) != value}
        return (
            f"run {run_id} is {run.state} ({run.error_message})"
            if run.state is not state
            else str(lacks or "")
        )
