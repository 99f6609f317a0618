"""How far one model's next-token distributions are from another's: Kullback-Leibler divergence, in nats. Pure.

The reference is known whole, the other by its most probable tokens: the rest of both is taken as one more outcome. So
the figure is never above the true one, and close to it, since what is left out is the unlikely tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy

Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]

_FLOOR: Final = 1e-9
"""Least probability of an outcome, so that one that a model rounds to nothing does not make the figure infinite."""


@dataclass(frozen=True)
class TopTokens:
    """A next-token distribution by its most probable tokens."""

    ids: numpy.ndarray[Any, numpy.dtype[numpy.int64]]
    log_probabilities: Floats
    """Natural logarithms, one for each of `ids`."""


@dataclass(frozen=True)
class Divergence:
    """What comparing prompt by prompt came to."""

    mean: float
    """Nats."""
    worst: float
    same_first: int
    """Prompts after which both find the same token most probable."""
    prompts: int


def divergence(reference: Sequence[Floats], served: Sequence[TopTokens]) -> Divergence:
    """Compare distributions prompt by prompt. `reference`: log-probabilities of the whole vocabulary, one array a
    prompt, in the same order as `served`. Tokens that the reference does not have count as its rest.
    """
    figures = [_kullback_leibler(ours, theirs) for ours, theirs in zip(reference, served, strict=True)]
    same = sum(
        int(ours.argmax()) == int(theirs.ids[theirs.log_probabilities.argmax()])
        for ours, theirs in zip(reference, served, strict=True)
    )
    return Divergence(sum(figures) / len(figures), max(figures), same, len(figures))


def _kullback_leibler(reference: Floats, served: TopTokens) -> float:
    known = served.ids < len(reference)
    p = numpy.exp(reference[served.ids[known]])
    q = numpy.exp(served.log_probabilities[known])
    # What neither counts above is one outcome more, so that both sum to 1.
    p = numpy.append(p, max(0.0, 1.0 - p.sum())).clip(_FLOOR)
    q = numpy.append(q, max(0.0, 1.0 - q.sum())).clip(_FLOOR)
    p, q = p / p.sum(), q / q.sum()
    return float((p * (numpy.log(p) - numpy.log(q))).sum())
