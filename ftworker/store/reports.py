"""What the report and another form of a dataset need of its rows: when and in which course, and the rows again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftworker.datasets.timeline import Timeline
from ftworker.store.connection import Cursor, queries
from ftworker.store.datasets import DatasetRow
from ftworker.store.examples import EXPORT_COLUMNS


def read_timeline(cursor: Cursor, dataset: DatasetRow, left_out: Sequence[int]) -> Timeline:
    """Examples of a dataset by day and course, and their conversations, without the examples of these ids."""
    named, parameters = queries("reports.sql"), {**_membership(dataset), "left_out": list(left_out)}
    cursor.execute(named["conversations"], parameters)
    timeline = Timeline(conversations=cursor.fetchone().conversations)
    cursor.execute(named["timeline"], parameters)
    for row in cursor.fetchall():
        timeline.add(row.day, row.course_id, row.examples)
    return timeline


def left_out_ids(cursor: Cursor, dataset_id: int) -> list[int]:
    """The examples that an exported dataset left out."""
    cursor.execute(queries("reports.sql")["left_out_ids"], {"dataset_id": dataset_id})
    return [row.example_id for row in cursor.fetchall()]


def members_query(dataset: DatasetRow) -> tuple[str, Mapping[str, Any]]:
    """The query, for `Snapshot.stream`, that gives the rows in the files of an exported dataset."""
    query = queries("reports.sql")["stream_members"].replace("{example_columns}", EXPORT_COLUMNS)
    return query, _membership(dataset)


def _membership(dataset: DatasetRow) -> dict[str, Any]:
    return {
        "pipeline": dataset.pipeline,
        "dataset_id": dataset.id,
        "strategy": dataset.strategy,
        "replay_share": float(dataset.settings.get("replay_share") or 0.0),
    }
