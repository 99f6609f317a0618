"""`runs retry`: a new generation, another look, or the registering of what is trained."""

from __future__ import annotations

from typing import Literal

import pytest

from ftworker.errors import Refused
from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobSucceeded,
)
from ftworker.runs import control
from ftworker.runs.states import RunState, Step
from ftworker.store import trainings
from tests.runs.failures import REJECTED
from tests.runs.worlds import MODEL, World


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
def test_a_retry_is_a_new_generation_with_a_key_a_file_and_a_job_of_its_own(
    world: World, state: RunState
) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    first = world.run(run_id)
    world.job().status = JobFailed("oops", "no") if state is RunState.FAILED else JobCancelled("no")
    world.perform(run_id, Step.POLL_STATUS)
    assert control.retry_run(world.store, run_id) is RunState.CUT
    begun = world.run(run_id)
    assert begun.generation == 2
    assert (begun.job_id, begun.run_key, begun.training_file_id, begun.error_code) == (None,) * 4
    assert (begun.detail, begun.finished_at, begun.cancel_requested) == ({}, None, False)
    world._go_on_to(run_id, RunState.TRAINED)
    second = world.run(run_id)
    assert second.run_key != first.run_key
    assert second.training_file_id != first.training_file_id
    assert second.job_id != first.job_id


def test_a_retry_waits_for_the_pipeline_to_be_free(world: World) -> None:
    first = world.bring_to(RunState.FAILED)
    busy = world.bring_to(RunState.SUBMITTED)
    with pytest.raises(Refused, match=f"run {busy} of pipeline tutor is submitted"):
        control.retry_run(world.store, first)


@pytest.mark.parametrize("state", [RunState.TRAINED, RunState.PROMOTED, RunState.REJECTED])
def test_what_has_a_model_has_nothing_to_retry(world: World, state: RunState) -> None:
    run_id = world.bring_to(state)
    with pytest.raises(Refused, match="nothing to retry"):
        control.retry_run(world.store, run_id)


def test_a_packaged_run_is_registered_by_a_retry_even_when_it_was_to_be_cancelled(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    control.cancel_run(world.store, run_id)
    world.job().status = JobPackaged(MODEL, "ollama create")
    world.perform(run_id, Step.POLL_STATUS)
    assert control.retry_run(world.store, run_id) is RunState.UPLOADED
    world.perform(run_id, Step.CREATE_JOB)
    world.provider.jobs[-1].status = JobSucceeded(MODEL)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.TRAINED


def trained_here(world: World, state: Literal["succeeded", "failed"]) -> int:
    """A run that failed, and how its training on this machine ended."""
    run_id = world.bring_to(RunState.FAILED)
    key = str(world.run(run_id).run_key)
    with world.store.transaction() as cursor:
        trainings.hand_in(cursor, run_key=key, run_id=run_id, order={"settings": {}})
        claim = trainings.claim_training(cursor, key, host="here", pid=1, lease_seconds=30)
        assert claim is not None
        code = "out_of_memory" if state == "failed" else None
        token = str(claim.training.lease_token)
        trainings.finish_training(cursor, key, token, state, message="over", error_code=code)
    return run_id


def test_what_was_trained_here_and_not_registered_is_registered_by_a_retry_and_not_trained_again(
    world: World,
) -> None:
    run_id = trained_here(world, "succeeded")
    key = world.run(run_id).run_key
    assert control.retry_run(world.store, run_id) is RunState.UPLOADED
    run = world.run(run_id)
    assert (run.run_key, run.generation, run.error_code) == (key, 1, None)
    world.perform(run_id, Step.CREATE_JOB)
    world.provider.jobs[-1].status = JobSucceeded(MODEL)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.TRAINED


def test_a_training_that_failed_here_begins_anew(world: World) -> None:
    run_id = trained_here(world, "failed")
    assert control.retry_run(world.store, run_id) is RunState.CUT
    assert world.run(run_id).generation == 2


def test_a_person_may_have_it_made_anew_where_a_retry_would_only_register(world: World) -> None:
    packaged, failed = world.bring_to(RunState.PACKAGED), trained_here(world, "succeeded")
    for run_id in (packaged, failed):
        assert control.retry_run(world.store, run_id, anew=True) is RunState.CUT
        assert (world.run(run_id).generation, world.run(run_id).model) == (2, None)
        control.cancel_run(world.store, run_id)
    with pytest.raises(Refused, match="is trained: only"):
        control.retry_run(world.store, world.bring_to(RunState.TRAINED), anew=True)


def test_a_retry_of_a_run_in_flight_looks_at_it_now(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.perform(run_id, Step.POLL_STATUS)
    assert control.retry_run(world.store, run_id) is RunState.SUBMITTED
    assert world.worker().perform(run_id, Step.POLL_STATUS) is RunState.SUBMITTED


def test_a_retry_of_a_run_that_waits_for_approval_says_what_it_waits_for(world: World) -> None:
    run_id = world.bring_to(RunState.AWAITING_APPROVAL)
    with pytest.raises(Refused, match=f"runs approve {run_id}"):
        control.retry_run(world.store, run_id)


def test_a_run_parked_before_its_job_was_known_is_looked_up_again_and_never_created(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTING)
    world.provider.fail("reconcile", REJECTED)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.PARKED
    assert control.retry_run(world.store, run_id) is RunState.SUBMITTING
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.SUBMITTING
    assert world.provider.count("submit") == 1
