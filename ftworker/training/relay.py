"""From the events of the stages to entries of a run's journal, few enough to read. Pure: no I/O.

A resumed training repeats no entry: each has an outside id that the same step makes again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from ftworker.training.events import Noted, Progressed
from ftworker.training.stages import ORDER_OF_STAGES

LOSS_POINTS: Final = 100
"""At most so many points of the training loss in the journal of one training; those of held-out loss are all kept."""
PROGRESS_EVERY_SECONDS: Final = 10.0
"""Least time between two progress entries of the journal; the row of the training has the newest always."""
NOTES: Final = 200
"""Notes of one attempt that are kept; a library that warns at every step must not fill the database."""
_PER_STAGE: Final = 10**12


@dataclass(frozen=True)
class Entry:
    """One line for the run's journal."""

    kind: Literal["event", "metric", "progress", "note", "alert"]
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None


@dataclass(frozen=True)
class News:
    """What is to be written now."""

    stage: str
    reached: int
    """From where this attempt went on, as one number that grows: the stage, then its first step."""
    progress: Mapping[str, Any] | None
    entries: Sequence[Entry]


class Relay:
    """Hears events in one thread, hands out news in another."""

    def __init__(self, run_key: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._run_key = run_key
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stage = ORDER_OF_STAGES[0]
        self._reached = 0
        self._resumed = False
        self._step = 0
        self._held_out: float | None = None
        self._progress: Progressed | None = None
        self._progress_is_new = False
        self._progress_written: float | None = None
        self._entries: list[Entry] = []
        self._notes = 0
        self._loss_points: set[int] = set()

    def begin(self, stage: str) -> None:
        """A stage begins."""
        with self._lock:
            self._stage = stage
            self._reached = ORDER_OF_STAGES.index(stage) * _PER_STAGE
            self._resumed = False
            self._progress = None
            self._progress_is_new = False

    def progressed(self, event: Progressed) -> None:
        """The stage is so far."""
        with self._lock:
            before = self._progress
            if event.stage == self._stage:
                self._step = event.completed
                if not self._resumed:
                    self._resumed = True
                    self._reached += event.completed
            self._note_losses(event)
            if event.stage == "evaluate" and before is not None and before.stage == self._stage:
                # A look at the held-out rows in between is no step back of the bar.
                event = msgspec.structs.replace(before, validation_loss=self._held_out)
            self._progress = event
            self._progress_is_new = True

    def noted(self, event: Noted) -> None:
        """The stage has something to say."""
        with self._lock:
            self._notes += 1
            if self._notes <= NOTES:
                digest = hashlib.sha256(event.message.encode()).hexdigest()[:12]
                self._entries.append(
                    Entry("note", event.message, external_id=f"{self._run_key}-note-{digest}")
                )

    def say(self, entry: Entry) -> None:
        """The job itself has something to say."""
        with self._lock:
            self._entries.append(entry)

    def news(self, *, last: bool = False) -> News:
        """What came since the last time; with `last`, the progress too, however short ago it was written."""
        with self._lock:
            entries, self._entries = self._entries, []
            progress = None
            if self._progress is not None and self._progress_is_new:
                progress = msgspec.to_builtins(self._progress)
                self._progress_is_new = False
                if last or self._is_due():
                    self._progress_written = self._monotonic()
                    entries.append(_progress_entry(self._progress))
            return News(self._stage, self._reached, progress, entries)

    def take_back(self, news: News) -> None:
        """The news could not be written; they come again."""
        with self._lock:
            self._entries = [*(e for e in news.entries if e.kind != "progress"), *self._entries]
            self._progress_is_new = self._progress_is_new or news.progress is not None

    def _is_due(self) -> bool:
        written = self._progress_written
        return written is None or self._monotonic() - written >= PROGRESS_EVERY_SECONDS

    def _note_losses(self, event: Progressed) -> None:
        held_out = event.validation_loss
        if held_out is not None and held_out != self._held_out:
            self._held_out = held_out
            data = {"step": self._step, "valid_loss": held_out}
            message = f"step {self._step}: held-out loss {held_out:.4f}"
            # By its value: events after a look carry it on, also after a restart.
            self._entries.append(Entry("metric", message, data, f"{self._run_key}-held-out-{held_out!r}"))
        if event.stage == "train" and event.loss is not None and event.total > 0:
            # The same share of the way has the same id, in whichever attempt it comes.
            point = event.completed * LOSS_POINTS // event.total
            if point not in self._loss_points:
                self._loss_points.add(point)
                data = {"step": event.completed, "train_loss": event.loss}
                message = f"step {event.completed} of {event.total}: loss {event.loss:.4f}"
                self._entries.append(Entry("metric", message, data, f"{self._run_key}-loss-{point}"))


def _progress_entry(progress: Progressed) -> Entry:
    parts = [f"{progress.stage}: {progress.completed} of {progress.total} {progress.unit}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.tokens_per_second is not None:
        parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    if progress.eta_seconds is not None:
        parts.append(f"{progress.eta_seconds / 60:.0f} min left")
    if progress.memory_bytes is not None:
        parts.append(f"{progress.memory_bytes / 1e9:.1f} GB")
    data = {"completed": progress.completed, "total": progress.total, "unit": progress.unit}
    return Entry("progress", ", ".join(parts), data)
