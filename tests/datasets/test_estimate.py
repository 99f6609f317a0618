"""Epochs by the published rule, and what a training costs."""

from __future__ import annotations

import pytest

from ftworker.datasets.estimate import TrainingEstimate, estimate_epochs, estimate_training, model_price

PRICES = {"gpt-4.1": 25.0, "gpt-4.1-mini": 5.0}


@pytest.mark.parametrize(
    "rows,epochs",
    [
        (0, 3),
        (1, 25),
        (4, 25),
        (10, 10),
        (33, 3),
        (34, 3),
        (100, 3),
        (8_333, 3),
        (8_334, 2),
        (25_000, 1),
        (10**6, 1),
    ],
)
def test_automatic_epochs_aim_at_three_between_100_and_25000_examples(rows: int, epochs: int) -> None:
    assert estimate_epochs(rows) == epochs


@pytest.mark.parametrize(
    "model,price",
    [
        ("gpt-4.1-2025-04-14", 25.0),
        ("gpt-4.1-mini-2025-04-14", 5.0),
        ("ft:gpt-4.1-mini-2025-04-14:acme::abc", 5.0),
        ("llama3.2:3b", None),
    ],
)
def test_a_price_is_found_by_the_longest_beginning_of_the_models_name(
    model: str, price: float | None
) -> None:
    assert model_price(model, PRICES) == price


def test_cost_is_tokens_times_epochs_times_price() -> None:
    estimate = estimate_training(
        1_000, 2_000_000, n_epochs=4, model="gpt-4.1-mini", price_per_million_tokens=PRICES
    )
    assert estimate == TrainingEstimate(4, 8_000_000, 40.0)
    automatic = estimate_training(10, 100, n_epochs="auto", model="other", price_per_million_tokens=PRICES)
    assert automatic == TrainingEstimate(10, 1_000, None)
