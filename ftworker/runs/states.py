"""Fine-tuning runs: their states and the moves between them. Pure: no I/O.

`pipeline` performs the moves; `store.runs` makes them safe under concurrency. A state names a completed
fact, so a crash between two states loses nothing: whoever finds the run does the next step.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never


class RunState(StrEnum):
    """Who moves a run on, when, and what a crash leaves. The order is the happy path, then the ends."""

    CUT = "cut"
    """The rows are claimed. Next: export. A crash leaves half-written files under a temporary name."""
    EXPORTED = "exported"
    """The files are written and hashed. Next: preflight, budget, upload. A crash repeats the look."""
    AWAITING_APPROVAL = "awaiting_approval"
    """The budget or `approval = "manual"` asks for a person: `ftworker runs approve` or `cancel`."""
    UPLOADED = "uploaded"
    """The provider has the files, their ids are saved. Next: create the job."""
    SUBMITTING = "submitting"
    """The intent to pay is saved; the call may or may not have arrived. Only reconciling may follow."""
    SUBMITTED = "submitted"
    """The job's id is saved. Next: poll until the provider says it is over."""
    TRAINED = "trained"
    """The provider has the model. Next: promotion, when `promote = "auto"`; else a person decides."""
    PROMOTED = "promoted"
    """End, well: the model is the one that the RAG is told to use, or was, and can be again: `promote`."""
    PACKAGED = "packaged"
    """End, well, unserved: artefacts and commands are there, nobody answered to register them: `retry`."""
    REJECTED = "rejected"
    """End: a person, or a gate, decided against the trained model."""
    FAILED = "failed"
    """End: the provider refused or the job failed; the dataset is kept. `retry` begins a new generation, unless what
    was trained here needs only to be registered."""
    CANCELLED = "cancelled"
    """End: a person stopped it."""
    PARKED = "parked"
    """A paid job may exist and we cannot go on: a person must look. Blocks the pipeline until then."""


MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.CUT: frozenset({RunState.EXPORTED, RunState.FAILED, RunState.CANCELLED}),
    RunState.EXPORTED: frozenset(
        {RunState.AWAITING_APPROVAL, RunState.UPLOADED, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.AWAITING_APPROVAL: frozenset({RunState.EXPORTED, RunState.CANCELLED}),
    RunState.UPLOADED: frozenset({RunState.SUBMITTING, RunState.FAILED, RunState.CANCELLED}),
    # Back to `uploaded` only when the provider surely created nothing (an error envelope with 429).
    RunState.SUBMITTING: frozenset({RunState.SUBMITTED, RunState.UPLOADED, RunState.FAILED, RunState.PARKED}),
    RunState.SUBMITTED: frozenset(
        {RunState.TRAINED, RunState.PACKAGED, RunState.FAILED, RunState.CANCELLED, RunState.PARKED}
    ),
    RunState.TRAINED: frozenset({RunState.PROMOTED, RunState.REJECTED}),
    RunState.PROMOTED: frozenset({RunState.PROMOTED}),
    RunState.PACKAGED: frozenset({RunState.UPLOADED, RunState.CUT}),
    RunState.REJECTED: frozenset({RunState.PROMOTED}),
    # To `uploaded` when its training here was finished, and only the registering failed.
    RunState.FAILED: frozenset({RunState.CUT, RunState.UPLOADED}),
    RunState.CANCELLED: frozenset({RunState.CUT}),
    # A person found the job or takes it up again (submitted, submitting), found none (uploaded), or gives up.
    RunState.PARKED: frozenset(
        {RunState.SUBMITTED, RunState.SUBMITTING, RunState.UPLOADED, RunState.FAILED, RunState.CANCELLED}
    ),
}


class Step(StrEnum):
    """The work that leads out of a state. The values are the names of the Celery tasks after `ftworker.`."""

    EXPORT = "export"
    UPLOAD = "upload"
    CREATE_JOB = "create_job"
    POLL_STATUS = "poll_status"
    PROMOTE = "promote"


CHAIN: tuple[Step, ...] = (Step.EXPORT, Step.UPLOAD, Step.CREATE_JOB, Step.POLL_STATUS)
"""The happy path as one Celery chain. Promotion follows a poll that finds the job finished."""


def can_move(origin: RunState, target: RunState) -> bool:
    """Whether the move is legal. `store.runs.move_run` refuses every other."""
    return target in MOVES[origin]


def next_step(state: RunState) -> Step | None:
    """The step that a worker performs for a run in this state; None when it waits for a person or is over."""
    match state:
        case RunState.CUT:
            return Step.EXPORT
        case RunState.EXPORTED:
            return Step.UPLOAD
        case RunState.UPLOADED | RunState.SUBMITTING:
            return Step.CREATE_JOB
        case RunState.SUBMITTED:
            return Step.POLL_STATUS
        case RunState.TRAINED:
            return Step.PROMOTE
        case (
            RunState.AWAITING_APPROVAL
            | RunState.PROMOTED
            | RunState.PACKAGED
            | RunState.REJECTED
            | RunState.FAILED
            | RunState.CANCELLED
            | RunState.PARKED
        ):
            return None
        case _:
            assert_never(state)


def remaining_chain(state: RunState) -> tuple[Step, ...]:
    """The links of the chain that are still to do from this state, to revive a run whose message was lost."""
    step = next_step(state)
    if step is None:
        return ()
    if step is Step.PROMOTE:
        return (Step.PROMOTE,)
    return CHAIN[CHAIN.index(step) :]


IN_FLIGHT: frozenset[RunState] = frozenset(
    {
        RunState.CUT,
        RunState.EXPORTED,
        RunState.AWAITING_APPROVAL,
        RunState.UPLOADED,
        RunState.SUBMITTING,
        RunState.SUBMITTED,
        RunState.PARKED,
    }
)
"""States that keep their pipeline from beginning another run. A parked run may have a paid job somewhere."""

SUCCEEDED: frozenset[RunState] = frozenset({RunState.TRAINED, RunState.PROMOTED, RunState.PACKAGED})
"""States in which the main job is done: there is a model, or all that makes one by a single command."""
