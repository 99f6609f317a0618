"""Which answer people preferred to another: the pairs of `unit = "preference"`. Pure.

A pair exists where a person said so, about these answers:

- somebody wrote a correction: it is preferred to the answer that it replaces;
- of two answers to one question, one was rated better than the other, and the better one was rated up, or is the
  answer that the conversation went on with.

Asking for another answer is no opinion by itself: people also do it out of curiosity. The conversation's rating is
none either: it does not say which of its answers is meant. Of a turn's pairs the strongest is taken (best against
worst), because an example is one turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from ftworker.curation.identity import normalised
from ftworker.curation.markers import spoken
from ftworker.curation.turns import Turn


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    rating: int
    model: str | None
    stands: bool


def preferred(turn: Turn) -> Turn | None:
    """The turn with the preferred answer as `answer` and the other one as `rejected`; None without a preference."""
    if turn.corrected:
        if not turn.served or normalised(turn.served) == normalised(turn.answer):
            return None
        return replace(turn, rejected=turn.served)
    best: tuple[_Answer, _Answer] | None = None
    for pair in _pairs(list(_answers(turn))):
        # The first of equals stays: the order of the conversation decides, so that the same gives the same.
        if best is None or _strength(pair) > _strength(best):
            best = pair
    if best is None:
        return None
    better, worse = best
    return replace(
        turn,
        answer=better.text,
        rating=better.rating,
        model=better.model,
        rejected=worse.text,
    )


def _answers(turn: Turn) -> Iterator[_Answer]:
    yield _Answer(turn.answer, turn.own_rating, turn.model, stands=True)
    for other in turn.others:
        text = spoken(other.content)
        if text:
            rating = other.rating or 0
            model = other.model if other.model and other.model.isprintable() else None
            yield _Answer(text, (rating > 0) - (rating < 0), model, stands=False)


def _pairs(answers: list[_Answer]) -> Iterator[tuple[_Answer, _Answer]]:
    for better in answers:
        for worse in answers:
            if better.rating <= worse.rating:
                continue
            chosen = better.rating > 0 or (better.stands and better.rating == 0)
            if chosen and normalised(better.text) != normalised(worse.text):
                yield better, worse


def _strength(pair: tuple[_Answer, _Answer]) -> tuple[int, bool]:
    better, worse = pair
    return better.rating - worse.rating, better.stands
