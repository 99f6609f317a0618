"""Moodle's log of its OpenAI chat block, after its schema (`stores/moodle_openai_chat.sql`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Conversation
from tests.sources.conftest import OpenSource, RagDatabase


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("moodle_openai_chat")
    return rag


def read(open_source: OpenSource, *ids: str) -> list[Conversation]:
    return sorted(
        open_source(preset="moodle_openai_chat").fetch(ids), key=lambda found: found.conversation_id
    )


def test_a_person_s_rows_in_one_context_are_a_conversation_until_a_gap(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    listed = {
        one.conversation_id: one.message_count
        for one in open_source(preset="moodle_openai_chat").snapshot(None)
    }
    assert listed == {"1": 4, "3": 2, "4": 2, "5": 4, "7": 2, "8": 2, "9": 2}
    (found,) = read(open_source, "1")
    assert [m.content for m in found.messages if m.role == "user"] == [
        "¿Qué es una fracción?",
        "¿Y si a < b?",
    ]
    assert found.last_message_at == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_row_within_a_conversation_is_none_of_its_own(stored: RagDatabase, open_source: OpenSource) -> None:
    assert read(open_source, "2", "6") == []


def test_a_longer_gap_makes_one_of_two(stored: RagDatabase, open_source: OpenSource) -> None:
    (found,) = open_source(preset="moodle_openai_chat", idle_seconds=100_000).fetch(["1", "4"])
    assert (found.conversation_id, len(found.messages)) == ("1", 6)


def test_the_course_is_that_of_the_context_above_an_activity(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    courses = {found.conversation_id: found.course_id for found in read(open_source, "1", "3", "7", "9")}
    assert courses == {"1": "12", "3": "13", "7": None, "9": None}


def test_answers_logged_as_html_are_markdown_again(stored: RagDatabase, open_source: OpenSource) -> None:
    (first, plain) = read(open_source, "1", "9")
    assert first.messages[1].content == "Una **parte** de un todo:\n\n- el numerador\n- el denominador"
    assert first.messages[3].content == "Entonces a/b es menor que 1: `a < b`."
    assert plain.messages[1].content == "La abertura entre dos semirrectas: 0 < a < 360."


def test_what_the_provider_said_in_place_of_an_answer_is_an_error(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (found,) = read(open_source, "5")
    assert [(m.content, m.error) for m in found.messages if m.role == "assistant"][1] == ("", None)
    assert [message.error for message in found.messages] == [None, True, None, None]


def test_guests_are_not_taken_for_one_person(stored: RagDatabase, open_source: OpenSource) -> None:
    assert [(found.user_ref, len(found.messages)) for found in read(open_source, "7", "8")] == [
        (None, 2),
        (None, 2),
    ]


def test_another_prefix_of_the_tables_can_be_configured(stored: RagDatabase, open_source: OpenSource) -> None:
    stored.run(
        "ALTER TABLE mdl_context RENAME TO aula_context;"
        "ALTER TABLE mdl_block_openai_chat_log RENAME TO aula_block_openai_chat_log"
    )
    (missing, _) = [f for f in open_source(preset="moodle_openai_chat").check() if f.level == "error"]
    assert "correct sources.chat.moodle_prefix" in missing.advice
    assert open_source(preset="moodle_openai_chat", moodle_prefix="aula_").count() == 7
