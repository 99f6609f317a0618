"""A conversation as turns: each a question and its answer, with what was retrieved for it. Pure.

Here the stores' words for roles are understood, messages that belong together are joined, and ratings and
retrieved passages find their turn. `curate` judges what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ftworker.conversations import Chunk, Conversation, Message
from ftworker.curation.screening import spoken, without_citations

Role = Literal["user", "assistant", "system", "tool"]

_WORDS: dict[Role, str] = {
    "user": "user human usuario usuaria alumno alumna estudiante usermessage",
    "assistant": "assistant ai bot asistente tutor tutora model apimessage",
    "system": "system sistema developer",
    "tool": "tool function",
}
ROLES: dict[str, Role] = {word: role for role, words in _WORDS.items() for word in words.split()}
"""The stores' words for who speaks, in lower case. Any other word drops the conversation: `unknown_role`."""


class UnknownRole(ValueError):
    """A message whose role is no known word: nobody can say who spoke."""


@dataclass(slots=True)
class Turn:
    """A question and its answer, both trimmed. An empty question: the assistant spoke first."""

    index: int
    """Place among the conversation's answers, 0 first."""
    question: str
    answer: str
    chunks: Sequence[Chunk]
    """What was retrieved, in the served order; empty where the prompt shall not hold it."""
    rating: int
    """-1, 0 or 1: the answer's own rating; the conversation's where the answer has none."""
    model: str | None
    failed: bool
    bare_form: tuple[bytes, int] | None = field(default=None, repr=False)
    """Filled by `curate`: the pair as JSON without context, and its tokens."""


def read_turns(conversation: Conversation, *, with_context: bool) -> tuple[list[Turn], str | None]:
    """The turns in order, and the last question when nobody answered it. Raises UnknownRole.

    Messages of one role in a row are one: questions are joined by a blank line, and so are answers, except
    that those that failed, hold nothing or were rated down give way to better ones. System messages are left
    out (the pipeline's own prompt rules), and of tools' messages everything but the retrieved passages.
    """
    turns: list[Turn] = []
    asked: list[Message] = []
    answered: list[Message] = []
    passages: list[tuple[Chunk, ...]] = []

    def end_turn() -> None:
        standing = _standing(answered)
        answer = spoken(_joined(standing))
        chunks = _served_order(passages) if passages else []
        if chunks and not with_context:
            answer, chunks = without_citations(answer, len(chunks)), []
        rating = sum(message.rating or 0 for message in standing) or conversation.rating or 0
        turns.append(
            Turn(
                index=len(turns),
                question=_joined(asked),
                answer=answer,
                chunks=chunks,
                rating=(rating > 0) - (rating < 0),
                model=_name(standing[-1].model or conversation.model),
                failed=any(message.error for message in (*asked, *standing)),
            )
        )
        asked.clear()
        answered.clear()
        passages.clear()

    for message in conversation.messages:
        role = ROLES.get(message.role) or _role(message.role)
        if role == "user":
            if answered:
                end_turn()
            asked.append(message)
        elif role == "assistant":
            answered.append(message)
        if message.context and role != "system":
            passages.append(message.context)
    unanswered = (_joined(asked) or None) if not answered else None
    if answered:
        end_turn()
    return turns, unanswered


def _role(word: str) -> Role:
    try:
        return ROLES[word.strip().casefold()]
    except KeyError:
        raise UnknownRole("a message's role is no known word") from None


def _name(model: str | None) -> str | None:
    # It goes into a text column, which NUL and lone surrogates break.
    return model if model and model.isprintable() else None


def _standing(answers: list[Message]) -> list[Message]:
    if len(answers) == 1:
        return answers
    return [answer for answer in answers if _stands(answer)] or answers[-1:]


def _stands(answer: Message) -> bool:
    return not answer.error and bool(answer.content.strip()) and (answer.rating or 0) >= 0


def _joined(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content.strip()
    return "\n\n".join(text for message in messages if (text := message.content.strip()))


def _served_order(passages: Sequence[Sequence[Chunk]]) -> list[Chunk]:
    """By rank where every chunk of a message has one, else as listed. A passage given twice counts once."""
    ordered: dict[str, Chunk] = {}
    for chunks in passages:
        ranked = all(chunk.rank is not None for chunk in chunks)
        for chunk in sorted(chunks, key=lambda chunk: chunk.rank or 0) if ranked else chunks:
            if chunk.text.strip():
                ordered.setdefault(chunk.text, chunk)
    return list(ordered.values())
