"""Run ftworker's processes as children in one terminal: `ftworker up`. The Procfile names the same processes.

Starts no server and keeps no state: which process died is known by being its parent. A child that ends is
started again, after a growing pause. In production systemd, Docker or Kubernetes do this work instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import click

from ftworker.errors import Refused

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
STEADY_SECONDS = 60.0
"""A child that has run for so long is taken for healthy: its next crash starts the pauses anew."""
STOP_TIMEOUT_SECONDS = 60.0
"""Time for a clean stop. Ending by force after it loses no work: leases run out and the sweep takes it up."""
MAX_LINE_BYTES = 65_536
WRONG_CONFIGURATION = 2
"""The exit status of a command whose configuration is wrong: starting it again cannot help."""

OWN_NAME = "up"
"""Stands in front of the supervisor's own lines."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass
class _Child:
    name: str
    command: Sequence[str]
    colour: str
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    started_at: float = 0.0
    pause_seconds: float = 0.0
    start_at: float | None = 0.0
    """When to start it, by the monotonic clock; None while it runs or when it is to stay down."""
    unfinished_line: bytearray = field(default_factory=bytearray)


@contextlib.contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Hold the home against a second set of processes. The lock is the kernel's, so `kill -9` leaves none behind.

    Raises Refused, with the number of the process that holds it. Children do not inherit the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Refused(
                f"`ftworker up` runs already over {home} (process {lock.read().strip() or 'unknown'}); "
                "`ftworker status` shows what it does. Stop it first with Ctrl-C, or set another FTWORKER_HOME"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def run_processes(
    commands: Mapping[str, Sequence[str]],
    env: Mapping[str, str],
    *,
    stop_timeout_seconds: float = STOP_TIMEOUT_SECONDS,
    first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    write: Callable[[str], None] = click.echo,
) -> int:
    """Run each command until SIGTERM, SIGINT or SIGHUP, printing their lines with the name in front.

    `env` is the whole environment of the children. A signal is passed on as SIGTERM, once; a second one, or
    `stop_timeout_seconds`, ends the children by force. A child that ends by itself is started again after 1,
    2, 4 ... 60 s, unless it ends with 2 (wrong configuration): then everything stops.

    Returns 0 after a clean stop, 1 when a child had to be ended by force, 2 for a wrong configuration. Must
    be called in the main thread, which alone may set signal handlers.
    """
    return _Supervisor(commands, env, stop_timeout_seconds, first_pause_seconds, write).run()


class _Supervisor:
    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        env: Mapping[str, str],
        stop_timeout_seconds: float,
        first_pause_seconds: float,
        write: Callable[[str], None],
    ) -> None:
        self._children = [
            _Child(name, command, _COLOURS[index % len(_COLOURS)], pause_seconds=first_pause_seconds)
            for index, (name, command) in enumerate(commands.items())
        ]
        self._width = max(len(name) for name in (OWN_NAME, *commands))
        # Python holds back what it prints into a pipe; here a person reads along.
        self._env = {"PYTHONUNBUFFERED": "1", **env}
        self._first_pause_seconds = first_pause_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._write = write
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._stop_by: float | None = None
        self._exit_status = 0

    def run(self) -> int:
        with _wake_up_on_signals(self._note_signal) as wakeup, self._selector:
            self._selector.register(wakeup, selectors.EVENT_READ, None)
            try:
                while self._step():
                    for key, _ in self._selector.select(self._pause()):
                        if key.data is None:
                            os.read(wakeup, 4096)
                        else:
                            self._read(key.data)
            finally:
                self._kill_all()  # nothing to do after an orderly end
        return self._exit_status

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _step(self) -> bool:
        """Do what is due. False when all is over."""
        for child in self._children:
            self._notice_end(child)
        if self._signals and self._stop_by is None:
            self._say("stopping: waiting for the processes to finish (once more to force)")
            self._stop()
        if self._stop_by is not None:
            if not any(child.process for child in self._children):
                return False
            if self._signals > 1 or time.monotonic() >= self._stop_by:
                self._exit_status = self._exit_status or 1
                self._kill_all()
                return False
            return True
        for child in self._children:
            if child.start_at is not None and time.monotonic() >= child.start_at:
                self._start(child)
        return True

    def _pause(self) -> float | None:
        """Seconds until something is due by itself; None when only a signal or output can bring news."""
        moments = [child.start_at for child in self._children if child.start_at is not None]
        if self._stop_by is not None:
            moments = [self._stop_by]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _start(self, child: _Child) -> None:
        try:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._env,
                # A group of its own: Ctrl-C reaches us alone, and we decide what the children get.
                start_new_session=True,
                preexec_fn=end_with(os.getpid()),  # noqa: PLW1509 - `up` has no thread that could hold a lock
            )
        except OSError as error:
            self._say(f"{child.name} cannot be started: {error.strerror}: {error.filename}")
            self._exit_status = WRONG_CONFIGURATION
            self._stop()
            return
        child.started_at = time.monotonic()
        child.start_at = None
        child.output = child.process.stdout
        assert child.output is not None
        os.set_blocking(child.output.fileno(), False)
        self._selector.register(child.output, selectors.EVENT_READ, child)
        self._say(f"started {child.name} (process {child.process.pid})")

    def _notice_end(self, child: _Child) -> None:
        if child.process is None or child.process.poll() is None:
            return
        status = child.process.returncode
        self._forget(child)
        if self._stop_by is not None:
            self._say(f"{child.name} has stopped")
            return
        if status == WRONG_CONFIGURATION:
            self._say(f"{child.name} says that its configuration is wrong; correct it and start again")
            self._exit_status = WRONG_CONFIGURATION
            self._stop()
            return
        now = time.monotonic()
        if now - child.started_at >= STEADY_SECONDS:
            child.pause_seconds = self._first_pause_seconds
        child.start_at = now + child.pause_seconds
        self._say(f"{child.name} ended with {_meaning(status)}; starting it in {child.pause_seconds:g} s")
        child.pause_seconds = min(child.pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _forget(self, child: _Child) -> None:
        assert child.process is not None
        # What a killed worker leaves of its own children must not go on beside its successor.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process = None
        self._read(child)
        self._close(child)
        if child.unfinished_line:
            self._print(child, bytes(child.unfinished_line))
            child.unfinished_line.clear()

    def _close(self, child: _Child) -> None:
        if child.output is not None:
            self._selector.unregister(child.output)
            child.output.close()
            child.output = None

    def _stop(self) -> None:
        self._stop_by = time.monotonic() + self._stop_timeout_seconds
        for child in self._children:
            child.start_at = None
            if child.process is not None:
                child.process.send_signal(signal.SIGTERM)

    def _kill_all(self) -> None:
        for child in self._children:
            if child.process is not None:
                self._say(f"ending {child.name} by force")
                child.process.kill()
                child.process.wait()
                self._forget(child)

    def _read(self, child: _Child) -> None:
        """Print the whole lines that have arrived."""
        while child.output is not None:
            try:
                received = os.read(child.output.fileno(), MAX_LINE_BYTES)
            except BlockingIOError:
                return
            if not received:
                self._close(child)
            *lines, rest = (child.unfinished_line + received).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                lines, rest = [*lines, rest], bytearray()
            child.unfinished_line = rest
            for line in lines:
                self._print(child, bytes(line))

    def _print(self, child: _Child, line: bytes) -> None:
        prefix = click.style(f"{child.name:<{self._width}} |", fg=child.colour)
        self._emit(f"{prefix} {line.decode(errors='replace').rstrip()}")

    def _say(self, text: str) -> None:
        self._emit(click.style(f"{OWN_NAME:<{self._width}} |", bold=True) + f" {text}")

    def _emit(self, line: str) -> None:
        try:
            self._write(line)
        except OSError:
            # The terminal or the pager is gone, and whoever reads with it: as if it had sent SIGHUP.
            self._signals = self._signals or 1
            self._write = _nowhere


def _nowhere(line: str) -> None:
    """Print nothing."""


def _meaning(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


@contextlib.contextmanager
def _wake_up_on_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[int]:
    """Call `handler` for the signals that stop us, and make the yielded descriptor readable for each signal.

    SIGCHLD is among them, so that the end of a child wakes us up as well.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    wakeup_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, handler) for number in _STOP_SIGNALS}
    before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        yield reading
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
        signal.set_wakeup_fd(wakeup_before)
        os.close(reading)
        os.close(writing)


def end_with(parent: int) -> Callable[[], None] | None:
    """What a new child does first, so that it ends when we are killed: else two sets of processes would run.

    Linux alone can do this; elsewhere a supervisor that was killed leaves its children, to be ended by hand.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def end_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before that call
            os._exit(1)

    return end_with_parent
