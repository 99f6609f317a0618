"""A deletion erases all that was said, wherever it stands, and holds for what comes late."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ftworker.runs import cutting
from ftworker.runs.states import Step
from ftworker.runs.steps import StepRunner
from tests.accumulate.bench import HOUR, NOON, Bench, turns, work_during_a_cut
from tests.doubles.fake_provider import FakeProvider

SECRET = "el gato de Marisol duerme"


def test_a_cut_that_takes_a_deleted_conversation_meanwhile_holds_nothing_of_its_text(bench: Bench) -> None:
    """What was waiting when the deletion looked, and in a dataset when it came to erase, kept its text."""
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    work_during_a_cut(bench)
    assert bench.taught() == [("c1", 0, True), ("c1", 1, True)]
    rows = bench.sql("SELECT content, erased_at FROM ftworker.examples")
    assert [(row.content, row.erased_at is not None) for row in rows] == [("", True)] * 2
    assert_nothing_of_it_is_left(bench)


def test_a_deleted_conversation_leaves_a_tombstone_and_nothing_of_its_text(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.closed("c2", turns(1), closed_at=NOON)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    done = bench.work()
    assert done.taken == 1
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes()["e3"] == "deleted"
    assert_nothing_of_it_is_left(bench)
    assert bench.sql("SELECT 1 FROM ftworker.conversations WHERE deleted_at IS NOT NULL") != []


def assert_nothing_of_it_is_left(bench: Bench) -> None:
    tables = [row[0] for row in bench.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'ftworker'")]
    for table in tables:
        for row in bench.sql(f"SELECT t::text AS text FROM ftworker.{table} AS t"):
            assert SECRET not in row.text, table
            assert SECRET.encode().hex() not in row.text, table


def test_examples_in_datasets_lose_their_text_and_keep_their_place(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.work()
    bench.cut()
    bench.closed("c1", turns(3, SECRET), closed_at=NOON + HOUR)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    bench.work()
    assert bench.taught() == [("c1", 0, True), ("c1", 1, True)]
    assert_nothing_of_it_is_left(bench)
    erased = bench.sql("SELECT content, split_group FROM ftworker.examples WHERE erased_at IS NOT NULL")
    assert [tuple(row) for row in erased] == [("", ""), ("", "")]


def test_erased_examples_are_in_no_export(bench: Bench, tmp_path: Path) -> None:
    for number in range(3):
        bench.closed(f"c{number}", turns(1, SECRET if number == 1 else "física"), closed_at=NOON)
    bench.work()
    run_id = cutting.start_by_hand(bench.store, bench.settings, "tutor", lambda: datetime.now(UTC))
    bench.closed("c1", None, reason="deleted")
    bench.work()
    StepRunner(bench.store, bench.settings, lambda _: FakeProvider()).perform(run_id, Step.EXPORT)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(SECRET in path.read_text(encoding="utf-8") for path in files)
    assert any("física" in path.read_text(encoding="utf-8") for path in files)


def test_a_deletion_of_what_was_never_seen_holds_against_an_event_that_comes_late(bench: Bench) -> None:
    bench.closed("c1", None, reason="deleted")
    bench.work()
    bench.closed("c1", turns(2, SECRET), closed_at=datetime.now(UTC))
    bench.work()
    assert bench.taught() == []
    assert bench.outcomes() == {"e1": "deleted", "e2": "deleted"}
    assert_nothing_of_it_is_left(bench)


def test_a_deletion_in_the_same_batch_wins_in_whatever_order_it_came(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.closed("c2", turns(1))
    bench.closed("c1", None, reason="deleted", closed_at=NOON - HOUR)
    bench.closed("c1", turns(3, SECRET), closed_at=NOON + HOUR)
    done = bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert set(bench.outcomes().values()) == {"deleted", "examples"}
    assert (done.taken, done.examples) == (2, 1)
    assert_nothing_of_it_is_left(bench)


def test_a_deletion_erases_what_was_parked_and_what_waits_for_its_source(bench: Bench) -> None:
    bench.closed("c1", turns(1, SECRET), source_name="unknown")
    bench.closed("c1", None, source_name="unknown", user_ref="u")
    bench.work()
    bench.closed("c1", None, source_name="unknown", reason="deleted")
    bench.work()
    assert bench.parked() == []
    assert_nothing_of_it_is_left(bench)


def test_many_deletions_are_done_batch_after_batch(bench: Bench) -> None:
    bench.values["worker"]["accumulate_batch"] = 10
    bench.arrive(*(bench.event(f"c{n}", turns(1)) for n in range(5)))
    bench.arrive(*(bench.event(f"c{n}", None, reason="deleted") for n in range(25)))
    bench.arrive(bench.event("c99", turns(1)))
    bench.run_all()
    assert bench.taught() == [("c99", 0, False)]
