"""A GGUF file is read as the `gguf` package writes it, and a damaged one ends in a named error, never in a crash."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.reading import is_gguf, read_metadata
from ftworker.training.gguf.tensor_types import FILE_TYPES, TensorType

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
MATRIX = np.arange(64, dtype=np.float32).reshape(2, 32)


def write(path: Path, add: Callable[[gguf.GGUFWriter], None] = lambda writer: None) -> Path:
    """A model of two tensors, written by the package of the format's own authors."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tutora 1")
    writer.add_license("apache-2.0")
    writer.add_context_length(2048)
    writer.add_block_count(2)
    writer.add_file_type(7)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<|begin|>", "<|end_of_text|>", "<|im_end|>", "hola"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    add(writer)
    writer.add_tensor("output_norm.weight", MATRIX[0])
    quantized = gguf.quants.quantize(MATRIX, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("gguf") / "sound.gguf").read_bytes()


def test_a_file_says_what_a_person_wants_to_know(tmp_path: Path) -> None:
    model = read_metadata(write(tmp_path / "model.gguf"))
    assert (model.kind, model.architecture, model.name) == ("model", "llama", "Tutora 1")
    assert (model.license, model.chat_template) == ("apache-2.0", TEMPLATE)
    assert (model.bos, model.eos, model.eot, model.add_bos) == ("<|begin|>", "<|end_of_text|>", None, False)
    assert model.stop == ("<|im_end|>", "<|end_of_text|>")
    assert (model.context_length, model.block_count, model.vocabulary_size) == (2048, 2, 4)
    assert (model.quantization, model.parameter_count, model.parts) == ("Q8_0", 96, 1)
    assert model.size_bytes == (tmp_path / "model.gguf").stat().st_size


def test_the_token_that_the_file_names_as_end_of_a_turn_stops_first(tmp_path: Path) -> None:
    model = read_metadata(write(tmp_path / "model.gguf", lambda writer: writer.add_eot_token_id(3)))
    assert (model.eot, model.stop) == ("hola", ("hola", "<|im_end|>", "<|end_of_text|>"))


@pytest.mark.parametrize(
    "pre, said, adds",
    [(None, None, False), ("llama-bpe", None, True), ("llama-bpe", False, False), ("smollm", True, True)],
)
def test_whether_a_bos_is_put_in_front_is_read_as_llama_cpp_reads_it(
    tmp_path: Path, pre: str | None, said: bool | None, adds: bool
) -> None:
    def add(writer: gguf.GGUFWriter) -> None:
        if pre is not None:
            writer.add_tokenizer_pre(pre)
        if said is not None:
            writer.add_add_bos_token(said)

    assert read_metadata(write(tmp_path / "model.gguf", add)).add_bos is adds


def test_a_key_of_the_wrong_type_says_nothing(tmp_path: Path) -> None:
    model = read_metadata(write(tmp_path / "m.gguf", lambda w: w.add_array("tokenizer.ggml.pre", ["llama3"])))
    assert not model.add_bos


def test_tensors_lie_where_the_package_says(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    expected = {
        tensor.name: (tuple(tensor.shape[::-1]), tensor.tensor_type, tensor.data_offset, tensor.n_bytes)
        for tensor in gguf.GGUFReader(path).tensors
    }
    header = read_header(path)
    assert {
        tensor.name: (tensor.shape, tensor.type, tensor.offset, tensor.size_bytes)
        for tensor in header.tensors
    } == expected
    assert (
        b"".join(header.records.values())
        == path.read_bytes()[24 : 24 + sum(map(len, header.records.values()))]
    )


def test_the_sizes_of_tensor_types_are_those_of_the_package() -> None:
    known = {int(kind): sizes for kind, sizes in gguf.constants.GGML_QUANT_SIZES.items()}
    assert {int(kind): (kind.block, kind.block_bytes) for kind in TensorType} == known
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    assert {number: names[number] for number in FILE_TYPES} == FILE_TYPES


def tensor_line(name: bytes, dimensions: int, *numbers: int) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack(f"<I{dimensions}QIQ", dimensions, *numbers)


def file_of(*tensors: bytes, version: int = 3, keys: tuple[bytes, ...] = (), data: int = 256) -> bytes:
    head = (
        b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)
    )
    return head + bytes(-len(head) % 32) + bytes(data)


KEY = struct.pack("<Q", 1) + b"k" + struct.pack("<IB", 0, 1)
NESTED = struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 200 + bytes(16)

DAMAGED = {
    "nothing": b"",
    "two bytes": b"GG",
    "another format": b"PK\3\4" + bytes(60),
    "the magic alone": b"GGUF",
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0) + bytes(64),
    "version 1": file_of(version=1),
    "as many keys as fit into 64 bits": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1) + bytes(64),
    "as many tensors as fit into 64 bits": b"GGUF" + struct.pack("<IQQ", 3, 2**64 - 1, 0) + bytes(64),
    "a key longer than the file": file_of(keys=(struct.pack("<Q", 2**40) + b"k",)),
    "a text longer than the file": file_of(
        keys=(struct.pack("<Q", 1) + b"k" + struct.pack("<IQ", 8, 2**62),)
    ),
    "a list longer than the file": file_of(
        keys=(struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 10, 2**61),)
    ),
    "a list of texts longer than the file": file_of(
        keys=(struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**61),)
    ),
    "lists within lists": file_of(keys=(NESTED,)),
    "a value of no type": file_of(keys=(struct.pack("<Q", 1) + b"k" + struct.pack("<IB", 77, 1),)),
    "a key that is no UTF-8": file_of(keys=(struct.pack("<Q", 1) + b"\xff" + struct.pack("<IB", 0, 1),)),
    "a key twice": file_of(keys=(KEY, KEY)),
    "an alignment of 7": file_of(
        keys=(struct.pack("<Q", 17) + b"general.alignment" + struct.pack("<II", 4, 7),)
    ),
    "a tensor of 9 dimensions": file_of(tensor_line(b"t", 9, *[1] * 9, 0, 0)),
    "a tensor of a type unknown": file_of(tensor_line(b"t", 1, 32, 999, 0)),
    "a tensor of a type given up": file_of(tensor_line(b"t", 1, 32, 4, 0)),
    "a row that is no whole block": file_of(tensor_line(b"t", 1, 33, 8, 0)),
    "a tensor of no numbers": file_of(tensor_line(b"t", 2, 32, 0, 0, 0)),
    "a tensor beyond the file": file_of(tensor_line(b"t", 1, 32, 0, 2**50)),
    "a tensor larger than the file": file_of(tensor_line(b"t", 4, 2**62, 2**62, 2**62, 2**62, 0, 0)),
    "a tensor at no multiple of the alignment": file_of(tensor_line(b"t", 1, 8, 0, 4)),
    "a tensor over another": file_of(tensor_line(b"t", 1, 32, 0, 0), tensor_line(b"u", 1, 32, 0, 32)),
    "a tensor twice": file_of(tensor_line(b"t", 1, 8, 0, 0), tensor_line(b"t", 1, 8, 0, 32)),
    "a name of 64 bytes": file_of(tensor_line(b"t" * 64, 1, 8, 0, 0)),
    "tensors without their data": file_of(tensor_line(b"t", 1, 64, 0, 0), data=100),
}


@pytest.mark.parametrize("damage", sorted(DAMAGED))
def test_a_damaged_file_is_named_and_costs_no_memory(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(DAMAGED[damage])
    tracemalloc.start()
    try:
        with pytest.raises(GgufProblem, match="damaged") as raised:
            read_header(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert raised.value.code in {"gguf_malformed", "gguf_unsupported"}
    assert peak < 1_000_000


def test_the_files_that_are_damaged_differ_from_a_sound_one_in_the_damage_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.gguf"
    path.write_bytes(file_of(tensor_line(b"t", 1, 32, 0, 0), tensor_line(b"u", 1, 32, 0, 128), keys=(KEY,)))
    assert [tensor.name for tensor in read_header(path).tensors] == ["t", "u"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(GgufProblem, match="No such file") as raised:
        read_metadata(tmp_path / "absent.gguf")
    assert raised.value.code == "base_missing"
    assert not is_gguf(tmp_path / "absent.gguf")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_or_changed_anywhere_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, sound: bytes, data: st.DataObject
) -> None:
    content = bytearray(sound)
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(sound) - 1), st.integers(0, 255)), max_size=6)
    ):
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        header = read_header(path)
    except GgufProblem:
        return
    assert all(tensor.offset + tensor.size_bytes <= header.size_bytes for tensor in header.tensors)
