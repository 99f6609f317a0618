"""What the linear model of `learned_names` has seen of a word, and what it adds up to.

A feature says three things with spaces between them: where one looks ("-1": at the word before), at which words ("":
any, "A": those with a capital, "g/A": given names with a capital), and what is seen there ("dona"). The list names each
with its weight; the tables here hold all that one place can add, so that one look-up a place is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from ftworker.curation.privacy.weights import Table, tables

Seen = tuple[bytes, bytes]
"""Where one looks, and what is seen there."""
Added = tuple[float, Mapping[bytes, float]]
"""What is added for every word, and what besides for some of them."""
Place = dict[bytes, Added]
"""What is added for what is seen at one place."""

NOT_SEEN: Added = (0.0, {})
STEM = b"~"
"""One looks at the beginnings of all words around."""
_ANY, _LIST, _CASE, _OF = range(4)
_AT_WHICH = {
    b"list": (_LIST, _CASE, _OF),
    b"=": (_ANY, _CASE),
    b"begins": (_LIST,),
    b"ends": (_LIST,),
    b"capitals": (_OF,),
    b"named": (_CASE, _OF),
    b"-3": (_ANY,),
    b"-2": (_ANY, _CASE, _OF),
    b"-1": (_ANY, _CASE, _OF),
    b"1": (_ANY, _CASE, _OF),
    b"2": (_ANY, _CASE, _OF),
    b"3": (_ANY,),
    b"kind-2": (_ANY, _OF),
    b"kind-1": (_ANY, _OF),
    b"kind1": (_ANY, _OF),
    b"kind2": (_ANY, _OF),
    b"pair<": (_ANY,),
    b"pair>": (_ANY,),
    b"both": (_ANY,),
    b"figure": (_ANY, _OF),
    b"telling": (_ANY, _OF),
    b"find": (_ANY, _CASE),
}
"""At which words each of what is seen is looked at by itself."""


class Looked(NamedTuple):
    """What is seen of a word and around it."""

    listed: bytes
    case: bytes
    seen: list[Seen]
    stems: list[bytes]
    """The beginnings of the words around, each once, in the order of the text: so that a sum is the same everywhere."""

    @property
    def of(self) -> bytes:
        """By what lists the word is a name, and how it is written."""
        return self.listed + b"/" + self.case

    def features(self) -> Iterator[bytes]:
        """All of it by name, for teaching and for explaining."""
        words = (b"", self.listed, self.case, self.of)
        for where, what in self.seen:
            for which in _AT_WHICH[where]:
                yield feature(where, words[which], what)
        for stem in self.stems:
            yield feature(STEM, b"", stem)


def feature(where: bytes, which: bytes, what: bytes) -> bytes:
    """The name of what is seen at one place, as it counts at these words."""
    return b"%b %b %b" % (where, which, what)


class Weights:
    """What each feature of one model adds."""

    def __init__(self, table: Table) -> None:
        self.bias = table.get(b"bias", 0.0)
        self._places: dict[bytes, Place] = {where: {} for where in _AT_WHICH}
        for name, weight in table.items():
            if name != b"bias":
                where, which, what = name.split(b" ", 2)
                place = self._places.setdefault(where, {})
                every, some = place.get(what, NOT_SEEN)
                place[what] = (every, {**some, which: weight}) if which else (weight, some)
        self._stems = {stem: every for stem, (every, _) in self.at(STEM).items()}

    def __bool__(self) -> bool:
        return any(self._places.values())

    def at(self, where: bytes) -> Place:
        """What is added for what is seen at one place."""
        return self._places.get(where, {})

    def of(self, where: bytes, which: bytes, what: bytes) -> float:
        """What one feature adds."""
        every, some = self.at(where).get(what, NOT_SEEN)
        return some.get(which, 0.0) if which else every

    def score(self, looked: Looked) -> float:
        """The sum of what its features add."""
        listed, case, of = looked.listed, looked.case, looked.of
        places, stem = self._places, self._stems.get
        total = self.bias + sum([stem(each, 0.0) for each in looked.stems])
        for where, what in looked.seen:
            added = places[where].get(what)
            if added is not None:
                every, some = added
                total += every
                if some:
                    total += some.get(case, 0.0) + some.get(of, 0.0) + some.get(listed, 0.0)
        return total


class Told(NamedTuple):
    """What is taught: for the quick look, and for the whole."""

    gate: Weights
    name: Weights


NOTHING = Told(Weights({}), Weights({}))
"""Weights that find nothing and take nothing back."""


@cache
def weights() -> Told:
    """The list that comes with ftworker, read once a process."""
    return Told(**{name: Weights(table) for name, table in tables("learned_names.tsv").items()})
