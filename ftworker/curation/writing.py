"""Lessons as examples: canonical JSON, its tokens, and what identifies its words. Pure.

Each pair of messages is encoded and counted once and then joined as bytes, for the turn itself and for the history of
all later ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ftworker.conversations import canonical_json
from ftworker.curation.examples import Example, ExampleMessage
from ftworker.curation.identity import asked, normalised, sha256_of
from ftworker.curation.prompts import Lesson, as_history
from ftworker.curation.reasons import DropReason
from ftworker.curation.tokens import TOKENS_PER_EXAMPLE, TOKENS_PER_MESSAGE, TokenCounter
from ftworker.curation.turns import Turn
from ftworker.settings import CurationSettings


@dataclass(slots=True)
class Writer:
    """Writes the lessons of one conversation. `history` is every turn that may stand before a lesson, in order."""

    settings: CurationSettings
    counter: TokenCounter
    history: Sequence[Turn]
    _histories: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    """What was written and counted of a turn."""

    def turn_example(self, lesson: Lesson) -> Example | DropReason:
        """The turn behind as much history as the limits allow. Only one that is too long by itself is dropped."""
        turn = lesson.turn
        pair = self.settings.unit == "preference"
        taught, tokens = self._preference(lesson) if pair else self._taught(lesson)
        tokens += TOKENS_PER_EXAMPLE
        if tokens > self.settings.max_tokens:
            return DropReason.TOO_MANY_TOKENS
        parts: list[bytes] = []
        for earlier in self._latest(turn.index):
            before, before_tokens = self._before(earlier)
            if tokens + before_tokens > self.settings.max_tokens:
                break
            tokens += before_tokens
            parts.append(before)
        parts.reverse()
        if pair:
            said = b"".join(part + b"," for part in parts)
            content = b'{"input":[' + said + taught
        else:
            content = b"[%b]" % b",".join([*parts, taught])
        return self._example([lesson], content, tokens, turn.rating)

    def conversation_example(self, lessons: Sequence[Lesson]) -> Example | DropReason:
        """Every usable turn in order; what is not taught stands bare at weight 0."""
        first = lessons[0].turn.index
        taught = {lesson.turn.index: lesson for lesson in lessons}
        after = [turn for turn in self.history if turn.index >= first]
        parts: list[bytes] = []
        tokens = TOKENS_PER_EXAMPLE
        for turn in [*reversed(self._latest(first)), *after]:
            lesson = taught.get(turn.index)
            if lesson:
                part, more = self._taught(lesson)
            else:
                part, more = self._before(turn)
            parts.append(part)
            tokens += more
        if tokens > self.settings.max_tokens:
            return DropReason.TOO_MANY_TOKENS
        rating = sum(lesson.turn.rating for lesson in lessons)
        return self._example(lessons, b"[" + b",".join(parts) + b"]", tokens, (rating > 0) - (rating < 0))

    def _latest(self, before: int) -> Sequence[Turn]:
        """The newest turns before this one that the history limit allows, newest first: whole turns, so that a
        history begins with a question.
        """
        earlier = [turn for turn in self.history if turn.index < before]
        most = self.settings.max_history_messages // 2
        return earlier[: -most - 1 : -1]

    def _example(self, lessons: Sequence[Lesson], content: bytes, tokens: int, rating: int) -> Example:
        last = lessons[-1]
        questions, answers, rejected = [], [], []
        refusal, unsupported, corrected = True, False, False
        for lesson in lessons:
            turn = lesson.turn
            questions.append(self._asked(turn))
            answers.append(normalised(lesson.answer))
            if lesson.rejected:
                rejected.append(normalised(lesson.rejected))
            refusal = refusal and turn.refusal
            if not lesson.missing:
                unsupported = unsupported or turn.unsupported
                corrected = corrected or turn.corrected
        return Example(
            turn=last.turn.index,
            content=content,
            content_sha256=hashlib.sha256(content).digest(),
            token_count=tokens,
            rating=0 if last.missing else rating,
            model=None if last.missing else last.turn.model,
            question_sha256=sha256_of(questions),
            pair_sha256=sha256_of([*questions, *answers, *rejected]),
            refusal=refusal,
            unsupported=unsupported,
            corrected=corrected,
            tokenizer=self.counter.name,
        )

    def _asked(self, turn: Turn) -> str:
        earlier = reversed(self.history)
        return asked(
            normalised(turn.question),
            (normalised(before.question) for before in earlier if before.index < turn.index),
        )

    def _before(self, turn: Turn) -> tuple[bytes, int]:
        """The pair as history has it, and its tokens. Made once a turn."""
        made = self._histories.get(turn.index)
        if made is None:
            made = self._histories[turn.index] = self._untaught(*self._pair(turn.question, as_history(turn)))
        return made

    def _untaught(self, pair: bytes, tokens: int) -> tuple[bytes, int]:
        # What is preferred is learnt from the outputs alone: no weight says so of the input.
        return (pair if self.settings.unit == "preference" else pair[:-1] + b',"weight":0}'), tokens

    def _taught(self, lesson: Lesson) -> tuple[bytes, int]:
        made = self._pair(lesson.prompt, lesson.answer)
        turn = lesson.turn
        if not turn.chunks and turn.served == turn.answer:
            # History has it in the same words: not written and counted once more.
            self._histories[turn.index] = self._untaught(*made)
        return made

    def _pair(self, prompt: str, answer: str) -> tuple[bytes, int]:
        """The two messages as they stand inside the list of an example, and their tokens."""
        pair = canonical_json((ExampleMessage("user", prompt), ExampleMessage("assistant", answer)))
        return pair[1:-1], self._tokens(prompt) + self._tokens(answer)

    def _preference(self, lesson: Lesson) -> tuple[bytes, int]:
        """The end of a pair's object, from its last question on, and its tokens with both outputs."""
        assert lesson.rejected is not None
        question = canonical_json(ExampleMessage("user", lesson.prompt))
        better = canonical_json((ExampleMessage("assistant", lesson.answer),))
        worse = canonical_json((ExampleMessage("assistant", lesson.rejected),))
        tokens = self._tokens(lesson.prompt) + self._tokens(lesson.answer) + self._tokens(lesson.rejected)
        return b'%b],"preferred_output":%b,"non_preferred_output":%b}' % (question, better, worse), tokens

    def _tokens(self, text: str) -> int:
        return self.counter.count(text) + TOKENS_PER_MESSAGE
