"""Google ADK's sessions, in rows that its own service wrote in both schemas (stores/write_google_adk.py)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk, Sibling
from tests.sources.conftest import OpenSource, RagDatabase

LESSON = "tutor/alumna-7/s1"
PASSAGE = Chunk("El Tajo es el río más largo de la península.", source="geo-1.pdf")


def test_events_become_what_was_said(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("google_adk")
    (conversation,) = open_source(preset="google_adk").fetch([LESSON])
    assert conversation.user_ref == "alumna-7"
    assert [(message.role, message.content) for message in conversation.messages] == [
        ("user", "¿Cuál es el río más largo? 🌊"),
        ("assistant", "El río más largo de la península es el Tajo."),
        ("user", "¿Y en España?"),
        ("assistant", "El Ebro, dentro de España."),
        ("user", "¿Y en Europa?\nMira esta foto."),
        ("assistant", "El Vol"),
    ]
    assert conversation.messages[1].context == (PASSAGE,)
    assert conversation.messages[1].model == "gemini-2.5-flash"
    assert conversation.messages[1].created_at == datetime(2026, 3, 1, 10, 0, 14, tzinfo=UTC)
    assert [bool(message.error) for message in conversation.messages] == [False] * 5 + [True]


def test_an_answer_that_a_rewind_took_back_is_a_sibling(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("google_adk")
    (conversation,) = open_source(preset="google_adk").fetch([LESSON])
    assert conversation.messages[3].siblings == (
        Sibling("Respuesta que no gustó.", model="gemini-2.5-flash"),
    )
    assert [message.siblings for message in conversation.messages if message.role == "user"] == [(), (), ()]


def test_a_conversation_rewound_to_its_beginning_does_not_exist(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("google_adk")
    rag.run(
        "DELETE FROM events WHERE user_id = 'alumna-7' AND id > '00000000-0000-4000-8000-000000000007';"
        "UPDATE events SET event_data = jsonb_set(event_data, '{actions,rewind_before_invocation_id}', '\"i1\"')"
        " WHERE id = '00000000-0000-4000-8000-000000000007'"
    )
    assert list(open_source(preset="google_adk").fetch([LESSON])) == []


def test_rewinds_after_rewinds_leave_what_stands(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("google_adk")
    rag.run(
        """INSERT INTO events SELECT 'z1', app_name, user_id, session_id, 'r2', '2026-03-01 11:00',
            jsonb_set(event_data, '{actions,rewind_before_invocation_id}', '"i3"') FROM events WHERE id LIKE '%07';
        INSERT INTO events SELECT 'z2', app_name, user_id, session_id, 'i5', '2026-03-01 11:01', event_data
            FROM events WHERE id LIKE '%09';
        INSERT INTO events SELECT 'z3', app_name, user_id, session_id, 'i5', '2026-03-01 11:02', event_data
            FROM events WHERE id LIKE '%10'"""
    )
    (conversation,) = open_source(preset="google_adk").fetch([LESSON])
    assert [message.content for message in conversation.messages][2:] == [
        "¿Y en España?",
        "El Ebro, dentro de España.",
    ]
    assert [one.content for one in conversation.messages[-1].siblings] == [
        "Respuesta que no gustó.",
        "El Ebro, dentro de España.",
    ]


@pytest.mark.parametrize("rows", ["google_adk", "google_adk_v0"])
def test_sessions_of_one_id_are_each_their_own_person_s(
    rag: RagDatabase, open_source: OpenSource, rows: str
) -> None:
    rag.load(rows)
    source = open_source(preset="google_adk")
    (other,) = source.fetch(["tutor/alumno%2F8/s1"])
    assert other.user_ref == "alumno/8"
    assert [message.content for message in other.messages] == ["¿Qué es un delta?", "Una boca."]
    assert list(source.fetch(["s1", "tutor/alumno/8/s1", "tutor/alumno-9/vacía"])) == []


def test_a_user_cannot_take_another_s_id_by_a_slash_or_a_per_cent(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("google_adk")
    rag.run(
        "INSERT INTO sessions SELECT app_name, user_id, '8/s1', '{}', create_time, update_time FROM sessions"
        " WHERE id = 'vacía';"
        "UPDATE sessions SET user_id = 'alumno' WHERE id = '8/s1';"
        "INSERT INTO sessions SELECT app_name, 'alumno%2F8', 's1', '{}', create_time, update_time FROM sessions"
        " WHERE id = '8/s1';"
        "INSERT INTO events SELECT 'e1', app_name, 'alumno', '8/s1', 'i', timestamp, event_data FROM events"
        " WHERE id LIKE '%21';"
        "INSERT INTO events SELECT 'e2', app_name, 'alumno%2F8', 's1', 'i', timestamp, event_data FROM events"
        " WHERE id LIKE '%21'"
    )
    source = open_source(preset="google_adk")
    listed = [one.conversation_id for one in source.snapshot(None)]
    assert len(set(listed)) == len(listed) == 4
    assert {one.conversation_id: one.user_ref for one in source.fetch(listed)} == {
        LESSON: "alumna-7",
        "tutor/alumno%2F8/s1": "alumno/8",
        "tutor/alumno/8/s1": "alumno",
        "tutor/alumno%252F8/s1": "alumno%2F8",
    }


def test_the_old_schema_is_read_and_its_pickles_are_not(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("google_adk_v0")
    rag.run(r"UPDATE events SET actions = '\xdeadbeef'")
    source = open_source(preset="google_adk")
    assert [found.message for found in source.check() if found.level == "error"] == []
    (conversation,) = source.fetch([LESSON])
    assert [message.content for message in conversation.messages][:2] == [
        "¿Cuál es el río más largo? 🌊",
        "El río más largo de la península es el Tajo.",
    ]
    assert conversation.messages[1].context == (PASSAGE,)
    # What a rewind took back cannot be told there: docs/SOURCES.md says so.
    assert "Respuesta que no gustó." in [message.content for message in conversation.messages]
    assert conversation.messages[-1].error is True


def test_events_of_any_form_are_read_without_failing(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("google_adk")
    rag.run(
        """UPDATE events SET event_data = '{"author": "tutor", "content": {"parts": [7, {"text": 7}, null]},
            "error_code": "SAFETY", "grounding_metadata": {"grounding_chunks": [7, {"retrieved_context": null}]}}'
            WHERE id LIKE '%10';
        UPDATE events SET event_data = '{"content": "x", "actions": []}' WHERE id LIKE '%11';
        UPDATE events SET event_data = '[]' WHERE id LIKE '%12';
        UPDATE events SET event_data = NULL WHERE id LIKE '%13'"""
    )
    (conversation,) = open_source(preset="google_adk").fetch([LESSON])
    assert [(message.role, message.content, message.error) for message in conversation.messages[-2:]] == [
        ("user", "¿Y en España?", None),
        ("assistant", "", True),
    ]
