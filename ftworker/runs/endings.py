"""How a step of a run ends: the run moves, waits, is tried again, fails, or is parked for a person.

Every way is one transaction under the lease that the step holds; whoever lost it is told by LeaseLost and changes
nothing. What each step does is in `steps`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ftworker.errors import TransientError
from ftworker.providers.contract import JournalEntry
from ftworker.runs.journal import LeaseLost, RunJournal
from ftworker.runs.states import RunState, Step
from ftworker.settings import LocalSettings, Settings
from ftworker.store import runs, totals
from ftworker.store.connection import Cursor, Store
from ftworker.store.runs import RunRow

logger = logging.getLogger(__name__)

UNEXPECTED_LIMIT: Final = 5
"""Tries of a step that ends in an unexpected error (a bug, not a provider) before the run is failed or parked."""
LONGEST_WISH_SECONDS: Final = 86_400.0
"""Longest wait that a provider may ask for; daily limits end within a day."""


@dataclass(frozen=True)
class Endings:
    """Ends steps for those who hold a run."""

    store: Store
    settings: Settings
    journal: RunJournal

    def move(
        self,
        run: RunRow,
        target: RunState,
        message: str,
        *,
        delay: float | None = 0.0,
        attempts: int = 0,
        counts: Mapping[tuple[str, str], float] | None = None,
        **columns: Any,
    ) -> RunState:
        """Give the run up in another state; its next step is due after `delay` seconds, None: never by itself."""
        with self.store.transaction() as cursor:
            if not runs.move_run(
                cursor,
                run,
                target,
                message=message,
                delay_seconds=delay,
                attempts=attempts,
                columns=columns,
            ):
                raise LeaseLost(f"run {run.id}")
            totals.add(cursor, counts or {})
            if target in (RunState.AWAITING_APPROVAL, RunState.PARKED):
                target = _hear_cancel(cursor, run)
        logger.info("run %s: %s -> %s", run.id, run.state, target)
        return target

    def move_keeping_lease(self, run: RunRow, target: RunState, message: str, **columns: Any) -> RunRow:
        """Move in the middle of a step, which goes on with the row that this returns."""
        with self.store.transaction() as cursor:
            if not runs.move_run(
                cursor,
                run,
                target,
                message=message,
                keep_lease_seconds=self.settings.worker.step_lease_seconds,
                columns=columns,
            ):
                raise LeaseLost(f"run {run.id}")
        logger.info("run %s: %s -> %s", run.id, run.state, target)
        return replace(run, state=target, **columns)

    def release(
        self, run: RunRow, *, delay: float | None, attempts: int = 0, columns: Mapping[str, Any] | None = None
    ) -> None:
        """Give the run up in the state that it is in. When the lease is lost nothing happens: another decides."""
        with self.store.transaction() as cursor:
            runs.release_run(cursor, run, delay_seconds=delay, attempts=attempts, columns=columns)

    def fail(self, run: RunRow, code: str, message: str, *, needs_person: bool = False) -> RunState:
        """End the run with a code; where something paid may be lost by that, park it for a person instead."""
        present = self._present(run)
        if present.state is RunState.TRAINED:
            # A trained model is paid for; a promotion that fails waits for a person instead of losing it.
            self.journal.write(run, JournalEntry("alert", f"promotion failed ({code}): {message}"))
            self.release(present, delay=None)
            return RunState.TRAINED
        free = isinstance(self.settings.providers.get(run.provider), LocalSettings)
        parks = present.state in (RunState.SUBMITTING, RunState.SUBMITTED) and (needs_person or not free)
        return self.move(
            present,
            RunState.PARKED if parks else RunState.FAILED,
            f"{'parked' if parks else 'failed'}: {code}",
            delay=None,
            error_code=code,
            error_message=message,
        )

    def try_later(self, run: RunRow, step: Step, error: TransientError, *, kind: str = "note") -> RunState:
        """After a failure that may pass: say so, and let the step be due again after a growing delay."""
        delay = self.delay_of(run.attempts, error.retry_after_seconds)
        present = self._present(run)
        with self.store.transaction() as cursor:
            runs.record_journal(
                cursor,
                run.id,
                kind,
                f"step {step}: {error}; again in {delay:.0f} s",
                {"attempt": run.attempts + 1},
            )
            # `run` as it was claimed: what it does not know of, a cancel, this step has not heard.
            runs.release_run(cursor, run, delay_seconds=delay, attempts=run.attempts + 1)
        return present.state

    def unexpected(self, run: RunRow, step: Step, error: Exception) -> RunState:
        """After a bug: try again some times, then fail, so that no run loops for ever."""
        name = type(error).__name__
        with self.store.transaction() as cursor:
            before = runs.errors_among_failures(cursor, run.id, run.attempts)
        if before + 1 < UNEXPECTED_LIMIT:
            again = TransientError(f"unexpected {name}; the log has its place")
            return self.try_later(run, step, again, kind="error")
        return self.fail(
            run,
            "unexpected_error",
            f"run {run.id}: step {step} ended {UNEXPECTED_LIMIT} times in an unexpected {name}; "
            f"see the worker's log, then `ftworker runs retry {run.id}`",
        )

    def _present(self, run: RunRow) -> RunRow:
        """The run as it is now, under the lease that this step holds; of a cancel it knows what the step knew."""
        with self.store.transaction() as cursor:
            now = runs.get_run(cursor, run.id)
        if now.lease_token != run.lease_token:
            raise LeaseLost(f"run {run.id}")
        return replace(now, cancel_requested=run.cancel_requested)

    def delay_of(self, attempts: int, wished_seconds: float | None) -> float:
        """Seconds until the next try: what the provider wished for, else a doubling time, within limits."""
        worker = self.settings.worker
        if wished_seconds is not None:
            return min(max(wished_seconds, 1.0), LONGEST_WISH_SECONDS)
        delay = min(worker.retry_base_seconds * 2.0 ** min(attempts, 20), worker.retry_max_seconds)
        # Jitter, so that runs that failed together do not come back together.
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret


def _hear_cancel(cursor: Cursor, run: RunRow) -> RunState:
    """Where a run that now waits for a person goes because of a cancel that came during the step that `run` did.

    Of such a run no step is done by itself, so nobody else would hear of it: an approval would be waited for that
    nobody gives, and a paid job would go on until it is cancelled a second time, which gives it up unasked.
    """
    waiting = runs.get_run(cursor, run.id)
    if run.cancel_requested or not waiting.cancel_requested:
        return waiting.state
    if waiting.state is RunState.AWAITING_APPROVAL:
        message = "cancelled before any job was created"
        runs.move_run(cursor, waiting, RunState.CANCELLED, message=message, delay_seconds=None)
        return RunState.CANCELLED
    if waiting.job_id is None:
        return waiting.state
    message = "its job is to be cancelled, as was asked meanwhile"
    runs.move_run(cursor, waiting, RunState.SUBMITTED, message=message, columns=runs.NO_ERROR)
    return RunState.SUBMITTED
