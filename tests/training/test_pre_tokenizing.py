"""A GGUF's tokenizer in transformers and in llama.cpp: the same tokens, also where they are easily mistaken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ftworker.training.base_model import gguf_read_once, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.llama_cpp import LlamaCpp
from ftworker.training.probes import BEGINNINGS, CONVERSATIONS
from tests.training.gguf.tiny_models import smollm2


@pytest.fixture(scope="module")
def served() -> Iterator[LlamaCpp]:
    with LlamaCpp(smollm2(), context_tokens=512, threads=1) as opened:
        yield opened


def test_smollm2_has_the_same_tokens_in_transformers_and_in_llama_cpp(served: LlamaCpp) -> None:
    with gguf_read_once():
        tokenizer = load_tokenizer(locate_base(str(smollm2())))
    texts = [
        *BEGINNINGS,
        *(content for turns in CONVERSATIONS.values() for _, content in turns),
        "a ½ b  ½ ② x",
        "1234567890 12  34\t5 6'7 ٣٤",
        "  \n\n  x\t\ty  ",
        "don't, I'll: «l'eau»",
        "<|im_start|>user\nhola<|im_end|>\n",
    ]
    for text in texts:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == served.tokens(text), text
