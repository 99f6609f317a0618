"""What the next run would take, told before anything is cut: from what waits and from the last export."""

from __future__ import annotations

from typing import Any

import pytest

from ftworker.curation.tokens import TOKENS_PER_MESSAGE, make_counter
from ftworker.datasets.estimate import estimate_epochs
from ftworker.datasets.manifest import counted_by
from ftworker.runs import cutting
from ftworker.runs.forecast import Forecast, forecast
from ftworker.runs.states import Step
from ftworker.store import datasets, examples
from tests.runs.worlds import PIPELINE, World, add_examples

WHOLE: dict[str, Any] = {"split": {"validation_share": 0.0, "golden_share": 0.0}}
TOKENS = 50


def told(world: World) -> Forecast:
    return forecast(world.store, world.settings, PIPELINE)


def row_tokens(world: World) -> int:
    """Of one example of the tests with its system prompt."""
    prompt = world.settings.pipeline(PIPELINE).system_prompt
    return TOKENS + make_counter("o200k_base").count(prompt) + TOKENS_PER_MESSAGE


def test_what_waits_is_told_with_its_epochs_and_its_price(world: World) -> None:
    world.configure(**WHOLE, training={"n_epochs": 4})
    add_examples(world.store, 100, tokens=TOKENS)
    found = told(world)
    assert (found.new_examples, found.train_examples) == (100, 100)
    assert found.train_tokens == 100 * row_tokens(world)
    assert (found.training.epochs, found.training.trained_tokens) == (4, 4 * found.train_tokens)
    # 10 dollars a million, for models named gpt-priced.
    assert found.training.usd == pytest.approx(4 * found.train_tokens * 10 / 1_000_000)
    assert found.approval is None
    assert claimed_nothing(world)


def claimed_nothing(world: World) -> bool:
    with world.store.transaction() as cursor:
        return not datasets.list_datasets(cursor)


def test_automatic_epochs_are_those_that_the_provider_is_expected_to_take(world: World) -> None:
    world.configure(**WHOLE, training={"n_epochs": "auto"})
    add_examples(world.store, 12, tokens=TOKENS)
    assert told(world).training.epochs == estimate_epochs(12)


def test_those_who_validate_or_are_kept_for_the_golden_set_are_not_trained_on(world: World) -> None:
    world.configure(split={"validation_share": 0.2, "golden_share": 0.5})
    add_examples(world.store, 100, tokens=TOKENS)
    found = told(world)
    assert (found.new_examples, found.train_examples) == (100, 40)


def test_a_dataset_takes_no_more_than_its_limit(world: World) -> None:
    world.configure(**WHOLE, trigger={"max_examples": 30})
    add_examples(world.store, 100, tokens=TOKENS)
    assert told(world).new_examples == 30


def test_tokens_say_by_what_they_were_counted(world: World) -> None:
    assert told(world).counted_by == ()
    add_examples(world.store, 3, tokens=TOKENS)
    assert told(world).is_estimated
    with world.store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.examples SET tokenizer = 'o200k_base'")
        assert examples.waiting_tokenizers(cursor, PIPELINE) == ("o200k_base",)
    assert not told(world).is_estimated


@pytest.mark.parametrize(
    "budget,why",
    [
        ({"approval": "manual"}, "waits for approval: budget.approval is manual"),
        ({"max_usd_per_run": 0.0001}, "is over the 0.00 USD of a run"),
        ({"max_usd_per_month": 0.0001}, "is over the 0.00 USD of a month"),
    ],
)
def test_it_is_told_beforehand_that_a_person_must_agree(
    world: World, budget: dict[str, Any], why: str
) -> None:
    world.configure(**WHOLE, budget=budget)
    add_examples(world.store, 100, tokens=TOKENS)
    approval = told(world).approval
    assert approval is not None
    assert why in approval


@pytest.mark.parametrize("strategy,old", [("all", 40), ("new", 0), ("replay", 10)])
def test_older_examples_count_as_the_strategy_takes_them_along(world: World, strategy: str, old: int) -> None:
    world.configure(**WHOLE, strategy=strategy, replay_share=0.25)
    add_examples(world.store, 40, tokens=TOKENS)
    cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    add_examples(world.store, 20, first=40, tokens=TOKENS)
    found = told(world)
    assert (found.new_examples, found.train_examples) == (20, 20 + old)
    assert found.train_tokens == (20 + old) * row_tokens(world)


def test_what_an_export_left_out_does_not_count_again(world: World) -> None:
    world.configure(**WHOLE, strategy="all")
    run_id = world.begin(examples=40)
    world.worker().perform(run_id, Step.EXPORT)
    with world.store.transaction() as cursor:
        whole = datasets.newest_whole(cursor, PIPELINE)
    assert whole is not None
    add_examples(world.store, 20, first=40, tokens=TOKENS)
    found = told(world)
    assert found.train_examples == whole.rows + 20
    assert found.train_tokens == whole.tokens + 20 * row_tokens(world)


def test_without_anything_waiting_the_last_export_is_what_is_told(world: World) -> None:
    world.configure(**WHOLE, strategy="all")
    assert told(world).train_examples == 0
    run_id = world.begin(examples=40)
    world.worker().perform(run_id, Step.EXPORT)
    with world.store.transaction() as cursor:
        whole = datasets.newest_whole(cursor, PIPELINE)
    found = told(world)
    assert whole is not None
    assert (found.new_examples, found.train_examples, found.train_tokens) == (0, whole.rows, whole.tokens)


def test_an_export_says_by_what_its_tokens_were_counted_and_counts_its_prompt_alike(world: World) -> None:
    world.configure(**WHOLE, strategy="all")
    add_examples(world.store, 12, tokens=TOKENS)
    with world.store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.examples SET tokenizer = 'o200k_base'")
    run_id = cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    world.worker().perform(run_id, Step.EXPORT)
    manifest = exported(world, run_id)
    assert manifest["provenance"]["tokenizers"] == {"o200k_base": 12}
    assert manifest["content"]["train"]["tokens"] == 12 * row_tokens(world)


def test_one_estimated_example_makes_the_whole_an_estimate(world: World) -> None:
    world.configure(**WHOLE, strategy="all")
    add_examples(world.store, 12, tokens=TOKENS)
    with world.store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.examples SET tokenizer = 'o200k_base' WHERE id % 2 = 0")
    run_id = cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    world.worker().perform(run_id, Step.EXPORT)
    tokenizers = exported(world, run_id)["provenance"]["tokenizers"]
    assert tokenizers == {"estimate": 6, "o200k_base": 6}
    assert counted_by(tokenizers) == counted_by({}) == "estimated"
    assert counted_by({"o200k_base": 6}) == "o200k_base"


def exported(world: World, run_id: int) -> Any:
    dataset_id = world.run(run_id).dataset_id
    with world.store.transaction() as cursor:
        return datasets.get_dataset(cursor, dataset_id).manifest


@pytest.mark.parametrize(
    "provider,trains",
    [
        ({"kind": "local"}, False),
        ({"kind": "local", "trainer": "peft"}, True),
        ({"kind": "local", "trainer": "command"}, True),
        ({"kind": "openai"}, True),
    ],
)
def test_whether_weights_are_trained_is_told_of_each_kind_of_trainer(
    world: World, provider: dict[str, Any], trains: bool
) -> None:
    values = world.settings.model_dump()
    values["providers"]["mine"] = provider
    world.settings = type(world.settings).model_validate(values)
    world.configure(provider="mine")
    assert told(world).trains_weights is trains


@pytest.mark.parametrize("examples,epochs", [(12, 5), (600, 3)])
def test_automatic_epochs_of_a_training_here_are_those_that_it_takes(
    world: World, examples: int, epochs: int
) -> None:
    values = world.settings.model_dump()
    values["providers"]["local"] = {"kind": "local", "trainer": "peft"}
    world.settings = type(world.settings).model_validate(values)
    world.configure(**WHOLE, provider="local", training={"n_epochs": "auto"})
    add_examples(world.store, examples, tokens=TOKENS)
    assert told(world).training.epochs == epochs
