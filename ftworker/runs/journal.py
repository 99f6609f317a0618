"""What is written beside a run while a step works on it: its journal, its lease renewed by that, counts of errors.

Each entry is a short transaction of its own, so that a person sees it at once and a crash keeps it. `steps` calls it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ftworker.errors import FtworkerError
from ftworker.providers.contract import Finding, JournalEntry, KeepAlive, ProviderRejected, Record
from ftworker.runs.states import Step
from ftworker.store import runs, totals
from ftworker.store.connection import Store
from ftworker.store.runs import RunRow

RENEW_EVERY_SECONDS = 5.0
"""Least time between two renewals of a lease by progress, so that a busy export does not flood the database. A lease
that is shorter than three of these is renewed three times in its own time."""


class LeaseLost(FtworkerError):
    """Another worker took the run over; this one stops and writes nothing more."""


@dataclass(frozen=True)
class RunJournal:
    """Writes for those who hold a run. `step_lease_seconds` is what a renewal gives."""

    store: Store
    step_lease_seconds: float

    def recorder(self, run: RunRow) -> Record:
        """For a provider: writes an entry and renews the run's lease. Raises LeaseLost once another has the run."""

        def record(entry: JournalEntry) -> None:
            # One transaction: a worker that was taken for dead writes nothing into the journal either.
            with self.store.transaction() as cursor:
                if not runs.renew_lease(
                    cursor, run.id, str(run.lease_token), lease_seconds=self.step_lease_seconds
                ):
                    raise LeaseLost(f"run {run.id}")
                runs.record_journal(
                    cursor, run.id, entry.kind, entry.message, entry.data, external_id=entry.external_id
                )

        return record

    def keep_alive(self, run: RunRow) -> KeepAlive:
        """For long work of ours."""

        record = self.recorder(run)
        last = time.monotonic()
        renew_every = min(RENEW_EVERY_SECONDS, self.step_lease_seconds / 3)

        def tick(what: str, completed: int, unit: str) -> None:
            nonlocal last
            if time.monotonic() - last >= renew_every:
                last = time.monotonic()
                record(
                    JournalEntry(
                        "progress", f"{what}: {completed} {unit}", {"completed": completed, "unit": unit}
                    )
                )

        return tick

    def write(self, run: RunRow, entry: JournalEntry) -> None:
        """One entry; holding the lease is not asked for."""

        with self.store.transaction() as cursor:
            runs.record_journal(
                cursor, run.id, entry.kind, entry.message, entry.data, external_id=entry.external_id
            )

    def finding(self, run: RunRow, finding: Finding) -> None:
        """What preflight saw, once a generation of the run."""

        self.write(
            run,
            JournalEntry(
                "alert" if finding.level == "error" else "note",
                f"preflight {finding.code}: {finding.message}",
                external_id=f"preflight-{run.generation}-{finding.code}",
            ),
        )

    def refusal(self, run: RunRow, step: Step, error: ProviderRejected) -> None:
        """Count it, and raise an alert where the provider refuses every run."""

        self.count_error(run, step, error.code)
        if error.disables_provider:
            self.write(run, JournalEntry("alert", f"provider {run.provider} refuses every run: {error}"))

    def count_error(self, run: RunRow, step: Step, code: str) -> None:
        """Into `ftworker_provider_errors_total`."""

        labels = totals.label_text(provider=run.provider, kind=code, step=step.value)
        with self.store.transaction() as cursor:
            totals.add(cursor, {("provider_errors", labels): 1})
