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
from ftworker.store.trainings import TrainingRow

_STEPS = (RunState.CUT, RunState.EXPORTED, RunState.UPLOADED, RunState.SUBMITTED)
"""The states on the way; whatever comes after them fills the bar."""

LEARNING, LOOKING = "learning", "held-out examples"
_TRAINING_STAGES = {
    "fetch": "fetching the dataset",
    "load": "loading the model",
    "train": LEARNING,
    "evaluate": LOOKING,
    "convert": "making the GGUF file",
    "check": "comparing with it",
    "publish": "keeping the files",
}


class PlainScreen:
    """For a file, a pipe or CI: a line when something has happened."""

    def __init__(self, total: int, threshold: int, *, trains: bool = False) -> None:
        self._total = total
        self._threshold = threshold
        self._trains = trains
        self._quarters = -1
        self._state: RunState | None = None
        self._stage = ""
        self._tenths = -1

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
        """A line for each quarter of the conversations, each state of the run, each tenth of its training."""
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
        if self._trains and progress.training is not None:
            self._training(progress.training)

    def _training(self, training: TrainingRow) -> None:
        stage, share = training_stage(training), _share(training)
        tenths = int(10 * share)
        if training.state != "running" or stage == LOOKING or (stage, tenths) == (self._stage, self._tenths):
            return
        if stage != self._stage or stage == LEARNING:
            click.echo(f"  {stage}: {10 * tenths} %{_comma(training_figures(training))}")
        self._stage, self._tenths = stage, tenths


class TerminalScreen:
    """For a person at a terminal: what is being done, then a bar for each stage of the way."""

    def __init__(self, total: int, threshold: int, *, trains: bool = False) -> None:
        self._total = total
        self._threshold = threshold
        self._trains = trains
        self._step: tuple[str, float] | None = None
        self._bars: Bars | None = None
        self._rows: list[TaskID] = []
        self._learned: tuple[float, float, str] = (0, 1, LEARNING)

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
        rows: list[tuple[float, float, str]] = [
            (progress.published, total, f"{progress.published} of {total}"),
            (progress.recorded, total, f"{progress.recorded} of {total}"),
            (progress.accumulated, total, f"{progress.accumulated} of {total}"),
            (progress.kept, wanted, f"{progress.kept}, {wanted} wanted"),
            (_steps_done(run.state), len(_STEPS), str(run.state)) if run else (0, len(_STEPS), "not yet"),
        ]
        if self._trains:
            rows.append(self._training_row(progress.training))
        for row, (done, whole, said) in zip(self._rows, rows, strict=True):
            bars.update(row, completed=min(done, whole), total=whole, said=said)
        bars.refresh()

    def _training_row(self, training: TrainingRow | None) -> tuple[float, float, str]:
        """Done, the whole, and what is said. While it learns, the figures say more than the word."""
        if training is None:
            return 0, 1, "not yet"
        if training.state != "running":
            return float(training.state == "succeeded"), 1, training.state
        stage = training_stage(training)
        if stage == LEARNING:
            self._learned = (_share(training), 1, training_figures(training) or stage)
        # A look at the held-out examples is short, and no new beginning.
        return self._learned if stage in (LEARNING, LOOKING) else (_share(training), 1, stage)

    def _open_bars(self) -> Bars:
        if self._bars is None:
            self._bars = Bars(
                TextColumn("  {task.description}"),
                BarColumn(bar_width=28),
                TextColumn("{task.fields[said]}"),
                console=Console(file=sys.stdout, highlight=False),
                auto_refresh=False,
            )
            descriptions = [
                "conversations closed",
                "events recorded",
                "conversations worked on",
                "examples kept",
                "the run",
            ]
            if self._trains:
                descriptions.append("the training")
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


def make_screen(total: int, threshold: int, *, trains: bool = False) -> PlainScreen | TerminalScreen:
    """The screen that fits standard output. `threshold` is how many examples begin a run; `trains`: a model is."""
    return (TerminalScreen if sys.stdout.isatty() else PlainScreen)(total, threshold, trains=trains)


def training_stage(training: TrainingRow) -> str:
    """What is being done, in a person's words."""
    # Of a stage that has begun and not spoken yet, nothing is known.
    stage = training.stage if training.stage in ("fetch", "publish") else training.progress.get("stage")
    return _TRAINING_STAGES.get(str(stage), "starting")


def training_figures(training: TrainingRow) -> str:
    """`loss 0.123, 2:05 left`: of both, what there is."""
    parts = []
    loss, left = training.progress.get("loss"), training.progress.get("eta_seconds")
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if left is not None:
        minutes, seconds = divmod(round(left), 60)
        parts.append(f"{minutes}:{seconds:02} left")
    return ", ".join(parts)


def _share(training: TrainingRow) -> float:
    done, total = training.progress.get("completed", 0), training.progress.get("total", 0)
    return min(1.0, done / total) if total else 0.0


def _comma(text: str) -> str:
    return f", {text}" if text else ""


def _steps_done(state: RunState) -> int:
    if state is RunState.SUBMITTING:
        state = RunState.UPLOADED
    return _STEPS.index(state) if state in _STEPS else len(_STEPS)
