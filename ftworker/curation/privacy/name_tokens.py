"""A text as words and signs around a place, for `learned_names`: cut where it is asked for, a stretch at a time."""

from __future__ import annotations

import re
from bisect import bisect_left

from ftworker.curation.privacy import contexts
from ftworker.curation.privacy.folding import MASK, View
from ftworker.curation.privacy.lexicon import PARTICLES

_TOKEN = re.compile(rb"\x01+|[a-z_']*[a-z_]|\d+|\n|[^\s\w]")
BETWEEN_PARTS = frozenset((b" ", b"-"))
LINE_END = b"/n"
_SIGNS = {b"\n": LINE_END, MASK: MASK}
_BLOCK, _MARGIN = 80, 130
"""So many characters are cut into tokens at once, and so many around them."""


class Tokens:
    """A text, of which a stretch at a time is cut into tokens: most hold one doubtful word."""

    def __init__(self, seen: View) -> None:
        self.seen = seen
        self._blocks: dict[int, Block] = {}

    def around(self, start: int) -> Block:
        """The tokens around a place."""
        number = start // _BLOCK
        block = self._blocks.get(number)
        if block is None:
            folded = self.seen.folded
            begin = max(0, number * _BLOCK - _MARGIN)
            end = min(len(folded), (number + 1) * _BLOCK + _MARGIN)
            if begin:
                begin = max(begin, folded.find(b" ", begin, begin + _MARGIN // 2))
            if end < len(folded):
                end = max(folded.rfind(b" ", end - _MARGIN // 2, end), end - _MARGIN // 2)
            block = self._blocks[number] = Block(self.seen, begin, end)
        return block


class Block:
    """A stretch of a text in tokens."""

    def __init__(self, seen: View, begin: int, end: int) -> None:
        self.seen = seen
        self.tokens = [
            (match.start(), match.end(), _SIGNS.get(match[0][:1], match[0]))
            for match in _TOKEN.finditer(seen.folded, begin, end)
        ]
        self._starts = [token[0] for token in self.tokens]
        self.capitals = not seen.text[begin:end].islower()
        self.named = -1

    def at(self, start: int) -> int:
        """The number of the token that holds this place."""
        return max(0, bisect_left(self._starts, start + 1) - 1)

    def within(self, start: int, end: int) -> list[tuple[int, int, bytes]]:
        """The words of a stretch."""
        return [t for t in self.tokens[self.at(start) : bisect_left(self._starts, end)] if t[2][:1].isalpha()]

    def beside(self, start: int, end: int) -> list[tuple[int, int]]:
        """The words right before and right behind a stretch, over particles behind it."""
        folded, tokens = self.seen.folded, self.tokens
        found = []
        at = self.at(start) - 1
        if at >= 0 and folded[tokens[at][1] : start] in BETWEEN_PARTS:
            found.append(tokens[at])
        at = self.at(end - 1) + 1
        while at < len(tokens) and folded[tokens[at - 1][1] : tokens[at][0]] in BETWEEN_PARTS:
            found.append(tokens[at])
            if tokens[at][2] not in PARTICLES:
                break
            at += 1
        return [(t[0], t[1]) for t in found if len(t[2]) > 2 and t[2][:1].isalpha() and t[2] not in PARTICLES]

    def case(self, start: int, end: int) -> bytes:
        """How a word is written: a, A, AA, or S at the beginning of a sentence."""
        text = self.seen.text
        if not text[start].isupper():
            return b"a"
        if end - start > 2 and text[start:end].isupper():
            return b"AA"
        return b"S" if contexts.begins_sentence(self.seen.folded, start, 4) else b"A"


def sign(between: bytes) -> bytes:
    """What stands between two words, as a feature."""
    return LINE_END if b"\n" in between else between.strip()
