"""Whether a worker's event loop turns. One that stands still is worse than a dead one.

The master of a prefork worker does nothing itself: its loop turns at least every ten seconds, whatever its children
work at. Drivers have stopped it in ways that nobody had foreseen (`valkey_channel` tells of one that `make chaos`
found). Such a worker answers the operating system, says that it is alive, and takes nothing for as long as it lives.
So a thread looks, and a worker that stands still for longer than any server may take to answer ends at once, as by
kill -9: whoever keeps it starts it again, and its messages come again.

Never looks at what the loop does. Who asks, and what is done about it, is in `ftworker.celery`.
"""

from __future__ import annotations

ANSWERS: int = 10
"""A loop may wait for so many answers of servers one after another, each for `network.answer_seconds`."""


class LoopWatch:
    """Counts the looks since a loop turned last. Looks and not seconds: of a machine that was paused, time alone says
    nothing, and its loop turns before the next look."""

    def __init__(self, limit_seconds: float, look_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._look_seconds = look_seconds
        self._turned = False
        self._looks_without = 0

    def turned(self) -> None:
        """To be called at each turn of the loop."""
        self._turned = True

    def stands_still(self, *, is_excused: bool = False) -> bool:
        """To be called every `look_seconds`: whether the loop has not turned for `limit_seconds`.

        `is_excused` while it need not turn, because the worker has no connection and tries to get one.
        """
        self._looks_without = 0 if self._turned or is_excused else self._looks_without + 1
        self._turned = False
        return self._looks_without * self._look_seconds >= self._limit_seconds
