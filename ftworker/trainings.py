"""The desk of trainings on this machine: hands in, looks, starts a job where nobody works, cancels.

A training is a row with a lease; who works on it is a process of its own (`ftworker.training_job`), which outlives
whoever started it. Looking is all it takes to resume one whose process died. Never trains, and never waits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec

from ftworker.settings import Settings
from ftworker.settings.environment import own_environment
from ftworker.store import trainings as stored
from ftworker.store.connection import Store
from ftworker.store.trainings import TrainingRow
from ftworker.training.desk import TrainingStatus
from ftworker.training.order import TrainingOrder
from ftworker.training.places import (
    JOB_LOG,
    LOGS,
    is_place_free,
    make_work_folder,
    running_jobs,
    work_folder,
)

logger = logging.getLogger(__name__)

OWN_JOB: Final = (sys.executable, "-m", "ftworker.training_job")
LONGEST_PAUSE_SECONDS: Final = 300.0
"""Between two starts of a job that ends before it begins (a broken installation)."""


@dataclass
class _Started:
    process: subprocess.Popen[bytes]
    attempts: int
    """Of the training when it was started: more of them now, and it began."""
    failures: int = 0
    """Starts in a row that ended in an error before the training was taken."""
    next_at: float = 0.0


class Trainings:
    """Implements `ftworker.training.desk.TrainingDesk`. One serves a process; `store` is asked for when first needed.

    `job` is the command of a job without its last argument, the run key.
    """

    _children: ClassVar[list[subprocess.Popen[bytes]]] = []
    """What this process started. Python warns of a child that is forgotten while it runs, as a job may be."""

    def __init__(
        self, store: Callable[[], Store], settings: Settings, *, job: Sequence[str] = OWN_JOB
    ) -> None:
        self._store = store
        self._settings = settings
        self._job = tuple(job)
        self._started: dict[str, _Started] = {}

    def hand_in(self, order: TrainingOrder) -> None:
        """Put the training into the row of its run key. A training that is there stays as it is."""
        with self._store().transaction() as cursor:
            stored.hand_in(
                cursor, run_key=order.run_key, run_id=order.run_id, order=msgspec.to_builtins(order)
            )

    def look(self, run_key: str) -> TrainingStatus:
        """How it is; when nobody works on it and this machine has a free place, start it. Raises NotFound."""
        with self._store().transaction() as cursor:
            training = stored.get_training(cursor, run_key)
            if training.cancel_requested and training.state in ("waiting", "running"):
                # Its process may have died before it could obey.
                stored.cancel_training(cursor, run_key)
                training = stored.get_training(cursor, run_key)
            may_start = stored.may_start(cursor, run_key)
        message = self._start(training) if may_start else ""
        return self._status(training, message)

    def cancel(self, run_key: str) -> None:
        """Ask it to stop; its process does within seconds. One that is over, or was never handed in, is no error."""
        with self._store().transaction() as cursor:
            stored.cancel_training(cursor, run_key)

    def _start(self, training: TrainingRow) -> str:
        """Start a job, unless this machine is busy or the last one could not begin; says which."""
        folder = make_work_folder(self._settings.home, training.run_key)
        log = folder / LOGS / JOB_LOG
        before = self._started.get(training.run_key)
        if before is not None:
            status = before.process.poll()
            if status is None:
                return "starting"
            if training.attempts > before.attempts:
                before.failures = 0
            elif status != 0 and before.next_at == 0.0:
                before.failures += 1
                before.next_at = time.monotonic() + min(2.0**before.failures, LONGEST_PAUSE_SECONDS)
            if time.monotonic() < before.next_at:
                return f"its process ended with status {status} before it began: see {log}"
        if not is_place_free(folder, training.concurrent):
            return "waits for a place on this machine"
        process = self._launch(training.run_key, log)
        failures = before.failures if before is not None else 0
        self._started[training.run_key] = _Started(process, training.attempts, failures)
        return "starting"

    def _launch(self, run_key: str, log: Path) -> subprocess.Popen[bytes]:
        changes = {"FTWORKER_HOME": str(self._settings.home.absolute())}
        if self._settings.database_url is not None:
            changes["FTWORKER_DATABASE_URL"] = self._settings.database_url.get_secret_value()
        with open(log, "ab", opener=_private) as output:
            process = subprocess.Popen(
                [*self._job, run_key],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=own_environment(changes),
                # A session of its own: it outlives the worker, and Ctrl-C does not reach it.
                start_new_session=True,
            )
        logger.info("training %s: started process %s", run_key, process.pid)
        self._children[:] = [child for child in self._children if child.poll() is None]
        self._children.append(process)
        return process

    def _status(self, training: TrainingRow, message: str) -> TrainingStatus:
        folder = work_folder(self._settings.home, training.run_key)
        return TrainingStatus(
            state=training.state,
            message=message or describe(training),
            code=training.error_code,
            work_folder=str(folder) if folder.exists() else None,
            progress=training.progress,
        )


def describe(training: TrainingRow) -> str:
    """For people, in one line: the stage and how far it is, or why it waits or ended.

    Of a stage by steps of 5 %: each new text is an entry in the run's journal, and a sign that it is not stalled.
    """
    if training.state != "running":
        return training.message or (
            "nobody works on it yet" if training.state == "waiting" else training.state
        )
    share = share_done(training.stage, training.progress)
    return (training.stage or "starting") + ("" if share is None else f", {int(share * 20) * 5} %")


def share_done(stage: str | None, progress: Mapping[str, Any]) -> float | None:
    """How much of its present stage a training has done, 0 to 1; None before the stage says so."""
    if progress.get("stage") != stage or not progress.get("total"):
        return None
    return min(float(progress["completed"]) / float(progress["total"]), 1.0)


def stop_jobs(home: Path) -> list[str]:
    """Ask the jobs of this machine under this home to stop: they save a checkpoint, and their trainings wait.

    Returns their run keys. For a worker that stops; safe to repeat, and in a signal handler.
    """
    jobs = running_jobs(home)
    for process in jobs.values():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGTERM)
    return list(jobs)


def wait_for_jobs(home: Path, timeout_seconds: float) -> bool:
    """Wait until no job runs on this machine under this home; False when some still do after the time."""
    deadline = time.monotonic() + timeout_seconds
    while stop_jobs(home):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.2)
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
