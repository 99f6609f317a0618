"""Files of models from anywhere: whatever their headers say is read or refused by name, in little memory."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.training.events import Failed, Noted, Progressed, decode_event, encode_event
from ftworker.training.gguf.architectures import base_of_gguf
from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.reading import metadata_of
from ftworker.training.gguf.safetensors_file import SafetensorsFile
from tests.fuzz.cases import fuzzed, ran

KEYS = (
    b"general.architecture",
    b"general.type",
    b"general.name",
    b"general.license",
    b"general.alignment",
    b"general.file_type",
    b"split.count",
    b"tokenizer.ggml.model",
    b"tokenizer.ggml.pre",
    b"tokenizer.ggml.tokens",
    b"tokenizer.ggml.token_type",
    b"tokenizer.ggml.bos_token_id",
    b"tokenizer.ggml.eos_token_id",
    b"tokenizer.ggml.eot_token_id",
    b"tokenizer.chat_template",
    b"tokenizer.ggml.add_bos_token",
    b"llama.context_length",
    b"llama.block_count",
    b"llama.embedding_length",
    b"llama.vocab_size",
    b"llama.attention.head_count",
    b"llama.attention.head_count_kv",
    b"llama.feed_forward_length",
)

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}


def number(kind: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=struct.calcsize(SCALARS[kind]), max_size=struct.calcsize(SCALARS[kind]))


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


texts = st.sampled_from(
    [b"llama", b"model", b"adapter", b"gpt2", b"<|im_end|>", b"\xff\xfe", b""]
) | st.binary(max_size=9)
kinds = st.sampled_from(sorted(SCALARS))
numbers = kinds.flatmap(lambda kind: number(kind).map(lambda raw: struct.pack("<I", kind) + raw))
strings = texts.map(lambda value: struct.pack("<I", 8) + text(value))
small = st.sampled_from([0, 1, 2, 7, 16, 32, 2**31, 2**32 - 1]).map(lambda n: struct.pack("<II", 4, n))
arrays = kinds.flatmap(
    lambda kind: st.lists(number(kind), max_size=4).map(
        lambda items: struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)
    )
) | st.lists(texts, max_size=4).map(
    lambda items: struct.pack("<IIQ", 9, 8, len(items)) + b"".join(map(text, items))
)
nested = st.recursive(
    arrays, lambda inner: inner.map(lambda one: struct.pack("<IIQ", 9, 9, 1) + one[4:]), max_leaves=8
)
values = small | strings | numbers | arrays | nested | st.binary(max_size=24)
records = st.tuples(st.sampled_from(KEYS) | st.binary(max_size=12), values)
tensors = st.tuples(
    st.sampled_from([b"output_norm.weight", b"token_embd.weight", b"blk.0.attn_q.weight"]) | st.binary(max_size=70),
    st.lists(st.sampled_from([0, 1, 2, 32, 64, 2**40, 2**63]), max_size=5),
    st.sampled_from([0, 1, 2, 8, 14, 30, 39, 99]),
    st.sampled_from([0, 32, 64, 33, 2**40, 2**64 - 1]),
)  # fmt: skip


@st.composite
def gguf_files(draw: st.DrawFn) -> bytes:
    keys = draw(st.lists(records, max_size=8))
    listed = draw(st.lists(tensors, max_size=3))
    raw = b"GGUF" + struct.pack(
        "<IQQ",
        draw(st.sampled_from([2, 3, 3, 3, 1, 4])),
        draw(st.just(len(listed)) | st.sampled_from([0, 2**40, 2**64 - 1])),
        draw(st.just(len(keys)) | st.sampled_from([0, 2**40, 2**64 - 1])),
    )
    raw += b"".join(text(key) + value for key, value in keys)
    for name, shape, kind, offset in listed:
        raw += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    return raw + bytes(draw(st.sampled_from([0, 40, 300, 5000])))


@fuzzed(0.15, short=300)
@given(raw=gguf_files())
def test_any_gguf_is_read_or_refused_by_name(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    ran["GGUF: any keys and tensors"] += 1
    path = tmp_path_factory.getbasetemp() / "fuzzed.gguf"
    path.write_bytes(raw)
    try:
        header = read_header(path)
        assert all(tensor.offset + tensor.size_bytes <= header.size_bytes for tensor in header.tensors)
        told = metadata_of(header)
        assert all(isinstance(stop, str) for stop in told.stop)
        base_of_gguf(header)
    except GgufProblem:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "F8"]) | json_values,
        "shape": st.lists(st.sampled_from([0, 1, 4, 16, -4, 2**62, 1.5]), max_size=4) | json_values,
        "data_offsets": st.lists(st.sampled_from([0, 8, 32, 64, -64, 2**63]), min_size=2, max_size=2)
        | json_values,
    }
)


@fuzzed(0.1, short=150)
@given(
    header=st.dictionaries(
        st.sampled_from(["a", "b", "__metadata__", "a\ud800"]) | st.text(max_size=4), entries | json_values, max_size=3
    )
    | json_values,
    length=st.none() | st.sampled_from([0, 1, 7, 2**40, 2**64 - 1]),
    data=st.sampled_from([b"", bytes(64), bytes(7)]),
)  # fmt: skip
def test_any_safetensors_file_is_read_or_refused_by_name(
    header: Any, length: int | None, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ran["safetensors: any header"] += 1
    content = json.dumps(header).encode()
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + data)
    try:
        file = SafetensorsFile(path)
        for name in file.names:
            assert file.read(name).shape == file.shape(name)
    except GgufProblem:
        return


events = st.dictionaries(
    st.sampled_from(
        [
            "event",
            "stage",
            "completed",
            "total",
            "unit",
            "loss",
            "message",
            "code",
            "transient",
            "eta_seconds",
        ]
    ),
    st.sampled_from(["progress", "note", "failed", "train", 1, 2.5, True]) | json_values,
    max_size=6,
)


@fuzzed(0.1, short=150)
@given(events.map(lambda event: json.dumps(event).encode()) | st.binary(max_size=60))
def test_any_line_of_a_stage_is_an_event_or_none(line: bytes) -> None:
    ran["events of a training"] += 1
    event = decode_event(line)
    if event is not None:
        assert isinstance(event, Progressed | Noted | Failed)
        assert decode_event(encode_event(event)) == event
