"""What is stored of one conversation, from its event to the datasets that hold its examples. Reads alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ftworker.store.connection import Cursor, queries


@dataclass(frozen=True)
class KnownConversation:
    """The newest known version of a conversation of one source."""

    row_id: int
    source_name: str
    version: str
    message_count: int
    deleted_at: datetime | None
    decision: str | None
    """What a person decided about this version in quarantine: released, rejected."""


@dataclass(frozen=True)
class ArrivedEvent:
    """The newest event about it."""

    source_name: str
    payload: str | None
    received_at: datetime
    processed_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class StoredExample:
    """One stored example. `content` is empty once the conversation was erased."""

    id: int
    pipeline: str
    turn: int
    content: str
    token_count: int
    tokenizer: str
    rating: int
    refusal: bool
    unsupported: bool
    corrected: bool
    withheld: str | None
    erased_at: datetime | None
    dataset_id: int | None


@dataclass(frozen=True)
class StoredDrop:
    """One stored reason. Turn -1: the whole conversation."""

    pipeline: str
    turn: int
    reason: str


@dataclass(frozen=True)
class InDataset:
    """A dataset that an example belongs to, and why it does not stand in its files where it does not."""

    example_id: int
    dataset_id: int
    sequence: int
    url: str | None
    """None until it is exported."""
    format: str
    system_prompt: str
    left_out: str | None
    of_example_id: int | None


def known_conversations(
    cursor: Cursor, conversation_id: str, source_name: str | None
) -> list[KnownConversation]:
    """The conversation in each source that has one of this id."""
    named = {"conversation_id": conversation_id, "source_name": source_name}
    return [KnownConversation(*row) for row in _rows(cursor, "conversations", named)]


def arrived_events(cursor: Cursor, conversation_id: str, source_name: str | None) -> list[ArrivedEvent]:
    """The newest event of each source."""
    named = {"conversation_id": conversation_id, "source_name": source_name}
    return [ArrivedEvent(*row) for row in _rows(cursor, "arrived", named)]


def stored_examples(cursor: Cursor, row_id: int) -> list[StoredExample]:
    """Its examples in all pipelines."""
    return [StoredExample(*row) for row in _rows(cursor, "examples", {"row_id": row_id})]


def stored_drops(cursor: Cursor, row_id: int) -> list[StoredDrop]:
    """What was left out of it in all pipelines."""
    return [StoredDrop(*row) for row in _rows(cursor, "drops", {"row_id": row_id})]


def datasets_of(cursor: Cursor, row_id: int) -> list[InDataset]:
    """The datasets of its examples: the first of each, and the newest that may hold it too."""
    return [InDataset(*row) for row in _rows(cursor, "datasets", {"row_id": row_id})]


def _rows(cursor: Cursor, name: str, named: dict[str, Any]) -> Sequence[Any]:
    cursor.execute(queries("explain.sql")[name], named)
    rows: Sequence[Any] = cursor.fetchall()
    return rows
