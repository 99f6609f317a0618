"""What two datasets share and what not, counted by PostgreSQL from its own rows. No text ever leaves it."""

from __future__ import annotations

from ftworker.datasets.difference import Counts, MovedTurn
from ftworker.store.connection import Cursor, queries

_COUNTED = "SELECT kind, reason, count(*) AS examples FROM explained GROUP BY kind, reason"
_LISTED = (
    "SELECT kind, reason, c.source_name, c.conversation_id, turn FROM explained"
    " JOIN ftworker.conversations AS c ON c.id = explained.conversation_id"
    " WHERE kind <> 'same' ORDER BY kind, c.source_name, c.conversation_id, turn LIMIT %(limit)s"
)


def count_difference(cursor: Cursor, before: int, after: int) -> Counts:
    """Examples of two exported datasets, by what happened to them from one to the other."""
    cursor.execute(_difference(_COUNTED), {"before": before, "after": after})
    counts = Counts()
    for row in cursor.fetchall():
        match row.kind:
            case "same":
                counts.same = row.examples
            case "changed":
                counts.changed = row.examples
            case "came":
                counts.came[row.reason] = row.examples
            case _:
                counts.went[row.reason] = row.examples
    return counts


def list_difference(cursor: Cursor, before: int, after: int, *, limit: int) -> list[MovedTurn]:
    """The turns that came, went or changed, in the order of their conversations; at most `limit`."""
    cursor.execute(_difference(_LISTED), {"before": before, "after": after, "limit": limit})
    return [MovedTurn(*row) for row in cursor.fetchall()]


def _difference(selected: str) -> str:
    return queries("differences.sql")["difference"].replace("{selected}", selected)
