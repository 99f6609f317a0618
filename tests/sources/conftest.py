"""A RAG's database to fill, and sources over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr

from ftworker.settings import SourceSettings
from ftworker.sources.postgres import PostgresSource
from ftworker.store import Store
from tests.servers import PostgresServer

OpenSource = Callable[..., PostgresSource]


@dataclass
class RagDatabase:
    """The RAG's own database, as its programs write it."""

    url: str

    def connect(self) -> Any:
        return psycopg2.connect(self.url)

    def run(self, statements: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[Any]:
        """Run statements in one transaction; the rows of the last one, when it gives any."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statements, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def load(self, name: str) -> None:
        """Fill the database with `stores/NAME.sql`: tables and rows that a chat program's own code wrote."""
        self.run((Path(__file__).parent / "stores" / f"{name}.sql").read_text(encoding="utf-8"))

    def make_role(self, name: str, grants: str) -> str:
        """A role of its own with the grants given; returns the URL to connect as it. Roles belong to the server."""
        self.run(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN; {grants}")
        return self.url.replace("//tester@", f"//{name}@")


EMPTY = """
DO $$
DECLARE made text;
BEGIN
    FOR made IN SELECT nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', made);
    END LOOP;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
END $$;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""


@pytest.fixture(scope="session")
def _rag_database_url(postgres_server: PostgresServer) -> str:
    postgres_server.start()
    return postgres_server.create_database()


@pytest.fixture
def rag(postgres_server: PostgresServer, _rag_database_url: str) -> RagDatabase:
    """A database with nothing in it. One for all tests, emptied: making one takes longer than most tests."""
    postgres_server.start()
    rag = RagDatabase(_rag_database_url)
    rag.run(EMPTY)
    return rag


@pytest.fixture
def open_source(rag: RagDatabase) -> Iterator[OpenSource]:
    """Open a source over the RAG's database: `open_source(preset="langchain", langchain_table="history")`."""
    opened: list[PostgresSource] = []

    def open_(url: str | None = None, *, name: str = "chat", **settings: Any) -> PostgresSource:
        url = url or rag.url
        source = PostgresSource(name, SourceSettings(url=SecretStr(url), **settings), url)
        opened.append(source)
        return source

    yield open_
    for source in opened:
        source.close()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


TWO_TABLES = """
CREATE TABLE conversations (
    id         text PRIMARY KEY,
    alumno     text,
    centro     text,
    curso      text,
    consiente  boolean,
    closed_at  timestamptz
);
CREATE TABLE messages (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id text NOT NULL,
    role            text NOT NULL,
    content         text,
    created_at      timestamptz,
    context         json,
    rating          text,
    error           text,
    model           text
);
CREATE INDEX ON messages (conversation_id);
CREATE INDEX ON messages (created_at);
"""

ALL_COLUMNS = {
    "user": "alumno",
    "tenant": "centro",
    "course": "curso",
    "consent": "consiente",
    "closed_at": "closed_at",
    "context": "context",
    "rating": "rating",
    "error": "error",
    "model": "model",
}


@pytest.fixture
def two_tables(rag: RagDatabase) -> RagDatabase:
    """A store of the generic shape, empty."""
    rag.run(TWO_TABLES)
    return rag


def say(
    rag: RagDatabase,
    conversation: str,
    *texts: str | None,
    at: str = "2026-03-01 10:00:00+00",
    every: str = "10 s",
) -> None:
    """Write a conversation, question and answer in turn, `every` so long from `at` on."""
    rag.run("INSERT INTO conversations (id) VALUES (%s) ON CONFLICT DO NOTHING", [conversation])
    for number, text in enumerate(texts):
        rag.run(
            "INSERT INTO messages (conversation_id, role, content, created_at)"
            " VALUES (%s, %s, %s, %s::timestamptz + %s * %s::interval)",
            [conversation, "assistant" if number % 2 else "user", text, at, number, every],
        )
