"""A text as the rules read it: without case and accents, one byte a character, so that offsets stay what they are.

Bytes are what makes the rules quick: a fold is two table look-ups, and an automaton or a pattern over bytes runs
several times faster than over text. Case and exact signs are still there in `text`, at the same offsets. Spanish,
Catalan, Galician and Basque need nothing beyond Latin-1; other letters are reduced to their base (ș to s, Ł to l),
those that have none (Greek, Chinese) to one byte that is a letter and no letter of ours.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ftworker.curation.privacy.kinds import PLACEHOLDER

MASK = b"\x01"
"""What stands where a placeholder stood: no letter, no digit, no space."""
BETWEEN_TEXTS = "\n\x02\n"
"""Joins the texts of a conversation: no phrase and no number goes on across it."""
FOREIGN_LETTER = b"_"
"""What stands for a letter without a Latin base."""

_SPECIAL_LETTERS = {
    "ß": "s",
    "æ": "a",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ł": "l",
    "þ": "t",
    "ı": "i",
    "œ": "o",
    "ŀ": "l",
}
# Written between letters by word processors, keyboards and people who hide something; nobody sees them.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_SIGNS = {
    "’": "'",
    "‘": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "…": ".",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "＠": "@",
}


class _NeedsNormalising(Exception):
    """The text has combining marks or invisible characters, so that characters and bytes are not one to one."""


def _folded_character(character: str) -> bytes:
    if character in _SIGNS:
        return _SIGNS[character].encode()
    lowered = character.lower()[:1]
    base = _SPECIAL_LETTERS.get(lowered) or unicodedata.normalize("NFKD", lowered)[:1]
    # A raised 2 is no digit of a number: 10² must not read 102.
    if base.isascii() and base.isalnum() and (character.isalpha() or character.isdecimal()):
        return base.encode()
    if character.isalpha():
        return FOREIGN_LETTER
    if character.isspace():
        return b"\n" if character in "\n\u2028\u2029\x85" else b" "
    raw = character.encode("latin-1", "replace")
    return b"\x02" if ord(character) > 0xFF else raw


_FOLD = b"".join(
    # º and ª stay: "3º B" is no "3o B". The mask and the sign for "no letter at all" are ours alone.
    bytes([code]) if chr(code) in "ºª" else b"\x02" if code in (1, 2) else _folded_character(chr(code))
    for code in range(256)
)
_WORDS = bytes(
    code if (chr(code).isalnum() and code < 0x80) or code in (1, 0x5F) else 0x20 for code in range(256)
)
_beyond: dict[str, bytes] = {}


def _fold_beyond_latin(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    run = error.object[error.start : error.end]
    known = _beyond.get(run)
    if known is not None:
        return known, error.end
    folded = b""
    for character in run:
        byte = _beyond.get(character)
        if byte is None:
            if character in _INVISIBLE or unicodedata.combining(character):
                raise _NeedsNormalising
            # Half the planes of Unicode could come by in a hostile text; the usual signs are a few hundred.
            byte = _folded_character(character)
            if len(_beyond) < 4096:
                _beyond[character] = byte
        folded += byte
    return folded, error.end


codecs.register_error("ftworker_fold", _fold_beyond_latin)


class View(NamedTuple):
    """A text beside its fold. All three have the same offsets, `words` one more for the space before it."""

    text: str
    folded: bytes
    words: bytes
    """The fold with a space for everything that is in no word, and a space at both ends."""
    offsets: Sequence[int] | None
    """Where each character of `text` stood in what was given, and the length of that; None: where it stands now."""

    def given(self, start: int, end: int) -> tuple[int, int]:
        """The same stretch in the text that was given."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end]

    def part(self, start: int, end: int) -> View:
        """The view of a stretch between two line ends, which nothing had to be composed for."""
        return View(self.text[start:end], self.folded[start:end], self.words[start : end + 2], None)


@lru_cache(maxsize=128)
def view(text: str) -> View:
    """The text as the rules read it; placeholders of ours are masked.

    Kept for the texts of the conversation at hand: several rules read the same ones.
    """
    offsets: Sequence[int] | None = None
    try:
        if "\xad" in text:
            raise _NeedsNormalising
        raw = text.encode("latin-1", "ftworker_fold")
    except _NeedsNormalising:
        text, offsets = _composed(text)
        raw = text.encode("latin-1", "ftworker_fold")
    folded = raw.translate(_FOLD)
    if "[" in text and "_" in text:
        masked = bytearray(folded)
        for found in PLACEHOLDER.finditer(text):
            masked[found.start() : found.end()] = MASK * len(found[0])
        folded = bytes(masked)
    return View(text, folded, b" " + folded.translate(_WORDS) + b" ", offsets)


def fold(text: str) -> str:
    """A name or term as the rules compare it: lower case, no accents, single spaces between its words."""
    return " ".join(view(text).words.decode("latin-1").split())


def _composed(text: str) -> tuple[str, Sequence[int]]:
    """Letters and their combining marks as one character, invisible characters left out, with where each one stood."""
    composed: list[str] = []
    offsets: list[int] = []
    for position, character in enumerate(text):
        if character in _INVISIBLE:
            continue
        if unicodedata.combining(character):
            if composed:
                joined = unicodedata.normalize("NFC", composed[-1] + character)
                composed[-1] = joined if len(joined) == 1 else composed[-1]
            continue
        composed.append(character)
        offsets.append(position)
    return "".join(composed), [*offsets, len(text)]
