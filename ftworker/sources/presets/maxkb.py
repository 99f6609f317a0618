"""MaxKB 2: `application_chat` and `application_chat_record`, a row of which is a question with its answer.

The passages are in `details`, by step (simple applications) or by node (workflows); where a reranker chose among
them, its choice is what the model read. The application is the course, its workspace the tenant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ftworker.conversations import Chunk, Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE

MAX_ANSWER_CHARACTERS = 40_960
"""MaxKB cuts off what is longer."""

_FAILED_ANSWER = "Exception:"
_FAILED_STATUS = 500

_CHAT = ("id", "application_id", "chat_user_id", "chat_user_type", "is_deleted")
_RECORD = (
    "id", "chat_id", "index", "problem_text", "answer_text", "vote_status", "details", "improve_paragraph_id_list",
    "create_time", "update_time",
)  # fmt: skip


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple([message for row in rows for message in _turn(row, reader)])


def _turn(row: Row, reader: Reader) -> tuple[Message, Message]:
    """A question and its answer. Passages, rating and correction belong to the answer."""
    details = row.get("details")
    steps = [step for step in details.values() if isinstance(step, dict)] if isinstance(details, dict) else []
    text = row.get("answer") or ""
    failed = (
        text.startswith(_FAILED_ANSWER)
        or len(text) >= MAX_ANSWER_CHARACTERS
        or any(step.get("status") == _FAILED_STATUS for step in steps)
    )
    answer = reader.message({**row, "role": "assistant", "content": text, "error": failed})
    question = reader.message(
        {"role": "user", "content": row.get("question"), LONE_SURROGATE: row.get(LONE_SURROGATE)}
    )
    return (
        msgspec.structs.replace(question, created_at=answer.created_at),
        msgspec.structs.replace(answer, context=tuple(_chunks(details, steps))),
    )


def _chunks(details: Any, steps: Sequence[Mapping[str, Any]]) -> Iterator[Chunk]:
    chosen = [
        result.get("metadata")
        for step in steps
        if step.get("type") == "reranker-node"
        for result in _objects(step.get("result_list"))
    ]
    simple = details.get("search_step") if isinstance(details, dict) else None
    searched = [
        paragraph
        for step in steps
        if step is simple or step.get("type") in ("search-knowledge-node", "search-dataset-node")
        for paragraph in _objects(step.get("paragraph_list"))
    ]
    seen = set()
    for paragraph in _objects(chosen) or searched:
        text, identity = paragraph.get("content"), paragraph.get("id")
        if not isinstance(text, str) or not text.strip() or (identity is not None and identity in seen):
            continue
        seen.add(identity)
        score = paragraph.get("similarity")
        yield Chunk(
            text,
            rank=len(seen),
            source=paragraph.get("document_name") or paragraph.get("title") or None,
            chunk_id=identity if isinstance(identity, str) else None,
            score=float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None,
        )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


PRESET = fixed_preset(
    "maxkb",
    TableUse("application_chat", dict.fromkeys(_CHAT, "")),
    TableUse(
        "application_chat_record",
        dict.fromkeys(_RECORD, ""),
        indexes={"chat_id": "each batch of conversations is read by it"},
        times="update_time",
    ),
    TableUse("application", dict.fromkeys(("id", "workspace_id"), "")),
    TableUse("paragraph", dict.fromkeys(("id", "content", "create_time"), "")),
    messages=_messages,
    order=("created_at", "number", "id"),
    cannot_tell=(
        "users: behind an API key there may be many; their conversations carry no user",
        "other answers to the same question: one made anew is stored as the same question asked again",
        "the model: an application's model can change and its answers do not name it",
        "consent: a pipeline with require_consent takes nothing from here",
    ),
)
