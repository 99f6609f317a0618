"""What a person should look at, read from one snapshot: the questions that config/alerts puts to Prometheus.

Pure. The page shows the answers; they name pipelines, codes and counts, never a conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ftworker.runs.states import RunState
from ftworker.settings import Settings
from ftworker.store.metrics import SWEEP_TOTAL, RunInFlight, Snapshot
from ftworker.web.metrics import expected_processes
from ftworker.web.wording import count, duration

OLDEST_WAIT_SECONDS = 600.0
"""An event accumulates within seconds; ten minutes mean that nobody does it."""
OVERDUE_SECONDS = 600.0
"""A due step is taken within a sweep or two; ten minutes mean that no worker takes it."""
SWEEP_LATE_SECONDS = 300.0
"""Beat sweeps every few seconds."""


@dataclass(frozen=True)
class Concern:
    """What is not as it should be, and what to do about it."""

    what: str
    next_step: str


def concerns(settings: Settings, snapshot: Snapshot, now: datetime) -> tuple[Concern, ...]:
    """All that a person should look at, the most pressing first; empty when all is well."""
    return (
        *_processes(snapshot),
        *_sweep(snapshot, now),
        *(concern for run in snapshot.in_flight for concern in _run(settings, run)),
        *_inbox(snapshot),
        *_quarantine(snapshot),
    )


def _processes(snapshot: Snapshot) -> Iterator[Concern]:
    for name, group in expected_processes(snapshot).items():
        if not group.alive:
            yield Concern(
                f"No {name} process is alive.", "Start it: the Procfile says how, or `ftworker up`."
            )


def _sweep(snapshot: Snapshot, now: datetime) -> Iterator[Concern]:
    swept = snapshot.totals.get((SWEEP_TOTAL, ""))
    if swept is not None and now.timestamp() - swept > SWEEP_LATE_SECONDS:
        yield Concern(
            f"The sweep has not run for {duration(now.timestamp() - swept)}.",
            "What lost messages left waits: look at beat, worker and broker with `ftworker doctor`.",
        )


def _run(settings: Settings, run: RunInFlight) -> Iterator[Concern]:
    name = f"Run {run.id} of {run.pipeline}"
    if run.state == RunState.PARKED:
        yield Concern(
            f"{name} is parked; its pipeline waits.",
            f"`ftworker runs show {run.id}` says what to find out at the provider.",
        )
    if run.state == RunState.AWAITING_APPROVAL:
        yield Concern(
            f"{name} waits for approval.",
            f"`ftworker runs show {run.id}` tells the estimate; then `ftworker runs approve {run.id}`.",
        )
    if run.silent_seconds > settings.worker.stalled_after_seconds:
        yield Concern(
            f"{name}: {run.provider} has reported nothing new for {duration(run.silent_seconds)}.",
            f"Look at the job there, or `ftworker runs cancel {run.id}`.",
        )
    if run.overdue_seconds > OVERDUE_SECONDS:
        yield Concern(
            f"{name}: its next step has been due for {duration(run.overdue_seconds)}.",
            "No worker takes it: look at worker, beat and broker with `ftworker doctor`.",
        )


def _inbox(snapshot: Snapshot) -> Iterator[Concern]:
    inbox = snapshot.inbox
    if inbox.oldest_age_seconds > OLDEST_WAIT_SECONDS:
        yield Concern(
            f"A conversation has waited for {duration(inbox.oldest_age_seconds)}.",
            "Perhaps its source does not answer: `ftworker sources test`."
            if inbox.postponed
            else "No worker accumulates: look at worker, beat and broker with `ftworker doctor`.",
        )
    parked = sum(group.messages for group in snapshot.parked.values())
    if parked:
        yield Concern(
            f"{count(parked, 'message')} could not be used.",
            "`ftworker parked list` says why; `replay` or `drop` them.",
        )


def _quarantine(snapshot: Snapshot) -> Iterator[Concern]:
    for pipeline, group in sorted(snapshot.quarantined.items()):
        yield Concern(
            f"{count(group.conversations, 'conversation')} of {pipeline} in quarantine, "
            f"the oldest for {duration(group.oldest_age_seconds)}.",
            "`ftworker quarantine list` names them; `release` or `reject` them.",
        )
