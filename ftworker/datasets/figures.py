"""What a dataset's report shows, gathered while its rows stream by: lengths, tokens, ratings, models, sides, subjects.

Counts alone, never a text, a user or a conversation. Memory does not grow with the rows. Pure; `report` draws it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ftworker.datasets.formats import lesson_lengths

_EXACT_BITS = 8
"""Values below 2^8 are counted one by one, larger ones in 128 steps a doubling: less than 1 % off."""
_STEPS = 1 << (_EXACT_BITS - 1)
_LARGEST = (1 << 40) - 1
_COUNTED_AT_ONCE = 4_096
NO_MODEL = ""
"""Under this name are examples whose store does not tell which model answered."""
_KEPT_MODELS = 1_000
"""Different models that are counted; a store that writes something else there must not fill the memory."""


class Distribution:
    """Counts of whole numbers from 0 on, in some 70 KB whatever their number; quantiles are less than 1 % off."""

    def __init__(self) -> None:
        self._counts = np.zeros(_slots(np.array([_LARGEST]))[0] + 1, np.int64)
        # Values wait for company: counting thousands at once costs a tenth of counting each.
        self._waiting: list[int] = []
        self._count = self._total = self._least = self._most = 0

    def add(self, value: int) -> None:
        """Count one value; what is above 2^40 counts as that."""
        self._waiting.append(value)
        if len(self._waiting) >= _COUNTED_AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        values = np.array([min(max(value, 0), _LARGEST) for value in self._waiting], np.int64)
        self._waiting.clear()
        np.add.at(self._counts, _slots(values), 1)
        self._least = min(self._least, int(values.min())) if self._count else int(values.min())
        self._most = max(self._most, int(values.max()))
        self._total += int(values.sum())
        self._count += values.size

    @property
    def count(self) -> int:
        self._settle()
        return self._count

    @property
    def total(self) -> int:
        self._settle()
        return self._total

    @property
    def least(self) -> int:
        """0 when there is none."""
        self._settle()
        return self._least

    @property
    def most(self) -> int:
        """0 when there is none."""
        self._settle()
        return self._most

    def quantile(self, share: float) -> int:
        """The smallest value that at least this share of the values does not exceed. 0 when there is none."""
        wanted = share * self.count
        seen = 0
        for low, high, count in self._filled():
            seen += count
            if seen >= wanted:
                return min(max((low + high) // 2, self._least), self._most)
        return self._most

    def bins(self, width: int, number: int, *, start: int = 0) -> list[int]:
        """Counts of `number` bins of that width from `start` on; the first and the last take what is outside."""
        result = [0] * number
        for low, high, count in self._filled():
            result[min(max((low + high) // 2 - start, 0) // width, number - 1)] += count
        return result

    def _filled(self) -> Iterator[tuple[int, int, int]]:
        """(lowest value, highest value, count) of each slot that holds any."""
        self._settle()
        for slot in np.flatnonzero(self._counts).tolist():
            low, high = _range(slot)
            yield low, high, int(self._counts[slot])


def _slots(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where values are counted."""
    # The exponent of a float is the length of the whole number in bits, exactly below 2^53.
    excess = np.maximum(np.frexp(values.astype(np.float64))[1].astype(np.int64) - _EXACT_BITS, 0)
    slots: NDArray[np.int64] = excess * _STEPS + (values >> excess)
    return slots


def _range(slot: int) -> tuple[int, int]:
    excess = max(0, slot // _STEPS - 1)
    low = (slot - excess * _STEPS) << excess
    return low, low + (1 << excess) - 1


@dataclass
class Figures:
    """What the rows of a dataset told so far."""

    answers: Distribution = field(default_factory=Distribution)
    """Characters of each taught answer."""
    prompts: Distribution = field(default_factory=Distribution)
    """Characters of all that stands before a taught answer, without the system prompt."""
    tokens: Distribution = field(default_factory=Distribution)
    """Tokens of each example, with the system prompt where the rows hold it."""
    ratings: Counter[int] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    sides: Counter[str] = field(default_factory=Counter)
    """Examples by the file in which they stand: train, validation, golden."""

    def add(self, content: str, *, tokens: int, rating: int, model: str | None, side: str) -> None:
        """One example that stands in a file: its stored content, its tokens, and what is known of it."""
        for prompt, answer in lesson_lengths(content):
            self.answers.add(answer)
            self.prompts.add(prompt)
        self.tokens.add(tokens)
        self.ratings[(rating > 0) - (rating < 0)] += 1
        self.sides[side] += 1
        name = model or NO_MODEL
        if name in self.models or len(self.models) < _KEPT_MODELS:
            self.models[name] += 1
        else:
            self.models["(others)"] += 1

    def all_train(self) -> None:
        """There is no validation file after all: its examples train."""
        self.sides["train"] += self.sides.pop("validation", 0)

    def frequent_models(self, most: int) -> list[tuple[str, int]]:
        """The models of most examples by name, at most so many."""
        return sorted(self.models.most_common(most))
