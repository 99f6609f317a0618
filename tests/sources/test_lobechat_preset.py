"""LobeChat's server database, after its schema (`stores/lobechat.sql`)."""

from __future__ import annotations

import pytest

from ftworker.conversations import Conversation, Sibling
from tests.sources.conftest import OpenSource, RagDatabase


@pytest.fixture
def stored(rag: RagDatabase) -> RagDatabase:
    rag.load("lobechat")
    return rag


def read(open_source: OpenSource, identity: str) -> Conversation:
    (found,) = open_source(preset="lobechat").fetch([identity])
    return found


def test_topics_and_what_stands_outside_of_them_are_conversations(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    listed = open_source(preset="lobechat").snapshot(None)
    assert sorted(one.conversation_id for one in listed) == [
        "session:inbox:user_8", "session:ssn_geo:user_8", "tpc_fallo", "tpc_ramas", "tpc_rios",
    ]  # fmt: skip
    found = read(open_source, "session:inbox:user_8")
    assert (found.user_ref, found.course_id, len(found.messages)) == ("user_8", None, 2)


def test_questions_without_a_parent_follow_the_message_before_them(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "tpc_rios")
    assert [(m.role, m.id) for m in found.messages] == [
        ("user", "r1"), ("assistant", "r3"), ("user", "r4"), ("assistant", "r5"), ("tool", "r6"), ("assistant", "r7"),
    ]  # fmt: skip
    assert found.messages[1].siblings == (Sibling("El Ebro.", model="gpt-4.1"),)
    assert found.course_id == "ssn_geo"


def test_the_active_branch_is_read_and_the_other_answer_stands_beside_it(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    found = read(open_source, "tpc_ramas")
    assert [message.id for message in found.messages] == ["b1", "b3", "b5", "b6"]
    assert found.messages[1].siblings == (Sibling("Una letra griega.", model="qwen3"),)
    assert found.course_id == "agt_geo"


@pytest.mark.parametrize("said,shown", [("0", "b2"), ("1", "b3"), ("2", "b3"), ('"1"', "b3"), ("null", "b3")])
def test_a_branch_that_is_not_there_leaves_the_one_that_goes_on(
    stored: RagDatabase, open_source: OpenSource, said: str, shown: str
) -> None:
    stored.run(
        "UPDATE messages SET metadata = jsonb_build_object('activeBranchIndex', %s::jsonb) WHERE id = 'b1'",
        [said],
    )
    assert read(open_source, "tpc_ramas").messages[1].id == shown


def test_failed_answers_and_those_nobody_waited_for_are_errors_and_json_null_is_none(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    assert [message.error for message in read(open_source, "tpc_fallo").messages] == [None, True, None, True]
    assert {message.error for message in read(open_source, "tpc_rios").messages} == {None}


def test_passages_come_best_first(stored: RagDatabase, open_source: OpenSource) -> None:
    answer = read(open_source, "tpc_rios").messages[-1]
    assert [(chunk.text, chunk.score) for chunk in answer.context] == [
        ("El Tajo mide 1007 km.", 0.92), ("El Tajo nace en Teruel.", 0.41),
    ]  # fmt: skip


def test_sub_threads_and_groups_of_assistants_are_left_out(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    assert "r8" not in [message.id for message in read(open_source, "tpc_rios").messages]
    assert list(open_source(preset="lobechat").fetch(["tpc_grupo"])) == []


def test_reports_of_tasks_are_no_branch_and_of_two_tools_the_one_that_goes_on_is_read(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    stored.run(
        """
        INSERT INTO messages (id, role, content, parent_id, topic_id, user_id, created_at, updated_at) VALUES
            ('r6a', 'tool', 'otra', 'r5', 'tpc_rios', 'user_7', '2026-03-01 10:01:05.5+00', '2026-03-01 10:01:06+00'),
            ('r6b', 'task', 'informe', 'r6', 'tpc_rios', 'user_7', '2026-03-01 10:01:07+00', '2026-03-01 10:01:07+00')
        """
    )
    assert [message.id for message in read(open_source, "tpc_rios").messages] == [
        "r1",
        "r3",
        "r4",
        "r5",
        "r6",
        "r7",
    ]


def test_a_deleted_parent_leaves_the_message_where_it_stood(
    stored: RagDatabase, open_source: OpenSource
) -> None:
    stored.run("DELETE FROM messages WHERE id = 'b3'")
    assert [message.id for message in read(open_source, "tpc_ramas").messages][:2] == ["b1", "b2"]


def test_an_edited_message_makes_a_new_version(stored: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="lobechat")
    before = {one.conversation_id: one.version for one in source.snapshot(None)}
    stored.run("UPDATE messages SET content = 'Corregido', updated_at = now() WHERE id = 'i2'")
    after = {one.conversation_id: one.version for one in source.snapshot(None)}
    assert {identity for identity in after if after[identity] != before[identity]} == {"session:inbox:user_8"}
