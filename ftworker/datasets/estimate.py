"""What training on a dataset would take: epochs, trained tokens, money. Pure, from counts and a price table.

An estimate before the paid call, for budgets and previews; the provider's own count decides the bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# The rule of OpenAI's published notebook for `auto`: three epochs, unless that makes fewer than 100 or more
# than 25,000 examples in all.
_TARGET_EPOCHS = 3
_LEAST_EXAMPLES = 100
_MOST_EXAMPLES = 25_000
_MOST_EPOCHS = 25


@dataclass(frozen=True)
class TrainingEstimate:
    """`usd` is None when no price is known for the model."""

    epochs: int
    trained_tokens: int
    usd: float | None


def estimate_epochs(rows: int) -> int:
    """The epochs that `n_epochs = "auto"` is expected to become for so many rows: 1 to 25."""
    if rows <= 0:
        return _TARGET_EPOCHS
    if rows * _TARGET_EPOCHS < _LEAST_EXAMPLES:
        return min(_MOST_EPOCHS, _LEAST_EXAMPLES // rows)
    if rows * _TARGET_EPOCHS > _MOST_EXAMPLES:
        return max(1, _MOST_EXAMPLES // rows)
    return _TARGET_EPOCHS


def estimate_training(
    rows: int,
    tokens: int,
    *,
    n_epochs: int | Literal["auto"],
    model: str,
    price_per_million_tokens: Mapping[str, float],
) -> TrainingEstimate:
    """Cost of training on `rows` examples of `tokens` in all (train file only): tokens x epochs x price."""
    epochs = estimate_epochs(rows) if n_epochs == "auto" else n_epochs
    trained = tokens * epochs
    price = model_price(model, price_per_million_tokens)
    return TrainingEstimate(epochs, trained, None if price is None else trained * price / 1_000_000)


def model_price(model: str, price_per_million_tokens: Mapping[str, float]) -> float | None:
    """US dollars for a million trained tokens, by the longest key that begins the model's name."""
    name = model.removeprefix("ft:")
    fitting = [key for key in price_per_million_tokens if name.startswith(key)]
    return price_per_million_tokens[max(fitting, key=len)] if fitting else None
