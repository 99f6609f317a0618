"""Pipelines' locks and the datasets cut under them. A dataset never changes once it is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extras import Json

from ftworker.errors import NotFound
from ftworker.store.connection import Cursor, queries


@dataclass(frozen=True)
class PipelineRow:
    """When a pipeline last cut a dataset, and which time of its schedule it last answered."""

    name: str
    last_cut_at: datetime | None
    last_scheduled_at: datetime | None


@dataclass(frozen=True)
class DatasetRow:
    """A dataset. sha256, url and manifest are None until it is exported."""

    id: int
    pipeline: str
    sequence: int
    strategy: str
    settings: Mapping[str, Any]
    new_examples: int
    cut_at: datetime
    sha256: str | None
    url: str | None
    manifest: Mapping[str, Any] | None
    exported_at: datetime | None


def lock_pipeline(cursor: Cursor, pipeline: str) -> PipelineRow:
    """Take the pipeline's lock until the transaction ends; only its holder may cut."""
    named = queries("datasets.sql")
    cursor.execute(named["ensure_pipeline"], {"pipeline": pipeline})
    cursor.execute(named["lock_pipeline"], {"pipeline": pipeline})
    return PipelineRow(*cursor.fetchone())


def read_pipelines(cursor: Cursor, pipelines: Sequence[str]) -> dict[str, PipelineRow]:
    """The pipelines' rows without their locks; an empty one for each that never cut."""
    found = {name: PipelineRow(name, None, None) for name in pipelines}
    cursor.execute(queries("datasets.sql")["read_pipelines"], {"pipelines": list(pipelines)})
    found.update({row.name: PipelineRow(*row) for row in cursor.fetchall()})
    return found


def mark_scheduled(cursor: Cursor, pipeline: str, now: datetime) -> None:
    """The schedule's present time is answered. Call under the pipeline's lock."""
    cursor.execute(queries("datasets.sql")["pipeline_scheduled"], {"pipeline": pipeline, "now": now})


def cut_dataset(
    cursor: Cursor,
    pipeline: str,
    strategy: str,
    settings: Mapping[str, Any],
    *,
    limit: int | None,
    now: datetime,
) -> tuple[int, int]:
    """Claim what waits (at most `limit`) into a new dataset; returns its id and the number claimed.

    Call under the pipeline's lock.
    """
    named = queries("datasets.sql")
    cursor.execute(
        named["insert_dataset"],
        {"pipeline": pipeline, "strategy": strategy, "settings": Json(dict(settings))},
    )
    dataset_id: int = cursor.fetchone().id
    cursor.execute(named["claim_examples"], {"pipeline": pipeline, "dataset_id": dataset_id, "limit": limit})
    claimed: int = cursor.fetchone().claimed
    cursor.execute(named["pipeline_cut"], {"pipeline": pipeline, "now": now})
    return dataset_id, claimed


def drops_by_reason(cursor: Cursor, pipeline: str) -> dict[str, int]:
    """How many turns and conversations of a pipeline were ever dropped, by reason."""
    cursor.execute(queries("datasets.sql")["drops_by_reason"], {"pipeline": pipeline})
    return {row.labels.partition("reason=")[2]: row.drops for row in cursor.fetchall()}


def finish_export(
    cursor: Cursor, dataset_id: int, *, sha256: str, url: str, manifest: Mapping[str, Any]
) -> bool:
    """The files are written. False, and nothing changed: another exporter of this dataset was first."""
    cursor.execute(
        queries("datasets.sql")["finish_export"],
        {"dataset_id": dataset_id, "sha256": sha256, "url": url, "manifest": Json(dict(manifest))},
    )
    return cursor.fetchone() is not None


def get_dataset(cursor: Cursor, dataset_id: int) -> DatasetRow:
    """Raises NotFound."""
    cursor.execute(queries("datasets.sql")["get_dataset"], {"dataset_id": dataset_id})
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"no dataset {dataset_id}; `ftworker datasets list` shows those there are")
    return DatasetRow(*row)


def list_datasets(cursor: Cursor, *, pipeline: str | None = None, limit: int = 50) -> list[DatasetRow]:
    """Newest first."""
    cursor.execute(queries("datasets.sql")["list_datasets"], {"pipeline": pipeline, "limit": limit})
    return [DatasetRow(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class TrainFile:
    """What the newest dataset that holds everything trains on."""

    sequence: int
    rows: int
    tokens: int


def newest_whole(cursor: Cursor, pipeline: str) -> TrainFile | None:
    """The train file of the newest exported dataset with strategy `all`; None where there is none."""
    cursor.execute(queries("datasets.sql")["newest_whole"], {"pipeline": pipeline})
    row = cursor.fetchone()
    return TrainFile(row.sequence, row.train["rows"], row.train["tokens"]) if row else None


def cut_after(cursor: Cursor, pipeline: str, sequence: int) -> int:
    """How many examples the pipeline's datasets after that one (0: all) were the first to hold."""
    cursor.execute(queries("datasets.sql")["cut_after"], {"pipeline": pipeline, "sequence": sequence})
    return int(cursor.fetchone().examples)
