"""The loss of a training as a plot of characters. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ftworker.training.results import LossPoint

HEIGHT: Final = 9
_TRAINED, _HELD_OUT, _BOTH = "·", "o", "●"


def plot(points: Sequence[LossPoint], *, width: int) -> Iterator[str]:
    """Lines of at most `width` characters: loss upwards from 0, steps to the right. Nothing for fewer than 2 points."""
    drawn = [
        (point.step, loss, sign)
        for sign, losses in (
            (_TRAINED, [(point, point.train_loss) for point in points]),
            (_HELD_OUT, [(point, point.validation_loss) for point in points]),
        )
        for point, loss in losses
        if loss is not None
    ]
    if len(drawn) < 2:
        return
    top = max(loss for _, loss, _ in drawn) or 1.0
    last = max(step for step, _, _ in drawn) or 1
    room = width - 8
    grid = [[" "] * room for _ in range(HEIGHT)]
    for step, loss, sign in drawn:
        column = round(step / last * (room - 1))
        row = round((1 - loss / top) * (HEIGHT - 1))
        before = grid[row][column]
        grid[row][column] = sign if before in (" ", sign) else _BOTH
    for number, row_signs in enumerate(grid):
        height = top * (1 - number / (HEIGHT - 1))
        label = f"{height:5.2f}" if number % 4 == 0 else " " * 5
        yield f"{label} │{''.join(row_signs)}".rstrip()
    yield f"      └{'─' * room}"
    steps = f"{last} steps"
    yield f"       0{steps.rjust(room - 1)}"
    yield f"       {_TRAINED} examples to train   {_HELD_OUT} held-out examples   {_BOTH} both"
