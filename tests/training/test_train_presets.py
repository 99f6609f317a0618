"""The numbers of a training, the order of its data and the rows of its steps."""

from __future__ import annotations

import itertools
from typing import Any

import numpy
import pytest

from ftworker.settings import TrainerSettings
from ftworker.training.batches import Item, RowLimits, epoch_order, make_row, rows_of_step, steps_of_epoch
from ftworker.training.presets import (
    CPU_ROW_TOKENS,
    BaseFacts,
    DataFacts,
    DeviceFacts,
    Hyperparameters,
    length_limit,
    resolve,
    training_seed,
)
from ftworker.training.rendering import Rendered

SMALL = BaseFacts(parameters=135_000_000, layers=30, hidden=576, intermediate=1536)
THREE_BILLION = BaseFacts(parameters=3_200_000_000, layers=28, hidden=3072, intermediate=8192)
LARGE = BaseFacts(parameters=32_000_000_000, layers=64, hidden=5120, intermediate=27_648)
CPU = DeviceFacts("cpu", None, 4, 1)
AUTO: dict[str, Any] = {
    "n_epochs": "auto",
    "batch_size": "auto",
    "learning_rate_multiplier": "auto",
    "beta": "auto",
}


def numbers(
    method: dict[str, Any] | None = None,
    *,
    base: BaseFacts = SMALL,
    examples: int = 100,
    validation_tokens: int = 1_000,
    device: DeviceFacts = CPU,
    **settings: Any,
) -> Hyperparameters:
    return resolve(
        TrainerSettings(**settings),
        AUTO | (method or {}),
        seed=1,
        base=base,
        data=DataFacts(examples, examples * 100, 300, validation_tokens),
        device=device,
    )


@pytest.mark.parametrize(
    "examples, expected",
    [(100, (5, 4, 16)), (1_000, (3, 8, 16)), (6_000, (2, 16, 32)), (50_000, (2, 32, 32))],
)
def test_epochs_batch_and_rank_follow_the_number_of_examples(
    examples: int, expected: tuple[int, int, int]
) -> None:
    found = numbers(examples=examples)
    assert (found.epochs, found.batch_size, found.rank) == expected
    assert found.alpha == 2 * found.rank


@pytest.mark.parametrize("base, rate", [(SMALL, 1e-3), (THREE_BILLION, 2e-4), (LARGE, 1e-4)])
def test_the_rate_falls_with_the_size_of_the_base_and_is_a_tenth_for_pairs(
    base: BaseFacts, rate: float
) -> None:
    assert numbers(base=base).learning_rate == rate
    pairs = numbers({"type": "dpo"}, base=base)
    assert pairs.learning_rate == pytest.approx(rate / 10)
    assert (pairs.beta, pairs.method) == (0.1, "dpo")


def test_what_is_said_is_used_and_the_multiplier_scales_the_rate() -> None:
    method = {"n_epochs": 7, "batch_size": 5, "learning_rate_multiplier": 0.5, "type": "dpo", "beta": 0.3}
    found = numbers(method, rank=64, alpha=16, learning_rate=1e-2, micro_batch=2, gradient_checkpointing=True)
    assert (found.epochs, found.batch_size, found.rank, found.alpha) == (7, 5, 64, 16)
    assert (found.learning_rate, found.beta, found.gradient_checkpointing) == (5e-3, 0.3, True)
    assert (found.row_items, found.row_tokens) == (2, 600)


def test_layers_are_computed_again_from_a_billion_parameters_on() -> None:
    assert not numbers(base=SMALL).gradient_checkpointing
    assert numbers(base=THREE_BILLION).gradient_checkpointing


def test_rows_are_as_long_as_half_of_a_gpu_takes_and_short_on_a_cpu() -> None:
    def row_tokens(free_gigabytes: int | None, base: BaseFacts = SMALL) -> int:
        free = free_gigabytes and free_gigabytes * 2**30
        return numbers(base=base, device=DeviceFacts("cuda", free, 2, 1)).row_tokens

    assert row_tokens(None) == CPU_ROW_TOKENS
    assert CPU_ROW_TOKENS < row_tokens(8) < row_tokens(24)
    assert row_tokens(24, THREE_BILLION) > 2_000
    assert numbers(max_length_tokens=600).row_tokens >= 300  # an example always fits


@pytest.mark.parametrize(
    "asked, context, limit", [("auto", 8192, 2048), ("auto", 512, 512), (4096, 8192, 4096)]
)
def test_an_example_is_at_most_as_long_as_asked_and_as_the_context(
    asked: Any, context: int, limit: int
) -> None:
    assert length_limit(TrainerSettings(max_length_tokens=asked), context) == limit


def test_without_a_seed_the_run_has_its_own_and_keeps_it() -> None:
    assert training_seed({"seed": 5}, "run-1") == 5
    assert training_seed({"seed": None}, "run-1") == training_seed({}, "run-1") != training_seed({}, "run-2")


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_rises_to_its_largest_and_falls_as_the_schedule_says(schedule: str) -> None:
    found = numbers(examples=100, warmup_share=0.1, learning_rate_schedule=schedule)
    rates = [found.rate(step) for step in range(found.steps)]
    warm = found.warmup_steps
    assert 0 < rates[0] < rates[warm] == found.learning_rate
    assert rates[: warm + 1] == sorted(rates[: warm + 1])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    assert (rates[-1] < found.learning_rate / 50) == (schedule != "constant")


@pytest.mark.parametrize("validation_tokens, looks", [(500, 4), (1_500, 2), (9_000, 1)])
def test_the_held_out_loss_costs_about_a_tenth_of_the_time(validation_tokens: int, looks: int) -> None:
    found = numbers(examples=100, validation_tokens=validation_tokens)
    after = [step for step in range(1, found.steps + 1) if found.looks_after(step)]
    assert len(after) == looks * found.epochs
    assert [step for step in after if step % found.steps_an_epoch == 0] == [
        epoch * found.steps_an_epoch for epoch in range(1, found.epochs + 1)
    ]


def test_without_held_out_examples_nothing_ends_early() -> None:
    assert numbers(validation_tokens=0).early_stop_patience is None
    assert numbers().early_stop_patience == 3


# -- order and rows


def item(*lengths: int) -> Item:
    return Item(
        tuple(
            Rendered(numpy.arange(length, dtype=numpy.int32), numpy.arange(length) > length // 2)
            for length in lengths
        )
    )


def test_each_epoch_has_an_order_of_its_own_that_the_seed_decides() -> None:
    assert epoch_order(50, 1, 0) == epoch_order(50, 1, 0)
    orders = {tuple(epoch_order(50, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}
    assert len(orders) == 4
    steps = steps_of_epoch(epoch_order(50, 1, 0), 8)
    assert [len(step) for step in steps] == [8] * 6 + [2]
    assert sorted(itertools.chain(*steps)) == list(range(50))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("processes", [1, 3])
def test_every_item_stands_in_one_row_and_no_row_is_too_full(*, packed: bool, processes: int) -> None:
    items = [item(length) for length in (90, 10, 40, 40, 120, 30, 70, 5, 60)]
    rows = rows_of_step(items, RowLimits(130, None, packed), processes)
    assert sorted(map(id, itertools.chain(*rows))) == sorted(map(id, items))
    assert len(rows) >= processes
    for row in rows:
        size = sum(each.tokens for each in row) if packed else len(row) * max(each.longest for each in row)
        assert size <= 130


def test_an_item_larger_than_a_row_has_one_of_its_own() -> None:
    assert [
        len(row) for row in rows_of_step([item(200), item(20), item(20)], RowLimits(100, None, True))
    ] == [1, 2]


def test_a_micro_batch_is_the_most_items_of_a_row() -> None:
    rows = rows_of_step([item(10) for _ in range(7)], RowLimits(1_000, 2, True))
    assert [len(row) for row in rows] == [2, 2, 2, 1]


def test_a_packed_row_begins_its_positions_anew_with_each_sequence() -> None:
    row = make_row([*item(4, 3).sequences], packed=True)
    assert row.ids.tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert row.positions.tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert (row.mask, row.lengths) == (None, (4, 3))
    # Learned: the token 3 of the first sequence and the token 2 of the second, each from the place before it.
    assert (row.predictors.tolist(), row.targets.tolist(), row.owners.tolist()) == ([2, 5], [3, 2], [0, 1])


def test_a_padded_row_masks_what_is_no_token() -> None:
    row = make_row([*item(4, 3).sequences], packed=False)
    assert row.ids.tolist() == [[0, 1, 2, 3], [0, 1, 2, 0]]
    assert row.mask is not None
    assert row.mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert (row.predictors.tolist(), row.targets.tolist(), row.owners.tolist()) == ([2, 5], [3, 2], [0, 1])
