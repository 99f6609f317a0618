"""What every stage does around its work: events on standard output, the parent watched, failures named.

`run_stage` is the `main` of a stage. Knows nothing of models; no text of a conversation passes through it.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import msgspec

from ftworker.errors import PermanentError
from ftworker.training.events import DONE, FAILED, INTERRUPTED, Event, Failed, Noted, encode_event


class StageFailed(PermanentError):
    """The stage cannot go on. `code` is one of docs/LOCAL.md; the message says what to change and quotes no row."""

    def __init__(self, code: str, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.transient = transient


class Interrupted(BaseException):
    """SIGTERM came. No Exception, so that no handler of a library takes it for an error of its own."""


class Stop:
    """Whether the stage was asked to stop (SIGTERM).

    At first the signal ends the stage where it stands. After `defer` it only sets `requested`, and the stage ends
    itself, by raising Interrupted, where nothing is lost.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def defer(self) -> None:
        """From now on the stage looks at `requested` itself."""
        self._deferred = True

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not self._deferred:
            raise Interrupted


class Events:
    """Where the stage's events go: the pipe to the job. Safe to use from threads."""

    def __init__(self, descriptor: int, *, silent: bool = False) -> None:
        self._descriptor = descriptor
        self._silent = silent
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one line at once."""
        if self._silent:
            return
        line = encode_event(event)
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def note(self, message: str) -> None:
        """Something a person may want to read later; no text of a row."""
        self.send(Noted(message))

    def silence(self) -> None:
        """Send nothing from now on: of several processes of one training only the first speaks."""
        self._silent = True


StageWork = Callable[[Path, Events, Stop], None]


def run_stage(work: StageWork, arguments: list[str]) -> int:
    """Run the work in the folder that the one argument names; returns the exit status of `events`.

    Whatever else prints to standard output (progress bars of libraries) lands on standard error from here on. The
    process ends as soon as the job that started it is gone.
    """
    if len(arguments) != 1:
        sys.stderr.write("expected one argument: the working folder of a training\n")
        return FAILED
    events = Events(_take_standard_output())
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.on_signal)
    end_with_parent()
    try:
        work(Path(arguments[0]), events, stop)
    except Interrupted:
        return INTERRUPTED
    except BrokenPipeError:
        return INTERRUPTED  # nobody reads the events: the job is gone
    except Exception as error:  # noqa: BLE001 - the last line of a program; what has no name is a crash
        # The traceback may quote a row: standard error goes to a file that only the machine's owner reads.
        traceback.print_exc()
        failure = named_failure(error)
        if failure is not None:
            events.send(failure)
        return FAILED
    return DONE


def leave_result(file: Path, result: object) -> None:
    """Write a stage's result as JSON, last and whole: its being there says that the stage is done.

    Also after a power cut: it gets its name when its content, and all that the stage wrote before, is on the disk.
    """
    writing = file.with_name(f".{file.name}")
    writing.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
    os.sync()
    writing.replace(file)


def named_failure(error: BaseException) -> Failed | None:
    """The failure by its name, with what to change; None for what nobody foresaw: the stage crashed."""
    text = str(error)
    if isinstance(error, StageFailed):
        return Failed(error.code, text, error.transient)
    no_space = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    # The error of safetensors carries no number.
    if no_space or "No space left on device" in text:
        return Failed(
            "disk_full",
            "no space left on the disk of the working folder; free some, or set FTWORKER_HOME to a larger disk",
            transient=True,
        )
    if is_out_of_memory(error):
        return Failed(
            "out_of_memory",
            "memory ran out; lower training.micro_batch or training.max_length_tokens, set "
            "training.gradient_checkpointing = true, or choose a smaller base or a larger machine",
        )
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or this machine had no memory left, in the words of Python and of PyTorch."""
    # By name: this module must not import torch. `torch.OutOfMemoryError` is a RuntimeError; the CPU's is a plain one.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError)
            and any(words in str(error) for words in ("out of memory", "can't allocate memory"))
        )
    )


def end_with_parent() -> None:
    """End this process when its standard input ends, if that is a pipe: then whoever started it is gone.

    Without saving: another trainer may be at work in the same folder already.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_wait_for_end, name="parent", daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass
    if os.getpgid(0) == os.getpid():
        # The leader of a group, as the job makes a stage: what it started goes with it.
        os.killpg(0, signal.SIGKILL)
    os._exit(INTERRUPTED)


def _take_standard_output() -> int:
    """A descriptor of the standard output as it is now; what is printed from here on goes to standard error."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    return descriptor
