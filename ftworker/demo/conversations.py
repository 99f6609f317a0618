"""The packaged conversations: Spanish tutoring, primary school to university, every person invented.

One JSON object a line, as their RAG knows it: the `data` of an event `org.ftworker.conversation.closed.v1`
(docs/EVENTS.md), with opinions in the RAG's own words. `closed_event` says it as the contract wants it. A `Play` is
what one demonstration plays: `tutor_play` here, `facts.training_play` with a model that is really trained. Never
writes; `store` puts conversations into a chat store, `run` publishes their events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any

import msgspec

SOURCE_NAME = "demo"
PIPELINE_NAME = "demo-tutor"
"""The names of `tutor_play`."""

SENDS_IDS_ALONE = "colegio-puente-nuevo"
"""This school's events name a conversation, which is then read from the chat store; the other's carry its messages."""

_OPINIONS = {"up": 1, "down": -1}


@dataclass(frozen=True)
class Play:
    """What one demonstration plays, under names of its own, so that two never meet in one installation."""

    source: str
    """Under this name its configuration knows the chat store."""
    pipeline: str
    """The one pipeline of its configuration; also the model's name in Ollama."""
    schema: str
    """The schema of its chat store."""
    config: str
    """Its configuration's file, packaged beside this module and written to FTWORKER_HOME."""
    again: str
    """What to type after `ftworker` for this demonstration."""
    shown_conversation: str
    """The one to follow through every rule afterwards."""
    conversations: Sequence[Mapping[str, Any]]
    """Oldest first."""
    pupils: Sequence[str] = ()
    """The names on the list of the school SENDS_IDS_ALONE."""
    trains: bool = False
    """Whether a model is really trained, which takes minutes."""


def tutor_play() -> Play:
    """Two schools' tutors, and no training: everything up to the model's files in seconds."""
    return Play(
        source=SOURCE_NAME,
        pipeline=PIPELINE_NAME,
        schema="rag_demo",
        config="demo.toml",
        again="demo",
        shown_conversation="tutor-0007",
        conversations=packaged_conversations(),
        pupils=packaged_pupils(),
    )


def packaged_conversations() -> list[dict[str, Any]]:
    """Every conversation of the demonstration, oldest first, as the plain values of its JSON line."""
    lines = files("ftworker.demo").joinpath("conversations.jsonl").read_bytes().split(b"\n")
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return [decode(line) for line in lines if line]


def turns_in(conversation: Mapping[str, Any]) -> int:
    """How many turns it has, each a question and its answer; a question that nobody answered is one too."""
    return sum(role == "user" for role, _ in groupby(message["role"] for message in conversation["messages"]))


def packaged_pupils() -> list[str]:
    """The names on the list of the school SENDS_IDS_ALONE, every one invented."""
    lines = files("ftworker.demo").joinpath("roster.txt").read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def closed_event(conversation: Mapping[str, Any], source: str = SOURCE_NAME) -> dict[str, Any]:
    """The `data` of the conversation's event, the same each time: by id alone, or with its messages."""
    if conversation["tenant_id"] == SENDS_IDS_ALONE:
        known = ("conversation_id", "reason", "closed_at")
        return {"source_name": source, **{key: conversation[key] for key in known}}
    rating = conversation["rating"]
    return {
        **conversation,
        "source_name": source,
        "rating": {"value": _OPINIONS[rating["value"]]} if rating else None,
        "feedback": [
            {**opinion, "value": _OPINIONS[opinion["value"]]} for opinion in conversation["feedback"]
        ],
    }
