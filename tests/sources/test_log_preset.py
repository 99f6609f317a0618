"""The generic preset `log`: rows of question and answer, with or without a column that names the conversation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ftworker.conversations import Chunk, Message
from ftworker.settings import ColumnsLog
from ftworker.sources.contract import ListedConversation
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)

LOG = """
CREATE TABLE chat_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sesion     text,
    alumno     text,
    question   text,
    answer     text,
    created_at timestamptz,
    fuentes    jsonb,
    valoracion smallint,
    modelo     text
);
"""


@pytest.fixture
def log(rag: RagDatabase) -> RagDatabase:
    rag.run(LOG)
    return rag


def ask(
    rag: RagDatabase, who: str | None, minute: float | None, question: str = "P", answer: str = "R"
) -> None:
    at = None if minute is None else TEN + timedelta(minutes=minute)
    rag.run(
        "INSERT INTO chat_log (alumno, question, answer, created_at) VALUES (%s, %s, %s, %s)",
        [who, question, answer, at],
    )


def by_gap(open_source: OpenSource, **settings: object) -> PostgresSource:
    return open_source(preset="log", log=ColumnsLog(user="alumno"), **settings)


def listed(source: PostgresSource) -> dict[str, int]:
    """Conversation to its number of messages."""
    return {one.conversation_id: one.message_count for one in source.snapshot(None)}


def test_each_row_becomes_a_question_and_its_answer(log: RagDatabase, open_source: OpenSource) -> None:
    log.run(
        """
        INSERT INTO chat_log (sesion, alumno, question, answer, created_at, fuentes, valoracion, modelo) VALUES
            ('s1', 'a1', '¿Y el seno?', 'Cateto opuesto…', '2026-03-01 10:01+00', '["tabla"]', 1, 'llama3.2'),
            ('s1', 'a1', '¿Qué es el coseno?', 'Cateto…', '2026-03-01 10:00+00', NULL, NULL, NULL),
            ('s1', 'a1', '¿Y esto?', NULL, '2026-03-01 10:02+00', NULL, 0, NULL);
        """
    )
    columns = ColumnsLog(
        conversation_id="sesion", user="alumno", context="fuentes", rating="valoracion", model="modelo"
    )
    (conversation,) = open_source(preset="log", log=columns).fetch(["s1"])
    assert conversation.user_ref == "a1"
    assert conversation.last_message_at == TEN + timedelta(minutes=2)
    at = [TEN + timedelta(minutes=minute) for minute in range(3)]
    assert conversation.messages == (
        Message("user", "¿Qué es el coseno?", created_at=at[0]),
        Message("assistant", "Cateto…", id="2", created_at=at[0]),
        Message("user", "¿Y el seno?", created_at=at[1]),
        Message(
            "assistant",
            "Cateto opuesto…",
            id="1",
            created_at=at[1],
            context=(Chunk("tabla"),),
            rating=1,
            model="llama3.2",
        ),
        Message("user", "¿Y esto?", created_at=at[2]),
        Message("assistant", "", id="3", created_at=at[2], rating=-1),
    )


def test_without_a_conversation_column_a_person_s_rows_are_split_at_a_gap(
    log: RagDatabase, open_source: OpenSource
) -> None:
    for who, minute in (
        ("ana", 0),
        ("luis", 1),
        ("ana", 10),
        ("ana", 40),
        ("ana", 71),
        ("luis", 200),
        ("ana", 72),
    ):
        ask(log, who, minute, f"{who} {minute}")
    source = by_gap(open_source)
    # 30 minutes exactly are no gap yet: the default is "untouched for more than half an hour".
    assert listed(source) == {"1": 6, "5": 4, "2": 2, "6": 2}
    conversations = {found.conversation_id: found for found in source.fetch(["5", "1", "6", "2", "3"])}
    assert {key: [m.content for m in found.messages[::2]] for key, found in conversations.items()} == {
        "1": ["ana 0", "ana 10", "ana 40"],
        "5": ["ana 71", "ana 72"],
        "2": ["luis 1"],
        "6": ["luis 200"],
    }


def test_a_row_in_the_middle_of_a_conversation_names_none(log: RagDatabase, open_source: OpenSource) -> None:
    for minute in (0, 0, 10, 60):
        ask(log, "ana", minute)
    source = by_gap(open_source)
    assert [list(source.fetch([row])) for row in ("2", "3")] == [[], []]
    assert [len(found.messages) for row in ("1", "4") for found in source.fetch([row])] == [6, 2]


def test_a_conversation_keeps_its_id_while_it_grows_and_gets_a_new_version(
    log: RagDatabase, open_source: OpenSource
) -> None:
    ask(log, "ana", 0)
    source = by_gap(open_source)
    (before,) = source.snapshot(None)
    ask(log, "ana", 29)
    (after,) = source.snapshot(None)
    assert before.conversation_id == after.conversation_id == "1"
    assert before.version != after.version
    assert (after.message_count, after.last_change_at) == (4, TEN + timedelta(minutes=29))


def test_rows_without_a_person_or_a_time_are_left_out_and_said_to_be(
    log: RagDatabase, open_source: OpenSource
) -> None:
    ask(log, None, 0)
    ask(log, "ana", None)
    ask(log, "ana", 5)
    source = by_gap(open_source)
    assert listed(source) == {"3": 2}
    assert any("without a person or a time" in found.message for found in source.check())
    assert [found.conversation_id for found in source.fetch(["1", "2", "3"])] == ["3"]


def test_idle_people_are_found_by_what_they_wrote_last(log: RagDatabase, open_source: OpenSource) -> None:
    for who, minute in (("ana", 0), ("ana", 100), ("ana", 105), ("luis", 101), ("luis", 140), ("eva", 0)):
        ask(log, who, minute)
    source = by_gap(open_source)
    found = source.idle(TEN + timedelta(minutes=90), TEN + timedelta(minutes=110))
    assert {one.conversation_id for one in found} == {"2", "4"}


def test_a_walk_by_gap_sees_each_conversation_once(log: RagDatabase, open_source: OpenSource) -> None:
    log.run(
        "INSERT INTO chat_log (alumno, question, answer, created_at)"
        " SELECT 'a' || n % 7, 'P', 'R', timestamptz '2026-03-01' + n * interval '13 minutes'"
        " FROM generate_series(1, 60) n"
    )
    source = by_gap(open_source)
    seen: list[ListedConversation] = []
    position = None
    while True:
        page = source.iterate_ids(None, position, 2)
        seen += page.conversations
        position = page.next
        if position is None:
            break
    assert len({one.conversation_id for one in seen}) == len(seen) == 60
    assert {one.conversation_id: one.message_count for one in seen} == listed(source)


def test_where_nothing_tells_who_asked_each_row_is_a_conversation(
    log: RagDatabase, open_source: OpenSource
) -> None:
    ask(log, "ana", 0)
    ask(log, "ana", 1)
    source = open_source(preset="log")
    assert listed(source) == {"1": 2, "2": 2}
    assert [len(found.messages) for found in source.fetch(["1", "2"])] == [2, 2]


def test_a_log_without_times_is_followed_by_its_numbers(log: RagDatabase, open_source: OpenSource) -> None:
    log.run("INSERT INTO chat_log (sesion, question, answer) VALUES ('s1', 'P', 'R'), ('s2', 'P', 'R')")
    source = open_source(preset="log", log=ColumnsLog(conversation_id="sesion", created_at=""))
    assert not source.has_times()
    assert source.last_row() == ("2",)
    assert listed(source) == {"s1": 2, "s2": 2}


def test_a_moodle_log_with_times_in_seconds_is_read(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(
        """
        CREATE TABLE mdl_block_openai_chat_log (id bigserial PRIMARY KEY, userid bigint, usermessage text,
            airesponse text, contextid bigint, timecreated bigint);
        INSERT INTO mdl_block_openai_chat_log (userid, usermessage, airesponse, contextid, timecreated) VALUES
            (7, 'P1', 'R1', 3, 1772359200), (7, 'P2', 'R2', 3, 1772359260), (7, 'P3', 'R3', 3, 1772369260);
        """
    )
    columns = ColumnsLog(
        table="mdl_block_openai_chat_log",
        question="usermessage",
        answer="airesponse",
        created_at="timecreated",
        user="userid",
        course="contextid",
    )
    source = open_source(preset="log", log=columns)
    assert listed(source) == {"1": 4, "3": 2}
    (conversation,) = source.fetch(["1"])
    assert (conversation.user_ref, conversation.course_id) == ("7", "3")
    assert [message.created_at for message in conversation.messages[::2]] == [TEN, TEN + timedelta(minutes=1)]
