"""The base with the LoRA added to it, as one GGUF that every server takes. Streams: no tensor is ever whole in memory.

The file is the base's, part by part: what the LoRA does not touch and is stored as asked is copied, all else is read
into 32-bit floats, added to, and stored. Keys are carried over byte by byte, so that tokenizer, chat template and
licence stay what they are; only the name and the ways of storing are said anew.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Final, Self

import numpy as np
from threadpoolctl import threadpool_limits

from ftworker.training.gguf.header import GgufHeader, GgufProblem, TensorInfo, ValueType
from ftworker.training.gguf.lora import Lora
from ftworker.training.gguf.stored_numbers import Floats, NotFinite, Room, decode, encode
from ftworker.training.gguf.tensor_types import FILE_TYPES, TensorType
from ftworker.training.gguf.writing import GgufWriter, PlannedTensor, key_record
from ftworker.training.results import ArtefactFile

PART_NUMBERS: Final = 1 << 17
"""Numbers that are worked on at once: 512 KiB of floats, which stay in a core's cache."""
WORKERS: Final = 2
_ROOMS: Final = 2 * WORKERS
"""Parts that are worked on or wait to be written."""
_HASHED_TOGETHER: Final = 1 << 20
_QUANTIZATION_VERSION: Final = 2
"""ggml.h, GGML_QNT_VERSION: of the layout of quantised blocks."""


@dataclass(frozen=True)
class Merged:
    file: ArtefactFile
    base_sha256: str


class _Base:
    """The base's file, open."""

    def __init__(self, header: GgufHeader) -> None:
        self.path = header.path
        self._descriptor = os.open(header.path, os.O_RDONLY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, into: memoryview, offset: int) -> memoryview:
        """Fill `into` from there on."""
        filled = 0
        while filled < len(into):
            count = os.preadv(self._descriptor, [into[filled:]], offset + filled)
            if count == 0:
                raise GgufProblem(
                    "base_missing", f"{self.path} became shorter while it was read; put it back as it was"
                )
            filled += count
        return into

    def sha256(self, given_up: Event) -> str:
        """Of the whole file, which is read once more: it lies in the system's cache, and on a core of its own the hash
        costs no time. Ends early, with no hash, when the work is given up."""
        digest = hashlib.sha256()
        piece = memoryview(bytearray(_HASHED_TOGETHER))
        offset = 0
        while not given_up.is_set() and (count := os.preadv(self._descriptor, [piece], offset)):
            digest.update(piece[:count])
            offset += count
        return digest.hexdigest()


@dataclass(frozen=True)
class _Step:
    """One tensor of the base and what becomes of it."""

    base: _Base
    source: TensorInfo
    type: TensorType
    matrices: tuple[Floats, Floats] | None
    """A, and B times the scale, where the LoRA touches it."""


def write_merged(
    path: Path,
    base: GgufHeader,
    lora: Lora,
    stored: TensorType,
    *,
    name: str,
    told: Callable[[], None],
) -> Merged:
    """Write the merged model with its matrices `stored` as F16 or Q8_0; `told` is called after each tensor.

    Raises GgufProblem: `disk_full`, `not_finite`, `gguf_unsupported` (a base stored in a way that cannot be read), and
    `base_missing` when the base changes under the work.
    """
    ordered = sorted(base.tensors, key=lambda tensor: tensor.offset)
    plan = [PlannedTensor(tensor.name, tensor.shape, _stored_as(tensor, stored)) for tensor in ordered]
    most = max((tensor.row * _together(tensor) for tensor in ordered), default=0)
    rooms = [Room(most) for _ in range(_ROOMS)]
    given_up = Event()
    with (
        _Base(base) as file,
        GgufWriter(path, _records(base, stored, name), plan, base.alignment) as writer,
        # The threads of BLAS would fight with ours for the cores: measured, half as fast.
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(WORKERS + 1) as pool,
    ):
        try:
            base_sha256 = pool.submit(file.sha256, given_up)
            steps = (
                _Step(file, source, planned.type, _matrices(lora, source.name))
                for source, planned in zip(ordered, plan, strict=True)
            )
            for made, is_last in _parts(steps, rooms, pool):
                writer.write(made)
                if is_last:
                    told()
            return Merged(writer.finish(), base_sha256.result())
        finally:
            given_up.set()


def _matrices(lora: Lora, tensor: str) -> tuple[Floats, Floats] | None:
    pair = lora.pairs.get(tensor)
    if pair is None:
        return None
    a, b = lora.read(pair)
    return a, b * np.float32(lora.scale)


def _stored_as(tensor: TensorInfo, wanted: TensorType) -> TensorType:
    """Vectors (norms, biases, factors of positions) are F32 whatever the rest is: llama.cpp computes with them so."""
    if len(tensor.shape) < 2 or tensor.name.endswith("_norm.weight"):
        return TensorType.F32
    return wanted if tensor.row % wanted.block == 0 else TensorType.F16


def _records(base: GgufHeader, stored: TensorType, name: str) -> list[bytes]:
    number = next(number for number, known in FILE_TYPES.items() if known == stored.name)
    said = {
        "general.name": key_record("general.name", ValueType.STRING, name),
        "general.file_type": key_record("general.file_type", ValueType.UINT32, number),
        "general.quantization_version": key_record(
            "general.quantization_version", ValueType.UINT32, _QUANTIZATION_VERSION
        ),
    }
    return [
        *(said.pop(key, record) for key, record in base.records.items()),
        *said.values(),
    ]


def _parts(
    steps: Iterable[_Step], rooms: Sequence[Room], pool: ThreadPoolExecutor
) -> Iterator[tuple[memoryview, bool]]:
    """All parts in the order of the file, and whether each is the last of its tensor. A part is gone when the next is
    asked for."""
    waiting: deque[Future[tuple[memoryview, bool]]] = deque()
    parts = ((step, first, last) for step in steps for first, last in _ranges(step.source))
    for (step, first, last), room in zip(parts, cycle(rooms)):
        if len(waiting) == len(rooms):
            yield waiting.popleft().result()
        waiting.append(pool.submit(_work, step, first, last, room))
    while waiting:
        yield waiting.popleft().result()


def _together(tensor: TensorInfo) -> int:
    """Rows in a part; a row is never cut, since a LoRA adds to whole ones."""
    return max(1, PART_NUMBERS // tensor.row)


def _ranges(tensor: TensorInfo) -> Iterator[tuple[int, int]]:
    """Rows from, to."""
    rows, together = tensor.numbers // tensor.row, _together(tensor)
    return ((first, min(first + together, rows)) for first in range(0, rows, together))


def _work(step: _Step, first: int, last: int, room: Room) -> tuple[memoryview, bool]:
    source = step.source
    row_bytes = source.type.size_of(source.row)
    part = memoryview(room.stored)[: (last - first) * row_bytes]
    stored = step.base.read(part, source.offset + first * row_bytes)
    is_last = last * source.row == source.numbers
    if step.matrices is None and source.type is step.type:
        return stored, is_last
    try:
        numbers = decode(stored, source.type, room)
        if step.matrices is not None:
            a, b = step.matrices
            product = room.spare[: numbers.size]
            np.matmul(b[first:last], a, out=product.reshape(last - first, source.row))
            numbers += product
        return encode(numbers, step.type, room), is_last
    except NotFinite as error:
        raise GgufProblem(
            "not_finite",
            f"{source.name} holds a number that is none, or too large for {step.type.name}; when the base is sound, "
            "choose quantization = Q8_0, else lower training.learning_rate and train again",
        ) from error
    except NotImplementedError as error:
        raise GgufProblem(
            "gguf_unsupported",
            f"{step.base.path}: {source.name} is stored as {source.type.name}, which cannot be read here; take a "
            "GGUF of the base in F16, BF16 or Q8_0",
        ) from error
