"""Numbers are read and written bit for bit as the `gguf` package and numpy do."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.training.gguf.stored_numbers import NotFinite, Room, decode, encode
from ftworker.training.gguf.tensor_types import TensorType

EVERY_HALF = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = EVERY_HALF[np.isfinite(EVERY_HALF)]
FLOATS = st.lists(
    st.floats(-60_000, 60_000, width=32, allow_nan=False, allow_infinity=False), min_size=32, max_size=32
)


def random_bytes(kind: TensorType) -> bytes:
    """Blocks of that kind, their scales sound halves."""
    numbers = np.random.default_rng(5).standard_normal(4 * 256).astype(np.float32)
    stored = gguf.GGMLQuantizationType(kind)
    try:
        made: bytes = gguf.quants.quantize(numbers, stored).tobytes()
    except NotImplementedError:
        # K-quants are read and not written by the package: any bits are numbers, but a scale must not be infinite.
        raw = np.random.default_rng(6).integers(0, 0x40, 4 * kind.block_bytes, dtype=np.uint8)
        return raw.tobytes()
    return made


@pytest.mark.parametrize(
    "kind",
    [
        *(TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0, TensorType.Q4_0, TensorType.Q4_1),
        *(
            TensorType.Q5_0,
            TensorType.Q5_1,
            TensorType.Q2_K,
            TensorType.Q3_K,
            TensorType.Q4_K,
            TensorType.Q5_K,
        ),
        *(TensorType.Q6_K, TensorType.IQ4_NL, TensorType.IQ4_XS),
    ],
)
def test_every_way_of_storing_is_read_as_the_package_reads_it(kind: TensorType) -> None:
    stored = random_bytes(kind)
    by_block = np.frombuffer(stored, np.uint8).reshape(-1, kind.block_bytes)
    expected = gguf.quants.dequantize(by_block, gguf.GGMLQuantizationType(kind)).reshape(-1)
    assert np.isfinite(expected).all()
    assert np.abs(expected).max() > 0
    assert decode(stored, kind).tobytes() == expected.astype(np.float32).tobytes()


def test_every_finite_half_is_read_and_written_back() -> None:
    read = decode(FINITE.tobytes(), TensorType.F16)
    assert read.tobytes() == FINITE.astype(np.float32).tobytes()
    assert bytes(encode(read, TensorType.F16)) == FINITE.tobytes()


def test_halves_round_as_numpy_rounds_them_at_every_edge() -> None:
    exact = np.sort(FINITE.astype(np.float32))
    between = (exact[1:] + exact[:-1]) / 2
    edges = np.concatenate(
        [between, np.nextafter(between, np.float32(1e9)), np.nextafter(between, np.float32(-1e9))]
    )
    assert bytes(encode(edges.copy(), TensorType.F16)) == edges.astype(np.float16).tobytes()


@given(FLOATS)
def test_q8_0_is_written_as_the_package_writes_it(numbers: list[float]) -> None:
    values = np.array(numbers, np.float32)
    expected = gguf.quants.quantize(values.reshape(1, -1), gguf.GGMLQuantizationType.Q8_0).tobytes()
    assert bytes(encode(values, TensorType.Q8_0)) == expected


@pytest.mark.parametrize("largest", [127.0, 127.0 / 3, 1e-3, 1e-7, 0.0])
def test_q8_0_rounds_halves_away_from_zero(largest: float) -> None:
    steps = np.array([0.5, -0.5, 1.5, -2.5, 0.49999997, -0.49999997, 126.5], np.float32)
    values = np.zeros(32, np.float32)
    values[:7], values[7] = steps * np.float32(largest / 127), largest
    expected = gguf.quants.quantize(values.reshape(1, -1), gguf.GGMLQuantizationType.Q8_0).tobytes()
    assert bytes(encode(values, TensorType.Q8_0)) == expected


@pytest.mark.parametrize("kind", [TensorType.F32, TensorType.F16, TensorType.Q8_0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_whatever_it_is_stored_as(kind: TensorType, bad: float) -> None:
    values = np.ones(64, np.float32)
    values[40] = bad
    with pytest.raises(NotFinite):
        encode(values, kind)


def test_what_is_too_large_for_a_half_is_refused_and_not_made_infinite() -> None:
    values = np.full(32, 65_520, np.float32)
    with pytest.raises(NotFinite):
        encode(values.copy(), TensorType.F16)
    assert np.allclose(decode(encode(values.copy(), TensorType.Q8_0), TensorType.Q8_0), values, rtol=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_base_whose_halves_are_no_numbers_is_refused(bad: float) -> None:
    with pytest.raises(NotFinite):
        decode(np.array([1, bad], np.float16).tobytes(), TensorType.F16)


def test_a_room_that_was_used_before_changes_nothing() -> None:
    room = Room(96)
    for size, seed in ((96, 1), (32, 2), (64, 3)):
        values = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
        for kind in (TensorType.F16, TensorType.Q8_0, TensorType.F32):
            fresh = bytes(encode(values.copy(), kind))
            assert bytes(encode(values.copy(), kind, room)) == fresh
            assert decode(fresh, kind, room).tobytes() == decode(fresh, kind).tobytes()
