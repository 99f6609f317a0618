"""How the demonstration looks while it runs: bars at a terminal, plain lines in a file. Both satisfy `run.Screen`.

Draws only when told something, in the caller's thread: a thread of rich's would be in the way of starting processes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from ftworker.demo.state import Progress
from ftworker.runs.states import RunState

_STEPS = (RunState.CUT, RunState.EXPORTED, RunState.UPLOADED, RunState.SUBMITTED)
"""The states on the way; whatever comes after them fills the bar."""


class PlainScreen:
    """For a file, a pipe or CI: a line when something has happened."""

    def __init__(self, total: int, threshold: int) -> None:
        self._total = total
        self._threshold = threshold
        self._quarters = -1
        self._state: RunState | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Nothing to open or close."""
        yield

    def step(self, text: str) -> None:
        """A line for what begins."""
        click.echo(f"  {text} ...")

    def note(self, text: str) -> None:
        """A line for what is there."""
        click.echo(f"  {text}")

    def progress(self, progress: Progress) -> None:
        """A line for each quarter of the conversations, and for each state of the run."""
        quarters = 4 * progress.accumulated // self._total
        if quarters > self._quarters:
            self._quarters = quarters
            click.echo(
                f"  closed {progress.published} of {self._total}, recorded {progress.recorded}, worked on "
                f"{progress.accumulated}: {progress.kept} examples ({self._threshold} wanted)"
            )
        if progress.run is not None and progress.run.state is not self._state:
            self._state = progress.run.state
            click.echo(f"  run {progress.run.id}: {self._state}")


class TerminalScreen:
    """For a person at a terminal: what is being done, then a bar for each stage of the way."""

    def __init__(self, total: int, threshold: int) -> None:
        self._total = total
        self._threshold = threshold
        self._step: tuple[str, float] | None = None
        self._bars: Bars | None = None
        self._rows: list[TaskID] = []

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Leaves a whole line and a visible cursor behind, whatever happens inside."""
        try:
            yield
            self._end_step()
        finally:
            self._close_bars()
            if self._step is not None:
                click.echo()

    def step(self, text: str) -> None:
        """Say what begins; its line is completed when the next thing is said."""
        self._end_step()
        self._step = (text, time.monotonic())
        click.echo(f"  {text} ...", nl=False)

    def note(self, text: str) -> None:
        """A line that stays."""
        self._end_step()
        click.echo(f"  {text}")

    def progress(self, progress: Progress) -> None:
        """Draw the bars anew."""
        self._end_step(keep_bars=True)
        bars = self._open_bars()
        run = progress.run
        total, wanted = self._total, self._threshold
        rows = (
            (progress.published, total, f"{progress.published} of {total}"),
            (progress.recorded, total, f"{progress.recorded} of {total}"),
            (progress.accumulated, total, f"{progress.accumulated} of {total}"),
            (progress.kept, wanted, f"{progress.kept}, {wanted} wanted"),
            (_steps_done(run.state), len(_STEPS), str(run.state)) if run else (0, len(_STEPS), "not yet"),
        )
        for row, (done, whole, said) in zip(self._rows, rows, strict=True):
            bars.update(row, completed=min(done, whole), total=whole, said=said)
        bars.refresh()

    def _open_bars(self) -> Bars:
        if self._bars is None:
            self._bars = Bars(
                TextColumn("  {task.description}"),
                BarColumn(bar_width=28),
                TextColumn("{task.fields[said]}"),
                console=Console(file=sys.stdout, highlight=False),
                auto_refresh=False,
            )
            descriptions = (
                "conversations closed",
                "events recorded",
                "conversations worked on",
                "examples kept",
                "the run",
            )
            self._rows = [self._bars.add_task(text, said="") for text in descriptions]
            self._bars.start()
        return self._bars

    def _close_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _end_step(self, *, keep_bars: bool = False) -> None:
        if not keep_bars:
            self._close_bars()
        if self._step is not None:
            text, began = self._step
            self._step = None
            click.echo(f"\r  {text}: {time.monotonic() - began:.1f} s")


def make_screen(total: int, threshold: int) -> PlainScreen | TerminalScreen:
    """The screen that fits standard output. `threshold` is how many examples begin a run."""
    return (TerminalScreen if sys.stdout.isatty() else PlainScreen)(total, threshold)


def _steps_done(state: RunState) -> int:
    if state is RunState.SUBMITTING:
        state = RunState.UPLOADED
    return _STEPS.index(state) if state in _STEPS else len(_STEPS)
