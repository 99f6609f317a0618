"""What a conversation is, wherever it came from: an event's inline messages or a source's rows.

Plain frozen values, shared by events, sources and curation. Never does I/O.
The field names are those of the `conversation.closed` event (docs/EVENTS.md).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Chunk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A passage that the RAG retrieved for a turn, as it was served to the model."""

    text: str
    rank: int | None = None
    """Place in the served order, 1 first. Without ranks the order of the list holds."""
    source: str | None = None
    chunk_id: str | None = None
    score: float | None = None
    cited: bool | None = None


class Sibling(msgspec.Struct, frozen=True, omit_defaults=True):
    """Another answer that the assistant gave to the same question: regenerated away, or not chosen by the person."""

    content: str
    rating: int | None = None
    """As a message's: positive, negative, or no opinion."""
    model: str | None = None


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message. `role` is the store's own word until curation maps it to system, user, assistant or tool."""

    role: str
    content: str
    id: str | None = None
    parent_id: str | None = None
    context: tuple[Chunk, ...] = ()
    error: str | bool | None = None
    """Set when the answer failed or was cut off; such a turn is never trained on."""
    created_at: datetime | None = None
    rating: int | None = None
    """Positive for thumbs-up, negative for thumbs-down, zero or None for no opinion."""
    model: str | None = None
    correction: str | None = None
    """What a person wrote in place of this answer: the target of training, and preferred to the answer."""
    siblings: tuple[Sibling, ...] = ()
    """Other answers to the same question, of which this one stands on the chosen branch."""


class Conversation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A closed conversation, messages in order along its chosen branch."""

    source_name: str
    conversation_id: str
    messages: tuple[Message, ...]
    tenant_id: str | None = None
    course_id: str | None = None
    user_ref: str | None = None
    """A pseudonym. Hashed before it is stored; it groups the split so that no user is on both sides."""
    locale: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    rating: int | None = None
    training_consent: bool | None = None
    """False: never trained on. None: the store cannot tell, the pipeline's `require_consent` decides."""
    debug: bool = False
    """Made by those who build the RAG, trying it out; never trained on."""
    closed_at: datetime | None = None
    last_message_at: datetime | None = None


_encoder = msgspec.json.Encoder(order="deterministic")


def canonical_json(value: Any) -> bytes:
    """The same value gives the same bytes, on every machine: UTF-8, no spaces, keys in declared or sorted order."""
    return _encoder.encode(value)
