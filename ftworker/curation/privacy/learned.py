"""What no rule finds, told by a linear model from all that stands around it: numbers, dates, accounts, addresses.

The rules know what somebody thought of. People write in more ways than that, and a word here, a sign there, and what
the thing itself looks like tell together what none of them tells alone. The model is a list of features and what each
adds (`words/learned_weights.tsv`, with `words/known_words.txt`), so that everybody can read why something was found.
It adds to what the rules found. `python -m tests.curation.privacy.teach` makes it from labelled texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ftworker.curation.privacy.folding import MASK, View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.token_features import (
    Marks,
    Token,
    before,
    behind,
    features,
    further,
    itself,
    known_words,
    token_at,
    tokens,
)
from ftworker.curation.privacy.triggers import Family

Stretch = tuple[int, int]
"""From where to where."""
Place = tuple[int, int, int, object]
"""Where something stands, from where to where, and the family of rules that it calls for."""

_ODD = re.compile(rb"[\d_@#]|[a-z]\.[a-z]")
_TELLING_FAMILIES = (
    Family.ADDRESS
    | Family.HOME
    | Family.BIRTH
    | Family.DATED
    | Family.POSTAL_CODE
    | Family.CODED
    | Family.PLATE
    | Family.BARE_HANDLE
    | Family.TABLE
    | Family.NUMBERS
    | Family.SIGNED
)
"""Families whose words make a small number or a mere word near them worth asking for."""
_SHORTEST_WORD = 3
_USUAL_REACH = (24, 50)
_REACH = {Family.ADDRESS: (0, 45)}
_AROUND_ODD, _AROUND_FIND = 2, 60
"""How far before and behind each of these tokens are asked for, in characters."""
_SIGN = re.compile(rb"[\d_@#]|\.(?=[a-z])")
_DOT_WITHIN = re.compile(rb"\.(?<=[a-z]\.)(?=[a-z])")
_SHORT = 3
_BEFORE_A_DATUM = re.compile(rb"(?:[^\d=+*/x<>%\xb7^-]|\d[^\d ])[^+=*/^.\d]")
"""What stands right before a short number that could be a part of a datum; before one of a sum stands another thing."""
_FEWEST_LETTERS = 4
"""Of a word that could be an account."""
_ROUNDS = 3
"""How often the model looks again at what it did not find, beside what it did."""
_RUN_UP = 16
"""Characters before a stretch at which reading begins, so that a number in groups is read whole."""
_SIGNS_ALIKE = bytes(
    0x61 if chr(code).isascii() and chr(code).isalpha() else
    0x30 if 0x30 <= code <= 0x39 else
    0x40 if code in b"_@#" else code if code == 0x2E else 0x2D if code in b"-/" else 0x20
    for code in range(256)
)  # fmt: skip
_TELLING = (b"a0", b"00000", b"@", b"0-0-0", b"0-00-0")
_YEARS = (b" de 20", b" de 19")
"""What calls for the model wherever it stands, in `_SIGNS_ALIKE` and in the text: "x7", a long number, a date."""
_MOST_OF_THE_REST = 2.0
"""What the word behind a token, and the second one before it, can add."""
_MOST_KEPT = 4096
"""Tokens of which what they are by themselves is kept: the small numbers that stand everywhere."""
_FARTHEST = 16
_FARTHEST_CHARACTERS = 120
"""By so many tokens, and characters, a find goes on to either side."""
_GO_ON = frozenset((Kind.ADDRESS, Kind.BIRTH_DATE, Kind.PLATE, Kind.HANDLE))
"""Kinds of which a rule may have found a part: the street, and not its town."""
LEAST_AT_A_GLANCE = -1.0
LEAST = 1.3
LEAST_TO_GO_ON = 0.5
"""Scores that count. Chosen by what models taught without an author found in that author's texts."""


@dataclass(frozen=True)
class Weights:
    """What each feature adds to a score; over 0 is as likely as not."""

    at_a_glance: dict[bytes, float]
    """That a look at a token is worth it."""
    somebodys: dict[bytes, float]
    """That the token is somebody's personal datum, or a part of it."""
    goes_on: dict[bytes, float]
    """That the token beside a part of a datum belongs to it."""
    kinds: dict[Kind, dict[bytes, float]]
    """That it is of this kind."""
    _by_itself: dict[str, tuple[bytes, float]] = field(default_factory=dict, repr=False)
    """The class and the score of tokens by themselves, kept: they may be somebody's, and nothing shows them."""

    def glance(self, seen: View, start: int, end: int) -> float:
        """Whether a look at a token is worth it: the score of `itself`, `before` and `behind`."""
        written = seen.text[start:end]
        known = self._by_itself.get(written)
        if known is None:
            of, _, said = itself(written, seen.folded[start:end])
            if len(self._by_itself) >= _MOST_KEPT:
                self._by_itself.clear()
            known = self._by_itself[written] = (of, score(self.at_a_glance, said))
        of, sum_ = known
        get = self.at_a_glance.get
        one, two = before(seen, start)
        sum_ += get(one, 0.0) + get(of + one, 0.0)
        if sum_ < LEAST_AT_A_GLANCE - _MOST_OF_THE_REST:
            return sum_
        ahead = behind(seen, end)
        return sum_ + get(two, 0.0) + get(ahead, 0.0) + get(of + ahead, 0.0)


@cache
def weights() -> Weights:
    """The list that comes with ftworker, read once a process."""
    read = Weights({}, {}, {}, {})
    text = files("ftworker.curation.privacy").joinpath("words", "learned_weights.tsv").read_bytes()
    for line in text.split(b"\n"):
        if line and not line.startswith(b"# "):
            table, feature, weight = line.split(b"\t")
            match table:
                case b"at_a_glance":
                    read.at_a_glance[feature] = float(weight)
                case b"somebodys":
                    read.somebodys[feature] = float(weight)
                case b"goes_on":
                    read.goes_on[feature] = float(weight)
                case _:
                    read.kinds.setdefault(Kind(table.decode()), {})[feature] = float(weight)
    return read


def learned(
    seen: View, found: Sequence[Finding], asked: Iterable[Token], least: float = LEAST
) -> Iterator[Finding]:
    """What the model finds in a text beside what was found in it.

    `asked`: the tokens that could be somebody's, `candidates` or some of them; `least`: the score that counts.
    """
    told = weights()
    left = [token for token in asked if told.glance(seen, *token) >= LEAST_AT_A_GLANCE]
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
            if score(told.somebodys, said) < least:
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


def asked(seen: View, places: Iterable[Place], families: int, found: Iterable[Finding]) -> list[Token]:
    """The tokens worth asking the model for: odd ones, and those around finds and words that call for rules.

    `places`: where those words are, and the `odd_places`; `families`: the families that are possible in this text.
    """
    stretches: list[Stretch] = []
    accounts: list[Stretch] = []
    for start, end, family, _ in places:
        if family == Family.ODD:
            stretches.append((start - _AROUND_ODD, start + _AROUND_ODD))
        elif family & families & _TELLING_FAMILIES and not 0 < end - start < _SHORTEST_WORD:
            before, behind = _REACH.get(family, _USUAL_REACH)
            stretches.append((start - before, end + behind))
            if family == Family.BARE_HANDLE:
                accounts.append(stretches[-1])
    stretches += [(find.start - _AROUND_FIND, find.end + _AROUND_FIND) for find in found]
    return candidates(seen, stretches, accounts)


def odd_places(folded: bytes) -> Iterator[int]:
    """Where a token is that could be somebody's whatever stands around it: digits with letters, signs, long numbers."""
    signs = folded.translate(_SIGNS_ALIKE)
    for told in _TELLING:
        at = signs.find(told)
        while at != -1:
            yield at
            at = signs.find(told, at + len(told))
    for told in _YEARS:
        at = folded.find(told)
        while at != -1:
            yield at
            at = folded.find(told, at + len(told))
    for dot in _DOT_WITHIN.finditer(folded):
        yield dot.start()


def candidates(seen: View, stretches: Iterable[Stretch], accounts: Iterable[Stretch]) -> list[Token]:
    """The tokens that could be somebody's: with a digit or a sign, and in `accounts` every word that nobody knows."""
    found: dict[Token, None] = {}
    folded, at = seen.folded, 0
    for begin, stop in sorted(stretches):
        if begin > at:
            # A number in groups is read whole.
            least = max(at, begin - _RUN_UP)
            at = begin
            while at > least and folded[at - 1] in b"0123456789 .-":
                at -= 1
        while (sign := _SIGN.search(folded, at, stop)) is not None:
            token = token_at(folded, sign.start(), at)
            at = max(token[1], sign.end())
            start, end = token
            if (
                end > sign.start()
                and MASK not in folded[start:end]
                and (end - start > _SHORT or start < 2 or _BEFORE_A_DATUM.match(folded, start - 2))
            ):
                found[token] = None
    for begin, stop in accounts:
        for start, end in tokens(seen, folded.rfind(b" ", 0, max(0, begin)) + 1, stop):
            if end - start >= _FEWEST_LETTERS and not (
                folded[start:end] in known_words() or MASK in folded[start:end]
            ):
                found[start, end] = None
    return sorted(found)


def score(table: dict[bytes, float], said: Iterable[bytes]) -> float:
    """The sum of what the features add."""
    get = table.get
    return sum([get(feature, 0.0) for feature in said]) + table[b"bias"]


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
