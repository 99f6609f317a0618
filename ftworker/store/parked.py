"""Messages that could not be understood or used: kept raw until someone replays or drops them.

Each has a reason. Never shows or logs what is in them; `ftworker parked` does that, on request.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg2

from ftworker.errors import NotFound
from ftworker.store.connection import Cursor, queries


@dataclass(frozen=True)
class ParkedMessage:
    """A message to park. `raw` may be only the first part of it; `raw_bytes` is its true size."""

    raw: bytes
    raw_bytes: int
    raw_sha256: bytes
    """Of the whole message: it makes a repeat the same row."""
    reason: str
    detail: str

    @classmethod
    def of(cls, raw: bytes, reason: str, detail: str, *, keep_bytes: int | None = None) -> ParkedMessage:
        """A message as it came, cut to its first `keep_bytes`."""
        kept = raw if keep_bytes is None else raw[:keep_bytes]
        return cls(kept, len(raw), hashlib.sha256(raw).digest(), reason, detail)


def hold(cursor: Cursor, messages: Sequence[ParkedMessage], origin: str) -> None:
    """Park messages from `origin` (amqp, stream, task), in one statement. A repeat counts up its row."""
    if not messages:
        return
    times = Counter(message.raw_sha256 for message in messages)
    distinct = list({message.raw_sha256: message for message in messages}.values())
    cursor.execute(
        queries("parked.sql")["hold"],
        {
            "sha256s": [psycopg2.Binary(message.raw_sha256) for message in distinct],
            "raws": [psycopg2.Binary(message.raw) for message in distinct],
            "sizes": [message.raw_bytes for message in distinct],
            "reasons": [message.reason for message in distinct],
            "details": [message.detail for message in distinct],
            "times": [times[message.raw_sha256] for message in distinct],
            "origin": origin,
        },
    )


@dataclass(frozen=True)
class ParkedSummary:
    """The rows parked for one reason. `times` counts repeats of the same bytes too."""

    reason: str
    rows: int
    times: int
    oldest_at: datetime
    newest_at: datetime


@dataclass(frozen=True)
class ParkedRow:
    """A parked message without its bytes. `is_cut`: only the first part of them was kept."""

    id: int
    reason: str
    detail: str
    origin: str
    raw_bytes: int
    is_cut: bool
    inbox_id: int | None
    times: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class HeldMessage:
    """A row locked for replay, with its bytes. `inbox_id` is set where `accumulate` parked it."""

    id: int
    raw: bytes
    is_cut: bool
    inbox_id: int | None


def summary(cursor: Cursor) -> list[ParkedSummary]:
    """What is parked, by reason."""
    cursor.execute(queries("parked.sql")["summary"])
    return [ParkedSummary(*row) for row in cursor.fetchall()]


def rows(
    cursor: Cursor, *, reason: str | None = None, after_id: int = 0, limit: int = 100
) -> list[ParkedRow]:
    """At most `limit` rows by id, without their bytes."""
    cursor.execute(queries("parked.sql")["rows"], {"reason": reason, "after_id": after_id, "limit": limit})
    return [ParkedRow(*row) for row in cursor.fetchall()]


def show(cursor: Cursor, parked_id: int) -> tuple[ParkedRow, bytes, str]:
    """One row, its bytes and their sha256 in hexadecimal. Raises NotFound."""
    cursor.execute(queries("parked.sql")["show"], {"id": parked_id})
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"no parked message {parked_id}; `ftworker parked list` shows those there are")
    return ParkedRow(*row[:10]), bytes(row[10]), row[11]


def ids(cursor: Cursor, *, chosen: Sequence[int] | None = None, reason: str | None = None) -> list[int]:
    """The ids that exist among those chosen (None: all), of one reason or of any."""
    cursor.execute(
        queries("parked.sql")["ids"], {"ids": None if chosen is None else list(chosen), "reason": reason}
    )
    return [row[0] for row in cursor.fetchall()]


def take(cursor: Cursor, chosen: Sequence[int]) -> list[HeldMessage]:
    """Lock rows until the transaction ends and give their bytes; rows that someone else holds are left out."""
    cursor.execute(queries("parked.sql")["take"], {"ids": list(chosen)})
    return [HeldMessage(row[0], bytes(row[1]), row[2], row[3]) for row in cursor.fetchall()]


def wait_again(cursor: Cursor, chosen: Sequence[int]) -> int:
    """Set the inbox rows that were parked waiting again; returns how many. Drop the parked rows afterwards."""
    cursor.execute(queries("parked.sql")["wait_again"], {"ids": list(chosen)})
    return cursor.rowcount


def explain_again(cursor: Cursor, reasons: Mapping[int, tuple[str, str]]) -> None:
    """Give rows the reason and detail that a failed replay found."""
    if reasons:
        parameters = {
            "ids": list(reasons),
            "reasons": [reason for reason, _ in reasons.values()],
            "details": [detail for _, detail in reasons.values()],
        }
        cursor.execute(queries("parked.sql")["explain_again"], parameters)


def drop(cursor: Cursor, chosen: Sequence[int]) -> int:
    """Remove rows for good; returns how many there were."""
    cursor.execute(queries("parked.sql")["drop"], {"ids": list(chosen)})
    return cursor.rowcount
