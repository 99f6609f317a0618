"""One step at a time: what every outcome of every step leaves in the row, the journal and the totals."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from ftworker.providers.contract import (
    Finding,
    JobRunning,
    JobSucceeded,
    ProviderRejected,
    ProviderUnavailable,
)
from ftworker.runs import control
from ftworker.runs.driver import drive_run
from ftworker.runs.endings import UNEXPECTED_LIMIT
from ftworker.runs.states import RunState, Step
from ftworker.store import runs
from tests.doubles.fake_provider import Method
from tests.runs.failures import (
    BUG,
    DATABASE,
    PERMANENT,
    PERSON,
    PERSON_NEEDED,
    REJECTED,
    STARTS,
    UNAVAILABLE,
    UNKNOWN,
    step_of,
)
from tests.runs.worlds import MODEL, World


class Case(NamedTuple):
    """A failure of the provider, and what the run is afterwards."""

    method: Method
    error: Exception
    state: RunState
    code: str | None = None
    again: bool = False
    """The step is due again, later."""


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
