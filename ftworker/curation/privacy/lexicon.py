"""The words that rules of names look up: given names, surnames, known figures, and what is no name at all.

The lists are data files in `words/`, with their origin in their first lines; read once a process, folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ftworker.curation.privacy.folding import fold

PARTICLES = frozenset(
    b"de del la las los y i e da do das dos d van von der den di el al ben ibn bin san santa ap".split()
)
"""Words that join the parts of a surname."""


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
        self._by_word: dict[bytes, list[frozenset[bytes]]] = {}
        # A part of a figure's name is the figure only by a word that pupils rarely have: "Cervantes", never "Pérez".
        self._too_usual = lexicon().given | _MOST_USUAL_SURNAMES
        for term in terms:
            words = frozenset(word for word in fold(term).encode("latin-1").split() if word not in PARTICLES)
            if not words:
                continue
            for word in words:
                entries = self._by_word.setdefault(word, [])
                if words not in entries:
                    entries.append(words)

    def __bool__(self) -> bool:
        return bool(self._by_word)

    def mention(self, word: bytes) -> bool:
        """Whether the word stands in any of them: where it does not, nothing with it is one."""
        return word in self._by_word

    def holds(self, words: Iterable[bytes]) -> bool:
        """Whether these words are one of them: all of it, or two words of it that are not too usual."""
        asked = frozenset(word for word in words if word not in PARTICLES)
        if not asked:
            return False
        for entry in self._by_word.get(next(iter(asked)), ()):
            if asked == entry or (len(asked) > 1 and asked < entry and not asked <= self._too_usual):
                return True
        return False

    def know(self, word: bytes) -> bool:
        """Whether the word stands in one of these names and in few others: "Darcy", not "García"."""
        return len(word) > 3 and word in self._by_word and word not in self._too_usual

    def include(self, words: tuple[bytes, ...]) -> bool:
        """Whether they are one of these names, or one with a word or two after it ("Isaac Newton Inglaterra")."""
        if words[0] not in self._by_word and words[0] not in PARTICLES:
            return False
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
            asked = frozenset(word for word in words[:count] if word not in PARTICLES)
            if asked and asked in self._by_word.get(next(iter(asked)), ()):
                return count
        return 0


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


def _lines(name: str) -> Iterator[str]:
    text = files("ftworker.curation.privacy").joinpath("words", name).read_text(encoding="utf-8")
    return (line for line in text.split("\n") if line and not line.startswith("#"))
