"""One file of a dataset while it is written: buffers rows, hashes and counts what it writes. `export` owns it."""

from __future__ import annotations

import hashlib
from typing import Any, Self

from ftworker.datasets.formats import RowFormat
from ftworker.datasets.manifest import FileEntry
from ftworker.datasets.storage import sync_file

_BUFFER_BYTES = 1 << 20


class DataFile:
    """A data file being written: buffers rows, and hashes what it writes. Opened when the first row comes."""

    def __init__(self, filesystem: Any, folder: str, stem: str, form: RowFormat) -> None:
        self.stem = stem
        self.name = f"{stem}.{form.extension}"
        self.rows = 0
        self._form = form
        self._filesystem = filesystem
        self._path = f"{folder}/{self.name}"
        self._file: Any = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._tokens = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, content: str, tokens: int) -> None:
        """Append the rows of one example."""
        rows = self._form.rows(content)
        self.rows += len(rows)
        self._tokens += tokens + len(rows) * self._form.tokens_per_row
        self._pending += rows
        self._pending_bytes += sum(map(len, rows))
        if self._pending_bytes >= _BUFFER_BYTES:
            self._flush()

    def absorb(self, other: DataFile) -> None:
        """Append all rows of the other file, which is empty afterwards and removed."""
        self._flush()
        other._flush()
        other._file.close()
        with self._filesystem.open(other._path, "rb") as source:
            source.seek(len(self._form.head))
            if self._file is not None:
                self._write(self._form.separator)
            while block := source.read(_BUFFER_BYTES):
                self._write(block)
        self._filesystem.rm(other._path)
        self.rows += other.rows
        self._tokens += other._tokens
        other.rows = 0

    def finish(self) -> None:
        """Write the rest and close; the file is durable where the file system can say so."""
        self._flush()
        self._write(self._form.tail)
        sync_file(self._file)
        self._file.close()

    def entry(self) -> FileEntry:
        """What the manifest says of the finished file."""
        return FileEntry(self.name, self._digest.hexdigest(), self._size, self.rows, self._tokens)

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = self._form.separator.join(self._pending)
        self._write(rows if self._file is None else self._form.separator + rows)
        self._pending = []
        self._pending_bytes = 0

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._filesystem.open(self._path, "wb")
            data = self._form.head + data
        self._digest.update(data)
        self._size += len(data)
        self._file.write(data)


def write_small(filesystem: Any, path: str, data: bytes) -> None:
    """Write a file at once; durable where the file system can say so."""
    with filesystem.open(path, "wb") as file:
        file.write(data)
        sync_file(file)
