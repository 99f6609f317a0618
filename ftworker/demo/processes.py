"""ftworker's own processes while the demonstration runs: started, watched and ended by their handles.

Each writes a log file of its own. None is started again: here the death of one is a failure to be told. For every
other use there is `embedded.supervisor`, behind `ftworker up`.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ftworker.embedded.supervisor import end_with
from ftworker.errors import PermanentError

STOP_TIMEOUT_SECONDS = 20.0
"""Time for a clean stop. Ending by force after it loses no work: what is not committed is done again."""

_WEB_URL = re.compile(r"http://\S+:\d+")


class ProcessDied(PermanentError):
    """A process ended while it was needed, or did not start; the message names its log file or its program."""


class DemoProcesses:
    """A context manager: the processes run inside its block, and none is left after it.

    Must be entered while this process has no other thread. `environment` is the whole one of the processes.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], log_folder: Path
    ) -> None:
        self._commands = commands
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._log_folder = log_folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, command in self._commands.items():
                try:
                    self._running[name] = self._start(name, command)
                except OSError as error:
                    raise ProcessDied(
                        f"the process {name} cannot be started: {error.strerror}: {error.filename}"
                    ) from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def log_path(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self._log_folder / f"{name}.log"

    def pid(self, name: str) -> int:
        """The number of a running process."""
        return self._running[name].pid

    def web_url(self) -> str | None:
        """Where the process `web` listens, once it has said so."""
        found = _WEB_URL.search(self.log_path("web").read_text(encoding="utf-8", errors="replace"))
        return found.group() if found else None

    def check(self) -> None:
        """Raises ProcessDied when one has ended."""
        for name, process in self._running.items():
            status = process.poll()
            if status is not None:
                how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
                raise ProcessDied(f"the process {name} ended with {how}; read {self.log_path(name)}")

    def stop(self) -> None:
        """Ask all to end, wait, and end by force what does not. Ctrl-C meanwhile ends all by force at once."""
        try:
            for process in self._running.values():
                process.terminate()
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            for process in self._running.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in self._running.values():
                # The whole group: a worker that was killed leaves its own children.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._running.clear()

    def _start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log_path(name).open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # A group of its own: Ctrl-C reaches us alone, and we end the processes in order.
                start_new_session=True,
                preexec_fn=end_with(os.getpid()),  # noqa: PLW1509 - no thread that could hold a lock
            )
