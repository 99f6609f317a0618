"""Budgets, estimates, and the approval of a person."""

from __future__ import annotations

import pytest

from ftworker.errors import Refused
from ftworker.runs import control
from ftworker.runs.states import IN_FLIGHT, RunState, Step
from ftworker.store import runs
from tests.runs.failures import PERSON, REJECTED
from tests.runs.worlds import PIPELINE, World


@pytest.mark.parametrize(
    "budget, model, waits",
    [
        ({}, "gpt-priced", None),
        ({"approval": "manual"}, "gpt-priced", "approval is manual"),
        ({"max_usd_per_run": 1.0}, "gpt-priced", None),
        ({"max_usd_per_run": 0.01}, "gpt-priced", "over the 0.01 USD of a run"),
        ({"max_usd_per_month": 1.0}, "gpt-priced", None),
        ({"max_usd_per_month": 0.01}, "gpt-priced", "over the 0.01 USD of a month"),
        ({"max_usd_per_run": 1.0}, "unpriced", "no price is known"),
        ({"max_usd_per_month": 1.0}, "unpriced", "no price is known"),
        ({}, "unpriced", None),
    ],
)
def test_the_budget_is_asked_before_anything_is_uploaded(
    world: World, budget: dict[str, object], model: str, waits: str | None
) -> None:
    # 12 examples of 100 tokens and some for the prompt, 3 epochs, 10 dollars a million: about 5 cents.
    world.configure(budget=budget, base_model=model)
    run_id = world.begin()
    world.perform(run_id, Step.EXPORT, Step.UPLOAD)
    run = world.run(run_id)
    if waits is None:
        assert run.state is RunState.UPLOADED
        return
    assert run.state is RunState.AWAITING_APPROVAL
    assert waits in world.journal(run_id, "move")[-1]
    assert world.provider.count("upload") == 0
    assert world.seconds_until_due(run_id) is PERSON
    control.approve_run(world.store, run_id, world.clock)
    world.perform(run_id, Step.UPLOAD)
    assert world.state(run_id) is RunState.UPLOADED


def test_the_estimate_is_kept_with_the_run(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    estimated = world.run(run_id).estimated_usd
    assert estimated is not None
    assert 0.036 <= estimated < 0.1


def test_a_month_counts_what_may_have_been_paid_and_not_what_surely_was_not(world: World) -> None:
    def spent() -> float:
        with world.store.transaction() as cursor:
            return runs.spent_this_month(cursor, PIPELINE)

    refused = world.bring_to(RunState.UPLOADED)
    world.provider.fail("submit", REJECTED)
    world.perform(refused, Step.CREATE_JOB)
    assert spent() == 0

    trained = world.bring_to(RunState.TRAINED)
    cost = world.run(trained).estimated_usd
    assert cost is not None
    assert spent() == pytest.approx(cost)

    failed = world.bring_to(RunState.FAILED)
    both = cost + (world.run(failed).estimated_usd or 0)
    assert spent() == pytest.approx(both)

    # A retry is another job, and does not make the first one cheaper.
    control.retry_run(world.store, failed)
    assert spent() == pytest.approx(both)
    world._go_on_to(failed, RunState.TRAINED)
    assert spent() == pytest.approx(both + (world.run(failed).estimated_usd or 0))

    with world.store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.runs SET attempted_at = attempted_at - interval '32 days'")
    assert spent() == pytest.approx(both - cost)


def test_local_training_costs_nothing_and_needs_no_price(world: World) -> None:
    world.configure(provider="local", base_model="llama3.2:3b", budget={"max_usd_per_run": 0.0})
    run_id = world.bring_to(RunState.UPLOADED)
    assert world.run(run_id).estimated_usd is None


def test_only_a_run_that_waits_for_approval_can_be_approved(world: World) -> None:
    for state in (RunState.CUT, RunState.TRAINED):
        run_id = world.bring_to(state)
        with pytest.raises(Refused, match="does not wait for approval"):
            control.approve_run(world.store, run_id, world.clock)
        if state in IN_FLIGHT:
            control.cancel_run(world.store, run_id)
