"""One round: conversations are published while faults hit, then everything heals and rests, and is looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, gather
from tests.chaos.person import Person
from tests.chaos.plan import Plan
from tests.chaos.plant import Plant
from tests.chaos.random_faults import Injector, Step

SETTLE_SECONDS = 120.0
PER_SECOND_IN_TROUBLE = 8.0
"""Slow enough that messages are on their way during the whole round."""
PER_SECOND_AT_REST = 200.0


def one_round(
    plant: Plant, person: Person, injector: Injector, steps: Iterator[Step], plan: Plan, faults: int
) -> tuple[Evidence, float]:
    """Publish the plan, go on until so many faults were injected in all, rest. Returns what is then known, and the
    seconds that it took to settle.
    """
    plant.publisher.per_second = PER_SECOND_IN_TROUBLE
    plant.publish(plan)
    while injector.done.total() < faults:
        injector.perform(next(steps))
    injector.rest()
    plant.publisher.per_second = PER_SECOND_AT_REST
    begun = time.monotonic()
    unsettled = plant.settle(SETTLE_SECONDS, person.waits)
    rested = time.monotonic() - begun
    if unsettled:
        unsettled.append(f"see {plant.diagnose()}")
    return gather(plant, unsettled), rested
