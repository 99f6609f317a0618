"""What `auto` means: the numbers of a training from the base's size, the data and the device. Pure.

docs/LOCAL.md has the same as tables, with the reasons.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal

from ftworker.settings import TrainerSettings

MAX_LENGTH = 2048
"""Longest example by default. Tutoring turns with their sources are shorter; memory grows with it."""
GRADIENT_LIMIT = 1.0
"""Largest norm of a step's gradient, as in nearly every recipe: one odd example must not throw the LoRA off."""
WEIGHT_DECAY = 0.0
"""A LoRA begins at no change, and a small one cannot run far; decay would only pull facts out again."""
DPO_BETA = 0.1
"""Rafailov et al. 2023, "Direct Preference Optimization", and TRL's default."""
COMMAND_EPOCHS = 3
"""What `auto` is for a program of the operator's own (docs/LOCAL.md)."""
CPU_ROW_TOKENS = 512
"""From there on longer rows are hardly faster on a CPU, and take memory."""
MAX_ROW_TOKENS = 16_384
_LOOKS_AN_EPOCH = 4
_LOOKING_SHARE = 0.1


@dataclass(frozen=True)
class BaseFacts:
    """What there is to know of the base."""

    parameters: int
    layers: int
    hidden: int
    intermediate: int


@dataclass(frozen=True)
class DataFacts:
    """What there is to know of the data, once it is tokens."""

    examples: int
    tokens: int
    longest: int
    validation_tokens: int


@dataclass(frozen=True)
class DeviceFacts:
    """What there is to know of the device, the base loaded. `free_bytes` is None where memory is not the device's."""

    kind: str
    free_bytes: int | None
    value_bytes: int
    processes: int


@dataclass(frozen=True)
class Hyperparameters:
    """All numbers of a training, resolved."""

    method: Literal["supervised", "dpo"]
    seed: int
    rank: int
    alpha: int
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: Literal["cosine", "linear", "constant"]
    steps: int
    warmup_steps: int
    steps_an_epoch: int
    looks_an_epoch: int
    """How often an epoch the held-out loss is measured."""
    row_tokens: int
    row_items: int | None
    gradient_checkpointing: bool
    beta: float | None
    early_stop_patience: int | None

    def rate(self, step: int) -> float:
        """The learning rate of a step, 0 first: a straight rise over the warm-up, then the schedule down to 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        match self.schedule:
            case "cosine":
                return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
            case "linear":
                return self.learning_rate * (1 - done)
            case "constant":
                return self.learning_rate

    def looks_after(self, step: int) -> bool:
        """Whether the held-out loss is measured when so many steps are done: spread evenly, and at each epoch's end."""
        within = (step - 1) % self.steps_an_epoch + 1
        return within * self.looks_an_epoch // self.steps_an_epoch > (
            (within - 1) * self.looks_an_epoch // self.steps_an_epoch
        )


def length_limit(settings: TrainerSettings, context: int | None) -> int:
    """Longest sequence, in tokens."""
    asked = MAX_LENGTH if settings.max_length_tokens == "auto" else settings.max_length_tokens
    return min(asked, context) if context else asked


def training_seed(method: dict[str, Any], run_key: str) -> int:
    """The seed of the order; without one, a seed of the run, so that a training that goes on has the same."""
    seed = method.get("seed")
    if seed is not None:
        return int(seed)
    return int.from_bytes(hashlib.sha256(run_key.encode()).digest()[:4]) >> 1


def resolve(
    settings: TrainerSettings,
    method: dict[str, Any],
    *,
    seed: int,
    base: BaseFacts,
    data: DataFacts,
    device: DeviceFacts,
) -> Hyperparameters:
    """Every number that the settings and the pipeline's `training` section leave to `auto`."""
    dpo = method.get("type") == "dpo"
    epochs = _or(method.get("n_epochs"), auto_epochs(data.examples))
    batch_size = _or(method.get("batch_size"), _batch_size(data.examples))
    rank = _or(settings.rank, 32 if data.examples >= 5_000 else 16)
    steps_an_epoch = max(1, math.ceil(data.examples / batch_size))
    steps = steps_an_epoch * epochs
    checkpointing = _or(settings.gradient_checkpointing, base.parameters >= 1_000_000_000)
    items = None if settings.micro_batch == "auto" else settings.micro_batch
    tokens = _row_tokens(base, device, checkpointing=checkpointing) if items is None else items * data.longest
    multiplier = _or(method.get("learning_rate_multiplier"), 1.0)
    return Hyperparameters(
        method="dpo" if dpo else "supervised",
        seed=seed,
        rank=rank,
        alpha=_or(settings.alpha, 2 * rank),
        dropout=settings.dropout,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=_or(settings.learning_rate, _rate(base.parameters, dpo=dpo)) * multiplier,
        schedule=settings.learning_rate_schedule,
        steps=steps,
        warmup_steps=math.ceil(settings.warmup_share * steps),
        steps_an_epoch=steps_an_epoch,
        looks_an_epoch=_looks(data, steps_an_epoch),
        row_tokens=max(tokens, data.longest),
        row_items=items,
        gradient_checkpointing=checkpointing,
        beta=_or(method.get("beta"), DPO_BETA) if dpo else None,
        early_stop_patience=_patience(settings) if data.validation_tokens else None,
    )


def _patience(settings: TrainerSettings) -> int | None:
    return None if settings.early_stop_patience == "off" else settings.early_stop_patience


def _or(value: Any, auto: Any) -> Any:
    return auto if value is None or value == "auto" else value


def auto_epochs(examples: int) -> int:
    """What `n_epochs = "auto"` becomes for so many examples."""
    # Few examples must be seen more often until they stay; many would be learned by heart.
    return 5 if examples < 500 else 3 if examples < 5_000 else 2


def _batch_size(examples: int) -> int:
    # At least some tens of steps an epoch from small sets, gradients with less noise from large ones.
    return 4 if examples < 200 else 8 if examples < 2_000 else 16 if examples < 20_000 else 32


def _rate(parameters: int, *, dpo: bool) -> float:
    rate = 1e-3 if parameters < 500_000_000 else 2e-4 if parameters < 13_000_000_000 else 1e-4
    # Preferences move whole answers: rates of a tenth are usual (TRL's examples, Tunstall et al. 2023, "Zephyr").
    return rate / 10 if dpo else rate


def _looks(data: DataFacts, steps_an_epoch: int) -> int:
    # A look costs a third of a training pass over the same tokens.
    if not data.validation_tokens:
        return 1
    affordable = int(_LOOKING_SHARE * 3 * data.tokens / data.validation_tokens)
    return max(1, min(_LOOKS_AN_EPOCH, affordable, steps_an_epoch))


def _row_tokens(base: BaseFacts, device: DeviceFacts, *, checkpointing: bool) -> int:
    """Tokens of one pass, such that what it keeps for the way back takes half of the free memory."""
    if device.free_bytes is None:
        return CPU_ROW_TOKENS
    layer = (24 * base.hidden + 8 * base.intermediate) * device.value_bytes
    kept = base.layers * base.hidden * device.value_bytes + layer if checkpointing else base.layers * layer
    return max(256, min(MAX_ROW_TOKENS, int(device.free_bytes / 2 / kept)))
