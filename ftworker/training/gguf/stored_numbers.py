"""Numbers as GGUF stores them, and as numpy computes with them: F32, F16, BF16, Q8_0, and read alone the rest. Pure.

Q8_0 is written bit for bit as ggml's reference does (ggml-quants.c, quantize_row_q8_0_ref); tests hold it and what is
read equal to the `gguf` package, which reads the other ways for us. Everything here works on parts of a tensor that
fit into the processor's cache: that is where numpy is fast.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.tensor_types import TensorType

_Q8_0: Final = np.dtype([("scale", "<f2"), ("numbers", "i1", (32,))])
_LARGEST_F16: Final = 65_504.0
# The float before one half. Added with the number's sign before cutting the fraction off, it rounds halves away from
# zero as C's roundf does; one half itself would round 0.49999997 up.
_ALMOST_HALF: Final = np.nextafter(np.float32(0.5), np.float32(0)).view(np.uint32)
_SIGN: Final = np.uint32(0x8000_0000)

WRITTEN: Final = frozenset({TensorType.F32, TensorType.F16, TensorType.Q8_0})


class NotFinite(ArithmeticError):
    """A number is no number, infinite, or too large for the way in which it is to be stored."""


def decode(stored: bytes, kind: TensorType) -> NDArray[np.float32]:
    """The numbers, one after another.

    Raises NotFinite for F16, and NotImplementedError for a way that the `gguf` package cannot read.
    """
    match kind:
        case TensorType.F32:
            return np.frombuffer(stored, "<f4").astype(np.float32)
        case TensorType.F16:
            # Six times as fast as numpy's own: sign, exponent and fraction moved to a float's places, and the
            # difference of the exponents' zeros multiplied in. What is infinite or no number comes out above 65504.
            bits = np.frombuffer(stored, "<i2").astype(np.int32)
            bits <<= 13
            bits &= np.int32(-0x7000_2000)
            numbers = bits.view(np.float32)
            numbers *= np.float32(2.0**112)
            if numbers.max(initial=0) > _LARGEST_F16 or numbers.min(initial=0) < -_LARGEST_F16:
                raise NotFinite
            return numbers
        case TensorType.BF16:
            wide = np.frombuffer(stored, "<u2").astype(np.uint32)
            wide <<= 16
            return wide.view(np.float32)
        case TensorType.Q8_0:
            blocks = np.frombuffer(stored, _Q8_0)
            scaled: NDArray[np.float32] = blocks["numbers"].astype(np.float32)
            scaled *= blocks["scale"].astype(np.float32)[:, None]
            return scaled.reshape(-1)
        case _:
            from gguf import GGMLQuantizationType, dequantize

            by_block = np.frombuffer(stored, np.uint8).reshape(-1, kind.block_bytes)
            read: NDArray[np.float32] = dequantize(by_block, GGMLQuantizationType(kind)).reshape(-1)
            return read


def encode(numbers: NDArray[np.float32], kind: TensorType) -> bytes:
    """The bytes of F32, F16 or Q8_0, of whole blocks. Raises NotFinite."""
    match kind:
        case TensorType.F32:
            if not np.isfinite(numbers).all():
                raise NotFinite
            return numbers.astype("<f4", copy=False).tobytes()
        case TensorType.F16:
            # Written so that it holds for NaN as well, which is neither less nor more.
            if not np.abs(numbers).max(initial=0) <= _LARGEST_F16:
                raise NotFinite
            return numbers.astype("<f2").tobytes()
        case TensorType.Q8_0:
            return _encode_q8_0(numbers)
        case _:
            raise NotImplementedError(kind.name)


def _encode_q8_0(numbers: NDArray[np.float32]) -> bytes:
    largest = np.abs(numbers)
    # Five times the larger of two neighbours is the largest of 32, four times as fast as max() along a short axis.
    for _ in range(5):
        largest = np.maximum(largest[0::2], largest[1::2])
    scale = largest / np.float32(127)
    if not scale.max(initial=0) <= _LARGEST_F16:
        raise NotFinite
    inverse = np.zeros_like(scale)
    np.divide(np.float32(1), scale, out=inverse, where=scale > 0)
    scaled = numbers.reshape(-1, 32) * inverse[:, None]
    half = scaled.view(np.uint32) & _SIGN
    half |= _ALMOST_HALF
    scaled += half.view(np.float32)
    blocks = np.empty(len(scale), _Q8_0)
    blocks["scale"] = scale
    blocks["numbers"] = scaled
    return blocks.tobytes()
