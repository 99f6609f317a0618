"""The person who looks after a plant: does what the product says that a person must do, by the product's own commands.

Looks at the vendor before saying whether a job exists, as docs/RELIABILITY.md asks. Without this person the first
parked run would block its pipeline for the rest of the time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Self

from ftworker.errors import FtworkerError
from ftworker.runs import control
from ftworker.runs.states import IN_FLIGHT, RunState
from ftworker.store import Store, runs
from ftworker.store.runs import RunRow
from tests.chaos import workshop
from tests.chaos.vendors import Vendors

LOOK_SECONDS = 1.0
GENERATIONS = 3
"""How often a failed run is begun anew before the person leaves it be."""
PATIENCE = timedelta(seconds=30)
MANY = 10_000
TRIES = 10
"""How often a packaged run's registering is tried again."""


class Person:
    """Looks every second, in a thread of their own. A context manager."""

    def __init__(self, store: Store, vendors: Vendors, *, leaves: Collection[str] = ()) -> None:
        """`leaves`: pipelines that somebody else looks after."""
        self.done: Counter[str] = Counter()
        self._leaves = leaves
        self._store = store
        self._vendors = vendors
        self._tries: Counter[int] = Counter()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._work, name="person", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._leaving.wait(LOOK_SECONDS):
            try:
                self.look()
            except FtworkerError:
                # The database is away, or a worker was quicker: the next look is soon.
                continue
        self._store.close()

    def look(self) -> None:
        """Do what waits for a person now. Raises FtworkerError where it cannot be done at this moment."""
        now = self._store.now()
        with self._store.transaction() as cursor:
            found = runs.list_runs(cursor, limit=MANY)
        # The oldest first: a retry needs its pipeline free, and the newest may hold it.
        for run in reversed(found):
            if self._wants(run, now):
                self._help(run)

    def waits(self) -> list[int]:
        """Runs that this person would still do something about."""
        now = self._store.now()
        with self._store.transaction() as cursor:
            found = runs.list_runs(cursor, limit=MANY)
        return [run.id for run in found if self._wants(run, now)]

    def _wants(self, run: RunRow, now: datetime) -> bool:
        if run.pipeline in self._leaves:
            return False
        if run.state in IN_FLIGHT - {RunState.PARKED}:
            # After a provider's daily limit a run waits for hours, and a person who knows better may wake it.
            return run.next_action_at is not None and run.next_action_at - now > PATIENCE
        match run.state:
            case RunState.PARKED:
                return True
            case RunState.FAILED:
                return run.generation < GENERATIONS and run.error_code != "too_few_examples"
            case RunState.PACKAGED:
                # Nobody serves what the workshop makes.
                return run.pipeline != workshop.NAME and self._tries[run.id] < TRIES
            case _:
                return False

    def _help(self, run: RunRow) -> None:
        try:
            if run.state is RunState.PARKED and run.job_id is None and run.provider == "openai":
                job_id = self._job_of(run)
                control.resolve_run(self._store, run.id, job_id=job_id)
                self.done["found its job" if job_id else "found no job"] += 1
            else:
                control.retry_run(self._store, run.id)
                self.done[f"retried a run that was {run.state}"] += 1
                self._tries[run.id] += 1
        except FtworkerError:
            return

    def _job_of(self, run: RunRow) -> str | None:
        jobs: list[dict[str, Any]] = self._vendors.state()["jobs"]
        return next((job["id"] for job in jobs if job["training_file"] == run.training_file_id), None)
