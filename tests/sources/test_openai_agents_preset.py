"""The OpenAI Agents SDK's sessions, in rows that its own runner wrote (stores/write_openai_agents.py)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ftworker.conversations import Chunk, Message
from ftworker.settings import SourceSettings
from tests.sources.conftest import OpenSource, RagDatabase

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


def at(minute: int) -> datetime:
    return TEN.replace(minute=minute)


def test_what_was_said_is_read_and_what_was_reasoned_or_called_is_not(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    (conversation,) = open_source(preset="openai_agents").fetch(["alumna-7"])
    assert conversation.messages == (
        Message("user", "¿Qué es la mitosis?", id="1", created_at=at(1)),
        Message("tool", "Son las diez.", id="4", created_at=at(2)),
        Message(
            "tool",
            "",
            id="5",
            created_at=at(3),
            context=(
                Chunk("La mitosis reparte los cromosomas.", source="bio-2.pdf", score=0.91),
                Chunk("Tiene cuatro fases.", source="bio-2.pdf", score=0.5),
            ),
        ),
        Message("assistant", "La mitosis es la división del núcleo 🧬.", id="6", created_at=at(3)),
        Message("user", "¿Y sus fases?", id="7", created_at=at(4)),
        Message("assistant", "Son profase, metafase, anaf", id="8", created_at=at(5), error=True),
        Message("user", "Hazme el examen.", id="9", created_at=at(6)),
        Message("assistant", "Lo siento, no puedo ayudar con eso.", id="10", created_at=at(6)),
    )


def test_an_answer_taken_back_and_given_anew_is_a_new_version(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    source = open_source(preset="openai_agents")
    (conversation,) = source.fetch(["otra-vez"])
    assert [message.content for message in conversation.messages] == ["¿Qué es el ADN?", "Segunda respuesta"]
    before = {one.conversation_id: one.version for one in source.snapshot(None)}
    rag.run("UPDATE agent_messages SET id = 99 WHERE id = 14")
    assert {one.conversation_id: one.version for one in source.snapshot(None)}["otra-vez"] != before[
        "otra-vez"
    ]


def test_items_of_one_call_stay_in_the_order_of_their_numbers(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    rag.run("UPDATE agent_messages SET created_at = '2026-03-01 10:00'")
    (conversation,) = open_source(preset="openai_agents").fetch(["alumna-7"])
    assert [message.id for message in conversation.messages] == ["1", "4", "5", "6", "7", "8", "9", "10"]


def test_times_without_a_zone_are_those_of_the_configured_one(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    source = open_source(preset="openai_agents", naive_timezone="Europe/Madrid")
    (conversation,) = source.fetch(["otra-vez"])
    assert conversation.last_message_at == datetime(2026, 3, 1, 9, 8, tzinfo=UTC)
    assert {one.last_change_at for one in source.idle(at(0).replace(hour=9), at(8).replace(hour=9))} == {
        datetime(2026, 3, 1, 9, 6, tzinfo=UTC),
        datetime(2026, 3, 1, 9, 8, tzinfo=UTC),
    }


def test_an_encrypted_session_and_text_that_is_no_json_are_errors(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    rag.run(
        r"""INSERT INTO agent_messages (session_id, message_data, created_at) VALUES
            ('alumna-7', '{"role": "user"', '2026-03-01 11:00'), ('alumna-7', '["user"]', '2026-03-01 11:00'),
            ('alumna-7', '{"role": "user", "content": "medio \ud83d par"}', '2026-03-01 11:00')"""
    )
    source = open_source(preset="openai_agents")
    (hidden,) = source.fetch(["cifrada"])
    assert [(message.role, message.content, message.error) for message in hidden.messages] == [
        ("", "", "unreadable")
    ] * 2
    (lesson,) = source.fetch(["alumna-7"])
    assert [(message.content, message.error) for message in lesson.messages[-3:]] == [
        ("", "unreadable"),
        ("", "unreadable"),
        ("medio \ufffd par", "lone_surrogate"),
    ]


def test_a_session_where_nobody_spoke_does_not_exist(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("openai_agents")
    rag.run("DELETE FROM agent_messages WHERE session_id = 'alumna-7' AND id NOT IN (2, 3)")
    assert list(open_source(preset="openai_agents").fetch(["alumna-7"])) == []


def test_tables_under_other_names_are_read(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("openai_agents")
    rag.run("ALTER TABLE agent_messages RENAME TO mensajes")
    source = open_source(preset="openai_agents", tables={"agent_messages": "mensajes"})
    assert source.count() == 3
    assert len(list(source.fetch(["otra-vez"]))) == 1


def test_names_of_tables_that_a_preset_would_not_heed_are_an_error() -> None:
    with pytest.raises(ValueError, match="tables has no effect with the preset messages"):
        SourceSettings(preset="messages", tables={"messages": "mensajes"})


def test_the_index_that_a_sweep_needs_is_advised_where_sweeps_are_on(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("openai_agents")
    rag.run("ALTER TABLE agent_messages RENAME TO mensajes")
    tables = {"agent_messages": "mensajes"}
    assert [
        one for one in open_source(preset="openai_agents", tables=tables).check() if one.level == "warning"
    ] == []
    swept = open_source(preset="openai_agents", tables=tables, sweep_idle=True)
    (warning,) = [one for one in swept.check() if one.level == "warning"]
    assert warning.advice == 'CREATE INDEX CONCURRENTLY ON public.mensajes ("created_at");'
    rag.run(warning.advice.replace("CONCURRENTLY ", ""))
    assert [one for one in swept.check() if one.level == "warning"] == []
