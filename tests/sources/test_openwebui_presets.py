"""Open WebUI's chats, in rows that its own models wrote (0.12 with a row a message, 0.6 with a JSON a chat)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ftworker.conversations import Chunk, Conversation, Message, Sibling
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

BEGUN = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def new(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load("openwebui")
    return open_source(preset="openwebui")


@pytest.fixture
def old(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load("openwebui_legacy")
    return open_source(preset="openwebui_legacy")


def read(source: PostgresSource, chat: str) -> Conversation:
    (found,) = source.fetch([chat])
    return found


def chat_of(rag: RagDatabase, title: str) -> str:
    ((identity,),) = rag.run("SELECT id FROM chat WHERE title = %s AND user_id NOT LIKE 'shared-%%'", [title])
    return str(identity)


def rewrite(rag: RagDatabase, chat: str, value: Any) -> None:
    rag.run("UPDATE chat SET chat = %s WHERE id = %s", [json.dumps(value), chat])


def test_an_answer_made_anew_stands_beside_the_first_with_its_own_opinion(new: PostgresSource) -> None:
    conversation = read(new, "c-hielo")
    asked, answer = conversation.messages[:2]
    assert (asked.role, asked.content) == ("user", "¿Por qué flota el hielo?")
    assert (answer.id, answer.content) == ("a2", "Porque es menos denso que el agua [1][2].")
    assert answer.rating == 1, "the newer opinion, though it was sent as a text"
    assert answer.siblings == (Sibling("Porque es frío.", rating=-1, model="llama3.2"),)
    assert (answer.model, conversation.user_ref) == ("llama3.2", "u-ana")


def test_the_passages_of_a_document_are_one_under_the_number_that_answers_cite(new: PostgresSource) -> None:
    assert read(new, "c-hielo").messages[1].context == (
        Chunk(
            "El hielo es menos denso que el agua líquida.\n\nPor eso flota.",
            rank=1,
            source="agua.pdf",
            chunk_id="f1",
        ),
        Chunk("Los enlaces de hidrógeno abren la estructura.", rank=2, source="enlaces.pdf", chunk_id="f2"),
    )


@pytest.mark.parametrize(
    "sources, texts",
    [
        ("null", []),
        ("{}", []),
        ('["x", {"document": "x"}, {"document": [3, " "]}, {"document": ["T"], "tool_result": true}]', []),
        ('[{"document": ["T", "U"], "metadata": [{"source": ["lista"]}, null], "source": "x"}]', ["T", "U"]),
        ('[{"document": ["T", "U"]}]', ["T\n\nU"]),
    ],
)
def test_sources_of_any_form_give_what_texts_they_hold(
    rag: RagDatabase, new: PostgresSource, sources: str, texts: list[str]
) -> None:
    rag.run("UPDATE chat_message SET sources = %s", [sources])
    assert [chunk.text for chunk in read(new, "c-hielo").messages[1].context] == texts


def test_of_content_in_blocks_the_words_are_read(new: PostgresSource) -> None:
    assert read(new, "c-hielo").messages[2].content == "¿Y este dibujo?"


def test_an_answer_that_stands_in_its_output_alone_is_read_without_its_reasoning(
    rag: RagDatabase, new: PostgresSource
) -> None:
    rag.run("UPDATE chat_message SET content = '\"\"' WHERE id = 'c-hielo-a3'")
    assert read(new, "c-hielo").messages[-1].content == "Es un iceberg."


def test_json_null_is_no_error_no_source_and_no_content(rag: RagDatabase, new: PostgresSource) -> None:
    """SQLAlchemy writes what is missing as the JSON null, which no IS NULL finds."""
    ((errors,),) = rag.run(
        "SELECT count(*) FROM chat_message WHERE error IS NOT NULL AND error::text = 'null'"
    )
    assert errors > 10
    messages = read(new, "c-modelos").messages
    assert messages == (
        Message("user", "¿Qué es un fotón?", id="q1", created_at=BEGUN + timedelta(seconds=75)),
        Message(
            "assistant",
            "Una partícula de luz.",
            id="a1",
            parent_id="q1",
            created_at=BEGUN + timedelta(seconds=85),
            model="llama3.2",
            siblings=(Sibling("Luz.", model="qwen3"),),
        ),
    )
    rag.run("UPDATE chat_message SET content = 'null', output = 'null' WHERE id = 'c-modelos-a1'")
    assert read(new, "c-modelos").messages[1].content == ""


def test_of_two_answers_of_one_second_the_person_s_choice_counts(
    rag: RagDatabase, new: PostgresSource
) -> None:
    assert read(new, "c-modelos").messages[1].content == "Una partícula de luz."
    rag.run("UPDATE chat SET current_message_id = 'a2' WHERE id = 'c-modelos'")
    chosen = read(new, "c-modelos").messages[1]
    assert (chosen.content, chosen.siblings) == (
        "Luz.",
        (Sibling("Una partícula de luz.", model="llama3.2"),),
    )


def test_before_0_11_the_current_branch_stands_in_the_chat_s_json(
    rag: RagDatabase, new: PostgresSource
) -> None:
    rag.run("ALTER TABLE chat DROP COLUMN current_message_id")
    assert read(new, "c-modelos").messages[1].content == "Una partícula de luz."


def test_failed_and_unfinished_answers_are_errors(new: PostgresSource) -> None:
    assert [(message.content, message.error) for message in read(new, "c-falla").messages] == [
        ("¿Cuánto es 7 por 8?", None),
        ("", True),
        ("¿Cuánto es 7 por 8?", None),
        ("Son 5", True),
    ]


def test_chats_that_open_webui_holds_with_itself_shared_copies_and_empty_ones_are_not_there(
    rag: RagDatabase, new: PostgresSource
) -> None:
    rag.run("UPDATE chat SET user_id = 'shared-c-hielo' WHERE id = 'c-falla'")
    seen = {one.conversation_id for one in new.snapshot(None)}
    assert seen == {"c-hielo", "c-modelos"}
    assert list(new.fetch(["c-nota", "c-vacia", "c-falla"])) == []
    rag.run("UPDATE chat SET meta = 'null'")
    assert "c-nota" in {one.conversation_id for one in new.snapshot(None)}


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000_000], ids=["seconds", "milliseconds", "nanoseconds"])
def test_times_in_any_unit_are_the_same_moment(rag: RagDatabase, new: PostgresSource, unit: int) -> None:
    rag.run("UPDATE chat_message SET created_at = created_at * %s", [unit])
    rag.run("UPDATE chat SET updated_at = updated_at * %s", [unit])
    conversation = read(new, "c-modelos")
    at = BEGUN + timedelta(seconds=85)
    assert conversation.last_message_at == at
    assert {one.conversation_id for one in new.idle(at - timedelta(milliseconds=1), at)} == {"c-modelos"}


def test_a_sweep_finds_changed_chats_by_the_index_on_their_time(
    rag: RagDatabase, new: PostgresSource
) -> None:
    rag.run(
        "INSERT INTO chat (id, user_id, updated_at) SELECT 'x' || n, 'u', n FROM generate_series(1, 20000) AS n;"
        "ANALYZE chat"
    )
    touched = new._prepared().plan.touched
    assert touched is not None
    with new._connections.reading() as reading:
        statement = touched.as_string(reading._connection)
        span = {"since": BEGUN, "until": BEGUN + timedelta(minutes=5)}
        plan = "\n".join(row[0] for row in reading.rows(f"EXPLAIN {statement}", span))
    assert "updated_at" in plan
    assert "Seq Scan" not in plan


def test_half_a_surrogate_pair_in_one_chat_stops_neither_it_nor_the_others(
    rag: RagDatabase, new: PostgresSource
) -> None:
    rag.run(r"""UPDATE chat_message SET content = '"medio \ud83d par y \u0000"' WHERE id = 'c-hielo-a3'""")
    rag.run(r"""UPDATE chat SET meta = '{"tags": ["\ud83d \u0000 \\\\u0000"]}' WHERE id = 'c-hielo'""")
    rag.run(r"""UPDATE feedback SET data = '{"rating": 1, "comment": "\ud83d \u0000"}'""")
    assert read(new, "c-hielo").messages[-1].error == "lone_surrogate"
    assert read(new, "c-hielo").messages[1].rating == 1
    assert new.count() == 3


def test_an_id_without_its_chat_before_it_is_taken_as_it_is(rag: RagDatabase, new: PostgresSource) -> None:
    rag.run("UPDATE chat_message SET id = 'a3' WHERE id = 'c-hielo-a3'")
    assert read(new, "c-hielo").messages[-1].id == "a3"


def test_an_old_chat_follows_its_current_branch(rag: RagDatabase, old: PostgresSource) -> None:
    conversation = read(old, chat_of(rag, "El Ebro"))
    asked, answer = conversation.messages
    assert (asked.content, answer.content) == ("¿Dónde nace el Ebro?", "En Fontibre, Cantabria.")
    assert answer.rating == 1, "the opinion stands in the message's annotation"
    assert answer.siblings == (Sibling("En los Pirineos.", rating=-1, model="llama3.2"),)
    assert (conversation.user_ref, answer.model) == ("u-leo", "llama3.2")
    assert answer.created_at == datetime.fromtimestamp(1_740_000_005, UTC)


def test_an_old_chat_s_sources_and_errors_are_read(rag: RagDatabase, old: PostgresSource) -> None:
    messages = read(old, chat_of(rag, "Fracciones")).messages
    assert [message.error for message in messages] == [None, None, None, True]
    assert [(chunk.rank, chunk.text, chunk.chunk_id) for chunk in messages[1].context] == [
        (1, "Se suman con el mismo denominador.", "mates.pdf"),
        (2, "2/4 + 1/4 = 3/4", "ejercicios.pdf"),
    ]


def test_the_copy_that_a_shared_link_shows_is_not_there(rag: RagDatabase, old: PostgresSource) -> None:
    ((copy,),) = rag.run("SELECT id FROM chat WHERE user_id LIKE 'shared-%'")
    assert list(old.fetch([copy])) == []
    assert old.count() == len(list(old.snapshot(None))) == 2


def test_a_list_without_a_tree_is_read_in_its_order(rag: RagDatabase, old: PostgresSource) -> None:
    chat = chat_of(rag, "El Ebro")
    said = [
        {"role": "user", "content": "P"},
        {"role": "assistant", "content": "R", "citations": []},
        "basura",
    ]
    rewrite(rag, chat, {"messages": said})
    assert [(message.role, message.content) for message in read(old, chat).messages] == [
        ("user", "P"),
        ("assistant", "R"),
    ]


def test_a_tree_without_its_current_branch_ends_at_the_newest_answer(
    rag: RagDatabase, old: PostgresSource
) -> None:
    chat = chat_of(rag, "El Ebro")
    tree = {
        "q": {"role": "user", "content": "P", "parentId": None, "timestamp": 1_740_000_000},
        "b": {"role": "assistant", "content": "Nueva", "parentId": "q", "timestamp": 1_740_000_009},
        "a": {"role": "assistant", "content": "Vieja", "parentId": "q", "timestamp": 1_740_000_005},
        "x": {"role": "assistant", "content": "Sin hora", "parentId": "q"},
        "y": None,
    }
    rewrite(rag, chat, {"history": {"messages": tree, "currentId": "gone"}})
    assert [message.content for message in read(old, chat).messages] == ["P", "Nueva"]
    listed = {one.conversation_id: one.message_count for one in old.snapshot(None)}
    assert listed[chat] == 1, "the number of messages is that of the list, which this chat lacks"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        "texto",
        {"messages": []},
        {"messages": {}},
        {"history": None},
        {"history": {"messages": {}}},
    ],
)
def test_a_chat_without_messages_is_not_there(rag: RagDatabase, old: PostgresSource, value: Any) -> None:
    chat = chat_of(rag, "El Ebro")
    rewrite(rag, chat, value)
    assert list(old.fetch([chat])) == []
    assert chat not in {one.conversation_id for one in old.snapshot(None)}


def test_half_a_surrogate_pair_in_an_old_chat_leaves_the_listing_alone(
    rag: RagDatabase, old: PostgresSource
) -> None:
    chat = chat_of(rag, "El Ebro")
    rag.run(
        r"""UPDATE chat SET chat = '{"messages": [{"role": "user", "content": "\ud83d \u0000"}]}' WHERE id = %s""",
        [chat],
    )
    assert old.count() == 2
    (message,) = read(old, chat).messages
    assert (message.content, message.error) == ("\ufffd \0", "lone_surrogate")


def test_the_text_column_of_the_oldest_versions_is_read_too(rag: RagDatabase, old: PostgresSource) -> None:
    rag.run("ALTER TABLE chat ALTER COLUMN chat TYPE text; ALTER TABLE chat DROP COLUMN meta")
    assert len(read(old, chat_of(rag, "El Ebro")).messages) == 2
    assert {one.message_count for one in old.snapshot(None)} == {2, 4}
