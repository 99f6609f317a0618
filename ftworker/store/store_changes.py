"""The change-table: what is known of conversations in stores that keep no times, from looking at them again
and again.

A conversation changed when its version is another than at the last look; it is idle when no look found a
change for long enough. Set-based: one statement a batch of thousands. Holds ids and counts, never a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ftworker.store.connection import Cursor, queries


@dataclass(frozen=True, slots=True)
class SeenConversation:
    """A conversation as one look saw it. `version` is a hash that changes with its messages."""

    conversation_id: str
    message_count: int
    version: bytes


@dataclass(frozen=True, slots=True)
class IdleConversation:
    """A version of a conversation that has just been closed, with the time of the look that first saw it."""

    conversation_id: str
    message_count: int
    version: bytes
    last_changed_at: datetime


def observe(
    cursor: Cursor,
    source_name: str,
    seen: Sequence[SeenConversation],
    now: datetime,
    *,
    closed: bool = False,
) -> int:
    """Note what a look saw at `now`; returns how many conversations are new or have changed. Each id at most
    once.

    `closed` notes them as closed already: the past of a store that is looked at for the first time.
    """
    if not seen:
        return 0
    cursor.execute(
        queries("store_changes.sql")["observe"],
        {
            "source_name": source_name,
            "conversation_ids": [one.conversation_id for one in seen],
            "message_counts": [one.message_count for one in seen],
            "versions": [one.version for one in seen],
            "now": now,
            "closed": closed,
        },
    )
    return cursor.rowcount


def close_idle(cursor: Cursor, source_name: str, until: datetime, limit: int) -> list[IdleConversation]:
    """Close at most `limit` conversations unchanged since `until` and give them: each version once, whoever
    asks.

    Hand them on in the same transaction; when it rolls back, they are given again.
    """
    cursor.execute(
        queries("store_changes.sql")["close_idle"],
        {"source_name": source_name, "until": until, "limit": limit},
    )
    return [
        IdleConversation(
            row.conversation_id, row.message_count, bytes(row.content_sha256), row.last_changed_at
        )
        for row in cursor.fetchall()
    ]
