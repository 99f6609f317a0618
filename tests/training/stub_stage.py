"""A stage that trains nothing: `stub_stage.py NAME WORK`. Counts steps, keeps checkpoints, and fails as it is told.

Told by the order's `method`: `steps`, `step_seconds`, `checkpoint_every`, `kill_at` (ends itself there by SIGKILL, as
often as `kill_times` says), `failed` (a Failed event), `deaf` (ignores SIGTERM).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from ftworker.training.events import Noted, Progressed
from ftworker.training.order import ARTEFACTS, CHECKPOINTS
from ftworker.training.results import CHECKED, CONVERTED, TRAINED
from ftworker.training.stage import Events, Interrupted, StageFailed, Stop, run_stage

NAME = sys.argv[1]


def train(work: Path, events: Events, stop: Stop) -> None:
    told: dict[str, Any] = json.loads((work / "order.json").read_bytes())["method"]
    if told.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop.defer()
    (work / CHECKPOINTS).mkdir(exist_ok=True)
    checkpoint = work / CHECKPOINTS / "state.json"
    step, state = json.loads(checkpoint.read_bytes()) if checkpoint.exists() else (0, 1.0)
    print("a library prints this")
    events.send(Noted("stub begins"))
    steps = int(told.get("steps", 4))
    every = int(told.get("checkpoint_every", 1))
    with (work / "logs" / "steps.log").open("a") as log:
        while step < steps:
            time.sleep(float(told.get("step_seconds", 0.02)))
            step += 1
            state = (state * 7 + step) % 101
            log.write(f"{os.getpid()} {step}\n")
            log.flush()
            events.send(
                Progressed(
                    "train",
                    step,
                    steps,
                    "steps",
                    loss=4.0 / step,
                    tokens_per_second=120.0,
                    eta_seconds=1.0,
                    memory_bytes=2_000_000,
                )
            )
            if step % every == 0 or stop.requested:
                write(checkpoint, [step, state])
            if stop.requested and not told.get("deaf"):
                raise Interrupted
            if step == told.get("kill_at") or told.get("kill_at") == "every":
                kill(work, int(told.get("kill_times", 1_000)))
    if failed := told.get("failed"):
        message = "told to fail"
        if failed.get("once"):
            marker = work / "failed-once"
            if marker.exists():
                failed = None
            marker.touch()
        if failed:
            raise StageFailed(failed["code"], message, transient=bool(failed.get("transient")))
    adapter = work / ARTEFACTS / "adapter"
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(f"{state}".encode() * 1_000)
    (work / ARTEFACTS / "environment.json").write_text(json.dumps(dict(os.environ)))
    write(work / ARTEFACTS / TRAINED, {"final": state})


def kill(work: Path, times: int) -> None:
    counter = work / "kills"
    done = int(counter.read_text()) if counter.exists() else 0
    if done < times:
        counter.write_text(str(done + 1))
        os.kill(os.getpid(), signal.SIGKILL)


def convert(work: Path, events: Events, stop: Stop) -> None:
    write(work / ARTEFACTS / CONVERTED, {"merged": None})


def check(work: Path, events: Events, stop: Stop) -> None:
    write(work / ARTEFACTS / CHECKED, {"gates": []})


def write(path: Path, value: object) -> None:
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(msgspec.json.encode(value))
    unfinished.replace(path)


if __name__ == "__main__":
    works = {"train": train, "convert": convert, "check": check}
    raise SystemExit(run_stage(works[NAME], sys.argv[2:]))
