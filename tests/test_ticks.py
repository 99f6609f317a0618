"""Beat's ticks when clocks are set, and when they were not sent for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.utils.imports import symbol_by_name

from ftworker.celery import beat_schedule
from ftworker.settings import Settings, WorkerSettings

HOUR_SECONDS = 3_600.0


class Clocks:
    """The time of day and the time since the machine started, each set by a test."""

    def __init__(self) -> None:
        self.day = datetime(2026, 11, 23, 10, tzinfo=UTC)
        self.running = 100.0

    def pass_by(self, seconds: float) -> None:
        self.day += timedelta(seconds=seconds)
        self.running += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(Celery, "now", lambda _: clocks.day)
    monkeypatch.setattr("ftworker.ticks.time.monotonic", lambda: clocks.running)
    return clocks


class Beat:
    """The scheduler that `celery beat` would use, with its messages kept in a list."""

    def __init__(self, clocks: Clocks) -> None:
        settings = Settings(worker=WorkerSettings(sweep_interval_seconds=5.0))
        app = Celery(
            "beat",
            broker="memory://",
            beat_schedule=beat_schedule(settings),
            beat_scheduler="ftworker.ticks:Ticks",
        )
        self.clocks = clocks
        self.sent: list[str] = []
        self.scheduler: Any = symbol_by_name(app.conf.beat_scheduler)(app=app)
        self.scheduler.apply_entry = lambda entry, producer: self.sent.append(entry.name)

    def run(self, seconds: float) -> list[str]:
        """What is sent within the time; sleeps as long as the scheduler wishes."""
        self.sent = []
        end = self.clocks.running + seconds
        while self.clocks.running < end:
            wish = self.scheduler.tick()
            assert wish > 0.0, "beat would spin"
            self.clocks.pass_by(min(wish, end - self.clocks.running))
        return self.sent


def test_every_tick_is_sent_at_once_and_then_after_its_interval(clocks: Clocks) -> None:
    beat = Beat(clocks)

    sent = beat.run(60.0)

    assert set(sent[:4]) == {"sweep", "check-triggers", "sweep-idle", "tidy"}
    assert {name: sent.count(name) for name in sent} == {
        "sweep": 12,
        "check-triggers": 4,
        "sweep-idle": 1,
        "tidy": 1,
    }


@pytest.mark.parametrize("hours", [-1, 1])
def test_ticks_go_on_when_the_clock_is_set(clocks: Clocks, hours: int) -> None:
    beat = Beat(clocks)
    beat.run(20.0)

    clocks.day += timedelta(hours=hours)

    assert beat.run(20.0).count("sweep") == 4


def test_a_beat_that_stood_still_does_not_make_up_for_what_it_missed(clocks: Clocks) -> None:
    beat = Beat(clocks)
    beat.run(20.0)

    clocks.pass_by(HOUR_SECONDS)

    assert beat.run(5.0).count("sweep") == 1


def test_ticks_live_longer_than_clocks_of_two_machines_differ() -> None:
    """A worker throws away what expired by its own clock: one that is an hour ahead must still sweep."""
    for entry in beat_schedule(Settings()).values():
        assert entry["options"]["expires"] > HOUR_SECONDS
