"""Who may train on this machine now: locks on files under `home/trainings`, which the kernel frees after a kill.

A job takes a slot (at most `concurrent` of them) and its training's folder; both descriptors pass on to the programs
that it starts, so a place is free when the last of those is gone, and not before. Knows nothing of leases: those keep
other machines away.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = "trainings"
"""Under `home`: the folder of each training, and the locks of the slots."""
LOGS: Final = "logs"
JOB_LOG: Final = "job.log"
_FOLDER_LOCK: Final = "lock"
"""Held by a job and by all that it started."""
_JOB_LOCK: Final = "job.lock"
"""Held by a job alone: while it is, the process that it names is that job, and no other that got its number."""
LOCKS: Final = (_FOLDER_LOCK, _JOB_LOCK)
_AGAIN_SECONDS: Final = 0.1


def work_folder(home: Path, run_key: str) -> Path:
    """The folder of a training on this machine."""
    return home.absolute() / FOLDER / run_key


def make_work_folder(home: Path, run_key: str) -> Path:
    """The same, made. Its files hold words of conversations, so nobody but the owner may look."""
    folder = work_folder(home, run_key)
    for part in (folder.parent, folder, folder / LOGS):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@dataclass
class Place:
    """A slot and a folder, taken by this process. `descriptors` go to the programs that it starts."""

    descriptors: tuple[int, int]
    _job: int

    def leave(self) -> None:
        """Give back what this process holds; programs that it started and that live go on holding theirs."""
        for descriptor in (*self.descriptors, self._job):
            os.close(descriptor)


def take_place(folder: Path, slots: int, *, patience_seconds: float = 2.0) -> Place | None:
    """Take the training's folder and one of the slots; None when either is in use.

    The patience is for one who only looked whether a place was free, and for the rest of an earlier job.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        with contextlib.ExitStack() as undo:
            job = _take(folder / _JOB_LOCK, undo)
            own = _take(folder / _FOLDER_LOCK, undo)
            slot = _take_slot(folder.parent, slots, undo)
            if job is not None and own is not None and slot is not None:
                undo.pop_all()
                os.truncate(job, 0)
                os.pwrite(job, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
                return Place((slot, own), job)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_AGAIN_SECONDS)


def is_place_free(folder: Path, slots: int) -> bool:
    """Whether a job could begin now. Only a look: another may be quicker."""
    with contextlib.ExitStack() as undo:
        taken = (
            _take(folder / _JOB_LOCK, undo),
            _take(folder / _FOLDER_LOCK, undo),
            _take_slot(folder.parent, slots, undo),
        )
        return None not in taken


def is_in_use(folder: Path) -> bool:
    """Whether a job, or something that one left behind, works in the folder."""
    with contextlib.ExitStack() as undo:
        return _take(folder / _FOLDER_LOCK, undo) is None


def running_jobs(home: Path) -> dict[str, int]:
    """Run key to process, of the jobs that run on this machine under this home."""
    found: dict[str, int] = {}
    for path in sorted((home.absolute() / FOLDER).glob(f"*/{_JOB_LOCK}")):
        with contextlib.ExitStack() as undo:
            if _take(path, undo) is not None:
                continue
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            held = json.loads(path.read_text(encoding="utf-8"))
            # In a container that shares the folder with another, its process numbers mean nothing here.
            if held["host"] == socket.gethostname():
                found[path.parent.name] = int(held["pid"])
    return found


def _take_slot(folder: Path, slots: int, undo: contextlib.ExitStack) -> int | None:
    return next((taken for path in _slots(folder, slots) if (taken := _take(path, undo)) is not None), None)


def _slots(folder: Path, slots: int) -> Iterator[Path]:
    return (folder / f"slot-{number}.lock" for number in range(1, slots + 1))


def _take(path: Path, undo: contextlib.ExitStack) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    undo.callback(os.close, descriptor)
    return descriptor
