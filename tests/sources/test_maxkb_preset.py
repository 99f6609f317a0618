"""MaxKB's chats, after its models (`stores/maxkb.sql`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk, Conversation
from tests.sources.conftest import OpenSource, RagDatabase

LESSON, BY_KEY, DELETED = (f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 4))
APPLICATION = "00000000-0000-0000-0000-0000000000a1"


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("maxkb")
    return rag


def read(open_source: OpenSource, identity: str) -> Conversation:
    (found,) = open_source(preset="maxkb").fetch([identity])
    return found


def test_turns_of_one_moment_follow_their_index(stored: RagDatabase, open_source: OpenSource) -> None:
    found = read(open_source, LESSON)
    assert [m.content for m in found.messages if m.role == "user"] == [
        "¿Qué es la velocidad?",
        "¿Y la aceleración?",
    ]
    assert (found.user_ref, found.tenant_id, found.course_id) == ("alumna-7", "ies-norte", APPLICATION)


def test_a_vote_of_zero_is_up_and_of_one_is_down(stored: RagDatabase, open_source: OpenSource) -> None:
    assert [m.rating for m in read(open_source, LESSON).messages] == [None, -1, None, 1]
    assert {m.rating for m in read(open_source, BY_KEY).messages} == {None}


def test_the_newest_paragraph_made_of_an_answer_is_its_correction(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    answers = [m for m in read(open_source, LESSON).messages if m.role == "assistant"]
    assert [answer.correction for answer in answers] == [
        "Es el cociente del espacio y el tiempo: v = e / t.",
        None,
    ]


def test_passages_come_from_the_search_or_from_what_a_reranker_chose(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    answers = [m for m in read(open_source, LESSON).messages if m.role == "assistant"]
    assert [answer.context for answer in answers] == [
        (
            Chunk(
                "La velocidad relaciona espacio y tiempo.",
                rank=1,
                source="fisica.docx",
                chunk_id="p1",
                score=0.7,
            ),
        ),
        (Chunk("La aceleración es el cambio de velocidad.", rank=1, source="fisica.docx", chunk_id="p3"),),
    ]


def test_failed_and_cut_off_answers_are_errors_and_json_null_is_none(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    answers = [m for m in read(open_source, BY_KEY).messages if m.role == "assistant"]
    assert [answer.error for answer in answers] == [True, True, True, None]


def test_behind_an_api_key_nobody_is_known(stored: RagDatabase, open_source: OpenSource) -> None:
    assert read(open_source, BY_KEY).user_ref is None


def test_what_was_only_marked_as_deleted_does_not_exist(stored: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="maxkb")
    assert list(source.fetch([DELETED])) == []
    assert source.count() == 2


def test_a_vote_given_later_is_seen_by_the_sweep(stored: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="maxkb")
    ten, eleven = datetime(2026, 3, 1, 10, 30, tzinfo=UTC), datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert LESSON in [one.conversation_id for one in source.idle(ten, eleven)]
