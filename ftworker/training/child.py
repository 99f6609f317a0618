"""One program of a training as a child of the job: its events, its end, and the end of all that it started.

The child leads a process group of its own; its standard input is a pipe that ends with the job, so that it ends too
(`ftworker.training.stage`). What it prints that is no event goes to its log, which may quote rows.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ftworker.training.events import Event, decode_event
from ftworker.training.stages import Stage

_READ_BYTES: Final = 1 << 16
_LONGEST_LINE_BYTES: Final = 1 << 20


class Child:
    """A running stage. `close` ends the whole group, whatever became of the child itself."""

    def __init__(self, stage: Stage, work: Path, log: Path, descriptors: Sequence[int]) -> None:
        """Start it. `descriptors` are inherited: locks that hold until the last of the group is gone."""
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                [*stage.command, str(work)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=dict(stage.environment),
                start_new_session=True,
                pass_fds=tuple(descriptors),
            )
        except OSError:
            os.close(self._log)
            raise
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def read(self, timeout_seconds: float) -> list[Event]:
        """The events that have come, after waiting for the first of them for so long at most."""
        self._selector.select(timeout_seconds)
        return self._read()

    def terminate(self) -> None:
        """Ask the child itself to stop; it asks what it started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> list[Event]:
        """End what is left of the group, and return the last events."""
        self.kill()
        self._process.wait()
        events = self._read()
        if self._rest:
            events += self._events_of([self._rest])
        for stream in (self._process.stdin, self._output):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._selector.close()
        os.close(self._log)
        return events

    def _read(self) -> list[Event]:
        found: list[Event] = []
        while True:
            try:
                received = os.read(self._output.fileno(), _READ_BYTES)
            except BlockingIOError:
                return found
            if not received:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(self._output)
                return found
            *lines, self._rest = (self._rest + received).split(b"\n")
            if len(self._rest) > _LONGEST_LINE_BYTES:
                lines, self._rest = [*lines, self._rest], b""
            found += self._events_of(lines)

    def _events_of(self, lines: Sequence[bytes]) -> list[Event]:
        found: list[Event] = []
        for line in lines:
            event = decode_event(line)
            if event is not None:
                found.append(event)
            elif line.strip():
                with contextlib.suppress(OSError):  # a full disk must not end the training
                    os.write(self._log, line + b"\n")
        return found
