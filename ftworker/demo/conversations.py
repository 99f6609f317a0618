"""The packaged conversations: Spanish tutoring, primary school to university, every person invented.

One JSON object a line, each the `data` of an event `org.ftworker.conversation.closed.v1` (docs/EVENTS.md).
Never writes; `store` puts them into a chat store, `run` publishes their events.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec

SOURCE_NAME = "tutor"
"""Under this name the demonstration's configuration knows the chat store."""


def packaged_conversations() -> list[dict[str, Any]]:
    """Every conversation of the demonstration, oldest first, as the plain values of its JSON line."""
    lines = files("ftworker.demo").joinpath("conversations.jsonl").read_bytes().split(b"\n")
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return [decode(line) for line in lines if line]
