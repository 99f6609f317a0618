"""Chainlit's SQLAlchemy data layer (docs.chainlit.io): threads, steps and feedbacks. `chainlit_official` is its other
layer, of the same steps in other tables.

A step is a message, or something that happened on the way to one: a retrieval, a call of a model. What was
retrieved between two questions was given to the last answer before the second. Checked with Chainlit 2.12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ftworker.conversations import Chunk, Message
from ftworker.settings import SourceSettings
from ftworker.sources.preset import Plan, Reader, Row, Table, TableUse, fixed_preset
from ftworker.sources.values import chunks, decode_json, word

ROLES = {"user_message": "user", "assistant_message": "assistant"}
CANNOT_TELL = (
    "consent: a pipeline with require_consent takes nothing from here",
    "answers that the person stopped: they look like finished ones",
)
_DROPPED = (
    "retrieved context: steps has no column autoCollapse (Chainlit's documentation forgets it), and Chainlit cannot "
    'store its retrievals; ALTER TABLE steps ADD COLUMN "autoCollapse" BOOLEAN; keeps those to come'
)


def messages_of_steps(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    """The messages among the steps of a thread; each turn's passages and model go to its last answer."""
    messages: list[Message] = []
    turn: list[Row] = []
    for row in rows:
        if row.get("type") == "user_message":
            messages += _turn(turn, reader)
            turn = []
        turn.append(row)
    return (*messages, *_turn(turn, reader))


def _turn(steps: Sequence[Row], reader: Reader) -> list[Message]:
    said = [step for step in steps if step.get("type") in ROLES]
    messages = [reader.message({**step, "role": step["type"]}) for step in said]
    if not messages or messages[-1].role != "assistant":
        return messages
    # A reranking answers with those passages of the retrievals that were served.
    context = _passages(steps, "rerank") or _passages(steps, "retrieval")
    models = [
        model for step in steps if step.get("type") == "llm" and (model := _model(step.get("generation")))
    ]
    model = models[-1] if models else None
    messages[-1] = msgspec.structs.replace(messages[-1], context=context, model=model)
    return messages


def _passages(steps: Sequence[Row], kind: str) -> tuple[Chunk, ...]:
    return tuple(
        chunk
        for step in steps
        if step.get("type") == kind and not step.get("error")
        for chunk in chunks(step.get("content"))
    )


def _model(generation: Any) -> str | None:
    if isinstance(generation, str):
        try:
            generation, _ = decode_json(generation)
        except ValueError:
            return None
    return word(generation.get("model")) if isinstance(generation, dict) else None


_COLUMNS = ("id", "threadId", "type", "output", "createdAt", "isError", "generation")
_FIXED = fixed_preset(
    "chainlit",
    TableUse("threads", dict.fromkeys(("id", "userId", "userIdentifier"), "")),
    TableUse(
        "steps",
        dict.fromkeys(_COLUMNS, ""),
        indexes={"threadId": "each batch of conversations is read by it"},
        times="createdAt",
    ),
    TableUse("feedbacks", dict.fromkeys(("forId", "threadId", "value"), "")),
    roles=ROLES,
    messages=messages_of_steps,
    order=("created_at", "answers", "id"),
    cannot_tell=CANNOT_TELL,
)


def _plan(settings: SourceSettings, tables: Mapping[str, Table]) -> Plan:
    plan = _FIXED.plan(settings, tables)
    steps = tables[settings.tables.get("steps", "steps")]
    return (
        plan if "autoCollapse" in steps.columns else replace(plan, cannot_tell=(*plan.cannot_tell, _DROPPED))
    )


PRESET = replace(_FIXED, plan=_plan)
