"""The packaged conversations are well formed, hold what real stores surprise with, and repeat nothing."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from importlib.resources import files
from itertools import combinations, pairwise
from typing import Any

import pytest

from ftworker.demo.conversations import packaged_conversations
from ftworker.settings import DEFAULT_SYSTEM_PROMPT

CONVERSATIONS = packaged_conversations()

CONVERSATION_KEYS = {
    "conversation_id", "tenant_id", "course_id", "user_ref", "locale", "reason", "started_at",
    "last_message_at", "closed_at", "message_count", "consent", "rating", "feedback",
    "system_prompt", "model", "messages",
}  # fmt: skip
MESSAGE_KEYS = {"id", "parent_id", "role", "content", "context", "error", "created_at"}
CHUNK_KEYS = {"rank", "source", "chunk_id", "text", "score", "cited"}

REFUSAL = re.compile(r"No encuentro esa información en los apuntes|no tengo información", re.IGNORECASE)
IDENTITY_NUMBER = re.compile(r"\b\d{8}[A-Z]\b")
PHONE = re.compile(r"\b6\d\d \d{3} \d{3}\b")
E_MAIL = re.compile(r"\S+@\S+\.\w+")
IBAN = re.compile(r"\bES\d\d(?: \d{4}){5}\b")
INVENTED_NAMES = (
    "Irene Valcárcel", "Mateo Echeandía", "Rosaura Benavent", "Nerea Castillejo",
    "Gonzalo Ibarrola", "Jimena Arrospide", "candela urrutia",
)  # fmt: skip


def messages(role: str | None = None) -> list[dict[str, Any]]:
    return [m for c in CONVERSATIONS for m in c["messages"] if role is None or m["role"] == role]


def thumbs(value: str) -> set[str]:
    return {f["message_id"] for c in CONVERSATIONS for f in c["feedback"] if f["value"] == value}


def personal(conversation: dict[str, Any]) -> bool:
    text = "\n".join(m["content"] for m in conversation["messages"])
    found = any(pattern.search(text) for pattern in (IDENTITY_NUMBER, PHONE, E_MAIL, IBAN))
    return found or any(name in text for name in INVENTED_NAMES)


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: str(c["conversation_id"]))
def test_a_conversation_has_the_shape_of_the_event(conversation: dict[str, Any]) -> None:
    assert set(conversation) == CONVERSATION_KEYS
    assert conversation["message_count"] == len(conversation["messages"]) > 0
    assert conversation["system_prompt"] == DEFAULT_SYSTEM_PROMPT
    assert conversation["reason"] in {"user_ended", "idle_timeout", "resolved", "archived"}
    assert set(conversation["consent"]) == {"training", "policy"}
    ids = [m["id"] for m in conversation["messages"]]
    assert len(set(ids)) == len(ids)
    for message in conversation["messages"]:
        assert set(message) - {"correction"} == MESSAGE_KEYS
        assert message["role"] in {"user", "assistant"}
        assert message["content"] == message["content"].strip()
        assert message["content"] or message["error"]
        assert [chunk["rank"] for chunk in message["context"]] == list(range(1, len(message["context"]) + 1))
        assert all(set(chunk) == CHUNK_KEYS for chunk in message["context"])
    for feedback in conversation["feedback"]:
        assert set(feedback) == {"message_id", "value", "comment"}
        assert feedback["value"] in {"up", "down"}
        assert feedback["message_id"] in ids


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: str(c["conversation_id"]))
def test_a_conversation_is_a_tree_in_time(conversation: dict[str, Any]) -> None:
    times = [datetime.fromisoformat(m["created_at"]) for m in conversation["messages"]]
    assert all(time.tzinfo is not None for time in times)
    assert all(earlier < later for earlier, later in pairwise(times))
    assert datetime.fromisoformat(conversation["started_at"]) == times[0]
    assert datetime.fromisoformat(conversation["last_message_at"]) == times[-1]
    quiet = datetime.fromisoformat(conversation["closed_at"]) - times[-1]
    assert (
        quiet >= timedelta(minutes=30) if conversation["reason"] == "idle_timeout" else quiet > timedelta(0)
    )
    seen: dict[str, str] = {}
    for message in conversation["messages"]:
        if not seen:
            assert (message["role"], message["parent_id"]) == ("user", None)
        else:
            assert seen[message["parent_id"]] != message["role"]
        seen[message["id"]] = message["role"]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda c: str(c["conversation_id"]))
def test_citation_marks_name_chunks_that_were_served_and_marked_cited(conversation: dict[str, Any]) -> None:
    for message in conversation["messages"]:
        marks = {int(mark) for mark in re.findall(r" \[(\d)\]", message["content"])}
        assert marks == {chunk["rank"] for chunk in message["context"] if chunk["cited"]}


def test_the_file_is_one_json_object_a_line_in_utf_8_and_in_order_of_time() -> None:
    raw = files("ftworker.demo").joinpath("conversations.jsonl").read_bytes()
    assert raw.endswith(b"}\n")
    assert raw.count(b"\n") == len(CONVERSATIONS)
    assert "ñ".encode() in raw
    assert rb"\u00" not in raw  # readable: accents stand as themselves
    starts = [datetime.fromisoformat(c["started_at"]) for c in CONVERSATIONS]
    assert starts == sorted(starts)


def test_there_are_enough_conversations_people_courses_and_weeks() -> None:
    assert len(CONVERSATIONS) >= 40
    assert 15 <= len({c["user_ref"] for c in CONVERSATIONS}) <= 20
    assert len({c["course_id"] for c in CONVERSATIONS}) == 4
    assert len({c["tenant_id"] for c in CONVERSATIONS}) == 2
    starts = [datetime.fromisoformat(c["started_at"]) for c in CONVERSATIONS]
    assert max(starts) - min(starts) > timedelta(weeks=5)
    assert len({start.utcoffset() for start in starts}) == 2  # the clocks went back in between
    turns = Counter(sum(m["role"] == "user" for m in c["messages"]) for c in CONVERSATIONS)
    assert (min(turns), max(turns)) == (1, 6)
    assert sum(count for number, count in turns.items() if number >= 2) >= 40


def test_one_person_is_never_in_two_conversations_at_once() -> None:
    by_user: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for c in CONVERSATIONS:
        by_user[c["user_ref"]].append((c["started_at"], c["last_message_at"]))
    for spans in by_user.values():
        assert all(ended < began for (_, ended), (began, _) in pairwise(sorted(spans)))


@pytest.mark.parametrize(
    "subject",
    [
        "Matemáticas", "Física", "Química", "Biología", "Historia", "Lengua", "Inglés", "Filosofía",
        "Economía", "Tecnología", "Programación", "Geografía", "Secretaría", "Reglamento",
    ],
)  # fmt: skip
def test_each_subject_is_taught(subject: str) -> None:
    assert any(subject in chunk["source"] for m in messages("assistant") for chunk in m["context"])


def test_most_answers_carry_the_chunks_that_were_served() -> None:
    sizes = Counter(len(m["context"]) for m in messages("assistant"))
    assert sizes[0] < 0.1 * sizes.total()
    assert max(sizes) <= 3
    texts = {(chunk["chunk_id"], chunk["text"]) for m in messages() for chunk in m["context"]}
    assert len({chunk_id for chunk_id, _ in texts}) == len(texts), (
        "a chunk's text differs between conversations"
    )


def test_more_than_sixty_answers_are_good() -> None:
    bad = thumbs("down")
    good = [
        m
        for c in CONVERSATIONS
        if c["consent"]["training"] and not personal(c)
        for m in c["messages"]
        if m["role"] == "assistant"
        and not m["error"]
        and m["id"] not in bad
        and len(m["content"]) >= 15
        and not REFUSAL.search(m["content"])
    ]
    assert len(good) >= 100


def test_there_are_refusals_where_the_context_lacks_the_answer_and_where_it_has_it() -> None:
    refusals = [m for m in messages("assistant") if REFUSAL.search(m["content"])]
    wrong = [m for m in refusals if m["id"] in thumbs("down")]
    right = [m for m in refusals if m["id"] not in thumbs("down")]
    assert len(right) >= 3
    assert len(wrong) >= 2
    assert all(m["context"] for m in refusals)


def test_ratings_go_both_ways_and_some_say_why() -> None:
    assert len(thumbs("up")) >= 30
    assert len(thumbs("down")) >= 5
    comments = [f["comment"] for c in CONVERSATIONS for f in c["feedback"]]
    assert any(comments)
    assert not all(comments)
    assert {c["rating"]["value"] for c in CONVERSATIONS if c["rating"]} == {"up", "down"}


def test_some_answers_were_regenerated_after_a_thumbs_down() -> None:
    answers = defaultdict(list)
    for m in messages("assistant"):
        answers[m["parent_id"]].append(m["id"])
    siblings = [ids for ids in answers.values() if len(ids) > 1]
    assert len(siblings) == 2
    assert all(first in thumbs("down") and last in thumbs("up") for first, last in siblings)


def test_some_answers_failed_or_were_cut_off() -> None:
    failed = [m for m in messages("assistant") if m["error"]]
    assert {bool(m["content"]) for m in failed} == {True, False}
    assert not any(m["error"] for m in messages("user"))


def test_one_conversation_has_no_consent_one_no_answer_one_is_catalan_and_one_repeats_its_question() -> None:
    def named(condition: Any) -> list[str]:
        return [c["conversation_id"] for c in CONVERSATIONS if condition(c)]

    assert len(named(lambda c: not c["consent"]["training"])) == 1
    assert len(named(lambda c: c["messages"][-1]["role"] == "user")) == 1
    assert len(named(lambda c: c["locale"] == "ca-ES")) == 1
    assert {c["locale"] for c in CONVERSATIONS} == {"es-ES", "ca-ES"}

    def repeats(conversation: dict[str, Any]) -> bool:
        questions = [m["content"] for m in conversation["messages"] if m["role"] == "user"]
        return any(first == second for first, second in pairwise(questions))

    assert len(named(repeats)) == 1


def test_some_conversations_hold_invented_personal_data_and_nothing_that_could_be_real() -> None:
    assert 6 <= sum(personal(c) for c in CONVERSATIONS) <= 9
    text = "\n".join(m["content"] for m in messages())
    # 12345678Z is the number that Spanish forms show as an example; the letter of the other one is wrong.
    assert set(IDENTITY_NUMBER.findall(text)) == {"12345678Z", "11111111A"}
    # RFC 2606 keeps .example free of mailboxes; addresses of example.org are taken for examples, and not replaced.
    assert all("@correo.example" in address for address in E_MAIL.findall(text))
    assert E_MAIL.search(text)
    # The example IBAN of the Spanish banking standard.
    assert IBAN.findall(text) == ["ES91 2100 0418 4502 0005 1332"]
    assert all(phone[4:7] == "000" for phone in PHONE.findall(text))
    assert len(PHONE.findall(text)) >= 3


def test_no_two_questions_and_no_two_answers_are_alike_but_those_that_show_what_becomes_of_such() -> None:
    meant = ("tutor-0058-m02", "tutor-0059-m01", "tutor-0059-m02")
    for role in ("user", "assistant"):
        texts = [m["content"] for m in messages(role) if len(m["content"]) >= 60 and m["id"] not in meant]
        for one, other in combinations(texts, 2):
            matcher = SequenceMatcher(None, one, other, autojunk=False)
            if matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8:
                assert matcher.ratio() < 0.8, f"{one!r} is too close to {other!r}"
