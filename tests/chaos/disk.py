"""A disk, of the datasets or of PostgreSQL, and how it gets full: a small file system for root, file limits for others.

As root a tmpfs is mounted and a ballast file fills it to the last byte: real ENOSPC. Anybody else limits the size of
the files that our processes write (RLIMIT_FSIZE), which ends in EFBIG at the same places.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

SIZE_MIB = 512
DATABASE_MIB = 640
LIMIT_BYTES = 2_048


class Disk:
    """A folder for datasets whose disk can be filled. A context manager."""

    def __init__(
        self, folder: Path, writers: Callable[[], Iterable[int]], *, size_mib: int = SIZE_MIB
    ) -> None:
        """`writers` tells the process ids of all who write there."""
        self.folder = folder
        self._size_mib = size_mib
        self._writers = writers
        self._mounted = False
        self._limited: list[int] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self._size_mib}m", "chaos", str(self.folder)],
                capture_output=True,
                check=False,
            )
            self._mounted = mounted.returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        self.free()
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    @property
    def is_own(self) -> bool:
        """Whether it is a file system of its own, so that it is full for everybody."""
        return self._mounted

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> str:
        """From now on nothing can be written; returns how that was done."""
        if not self._mounted:
            self._limited = list(self._writers())
            for pid in self._limited:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, resource.RLIM_INFINITY))
            return f"files of {len(self._limited)} processes limited"
        block = bytes(1 << 20)
        with self._ballast.open("wb", buffering=0) as ballast:
            size = len(block)
            while size:
                try:
                    ballast.write(block[:size])
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2
        return "tmpfs filled"

    def free(self) -> None:
        """There is room again."""
        for pid in self._limited:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self._limited = []
        self._ballast.unlink(missing_ok=True)
