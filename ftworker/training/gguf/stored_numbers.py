"""Numbers as GGUF stores them, and as numpy computes with them: F32, F16, BF16, Q8_0, and read alone the rest. Pure.

Q8_0 is written bit for bit as ggml's reference does (ggml-quants.c, quantize_row_q8_0_ref), F16 as numpy does; tests
hold that, and what is read, equal to the `gguf` package, which reads the other ways for us.

This is where a conversion's time goes, so it is written for numpy: parts that fit into a core's cache, and memory that
is taken once. Memory asked for anew with each part costs the system more than all the sums here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.tensor_types import TensorType

_Q8_0: Final = np.dtype([("scale", "<f2"), ("numbers", "i1", (32,))])
_LARGEST_F16: Final = 65_504.0
_LEAST_NORMAL_F16: Final = np.float32(2.0**-14)
_SIGN: Final = np.uint32(0x8000_0000)
# The float before one half. Added with the number's sign before cutting the fraction off, it rounds halves away from
# zero as C's roundf does; one half itself would round 0.49999997 up.
_ALMOST_HALF: Final = np.nextafter(np.float32(0.5), np.float32(0)).view(np.uint32)
# Moves the exponent from a float's zero to that of F16, and rounds; see _encode_f16.
_TO_F16: Final = np.uint32((0xFFF - (112 << 23)) % 2**32)

Floats = NDArray[np.float32]


class NotFinite(ArithmeticError):
    """A number is no number, infinite, or too large for the way in which it is to be stored."""


class Room:
    """Memory for the work on one part of a tensor, to be used again for the next."""

    def __init__(self, numbers: int) -> None:
        self.stored = bytearray(4 * numbers)
        """For the bytes to `decode`."""
        self.numbers = np.empty(numbers, np.float32)
        self.spare = np.empty(numbers, np.float32)
        self.halves = np.empty(numbers // 2, np.float32)
        self.made = np.empty(4 * numbers, np.uint8)


def decode(stored: bytes | memoryview, kind: TensorType, room: Room | None = None) -> Floats:
    """The numbers, one after another; they lie in the room, if one is given.

    Raises NotFinite for F16, and NotImplementedError for a way that the `gguf` package cannot read.
    """
    count = len(stored) // kind.block_bytes * kind.block
    numbers = room.numbers[:count] if room is not None else np.empty(count, np.float32)
    match kind:
        case TensorType.F32:
            np.copyto(numbers, np.frombuffer(stored, "<f4"))
        case TensorType.F16:
            _decode_f16(np.frombuffer(stored, "<i2"), numbers)
        case TensorType.BF16:
            bits = numbers.view(np.uint32)
            np.copyto(bits, np.frombuffer(stored, "<u2"))
            bits <<= 16
        case TensorType.Q8_0:
            blocks = np.frombuffer(stored, _Q8_0)
            by_block = numbers.reshape(-1, 32)
            np.copyto(by_block, blocks["numbers"])
            by_block *= blocks["scale"].astype(np.float32)[:, None]
        case _:
            from gguf import GGMLQuantizationType, dequantize

            # As one row: the package goes through rows sixteen at a time, ten times as slowly through short ones.
            row = np.frombuffer(stored, np.uint8).reshape(1, -1)
            np.copyto(numbers, dequantize(row, GGMLQuantizationType(kind)).reshape(-1))
    return numbers


def encode(numbers: Floats, kind: TensorType, room: Room | None = None) -> memoryview:
    """The bytes of F32, F16 or Q8_0, of whole blocks; they lie in the room, if one is given.

    The numbers stand one after another; they are worked on where they are and are lost. Raises NotFinite.
    """
    room = room or Room(numbers.size)
    made = room.made[: kind.size_of(numbers.size)]
    match kind:
        case TensorType.F32:
            if not np.isfinite(numbers).all():
                raise NotFinite
            np.copyto(made.view("<f4"), numbers)
        case TensorType.F16:
            _encode_f16(numbers, room.spare[: numbers.size], made.view("<u2"))
        case TensorType.Q8_0:
            _encode_q8_0(numbers, room, made.view(_Q8_0))
        case _:
            raise NotImplementedError(kind.name)
    return made.data


def _decode_f16(stored: NDArray[np.int16], numbers: Floats) -> None:
    """Sign, exponent and fraction move to their places in a float, and the difference of the exponents' zeros is
    multiplied in. Six times as fast as numpy's own. What is infinite, or no number, comes out above 65504."""
    bits = numbers.view(np.int32)
    np.copyto(bits, stored)
    bits <<= 13
    bits &= np.int32(-0x7000_2000)
    numbers *= np.float32(2.0**112)
    if numbers.max(initial=0) > _LARGEST_F16 or numbers.min(initial=0) < -_LARGEST_F16:
        raise NotFinite


def _encode_f16(numbers: Floats, spare: Floats, made: NDArray[np.uint16]) -> None:
    """Nearest, halves to even. Numpy's own takes twice as long; it is asked for the few that are subnormal in F16."""
    np.abs(numbers, out=spare)
    # Written so that it holds for NaN as well, which is neither less nor more.
    if not spare.max(initial=0) <= _LARGEST_F16:
        raise NotFinite
    small = np.flatnonzero(spare < _LEAST_NORMAL_F16)
    smallest = numbers[small].astype(np.float16).view(np.uint16)
    bits, rounded = numbers.view(np.uint32), spare.view(np.uint32)
    # The last bit that stays is added to just below one half of it: a tie goes up when that bit is odd.
    np.right_shift(bits, 13, out=rounded)
    rounded &= 1
    rounded += bits
    rounded += _TO_F16
    rounded >>= 13
    bits >>= 16
    bits &= 0x8000
    rounded |= bits
    np.copyto(made, rounded, casting="unsafe")
    made[small] = smallest


def _encode_q8_0(numbers: Floats, room: Room, made: NDArray[np.void]) -> None:
    spare = room.spare[: numbers.size]
    largest = np.abs(numbers, out=spare)
    # Five times the larger of two neighbours is the largest of 32, four times as fast as max() along a short axis.
    largest = np.maximum(largest[0::2], largest[1::2], out=room.halves[: numbers.size // 2])
    for _ in range(4):
        largest = np.maximum(largest[0::2], largest[1::2])
    scale = largest / np.float32(127)
    if not scale.max(initial=0) <= _LARGEST_F16:
        raise NotFinite
    inverse = np.zeros_like(scale)
    np.divide(np.float32(1), scale, out=inverse, where=scale > 0)
    by_block = numbers.reshape(-1, 32)
    by_block *= inverse[:, None]
    half = spare.view(np.uint32)
    np.bitwise_and(numbers.view(np.uint32), _SIGN, out=half)
    half |= _ALMOST_HALF
    numbers += spare
    made["scale"] = scale
    np.copyto(made["numbers"], by_block, casting="unsafe")
