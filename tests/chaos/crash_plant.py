"""A plant for crash points: four pipelines whose runs take seconds, and a round of everything that they do.

In each round OpenAI loses one answer to the paid call after doing the work, and Ollama breaks off once, so that the
ways back are passed in every round, too. `crash_points` says where processes crash meanwhile.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from ftworker.runs.states import RunState
from tests.chaos import workshop
from tests.chaos.crash_board import Arm, Board, Struck
from tests.chaos.evidence import Evidence, gather
from tests.chaos.invariants import Violation, judge
from tests.chaos.person import Person
from tests.chaos.plan import Transport, make_plan, make_stored
from tests.chaos.plant import CONFIGURATION, Broker, Plant
from tests.chaos.processes import Ended
from tests.servers import wait_until

CONVERSATIONS = 22
THRESHOLD = 14
IDLE_CONVERSATIONS = 4
IDLE_FROM = 500_000
"""Numbers from which on conversations are those of the stores that tell nothing."""
NEVER = 1_000_000
"""A threshold that nothing reaches."""
SETTLE_SECONDS = 600.0
"""Far more than a round takes; on a machine that does other things as well all of it may be needed."""
KICKED_SECONDS = 20.0

GUIDE = """
[pipelines.guide]
provider = "openai"
base_model = "{openai_model}"
strategy = "all"
promote = "auto"
trigger = {{ min_examples = {threshold}, max_examples = 60, cooldown_seconds = 0 }}
"""
"""A second pipeline at OpenAI: of one the answer to the paid call is lost in each round, of the other it comes."""

BY_HAND = ("asked", "tried", "shelf")
PIPELINES_BY_HAND = """
[pipelines.asked]
provider = "openai"
base_model = "{openai_model}"
budget = {{ approval = "manual" }}
trigger = {{ min_examples = {threshold} }}

[pipelines.tried]
provider = "openai"
base_model = "{openai_model}"
trigger = {{ min_examples = {threshold} }}

[pipelines.shelf]
provider = "local"
base_model = "{ollama_model}"
trigger = {{ min_examples = {threshold} }}
"""
"""Pipelines whose runs a person begins, approves and promotes. Each takes all that there is."""

PROGRAM = """
import struct, sys, time
from pathlib import Path
import torch
from ftworker.training.checkpoints import Checkpoint, Checkpoints, Standing
output = Path(sys.argv[1])
checkpoints = Checkpoints(output.parent / "checkpoints", "order")
found = checkpoints.newest()
step, weights = (found.standing.step, found.lora["w"]) if found else (0, torch.zeros(2))
while step < 3:
    step, weights = step + 1, weights + 2.0 ** step
    checkpoints.save(Checkpoint(Standing(step=step), {"w": weights}, {"0.step": torch.tensor(float(step))}, None))
# A checkpoint that is not what was saved gives another sum.
assert weights.tolist() == [7.0, 7.0], weights
def text(value): return struct.pack("<Q", len(value)) + value.encode()
def pair(key, value): return text(key) + struct.pack("<I", 8) + text(value)
pairs = [pair("general.architecture", "llama"), pair("tokenizer.chat_template", "{{ messages }}")]
head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
(output / "tuned.gguf").write_bytes(head.ljust((len(head) + 31) // 32 * 32, b"\\0"))
"""
"""The workshop's program here: it saves checkpoints as ftworker's own trainer does, and goes on from them."""

WORKSHOP = """
[providers.own]
kind = "local"
trainer = "command"
ollama_host = "http://127.0.0.1:9"
poll_interval_seconds = 0.3
request_timeout_seconds = 1.5
command = {{ program = {program}, pass_environment = ["PYTHONPATH"] }}
training = {{ max_crashes = 20 }}
gates = {{ template_parity = false, max_divergence = "off", validation_loss = false }}

[pipelines.{name}]
provider = "own"
base_model = "tiny"
strategy = "new"
trigger = {{ min_examples = {threshold}, max_examples = 60, cooldown_seconds = 0 }}
"""


class CrashPlant:
    """A plant whose processes tell their points. A context manager; `start`, then `round` after round."""

    def __init__(
        self,
        folder: Path,
        *,
        broker: Broker,
        events: tuple[Transport, ...],
        seed: int,
        trainings: bool = True,
        idle: bool = False,
        by_hand: bool = False,
    ) -> None:
        """`trainings`: with the workshop, whose trainings take the most time by far. `idle`: with stores whose RAG
        tells nobody anything. `by_hand`: no run begins by itself.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.board = Board(folder / "crash")
        self.rounds = 0
        self.unsettled: list[str] = []
        self._seed = seed
        self._stack = ExitStack()
        program = folder / "program.py"
        program.write_text(PROGRAM)
        self.plant = Plant(
            folder,
            broker=broker,
            events=events,
            extra_environment={"*": self.board.environment},
            configuration=_configuration(program if trainings else None, by_hand=by_hand, idle=idle),
            idle=idle,
        )
        names = ("tutor", "guide", "house", *((workshop.NAME,) if trainings else ()))
        threshold = NEVER if by_hand else THRESHOLD
        self.plant.pipelines = dict.fromkeys(names, threshold) | dict.fromkeys(BY_HAND, NEVER)

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.plant)
            self.person = self._stack.enter_context(
                Person(self.plant.store, self.plant.vendors, leaves=BY_HAND)
            )
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        self.plant.start()
        self.plant.publisher.per_second = 200.0

    def begin(self, arms: Mapping[str, Arm]) -> None:
        """Give every pipeline work, with crashes at these points."""
        plant = self.plant
        self.board.arm(arms)
        plant.vendors.calm()
        plant.vendors.openai_fault("reply_lost", "jobs.create", skip=1)
        plant.vendors.ollama_fault("drop", "create")
        if plant.idle_stores is not None:
            # Before their first sweep: what is stored already is left to a backfill.
            stores = plant.idle_stores
            if self.rounds:
                stores.forget(plant.store)
            wait_until(lambda: stores.is_swept(plant.store), 60)
            first = IDLE_FROM + self.rounds * IDLE_CONVERSATIONS
            plant.hold_idle(make_stored(self._seed, IDLE_CONVERSATIONS, first=first))
        plan = make_plan(
            self._seed, CONVERSATIONS, first=self.rounds * CONVERSATIONS, transports=plant.events
        )
        self.rounds += 1
        plant.publish(plan)

    def round(self, arms: Mapping[str, Arm]) -> set[str]:
        """Work with crashes at these points, until the plant rests. Returns the keys of those that no process came to.

        A process that did not come to its points by itself is stopped in order and started: it may pass them then.
        """
        self.begin(arms)
        self.unsettled = self.settle()
        if self.missed(arms) and not self.unsettled:
            self.stop_in_order()
            deadline = time.monotonic() + KICKED_SECONDS
            while self.missed(arms) and time.monotonic() < deadline:
                time.sleep(0.2)
            self.unsettled = self.settle()
        self.board.arm({})
        return self.missed(arms)

    def missed(self, arms: Mapping[str, Arm]) -> set[str]:
        """The keys of those points that no process came to so far."""
        return arms.keys() - {struck.key for struck in self.board.struck()}

    def stop_in_order(self) -> None:
        """SIGTERM to every process, which is started again: what is only done at the end and the beginning."""
        processes = self.plant.processes
        with processes._hands:
            for kept in processes.kept.values():
                if kept.process is not None and kept.process.is_running():
                    processes._killed.add(kept.process.pid)
                    kept.process.send_signal(signal.SIGTERM)

    def judge(self) -> tuple[Evidence, list[Violation]]:
        """Every rule over everything that is there now, and that no crash alone failed a run."""
        evidence = gather(self.plant, self.unsettled)
        evidence.ended[:] = not_ours(evidence.ended, self.board.struck())
        retried = self.person.done[f"retried a run that was {RunState.FAILED}"]
        failed = (
            [Violation("no_crash_fails_a_run", f"{retried} runs failed and were retried")] if retried else []
        )
        return evidence, [*judge(evidence), *failed]

    def migrate(self) -> subprocess.CompletedProcess[str]:
        """`ftworker migrate` on the plant's database, once, as a process of its own."""
        plant = self.plant
        return subprocess.run(
            [sys.executable, "-m", "ftworker.cli", "migrate"],
            env={
                **plant.environment,
                **self.board.environment,
                "FTWORKER_DATABASE_URL": plant.direct_database_url,
            },
            cwd=plant.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def settle(self) -> list[str]:
        """Wait until nothing is due any more; what still is when the time is over."""
        unsettled = self.plant.rest(SETTLE_SECONDS, self.person.waits)
        if unsettled:
            unsettled.append(f"see {self.plant.diagnose()}")
        return unsettled


def not_ours(ended: list[Ended], struck: list[Struck]) -> list[Ended]:
    """The ends that no armed point explains: a process that killed itself was killed by us."""
    explained = Counter(one.name.partition(":")[0].split()[0] for one in struck if one.is_kept)
    left = []
    for end in ended:
        kind = end.name.partition("-")[0]
        if end.status == -signal.SIGKILL and not end.by_us and explained[kind]:
            explained[kind] -= 1
        else:
            left.append(end)
    return left


def _configuration(program: Path | None, *, by_hand: bool, idle: bool) -> str:
    """The plant's usual one with lower thresholds, shorter waits, pipelines more, and the workshop's program."""
    threshold = NEVER if by_hand else THRESHOLD
    text = CONFIGURATION + GUIDE.replace("{threshold}", str(threshold))
    text += PIPELINES_BY_HAND.replace("{threshold}", str(NEVER))
    if program is not None:
        words = json.dumps([sys.executable, str(program), "{output}"]).replace("{", "{{").replace("}", "}}")
        own = WORKSHOP.replace("{program}", words).replace("{name}", workshop.NAME)
        text += own.replace("{threshold}", str(threshold))
    changes = [
        ("min_examples = 25", f"min_examples = {threshold}"),
        ("min_examples = 30", f"min_examples = {threshold}"),
        ("step_lease_seconds = 3.0", "step_lease_seconds = 2.0"),
        ("revive_after_seconds = 2.0", "revive_after_seconds = 1.0"),
    ]
    if idle:
        changes.append(("[worker]", "[worker]\nidle_sweep_interval_seconds = 0.5"))
    if by_hand:
        # Commands take their time where the machine does other things as well, and no network is cut.
        changes += [
            ("answer_seconds = 2.0", "answer_seconds = 20.0"),
            ("statement_seconds = 5.0", "statement_seconds = 60.0"),
            ("reconcile_grace_seconds = 8.0", "reconcile_grace_seconds = 2.0"),
        ]
    for usual, ours in changes:
        assert usual in text, usual
        text = text.replace(usual, ours)
    return text
