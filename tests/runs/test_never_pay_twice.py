"""The property that matters most, against every order of events: one job a generation, and none forgotten.

Hypothesis plays workers, messages, time, the provider, its network, an unreliable database and a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ftworker.errors import DatabaseUnavailable, PermanentError, Refused
from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobRunning,
    JobStatus,
    JobSucceeded,
    NeedsPerson,
    OutcomeUnknown,
    ProviderRejected,
    ProviderUnavailable,
)
from ftworker.runs import control
from ftworker.runs.states import CHAIN, RunState, Step, next_step
from ftworker.store import Cursor, Store
from tests.doubles.fake_provider import FakeProvider, Job, Killed, Method
from tests.runs.worlds import MODEL, World

HOLDS_JOB = {RunState.SUBMITTING, RunState.SUBMITTED, RunState.PARKED}
"""Where a run may be while its job trains."""
ENDS = {RunState.TRAINED, RunState.FAILED, RunState.CANCELLED}

BUSY = ProviderUnavailable("503")
NO_KEY = ProviderRejected("401", code="no_api_key")

# What may go wrong next, by state: (method, error, whether the work was done all the same).
FAULTS: dict[RunState, list[tuple[Method, BaseException, bool]]] = {
    RunState.EXPORTED: [("upload", BUSY, False), ("upload", Killed(), True)],
    RunState.UPLOADED: [
        ("submit", Killed(), False),
        ("submit", Killed(), True),
        ("submit", OutcomeUnknown("no answer"), False),
        ("submit", OutcomeUnknown("no answer"), True),
        ("submit", RuntimeError("a bug"), True),
        ("submit", PermanentError("a setting"), True),
        ("submit", ProviderUnavailable("429"), False),
        ("submit", ProviderRejected("400", code="bad_request"), False),
    ],
    RunState.SUBMITTING: [
        ("reconcile", BUSY, False),
        ("reconcile", NO_KEY, False),
        ("reconcile", Killed(), True),
    ],
    RunState.SUBMITTED: [
        ("poll", BUSY, False),
        ("poll", NO_KEY, False),
        ("poll", NeedsPerson("odd"), False),
        ("poll", RuntimeError("a bug"), False),
        ("poll", Killed(), True),
        ("cancel", BUSY, False),
        ("cancel", Killed(), True),
    ],
}


class UnreliableStore(Store):
    """Loses the answer to its n-th commit; whether it was kept is the test's choice."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._commits: int | None = None
        self._kept = False

    def lose_answer(self, commits: int, *, kept: bool) -> None:
        self._commits, self._kept = commits, kept

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        if self._commits is not None:
            self._commits -= 1
        lost = self._commits == 0
        with super().transaction() as cursor:
            yield cursor
            if lost and not self._kept:
                self._commits = None
                raise DatabaseUnavailable("the connection was lost before the commit")
        if lost:
            self._commits = None
            raise DatabaseUnavailable("the connection was lost after the commit")


class OneRun(RuleBasedStateMachine):
    """One run, everything that can happen to it, and what must hold whatever did."""

    def __init__(self, world: World) -> None:
        super().__init__()
        assert world.settings.database_url is not None
        self.world = world
        world.empty()
        world.provider = FakeProvider()
        world.ahead = timedelta(0)
        self.unreliable = UnreliableStore(world.settings.database_url.get_secret_value())
        self.run_id = 0
        self.may_submit: Counter[str] = Counter()
        """How often each key's call may be made: once, and once more for each word that nothing was created."""
        self.given_up: set[str] = set()
        """Keys whose job a person let go of knowingly."""

    @initialize(state=st.sampled_from([*FAULTS, RunState.CUT]))
    def a_run_is_somewhere_on_its_way(self, state: RunState) -> None:
        self.run_id = self.world.bring_to(state)

    # -- workers and time

    @rule(step=st.sampled_from(CHAIN))
    def a_message_arrives(self, step: Step) -> None:
        self._work(step)

    @precondition(lambda self: next_step(self._state()) is not None)
    @rule(data=st.data())
    def the_sweep_rings_and_a_call_may_go_wrong(self, data: st.DataObject) -> None:
        state = self._state()
        fault = data.draw(st.sampled_from([None, *FAULTS.get(state, [])]))
        if fault is not None:
            method, error, after_work = fault
            self.world.provider.fail(method, error, after_work=after_work)
        self.world.make_due(self.run_id)
        step = next_step(state)
        assert step is not None
        self._work(step)

    @rule()
    def the_lease_ends(self) -> None:
        self.world.expire_lease(self.run_id)

    @rule(minutes=st.sampled_from([1, 11]))
    def time_passes(self, minutes: int) -> None:
        self.world.ahead += timedelta(minutes=minutes)
        self.world.make_due(self.run_id)

    @rule(commits=st.integers(1, 8), kept=st.booleans())
    def the_database_loses_an_answer(self, commits: int, *, kept: bool) -> None:
        self.unreliable.lose_answer(commits, kept=kept)

    @precondition(lambda self: self._state() is RunState.UPLOADED)
    @rule(grace_over=st.booleans())
    def a_worker_stalls_before_the_call_and_is_taken_for_dead(self, *, grace_over: bool) -> None:
        def meanwhile() -> None:
            self.world.provider.before.clear()
            self.world.expire_lease(self.run_id)
            if grace_over:
                self.world.ahead += timedelta(minutes=11)
            for _ in range(2):
                self.world.make_due(self.run_id)
                step = next_step(self._state())
                if step is not None:
                    self._work(step)
                if self._state() is RunState.PARKED:
                    self.a_person_looks_at_the_provider_and_resolves()

        self.world.provider.before["submit"] = meanwhile
        self.world.make_due(self.run_id)
        self._work(Step.CREATE_JOB)

    # -- the provider

    @rule(looks=st.integers(0, 3))
    def new_jobs_show_late(self, looks: int) -> None:
        self.world.provider.new_jobs_hidden_looks = looks

    @precondition(lambda self: self._running_jobs())
    @rule(
        status=st.sampled_from([JobSucceeded(MODEL, 5), JobFailed("bad_data", "no"), JobCancelled("by hand")])
    )
    def the_job_ends(self, status: JobStatus) -> None:
        self._running_jobs()[0].status = status

    # -- a person

    @rule()
    def a_person_cancels(self) -> None:
        run = self.world.run(self.run_id)
        if run.state is RunState.PARKED and (run.job_id is None or run.cancel_requested):
            self.given_up.add(str(run.run_key))
        with_refusal(lambda: control.cancel_run(self.world.store, self.run_id))

    @rule()
    def a_person_retries(self) -> None:
        with_refusal(lambda: control.retry_run(self.world.store, self.run_id))

    @precondition(lambda self: self._state() is RunState.PARKED)
    @rule()
    def a_person_looks_at_the_provider_and_resolves(self) -> None:
        key = str(self.world.run(self.run_id).run_key)
        jobs = self.world.provider.jobs_of(key)
        job_id = jobs[0].id if jobs else None
        if job_id is None:
            self.may_submit[key] += 1
        with_refusal(lambda: control.resolve_run(self.world.store, self.run_id, job_id=job_id))

    # -- what must hold

    @invariant()
    def no_key_has_two_jobs(self) -> None:
        keys = Counter(job.run_key for job in self.world.provider.jobs)
        assert all(number == 1 for number in keys.values()), keys

    @invariant()
    def the_call_is_made_once_for_each_permission(self) -> None:
        for key, calls in self._submits().items():
            assert calls <= 1 + self.may_submit[key], key

    @invariant()
    def no_job_trains_unknown_to_its_run(self) -> None:
        run = self.world.run(self.run_id)
        for job in self._running_jobs():
            if job.run_key in self.given_up:
                continue
            assert job.run_key == run.run_key
            assert run.state in HOLDS_JOB, f"{job.id} trains, the run is {run.state}"
            assert run.job_id in (None, job.id)

    def teardown(self) -> None:
        """With all well again and a person who answers, the run comes to an end."""
        world = self.world
        world.provider.forgive()
        world.provider.new_jobs_hidden_looks = 0
        for _ in range(25):
            for job in self._running_jobs():
                job.status = JobSucceeded(MODEL, 5)
            world.expire_lease(self.run_id)
            world.make_due(self.run_id)
            world.ahead += timedelta(minutes=2)
            state = self._state()
            step = next_step(state)
            if state in ENDS:
                break
            if state is RunState.PARKED:
                self.a_person_looks_at_the_provider_and_resolves()
                with_refusal(lambda: control.retry_run(world.store, self.run_id))
            elif step is not None:
                self._work(step)
        self.no_key_has_two_jobs()
        self.no_job_trains_unknown_to_its_run()
        assert self._state() in ENDS
        self.unreliable.close()

    # -- how it is done

    def _work(self, step: Step) -> None:
        before = self._submits()
        with suppress(Killed, DatabaseUnavailable):
            self.world.worker(self.unreliable).perform(self.run_id, step)
        # A call that was answered "nothing was created" may be made again.
        if self._state() is RunState.UPLOADED and self._submits() != before:
            for key in self._submits() - before:
                self.may_submit[key] += 1

    def _state(self) -> RunState:
        return self.world.state(self.run_id)

    def _running_jobs(self) -> list[Job]:
        return [job for job in self.world.provider.jobs if job.alive and isinstance(job.status, JobRunning)]

    def _submits(self) -> Counter[str]:
        return Counter(self.world.provider.submitted)


def with_refusal(act: Callable[[], object]) -> None:
    """What a person asks for may be refused; that is an answer."""
    with suppress(Refused):
        act()


def test_whatever_happens_in_whatever_order_no_job_is_paid_twice_and_none_is_forgotten(world: World) -> None:
    run_state_machine_as_test(
        lambda: OneRun(world),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=80,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
