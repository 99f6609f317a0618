"""Which sequences go through the model together: steps, the rows of a step, and a row as tensors' content.

Deterministic: seed and epoch decide the order, so that a training goes on after a kill where it stood. Never
touches a device.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from ftworker.training.rendering import Rendered


@dataclass(frozen=True)
class Item:
    """What is learned as one: a sequence, or the chosen and the rejected sequence of a pair."""

    sequences: tuple[Rendered, ...]

    @property
    def tokens(self) -> int:
        return sum(len(each.ids) for each in self.sequences)

    @property
    def longest(self) -> int:
        return max(len(each.ids) for each in self.sequences)

    @property
    def learned_tokens(self) -> int:
        return sum(each.learned_tokens for each in self.sequences)


@dataclass(frozen=True)
class RowLimits:
    """What one row, that is one pass through the model, may hold."""

    tokens: int
    """Padding included. An item that is longer gets a row of its own."""
    items: int | None
    """At most so many items; None: as many as fit."""
    packed: bool
    """Sequences end to end in one row; else one under the other, padded to the longest."""


def epoch_order(items: int, seed: int, epoch: int) -> list[int]:
    """The order of an epoch: a shuffle that the seed and the epoch's number decide."""
    order = list(range(items))
    random.Random(f"{seed}:{epoch}").shuffle(order)  # noqa: S311 - an order, no secret
    return order


def steps_of_epoch(order: Sequence[int], batch_size: int) -> list[list[int]]:
    """The items of each step, `batch_size` at a time; the last step takes what is left."""
    return [list(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]


def rows_of_step(items: Sequence[Item], limits: RowLimits, processes: int = 1) -> list[list[Item]]:
    """The rows that hold these items: as full as the limits allow, at least one for each process where there are
    items enough, the longest first. Every item stands in exactly one row.
    """
    tokens = limits.tokens
    if processes > 1:
        tokens = min(tokens, -(-sum(item.tokens for item in items) // processes))
    rows: list[list[Item]] = []
    sizes: list[tuple[int, int, int]] = []  # tokens, sequences, longest
    for item in sorted(items, key=lambda each: each.longest, reverse=True):
        for place, row in enumerate(rows):
            total, count, longest = sizes[place]
            longest = max(longest, item.longest)
            size = total + item.tokens if limits.packed else (count + len(item.sequences)) * longest
            if size <= tokens and (limits.items is None or len(row) < limits.items):
                row.append(item)
                sizes[place] = (total + item.tokens, count + len(item.sequences), longest)
                break
        else:
            rows.append([item])
            sizes.append((item.tokens, len(item.sequences), item.longest))
    return rows


@dataclass(frozen=True)
class Row:
    """One pass through the model. All arrays are int64.

    `ids` and `positions` are (1, tokens) when packed, else (sequences, longest). `predictors` are the places, in the
    flattened row, whose next token is learned; `targets` are those tokens; `owners` says to which sequence each
    belongs.
    """

    ids: numpy.ndarray[Any, Any]
    positions: numpy.ndarray[Any, Any]
    mask: numpy.ndarray[Any, Any] | None
    """1 for a token, 0 for padding; None when packed."""
    lengths: tuple[int, ...]
    predictors: numpy.ndarray[Any, Any]
    targets: numpy.ndarray[Any, Any]
    owners: numpy.ndarray[Any, Any]


def make_row(sequences: Sequence[Rendered], *, packed: bool) -> Row:
    """The sequences as one row."""
    lengths = tuple(len(each.ids) for each in sequences)
    if packed:
        starts = [0, *numpy.cumsum(lengths)[:-1].tolist()]
        ids = numpy.concatenate([each.ids for each in sequences]).astype(numpy.int64)[None]
        positions = numpy.concatenate([numpy.arange(length) for length in lengths])[None]
        mask = None
    else:
        longest = max(lengths)
        starts = [place * longest for place in range(len(lengths))]
        ids = numpy.zeros((len(lengths), longest), dtype=numpy.int64)
        mask = numpy.zeros_like(ids)
        for place, each in enumerate(sequences):
            ids[place, : len(each.ids)] = each.ids
            mask[place, : len(each.ids)] = 1
        positions = numpy.broadcast_to(numpy.arange(longest), ids.shape).copy()
    learned = [numpy.flatnonzero(each.learned) for each in sequences]
    return Row(
        ids=ids,
        positions=positions.astype(numpy.int64),
        mask=mask,
        lengths=lengths,
        predictors=numpy.concatenate(
            [start + places - 1 for start, places in zip(starts, learned, strict=True)]
        ),
        targets=numpy.concatenate(
            [each.ids[places] for each, places in zip(sequences, learned, strict=True)]
        ).astype(numpy.int64),
        owners=numpy.repeat(numpy.arange(len(sequences)), [len(places) for places in learned]),
    )
