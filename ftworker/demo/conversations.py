"""The packaged conversations: Spanish tutoring, primary school to university, every person invented.

One JSON object a line, as their RAG knows it: the `data` of an event `org.ftworker.conversation.closed.v1`
(docs/EVENTS.md), with opinions in the RAG's own words. `closed_event` says it as the contract wants it. Never writes;
`store` puts them into a chat store, `run` publishes their events.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from itertools import groupby
from typing import Any

import msgspec

SOURCE_NAME = "demo"
"""Under this name the demonstration's configuration knows the chat store."""

PIPELINE_NAME = "demo-tutor"
"""The one pipeline of the demonstration's configuration; also the model's name in Ollama."""

SENDS_IDS_ALONE = "colegio-puente-nuevo"
"""This school's events name a conversation, which is then read from the chat store; the other's carry its messages."""

_OPINIONS = {"up": 1, "down": -1}


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


def closed_event(conversation: Mapping[str, Any]) -> dict[str, Any]:
    """The `data` of the conversation's event, the same each time: by id alone, or with its messages."""
    if conversation["tenant_id"] == SENDS_IDS_ALONE:
        known = ("conversation_id", "reason", "closed_at")
        return {"source_name": SOURCE_NAME, **{key: conversation[key] for key in known}}
    rating = conversation["rating"]
    return {
        **conversation,
        "source_name": SOURCE_NAME,
        "rating": {"value": _OPINIONS[rating["value"]]} if rating else None,
        "feedback": [
            {**opinion, "value": _OPINIONS[opinion["value"]]} for opinion in conversation["feedback"]
        ],
    }
