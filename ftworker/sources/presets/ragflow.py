"""RAGFlow with its PostgreSQL option (its default is MySQL, which is not read): a row is a whole conversation.

The n-th answer's passages are the n-th element of `reference`; markers such as `[ID:0]` or `##0$$` in an answer
count into them from 0. The prologue that stands before the first question is shown and never sent to the model,
and is left out here too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ftworker.conversations import Chunk, Message
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE, UNREADABLE, decode_json

_MARKER = re.compile(r"\[ID:\s?(\d{1,4})\]|##(\d{1,4})\$\$")
_FAILED = "**ERROR**"

_CONVERSATION = dict.fromkeys(
    ("id", "dialog_id", "user_id", "message", "reference", "create_time", "update_time"), ""
)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    (row, *_) = rows
    said, broken = _list(row.get("message"))
    if said is None:
        return (Message("", "", error=UNREADABLE),)
    asked = next((place for place, one in enumerate(said) if one.get("role") == "user"), len(said))
    said = said[asked:]
    references, _ = _list(row.get("reference"))
    passages = _aligned(
        references or [], [place for place, one in enumerate(said) if one.get("role") == "assistant"]
    )
    lone = broken or row.get(LONE_SURROGATE, False)
    return tuple(
        [
            _message({**one, LONE_SURROGATE: lone}, passages.get(place), reader)
            for place, one in enumerate(said)
        ]
    )


def _list(text: Any) -> tuple[list[dict[str, Any]] | None, bool]:
    """The objects of a JSON list in a text; None for what is no such list. And whether it had to be mended."""
    try:
        value, broken = decode_json(text) if isinstance(text, str) else (text, False)
    except ValueError:
        return None, False
    if not isinstance(value, list):
        return None, False
    return [one if isinstance(one, dict) else {} for one in value], broken


def _aligned(references: Sequence[Mapping[str, Any]], answers: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """An answer's place to its reference. RAGFlow drops empty references when it adds one, so where the counts
    differ only the last is known to belong to the last."""
    if len(references) == len(answers):
        return dict(zip(answers, references, strict=True))
    return {answers[-1]: references[-1]} if references and answers else {}


def _message(said: Row, reference: Mapping[str, Any] | None, reader: Reader) -> Message:
    text = said.get("content")
    message = reader.message(
        {
            "id": said.get("id"),
            "role": said.get("role"),
            "content": text,
            "created_at": said.get("created_at"),
            "rating": said.get("thumbup"),
            "error": isinstance(text, str) and text.lstrip().startswith(_FAILED),
            LONE_SURROGATE: said.get(LONE_SURROGATE),
        }
    )
    found = reference.get("chunks") if reference else None
    if not isinstance(found, list):
        return message
    cited = {int(one or other) for one, other in _MARKER.findall(message.content)}
    chunks = [chunk for place, one in enumerate(found) if (chunk := _chunk(one, place, cited)) is not None]
    return msgspec.structs.replace(message, context=tuple(chunks))


def _chunk(found: Any, place: int, cited: set[int]) -> Chunk | None:
    """A passage, in the names of the API or in those of the index, which older versions stored."""
    if not isinstance(found, dict):
        return None
    text = found.get("content") or found.get("content_with_weight")
    if not isinstance(text, str) or not text.strip():
        return None
    score = found.get("similarity")
    return Chunk(
        text,
        rank=place + 1,
        source=found.get("document_name") or found.get("docnm_kwd"),
        chunk_id=found.get("id") or found.get("chunk_id"),
        score=float(score) if isinstance(score, int | float) and not isinstance(score, bool) else None,
        cited=place in cited,
    )


PRESET = fixed_preset(
    "ragflow",
    TableUse("conversation", _CONVERSATION, times="update_time"),
    TableUse("api_4_conversation", _CONVERSATION, times="update_time"),
    TableUse("dialog", dict.fromkeys(("id", "tenant_id", "llm_id"), "")),
    messages=_messages,
    order=("key",),
    cannot_tell=(
        "trials: what builders ask in RAGFlow's own pages stands among the rest",
        "other answers to the same question: making one anew replaces the one before",
        "passages of earlier answers where RAGFlow dropped an empty reference: only the last answer keeps its own",
        "the time of a question in older versions",
        "consent: a pipeline with require_consent takes nothing from here",
    ),
)
