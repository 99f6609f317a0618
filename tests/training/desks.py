"""A desk for tests: a real database, a run to train for, real job processes with stub stages."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil

from ftworker.settings import Settings, settings_from
from ftworker.store import Store, runs, trainings
from ftworker.store.trainings import TrainingRow
from ftworker.training.order import OrderedFile, TrainingOrder
from ftworker.trainings import Trainings
from tests.servers import wait_until

STUB_JOB = (sys.executable, str(Path(__file__).with_name("stub_job.py")))
ROW = '{"messages":[{"role":"user","content":"¿Qué es la Hansa?"},{"role":"assistant","content":"Una liga."}]}\n'
CONFIGURATION = """
[worker]
step_lease_seconds = 1.0
retry_base_seconds = 0.05
retry_max_seconds = 0.2

[providers.openai]
kind = "openai"
submit_timeout_seconds = 0.5
"""


@dataclass
class Bench:
    """One machine with one home. `order` a training, `look` until something is so."""

    folder: Path
    database_url: str
    job: Sequence[str] = STUB_JOB
    name: str = "home"
    desks: list[Trainings] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The jobs read it: `FTWORKER_CONFIG` names it in their environment.
        self.config = self.folder / "ftworker.toml"
        self.config.write_text(CONFIGURATION, encoding="utf-8")
        self.store = Store(self.database_url)
        self.desk = self.new_desk()

    @property
    def settings(self) -> Settings:
        return settings_from({"home": str(self.folder / self.name), "database_url": self.database_url})

    def new_desk(self) -> Trainings:
        """Another process's desk, so to speak."""
        desk = Trainings(lambda: self.store, self.settings, job=self.job)
        self.desks.append(desk)
        return desk

    # -- trainings

    def hand_in(self, run_key: str = "ft-tutor-0123456789ab", **method: Any) -> str:
        """A run that is submitted, and its training; `method` tells the stub what to do."""
        order = self.order(run_key, **method)
        self.desk.hand_in(order)
        return run_key

    def order(self, run_key: str, **method: Any) -> TrainingOrder:
        settings = method.pop("settings", {})
        train = self.folder / "storage" / f"{run_key}.jsonl"
        train.parent.mkdir(exist_ok=True)
        train.write_text(ROW * 3, encoding="utf-8")
        return TrainingOrder(
            run_id=self.insert_run(run_key),
            run_key=run_key,
            pipeline="tutor",
            provider="local",
            base="tiny",
            method=method,
            format="openai-chat",
            system_prompt="Eres un tutor.",
            train=OrderedFile(
                f"file://{train}", "train.jsonl", hashlib.sha256(train.read_bytes()).hexdigest(), 3
            ),
            validation=None,
            trainer="peft",
            settings=settings,
            artefacts_url=f"file://{self.folder}/storage/runs/{run_key}",
        )

    def insert_run(self, run_key: str) -> int:
        with self.store.transaction() as cursor:
            cursor.execute(
                "INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples) "
                "SELECT 'tutor', coalesce(max(sequence), 0) + 1, 'all', '{}', 1 FROM ftworker.datasets RETURNING id"
            )
            dataset = cursor.fetchone().id
            cursor.execute(
                "INSERT INTO ftworker.runs (pipeline, dataset_id, provider, base_model, method, method_sha256, "
                "trigger, state, run_key, training_file_id, attempted_at, job_id) VALUES "
                "(%s, %s, 'local', 'tiny', '{}', 'x', 'manual', 'submitted', %s, 'f', now(), 'j') RETURNING id",
                (f"tutor-{run_key}", dataset, run_key),
            )
            run_id: int = cursor.fetchone().id
            return run_id

    def row(self, run_key: str) -> TrainingRow:
        with self.store.transaction() as cursor:
            return trainings.get_training(cursor, run_key)

    def until(
        self,
        run_key: str,
        true: Callable[[TrainingRow], object],
        *,
        timeout: float = 30.0,
        desk: Trainings | None = None,
    ) -> TrainingRow:
        """Look again and again, as polls do, until it is so."""

        def is_so() -> TrainingRow | None:
            (desk or self.desk).look(run_key)
            row = self.row(run_key)
            return row if true(row) else None

        row = wait_until(is_so, timeout, interval=0.1, message=lambda: self.explain(run_key))
        assert row is not None
        return row

    def until_over(self, run_key: str, *, timeout: float = 30.0) -> TrainingRow:
        return self.until(run_key, lambda row: row.finished_at is not None, timeout=timeout)

    def wait_for(self, run_key: str, state: str, timeout: float) -> TrainingRow:
        """Wait, without a look, until it is in the state."""
        wait_until(lambda: self.row(run_key).state == state, timeout, message=lambda: self.explain(run_key))
        return self.row(run_key)

    def explain(self, run_key: str) -> str:
        row = self.row(run_key)
        logs = "".join(
            f"\n--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.work(run_key).glob("logs/*"))
        )
        return f"{row.state} {row.stage} {row.message} {row.error_code} {row.progress}{logs}"

    # -- what lies about

    def work(self, run_key: str) -> Path:
        return self.folder / self.name / "trainings" / run_key

    def published(self, run_key: str) -> Path:
        return self.folder / "storage" / "runs" / run_key

    def steps(self, run_key: str) -> list[tuple[int, int]]:
        """(process, step) of everything that the trainer did."""
        path = self.work(run_key) / "logs" / "steps.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(line.split()[0]), int(line.split()[1])) for line in lines if len(line.split()) == 2]

    def final(self, run_key: str) -> object:
        """The number that the stub ends with: it depends on every step."""
        return msgspec.json.decode((self.published(run_key) / "training.json").read_bytes())["final"]

    def journal(self, run_key: str, *kinds: str) -> list[str]:
        run_id = self.row(run_key).run_id
        with self.store.transaction() as cursor:
            rows = runs.read_journal(cursor, run_id)
        return [row.message for row in rows if not kinds or row.kind in kinds]

    def crashes_counted(self) -> float:
        with self.store.transaction() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(value), 0) AS n FROM ftworker.totals WHERE name = 'training_crashes'"
            )
            return float(cursor.fetchone().n)

    def sql(self, statement: str, *values: object) -> None:
        with self.store.transaction() as cursor:
            cursor.execute(statement, values)

    # -- processes

    def job_process(self, run_key: str) -> int:
        held = json.loads((self.work(run_key) / "job.lock").read_text())
        return int(held["pid"])

    def trainer_process(self, run_key: str) -> int:
        """The stage that trains, once it has made a step."""
        return self.steps(run_key)[-1][0]

    def close(self) -> None:
        """End every job of this home, and what it started."""
        for lock in (self.folder / self.name / "trainings").glob("*/job.lock"):
            with contextlib.suppress(OSError, ValueError, KeyError, psutil.Error):
                process = psutil.Process(int(json.loads(lock.read_text())["pid"]))
                if any("stub_job" in word or "training_job" in word for word in process.cmdline()):
                    for child in [*process.children(recursive=True), process]:
                        child.kill()
        for desk in self.desks:
            for started in desk._started.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(started.process.pid, signal.SIGKILL)
                started.process.wait(20)
        self.store.close()


def final_of(steps: int) -> float:
    """What the stub ends with after so many steps, each made once and in order."""
    state = 1.0
    for step in range(1, steps + 1):
        state = (state * 7 + step) % 101
    return state


def is_alive(process: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
