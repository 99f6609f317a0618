"""When a pipeline begins a run. Pure: numbers in, a decision and its reasons out. `runs.cutting` acts on it.

Every condition is evaluated and explained, also those that did not decide, so that `ftworker triggers` can
say for each pipeline why it fired or did not, and how far it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from croniter import croniter

from ftworker.settings import TriggerSettings


@dataclass(frozen=True)
class Facts:
    """What a decision rests on. Times are UTC."""

    waiting_examples: int
    waiting_tokens: int
    oldest_at: datetime | None
    last_cut_at: datetime | None
    last_scheduled_at: datetime | None
    in_flight: str | None
    """`run 42 (submitted)`, when a run keeps the pipeline busy."""
    provider_minimum: int
    """Examples below which the provider refuses a dataset."""
    kept_examples: int = 0
    """Examples that the next dataset holds besides the waiting ones (strategy `all`)."""
    max_examples: int | None = None
    """At most so many of the waiting ones enter the next dataset."""

    @property
    def dataset_examples(self) -> int:
        """How many examples the next dataset would hold."""
        taken = self.waiting_examples
        if self.max_examples is not None:
            taken = min(taken, self.max_examples)
        return taken + self.kept_examples


@dataclass(frozen=True)
class Condition:
    """One line of the explanation."""

    name: str
    met: bool
    have: float
    need: float
    text: str


@dataclass(frozen=True)
class Decision:
    """Whether to cut now. `cause` names the trigger; `blocker` what forbids a cut even though a trigger
    holds."""

    fires: bool
    cause: str | None
    blocker: str | None
    conditions: tuple[Condition, ...]
    answers_schedule: bool = False
    """The cron time has come: whoever acts on the decision marks it answered, fired or not."""
    combine: Literal["all", "any"] = "all"

    @property
    def progress(self) -> float:
        """How far the thresholds are, 0 to 1: the farthest where all must hold, the nearest where not."""
        shares = [min(1.0, c.have / c.need) for c in self.conditions if c.need > 0 and c.name in _THRESHOLDS]
        return (min if self.combine == "all" else max)(shares, default=0.0)


_THRESHOLDS = frozenset({"min_examples", "min_tokens"})


def decide(trigger: TriggerSettings, facts: Facts, now: datetime) -> Decision:
    """Whether a pipeline cuts a dataset now, by which trigger, and why or why not."""
    conditions: list[Condition] = []
    cause: str | None = None

    thresholds = _threshold_conditions(trigger, facts)
    conditions += thresholds
    if thresholds:
        held = [condition.met for condition in thresholds]
        if all(held) if trigger.combine == "all" else any(held):
            cause = next(condition.name for condition in thresholds if condition.met)

    enough_for_floor = facts.waiting_examples >= trigger.max_wait_floor
    if trigger.max_wait_seconds is not None:
        waited = max(0.0, (now - facts.oldest_at).total_seconds()) if facts.oldest_at else 0.0
        met = waited >= trigger.max_wait_seconds and enough_for_floor
        conditions.append(
            Condition(
                "max_wait",
                met,
                waited,
                trigger.max_wait_seconds,
                f"oldest example has waited {_duration(waited)} of {_duration(trigger.max_wait_seconds)}, "
                f"with {facts.waiting_examples} of at least {trigger.max_wait_floor} examples",
            )
        )
        cause = cause or ("max_wait" if met else None)

    time_has_come = False
    if trigger.schedule is not None:
        due_at = last_scheduled_time(trigger.schedule, now)
        # Before the schedule's clock was started (the first look), no time of it has come.
        if facts.last_scheduled_at is not None:
            time_has_come = (
                max(facts.last_scheduled_at, facts.last_cut_at or facts.last_scheduled_at) < due_at
            )
        met = time_has_come and enough_for_floor
        upcoming = croniter(trigger.schedule, now).get_next(datetime)
        conditions.append(
            Condition(
                "schedule",
                met,
                float(facts.waiting_examples),
                float(trigger.max_wait_floor),
                f"schedule {trigger.schedule!r} next at {upcoming:%Y-%m-%d %H:%M} UTC, "
                f"with {facts.waiting_examples} of at least {trigger.max_wait_floor} examples",
            )
        )
        cause = cause or ("schedule" if met else None)

    blocker = _blocker(trigger, facts, now)
    return Decision(
        fires=cause is not None and blocker is None,
        cause=cause,
        blocker=blocker,
        conditions=tuple(conditions),
        # With too few examples the time passes unused. With enough of them it waits until nothing blocks it.
        answers_schedule=time_has_come and (blocker is None or not enough_for_floor),
        combine=trigger.combine,
    )


def blocker_by_hand(facts: Facts) -> str | None:
    """What forbids a run that a person asks for: thresholds and cooldown do not, an empty dataset does."""
    if facts.in_flight:
        return f"{facts.in_flight} is in flight"
    if facts.waiting_examples == 0:
        return "no example waits since the last dataset"
    return _too_few(facts)


def last_scheduled_time(schedule: str, now: datetime) -> datetime:
    """The latest time of the cron line that is not after now."""
    # croniter looks strictly before its start, in whole seconds.
    at: datetime = croniter(schedule, now.replace(microsecond=0) + timedelta(seconds=1)).get_prev(datetime)
    return at


def _threshold_conditions(trigger: TriggerSettings, facts: Facts) -> list[Condition]:
    conditions = []
    if trigger.min_examples is not None:
        conditions.append(
            Condition(
                "min_examples",
                facts.waiting_examples >= trigger.min_examples,
                facts.waiting_examples,
                trigger.min_examples,
                f"{facts.waiting_examples} of {trigger.min_examples} examples wait",
            )
        )
    if trigger.min_tokens is not None:
        conditions.append(
            Condition(
                "min_tokens",
                facts.waiting_tokens >= trigger.min_tokens,
                facts.waiting_tokens,
                trigger.min_tokens,
                f"{facts.waiting_tokens} of {trigger.min_tokens} tokens wait",
            )
        )
    return conditions


def _blocker(trigger: TriggerSettings, facts: Facts, now: datetime) -> str | None:
    if facts.in_flight:
        return f"{facts.in_flight} is in flight"
    if facts.last_cut_at is not None:
        # A cut in the future, by a clock that was set back since, must not add to the cooldown.
        left = trigger.cooldown_seconds - max(0.0, (now - facts.last_cut_at).total_seconds())
        if left > 0:
            return f"cooldown: {_duration(left)} left since the last cut"
    if facts.waiting_examples == 0:
        return "no example waits since the last dataset"
    return _too_few(facts)


def _too_few(facts: Facts) -> str | None:
    if facts.dataset_examples >= facts.provider_minimum:
        return None
    return (
        f"the dataset would hold {facts.dataset_examples} examples, "
        f"the provider needs at least {facts.provider_minimum}"
    )


def _duration(seconds: float) -> str:
    seconds = int(seconds)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts[:2]) or f"{seconds} s"
