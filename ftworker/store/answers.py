"""psycopg2's connections and cursors that wait for each answer for a limited time (`ftworker.silence`).

What counts is the time of one question: a statement, a fetch of a server-side cursor, a commit. What Python does
between two of them does not. `connection` makes them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from ftworker.silence import answer_within


class AnsweringConnection(psycopg2.extensions.connection):
    """Raises OperationalError when the server gives no answer for `answer_seconds`, and is of no use then."""

    answer_seconds: float

    def asking(self) -> AbstractContextManager[None]:
        """What is inside asks the server one thing."""
        return answer_within(self.fileno(), self.answer_seconds, psycopg2.OperationalError)

    def commit(self) -> None:
        with self.asking():
            super().commit()

    def rollback(self) -> None:
        """Nothing to do on a connection that is lost: the server rolls back."""
        if not self.closed:
            with self.asking():
                super().rollback()


class AnsweringCursor(psycopg2.extensions.cursor):
    """Rows as plain tuples. Iterating over a server-side one asks without a limit: fetch from it."""

    connection: AnsweringConnection

    def execute(self, query: Any, parameters: Any = None) -> None:
        with self.connection.asking():
            super().execute(query, parameters)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = self.arraysize if size is None else size
        if self.name is None:
            return super().fetchmany(count)
        with self.connection.asking():
            return super().fetchmany(count)

    def close(self) -> None:
        if self.name is None or self.connection.closed:
            super().close()
            return
        with self.connection.asking():
            super().close()


class NamedRowsCursor(AnsweringCursor, psycopg2.extras.NamedTupleCursor):
    """Rows as named tuples."""
