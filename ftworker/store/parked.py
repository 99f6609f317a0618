"""Messages that could not be understood or used: kept raw until someone replays or drops them.

Each has a reason. Never shows or logs what is in them; `ftworker parked` does that, on request.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2

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
