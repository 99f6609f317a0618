"""How far a walk through a source has come: a backfill, or the sweep for idle conversations.

A step moves in the transaction of the rows that it brought, so that a crash repeats a step or nothing. Two
walkers of one walk cannot both move it: the second is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ftworker.conversations import canonical_json
from ftworker.store.connection import Cursor, queries

Position = tuple[str, ...]
"""Opaque to this table: the walker's own. Empty: at the beginning."""


@dataclass(frozen=True)
class Progress:
    """One row: where the walk stands, and how many conversations it has looked at."""

    position: Position
    done: int
    updated_at: datetime | None = None
    finished_at: datetime | None = None


def read(cursor: Cursor, source_name: str, purpose: str) -> Progress | None:
    """How far a walk has come; None when it never began."""
    cursor.execute(queries("source_progress.sql")["read"], {"source_name": source_name, "purpose": purpose})
    row = cursor.fetchone()
    return Progress(tuple(row.position), row.done, row.updated_at, row.finished_at) if row else None


def walks(cursor: Cursor, source_name: str) -> dict[str, Progress]:
    """Every walk through a source, by its purpose."""
    cursor.execute(queries("source_progress.sql")["walks"], {"source_name": source_name})
    return {
        row.purpose: Progress(tuple(row.position), row.done, row.updated_at, row.finished_at)
        for row in cursor.fetchall()
    }


def begin(cursor: Cursor, source_name: str, purpose: str, position: Position = ()) -> Progress:
    """Begin a walk at a position, or begin it again, whatever it had come to."""
    cursor.execute(
        queries("source_progress.sql")["begin"],
        {"source_name": source_name, "purpose": purpose, "position": _json(position)},
    )
    return Progress(position, 0)


def advance(
    cursor: Cursor,
    source_name: str,
    purpose: str,
    before: Progress,
    *,
    position: Position,
    added: int,
    finished: bool = False,
) -> Progress | None:
    """Move a walk on from where it was read. None when another walker has moved it: roll back what it
    would bring."""
    cursor.execute(
        queries("source_progress.sql")["advance"],
        {
            "source_name": source_name,
            "purpose": purpose,
            "before": _json(before.position),
            "done": before.done,
            "position": _json(position),
            "added": added,
            "finished": finished,
        },
    )
    return Progress(position, before.done + added) if cursor.rowcount else None


def _json(position: Position) -> str:
    return canonical_json(position).decode()
