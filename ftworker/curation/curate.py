"""A conversation in, training examples and drop reasons out. Pure: no I/O, nothing kept between calls.

Judges each turn (a question and its answer), then writes the good ones as examples: the messages of the chat
format without the system prompt, which belongs to the pipeline and is added at export. docs/DATASETS.md has
every rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from ftworker.conversations import Conversation, canonical_json
from ftworker.curation.personal_data import holds_personal_data
from ftworker.curation.reasons import DropReason
from ftworker.curation.refusals import is_refusal
from ftworker.curation.screening import flaw
from ftworker.curation.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from ftworker.curation.turns import Turn, UnknownRole, read_turns
from ftworker.settings import CurationSettings

WHOLE_CONVERSATION = -1
"""The turn of a drop that concerns the conversation as a whole."""

_SHORTEST_REPEATABLE = 8
"""Normalised questions below this many characters ("sí", "vale") repeat without meaning anything."""
# Asking for more in the same words is a wish, not a complaint.
_ASKS_FOR_MORE = re.compile(
    r"(?:y |i |and )?(?:dame |ponme |pon |hazme |quiero |dona'm |posa'm |give me )?"
    r"(?:otr[oa]s?|m[aá]s|sigue|contin[uú]a|siguiente|un altre|una altra|m[eé]s|seg[uü]ent|"
    r"another|more|next|continue|go on)\b"
)
_AROUND_A_QUESTION = " \t\n¿?¡!.,;:…\"'«»"


class ExampleMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of an example, its keys in the order in which they are written."""

    role: str
    content: str
    weight: int | None = None
    """0: this answer is history and is not trained on. Absent: it is (OpenAI's own rule)."""


@dataclass(frozen=True)
class Example:
    """One training example. `content` is canonical JSON: a list of messages without the system prompt."""

    turn: int
    """Index of the taught answer among the conversation's answers, 0 first; of the last one where many are,
    so that everything up to it is known to be in the dataset that takes the example.
    """
    content: bytes
    content_sha256: bytes
    token_count: int
    """Estimated, without the system prompt."""
    rating: int
    """-1, 0 or 1."""
    model: str | None


@dataclass(frozen=True)
class Drop:
    """Why a turn (or, at -1, the whole conversation) gives no example. `reason` is a DropReason's code."""

    turn: int
    reason: str


@dataclass(frozen=True)
class Curated:
    """What a conversation gives. Each new turn is in one of the two, or a drop at -1 stands for all."""

    examples: tuple[Example, ...]
    drops: tuple[Drop, ...]


@dataclass(frozen=True, slots=True)
class _Lesson:
    """A turn that is worth teaching, and the prompt under which its answer was given."""

    turn: Turn
    prompt: str


def curate(
    conversation: Conversation,
    settings: CurationSettings,
    *,
    closed_reason: str | None = None,
    after_turn: int = -1,
) -> Curated:
    """Turn one closed conversation into examples and drops. Same input, same bytes.

    `closed_reason` is the event's (`deleted` drops everything). Turns up to `after_turn` are in a dataset
    already (a reopened conversation): they serve as history alone and give neither example nor drop.
    """
    reason = _whole_conversation_reason(conversation, settings, closed_reason)
    if reason is not None:
        return _nothing(reason)
    try:
        turns, unanswered = read_turns(conversation, with_context=settings.context == "as_served")
    except UnknownRole:
        return _nothing(DropReason.UNKNOWN_ROLE)
    if unanswered is None and not any(turn.question or turn.answer for turn in turns):
        return _nothing(DropReason.EMPTY_CONVERSATION)
    if unanswered is None and not any(turn.question for turn in turns):
        return _nothing(DropReason.NO_USER_MESSAGE)

    good: list[_Lesson] = []
    history: list[Turn] = []
    drops: list[Drop] = []
    examples: list[Example] = []
    by_turn = settings.unit == "turn"
    for turn in turns:
        unusable = _unusable(turn, settings)
        if turn.index > after_turn:
            following = turns[turn.index + 1].question if turn.index + 1 < len(turns) else unanswered
            judged = unusable or _lesson(turn, following, settings)
            if isinstance(judged, _Lesson) and by_turn:
                taught = _turn_example(judged, history, settings)
                if isinstance(taught, Example):
                    examples.append(taught)
                else:
                    judged = taught
            if isinstance(judged, _Lesson):
                good.append(judged)
            else:
                drops.append(Drop(turn.index, judged.value))
        if unusable is None:
            history.append(turn)
    if not by_turn and good:
        whole = _conversation_example(good, history, settings)
        if isinstance(whole, Example):
            examples.append(whole)
        else:
            drops.extend(Drop(lesson.turn.index, whole.value) for lesson in good)
            drops.sort(key=lambda drop: drop.turn)
    if unanswered is not None and len(turns) > after_turn:
        drops.append(Drop(len(turns), DropReason.NOT_ENDED_BY_ASSISTANT.value))
    return Curated(tuple(examples), tuple(drops))


def _nothing(reason: DropReason) -> Curated:
    return Curated((), (Drop(WHOLE_CONVERSATION, reason.value),))


def _whole_conversation_reason(
    conversation: Conversation, settings: CurationSettings, closed_reason: str | None
) -> DropReason | None:
    if closed_reason == "deleted":
        return DropReason.DELETED
    consent = conversation.training_consent
    if consent is False or (consent is None and settings.require_consent):
        return DropReason.NO_CONSENT
    if settings.reasons_closed and closed_reason not in settings.reasons_closed:
        return DropReason.REASON_NOT_SELECTED
    if not conversation.messages:
        return DropReason.EMPTY_CONVERSATION
    if len(conversation.messages) > settings.max_messages:
        return DropReason.TOO_MANY_MESSAGES
    return None


def _unusable(turn: Turn, settings: CurationSettings) -> DropReason | None:
    """Why the turn can stand nowhere, not even in the history of later ones."""
    if not turn.question:
        return DropReason.NO_USER_MESSAGE
    if turn.failed:
        return DropReason.ERROR_ANSWER
    if not turn.answer:
        return DropReason.EMPTY_ANSWER
    return _flaw(turn.question, settings) or _flaw(turn.answer, settings)


def _flaw(text: str, settings: CurationSettings) -> DropReason | None:
    found = flaw(text)
    if found is None and settings.personal_data != "keep" and holds_personal_data(text):
        return DropReason.PERSONAL_DATA
    return found


def _lesson(turn: Turn, following: str | None, settings: CurationSettings) -> _Lesson | DropReason:
    """The turn with its prompt; or why it is no lesson, though later turns may refer to it."""
    if turn.rating < 0 and settings.drop_thumbs_down:
        return DropReason.THUMBS_DOWN
    if turn.rating <= 0:
        if following is not None and _asks_again(turn.question, following):
            return DropReason.REPEATED_QUESTION
        if is_refusal(turn.answer):
            return DropReason.REFUSAL
        if len(turn.answer) < settings.min_answer_characters:
            return DropReason.TOO_SHORT
    if len(turn.answer) > settings.max_answer_characters:
        return DropReason.TOO_LONG
    if not turn.chunks:
        return _Lesson(turn, turn.question)
    prompt = _served_prompt(turn, settings)
    return _flaw(prompt, settings) or _Lesson(turn, prompt)


def _asks_again(question: str, following: str) -> bool:
    # Equal words have nearly equal lengths: this spares the rest for nearly every pair.
    if abs(len(question) - len(following)) > 20:
        return False
    words = question.casefold().strip(_AROUND_A_QUESTION)
    return (
        len(words) >= _SHORTEST_REPEATABLE
        and words.split() == following.casefold().strip(_AROUND_A_QUESTION).split()
        and not _ASKS_FOR_MORE.match(words)
    )


def _turn_example(
    lesson: _Lesson, history: Sequence[Turn], settings: CurationSettings
) -> Example | DropReason:
    """The turn behind as much history as the limits allow. Only one that is too long by itself is dropped."""
    turn = lesson.turn
    taught, tokens = _taught(lesson)
    if tokens > settings.max_tokens:
        return DropReason.TOO_MANY_TOKENS
    parts = [taught]
    for earlier in _latest(history, settings):
        pair, pair_tokens = _as_history(earlier)
        if tokens + pair_tokens > settings.max_tokens:
            break
        tokens += pair_tokens
        parts.append(pair)
    return _example(turn.index, parts[::-1], tokens, turn.rating, turn.model)


def _conversation_example(
    good: Sequence[_Lesson], history: Sequence[Turn], settings: CurationSettings
) -> Example | DropReason:
    """Every usable turn in order; what is not taught stands bare at weight 0."""
    first = good[0].turn
    lessons = {lesson.turn.index: lesson for lesson in good}
    before = [turn for turn in history if turn.index < first.index]
    after = [turn for turn in history if turn.index >= first.index]
    parts: list[bytes] = []
    tokens = 0
    for turn in [*reversed(_latest(before, settings)), *after]:
        lesson = lessons.get(turn.index)
        pair, pair_tokens = _taught(lesson) if lesson else _as_history(turn)
        parts.append(pair)
        tokens += pair_tokens
    if tokens > settings.max_tokens:
        return DropReason.TOO_MANY_TOKENS
    rating = sum(lesson.turn.rating for lesson in good)
    last = good[-1].turn
    return _example(last.index, parts, tokens, (rating > 0) - (rating < 0), last.model)


def _latest(history: Sequence[Turn], settings: CurationSettings) -> Sequence[Turn]:
    """The newest turns that the history limit allows, newest first. A history begins with a question."""
    pairs = settings.max_history_messages // 2
    return history[: -pairs - 1 : -1] if pairs else ()


def _example(turn: int, parts: Sequence[bytes], tokens: int, rating: int, model: str | None) -> Example:
    content = b"[" + b",".join(parts) + b"]"
    return Example(turn, content, hashlib.sha256(content).digest(), tokens, rating, model)


def _taught(lesson: _Lesson) -> tuple[bytes, int]:
    """The pair as it is taught, and its tokens."""
    turn = lesson.turn
    return _encode_pair(lesson.prompt, turn.answer) if turn.chunks else _bare(turn)


def _as_history(turn: Turn) -> tuple[bytes, int]:
    """The bare pair with its answer at weight 0, and its tokens."""
    pair, tokens = _bare(turn)
    return pair[:-1] + b',"weight":0}', tokens


def _bare(turn: Turn) -> tuple[bytes, int]:
    """The pair without context. Encoded once, for the turn itself and as the history of all later ones."""
    if turn.bare_form is None:
        turn.bare_form = _encode_pair(turn.question, turn.answer)
    return turn.bare_form


def _encode_pair(prompt: str, answer: str) -> tuple[bytes, int]:
    """The two messages as they stand inside the list of an example, and their tokens."""
    pair = canonical_json((ExampleMessage("user", prompt), ExampleMessage("assistant", answer)))
    return pair[1:-1], estimate_tokens(prompt) + estimate_tokens(answer) + 2 * TOKENS_PER_MESSAGE


def _served_prompt(turn: Turn, settings: CurationSettings) -> str:
    """The question as it was served: inside the context template, under the chunks retrieved for it."""
    chunk_text = _template(settings.chunk_template, ("rank", "text", "source", "chunk_id"))
    ranks = [chunk.rank for chunk in turn.chunks]
    # Ranks of several retrievals repeat; then, and where there are none, the place in the list counts.
    ranked = None not in ranks and len(set(ranks)) == len(ranks)
    context = settings.chunk_separator.join(
        chunk_text(
            {
                "rank": str(chunk.rank if ranked else place),
                "text": chunk.text,
                "source": chunk.source or "",
                "chunk_id": chunk.chunk_id or "",
            }
        )
        for place, chunk in enumerate(turn.chunks, start=1)
    )
    return _template(settings.context_template, ("context", "question"))(
        {"context": context, "question": turn.question}
    )


@lru_cache(maxsize=64)
def _template(template: str, names: tuple[str, ...]) -> Callable[[dict[str, str]], str]:
    """Fills `{name}` for these names alone. Other braces are text; what was filled in is not read again."""
    parts = re.split(r"\{(" + "|".join(names) + r")\}", template)

    def fill(values: dict[str, str]) -> str:
        return "".join(values[part] if place % 2 else part for place, part in enumerate(parts))

    return fill
