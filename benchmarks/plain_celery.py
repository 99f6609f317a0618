"""What plain Celery does with the task of a worker that is killed: the way that `bench_recovery` is held against.

An application of ten lines with Celery's own defaults or with `task_acks_late`, as most projects have it. Its task says
when it began, and works for a while. A worker that dies is started again at once, as a supervisor does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tests.servers import OwnProcess, wait_until

APP = """
import os, time
from celery import Celery
app = Celery("plain", broker=os.environ["BROKER"])
app.conf.update(task_ignore_result=True, task_acks_late=os.environ["LATE"] == "1", **eval(os.environ["MORE"]))
@app.task
def work():
    with open(os.environ["BEGUN"], "a") as file:
        print(time.time(), file=file, flush=True)
    time.sleep(float(os.environ["WORKS"]))
"""
WORKS_SECONDS = 60.0
"""Longer than anybody waits here: the task that is killed is never over."""
READY_SECONDS = 60.0

Killed = Literal["worker", "child"]


@dataclass
class PlainCelery:
    """A plain application on a broker of one's own, with its worker."""

    folder: Path
    broker: str
    late: bool
    transport_options: Mapping[str, float]

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "plain_app.py").write_text(APP)
        self._begun = self.folder / "begun"
        self._begun.touch()
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "BROKER": self.broker,
            "LATE": str(int(self.late)),
            "MORE": repr({"broker_transport_options": dict(self.transport_options)}),
            "BEGUN": str(self._begun),
            "WORKS": str(WORKS_SECONDS),
        }

    def seconds_to_begin_again(self, killed: Killed, patience_seconds: float) -> float | None:
        """Kill the worker, or its child, in the middle of the task; the seconds until the task begins again.

        None: it did not within the patience.
        """
        with self._worker() as worker:
            send = "from plain_app import work; work.delay()"
            subprocess.run([sys.executable, "-c", send], env=self._environment, cwd=self.folder, check=True)
            wait_until(lambda: self._times() == 1, READY_SECONDS)
            time.sleep(0.2)
            at = time.monotonic()
            if killed == "child":
                _working_child(worker).send_signal(signal.SIGKILL)
                return self._wait(at, patience_seconds)
            worker.kill()
            with self._worker():
                return self._wait(at, patience_seconds)

    def _times(self) -> int:
        return len(self._begun.read_text().splitlines())

    def _wait(self, since: float, patience_seconds: float) -> float | None:
        while time.monotonic() < since + patience_seconds:
            if self._times() > 1:
                return time.monotonic() - since
            time.sleep(0.01)
        return None

    @contextmanager
    def _worker(self) -> Iterator[OwnProcess]:
        command = [sys.executable, "-m", "celery", "-A", "plain_app", "worker", "-c", "1", "-l", "INFO"]
        worker = OwnProcess(command, self._environment, self.folder / "worker.log", self.folder)
        try:
            yield worker
        finally:
            worker.kill()
            worker.close()


def _working_child(worker: OwnProcess) -> psutil.Process:
    """The prefork child. Of all below the worker it is the one that works on the task."""
    (child,) = worker.children()
    return child
