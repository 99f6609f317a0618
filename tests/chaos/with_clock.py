"""`python -m tests.chaos.with_clock celery ...`: one of our programs, whose time of day a file can move.

The file that CHAOS_CLOCK names holds seconds to add. Moved are `ftworker.clock`, `time.time`, and Celery's own idea of
now and of a message that is too old. Monotonic time goes on as it does when an operator sets a clock. (libfaketime
0.9.10 cannot: with an unmoved monotonic clock it makes `time.sleep` fail with EINVAL, seen with Python 3.11.)
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.2


class MovedClock:
    """Seconds to add to the time of day, read from a file at most some times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_look = 0.0
        self._seconds = 0.0

    def seconds(self) -> float:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            try:
                self._seconds = float(self._path.read_text())
            except (OSError, ValueError):
                self._seconds = 0.0
        return self._seconds


def move_clocks(clock: MovedClock) -> None:
    """Let everything in this process that asks for the time of day get the moved one."""
    import ftworker.clock

    real_time = time.time
    time.time = lambda: real_time() + clock.seconds()
    ftworker.clock.utc_now = lambda: datetime.now(UTC) + timedelta(seconds=clock.seconds())

    from celery.app.base import Celery
    from celery.worker import request

    real_now = Celery.now
    Celery.now = lambda self: real_now(self) + timedelta(seconds=clock.seconds())

    class MovedDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=clock.seconds())

    request.datetime = MovedDatetime


def main() -> None:
    sys.argv = sys.argv[1:]
    move_clocks(MovedClock(Path(os.environ["CHAOS_CLOCK"])))
    if sys.argv[0] == "celery":
        from celery.__main__ import main as run
    else:
        from ftworker.cli import main as run
    run()


if __name__ == "__main__":
    main()
