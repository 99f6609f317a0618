"""The stage `train` as a program of the operator's own: `python -m ftworker.training.command WORK`.

Renders the template, runs the program without a shell, relays what it writes into {output}/progress.jsonl, and takes
what it leaves in {output} for what `ftworker.training.train` would have made. docs/LOCAL.md has the contract. What the
program prints goes to the stage's log alone, because it may quote rows.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from ftworker.settings import CommandSettings, TrainerSettings
from ftworker.settings.environment import passed_environment
from ftworker.training.command_output import (
    PROGRESS,
    Point,
    ProgressFile,
    describe_training,
    take_adapter,
    take_ggufs,
)
from ftworker.training.order import ARTEFACTS, DATA, ORDER, TrainingOrder
from ftworker.training.presets import COMMAND_EPOCHS
from ftworker.training.results import CONVERTED, TRAINED
from ftworker.training.stage import Events, Interrupted, StageFailed, Stop, leave_result, run_stage

FOLDER: Final = "command"
"""Under WORK: the rendered template, and `output`, which stays from one attempt to the next."""
OUTPUT: Final = "output"
_LOOK_EVERY_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 10.0
"""After a timeout: between SIGTERM and SIGKILL."""
_KILLED: Final = 128 + signal.SIGKILL


def train(work: Path, events: Events, stop: Stop) -> None:
    """Run the program of the order and keep what it made. Raises StageFailed, Interrupted."""
    began = time.monotonic()
    order = msgspec.json.decode((work / ORDER).read_bytes(), type=TrainingOrder)
    settings = CommandSettings.model_validate(order.command)
    folder = work / FOLDER
    output = folder / OUTPUT
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    values = values_of(order, settings, work)
    program = [fill_braces(word, values) for word in settings.program]
    if not program:
        raise StageFailed(
            "command_missing", 'trainer = "command" needs command.program: docs/LOCAL.md shows some'
        )
    if settings.template is not None:
        _render(settings.template, Path(values["config"]), values)
    attempts = _count_attempt(folder)
    stop.defer()
    points = _run(program, settings, output, events, stop)
    artefacts = work / ARTEFACTS
    if (artefacts / TRAINED).exists():
        return  # the program was ftworker's own trainer, somewhere else
    if not take_adapter(output, artefacts):
        # Of an adapter the next stage makes both files; without one there is nothing to convert.
        converted = take_ggufs(output, artefacts)
        if converted is None:
            raise StageFailed(
                "command_no_result",
                f"{program[0]} ended well and left neither adapter_model.safetensors with adapter_config.json nor a "
                f".gguf in {output}; its last words are in logs/train.log",
            )
        leave_result(artefacts / CONVERTED, converted)
    seconds = time.monotonic() - began
    name = Path(program[0]).name
    leave_result(
        artefacts / TRAINED,
        describe_training(order, output, points, program=name, attempts=attempts, seconds=seconds),
    )


def values_of(order: TrainingOrder, settings: CommandSettings, work: Path) -> dict[str, str]:
    """What the names in the program's arguments and in the template stand for."""
    method = order.method
    training = TrainerSettings.model_validate(order.settings)
    suffix = settings.template.suffix if settings.template is not None else ""
    rank = 16 if training.rank == "auto" else training.rank
    return {
        "work": str(work),
        "config": str(work / FOLDER / f"config{suffix}"),
        "output": str(work / FOLDER / OUTPUT),
        "train": str(work / DATA / order.train.name),
        "validation": str(work / DATA / order.validation.name) if order.validation else "",
        "base": order.base,
        "run_key": order.run_key,
        "method": str(method.get("type", "supervised")),
        "format": order.format,
        "seed": str(method.get("seed") if method.get("seed") is not None else 42),
        "epochs": _or(method.get("n_epochs"), COMMAND_EPOCHS),
        "batch_size": _or(method.get("batch_size"), 8),
        "learning_rate": _or(training.learning_rate, 2e-4),
        "rank": str(rank),
        "alpha": _or(training.alpha, 2 * rank),
        "dropout": str(training.dropout),
        "max_length": _or(training.max_length_tokens, 2_048),
    }


def fill_braces(text: str, values: Mapping[str, str]) -> str:
    """`{train}` and the other names filled in; braces around anything else stay."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def fill_template(text: str, values: Mapping[str, str]) -> str:
    """`${train}` and the other names filled in; what a shell would fill in by itself stays."""
    return re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)


def _or(value: object, default: object) -> str:
    return str(default if value in (None, "auto") else value)


def _render(template: Path, target: Path, values: Mapping[str, str]) -> None:
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StageFailed(
            "command_template",
            f"command.template = {template}: {type(error).__name__}; a text file is expected",
        ) from error
    target.write_text(fill_template(text, values), encoding="utf-8")
    target.chmod(0o700)


def _run(
    program: list[str], settings: CommandSettings, output: Path, events: Events, stop: Stop
) -> list[Point]:
    """The program from its start to its end; returns the points of its progress."""
    environment = {
        **passed_environment(lambda name: name in settings.pass_environment),
        **settings.environment,
    }
    try:
        # In this stage's own process group, which ends with the job; without close_fds, so that the locks of the job
        # are held until the program is gone.
        process = subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            env=environment,
            cwd=output,
            close_fds=False,
        )
    except OSError as error:
        raise StageFailed(
            "command_missing", f"{program[0]} cannot be started ({error.strerror}): see command.program"
        ) from error
    deadline = time.monotonic() + settings.timeout_seconds
    progress = ProgressFile(output / PROGRESS, events)
    while (status := _wait(process)) is None:
        progress.relay()
        if stop.requested:
            _end_group(process, patience_seconds=None)
            raise Interrupted
        if time.monotonic() >= deadline:
            _end_group(process, patience_seconds=_STOP_SECONDS)
            raise StageFailed(
                "command_timeout",
                f"{program[0]} took longer than command.timeout_seconds = {settings.timeout_seconds:g}",
            )
    progress.relay()
    if stop.requested:
        raise Interrupted
    if status != 0 and progress.failed is not None:
        failed = progress.failed
        raise StageFailed(failed.code, failed.message, transient=failed.transient)
    _judge(program[0], status, settings)
    return progress.points


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_LOOK_EVERY_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _end_group(process: subprocess.Popen[bytes], *, patience_seconds: float | None) -> None:
    """Ask the program and what it started to stop, and wait. Without a limit the job has one."""
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGTERM)  # ourselves too: that only sets a flag, which is set
    else:
        process.terminate()
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _judge(program: str, status: int, settings: CommandSettings) -> None:
    if status == 0:
        return
    if status in settings.retry_exit_codes:
        raise StageFailed(
            "command_retry", f"{program} ended with status {status}, which asks to try again", transient=True
        )
    if status in (-signal.SIGKILL, _KILLED):
        # No failure with a name: whoever kills a program that way is the system without memory.
        raise SystemExit(_KILLED)
    meaning = f"status {status}" if status > 0 else f"signal {signal.Signals(-status).name}"
    raise StageFailed(
        "command_failed", f"{program} ended with {meaning}; its last words are in logs/train.log"
    )


def _count_attempt(folder: Path) -> int:
    counter = folder / "attempts"
    with contextlib.suppress(FileNotFoundError, ValueError):
        number = int(counter.read_text()) + 1
        counter.write_text(str(number))
        return number
    counter.write_text("1")
    return 1


if __name__ == "__main__":
    sys.exit(run_stage(train, sys.argv[1:]))
