"""The rules that a conversation and its turns are judged by, in their order. Pure.

A rule looks at one thing and gives a Verdict: a reason to drop, a flag, or nothing, with what it measured and against
what, so that `--explain` can show it. The first reason counts. docs/DATASETS.md has a row for each reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import msgspec

from ftworker.conversations import Conversation
from ftworker.curation.language import Spoken, foreign_language
from ftworker.curation.reasons import DropReason
from ftworker.curation.refusals import is_refusal
from ftworker.curation.repetition import most_signs, repetition, sign_share, surely_prose
from ftworker.curation.screening import flaw
from ftworker.curation.support import support
from ftworker.curation.turns import Turn
from ftworker.settings import CurationSettings

_SHORTEST_REPEATABLE = 8
"""Normalised questions below this many characters ("sí", "vale") repeat without meaning anything."""
# Asking for more in the same words is a wish, not a complaint.
_ASKS_FOR_MORE = re.compile(
    r"(?:y |i |and )?(?:dame |ponme |pon |hazme |quiero |dona'm |posa'm |give me )?"
    r"(?:otr[oa]s?|m[aá]s|sigue|contin[uú]a|siguiente|un altre|una altra|m[eé]s|seg[uü]ent|"
    r"another|more|next|continue|go on)\b"
)
_AROUND_A_QUESTION = " \t\n¿?¡!.,;:…\"'«»"

Flag = Literal["refusal", "unsupported"]


class Verdict(msgspec.Struct, frozen=True):
    """What a rule found. Without reason and flag the turn passes."""

    reason: DropReason | None = None
    flag: Flag | None = None
    value: object = ""
    """What was measured; None where nobody can tell."""
    limit: str = ""
    """The setting against which it was measured, or words where it is no setting's value."""


PASSES = Verdict()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and the name under which it is shown: the code of its reason, or of the first of several."""

    name: str
    judge: Callable[[Turn, CurationSettings], Verdict]


def whole_conversation(
    conversation: Conversation, settings: CurationSettings, closed_reason: str | None
) -> DropReason | None:
    """Why nothing of the conversation may be used, before its turns are looked at."""
    if closed_reason == "deleted":
        return DropReason.DELETED
    if conversation.debug:
        return DropReason.DEBUG
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


def _dropped_if(condition: bool, reason: DropReason, value: object = "", limit: str = "") -> Verdict:
    return Verdict(reason if condition else None, None, value, limit)


def _question(turn: Turn, settings: CurationSettings) -> Verdict:  # noqa: ARG001 - a rule's signature
    return _dropped_if(not turn.question, DropReason.NO_USER_MESSAGE, len(turn.question))


def _failed(turn: Turn, settings: CurationSettings) -> Verdict:  # noqa: ARG001
    return _dropped_if(turn.failed, DropReason.ERROR_ANSWER, turn.failed)


def _empty(turn: Turn, settings: CurationSettings) -> Verdict:  # noqa: ARG001
    return _dropped_if(not turn.answer, DropReason.EMPTY_ANSWER, len(turn.answer))


def _flawed(turn: Turn, settings: CurationSettings) -> Verdict:  # noqa: ARG001
    found = flaw(turn.question) or flaw(turn.answer)
    if found is None and turn.served is not turn.answer:
        found = flaw(turn.served)
    return Verdict(found) if found else PASSES


def unflawed(turns: Sequence[Turn]) -> bool:
    """Whether no text of these turns has a flaw: one look at all of them."""
    # A line end between two texts is no flaw, and stands in no control token.
    return flaw("\n".join([text for turn in turns for text in _texts(turn)])) is None


def _texts(turn: Turn) -> tuple[str, ...]:
    if turn.served is turn.answer:
        return turn.question, turn.answer
    return turn.question, turn.answer, turn.served


USABLE = (
    Rule("no_user_message", _question),
    Rule("error_answer", _failed),
    Rule("empty_answer", _empty),
    Rule("flaws", _flawed),
)
"""Which turns can stand anywhere at all; the others are not even history of later ones."""


def of_use(turn: Turn, *, clean: bool) -> Sequence[Rule]:
    """Those of USABLE to ask: none where all would say that the turn passes. `clean`: its texts are `unflawed`.

    For whoever shows no steps: verdicts cost more than what nearly every turn needs to pass.
    """
    return () if clean and turn.question and turn.answer and not turn.failed else USABLE


def _thumbs_down(turn: Turn, settings: CurationSettings) -> Verdict:
    broken = turn.rating < 0 and settings.drop_thumbs_down
    return _dropped_if(broken, DropReason.THUMBS_DOWN, turn.rating, "drop_thumbs_down")


def _short(turn: Turn, settings: CurationSettings) -> Verdict:
    length = len(turn.answer)
    broken = length < settings.min_answer_characters and turn.rating <= 0
    return _dropped_if(broken, DropReason.TOO_SHORT, length, "min_answer_characters")


def _long(turn: Turn, settings: CurationSettings) -> Verdict:
    length = max(len(turn.answer), len(turn.rejected or ""))
    broken = length > settings.max_answer_characters
    return _dropped_if(broken, DropReason.TOO_LONG, length, "max_answer_characters")


def _flawed_context(turn: Turn, settings: CurationSettings) -> Verdict:
    if settings.context != "none":
        for chunk in turn.chunks:
            if found := flaw(chunk.text) or flaw(chunk.source or "") or flaw(chunk.chunk_id or ""):
                return Verdict(found)
    # Of a pair either may be a sibling, which nobody has looked at.
    found = flaw(turn.answer) or flaw(turn.rejected) if turn.rejected else None
    return Verdict(found) if found else PASSES


def _refuses(turn: Turn, settings: CurationSettings) -> Verdict:
    if not is_refusal(turn.answer, settings.refusal_texts):
        return PASSES
    if turn.rating > 0:
        return Verdict(flag="refusal", value="rated up")
    if settings.context == "none":
        # The prompt will not show what was lacking: the model would learn to refuse the question itself.
        return Verdict(DropReason.REFUSAL, value="refuses", limit='context = "none"')
    held = support(turn.question, [chunk.text for chunk in turn.chunks]) if turn.chunks else None
    if held is not None and held >= settings.refusal_overlap:
        return Verdict(DropReason.REFUSAL, value=held, limit="refusal_overlap")
    return Verdict(flag="refusal", value=held, limit="refusal_overlap")


def _asked_again(turn: Turn, settings: CurationSettings) -> Verdict:  # noqa: ARG001
    broken = _is_asked_again(turn)
    return _dropped_if(broken, DropReason.REPEATED_QUESTION, broken)


def _is_asked_again(turn: Turn) -> bool:
    following = turn.next_question
    return turn.rating <= 0 and following is not None and _same_question(turn.question, following)


def _same_question(question: str, following: str) -> bool:
    # Equal words have nearly equal lengths: this spares the rest for nearly every pair.
    if abs(len(question) - len(following)) > 20:
        return False
    words = question.casefold().strip(_AROUND_A_QUESTION)
    return (
        len(words) >= _SHORTEST_REPEATABLE
        and words.split() == following.casefold().strip(_AROUND_A_QUESTION).split()
        and not _ASKS_FOR_MORE.match(words)
    )


def _language(turn: Turn, settings: CurationSettings) -> Verdict:
    if not settings.languages:
        return PASSES
    foreign = _foreign(turn.answer, settings)
    if foreign is None:
        return Verdict(limit="languages")
    value = f"{foreign.language}, {foreign.lead} words ahead"
    return Verdict(DropReason.WRONG_LANGUAGE, value=value, limit="languages")


def _foreign(answer: str, settings: CurationSettings) -> Spoken | None:
    if not settings.languages:
        return None
    return foreign_language(answer, settings.languages, settings.min_language_words)


def _repeats(turn: Turn, settings: CurationSettings) -> Verdict:
    measure = repetition(turn.answer, settings)
    if measure is None:
        return Verdict(value="too short to tell")
    limit = _share_and_limit(measure.name, measure.most)
    return _dropped_if(measure.exceeded, DropReason.REPETITIVE, measure.value, limit)


@cache
def _share_and_limit(name: str, most: float) -> str:
    # A number takes long to write, this one for every answer, and is shown to those alone who ask to explain.
    return f"{name} {most:.3g}"


def _signs(turn: Turn, settings: CurationSettings) -> Verdict:
    share = sign_share(turn.answer)
    broken = share is not None and share > settings.max_sign_share
    return _dropped_if(
        broken,
        DropReason.TOO_MANY_SIGNS,
        "too short to tell" if share is None else share,
        "max_sign_share",
    )


def _supported(turn: Turn, settings: CurationSettings) -> Verdict:
    if not turn.chunks or turn.refusal:
        return PASSES
    share = support(turn.answer, [turn.question, *(chunk.text for chunk in turn.chunks)])
    weak = share is not None and share < settings.min_support
    return Verdict(flag="unsupported" if weak else None, value=share, limit="min_support")


TEACHABLE = (
    Rule("thumbs_down", _thumbs_down),
    Rule("too_short", _short),
    Rule("too_long", _long),
    Rule("flaws in context", _flawed_context),
    Rule("refusal", _refuses),
    Rule("repeated_question", _asked_again),
    Rule("wrong_language", _language),
    Rule("repetitive", _repeats),
    Rule("too_many_signs", _signs),
    Rule("unsupported", _supported),
)
"""Which usable turns are worth teaching; the others may be history, because later questions may refer to them."""


def of_worth(turn: Turn, settings: CurationSettings) -> Sequence[Rule]:
    """Those of TEACHABLE to ask, as `of_use`: none where all would say that the turn passes, and flag nothing."""
    answer = turn.answer
    passes = (
        turn.rating >= 0
        and settings.min_answer_characters <= len(answer) <= settings.max_answer_characters
        and not turn.chunks
        and not turn.rejected
        and not is_refusal(answer, settings.refusal_texts)
        and not _is_asked_again(turn)
        and _foreign(answer, settings) is None
        and surely_prose(answer, settings)
        and most_signs(answer) <= settings.max_sign_share
    )
    return () if passes else TEACHABLE
