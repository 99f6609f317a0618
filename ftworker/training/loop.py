"""The training itself: steps of AdamW on the LoRA's weights, looks at the held-out loss, checkpoints.

One process or several, the same numbers: each step's rows are dealt out to the processes and their gradients summed.
Goes on from a checkpoint as if it had never stopped. Never reads data or loads models: `train` does.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ftworker.training import lora
from ftworker.training.batches import Item, RowLimits, epoch_order, rows_of_step, steps_of_epoch
from ftworker.training.checkpoints import Checkpoint, Checkpoints, Standing
from ftworker.training.devices import Place, peak_memory_bytes
from ftworker.training.events import Progressed
from ftworker.training.objectives import Objective
from ftworker.training.presets import GRADIENT_LIMIT, WEIGHT_DECAY, Hyperparameters
from ftworker.training.results import LossPoint
from ftworker.training.stage import Events, Interrupted, StageFailed, Stop, is_out_of_memory

_TELL_SECONDS = 0.5
"""Least time between two events of progress."""
_SMALLEST_LOSS_SCALE = 1.0
_SMALLEST_ROW_TOKENS = 128


@dataclass(frozen=True)
class Outcome:
    """The LoRA that is kept, and how the training went."""

    lora: Mapping[str, torch.Tensor]
    standing: Standing
    validation_loss: float | None
    stopped_early: bool


class Training:
    """One training of one model. `run` is called once."""

    def __init__(
        self,
        model: Any,
        objective: Objective,
        *,
        train: Sequence[Item],
        validation: Sequence[Item],
        hyperparameters: Hyperparameters,
        limits: RowLimits,
        place: Place,
        checkpoints: Checkpoints,
        checkpoint_seconds: float,
        events: Events,
        stop: Stop,
        began: float,
    ) -> None:
        """`limits` hold for the rows; `began` is when this attempt did, by the monotonic clock."""
        self._model = model
        self._objective = objective
        self._train = train
        self._validation = validation
        self._numbers = hyperparameters
        self._limits = limits
        self._place = place
        self._checkpoints = checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._events = events
        self._stop = stop
        self._weights = lora.trainable(model)
        self._optimizer = torch.optim.AdamW(
            self._weights,
            lr=hyperparameters.learning_rate,
            weight_decay=WEIGHT_DECAY,
            fused=place.device.type in {"cpu", "cuda"},
        )
        self._scaler = torch.amp.GradScaler(place.device.type, enabled=place.precision == "fp16")
        self._best: Mapping[str, torch.Tensor] | None = None
        self._standing = Standing()
        self._resumed_at = began
        self._saved_at = began
        self._told_at = 0.0
        self._speed = _Speed()

    def run(self) -> Outcome:
        """Train to the end. Raises Interrupted when asked to stop, after a checkpoint; StageFailed."""
        self._stop.defer()
        self._restore()
        standing = self._standing
        if self._validation and standing.base_validation_loss is None:
            standing.base_validation_loss = standing.best_validation_loss = self._held_out_loss()
            standing.curve.append(LossPoint(step=0, epoch=0.0, validation_loss=standing.base_validation_loss))
        steps: list[list[int]] = []
        epoch = -1
        while True:
            # Before the next step, not after the last one: a look that a stop cut short is made up for.
            if self._numbers.looks_after(standing.step) and standing.looked_at < standing.step:
                self._look()
            if standing.step == self._numbers.steps or self._patience_is_over():
                return self._outcome()
            self._checkpoint_when_due()
            now, within = divmod(standing.step, self._numbers.steps_an_epoch)
            if now != epoch:
                epoch = now
                order = epoch_order(len(self._train), self._numbers.seed, epoch)
                steps = steps_of_epoch(order, self._numbers.batch_size)
                if within == 0:
                    standing.epoch_loss_sum = standing.epoch_loss_weight = 0.0
            self._step([self._train[place] for place in steps[within]])

    def _step(self, items: Sequence[Item]) -> None:
        """One step of the optimizer over these items."""
        standing = self._standing
        weight = sum(self._objective.weight(item) for item in items)
        rate = self._numbers.rate(standing.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        began = time.monotonic()
        loss, asked_to_stop = self._gradients_in_memory(items, weight)
        if not math.isfinite(loss):
            raise self._not_finite(f"the loss became {loss}")
        self._apply()
        tokens = sum(item.tokens for item in items)
        standing.step += 1
        standing.seen_tokens += tokens
        standing.trained_tokens += sum(item.learned_tokens for item in items)
        standing.loss_sum += loss
        standing.loss_weight += weight
        standing.epoch_loss_sum += loss
        standing.epoch_loss_weight += weight
        self._speed.add(tokens, time.monotonic() - began)
        self._tell(loss / weight, rate)
        if asked_to_stop:
            self._save()
            raise Interrupted

    def _gradients_in_memory(self, items: Sequence[Item], weight: int) -> tuple[float, bool]:
        """As `_gradients`, in smaller rows where memory runs out."""
        while True:
            try:
                return self._gradients(items, weight)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._smaller_rows():
                    raise

    def _gradients(self, items: Sequence[Item], weight: int) -> tuple[float, bool]:
        """Leave the step's gradients in the weights; returns the summed loss, and whether any process was asked to
        stop. The same on every process.
        """
        place = self._place
        # The dice of dropout: the same after a kill as without one.
        torch.manual_seed(hash((self._numbers.seed, self._standing.step, place.rank)) & 0x7FFF_FFFF)
        self._optimizer.zero_grad(set_to_none=True)
        total = torch.zeros(1, device=place.device)
        rows = rows_of_step(items, self._limits, place.size)
        for row in rows[place.rank :: place.size]:
            if self._stop.requested and place.size == 1:
                self._save()
                raise Interrupted
            loss = self._objective.loss(row)
            self._scaler.scale(loss / weight).backward()
            total += loss.detach()
        if place.size == 1:
            return total.item(), self._stop.requested
        return self._add_up(total)

    def _add_up(self, total: torch.Tensor) -> tuple[float, bool]:
        """Sum gradients, loss and the wish to stop over all processes, in one message."""
        parts = [
            (weight.grad if weight.grad is not None else torch.zeros_like(weight)).flatten()
            for weight in self._weights
        ]
        stops = torch.full_like(total, float(self._stop.requested))
        message = self._place.add_up(torch.cat([*parts, total, stops]))
        start = 0
        for weight in self._weights:
            weight.grad = message[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        loss, asked = message[start:].tolist()
        return loss, asked > 0

    def _apply(self) -> None:
        """Clip the gradients and move the weights."""
        self._scaler.unscale_(self._optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self._weights, GRADIENT_LIMIT)
        if not self._scaler.is_enabled() and not torch.isfinite(norm):
            raise self._not_finite("the gradient became infinite")
        self._scaler.step(self._optimizer)  # with fp16, steps over an infinite gradient and lowers its scale
        self._scaler.update()
        if self._scaler.is_enabled() and self._scaler.get_scale() < _SMALLEST_LOSS_SCALE:
            raise self._not_finite("gradients stay infinite in fp16")

    def _not_finite(self, what: str) -> StageFailed:
        return StageFailed(
            "loss_not_finite",
            f"{what} at step {self._standing.step + 1} of {self._numbers.steps}; lower training.learning_rate (it is "
            f"{self._numbers.learning_rate:g}) or raise training.warmup_share, or set training.precision = "
            f'"{"bf16" if self._place.precision == "fp16" else "fp32"}"',
        )

    def _smaller_rows(self) -> bool:
        """After memory ran out: halve the rows. The step's sums stay the same, so nothing is lost but time."""
        tokens = self._limits.tokens // 2
        if self._place.size > 1 or tokens < _SMALLEST_ROW_TOKENS or self._limits.items == 1:
            return False
        items = None if self._limits.items is None else max(1, self._limits.items // 2)
        self._limits = RowLimits(tokens, items, self._limits.packed)
        self._optimizer.zero_grad(set_to_none=True)
        gc.collect()
        if self._place.device.type == "cuda":
            torch.cuda.empty_cache()
        self._events.note(
            f"memory ran out: from here on at most {tokens} tokens go through the model at once"
        )
        return True

    def _look(self) -> None:
        """Write a point of the curve, with the held-out loss where there is one, and keep what is best."""
        standing = self._standing
        held_out = self._held_out_loss() if self._validation else None
        standing.curve.append(
            LossPoint(
                step=standing.step,
                epoch=standing.step / self._numbers.steps_an_epoch,
                train_loss=standing.loss_sum / standing.loss_weight,
                validation_loss=held_out,
                learning_rate=self._numbers.rate(standing.step - 1),
            )
        )
        standing.loss_sum = standing.loss_weight = 0.0
        standing.looked_at = standing.step
        if held_out is None:
            return
        if not math.isfinite(held_out):
            raise self._not_finite(f"the held-out loss became {held_out}")
        if standing.best_validation_loss is None or held_out < standing.best_validation_loss:
            standing.best_validation_loss = held_out
            standing.best_step = standing.step
            standing.looks_without_best = 0
            self._best = lora.weights(self._model)
        else:
            standing.looks_without_best += 1

    def _held_out_loss(self) -> float:
        """The mean held-out loss, over everything that counts in it."""
        rows = rows_of_step(self._validation, self._limits, self._place.size)
        mine = rows[self._place.rank :: self._place.size]
        total = torch.zeros(1, dtype=torch.float64)
        self._model.eval()
        with torch.no_grad():
            for done, row in enumerate(mine):
                if self._stop.requested and self._place.size == 1:
                    self._save()
                    raise Interrupted
                total += self._objective.loss(row).item()
                self._tell_look(done, len(mine))
        self._model.train()
        summed = self._place.add_up(total.float().to(self._place.device))
        loss = float(summed.item()) / sum(self._objective.weight(item) for item in self._validation)
        self._events.send(Progressed("evaluate", len(mine), len(mine), "rows", validation_loss=loss))
        return loss

    def _patience_is_over(self) -> bool:
        patience = self._numbers.early_stop_patience
        return patience is not None and self._standing.looks_without_best >= patience

    def _outcome(self) -> Outcome:
        standing = self._standing
        standing.seconds += time.monotonic() - self._resumed_at
        kept = self._best if self._best is not None else lora.weights(self._model)
        looked = self._best is not None or not self._validation
        last = standing.curve[-1].validation_loss if standing.curve else None
        return Outcome(
            lora=kept,
            standing=standing,
            validation_loss=standing.best_validation_loss if looked else last,
            stopped_early=standing.step < self._numbers.steps,
        )

    # -- checkpoints

    def _checkpoint_when_due(self) -> None:
        if time.monotonic() - self._saved_at >= self._checkpoint_seconds:
            self._save()

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if not self._place.first:
            return
        standing = self._standing
        standing.seconds += self._saved_at - self._resumed_at
        self._resumed_at = self._saved_at
        if self._scaler.is_enabled():
            state = self._scaler.state_dict()
            standing.loss_scale, standing.loss_scale_steps = state["scale"], state["_growth_tracker"]
        optimizer: dict[str, torch.Tensor] = {}
        for place, weight in enumerate(self._weights):
            for name, value in self._optimizer.state[weight].items():
                optimizer[f"{place}.{name}"] = value.detach().to("cpu", copy=True).contiguous()
        self._checkpoints.save(Checkpoint(standing, lora.weights(self._model), optimizer, self._best))

    def _restore(self) -> None:
        found = self._checkpoints.newest()
        if found is None:
            return
        self._standing = found.standing
        self._best = found.best
        lora.set_weights(self._model, found.lora)
        for place, weight in enumerate(self._weights):
            names = ("step", "exp_avg", "exp_avg_sq")
            state = {name: found.optimizer.get(f"{place}.{name}") for name in names}
            if state["exp_avg"] is not None:
                self._optimizer.state[weight] = {
                    name: value.to(weight.device) for name, value in state.items() if value is not None
                }
        if self._scaler.is_enabled() and found.standing.loss_scale is not None:
            self._scaler.load_state_dict(
                {
                    **self._scaler.state_dict(),
                    "scale": found.standing.loss_scale,
                    "_growth_tracker": found.standing.loss_scale_steps,
                }
            )
        self._events.note(
            f"goes on from the checkpoint of step {found.standing.step} of {self._numbers.steps}"
        )

    # -- telling

    def _tell(self, loss: float, rate: float) -> None:
        standing = self._standing
        last = standing.step == self._numbers.steps
        if not last and time.monotonic() - self._told_at < _TELL_SECONDS:
            return
        self._told_at = time.monotonic()
        self._events.send(
            Progressed(
                "train",
                standing.step,
                self._numbers.steps,
                "steps",
                loss=loss,
                validation_loss=standing.curve[-1].validation_loss if standing.curve else None,
                learning_rate=rate,
                epoch=standing.step / self._numbers.steps_an_epoch,
                tokens_per_second=self._speed.tokens_per_second,
                eta_seconds=(self._numbers.steps - standing.step) * self._speed.seconds_a_step,
                memory_bytes=peak_memory_bytes(self._place.device),
                trained_tokens=standing.trained_tokens,
            )
        )

    def _tell_look(self, done: int, rows: int) -> None:
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._told_at = time.monotonic()
            self._events.send(Progressed("evaluate", done, rows, "rows"))


class _Speed:
    """Tokens a second and seconds a step over the last steps, of training alone."""

    def __init__(self) -> None:
        self._last: list[tuple[int, float]] = []

    def add(self, tokens: int, seconds: float) -> None:
        self._last = [*self._last[-19:], (tokens, seconds)]

    @property
    def seconds_a_step(self) -> float:
        return sum(seconds for _, seconds in self._last) / len(self._last)

    @property
    def tokens_per_second(self) -> float:
        seconds = sum(seconds for _, seconds in self._last)
        return sum(tokens for tokens, _ in self._last) / seconds if seconds else 0.0
