"""Vercel's chatbot template (vercel/ai-chatbot, "Chat SDK") and the many programs made from it. Checked against the
migrations of version 3.1.

A message is a list of parts: texts, reasoning, tool calls with what they returned, files. The texts are the message;
passages in what a tool returned are its context. An answer made anew takes the place of the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ftworker.conversations import Chunk, Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import chunks, plain_text

# The template's own tools return words too ("A document was created"), which are no passages.
_NO_RETRIEVAL = frozenset(
    {"createDocument", "editDocument", "updateDocument", "requestSuggestions", "getWeather"}
)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple(_message(row, reader) for row in rows)


def _message(row: Row, reader: Reader) -> Message:
    stored = row.get("parts")
    parts = [part for part in stored if isinstance(part, dict)] if isinstance(stored, list) else []
    # Each text part is a paragraph of its own: between two of them stands a tool call or a new step.
    texts = (plain_text(part) for part in parts)
    message = reader.message({**row, "content": "\n\n".join(text for text in texts if text.strip())})
    context = tuple(chunk for part in parts for chunk in _returned(part))
    return msgspec.structs.replace(message, context=context) if context else message


def _returned(part: dict[str, Any]) -> tuple[Chunk, ...]:
    """The passages that a tool call returned: parts `tool-NAME`, `dynamic-tool`, and of AI SDK 4 `tool-invocation`."""
    kind = part.get("type")
    if not isinstance(kind, str):
        return ()
    if kind == "tool-invocation":
        call = part.get("toolInvocation")
        call = call if isinstance(call, dict) and call.get("state") == "result" else {}
        name, output = call.get("toolName"), call.get("result")
    elif kind == "dynamic-tool" or kind.startswith("tool-"):
        name = part.get("toolName") if kind == "dynamic-tool" else kind.removeprefix("tool-")
        output = part.get("output") if part.get("state") == "output-available" else None
    else:
        return ()
    known = isinstance(name, str) and name not in _NO_RETRIEVAL
    return chunks(output) if known and isinstance(output, (list, dict)) else ()


PRESET = fixed_preset(
    "vercel_chatbot",
    TableUse("Chat", dict.fromkeys(("id", "userId"), "")),
    TableUse(
        "Message_v2",
        dict.fromkeys(("id", "chatId", "role", "parts", "createdAt"), ""),
        indexes={"chatId": "each batch of conversations is read by it"},
        times="createdAt",
    ),
    TableUse("Vote_v2", dict.fromkeys(("chatId", "messageId", "isUpvoted"), "")),
    messages=_messages,
    order=("created_at", "answers", "id"),
    cannot_tell=(
        "models: the template does not keep which one answered",
        "answers that failed or were stopped: they look like finished ones",
        "consent: a pipeline with require_consent takes nothing from here",
        "retrieved context, unless a tool returned it",
    ),
)
