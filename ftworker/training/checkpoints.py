"""Checkpoints of a training: all that it needs to go on as if nothing had happened, written whole or not at all.

A checkpoint is a folder `step-00000123` of safetensors files and `state.json`, which holds their hashes. It is written
under another name, synced and renamed, so that a kill while it is written leaves the one before. No pickles: a
checkpoint runs no code. The order of the data and the dice of a step need no saving: seed and step decide them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ftworker.training.results import LossPoint

KEPT = 2
_STATE = "state.json"
_WRITING = ".writing-"


class Standing(msgspec.Struct):
    """Where a training stands. Everything but the tensors."""

    step: int = 0
    """Steps done."""
    trained_tokens: int = 0
    seen_tokens: int = 0
    seconds: float = 0.0
    """Time of the work that is in this checkpoint, loading included."""
    curve: list[LossPoint] = msgspec.field(default_factory=list)
    base_validation_loss: float | None = None
    best_validation_loss: float | None = None
    best_step: int = 0
    looked_at: int = 0
    """Steps that were done at the last look."""
    looks_without_best: int = 0
    loss_sum: float = 0.0
    """Of the steps since the last point of the curve, with the weight that it was taken over."""
    loss_weight: float = 0.0
    epoch_loss_sum: float = 0.0
    epoch_loss_weight: float = 0.0
    """The same since the epoch began."""
    loss_scale: float | None = None
    """Of fp16: the factor that keeps small gradients from vanishing, and steps since it last fell."""
    loss_scale_steps: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """Tensors in main memory. `best` is None where there is nothing to compare, or nothing better than now."""

    standing: Standing
    lora: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    best: Mapping[str, torch.Tensor] | None


class _State(msgspec.Struct):
    order: str
    files: dict[str, str]
    standing: Standing


class Checkpoints:
    """The checkpoints of one training under one folder. `order` is a hash of all that decides the training: a
    checkpoint of another order is passed over.
    """

    def __init__(self, folder: Path, order: str) -> None:
        self._folder = folder
        self._order = order

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write it, durably, and keep the newest two. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.glob(f"{_WRITING}*"):
            shutil.rmtree(left)
        target = self._folder / f"step-{checkpoint.standing.step:08d}"
        writing = self._folder / f"{_WRITING}{target.name}"
        writing.mkdir()
        parts = {"lora": checkpoint.lora, "optimizer": checkpoint.optimizer}
        if checkpoint.best is not None:
            parts["best"] = checkpoint.best
        files = {}
        for name, tensors in parts.items():
            file = writing / f"{name}.safetensors"
            save_file(dict(tensors), str(file))
            files[file.name] = _hash(file)
            sync(file)
        state = writing / _STATE
        state.write_bytes(msgspec.json.encode(_State(self._order, files, checkpoint.standing)))
        sync(state)
        sync(writing)
        if target.exists():
            shutil.rmtree(target)
        writing.rename(target)
        sync(self._folder)
        for old in self._all()[KEPT:]:
            shutil.rmtree(old)
        return target

    def newest(self) -> Checkpoint | None:
        """The newest whole one of this order; a damaged one is passed over."""
        for folder in self._all():
            found = self._read(folder)
            if found is not None:
                return found
        return None

    def _all(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob("step-*"), reverse=True)

    def _read(self, folder: Path) -> Checkpoint | None:
        try:
            state = msgspec.json.decode((folder / _STATE).read_bytes(), type=_State)
            if state.order != self._order:
                return None
            if any(_hash(folder / name) != digest for name, digest in state.files.items()):
                return None
            parts = {name: load_file(str(folder / name)) for name in state.files}
            return Checkpoint(
                state.standing,
                parts["lora.safetensors"],
                parts["optimizer.safetensors"],
                parts.get("best.safetensors"),
            )
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, SafetensorError, KeyError):
            return None


def _hash(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk: what is named after that is whole after a power cut, too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
