"""ftworker's own trainer, and the stage that converts, killed at every point on their way and begun again.

As the job does it: a stage whose result is there is not run again. What is left in the end must be what one that nobody
killed leaves, to the last byte of each model's file, and nothing may lie beside it. For machines that lose their power,
which nobody can do here, it is looked at that no file gets its name before its content is on the disk.

The real programs with the smallest of models. A process that has imported PyTorch forks for each of them, so that one
takes a tenth of a second and not six.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from ftworker.training.order import ARTEFACTS
from ftworker.training.results import CONVERTED, TRAINED
from tests.chaos.crash_board import Arm, Board, Crashed
from tests.chaos.crash_hook import SEEN
from tests.conftest import REPOSITORY

Stage = Literal["train", "convert"]
STAGES: Final[tuple[Stage, ...]] = ("train", "convert")
RESULTS: Final[dict[Stage, str]] = {"train": TRAINED, "convert": CONVERTED}
OWN: Final = ("seconds", "attempts")
OWN_HYPERPARAMETERS: Final = ("peak_memory_bytes",)
"""What two trainings of the same differ in: how long they took, how often they were begun, what memory they had."""
NAMES: Final = re.compile(r": before (rename|replace) in ")
WRITES: Final = re.compile(r": before (a new file|sync|fsync) ?(in)? ")
NEEDS_NO_DISK: Final = re.compile(r"_count_attempt|train\._leave_result")
"""A count that is lost begins anew, which is all that it costs; an adapter counts when the result after it is there."""


def crash_stages(folder: Path, only: str = "", stages: tuple[Stage, ...] = STAGES) -> Crashed:
    """Every point of both that `only` (a regular expression) finds."""
    done = Crashed()
    for stage in stages:
        here = folder / stage
        here.mkdir(parents=True)
        board = Board(here / "crash")
        with forks_of(stage, board, here) as run:
            _crash_stage(stage, board, here, run, only, done)
    return done


Run = Callable[[Path], int]
"""Run the stage in a working folder; its exit status, below 0 for a signal."""


def _crash_stage(stage: Stage, board: Board, here: Path, run: Run, only: str, done: Crashed) -> None:
    make = {"train": _train_work, "convert": _convert_work}[stage](here)
    whole = make("whole")
    assert run(whole) == 0, (here / "log").read_text()
    told = (board.folder / SEEN).read_text(encoding="utf-8").splitlines()
    done.violations += [f"{stage}: {what}" for what in named_too_early(told)]
    expected = left_by(whole, stage)
    points = [name for name in board.passed() if re.search(only, name)]
    for number, name in enumerate(points):
        work = make(f"killed-{number}")
        board.arm({f"{stage}-{number}": Arm(f"^{re.escape(name)}$")})
        status = run(work)
        board.arm({})
        if status != -9:
            done.missed.append(name)
            continue
        is_done = (work / ARTEFACTS / RESULTS[stage]).exists()
        status = 0 if is_done else run(work)
        left = left_by(work, stage)
        if status != 0:
            done.violations.append(f"{name}: begun again, {stage} ends with {status}, see {here / 'log'}")
        elif left != expected:
            different = {file for file in {*left, *expected} if left.get(file) != expected.get(file)}
            done.violations.append(f"{name}: what is left is another: {sorted(different)}")
        done.crashed.append(name)


def left_by(work: Path, stage: Stage) -> dict[str, str]:
    """Every file that would be published, with its hash; of the trainer's result what training came to."""
    left = {}
    for file in sorted((work / ARTEFACTS).rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if stage == "train" and file.name == TRAINED:
            told: dict[str, Any] = json.loads(content)
            for of, names in ((told, OWN), (told["hyperparameters"], OWN_HYPERPARAMETERS)):
                for key in names:
                    del of[key]
            content = json.dumps(told).encode()
        left[str(file.relative_to(work))] = hashlib.sha256(content).hexdigest()
    return left


def named_too_early(told: list[str]) -> list[str]:
    """The places where a file is named while what was written before is not on the disk."""
    found = []
    is_safe = False
    for line in told:
        if NAMES.search(line):
            if not is_safe and not NEEDS_NO_DISK.search(line):
                found.append(f"{line.partition(' in ')[2]}: named before its content is on the disk")
        elif WRITES.search(line):
            is_safe = "a new file" not in line
    return found


# -- working folders


def _train_work(here: Path) -> Callable[[str], Path]:
    from tests.training.tiny import chat, write_base, write_work

    base = write_base(here / "base")
    rows = [
        {
            "prompt": lesson["messages"][:1],
            "chosen": lesson["messages"][1:],
            "rejected": other["messages"][1:],
        }
        for lesson, other in (
            (
                chat(f"¿Cuál es la capital {number}?", "La capital es París."),
                chat("¿?", f"No lo sé, {number}."),
            )
            for number in range(8)
        )
    ]

    def make(name: str) -> Path:
        method = {"type": "dpo", "n_epochs": 2}
        return write_work(
            here / name,
            base,
            rows,
            rows[:2],
            form="preference",
            method=method,
            checkpoint_interval_seconds=1e-6,
        )

    return make


def _convert_work(here: Path) -> Callable[[str], Path]:
    from tests.training.gguf.small_files import write_base
    from tests.training.gguf.test_convert_stage import make_work

    base = write_base(here / "base.gguf")
    (here / "LICENSE").write_text("Apache-2.0")
    return lambda name: make_work(here / name, base)[0]


# -- processes


@contextmanager
def forks_of(stage: Stage, board: Board, here: Path) -> Iterator[Run]:
    """A process that has imported the stage, and forks one that runs it each time it is asked."""
    with (
        (here / "log").open("wb") as log,
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.chaos.crash_stages",
                f"ftworker.training.{stage}",
                str(board.folder),
            ],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as parent,
    ):
        assert parent.stdin is not None
        assert parent.stdout is not None
        to, back = parent.stdin, parent.stdout

        def run(work: Path) -> int:
            print(work, file=to, flush=True)
            return int(back.readline())

        try:
            yield run
        finally:
            to.close()


def serve(module: str, folder: Path) -> None:
    """Fork for each line of standard input, a working folder, and say how the child ended."""
    from ftworker.training.stage import run_stage

    stage = import_module(module)
    work: Callable[..., None] = getattr(stage, module.rpartition(".")[2])
    # A stage ends when its standard input does: this one never does.
    held, _open = os.pipe()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.dup2(held, 0)
            os.dup2(2, 1)
            _be_the_stage(partial(run_stage, work, [line.strip()]), folder)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be_the_stage(run: Callable[[], int], folder: Path) -> None:
    from tests.chaos.crash_hook import install

    status = 1
    try:
        install(folder)
        status = run()
    except BaseException:  # noqa: BLE001 - this process must never come back into its parent's loop
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
