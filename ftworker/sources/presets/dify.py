"""Dify (dify.ai): chat and agent apps, chatflows.

A turn points at the turn before it; an answer made anew is another turn with the same question beside the first.
The parent NULL is the conversation's beginning, the nil UUID (turns that came through the API, or before there were
parents) means the turn before in time. Checked against the models and `extract_thread_messages` of Dify 1.x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftworker.conversations import Message
from ftworker.sources.branches import chosen_branch
from ftworker.sources.preset import Reader, Row, TableUse, fixed_preset
from ftworker.sources.values import LONE_SURROGATE, decode_json

_CANNOT_TELL = (
    "answers that the person stopped: they look like finished ones",
    "consent: a pipeline with require_consent takes nothing from here",
    "the model of a chatflow: its answers come from several",
)


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    said = [message for row in rows for message in _turn(row)]
    return reader.each_row(chosen_branch(said, reader.role, nil_parent="previous"))


def _turn(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    """Question and answer of a turn, as rows of a tree: the next turn's question hangs on this one's answer."""
    answer, correction = row.get("answer"), row.get("correction")
    both = {"created_at": row.get("created_at"), LONE_SURROGATE: row.get(LONE_SURROGATE)}
    asked = {
        "id": f"{row['id']}/question",
        "parent_id": row.get("parent_id"),
        "role": "user",
        "content": row.get("question"),
        **both,
    }
    answered = {
        "id": row["id"],
        "parent_id": asked["id"],
        "role": "assistant",
        "content": answer,
        "context": _retrieved(row.get("metadata")),
        "error": row.get("error"),
        "rating": row.get("rating"),
        "model": row.get("model"),
        # Who keeps an answer as it is for later questions corrects nothing.
        "correction": correction if correction != answer else None,
        **both,
    }
    return asked, answered


def _retrieved(metadata: Any) -> Any:
    if not isinstance(metadata, str) or not metadata:
        return None
    try:
        decoded, _ = decode_json(metadata)
    except ValueError:
        return None
    return decoded.get("retriever_resources") if isinstance(decoded, dict) else None


PRESET = fixed_preset(
    "dify",
    TableUse(
        "conversations",
        dict.fromkeys(
            (
                "id",
                "app_id",
                "is_deleted",
                "invoke_from",
                "override_model_configs",
                "from_end_user_id",
                "from_account_id",
            ),
            "",
        ),
    ),
    TableUse(
        "messages",
        dict.fromkeys(
            (
                "id",
                "conversation_id",
                "parent_message_id",
                "query",
                "answer",
                "status",
                "error",
                "model_id",
                "message_metadata",
                "override_model_configs",
                "created_at",
            ),
            "",
        ),
        indexes={"conversation_id": "each batch of conversations is read by it"},
        times="created_at",
    ),
    TableUse(
        "message_feedbacks",
        dict.fromkeys(("message_id", "rating"), ""),
        indexes={"message_id": "each turn's ratings are looked up by it"},
    ),
    TableUse(
        "message_annotations",
        dict.fromkeys(("id", "message_id", "content", "updated_at"), ""),
        indexes={"message_id": "each turn's correction is looked up by it"},
    ),
    messages=_messages,
    cannot_tell=_CANNOT_TELL,
)
