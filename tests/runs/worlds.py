"""A small installation for tests of runs: a real database, a fake provider, a clock that a test moves.

Times in rows are PostgreSQL's own; a test makes them pass by rewriting the row (`make_due`, `expire_lease`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ftworker.clock import utc_now
from ftworker.conversations import canonical_json
from ftworker.providers.contract import JobFailed, JobPackaged, JobSucceeded, NeedsPerson, OutcomeUnknown
from ftworker.runs import control, cutting
from ftworker.runs.states import RunState, Step
from ftworker.runs.steps import StepRunner
from ftworker.settings import Settings
from ftworker.store import Store, examples, runs
from ftworker.store.examples import ConversationVersion, NewExample
from ftworker.store.runs import RunRow
from tests.doubles.fake_provider import FakeProvider, Job

PIPELINE = "tutor"
MODEL = "ft:tuned"


def settings_for(database_url: str, folder: Path, **pipeline: Any) -> Settings:
    """One pipeline, `tutor`, at a paid provider; `pipeline` changes it."""
    return Settings.model_validate(
        {
            "home": folder,
            "database_url": SecretStr(database_url),
            "storage_url": f"file://{folder}/storage",
            "providers": {
                "openai": {"kind": "openai", "price_per_million_tokens": {"gpt-priced": 10.0}},
                "local": {"kind": "local"},
            },
            "pipelines": {PIPELINE: {"provider": "openai", "base_model": "gpt-priced", **pipeline}},
        }
    )


def add_examples(
    store: Store, count: int, *, pipeline: str = PIPELINE, first: int = 0, tokens: int = 100
) -> None:
    """Waiting examples, each of a conversation and a user of its own."""
    with store.transaction() as cursor:
        now = utc_now()
        numbers = range(first, first + count)
        ids = examples.upsert_conversations(
            cursor,
            [ConversationVersion("chat", f"{pipeline}-{n}", None, None, b"", 2, None, now) for n in numbers],
        )
        new = [_example(pipeline, ids["chat", f"{pipeline}-{n}"], n, tokens) for n in numbers]
        examples.replace_examples(cursor, list(ids.values()), new, [])


def _example(pipeline: str, row_id: int, number: int, tokens: int) -> NewExample:
    content = canonical_json(
        [
            {"role": "user", "content": f"¿Cuánto es {number} más uno?"},
            {"role": "assistant", "content": f"Son {number + 1}, ni más ni menos."},
        ]
    )
    return NewExample(
        pipeline=pipeline,
        row_id=row_id,
        turn=0,
        split_group=f"user-{number}",
        content=content.decode(),
        content_sha256=hashlib.sha256(content).digest(),
        token_count=tokens,
        rating=0,
        model=None,
    )


@dataclass
class World:
    """Everything that a run touches, and what tests do to it."""

    settings: Settings
    store: Store
    provider: FakeProvider = field(default_factory=FakeProvider)
    ahead: timedelta = timedelta(0)
    """How far the workers' clock is ahead of the database's."""

    @classmethod
    def make(cls, database_url: str, folder: Path, **pipeline: Any) -> World:
        return cls(settings_for(database_url, folder, **pipeline), Store(database_url))

    def empty(self) -> None:
        """Forget every row. Ids go on counting, so a test must not expect the first."""
        with self.store.transaction() as cursor:
            cursor.execute(
                """
                DELETE FROM ftworker.promotions; DELETE FROM ftworker.run_journal; DELETE FROM ftworker.runs;
                DELETE FROM ftworker.examples; DELETE FROM ftworker.datasets; DELETE FROM ftworker.conversations;
                DELETE FROM ftworker.pipelines; DELETE FROM ftworker.totals;
                """
            )

    def configure(self, **pipeline: Any) -> None:
        """Change the pipeline's configuration; workers made from now on have it."""
        changed = self.settings.model_dump()
        changed["pipelines"][PIPELINE] |= pipeline
        self.settings = Settings.model_validate(changed)

    def clock(self) -> datetime:
        return utc_now() + self.ahead

    def worker(self, store: Store | None = None) -> StepRunner:
        """Another worker process, so to speak."""
        return StepRunner(store or self.store, self.settings, lambda _: self.provider, self.clock)

    # -- runs

    def begin(self, examples: int = 12) -> int:
        """A run in `cut`."""
        with self.store.transaction() as cursor:
            cursor.execute("SELECT count(*) AS n FROM ftworker.conversations")
            first = cursor.fetchone().n
        add_examples(self.store, examples, first=first)
        return cutting.start_by_hand(self.store, self.settings, PIPELINE, self.clock)

    def run(self, run_id: int) -> RunRow:
        with self.store.transaction() as cursor:
            return runs.get_run(cursor, run_id)

    def state(self, run_id: int) -> RunState:
        return self.run(run_id).state

    def journal(self, run_id: int, *kinds: str) -> list[str]:
        with self.store.transaction() as cursor:
            rows = runs.read_journal(cursor, run_id)
        return [row.message for row in rows if not kinds or row.kind in kinds]

    def moves(self, run_id: int) -> list[str]:
        """The states that the run went through, as the journal has them."""
        with self.store.transaction() as cursor:
            rows = runs.read_journal(cursor, run_id)
        return [row.data["to"] for row in rows if row.kind == "move"]

    def job(self) -> Job:
        """The one job there is."""
        (job,) = self.provider.jobs
        return job

    def totals(self) -> Mapping[tuple[str, str], float]:
        with self.store.transaction() as cursor:
            cursor.execute("SELECT name, labels, sum(value) AS value FROM ftworker.totals GROUP BY 1, 2")
            return {(row.name, row.labels): row.value for row in cursor.fetchall()}

    # -- time

    def make_due(self, run_id: int) -> None:
        """The wait of the run is over. One that waits for a person goes on waiting."""
        self._update(
            "next_action_at = now() - interval '1 second' WHERE next_action_at IS NOT NULL AND id = %s",
            run_id,
        )

    def expire_lease(self, run_id: int) -> None:
        """Whoever works on the run has not been heard of for too long."""
        self._update(
            "lease_expires_at = now() - interval '1 second' WHERE lease_token IS NOT NULL AND id = %s", run_id
        )

    def seconds_until_due(self, run_id: int) -> float | None:
        """None: it waits for a person, or is over."""
        with self.store.transaction() as cursor:
            cursor.execute(
                "SELECT extract(epoch FROM next_action_at - now())::float8 AS wait FROM ftworker.runs "
                "WHERE id = %s",
                (run_id,),
            )
            wait: float | None = cursor.fetchone().wait
            return wait

    def _update(self, assignment: str, run_id: int) -> None:
        with self.store.transaction() as cursor:
            cursor.execute(f"UPDATE ftworker.runs SET {assignment}", (run_id,))

    # -- the way to each state

    def bring_to(self, target: RunState) -> int:
        """A run in this state, by the way that leads there."""
        if target is RunState.AWAITING_APPROVAL:
            before = self.settings
            self.configure(budget={"approval": "manual"})
            run_id = self.begin()
            self.perform(run_id, Step.EXPORT, Step.UPLOAD)
            self.settings = before
        else:
            run_id = self.begin()
            self._go_on_to(run_id, target)
        assert self.state(run_id) is target
        return run_id

    def perform(self, run_id: int, *steps: Step) -> None:
        """Each step, as soon as it is due."""
        for step in steps:
            self.make_due(run_id)
            self.worker().perform(run_id, step)

    def _go_on_to(self, run_id: int, target: RunState) -> None:
        match target:
            case RunState.CUT | RunState.AWAITING_APPROVAL:
                return
            case RunState.CANCELLED:
                control.cancel_run(self.store, run_id)
                return
            case _:
                pass
        self.perform(run_id, Step.EXPORT)
        if target is RunState.EXPORTED:
            return
        self.perform(run_id, Step.UPLOAD)
        if target is RunState.UPLOADED:
            return
        if target is RunState.SUBMITTING:
            self.provider.fail("submit", OutcomeUnknown("no answer"))
        self.perform(run_id, Step.CREATE_JOB)
        if target in (RunState.SUBMITTING, RunState.SUBMITTED):
            return
        match target:
            case RunState.PARKED:
                self.provider.fail("poll", NeedsPerson("odd"))
            case RunState.FAILED:
                self.provider.jobs[-1].status = JobFailed("bad_data", "the data is bad")
            case RunState.PACKAGED:
                self.provider.jobs[-1].status = JobPackaged(MODEL, "ollama create")
            case _:
                self.provider.jobs[-1].status = JobSucceeded(MODEL, 1_000)
        self.perform(run_id, Step.POLL_STATUS)
        if target is RunState.PROMOTED:
            self.worker().promote(run_id)
        elif target is RunState.REJECTED:
            control.reject_run(self.store, run_id)
