"""The merged file is the base with W + scale * B @ A where the LoRA touches it, and the base elsewhere."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from ftworker.training.gguf import merging, writing
from ftworker.training.gguf.adapting import write_adapter
from ftworker.training.gguf.architectures import base_of_gguf
from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.lora import read_lora
from ftworker.training.gguf.merging import Merged, write_merged
from ftworker.training.gguf.tensor_types import TensorType
from tests.training.gguf.small_files import (
    ALPHA,
    MODULES,
    RANK,
    WIDTH,
    Weights,
    expected,
    lora_tensors,
    read_all,
    weights,
    write_base,
    write_lora,
)


def merge(base: Path, adapter: Path, target: Path, stored: TensorType = TensorType.F16) -> Merged:
    header = read_header(base)
    lora = read_lora(adapter, base_of_gguf(header))
    return write_merged(target, header, lora, stored, name="Base + historia", told=lambda: None)


def stored_as(values: Weights, kind: str) -> Weights:
    """What comes back after storing so: what a merge can know of its base."""
    number = gguf.GGMLQuantizationType[kind]
    return {
        name: value
        if value.ndim == 1
        else gguf.quants.dequantize(gguf.quants.quantize(value, number), number)
        for name, value in values.items()
    }


@pytest.mark.parametrize("part", [1 << 17, 128])
@pytest.mark.parametrize("stored", [TensorType.F16, TensorType.Q8_0])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_1"])
def test_merged_weights_follow_the_formula_whatever_the_base_is_stored_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, stored: TensorType, part: int
) -> None:
    monkeypatch.setattr(merging, "PART_NUMBERS", part)
    merge(
        write_base(tmp_path / "base.gguf", kind), write_lora(tmp_path / "lora"), tmp_path / "out.gguf", stored
    )
    wanted = expected(stored_as(weights(), kind), lora_tensors(), ALPHA / RANK)
    found = read_all(tmp_path / "out.gguf")
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        if values.ndim == 1:
            assert np.array_equal(found[name], values)
        elif stored is TensorType.F16:
            # At most one step of F16 beside the nearest: BLAS adds up in an order of its own.
            assert np.allclose(found[name], values, rtol=2**-10, atol=2**-12)
        else:
            largest = np.abs(values.reshape(-1, 32)).max(axis=1).repeat(32).reshape(values.shape)
            # Half a step, and what the step itself loses as a half: 127 times 2^-11 of it.
            assert (np.abs(found[name] - values) <= largest / 127 * 0.563 + 1e-4).all()


def test_what_the_lora_does_not_touch_is_copied_bit_by_bit(tmp_path: Path) -> None:
    touched = {name: values for name, values in lora_tensors().items() if "layers.0.self_attn.q_proj" in name}
    base = write_base(tmp_path / "base.gguf", "Q8_0")
    merge(base, write_lora(tmp_path / "lora", touched), tmp_path / "out.gguf", TensorType.Q8_0)
    before = {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(base).tensors}
    after = {tensor.name: tensor.data.tobytes() for tensor in gguf.GGUFReader(tmp_path / "out.gguf").tensors}
    assert [name for name in before if before[name] != after[name]] == ["blk.0.attn_q.weight"]


def test_keys_are_carried_over_byte_by_byte_but_for_the_name_and_the_way_of_storing(tmp_path: Path) -> None:
    def add(writer: gguf.GGUFWriter) -> None:
        writer.add_array("a.list", [1, 2, 3])
        writer.add_float64("a.double", 0.1)
        writer.add_custom_alignment(64)

    base = write_base(tmp_path / "base.gguf", add=add)
    merge(base, write_lora(tmp_path / "lora"), tmp_path / "out.gguf", TensorType.Q8_0)
    before, after = read_header(base), read_header(tmp_path / "out.gguf")
    changed = {key for key in after.records if before.records.get(key) != after.records[key]}
    assert changed == {"general.name", "general.file_type", "general.quantization_version"}
    assert list(after.records)[: len(before.records)] == list(before.records)
    assert after.values["general.name"] == "Base + historia"
    assert (after.values["general.file_type"], after.values["general.quantization_version"]) == (7, 2)
    assert after.alignment == 64
    assert [tensor.offset % 64 for tensor in after.tensors] == [0] * len(after.tensors)


def test_rows_that_are_no_whole_blocks_of_q8_0_become_f16(tmp_path: Path) -> None:
    odd = weights() | {"odd.weight": np.ones((4, 33), np.float32)}
    merge(
        write_base(tmp_path / "base.gguf", tensors=odd),
        write_lora(tmp_path / "lora"),
        tmp_path / "out.gguf",
        TensorType.Q8_0,
    )
    kinds = {tensor.name: tensor.type for tensor in read_header(tmp_path / "out.gguf").tensors}
    assert kinds["odd.weight"] is TensorType.F16
    assert kinds["token_embd.weight"] is TensorType.Q8_0
    assert kinds["output_norm.weight"] is TensorType.F32


def test_the_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")
    base.write_bytes(base.read_bytes() + b"something after the last tensor")
    merged = merge(base, write_lora(tmp_path / "lora"), tmp_path / "out.gguf")
    content = (tmp_path / "out.gguf").read_bytes()
    assert merged.file.sha256 == hashlib.sha256(content).hexdigest()
    assert (merged.file.name, merged.file.size_bytes) == ("out.gguf", len(content))
    assert merged.base_sha256 == hashlib.sha256(base.read_bytes()).hexdigest()


def test_rslora_divides_by_the_root_of_the_rank(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf", "F32")
    merge(base, write_lora(tmp_path / "lora", settings={"use_rslora": True}), tmp_path / "out.gguf")
    wanted = expected(weights(), lora_tensors(), ALPHA / RANK**0.5)
    name = "blk.1.ffn_down.weight"
    assert np.allclose(read_all(tmp_path / "out.gguf")[name], wanted[name], rtol=2**-10, atol=2**-12)


def test_an_adapter_is_written_as_llama_cpp_reads_one(tmp_path: Path) -> None:
    header = read_header(write_base(tmp_path / "base.gguf"))
    lora = read_lora(write_lora(tmp_path / "lora", settings={"use_rslora": True}), base_of_gguf(header))
    file = write_adapter(tmp_path / "adapter.gguf", lora, name="x", told=lambda: None)
    reader = gguf.GGUFReader(tmp_path / "adapter.gguf")
    said = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert said["general.type"] == "adapter"
    assert said["adapter.type"] == "lora"
    assert said["general.architecture"] == "llama"
    assert said["adapter.lora.alpha"] / RANK == pytest.approx(ALPHA / RANK**0.5)
    tensors = lora_tensors()
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    for block in (0, 1):
        for module, (kind, (rows, _)) in MODULES.items():
            name = f"base_model.model.model.layers.{block}.{module}"
            assert np.array_equal(
                found[f"blk.{block}.{kind}.weight.lora_a"], tensors[f"{name}.lora_A.weight"]
            )
            b = found[f"blk.{block}.{kind}.weight.lora_b"]
            assert b.shape == (rows, RANK)
            assert np.array_equal(b, tensors[f"{name}.lora_B.weight"]) is (kind not in {"attn_q", "attn_k"})
    assert file.sha256 == hashlib.sha256((tmp_path / "adapter.gguf").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "write",
    [
        lambda base, lora, folder: merge(base, lora, folder / "out.gguf"),
        lambda base, lora, folder: write_adapter(
            folder / "out.gguf", read_lora(lora, base_of_gguf(read_header(base))), name="x", told=lambda: None
        ),
    ],
    ids=["merged", "adapter"],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_lora_that_holds_no_number_is_named_and_leaves_no_file(
    tmp_path: Path, write: Callable[[Path, Path, Path], object], bad: float
) -> None:
    tensors = lora_tensors()
    tensors["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"][5, 1] = bad
    base, lora = write_base(tmp_path / "base.gguf"), write_lora(tmp_path / "lora", tensors)
    with pytest.raises(GgufProblem, match=r"blk\.1\.ffn_up") as raised:
        write(base, lora, tmp_path)
    assert raised.value.code == "not_finite"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.gguf", "lora"]


def test_a_base_stored_in_a_way_that_nobody_reads_here_is_named(tmp_path: Path) -> None:
    base = write_base(
        tmp_path / "base.gguf", add=lambda writer: writer.add_tensor("ids.weight", np.ones((4, 32), np.int8))
    )
    with pytest.raises(GgufProblem, match="is stored as I8") as raised:
        merge(base, write_lora(tmp_path / "lora"), tmp_path / "out.gguf")
    assert raised.value.code == "gguf_unsupported"
    assert list(tmp_path.glob("out.gguf*")) == []


def test_a_full_disk_is_found_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=64 * 1024**2 + 1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(GgufProblem, match="MiB free") as raised:
        merge(write_base(tmp_path / "base.gguf"), write_lora(tmp_path / "lora"), tmp_path / "out.gguf")
    assert raised.value.code == "disk_full"
    assert raised.value.transient
    assert list(tmp_path.glob("out.gguf*")) == []


def test_a_disk_that_fills_up_under_the_work_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = writing.GgufWriter.write
    calls = iter(range(100))

    def full(self: writing.GgufWriter, content: bytes | memoryview) -> None:
        if next(calls) == 5:
            assert (tmp_path / "out.gguf.part").exists()
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, content)

    monkeypatch.setattr(writing.GgufWriter, "write", full)
    with pytest.raises(OSError, match="No space left"):
        merge(write_base(tmp_path / "base.gguf"), write_lora(tmp_path / "lora"), tmp_path / "out.gguf")
    assert list(tmp_path.glob("out.gguf*")) == []


def test_a_base_cut_off_while_it_is_read_is_named(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")
    header = read_header(base)
    lora = read_lora(write_lora(tmp_path / "lora"), base_of_gguf(header))
    base.write_bytes(base.read_bytes()[:-WIDTH])
    with pytest.raises(GgufProblem, match="became shorter") as raised:
        write_merged(tmp_path / "out.gguf", header, lora, TensorType.F16, name="x", told=lambda: None)
    assert raised.value.code == "base_missing"
    assert list(tmp_path.glob("out.gguf*")) == []
