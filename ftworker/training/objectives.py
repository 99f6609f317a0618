"""What a training makes smaller: the surprise at taught answers, or the wrong order of two answers (DPO).

An objective gives the summed loss of a row and the weight that it is a sum over. Sums are divided by the weight of
the whole step, never averaged row by row: a mean of means would count tokens of short rows more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import logsigmoid

from ftworker.training.batches import Item, Row, RowLimits, make_row, rows_of_step
from ftworker.training.checkpoints import sync
from ftworker.training.scoring import Scorer


class Objective(Protocol):
    """What is made smaller."""

    def weight(self, item: Item) -> int:
        """What the item counts in a mean: its learned tokens, or 1 for a pair."""
        ...

    def loss(self, items: Sequence[Item]) -> torch.Tensor:
        """The summed loss of the items as one row, in nats, with its gradient."""
        ...


class Supervised:
    """Every learned token counts the same, in whatever row it stands."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def weight(self, item: Item) -> int:
        return item.learned_tokens

    def loss(self, items: Sequence[Item]) -> torch.Tensor:
        return self._scorer.losses(row_of(items, self._scorer)).sum()


class Preference:
    """Direct preference optimisation (Rafailov et al. 2023): the chosen answer becomes likelier than the rejected one,
    measured from the base. What the base itself thinks of them is computed once.
    """

    def __init__(self, scorer: Scorer, beta: float, reference: Mapping[int, float]) -> None:
        self._scorer = scorer
        self._beta = beta
        self._reference = reference
        """By `id` of the item: how much likelier the base finds the chosen answer, in nats."""

    def weight(self, item: Item) -> int:  # noqa: ARG002 - the signature of an objective
        return 1

    def loss(self, items: Sequence[Item]) -> torch.Tensor:
        row = row_of(items, self._scorer)
        margins = _margins(self._scorer.losses(row), row)
        reference = torch.tensor([self._reference[id(item)] for item in items], device=margins.device)
        return -logsigmoid(self._beta * (margins - reference)).sum()


def row_of(items: Sequence[Item], scorer: Scorer) -> Row:
    """The sequences of the items, in their order, in the form that this model takes."""
    sequences = [sequence for item in items for sequence in item.sequences]
    return make_row(sequences, packed=scorer.short_cuts.packing)


def reference_margins(
    scorer: Scorer, items: Sequence[Item], limits: RowLimits, cache: Path
) -> dict[int, float]:
    """How much likelier the base, its LoRA off, finds each item's chosen answer; kept in `cache` for another start.

    The items must be the same in the same order, as the same order and data make them.
    """
    if cache.exists():
        kept = load_file(str(cache))["margins"].tolist()
        if len(kept) == len(items):
            return dict(zip(map(id, items), kept, strict=True))
    found: dict[int, float] = {}
    with torch.no_grad(), scorer.without_lora():
        for taken in rows_of_step(items, limits):
            row = row_of(taken, scorer)
            found.update(zip(map(id, taken), _margins(scorer.losses(row), row).tolist(), strict=True))
    cache.parent.mkdir(parents=True, exist_ok=True)
    writing = cache.with_suffix(".writing")
    save_file({"margins": torch.tensor([found[id(item)] for item in items])}, str(writing))
    sync(writing)
    writing.rename(cache)
    return found


def _margins(losses: torch.Tensor, row: Row) -> torch.Tensor:
    """Log-probability of each pair's chosen answer less that of its rejected one: sums over the answers' tokens."""
    owners = torch.from_numpy(row.owners.astype(numpy.int64)).to(losses.device)
    sums = torch.zeros(len(row.lengths), device=losses.device).index_add(0, owners, -losses)
    return sums[0::2] - sums[1::2]
