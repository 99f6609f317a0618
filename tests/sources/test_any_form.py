"""What programs keep as JSON can have any form: no mapping of a store fails for it."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, preset

READER = Reader(zone=UTC, up=frozenset({"1"}), down=frozenset({"-1"}), roles={"ai": "assistant"})
KEYS = (
    "action", "annotation", "args", "citations", "content", "currentId", "document", "documents", "history", "id",
    "kwargs", "messages", "metadata", "model", "name", "output", "parentId", "rating", "result", "retriever_resources",
    "role", "source", "sources", "state", "text", "timestamp", "toolInvocation", "toolName", "type",
)  # fmt: skip
WORDS = ("", "a", "q", "user", "assistant", "text", "message", "tool-x", "dynamic-tool", "tool-invocation", "result",
         "output-available", "1", "[", "{}", "2026-03-01T10:00:00Z", "\ud83d")  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS)
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)
"""What a json column can hold, mostly with the keys and words that mappings look for."""

COLUMNS: dict[str, dict[str, Any]] = {
    "dify": {"id": "t", "parent_id": None, "question": "P", "answer": "R"},
    "openwebui": {"id": "q", "parent_id": None, "role": "assistant"},
    "openwebui_legacy": {"id": "c"},
    "chainlit": {"id": "s", "type": "retrieval"},
    "chainlit_official": {"id": "s", "type": "assistant_message"},
    "vercel_chatbot": {"id": "m", "role": "assistant"},
    "flowise": {"id": "m", "role": "apiMessage"},
}
HOLDS_JSON = {
    "dify": ("metadata",),
    "openwebui": ("content", "output", "sources", "error", "done"),
    "openwebui_legacy": ("chat",),
    "chainlit": ("content", "generation"),
    "chainlit_official": ("content",),
    "vercel_chatbot": ("parts",),
    "flowise": ("context",),
}


@pytest.mark.parametrize("name", sorted(COLUMNS))
@given(value=JSON, as_text=st.booleans())
def test_no_json_makes_a_mapping_fail(name: str, value: Any, as_text: bool) -> None:
    held = json.dumps(value) if as_text else value
    row = {**COLUMNS[name], **dict.fromkeys(HOLDS_JSON[name], held)}
    messages = preset(name).messages([row], READER)
    assert all(isinstance(message, Message) for message in messages)
