"""Beside curation itself: duplicates by SQL, names by roster, redaction before anything is stored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftworker.store import totals
from tests.accumulate.bench import Bench, said, turns

DUPLICATES = {"provider": "local", "trigger": {"min_examples": 1}}
NAMES = "Zuriñe Etxandi Mugarza\nOteiza Larrun, Ximun\n"
TOLD = [
    {"role": "user", "content": "Le pregunté a zuriñe etxandi y no lo sabía. ¿Cómo se suman fracciones?"},
    {"role": "assistant", "content": "Dile a Zuriñe que busque un denominador común y sume los numeradores."},
]


@pytest.fixture
def bench(emptied_database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(emptied_database_url, tmp_path)
    made.values["pipelines"] = {"tutor": DUPLICATES}
    yield made
    made.store.close()


def dropped(bench: Bench) -> list[tuple[str, int, str]]:
    rows = bench.sql(
        "SELECT c.conversation_id, d.turn, d.reason FROM ftworker.drops AS d "
        "JOIN ftworker.conversations AS c ON c.id = d.conversation_id ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


def test_the_same_words_in_another_conversation_are_a_duplicate(bench: Bench) -> None:
    bench.closed("a", said("química", 1))
    bench.run_all()
    shouted = [{**message, "content": message["content"].upper()} for message in said("química", 1)]
    bench.closed("b", [*shouted, *said("física", 2)])
    bench.run_all()
    assert bench.taught() == [("a", 0, False), ("b", 1, False)]
    assert dropped(bench) == [("b", 0, "duplicate")]


def test_of_equal_conversations_in_one_batch_one_is_kept(bench: Bench) -> None:
    for name in "abc":
        bench.closed(name, turns(2))
    done = bench.work()
    assert (done.examples, done.drops) == (2, 4)
    assert {name for name, *_ in bench.taught()} == {"a"}
    assert sorted(bench.outcomes().values(), key=str) == ["dropped", "dropped", "examples"]


def test_a_question_and_answer_said_twice_in_a_conversation_is_taught_once(bench: Bench) -> None:
    bench.closed("a", [*said("química", 1), *said("física", 2), *said("química", 1)])
    bench.run_all()
    assert bench.taught() == [("a", 0, False), ("a", 1, False)]
    assert dropped(bench) == [("a", 2, "duplicate")]


def test_a_newer_version_of_a_conversation_is_no_duplicate_of_its_older_one(bench: Bench) -> None:
    bench.closed("a", turns(2))
    bench.run_all()
    bench.closed("a", turns(3))
    bench.run_all()
    assert bench.taught() == [("a", 0, False), ("a", 1, False), ("a", 2, False)]
    assert dropped(bench) == []


def test_the_words_of_a_deleted_conversation_may_be_taught_again(bench: Bench) -> None:
    bench.closed("a", turns(1))
    bench.run_all()
    bench.closed("a", None, reason="deleted")
    bench.run_all()
    bench.closed("b", turns(1))
    bench.run_all()
    assert bench.taught() == [("b", 0, False)]


def test_each_pipeline_keeps_its_own_and_may_keep_duplicates(bench: Bench) -> None:
    bench.values["pipelines"] = {
        "one": DUPLICATES,
        "all": {**DUPLICATES, "curation": {"drop_duplicates": False}},
    }
    for name in "ab":
        bench.closed(name, turns(1))
        bench.run_all()
    assert bench.taught("one") == [("a", 0, False)]
    assert bench.taught("all") == [("a", 0, False), ("b", 0, False)]


def test_two_workers_at_one_moment_keep_every_conversation_accounted_for(bench: Bench) -> None:
    for number in range(120):
        bench.closed(f"c-{number}", said("química", number % 7))
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        while bench.work().taken:
            continue

    with ThreadPoolExecutor(2) as workers:
        for future in [workers.submit(work) for _ in range(2)]:
            future.result(timeout=60)
    kept, duplicates = len(bench.taught()), len(dropped(bench))
    assert kept + duplicates == 120
    # Each worker may keep one of a pair that the other has not committed yet.
    assert 7 <= kept <= 14


@pytest.fixture
def roster(bench: Bench, tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    bench.values["privacy"] = {"rosters": {"school": {"file": str(path)}}}
    return path


def test_names_of_the_roster_are_replaced_before_anything_is_stored(bench: Bench, roster: Path) -> None:
    roster.write_text(NAMES, encoding="utf-8")
    bench.closed("a", TOLD, user_ref="u-1")
    bench.run_all()
    stored = bench.contents().casefold()
    assert "zuri" not in stored
    assert "etxandi" not in stored
    assert stored.count("[nombre_1]") == 2, "the same person has the same placeholder in question and answer"
    with bench.store.transaction() as cursor:
        counted = totals.read(cursor)
    assert counted["redactions", "kind=name,pipeline=tutor"] == 2


def test_names_of_another_tenants_roster_are_not_looked_for(bench: Bench, roster: Path) -> None:
    roster.write_text("Teorema Largo Adrede\n", encoding="utf-8")
    bench.values["privacy"]["rosters"]["school"]["tenant"] = "school-1"
    talk = [
        {"role": "user", "content": "¿Qué dice el Teorema Largo Adrede de los triángulos?"},
        {"role": "assistant", "content": "Que sus ángulos suman dos rectos, como los demás."},
    ]
    bench.closed("theirs", talk, tenant_id="school-1")
    bench.closed("ours", talk, tenant_id="school-2")
    bench.run_all()
    contents = dict(
        bench.sql(
            "SELECT c.conversation_id, e.content FROM ftworker.examples AS e "
            "JOIN ftworker.conversations AS c ON c.id = e.conversation_id"
        )
    )
    assert "[NOMBRE_1]" in contents["theirs"]
    assert "Teorema Largo Adrede" in contents["ours"]


def test_conversations_wait_while_their_roster_cannot_be_read(
    bench: Bench, roster: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench.closed("a", TOLD, user_ref="u-1")
    assert bench.work().examples == 0
    assert bench.outcomes() == {"e1": None}
    assert bench.parked() == []
    assert "privacy.rosters.school.file" in caplog.text

    roster.write_text(NAMES, encoding="utf-8")
    bench.time_passes()
    bench.run_all()
    assert bench.taught() == [("a", 0, False)]
    assert "etxandi" not in bench.contents().casefold()
