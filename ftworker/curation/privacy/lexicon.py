"""The words that rules of names look up: given names, surnames, known figures, and what is no name at all.

The lists are data files in `words/`, with their origin in their first lines; read once a process, folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ftworker.curation.privacy.folding import fold

PARTICLES = frozenset(
    b"de del la las los y i e da do das dos d van von der den di el al ben ibn bin san santa ap".split()
)
"""Words that join the parts of a surname."""


_NONE: frozenset[bytes] = frozenset()
_LONG_WORD = re.compile(rb"[a-z_]{4,}")

_MOST_USUAL_SURNAMES = frozenset(
    b"garcia gonzalez rodriguez fernandez lopez martinez sanchez perez gomez martin jimenez ruiz "
    b"hernandez diaz moreno munoz "
    b"alvarez romero alonso gutierrez navarro torres dominguez vazquez ramos gil ramirez serrano blanco "
    b"molina morales "
    b"suarez ortega delgado castro ortiz rubio marin sanz iglesias medina garrido cortes castillo santos "
    b"lozano".split()
)


@dataclass(frozen=True)
class Lexicon:
    """Folded words, as bytes."""

    given: frozenset[bytes]
    ambiguous: frozenset[bytes]
    """Given names that are also words: in lower case, and at the beginning of a sentence, they name nobody."""
    public: frozenset[bytes]
    """Those of them that are places, months, planets, gods: they need more than a capital."""
    surnames: frozenset[bytes]
    common_surnames: frozenset[bytes]
    """Surnames that are also words: no evidence in lower case."""


class Figures:
    """Names that are not taken for a person of the conversation: authors, characters, places, the user's own terms."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._all: set[frozenset[bytes]] = set()
        self._by_word: dict[bytes, list[frozenset[bytes]]] = {}
        beside: dict[bytes, set[bytes]] = {}
        # A part of a figure's name is the figure only by a word that pupils rarely have: "Cervantes", never "Pérez".
        self._too_usual = lexicon().given | _MOST_USUAL_SURNAMES
        self._telling: set[bytes] = set()
        for term in terms:
            in_order = [word for word in fold(term).encode("latin-1").split() if word not in PARTICLES]
            words = frozenset(in_order)
            if not words or words in self._all:
                continue
            self._all.add(words)
            # A given name tells nobody, however rare: "Casilda y Peribáñez".
            self._telling.update(word for word in in_order[len(in_order) > 1 :] if len(word) > 3)
            for word in words:
                self._by_word.setdefault(word, []).append(words)
                beside.setdefault(word, set()).update(words)
        self._beside = {word: frozenset(words) for word, words in beside.items()}

    def __bool__(self) -> bool:
        return bool(self._by_word)

    def mention(self, word: bytes) -> bool:
        """Whether the word stands in any of them: where it does not, nothing with it is one."""
        return word in self._by_word

    def beside(self, word: bytes) -> frozenset[bytes]:
        """The words of all of them that this word is a part of; none where it is of none."""
        return self._beside.get(word, _NONE)

    def holds(self, words: Iterable[bytes]) -> bool:
        """Whether these words are one of them: all of it, or two words of it that are not too usual."""
        told = [word for word in words if word not in PARTICLES]
        if not told or not self._beside.get(told[0], _NONE).issuperset(told):
            return False
        asked = frozenset(told)
        if asked in self._all:
            return True
        if len(asked) < 2 or asked <= self._too_usual:
            return False
        # By its rarest word: hundreds of them are called María.
        return any(asked < entry for entry in min((self._by_word[word] for word in asked), key=len))

    def know(self, word: bytes) -> bool:
        """Whether the word stands in one of these names and in few others: "Darcy", not "García"."""
        return word in self._telling and word not in self._too_usual

    def stand_in(self, text: str, folded: bytes, begin: int, end: int) -> bool:
        """Whether a word that tells one of them stands in this stretch, with a capital."""
        return any(
            word[0] in self._telling
            and text[word.start()].isupper()
            and self.know(word[0])
            and word[0] not in lexicon().surnames
            and word[0] not in not_names()
            for word in _LONG_WORD.finditer(folded, begin, end)
        )

    def is_usual(self, words: Iterable[bytes]) -> bool:
        """Whether pupils may well have this name too: a given name and one of the most usual surnames."""
        return self._too_usual.issuperset(words)

    def include(self, words: tuple[bytes, ...]) -> bool:
        """Whether they are one of these names, or one with a word or two after it ("Isaac Newton Inglaterra")."""
        if words[0] not in self._by_word and words[0] not in PARTICLES:
            return False
        if len(words) == 1:
            return self.holds(words)
        if any(word.endswith(b"ren") for word in words[1:]):
            # "Bernardo Atxagaren" is of him, in Basque.
            words = tuple(word.removesuffix(b"ren") for word in words)
        if self.holds(words):
            return True
        count = self.begins(list(words))
        # "Lorca Pérez" may be a pupil.
        return count >= 2 and count >= len(words) - 2

    def begins(self, words: list[bytes]) -> int:
        """How many of the words, from the first on, are the longest of them; 0 for none."""
        if not words or words[0] not in self._by_word:
            return 0
        for count in range(len(words), 0, -1):
            if frozenset(words[:count]) - PARTICLES in self._all:
                return count
        return 0


@cache
def not_names() -> frozenset[bytes]:
    """What may stand where a name could, with a capital or not, and names nobody."""
    return frozenset(words("not_names.txt"))


@cache
def lexicon() -> Lexicon:
    """The lists, read and folded."""
    given, ambiguous, public = _marked("given_names.txt")
    surnames, common, _ = _marked("surnames.txt")
    return Lexicon(given, ambiguous, public, surnames, common)


@cache
def known_figures() -> Figures:
    """The figures of school subjects that come with ftworker."""
    return Figures(_lines("known_figures.txt"))


def _marked(name: str) -> tuple[frozenset[bytes], frozenset[bytes], frozenset[bytes]]:
    """Every word of the list, those with an asterisk, those with two."""
    of_marks: tuple[set[bytes], set[bytes], set[bytes]] = (set(), set(), set())
    for line in _lines(name):
        word = fold(line.rstrip("*")).encode("latin-1")
        for marks in range(line.count("*") + 1):
            of_marks[marks].add(word)
    every, marked, twice = map(frozenset, of_marks)
    return every, marked, twice


def words(name: str) -> Iterator[bytes]:
    """Every word of a list that has many in a line."""
    return (word.encode("latin-1") for line in _lines(name) for word in line.split())


def names_of(name: str) -> frozenset[bytes]:
    """Every line of a list that has one name of several words in each, folded."""
    return frozenset(fold(line).encode("latin-1") for line in _lines(name))


def _lines(name: str) -> Iterator[str]:
    text = files("ftworker.curation.privacy").joinpath("words", name).read_text(encoding="utf-8")
    return (line for line in text.split("\n") if line and not line.startswith("#"))
