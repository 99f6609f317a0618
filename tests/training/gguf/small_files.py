"""A base and a LoRA of a few kilobytes, written by the packages of their formats, for tests that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

WIDTH, INNER, HEADS, KEY_HEADS, HEAD, BLOCKS, TOKENS, RANK = 64, 96, 4, 2, 16, 2, 40, 3
ALPHA = 7.5
MODULES = {
    "self_attn.q_proj": ("attn_q", (HEADS * HEAD, WIDTH)),
    "self_attn.k_proj": ("attn_k", (KEY_HEADS * HEAD, WIDTH)),
    "self_attn.v_proj": ("attn_v", (KEY_HEADS * HEAD, WIDTH)),
    "self_attn.o_proj": ("attn_output", (WIDTH, HEADS * HEAD)),
    "mlp.gate_proj": ("ffn_gate", (INNER, WIDTH)),
    "mlp.up_proj": ("ffn_up", (INNER, WIDTH)),
    "mlp.down_proj": ("ffn_down", (WIDTH, INNER)),
}
CONFIG = {
    "peft_type": "LORA",
    "r": RANK,
    "lora_alpha": ALPHA,
    "use_rslora": False,
    "bias": "none",
    "target_modules": ["q_proj"],
    "init_lora_weights": True,
}
Weights = dict[str, NDArray[np.float32]]


def weights(seed: int = 3) -> Weights:
    """Every tensor of the base, by its GGUF name."""
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (TOKENS, WIDTH),
        "output_norm.weight": (WIDTH,),
    }
    for block in range(BLOCKS):
        shapes[f"blk.{block}.attn_norm.weight"] = (WIDTH,)
        for kind, shape in MODULES.values():
            shapes[f"blk.{block}.{kind}.weight"] = shape
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def write_base(
    path: Path,
    kind: str = "F16",
    *,
    architecture: str = "llama",
    tensors: Weights | None = None,
    add: Callable[[gguf.GGUFWriter], None] = lambda writer: None,
) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("Base")
    writer.add_license("apache-2.0")
    writer.add_block_count(BLOCKS)
    writer.add_context_length(512)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_file_type(1)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{number}" for number in range(TOKENS - 2)] + ["<|im_end|>", "ñ"])
    writer.add_token_merges(["t 0", "t 1"])
    writer.add_eos_token_id(TOKENS - 2)
    writer.add_chat_template("{{ messages }}<|im_end|>")
    add(writer)
    for name, values in (tensors or weights()).items():
        stored = gguf.GGMLQuantizationType[kind if values.ndim > 1 else "F32"]
        writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def lora_tensors(seed: int = 4) -> Weights:
    """As PEFT names them."""
    random = np.random.default_rng(seed)
    tensors = {}
    for block in range(BLOCKS):
        for module, (_, (rows, columns)) in MODULES.items():
            name = f"base_model.model.model.layers.{block}.{module}"
            tensors[f"{name}.lora_A.weight"] = random.standard_normal((RANK, columns)).astype(np.float32)
            tensors[f"{name}.lora_B.weight"] = random.standard_normal((rows, RANK)).astype(np.float32)
    return tensors


def write_lora(
    folder: Path,
    tensors: Mapping[str, NDArray[Any]] | None = None,
    settings: Mapping[str, object] = MappingProxyType({}),
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors or lora_tensors()), folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **settings}), encoding="utf-8")
    return folder


def expected(base: Weights, lora: Weights, scale: float) -> Weights:
    """W + scale * B @ A in double precision; q and k row by row into the order of llama.cpp."""
    merged = {name: values.astype(np.float64) for name, values in base.items()}
    for block in range(BLOCKS):
        for module, (kind, _) in MODULES.items():
            name = f"base_model.model.model.layers.{block}.{module}"
            a, b = lora[f"{name}.lora_A.weight"], lora[f"{name}.lora_B.weight"]
            delta = scale * b.astype(np.float64) @ a.astype(np.float64)
            if kind in {"attn_q", "attn_k"}:
                delta = np.stack([delta[row_of(row)] for row in range(len(delta))])
            merged[f"blk.{block}.{kind}.weight"] += delta
    return {name: values.astype(np.float32) for name, values in merged.items()}


def row_of(row: int) -> int:
    """Where transformers has the row that llama.cpp has there: a head's rows 0, h/2, 1, h/2 + 1..."""
    head, within = divmod(row, HEAD)
    return head * HEAD + within // 2 + (HEAD // 2 if within % 2 else 0)


def read_all(path: Path) -> Weights:
    """Every tensor, read by the `gguf` package."""
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for tensor in gguf.GGUFReader(path).tensors
    }
