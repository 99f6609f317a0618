"""Whether a token is worth a full look by `learned`: a score of itself and of the words right beside it.

Nearly every number that is asked for is one of an exercise, and this says so for a tenth of what a full look costs.
`said` gives the features by their names, for teaching and for who wants to know why; `Glance` holds the same weights
in small tables, one for each place of a word, so that no name is put together to look it up. It decides nothing else.
"""

from __future__ import annotations

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.token_features import before, behind, itself
from ftworker.curation.privacy.weights import Table, score

_BEFORE, _SECOND, _BEHIND = b"1-:", b"2-:", b"1+:"
"""The word right before a token, the one before that, and the one right behind it."""
_MOST_KEPT = 4096
"""Tokens of which what they are by themselves is kept: the small numbers that stand everywhere."""
_Beside = tuple[Table, Table]
"""What the word right before a token of one class adds, and the one right behind it."""


def said(seen: View, start: int, end: int) -> list[bytes]:
    """The features of a token at a glance, by their names."""
    of, _, by_itself = itself(seen.text[start:end], seen.folded[start:end])
    one, two = before(seen, start)
    ahead = behind(seen, end)
    return [
        *by_itself,
        _BEFORE + one,
        of + _BEFORE + one,
        _SECOND + two,
        _BEHIND + ahead,
        of + _BEHIND + ahead,
    ]


class Glance:
    """The weights of these features, laid out by the place that each is about."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._second: Table = {}
        self._before: dict[bytes, Table] = {b"": {}}
        self._behind: dict[bytes, Table] = {b"": {}}
        for feature, weight in table.items():
            if feature.startswith(_SECOND):
                self._second[feature.removeprefix(_SECOND)] = weight
            for place, by_class in ((_BEFORE, self._before), (_BEHIND, self._behind)):
                of, here, word = feature.partition(place)
                if here:
                    by_class.setdefault(of, {})[word] = weight
        self._first, self._next = self._before[b""], self._behind[b""]
        # Tokens may be somebody's: they are in no repr.
        self._by_itself: dict[str, tuple[float, Table, Table]] = {}

    def __repr__(self) -> str:
        return f"Glance({len(self._table)} weights)"

    def score(self, seen: View, start: int, end: int) -> float:
        """The sum of what the features of this token add."""
        written = seen.text[start:end]
        known = self._by_itself.get(written)
        if known is None:
            known = self._alone(written, seen.folded[start:end])
        sum_, before_class, behind_class = known
        one, two = before(seen, start)
        ahead = behind(seen, end)
        return (
            sum_
            + self._first.get(one, 0.0)
            + before_class.get(one, 0.0)
            + self._second.get(two, 0.0)
            + self._next.get(ahead, 0.0)
            + behind_class.get(ahead, 0.0)
        )

    def _alone(self, written: str, token: bytes) -> tuple[float, Table, Table]:
        """What a token adds whatever stands around it, and the tables of its class."""
        of, _, by_itself = itself(written, token)
        if len(self._by_itself) >= _MOST_KEPT:
            self._by_itself.clear()
        known = (score(self._table, by_itself), self._before.get(of, {}), self._behind.get(of, {}))
        self._by_itself[written] = known
        return known
