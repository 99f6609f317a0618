"""What no rule finds, told by a linear model from all that stands around it: numbers, dates, accounts, addresses.

The rules know what somebody thought of. People write in more ways than that, and a word here, a sign there, and what
the thing itself looks like tell together what none of them tells alone. The model is a list of features and what each
adds (`words/learned_weights.tsv`, with `words/known_words.txt`), so that everybody can read why something was found.
It adds to what the rules found. `python -m tests.curation.privacy.teach` makes it from labelled texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.glance import Glance
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.numbers import is_of_a_body
from ftworker.curation.privacy.token_features import Marks, Token, features, further, tokens
from ftworker.curation.privacy.weights import Table, score, tables

_ODD = re.compile(rb"[\d_@#]|[a-z]\.[a-z]")
_ROUNDS = 3
"""How often the model looks again at what it did not find, beside what it did."""
_FARTHEST = 16
_FARTHEST_CHARACTERS = 120
"""By so many tokens, and characters, a find goes on to either side."""
_GO_ON = frozenset((Kind.ADDRESS, Kind.BIRTH_DATE, Kind.PLATE, Kind.HANDLE))
"""Kinds of which a rule may have found a part: the street, and not its town."""
LEAST_AT_A_GLANCE = -1.0
LEAST = 1.3
LEAST_TO_GO_ON = 0.5
"""Scores that count. Chosen by what models taught without an author found in that author's texts."""


class Weights(NamedTuple):
    """What each feature adds to a score."""

    at_a_glance: Glance
    """That a look at a token is worth it."""
    somebodys: Table
    """That the token is somebody's personal datum, or a part of it."""
    goes_on: Table
    """That the token beside a part of a datum belongs to it."""
    kinds: dict[Kind, Table]
    """That it is of this kind."""


_TABLES = ("at_a_glance", "somebodys", "goes_on")
_NEVER = {b"bias": -1e9}
NOTHING = Weights(Glance(_NEVER), _NEVER, _NEVER, {})
"""Weights that find nothing."""


@cache
def weights() -> Weights:
    """The list that comes with ftworker, read once a process."""
    return weights_of(tables("learned_weights.tsv"))


def weights_of(read: Mapping[str, Table]) -> Weights:
    """The tables of a list by their names: three, and one for each kind."""
    kinds = {Kind(name): table for name, table in read.items() if name not in _TABLES}
    glance, somebodys, goes_on = (read[name] for name in _TABLES)
    return Weights(Glance(glance), somebodys, goes_on, kinds)


def learned(seen: View, found: Sequence[Finding], asked: Iterable[Token]) -> Iterator[Finding]:
    """What the model finds in a text beside what was found in it. `asked`: the tokens that could be somebody's."""
    told = weights()
    glance = told.at_a_glance.score
    left = [
        (start, end)
        for start, end in asked
        if glance(seen, start, end) >= LEAST_AT_A_GLANCE and not is_of_a_body(seen.folded[start:end])
    ]
    if not left:
        return
    marks = Marks(seen, found)
    # What is found says more of what stands beside it.
    for _ in range(_ROUNDS):
        fresh: list[Finding] = []
        doubtful = []
        for start, end in left:
            if marks.over(start, end) or (fresh and start < fresh[-1].end):
                continue
            said = features(seen, start, end, marks.nearest(start, end))
            if score(told.somebodys, said) < LEAST:
                doubtful.append((start, end))
                continue
            kind = max(told.kinds, key=lambda kind: score(told.kinds[kind], said))
            fresh.append(Finding(*_span(seen, (start, end), marks), kind))
        yield from fresh
        if not fresh or not doubtful:
            return
        marks.add(fresh)
        left = doubtful


def extended(seen: View, found: Sequence[Finding]) -> Iterator[Finding]:
    """Finds of rules that go on, with what belongs to them: the town behind a street."""
    for at, find in enumerate(found):
        if find.kind not in _GO_ON:
            continue
        every = _tokens_around(seen, find.start, find.end)
        within = [at for at, (start, end) in enumerate(every) if start < find.end and find.start < end]
        first = next((at for at in within if _ODD.search(seen.folded, *every[at])), None)
        if first is None:
            continue
        others = Marks(seen, (*found[max(0, at - 1) : at], *found[at + 1 : at + 2]))
        way = _Way(seen, every, first, others)
        start = min(every[way.last(within[0], -1, LEAST_TO_GO_ON)][0], find.start)
        end = max(every[way.last(within[-1], 1, LEAST_TO_GO_ON)][1], find.end)
        if (start, end) != (find.start, find.end):
            yield Finding(start, end, find.kind)


def _span(seen: View, token: Token, marks: Marks) -> Token:
    """How far the find goes that this token is a part of: never into another find, or over a placeholder."""
    every = _tokens_around(seen, *token)
    first = next(at for at, (start, end) in enumerate(every) if start < token[1] and token[0] < end)
    way = _Way(seen, every, first, marks)
    return min(every[way.last(first, -1, 0)][0], token[0]), max(every[way.last(first, 1, 0)][1], token[1])


def _tokens_around(seen: View, start: int, end: int) -> list[Token]:
    """The tokens of a stretch, and those to either side that could belong to it."""
    begin = seen.folded.rfind(b" ", 0, max(0, start - _FARTHEST_CHARACTERS)) + 1
    return list(tokens(seen, begin, min(len(seen.folded), end + _FARTHEST_CHARACTERS)))


class _Way(NamedTuple):
    """Outward from a token that belongs to a find."""

    seen: View
    every: Sequence[Token]
    first: int
    marks: Marks
    """What ends the way: other finds, and placeholders."""

    def last(self, last: int, side: int, least: float) -> int:
        """The number of the last token to this side that belongs to the find; `last`: one that is known to."""
        table = weights().goes_on
        for at in range(last + side, self.first + side * (_FARTHEST + 1), side):
            if not 0 <= at < len(self.every) or self.marks.over(*self.every[at]):
                break
            if score(table, further(self.seen, self.every, self.first, at, side)) < least:
                break
            last = at
        return last
