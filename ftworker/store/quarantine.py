"""Conversations that wait for a person, and what that person decided. Holds no text.

The queue is the drops at turn -1 whose reason begins with `quarantined`; one that is rejected gets a reason of its own.
A decision is for one version (its content's hash): a newer one is judged anew. `ftworker.quarantine` puts released
conversations back to work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ftworker.errors import NotFound, Refused
from ftworker.store.connection import Cursor, queries

Decision = Literal["released", "rejected"]

REASON_PREFIX = "quarantined"
"""How the reason codes of what waits for a person begin; the index `drops_quarantined` goes by it."""
VERSION_DIGITS = 6
"""Digits of a version's hash that stand in its name."""


@dataclass(frozen=True)
class Quarantined:
    """A conversation in quarantine. `id` is its row's; `conversation_id` is the RAG's and can be personal."""

    id: int
    version: str
    """SHA-256 of the newest version's messages, hexadecimal."""
    source_name: str
    conversation_id: str
    message_count: int
    pipelines: tuple[str, ...]
    reasons: tuple[str, ...]
    since: datetime
    """When this version was judged, or rejected."""
    decision: Decision | None
    """What a person decided about this version; None: it waits."""

    @property
    def name(self) -> str:
        """How commands call this version: `17.3fa2b1`."""
        return f"{self.id}.{self.version[:VERSION_DIGITS]}"


@dataclass(frozen=True)
class LockedVersion:
    """What a new event needs of a conversation whose own event was erased."""

    tenant_id: str | None
    course_id: str | None
    closed_at: datetime


@dataclass(frozen=True)
class KeptEvent:
    """The event that gave the newest version, with its JSON."""

    id: int
    payload: str
    received_at: datetime


def waiting(
    cursor: Cursor,
    *,
    pipeline: str | None = None,
    reason: str | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> list[Quarantined]:
    """At most `limit` conversations that wait for a decision, by id. Costs what waits, not what was decided."""
    cursor.execute(
        queries("quarantine.sql")["waiting"],
        {"pipeline": pipeline, "reason": reason, "after_id": after_id, "limit": limit},
    )
    return [_row(row) for row in cursor.fetchall()]


def rejected(
    cursor: Cursor, *, pipeline: str | None = None, after_id: int = 0, limit: int = 100
) -> list[Quarantined]:
    """At most `limit` conversations that a person keeps out, by id; `since` is when."""
    cursor.execute(
        queries("quarantine.sql")["rejected"], {"pipeline": pipeline, "after_id": after_id, "limit": limit}
    )
    return [_row(row) for row in cursor.fetchall()]


def get(cursor: Cursor, row_id: int, version: str = "") -> Quarantined:
    """One conversation that is quarantined or was decided about.

    Raises NotFound, and Refused when `version` (the first digits of its hash) is not the newest any more.
    """
    cursor.execute(queries("quarantine.sql")["row"], {"id": row_id})
    found = cursor.fetchone()
    if found is None or not (found.reasons or found.decision):
        raise NotFound(
            f"conversation {row_id} is not in quarantine; `ftworker quarantine list` shows what is"
        )
    row = _row(found)
    if not row.version.startswith(version):
        raise Refused(
            f"conversation {row_id} has a newer version than {row_id}.{version}; look at it first: "
            f"ftworker quarantine show {row.name}"
        )
    return row


def lock(cursor: Cursor, row_id: int) -> LockedVersion:
    """Keep the conversation at its newest version until the transaction ends. Raises NotFound."""
    cursor.execute(queries("quarantine.sql")["lock"], {"id": row_id})
    found = cursor.fetchone()
    if found is None:
        raise NotFound(
            f"conversation {row_id} is not in quarantine; `ftworker quarantine list` shows what is"
        )
    return LockedVersion(*found)


def review(cursor: Cursor, row_id: int, decision: Decision) -> None:
    """Record the decision for the version that stands; call with the conversation locked. Repeatable."""
    cursor.execute(queries("quarantine.sql")["review"], {"id": row_id, "decision": decision})
    if decision == "rejected":
        cursor.execute(queries("quarantine.sql")["reject"], {"id": row_id})


def decisions(cursor: Cursor, row_ids: Sequence[int]) -> dict[int, Decision]:
    """What was decided about the newest version of each conversation that has a decision. One query for a batch."""
    if not row_ids:
        return {}
    cursor.execute(queries("quarantine.sql")["decisions"], {"row_ids": list(row_ids)})
    return {row.conversation_id: row.decision for row in cursor.fetchall()}


def kept_event(cursor: Cursor, row: Quarantined) -> KeptEvent | None:
    """The event that gave the newest version; None once retention has erased it."""
    cursor.execute(
        queries("quarantine.sql")["event"],
        {"source_name": row.source_name, "conversation_id": row.conversation_id},
    )
    found = cursor.fetchone()
    return KeptEvent(*found) if found else None


def event_waits(cursor: Cursor, row: Quarantined, event_source: str) -> bool:
    """Whether an event of this origin about the conversation waits to be accumulated."""
    cursor.execute(
        queries("quarantine.sql")["waits"],
        {
            "source_name": row.source_name,
            "conversation_id": row.conversation_id,
            "event_source": event_source,
        },
    )
    return bool(cursor.fetchone().waits)


def wait_again(cursor: Cursor, event: KeptEvent) -> None:
    """Set the event waiting, so that `accumulate` judges its conversation once more."""
    cursor.execute(queries("quarantine.sql")["wait_again"], {"id": event.id})


def erase(cursor: Cursor, row_ids: Sequence[int]) -> None:
    """Forget decisions about deleted conversations, and that they were in quarantine."""
    cursor.execute(queries("quarantine.sql")["erase"], {"row_ids": list(row_ids)})


def _row(row: Any) -> Quarantined:
    return Quarantined(
        id=row.id,
        version=row.version,
        source_name=row.source_name,
        conversation_id=row.conversation_id,
        message_count=row.message_count,
        pipelines=tuple(row.pipelines),
        reasons=tuple(row.reasons),
        since=row.since,
        decision=row.decision,
    )
