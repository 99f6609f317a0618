"""Promotion: by whom, of what, and over what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ftworker.errors import Refused
from ftworker.runs import control
from ftworker.runs.states import RunState, Step
from ftworker.store import runs
from tests.runs.failures import BUG, PERSON, REJECTED, UNAVAILABLE
from tests.runs.worlds import MODEL, PIPELINE, World


def test_promotion_is_a_persons_unless_the_pipeline_says_auto(world: World) -> None:
    manual = world.bring_to(RunState.TRAINED)
    world.perform(manual, Step.PROMOTE)
    assert world.state(manual) is RunState.TRAINED
    assert world.seconds_until_due(manual) is PERSON
    assert world.provider.served == []

    world.configure(promote="auto")
    automatic = world.bring_to(RunState.TRAINED)
    world.perform(automatic, Step.PROMOTE)
    assert world.state(automatic) is RunState.PROMOTED
    assert world.provider.served == [(MODEL, None)]


def test_a_promotion_demotes_the_model_before_and_tells_the_provider_which_it_was(world: World) -> None:
    first = world.bring_to(RunState.PROMOTED)
    second = world.bring_to(RunState.TRAINED)
    ended = world.run(second).finished_at
    world.worker().promote(second)
    assert world.provider.served == [(MODEL, None), (MODEL, MODEL)]
    assert world.run(second).finished_at == ended
    with world.store.transaction() as cursor:
        present = runs.present_promotion(cursor, PIPELINE)
        cursor.execute("SELECT run_id FROM ftworker.promotions WHERE demoted_at IS NOT NULL")
        assert [row.run_id for row in cursor.fetchall()] == [first]
    assert present is not None
    assert present.run_id == second


def test_a_model_that_served_before_is_promoted_again_and_the_one_after_it_demoted(world: World) -> None:
    first, second = world.bring_to(RunState.PROMOTED), world.bring_to(RunState.PROMOTED)
    assert world.worker().promote(first) is RunState.PROMOTED
    with world.store.transaction() as cursor:
        present = runs.present_promotion(cursor, PIPELINE)
    assert present is not None
    assert present.run_id == first
    assert world.provider.count("promote") == 3
    assert world.worker().promote(second) is RunState.PROMOTED


def test_a_promotion_that_kept_failing_does_not_put_an_old_model_over_a_newer_one(world: World) -> None:
    world.configure(promote="auto")
    old = world.bring_to(RunState.TRAINED)
    world.provider.fail("promote", UNAVAILABLE)
    world.perform(old, Step.PROMOTE)
    newer = world.bring_to(RunState.PROMOTED)
    world.perform(old, Step.PROMOTE)
    assert world.state(old) is RunState.TRAINED
    assert any(f"run {newer}" in message for message in world.journal(old, "note"))
    # A person may: that is a rollback.
    assert world.worker().promote(old) is RunState.PROMOTED


@pytest.mark.parametrize("error", [UNAVAILABLE, REJECTED, BUG])
def test_a_promotion_by_hand_that_fails_says_so_and_leaves_the_run_to_be_tried_again(
    world: World, error: Exception
) -> None:
    run_id = world.bring_to(RunState.TRAINED)
    world.provider.fail("promote", error)
    with pytest.raises(type(error)):
        world.worker().promote(run_id)
    assert world.state(run_id) is RunState.TRAINED
    assert world.worker().promote(run_id) is RunState.PROMOTED


def test_a_rejected_model_can_still_be_promoted_and_only_a_trained_one_rejected(world: World) -> None:
    run_id = world.bring_to(RunState.REJECTED)
    with pytest.raises(Refused, match="only a trained run"):
        control.reject_run(world.store, run_id)
    assert world.worker().promote(run_id) is RunState.PROMOTED
    with pytest.raises(Refused, match="serves its pipeline already"):
        world.worker().promote(run_id)
    with pytest.raises(Refused, match="only a trained or rejected run"):
        world.worker().promote(world.bring_to(RunState.CUT))


def test_a_run_that_is_being_promoted_is_neither_promoted_twice_nor_rejected(world: World) -> None:
    run_id = world.bring_to(RunState.TRAINED)
    refused: list[Callable[[], object]] = [
        lambda: world.worker().promote(run_id),
        lambda: control.reject_run(world.store, run_id),
    ]

    def meanwhile() -> None:
        for act in refused:
            with pytest.raises(Refused, match="at this moment"):
                act()

    world.provider.before["promote"] = meanwhile
    assert world.worker().promote(run_id) is RunState.PROMOTED
    assert world.provider.count("promote") == 1
