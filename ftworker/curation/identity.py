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
_PUNCTUATION = "¿?¡!.,;:…\"'`´’‘“”«»()[]{}_|\u200b\ufeff\u2028\u2029"
# Signs that change what is asked: 2+3 is not 2-3. Each is a word of its own, however it is spaced.
_SIGNS = "+-−–—*×·/÷=<>≤≥≠^%°€$&@#~√±"
_DASHES = "−–—"

_NORMAL = str.maketrans(
    {
        **dict(zip(_ACCENTED, _BARE, strict=True)),
        **dict.fromkeys(_PUNCTUATION, " "),
        **{sign: f" {'-' if sign in _DASHES else sign} " for sign in _SIGNS},
    }
)
# The same for texts of Latin-1 alone, which most are: a table of bytes is thirty times quicker than one of characters.
_LATIN_SIGNS = [sign.encode("latin-1") for sign in _SIGNS if ord(sign) < 0x100]
_LATIN_NORMAL = bytes(
    ord(normal) if len(normal := chr(byte).lower().translate(_NORMAL)) == 1 else byte for byte in range(0x100)
)


def normalised(text: str) -> str:
    """The words of a text: without case, accents on vowels, punctuation or kind of space; digits and signs stay.

    Pupils leave out accents ("que es la fotosintesis"), so vowels lose them; ñ and ç are letters of their own.
    """
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    try:
        raw = text.encode("latin-1").translate(_LATIN_NORMAL)
    except UnicodeEncodeError:
        return " ".join(text.lower().translate(_NORMAL).split())
    for sign in _LATIN_SIGNS:
        if sign in raw:
            raw = raw.replace(sign, b" %b " % sign)
    return " ".join(raw.decode("latin-1").split())


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
