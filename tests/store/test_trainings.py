"""The store of trainings: one process works on one, every write shows its token, a person's cancel is heard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ftworker.errors import NotFound
from ftworker.store import Store, trainings
from ftworker.store.trainings import Claim, TrainingRow

KEY = "ft-tutor-0123456789ab"


@pytest.fixture
def store(emptied_database_url: str) -> Iterator[Store]:
    """One run, submitted, whose training is handed in."""
    made = Store(emptied_database_url)
    with made.transaction() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples) "
            "VALUES ('tutor', 1, 'all', '{}', 1) RETURNING id"
        )
        cursor.execute(
            "INSERT INTO ftworker.runs (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, "
            "state, run_key, training_file_id, attempted_at, job_id) VALUES ('tutor', %s, 'local', 'm', '{}', 'x', "
            "'manual', 'submitted', %s, 'f', now(), 'j') RETURNING id",
            (cursor.fetchone().id, KEY),
        )
        trainings.hand_in(cursor, run_key=KEY, run_id=cursor.fetchone().id, order={"pipeline": "tutor"})
    yield made
    made.close()


def claim(store: Store, lease_seconds: float = 60.0) -> Claim | None:
    with store.transaction() as cursor:
        return trainings.claim_training(cursor, KEY, host="here", pid=1, lease_seconds=lease_seconds)


def claimed(store: Store) -> TrainingRow:
    taken = claim(store)
    assert taken is not None
    return taken.training


def row(store: Store) -> TrainingRow:
    with store.transaction() as cursor:
        return trainings.get_training(cursor, KEY)


def renew(store: Store, token: str | None, *, reached: int = 0, **values: Any) -> str:
    given = {"lease_seconds": 60.0, "stage": "train", "progress": None, **values}
    with store.transaction() as cursor:
        return trainings.renew_training(cursor, KEY, str(token), reached=reached, **given)


def sql(store: Store, statement: str) -> None:
    with store.transaction() as cursor:
        cursor.execute(statement)


def expire(store: Store) -> None:
    sql(store, "UPDATE ftworker.trainings SET lease_expires_at = now() - interval '1 second'")


def may_start(store: Store) -> bool:
    with store.transaction() as cursor:
        return trainings.may_start(cursor, KEY)


def test_a_training_is_handed_in_once_and_stays_as_it_is(store: Store) -> None:
    before = row(store)
    with store.transaction() as cursor:
        trainings.hand_in(cursor, run_key=KEY, run_id=before.run_id, order={"pipeline": "other"})
    assert row(store) == before
    assert (before.state, before.attempts, before.order) == ("waiting", 0, {"pipeline": "tutor"})
    with store.transaction() as cursor:
        assert trainings.training_of_run(cursor, before.run_id) == before
        assert trainings.training_of_run(cursor, -1) is None
        with pytest.raises(NotFound):
            trainings.get_training(cursor, "ft-none")


def test_of_processes_at_one_moment_one_claims_it(store: Store, emptied_database_url: str) -> None:
    gate = threading.Barrier(6)

    def take() -> bool:
        own = Store(emptied_database_url)
        with own.transaction() as cursor:
            cursor.execute("SELECT 1")
        gate.wait(timeout=20)
        taken = claim(own)
        own.close()
        return taken is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(future.result() for future in [pool.submit(take) for _ in range(6)]) == 1


def test_whoever_lost_the_lease_changes_nothing(store: Store) -> None:
    first = claimed(store)
    assert not may_start(store)
    expire(store)
    assert may_start(store)
    second = claim(store)
    assert second is not None
    assert second.crashed
    assert (second.training.attempts, second.training.crashes) == (2, 1)
    before = row(store)
    token = str(first.lease_token)
    assert renew(store, token) == "lost"
    with store.transaction() as cursor:
        assert not trainings.give_back(cursor, KEY, token, message="no")
        assert not trainings.finish_training(cursor, KEY, token, "failed", message="no", error_code="x")
    assert row(store) == before
    with store.transaction() as cursor:
        assert trainings.finish_training(
            cursor, KEY, str(second.training.lease_token), "succeeded", message="m"
        )
    assert (row(store).state, row(store).lease_token) == ("succeeded", None)
    assert claim(store) is None


def test_a_lease_that_ran_out_is_renewed_unless_another_took_it(store: Store) -> None:
    taken = claimed(store)
    expire(store)
    assert renew(store, taken.lease_token) == "wanted"
    assert not may_start(store)


def test_one_that_pauses_is_not_taken_before_its_time(store: Store) -> None:
    taken = claimed(store)
    with store.transaction() as cursor:
        assert trainings.give_back(
            cursor, KEY, str(taken.lease_token), message="crashed", pause_seconds=60, crashed=True
        )
    assert claim(store) is None
    assert not may_start(store)
    sql(store, "UPDATE ftworker.trainings SET not_before = now()")
    again = claim(store)
    assert again is not None
    assert not again.crashed, "it ended with a word"
    assert again.training.crashes == 1


def test_who_gets_further_begins_to_count_anew(store: Store) -> None:
    taken = claimed(store)
    sql(store, "UPDATE ftworker.trainings SET crashes = 2, failures = 3, reached = 10")
    assert renew(store, taken.lease_token, reached=10, progress={"completed": 1}) == "wanted"
    assert (row(store).crashes, row(store).failures, row(store).progress) == (2, 3, {"completed": 1})
    assert renew(store, taken.lease_token, reached=11) == "wanted"
    assert (row(store).crashes, row(store).failures, row(store).reached) == (0, 0, 11)
    assert row(store).progress == {"completed": 1}, "no news changes nothing"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ftworker.trainings SET cancel_requested = true",
        "UPDATE ftworker.runs SET cancel_requested = true",
        "UPDATE ftworker.runs SET state = 'failed', error_code = 'x', finished_at = now()",
        "UPDATE ftworker.runs SET state = 'cancelled', finished_at = now()",
        "UPDATE ftworker.runs SET run_key = 'ft-tutor-anew'",
    ],
)
def test_the_heartbeat_hears_that_nobody_wants_the_training_any_more(store: Store, change: str) -> None:
    taken = claimed(store)
    assert renew(store, taken.lease_token) == "wanted"
    sql(store, change)
    assert renew(store, taken.lease_token) == "unwanted"


def test_a_cancel_ends_what_nobody_works_on_and_asks_who_does(store: Store) -> None:
    taken = claimed(store)
    for _ in range(2):
        with store.transaction() as cursor:
            trainings.cancel_training(cursor, KEY)
        assert (row(store).state, row(store).cancel_requested) == ("running", True)
    expire(store)
    assert not may_start(store)
    with store.transaction() as cursor:
        trainings.cancel_training(cursor, KEY)
    assert row(store).state == "cancelled"
    assert renew(store, taken.lease_token) == "lost"


def test_a_cancel_of_what_is_over_changes_nothing(store: Store) -> None:
    taken = claimed(store)
    with store.transaction() as cursor:
        trainings.finish_training(cursor, KEY, str(taken.lease_token), "succeeded", message="m")
        trainings.cancel_training(cursor, KEY)
        trainings.cancel_training(cursor, "ft-none")
    assert (row(store).state, row(store).cancel_requested) == ("succeeded", False)


def test_what_is_open_is_listed(store: Store) -> None:
    with store.transaction() as cursor:
        assert [training.run_key for training in trainings.open_trainings(cursor)] == [KEY]
        trainings.cancel_training(cursor, KEY)
        assert trainings.open_trainings(cursor) == []
