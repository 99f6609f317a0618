"""Totals that only grow, kept in the transaction of what they count: a rolled-back batch was never counted.

Each process adds to rows of its own (`shard`), so that writers do not wait for each other; readers add the
shards up. Labels never hold personal data. `ftworker.web` shows the totals to Prometheus.

Written by ingest, `TRANSPORT` being amqp, stream or task:
  ingest_events      transport=TRANSPORT                events recorded for the first time
  ingest_duplicates  transport=TRANSPORT                events that were recorded before
  ingest_parked      reason=REASON,transport=TRANSPORT  messages parked, repeats included
  ingest_batches     transport=TRANSPORT                transactions
  ingest_batch_size  le=BOUND,transport=TRANSPORT       batches by size; a batch counts once, in the smallest
                                                        bound that holds it (le=+Inf beyond): add them up
"""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Mapping

from ftworker.store.connection import Cursor, queries

SHARDS = 64
"""Rows that one total may have. More would only make reading slower: few processes write at the same time."""

BATCH_SIZE_BOUNDS = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
"""Upper bounds of the buckets of `ingest_batch_size`, in messages."""


def label_text(**labels: str) -> str:
    """`key=value,key=value` with sorted keys: the form in which labels are stored."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def batch_size_bound(size: int) -> str:
    """The `le` of the smallest bucket that holds a batch of `size` messages."""
    return next((str(bound) for bound in BATCH_SIZE_BOUNDS if size <= bound), "+Inf")


def process_shard() -> int:
    """This process's shard: the same for its whole life, and likely another than its neighbour's."""
    # Containers all run as process 1, so the host's name is part of it.
    return zlib.crc32(f"{socket.gethostname()}:{os.getpid()}".encode()) % SHARDS


def add(cursor: Cursor, amounts: Mapping[tuple[str, str], float]) -> None:
    """Add each amount to the total `(name, labels)`, in one statement. Zeros are left out."""
    rows = [(name, labels, float(value)) for (name, labels), value in amounts.items() if value]
    if not rows:
        return
    names, labels, values = (list(column) for column in zip(*rows, strict=True))
    cursor.execute(
        queries("totals.sql")["add"],
        {"names": names, "labels": labels, "values": values, "shard": process_shard()},
    )


def read(cursor: Cursor) -> dict[tuple[str, str], float]:
    """Every total by `(name, labels)`, shards added up."""
    cursor.execute(queries("totals.sql")["read"])
    return {(name, labels): value for name, labels, value in cursor.fetchall()}
