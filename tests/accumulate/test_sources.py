"""Sources in trouble: what waits, for how long, and what is parked."""

from __future__ import annotations

from ftworker.accumulate import MISSING_ATTEMPTS
from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.events.replay import replay
from ftworker.store import parked
from tests.accumulate.bench import HOUR, NOON, Bench, conversation, turns
from tests.doubles.fake_source import FakeSource


def test_events_of_a_source_that_is_not_configured_are_parked_with_the_reason(bench: Bench) -> None:
    bench.closed("c1", None, source_name="unknown")
    bench.closed("c2", turns(1))
    bench.work()
    assert bench.outcomes() == {"e1": "parked", "e2": "examples"}
    assert [reason for reason, _ in bench.parked()] == ["unknown_source"]
    assert "no source named 'unknown'" in bench.parked()[0][1]


def test_a_source_that_cannot_be_read_as_configured_parks_its_events(bench: Bench) -> None:
    bench.source.error = SourceRejected("source chat: no table messages; check sources.chat.messages")
    bench.closed("c1", None)
    bench.work()
    assert bench.parked() == [("source_rejected", str(bench.source.error))]


def test_a_source_that_is_down_delays_its_events_longer_and_longer_and_no_others(bench: Bench) -> None:
    bench.source.error = SourceUnavailable("down")
    bench.closed("c1", None)
    waits = []
    for number in range(8):
        bench.closed(f"inline{number}", turns(1))
        bench.work()
        (row,) = bench.sql(
            "SELECT extract(epoch FROM not_before - now())::float8 AS wait FROM ftworker.inbox "
            "WHERE processed_at IS NULL"
        )
        waits.append(round(row.wait, -1))
        assert bench.work().taken == 0
        bench.time_passes()
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert len(bench.taught()) == 8
    bench.source.error = None
    bench.source.add(conversation("c1", 1))
    bench.work()
    assert bench.outcomes()["e1"] == "examples"


def test_a_source_that_was_down_for_weeks_still_only_delays(bench: Bench) -> None:
    bench.source.error = SourceUnavailable("down")
    bench.closed("c1", None)
    bench.sql("UPDATE ftworker.inbox SET attempts = 5000")
    bench.work()
    assert bench.outcomes() == {"e1": None}
    assert bench.parked() == []


def test_a_conversation_that_its_source_does_not_have_is_looked_for_some_times_and_then_parked(
    bench: Bench,
) -> None:
    bench.closed("c1", None)
    bench.closed("c2", None)
    for look in range(1, MISSING_ATTEMPTS):
        bench.work()
        assert bench.outcomes() == {"e1": None, "e2": None}, look
        bench.time_passes()
    bench.source.add(conversation("c2", 1))
    bench.work()
    assert bench.outcomes() == {"e1": "parked", "e2": "examples"}
    assert len(bench.source.asked) == MISSING_ATTEMPTS
    ((reason, detail),) = bench.parked()
    assert reason == "conversation_not_found"
    assert "after 5 looks" in detail


def test_what_was_parked_works_when_it_is_replayed_after_the_source_was_mended(bench: Bench) -> None:
    bench.closed("c1", None, source_name="later")
    bench.work()
    mended = FakeSource("later")
    mended.add(conversation("c1", 1))
    bench.sources.sources["later"] = mended
    with bench.store.transaction() as cursor:
        assert replay(cursor, parked.ids(cursor), 1 << 20).waiting_again == 1
    assert bench.work().examples == 1
    assert bench.outcomes() == {"e1": "examples"}
    assert bench.parked() == []


def test_an_older_event_is_used_when_the_newest_cannot_be(bench: Bench) -> None:
    bench.closed("c1", turns(1, "primera"), closed_at=NOON)
    bench.closed("c1", None, closed_at=NOON + HOUR, source_name="chat")
    bench.source.error = SourceRejected("no such table")
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": "parked"}
    assert "primera" in bench.contents()


def test_an_older_event_is_used_while_the_newest_waits_for_its_source_and_then_replaced(bench: Bench) -> None:
    bench.closed("c1", turns(1, "primera"), closed_at=NOON)
    bench.closed("c1", None, closed_at=NOON + HOUR)
    bench.source.error = SourceUnavailable("down")
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": None}
    bench.source.error = None
    bench.source.add(conversation("c1", 2))
    bench.time_passes()
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": "examples"}
    assert "primera" not in bench.contents()
