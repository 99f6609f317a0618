"""What would convert into another model than the one trained is refused by name, and so is a damaged file."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.training.gguf.architectures import (
    MODEL_TYPES,
    MODULES,
    BaseModel,
    base_of_config,
    base_of_gguf,
)
from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.lora import Lora, read_lora
from ftworker.training.gguf.safetensors_file import SafetensorsFile
from tests.training.gguf.small_files import (
    BLOCKS,
    CONFIG,
    HEADS,
    INNER,
    KEY_HEADS,
    WIDTH,
    Weights,
    lora_tensors,
    write_base,
    write_lora,
)

FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
CONFIG_JSON = {
    "model_type": "llama",
    "num_hidden_layers": BLOCKS,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    return base_of_gguf(read_header(write_base(tmp_path_factory.mktemp("base") / "base.gguf")))


def refused(folder: Path, base: BaseModel) -> tuple[str, str]:
    with pytest.raises(GgufProblem) as raised:
        read_lora(folder, base)
    return raised.value.code, str(raised.value)


@pytest.mark.parametrize(
    "setting, value",
    [
        ("use_dora", True),
        ("modules_to_save", ["lm_head"]),
        ("rank_pattern", {"q_proj": 8}),
        ("alpha_pattern", {"q_proj": 8}),
        ("bias", "lora_only"),
        ("lora_bias", True),
        ("fan_in_fan_out", True),
        ("layer_replication", [[0, 2], [1, 3]]),
        ("trainable_token_indices", [1, 2]),
        ("target_parameters", ["experts.down_proj"]),
        ("init_lora_weights", "pissa_niter_16"),
        ("init_lora_weights", "loftq"),
        ("alora_invocation_tokens", [5]),
        ("a_setting_of_tomorrow", 1),
        ("peft_type", "IA3"),
    ],
)
def test_a_setting_that_changes_the_sum_is_refused_by_its_name(
    tmp_path: Path, base: BaseModel, setting: str, value: object
) -> None:
    code, message = refused(write_lora(tmp_path, settings={setting: value}), base)
    assert code == "adapter_unsupported"
    assert f"{setting} = {json.dumps(value)}" in message


def test_what_peft_itself_writes_of_a_plain_lora_is_taken(tmp_path: Path, base: BaseModel) -> None:
    from peft import LoraConfig

    config = LoraConfig(r=3, lora_alpha=6, lora_dropout=0.1, target_modules=["q_proj"], task_type="CAUSAL_LM")
    written = {
        key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()
    }
    lora = read_lora(write_lora(tmp_path, settings=written), base)
    assert (lora.rank, lora.scale, lora.gguf_alpha) == (3, 2.0, 6.0)


def without(name: str) -> Callable[[Weights], Weights]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


def with_one(name: str, shape: tuple[int, ...]) -> Callable[[Weights], Weights]:
    return lambda tensors: tensors | {name: np.zeros(shape, np.float32)}


MISMATCHES = {
    "another width": (with_one(FIRST, (3, WIDTH + 1)), "attn_q.weight is 64 x 64"),
    "another rank": (with_one(FIRST, (4, WIDTH)), "at rank 3"),
    "a vector": (with_one(FIRST, (3 * WIDTH,)), "(192,)"),
    "a block too many": (
        with_one(f"base_model.model.model.layers.{BLOCKS}.mlp.up_proj.lora_A.weight", (3, WIDTH)),
        "mlp.up_proj of block 2",
    ),
    "an unknown module": (
        with_one("base_model.model.model.layers.0.mlp.router.lora_A.weight", (3, WIDTH)),
        "mlp.router of block 0",
    ),
    "the module of another architecture": (
        with_one("base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight", (3, WIDTH)),
        "self_attn.qkv_proj of block 0",
    ),
    "embeddings": (
        with_one("base_model.model.model.embed_tokens.lora_embedding_A", (3, 40)),
        "embed_tokens.lora_embedding_A",
    ),
    "the head": (with_one("base_model.model.lm_head.lora_A.weight", (3, WIDTH)), "lm_head.lora_A"),
    "a bias": (
        with_one("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", (64,)),
        "lora_B.bias",
    ),
    "the magnitude of DoRA": (
        with_one(FIRST.replace("lora_A.weight", "lora_magnitude_vector.weight"), (64,)),
        "lora_magnitude_vector",
    ),
    "a whole weight": (with_one(FIRST.replace("lora_A.weight", "base_layer.weight"), (64, 64)), "base_layer"),
    "a tensor outside PEFT's names": (with_one("model.layers.0.x", (1,)), "model.layers.0.x"),
}


@pytest.mark.parametrize("case", sorted(MISMATCHES))
def test_a_tensor_that_does_not_fit_the_base_is_refused_by_its_name(
    tmp_path: Path, base: BaseModel, case: str
) -> None:
    change, named = MISMATCHES[case]
    code, message = refused(write_lora(tmp_path, change(lora_tensors())), base)
    assert code == "adapter_mismatch"
    assert named in message


@pytest.mark.parametrize(
    "change, named",
    [(without(FIRST), "one half alone for blk.0.attn_q.weight"), (lambda _: {"": np.zeros(1)}, "")],
)
def test_half_a_pair_or_none_is_refused(
    tmp_path: Path, base: BaseModel, change: Callable[[Weights], Weights], named: str
) -> None:
    code, message = refused(write_lora(tmp_path, change(lora_tensors())), base)
    assert code in {"adapter_malformed", "adapter_mismatch"}
    assert named in message


@pytest.mark.parametrize(
    "setting, value", [("r", 0), ("r", "16"), ("r", True), ("lora_alpha", 0), ("lora_alpha", None)]
)
def test_a_rank_or_alpha_that_is_none_is_refused(
    tmp_path: Path, base: BaseModel, setting: str, value: object
) -> None:
    code, message = refused(write_lora(tmp_path, settings={setting: value}), base)
    assert code == "adapter_malformed"
    assert setting in message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_configuration_that_is_no_object_is_refused(
    tmp_path: Path, base: BaseModel, content: bytes
) -> None:
    folder = write_lora(tmp_path)
    (folder / "adapter_config.json").write_bytes(content)
    assert refused(folder, base)[0] == "adapter_malformed"


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_that_the_training_did_not_leave_is_named(tmp_path: Path, base: BaseModel, file: str) -> None:
    folder = write_lora(tmp_path)
    (folder / file).unlink()
    code, message = refused(folder, base)
    assert code == "adapter_missing"
    assert file in message


def test_names_of_models_with_a_vision_part_are_taken(tmp_path: Path, base: BaseModel) -> None:
    for inner in ("model.language_model.layers", "language_model.model.layers"):
        renamed = {name.replace("model.layers", inner, 1): one for name, one in lora_tensors().items()}
        assert len(read_lora(write_lora(tmp_path, renamed), base).pairs) == 7 * BLOCKS


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_adapters_in_half_precision_are_read(tmp_path: Path, base: BaseModel, dtype: type) -> None:
    tensors: Weights = {name: values.astype(dtype) for name, values in lora_tensors().items()}
    lora = read_lora(write_lora(tmp_path, tensors), base)
    a, _ = lora.read(lora.pairs["blk.0.attn_q.weight"])
    assert np.array_equal(a, tensors[FIRST].astype(np.float32))


def test_bfloat16_is_read_as_torch_writes_it(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    values = torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    save_file({"a": torch.zeros(3), "b": values}, tmp_path / "x.safetensors")
    assert np.array_equal(SafetensorsFile(tmp_path / "x.safetensors").read("b"), values.float().numpy())


def safetensors(header: object, data: bytes = bytes(64), length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(**changes: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64], **changes}}


DAMAGED = {
    "nothing": b"",
    "a header longer than the file": safetensors(entry(), length=2**40),
    "a header that ends too early": safetensors(entry(), length=5),
    "no JSON": safetensors(entry()).replace(b"{", b"x"),
    "a list": safetensors([1]),
    "a tensor without a shape": safetensors({"a": {"dtype": "F32", "data_offsets": [0, 64]}}),
    "a type unknown": safetensors(entry(dtype="I64")),
    "data beyond the file": safetensors(entry(data_offsets=[64, 128])),
    "data before the file": safetensors(entry(data_offsets=[-64, 0])),
    "data that end before they begin": safetensors(entry(data_offsets=[64, 0])),
    "fewer data than the shape": safetensors(entry(shape=[4, 5])),
    "a negative shape": safetensors(entry(shape=[-4, -4])),
    "a shape beyond numbers": safetensors(entry(shape=[2**62, 2**62])),
}


@pytest.mark.parametrize("damage", sorted(DAMAGED))
def test_a_damaged_adapter_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(DAMAGED[damage])
    with pytest.raises(GgufProblem, match="damaged") as raised:
        SafetensorsFile(path)
    assert raised.value.code == "adapter_malformed"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_adapter_changed_anywhere_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(safetensors(entry()))
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)
    ):
        content[at] = byte
    path = tmp_path_factory.getbasetemp() / "changed.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        file = SafetensorsFile(path)
    except GgufProblem:
        return
    for name in file.names:
        assert file.read(name).shape == file.shape(name)


def test_shapes_of_a_config_are_those_of_the_gguf(base: BaseModel) -> None:
    of_config = base_of_config(CONFIG_JSON, "here")
    assert of_config.architecture == base.architecture
    assert of_config.heads == base.heads
    assert {
        name: shape for name, shape in base.shapes.items() if name in of_config.shapes
    } == of_config.shapes
    assert len(of_config.shapes) == 7 * BLOCKS


def test_the_text_part_of_a_config_with_vision_counts() -> None:
    inner = {**CONFIG_JSON, "model_type": "gemma3_text", "head_dim": 32}
    model = base_of_config({"model_type": "gemma3", "text_config": inner}, "here")
    assert model.architecture == "gemma3"
    assert model.shapes["blk.1.attn_output.weight"] == (WIDTH, HEADS * 32)


@pytest.mark.parametrize(
    "config",
    [{}, {"model_type": "mamba"}, {"model_type": "llama"}, {**CONFIG_JSON, "hidden_size": "wide"}],
)
def test_a_config_of_no_known_architecture_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(GgufProblem) as raised:
        base_of_config(config, "here")
    assert raised.value.code == "architecture_unknown"


def test_every_model_type_leads_to_a_table() -> None:
    assert set(MODEL_TYPES.values()) == set(MODULES)


@pytest.mark.parametrize(
    "code, change",
    [
        ("architecture_unknown", {"architecture": "mamba"}),
        ("gguf_split", {"add": lambda writer: writer.add_uint16("split.count", 2)}),
        ("gguf_unsupported", {"add": lambda writer: writer.add_type("adapter")}),
        ("gguf_malformed", {"tensors": {"blk.0.attn_q.weight": np.ones((60, WIDTH), np.float32)}}),
        ("gguf_malformed", {"tensors": {"blk.5.attn_k.weight": np.ones((32, WIDTH), np.float32)}}),
    ],
)
def test_a_gguf_that_is_no_whole_model_of_a_known_architecture_is_refused(
    tmp_path: Path, code: str, change: dict[str, object]
) -> None:
    header = read_header(write_base(tmp_path / "base.gguf", **change))  # type: ignore[arg-type]
    with pytest.raises(GgufProblem) as raised:
        base_of_gguf(header)
    assert raised.value.code == code


def test_heads_may_differ_from_block_to_block(tmp_path: Path) -> None:
    def add(writer: object) -> None:
        del writer.kv_data[0]["llama.attention.head_count_kv"]  # type: ignore[attr-defined]
        writer.add_head_count_kv([4, 2])  # type: ignore[attr-defined]

    base = base_of_gguf(read_header(write_base(tmp_path / "base.gguf", add=add)))
    assert base.heads == {"attn_q": [4, 4], "attn_k": [4, 2]}


def test_reading_keeps_the_pairs_in_their_file(tmp_path: Path, base: BaseModel) -> None:
    lora: Lora = read_lora(write_lora(tmp_path), base)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError):
        lora.read(lora.pairs["blk.0.attn_q.weight"])
    assert CONFIG["r"] == lora.rank
