"""Google ADK's DatabaseSessionService: `sessions` and `events`, with an event in `event_data` or, in versions before
1.22, in columns.

An answer taken back by a rewind is a sibling of the one that the same question got afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftworker.conversations import Message
from ftworker.sources.branches import chosen_branch
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE

_CUT_OFF = frozenset(
    {"MAX_TOKENS", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "OTHER"}
)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    """Events as the tree that rewinds make of them: what follows one hangs where the taken-back part began."""
    said: list[dict[str, Any]] = []
    before: dict[str, str | None] = {}  # invocation to the event that it followed
    newest: str | None = None
    for row in rows:
        event = row.get("event")
        event = event if isinstance(event, dict) else {}
        before.setdefault(str(row.get("invocation_id")), newest)
        actions = event.get("actions")
        back = actions.get("rewind_before_invocation_id") if isinstance(actions, dict) else None
        if isinstance(back, str) and back in before:
            newest = before[back]
            continue
        found = _said(event)
        if found is not None and not event.get("partial"):
            identity = str(row.get("id"))
            at = {"id": identity, "parent_id": newest, "created_at": event.get("timestamp") or row.get("at")}
            said.append({**found, **at, LONE_SURROGATE: row.get(LONE_SURROGATE)})
            newest = identity
    # Where everything was taken back, nothing was said.
    return reader.each_row(chosen_branch(said, reader.role, current=newest)) if newest else ()


def _said(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an event says, as a row; None for one that only changes state or calls a tool."""
    content = event.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    # A thought is the model's own; nobody was told it.
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str) and not part.get("thought")]
    failed = (
        bool(event.get("error_code") or event.get("interrupted")) or event.get("finish_reason") in _CUT_OFF
    )
    if not texts and not failed:
        return None
    is_user = event.get("author") == "user"
    return {
        "role": "user" if is_user else "assistant",
        # A model's parts are pieces of one text; a person's are texts of their own.
        "content": ("\n" if is_user else "").join(texts),
        "context": _grounding(event.get("grounding_metadata")),
        "error": failed or None,
        "model": event.get("model_version"),
    }


def _grounding(metadata: Any) -> list[Any]:
    """The passages that the model was given; pages of the web come without their text."""
    found = metadata.get("grounding_chunks") if isinstance(metadata, dict) else None
    chunks = [chunk.get("retrieved_context") for chunk in found or () if isinstance(chunk, dict)]
    return [chunk for chunk in chunks if isinstance(chunk, dict)]


PRESET = fixed_preset(
    "google_adk",
    TableUse(
        "sessions", dict.fromkeys(("app_name", "user_id", "id", "update_time"), ""), times="update_time"
    ),
    TableUse(
        "events", dict.fromkeys(("id", "app_name", "user_id", "session_id", "invocation_id", "timestamp"), "")
    ),
    messages=_messages,
    order=("at", "id"),
    cannot_tell=(
        "ratings: bad answers cannot be told from good ones",
        "consent: a pipeline with require_consent takes nothing from here",
        "retrieved context: only what grounding names with its text is known",
        "instructions: the agent's are not stored; write them into the pipeline's system prompt",
        "in schema 0 (before ADK 1.22): models, cut-off answers, and answers that a rewind took back",
    ),
)
