"""A .safetensors file, one tensor at a time. The format is huggingface/safetensors' README: length, JSON, bytes.

The package of that name gives numpy no bfloat16, in which adapters are saved as well.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.header import GgufProblem
from ftworker.training.gguf.stored_numbers import decode
from ftworker.training.gguf.tensor_types import TensorType

MAX_HEADER_BYTES: Final = 100_000_000
"""The limit of the format's own reader."""
_TYPES: Final = {"F32": TensorType.F32, "F16": TensorType.F16, "BF16": TensorType.BF16}


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class SafetensorsFile:
    """Raises GgufProblem: `adapter_missing`, `adapter_malformed`, when it is opened or read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                length = int.from_bytes(file.read(8), "little")
                if length > min(size - 8, MAX_HEADER_BYTES):
                    raise self._malformed(f"a header of {length} bytes in a file of {size}")
                header = file.read(length)
        except OSError as error:
            raise GgufProblem(
                "adapter_missing",
                f"{path} cannot be read ({error.strerror}); the training must leave it there",
            ) from error
        try:
            entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
            entries.pop("__metadata__", None)
            self._entries = {
                name: msgspec.json.decode(entry, type=_Entry, strict=True) for name, entry in entries.items()
            }
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._malformed("its header is not the JSON of the format") from error
        self._data = 8 + length
        for name, entry in self._entries.items():
            self._check(name, entry, size - self._data)

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._entries[name].shape

    def read(self, name: str) -> NDArray[np.float32]:
        """The tensor as 32-bit floats."""
        entry = self._entries[name]
        with self._path.open("rb") as file:
            file.seek(self._data + entry.data_offsets[0])
            stored = file.read(entry.data_offsets[1] - entry.data_offsets[0])
        return decode(stored, _TYPES[entry.dtype]).reshape(entry.shape)

    def _check(self, name: str, entry: _Entry, room: int) -> None:
        if entry.dtype not in _TYPES:
            raise self._malformed(f"tensor {name} is stored as {entry.dtype}, not as {', '.join(_TYPES)}")
        begin, end = entry.data_offsets
        numbers = math.prod(entry.shape) if all(dimension >= 0 for dimension in entry.shape) else -1
        if not 0 <= begin <= end <= room or end - begin != numbers * _TYPES[entry.dtype].block_bytes:
            raise self._malformed(f"tensor {name} of shape {entry.shape} cannot lie at {begin} to {end}")

    def _malformed(self, what: str) -> GgufProblem:
        return GgufProblem("adapter_malformed", f"{self._path}: {what}; train again")
