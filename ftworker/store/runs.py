"""Runs: claims with a lease, moves by compare-and-set, the journal, promotions.

Every change of state is one call of `move_run`, which also writes the journal in the same transaction. A
lease's token is a fence: a worker that was taken for dead cannot move the run when it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg2.extras import Json

from ftworker.errors import NotFound
from ftworker.runs.states import IN_FLIGHT, RunState, can_move
from ftworker.store import totals
from ftworker.store.connection import Cursor, queries


@dataclass(frozen=True)
class RunRow:
    """A run as stored. See migrations/0001_initial.sql for when each column is set."""

    id: int
    pipeline: str
    dataset_id: int
    provider: str
    base_model: str
    method: Mapping[str, Any]
    generation: int
    trigger: str
    state: RunState
    state_since: datetime
    created_at: datetime
    finished_at: datetime | None
    next_action_at: datetime | None
    lease_token: str | None
    attempts: int
    cancel_requested: bool
    run_key: str | None
    training_file_id: str | None
    validation_file_id: str | None
    approved_at: datetime | None
    attempted_at: datetime | None
    job_id: str | None
    model: str | None
    trained_tokens: int | None
    estimated_usd: float | None
    provider_status: str | None
    provider_changed_at: datetime | None
    detail: Mapping[str, Any]
    error_code: str | None
    error_message: str | None


NO_ERROR: Mapping[str, object] = {"error_code": None, "error_message": None}
"""What a move sets of a run that is taken up again."""

COLUMNS = ", ".join("estimated_usd::float8" if f.name == "estimated_usd" else f.name for f in fields(RunRow))
_JSON_COLUMNS = frozenset({"detail", "method"})
# Columns that a move or a release may set; the names enter the statement, so they are listed, never passed
# through.
_ASSIGNABLE = frozenset(
    {
        "run_key",
        "training_file_id",
        "validation_file_id",
        "approved_at",
        "attempted_at",
        "job_id",
        "model",
        "trained_tokens",
        "estimated_usd",
        "provider_status",
        "provider_changed_at",
        "detail",
        "error_code",
        "error_message",
        "generation",
        "cancel_requested",
    }
)


def insert_run(
    cursor: Cursor,
    *,
    pipeline: str,
    dataset_id: int,
    provider: str,
    base_model: str,
    method: Mapping[str, Any],
    method_sha256: str,
    trigger: str,
) -> int | None:
    """A new run in state `cut`; None when the same training was begun before (`find_run` names it)."""
    cursor.execute(
        queries("runs.sql")["insert_run"],
        {
            "pipeline": pipeline,
            "dataset_id": dataset_id,
            "provider": provider,
            "base_model": base_model,
            "method": Json(dict(method)),
            "method_sha256": method_sha256,
            "trigger": trigger,
        },
    )
    row = cursor.fetchone()
    if row is None:
        return None
    _journal(cursor, row.id, "move", f"cut ({trigger})", {"to": "cut", "trigger": trigger})
    run_id: int = row.id
    return run_id


def find_run(
    cursor: Cursor, *, dataset_id: int, provider: str, base_model: str, method_sha256: str
) -> int | None:
    """The run of exactly this training, if there is one."""
    cursor.execute(
        queries("runs.sql")["find_run"],
        {
            "dataset_id": dataset_id,
            "provider": provider,
            "base_model": base_model,
            "method_sha256": method_sha256,
        },
    )
    row = cursor.fetchone()
    return row.id if row else None


def runs_in_flight(cursor: Cursor, pipelines: Sequence[str]) -> dict[str, tuple[int, RunState]]:
    """The run that keeps each of these pipelines from beginning another, and its state."""
    cursor.execute(queries("runs.sql")["in_flight"], {"pipelines": list(pipelines)})
    return {row.pipeline: (row.id, RunState(row.state)) for row in cursor.fetchall()}


def get_run(cursor: Cursor, run_id: int) -> RunRow:
    """Raises NotFound."""
    cursor.execute(_with_columns("get_run"), {"run_id": run_id})
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"no run {run_id}; `ftworker runs list` shows those there are")
    return _run(row)


def list_runs(
    cursor: Cursor, *, pipeline: str | None = None, state: str | None = None, limit: int = 50
) -> list[RunRow]:
    """Newest first."""
    cursor.execute(_with_columns("list_runs"), {"pipeline": pipeline, "state": state, "limit": limit})
    return [_run(row) for row in cursor.fetchall()]


def claim_run(
    cursor: Cursor,
    run_id: int,
    states: Sequence[RunState],
    *,
    lease_seconds: float,
    even_if_not_due: bool = False,
) -> RunRow | None:
    """Take the run for one step; None when it is elsewhere, not due, or in other hands."""
    cursor.execute(
        _with_columns("claim_run"),
        {
            "run_id": run_id,
            "states": [state.value for state in states],
            "lease_seconds": lease_seconds,
            "even_if_not_due": even_if_not_due,
        },
    )
    row = cursor.fetchone()
    return _run(row) if row else None


def renew_lease(cursor: Cursor, run_id: int, token: str, *, lease_seconds: float) -> bool:
    """False: the lease was lost, stop."""
    cursor.execute(
        queries("runs.sql")["renew_lease"], {"run_id": run_id, "token": token, "lease_seconds": lease_seconds}
    )
    return cursor.fetchone() is not None


def move_run(
    cursor: Cursor,
    run: RunRow,
    target: RunState,
    *,
    message: str,
    delay_seconds: float | None = 0.0,
    keep_lease_seconds: float | None = None,
    attempts: int = 0,
    columns: Mapping[str, Any] | None = None,
) -> bool:
    """Move a claimed (or, without a token, unclaimed) run; False when somebody else moved it first.

    `delay_seconds` is when the next step is due; None: it waits for a person, or is over. `attempts` keeps
    the count of failures in a row over a move back. A cancel that `run` does not know of makes the next step due now.
    Raises ValueError for a move that does not exist.
    """
    if not can_move(run.state, target):
        raise ValueError(f"run {run.id}: no move from {run.state} to {target}")
    assignments, values = _assignments(columns or {})
    over = target not in IN_FLIGHT
    cursor.execute(
        queries("runs.sql")["move_run"].replace("{assignments}", assignments),
        {
            **values,
            "run_id": run.id,
            "origin": run.state.value,
            "target": target.value,
            "token": run.lease_token,
            "finished": over,
            "attempts": attempts,
            "delay_seconds": delay_seconds,
            "cancel_heard": run.cancel_requested,
            "keep_lease": keep_lease_seconds is not None,
            "lease_seconds": keep_lease_seconds or 0.0,
        },
    )
    if cursor.fetchone() is None:
        return False
    # A move back after a failure is one of the failures that `errors_among_failures` looks through.
    failure = {"attempt": attempts} if attempts else {}
    _journal(cursor, run.id, "move", message, {"from": run.state.value, "to": target.value, **failure})
    if over:
        labels = totals.label_text(outcome=target.value, pipeline=run.pipeline, provider=run.provider)
        totals.add(cursor, {("runs_finished", labels): 1})
    return True


def release_run(
    cursor: Cursor,
    run: RunRow,
    *,
    delay_seconds: float | None,
    attempts: int = 0,
    columns: Mapping[str, Any] | None = None,
) -> bool:
    """Give a claimed run back in the state it is in; False when the lease was lost.

    A cancel that `run`, as it was claimed, does not know of makes the step due now.
    """
    assignments, values = _assignments(columns or {})
    cursor.execute(
        queries("runs.sql")["release_run"].replace("{assignments}", assignments),
        {
            **values,
            "run_id": run.id,
            "token": run.lease_token,
            "attempts": attempts,
            "delay_seconds": delay_seconds,
            "cancel_heard": run.cancel_requested,
        },
    )
    return cursor.fetchone() is not None


def wake_run(cursor: Cursor, run_id: int, *, cancel: bool = False) -> None:
    """Make the run due now; with `cancel`, ask the next step to stop it. Raises NotFound."""
    cursor.execute(queries("runs.sql")["wake_run"], {"run_id": run_id, "cancel": cancel})
    if cursor.fetchone() is None:
        raise NotFound(f"no run {run_id}; `ftworker runs list` shows those there are")


def due_runs(
    cursor: Cursor, *, revive_after_seconds: float, limit: int = 1_000
) -> list[tuple[int, RunState, str]]:
    """(id, state, provider) of runs that wait for a worker: at most `limit`, those that have waited longest."""
    cursor.execute(
        queries("runs.sql")["due_runs"], {"limit": limit, "revive_after_seconds": revive_after_seconds}
    )
    return [(row.id, RunState(row.state), row.provider) for row in cursor.fetchall()]


def record_journal(
    cursor: Cursor,
    run_id: int,
    kind: str,
    message: str,
    data: Mapping[str, Any],
    *,
    external_id: str | None = None,
) -> None:
    """Write into the run's journal; once for each external id. Progress replaces the progress before."""
    if kind == "progress":
        cursor.execute(
            queries("runs.sql")["replace_progress"],
            {"run_id": run_id, "message": _storable(message), "data": Json(_storable(dict(data)))},
        )
    else:
        _journal(cursor, run_id, kind, message, data, external_id=external_id)


def read_journal(cursor: Cursor, run_id: int, *, after: int = 0, limit: int | None = None) -> list[Any]:
    """Rows (id, at, kind, message, data), oldest first, to the end unless `limit` says less."""
    cursor.execute(queries("runs.sql")["read_journal"], {"run_id": run_id, "after": after, "limit": limit})
    return list(cursor.fetchall())


def spent_this_month(cursor: Cursor, pipeline: str) -> float:
    """Estimated dollars of this month's jobs of the pipeline."""
    cursor.execute(queries("runs.sql")["spent_this_month"], {"pipeline": pipeline})
    return float(cursor.fetchone().usd)


def errors_among_failures(cursor: Cursor, run_id: int, failures: int) -> int:
    """How many of the last `failures` failures of a step were unexpected errors."""
    cursor.execute(queries("runs.sql")["errors_among_failures"], {"run_id": run_id, "failures": failures})
    return int(cursor.fetchone().errors)


def present_promotion(cursor: Cursor, pipeline: str) -> Any | None:
    """Row (id, run_id, model, promoted_at) of what the pipeline serves now."""
    cursor.execute(queries("runs.sql")["present_promotion"], {"pipeline": pipeline})
    return cursor.fetchone()


def present_model(cursor: Cursor, pipeline: str) -> str | None:
    """The model that the pipeline serves now."""
    row = present_promotion(cursor, pipeline)
    return row.model if row else None


def record_promotion(cursor: Cursor, run: RunRow) -> None:
    """The run's model is now the pipeline's; the one before is demoted."""
    named = queries("runs.sql")
    cursor.execute(named["demote"], {"pipeline": run.pipeline})
    cursor.execute(named["promote"], {"pipeline": run.pipeline, "run_id": run.id, "model": run.model})


def _with_columns(name: str) -> str:
    return queries("runs.sql")[name].replace("{columns}", COLUMNS)


def _run(row: Any) -> RunRow:
    values = row._asdict()
    values["state"] = RunState(values["state"])
    return RunRow(**values)


def _assignments(columns: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    unknown = set(columns) - _ASSIGNABLE
    if unknown:
        raise ValueError(f"not a column that a move may set: {sorted(unknown)}")
    storable = {key: _storable(value) for key, value in columns.items()}
    values = {f"set_{k}": Json(v) if k in _JSON_COLUMNS else v for k, v in storable.items()}
    return "".join(f", {k} = %(set_{k})s" for k in columns), values


def _journal(
    cursor: Cursor,
    run_id: int,
    kind: str,
    message: str,
    data: Mapping[str, Any],
    *,
    external_id: str | None = None,
) -> None:
    cursor.execute(
        queries("runs.sql")["journal"],
        {
            "run_id": run_id,
            "kind": kind,
            "message": _storable(message),
            "data": Json(_storable(dict(data))),
            "external_id": _storable(external_id),
        },
    )


def _storable(value: Any) -> Any:
    """Without U+0000, which PostgreSQL takes in no text and no jsonb: a service's words must not stop a paid run."""
    match value:
        case str():
            return value.replace("\0", "")
        case Mapping():
            return {_storable(key): _storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return value
