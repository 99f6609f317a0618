"""What cannot become examples: rows that are no events, texts that break our code."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ftworker.accumulate import UNEXPECTED_ATTEMPTS
from ftworker.conversations import Conversation
from ftworker.curation.curate import curating
from ftworker.events.replay import replay
from ftworker.store import parked
from ftworker.store.inbox import NewEvent
from tests.accumulate.bench import Bench, turns

SECRET = "el gato de Marisol duerme"


@pytest.mark.parametrize(
    "payload, reason",
    [
        ("{", "malformed_json"),
        ('{"specversion": "1.0"}', "not_cloudevent"),
        ("null", "not_cloudevent"),
    ],
)
def test_a_row_that_is_no_event_is_parked_and_the_rest_goes_on(
    bench: Bench, payload: str, reason: str
) -> None:
    bench.arrive(NewEvent("/rag", "bad", "chat", "c0", payload))
    bench.closed("c1", turns(1))
    bench.work()
    assert bench.outcomes() == {"bad": "parked", "e1": "examples"}
    assert bench.parked()[0][0] == reason


def test_a_row_whose_text_was_erased_before_its_time_is_parked(bench: Bench) -> None:
    bench.closed("c1", turns(1))
    bench.sql("UPDATE ftworker.inbox SET payload = NULL")
    bench.work()
    assert bench.parked()[0][0] == "no_payload"


def test_a_conversation_that_breaks_our_code_is_parked_alone_and_its_text_shows_nowhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def curate_badly(conversation: Conversation, *arguments: Any, **options: Any) -> Any:
        if conversation.conversation_id == "c2":
            raise ValueError(f"cannot cope with {SECRET}")
        return curating(conversation, *arguments, **options)

    monkeypatch.setattr("ftworker.examples_of.curating", curate_badly)
    for number in range(5):
        bench.closed(f"c{number}", turns(1, SECRET))
    with caplog.at_level(logging.INFO):
        for _ in range(UNEXPECTED_ATTEMPTS):
            assert bench.parked() == []
            bench.run_all()
            assert [event for event, outcome in bench.outcomes().items() if outcome != "examples"] == ["e3"]
            bench.time_passes()
    assert bench.outcomes()["e3"] == "parked"
    ((reason, detail),) = bench.parked()
    assert reason == "unexpected_error"
    assert "ValueError" in detail
    assert SECRET not in detail
    assert not any(SECRET in record.getMessage() for record in caplog.records)
    monkeypatch.undo()
    with bench.store.transaction() as cursor:
        replay(cursor, parked.ids(cursor), 1 << 20)
    bench.run_all()
    assert len(bench.taught()) == 5


def test_a_fault_of_ours_that_breaks_every_event_delays_them_and_is_over_when_it_is_mended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise TypeError

    monkeypatch.setattr("ftworker.examples_of.curating", broken)
    for number in range(4):
        bench.closed(f"c{number}", turns(1))
    for _ in range(2):
        bench.run_all()
        bench.time_passes()
    monkeypatch.undo()
    bench.run_all()
    assert bench.parked() == []
    assert len(bench.taught()) == 4
