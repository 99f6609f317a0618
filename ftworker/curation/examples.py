"""What curation gives: examples, drops, and the message of which examples are made. Values alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

WHOLE_CONVERSATION = -1
"""The turn of a drop that concerns the conversation as a whole."""


class ExampleMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of an example, its keys in the order in which they are written."""

    role: str
    content: str
    weight: int | None = None
    """0: this answer is history and is not trained on. Absent: it is (OpenAI's own rule)."""


class Example(msgspec.Struct, frozen=True):
    """One training example. `content` is canonical JSON: a list of messages without the system prompt.

    Of `unit = "preference"` it is an object of `input`, `preferred_output` and `non_preferred_output`, each a list of
    messages; the two outputs hold one.
    """

    turn: int
    """Index of the taught answer among the conversation's answers, 0 first; of the last one where many are,
    so that everything up to it is known to be in the dataset that takes the example.
    """
    content: bytes
    content_sha256: bytes
    token_count: int
    """Without the system prompt."""
    rating: int
    """-1, 0 or 1."""
    model: str | None
    """Who wrote the taught answer; None for a person, and where nobody knows."""
    question_sha256: bytes = b""
    """Of the normalised question; a short one that follows up another is hashed with it (`identity`)."""
    pair_sha256: bytes = b""
    """Of the normalised question and answer."""
    refusal: bool = False
    """The answer only refuses, and its context does not hold the answer: its share of a dataset is limited."""
    unsupported: bool = False
    """The answer says little that stands in its retrieved context."""
    corrected: bool = False
    """A person wrote the answer."""
    tokenizer: str = "estimate"
    """By which `token_count` was counted."""


class Drop(msgspec.Struct, frozen=True):
    """Why a turn (or, at -1, the whole conversation) gives no example. `reason` is a DropReason's code."""

    turn: int
    reason: str


class Curated(msgspec.Struct, frozen=True):
    """What a conversation gives. Each new turn is in one of the two, or a drop at -1 stands for all."""

    examples: tuple[Example, ...]
    drops: tuple[Drop, ...]
    redactions: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Kind of personal data to how often a placeholder took its place, in the texts of these examples."""
