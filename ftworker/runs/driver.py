"""Drives a run to its end in this process, without broker or worker: for `runs start --wait` and the RAG's
own `FineTuningManager`. The steps are the same, so a worker may take the run over at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ftworker.runs.states import RunState, next_step
from ftworker.runs.steps import StepRunner
from ftworker.store import runs
from ftworker.store.runs import RunRow

LONGEST_NAP_SECONDS = 1.0

OnState = Callable[[RunRow], None]
Tell = Callable[[str], None]


def drive_run(
    steps: StepRunner,
    run_id: int,
    *,
    until: frozenset[RunState] = frozenset(),
    on_state: OnState | None = None,
    on_note: Tell | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> RunRow:
    """Perform steps until the run is over, waits for a person, or is in one of the states `until`.

    Returns the run. Blocks for as long as that takes. `on_state` hears of each new state, `on_note`
    what else is written into the journal: above all why a step is put off, and until when.
    """
    seen: RunState | None = None
    after = 0
    while True:
        with steps.store.transaction() as cursor:
            run = runs.get_run(cursor, run_id)
            entries = runs.read_journal(cursor, run_id, after=after) if on_note is not None else []
        for entry in entries:
            after = entry.id
            if on_note is not None and entry.kind == "note":
                on_note(entry.message)
        if run.state is not seen:
            seen = run.state
            if on_state is not None:
                on_state(run)
        step = next_step(run.state)
        waits_for_person = run.next_action_at is None and run.lease_token is None
        if step is None or waits_for_person or run.state in until:
            return run
        if steps.perform(run_id, step) is None:
            due_in = (run.next_action_at - steps.clock()).total_seconds() if run.next_action_at else 0.0
            sleep(min(max(due_in, 0.05), LONGEST_NAP_SECONDS))
