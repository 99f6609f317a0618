"""The result file of a job, and metric events, as a loss curve. Pure."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

MAX_POINTS = 500
"""Points kept beside a run; a longer curve is thinned evenly, its first and last point stay."""

_BOM = b"\xef\xbb\xbf"
# Azure's and the events' names for what OpenAI's file calls otherwise.
_ALIASES = {"train_mean_token_accuracy": "train_accuracy", "valid_accuracy": "valid_mean_token_accuracy"}


class UnreadableResults(ValueError):
    """The file is no result file: neither CSV that begins with `step,` nor base64 of such."""


@dataclass(frozen=True)
class LossPoint:
    """One step of a training. Accuracies are shares of tokens; None where the service measured nothing."""

    step: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None

    def as_json(self) -> dict[str, float]:
        """Only what was measured."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


_MEASURES = frozenset(field.name for field in fields(LossPoint)) - {"step"}


def parse_results(content: bytes) -> list[LossPoint]:
    """Read a result file, plain or base64-encoded, by its header's names, so that new columns do no harm.

    Raises UnreadableResults. Rows without a step are left out; empty cells and `nan` are None.
    """
    reader = csv.DictReader(io.StringIO(_csv_text(content), newline=None))
    try:
        points = [point for row in reader if (point := point_from(row)) is not None]
    except csv.Error as error:
        raise UnreadableResults(f"the result file is no CSV: {error}") from error
    if not points:
        raise UnreadableResults("the result file has a header and no steps")
    return points


def point_from(values: Mapping[str, Any]) -> LossPoint | None:
    """A point from a row of the file or from a metric event's data; None when it names no step."""
    step = _number(values.get("step"))
    if step is None:
        return None
    measured = {_ALIASES.get(name, name): _number(value) for name, value in values.items()}
    return LossPoint(int(step), **{name: value for name, value in measured.items() if name in _MEASURES})


def curve_as_json(points: Iterable[LossPoint]) -> list[dict[str, float]]:
    """The curve in order of its steps, thinned to MAX_POINTS, as plain values."""
    ordered = sorted(points, key=lambda point: point.step)
    if len(ordered) > MAX_POINTS:
        last = len(ordered) - 1
        ordered = [ordered[round(position * last / (MAX_POINTS - 1))] for position in range(MAX_POINTS)]
    return [point.as_json() for point in ordered]


def last_measured(points: Iterable[LossPoint], name: str) -> float | None:
    """The value of a measure at the last step that has one."""
    ordered = sorted(points, key=lambda point: point.step, reverse=True)
    return next((value for point in ordered if (value := getattr(point, name)) is not None), None)


def _csv_text(content: bytes) -> str:
    plain = content.removeprefix(_BOM)
    if not plain.startswith(b"step,"):
        try:
            plain = base64.b64decode(plain, validate=False).removeprefix(_BOM)
        except binascii.Error as error:
            raise UnreadableResults("the result file is neither CSV nor base64") from error
    if not plain.startswith(b"step,"):
        raise UnreadableResults("the result file does not begin with a column `step`")
    return plain.decode("utf-8", "replace")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
