"""The words and signs around a place of a text, for `learned_names`: only so much is cut as one word is judged by."""

from __future__ import annotations

import re

from ftworker.curation.privacy import contexts
from ftworker.curation.privacy.folding import MASK, View
from ftworker.curation.privacy.lexicon import PARTICLES

Token = tuple[int, int, bytes]
"""A word or a sign: where it begins and ends, and what it is."""

_TOKEN = re.compile(rb"\x01+|[a-z_']*[a-z_]|\d+|\n|[^\s\w]")
BETWEEN_PARTS = frozenset((b" ", b"-"))
LINE_END = b"/n"
_SIGNS = {b"\n": LINE_END, MASK: MASK}
BESIDE = 3
"""So many tokens to each side are cut with their signs."""
_REACH = 60
"""Within so many characters those tokens stand."""
_AROUND = 80
"""Words within so many characters stand around a place."""


def tokens_before(seen: View, start: int) -> list[Token]:
    """The words and signs before a place, the nearest first."""
    folded = seen.folded
    least, begin = max(0, start - _REACH), start - 1
    for _ in range(BESIDE):
        # Between spaces stands a token at least.
        begin = folded.rfind(b" ", least, begin)
        if begin < 0:
            begin = least
            break
    return _tokens(folded, begin, start)[: -BESIDE - 1 : -1]


def tokens_behind(seen: View, end: int) -> list[Token]:
    """The words and signs behind a place, the nearest first."""
    folded = seen.folded
    most, stop = end + _REACH, end
    for _ in range(BESIDE):
        stop = folded.find(b" ", stop + 1, most)
        if stop < 0:
            stop = most
            break
    return _tokens(folded, end, stop)[:BESIDE]


def _tokens(folded: bytes, begin: int, end: int) -> list[Token]:
    return [
        (match.start(), match.end(), _SIGNS.get(match[0][:1], match[0]))
        for match in _TOKEN.finditer(folded, begin, end)
    ]


def words_around(seen: View, start: int, end: int) -> list[bytes]:
    """The words around a stretch and those in it, without signs."""
    spaced = seen.words
    begin = spaced.find(b" ", max(0, start - _AROUND), start + 1)
    return spaced[begin : spaced.rfind(b" ", end, end + _AROUND)].split()


def words_within(seen: View, start: int, end: int) -> list[Token]:
    """The words of a stretch."""
    return [token for token in _tokens(seen.folded, start, end) if token[2][:1].isalpha()]


def words_beside(seen: View, start: int, end: int) -> list[tuple[int, int]]:
    """The words right before and right behind a stretch, over particles behind it."""
    folded, spaced = seen.folded, seen.words
    found = []
    if folded[max(0, start - 1) : start] in BETWEEN_PARTS:
        word = spaced[max(0, start - _REACH) : start].rpartition(b" ")[2]
        found.append((start - 1 - len(word), word))
    word = b"de"
    while word in PARTICLES and folded[end : end + 1] in BETWEEN_PARTS:
        word = spaced[end + 2 : end + 2 + _REACH].partition(b" ")[0]
        found.append((end + 1, word))
        end += 1 + len(word)
    return [
        (begin, begin + len(word))
        for begin, word in found
        if len(word) > 2 and word.isalpha() and word not in PARTICLES
    ]


def case_of(seen: View, start: int, end: int) -> bytes:
    """How a word is written: a, A, AA, or S at the beginning of a sentence."""
    text = seen.text
    if not text[start].isupper():
        return b"a"
    if end - start > 2 and text[start:end].isupper():
        return b"AA"
    return b"S" if contexts.begins_sentence(seen.folded, start, 4) else b"A"


def sign(between: bytes) -> bytes:
    """What stands between two words, as a feature."""
    return LINE_END if b"\n" in between else between.strip()
