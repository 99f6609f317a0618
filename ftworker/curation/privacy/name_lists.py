"""What each word is by all lists of names and by a roster, slips and short forms of it too, for `learned_names`."""

from __future__ import annotations

from functools import cache

from ftworker.curation.privacy.cues import NOT_NAMES
from ftworker.curation.privacy.lexicon import PARTICLES, lexicon, words
from ftworker.curation.privacy.spans import NameWords

_SOUNDS = tuple(
    (one.encode(), other.encode())
    for one, other in (
        *(("h", ""), ("b", "v"), ("v", "b"), ("z", "s"), ("s", "z"), ("c", "s"), ("c", "z"), ("n", "m")),
        *(("ll", "y"), ("y", "ll"), ("y", "i"), ("i", "y"), ("g", "j"), ("j", "g"), ("x", "j"), ("j", "x")),
        *(
            ("k", "c"),
            ("c", "k"),
            ("qu", "k"),
            ("k", "qu"),
            ("gu", "w"),
            ("tx", "ch"),
            ("ch", "tx"),
            ("x", "s"),
        ),
    )
)
"""Letters that are written one for the other."""


def listed_words(name_words: NameWords) -> dict[bytes, bytes]:
    """What each word is by the lists and the roster: "g" for a given name, "gs" for a surname too, with G or S."""
    held = dict(_of_lists())
    for word in name_words.roster.given:
        held[word] = held.get(word, b"x" if word in NOT_NAMES else b"u") + b"G"
    for word in name_words.roster.surnames - name_words.roster.given:
        held[word] = held.get(word, b"x" if word in NOT_NAMES else b"u") + b"S"
    for word in sorted(name_words.roster.given | name_words.roster.surnames):
        of = b"NG" if word in name_words.roster.given else b"NS"
        for like in alike(word, prefixes=of == b"NG"):
            if like not in NOT_NAMES and like not in PARTICLES:
                held.setdefault(like, of)
    return held


def alike(word: bytes, *, prefixes: bool) -> set[bytes]:
    """Words that are written instead of one by a slip, or made short of it."""
    if len(word) < (5 if prefixes else 6):
        return set()
    found = {word[:at] + word[at + 1 :] for at in range(1, len(word))}
    found |= {word[:at] + word[at : at + 1] + word[at:] for at in range(1, len(word))}
    found |= {
        word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
        for at in range(1, len(word) - 1)
    }
    for one, other in _SOUNDS:
        if one in word:
            found.add(word.replace(one, other, 1))
    if prefixes:
        found |= {word[:end] for end in range(4, len(word) - 1)}
        found |= {word.rstrip(b"aeio") + small for small in (b"ito", b"ita", b"in", b"itu")}
    return found - {word}


@cache
def _of_lists() -> dict[bytes, bytes]:
    of = lexicon()
    held = dict.fromkeys(words("more_surnames.txt"), b"m")
    held.update((word, b"n") for word in words("short_names.txt"))
    held.update((word, b"sc" if word in of.common_surnames else b"s") for word in of.surnames)
    for word in of.given:
        mark = b"gp" if word in of.public else b"ga" if word in of.ambiguous else b"g"
        held[word] = mark + (b"s" if word in of.surnames else b"")
    return {word: kind for word, kind in held.items() if word not in PARTICLES}
