"""Stores of RAGs that tell nobody of a closing: beat's `sweep_idle` finds out. One keeps times, the other none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import psycopg2

from ftworker.store import Store
from tests.chaos.plan import Stored

QUIET, STILL = "quiet", "still"
"""The source, and the schema, whose rows have times; the one whose rows have numbers alone."""
TABLES = f"""
CREATE SCHEMA {QUIET}; CREATE SCHEMA {STILL};
CREATE TABLE {QUIET}.messages (
    id bigserial PRIMARY KEY, conversation_id text NOT NULL, role text NOT NULL, content text NOT NULL,
    rating integer, created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON {QUIET}.messages (created_at);
CREATE INDEX ON {QUIET}.messages (conversation_id);
CREATE TABLE {STILL}.messages (
    id bigserial PRIMARY KEY, conversation_id text NOT NULL, role text NOT NULL, content text NOT NULL, rating integer
);
CREATE INDEX ON {STILL}.messages (conversation_id);
"""
_SOURCE = """
[sources.{name}]
preset = "messages"
schema_name = "{name}"
url_env = "IDLE_DATABASE_URL"
statement_timeout_seconds = 5.0
sweep_idle = true
idle_seconds = 1.0
messages = {{ conversations_table = "", created_at = "{created_at}", rating = "rating" }}
"""
CONFIGURATION = _SOURCE.format(name=QUIET, created_at="created_at") + _SOURCE.format(
    name=STILL, created_at=""
)


class IdleStores:
    """Both, in one database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: set[str] = set()
        with self._cursor() as cursor:
            cursor.execute(TABLES)

    def hold(self, conversations: Iterable[Stored]) -> None:
        """Store conversations, in one and in the other by turns."""
        with self._cursor() as cursor:
            for number, one in enumerate(conversations):
                for said in one.messages:
                    cursor.execute(
                        f"INSERT INTO {(QUIET, STILL)[number % 2]}.messages (conversation_id, role, content, rating) "
                        "VALUES (%s, %s, %s, %s)",
                        (one.conversation_id, said["role"], said["content"], said.get("rating")),
                    )
                self._held.add(one.conversation_id)

    def missing(self, store: Store) -> set[str]:
        """Conversations that nobody has found idle yet."""
        with store.transaction() as cursor:
            cursor.execute(
                "SELECT conversation_id FROM ftworker.conversations WHERE source_name = ANY(%(names)s)",
                {"names": [QUIET, STILL]},
            )
            return self._held - {row.conversation_id for row in cursor.fetchall()}

    def forget(self, store: Store) -> None:
        """Let the next sweep be the first one of both."""
        with store.transaction() as cursor:
            cursor.execute("DELETE FROM ftworker.source_progress WHERE purpose LIKE 'sweep_idle%%'")

    def is_swept(self, store: Store) -> bool:
        """Whether both had their first sweep: what is stored from now on is found."""
        with store.transaction() as cursor:
            cursor.execute("SELECT FROM ftworker.source_progress WHERE purpose LIKE 'sweep_idle%%'")
            return bool(cursor.rowcount == 2)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[psycopg2.extensions.cursor]:
        with (
            contextlib.closing(psycopg2.connect(self._url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            yield cursor
