"""Words, ids and names that look like SQL are values, in our database and in the RAG's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ftworker.settings import SourceSettings
from ftworker.sources.postgres import PostgresSource
from tests.accumulate.bench import Bench
from tests.sources.conftest import TWO_TABLES, RagDatabase

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SQL = (
    "'); DROP TABLE ftworker.examples; --",
    "\\'; DELETE FROM conversations; --",
    "%s %(id)s %% {0} {example_columns} $1 :id",
    '"; DROP TABLE messages; --',
    "$$; DROP SCHEMA ftworker CASCADE; $$",
    "{c1,NULL}",
    'c"1,\\N',
    "/* -- */ ; COMMIT; ROLLBACK",
)


def test_what_is_said_and_who_says_it_is_stored_as_it_is(emptied_database_url: str, tmp_path: Path) -> None:
    bench = Bench(emptied_database_url, tmp_path)
    for number, text in enumerate(SQL):
        question, answer = (
            f"¿Qué hace {number} {text} en una base?",
            f"La orden {number} {text} no hace nada.",
        )
        bench.closed(
            text,
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
            closed_at=NOON,
            tenant_id=text,
            course_id=text,
            user_ref=text,
            model=text,
        )
    bench.run_all()
    rows = bench.sql(
        "SELECT c.conversation_id, c.tenant_id, c.course_id, e.model, e.content FROM ftworker.examples AS e "
        "JOIN ftworker.conversations AS c ON c.id = e.conversation_id ORDER BY c.id"
    )
    assert {(row.conversation_id, row.tenant_id, row.course_id, row.model) for row in rows} == {
        (text,) * 4 for text in SQL
    }
    for row in rows:
        _, answer = json.loads(row.content)
        assert row.conversation_id in answer["content"]
    bench.store.close()


@pytest.fixture
def rag(empty_database_url: str) -> RagDatabase:
    return RagDatabase(empty_database_url)


def test_ids_of_a_chat_store_are_values_and_its_tables_are_names(rag: RagDatabase) -> None:
    """An event names the conversation, and somebody named the tables and columns."""
    table, column = 'men"sajes; DROP TABLE conversations', "dijo'; --"
    rag.run(TWO_TABLES)
    with rag.connect() as connection, connection.cursor() as cursor:
        cursor.execute('ALTER TABLE messages RENAME TO "men""sajes; DROP TABLE conversations"')
        cursor.execute('ALTER TABLE "men""sajes; DROP TABLE conversations" RENAME content TO "dijo\'; --"')
        for text in SQL:
            cursor.execute("INSERT INTO conversations (id) VALUES (%s)", (text,))
            cursor.execute(
                'INSERT INTO "men""sajes; DROP TABLE conversations" (conversation_id, role, "dijo\'; --") '
                "VALUES (%s, 'user', %s)",
                (text, text),
            )
    connection.close()
    settings = SourceSettings.model_validate(
        {"preset": "messages", "messages": {"messages_table": table, "content": column}}
    )
    source = PostgresSource("rag", settings, rag.url)
    try:
        found = list(source.fetch([*SQL, "nobody'; --"]))
        assert {one.conversation_id: one.messages[0].content for one in found} == {text: text for text in SQL}
        assert source.count() == len(SQL)
    finally:
        source.close()
