"""Dify's turns: the tree that they make, what was retrieved, who rated and corrected them, and what is debug."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ftworker.conversations import Chunk, Conversation, Sibling
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

NIL = "00000000-0000-0000-0000-000000000000"
TREE, BY_API, DELETED, IN_THE_EDITOR, OLD_EDITOR = (
    f"c0000000-0000-0000-0000-{number:012}" for number in range(1, 6)
)


@pytest.fixture
def dify(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load("dify")
    return open_source(preset="dify", naive_timezone="Europe/Madrid")


def read(source: PostgresSource, conversation: str) -> Conversation:
    (found,) = source.fetch([conversation])
    return found


def said(conversation: Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in conversation.messages]


def add_turn(rag: RagDatabase, conversation: str, *, at: str, **columns: str | None) -> None:
    row = {"conversation_id": conversation, "query": "¿P?", "answer": "R", "created_at": at, **columns}
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    rag.run(f"INSERT INTO messages ({names}) VALUES ({places})", list(row.values()))


def test_an_answer_made_anew_is_chosen_and_the_first_stands_beside_it(dify: PostgresSource) -> None:
    conversation = read(dify, TREE)
    assert said(conversation) == [
        ("user", "¿Qué es una célula?"),
        ("assistant", "La unidad básica de los seres vivos."),
        ("user", "¿Y el núcleo?"),
        ("assistant", "Guarda el agua."),
    ]
    assert conversation.messages[1].siblings == (
        Sibling("Una cosa pequeña.", rating=-1, model="gpt-4.1-mini"),
    )
    assert conversation.messages[3].siblings == ()
    assert (conversation.user_ref, conversation.course_id, conversation.debug) == (
        "e0000000-0000-0000-0000-000000000001",
        "a0000000-0000-0000-0000-000000000001",
        False,
    )


def test_retriever_resources_are_the_context_of_the_answer(dify: PostgresSource) -> None:
    answer = read(dify, TREE).messages[1]
    assert answer.context == (
        Chunk(
            "La célula es la unidad básica de los seres vivos.",
            rank=1,
            source="bio.pdf",
            chunk_id="s1",
            score=0.83,
        ),
        Chunk("Hay células sin núcleo.", rank=2, source="bio.pdf", chunk_id="s2", score=0.41),
    )
    assert (answer.model, answer.id) == ("gpt-4.1-mini", "00000000-0000-0000-0000-00000000a002")


def test_what_the_person_or_the_school_disliked_counts_as_disliked(dify: PostgresSource) -> None:
    assert [message.rating for message in read(dify, TREE).messages] == [None, 1, None, -1]


def test_an_annotation_is_the_correction_and_one_that_changes_nothing_is_none(dify: PostgresSource) -> None:
    conversation = read(dify, TREE)
    assert [message.correction for message in conversation.messages] == [None, None, None, "Guarda el ADN."]


def test_a_nil_parent_means_the_turn_before_in_time(dify: PostgresSource) -> None:
    conversation = read(dify, BY_API)
    assert said(conversation) == [
        ("user", "¿Capital de Perú?"),
        ("assistant", "Lima."),
        ("user", "¿Y de Chile?"),
        ("assistant", "Santiago."),
        ("user", "¿Y de Bolivia?"),
        ("assistant", ""),
    ]
    assert [message.error for message in conversation.messages] == [None] * 5 + [True]


def test_a_null_parent_begins_anew_and_leaves_what_was_before(rag: RagDatabase, dify: PostgresSource) -> None:
    add_turn(rag, BY_API, at="2026-03-02 10:05", query="¿Otra cosa?", answer="Sí.")
    assert said(read(dify, BY_API)) == [("user", "¿Otra cosa?"), ("assistant", "Sí.")]


def test_nil_and_known_parents_mix_in_one_conversation(rag: RagDatabase, dify: PostgresSource) -> None:
    """Dify goes from the newest turn back: along a known parent, or to the turn before where the parent is nil."""
    add_turn(
        rag,
        BY_API,
        at="2026-03-02 10:06",
        query="¿Y de Perú, seguro?",
        answer="Lima, seguro.",
        parent_message_id="00000000-0000-0000-0000-00000000b001",
    )
    add_turn(rag, BY_API, at="2026-03-02 10:07", query="Gracias", answer="De nada.", parent_message_id=NIL)
    assert [content for _, content in said(read(dify, BY_API))] == [
        "¿Capital de Perú?",
        "Lima.",
        "¿Y de Perú, seguro?",
        "Lima, seguro.",
        "Gracias",
        "De nada.",
    ]


def test_turns_of_one_second_are_put_in_order_by_their_parents(
    rag: RagDatabase, dify: PostgresSource
) -> None:
    """Older Dify keeps whole seconds; an id says nothing about which turn came first."""
    rag.run("DELETE FROM messages WHERE id = '00000000-0000-0000-0000-00000000a001'")
    rag.run("UPDATE messages SET created_at = '2026-03-02 09:00:00'")
    last = "00000000-0000-0000-0000-00000000a003"
    rag.run("UPDATE messages SET id = '00000000-0000-0000-0000-000000000001' WHERE id = %s", [last])
    assert [content for _, content in said(read(dify, TREE))] == [
        "¿Qué es una célula?",
        "La unidad básica de los seres vivos.",
        "¿Y el núcleo?",
        "Guarda el agua.",
    ]


def test_a_deleted_conversation_is_not_there(dify: PostgresSource) -> None:
    assert list(dify.fetch([DELETED])) == []
    assert DELETED not in {one.conversation_id for one in dify.snapshot(None)}


def test_what_was_tried_out_in_the_editor_is_debug(dify: PostgresSource) -> None:
    assert read(dify, IN_THE_EDITOR).debug
    assert read(dify, OLD_EDITOR).debug, "Dify did not always keep where a call came from"
    assert read(dify, IN_THE_EDITOR).user_ref == "f0000000-0000-0000-0000-000000000001"


def test_naive_times_are_utc_whatever_the_settings_say(dify: PostgresSource) -> None:
    at = datetime(2026, 3, 2, 9, 2, tzinfo=UTC)
    assert read(dify, TREE).last_message_at == at
    seen = {one.conversation_id for one in dify.idle(at - timedelta(seconds=1), at)}
    assert seen == {TREE}


@pytest.mark.parametrize("metadata", ["", "no es JSON", "[]", "null", '{"retriever_resources": null}'])
def test_metadata_of_any_form_leaves_an_answer_without_context(
    rag: RagDatabase, dify: PostgresSource, metadata: str
) -> None:
    rag.run("UPDATE messages SET message_metadata = %s", [metadata])
    assert all(message.context == () for message in read(dify, TREE).messages)


def test_an_older_dify_without_parents_is_named(rag: RagDatabase, dify: PostgresSource) -> None:
    rag.run("ALTER TABLE messages DROP COLUMN parent_message_id")
    (wrong,) = [found for found in dify.check() if found.level == "error"]
    assert wrong.message == "table public.messages has no column parent_message_id"
