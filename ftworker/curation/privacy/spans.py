"""The words of a name: which words are names of people at all, and how far a name goes that begins somewhere.

Knows the lists and the roster, and not why anybody looks there: that is `announced` and `names`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ftworker.curation.privacy.cues import NOT_NAMES
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import PARTICLES, lexicon
from ftworker.curation.privacy.roster import Roster

NEXT_WORD = re.compile(rb"(?: {1,2}|-)([a-z_]+(?:'[a-z]{2,})?)")
CAPITAL_BEFORE = re.compile(r"\b[^\W\d_a-zñáéíóúàèò]\w+ (?:de |del |y |i |la )*$")
_SURNAMES_BEFORE = re.compile(rb"((?:[a-z_\-]+ ){0,3}[a-z_\-]+), ?$")

_LARGE_PARTICLE = re.compile(r" (?:El|Al|Ben|Bin|Ibn)\b")
_LIST_START = re.compile(rb"(?:^|[.:;\n\t*\-])[ \t]*$")
_MOST_WORDS = 7
_MOST_UNKNOWN = 3
_LABELS = frozenset(
    b"nombre apellido apellidos curso grupo clase edad fecha dni nie telefono movil direccion correo email tutor "
    b"tutora nom cognoms nome apelidos izena abizenak name surname".split()
)
"""What the next field of a form is called."""


@dataclass(frozen=True, slots=True)
class Name:
    """A stretch of a view that names somebody."""

    start: int
    end: int
    words: tuple[bytes, ...]
    """What it says, folded, without particles."""
    sure: bool = True
    """False: a phrase announced a name, and nobody can say whether this is one."""


class NameWords:
    """What may be a part of a name, by the lists and by one roster."""

    def __init__(self, roster: Iterable[str]) -> None:
        self.lexicon = lexicon()
        self.roster = Roster(roster)

    def extended(
        self, seen: View, start: int, end: int, word: bytes, *, unknown: bool
    ) -> tuple[int, list[bytes], bool]:
        """Where the name that begins here ends, its further words, and whether a surname is among them.

        `unknown`: words in no list belong to it when they have a capital.
        """
        folded, text = seen.folded, seen.text
        large = text[start].isupper()
        shouted = large and text[start:end].isupper()
        words: list[bytes] = []
        surnames = unknowns = 0
        while len(words) < _MOST_WORDS:
            found = NEXT_WORD.match(folded, end)
            if found is None:
                break
            following, stop = found[1], found.end()
            while following in PARTICLES and stop - end < 16:
                found = NEXT_WORD.match(folded, stop)
                if found is None:
                    break
                if following in {b"y", b"i", b"e"} and not (
                    surnames and self.is_surname(found[1]) and not self._only_given(found[1])
                ):
                    found = None
                    break
                following, stop = found[1], found.end()
            if found is None or following in PARTICLES:
                break
            joined = found.start() > end  # over a particle
            # "Mohamed El Haddaoui", "Fátima Al-Khatib": a particle with a capital is a part of the surname.
            part = _LARGE_PARTICLE.match(text, end) is not None if joined and large else False
            here = found.start(1)
            if following in _LABELS and folded[stop : stop + 2].lstrip().startswith(b":"):
                break  # "Apellidos: Gil Mora Nombre: Ana"
            if text[here].isupper() != large:
                break
            if len(following) == 1:
                if large and not joined and folded[stop : stop + 1] == b".":
                    end = stop + 1
                    continue
                break
            if self.is_surname(following) and (
                large
                or self._continues_in_lower(word, words, following)
                or self._is_two(folded, stop, word, following)
            ):
                surnames += 1
            elif (
                self.is_given(following)
                and (not surnames or not self.is_given(word))
                and (not joined or word in {b"maria", b"juan", b"jose", b"m"})
            ):
                if not large and following in self.lexicon.ambiguous:
                    break
            elif (
                large
                and surnames
                and not shouted
                and b" de l" in folded[end:here]
                and self._may_be_surname(following, text[here:stop])
            ):
                surnames += 1  # "Ruiz de la Torre"
            elif (
                large
                and (unknown or part)
                and (part or not joined)
                and not shouted
                and unknowns < _MOST_UNKNOWN
                and self._may_be_surname(following, text[here:stop])
            ):
                unknowns += 1
                surnames += 1
            elif self.is_surname(following) and self.roster.is_person([word, *words, following]):
                surnames += 1
            else:
                break
            words.append(following)
            end = stop
        return end, words, surnames > 0

    def is_surname(self, word: bytes) -> bool:
        """Whether it is somebody's surname, by the roster or the list."""
        return word in self.lexicon.surnames or word in self.roster.surnames

    def _only_given(self, word: bytes) -> bool:
        return word in self.lexicon.given and word not in self.lexicon.surnames

    def _continues_in_lower(self, first: bytes, words: list[bytes], following: bytes) -> bool:
        return (
            following not in self.lexicon.common_surnames
            or bool(words)
            or self.roster.is_person([first, *words, following])
        )

    def _is_two(self, folded: bytes, stop: int, first: bytes, following: bytes) -> bool:
        """Whether two surnames follow a given name in small letters, of which no one is a mere word."""
        second = NEXT_WORD.match(folded, stop)
        return (
            second is not None
            and first in self.lexicon.given
            and not {first, following, second[1]} <= self.lexicon.ambiguous | self.lexicon.common_surnames
            and self.is_surname(second[1])
            and second[1] not in PARTICLES
        )

    def _may_be_surname(self, word: bytes, written: str) -> bool:
        return (
            len(word) > 2
            and word not in NOT_NAMES
            and not written.isupper()
            and not (set(written) <= set("IVX"))
        )

    def surnames_before(self, seen: View, start: int) -> tuple[int, list[bytes]] | None:
        """Surnames before a comma and a given name ("García López, Lucía"): where they begin, and their words."""
        if not seen.folded.endswith((b",", b", "), 0, start):
            return None
        found = _SURNAMES_BEFORE.search(seen.folded, max(0, start - 50), start)
        if found is None:
            return None
        # From the comma back as far as surnames with capitals go.
        taken: list[bytes] = []
        begin = found.end(1)
        for word in reversed(list(re.finditer(rb"[a-z_]+", found[1]))):
            at = found.start(1) + word.start()
            if word[0] in PARTICLES and taken:
                continue
            if not (seen.text[at].isupper() and self.is_surname(word[0])):
                break
            taken.insert(0, word[0])
            begin = at
        if CAPITAL_BEFORE.search(seen.text, max(0, begin - 25), begin):
            return None  # "Federico García, Rafael": a name of its own
        lone = len(taken) == 1 and not _LIST_START.search(seen.folded[max(0, begin - 3) : begin])
        return (begin, taken) if taken and not lone else None

    def is_given(self, word: bytes) -> bool:
        """Whether it is somebody's given name, by the roster or the list."""
        return word in self.roster.given or word in self.lexicon.given


def words_ahead(seen: View, end: int, word: bytes, beside: frozenset[bytes]) -> list[bytes]:
    """The word and those after it, as far as a figure's name could go: while they stand beside it in one."""
    words = [word]
    while len(words) < _MOST_WORDS and (found := NEXT_WORD.match(seen.folded, end)) is not None:
        if found[1] not in beside and found[1] not in PARTICLES:
            break
        words.append(found[1])
        end = found.end()
    return words


def apart(names: list[Name]) -> list[Name]:
    """In order and without overlaps: of names that overlap the longest, and a sure one before an unsure one."""
    if len(names) < 2:
        return [*names]
    kept: list[Name] = []
    for name in sorted(names, key=lambda name: (name.start, -name.end, not name.sure)):
        if kept and name.start < kept[-1].end:
            if name.end - name.start > kept[-1].end - kept[-1].start:
                kept[-1] = name
            continue
        kept.append(name)
    return kept
