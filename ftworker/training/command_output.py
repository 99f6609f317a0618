"""What a program of the operator's own writes in {output}: progress while it works, then metrics and a model.

The contract of docs/LOCAL.md, "Your own program". `ftworker.training.command` runs the program.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ftworker.training.events import Event, Failed, Progressed, decode_event
from ftworker.training.gguf.reading import GgufMetadata, read_metadata
from ftworker.training.order import ADAPTER, TrainingOrder
from ftworker.training.results import ArtefactFile, Converted, LossPoint, Trained
from ftworker.training.stage import Events, StageFailed

PROGRESS: Final = "progress.jsonl"
METRICS: Final = "metrics.json"
_WEIGHTS: Final = "adapter_model.safetensors"
_CONFIG: Final = "adapter_config.json"


class Point(msgspec.Struct, rename={"completed": "step"}):
    """One line of progress.jsonl; `completed` is its `step`."""

    completed: int
    total: int
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    epoch: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    memory_bytes: int | None = None


class Metrics(msgspec.Struct):
    """metrics.json. Losses are means a trained token, in nats; without both there is no gate on them."""

    validation_loss: float | None = None
    base_validation_loss: float | None = None
    train_loss: float | None = None
    steps: int = 0
    epochs: float = 0.0
    trained_tokens: int = 0
    seen_tokens: int = 0
    seed: int | None = None
    versions: dict[str, str] = {}


class ProgressFile:
    """Reads the lines that the program adds to its file: points, or events of ftworker's own trainer.

    A line that is neither is passed over. What an earlier attempt wrote is part of the curve and told to nobody again.
    """

    def __init__(self, path: Path, events: Events) -> None:
        self._path = path
        self._events = events
        self._offset = 0
        self.points: list[Point] = []
        self.failed: Failed | None = None
        """The last failure that this attempt told."""
        for _ in self._new_events():
            continue

    def relay(self) -> None:
        """Send an event for each new line; half a line waits for the rest."""
        for event in self._new_events():
            if isinstance(event, Failed):
                self.failed = event
            else:
                self._events.send(event)

    def _new_events(self) -> Iterator[Event]:
        for line in self._new_lines():
            event = decode_event(line)
            if event is not None:
                if isinstance(event, Progressed) and event.stage == "train":
                    self.points.append(msgspec.convert(event, Point, from_attributes=True))
                yield event
                continue
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                point = msgspec.json.decode(line, type=Point)
                self.points.append(point)
                values = msgspec.structs.asdict(point)
                step, total = values.pop("completed"), values.pop("total")
                yield Progressed("train", step, total, "steps", **values)

    def _new_lines(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                received = file.read()
        except OSError:
            return
        whole, line_feed, _ = received.rpartition(b"\n")
        self._offset += len(whole) + len(line_feed)
        yield from whole.splitlines()


def take_adapter(output: Path, artefacts: Path) -> bool:
    """Copy the adapter as PEFT writes it, from `output` or a folder `adapter` in it; False when there is none."""
    for folder in (output, output / ADAPTER):
        if not (folder / _WEIGHTS).is_file() or not (folder / _CONFIG).is_file():
            continue
        try:
            json.loads((folder / _CONFIG).read_bytes())
        except (ValueError, RecursionError) as error:
            raise StageFailed("command_no_result", f"{folder / _CONFIG} is no JSON") from error
        target = artefacts / ADAPTER
        target.mkdir(exist_ok=True)
        for name in (_WEIGHTS, _CONFIG):
            _link_or_copy(folder / name, target / name)
        return True
    return False


def take_ggufs(output: Path, artefacts: Path) -> Converted | None:
    """Take a merged model, a LoRA, or both, and say what the conversion would say; None when there is none."""
    ggufs = [read_metadata(path) for path in sorted(output.glob("*.gguf"))]
    by_kind: dict[str, GgufMetadata] = {}
    for gguf in ggufs:
        kind = "adapter" if gguf.kind == "adapter" else "model"
        if kind in by_kind:
            raise StageFailed(
                "command_no_result", f"{gguf.path.parent} holds more than one GGUF {kind}: leave one of each"
            )
        by_kind[kind] = gguf
    model, adapter = by_kind.get("model"), by_kind.get("adapter")
    said = model or adapter
    if said is None:
        return None
    merged_file = _take_gguf(model, artefacts / f"merged-{model.quantization}.gguf") if model else None
    adapter_file = _take_gguf(adapter, artefacts / "adapter.gguf") if adapter else None
    return Converted(
        merged=merged_file,
        adapter=adapter_file,
        base_gguf=None,
        architecture=said.architecture,
        quantization=said.quantization,
        context_length=said.context_length,
        license=said.license,
        chat_template=said.chat_template,
        stop=list(said.stop),
        bos=said.bos if said.add_bos else None,
    )


def _take_gguf(gguf: GgufMetadata, target: Path) -> ArtefactFile:
    _link_or_copy(gguf.path, target)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ArtefactFile(target.name, digest, target.stat().st_size)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for the file where the disk can: a model is gigabytes."""
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def describe_training(
    order: TrainingOrder, output: Path, points: list[Point], *, program: str, attempts: int, seconds: float
) -> Trained:
    """The result of the stage, of what the program says in metrics.json and said on the way."""
    metrics = Metrics()
    with contextlib.suppress(FileNotFoundError):
        try:
            metrics = msgspec.json.decode((output / METRICS).read_bytes(), type=Metrics)
        except msgspec.DecodeError as error:
            raise StageFailed(
                "command_no_result", f"{output / METRICS} is not what docs/LOCAL.md says: {error}"
            ) from error
    last = points[-1] if points else None
    return Trained(
        method="command",
        base=order.base,
        seed=metrics.seed,
        steps=metrics.steps or (last.completed if last else 0),
        epochs=metrics.epochs or ((last.epoch if last else None) or 0.0),
        trained_tokens=metrics.trained_tokens,
        seen_tokens=metrics.seen_tokens,
        base_validation_loss=metrics.base_validation_loss,
        validation_loss=metrics.validation_loss,
        train_loss=metrics.train_loss if metrics.train_loss is not None else (last.loss if last else None),
        stopped_early=False,
        seconds=seconds,
        curve=[
            LossPoint(p.completed, p.epoch or 0.0, p.loss, p.validation_loss, p.learning_rate) for p in points
        ],
        hyperparameters={"program": program},
        versions=metrics.versions,
        attempts=attempts,
    )
