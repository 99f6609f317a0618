"""`python -m tests.chaos.crash_points`: kill -9 at every point of a plant that matters, once each; then every rule.

The points are not written down anywhere: a round without a crash tells them (`crash_hook`), and each place that it
tells of, a moment before and a moment after, is crashed at in a later round, the processes started again, the work
brought to its end. Points that show up only after a crash join the list. One that is reached in none of three rounds,
with fewer others each time, is a failure of this harness and named as one.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.crash_board import Arm, Crashed
from tests.chaos.crash_commands import crash_commands
from tests.chaos.crash_deeds import DEEDS
from tests.chaos.crash_migrations import crash_migrations
from tests.chaos.crash_plant import CrashPlant
from tests.chaos.crash_stages import crash_stages
from tests.chaos.invariants import RULES
from tests.chaos.plan import Transport
from tests.chaos.plant import Broker

SEED = 5
BATCH = 40
"""Points of one round: its processes crash at them one after the other."""
TRIES = 3
"""Rounds in which a point may be reached, each with fewer others beside it than the one before."""
FEWEST = 4
LATEST = 5
"""The latest time that a point is crashed at: later ones may not come while there is work."""
CLAIM = re.compile(r"^task: after commit in tasks\.")
"""A task of ours has taken its work."""
PARTS = ("processes", "commands", "stages")
"""What is crashed: the processes of a plant, the commands of a person, the stages of ftworker's own trainer."""
KINDS: Mapping[str, str] = {
    "command of a person": r"^command ",
    "commit": r" commit in ",
    "acknowledgement": r" (ack|reject|requeue|XACK|XTRIM) ",
    "message published": r" publishing ",
    "call of OpenAI": r" call of OpenAI ",
    "call of Ollama": r" call of Ollama ",
    "statement of a migration": r" statement ",
    "file of a dataset": r" in (datasets|runs\.exporting)\.",
    "training checkpoint": r" in training\.checkpoints\.",
    "file of a model or its training": r"",
}
"""Kinds for the report; the first that fits."""
OF_A_BROKER = rf"{KINDS['acknowledgement']}|{KINDS['message published']}|^ingest|^command publish"
BROKERS: tuple[Broker, ...] = ("amqp", "valkey")
EVENTS: Mapping[Broker, tuple[Transport, ...]] = {
    "amqp": ("amqp", "stream", "task"),
    "valkey": ("stream", "task"),
}


@dataclass
class Outcome:
    """What came of all points of a plant."""

    crashed: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    """Passed in the round that told the points, and not in the one that was to crash there, nor again."""
    gone: list[str] = field(default_factory=list)
    """The same for points that only another crash had shown."""
    violations: list[str] = field(default_factory=list)
    person: Mapping[str, int] = field(default_factory=dict)
    """What was left to a person, and how often."""


def kind_of(name: str) -> str:
    """The kind of a point, for the report."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))


def time_of(name: str, count: int) -> int:
    """At which time of being passed a point is crashed at: one of the first half of those that a round has."""
    return 1 + zlib.crc32(name.encode()) % min(LATEST, max(1, count // 2))


def batches(names: Iterable[str], size: int) -> list[list[str]]:
    """The points in rounds, neighbours apart: what comes shortly after another crash is often not reached."""
    ordered = sorted(
        names, key=lambda name: (name.partition(":")[0], re.sub(r"(before|after) ", "", name), name)
    )
    number = -(-len(ordered) // size)
    return [ordered[start::number] for start in range(number)]


def next_batch(waiting: Sequence[str], tries: Mapping[str, int], size: int) -> list[str]:
    """The points of the next round: of those that were tried least, fewer where they were missed before."""
    least = min(tries.get(name, 0) for name in waiting)
    names = [name for name in waiting if tries.get(name, 0) == least]
    return batches(names, size if least == 0 else max(FEWEST, size // 4**least))[0]


def crash_all(plant: CrashPlant, *, only: str = "", size: int = BATCH) -> Outcome:
    """Crash a started plant at every point that it tells of and that `only` (a regular expression) finds in it.

    Ends at the first round after which a rule does not hold.
    """
    outcome = Outcome()
    counts = tell(plant)
    first = set(counts)
    waiting = [name for name in counts if re.search(only, name)]
    tries = Counter[str]()
    print(f"{len(counts)} points told, {len(waiting)} to crash at", flush=True)
    while waiting:
        batch = next_batch(waiting, tries, size)
        begun = time.monotonic()
        arms = {
            f"{plant.rounds}-{place}": Arm(
                f"^{re.escape(name)}$", time_of(name, counts[name]) if tries[name] == 0 else 1
            )
            for place, name in enumerate(batch)
        }
        if not first.issuperset(batch):
            # What only a crash shows needs one: a task of each kind dies with its work in hand.
            others = [name for name in first if CLAIM.search(name) and name not in batch]
            arms |= {f"{plant.rounds}-other-{name}": Arm(f"^{re.escape(name)}$") for name in others}
        missed = plant.round(arms)
        left = {name for key, name in zip(arms, batch, strict=False) if key in missed}
        evidence, violations = plant.judge()
        for name in batch:
            tries[name] += 1
            if name not in left:
                outcome.crashed.append(name)
            elif tries[name] == (TRIES if name in first else TRIES - 1):
                (outcome.missed if name in first else outcome.gone).append(name)
        shown = plant.board.passed()
        new = [name for name in shown if name not in counts]
        counts.update({name: shown[name] for name in new})
        done = {*outcome.crashed, *outcome.missed, *outcome.gone}
        waiting = [name for name in counts if re.search(only, name) and name not in done]
        print(
            f"round {plant.rounds}: {len(batch) - len(left)} of {len(batch)} crashed, {len(new)} points are new, "
            f"{len(waiting)} left; {len(evidence.runs)} runs, {len(violations)} violations "
            f"({time.monotonic() - begun:.0f} s)",
            flush=True,
        )
        if violations:
            outcome.violations = [
                *map(str, violations),
                "crashed in this round: " + "; ".join(name for name in batch if name not in left),
            ]
            return outcome
    return outcome


def tell(plant: CrashPlant) -> Counter[str]:
    """A round without a crash, and one end and start of every process: how often each point was passed."""
    plant.board.passed()
    plant.round({})
    plant.stop_in_order()
    time.sleep(3.0)
    plant.round({})
    return plant.board.passed()


def torture(folder: Path, broker: Broker, *, only: str, size: int, parts: Collection[str] = PARTS) -> Outcome:
    """A plant, its migrations first, then its processes; another for the commands of a person; the stages."""
    outcome = Outcome()
    others: list[Crashed] = []
    if "processes" in parts:
        with CrashPlant(
            folder / "processes", broker=broker, events=EVENTS[broker], seed=SEED, idle=True
        ) as plant:
            others.append(crash_migrations(plant, only))
            plant.start()
            outcome = crash_all(plant, only=only, size=size)
            outcome.person = dict(plant.person.done)
    if "commands" in parts and any(re.search(only, f"command {deed.name}: ") for deed in DEEDS):
        events = tuple(via for via in EVENTS[broker] if via in ("task", broker) or broker == "valkey")
        with CrashPlant(
            folder / "commands", broker=broker, events=events, seed=SEED, trainings=False, by_hand=True
        ) as plant:
            plant.start()
            others.append(crash_commands(plant, only))
    if "stages" in parts:
        others.append(crash_stages(folder / "stages", only))
    for other in others:
        outcome.crashed += other.crashed
        outcome.missed += other.missed
        outcome.violations += other.violations
    return outcome


def report(outcome: Outcome, broker: str, seconds: float) -> bool:
    """Print what was done; whether all is well."""
    kinds = Counter(map(kind_of, outcome.crashed))
    print(f"broker {broker}: {len(outcome.crashed)} points crashed at in {seconds:.0f} s:")
    for kind in KINDS:
        print(f"  {kinds[kind]:4} {kind}")
    for deed, times in sorted(outcome.person.items()):
        print(f"  the person {deed} {times} times")
    for name in outcome.gone:
        print(f"  after another crash only, and not again: {name}")
    for name in outcome.missed:
        print(f"HARNESS: never reached: {name}")
    for violation in outcome.violations:
        print(f"VIOLATION {violation}")
    return not outcome.missed and not outcome.violations


def crash_points(
    brokers: Iterable[Broker],
    *,
    only: str = "",
    size: int = BATCH,
    names: bool = False,
    parts: Collection[str] = PARTS,
) -> bool:
    """All points with the first broker, those that go through a broker with the others; whether all is well."""
    well = True
    for number, broker in enumerate(brokers):
        folder = Path(tempfile.mkdtemp(prefix="ftworker-crash-"))
        folder.chmod(0o755)
        begun = time.monotonic()
        print(f"crash points, broker {broker}, {folder}", flush=True)
        # The stages know no broker.
        here = [part for part in parts if part != "stages" or not number]
        outcome = torture(folder, broker, only=only or (OF_A_BROKER if number else ""), size=size, parts=here)
        if names:
            print(*sorted(outcome.crashed), sep="\n")
        if report(outcome, broker, time.monotonic() - begun):
            shutil.rmtree(folder)
        else:
            well = False
            print(
                f"again: python -m tests.chaos.crash_points --broker {broker} --only WORD; all is in {folder}"
            )
    print(f"{len(RULES)} invariants checked after every round: {'all hold' if well else 'NOT all hold'}")
    return well


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.crash_points", description=__doc__)
    parser.add_argument(
        "--only", default="", help="only points with this in their name (a regular expression)"
    )
    parser.add_argument("--broker", choices=("amqp", "valkey"), help="only this one, with all points")
    parser.add_argument("--batch", type=int, default=BATCH, help="points of one round; 1 to find a culprit")
    parser.add_argument("--names", action="store_true", help="print the name of every point")
    parser.add_argument("--part", choices=PARTS, help="only the points of these")
    arguments = parser.parse_args()
    parts = (arguments.part,) if arguments.part else PARTS
    brokers: tuple[Broker, ...] = (arguments.broker,) if arguments.broker else BROKERS
    if not crash_points(
        brokers, only=arguments.only, size=arguments.batch, names=arguments.names, parts=parts
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
