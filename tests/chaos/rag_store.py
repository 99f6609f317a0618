"""The RAG's own store of a plant: conversations that ftworker hears of by their ids alone, and reads here."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg2
from psycopg2.extras import execute_values

from tests.chaos.plan import STORE, Stored

TABLES = """
CREATE TABLE conversations (id text PRIMARY KEY, user_ref text NOT NULL, closed_at timestamptz NOT NULL);
CREATE TABLE messages (
    id bigserial PRIMARY KEY, conversation_id text NOT NULL REFERENCES conversations, role text NOT NULL,
    content text NOT NULL, rating integer, created_at timestamptz NOT NULL
);
CREATE INDEX ON messages (conversation_id);
"""
CONFIGURATION = f"""
[sources.{STORE}]
preset = "messages"
url_env = "RAG_DATABASE_URL"
statement_timeout_seconds = 5.0
messages = {{ user = "user_ref", closed_at = "closed_at", rating = "rating" }}
"""


class RagStore:
    """Two tables in a database of their own."""

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
        connection.close()

    def hold(self, conversations: Iterable[Stored]) -> None:
        """Store conversations, before anybody is told that they closed."""
        with psycopg2.connect(self._url) as connection, connection.cursor() as cursor:
            for one in conversations:
                cursor.execute(
                    "INSERT INTO conversations VALUES (%s, %s, %s)",
                    (one.conversation_id, one.user_ref, one.closed_at),
                )
                rows = [
                    (one.conversation_id, said["role"], said["content"], said.get("rating"), one.closed_at)
                    for said in one.messages
                ]
                execute_values(
                    cursor,
                    "INSERT INTO messages (conversation_id, role, content, rating, created_at) VALUES %s",
                    rows,
                )
        connection.close()
