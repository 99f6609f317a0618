"""AnythingLLM's chats on PostgreSQL, after its schema (`stores/anythingllm.sql`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk, Conversation
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE
from tests.sources.conftest import OpenSource, RagDatabase


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("anythingllm")
    return rag


def read(open_source: OpenSource, identity: str) -> Conversation:
    (found,) = open_source(preset="anythingllm", naive_timezone="Europe/Madrid").fetch([identity])
    return found


def test_threads_sessions_and_what_stands_outside_of_them_are_conversations(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    listed = open_source(preset="anythingllm").snapshot(None)
    assert sorted(one.conversation_id for one in listed) == [
        "api-2-ana", "api-2-luis", "api-2-rota", "thread-5", "workspace-1-7",
    ]  # fmt: skip


def test_rows_of_one_moment_stay_in_the_order_of_their_numbers_and_times_are_utc(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "thread-5")
    assert [(m.role, m.content, m.rating) for m in found.messages] == [
        ("user", "¿Qué es un número primo?", None),
        ("assistant", "El que solo se divide por 1 y por sí mismo.", 1),
        ("user", "¿El 1 es primo?", None),
        ("assistant", "No: tiene un solo divisor.", -1),
    ]
    assert {message.created_at for message in found.messages} == {datetime(2026, 7, 1, 10, tzinfo=UTC)}
    assert (found.user_ref, found.course_id) == ("7", "matematicas")


def test_the_passages_and_the_model_are_in_the_response(stored: RagDatabase, open_source: OpenSource) -> None:
    answer = read(open_source, "thread-5").messages[1]
    assert answer.context == (
        Chunk("Un primo tiene dos divisores.", source="tema2.pdf", chunk_id="a1", score=0.81),
    )
    assert answer.model == "llama3.1:8b"


def test_what_was_reset_and_refused_is_left_out(stored: RagDatabase, open_source: OpenSource) -> None:
    assert [m.content for m in read(open_source, "workspace-1-7").messages] == [
        "¿Cuánto es siete por ocho?",
        "Son 56.",
    ]
    assert list(open_source(preset="anythingllm").fetch(["workspace-2-8"])) == []


def test_a_response_that_is_no_object_is_an_error_and_the_rest_is_read(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "api-2-rota")
    assert [m.error for m in found.messages] == [None, UNREADABLE, None, UNREADABLE, None, LONE_SURROGATE]
    assert found.messages[5].content == "Dos vocales \ufffd separadas."


def test_a_sweep_compares_in_utc(stored: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="anythingllm", naive_timezone="Europe/Madrid")
    swept = source.idle(datetime(2026, 7, 1, 10, 59, tzinfo=UTC), datetime(2026, 7, 1, 11, 5, tzinfo=UTC))
    assert [one.conversation_id for one in swept] == ["workspace-1-7"]
