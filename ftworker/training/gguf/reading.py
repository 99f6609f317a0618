"""What a GGUF model says of itself: architecture, tokens, template, licence, size. Reads no tensor, needs no package.

`read_metadata` is for whoever registers, serves or describes a model; it never says more than the file does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ftworker.training.gguf.header import MAGIC, GgufHeader, read_header
from ftworker.training.gguf.tensor_types import FILE_TYPES

TURN_ENDS: Final = (
    "<|im_end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "<|end|>",
    "<|eom_id|>",
    "<|endoftext|>",
    "</s>",
)
"""Tokens that end a turn in the templates of today's models; llama.cpp looks for the same where a file names none."""

_BEGINS_WITH_BOS: Final = frozenset({"llama3", "llama-v3", "llama-bpe", "falcon3", "tekken", "pixtral"})
"""`tokenizer.ggml.pre` whose tokenizers put a BOS in front although the file does not say so (llama-vocab.cpp)."""


@dataclass(frozen=True)
class GgufMetadata:
    """What the file says. None: it says nothing of it."""

    path: Path
    kind: str
    """`model` or `adapter`."""
    architecture: str
    name: str | None
    license: str | None
    chat_template: str | None
    bos: str | None
    eos: str | None
    eot: str | None
    """The token that ends a turn, when the file names one."""
    add_bos: bool
    """Whether the tokenizer puts `bos` in front by itself."""
    stop: tuple[str, ...]
    """Texts that end an answer: the token that ends a turn, then the one that ends a text where it is another."""
    tokenizer: str | None
    """`gpt2`, `llama`..."""
    vocabulary_size: int | None
    context_length: int | None
    block_count: int | None
    embedding_length: int | None
    quantization: str
    """How most of it is stored: F16, Q8_0, Q4_K_M..."""
    parameter_count: int
    size_bytes: int
    parts: int
    """Files that the model is split into; 1 is the usual."""
    values: Mapping[str, Any]
    """Every key of the file."""


def is_gguf(path: Path) -> bool:
    """Whether a file of this path begins as a GGUF does. Nothing else of it is looked at."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_metadata(path: Path) -> GgufMetadata:
    """What the file says of itself. Raises GgufProblem: `base_missing`, `gguf_malformed`, `gguf_unsupported`."""
    return metadata_of(read_header(path))


def metadata_of(header: GgufHeader) -> GgufMetadata:
    values = header.values
    architecture = _text(values, "general.architecture") or ""
    tokens = _tokens(values)
    template = _text(values, "tokenizer.chat_template")
    eos = _token(values, tokens, "eos")
    eot = _token(values, tokens, "eot")
    return GgufMetadata(
        path=header.path,
        kind=_text(values, "general.type") or "model",
        architecture=architecture,
        name=_text(values, "general.name"),
        license=_text(values, "general.license"),
        chat_template=template,
        bos=_token(values, tokens, "bos"),
        eos=eos,
        eot=eot,
        add_bos=_adds_bos(values),
        stop=ends_of_an_answer(tokens, template or "", eot, eos),
        tokenizer=_text(values, "tokenizer.ggml.model"),
        vocabulary_size=len(tokens) or _number(values, f"{architecture}.vocab_size"),
        context_length=_number(values, f"{architecture}.context_length"),
        block_count=_number(values, f"{architecture}.block_count"),
        embedding_length=_number(values, f"{architecture}.embedding_length"),
        quantization=_quantization(header),
        parameter_count=sum(tensor.numbers for tensor in header.tensors),
        size_bytes=header.size_bytes,
        parts=_number(values, "split.count") or 1,
        values=values,
    )


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) and value else None


def _number(values: Mapping[str, Any], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _tokens(values: Mapping[str, Any]) -> Sequence[str]:
    tokens = values.get("tokenizer.ggml.tokens")
    return tokens if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens) else []


def _token(values: Mapping[str, Any], tokens: Sequence[str], which: str) -> str | None:
    number = _number(values, f"tokenizer.ggml.{which}_token_id")
    return tokens[number] if number is not None and 0 <= number < len(tokens) else None


def _adds_bos(values: Mapping[str, Any]) -> bool:
    said = values.get("tokenizer.ggml.add_bos_token")
    if isinstance(said, bool):
        return said
    return (
        _text(values, "tokenizer.ggml.model") == "llama"
        or _text(values, "tokenizer.ggml.pre") in _BEGINS_WITH_BOS
    )


def ends_of_an_answer(
    tokens: Collection[str], template: str, eot: str | None, eos: str | None
) -> tuple[str, ...]:
    """The end of a turn, then the end of a text. A model that names no end of a turn has the one of its template."""
    written = [token for token in TURN_ENDS if token in template]
    present = set(written).intersection(tokens) if written else set()
    ends = [eot, *(token for token in written if token in present), eos]
    return tuple(dict.fromkeys(end for end in ends if end))


def _quantization(header: GgufHeader) -> str:
    """`general.file_type`, else the way in which most bytes are stored."""
    said = FILE_TYPES.get(_number(header.values, "general.file_type") or -1)
    if said is not None or not header.tensors:
        return said or "F32"
    bytes_of: dict[str, int] = {}
    for tensor in header.tensors:
        bytes_of[tensor.type.name] = bytes_of.get(tensor.type.name, 0) + tensor.size_bytes
    return max(bytes_of, key=lambda name: bytes_of[name])
