"""The processes of ours in a plant: whatever dies is started again, as a supervisor does in production.

A fault kills through `kill`, so that a death that nobody caused is told from one that was.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import OwnProcess

LAST_WORDS_CHARACTERS = 3_000


@dataclass(frozen=True)
class Ended:
    """A process of ours that is gone. `by_us`: a fault killed it."""

    name: str
    status: int
    by_us: bool
    last_words: str = ""


@dataclass
class Kept:
    """A process that is started again whenever it dies."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: OwnProcess | None = None
    started_at: float = 0.0
    starts: int = 0


class Processes:
    """Keeps processes running, each under its name. `home` is the FTWORKER_HOME by which all of them are known."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.kept: dict[str, Kept] = {}
        self.ended: list[Ended] = []
        self._folder = folder
        self._home = str(home)
        self._killed: set[int] = set()
        self._closing = threading.Event()
        # Held by whoever starts or kills: between the two nobody else may.
        self._hands = threading.RLock()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start a program and keep it running from now on."""
        with self._hands:
            kept = self.kept[name] = Kept(name, arguments, environment, log)
            self._launch(kept)
        if not self._keeper.is_alive():
            self._keeper.start()

    def close(self) -> None:
        """End all of them at once, also what outlived its parent."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for kept in self.kept.values():
            if kept.process is not None:
                kept.process.kill()
                _unwatch(kept.process)
                kept.process = None
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self, name: str, *, whole_group: bool = False) -> bool:
        """kill -9 of a process, or of everything in its group; False when it is not running now."""
        with self._hands:
            process = self._running(name)
            if process is None:
                return False
            self._killed.add(process.pid)
            if whole_group:
                process.kill()
            else:
                process.send_signal(signal.SIGKILL)
            return True

    def children(self, name: str) -> list[psutil.Process]:
        """What runs below a process: prefork children, training jobs."""
        process = self._running(name)
        return process.children() if process is not None else []

    def own(self, name: str) -> list[psutil.Process]:
        """The process of that name itself, when it runs."""
        process = self._running(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            return [psutil.Process(process.pid)] if process is not None else []
        return []

    def pids(self) -> list[int]:
        """All processes of ours with all below them, also those that outlived their parent."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("FTWORKER_HOME") == self._home:
                    found.append(process.pid)
        return found

    def jobs(self) -> list[psutil.Process]:
        """The training jobs, which are children of nobody once their worker is gone."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if "ftworker.training_job" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _running(self, name: str) -> OwnProcess | None:
        process = self.kept[name].process if name in self.kept else None
        return process if process is not None and process.is_running() else None

    def _launch(self, kept: Kept) -> None:
        kept.process = OwnProcess(kept.arguments, kept.environment, kept.log, self._folder)
        kept.started_at = time.monotonic()
        kept.starts += 1

    def _keep(self) -> None:
        while not self._closing.wait(0.1):
            with self._hands:
                for kept in self.kept.values():
                    self._revive(kept)

    def _revive(self, kept: Kept) -> None:
        process = kept.process
        if process is None or process.is_running():
            return
        by_us = process.pid in self._killed
        # One that cannot start must not fill the machine with starts.
        if not by_us and time.monotonic() < kept.started_at + 2.0:
            return
        status = process.returncode
        assert status is not None
        last_words = "" if by_us else process.output()[-LAST_WORDS_CHARACTERS:]
        self.ended.append(Ended(kept.name, status, by_us, last_words))
        _unwatch(process)
        self._launch(kept)


def _unwatch(process: OwnProcess) -> None:
    """Let go of an ended process's watchdog, without touching a group that may hold others by now."""
    process._watchdog.kill()
    process._watchdog.wait()
    assert process._watchdog.stdin is not None
    process._watchdog.stdin.close()
