"""Langflow's messages, as its own models wrote them (`stores/write_langflow.py`)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Conversation
from tests.sources.conftest import OpenSource, RagDatabase

FLOW = "00000000-0000-0000-0000-0000000000f1"


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("langflow")
    return rag


def read(open_source: OpenSource, identity: str) -> Conversation:
    (found,) = open_source(preset="langflow", naive_timezone="Europe/Madrid").fetch([identity])
    return found


def test_a_question_comes_before_the_answer_of_the_same_moment(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "derivadas-1")
    assert [(m.role, m.content) for m in found.messages] == [
        ("user", "¿Qué mide la derivada?"),
        ("assistant", "Mide la rapidez con que cambia una función."),
        ("user", "¿Y si la función es constante?"),
        ("assistant", "Entonces su derivada es cero."),
    ]
    assert (
        found.messages[0].created_at == found.messages[1].created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    )


def test_ratings_models_and_what_the_caller_says_of_its_user_are_read(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "derivadas-1")
    assert (found.user_ref, found.tenant_id, found.course_id, found.debug) == (
        "alumna-7",
        "ies-norte",
        FLOW,
        False,
    )
    assert [(m.rating, m.model) for m in found.messages[:2]] == [(None, None), (1, "gpt-4.1-mini")]
    assert read(open_source, "anónima").messages[1].rating == -1


def test_a_caller_s_json_null_is_no_user_and_the_owner_of_the_flow_is_none_either(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    assert read(open_source, "anónima").user_ref is None


@pytest.mark.parametrize("session", [FLOW, "Session Mar 01, 10:02:00"])
def test_what_builders_try_in_the_playground_is_debug(
    stored: RagDatabase, open_source: OpenSource, session: str
) -> None:
    assert read(open_source, session).debug


def test_failed_and_half_written_answers_are_errors(stored: RagDatabase, open_source: OpenSource) -> None:
    assert [message.error for message in read(open_source, "fallos").messages] == [None, True, None, True]


def test_older_versions_write_utc_without_a_zone_and_no_session_metadata(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    """Whatever zone the source is configured with, and in the sweep as in the reading."""
    stored.run(
        """
        ALTER TABLE message ALTER COLUMN "timestamp" TYPE timestamp USING "timestamp" AT TIME ZONE 'UTC';
        ALTER TABLE message DROP COLUMN session_metadata;
        """
    )
    found = read(open_source, "derivadas-1")
    assert found.messages[0].created_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert found.user_ref is None
    source = open_source(preset="langflow", naive_timezone="Europe/Madrid")
    (swept,) = source.idle(datetime(2026, 3, 1, 10, 5, tzinfo=UTC), datetime(2026, 3, 1, 10, 6, tzinfo=UTC))
    assert (swept.conversation_id, swept.last_change_at) == (
        "anónima",
        datetime(2026, 3, 1, 10, 5, 2, tzinfo=UTC),
    )
