"""Chainlit's steps, in rows that its own data layers wrote: which are messages, what was retrieved for them, and what
its documentation loses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest

from ftworker.conversations import Chunk, Conversation
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

LAYERS = ("chainlit", "chainlit_official")
NINE = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)


def identity(name: str) -> str:
    """As `stores/write_chainlit.py` makes its ids."""
    return str(uuid5(NAMESPACE_URL, name))


TUTORED, FAILED, ANONYMOUS = (identity(name) for name in ("fotosintesis", "fallida", "anonima"))


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest, rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load(request.param)
    return open_source(preset=request.param, naive_timezone="America/Lima")


def read(source: PostgresSource, thread: str) -> Conversation:
    (found,) = source.fetch([thread])
    return found


def test_messages_are_told_from_the_steps_between_them(layer: PostgresSource) -> None:
    conversation = read(layer, TUTORED)
    assert [(message.role, message.content, message.rating) for message in conversation.messages] == [
        ("user", "¿Qué necesita una planta para hacer la fotosíntesis?", None),
        ("assistant", "Necesita luz, agua y dióxido de carbono.", 1),
        ("user", "¿Y qué produce?", None),
        ("assistant", "Busco en los apuntes…", None),
        ("assistant", "Produce sales.", -1),
    ]
    assert conversation.messages[1].id == identity("a1")


def test_what_was_retrieved_is_the_context_of_the_turn_s_last_answer(layer: PostgresSource) -> None:
    contexts = [message.context for message in read(layer, TUTORED).messages]
    assert contexts[1] == (
        Chunk("La fotosíntesis necesita luz, agua y dióxido de carbono.", source="bio.pdf", score=0.9),
        Chunk("La clorofila está en los cloroplastos.", source="bio.pdf", score=0.4),
    )
    assert contexts[3] == (), "a note that something is being looked for was given nothing"
    assert contexts[4] == (Chunk("La fotosíntesis produce glucosa y oxígeno."),), "what the reranking left"


def test_without_a_reranking_all_that_was_retrieved_is_the_context(
    rag: RagDatabase, layer: PostgresSource
) -> None:
    steps = '"Step"' if "official" in layer._settings.preset else "steps"
    rag.run(f"DELETE FROM {steps} WHERE type = 'rerank'")
    assert [chunk.text for chunk in read(layer, TUTORED).messages[4].context] == [
        "La respiración gasta oxígeno.",
        "La fotosíntesis produce glucosa y oxígeno.",
    ]


def test_an_error_message_is_a_failed_answer(layer: PostgresSource) -> None:
    assert [(message.role, message.error) for message in read(layer, FAILED).messages] == [
        ("user", None),
        ("assistant", True),
        ("user", None),
        ("assistant", None),
    ]


def test_a_question_comes_before_the_answer_of_the_same_moment(layer: PostgresSource) -> None:
    conversation = read(layer, ANONYMOUS)
    assert [message.role for message in conversation.messages] == ["user", "assistant"]
    assert conversation.user_ref is None


def test_a_person_s_threads_carry_the_same_reference(layer: PostgresSource) -> None:
    one, other = (read(layer, thread).user_ref for thread in (TUTORED, FAILED))
    assert one is not None
    assert one == other


def test_times_are_utc_whatever_the_settings_say(layer: PostgresSource) -> None:
    conversation = read(layer, TUTORED)
    assert conversation.messages[0].created_at == NINE
    at = conversation.last_message_at
    assert at is not None
    assert {one.conversation_id for one in layer.idle(at - timedelta(microseconds=1), at)} == {TUTORED}


def test_the_model_of_an_answer_is_that_of_the_call_before_it(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    """The generation of all other steps is a JSON null, which is no SQL NULL."""
    rag.load("chainlit")
    ((generations,),) = rag.run("SELECT count(*) FROM steps WHERE generation = 'null'")
    assert generations > 0
    models = [message.model for message in read(open_source(preset="chainlit"), TUTORED).messages]
    assert models == [None, "gpt-4.1-mini", None, None, None]


def test_over_the_documented_tables_the_messages_are_read_and_the_lost_retrievals_said(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("chainlit_documented")
    source = open_source(preset="chainlit")
    messages = read(source, TUTORED).messages
    assert len(messages) == 5
    assert all(message.context == () for message in messages)
    told = [found.message for found in source.check() if found.level == "note"]
    assert any('ADD COLUMN "autoCollapse"' in text for text in told)
    rag.run('ALTER TABLE steps ADD COLUMN "autoCollapse" boolean')
    assert not any("autoCollapse" in found.message for found in source.check())


def test_a_thread_marked_as_deleted_is_not_there(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("chainlit_official")
    rag.run('UPDATE "Thread" SET "deletedAt" = now() WHERE id = %s', [TUTORED])
    source = open_source(preset="chainlit_official")
    assert list(source.fetch([TUTORED])) == []
    assert {one.conversation_id for one in source.snapshot(None)} == {FAILED, ANONYMOUS}


def test_a_score_of_another_name_is_no_opinion_of_the_person(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("chainlit_official")
    rag.run("UPDATE \"Feedback\" SET name = 'faithfulness', value = 0")
    assert [
        message.rating for message in read(open_source(preset="chainlit_official"), TUTORED).messages
    ] == [None] * 5


def test_of_two_opinions_on_one_answer_the_worse_counts(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("chainlit")
    rag.run(
        'INSERT INTO feedbacks (id, "forId", "threadId", value) VALUES (gen_random_uuid(), %s, %s, 0)',
        [identity("a1"), TUTORED],
    )
    answers = read(open_source(preset="chainlit"), TUTORED).messages
    assert [message.rating for message in answers] == [None, -1, None, None, -1]


def test_a_time_that_is_none_and_a_generation_that_is_no_json_stop_nothing(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("chainlit")
    rag.run("ALTER TABLE steps ALTER COLUMN generation TYPE text; UPDATE steps SET generation = '{\"model'")
    rag.run("UPDATE steps SET \"createdAt\" = 'ayer' WHERE id = %s", [identity("a2")])
    last = read(open_source(preset="chainlit"), TUTORED).messages[-1]
    assert (last.content, last.created_at, last.model) == ("Produce sales.", None, None)


def test_the_indexes_that_the_documented_tables_lack_are_advised(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("chainlit")
    source = open_source(preset="chainlit", sweep_idle=True)
    warnings = [found for found in source.check() if found.level == "warning"]
    assert len(warnings) == 2
    for warning in warnings:
        rag.run(warning.advice.replace("CONCURRENTLY ", ""))
    assert not [found for found in source.check() if found.level == "warning"]
