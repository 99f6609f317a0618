"""The parts that Vercel's chatbot keeps of a message: which are words, and which are passages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from ftworker.conversations import Chunk
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

VOLCANOES = "c0000000-0000-0000-0000-000000000001"


@pytest.fixture
def vercel(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load("vercel_chatbot")
    return open_source(preset="vercel_chatbot", naive_timezone="Europe/Madrid", sweep_idle=True)


def test_the_texts_of_a_message_are_read_and_its_reasoning_and_files_are_not(vercel: PostgresSource) -> None:
    (conversation,) = vercel.fetch([VOLCANOES])
    assert [(message.role, message.content, message.rating) for message in conversation.messages] == [
        ("user", "¿Por qué hay volcanes en Canarias?", None),
        ("assistant", "Miro los apuntes.\n\nPorque están sobre un punto caliente.", 1),
        ("user", "¿Y este?", None),
        ("assistant", "Es el Teide.", -1),
    ]
    assert conversation.user_ref == "e0000000-0000-0000-0000-000000000001"


def test_what_a_tool_returned_is_the_context_unless_the_tool_is_the_template_s_own(
    vercel: PostgresSource,
) -> None:
    (conversation,) = vercel.fetch([VOLCANOES])
    assert [message.context for message in conversation.messages] == [
        (),
        (Chunk("Canarias está sobre un punto caliente.", source="geo.pdf", score=0.9),),
        (),
        (Chunk("El Teide es un estratovolcán."),),
    ]


def test_a_question_comes_before_the_answer_of_the_same_moment(vercel: PostgresSource) -> None:
    (conversation,) = vercel.fetch([VOLCANOES])
    asked, answered = conversation.messages[2:]
    assert asked.created_at == answered.created_at
    assert (asked.role, answered.role) == ("user", "assistant")


def test_naive_times_are_utc_whatever_the_settings_say(vercel: PostgresSource) -> None:
    at = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
    (conversation,) = vercel.fetch([VOLCANOES])
    assert conversation.last_message_at == at
    assert [one.conversation_id for one in vercel.idle(at - timedelta(seconds=1), at)] == [VOLCANOES]


RETURNED = {"type": "dynamic-tool", "state": "output-available", "output": [{"text": "Pasaje"}]}


@pytest.mark.parametrize(
    "parts",
    [
        None,
        "texto",
        {},
        [None, 1],
        [{"type": 3}],
        [{"type": "tool-x", "state": "output-available", "output": "sí"}],
        [{"type": "tool-invocation", "toolInvocation": "x"}],
        [{**RETURNED, "toolName": ["lista"]}],
    ],
)
def test_parts_of_any_form_give_an_empty_message(
    rag: RagDatabase, vercel: PostgresSource, parts: object
) -> None:
    rag.run('UPDATE "Message_v2" SET parts = %s', [json.dumps(parts)])
    (conversation,) = vercel.fetch([VOLCANOES])
    assert {(message.content, message.context) for message in conversation.messages} == {("", ())}


def test_a_tool_made_while_running_is_known_by_its_name(rag: RagDatabase, vercel: PostgresSource) -> None:
    parts = [{**RETURNED, "toolName": "buscar"}, {**RETURNED, "toolName": "getWeather"}]
    rag.run('UPDATE "Message_v2" SET parts = %s', [json.dumps(parts)])
    (conversation,) = vercel.fetch([VOLCANOES])
    assert conversation.messages[1].context == (Chunk("Pasaje"),)


def test_a_chat_without_messages_is_not_there(vercel: PostgresSource) -> None:
    assert [one.conversation_id for one in vercel.snapshot(None)] == [VOLCANOES]
    assert list(vercel.fetch(["c0000000-0000-0000-0000-000000000002"])) == []


def test_the_indexes_that_the_template_does_not_make_are_advised(
    rag: RagDatabase, vercel: PostgresSource
) -> None:
    warnings = [found for found in vercel.check() if found.level == "warning"]
    assert {warning.advice for warning in warnings} == {
        'CREATE INDEX CONCURRENTLY ON public."Message_v2" ("chatId");',
        'CREATE INDEX CONCURRENTLY ON public."Message_v2" ("createdAt");',
    }
