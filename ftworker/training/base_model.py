"""The base model and its tokenizer, from a directory, a GGUF file or a hub name. Also for the stages that compare.

Never runs code that comes with a model, and never saves one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

from ftworker.training.pre_tokenizing import split_as_llama_cpp
from ftworker.training.stage import StageFailed

_GGUF_MAGIC = b"GGUF"


@dataclass(frozen=True)
class BaseSource:
    """Where a base is. `name` is what `from_pretrained` takes; `file` the GGUF file in it."""

    kind: Literal["directory", "gguf", "hub"]
    name: str
    file: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What `from_pretrained` must be told beside the name."""
        return {"gguf_file": self.file} if self.file else {}


def locate_base(base: str) -> BaseSource:
    """What the name stands for. Raises StageFailed (`base_missing`, `base_unsupported`)."""
    path = Path(base).expanduser()
    if path.is_file():
        with path.open("rb") as file:
            if file.read(4) != _GGUF_MAGIC:
                raise StageFailed(
                    "base_unsupported",
                    f"{base} is a file but no GGUF; name a GGUF file, a directory with config.json, or a hub name",
                )
        return BaseSource("gguf", str(path.parent), path.name)
    if path.is_dir():
        if (path / "config.json").is_file():
            return BaseSource("directory", str(path))
        files = sorted(file.name for file in path.glob("*.gguf"))
        if len(files) == 1:
            return BaseSource("gguf", str(path), files[0])
        seen = f"{len(files)} GGUF files" if files else "neither config.json nor a GGUF file"
        raise StageFailed(
            "base_missing", f"the folder {base} holds {seen}; name the model's own folder or file"
        )
    if path.is_absolute() or base.startswith((".", "~")) or base.endswith(".gguf"):
        raise StageFailed(
            "base_missing", f"there is no {base} on this machine; correct training.base or put it there"
        )
    if ":" in base:
        raise StageFailed(
            "base_missing",
            f"{base} is a name of Ollama's, whose files cannot be trained; set training.base to the model's "
            "directory, to a GGUF file of it, or to its hub name",
        )
    return BaseSource("hub", base)


def load_tokenizer(source: BaseSource) -> Any:
    """The base's own tokenizer, with its chat template. Raises StageFailed."""
    with _loading(source):
        tokenizer = AutoTokenizer.from_pretrained(source.name, trust_remote_code=False, **source.options)
    if source.file:
        split_as_llama_cpp(tokenizer, Path(source.name) / source.file)
    return tokenizer


def load_model(source: BaseSource, dtype: torch.dtype, device: torch.device) -> Any:
    """The base as a causal model of transformers, in evaluation mode, its weights in that type. Raises StageFailed."""
    options: dict[str, Any] = source.options
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
