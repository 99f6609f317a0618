"""What a person may do to a run: cancel, retry, approve, reject, resolve. Each is one transaction.

Messages for the next step are the caller's to send; without one, the sweep finds the run within seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ftworker.clock import Clock
from ftworker.errors import Refused
from ftworker.runs.states import IN_FLIGHT, RunState
from ftworker.store import datasets, runs, trainings
from ftworker.store.connection import Cursor, Store
from ftworker.store.runs import RunRow

FORGET_JOB: dict[str, object] = {
    "run_key": None,
    "training_file_id": None,
    "validation_file_id": None,
    "approved_at": None,
    "attempted_at": None,
    "job_id": None,
    "model": None,
    "trained_tokens": None,
    "detail": {},
    "provider_status": None,
    "provider_changed_at": None,
    "error_code": None,
    "error_message": None,
    "cancel_requested": False,
}
"""What a new generation of a run does not keep: it is another upload and another job."""


def cancel_run(store: Store, run_id: int) -> RunState:
    """Stop a run. Before a job exists it ends at once; a job is cancelled at the provider by the next poll.

    A parked run whose job is known goes back to polling for that; cancelled once more, it ends without
    asking the provider. Where the provider could not be asked, a second cancel parks the run, and a third ends it.
    Raises Refused for a run that is over.
    """
    with store.transaction() as cursor:
        asked_before = _lock(cursor, run_id).cancel_requested
        runs.wake_run(cursor, run_id, cancel=True)
        # Read after the row is ours: a worker's last move, for which that waited, decides too.
        run = runs.get_run(cursor, run_id)
        if run.state not in IN_FLIGHT:
            raise Refused(f"run {run_id} is {run.state}: there is nothing to cancel")
        waits_for_nobody = run.state in (
            RunState.CUT,
            RunState.EXPORTED,
            RunState.AWAITING_APPROVAL,
            RunState.UPLOADED,
        )
        if waits_for_nobody and run.lease_token is None:
            _move(cursor, run, RunState.CANCELLED, "cancelled by hand", delay=None)
            return RunState.CANCELLED
        if run.state is RunState.PARKED and run.job_id and not asked_before:
            _move(cursor, run, RunState.SUBMITTED, "its job is to be cancelled", columns=runs.NO_ERROR)
            return RunState.SUBMITTED
        if run.state is RunState.PARKED:
            _move(cursor, run, RunState.CANCELLED, "cancelled by hand while parked", delay=None)
            return RunState.CANCELLED
        asked_in_vain = asked_before and run.attempts > 0 and run.lease_token is None
        if run.state in (RunState.SUBMITTING, RunState.SUBMITTED) and asked_in_vain:
            # A provider that is gone, or knows no such job, must not keep the pipeline for ever.
            columns: dict[str, object] = {
                "error_code": "not_cancelled" if run.job_id else "outcome_unknown",
                "error_message": (
                    f"run {run_id}: the provider could not be asked to cancel, and a job may be running there: look at "
                    f"it, then `ftworker runs cancel {run_id}` once more gives it up"
                ),
            }
            message = "cancelled again while its provider could not be asked"
            _move(cursor, run, RunState.PARKED, message, delay=None, columns=columns)
            return RunState.PARKED
        return run.state


def retry_run(store: Store, run_id: int, *, anew: bool = False) -> RunState:
    """Do again what can be done again; returns the state that the run goes on from.

    failed, cancelled: from the beginning, as a new generation (a new job, which may cost again). packaged, and failed
    after its training here was finished: register the artefacts; with `anew` from the beginning too. parked after an
    error: go on where it was. In flight: look at it now.
    Raises Refused for a run that has nothing to retry, or when another run of the pipeline is in flight.
    """
    with store.transaction() as cursor:
        run = _lock(cursor, run_id)
        if anew and run.state not in (RunState.FAILED, RunState.CANCELLED, RunState.PACKAGED):
            raise Refused(
                f"run {run_id} is {run.state}: only what failed, was cancelled or packaged begins anew"
            )
        match run.state:
            case RunState.FAILED | RunState.CANCELLED | RunState.PACKAGED:
                _require_free(cursor, run)
                if not anew and _is_made(cursor, run):
                    columns = {**runs.NO_ERROR, "cancel_requested": False}
                    _move(cursor, run, RunState.UPLOADED, "registering is tried again", columns=columns)
                    return RunState.UPLOADED
                _keep_account(cursor, run)
                columns = {**FORGET_JOB, "generation": run.generation + 1}
                _move(
                    cursor,
                    run,
                    RunState.CUT,
                    f"retried by hand, generation {run.generation + 1}",
                    columns=columns,
                )
                return RunState.CUT
            case RunState.PARKED:
                if run.error_code == "outcome_unknown":
                    raise Refused(
                        f"run {run_id} is parked because nobody knows whether its job exists: look at the "
                        f"provider, then `ftworker runs resolve {run_id} --job ID` or `--none`"
                    )
                target = RunState.SUBMITTED if run.job_id else RunState.SUBMITTING
                _move(
                    cursor,
                    run,
                    target,
                    "taken up again by hand",
                    columns={**runs.NO_ERROR, "cancel_requested": False},
                )
                return target
            case RunState.TRAINED | RunState.PROMOTED | RunState.REJECTED:
                raise Refused(f"run {run_id} is {run.state}: there is nothing to retry")
            case RunState.AWAITING_APPROVAL:
                raise Refused(f"run {run_id} waits for a person: `ftworker runs approve {run_id}`")
            case _:
                runs.wake_run(cursor, run_id)
                return run.state


def approve_run(store: Store, run_id: int, clock: Clock) -> RunState:
    """Let a run over its budget, or one that always asks, go on."""
    with store.transaction() as cursor:
        run = _lock(cursor, run_id)
        if run.state is not RunState.AWAITING_APPROVAL:
            raise Refused(f"run {run_id} is {run.state}: it does not wait for approval")
        _move(cursor, run, RunState.EXPORTED, "approved by hand", columns={"approved_at": clock()})
        return RunState.EXPORTED


def reject_run(store: Store, run_id: int) -> RunState:
    """Decide against a trained model. It stays at the provider and can still be promoted."""
    with store.transaction() as cursor:
        run = _lock(cursor, run_id)
        if run.state is not RunState.TRAINED:
            raise Refused(f"run {run_id} is {run.state}: only a trained run can be rejected")
        _move(cursor, run, RunState.REJECTED, "rejected by hand", delay=None)
        return RunState.REJECTED


def resolve_run(store: Store, run_id: int, *, job_id: str | None) -> RunState:
    """Say what a person found at the provider for a parked run: its job, or (None) that there is none.

    Without a job the run may create one again; that is the one way in which a call is ever repeated. Raises
    Refused for a run that is not parked, and for one whose job is known already: it is to be retried or
    cancelled.
    """
    with store.transaction() as cursor:
        run = _lock(cursor, run_id)
        if run.state is not RunState.PARKED:
            raise Refused(f"run {run_id} is {run.state}: only a parked run can be resolved")
        if run.job_id is not None:
            raise Refused(
                f"run {run_id} has job {run.job_id}: `ftworker runs retry {run_id}` goes on with it, "
                f"`ftworker runs cancel {run_id}` stops it"
            )
        if job_id is not None:
            _move(
                cursor,
                run,
                RunState.SUBMITTED,
                f"job {job_id} named by hand",
                columns={**runs.NO_ERROR, "job_id": job_id},
            )
            return RunState.SUBMITTED
        _move(
            cursor, run, RunState.UPLOADED, "a person found no job: it may be created", columns=runs.NO_ERROR
        )
        return RunState.UPLOADED


def _lock(cursor: Cursor, run_id: int) -> RunRow:
    run = runs.get_run(cursor, run_id)
    # The pipeline's lock orders this with cuts, which also ask whether a run is in flight.
    datasets.lock_pipeline(cursor, run.pipeline)
    return runs.get_run(cursor, run_id)


def _is_made(cursor: Cursor, run: RunRow) -> bool:
    """Whether the model is there and only its registering is left to do: hours of training are not done twice."""
    if run.state is RunState.PACKAGED:
        return True
    training = trainings.training_of_run(cursor, run.id)
    return (
        run.state is RunState.FAILED
        and training is not None
        and (training.run_key, training.state) == (run.run_key, "succeeded")
    )


def _keep_account(cursor: Cursor, run: RunRow) -> None:
    """Leave in the journal what this generation may have cost, for the month's budget."""
    surely_nothing = run.attempted_at is None or (run.state is RunState.FAILED and run.job_id is None)
    if surely_nothing or run.estimated_usd is None:
        return
    assert run.attempted_at is not None
    runs.record_journal(
        cursor,
        run.id,
        "note",
        f"generation {run.generation} may have cost {run.estimated_usd:.2f} USD",
        {"spent_usd": run.estimated_usd, "attempted_at": run.attempted_at.isoformat()},
    )


def _require_free(cursor: Cursor, run: RunRow) -> None:
    busy = runs.runs_in_flight(cursor, [run.pipeline]).get(run.pipeline)
    if busy is not None:
        raise Refused(
            f"run {busy[0]} of pipeline {run.pipeline} is {busy[1]}; wait for it or cancel it first"
        )


def _move(
    cursor: Cursor,
    run: RunRow,
    target: RunState,
    message: str,
    *,
    delay: float | None = 0.0,
    columns: Mapping[str, object] | None = None,
) -> None:
    # Without a token the move holds only while nobody works on the run.
    unclaimed = replace(run, lease_token=None)
    if not runs.move_run(cursor, unclaimed, target, message=message, delay_seconds=delay, columns=columns):
        raise Refused(f"run {run.id} is being worked on at this moment; try again")
