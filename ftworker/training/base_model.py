"""The base model and its tokenizer, from a directory, a GGUF file or a hub name. Also for the stages that compare.

Never runs code that comes with a model, and never saves one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

from ftworker.training.base_source import BaseSource
from ftworker.training.pre_tokenizing import split_as_llama_cpp
from ftworker.training.stage import StageFailed


def load_tokenizer(source: BaseSource) -> Any:
    """The base's own tokenizer, with its chat template. Raises StageFailed."""
    with _loading(source):
        tokenizer = AutoTokenizer.from_pretrained(source.name, trust_remote_code=False, **source.options)
    if source.file:
        split_as_llama_cpp(tokenizer, Path(source.name) / source.file)
    return tokenizer


def load_model(source: BaseSource, dtype: torch.dtype, device: torch.device) -> Any:
    """The base as a causal model of transformers, in evaluation mode, its weights in that type. Raises StageFailed."""
    options = source.options
    if source.file:
        # Else the model keeps a quantizer that later refuses to save or move it.
        options["quantization_config"] = GgufConfig(dequantize=True)
    with _loading(source):
        model = AutoModelForCausalLM.from_pretrained(
            source.name, dtype=dtype, trust_remote_code=False, use_safetensors=True, **options
        )
    model.requires_grad_(False)
    return model.to(device).eval()


def context_length(source: BaseSource) -> int | None:
    """The longest text that the base was made for, in tokens. Raises StageFailed."""
    with _loading(source):
        config = AutoConfig.from_pretrained(source.name, trust_remote_code=False, **source.options)
    return context_of(config)


def context_of(config: Any) -> int | None:
    """The same from a configuration of transformers."""
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


@contextmanager
def gguf_read_once() -> Iterator[None]:
    """While it lasts, a GGUF file is parsed once and its table of names is made once an architecture.

    transformers parses the file for the configuration, for the tokenizer and for the weights, and builds the table
    again for every module: three quarters of the time that SmolLM2-135M takes to load.
    """
    before = gguf.GGUFReader, gguf.get_tensor_name_map
    reader: Callable[..., Any] = functools.lru_cache(maxsize=1)(gguf.GGUFReader)
    names: Callable[..., Any] = functools.lru_cache(maxsize=8)(gguf.get_tensor_name_map)
    gguf.GGUFReader, gguf.get_tensor_name_map = reader, names
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = before


@contextmanager
def _loading(source: BaseSource) -> Iterator[None]:
    """Turn what the libraries raise into our own errors."""
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise  # a disk, not a name
        where = (
            "on this machine" if source.kind != "hub" else "in the hub's cache, and the hub did not give it"
        )
        raise StageFailed(
            "base_missing",
            f"the base {source.name} was not found whole {where}; correct training.base, copy the model here, or "
            "let this machine reach the hub (HF_HUB_OFFLINE; `hf auth login` where a base asks who you are)",
        ) from error
    except (ValueError, KeyError, NotImplementedError, ImportError) as error:
        raise StageFailed(
            "base_unsupported",
            f"transformers {transformers.__version__} cannot load the base {source.file or source.name}: "
            f"{_first_line(error)}",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
