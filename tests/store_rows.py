"""A look into ftworker's tables from a test, past its functions: what is really there."""

from __future__ import annotations

from typing import Any

from ftworker.store import Store


def fetch(store: Store, query: str) -> list[Any]:
    """All rows of one query, in a transaction of its own."""
    with store.transaction() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
