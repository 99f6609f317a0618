"""When a pipeline begins a run, condition by condition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ftworker.runs.triggers import Decision, Facts, blocker_by_hand, decide, last_scheduled_time
from ftworker.settings import TriggerSettings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
SUNDAY = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WEEKLY = "0 3 * * sun"


def facts(waiting: int = 0, tokens: int | None = None, **changes: Any) -> Facts:
    return Facts(
        **{
            "waiting_examples": waiting,
            "waiting_tokens": waiting * 100 if tokens is None else tokens,
            "oldest_at": NOW - timedelta(hours=1) if waiting else None,
            "last_cut_at": None,
            "last_scheduled_at": None,
            "in_flight": None,
            "provider_minimum": 10,
            **changes,
        }
    )


def decision(trigger: dict[str, Any], known: Facts, now: datetime = NOW) -> Decision:
    return decide(TriggerSettings.model_validate({"min_examples": None, **trigger}), known, now)


@pytest.mark.parametrize(
    "trigger, waiting, tokens, cause",
    [
        ({"min_examples": 100}, 99, 0, None),
        ({"min_examples": 100}, 100, 0, "min_examples"),
        ({"min_tokens": 5_000}, 50, 4_999, None),
        ({"min_tokens": 5_000}, 50, 5_000, "min_tokens"),
        ({"min_examples": 100, "min_tokens": 5_000}, 100, 4_999, None),
        ({"min_examples": 100, "min_tokens": 5_000}, 99, 5_000, None),
        ({"min_examples": 100, "min_tokens": 5_000}, 100, 5_000, "min_examples"),
        ({"min_examples": 100, "min_tokens": 5_000, "combine": "any"}, 100, 0, "min_examples"),
        ({"min_examples": 100, "min_tokens": 5_000, "combine": "any"}, 50, 5_000, "min_tokens"),
        ({"min_examples": 100, "min_tokens": 5_000, "combine": "any"}, 50, 4_999, None),
        ({}, 1_000_000, 1_000_000, None),
    ],
)
def test_thresholds_fire_together_or_alone_as_configured(
    trigger: dict[str, Any], waiting: int, tokens: int, cause: str | None
) -> None:
    decided = decision(trigger, facts(waiting, tokens))
    assert (decided.fires, decided.cause) == (cause is not None, cause)
    assert decided.blocker is None


@pytest.mark.parametrize(
    "trigger, waiting, tokens, progress",
    [
        ({"min_examples": 100}, 25, 0, 0.25),
        ({"min_examples": 100}, 250, 0, 1.0),
        ({"min_examples": 100, "min_tokens": 5_000}, 100, 500, 0.1),
        ({"min_examples": 100, "min_tokens": 5_000, "combine": "any"}, 100, 500, 1.0),
        ({"min_examples": 100, "min_tokens": 5_000, "combine": "any"}, 20, 500, 0.2),
        ({}, 100, 500, 0.0),
        ({"max_wait_seconds": 60}, 100, 500, 0.0),
    ],
)
def test_progress_is_how_far_the_thresholds_are(
    trigger: dict[str, Any], waiting: int, tokens: int, progress: float
) -> None:
    assert decision(trigger, facts(waiting, tokens)).progress == pytest.approx(progress)


@pytest.mark.parametrize(
    "waiting, hours, fires", [(50, 24, True), (50, 23.9, False), (49, 24, False), (49, 1_000, False)]
)
def test_examples_that_waited_long_fire_when_there_are_enough_of_them(
    waiting: int, hours: float, fires: bool
) -> None:
    trigger = {"min_examples": 500, "max_wait_seconds": 86_400, "max_wait_floor": 50}
    decided = decision(trigger, facts(waiting, oldest_at=NOW - timedelta(hours=hours)))
    assert decided.fires == fires
    assert decided.cause == ("max_wait" if fires else None)


def test_an_example_from_the_future_has_not_waited_at_all() -> None:
    decided = decision({"max_wait_seconds": 60}, facts(100, oldest_at=NOW + timedelta(hours=3)))
    (condition,) = decided.conditions
    assert condition.have == 0
    assert "waited 0 s of 1 min" in condition.text


def test_every_condition_is_explained_also_those_that_did_not_decide() -> None:
    trigger = {
        "min_examples": 500,
        "min_tokens": 80_000,
        "max_wait_seconds": 90_000,
        "max_wait_floor": 50,
        "schedule": WEEKLY,
    }
    decided = decision(trigger, facts(120, 9_000, last_scheduled_at=NOW))
    assert [condition.text for condition in decided.conditions] == [
        "120 of 500 examples wait",
        "9000 of 80000 tokens wait",
        "oldest example has waited 1 h of 1 d 1 h, with 120 of at least 50 examples",
        "schedule '0 3 * * sun' next at 2026-11-29 03:00 UTC, with 120 of at least 50 examples",
    ]
    assert not any(condition.met for condition in decided.conditions)


# -- what forbids a cut


@pytest.mark.parametrize(
    "known, blocker",
    [
        (facts(500, in_flight="run 7 (submitted)"), "run 7 (submitted) is in flight"),
        (facts(500, last_cut_at=NOW - timedelta(minutes=59)), "cooldown: 1 min left since the last cut"),
        (facts(500, last_cut_at=NOW - timedelta(minutes=60)), None),
        (facts(9), "the dataset would hold 9 examples, the provider needs at least 10"),
        (facts(10), None),
        (facts(9, kept_examples=1), None),
        (facts(0, kept_examples=500), "no example waits since the last dataset"),
        (facts(500, max_examples=9), "the dataset would hold 9 examples, the provider needs at least 10"),
        (facts(500, max_examples=9, kept_examples=1), None),
        (facts(1, provider_minimum=1), None),
    ],
)
def test_what_forbids_a_cut_is_named_although_a_trigger_holds(known: Facts, blocker: str | None) -> None:
    decided = decision({"min_examples": 1}, known)
    assert decided.blocker == blocker
    assert decided.fires == (blocker is None)


@pytest.mark.parametrize(
    "cooldown_seconds, blocker", [(0, None), (600, "cooldown: 10 min left since the last cut")]
)
def test_a_cut_in_the_future_blocks_no_longer_than_the_cooldown(
    cooldown_seconds: float, blocker: str | None
) -> None:
    """Some clock was an hour ahead when it was cut, and was set right since."""
    known = facts(500, last_cut_at=NOW + timedelta(hours=1))

    decided = decision({"min_examples": 1, "cooldown_seconds": cooldown_seconds}, known)

    assert decided.blocker == blocker


@pytest.mark.parametrize(
    "known, blocker",
    [
        (facts(10), None),
        (facts(10, last_cut_at=NOW), None),
        (facts(10, in_flight="run 7 (parked)"), "run 7 (parked) is in flight"),
        (facts(0), "no example waits since the last dataset"),
        (facts(3), "the dataset would hold 3 examples, the provider needs at least 10"),
        (facts(3, kept_examples=7), None),
    ],
)
def test_a_run_by_hand_waits_for_no_threshold_and_no_cooldown_but_needs_examples(
    known: Facts, blocker: str | None
) -> None:
    assert blocker_by_hand(known) == blocker


# -- the schedule


@pytest.mark.parametrize(
    "known, fires, answers",
    [
        # The first look only starts the schedule's clock, also in a pipeline that has cut before.
        (facts(50), False, False),
        (facts(50, last_cut_at=SUNDAY - timedelta(days=30)), False, False),
        # Since the last answer a Sunday has passed.
        (facts(50, last_scheduled_at=SUNDAY - timedelta(seconds=1)), True, True),
        (facts(50, last_scheduled_at=SUNDAY), False, False),
        # A cut after that Sunday, by whatever trigger, answers it too.
        (
            facts(50, last_scheduled_at=SUNDAY - timedelta(days=1), last_cut_at=SUNDAY + timedelta(hours=1)),
            False,
            False,
        ),
        (
            facts(50, last_scheduled_at=SUNDAY - timedelta(days=1), last_cut_at=SUNDAY - timedelta(hours=1)),
            True,
            True,
        ),
        # Too few examples: the time passes unused, whatever else is in the way.
        (facts(49, last_scheduled_at=SUNDAY - timedelta(days=1)), False, True),
        (facts(0, last_scheduled_at=SUNDAY - timedelta(days=1)), False, True),
        (facts(49, last_scheduled_at=SUNDAY - timedelta(days=1), in_flight="run 1 (cut)"), False, True),
        # Enough of them, but something is in the way: it fires as soon as nothing is.
        (facts(50, last_scheduled_at=SUNDAY - timedelta(days=1), in_flight="run 1 (cut)"), False, False),
        (
            facts(50, last_scheduled_at=SUNDAY - timedelta(days=1), provider_minimum=60),
            False,
            False,
        ),
    ],
)
def test_a_schedule_fires_once_for_each_of_its_times_and_never_for_times_before_it_began(
    known: Facts, fires: bool, answers: bool
) -> None:
    decided = decision({"schedule": WEEKLY, "max_wait_floor": 50}, known)
    assert (decided.fires, decided.answers_schedule) == (fires, answers)
    assert decided.cause == "schedule" or not fires


@pytest.mark.parametrize(
    "now, latest",
    [
        (SUNDAY, SUNDAY),
        (SUNDAY + timedelta(microseconds=1), SUNDAY),
        (SUNDAY - timedelta(microseconds=1), SUNDAY - timedelta(days=7)),
        (SUNDAY - timedelta(seconds=1), SUNDAY - timedelta(days=7)),
        (SUNDAY + timedelta(days=6, hours=23, minutes=59), SUNDAY),
    ],
)
def test_the_latest_time_of_a_schedule_is_never_after_now(now: datetime, latest: datetime) -> None:
    assert last_scheduled_time(WEEKLY, now) == latest
    assert last_scheduled_time(WEEKLY, now).tzinfo is not None


def test_thresholds_win_the_name_over_waiting_and_schedule() -> None:
    trigger = {"min_examples": 10, "max_wait_seconds": 1, "max_wait_floor": 1, "schedule": WEEKLY}
    known = facts(50, last_scheduled_at=SUNDAY - timedelta(days=1))
    assert decision(trigger, known).cause == "min_examples"
    assert decision({**trigger, "min_examples": 500}, known).cause == "max_wait"
    assert decision({**trigger, "min_examples": 500, "max_wait_seconds": None}, known).cause == "schedule"
