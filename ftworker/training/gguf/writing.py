"""A GGUF file written from beginning to end: keys, list of tensors, then each tensor as it comes. Streams.

The file has its own name only when it is whole and on the disk: until then it is `NAME.part`, which is removed on any
error, and written over after a kill. Its hash is taken on the way.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from ftworker.training.gguf.header import MAGIC, SCALARS, GgufProblem, ValueType
from ftworker.training.gguf.tensor_types import TensorType
from ftworker.training.results import ArtefactFile

PART: Final = ".part"
VERSION: Final = 3
FREE_BYTES_LEFT: Final = 64 * 1024**2
"""Room on the disk that stays free, for everybody else on it."""


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor that is to be written."""

    name: str
    shape: tuple[int, ...]
    """As numpy has it."""
    type: TensorType

    @property
    def size_bytes(self) -> int:
        numbers = 1
        for dimension in self.shape:
            numbers *= dimension
        return self.type.size_of(numbers)


def key_record(key: str, kind: ValueType, value: Any) -> bytes:
    """The bytes of a key whose value is a text or one number."""
    name = key.encode()
    head = struct.pack("<Q", len(name)) + name + struct.pack("<I", kind)
    if kind is ValueType.STRING:
        text = value.encode()
        return head + struct.pack("<Q", len(text)) + bytes(text)
    return head + struct.pack(f"<{SCALARS[kind]}", value)


def make_room(folder: Path, size_bytes: int) -> None:
    """Raises GgufProblem `disk_full` when so much does not fit; better before an hour's work than after."""
    free = shutil.disk_usage(folder).free
    if free < size_bytes + FREE_BYTES_LEFT:
        raise GgufProblem(
            "disk_full",
            f"{folder} has {free // 1024**2} MiB free, {(size_bytes + FREE_BYTES_LEFT) // 1024**2 + 1} MiB are needed; "
            "free some, or set FTWORKER_HOME to a larger disk",
            transient=True,
        )


class GgufWriter:
    """Writes one file: `write` takes the tensors' bytes, in the order of the plan and in parts of any size.

    As a context manager; `finish` before leaving it gives the file its name. Raises OSError as the disk does.
    """

    def __init__(
        self, path: Path, records: Sequence[bytes], plan: Sequence[PlannedTensor], alignment: int
    ) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)
        self._plan = plan
        self._alignment = alignment
        self._head = self._header(records)
        self._index = 0
        self._missing = plan[0].size_bytes if plan else 0
        self._hash = hashlib.sha256()
        self._written = 0
        self._file: BinaryIO | None = None

    @property
    def size_bytes(self) -> int:
        """Of the whole file, known before the first byte."""
        return len(self._head) + sum(self._padded(tensor.size_bytes) for tensor in self._plan)

    def __enter__(self) -> Self:
        make_room(self._path.parent, self.size_bytes)
        # Unbuffered: what comes is large, and a copy of it costs time.
        self._file = self._part.open("wb", buffering=0)
        self._put(self._head)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def write(self, content: bytes | memoryview) -> None:
        """The next bytes of the tensor whose turn it is; its last part is filled up to the alignment."""
        if len(content) > self._missing:
            raise ValueError(
                f"{len(content)} bytes for {self._plan[self._index].name}, which misses {self._missing}"
            )
        self._put(content)
        self._missing -= len(content)
        if self._missing == 0:
            size = self._plan[self._index].size_bytes
            self._put(bytes(self._padded(size) - size))
            self._index += 1
            if self._index < len(self._plan):
                self._missing = self._plan[self._index].size_bytes

    def finish(self) -> ArtefactFile:
        """Put everything on the disk and give the file its name."""
        if self._index < len(self._plan):
            raise ValueError(f"{self._plan[self._index].name} is not written")
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._part.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return ArtefactFile(self._path.name, self._hash.hexdigest(), self._written)

    def _header(self, records: Sequence[bytes]) -> bytes:
        lines = []
        offset = 0
        for tensor in self._plan:
            name = tensor.name.encode()
            dimensions = tuple(reversed(tensor.shape))
            lines.append(struct.pack("<Q", len(name)) + name)
            lines.append(
                struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, tensor.type, offset)
            )
            offset += self._padded(tensor.size_bytes)
        counts = struct.pack("<IQQ", VERSION, len(self._plan), len(records))
        head = MAGIC + counts + b"".join(records) + b"".join(lines)
        return head + bytes(self._padded(len(head)) - len(head))

    def _padded(self, size: int) -> int:
        return -(-size // self._alignment) * self._alignment

    def _put(self, content: bytes | memoryview) -> None:
        assert self._file is not None
        self._hash.update(content)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._written += len(content)
