"""Stores that nobody described are found by their names and shapes, the same one each time."""

from __future__ import annotations

import pytest

from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.settings import SourceSettings
from ftworker.sources.detect import detect
from ftworker.sources.postgres import PostgresSource
from tests.servers import free_port
from tests.sources.conftest import TWO_TABLES, RagDatabase, say
from tests.sources.test_langchain_preset import LANGCHAIN_POSTGRES, N8N, SESSION, write


def found_in(rag: RagDatabase) -> tuple[SourceSettings, list[str]]:
    said: list[str] = []
    return detect(rag.url, said.append), said


def first_conversation(settings: SourceSettings) -> list[tuple[str, str]]:
    url = settings.connection_url()
    assert url is not None
    source = PostgresSource("detected", settings, url)
    try:
        ids = [one.conversation_id for one in source.iterate_ids(None, None, 1).conversations]
        return [(m.role, m.content) for found in source.fetch(ids) for m in found.messages]
    finally:
        source.close()


def test_conversations_and_messages_are_found(rag: RagDatabase) -> None:
    rag.run(TWO_TABLES)
    say(rag, "c1", "Hola", "Buenas")
    settings, said = found_in(rag)
    assert said == ["reading the messages in public.messages"]
    assert settings.preset == "messages"
    assert settings.messages.conversations_table == "conversations"
    assert (settings.messages.user, settings.messages.course, settings.messages.closed_at) == (
        "alumno",
        "curso",
        "closed_at",
    )
    assert (settings.messages.rating, settings.messages.context) == ("rating", "context")
    assert first_conversation(settings) == [("user", "Hola"), ("assistant", "Buenas")]


def test_a_spanish_store_in_a_schema_of_its_own_is_found_by_its_foreign_key(rag: RagDatabase) -> None:
    rag.run(
        """
        CREATE SCHEMA tutoria;
        CREATE TABLE tutoria.charlas (id_charla uuid PRIMARY KEY, usuario_id int, curso_id text, consentimiento bool);
        CREATE TABLE tutoria.lineas (
            id_linea bigserial PRIMARY KEY, id_conversacion uuid NOT NULL REFERENCES tutoria.charlas, emisor text,
            contenido text, fecha timestamp, valoracion text, fuentes jsonb);
        INSERT INTO tutoria.charlas VALUES ('00000000-0000-0000-0000-000000000001', 7, 'mat', true);
        INSERT INTO tutoria.lineas (id_conversacion, emisor, contenido, fecha) VALUES
            ('00000000-0000-0000-0000-000000000001', 'Alumna', '¿Qué es pi?', '2026-03-01 10:00'),
            ('00000000-0000-0000-0000-000000000001', 'Tutora', 'Una razón.', '2026-03-01 10:01');
        """
    )
    settings, _ = found_in(rag)
    assert settings.schema_name == "tutoria"
    assert settings.messages.conversations_table == "charlas"
    assert (settings.messages.user, settings.messages.course) == ("usuario_id", "curso_id")
    assert settings.messages.consent == "consentimiento"
    assert first_conversation(settings) == [("user", "¿Qué es pi?"), ("assistant", "Una razón.")]


def test_messages_alone_are_found_with_a_truth_value_for_a_role(rag: RagDatabase) -> None:
    rag.run(
        """
        CREATE TABLE mensajes_chat (id serial, chat_id int, es_bot boolean, texto text, creado_en timestamptz,
            alumno_id int);
        INSERT INTO mensajes_chat (chat_id, es_bot, texto, creado_en)
            VALUES (1, false, 'P', now()), (1, true, 'R', now());
        """
    )
    settings, _ = found_in(rag)
    assert settings.messages.conversations_table == ""
    assert settings.messages.user == "alumno_id"
    assert first_conversation(settings) == [("user", "P"), ("assistant", "R")]


def test_a_question_answer_log_is_found(rag: RagDatabase) -> None:
    rag.run(
        """
        CREATE TABLE consultas (id serial PRIMARY KEY, usuario_id int, Pregunta text, "Respuesta" text,
            fecha timestamptz, contexto jsonb);
        INSERT INTO consultas (usuario_id, pregunta, "Respuesta", fecha) VALUES (1, 'P', 'R', now());
        """
    )
    settings, said = found_in(rag)
    assert said == ["reading the question/answer log in public.consultas"]
    assert (settings.log.question, settings.log.answer, settings.log.user) == (
        "pregunta",
        "Respuesta",
        "usuario_id",
    )
    assert first_conversation(settings) == [("user", "P"), ("assistant", "R")]


def test_langchain_s_history_is_found_whatever_its_table_is_called(rag: RagDatabase) -> None:
    rag.run(LANGCHAIN_POSTGRES.replace("chat_history", "historial_del_tutor"))
    write(rag, "historial_del_tutor", SESSION, '{"type": "human", "data": {"content": "Hola"}}')
    settings, _ = found_in(rag)
    assert (settings.preset, settings.langchain_table) == ("langchain", "historial_del_tutor")
    assert first_conversation(settings) == [("user", "Hola")]


def test_the_one_with_rows_is_preferred_and_the_other_is_named(rag: RagDatabase) -> None:
    rag.run(TWO_TABLES + N8N)
    write(rag, "n8n_chat_histories", "s1", '{"type": "human", "content": "Hola"}')
    settings, said = found_in(rag)
    assert settings.preset == "langchain"
    assert said == [
        "reading LangChain's chat history in public.n8n_chat_histories",
        "not reading the messages in public.messages: it is empty",
    ]


def test_of_two_with_rows_the_one_that_tells_more_is_preferred(rag: RagDatabase) -> None:
    rag.run(TWO_TABLES + N8N)
    write(rag, "n8n_chat_histories", "s1", '{"type": "human", "content": "Hola"}')
    say(rag, "c1", "Hola", "Buenas")
    settings, said = found_in(rag)
    assert settings.preset == "messages"
    assert said[1:] == ["not reading LangChain's chat history in public.n8n_chat_histories: it tells less"]


def test_an_empty_store_is_found_and_said_to_be_empty(rag: RagDatabase) -> None:
    rag.run(TWO_TABLES)
    _, said = found_in(rag)
    assert said == ["reading the messages in public.messages, which is empty"]


@pytest.mark.parametrize(
    "statements",
    [
        """
        CREATE TABLE emails (id serial, thread_id int, sender text, body text, sent_at timestamptz);
        INSERT INTO emails (thread_id, sender, body) VALUES (1, 'ana@example.org', 'Hola');
        """,
        "CREATE TABLE preguntas_frecuentes (id serial PRIMARY KEY, pregunta text, respuesta text)",
        """
        CREATE TABLE eventos (id serial, session_id text, message text);
        INSERT INTO eventos (session_id, message) VALUES ('s1', 'entró en la página');
        """,
        "CREATE TABLE alumnos (id serial, nombre text)",
        """
        CREATE SCHEMA ftworker;
        CREATE TABLE ftworker.messages
            (id serial, conversation_id text, role text, content text, created_at timestamptz);
        """,
    ],
)
def test_what_is_no_conversation_is_left_alone(rag: RagDatabase, statements: str) -> None:
    rag.run(statements)
    with pytest.raises(
        SourceRejected, match=r"no conversations found.*session_id, message.*question, answer"
    ):
        detect(rag.url)


def test_tables_without_a_right_are_not_considered(rag: RagDatabase) -> None:
    rag.run(TWO_TABLES)
    url = rag.make_role("curiosa", "")
    try:
        with pytest.raises(SourceRejected, match="check the role's rights"):
            detect(url)
    finally:
        rag.run("DROP ROLE curiosa")


def test_a_server_that_does_not_answer_is_an_outage() -> None:
    with pytest.raises(SourceUnavailable, match="source detected"):
        detect(f"postgresql://ana@127.0.0.1:{free_port()}/rag")
