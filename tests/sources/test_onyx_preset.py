"""Onyx's trees of messages, after its schema (`stores/onyx.sql`)."""

from __future__ import annotations

import pytest

from ftworker.conversations import Chunk, Conversation, Sibling
from tests.sources.conftest import OpenSource, RagDatabase

LESSON, FAILED, DELETED, INCOGNITO, EMPTY = (
    f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 6)
)


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("onyx")
    return rag


def read(open_source: OpenSource, *ids: str) -> list[Conversation]:
    return list(open_source(preset="onyx").fetch(ids))


def test_the_branch_goes_by_the_preferred_response_then_by_the_latest_child_below_the_empty_root(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, LESSON)
    assert [(m.role, m.id, m.content) for m in found.messages] == [
        ("user", "2", "¿Qué es un ecosistema?"),
        ("assistant", "4", "Los seres vivos de un lugar y su medio [[1]](http://b)."),
        ("user", "7", "¿Qué es un bioma mediterráneo?"),
        ("assistant", "8", "El de inviernos suaves y veranos secos."),
    ]
    assert (found.user_ref, found.course_id) == ("00000000-0000-0000-0000-00000000000a", "3")


def test_another_model_s_answer_stands_beside_the_preferred_one(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, LESSON)
    assert found.messages[1].siblings == (Sibling("Un conjunto de animales.", rating=-1, model="GPT-4.1"),)
    assert found.messages[1].model == "Claude Sonnet"


def test_of_several_opinions_the_last_that_says_something_counts(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, LESSON)
    assert [message.rating for message in found.messages] == [None, 1, None, None]


def test_blurbs_are_all_the_context_there_is_and_stand_where_the_answer_cites_them(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, LESSON)
    assert found.messages[1].context == (
        Chunk(
            "Un ecosistema es...",
            rank=1,
            source="biologia.pdf",
            chunk_id="FILE__bio#4",
            score=0.4,
            cited=True,
        ),
        Chunk("Clima", rank=2, source="geografia.pdf", chunk_id="FILE__geo#0", score=0.9, cited=False),
    )
    notes = [found.message for found in open_source(preset="onyx").check() if found.level == "note"]
    assert any("only a blurb" in note for note in notes)


def test_a_failed_answer_is_an_error_that_does_not_quote_it(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, FAILED)
    assert [message.error for message in found.messages] == [None, True]


def test_deleted_incognito_and_empty_sessions_do_not_exist(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    assert read(open_source, DELETED, INCOGNITO, EMPTY) == []
    source = open_source(preset="onyx")
    assert sorted(one.conversation_id for one in source.snapshot(None)) == [LESSON, FAILED]


def test_older_versions_without_the_newer_columns_are_read(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    stored.run(
        """
        DELETE FROM chat_message WHERE last_summarized_message_id IS NOT NULL;
        UPDATE chat_message SET latest_child_message_id = 4 WHERE id = 2;
        """
    )
    stored.run(
        """
        ALTER TABLE chat_message DROP COLUMN preferred_response_id, DROP COLUMN model_display_name,
            DROP COLUMN last_summarized_message_id;
        ALTER TABLE chat_session DROP COLUMN incognito_record_mode;
        """
    )
    (found,) = read(open_source, LESSON)
    assert [message.id for message in found.messages] == ["2", "4", "7", "8"]
