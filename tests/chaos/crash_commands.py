"""Every command of `ftworker` that changes something, killed at every point on its way, and given again.

As a person does who sees it die: the same words, once more, and again where nothing came of it. Then its effect must be
there once, and, when all points of a command are done, every rule must hold. What the commands are and in which
situations they are given is in `crash_deeds`; here nothing knows what any of them does.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Final

from tests.chaos.crash_board import Arm, Crashed
from tests.chaos.crash_deeds import DEEDS
from tests.chaos.crash_hand import DONE_SECONDS, Deed, Hand, Scene
from tests.chaos.crash_plant import CrashPlant

TRIES: Final = 3
PATIENCE_SECONDS: Final = 5.0
"""After which a person, who sees no effect, gives the command again."""
BUG: Final = "Traceback (most recent call last)"


def crash_commands(plant: CrashPlant, only: str = "", deeds: Iterable[Deed] = DEEDS) -> Crashed:
    """All deeds on a started plant, at the points that `only` (a regular expression) finds."""
    done = Crashed()
    hand = Hand(plant)
    # Its processes make their queues when they start.
    plant.settle()
    for deed in deeds:
        if deed.needs_rabbitmq and plant.plant.rabbitmq is None:
            continue
        if re.search(only, f"command {deed.name}: "):
            begun = time.monotonic()
            before, found = len(done.crashed), len(done.violations)
            crash_deed(hand, deed, done)
            done.violations += resting(plant, hand, deed)
            for what in done.violations[found:]:
                print(f"VIOLATION {what}", flush=True)
            print(
                f"{deed.name}: {len(done.crashed) - before} points crashed at, "
                f"{len(done.violations) - found} violations ({time.monotonic() - begun:.0f} s)",
                flush=True,
            )
    return done


def crash_deed(hand: Hand, deed: Deed, done: Crashed) -> None:
    """Do a deed whole, then kill it at each point that it told of."""
    points = tell(hand, deed, done)
    for name, time_of in points:
        crash_at(hand, deed, name, Arm(f"^{re.escape(name)}$", time_of), done)


def tell(hand: Hand, deed: Deed, done: Crashed) -> list[tuple[str, int]]:
    """Do a deed without a crash: its points, and the times of each that are to be crashed at."""
    scene = deed.scene(hand)
    hand.plant.board.passed()
    with hand.nobody_else() if deed.is_alone else nullcontext():
        said = hand.command(*scene.words)
    passed = hand.plant.board.passed()
    if said.returncode != 0:
        done.violations.append(f"{deed.name}, without a crash: {shown(said)}")
    done.violations += [f"{deed.name}, without a crash: {what}" for what in finish(hand, scene, said)]
    return [
        (name, time_of)
        for name, count in passed.items()
        if name.startswith(f"command {deed.command}: ") and re.search(deed.only, name)
        for time_of in range(1, min(deed.times, count) + 1)
    ]


def crash_at(hand: Hand, deed: Deed, name: str, arm: Arm, done: Crashed) -> None:
    """Kill a deed at a point, do it again, and note what is wrong."""
    board = hand.plant.board
    for _ in range(TRIES):
        scene = deed.scene(hand)
        key = f"{deed.name.replace(' ', '-')}-{len(board.struck())}-{time.monotonic_ns()}"
        board.arm({key: arm})
        with hand.nobody_else() if deed.is_alone else nullcontext():
            first = hand.command(*scene.words)
        board.arm({})
        is_struck = any(struck.key == key for struck in board.struck())
        if not is_struck and first.returncode != 0:
            done.violations.append(f"{name}, never reached: {shown(first)}")
        wrong = finish(hand, scene, hand.command(*scene.words) if is_struck else first)
        done.violations += [f"{name}, time {arm.time}: {what}" for what in wrong]
        if is_struck:
            done.crashed.append(name)
            return
    done.missed.append(name)


def finish(hand: Hand, scene: Scene, said: subprocess.CompletedProcess[str]) -> list[str]:
    """Wait for the effect, and give the command again where it does not come; what is wrong in the end."""
    deadline = time.monotonic() + DONE_SECONDS
    while True:
        if said.returncode not in (0, 1) or BUG in said.stderr:
            return [shown(said)]
        patience = time.monotonic() + PATIENCE_SECONDS
        while (wrong := scene.wrong()) and time.monotonic() < patience:
            time.sleep(0.1)
        if not wrong:
            return []
        if time.monotonic() > deadline:
            return [f"{wrong}; {shown(said)}"]
        said = hand.command(*scene.words)


def shown(said: subprocess.CompletedProcess[str]) -> str:
    return f"`ftworker {' '.join(said.args[3:])}` ended with {said.returncode}: {said.stdout}{said.stderr}".strip()


def resting(plant: CrashPlant, hand: Hand, deed: Deed) -> list[str]:
    """What is wrong when a deed's last effects are there."""
    deed.after(hand)
    plant.unsettled = plant.settle()
    _, violations = plant.judge()
    return [f"{deed.name}: {violation}" for violation in violations]
