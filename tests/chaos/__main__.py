"""`python -m tests.chaos --seed 7 --faults 1000`: faults at random, a rest, every rule looked at; round after round.

Exit status 1 with what is wrong, and the seed that gives the same faults again, when a rule does not hold. The folder
with all logs, journals and data then stays.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.invariants import RULES, Violation, judge
from tests.chaos.person import Person
from tests.chaos.plan import Transport, make_plan
from tests.chaos.plant import Broker, Plant
from tests.chaos.random_faults import Injector, make_steps
from tests.chaos.rounds import one_round

SHOWN_OF_A_RULE = 8


def main() -> None:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="ftworker-chaos-"))
    folder.chmod(0o755)
    broker: Broker = arguments.broker or random.Random(arguments.seed).choice(("amqp", "valkey"))
    print(
        f"seed {arguments.seed}, broker {broker}, events by {' and '.join(arguments.events)}, {folder}",
        flush=True,
    )
    violations = torture(
        folder,
        seed=arguments.seed,
        broker=broker,
        events=tuple(arguments.events),
        faults=arguments.faults,
        round_faults=arguments.round,
        conversations=arguments.conversations,
        only=arguments.only,
    )
    if violations:
        print(f"{len(violations)} violations:")
        shown = Counter[str]()
        for violation in violations:
            shown[violation.rule] += 1
            if shown[violation.rule] <= SHOWN_OF_A_RULE:
                print(f"  {violation}")
        print(
            f"again: python -m tests.chaos --seed {arguments.seed} --faults {arguments.faults} --broker {broker}"
        )
        print(f"everything is in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


def torture(
    folder: Path,
    *,
    seed: int,
    broker: Broker,
    events: tuple[Transport, ...],
    faults: int,
    round_faults: int,
    conversations: int,
    only: str = "",
) -> list[Violation]:
    """Make a plant in `folder`, hurt it `faults` times, and return what does not hold; stops at the first bad round.

    Every `round_faults` faults, with `conversations` new conversations meanwhile, it rests and is looked at.
    """
    begun = time.monotonic()
    looked_at = rounds = 0
    violations: list[Violation] = []
    with ExitStack() as stack:
        plant = stack.enter_context(Plant(folder, broker=broker, events=events, trainings=True))
        plant.start()
        person = stack.enter_context(Person(plant.store, plant.vendors))
        injector = Injector(plant)
        steps = make_steps(seed, {name: weight for name, weight in injector.weights.items() if only in name})
        while injector.done.total() < faults and not violations:
            plan = make_plan(seed, conversations, first=rounds * conversations, transports=events)
            rounds += 1
            goal = min(faults, rounds * round_faults)
            evidence, rested = one_round(plant, person, injector, steps, plan, goal)
            violations = judge(evidence)
            looked_at += evidence.facts
            states = Counter(f"{row.pipeline} {row.state}" for row in evidence.runs)
            print(
                f"round {rounds}: {injector.done.total()} faults, {len(evidence.messages)} messages "
                f"({plant.publisher.repeated} published again), "
                f"{', '.join(f'{number} {state}' for state, number in sorted(states.items()))}; "
                f"settled in {rested:.0f} s; {len(violations)} violations",
                flush=True,
            )
        deeds = person.done + plant.taken_in
        starts = {name: kept.starts for name, kept in plant.processes.kept.items()}
    print(f"{injector.done.total()} faults injected in {time.monotonic() - begun:.0f} s:")
    for name, number in sorted(injector.done.items()):
        print(f"  {number:4} {name}")
    print(f"processes were started {starts}")
    print(f"the person {', '.join(f'{what} {number} times' for what, number in sorted(deeds.items()))}")
    print(f"{len(RULES)} invariants checked {rounds} times over {looked_at} facts: {', '.join(RULES)}")
    return violations


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10_000), help="which faults"
    )
    parser.add_argument("--faults", type=int, default=1_000, help="how many faults")
    parser.add_argument("--round", type=int, default=100, help="faults between two looks at the invariants")
    parser.add_argument("--conversations", type=int, default=150, help="new conversations in each round")
    parser.add_argument(
        "--broker", choices=("amqp", "valkey"), help="of the tasks; drawn by the seed otherwise"
    )
    parser.add_argument(
        "--events",
        nargs="+",
        choices=("amqp", "stream", "task"),
        default=["amqp", "stream", "task"],
        help="how events come in",
    )
    parser.add_argument("--only", default="", help="only faults with this word in their name")
    return parser.parse_args()


if __name__ == "__main__":
    main()
