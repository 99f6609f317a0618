"""RAGFlow's conversations on PostgreSQL, after its schema (`stores/ragflow.sql`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk, Conversation
from ftworker.sources.values import UNREADABLE
from tests.sources.conftest import OpenSource, RagDatabase


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("ragflow")
    return rag


def read(open_source: OpenSource, identity: str) -> Conversation:
    (found,) = open_source(preset="ragflow").fetch([identity])
    return found


def test_messages_come_from_the_json_text_without_the_prologue(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "c1")
    assert [(m.role, m.content, m.rating) for m in found.messages] == [
        ("user", "¿Cuándo cayó Granada?", None),
        ("assistant", "En 1492 [ID:1].", 1),
        ("user", '¿Y quién reinaba? "role": nadie', None),
        ("assistant", "<think>Veamos</think>Isabel y Fernando ##0$$.", -1),
    ]
    assert found.messages[1].created_at == datetime(2026, 3, 1, 10, 0, 5, 500_000, tzinfo=UTC)
    assert (found.user_ref, found.tenant_id, found.course_id, found.model) == (
        "alumna-7", "t1", "d1", "qwen3:8b@Ollama",
    )  # fmt: skip


def test_passages_have_the_ranks_that_both_forms_of_markers_count_by(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "c1")
    assert found.messages[1].context == (
        Chunk("Colón zarpó en agosto.", rank=1, source="colon.pdf", chunk_id="k1", score=0.3, cited=False),
        Chunk(
            "Granada cayó en enero de 1492.",
            rank=2,
            source="granada.pdf",
            chunk_id="k2",
            score=0.9,
            cited=True,
        ),
    )
    assert found.messages[3].context == (
        Chunk("Los Reyes Católicos.", rank=1, source="reyes.pdf", chunk_id="k3", cited=True),
    )


def test_where_a_reference_was_dropped_only_the_last_answer_keeps_its_own(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    assert [len(message.context) for message in read(open_source, "c2").messages] == [0, 0, 0, 1]


def test_a_failed_answer_is_an_error(stored: RagDatabase, open_source: OpenSource) -> None:
    assert [message.error for message in read(open_source, "c3").messages] == [None, True, None, None]


def test_a_conversation_cut_off_in_its_json_is_an_error_and_does_not_break_the_listing(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    (message,) = read(open_source, "c4").messages
    assert (message.role, message.content, message.error) == ("", "", UNREADABLE)
    listed = {one.conversation_id: one.message_count for one in open_source(preset="ragflow").snapshot(None)}
    assert listed == {"a1": 2, "c1": 5, "c2": 4, "c3": 4, "c4": 1}


def test_agents_and_embedded_pages_are_read_from_their_own_table(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "a1")
    assert (found.user_ref, found.course_id, found.tenant_id) == ("alumna-9", "canvas-1", None)


def test_a_rating_given_later_makes_a_new_version(stored: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="ragflow")
    before = {one.conversation_id: one.version for one in source.snapshot(None)}
    stored.run("UPDATE conversation SET update_time = update_time + 1 WHERE id = 'c1'")
    after = {one.conversation_id: one.version for one in source.snapshot(None)}
    assert {identity for identity in after if after[identity] != before[identity]} == {"c1"}
