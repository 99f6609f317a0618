"""One step at a time: what every outcome of every step leaves in the row, the journal and the totals."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Literal, NamedTuple

import pytest

from ftworker.errors import DatabaseUnavailable, PermanentError, Refused
from ftworker.providers.contract import (
    Finding,
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobStatus,
    JobSucceeded,
    NeedsPerson,
    OutcomeUnknown,
    ProviderRejected,
    ProviderUnavailable,
)
from ftworker.runs import control
from ftworker.runs.driver import drive_run
from ftworker.runs.endings import UNEXPECTED_LIMIT
from ftworker.runs.states import IN_FLIGHT, RunState, Step, next_step
from ftworker.store import Store, runs, trainings
from tests.doubles.fake_provider import Method
from tests.runs.worlds import MODEL, PIPELINE, World
from tests.servers import wait_until

PERSON = None
"""Nothing is due: a person's turn, or the end."""


class Case(NamedTuple):
    """A failure of the provider, and what the run is afterwards."""

    method: Method
    error: Exception
    state: RunState
    code: str | None = None
    again: bool = False
    """The step is due again, later."""


STARTS: dict[Method, RunState] = {
    "preflight": RunState.EXPORTED,
    "upload": RunState.EXPORTED,
    "submit": RunState.UPLOADED,
    "reconcile": RunState.SUBMITTING,
    "poll": RunState.SUBMITTED,
    "cancel": RunState.SUBMITTED,
    "promote": RunState.TRAINED,
}

UNAVAILABLE = ProviderUnavailable("busy", code="rate_limit")
REJECTED = ProviderRejected("no", code="no_such_model")
UNKNOWN = OutcomeUnknown("silence")
PERSON_NEEDED = NeedsPerson("look")
PERMANENT = PermanentError("wrong configuration")
DATABASE = DatabaseUnavailable("gone for a moment")
BUG = RuntimeError("a row of somebody's conversation")

CASES = [
    # Before anything is paid: refusals end the run, passing trouble is tried again.
    *(
        case
        for method in ("preflight", "upload")
        for case in (
            Case(method, UNAVAILABLE, RunState.EXPORTED, again=True),
            Case(method, UNKNOWN, RunState.EXPORTED, again=True),
            Case(method, DATABASE, RunState.EXPORTED, again=True),
            Case(method, BUG, RunState.EXPORTED, again=True),
            Case(method, REJECTED, RunState.FAILED, "no_such_model"),
            Case(method, PERSON_NEEDED, RunState.FAILED, "needs_person"),
            Case(method, PERMANENT, RunState.FAILED, "PermanentError"),
        )
    ),
    # The paid call: only the provider's own word that it created nothing leads back or to the end.
    Case("submit", UNAVAILABLE, RunState.UPLOADED, again=True),
    Case("submit", REJECTED, RunState.FAILED, "no_such_model"),
    Case("submit", UNKNOWN, RunState.SUBMITTING, again=True),
    Case("submit", DATABASE, RunState.SUBMITTING, again=True),
    Case("submit", BUG, RunState.SUBMITTING, again=True),
    Case("submit", PERSON_NEEDED, RunState.PARKED, "needs_person"),
    Case("submit", PERMANENT, RunState.PARKED, "PermanentError"),
    # From here on a job may exist, so our own trouble never fails the run.
    *(
        case
        for method in ("reconcile", "poll", "cancel")
        for case in (
            Case(method, UNAVAILABLE, STARTS[method], again=True),
            Case(method, UNKNOWN, STARTS[method], again=True),
            Case(method, DATABASE, STARTS[method], again=True),
            Case(method, BUG, STARTS[method], again=True),
            Case(method, REJECTED, RunState.PARKED, "no_such_model"),
            Case(method, PERSON_NEEDED, RunState.PARKED, "needs_person"),
            Case(method, PERMANENT, RunState.PARKED, "PermanentError"),
        )
    ),
    # A trained model is never lost by its promotion.
    Case("promote", UNAVAILABLE, RunState.TRAINED, again=True),
    Case("promote", UNKNOWN, RunState.TRAINED, again=True),
    Case("promote", DATABASE, RunState.TRAINED, again=True),
    Case("promote", BUG, RunState.TRAINED, again=True),
    Case("promote", REJECTED, RunState.TRAINED),
    Case("promote", PERSON_NEEDED, RunState.TRAINED),
    Case("promote", PERMANENT, RunState.TRAINED),
]


def step_of(method: Method) -> Step:
    step = next_step(STARTS[method])
    assert step is not None
    return step


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method}-{type(case.error).__name__}")
def test_each_failure_of_each_call_leaves_the_run_where_the_rules_say(world: World, case: Case) -> None:
    run_id = world.bring_to(STARTS[case.method])
    if case.method == "cancel":
        control.cancel_run(world.store, run_id)
    if case.method == "promote":
        world.configure(promote="auto")
    world.make_due(run_id)
    world.provider.fail(case.method, case.error)
    before = world.totals()

    assert world.worker().perform(run_id, step_of(case.method)) is case.state

    run = world.run(run_id)
    assert (run.state, run.error_code) == (case.state, case.code)
    assert run.lease_token is None
    wait = world.seconds_until_due(run_id)
    assert (wait is not None and wait > 0) == case.again
    in_place = case.again and case.error is not UNKNOWN
    assert run.attempts == (1 if in_place or (case.again and case.method != "submit") else 0)
    counted = {key: n - before.get(key, 0) for key, n in world.totals().items() if n != before.get(key)}
    expected = set()
    if case.error in (UNAVAILABLE, REJECTED, UNKNOWN):
        kind = getattr(case.error, "code", "outcome_unknown")
        expected.add(("provider_errors", f"kind={kind},provider=openai,step={step_of(case.method)}"))
    if case.state is RunState.FAILED:
        expected.add(("runs_finished", "outcome=failed,pipeline=tutor,provider=openai"))
    assert counted == dict.fromkeys(expected, 1)
    assert not any("somebody" in message for message in world.journal(run_id))


def test_the_cases_cover_every_call_and_every_kind_of_error() -> None:
    errors = {type(case.error) for case in CASES}
    assert {(case.method, type(case.error)) for case in CASES} == {
        (method, error) for method in STARTS for error in errors
    }


def test_a_run_goes_from_cut_to_trained_by_one_message_a_step(world: World) -> None:
    run_id = world.begin()
    worker = world.worker()
    for step in (Step.EXPORT, Step.UPLOAD, Step.CREATE_JOB, Step.POLL_STATUS):
        worker.perform(run_id, step)
    world.job().status = JobSucceeded(MODEL, 5_000, {"epochs": 3})
    world.make_due(run_id)
    assert worker.perform(run_id, Step.POLL_STATUS) is RunState.TRAINED

    run = world.run(run_id)
    assert world.moves(run_id) == ["cut", "exported", "uploaded", "submitting", "submitted", "trained"]
    assert (run.model, run.trained_tokens, run.detail) == (MODEL, 5_000, {"epochs": 3})
    assert run.finished_at is not None
    assert world.totals()["tokens_trained", "pipeline=tutor,provider=openai"] == 5_000


def test_a_provider_sees_of_the_run_what_was_finished_before_the_call(world: World) -> None:
    run_id = world.bring_to(RunState.TRAINED)
    views = world.provider.views
    assert views["upload"].training_file_id is None
    submit = views["submit"]
    assert submit.training_file_id == "file-1"
    assert submit.attempted_at is not None
    assert submit.job_id is None
    assert submit.dataset.train.rows == 12
    assert submit.dataset.format == "openai-chat"
    assert submit.artefacts_url.endswith(f"/runs/{submit.run_key}")
    assert views["poll"].job_id == world.run(run_id).job_id


def test_a_message_for_a_step_that_is_done_does_nothing(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    before = world.run(run_id)
    calls = len(world.provider.calls)
    for step in (Step.EXPORT, Step.UPLOAD, Step.CREATE_JOB, Step.PROMOTE):
        assert world.worker().perform(run_id, step) is None
    assert world.run(run_id) == before
    assert len(world.provider.calls) == calls


def test_a_message_before_its_time_does_nothing_unless_the_caller_insists(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.worker().perform(run_id, Step.POLL_STATUS) is None
    assert world.worker().perform(run_id, Step.POLL_STATUS, even_if_not_due=True) is RunState.SUBMITTED


def test_a_run_in_other_hands_is_left_alone(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
    assert world.worker().perform(run_id, Step.EXPORT) is None
    world.expire_lease(run_id)
    assert world.worker().perform(run_id, Step.EXPORT) is RunState.EXPORTED


# -- waits


def test_waits_grow_with_each_failure_up_to_a_limit_and_begin_anew_after_a_success(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    waits = []
    for _ in range(9):
        world.provider.fail("poll", UNAVAILABLE)
        world.perform(run_id, Step.POLL_STATUS)
        waits.append(world.seconds_until_due(run_id) or 0)
    base, most = 10.0, 900.0
    for number, wait in enumerate(waits):
        expected = min(base * 2**number, most)
        assert expected * 0.8 - 5 <= wait <= expected * 1.2
    assert world.run(run_id).attempts == 9
    world.perform(run_id, Step.POLL_STATUS)
    assert world.run(run_id).attempts == 0


def test_failures_to_create_grow_their_wait_too_although_the_run_moves_back_each_time(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    waits = []
    for _ in range(4):
        world.provider.fail("submit", UNAVAILABLE)
        world.perform(run_id, Step.CREATE_JOB)
        waits.append(world.seconds_until_due(run_id) or 0)
    assert waits[3] > 4 * waits[0]
    assert world.provider.jobs == []


@pytest.mark.parametrize("wish, expected", [(90.0, 90.0), (0.0, 1.0), (1e9, 86_400.0)])
@pytest.mark.parametrize("method", ["submit", "poll"])
def test_the_wait_that_a_provider_wishes_is_kept_within_reason(
    world: World, method: Method, wish: float, expected: float
) -> None:
    run_id = world.bring_to(STARTS[method])
    world.provider.fail(method, ProviderUnavailable("busy", retry_after_seconds=wish))
    world.perform(run_id, step_of(method))
    wait = world.seconds_until_due(run_id)
    assert wait is not None
    assert expected - 5 < wait <= expected


@pytest.mark.parametrize("wish, expected", [(None, 30.0), (7.0, 7.0)])
def test_a_running_job_is_looked_at_again_when_the_provider_wishes_or_the_settings_say(
    world: World, wish: float | None, expected: float
) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.job().status = JobRunning("running", poll_after_seconds=wish)
    world.perform(run_id, Step.POLL_STATUS)
    wait = world.seconds_until_due(run_id)
    assert wait is not None
    assert expected - 5 < wait <= expected


# -- unexpected errors


@pytest.mark.parametrize(
    "method, end", [("upload", RunState.FAILED), ("poll", RunState.PARKED), ("promote", RunState.TRAINED)]
)
def test_a_bug_ends_the_run_after_some_tries_and_shows_no_text_of_the_error(
    world: World, method: Method, end: RunState, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = world.bring_to(STARTS[method])
    world.configure(promote="auto")
    for _ in range(UNEXPECTED_LIMIT - 1):
        world.provider.fail(method, BUG)
        world.perform(run_id, step_of(method))
        assert world.state(run_id) is STARTS[method]
        assert world.seconds_until_due(run_id) is not None or method != "promote"
    world.provider.fail(method, BUG)
    world.perform(run_id, step_of(method))
    assert world.state(run_id) is end
    assert world.seconds_until_due(run_id) is PERSON
    assert len(world.journal(run_id, "error")) == UNEXPECTED_LIMIT - 1
    assert "somebody" not in " ".join(world.journal(run_id))


def test_an_outage_before_a_bug_does_not_use_up_its_tries(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    for _ in range(UNEXPECTED_LIMIT + 3):
        world.provider.fail("poll", UNAVAILABLE)
        world.perform(run_id, Step.POLL_STATUS)
    world.provider.fail("poll", BUG)
    world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.SUBMITTED


def test_bugs_of_an_earlier_step_do_not_count_after_calls_that_created_nothing(world: World) -> None:
    run_id = world.bring_to(RunState.EXPORTED)
    for _ in range(UNEXPECTED_LIMIT - 1):
        world.provider.fail("upload", BUG)
        world.perform(run_id, Step.UPLOAD)
    world.perform(run_id, Step.UPLOAD)
    for _ in range(UNEXPECTED_LIMIT - 1):
        world.provider.fail("submit", UNAVAILABLE)
        world.perform(run_id, Step.CREATE_JOB)
    world.provider.fail("submit", BUG)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.state(run_id) is RunState.SUBMITTING
    assert world.seconds_until_due(run_id) is not PERSON


def test_bugs_long_ago_do_not_count_after_a_success(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    for _ in range(3):
        for _ in range(UNEXPECTED_LIMIT - 1):
            world.provider.fail("poll", BUG)
            world.perform(run_id, Step.POLL_STATUS)
        world.perform(run_id, Step.POLL_STATUS)
    assert world.state(run_id) is RunState.SUBMITTED


# -- preflight


def test_an_error_of_preflight_ends_the_run_before_anything_is_uploaded(world: World) -> None:
    world.provider.findings = [
        Finding("warning", "model_retires", "soon gone"),
        Finding("error", "model_gone", "the model is gone"),
        Finding("error", "too_small", "nine examples"),
    ]
    run_id = world.begin()
    world.perform(run_id, Step.EXPORT, Step.UPLOAD)
    run = world.run(run_id)
    assert (run.state, run.error_code) == (RunState.FAILED, "model_gone")
    assert run.error_message == "the model is gone; nine examples"
    assert world.provider.count("upload") == 0
    assert "preflight model_retires: soon gone" in world.journal(run_id, "note")
    assert len(world.journal(run_id, "alert")) == 2


def test_a_warning_of_preflight_is_written_once_however_often_it_looks(world: World) -> None:
    world.provider.findings = [Finding("warning", "model_retires", "soon gone")]
    run_id = world.begin()
    world.perform(run_id, Step.EXPORT)
    for _ in range(3):
        world.provider.fail("upload", UNAVAILABLE)
        world.perform(run_id, Step.UPLOAD)
    assert sum("model_retires" in message for message in world.journal(run_id)) == 1


def test_a_long_preflight_keeps_its_run_and_stops_when_another_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftworker.runs.journal.RENEW_EVERY_SECONDS", 0.0)
    run_id = world.bring_to(RunState.EXPORTED)

    def long_look() -> None:
        world.expire_lease(run_id)
        world.provider.keep_alive("check of the rows", 1_000, "bytes")
        assert world.worker().perform(run_id, Step.UPLOAD) is None

    world.provider.before["preflight"] = long_look
    world.make_due(run_id)
    assert world.worker().perform(run_id, Step.UPLOAD) is RunState.UPLOADED
    assert world.provider.count("preflight") == 1

    def overtaken() -> None:
        world.expire_lease(other)
        with world.store.transaction() as cursor:
            assert runs.claim_run(cursor, other, [RunState.EXPORTED], lease_seconds=60, even_if_not_due=True)
        world.provider.keep_alive("check of the rows", 1_000, "bytes")
        raise AssertionError("the look went on")

    control.cancel_run(world.store, run_id)
    other = world.bring_to(RunState.EXPORTED)
    world.provider.before["preflight"] = overtaken
    world.make_due(other)
    assert world.worker().perform(other, Step.UPLOAD) is None
    assert (world.state(other), world.provider.count("upload")) == (RunState.EXPORTED, 1)


def test_a_provider_that_refuses_everybody_raises_an_alert(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    refusal = ProviderRejected("closed", code="training_not_available", disables_provider=True)
    world.provider.fail("submit", refusal)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.run(run_id).error_code == "training_not_available"
    assert world.journal(run_id, "alert") == ["provider openai refuses every run: closed"]
    assert world.run(run_id).job_id is None


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


# -- a lease that was lost


@pytest.mark.parametrize("method", ["upload", "submit", "poll", "promote"])
def test_a_worker_that_was_taken_for_dead_writes_nothing_when_it_comes_back(
    world: World, method: Method
) -> None:
    run_id = world.bring_to(STARTS[method])
    world.configure(promote="auto")
    world.make_due(run_id)

    def overtaken() -> None:
        # While the first one is in this call, its lease ends and another takes the run.
        world.provider.before.clear()
        world.expire_lease(run_id)
        with world.store.transaction() as cursor:
            assert runs.claim_run(cursor, run_id, list(RunState), lease_seconds=60, even_if_not_due=True)

    world.provider.before[method] = overtaken
    assert world.worker().perform(run_id, step_of(method)) is None
    expected = RunState.SUBMITTING if method == "submit" else STARTS[method]
    assert world.state(run_id) is expected
    assert world.run(run_id).lease_token is not None
    assert world.provider.jobs == [] or method != "submit"


def test_a_failure_after_the_lease_was_lost_changes_nothing_either(world: World) -> None:
    run_id = world.bring_to(RunState.EXPORTED)
    for error in (REJECTED, UNAVAILABLE, PERSON_NEEDED, PERMANENT, BUG):
        world.expire_lease(run_id)

        def overtaken() -> None:
            world.expire_lease(run_id)
            with world.store.transaction() as cursor:
                runs.claim_run(cursor, run_id, [RunState.EXPORTED], lease_seconds=60, even_if_not_due=True)

        world.provider.before["upload"] = overtaken
        world.provider.fail("upload", error)
        assert world.worker().perform(run_id, Step.UPLOAD) is None
        run = world.run(run_id)
        assert (run.state, run.attempts) == (RunState.EXPORTED, 0)
        assert run.lease_token is not None


def test_a_slow_worker_keeps_its_run_while_nobody_else_has_taken_it(world: World) -> None:
    run_id = world.bring_to(RunState.EXPORTED)
    world.provider.before["upload"] = lambda: world.expire_lease(run_id)
    world.perform(run_id, Step.UPLOAD)
    assert world.state(run_id) is RunState.UPLOADED


def test_a_job_created_by_a_worker_that_lost_its_lease_is_named_in_the_journal(world: World) -> None:
    run_id = world.bring_to(RunState.UPLOADED)
    worker = world.worker()

    class Late(type(world.provider)):  # type: ignore[misc]
        def submit(self, run: object, record: object) -> str:
            job_id: str = world.provider.submit(run, record)  # type: ignore[arg-type]
            world.expire_lease(run_id)
            with world.store.transaction() as cursor:
                runs.claim_run(cursor, run_id, list(RunState), lease_seconds=60, even_if_not_due=True)
            return job_id

    worker = replace(worker, make_provider=lambda _: Late())
    world.make_due(run_id)
    assert worker.perform(run_id, Step.CREATE_JOB) is None
    assert world.journal(run_id, "alert") == ["job job-1 was created by a worker taken for dead"]
    world.expire_lease(run_id)
    world.perform(run_id, Step.CREATE_JOB)
    assert world.run(run_id).job_id == "job-1"
    assert world.provider.count("submit") == 1


# -- cancel


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


# -- budget and approval


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


# -- retry


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


# -- promotion


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


# -- the synchronous way


def test_a_run_can_be_driven_to_its_end_without_any_message(world: World) -> None:
    run_id = world.begin()
    world.provider.fail("upload", ProviderUnavailable("busy", retry_after_seconds=1.0))
    heard: list[RunState] = []
    notes: list[str] = []
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        world.make_due(run_id)
        if world.provider.jobs:
            world.job().status = JobSucceeded(MODEL)

    run = drive_run(
        world.worker(), run_id, on_state=lambda run: heard.append(run.state), on_note=notes.append, sleep=nap
    )
    assert run.state is RunState.TRAINED
    assert heard == [
        RunState.CUT,
        RunState.EXPORTED,
        RunState.UPLOADED,
        RunState.SUBMITTED,
        RunState.TRAINED,
    ]
    assert 0 < len(naps) < 10
    assert [note for note in notes if note.startswith("step upload: ")]


@pytest.mark.parametrize("state", [RunState.AWAITING_APPROVAL, RunState.PARKED])
def test_driving_returns_when_a_person_is_needed(world: World, state: RunState) -> None:
    run_id = world.bring_to(state)
    assert drive_run(world.worker(), run_id, sleep=lambda _: None).state is state


def test_driving_stops_at_a_wanted_state(world: World) -> None:
    run_id = world.begin()
    run = drive_run(world.worker(), run_id, until=frozenset({RunState.SUBMITTED}), sleep=lambda _: None)
    assert run.state is RunState.SUBMITTED
    assert world.provider.count("poll") == 0
