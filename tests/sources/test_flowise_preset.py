"""Flowise's messages: opinions, sources, and what was tried out in its editor."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase


@pytest.fixture
def flowise(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load("flowise")
    return open_source(preset="flowise", naive_timezone="Europe/Madrid", sweep_idle=True)


def test_messages_come_with_opinions_sources_and_who_asked(flowise: PostgresSource) -> None:
    (conversation,) = flowise.fetch(["k1"])
    assert [(message.role, message.content, message.rating) for message in conversation.messages] == [
        ("user", "¿Qué es un sustantivo?", None),
        ("assistant", "Una palabra que nombra.", 1),
        ("user", "¿Y un verbo?", None),
        ("assistant", "Una acción, como mesa.", -1),
    ]
    assert conversation.messages[1].context == (
        Chunk("El sustantivo nombra seres y cosas.", source="lengua.pdf"),
    )
    assert conversation.course_id == "f0000000-0000-0000-0000-000000000001"
    assert conversation.user_ref == "leo@example.org"


def test_a_question_comes_before_the_answer_of_the_same_moment(flowise: PostgresSource) -> None:
    (conversation,) = flowise.fetch(["k1"])
    asked, answered = conversation.messages[2:]
    assert asked.created_at == answered.created_at
    assert (asked.role, answered.role) == ("user", "assistant")


def test_the_chat_window_of_the_editor_is_debug(flowise: PostgresSource) -> None:
    assert {one.conversation_id: one.debug for one in flowise.fetch(["k1", "k2"])} == {
        "k1": False,
        "k2": True,
    }


def test_naive_times_are_those_of_the_configured_zone(flowise: PostgresSource) -> None:
    (conversation,) = flowise.fetch(["k1"])
    assert conversation.messages[0].created_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    (listed,) = (one for one in flowise.snapshot(None) if one.conversation_id == "k1")
    assert listed.last_change_at == datetime(2026, 7, 1, 10, 1, tzinfo=UTC)


def test_the_indexes_that_flowise_does_not_make_are_advised(
    rag: RagDatabase, flowise: PostgresSource
) -> None:
    warnings = [found for found in flowise.check() if found.level == "warning"]
    assert [warning.advice for warning in warnings] == [
        'CREATE INDEX CONCURRENTLY ON public.chat_message ("chatId");',
        'CREATE INDEX CONCURRENTLY ON public.chat_message ("createdDate");',
    ]
    for warning in warnings:
        rag.run(warning.advice.replace("CONCURRENTLY ", ""))
    assert not [found for found in flowise.check() if found.level == "warning"]
