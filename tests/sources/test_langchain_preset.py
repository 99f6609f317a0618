"""LangChain's chat history, in rows that its own packages wrote (stores/write_langchain.py,
write_langchain_js.mjs) and in shapes that nobody should write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ftworker.conversations import Chunk, Message
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
SESSION = "00000000-0000-4000-8000-000000000007"
PHONE = "+34 600 000 007"

LANGCHAIN_POSTGRES = """
CREATE TABLE chat_history (id serial PRIMARY KEY, session_id uuid NOT NULL, message jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX idx_chat_history_session_id ON chat_history (session_id);
"""
MESSAGE_STORE = (
    "CREATE TABLE message_store (id serial PRIMARY KEY, session_id text NOT NULL, message TYPE NOT NULL);"
)
N8N = """
CREATE TABLE n8n_chat_histories (id serial PRIMARY KEY, session_id varchar(255) NOT NULL, message jsonb NOT NULL);
"""

READ = (
    Message("system", "Eres un tutor de biología.", id="1"),
    Message("user", "¿Qué es la fotosíntesis? 🌱", id="2"),
    Message("assistant", "", id="3"),
    Message(
        "tool",
        "La fotosíntesis...",
        id="4",
        context=(
            Chunk("La fotosíntesis convierte luz en energía química.", source="bio-3.pdf", chunk_id="p1"),
            Chunk("Ocurre en los cloroplastos.", source="bio-3.pdf"),
        ),
    ),
    Message(
        "assistant",
        "Es el proceso por el que las plantas convierten la luz en energía.",
        id="5",
        model="gpt-4.1-mini",
    ),
    Message("user", "¿Y qué se ve en esta foto?", id="6"),
    Message("assistant", "Una hoja verde: su color viene de la clo", id="7", error=True, model="claude-4"),
    Message("user", "Busca otra vez.", id="8"),
    Message("assistant", "", id="9"),
    Message("tool", "Error: sin conexión", id="10", error=True),
    Message("assistant", "No he podido buscar, pero la clorofila refleja el verde.", id="11"),
    Message("profesor", "Hola, soy el profesor.", id="12"),
)


def write(rag: RagDatabase, table: str, session: str, *messages: str) -> None:
    for message in messages:
        rag.run(f"INSERT INTO {table} (session_id, message) VALUES (%s, %s)", [session, message])


def n8n(open_source: OpenSource) -> PostgresSource:
    return open_source(preset="langchain", langchain_table="n8n_chat_histories")


def test_what_langchain_postgres_wrote_is_read_with_its_times(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("langchain_postgres")
    source = open_source(preset="langchain", langchain_table="chat_history")
    assert source.has_times()
    (conversation,) = source.fetch([SESSION, "no-uuid"])
    assert conversation.user_ref is None
    assert conversation.messages == tuple(msgspec.structs.replace(said, created_at=TEN) for said in READ)
    (listed,) = source.idle(TEN - timedelta(seconds=1), TEN)
    assert (listed.conversation_id, listed.message_count) == (SESSION, len(READ))


@pytest.mark.parametrize("rows", ["langchain_community", "langchain_sql"])
@pytest.mark.parametrize("message_type", ["text", "json", "jsonb"])
def test_what_langchain_community_wrote_is_read_whatever_the_column_s_type(
    rag: RagDatabase, open_source: OpenSource, rows: str, message_type: str
) -> None:
    rag.load(rows)
    rag.run(f"ALTER TABLE message_store ALTER message TYPE {message_type} USING message::{message_type}")
    source = open_source(preset="langchain")
    assert not source.has_times()
    (conversation,) = source.fetch([PHONE])
    assert conversation.messages == READ
    assert source.last_row() == ("12",)


def test_what_langchain_js_wrote_for_n8n_is_read(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("langchain_js")
    (conversation,) = n8n(open_source).fetch([PHONE])
    assert conversation.messages == (
        Message("system", "Eres un tutor.", id="1"),
        Message("user", "¿Qué es una célula? 🦠", id="2"),
        Message("assistant", "", id="3"),
        Message(
            "tool",
            "La célula...",
            id="4",
            context=(Chunk("La célula es la unidad de los seres vivos.", source="bio-1.pdf"),),
        ),
        Message("assistant", "Es la unidad de los seres vivos.", id="5", model="gpt-4.1-mini"),
        Message("user", "¿Y un virus?", id="6"),
        Message("assistant", "No es una cél", id="7", error=True, model="llama3.2"),
    )


def test_n8n_and_javascript_write_the_message_flat(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(N8N)
    write(
        rag,
        "n8n_chat_histories",
        "s1",
        '{"type": "human", "content": "Hola", "additional_kwargs": {}, "response_metadata": {}}',
        '{"type": "ai", "content": "Buenas", "tool_calls": [], "additional_kwargs": {},'
        ' "response_metadata": {"model": "llama3.2", "done_reason": "stop"}, "invalid_tool_calls": []}',
        '{"type": "ai", "data": {"content": "A medias", "response_metadata": {"stop_reason": "max_tokens"}}}',
        '{"type": "tool", "content": "x", "status": "error", "artifact": {"documents": [{"pageContent": "Doc",'
        ' "metadata": {"source": "a.pdf"}}, {"otra": "cosa"}]}}',
        '{"type": "tool", "content": "y", "artifact": {"text": "no es un documento"}}',
        '{"type": "AIMessageChunk", "content": "Trozo"}',
    )
    (conversation,) = n8n(open_source).fetch(["s1"])
    assert conversation.messages == (
        Message("user", "Hola", id="1"),
        Message("assistant", "Buenas", id="2", model="llama3.2"),
        Message("assistant", "A medias", id="3", error=True),
        Message("tool", "x", id="4", error=True, context=(Chunk("Doc", source="a.pdf"),)),
        Message("tool", "y", id="5"),
        Message("assistant", "Trozo", id="6"),
    )


def test_text_that_is_no_json_is_an_error_and_the_rest_is_read(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(MESSAGE_STORE.replace("TYPE", "text"))
    deep = "[" * 100_000
    write(
        rag,
        "message_store",
        "s1",
        '{"type": "human", "data": {"content": "Hola"}}',
        "Hola, soy texto",
        '{"type": "human", "data"',
        '["human", "Hola"]',
        "",
        deep,
        r'{"type": "human", "data": {"content": "medio \ud83d par y \u0000"}}',
        '{"type": "ai", "data": {"content": null}}',
        '{"sin": "tipo"}',
    )
    (conversation,) = open_source(preset="langchain").fetch(["s1"])
    assert [(message.role, message.content, message.error) for message in conversation.messages] == [
        ("user", "Hola", None),
        *[("", "", "unreadable")] * 5,
        ("user", "medio \ufffd par y \0", "lone_surrogate"),
        ("assistant", "", None),
        ("", "", None),
    ]


def test_rows_of_one_moment_stay_in_the_order_of_their_numbers(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(LANGCHAIN_POSTGRES)
    said = [f'{{"type": "human", "data": {{"content": "{number}"}}}}' for number in range(12)]
    rag.run("INSERT INTO chat_history (session_id, message) SELECT %s, unnest(%s::jsonb[])", [SESSION, said])
    (conversation,) = open_source(preset="langchain", langchain_table="chat_history").fetch([SESSION])
    assert [message.content for message in conversation.messages] == [str(number) for number in range(12)]


def test_a_store_that_keeps_only_the_last_messages_shows_a_new_version(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(N8N)
    said = '{"type": "human", "content": "Hola"}'
    write(rag, "n8n_chat_histories", "s1", said, said)
    source = n8n(open_source)
    (before,) = source.snapshot(None)
    rag.run("DELETE FROM n8n_chat_histories WHERE id = 1")
    write(rag, "n8n_chat_histories", "s1", said)
    (after,) = source.snapshot(None)
    assert before.message_count == after.message_count == 2
    assert before.version != after.version


def test_only_what_was_written_since_a_row_is_listed_where_rows_are_numbered(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(N8N)
    said = '{"type": "human", "content": "Hola"}'
    write(rag, "n8n_chat_histories", "vieja", said)
    rag.run("ALTER SEQUENCE n8n_chat_histories_id_seq RESTART WITH 5000")
    write(rag, "n8n_chat_histories", "seguida", said)
    source = n8n(open_source)
    mark = source.last_row()
    assert mark == ("5000",)
    rag.run("ALTER SEQUENCE n8n_chat_histories_id_seq RESTART WITH 9000")
    write(rag, "n8n_chat_histories", "nueva", said)
    write(rag, "n8n_chat_histories", "seguida", said)
    assert {one.conversation_id: one.message_count for one in source.snapshot(mark)} == {
        "nueva": 1,
        "seguida": 2,
    }
    assert len(list(source.snapshot(None))) == 3


def test_an_empty_history_has_a_last_row_all_the_same(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(N8N)
    source = n8n(open_source)
    assert source.last_row() == ("0",)
    assert source.newest(5) == ()
    assert source.count() == 0


def test_the_index_that_community_and_n8n_lack_is_advised(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(N8N)
    (warning,) = [found for found in n8n(open_source).check() if found.level == "warning"]
    assert warning.advice == 'CREATE INDEX CONCURRENTLY ON public.n8n_chat_histories ("session_id");'
    rag.run(warning.advice.replace("CONCURRENTLY ", ""))
    assert not [found for found in n8n(open_source).check() if found.level == "warning"]
