"""Finding a server's process again and ending it: by what it is, not by a number that another may have got.

The only module with psutil, which comes with the extra `embedded` and is imported when first needed.
`servers` is its caller.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def find_process(argument: str, pid: int | None = None) -> psutil.Process | None:
    """The living process that has `argument` on its command line; only `pid` is looked at when given."""
    import psutil

    candidates: Iterable[psutil.Process] = psutil.process_iter()
    if pid is not None:
        candidates = [psutil.Process(pid)] if psutil.pid_exists(pid) else []
    for process in candidates:
        # Another user's process cannot be looked into; it is not ours either.
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if argument in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                return process
    return None


def processes_working_in(directory: Path) -> list[psutil.Process]:
    """The living processes whose working directory this is, such as what a killed PostgreSQL left."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.cwd() == str(directory):
                found.append(process)
    return found


def end_process(process: psutil.Process, polite: signal.Signals, timeout_seconds: float) -> None:
    """Send `polite`, wait for the end, and kill what has not ended after `timeout_seconds`."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(polite)
        try:
            process.wait(timeout_seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout_seconds)
