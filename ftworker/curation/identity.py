"""When two questions, or two pairs of question and answer, are the same words. Pure.

The hashes find exact duplicates in SQL and count the copies of a question; near ones are `near_duplicates`' matter.
They are made of what an example says after redaction, so they hold nothing of a person.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

FOLLOW_UP_WORDS = 5
"""A question of fewer words ("¿y por qué?", "otro ejemplo") asks about what was asked before, and is the same question
only together with it."""

_ACCENTED = "áàâäéèêëíìîïóòôöúùûü"
_BARE = "aaaaeeeeiiiioooouuuu"
# Between words these say nothing; between digits a space stays, so that "1,5" is not "15".
_PUNCTUATION = "¿?¡!.,;:\"'`´«»()[]{}_|"
# Signs that change what is asked: 2+3 is not 2-3. Each is a word of its own, however it is spaced.
_SIGNS = "+-*×·/÷=<>^%°$&@#~±"
# What Latin-1 lacks and texts are full of, as what it has. All else becomes its number ("&#8804;"), which is as good.
_BEYOND_LATIN = {
    **dict.fromkeys("…’‘“”„\u200b\ufeff\u2009\u200a\u202f\u2003\u2028\u2029", " "),
    **dict.fromkeys("−–—‐‑", "-"),
}

# Characters beyond Latin-1 that are reduced one by one: letters of Latin, Greek and Cyrillic, punctuation, raised and
# lowered digits, arrows, signs of mathematics. None composes with what stands before it, and none is lowered by what
# stands around it, as a capital sigma would be: a test tries them all.
_REDUCED_ALONE = re.compile(
    "[\u0100-\u024f\u0370-\u03a2\u03a4-\u03ff\u0400-\u0482\u048a-\u04ff\u2000-\u20cf\u2100-\u2bff]+"
)

# A table of bytes is thirty times quicker than one of characters.
_INSTEAD = dict(zip(_ACCENTED + _PUNCTUATION, _BARE + " " * len(_PUNCTUATION), strict=True))
_NORMAL = bytes(
    ord(" " if small.isspace() else _INSTEAD.get(small, small))
    for small in (chr(byte).lower() for byte in range(0x100))
)
_NO_SIGNS = bytes(byte for byte in range(0x100) if chr(byte) not in _SIGNS)


def normalised(text: str) -> str:
    """The words of a text: without case, accents on vowels, punctuation or kind of space; digits and signs stay.

    Pupils leave out accents ("que es la fotosintesis"), so vowels lose them; ñ and ç are letters of their own.
    """
    try:
        raw = text.encode("latin-1", "ftworker_reduce")
    except _DependsOnNeighbours:
        raw = _reduced(text)
    raw = raw.translate(_NORMAL)
    for code in set(raw.translate(None, _NO_SIGNS)):
        mark = bytes((code,))
        raw = raw.replace(mark, b" %b " % mark)
    # Parted only where two spaces meet: parting every word would cost half as much again.
    parts = filter(None, map(bytes.strip, raw.split(b"  ")))
    return b" ".join(parts).decode("latin-1")


class _DependsOnNeighbours(ValueError):
    """Characters that only the whole text tells how to reduce."""


def _reduced(text: str) -> bytes:
    """The text in Latin-1, with numbers for what that lacks."""
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    for sign, instead in _BEYOND_LATIN.items():
        if sign in text:
            text = text.replace(sign, instead)
    return text.lower().encode("latin-1", "xmlcharrefreplace")


@lru_cache(maxsize=4_096)
def _reduced_alone(characters: str) -> bytes:
    if not _REDUCED_ALONE.fullmatch(characters):
        raise _DependsOnNeighbours
    return _reduced(characters)


def _reduce_run(error: UnicodeError) -> tuple[bytes, int]:
    """What the codec calls for characters beyond Latin-1; nearly every text has one or two, always the same."""
    assert isinstance(error, UnicodeEncodeError)
    return _reduced_alone(error.object[error.start : error.end]), error.end


codecs.register_error("ftworker_reduce", _reduce_run)


def asked(words: str, before: Iterable[str]) -> str:
    """A normalised question, together with those before it (normalised, newest first) where it follows them up."""
    parts = [words]
    earlier = iter(before)
    while words.count(" ") < FOLLOW_UP_WORDS - 1 and (previous := next(earlier, None)) is not None:
        words = previous
        parts.append(words)
    return "\n".join(reversed(parts))


def sha256_of(parts: Sequence[str]) -> bytes:
    """One hash of several normalised texts, each ended, so that no two lists of texts meet."""
    # Hashed in one go: each further call costs half a microsecond, and a text is hashed in one.
    ended = "\0".join([*parts, ""]).encode(errors="backslashreplace")
    return hashlib.sha256(ended).digest()
