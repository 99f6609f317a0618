"""The demonstration's chat store, on a real PostgreSQL: complete, repeatable, in a schema of its own."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from ftworker.demo.conversations import SOURCE_NAME, packaged_conversations
from ftworker.demo.store import create_chat_store, write_conversations
from ftworker.settings import Settings, settings_from
from ftworker.store import Store

CONVERSATIONS = packaged_conversations()


def demo_settings() -> Settings:
    text = files("ftworker.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    return settings_from(tomllib.loads(text), "demo.toml")


def rows(store: Store, query: str) -> list[tuple[object, ...]]:
    with store.transaction() as cursor:
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]


def fill(store: Store) -> int:
    with store.transaction() as cursor:
        create_chat_store(cursor)
        return write_conversations(cursor, CONVERSATIONS)


def test_every_conversation_and_message_is_written(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    assert fill(store) == len(CONVERSATIONS)
    expected = [
        (c["conversation_id"], position, m["role"], m["content"], len(m["context"]))
        for c in CONVERSATIONS
        for position, m in enumerate(c["messages"])
    ]
    written = rows(
        store,
        "SELECT conversation_id, position, role, content, jsonb_array_length(context)"
        " FROM rag_demo.messages ORDER BY conversation_id, position",
    )
    assert written == expected
    assert rows(store, "SELECT count(*) FROM rag_demo.conversations WHERE NOT consent") == [(1,)]
    feedback = [f["value"] for c in CONVERSATIONS for f in c["feedback"]]
    assert rows(
        store,
        "SELECT count(*) FILTER (WHERE rating = 'up') AS up, count(*) FILTER (WHERE rating = 'down') AS down"
        " FROM rag_demo.messages",
    ) == [(feedback.count("up"), feedback.count("down"))]
    store.close()


def test_writing_twice_leaves_one_row_each_and_the_newest_words(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    fill(store)
    before = rows(store, "SELECT * FROM rag_demo.messages ORDER BY id")
    with store.transaction() as cursor:
        cursor.execute("UPDATE rag_demo.messages SET content = 'old', rating = NULL")
        cursor.execute("UPDATE rag_demo.conversations SET consent = false")
    fill(store)
    assert rows(store, "SELECT * FROM rag_demo.messages ORDER BY id") == before
    assert rows(store, "SELECT count(*) FROM rag_demo.conversations WHERE NOT consent") == [(1,)]
    store.close()


def test_the_chat_store_keeps_to_its_own_schema(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    fill(store)
    found = rows(
        store,
        "SELECT DISTINCT table_schema FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    assert found == [("rag_demo",)]
    store.close()


def test_the_store_gives_context_and_time_back_as_the_rag_wrote_them(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    fill(store)
    conversation = CONVERSATIONS[0]
    answer = conversation["messages"][1]
    ((context, same_moment),) = rows(
        store,
        f"SELECT context, created_at = '{answer['created_at']}' FROM rag_demo.messages"
        f" WHERE id = '{answer['id']}'",
    )
    assert context == answer["context"]
    assert same_moment is True
    store.close()


def test_the_packaged_configuration_names_tables_and_columns_that_the_chat_store_has(
    empty_database_url: str,
) -> None:
    source = demo_settings().sources[SOURCE_NAME]
    store = Store(empty_database_url)
    fill(store)
    found = set(
        rows(
            store,
            "SELECT table_name::text, column_name::text FROM information_schema.columns"
            f" WHERE table_schema = '{source.schema_name}'",
        )
    )
    named = source.messages
    conversation = {
        named.conversation_id, named.user, named.tenant, named.course, named.closed_at, named.consent,
    }  # fmt: skip
    message = {
        named.message_id, named.message_conversation_id, named.role, named.content, named.created_at,
        named.context, named.rating, named.error,
    }  # fmt: skip
    assert {(named.conversations_table, column) for column in conversation} <= found
    assert {(named.messages_table, column) for column in message} <= found
    store.close()


def test_the_packaged_configuration_trains_only_with_consent_and_needs_no_key() -> None:
    settings = demo_settings()
    (pipeline,) = settings.pipelines.values()
    provider = settings.provider(pipeline.provider)
    assert provider.kind == "local"
    assert provider.trainer == "none"
    assert pipeline.curation.require_consent
    assert pipeline.source == SOURCE_NAME
