"""How surprised the model is by each learned token: one pass of a row through it, as cheap as the model allows.

Two short cuts, each used only where it gives this very model's own answers (`prepare` compares them): sequences end to
end in one row, and the head applied to learned places alone, a block at a time, so that logits of a whole row never
exist. Without them the model's own forward is used.
"""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from ftworker.training.batches import Row, make_row
from ftworker.training.packed_attention import NAME, NotPackable, PackedAttention
from ftworker.training.rendering import Rendered

_BLOCK_VALUES = 1 << 24
"""Logits that exist at once: 64 MiB of float32."""
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.15, torch.float16: 0.05}
"""Nats by which a short cut may differ on a token: rounding. Seeing another sequence moves a model by whole nats."""


@dataclass(frozen=True)
class ShortCuts:
    """Which of the two this model allows."""

    packing: bool
    head: bool


class Scorer:
    """Runs rows through a model. `autocast` is the type of the arithmetic; None: that of the weights."""

    def __init__(self, model: Any, device: torch.device, autocast: torch.dtype | None = None) -> None:
        self.model = model
        self.device = device
        self.short_cuts = ShortCuts(packing=False, head=False)
        self._autocast = autocast
        self._causal = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._attention = PackedAttention()
        self._head: torch.Tensor | None = None
        self._keeps_some = "logits_to_keep" in inspect.signature(self._causal.forward).parameters
        self._softcap = getattr(self._causal.config.get_text_config(), "final_logit_softcapping", None)

    def prepare(self, *, packing: bool) -> ShortCuts:
        """Find out which short cuts this model allows, by comparing them with its own answers on made-up tokens."""
        dice = numpy.random.default_rng(0)
        vocabulary = self._causal.get_input_embeddings().weight.shape[0]
        sequences = [
            Rendered(dice.integers(0, vocabulary, length, dtype=numpy.int32), numpy.arange(length) > 0)
            for length in (13, 7)
        ]
        training = self.model.training
        self.model.eval()
        with torch.no_grad():
            expected = torch.cat([self.losses(make_row([each], packed=False)) for each in sequences])
            self._try(ShortCuts(packing=False, head=True), sequences, expected)
            if packing:
                self._try(ShortCuts(packing=True, head=self.short_cuts.head), sequences, expected)
        self.model.train(training)
        return self.short_cuts

    def losses(self, row: Row) -> torch.Tensor:
        """The negative log-probability of each target of the row, in nats (float32), in the order of its targets."""
        ids = torch.from_numpy(row.ids).to(self.device, non_blocking=True)
        predictors = torch.from_numpy(row.predictors).to(self.device, non_blocking=True)
        targets = torch.from_numpy(row.targets).to(self.device, non_blocking=True)
        inputs: dict[str, Any] = {"input_ids": ids, "use_cache": False}
        if row.mask is None:
            inputs["position_ids"] = torch.from_numpy(row.positions).to(self.device, non_blocking=True)
        else:
            inputs["attention_mask"] = torch.from_numpy(row.mask).to(self.device, non_blocking=True)
        self._attention.lengths = row.lengths
        with self._arithmetic():
            if self.short_cuts.head:
                hidden = self._body(**inputs).last_hidden_state.flatten(0, 1)[predictors]
                head = self._head_weight()
                losses: torch.Tensor = _FrozenHead.apply(hidden.to(head.dtype), head, targets, self._softcap)
                return losses
            places = predictors % ids.shape[1]
            if self._keeps_some:
                # One list of places for all sequences: the model takes no other.
                inputs["logits_to_keep"], places = torch.unique(places, return_inverse=True)
            logits = self.model(**inputs).logits
            chosen = logits[predictors // ids.shape[1], places].float()
        return torch.nn.functional.cross_entropy(chosen, targets, reduction="none")

    def without_lora(self) -> AbstractContextManager[Any]:
        """While it lasts the model is the base."""
        off: AbstractContextManager[Any] = self.model.disable_adapter()
        return off

    def _body(self, **inputs: Any) -> Any:
        return getattr(self._causal, self._causal.base_model_prefix)(**inputs)

    def _head_weight(self) -> torch.Tensor:
        """The weight of the head in the type of the arithmetic, made once: it does not change."""
        if self._head is None:
            weight: torch.Tensor = self._causal.get_output_embeddings().weight
            self._head = weight.to(self._autocast or weight.dtype)
        return self._head

    def _arithmetic(self) -> AbstractContextManager[Any]:
        if self._autocast is None:
            return nullcontext()
        arithmetic: AbstractContextManager[Any] = torch.autocast(self.device.type, dtype=self._autocast)
        return arithmetic

    def _try(self, short_cuts: ShortCuts, sequences: list[Rendered], expected: torch.Tensor) -> None:
        before = self.short_cuts, self._causal.config._attn_implementation  # noqa: SLF001 - no public name for it
        self.short_cuts = short_cuts
        try:
            if short_cuts.packing:
                self._attention.register()
                self._causal.set_attn_implementation(NAME)
            found = self.losses(make_row(sequences, packed=short_cuts.packing))
            kind = self._autocast or self._causal.get_input_embeddings().weight.dtype
            same = bool((found - expected).abs().max() < _TOLERANCE[kind])
        except (NotPackable, AttributeError, ValueError, TypeError, KeyError, RuntimeError):
            same = False  # a model built in another way: it has its own forward
        if not same:
            self.short_cuts, attention = before
            if short_cuts.packing:
                self._causal.set_attn_implementation(attention)


class _FrozenHead(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
    """Cross-entropy behind a head that is not trained: its gradient is made at once, so that a block of logits is
    forgotten before the next one is made.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, softcap: float | None
    ) -> torch.Tensor:
        """Hidden states (places, width) and targets (places) to losses (places), float32."""
        with torch.autocast(hidden.device.type, enabled=False):
            wanted = ctx.needs_input_grad[0]
            losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
            gradient = torch.empty_like(hidden) if wanted else None
            size = max(1, _BLOCK_VALUES // weight.shape[0])
            for start in range(0, len(targets), size):
                block = slice(start, start + size)
                picks = targets[block, None]
                logits = (hidden[block] @ weight.T).float()
                if softcap is not None:
                    logits = logits.div_(softcap).tanh_().mul_(softcap)
                largest = logits.amax(dim=1, keepdim=True)
                picked = logits.gather(1, picks)
                shares = logits - largest if softcap is not None else logits.sub_(largest)
                total = shares.exp_().sum(dim=1, keepdim=True)
                losses[block] = (total.log() + largest - picked)[:, 0]
                if gradient is None:
                    continue
                shares.div_(total)
                shares.scatter_add_(1, picks, torch.full_like(picked, -1.0))
                if softcap is not None:
                    shares.mul_(1 - (logits / softcap).square_())
                gradient[block] = shares.to(hidden.dtype) @ weight
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, output: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Each place's own gradient times what comes back for its loss."""
        (gradient,) = ctx.saved_tensors
        return (gradient * output[:, None]).to(gradient.dtype), None, None, None
