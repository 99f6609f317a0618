"""Answers that turn in circles or hold more signs than words: what a model writes when it fails. Pure.

The measures are those of Gopher (Rae et al. 2021, table A1) for the most frequent 2-, 3- and 4-gram and for repeated
10-grams, as a share of the characters. A text that compresses like ordinary prose is not counted at all, and most are
known for prose by a quick look.
"""

from __future__ import annotations

import codecs
import re
import threading
import zlib
from collections import Counter
from functools import lru_cache

import msgspec
import zstandard

from ftworker.settings import CurationSettings

_LEAST_WORDS = 20
"""Below that, one word said twice is a large share."""
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
_NOT_SIGNS = re.compile(r"[\w\s]+")
_NO_SIGNS_OF_LATIN = bytes(code for code in range(0x100) if _NOT_SIGNS.match(chr(code)))
_LEAST_CHARACTERS = 40
"""Below that, a formula alone is an answer."""


_BEYOND_QUICK = 1.6
"""How many times as small as the quick look zlib makes a text that turns in circles, at most: it also saves on letters
that are frequent. Measured on 28,500 planted loops: 1.55 near the limit, and no loop nearer to it than 1.26 against
1.19 by the quick look (docs/DATASETS.md)."""


class Measure(msgspec.Struct, frozen=True):
    """Which share was looked at, what it is, and the largest that is allowed."""

    name: str
    value: float
    most: float

    @property
    def exceeded(self) -> bool:
        """Whether it is too much."""
        return self.value > self.most


class _QuickLook(threading.local):
    """zstandard's level -1 saves on runs of bytes that came before, and on nothing else: 2 microseconds an answer where
    zlib takes 15. Its compressor is one for each thread, which has to be made once alone.
    """

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=-1, write_content_size=False).compress


_quick_look = _QuickLook()


def repetition(text: str, settings: CurationSettings) -> Measure | None:
    """The first share that is exceeded, else a compression ratio: bytes for each byte that a compressor leaves. Good
    answers reach 1.9 by zlib's level 1. None where the text is too short to tell.

    Code in fences, numbers and signs are not counted: lines of programs and of reckoning are alike by nature.
    """
    if "`" in text:
        text = _CODE.sub(" ", text)
    if text.count(" ") < _LEAST_WORDS - 1:
        return None
    raw = text.encode(errors="replace")
    quick = _quick_ratio(raw, settings)
    if not quick.exceeded:
        return quick
    least = settings.min_compression_ratio
    ratio = Measure("compression_ratio", len(raw) / len(zlib.compress(raw, 1)), least)
    if not ratio.exceeded:
        return ratio
    # Of letters alone: tables and worked steps repeat their numbers and signs by nature.
    words = _WORD.findall(text.casefold())
    if len(words) < _LEAST_WORDS:
        return None
    characters = sum(map(len, words))
    most_of_top = (settings.max_top_2gram_share, settings.max_top_3gram_share, settings.max_top_4gram_share)
    for length, most in zip((2, 3, 4), most_of_top, strict=True):
        gram, number = Counter(zip(*(words[n:] for n in range(length)), strict=False)).most_common(1)[0]
        share = min(1.0, number * sum(map(len, gram)) / characters) if number > 1 else 0.0
        top = Measure(f"top_{length}gram_share", share, most)
        if top.exceeded:
            return top
    return Measure(
        "repeated_10gram_share", _repeated(words, 10) / characters, settings.max_repeated_10gram_share
    )


def surely_prose(text: str, settings: CurationSettings) -> bool:
    """Whether no share of `repetition` is exceeded, by the quick look alone: True for nearly all that is prose."""
    if "`" in text:
        text = _CODE.sub(" ", text)
    return not _quick_ratio(text.encode(errors="replace"), settings).exceeded


def _quick_ratio(raw: bytes, settings: CurationSettings) -> Measure:
    most = settings.min_compression_ratio / _BEYOND_QUICK
    return Measure("quick_ratio", len(raw) / len(_quick_look.compress(raw)), most)


def _repeated(words: list[str], length: int) -> int:
    """Characters of the words in n-grams that stood before; each word once."""
    seen: set[tuple[str, ...]] = set()
    characters = 0
    counted_up_to = 0
    for start in range(len(words) - length + 1):
        gram = tuple(words[start : start + length])
        if gram in seen:
            begin = max(start, counted_up_to)
            counted_up_to = start + length
            characters += sum(map(len, words[begin:counted_up_to]))
        else:
            seen.add(gram)
    return characters


def sign_share(text: str) -> float | None:
    """Share of the characters that are neither letters, digits nor spaces; None where the text is too short to tell."""
    if len(text) < _LEAST_CHARACTERS:
        return None
    if "`" in text:
        text = _CODE.sub(" ", text)
    # A table of bytes: ten times quicker than the pattern.
    return len(text.encode("latin-1", "ftworker_signs").translate(None, _NO_SIGNS_OF_LATIN)) / len(text)


def most_signs(text: str) -> float:
    """What `sign_share` is at most: every character beyond Latin-1 counts as one. Takes half the time."""
    if "`" in text:
        return sign_share(text) or 0.0
    return len(text.encode("latin-1", "replace").translate(None, _NO_SIGNS_OF_LATIN)) / (len(text) or 1)


@lru_cache(maxsize=1_024)
def _signs_beyond_latin(run: str) -> bytes:
    return b"!" * len(_NOT_SIGNS.sub("", run))


def _encode_signs(error: UnicodeError) -> tuple[bytes, int]:
    """What the codec calls for characters beyond Latin-1: so many signs. Lessons have a few, always the same."""
    assert isinstance(error, UnicodeEncodeError)
    return _signs_beyond_latin(error.object[error.start : error.end]), error.end


codecs.register_error("ftworker_signs", _encode_signs)
