"""How a tokenizer that was made from a GGUF splits text before its merges: as llama.cpp does for the same file.

transformers (5.23) knows the splits of most families by the file's `tokenizer.ggml.pre`; those in which every digit
stands alone it leaves at GPT-2's, where " ½" is one word. What is trained would then be other tokens than what is
served. The names and their splits are llama.cpp's (src/llama-vocab.cpp). Never reads text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tokenizers import Regex, pre_tokenizers

from ftworker.training.gguf.reading import read_metadata

DIGITS_ALONE: Final = frozenset(
    {"codeshell", "command-r", "exaone", "minerva-7b", "refact", "smollm", "starcoder"}
)
"""`tokenizer.ggml.pre` of the families that split off each number sign, and then as GPT-2 does."""


def split_as_llama_cpp(tokenizer: Any, file: Path) -> None:
    """Have the tokenizer of this GGUF file split as llama.cpp does, where transformers does not. Repeatable."""
    if read_metadata(file).values.get("tokenizer.ggml.pre") in DIGITS_ALONE:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
