"""Flowise (flowiseai.com): chatflows, agentflows and assistants. Checked against the migrations of Flowise 3.1.

A conversation is a `chatId`. The `sessionId` can be the same for many of them, or a person's number: it is not read.
"""

from __future__ import annotations

from ftworker.sources.preset import TableUse, fixed_preset

PRESET = fixed_preset(
    "flowise",
    TableUse(
        "chat_message",
        dict.fromkeys(
            (
                "id",
                "chatId",
                "chatflowid",
                "chatType",
                "role",
                "content",
                "sourceDocuments",
                "leadEmail",
                "createdDate",
            ),
            "",
        ),
        indexes={"chatId": "each batch of conversations is read by it"},
        times="createdDate",
    ),
    TableUse(
        "chat_message_feedback",
        dict.fromkeys(("messageId", "rating"), ""),
        indexes={"messageId": "each message's rating is looked up by it"},
    ),
    roles={"userMessage": "user", "apiMessage": "assistant"},
    order=("created_at", "answers", "id"),
    cannot_tell=(
        "users, unless the flow asks for an e-mail: training and validation are then split by conversation",
        "consent: a pipeline with require_consent takes nothing from here",
        "models: a flow decides",
        "answers that failed: Flowise does not store them",
    ),
)
