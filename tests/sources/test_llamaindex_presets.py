"""LlamaIndex's two stores, in rows that its own code wrote (stores/write_llamaindex.py)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ftworker.conversations import Message
from ftworker.errors import Refused, SourceRejected
from ftworker.sources.detect import detect
from tests.sources.conftest import OpenSource, RagDatabase

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

SAID = [
    ("system", "Eres un tutor de física."),
    ("user", "¿Qué es la inercia? 🚲"),
    ("assistant", ""),
    ("tool", "La inercia es..."),
    (
        "assistant",
        "Es la tendencia de un cuerpo a seguir como está.\nPor eso te vas hacia delante cuando el autobús frena.",
    ),
    ("user", "¿Y en este dibujo?"),
    ("assistant", "El carrito sigue «en línea recta»."),
]


@pytest.mark.parametrize(
    "rows,tables",
    [("llamaindex_chat_store", {}), ("llamaindex_chat_store_legacy", {"chatstore": "data_chatstore"})],
)
def test_an_array_of_json_or_jsonb_is_read_in_its_order(
    rag: RagDatabase, open_source: OpenSource, rows: str, tables: dict[str, str]
) -> None:
    rag.load(rows)
    source = open_source(preset="llamaindex_chat_store", tables=tables)
    assert [found.message for found in source.check() if found.level in {"warning", "error"}] == []
    (conversation,) = source.fetch(["alumna-7"])
    assert [(message.role, message.content) for message in conversation.messages] == SAID


def test_what_a_model_thought_was_not_said(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_memory")
    for conversation in open_source(preset="llamaindex_memory").fetch(["alumna-7", "alumno-8"]):
        assert "ejemplo" not in "".join(message.content for message in conversation.messages)


def test_messages_of_versions_before_blocks_are_read(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_chat_store")
    rag.run(
        """INSERT INTO chatstore (key, value) VALUES ('vieja', ARRAY[
            '{"role": "user", "content": "Hola", "additional_kwargs": {}}', '{"role": "chatbot", "content": null}',
            '{"role": "assistant", "blocks": [{"text": "Sin tipo"}, 7, {"block_type": "text", "text": null}]}',
            '"suelto"', 'null'
        ]::json[])"""
    )
    (conversation,) = open_source(preset="llamaindex_chat_store").fetch(["vieja"])
    assert conversation.messages == (
        Message("user", "Hola"),
        Message("assistant", ""),
        Message("assistant", "Sin tipo"),
        Message("", "", error="unreadable"),
        Message("", "", error="unreadable"),
    )


def test_an_answer_rewritten_in_place_shows_a_new_version(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_chat_store")
    source = open_source(preset="llamaindex_chat_store")
    (before,) = source.snapshot(None)
    rag.run(
        """UPDATE chatstore SET value[7] = '{"role": "assistant", "blocks": [{"block_type": "text", "text": "Otra."}]}'
        WHERE key = 'alumna-7'"""
    )
    (after,) = source.snapshot(None)
    assert (before.message_count, before.last_change_at) == (after.message_count, None)
    assert before.version != after.version
    assert list(source.snapshot(None)) == [after]


def test_a_chat_store_without_times_refuses_since(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_chat_store")
    source = open_source(preset="llamaindex_chat_store")
    assert not source.has_times()
    with pytest.raises(Refused, match="keeps no times"):
        source.iterate_ids(TEN, None, 10)


def test_conversations_without_messages_are_not_listed(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_chat_store")
    rag.run("INSERT INTO chatstore (key, value) VALUES ('nada', NULL)")
    source = open_source(preset="llamaindex_chat_store")
    assert [one.conversation_id for one in source.newest(10)] == ["alumna-7"]
    assert list(source.fetch(["vacía", "nada"])) == []


def test_what_fell_out_of_the_short_term_memory_was_said_all_the_same(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("llamaindex_memory")
    assert rag.run("SELECT count(*) FROM llama_index_memory WHERE status = 'archived'") == [(5,)]
    (conversation,) = open_source(preset="llamaindex_memory").fetch(["alumna-7"])
    assert [(message.role, message.content) for message in conversation.messages] == SAID


def test_messages_of_one_nanosecond_stay_in_the_order_of_their_numbers(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("llamaindex_memory")
    rag.run("UPDATE llama_index_memory SET timestamp = 1772359200000000000")
    (conversation,) = open_source(preset="llamaindex_memory").fetch(["alumna-7"])
    assert [message.id for message in conversation.messages] == list("1234567")
    assert {message.created_at for message in conversation.messages} == {TEN}


def test_no_nanosecond_falls_between_two_sweeps(rag: RagDatabase, open_source: OpenSource) -> None:
    """PostgreSQL's times hold microseconds: one that was rounded up would be seen by neither sweep."""
    rag.load("llamaindex_memory")
    rag.run("DELETE FROM llama_index_memory")
    for number, nanoseconds in enumerate((0, 1, 499, 500, 501, 999, 1_000)):
        rag.run(
            "INSERT INTO llama_index_memory (key, timestamp, role, status, data) VALUES (%s, %s, 'user', 'active', %s)",
            [str(number), 1772359200_000_000_000 + nanoseconds, '{"role": "user", "content": "Hola"}'],
        )
    source = open_source(preset="llamaindex_memory")
    first = [one.conversation_id for one in source.idle(TEN - MICROSECOND, TEN)]
    second = [one.conversation_id for one in source.idle(TEN, TEN + MICROSECOND)]
    assert (sorted(first), second) == (list("012345"), ["6"])


def test_a_sweep_of_the_memory_uses_the_index_on_its_times(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("llamaindex_memory")
    rag.run(
        "INSERT INTO llama_index_memory (key, timestamp, role, status, data)"
        " SELECT 'k' || n, n * bigint '1000000000', 'user', 'active', '{}' FROM generate_series(1, 3000) AS n;"
        "ANALYZE llama_index_memory"
    )
    statement = open_source(preset="llamaindex_memory")._prepared().plan.touched
    assert statement is not None
    connection = rag.connect()
    try:
        with connection.cursor() as cursor:
            explained = cursor.mogrify(
                statement.as_string(connection), {"since": TEN - timedelta(hours=1), "until": TEN}
            )
            cursor.execute(b"EXPLAIN " + explained)
            plan = "\n".join(row[0] for row in cursor.fetchall())
    finally:
        connection.close()
    assert "ix_llama_index_memory_timestamp" in plan


def test_a_table_that_the_preset_does_not_read_cannot_be_renamed(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    source = open_source(preset="llamaindex_memory", tables={"memory": "mi_tabla"})
    with pytest.raises(SourceRejected, match="reads no table memory; tables can rename llama_index_memory"):
        source.has_times()


def test_a_renamed_table_that_is_missing_is_named_with_its_setting(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("llamaindex_memory")
    source = open_source(preset="llamaindex_memory", tables={"llama_index_memory": "llama_index_memori"})
    (wrong,) = [found for found in source.check() if found.level == "error"]
    assert "tables.llama_index_memory" in wrong.advice
    assert "llama_index_memory" in wrong.message + wrong.advice


def test_a_chat_store_is_found_under_its_older_name(rag: RagDatabase) -> None:
    rag.load("llamaindex_chat_store_legacy")
    found = detect(rag.url)
    assert (found.preset, dict(found.tables)) == ("llamaindex_chat_store", {"chatstore": "data_chatstore"})
