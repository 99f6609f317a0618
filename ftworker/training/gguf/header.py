"""What stands before the tensors of a GGUF file: its keys and the list of its tensors. Reads no tensor.

A file may come from anywhere, so every count, length and offset is held against the size of the file before anything is
allocated for it. The layout is ggml's docs/gguf.md, versions 2 and 3, little-endian. Needs no package.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from ftworker.training.gguf.tensor_types import TensorType
from ftworker.training.stage import StageFailed

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MAX_DIMENSIONS: Final = 4
MAX_TENSOR_NAME_BYTES: Final = 63
"""ggml.h: GGML_MAX_NAME is 64 with the closing zero; llama.cpp refuses longer ones."""
MAX_KEY_BYTES: Final = 65_535
MAX_NESTING: Final = 4
DEFAULT_ALIGNMENT: Final = 32


class GgufProblem(StageFailed):
    """A file or an adapter that cannot be read or converted. `code` is one of docs/LOCAL.md."""


class ValueType(IntEnum):
    """The type of a key's value."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


SCALARS: Final[dict[ValueType, str]] = {
    ValueType.UINT8: "B",
    ValueType.INT8: "b",
    ValueType.UINT16: "H",
    ValueType.INT16: "h",
    ValueType.UINT32: "I",
    ValueType.INT32: "i",
    ValueType.FLOAT32: "f",
    ValueType.BOOL: "?",
    ValueType.UINT64: "Q",
    ValueType.INT64: "q",
    ValueType.FLOAT64: "d",
}
"""Each with its letter in `struct`."""


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: its name, how it is stored, and where."""

    name: str
    shape: tuple[int, ...]
    """As numpy has it, rows first; GGUF writes it the other way round."""
    type: TensorType
    offset: int
    """From the beginning of the file."""
    size_bytes: int

    @property
    def row(self) -> int:
        """Numbers in a row."""
        return self.shape[-1] if self.shape else 1

    @property
    def numbers(self) -> int:
        return _product(self.shape)


@dataclass(frozen=True)
class GgufHeader:
    path: Path
    version: int
    values: Mapping[str, Any]
    """By key, as Python values; arrays are lists."""
    records: Mapping[str, bytes]
    """By key, the very bytes: length, key, type and value, to be carried into another file."""
    tensors: Sequence[TensorInfo]
    """As listed in the file."""
    alignment: int
    data_offset: int
    size_bytes: int


def read_header(path: Path) -> GgufHeader:
    """The file's keys and tensors. Raises GgufProblem: `base_missing`, `gguf_malformed`, `gguf_unsupported`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < len(MAGIC):
                raise _malformed(path, 0, f"{size} bytes are no GGUF file")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Parser(path, content).header()
    except OSError as error:
        raise GgufProblem(
            "base_missing",
            f"{path} cannot be read ({error.strerror}); put a GGUF file there or change the path",
        ) from error


def _malformed(path: Path, offset: int, what: str) -> GgufProblem:
    return GgufProblem(
        "gguf_malformed", f"{path}, byte {offset}: {what}; the file is damaged or cut off, fetch it again"
    )


def _product(shape: Sequence[int]) -> int:
    numbers = 1
    for dimension in shape:
        numbers *= dimension
    return numbers


class _Parser:
    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self._size = len(content)
        self._at = 0

    def header(self) -> GgufHeader:
        if self._take(len(MAGIC)) != MAGIC:
            raise _malformed(self._path, 0, f"it begins with {self._content[:4]!r}, not with {MAGIC!r}")
        version = self._number("I")
        if version not in VERSIONS:
            raise GgufProblem(
                "gguf_unsupported",
                f"{self._path} is GGUF version {version}; little-endian files of versions 2 and 3 are read: convert "
                "the model again with a current llama.cpp",
            )
        tensor_count, key_count = self._number("Q"), self._number("Q")
        # The least that a key takes: length, no text, type, one byte; a tensor: length, count, dimension, type, offset.
        self._room_for(key_count, 13, "keys")
        values: dict[str, Any] = {}
        records: dict[str, bytes] = {}
        for _ in range(key_count):
            start = self._at
            key = self._text(MAX_KEY_BYTES, "a key")
            if key in values:
                raise _malformed(self._path, start, f"the key {key!r} stands there twice")
            values[key] = self._value(self._value_type(), 0)
            records[key] = self._content[start : self._at]
        alignment = values.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise _malformed(self._path, self._at, f"general.alignment is {alignment!r}, not a power of two")
        self._room_for(tensor_count, 32, "tensors")
        listed = [self._tensor() for _ in range(tensor_count)]
        data_offset = -(-self._at // alignment) * alignment
        return GgufHeader(
            path=self._path,
            version=version,
            values=values,
            records=records,
            tensors=self._placed(listed, data_offset, alignment),
            alignment=alignment,
            data_offset=data_offset,
            size_bytes=self._size,
        )

    def _take(self, count: int) -> bytes:
        if count > self._size - self._at:
            raise _malformed(self._path, self._at, f"{count} bytes should follow, the file ends before")
        self._at += count
        return self._content[self._at - count : self._at]

    def _room_for(self, count: int, least_bytes: int, what: str) -> None:
        if count * least_bytes > self._size - self._at:
            raise _malformed(self._path, self._at, f"{count} {what} do not fit into {self._size} bytes")

    def _number(self, letter: str) -> int:
        number: int = struct.unpack(f"<{letter}", self._take(struct.calcsize(letter)))[0]
        return number

    def _text(self, limit: int, what: str) -> str:
        length = self._number("Q")
        if length > limit:
            raise _malformed(
                self._path, self._at - 8, f"{what} of {length} bytes; at most {limit} are allowed"
            )
        start = self._at
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise _malformed(self._path, start, f"{what} is not UTF-8") from error

    def _value_type(self) -> ValueType:
        number = self._number("I")
        try:
            return ValueType(number)
        except ValueError as error:
            raise _malformed(self._path, self._at - 4, f"{number} is no type of a value") from error

    def _value(self, kind: ValueType, depth: int) -> Any:
        match kind:
            case ValueType.STRING:
                # Tokens of some vocabularies are pieces of characters, so a value that is no UTF-8 is no damage.
                return self._take(self._number("Q")).decode(errors="replace")
            case ValueType.ARRAY:
                return self._array(depth)
            case _:
                return self._number(SCALARS[kind])

    def _array(self, depth: int) -> list[Any]:
        if depth >= MAX_NESTING:
            raise _malformed(self._path, self._at, f"lists within lists, more than {MAX_NESTING} deep")
        kind, count = self._value_type(), self._number("Q")
        letter = SCALARS.get(kind)
        if letter is not None:
            self._room_for(count, struct.calcsize(letter), "numbers")
            return list(struct.unpack(f"<{count}{letter}", self._take(count * struct.calcsize(letter))))
        self._room_for(count, 8, "values")
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _tensor(self) -> tuple[str, tuple[int, ...], TensorType, int]:
        """A line of the list; its offset counts from the first tensor."""
        start = self._at
        name = self._text(MAX_TENSOR_NAME_BYTES, "the name of a tensor")
        count = self._number("I")
        if count > MAX_DIMENSIONS:
            raise _malformed(
                self._path, start, f"tensor {name!r} has {count} dimensions, more than {MAX_DIMENSIONS}"
            )
        shape = tuple(reversed([self._number("Q") for _ in range(count)]))
        if 0 in shape:
            raise _malformed(self._path, start, f"tensor {name!r} has no numbers")
        number = self._number("I")
        try:
            kind = TensorType(number)
        except ValueError as error:
            raise GgufProblem(
                "gguf_unsupported",
                f"{self._path}: tensor {name!r} is stored in way {number}, unknown here; take a GGUF in F16, BF16 or "
                "Q8_0",
            ) from error
        if (shape[-1] if shape else 1) % kind.block:
            raise _malformed(
                self._path,
                start,
                f"rows of tensor {name!r} are no multiple of {kind.block}, as {kind.name} needs",
            )
        return name, shape, kind, self._number("Q")

    def _placed(
        self, listed: Sequence[tuple[str, tuple[int, ...], TensorType, int]], data_offset: int, alignment: int
    ) -> list[TensorInfo]:
        tensors = [
            TensorInfo(name, shape, kind, data_offset + offset, kind.size_of(_product(shape)))
            for name, shape, kind, offset in listed
        ]
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise _malformed(self._path, self._at, "two tensors have the same name")
        end = data_offset
        for tensor in sorted(tensors, key=lambda tensor: (tensor.offset, tensor.size_bytes)):
            if tensor.offset % alignment or tensor.offset < end:
                raise _malformed(self._path, tensor.offset, f"tensor {tensor.name!r} cannot begin there")
            end = tensor.offset + tensor.size_bytes
            if end > self._size:
                raise _malformed(
                    self._path,
                    tensor.offset,
                    f"tensor {tensor.name!r} ends at {end}, the file at {self._size}",
                )
        return tensors
