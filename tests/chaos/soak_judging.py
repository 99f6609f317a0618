"""Whether something grows: the judge of a soak. Pure: numbers in, verdicts out.

A leak grows all the time. So a series is said to grow when its robust slope (Theil-Sen: the median of the slopes
between all pairs of samples) is above the bound over the whole time and still in its second half, and when what the
slope makes of the time is more than the noise. A cache that fills, a step, and a sawtooth do not; a staircase does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TEN_MINUTES = 600.0
LEAST_SAMPLES = 12
NOISE_DEVIATIONS = 3.0
"""Growth counts when it is more than so many median deviations from the line: about two standard deviations."""


@dataclass(frozen=True)
class Bound:
    """How much something may grow.

    `per_ten_minutes`, or `share` of its level in ten minutes where that is more. `least` is the growth over the whole
    time from which it counts at all: memory comes in pages and arenas, connections one by one.
    """

    per_ten_minutes: float
    least: float
    share: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What was found of one series: its level at the beginning and the end, and how it grows."""

    first: float
    last: float
    most: float
    per_ten_minutes: float
    growth: float
    """What the slope makes of the whole time."""
    noise: float
    grows: bool


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs of samples, in units a second."""
    t, v = np.asarray(times, float), np.asarray(values, float)
    i, j = np.triu_indices(len(t), 1)
    return float(np.median((v[j] - v[i]) / (t[j] - t[i])))


def judge(times: Sequence[float], values: Sequence[float], bound: Bound) -> Verdict:
    """Whether the series grows. `times` are seconds, ascending and each once, at least LEAST_SAMPLES of them."""
    whole = slope(times, values)
    half = len(times) // 2
    still = slope(times[half:], values[half:])
    t, v = np.asarray(times, float), np.asarray(values, float)
    around = v - whole * t
    noise = NOISE_DEVIATIONS * float(np.median(np.abs(around - np.median(around))))
    growth = whole * (times[-1] - times[0])
    allowed = max(bound.per_ten_minutes, bound.share * abs(float(np.median(v)))) / TEN_MINUTES
    tenth = max(1, len(values) // 10)
    return Verdict(
        first=float(np.median(v[:tenth])),
        last=float(np.median(v[-tenth:])),
        most=float(v.max()),
        per_ten_minutes=whole * TEN_MINUTES,
        growth=growth,
        noise=noise,
        grows=whole > allowed and still > allowed and growth >= max(bound.least, noise),
    )
