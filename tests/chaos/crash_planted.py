"""Bugs on purpose: a guard of the product put at the wrong place, to show that crash points find what it is for.

Without a crash nobody notices them. `crash_board.Board.plant_bugs` puts them into every process that starts after it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final


def _acknowledge_first(ingest: ModuleType) -> None:
    """`ingest` acknowledges what it has not written yet."""
    write = ingest.Ingest._write

    def acknowledged_before(self: Any, deliveries: list[Any]) -> Any:
        if deliveries:
            self._transport.acknowledge(deliveries)
        return write(self, deliveries)

    ingest.Ingest._write = acknowledged_before


def _intent_last(endings: ModuleType) -> None:
    """The intent to pay is committed after the call, just before what came of it."""
    made = endings.Endings
    save, move, release = made.move_keeping_lease, made.move, made.release
    unsaved: dict[int, tuple[Any, ...]] = {}

    def remember(_self: Any, run: Any, target: Any, message: str, **columns: Any) -> Any:
        unsaved[run.id] = (run, target, message, columns)
        return endings.replace(run, state=target, **columns)

    def saved_first(work: Callable[..., Any]) -> Callable[..., Any]:
        def after_the_intent(self: Any, run: Any, *args: Any, **kwargs: Any) -> Any:
            if run.id in unsaved:
                before, target, message, columns = unsaved.pop(run.id)
                save(self, before, target, message, **columns)
            return work(self, run, *args, **kwargs)

        return after_the_intent

    made.move_keeping_lease, made.move, made.release = remember, saved_first(move), saved_first(release)


PLANTED: Final[dict[str, Callable[[ModuleType], None]]] = {
    "ftworker.events.ingest": _acknowledge_first,
    "ftworker.runs.endings": _intent_last,
}
"""What is done to a module right after its import."""
