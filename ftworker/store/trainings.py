"""Trainings on machines of our own: one row a run key, worked on by one process at a time under a lease.

Every write shows the lease's token, which is a fence: a process that was taken for dead changes nothing any more.
Who starts processes is `ftworker.trainings`; what they do is `ftworker.training_job`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from psycopg2.extras import Json

from ftworker.errors import NotFound
from ftworker.store.connection import Cursor, queries

State = Literal["waiting", "running", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class TrainingRow:
    """A training as stored. See migrations/0003_trainings.sql for what each column means."""

    run_key: str
    run_id: int
    order: Mapping[str, Any]
    state: State
    cancel_requested: bool
    stage: str | None
    attempts: int
    crashes: int
    failures: int
    reached: int
    host: str | None
    pid: int | None
    lease_token: str | None
    lease_expires_at: datetime | None
    not_before: datetime | None
    progress: Mapping[str, Any]
    message: str
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def concurrent(self) -> int:
        """How many trainings its machine may do at once, as ordered."""
        return int(self.order["settings"].get("concurrent", 1))

    @property
    def max_crashes(self) -> int:
        """After how many ends without a word, in a row and at one place, it fails."""
        return int(self.order["settings"].get("max_crashes", 3))


@dataclass(frozen=True)
class Claim:
    """A training taken by this process."""

    training: TrainingRow
    crashed: bool
    """Whoever had it before ended without a word."""


COLUMNS = ", ".join(f'training."{field.name}"' for field in fields(TrainingRow))
_FILE = "trainings.sql"


def hand_in(cursor: Cursor, *, run_key: str, run_id: int, order: Mapping[str, Any]) -> None:
    """Put the training into its row. One that is there stays as it is."""
    cursor.execute(
        queries(_FILE)["hand_in"], {"run_key": run_key, "run_id": run_id, "order": Json(dict(order))}
    )


def get_training(cursor: Cursor, run_key: str) -> TrainingRow:
    """Raises NotFound."""
    cursor.execute(_with_columns("get"), {"run_key": run_key})
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"no training {run_key}; `ftworker runs show RUN` shows that of a run")
    return _training(row)


def training_of_run(cursor: Cursor, run_id: int) -> TrainingRow | None:
    """The newest training of the run, if one was handed in."""
    cursor.execute(_with_columns("of_run"), {"run_id": run_id})
    row = cursor.fetchone()
    return _training(row) if row else None


def open_trainings(cursor: Cursor) -> list[TrainingRow]:
    """Those that wait or run, oldest first."""
    cursor.execute(_with_columns("open_trainings"))
    return [_training(row) for row in cursor.fetchall()]


def claim_training(
    cursor: Cursor, run_key: str, *, host: str, pid: int, lease_seconds: float
) -> Claim | None:
    """Take the training; None when it is over, pauses, is to be cancelled, or is in other hands."""
    cursor.execute(
        _with_columns("claim"),
        {"run_key": run_key, "host": host, "pid": pid, "lease_seconds": lease_seconds},
    )
    row = cursor.fetchone()
    return Claim(_training(row), row.crashed) if row else None


def may_start(cursor: Cursor, run_key: str) -> bool:
    """Whether nobody works on it and it is due: `claim_training` would be granted."""
    cursor.execute(queries(_FILE)["may_start"], {"run_key": run_key})
    return bool(cursor.fetchone().may_start)


def renew_training(
    cursor: Cursor,
    run_key: str,
    token: str,
    *,
    lease_seconds: float,
    stage: str,
    reached: int,
    progress: Mapping[str, Any] | None,
) -> Literal["wanted", "unwanted", "lost"]:
    """Keep the lease and write how far it is. `unwanted`: stop and say cancelled; `lost`: stop and write nothing.

    `reached` is from where this attempt went on; when that is further than before, crashes are counted anew.
    """
    cursor.execute(
        queries(_FILE)["renew"],
        {
            "run_key": run_key,
            "token": token,
            "lease_seconds": lease_seconds,
            "stage": stage,
            "reached": reached,
            "progress": None if progress is None else Json(dict(progress)),
        },
    )
    row = cursor.fetchone()
    if row is None:
        return "lost"
    return "unwanted" if row.unwanted else "wanted"


def give_back(
    cursor: Cursor,
    run_key: str,
    token: str,
    *,
    message: str,
    pause_seconds: float = 0.0,
    crashed: bool = False,
    failed: bool = False,
) -> bool:
    """The training waits again, for the pause at least; False when the lease was lost."""
    cursor.execute(
        queries(_FILE)["give_back"],
        {
            "run_key": run_key,
            "token": token,
            "message": message,
            "pause_seconds": pause_seconds,
            "crashed": crashed,
            "failed": failed,
        },
    )
    return cursor.fetchone() is not None


def finish_training(
    cursor: Cursor,
    run_key: str,
    token: str,
    state: Literal["succeeded", "failed", "cancelled"],
    *,
    message: str,
    error_code: str | None = None,
) -> bool:
    """The end of the training; False when the lease was lost. `error_code` goes with `failed` alone."""
    cursor.execute(
        queries(_FILE)["finish"],
        {"run_key": run_key, "token": token, "state": state, "message": message, "error_code": error_code},
    )
    return cursor.fetchone() is not None


def cancel_training(cursor: Cursor, run_key: str) -> None:
    """End it, or ask its process to. Repeatable; one that is over or was never handed in stays so."""
    cursor.execute(
        queries(_FILE)["cancel"], {"run_key": run_key, "message": "cancelled while nobody worked on it"}
    )


def _with_columns(name: str) -> str:
    return queries(_FILE)[name].replace("{training_columns}", COLUMNS)


def _training(row: Any) -> TrainingRow:
    return TrainingRow(**{field.name: getattr(row, field.name) for field in fields(TrainingRow)})
