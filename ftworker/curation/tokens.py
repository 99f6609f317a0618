"""How many tokens a text is: counted by a vocabulary, or estimated from its characters.

Counts by o200k and cl100k are those of OpenAI's own tiktoken, made by `toktok` with vocabularies that are compiled
in: nothing is fetched at run time. Text that looks like a control token counts as the ordinary text that it is.
Pure: a local base model's own tokenizer.json is read by `ftworker.tokenizers`, which also says which counter
belongs to a pipeline. docs/DATASETS.md holds the measured error of the estimate.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol

TOKENS_PER_MESSAGE = 4
"""The chat format's own tokens around each message: three marks and the role (OpenAI's cookbook, `tokens_per_message`
= 3 and a role of one token). Local chat templates take 4 to 6."""
TOKENS_PER_EXAMPLE = 3
"""The chat format's own tokens once an example: what begins an answer (OpenAI's cookbook, "primed with assistant")."""

ESTIMATE = "estimate"
"""The name of the counter that estimates; also what examples of an older release are counted by."""
ENCODINGS = ("o200k_base", "cl100k_base")
"""Vocabularies that are compiled in. o200k: gpt-4o, gpt-4.1, gpt-5 and the o-series; cl100k: gpt-4, gpt-3.5."""

# Letters, and the bytes of UTF-8 that continue a character.
_LETTERS = string.ascii_letters.encode() + bytes(range(0x80, 0xC0))


class TokenCounter(Protocol):
    """Counts tokens. Thread-safe; made once a process, for a vocabulary takes a third of a second to load."""

    @property
    def name(self) -> str:
        """What counts: `o200k_base`, `estimate`, or a local tokenizer by its folder and hash. Stored with examples."""

    def count(self, text: str) -> int:
        """Tokens of this text alone, without the chat format's. 0 for no text. Takes any text and never raises."""


class CountedBy:
    """A counter made of a function that may refuse lone surrogates."""

    __slots__ = ("_count", "name")

    def __init__(self, name: str, count: Callable[[str], int]) -> None:
        self.name = name
        self._count = count

    def count(self, text: str) -> int:
        """See TokenCounter."""
        try:
            return self._count(text)
        except (UnicodeEncodeError, TypeError):
            # Half of a surrogate pair: tiktoken too counts it as the sign that stands for what cannot be shown.
            return self._count(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@cache
def make_counter(name: str) -> TokenCounter:
    """The counter of this name: `estimate`, `o200k_base` or `cl100k_base`; the same object for each call.

    Raises KeyError for another name: paths are `ftworker.tokenizers.local_counter`'s.
    """
    if name == ESTIMATE:
        return CountedBy(ESTIMATE, estimate_tokens)
    if name not in ENCODINGS:
        raise KeyError(f"{name!r} is no compiled-in vocabulary; there are {', '.join(ENCODINGS)}")
    # Imported here: whoever counts nothing does not load a vocabulary.
    import toktok

    # Not `toktok.batch_count`, its public way: that one sets up a pool at each call and takes 27 microseconds for a
    # message, this one less than one. pyproject.toml holds the release back, and a test holds the counts.
    return CountedBy(name, toktok._encoding(name).count)  # noqa: SLF001


def count_messages(counter: TokenCounter, texts: Iterable[str]) -> int:
    """Tokens of one example whose messages have these texts, with the chat format's own."""
    return TOKENS_PER_EXAMPLE + sum(counter.count(text) + TOKENS_PER_MESSAGE for text in texts)


def _classes() -> bytes:
    # Each byte of UTF-8 to a class: space, digit, other sign (outside Latin), punctuation or accented letter.
    table = bytearray(b"p" * 256)
    table[0x20] = ord("s")
    table[0x30:0x3A] = b"d" * 10
    table[0xC0:0x100] = b"o" * 64
    table[0xC3] = ord("p")
    return bytes(table)


_CLASSES = _classes()


def estimate_tokens(text: str) -> int:
    """Tokens of a text under o200k, estimated high. 0 for no text, else at least 1.

    For where no count is worth the memory of a vocabulary (70 MB). The weights were fitted to o200k on Spanish
    lessons, Catalan, English, formulas and code, then raised so that the sum over a dataset is rather high than low.
    """
    if not text:
        return 0
    raw = text.encode(errors="replace")
    rest = raw.translate(_CLASSES, _LETTERS)
    spaces, digits, signs = rest.count(b"s"), rest.count(b"d"), rest.count(b"o")
    letters = len(text) - len(rest)
    # Thousandths of a token. A word costs for its space and for its length; digits go in groups of three but
    # mostly stand alone in formulas; a sign outside Latin (², →, Δ) is often two tokens.
    thousandths = 175 * letters + 600 * spaces + 1000 * digits + 1800 * signs
    return (thousandths + 450 * (len(rest) - spaces - digits - signs)) // 1000 + 1
