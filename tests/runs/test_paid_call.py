"""The paid call: its intent, its unknown outcomes, what a person finds, and how a job ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ftworker.errors import Refused
from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobStatus,
    JobSucceeded,
    ProviderRejected,
)
from ftworker.runs import control
from ftworker.runs.states import IN_FLIGHT, RunState, Step
from tests.runs.failures import PERSON, REJECTED, UNKNOWN
from tests.runs.worlds import MODEL, World

# -- the paid call


def test_the_intent_to_pay_is_committed_before_the_call(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    seen: list[RunState] = []
    world.provider.before["submit"] = lambda: seen.append(world.state(run_id))
    world.perform(run_id, Step.CREATE_JOB)
    assert seen == [RunState.SUBMITTING]


def test_an_unknown_outcome_is_looked_up_and_its_job_adopted(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    world.provider.fail("submit", UNKNOWN, after_work=True)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.SUBMITTING
    assert len(world.journal(run_id, "alert")) == 1
    world.perform(run_id, Step.CREATE_JOB)
    assert world.run(run_id).job_id == world.job().id
    assert world.provider.count("submit") == 1


def test_a_job_that_shows_late_is_found_within_the_grace(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    world.provider.new_jobs_hidden_looks = 3
    world.provider.fail("submit", UNKNOWN, after_work=True)
    for looks in range(4):
        world.perform(run_id, Step.CREATE_JOB)
        assert world.state(run_id) is RunState.SUBMITTING, looks
        wait = world.seconds_until_due(run_id)
        assert wait is not None
        assert 25 < wait <= 30
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.SUBMITTED
    assert world.provider.count("submit") == 1


def test_when_no_job_shows_within_the_grace_a_person_is_asked_and_nothing_is_created(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTING)
    world.ahead = timedelta(seconds=599)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.SUBMITTING
    world.ahead = timedelta(seconds=605)
    world.perform(run_id, Step.CREATE_JOB)
    run = world.run(run_id)
    assert (run.state, run.error_code) == (RunState.PARKED, "outcome_unknown")
    assert run.error_message is not None
    assert f"runs resolve {run_id}" in run.error_message
    assert world.seconds_until_due(run_id) is PERSON
    assert world.provider.count("submit") == 1


def test_what_a_person_finds_for_a_parked_run_decides_how_it_goes_on(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTING)
    world.ahead = timedelta(seconds=605)
    world.perform(run_id, Step.CREATE_JOB)
    with pytest.raises(Refused, match="resolve"):
        control.retry_run(world.store, run_id)
    assert control.resolve_run(world.store, run_id, job_id=None) is RunState.UPLOADED
    world.perform(run_id, Step.CREATE_JOB)
    run = world.run(run_id)
    assert (run.state, run.error_code, run.error_message) == (RunState.SUBMITTED, None, None)
    assert world.provider.count("submit") == 2


def test_a_job_that_a_person_names_is_polled(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    world.provider.new_jobs_hidden_looks = 100
    world.provider.fail("submit", UNKNOWN, after_work=True)
    world.perform(run_id, Step.CREATE_JOB)
    world.ahead = timedelta(seconds=605)
    world.perform(run_id, Step.CREATE_JOB)
    assert control.resolve_run(world.store, run_id, job_id="job-1") is RunState.SUBMITTED
    world.job().status = JobSucceeded(MODEL)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.TRAINED
    assert world.provider.count("submit") == 1


def test_a_parked_run_whose_job_is_known_cannot_be_resolved_into_a_second_job(world: World) -> None:
    run_id = world.bring_to(RunState.PARKED)
    for job_id in (None, "job-7"):
        with pytest.raises(Refused, match="retry"):
            control.resolve_run(world.store, run_id, job_id=job_id)
    assert control.retry_run(world.store, run_id) is RunState.SUBMITTED


def test_the_key_being_revoked_while_a_job_trains_does_not_lose_the_job(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    refusal = ProviderRejected("no key", code="no_api_key", disables_provider=True)
    world.provider.fail("poll", refusal)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.run(run_id).state is RunState.PARKED
    control.retry_run(world.store, run_id)
    world.job().status = JobSucceeded(MODEL)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.TRAINED
    assert world.provider.count("submit") == 1


def test_where_training_costs_nothing_a_refusal_ends_the_run_and_frees_the_pipeline(world: World) -> None:
    world.configure(provider="local", base_model="llama3.2:3b")
    run_id = world.bring_to(RunState.SUBMITTED)
    world.provider.fail("poll", REJECTED)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.FAILED


# -- how a job ends


@pytest.mark.parametrize(
    "status, state, code, model",
    [
        (JobSucceeded(MODEL), RunState.TRAINED, None, MODEL),
        (JobPackaged(MODEL, "ollama create tutor"), RunState.PACKAGED, None, MODEL),
        (JobFailed("invalid_training_file", "line 3"), RunState.FAILED, "invalid_training_file", None),
        (JobCancelled("stopped there"), RunState.CANCELLED, None, None),
        (JobRunning("who_knows"), RunState.SUBMITTED, None, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, JobStatus) else None,
)
def test_each_end_of_a_job_is_an_end_of_the_run(
    world: World, status: JobStatus, state: RunState, code: str | None, model: str | None
) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.job().status = status
    world.perform(run_id, Step.POLL_STATUS)
    run = world.run(run_id)
    assert (run.state, run.error_code, run.model) == (state, code, model)
    assert (run.finished_at is not None) == (state not in IN_FLIGHT)


def test_instructions_of_a_packaged_run_are_kept_beside_its_details(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.job().status = JobPackaged(MODEL, "ollama create tutor", {"folder": "/x"})
    world.perform(run_id, Step.POLL_STATUS)
    assert world.run(run_id).detail == {"folder": "/x", "instructions": "ollama create tutor"}


def test_a_status_is_journalled_when_it_changes_and_not_at_every_look(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    for status in ("queued", "queued", "running", "running", "running"):
        world.job().status = JobRunning(status)
        world.perform(run_id, Step.POLL_STATUS)
    told = [message for message in world.journal(run_id, "event") if "says" in message]
    assert told == ["provider says queued", "provider says running"]


def test_a_stalled_job_raises_one_alert_and_another_only_after_it_moved_and_stalled_again(
    world: World,
) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.perform(run_id, Step.POLL_STATUS)
    for hours in (5.9, 6.5, 7.0, 8.0):
        world.ahead = timedelta(hours=hours)
        world.perform(run_id, Step.POLL_STATUS)
        assert len(world.journal(run_id, "alert")) == (hours > 6)
    world.job().status = JobRunning("still_running")
    world.perform(run_id, Step.POLL_STATUS)
    world.ahead = timedelta(hours=16)
    world.perform(run_id, Step.POLL_STATUS)
    assert len(world.journal(run_id, "alert")) == 2
    assert world.state(run_id) is RunState.SUBMITTED
