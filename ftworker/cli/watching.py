"""How a run is followed: its journal as lines, and the bar of its training where somebody sits at a terminal.

Shows figures alone. `ftworker runs watch` and `runs show` call it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

import click

from ftworker.cli.output import printable
from ftworker.installation import Installation
from ftworker.runs.states import IN_FLIGHT
from ftworker.store import runs, trainings
from ftworker.store.runs import RunRow
from ftworker.store.trainings import TrainingRow
from ftworker.trainings import describe, share_done

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LOOK_EVERY_SECONDS: Final = 0.5
_IN_THE_BAR: Final = frozenset({"progress", "metric"})


def training_facts(training: TrainingRow) -> dict[str, Any]:
    """A training as commands show it. Keys are stable."""
    return {
        "run_key": training.run_key,
        "state": training.state,
        "stage": training.stage,
        "message": describe(training),
        "attempts": training.attempts,
        "crashes": training.crashes,
        "host": training.host,
        "progress": dict(training.progress),
        "progress_ratio": share_done(training.stage, training.progress),
        "not_before": training.not_before,
        "error_code": training.error_code,
        "started_at": training.started_at,
        "finished_at": training.finished_at,
    }


def figures(progress: Mapping[str, Any]) -> str:
    """`120 of 400 steps, loss 1.2345, 230 tokens/s, 4:10 left, 2.1 GB`: of the figures, those there are."""
    parts = []
    if progress.get("total"):
        parts.append(f"{progress['completed']} of {progress['total']} {progress['unit']}")
    if (loss := progress.get("loss")) is not None:
        parts.append(f"loss {loss:.4f}")
    if (held_out := progress.get("validation_loss")) is not None:
        parts.append(f"held-out {held_out:.4f}")
    if (rate := progress.get("tokens_per_second")) is not None:
        parts.append(f"{rate:,.0f} tokens/s")
    if (left := progress.get("eta_seconds")) is not None:
        parts.append(f"{duration(left)} left")
    if (memory := progress.get("memory_bytes")) is not None:
        parts.append(f"{memory / 1e9:.1f} GB")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`4:10`, `1:04:10`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def follow(here: Installation, run_id: int) -> RunRow:
    """Show what happens to the run until it is over or waits for a person; returns it. Raises NotFound."""
    after = 0
    with _Lines(bar=sys.stdout.isatty()) as lines:
        while True:
            with here.store.transaction() as cursor:
                run = runs.get_run(cursor, run_id)
                entries = runs.read_journal(cursor, run_id, after=after)
                training = trainings.training_of_run(cursor, run_id)
            for entry in entries:
                after = entry.id
                lines.write(entry)
            lines.show(training if training is not None and training.run_key == run.run_key else None)
            if run.state not in IN_FLIGHT or run.next_action_at is None:
                return run
            time.sleep(LOOK_EVERY_SECONDS)


class _Lines:
    """Lines as they come, above a bar that stays at the bottom of a terminal."""

    def __init__(self, *, bar: bool) -> None:
        self._wants_bar = bar
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def write(self, entry: Any) -> None:
        """One entry of the journal. What the bar shows is no line beside it."""
        line = f"{entry.at:%H:%M:%S} {entry.kind:8} {printable(entry.message)}"
        if self._bar is None:
            click.echo(line)
        elif entry.kind not in _IN_THE_BAR:
            self._bar.console.print(line, markup=False, highlight=False)

    def show(self, training: TrainingRow | None) -> None:
        """The training as it is now; None: there is none to show."""
        if not self._wants_bar or training is None:
            return
        running = training.state == "running"
        if self._bar is None:
            if not running:
                return
            self._bar = self._exit.enter_context(_new_bar())
            self._task = self._bar.add_task("", total=1.0, figures="")
        assert self._task is not None
        share = share_done(training.stage, training.progress)
        self._bar.update(
            self._task,
            description=printable(training.stage or "starting") if running else training.state,
            completed=share or 0.0,
            total=1.0 if share is not None or not running else None,
            figures=printable(figures(training.progress)) if share is not None else self._what(training),
        )

    def _what(self, training: TrainingRow) -> str:
        """What it does before there is a share to show: loads the base, or waits for a reason."""
        return printable(training.message or training.progress.get("stage", ""))


def _new_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[figures]}", markup=False),
    )
