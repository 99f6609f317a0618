"""`python -m tests.chaos --seed 7 --faults 1000`: faults at random, a rest, every rule looked at; round after round.

Before them a kill at every crash point (`crash_points`), unless `--no-crash-points`.

`--seeds 11-20`, or `--runs 10`, does several such runs one after another, each in a process of its own, and ends with a
line for each.

Exit status 1 with what is wrong, and the seed that gives the same faults again, when a rule does not hold. The folder
with all logs, journals and data then stays.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.crash_points import BROKERS, crash_points
from tests.chaos.invariants import RULES, Violation, judge
from tests.chaos.person import Person
from tests.chaos.plan import Transport, make_plan
from tests.chaos.plant import Broker, Plant
from tests.chaos.random_faults import Injector, make_steps
from tests.chaos.rounds import one_round

SHOWN_OF_A_RULE = 8
SUMMARY = "summary:"


def main() -> None:
    arguments = _arguments()
    if not arguments.no_crash_points and not crash_points(
        (arguments.broker,) if arguments.broker else BROKERS
    ):
        sys.exit(1)
    if arguments.only_crash_points:
        return
    if arguments.seeds or arguments.runs:
        sys.exit(one_after_another(arguments.seeds or _new_seeds(arguments.runs)))
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
            f"again: python -m tests.chaos --no-crash-points --seed {arguments.seed} --faults {arguments.faults} "
            f"--broker {broker}"
        )
        print(f"everything is in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


def one_after_another(seeds: Sequence[int]) -> int:
    """A run for each seed, with the other arguments of this one; the exit status, 1 when a rule did not hold."""
    rest = _without(sys.argv[1:], ("--seeds", "--runs", "--seed"))
    last_lines = []
    for seed in seeds:
        command = [sys.executable, "-m", "tests.chaos", *rest, "--no-crash-points", "--seed", str(seed)]
        last_line = "said nothing"
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            for line in run.stdout:
                print(line, end="", flush=True)
                last_line = line.strip() if line.startswith(SUMMARY) else last_line
        verdict = "held" if run.returncode == 0 else "DID NOT HOLD"
        last_lines.append((verdict, f"seed {seed}: {verdict}; {last_line.removeprefix(SUMMARY).strip()}"))
    print(f"{len(seeds)} runs:")
    for _, line in last_lines:
        print(f"  {line}")
    return 1 if any(verdict != "held" for verdict, _ in last_lines) else 0


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
        plant = stack.enter_context(
            Plant(folder, broker=broker, events=events, trainings=True, moves_database_clock=True)
        )
        plant.start()
        person = stack.enter_context(Person(plant.store, plant.vendors))
        injector = Injector(plant)
        steps = make_steps(
            seed, {name: weight for name, weight in injector.weights.items() if re.search(only, name)}
        )
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
        waited_for = plant.waited_for.most_common(3)
        starts = {name: kept.starts for name, kept in plant.processes.kept.items()}
    print(f"{injector.done.total()} faults injected in {time.monotonic() - begun:.0f} s:")
    for name, number in sorted(injector.done.items()):
        print(f"  {number:4} {name}")
    print(f"processes were started {starts}")
    print(f"the person {', '.join(f'{what} {number} times' for what, number in sorted(deeds.items()))}")
    print(f"rests were spent on {', '.join(f'{what} ({looks} looks)' for what, looks in waited_for)}")
    print(f"{len(RULES)} invariants checked {rounds} times over {looked_at} facts: {', '.join(RULES)}")
    kinds = {name.partition(":")[0] for name in injector.done}
    print(
        f"{SUMMARY} {broker}, {injector.done.total()} faults of {len(kinds)} kinds, {len(RULES)} invariants checked "
        f"{rounds} times over {looked_at} facts, {len(violations)} violations, {time.monotonic() - begun:.0f} s"
    )
    return violations


def _without(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """The words of a command line without some options and the value that follows each."""
    kept: list[str] = []
    place = 0
    while place < len(words):
        name, is_one_word, _ = words[place].partition("=")
        if name in options:
            place += 1 if is_one_word else 2
        else:
            kept.append(words[place])
            place += 1
    return kept


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _new_seeds(count: int) -> list[int]:
    return random.SystemRandom().sample(range(10_000), count)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10_000), help="which faults"
    )
    parser.add_argument("--seeds", type=_seeds, help="several runs: 11-20, or 3,5,8")
    parser.add_argument("--runs", type=int, help="several runs, with seeds that are drawn")
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
    parser.add_argument("--no-crash-points", action="store_true", help="faults at random alone")
    parser.add_argument("--only-crash-points", action="store_true", help="see tests.chaos.crash_points")
    parser.add_argument("--only", default="", help="only faults whose name this expression finds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
