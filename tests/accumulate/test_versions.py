"""Several versions of one conversation: which counts, and what a dataset keeps of the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.accumulate.bench import HOUR, NOON, Bench, said, turns, work_during_a_cut


def test_of_several_events_about_a_conversation_the_newest_wins_within_a_batch(bench: Bench) -> None:
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    bench.closed("c1", turns(1, "vieja"), closed_at=NOON)
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "superseded"}
    assert "vieja" not in bench.contents()
    assert len(bench.taught()) == 2


def test_an_older_event_that_comes_later_changes_nothing(bench: Bench) -> None:
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    bench.work()
    bench.closed("c1", turns(1, "vieja"), closed_at=NOON)
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "superseded"}
    assert len(bench.taught()) == 2
    assert "vieja" not in bench.contents()


def test_a_newer_version_replaces_what_still_waits(bench: Bench) -> None:
    bench.closed("c1", turns(3, "vieja"), closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    done = bench.work()
    assert done.examples == 0
    assert bench.taught() == [("c1", 0, False), ("c1", 1, False)]
    assert "vieja" not in bench.contents()


def test_the_same_again_under_another_id_changes_nothing_and_counts_nothing(bench: Bench) -> None:
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    before = bench.totals()
    bench.closed("c1", turns(2), closed_at=NOON)
    assert bench.work().examples == 0
    assert bench.totals() == before
    assert len(bench.taught()) == 2


def test_a_clock_in_the_future_does_not_shut_out_later_versions(bench: Bench) -> None:
    bench.closed("c1", turns(1, "vieja"), closed_at=datetime.now(UTC) + timedelta(days=4_000))
    bench.work()
    bench.closed("c1", turns(2, "nueva"), closed_at=datetime.now(UTC) + timedelta(seconds=5))
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "examples"}
    assert len(bench.taught()) == 2


def test_an_event_without_any_time_is_as_new_as_its_arrival(bench: Bench) -> None:
    bench.closed("c1", turns(1, "vieja"))
    bench.work()
    bench.closed("c1", turns(2, "nueva"))
    bench.work()
    assert len(bench.taught()) == 2


@pytest.mark.parametrize("unit", ["turn", "conversation"])
def test_a_reopened_conversation_adds_only_the_turns_that_no_dataset_holds(bench: Bench, unit: str) -> None:
    bench.values["pipelines"]["tutor"]["curation"] = {"unit": unit}
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    first = bench.taught()
    bench.cut()
    bench.closed("c1", turns(4), closed_at=NOON + HOUR)
    bench.work()
    cut, waiting = bench.taught()[: len(first)], bench.taught()[len(first) :]
    assert [turn for _, turn, _ in cut] == [turn for _, turn, _ in first]
    assert all(held for _, _, held in cut)
    assert [turn for _, turn, held in waiting if not held] == ([2, 3] if unit == "turn" else [3])

    # Taught are the new answers; those of the dataset before stand as history.
    (newest,) = bench.sql("SELECT content FROM ftworker.examples ORDER BY turn DESC LIMIT 1")
    weights = [(m["content"][:11], m.get("weight")) for m in json.loads(newest.content)[1::2]]
    taught = {text for text, weight in weights if weight != 0}
    assert taught == ({"Respuesta 3"} if unit == "turn" else {"Respuesta 2", "Respuesta 3"})
    assert {"Respuesta 0", "Respuesta 1"} <= {text for text, weight in weights if weight == 0}

    bench.cut()
    bench.closed("c1", turns(4), closed_at=NOON + 2 * HOUR)
    assert bench.work().examples == 0
    assert not any(not held for _, _, held in bench.taught())
    assert bench.outcomes()["e3"] == "examples"


def test_why_earlier_turns_were_dropped_is_still_known_after_a_conversation_reopened(bench: Bench) -> None:
    short = [{"role": "user", "content": "¿Y qué más me cuentas?"}, {"role": "assistant", "content": "Nada."}]
    bench.closed("c1", [*said("a", 0), *short, *said("a", 2)], closed_at=NOON)
    bench.work()
    bench.cut()
    bench.closed("c1", [*said("a", 0), *short, *said("a", 2), *short], closed_at=NOON + HOUR)
    bench.work()
    assert [(row.turn, row.reason) for row in bench.sql("SELECT * FROM ftworker.drops ORDER BY turn")] == [
        (1, "too_short"),
        (3, "too_short"),
    ]


def test_a_drop_goes_when_a_newer_version_gives_an_example_instead(bench: Bench) -> None:
    bench.closed("c1", [{"role": "user", "content": "¿Qué es un ácido?"}], closed_at=NOON)
    bench.work()
    assert len(bench.sql("SELECT 1 FROM ftworker.drops")) == 1
    bench.closed("c1", turns(1), closed_at=NOON + HOUR)
    bench.work()
    assert bench.sql("SELECT 1 FROM ftworker.drops") == []
    assert len(bench.taught()) == 1


def test_a_conversation_that_left_a_pipeline_leaves_only_what_was_cut(bench: Bench) -> None:
    bench.values["pipelines"]["tutor"]["course"] = "mates"
    bench.closed("c1", turns(1), course_id="mates", closed_at=NOON)
    bench.closed("c2", turns(1), course_id="mates", closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(1), course_id="historia", closed_at=NOON + HOUR)
    bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes()["e3"] == "unmatched"


def test_a_cut_that_takes_a_conversation_meanwhile_is_waited_for(bench: Bench) -> None:
    """Else a whole conversation, reopened while it was being cut, would be taught twice."""
    bench.values["pipelines"]["tutor"]["curation"] = {"unit": "conversation"}
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(4), closed_at=NOON + HOUR)
    work_during_a_cut(bench)
    assert bench.taught() == [("c1", 1, True), ("c1", 3, False)]
    (new,) = bench.sql("SELECT content FROM ftworker.examples WHERE turn = 3")
    assert [m.get("weight") for m in json.loads(new.content)[1::2]] == [0, 0, None, None]
