"""Conversations for the tests of curation, in a few words."""

from __future__ import annotations

import json
from typing import Any

from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import Curated

ANSWER = "La mitocondria produce la energía de la célula."


def user(content: str, **fields: Any) -> Message:
    return Message("user", content, **fields)


def assistant(content: str = ANSWER, **fields: Any) -> Message:
    return Message("assistant", content, **fields)


def conversation(*messages: Message, **fields: Any) -> Conversation:
    return Conversation("store", "c-1", messages, **fields)


def contents(curated: Curated) -> list[Any]:
    return [json.loads(example.content) for example in curated.examples]


def drops(curated: Curated) -> list[tuple[int, str]]:
    return [(drop.turn, drop.reason) for drop in curated.drops]
