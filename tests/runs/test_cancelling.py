"""`runs cancel` at every moment: before, during and after each step, and in other hands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ftworker.errors import Refused
from ftworker.providers.contract import (
    JobRunning,
    JobSucceeded,
    NeedsPerson,
    ProviderUnavailable,
)
from ftworker.runs import control
from ftworker.runs.states import IN_FLIGHT, RunState, Step, next_step
from ftworker.store import Store, runs
from tests.doubles.fake_provider import Method
from tests.runs.failures import STARTS, UNAVAILABLE, step_of
from tests.runs.worlds import MODEL, World
from tests.servers import wait_until


@pytest.mark.parametrize("state", sorted(IN_FLIGHT - {RunState.PARKED}))
def test_a_run_in_flight_can_be_cancelled_and_its_job_with_it(world: World, state: RunState) -> None:
    run_id = world.bring_to(state)
    control.cancel_run(world.store, run_id)
    for _ in range(3):
        step = next_step(world.state(run_id))
        if step is not None:
            world.perform(run_id, step)
    if state is RunState.SUBMITTING:
        # Nobody knows whether there is a job to cancel; the looking goes on until somebody does.
        assert world.state(run_id) is RunState.SUBMITTING
        world.ahead = timedelta(seconds=605)
        world.perform(run_id, Step.CREATE_JOB)
        assert world.state(run_id) is RunState.PARKED
        control.cancel_run(world.store, run_id)
    assert world.state(run_id) is RunState.CANCELLED
    assert all(job.cancelled for job in world.provider.jobs)


@pytest.mark.parametrize("state", sorted(set(RunState) - IN_FLIGHT))
def test_a_run_that_is_over_cannot_be_cancelled(world: World, state: RunState) -> None:
    run_id = world.bring_to(state)
    with pytest.raises(Refused, match="nothing to cancel"):
        control.cancel_run(world.store, run_id)
    assert world.state(run_id) is state


def test_cancelling_a_parked_run_cancels_its_job_and_a_second_time_gives_the_job_up(world: World) -> None:
    run_id = world.bring_to(RunState.PARKED)
    assert control.cancel_run(world.store, run_id) is RunState.SUBMITTED
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.CANCELLED
    assert world.job().cancelled

    other = world.bring_to(RunState.SUBMITTED)
    control.cancel_run(world.store, other)
    world.provider.fail("cancel", NeedsPerson("odd"))
    world.perform(other, Step.POLL_STATUS)
    assert world.state(other) is RunState.PARKED
    assert control.cancel_run(world.store, other) is RunState.CANCELLED


@pytest.mark.parametrize("state,method", [(RunState.SUBMITTED, "cancel"), (RunState.SUBMITTING, "reconcile")])
def test_a_run_whose_provider_cannot_be_asked_any_more_is_given_up_by_cancelling_again(
    world: World, state: RunState, method: Method
) -> None:
    run_id = world.bring_to(state)
    assert control.cancel_run(world.store, run_id) is state
    # While nothing failed yet, asking again gives nothing up: there may be a job that is being paid.
    assert control.cancel_run(world.store, run_id) is state
    world.provider.fail(method, UNAVAILABLE, times=10)
    world.perform(run_id, required(next_step(state)))
    assert world.state(run_id) is state
    assert control.cancel_run(world.store, run_id) is RunState.PARKED
    assert world.seconds_until_due(run_id) is None
    assert control.cancel_run(world.store, run_id) is RunState.CANCELLED
    world.bring_to(RunState.CUT)


@pytest.mark.parametrize("method", ["upload", "submit"])
def test_a_cancel_while_a_worker_is_at_it_is_heard_at_the_next_step(world: World, method: Method) -> None:
    run_id = world.bring_to(STARTS[method])

    def cancel() -> None:
        world.provider.before.clear()
        control.cancel_run(world.store, run_id)

    world.provider.before[method] = cancel
    world.perform(run_id, step_of(method))
    assert world.state(run_id) in (RunState.UPLOADED, RunState.SUBMITTED)
    step = next_step(world.state(run_id))
    assert step is not None
    world.perform(run_id, step)
    assert world.state(run_id) is RunState.CANCELLED
    assert all(job.cancelled for job in world.provider.jobs)


@pytest.mark.parametrize("method", ["upload", "submit", "poll"])
def test_a_cancel_during_a_step_that_ends_in_a_long_wait_does_not_wait_for_its_end(
    world: World, method: Method
) -> None:
    run_id = world.bring_to(STARTS[method])
    a_day = ProviderUnavailable("too many jobs today", retry_after_seconds=86_400.0)

    def cancel() -> None:
        world.provider.before.clear()
        control.cancel_run(world.store, run_id)

    world.provider.before[method] = cancel
    world.provider.fail(method, a_day)
    world.perform(run_id, step_of(method))
    assert world.state(run_id) is STARTS[method]
    with world.store.transaction() as cursor:
        assert run_id in [found for found, _, _ in runs.due_runs(cursor, revive_after_seconds=3_600)]

    # Once a step has heard of it, the provider's wish counts again: nobody asks it in a circle.
    world.provider.fail("cancel", a_day)
    world.worker().perform(run_id, step_of(method))
    if method == "poll":
        assert (world.seconds_until_due(run_id) or 0) > 86_000
    else:
        assert world.state(run_id) is RunState.CANCELLED


def test_a_cancel_while_a_running_job_is_looked_at_is_heard_at_once(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.job().status = JobRunning("queued", poll_after_seconds=600)

    def cancel() -> None:
        control.cancel_run(world.store, run_id)

    world.provider.before["poll"] = cancel
    world.perform(run_id, Step.POLL_STATUS)
    world.provider.before.clear()
    assert world.worker().perform(run_id, Step.POLL_STATUS) is RunState.CANCELLED


def test_a_cancel_while_a_worker_finds_that_the_run_needs_approval_ends_the_run(world: World) -> None:
    run_id = world.bring_to(RunState.EXPORTED)
    world.configure(budget={"approval": "manual"})

    def cancel() -> None:
        control.cancel_run(world.store, run_id)

    world.provider.before["preflight"] = cancel
    world.perform(run_id, Step.UPLOAD)
    # Not one that waits for an approval that nobody will give, and keeps the pipeline from its next run.
    assert world.state(run_id) is RunState.CANCELLED
    assert world.seconds_until_due(run_id) is None


def test_a_cancel_while_a_worker_finds_that_a_person_is_needed_still_cancels_the_job(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)

    def cancel() -> None:
        world.provider.before.clear()
        control.cancel_run(world.store, run_id)

    world.provider.before["poll"] = cancel
    world.provider.fail("poll", NeedsPerson("odd"))
    # Not parked: the second cancel of a parked run gives its job up without asking the provider.
    assert world.worker().perform(run_id, Step.POLL_STATUS) is RunState.SUBMITTED
    assert world.worker().perform(run_id, Step.POLL_STATUS) is RunState.CANCELLED
    assert world.job().cancelled


def test_a_cancel_goes_by_what_the_run_is_once_nobody_else_can_move_it(
    world: World, emptied_database_url: str
) -> None:
    run_id = world.bring_to(RunState.EXPORTED)
    person = Store(emptied_database_url)

    def cancel() -> RunState:
        try:
            return control.cancel_run(person, run_id)
        finally:
            person.close()

    with world.store.transaction() as cursor:
        run = runs.claim_run(cursor, run_id, [RunState.EXPORTED], lease_seconds=120)
    assert run is not None
    with ThreadPoolExecutor() as threads:
        with world.store.transaction() as cursor:
            runs.move_run(cursor, run, RunState.AWAITING_APPROVAL, message="over budget", delay_seconds=None)
            cancelled = threads.submit(cancel)
            wait_until(lambda: waits_for_a_lock(emptied_database_url))
        assert cancelled.result(30) is RunState.CANCELLED
    assert world.state(run_id) is RunState.CANCELLED


def required(step: Step | None) -> Step:
    assert step is not None
    return step


def waits_for_a_lock(database_url: str) -> bool:
    store = Store(database_url)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND cardinality(pg_blocking_pids(pid)) > 0) AS waits"
        )
        waits: bool = cursor.fetchone().waits
    store.close()
    return waits


def test_a_job_that_succeeded_before_it_could_be_cancelled_is_kept_but_not_promoted(world: World) -> None:
    world.configure(promote="auto")
    run_id = world.bring_to(RunState.SUBMITTED)
    world.job().status = JobSucceeded(MODEL)
    control.cancel_run(world.store, run_id)
    world.perform(run_id, Step.POLL_STATUS, Step.PROMOTE)
    assert world.state(run_id) is RunState.TRAINED
    assert world.provider.served == []
    assert world.worker().promote(run_id) is RunState.PROMOTED
