"""The branch that a person sees in a conversation kept as a tree, and the answers beside it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Sibling
from ftworker.sources.branches import NIL_UUID, branch_messages, chosen_branch
from ftworker.sources.preset import Reader

READER = Reader(zone=UTC, up=frozenset({"up"}), down=frozenset({"down"}), roles={"ai": "assistant"})


def question(
    identity: str, parent: str | None, text: str = "¿Por qué flota el hielo?", **more: Any
) -> dict[str, Any]:
    return {"id": identity, "parent_id": parent, "role": "user", "content": text, **more}


def answer(
    identity: str, parent: str | None, text: str = "Porque pesa menos.", **more: Any
) -> dict[str, Any]:
    return {"id": identity, "parent_id": parent, "role": "ai", "content": text, **more}


def ids(rows: list[dict[str, Any]], **how: Any) -> list[str]:
    return [row["id"] for row in chosen_branch(rows, READER.role, **how)]


def test_a_straight_conversation_is_its_own_branch() -> None:
    rows = [question("q1", None), answer("a1", "q1"), question("q2", "a1", "¿Y el mar?"), answer("a2", "q2")]
    branch = chosen_branch(rows, READER.role)
    assert branch == rows
    assert chosen_branch([], READER.role) == []


def test_an_answer_made_anew_stands_beside_the_one_that_the_newest_row_follows() -> None:
    rows = [
        question("q1", None),
        answer("a1", "q1", "Porque es frío.", rating="down", model="m1"),
        answer("a2", "q1", "Es menos denso.", model="m2"),
        question("q2", "a2", "¿Y el mar?"),
    ]
    branch = chosen_branch(rows, READER.role)
    assert [row["id"] for row in branch] == ["q1", "a2", "q2"]
    assert READER.message(branch[1]).siblings == (Sibling("Porque es frío.", rating=-1, model="m1"),)
    assert "siblings" not in rows[2], "the rows given stay as they are"


def test_the_store_s_own_choice_counts_more_than_the_newest() -> None:
    rows = [question("q1", None), answer("a1", "q1"), answer("a2", "q1"), answer("a3", "q1")]
    assert ids(rows) == ["q1", "a3"]
    assert ids(rows, current="a1") == ["q1", "a1"]
    assert ids(rows, current="gone") == ["q1", "a3"]


def test_preferred_children_are_followed_from_the_root_on() -> None:
    rows = [
        {"id": 1, "parent_id": None, "role": "system", "content": "", "preferred_child": 2},
        {**question("", 1), "id": 2, "preferred_child": 3},  # type: ignore[arg-type]
        {**answer("", 2), "id": 3},  # type: ignore[arg-type]
        {**answer("", 2, "Otra."), "id": 4},  # type: ignore[arg-type]
    ]
    (asked, answered) = branch_messages(rows, READER)
    assert (asked.id, answered.id) == ("2", "3")
    assert answered.siblings == (Sibling("Otra."),)


def test_a_preferred_child_of_another_parent_is_not_followed() -> None:
    rows = [
        question("q1", None, preferred_child="a1"),
        answer("a1", "q1", preferred_child="q1"),
        answer("a2", "q1"),
    ]
    assert [message.id for message in branch_messages(rows, READER)] == ["q1", "a1"]
    assert ids(rows, preferred=lambda row: "a9") == ["q1", "a2"]


def test_the_row_where_a_branch_ends_may_come_with_every_row() -> None:
    rows = [
        {**row, "current_id": "a1"} for row in (question("q1", None), answer("a1", "q1"), answer("a2", "q1"))
    ]
    assert [message.id for message in branch_messages(rows, READER)] == ["q1", "a1"]


def test_an_edited_question_leaves_the_answer_to_the_old_one_alone() -> None:
    rows = [
        question("q1", None, "¿Qué es un fotón?"),
        answer("a1", "q1"),
        question("q2", None, "¿Qué es un electrón?"),
        answer("a2", "q2"),
    ]
    branch = chosen_branch(rows, READER.role)
    assert [row["id"] for row in branch] == ["q2", "a2"]
    assert "siblings" not in branch[1]


def test_the_same_question_asked_again_beside_the_first_gives_siblings() -> None:
    """So do stores that write a new row for the question too when an answer is made anew."""
    rows = [
        question("q1", None),
        answer("a1", "q1", "Una."),
        question("q2", None),
        answer("a2", "q2", "Dos."),
    ]
    branch = chosen_branch(rows, READER.role)
    assert [row["id"] for row in branch] == ["q2", "a2"]
    assert READER.message(branch[1]).siblings == (Sibling("Una."),)


def test_failed_and_empty_answers_are_no_siblings() -> None:
    rows = [
        question("q1", None),
        answer("a1", "q1", ""),
        answer("a2", "q1", "A medias", error="timeout"),
        {**question("q3", "q1", "No soy una respuesta")},
        answer("a4", "q1"),
    ]
    assert "siblings" not in chosen_branch(rows, READER.role)[1]


@pytest.mark.parametrize("parent", [None, "", NIL_UUID, "gone", "q1"])
def test_whatever_a_root_says_of_its_parent_it_is_a_root(parent: str | None) -> None:
    assert ids([question("q1", parent), answer("a1", "q1")]) == ["q1", "a1"]


def test_a_nil_parent_can_mean_the_row_before() -> None:
    rows = [question("q1", NIL_UUID), answer("a1", NIL_UUID), question("q2", NIL_UUID), answer("a2", "q2")]
    assert ids(rows, nil_parent="previous") == ["q1", "a1", "q2", "a2"]
    assert ids(rows) == ["q2", "a2"]


def test_an_empty_root_that_only_holds_the_tree_is_left_out() -> None:
    root = {"id": "r", "parent_id": None, "role": "system", "content": ""}
    assert ids([root, question("q1", "r"), answer("a1", "q1")]) == ["q1", "a1"]
    assert ids([{**root, "content": "Eres un tutor."}, question("q1", "r")]) == ["r", "q1"]
    assert ids([root]) == []


def test_a_branch_whose_parent_was_deleted_begins_where_it_can() -> None:
    assert ids([question("q1", None), question("q2", "gone"), answer("a2", "q2")]) == ["q2", "a2"]


def test_rows_that_go_round_in_circles_end() -> None:
    rows = [question("q1", "a2"), answer("a1", "q1"), question("q2", "a1"), answer("a2", "q2")]
    assert ids(rows) == ["q1", "a1", "q2", "a2"]
    assert ids([question("q1", "a1"), answer("a1", "q1"), answer("a2", "a1")]) == ["q1", "a1", "a2"]


def test_rows_of_one_moment_give_the_last_of_the_caller_s_order() -> None:
    at = "2026-03-01T10:00:00Z"
    rows = [answer("a1", "q1"), answer("a2", "q1"), question("q1", None)]
    assert ids([{**row, "created_at": at} for row in rows]) == ["q1", "a2"], (
        "a question is no leaf, however late"
    )


def test_the_first_of_two_rows_with_one_id_is_the_parent() -> None:
    rows = [question("x", None, "Primera"), question("x", None, "Segunda"), answer("a", "x")]
    assert [row["content"] for row in chosen_branch(rows, READER.role)] == ["Primera", "Porque pesa menos."]


def test_a_long_conversation_needs_no_deep_stack() -> None:
    rows = [question(str(number), str(number - 1) if number else None) for number in range(20_000)]
    assert len(ids(rows)) == 20_000
    assert len(ids(rows, preferred=lambda row: str(int(row["id"]) + 1))) == 20_000


SMALL = st.sampled_from(["1", "2", "3", "4", NIL_UUID, "", None])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": SMALL, "parent_id": SMALL, "role": st.sampled_from(["user", "ai", None])}
        )
    ),
    SMALL,
    st.sampled_from(["root", "previous"]),
)
def test_no_tree_makes_it_fail_or_give_a_row_twice(
    rows: list[dict[str, Any]], current: Any, nil_parent: Any
) -> None:
    rows = [{**row, "content": f"texto {place}"} for place, row in enumerate(rows)]
    for preferred in (None, lambda row: current):
        branch = chosen_branch(rows, READER.role, current=current, preferred=preferred, nil_parent=nil_parent)
        texts = [row["content"] for row in branch]
        assert len(set(texts)) == len(texts)
        assert bool(texts) == bool(rows)
