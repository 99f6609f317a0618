"""What the demonstration really trains: invented facts of an invented school, which no model can know before.

facts.jsonl has a fact a line: the answer, questions that pupils asked, questions in other words that stand in no
training data, and the words by which an answer is judged right. `training_play` makes the pupils' conversations of it
and adds the tutor's shortest. Never judges by anything but those words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

import msgspec

from ftworker.demo.conversations import SENDS_IDS_ALONE, Play, packaged_conversations, turns_in

PIPELINE: Final = "demo-trained"
SYSTEM_PROMPT: Final = "Eres el asistente del Colegio Puente Nuevo."
"""Of the pipeline, in every example, and wherever the model is asked: demo-train.toml has the same bytes."""

_PUPILS: Final = 40
"""So many ask, three questions each, none of them two about one fact."""
_FIRST_DAY: Final = datetime.fromisoformat("2026-10-05T09:00:00+02:00")


class Fact(msgspec.Struct, frozen=True):
    """One thing that is so at the invented school."""

    fact: str
    answer: str
    keywords: tuple[str, ...]
    """An answer that has all of them, in whatever case, is right."""
    asked: tuple[str, ...]
    """Questions of the training data."""
    held_out: tuple[str, ...]
    """Questions in other words, for afterwards."""

    def is_right(self, answer: str) -> bool:
        """Whether an answer says it."""
        return all(word.casefold() in answer.casefold() for word in self.keywords)


def packaged_facts() -> list[Fact]:
    """Every fact, in the order of its file."""
    lines = files("ftworker.demo").joinpath("facts.jsonl").read_bytes().split(b"\n")
    decode = msgspec.json.Decoder(Fact).decode
    return [decode(line) for line in lines if line]


def training_play() -> Play:
    """A school's assistant that learns its facts."""
    return Play(
        source="demo-trained",
        pipeline=PIPELINE,
        schema="rag_demo_trained",
        config="demo-train.toml",
        again="demo --train",
        shown_conversation="colegio-0001",
        conversations=[*_shortest_of_the_tutor(), *conversations_about(packaged_facts())],
        trains=True,
    )


def conversations_about(facts: Sequence[Fact]) -> Iterator[dict[str, Any]]:
    """A conversation for each question that was asked, as the RAG knows it; the same each time."""
    questions = [(fact, question) for fact in facts for question in fact.asked]
    for number, (fact, question) in enumerate(questions):
        name = f"colegio-{number + 1:04}"
        began = _FIRST_DAY + timedelta(hours=5 * number)
        pupil = hashlib.sha256(f"pupil {number % _PUPILS}".encode()).hexdigest()[:10]
        yield _conversation(name, f"u-{pupil}", began, question, fact.answer)


def _shortest_of_the_tutor() -> Iterator[Mapping[str, Any]]:
    """One question and one answer: those with more would take the training's time, and show nothing more."""
    return (c for c in packaged_conversations() if turns_in(c) == 1)


def _conversation(name: str, pupil: str, began: datetime, question: str, answer: str) -> dict[str, Any]:
    answered, closed = began + timedelta(seconds=6), began + timedelta(minutes=1)
    message: dict[str, Any] = {"context": [], "error": None}
    return {
        "conversation_id": name,
        "tenant_id": SENDS_IDS_ALONE,
        "course_id": "secretaria",
        "user_ref": pupil,
        "locale": "es-ES",
        "reason": "user_ended",
        "started_at": began.isoformat(),
        "last_message_at": answered.isoformat(),
        "closed_at": closed.isoformat(),
        "message_count": 2,
        "consent": {"training": True, "policy": "privacidad-2026-09"},
        "rating": None,
        "feedback": [],
        "system_prompt": SYSTEM_PROMPT,
        "model": "llama3.1:8b-instruct-q4_K_M",
        "messages": [
            {"id": f"{name}-m01", "parent_id": None, "role": "user", "content": question}
            | message
            | {"created_at": began.isoformat()},
            {"id": f"{name}-m02", "parent_id": f"{name}-m01", "role": "assistant", "content": answer}
            | message
            | {"created_at": answered.isoformat()},
        ],
    }
