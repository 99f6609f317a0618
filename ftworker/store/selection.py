"""What datasets leave out, the golden set of each pipeline, and which models were tuned here. Holds no text of its own.

The reads may run in a `Snapshot`; the writes belong to the transaction of `datasets.finish_export`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from ftworker.store.connection import Cursor, queries
from ftworker.store.examples import SELECTION_COLUMNS

_ROWS_A_STATEMENT = 10_000


@dataclass(frozen=True)
class GoldenSet:
    """The golden set of a pipeline. `dataset_id` is the export that froze it."""

    examples: int
    """Those that may still be used: an erased conversation takes its own out."""
    users: int
    """From whom they come."""
    frozen_at: datetime
    dataset_id: int


def own_models(cursor: Cursor) -> frozenset[str]:
    """Names, in lower case, of models that were tuned here; with Ollama's `latest` for those that were promoted."""
    cursor.execute(queries("selection.sql")["own_models"])
    names = set()
    for row in cursor.fetchall():
        names.add(row.model)
        name, tagged, _ = row.model.rpartition(":")
        if row.promoted and tagged and not row.model.startswith("ft:"):
            names.add(f"{name}:latest")
    return frozenset(names)


def contents(cursor: Cursor, ids: Sequence[int]) -> dict[int, str]:
    """Stored contents by example id; those that may not be used any more are missing."""
    cursor.execute(queries("selection.sql")["contents"], {"ids": list(ids)})
    return {row.id: row.content for row in cursor.fetchall()}


def golden_rows(cursor: Cursor, pipeline: str) -> list[tuple[Any, ...]]:
    """The golden set's rows in the columns of a selection, in the order of their content."""
    query = queries("selection.sql")["golden_rows"].replace("{example_columns}", SELECTION_COLUMNS)
    cursor.execute(query, {"pipeline": pipeline})
    return [tuple(row) for row in cursor.fetchall()]


def golden_set(cursor: Cursor, pipeline: str) -> GoldenSet | None:
    """The pipeline's golden set; None when it has none yet."""
    cursor.execute(queries("selection.sql")["golden_set"], {"pipeline": pipeline})
    row = cursor.fetchone()
    return GoldenSet(*row) if row else None


def never_in_files(cursor: Cursor, ids: Sequence[int]) -> set[int]:
    """Of these examples, those that stood in the files of no exported dataset."""
    cursor.execute(queries("selection.sql")["never_in_files"], {"ids": list(ids)})
    return {row.id for row in cursor.fetchall()}


def freeze_golden(cursor: Cursor, pipeline: str, dataset_id: int, ids: Sequence[int]) -> int:
    """Make these the pipeline's golden set, if it has none; returns how many are in it by this.

    Call under the pipeline's lock.
    """
    cursor.execute(
        queries("selection.sql")["freeze_golden"],
        {"pipeline": pipeline, "dataset_id": dataset_id, "ids": list(ids)},
    )
    return len(cursor.fetchall())


def record_left_out(cursor: Cursor, dataset_id: int, left_out: Iterable[tuple[int, str, int | None]]) -> None:
    """Record (example id, reason, id of the one in its place) of a dataset, however many."""
    rest = iter(left_out)
    while part := list(islice(rest, _ROWS_A_STATEMENT)):
        ids, reasons, ofs = (list(column) for column in zip(*part, strict=True))
        cursor.execute(
            queries("selection.sql")["record_left_out"],
            {"dataset_id": dataset_id, "ids": ids, "reasons": reasons, "ofs": ofs},
        )


def audit_query(
    dataset_id: int, pipeline: str, strategy: str, replay_share: float
) -> tuple[str, dict[str, Any]]:
    """For `Snapshot.stream`: rows (id, conversation row, group, content, withheld, left out) of a dataset."""
    return queries("selection.sql")["audit_rows"], {
        "dataset_id": dataset_id,
        "pipeline": pipeline,
        "strategy": strategy,
        "replay_share": replay_share,
    }


def audit_golden(cursor: Cursor, pipeline: str) -> list[tuple[Any, ...]]:
    """The same columns for the golden set."""
    cursor.execute(queries("selection.sql")["audit_golden"], {"pipeline": pipeline})
    return [tuple(row) for row in cursor.fetchall()]
