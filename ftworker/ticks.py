"""The scheduler of `celery beat`: each tick again and again after its interval, by a clock that nobody can set.

Celery's own scheduler compares times of day: when a clock is set back by an hour (a wrong one at boot, put right), it
is silent for that hour, and nothing lost would be found meanwhile. It also keeps a file that a kill can spoil. Here
nothing is kept: what is due is decided by rows, so a restart that ticks at once changes nothing.
"""

from __future__ import annotations

import time
from typing import Any

from celery.beat import Scheduler


class Ticks(Scheduler):
    """Sends every entry of `beat_schedule` at once, and then after each of its intervals. Takes no cron lines."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._due: dict[str, float] = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """The configured entries and none of Celery's own: there are no results to clean up."""
        self.merge_inplace(self.app.conf.beat_schedule)

    def tick(self, **_: Any) -> float:
        """Send what is due; returns the seconds until something is again. A broker that is away costs that tick."""
        for name, entry in self.schedule.items():
            now = time.monotonic()
            if now >= self._due.get(name, now):
                # Counted from now: after a long stop each tick comes once, and not as often as it was missed.
                self._due[name] = now + entry.schedule.run_every.total_seconds()
                self.apply_entry(entry, producer=self.producer)
        next_due = min(self._due.values(), default=time.monotonic() + self.max_interval)
        wait: float = min(next_due - time.monotonic(), self.max_interval)
        return max(0.0, wait)
