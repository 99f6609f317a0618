"""Which tensor of a GGUF belongs to which module of transformers, by architecture. Pure.

The names are llama.cpp's (gguf-py, tensor_mapping.py), as are the rows of q and k that change places in models of the
llama family (conversion/llama.py, `permute`): transformers rotates the two halves of a head, llama.cpp neighbours. What
is not in these tables is refused, never guessed: a wrong place gives a model that still answers, and answers badly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.header import GgufHeader, GgufProblem

_LINEAR: Final = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_FUSED: Final = {
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

MODULES: Final[dict[str, Mapping[str, str]]] = {
    "gemma2": _LINEAR,
    "gemma3": _LINEAR,
    "llama": _LINEAR,
    "phi3": _FUSED,
    "qwen2": _LINEAR,
    "qwen3": _LINEAR,
}
"""By `general.architecture`: the linear modules of a block as transformers names them, and their tensors."""

PERMUTES: Final[dict[str, frozenset[str]]] = {"llama": frozenset({"attn_q", "attn_k"})}
"""By `general.architecture`: the tensors whose rows llama.cpp keeps in another order than transformers."""

MODEL_TYPES: Final = {
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "gemma3_text": "gemma3",
    "llama": "llama",
    "mistral": "llama",
    "phi3": "phi3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
}
"""`model_type` of a config.json, and the architecture that llama.cpp makes of it."""


@dataclass(frozen=True)
class BaseModel:
    """What must be known of a base to place a LoRA in it."""

    architecture: str
    shapes: Mapping[str, tuple[int, ...]]
    """By tensor: `blk.0.attn_q.weight` and its rows and columns."""
    heads: Mapping[str, Sequence[int]]
    """Of each tensor in PERMUTES: heads in each block."""

    def __post_init__(self) -> None:
        for name, shape in self.shapes.items():
            match name.split("."):
                case ["blk", block, kind, "weight"] if kind in self.heads and block.isdecimal():
                    heads = self.heads[kind][int(block)] if int(block) < len(self.heads[kind]) else 0
                    if not heads or shape[0] % (2 * heads):
                        raise GgufProblem(
                            "gguf_malformed",
                            f"{name} has {shape[0]} rows, which {heads} heads do not share; fetch the base again",
                        )
                case _:
                    pass

    def tensor_of(self, layer: int, module: str) -> str:
        """The tensor of `self_attn.q_proj` in a block. Raises GgufProblem: `adapter_mismatch`."""
        modules = MODULES[self.architecture]
        name = f"blk.{layer}.{modules.get(module, module)}.weight"
        if module not in modules or len(self.shapes.get(name, ())) != 2:
            raise GgufProblem(
                "adapter_mismatch",
                f"the adapter trains {module} of block {layer}, which {self.architecture} here has not; train "
                f"{', '.join(modules)} of the very base that is converted",
            )
        return name

    def in_stored_order(self, tensor: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rows of a weight, or of a LoRA's B, as the GGUF has them."""
        block, kind = tensor.split(".")[1:3]
        if kind not in PERMUTES.get(self.architecture, frozenset()):
            return rows
        heads = self.heads[kind][int(block)]
        halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
        return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))


def base_of_gguf(header: GgufHeader) -> BaseModel:
    """Raises GgufProblem: `architecture_unknown`, `gguf_malformed`, and `gguf_split` for a part of a model."""
    values = header.values
    if header.values.get("split.count", 1) != 1:
        raise GgufProblem(
            "gguf_split",
            f"{header.path} is one of {values['split.count']} parts; join them: llama-gguf-split --merge FIRST OUT",
        )
    architecture = _known(str(values.get("general.architecture", "")), MODULES, f"{header.path}")
    if values.get("general.type", "model") != "model":
        raise GgufProblem(
            "gguf_unsupported",
            f"{header.path} is of type {values['general.type']!r}, no model; name the base's GGUF",
        )
    blocks = _count(values.get(f"{architecture}.block_count"), header, "block_count")
    heads = _a_block(
        values.get(f"{architecture}.attention.head_count"), blocks, header, "attention.head_count"
    )
    key_heads = values.get(f"{architecture}.attention.head_count_kv")
    return BaseModel(
        architecture=architecture,
        shapes={tensor.name: tensor.shape for tensor in header.tensors},
        heads={
            "attn_q": heads,
            "attn_k": heads
            if key_heads is None
            else _a_block(key_heads, blocks, header, "attention.head_count_kv"),
        },
    )


def base_of_config(config: Mapping[str, Any], where: str) -> BaseModel:
    """From a config.json, for an adapter whose base is no GGUF. Raises GgufProblem: `architecture_unknown`."""
    architecture = MODEL_TYPES[_known(str(config.get("model_type", "")), MODEL_TYPES, where)]
    text: Mapping[str, Any] = config.get("text_config") or config
    try:
        blocks, width, inner = (
            int(text[key]) for key in ("num_hidden_layers", "hidden_size", "intermediate_size")
        )
        heads = int(text["num_attention_heads"])
        key_heads = int(text.get("num_key_value_heads") or heads)
        head = int(text.get("head_dim") or width // heads)
    except (KeyError, TypeError, ValueError) as error:
        raise GgufProblem(
            "architecture_unknown",
            f"{where}: config.json has no usable {error}; name a complete folder, or the base's GGUF as base_gguf",
        ) from error
    of_block = {
        "attn_q": (heads * head, width),
        "attn_k": (key_heads * head, width),
        "attn_v": (key_heads * head, width),
        "attn_qkv": ((heads + 2 * key_heads) * head, width),
        "attn_output": (width, heads * head),
        "ffn_gate": (inner, width),
        "ffn_up": (2 * inner if architecture == "phi3" else inner, width),
        "ffn_down": (width, inner),
    }
    return BaseModel(
        architecture=architecture,
        shapes={
            f"blk.{block}.{kind}.weight": of_block[kind]
            for block in range(blocks)
            for kind in MODULES[architecture].values()
        },
        heads={"attn_q": [heads] * blocks, "attn_k": [key_heads] * blocks},
    )


def _known(name: str, table: Mapping[str, Any], where: str) -> str:
    if name not in table:
        raise GgufProblem(
            "architecture_unknown",
            f"{where}: architecture {name!r}; converted are {', '.join(sorted(table))}: choose such a base, or let "
            "vLLM serve the adapter as it is",
        )
    return name


def _count(value: Any, header: GgufHeader, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 20:
        raise GgufProblem("gguf_malformed", f"{header.path}: {key} is {value!r}; fetch the file again")
    return value


def _a_block(value: Any, blocks: int, header: GgufHeader, key: str) -> list[int]:
    """One number for all blocks, or one for each."""
    if not isinstance(value, list):
        return [_count(value, header, key)] * blocks
    if len(value) < blocks:
        raise GgufProblem("gguf_malformed", f"{header.path}: {len(value)} of {key} for {blocks} blocks")
    return [_count(one, header, key) for one in value]
