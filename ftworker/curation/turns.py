"""A conversation as turns: each a question and its answer, with what was retrieved for it. Pure.

Here the stores' words for roles are understood, messages that belong together are joined, and ratings, corrections,
other answers and retrieved passages find their turn. `rules` judges what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Literal

import msgspec

from ftworker.conversations import Chunk, Conversation, Message, Sibling
from ftworker.curation.markers import spoken

Role = Literal["user", "assistant", "system", "tool"]

_WORDS: dict[Role, str] = {
    "user": "user human usuario usuaria alumno alumna estudiante usermessage",
    "assistant": "assistant ai bot asistente tutor tutora model apimessage",
    "system": "system sistema developer",
    "tool": "tool function",
}
ROLES: dict[str, Role] = {word: role for role, words in _WORDS.items() for word in words.split()}
"""The stores' words for who speaks, in lower case. Any other word drops the conversation: `unknown_role`."""


_error = attrgetter("error")


class UnknownRole(ValueError):
    """A message whose role is no known word: nobody can say who spoke."""


class Turn(msgspec.Struct):
    """A question and its answer, both trimmed. An empty question: the assistant spoke first."""

    index: int
    """Place among the conversation's answers, 0 first."""
    question: str
    answer: str
    """What may be taught: the answer, or what a person wrote in its place."""
    served: str
    """What the person read, and later turns refer to: history. The same as `answer`, except for a correction."""
    chunks: Sequence[Chunk]
    """What was retrieved, in the served order."""
    rating: int
    """-1, 0 or 1: the answer's own; the conversation's where the answer has none; 1 for a correction."""
    own_rating: int
    """-1, 0 or 1: of this answer alone."""
    model: str | None
    """Who wrote `answer`; None for a person."""
    failed: bool
    corrected: bool = False
    others: Sequence[Sibling] = ()
    """Other answers to the same question: regenerated away, or not chosen."""
    next_question: str | None = None
    rejected: str | None = None
    """Under `unit = "preference"`: the answer to which `answer` was preferred."""
    refusal: bool = False
    unsupported: bool = False


def read_turns(conversation: Conversation) -> tuple[list[Turn], str | None]:
    """The turns in order, and the last question when nobody answered it. Raises UnknownRole.

    Messages of one role in a row are one: questions are joined by a blank line, and so are answers, except
    that those that failed, hold nothing or were rated down give way to better ones, and are then other answers to the
    question. System messages are left out (the pipeline's own prompt rules), and of tools' messages everything but
    the retrieved passages.
    """
    turns: list[Turn] = []
    asked: list[Message] = []
    answered: list[Message] = []
    passages: list[tuple[Chunk, ...]] = []

    def end_turn() -> None:
        turns.append(_turn(len(turns), asked, answered, passages, conversation))
        if len(turns) > 1:
            turns[-2].next_question = turns[-1].question
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
    if answered:
        end_turn()
        return turns, None
    unanswered = _joined(asked) or None
    if turns:
        turns[-1].next_question = unanswered
    return turns, unanswered


def _turn(
    index: int,
    asked: Sequence[Message],
    answered: Sequence[Message],
    passages: Sequence[Sequence[Chunk]],
    conversation: Conversation,
) -> Turn:
    if len(answered) == 1 and not (answered[0].error or answered[0].correction):
        # Nearly every turn: a third of the time of what the others need.
        (message,) = answered
        answer = spoken(message.content.strip())
        own = _sign(message.rating or 0)
        return Turn(
            index=index,
            question=_joined(asked),
            answer=answer,
            served=answer,
            chunks=_served_order(passages) if passages else (),
            rating=own or _sign(conversation.rating or 0),
            own_rating=own,
            model=_name(message.model or conversation.model),
            failed=any(map(_error, asked)),
            others=list(message.siblings),
        )
    standing = _standing(answered)
    served = answer = spoken(_joined(standing))
    # Maps and lists and no generators, which take three times as long for the one message that most answers are.
    corrected = any(map(_correction, standing))
    wrong = list(filter(_error, standing))
    failed = bool(wrong) and not all(map(_correction, wrong))
    if corrected:
        texts = (_correction(message) or message.content for message in standing)
        answer = "\n\n".join(text for written in texts if (text := spoken(written)))
        if not served or wrong:
            served = answer
    own = _sign(sum([message.rating or 0 for message in standing]))
    return Turn(
        index=index,
        question=_joined(asked),
        answer=answer,
        served=served,
        chunks=_served_order(passages) if passages else (),
        rating=1 if corrected else own or _sign(conversation.rating or 0),
        own_rating=own,
        model=None if corrected else _name(standing[-1].model or conversation.model),
        failed=failed or any(map(_error, asked)),
        corrected=corrected,
        others=_others(answered, standing),
    )


def _others(answered: Sequence[Message], standing: Sequence[Message]) -> Sequence[Sibling]:
    beside = [sibling for message in answered for sibling in message.siblings]
    if len(standing) < len(answered):
        beside += [
            Sibling(message.content, message.rating, message.model)
            for message in answered
            if message not in standing and not message.error
        ]
    return beside


def _sign(rating: int) -> int:
    return (rating > 0) - (rating < 0)


def _role(word: str) -> Role:
    try:
        return ROLES[word.strip().casefold()]
    except KeyError:
        raise UnknownRole("a message's role is no known word") from None


def _name(model: str | None) -> str | None:
    # It goes into a text column, which NUL and lone surrogates break.
    return model if model and model.isprintable() else None


def _standing(answers: Sequence[Message]) -> Sequence[Message]:
    if len(answers) == 1:
        return answers
    return [answer for answer in answers if _stands(answer)] or answers[-1:]


def _stands(answer: Message) -> bool:
    if _correction(answer):
        return True
    return not answer.error and bool(answer.content.strip()) and (answer.rating or 0) >= 0


def _correction(answer: Message) -> str:
    return answer.correction.strip() if answer.correction else ""


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
