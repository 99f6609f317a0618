"""The store of runs: what the sweep finds, the journal, moves that name a column or a state that is not theirs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftworker.errors import NotFound
from ftworker.runs.states import RunState, Step
from ftworker.store import Store, runs
from tests.runs.worlds import World


@pytest.fixture
def world(emptied_database_url: str, tmp_path: Path) -> World:
    return World.make(emptied_database_url, tmp_path)


def due(world: World, *, revive_after_seconds: float = 15.0) -> list[int]:
    with world.store.transaction() as cursor:
        found = runs.due_runs(cursor, revive_after_seconds=revive_after_seconds)
    return [run_id for run_id, _, _ in found]


def sql(world: World, assignment: str, run_id: int) -> None:
    with world.store.transaction() as cursor:
        cursor.execute(f"UPDATE ftworker.runs SET {assignment} WHERE id = %s", (run_id,))


# -- what the sweep finds


def test_a_run_that_was_just_moved_is_left_to_the_chain_and_found_when_its_message_must_be_lost(
    world: World,
) -> None:
    run_id = world.begin()
    assert due(world) == []
    sql(
        world,
        "notified_at = now() - interval '16 seconds', next_action_at = now() - interval '16 seconds'",
        run_id,
    )
    assert due(world) == [run_id]
    # The sweep has rung now; the next one does not fill the queue with the same message.
    assert due(world) == []


def test_a_run_that_waits_is_found_as_soon_as_it_is_due(world: World) -> None:
    run_id = world.bring_to(RunState.SUBMITTED)
    world.perform(run_id, Step.POLL_STATUS)
    assert due(world) == []
    sql(
        world,
        "notified_at = now() - interval '5 seconds', next_action_at = now() - interval '1 second'",
        run_id,
    )
    assert due(world) == [run_id]


def test_a_run_that_somebody_works_on_is_found_only_when_its_lease_has_ended(world: World) -> None:
    run_id = world.begin()
    sql(world, "notified_at = NULL", run_id)
    with world.store.transaction() as cursor:
        assert runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
    assert due(world) == []
    world.expire_lease(run_id)
    assert due(world) == [run_id]


@pytest.mark.parametrize(
    "state",
    [
        RunState.AWAITING_APPROVAL,
        RunState.PARKED,
        RunState.FAILED,
        RunState.CANCELLED,
        RunState.PACKAGED,
        RunState.PROMOTED,
        RunState.REJECTED,
    ],
)
def test_a_run_that_is_over_or_waits_for_a_person_is_never_found(world: World, state: RunState) -> None:
    run_id = world.bring_to(state)
    sql(world, "notified_at = NULL", run_id)
    assert due(world) == []


def test_a_run_that_a_person_asked_about_is_found_at_once(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        runs.wake_run(cursor, run_id)
    assert due(world) == [run_id]


def test_one_sweep_finds_the_due_runs_of_hundreds_of_pipelines(world: World) -> None:
    """With a tick of 5 seconds and fewer a sweep, looks at 1,000 jobs would come later than they are due."""
    with world.store.transaction() as cursor:
        cursor.execute(
            """
            INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
            SELECT 'p' || n, 1, 'all', '{}', 10 FROM generate_series(1, 500) AS n;
            INSERT INTO ftworker.runs
                (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state, next_action_at)
            SELECT pipeline, id, 'openai', 'gpt', '{}', 'm', 'manual', 'cut', now() FROM ftworker.datasets
            """
        )
    assert len(due(world)) == 500
    assert due(world) == []


def test_sweeps_at_one_moment_find_a_run_once(world: World) -> None:
    run_id = world.begin()
    sql(world, "notified_at = NULL", run_id)
    gate = threading.Barrier(4)
    url = world.settings.database_url
    assert url is not None

    def sweep() -> list[int]:
        store = Store(url.get_secret_value())
        with store.transaction() as cursor:
            cursor.execute("SELECT 1")
            gate.wait(timeout=20)
            found = runs.due_runs(cursor, revive_after_seconds=15)
        store.close()
        return [run for run, _, _ in found]

    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(sweep) for _ in range(4)]]
    assert sorted(found) == [[], [], [], [run_id]]


# -- claims


def test_of_workers_at_one_moment_one_claims_a_run(world: World) -> None:
    run_id = world.begin()
    gate = threading.Barrier(6)
    url = world.settings.database_url
    assert url is not None

    def claim() -> bool:
        store = Store(url.get_secret_value())
        with store.transaction() as cursor:
            cursor.execute("SELECT 1")
        gate.wait(timeout=20)
        with store.transaction() as cursor:
            claimed = runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
        store.close()
        return claimed is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(future.result() for future in [pool.submit(claim) for _ in range(6)]) == 1


def test_a_lease_is_renewed_by_its_token_alone_and_a_move_needs_it(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        first = runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
    assert first is not None
    world.expire_lease(run_id)
    with world.store.transaction() as cursor:
        second = runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
    assert second is not None
    with world.store.transaction() as cursor:
        assert not runs.renew_lease(cursor, run_id, str(first.lease_token), lease_seconds=60)
        assert runs.renew_lease(cursor, run_id, str(second.lease_token), lease_seconds=60)
        assert not runs.release_run(cursor, first, delay_seconds=None)
        assert not runs.move_run(cursor, first, RunState.CANCELLED, message="no")
        assert runs.move_run(cursor, second, RunState.CANCELLED, message="yes", delay_seconds=None)
    assert world.moves(run_id) == ["cut", "cancelled"]


# -- moves


def test_a_move_that_does_not_exist_or_sets_a_foreign_column_is_a_mistake_of_ours(world: World) -> None:
    run = world.run(world.begin())
    with world.store.transaction() as cursor:
        with pytest.raises(ValueError, match="no move from cut to promoted"):
            runs.move_run(cursor, run, RunState.PROMOTED, message="x")
        with pytest.raises(ValueError, match="not a column"):
            runs.move_run(cursor, run, RunState.CANCELLED, message="x", columns={"pipeline": "other"})
    assert world.state(run.id) is RunState.CUT


def test_a_move_from_where_the_run_no_longer_is_changes_nothing(world: World) -> None:
    stale = world.run(world.begin())
    with world.store.transaction() as cursor:
        assert runs.move_run(cursor, stale, RunState.CANCELLED, message="first", delay_seconds=None)
    with world.store.transaction() as cursor:
        assert not runs.move_run(cursor, stale, RunState.CANCELLED, message="second", delay_seconds=None)
    assert world.journal(stale.id, "move")[1:] == ["first"]


def test_a_run_that_does_not_exist_is_not_found(world: World) -> None:
    with world.store.transaction() as cursor:
        with pytest.raises(NotFound, match="no run 987654; `ftworker runs list`"):
            runs.get_run(cursor, 987_654)
        with pytest.raises(NotFound):
            runs.wake_run(cursor, 987_654)
        assert runs.claim_run(cursor, 987_654, list(RunState), lease_seconds=1) is None


def test_runs_are_listed_newest_first_by_pipeline_and_state(world: World) -> None:
    failed = world.bring_to(RunState.FAILED)
    cut = world.begin()
    with world.store.transaction() as cursor:
        assert [run.id for run in runs.list_runs(cursor)] == [cut, failed]
        assert [run.id for run in runs.list_runs(cursor, state="failed")] == [failed]
        assert [run.id for run in runs.list_runs(cursor, pipeline="tutor", limit=1)] == [cut]
        assert runs.list_runs(cursor, pipeline="other") == []


# -- the journal


def test_an_entry_with_an_outside_id_is_written_once_a_run(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        for _ in range(3):
            runs.record_journal(cursor, run_id, "event", "once", {"n": 1}, external_id="ev-1")
            runs.record_journal(cursor, run_id, "event", "always", {})
    assert world.journal(run_id, "event") == ["once", "always", "always", "always"]


def test_progress_is_one_entry_and_who_reads_on_sees_it_each_time(world: World) -> None:
    run_id = world.begin()
    after = 0
    seen: list[str] = []
    for percent in (10, 50, 90):
        with world.store.transaction() as cursor:
            runs.record_journal(cursor, run_id, "progress", f"{percent} %", {"completed": percent})
            for entry in runs.read_journal(cursor, run_id, after=after):
                after = entry.id
                seen.append(entry.message)
    assert seen == ["cut (manual)", "10 %", "50 %", "90 %"]
    assert world.journal(run_id, "progress") == ["90 %"]


def test_a_journal_of_any_length_is_read_to_its_end(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.run_journal (run_id, kind, message) "
            "SELECT %s, 'metric', 'step ' || n FROM generate_series(1, 3000) AS n",
            (run_id,),
        )
        runs.record_journal(cursor, run_id, "alert", "the last word", {})
        assert runs.read_journal(cursor, run_id)[-1].message == "the last word"


def test_words_that_postgresql_cannot_store_lose_only_what_it_cannot(world: World) -> None:
    run_id = world.begin()
    with world.store.transaction() as cursor:
        runs.record_journal(cursor, run_id, "event", "a\0b", {"type": "c\0d", "list": ["\0e", {"\0f": 1}]})
        runs.record_journal(cursor, run_id, "progress", "g\0h", {"unit": "\\u0000 i\0"})
        *_, event, progress = runs.read_journal(cursor, run_id)
    assert (event.message, event.data) == ("ab", {"type": "cd", "list": ["e", {"f": 1}]})
    assert (progress.message, progress.data) == ("gh", {"unit": "\\u0000 i"})
    with world.store.transaction() as cursor:
        run = runs.claim_run(cursor, run_id, [RunState.CUT], lease_seconds=60)
        assert run is not None
        columns = {"error_code": "j\0k", "error_message": "l\0m", "detail": {"n": "o\0p"}}
        assert runs.move_run(
            cursor, run, RunState.FAILED, message="q\0r", delay_seconds=None, columns=columns
        )
        failed = runs.get_run(cursor, run_id)
    assert (failed.error_code, failed.error_message, failed.detail) == ("jk", "lm", {"n": "op"})
