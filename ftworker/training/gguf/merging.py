"""The base with the LoRA added to it, as one GGUF that every server takes. Streams: no tensor is ever whole in memory.

The file is the base's, part by part: what the LoRA does not touch and is stored as asked is copied, all else is read
into 32-bit floats, added to, and stored. Keys are carried over byte by byte, so that tokenizer, chat template and
licence stay what they are; only the name and the ways of storing are said anew.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.header import GgufHeader, GgufProblem, TensorInfo, ValueType
from ftworker.training.gguf.lora import Lora
from ftworker.training.gguf.stored_numbers import NotFinite, decode, encode
from ftworker.training.gguf.tensor_types import FILE_TYPES, TensorType
from ftworker.training.gguf.writing import GgufWriter, PlannedTensor, key_record
from ftworker.training.results import ArtefactFile

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

PART_NUMBERS: Final = 1 << 19
"""Numbers that are worked on at once: 2 MiB of floats, which stay in a core's cache."""
WORKERS: Final = 2
_AHEAD: Final = 2 * WORKERS
_HASHED_TOGETHER: Final = 1 << 20
_QUANTIZATION_VERSION: Final = 2
"""ggml.h, GGML_QNT_VERSION: of the layout of quantised blocks."""


@dataclass(frozen=True)
class Merged:
    file: ArtefactFile
    base_sha256: str


@dataclass(frozen=True)
class _Step:
    """One tensor of the base and what becomes of it."""

    source: TensorInfo
    type: TensorType
    matrices: tuple[NDArray[np.float32], NDArray[np.float32]] | None
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
    digest = hashlib.sha256()
    descriptor = os.open(base.path, os.O_RDONLY)
    try:
        with (
            GgufWriter(path, _records(base, stored, name), plan, base.alignment) as writer,
            ThreadPoolExecutor(WORKERS) as pool,
        ):
            at = 0
            for source, planned in zip(ordered, plan, strict=True):
                # What lies between tensors is no part of the work, but of the base's hash.
                _hash_between(digest, descriptor, base, at, source.offset)
                pair = lora.pairs.get(source.name)
                matrices = None
                if pair is not None:
                    a, b = lora.read(pair)
                    matrices = a, b * np.float32(lora.scale)
                step = _Step(source, planned.type, matrices)
                for taken, made in _parts(step, descriptor, base, pool):
                    digest.update(taken)
                    writer.write(made)
                at = source.offset + source.size_bytes
                told()
            _hash_between(digest, descriptor, base, at, base.size_bytes)
            return Merged(writer.finish(), digest.hexdigest())
    finally:
        os.close(descriptor)


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
    step: _Step, descriptor: int, base: GgufHeader, pool: ThreadPoolExecutor
) -> Iterator[tuple[bytes, bytes]]:
    """The tensor's parts in order, as stored in the base and as made; a few are worked on at once."""
    waiting: deque[Future[tuple[bytes, bytes]]] = deque()
    for first, last in _ranges(step.source):
        waiting.append(pool.submit(_work, step, first, last, descriptor, base))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _ranges(tensor: TensorInfo) -> Iterable[tuple[int, int]]:
    """Rows from, to; a row is never cut, since a LoRA adds to whole ones."""
    rows = tensor.numbers // tensor.row if tensor.row else 0
    together = max(1, PART_NUMBERS // max(1, tensor.row))
    return ((first, min(first + together, rows)) for first in range(0, rows, together))


def _work(step: _Step, first: int, last: int, descriptor: int, base: GgufHeader) -> tuple[bytes, bytes]:
    source = step.source
    a_row = source.type.size_of(source.row)
    stored = _read(descriptor, base, source.offset + first * a_row, (last - first) * a_row)
    if step.matrices is None and source.type is step.type:
        return stored, stored
    try:
        numbers = decode(stored, source.type)
        if step.matrices is not None:
            a, b = step.matrices
            numbers += (b[first:last] @ a).reshape(-1)
        return stored, encode(numbers, step.type)
    except NotFinite as error:
        raise GgufProblem(
            "not_finite",
            f"{source.name} holds a number that is none, or too large for {step.type.name}; when the base is sound, "
            "choose quantization = Q8_0, else lower training.learning_rate and train again",
        ) from error
    except NotImplementedError as error:
        raise GgufProblem(
            "gguf_unsupported",
            f"{base.path}: {source.name} is stored as {source.type.name}, which cannot be read here; take a GGUF of "
            "the base in F16, BF16 or Q8_0",
        ) from error


def _hash_between(digest: Hash, descriptor: int, base: GgufHeader, start: int, end: int) -> None:
    for at in range(start, end, _HASHED_TOGETHER):
        digest.update(_read(descriptor, base, at, min(_HASHED_TOGETHER, end - at)))


def _read(descriptor: int, base: GgufHeader, offset: int, count: int) -> bytes:
    content = os.pread(descriptor, count, offset)
    if len(content) < count:
        raise GgufProblem(
            "base_missing", f"{base.path} became shorter while it was read; put it back as it was"
        )
    return content
