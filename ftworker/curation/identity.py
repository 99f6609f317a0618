"""When two questions, or two pairs of question and answer, are the same words. Pure.

The hashes find exact duplicates in SQL and count the copies of a question; near ones are `near_duplicates`' matter.
They are made of what an example says after redaction, so they hold nothing of a person.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

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
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        # Only here, for all of Latin-1 is composed.
        raw = _reduced(text)
    raw = raw.translate(_NORMAL)
    for code in set(raw.translate(None, _NO_SIGNS)):
        mark = bytes((code,))
        raw = raw.replace(mark, b" %b " % mark)
    return b" ".join(raw.split()).decode("latin-1")


def _reduced(text: str) -> bytes:
    """The text in Latin-1, with numbers for what that lacks."""
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    for sign, instead in _BEYOND_LATIN.items():
        if sign in text:
            text = text.replace(sign, instead)
    return text.lower().encode("latin-1", "xmlcharrefreplace")


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
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode(errors="backslashreplace"))
        digest.update(b"\0")
    return digest.digest()
