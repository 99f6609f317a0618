"""When the conversations of a dataset's examples ended, and in which course: what its report shows over time.

Counts alone. Apart from `figures`, which needs numpy: a worker that exports nothing reads this without it. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date


@dataclass
class Timeline:
    """Examples by the day on which their conversation ended, and by course. Days come in any order."""

    conversations: int | None = None
    """From how many conversations the examples come; None: nobody counted."""
    days: dict[date, Counter[str]] = field(default_factory=dict)

    def add(self, day: date, course: str | None, examples: int) -> None:
        """Count examples of one day and course; None: the event named no course."""
        self.days.setdefault(day, Counter())[course or ""] += examples

    def courses(self) -> Counter[str]:
        """Examples by course; "" is none."""
        result: Counter[str] = Counter()
        for counts in self.days.values():
            result.update(counts)
        return result
