"""A roster as names are looked up in it: who is called how, in whatever order and spelling the text has it.

Each line of a roster is one person: "García López, Lucía" or "Lucía García López". Pure: reading files and databases is
the work of `ftworker.rosters`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, combinations, product

from ftworker.curation.privacy.folding import fold
from ftworker.curation.privacy.lexicon import PARTICLES, lexicon


class Roster:
    """The people of a roster by the words of their names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.given: set[bytes] = set()
        self.surnames: set[bytes] = set()
        self._called: set[tuple[bytes, ...]] = set()
        self._people_of: dict[bytes, set[int]] = {}
        self._surname_of: dict[bytes, set[int]] = {}
        for person, line in enumerate(names):
            given, surnames = _parts(line)
            self.given.update(given)
            self.surnames.update(surnames)
            self._called.add(tuple(given))
            for word in given:
                self._people_of.setdefault(word, set()).add(person)
            for word in surnames:
                self._surname_of.setdefault(word, set()).add(person)

    def has_called(self, words: tuple[bytes, ...]) -> bool:
        """Whether somebody has just these given names, two or more: "Luis Miguel"."""
        return len(words) > 1 and words in self._called

    def is_person(self, words: Sequence[bytes]) -> bool:
        """Whether somebody has a given name and a surname, or two surnames, among these words."""
        surnames = [people for word in words if (people := self._surname_of.get(word))]
        if not surnames:
            return False
        given = [people for word in words if (people := self._people_of.get(word))]
        pairs = chain(product(given, surnames), combinations(surnames, 2))
        return any(not one.isdisjoint(other) for one, other in pairs)


def _parts(line: str) -> tuple[list[bytes], list[bytes]]:
    """The words of a person's given names and of the surnames."""
    last, comma, first = line.partition(",")
    if comma:
        return _words(first), _words(last)
    words = _words(line)
    count = 1
    # "María José García López": what is a given name counts as one while a surname is left over.
    while (
        count < len(words) - 1 and words[count] in lexicon().given and words[count] not in lexicon().surnames
    ):
        count += 1
    return words[:count], words[count:]


def _words(name: str) -> list[bytes]:
    return [word for word in fold(name).encode("latin-1").split() if word not in PARTICLES and len(word) > 1]
