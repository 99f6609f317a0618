"""The numbers that `ftworker.web` shows: one moment of the database, at the cost of the backlog.

Counts over history come from `totals`, or from tables with one row a dataset or a run; nothing here reads all
examples, events or conversations, or any text, user or conversation's id. Statements: queries/metrics.sql.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftworker.errors import PermanentError
from ftworker.store import processes, totals
from ftworker.store.connection import Cursor, queries
from ftworker.store.migrate import available_migrations

DEAD_AFTER_SECONDS = 4 * processes.BEAT_SECONDS
"""A process that has not renewed its row for so long is not alive."""

SWEEP_TOTAL = "sweep_timestamp_seconds"
"""The total that holds when the last sweep ended, seconds since 1970 UTC."""


class SchemaOutdated(PermanentError):
    """The database lacks migrations that this version needs."""


@dataclass(frozen=True)
class Inbox:
    """Events that wait to be accumulated. `postponed` of them are left alone until a later time."""

    waiting: int
    postponed: int
    oldest_age_seconds: float
    last_received_timestamp: float | None
    """Seconds since 1970 UTC; None when no event ever came."""


@dataclass(frozen=True)
class WaitingExamples:
    """Examples of one pipeline that wait for its next dataset."""

    examples: int
    tokens: int
    oldest_age_seconds: float


@dataclass(frozen=True)
class LatestDataset:
    """The newest dataset of one pipeline; `sequence` is also how many there are."""

    sequence: int
    new_examples: int
    cut_timestamp: float
    own_model_share: float | None
    """Of its answers, those that models tuned here wrote; None until it is exported."""


@dataclass(frozen=True)
class RunGroup:
    """All runs of one pipeline and provider in one state."""

    pipeline: str
    provider: str
    state: str
    runs: int
    estimated_usd: float


@dataclass(frozen=True)
class RunInFlight:
    """The run that keeps its pipeline from beginning another."""

    id: int
    pipeline: str
    provider: str
    state: str
    state_seconds: float
    silent_seconds: float
    """Since the provider last reported a change of a submitted job; 0 in every other state."""
    overdue_seconds: float
    """Since its next step was due, with nobody at work on it; 0 when it is not due."""


@dataclass(frozen=True)
class TrainingGroup:
    """Open trainings of one pipeline and provider; figures are None while none runs or none is known."""

    pipeline: str
    provider: str
    waiting: int
    running: int
    progress_ratio: float | None
    loss: float | None
    tokens_per_second: float | None
    memory_bytes: float | None


@dataclass(frozen=True)
class ParkedGroup:
    """Parked messages of one reason."""

    messages: int
    oldest_age_seconds: float


@dataclass(frozen=True)
class QuarantinedGroup:
    """Conversations of one pipeline that wait for a person's decision."""

    conversations: int
    oldest_age_seconds: float


@dataclass(frozen=True)
class ProcessGroup:
    """Processes of one name."""

    alive: int
    last_seen_seconds: float | None
    """None: never."""


@dataclass(frozen=True)
class Snapshot:
    """One moment. Mappings are by pipeline, reason, process name; `totals` by (name, labels as stored)."""

    inbox: Inbox
    waiting: Mapping[str, WaitingExamples]
    datasets: Mapping[str, LatestDataset]
    runs: Sequence[RunGroup]
    in_flight: Sequence[RunInFlight]
    promotions: Mapping[str, float]
    """When each pipeline's present model was promoted, seconds since 1970 UTC."""
    parked: Mapping[str, ParkedGroup]
    processes: Mapping[str, ProcessGroup]
    totals: Mapping[tuple[str, str], float]
    quarantined: Mapping[str, QuarantinedGroup]
    trainings: Sequence[TrainingGroup] = ()


def read_snapshot(cursor: Cursor, pipelines: Sequence[str], *, statement_timeout_seconds: float) -> Snapshot:
    """Read everything at one moment; must be the first use of the caller's transaction.

    `pipelines` are the configured names. Raises SchemaOutdated when migrations are missing. The transaction
    raises DatabaseUnavailable when the server is away or a statement takes too long, DatabaseRejected when
    this user may not read.
    """
    timeout_milliseconds = max(1, round(statement_timeout_seconds * 1000))
    cursor.execute(queries("metrics.sql")["begin"], {"timeout_milliseconds": timeout_milliseconds})
    _require_migrations(cursor)
    return _read(cursor, list(pipelines))


def record_sweep(cursor: Cursor) -> None:
    """Note that beat's sweep ran to its end now. The only write here; one row, rewritten."""
    cursor.execute(queries("metrics.sql")["record_sweep"], {"name": SWEEP_TOTAL})


def _require_migrations(cursor: Cursor) -> None:
    done: set[str] = set()
    if _rows(cursor, "has_migrations")[0].present:
        done = {row.name for row in _rows(cursor, "migrations")}
    missing = [name for name, _ in available_migrations() if name not in done]
    if missing:
        raise SchemaOutdated(f"the database lacks {', '.join(missing)}; run `ftworker migrate`")


def _read(cursor: Cursor, pipelines: list[str]) -> Snapshot:
    return Snapshot(
        inbox=Inbox(*_rows(cursor, "inbox")[0]),
        waiting={name: WaitingExamples(*rest) for name, *rest in _rows(cursor, "waiting_examples")},
        datasets={
            name: LatestDataset(*rest)
            for name, *rest in _rows(cursor, "latest_datasets", {"pipelines": pipelines})
        },
        runs=tuple(RunGroup(*row) for row in _rows(cursor, "runs")),
        in_flight=tuple(RunInFlight(*row) for row in _rows(cursor, "runs_in_flight")),
        promotions={row.pipeline: row.promoted_timestamp for row in _rows(cursor, "promotions")},
        parked={name: ParkedGroup(*rest) for name, *rest in _rows(cursor, "parked")},
        processes={
            name: ProcessGroup(*rest)
            for name, *rest in _rows(cursor, "processes", {"dead_after_seconds": DEAD_AFTER_SECONDS})
        },
        totals=totals.read(cursor),
        quarantined={name: QuarantinedGroup(*rest) for name, *rest in _rows(cursor, "quarantined")},
        trainings=tuple(TrainingGroup(*row) for row in _rows(cursor, "trainings")),
    )


def _rows(cursor: Cursor, name: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    # Never None: only with parameters is %% one percent sign.
    cursor.execute(queries("metrics.sql")[name], parameters or {})
    return list(cursor.fetchall())
