"""A worker dies: at every call of the provider, before and after it worked, and around every commit of its life.

Whoever comes next, after the lease, brings the run to its end with one job, counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Literal

import pytest

from ftworker.providers.contract import JobRunning, JobSucceeded
from ftworker.runs import control
from ftworker.runs.states import RunState, Step, next_step
from ftworker.store import Cursor, Store
from tests.doubles.fake_provider import METHODS, FakeProvider, Killed, Method
from tests.runs.worlds import MODEL, PIPELINE, World

HAPPY_PATH = ["cut", "exported", "uploaded", "submitting", "submitted", "trained", "promoted"]


class DyingStore(Store):
    """The store of a worker that dies at its n-th commit, just before it or just after it."""

    def __init__(self, url: str, commits: int, moment: Literal["before", "after"]) -> None:
        super().__init__(url)
        self._left = commits
        self._moment = moment
        self.died = False

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        self._left -= 1
        with super().transaction() as cursor:
            yield cursor
            if self._left == 0 and self._moment == "before":
                self._die()
        if self._left == 0 and self._moment == "after":
            self._die()

    def _die(self) -> None:
        self.died = True
        raise Killed


def live(world: World, run_id: int, *, first_store: Store | None = None) -> None:
    """Workers perform what is next, one after the other, until nothing is; the first may die on the way."""
    store = first_store
    for _ in range(30):
        step = next_step(world.state(run_id))
        if step is None:
            return
        if world.provider.jobs and isinstance(world.provider.jobs[-1].status, JobRunning):
            world.provider.jobs[-1].status = JobSucceeded(MODEL, 5_000)
        world.make_due(run_id)
        try:
            world.worker(store).perform(run_id, step)
        except Killed:
            store = None
            # Until the lease ends, nobody else touches the run.
            assert world.run(run_id).lease_token is None or world.worker().perform(run_id, step) is None
            world.expire_lease(run_id)
        world.ahead += timedelta(seconds=100)
    raise AssertionError(f"run {run_id} does not come to an end: {world.moves(run_id)}")


def assert_whole(world: World, run_id: int) -> None:
    """The run is at its end, with one job, one model and one count of everything."""
    assert world.state(run_id) is RunState.PROMOTED
    assert world.provider.count("submit") == 1
    assert len(world.provider.jobs) == 1
    totals = world.totals()
    assert totals["tokens_trained", "pipeline=tutor,provider=openai"] == 5_000
    with world.store.transaction() as cursor:
        cursor.execute("SELECT pipeline, run_id, model FROM ftworker.promotions WHERE demoted_at IS NULL")
        assert [tuple(row) for row in cursor.fetchall()] == [(PIPELINE, run_id, MODEL)]
        cursor.execute("SELECT count(*) AS n FROM ftworker.datasets")
        assert cursor.fetchone().n == 1


@pytest.mark.parametrize("after_work", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("reconcile", "cancel")])
def test_a_worker_killed_in_a_call_leaves_a_run_that_another_finishes_with_one_job(
    world: World, method: Method, after_work: bool
) -> None:
    world.configure(promote="auto")
    run_id = world.begin()
    world.provider.fail(method, Killed(), after_work=after_work)
    live(world, run_id)
    if method == "submit" and not after_work:
        # The intent was saved and the call never left: only a person can know that.
        assert world.state(run_id) is RunState.PARKED
        assert world.provider.jobs == []
        control.resolve_run(world.store, run_id, job_id=None)
        world.provider.calls.clear()
        live(world, run_id)
    else:
        assert world.moves(run_id) == HAPPY_PATH
    assert_whole(world, run_id)


def test_a_worker_killed_while_it_looks_for_a_job_changes_nothing(world: World) -> None:
    world.configure(promote="auto")
    run_id = world.begin()
    for after_work in (False, True):
        world.provider.fail("reconcile", Killed(), after_work=after_work)
    world.provider.fail("submit", Killed(), after_work=True)
    live(world, run_id)
    assert_whole(world, run_id)


def test_a_worker_killed_while_it_cancels_leaves_a_run_that_another_cancels(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    control.cancel_run(world.store, run_id)
    step = next_step(RunState.SUBMITTED)
    assert step is not None
    for after_work in (False, True):
        world.provider.fail("cancel", Killed(), after_work=after_work)
        with pytest.raises(Killed):
            world.perform(run_id, step)
        world.expire_lease(run_id)
    world.perform(run_id, step)
    assert world.state(run_id) is RunState.CANCELLED
    assert world.job().cancelled


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_around_any_of_its_commits_leaves_a_run_that_another_finishes(
    world: World, moment: Literal["before", "after"]
) -> None:
    world.configure(promote="auto")
    database_url = world.settings.database_url
    assert database_url is not None
    asked = 0
    for commits in count(1):
        world.empty()
        world.provider = FakeProvider()
        world.ahead = timedelta(0)
        run_id = world.begin()
        store = DyingStore(database_url.get_secret_value(), commits, moment)
        live(world, run_id, first_store=store)
        if world.state(run_id) is RunState.PARKED:
            asked += 1
            assert world.provider.jobs == [], f"at commit {commits}"
            control.resolve_run(world.store, run_id, job_id=None)
            world.provider.calls.clear()
            live(world, run_id)
        assert_whole(world, run_id)
        store.close()
        if not store.died:
            break
    # So many commits has a life, and only those between the intent and the call leave it to a person.
    assert commits > 20
    assert 1 <= asked <= 5


def test_a_worker_that_slept_before_the_call_creates_nothing_after_a_person_let_another_do_it(
    world: World,
) -> None:
    run_id = world.bring_to(RunState.UPLOADED)

    def meanwhile() -> None:
        world.provider.before.clear()
        world.expire_lease(run_id)
        world.ahead += timedelta(seconds=605)
        world.perform(run_id, Step.CREATE_JOB)
        assert world.state(run_id) is RunState.PARKED
        control.resolve_run(world.store, run_id, job_id=None)
        world.perform(run_id, Step.CREATE_JOB)

    world.provider.before["submit"] = meanwhile
    world.perform(run_id, Step.CREATE_JOB)
    assert len(world.provider.jobs) == 1
    assert world.run(run_id).job_id == world.job().id
