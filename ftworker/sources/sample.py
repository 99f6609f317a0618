"""What some conversations of a source show, in counts alone: for a person who looks whether it is read rightly.

Pure; never holds a text, an id or a name. `ftworker sources test` prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ftworker.conversations import Conversation


@dataclass
class Sample:
    """Counts over the conversations that were looked at."""

    conversations: int = 0
    messages: int = 0
    answers: int = 0
    """Messages whose role is `assistant`; the shares below are of these."""
    roles: Counter[str] = field(default_factory=Counter)
    rated_up: int = 0
    rated_down: int = 0
    with_context: int = 0
    passages: int = 0
    with_siblings: int = 0
    """Answers beside which another answer to the same question is kept."""
    corrected: int = 0
    """Answers that a person wrote anew."""
    timed: int = 0
    """Messages that say when they were written."""
    errors: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    debug: int = 0
    """Conversations of those who build the RAG."""
    of_known_users: int = 0
    users: int = 0
    courses: int = 0
    tenants: int = 0
    consented: int = 0
    refused: int = 0


def look_at(conversations: Iterable[Conversation]) -> Sample:
    """Count over conversations, one at a time."""
    seen = Sample()
    users, courses, tenants = set(), set(), set()
    for found in conversations:
        seen.conversations += 1
        seen.debug += found.debug
        seen.consented += found.training_consent is True
        seen.refused += found.training_consent is False
        if found.user_ref:
            seen.of_known_users += 1
            users.add(found.user_ref)
        courses.add(found.course_id)
        tenants.add(found.tenant_id)
        for message in found.messages:
            seen.messages += 1
            seen.roles[message.role or "(none)"] += 1
            seen.timed += message.created_at is not None
            if message.error:
                seen.errors["failed" if message.error is True else str(message.error)] += 1
            seen.with_context += bool(message.context)
            seen.passages += len(message.context)
            if message.role != "assistant":
                continue
            seen.answers += 1
            seen.rated_up += (message.rating or 0) > 0
            seen.rated_down += (message.rating or 0) < 0
            seen.with_siblings += bool(message.siblings)
            seen.corrected += message.correction is not None
            if message.model:
                seen.models[message.model] += 1
    seen.users, seen.courses, seen.tenants = len(users), len(courses - {None}), len(tenants - {None})
    return seen
