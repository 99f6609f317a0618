"""The generic preset `messages`: what stands in two tables, or in one, comes out as conversations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ftworker.conversations import Chunk, Message
from ftworker.curation.curate import curate
from ftworker.errors import SourceRejected
from ftworker.settings import ColumnsMessages, CurationSettings
from tests.sources.conftest import ALL_COLUMNS, OpenSource, RagDatabase, say

BARE = "(id serial, conversation_id KEY, role text, content text, created_at timestamptz)"

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_conversation_comes_with_all_that_the_store_knows(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        """
        INSERT INTO conversations VALUES ('c1', 'alumna-7', 'ies-norte', 'fis-2', true, '2026-03-01 10:30:00+00');
        INSERT INTO messages (conversation_id, role, content, created_at, context, rating, error, model) VALUES
            ('c1', 'user', '¿Qué es un fotón?', '2026-03-01 10:00:00+00', NULL, NULL, NULL, NULL),
            ('c1', 'assistant', 'Un cuanto de luz.', '2026-03-01 10:00:05.25+00',
             '[{"text": "Fotón: cuanto de luz.", "source": "tema3.pdf", "id": 12, "score": 0.5, "rank": 1}, "Otro"]',
             'up', NULL, 'gpt-4.1-mini'),
            ('c1', 'user', 'No va', '2026-03-01 10:00:10+00', NULL, NULL, '', NULL),
            ('c1', 'assistant', 'Error', '2026-03-01 10:00:11+00', NULL, 'down', 'timeout: no va', NULL)
        """
    )
    (conversation,) = open_source(preset="messages", messages=ColumnsMessages(**ALL_COLUMNS)).fetch(["c1"])
    assert conversation.source_name == "chat"
    assert conversation.conversation_id == "c1"
    assert (conversation.user_ref, conversation.tenant_id, conversation.course_id) == (
        "alumna-7",
        "ies-norte",
        "fis-2",
    )
    assert conversation.training_consent is True
    assert conversation.closed_at == TEN + timedelta(minutes=30)
    assert conversation.last_message_at == TEN + timedelta(seconds=11)
    assert conversation.messages == (
        Message("user", "¿Qué es un fotón?", id="1", created_at=TEN),
        Message(
            "assistant",
            "Un cuanto de luz.",
            id="2",
            created_at=TEN + timedelta(seconds=5.25),
            rating=1,
            model="gpt-4.1-mini",
            context=(
                Chunk("Fotón: cuanto de luz.", rank=1, source="tema3.pdf", chunk_id="12", score=0.5),
                Chunk("Otro"),
            ),
        ),
        Message("user", "No va", id="3", created_at=TEN + timedelta(seconds=10)),
        Message("assistant", "Error", id="4", created_at=TEN + timedelta(seconds=11), rating=-1, error=True),
    )


def test_what_a_person_wrote_instead_and_who_only_tried_it_out_are_taken_along(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        """
        ALTER TABLE conversations ADD prueba text;
        ALTER TABLE messages ADD corregida text;
        INSERT INTO conversations (id, prueba) VALUES ('c1', 'sí'), ('c2', NULL);
        INSERT INTO messages (conversation_id, role, content, corregida) VALUES
            ('c1', 'assistant', 'Es rojo.', ' Es azul. '), ('c1', 'assistant', 'Bien.', '  '), ('c2', 'user', 'P', NULL)
        """
    )
    columns = ColumnsMessages(correction="corregida", debug="prueba")
    tried, real = sorted(
        open_source(preset="messages", messages=columns).fetch(["c1", "c2"]),
        key=lambda one: one.conversation_id,
    )
    assert (tried.debug, real.debug) == (True, False)
    assert [message.correction for message in tried.messages] == ["Es azul.", None]


def test_what_an_error_column_says_is_not_kept(two_tables: RagDatabase, open_source: OpenSource) -> None:
    two_tables.run(
        "INSERT INTO conversations VALUES ('c1');"
        "INSERT INTO messages (conversation_id, role, content, error) VALUES ('c1', 'assistant', 'x', 'Ana dijo no')"
    )
    (conversation,) = open_source(preset="messages", messages=ColumnsMessages(error="error")).fetch(["c1"])
    assert conversation.messages[0].error is True


def test_ids_that_do_not_exist_or_have_no_message_are_not_yielded(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    say(two_tables, "llena", "Hola", "Hola")
    two_tables.run(
        "INSERT INTO conversations VALUES ('vacía');"
        "INSERT INTO messages (conversation_id, role, content) VALUES ('huérfana', 'user', 'borrada')"
    )
    source = open_source(preset="messages")
    asked = [
        "vacía",
        "huérfana",
        "nadie",
        "llena",
        "llena",
        "con\0nul",
        "medio\ud800",
        "'; DROP TABLE messages; --",
        "",
    ]
    assert [found.conversation_id for found in source.fetch(asked)] == ["llena"]
    assert list(source.fetch([])) == []


@pytest.mark.parametrize(
    "key_type,there,others",
    [
        ("bigint", "42", ["042", "x", "9223372036854775808", "1e3", "-1", " 42"]),
        ("integer", "42", ["2147483648", "-2147483649", "42.0"]),
        ("smallint", "42", ["32768"]),
        ("uuid", "6f2c1f0e-1111-4222-8333-444455556666", ["6f2c", "x" * 36]),
        ("varchar(50)", "c-42", ["c-42 ", "C-42", '{"c-42"}', "c\\42"]),
    ],
)
def test_ids_of_another_form_than_the_key_name_nothing(
    rag: RagDatabase, open_source: OpenSource, key_type: str, there: str, others: list[str]
) -> None:
    rag.run(
        f"CREATE TABLE messages {BARE.replace('KEY', key_type)};"
        f"INSERT INTO messages (conversation_id, role, content) VALUES ('{there}', 'user', 'Hola')"
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    assert [found.conversation_id for found in source.fetch([*others, there])] == [there]


def test_a_uuid_in_capitals_is_found_and_named_as_it_was_asked_for(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(
        f"CREATE TABLE messages {BARE.replace('KEY', 'uuid')};"
        "INSERT INTO messages (conversation_id, role, content)"
        " VALUES ('6f2c1f0e-1111-4222-8333-44445555abcd', 'user', 'Hola')"
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    asked = "6F2C1F0E-1111-4222-8333-44445555ABCD"
    assert [found.conversation_id for found in source.fetch([asked])] == [asked]


def test_keys_of_two_types_are_the_same_key(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(
        """
        CREATE TABLE conversations (id uuid PRIMARY KEY, alumno text);
        CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at timestamptz);
        INSERT INTO conversations VALUES ('6f2c1f0e-1111-4222-8333-444455556666', 'a1');
        INSERT INTO messages (conversation_id, role, content, created_at)
            VALUES ('6f2c1f0e-1111-4222-8333-444455556666', 'user', 'Hola', '2026-03-01 10:00+00');
        """
    )
    source = open_source(preset="messages", messages=ColumnsMessages(user="alumno"))
    (conversation,) = source.fetch(["6f2c1f0e-1111-4222-8333-444455556666"])
    assert conversation.user_ref == "a1"
    assert len(source.iterate_ids(None, None, 10).conversations) == 1


def test_one_table_of_messages_can_say_who_and_which_course(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(
        """
        CREATE TABLE mensajes (id serial, sesion text, rol text, texto text, fecha timestamptz, alumno int, curso text);
        INSERT INTO mensajes (sesion, rol, texto, fecha, alumno, curso) VALUES
            ('s1', 'Alumno', 'Hola', '2026-03-01 10:00+00', 7, 'mat'),
            ('s1', 'TUTOR', 'Buenas', '2026-03-01 10:01+00', NULL, NULL);
        """
    )
    columns = ColumnsMessages(
        conversations_table="",
        messages_table="mensajes",
        message_conversation_id="sesion",
        role="rol",
        content="texto",
        created_at="fecha",
        user="alumno",
        course="curso",
    )
    source = open_source(preset="messages", messages=columns)
    (conversation,) = source.fetch(["s1"])
    assert (conversation.user_ref, conversation.course_id) == ("7", "mat")
    assert [message.role for message in conversation.messages] == ["user", "assistant"]
    assert not [found for found in source.check() if found.level == "error"]


def test_equal_times_are_put_in_order_by_number(two_tables: RagDatabase, open_source: OpenSource) -> None:
    say(two_tables, "c1", "1", "2", "3", "4", "5", "6", every="0 s")
    (conversation,) = open_source(preset="messages").fetch(["c1"])
    assert [message.content for message in conversation.messages] == ["1", "2", "3", "4", "5", "6"]


def test_where_ids_are_random_a_question_comes_before_the_answer_of_the_same_moment(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(
        """
        CREATE TABLE messages (id uuid, conversation_id text, role text, content text, created_at timestamptz);
        INSERT INTO messages VALUES
            ('00000000-0000-4000-8000-000000000001', 'c', 'Assistant', 'R1', '2026-03-01 10:00+00'),
            ('00000000-0000-4000-8000-000000000002', 'c', 'user', 'P1', '2026-03-01 10:00+00'),
            ('00000000-0000-4000-8000-000000000003', 'c', 'Assistant', 'R0', '2026-03-01 09:00+00'),
            ('00000000-0000-4000-8000-000000000004', 'c', 'user', 'P0', '2026-03-01 09:00+00');
        """
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    (conversation,) = source.fetch(["c"])
    assert [message.content for message in conversation.messages] == ["P0", "R0", "P1", "R1"]


def test_times_without_a_zone_are_the_store_s_own(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(
        """
        CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at timestamp);
        INSERT INTO messages (conversation_id, role, content, created_at) VALUES
            ('c', 'user', 'invierno', '2026-01-15 10:00'), ('c', 'assistant', 'verano', '2026-07-15 10:00');
        """
    )
    columns = ColumnsMessages(conversations_table="")
    source = open_source(preset="messages", messages=columns, naive_timezone="Europe/Madrid")
    (conversation,) = source.fetch(["c"])
    assert [message.created_at for message in conversation.messages] == [
        datetime(2026, 1, 15, 9, tzinfo=UTC),
        datetime(2026, 7, 15, 8, tzinfo=UTC),
    ]
    summer = datetime(2026, 7, 15, 8, tzinfo=UTC)
    (listed,) = source.newest(1)
    assert listed.last_change_at == summer
    assert list(source.idle(summer - timedelta(seconds=1), summer)) == [listed]
    assert list(source.idle(summer, summer + timedelta(hours=2))) == []


@pytest.mark.parametrize(
    "column_type,value",
    [
        ("bigint", "1772359200"),
        ("bigint", "1772359200000"),
        ("bigint", "1772359200000000000"),
        ("double precision", "1772359200.0"),
        ("text", "'2026-03-01T10:00:00Z'"),
        ("text", "'2026-03-01 10:00:00'"),
        ("timestamptz", "'2026-03-01 11:00:00+01'"),
    ],
)
def test_times_are_understood_in_whatever_type_they_are_kept(
    rag: RagDatabase, open_source: OpenSource, column_type: str, value: str
) -> None:
    rag.run(
        f"CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at {column_type});"
        f"INSERT INTO messages (conversation_id, role, content, created_at) VALUES ('c', 'user', 'Hola', {value})"
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    (conversation,) = source.fetch(["c"])
    assert conversation.messages[0].created_at == TEN
    (listed,) = source.idle(TEN - timedelta(seconds=1), TEN)
    assert listed.last_change_at == TEN


def test_times_that_are_none_do_not_stop_the_rest(two_tables: RagDatabase, open_source: OpenSource) -> None:
    say(two_tables, "infinita", "Hola", "Hola", at="infinity")
    say(two_tables, "remota", "Hola", at="0044-03-15 10:00:00+00 BC")
    say(two_tables, "futura", "Hola", at="20000-01-01 10:00:00+00")
    say(two_tables, "normal", "Hola")
    source = open_source(preset="messages")
    page = source.iterate_ids(None, None, 10)
    assert {one.conversation_id: one.last_change_at for one in page.conversations} == {
        "infinita": None,
        "remota": None,
        "futura": None,
        "normal": TEN,
    }
    found = {
        found.conversation_id: found for found in source.fetch(["infinita", "remota", "futura", "normal"])
    }
    assert len(found) == 4
    assert found["infinita"].last_message_at is None


def test_days_alone_are_no_times(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(
        "CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at date);"
        "INSERT INTO messages (conversation_id, role, content, created_at) VALUES ('c', 'user', 'Hola', '2026-03-01')"
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    assert not source.has_times()
    (listed,) = source.snapshot(None)
    assert (listed.message_count, listed.last_change_at) == (1, None)


def test_unknown_roles_stay_as_they_are(two_tables: RagDatabase, open_source: OpenSource) -> None:
    two_tables.run(
        "INSERT INTO conversations VALUES ('c');"
        "INSERT INTO messages (conversation_id, role, content, created_at) VALUES"
        " ('c', 'Profesor', 'a', now()), ('c', 'system', 'b', now()),"
        " ('c', ' Human ', 'c', now()), ('c', '', 'd', now())"
    )
    (conversation,) = open_source(preset="messages").fetch(["c"])
    assert [message.role for message in conversation.messages] == ["Profesor", "system", "user", ""]


def test_a_truth_value_can_be_the_role(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(
        "CREATE TABLE messages"
        " (id serial, conversation_id text, is_user boolean, content text, created_at timestamptz);"
        "INSERT INTO messages (conversation_id, is_user, content, created_at)"
        " VALUES ('c', true, 'P', now()), ('c', false, 'R', now())"
    )
    columns = ColumnsMessages(
        conversations_table="", role="is_user", role_user=("true",), role_assistant=("false",)
    )
    (conversation,) = open_source(preset="messages", messages=columns).fetch(["c"])
    assert [message.role for message in conversation.messages] == ["user", "assistant"]


@pytest.mark.parametrize(
    "column_type,values,ratings",
    [
        ("boolean", ["true", "false", "NULL"], [1, -1, None]),
        ("smallint", ["1", "-1", "0", "5"], [1, -1, -1, None]),
        ("double precision", ["1.0", "-1.0"], [1, -1]),
        ("text", ["'UP'", "' down '", "'regular'", "''"], [1, -1, None, None]),
        ("jsonb", ["'\"like\"'", "'null'", "'{\"v\": 1}'"], [1, None, None]),
    ],
)
def test_ratings_are_understood_in_whatever_type_they_are_kept(
    rag: RagDatabase, open_source: OpenSource, column_type: str, values: list[str], ratings: list[int | None]
) -> None:
    rag.run(
        f"CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at timestamptz,"
        f" rating {column_type})"
    )
    for value in values:
        rag.run(
            f"INSERT INTO messages (conversation_id, role, content, rating) VALUES ('c', 'bot', 'R', {value})"
        )
    columns = ColumnsMessages(conversations_table="", rating="rating")
    (conversation,) = open_source(preset="messages", messages=columns).fetch(["c"])
    assert [message.rating for message in conversation.messages] == ratings


def test_stars_are_mapped_by_the_settings(two_tables: RagDatabase, open_source: OpenSource) -> None:
    two_tables.run(
        "INSERT INTO conversations VALUES ('c');"
        "INSERT INTO messages (conversation_id, role, content, rating)"
        " SELECT 'c', 'bot', 'R', n FROM generate_series(1, 5) n"
    )
    source = open_source(
        preset="messages",
        messages=ColumnsMessages(rating="rating"),
        ratings_up=("4", "5"),
        ratings_down=("1", "2"),
    )
    (conversation,) = source.fetch(["c"])
    assert [message.rating for message in conversation.messages] == [-1, -1, None, 1, 1]


def test_nothing_in_a_content_is_an_empty_message(two_tables: RagDatabase, open_source: OpenSource) -> None:
    say(two_tables, "c", None, "", "  ")
    (conversation,) = open_source(preset="messages").fetch(["c"])
    assert [message.content for message in conversation.messages] == ["", "", "  "]


def test_json_content_with_nul_half_a_surrogate_and_null_keeps_the_other_messages(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(
        "CREATE TABLE messages (id serial, conversation_id text, role text, content json, created_at timestamptz)"
    )
    for content in (
        '"bien"',
        r'"con \u0000 nul"',
        r'"medio \ud83d par"',
        r'"entero \ud83d\ude00"',
        "null",
        '[{"type": "text", "text": "bloque "}, {"type": "image_url", "image_url": "x"}, {"text": "dos"}]',
        '{"otra": "cosa"}',
        "17",
    ):
        rag.run("INSERT INTO messages (conversation_id, role, content) VALUES ('c', 'user', %s)", [content])
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table="", created_at=""))
    (conversation,) = source.fetch(["c"])
    assert [(message.content, message.error) for message in conversation.messages] == [
        ("bien", None),
        ("con \0 nul", None),
        ("medio \ufffd par", "lone_surrogate"),
        ("entero 😀", None),
        ("", None),
        ("bloque dos", None),
        ("", None),
        ("17", None),
    ]


def test_a_question_or_answer_with_half_a_surrogate_teaches_nothing_and_the_rest_of_the_talk_does(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run("CREATE TABLE messages (id serial, conversation_id text, role text, content json)")
    for role, content in (
        ("user", r"¿Qué es \ud83d una derivada?"),
        ("bot", "Es el límite del cociente incremental."),
        ("user", "¿Y una integral?"),
        ("bot", r"Es \udfff el área bajo una curva."),
        ("user", "¿Y un límite entonces?"),
        ("bot", "El valor al que se acerca una función."),
    ):
        rag.run(
            "INSERT INTO messages (conversation_id, role, content) VALUES ('c', %s, %s)",
            [role, f'"{content}"'],
        )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table="", created_at=""))
    (conversation,) = source.fetch(["c"])
    curated = curate(conversation, CurationSettings())
    assert [(drop.turn, drop.reason) for drop in curated.drops] == [(0, "error_answer"), (1, "error_answer")]
    (example,) = curated.examples
    assert "\ufffd" not in example.content.decode()


def test_an_enormous_message_is_an_error_and_the_rest_is_read(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    say(two_tables, "c", "Hola", "ñ" * 1_048_577, "Sigo")
    (conversation,) = open_source(preset="messages").fetch(["c"])
    assert [(len(message.content), message.error) for message in conversation.messages] == [
        (4, None),
        (0, "too_large"),
        (4, None),
    ]


@pytest.mark.parametrize("column_type", ["json", "jsonb", "text"])
def test_context_is_understood_in_the_forms_that_rags_keep_it(
    rag: RagDatabase, open_source: OpenSource, column_type: str
) -> None:
    rag.run(
        f"CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at timestamptz,"
        f" context {column_type})"
    )
    for context in (
        '["a", "b"]',
        '[{"content": "a", "metadata": {"source": "x.pdf", "page": 3}, "position": 2}, {"page_content": "b"}]',
        '{"documents": [{"text": "a", "score": "0.25", "cited": true}]}',
        '{"text": "a"}',
        "[]",
        "null",
        None,
        '[null, 7, {"sin": "texto"}, "a"]',
    ):
        rag.run(
            "INSERT INTO messages (conversation_id, role, content, context) VALUES ('c', 'bot', 'R', %s)",
            [context],
        )
    columns = ColumnsMessages(conversations_table="", context="context", created_at="")
    (conversation,) = open_source(preset="messages", messages=columns).fetch(["c"])
    assert [message.context for message in conversation.messages] == [
        (Chunk("a"), Chunk("b")),
        (Chunk("a", rank=2, source="x.pdf"), Chunk("b")),
        (Chunk("a", score=0.25, cited=True),),
        (Chunk("a"),),
        (),
        (Chunk("null"),) if column_type == "text" else (),
        (),
        (Chunk("a"),),
    ]


def test_a_setting_that_the_preset_needs_and_is_empty_is_named(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    source = open_source(preset="messages", messages=ColumnsMessages(role="", message_id="", created_at=""))
    with pytest.raises(SourceRejected, match=r"messages\.role, messages\.message_id"):
        list(source.fetch(["c"]))


def test_names_with_quotes_capitals_and_spaces_are_read_as_they_stand(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(
        """
        CREATE SCHEMA "El Tutor";
        CREATE TABLE "El Tutor"."Mensajes" (id serial, "conv""ersación" text, "Rol" text, "Texto %s" text,
            "Fecha" timestamptz);
        INSERT INTO "El Tutor"."Mensajes" ("conv""ersación", "Rol", "Texto %s") VALUES ('c', 'bot', 'R');
        """
    )
    columns = ColumnsMessages(
        conversations_table="",
        messages_table="Mensajes",
        message_conversation_id='conv"ersación',
        role="Rol",
        content="Texto %s",
        created_at="Fecha",
    )
    source = open_source(preset="messages", messages=columns, schema_name="El Tutor")
    (conversation,) = source.fetch(["c"])
    assert conversation.messages[0].content == "R"
