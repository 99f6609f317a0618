"""From conversations to tokens: the base's chat template, and which tokens the loss is taken over.

What is learned is what the model itself must say: every taught answer and the token that ends its turn, after exactly
the tokens that serving puts before it. That is asserted for each answer, token by token: the rendered prompt must be
a prefix of the rendered conversation. Never guesses: a template for which it cannot be so is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from jinja2.exceptions import TemplateError, UndefinedError

from ftworker.training.rows import Message, Preferred, Taught
from ftworker.training.stage import StageFailed
from ftworker.training.templates import self_contained

_FOLD_SYSTEM = (
    "{%- if messages and messages[0]['role'] == 'system' -%}"
    "{%- if messages | length > 1 -%}"
    "{%- set messages = [{'role': messages[1]['role'], 'content': "
    "messages[0]['content'] + '\\n\\n' + messages[1]['content']}] + messages[2:] -%}"
    "{%- endif -%}{%- endif %}"
)
"""Put before a template that knows no system message (Gemma 1 and 2, early Mistral): the first question then begins
with it, after which comes an empty line, as Gemma 3's own template does it."""

_SENTINEL = "ftworker-asks-whether-this-is-shown"


@dataclass(frozen=True)
class Rendered:
    """Tokens of one sequence (int32), and which of them are learned (bool). The first token never is."""

    ids: numpy.ndarray[Any, Any]
    learned: numpy.ndarray[Any, Any]

    @property
    def learned_tokens(self) -> int:
        return int(self.learned.sum())


@dataclass
class Counts:
    """What rendering had to do to rows; for a note."""

    rows: int = 0
    shortened: int = 0
    """Sequences that lost earlier turns because they were too long."""
    too_long: int = 0
    """Answers left out: the question and the answer alone are too long."""
    refused: int = 0
    """Rows left out: the template does not take their order of speakers."""


class NotRendered(Exception):
    """The template cannot say this conversation."""


class Renderer:
    """The chat template of a tokenizer. Raises StageFailed (`template_unsupported`) where there is none, or where it
    does not end an answer with a token of its own, so that a model would never learn to stop.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        template = tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not isinstance(template, str) or not template:
            raise _unsupported(
                "the base has no chat template; take an instruction-tuned base (-Instruct, -it)"
            )
        # Without the date of the day and with thoughts closed, as every server of ours renders it.
        template = self_contained(template)
        self.max_length = max_length
        self.counts = Counts()
        self._tokenizer = tokenizer
        self._ends = _ending_tokens(tokenizer)
        self.template = template
        """The Jinja text that the data is rendered with, and that serving must render with."""
        self.folds_system = not self._shows_system()
        """Whether the system message had to be put into the first question."""
        if self.folds_system:
            self.template = _FOLD_SYSTEM + template
            if not self._shows_system():
                raise _unsupported("the chat template shows no system message, not even before a question")
        self._probe()

    def conversation(self, row: Taught) -> list[Rendered]:
        """The sequences of one row, usually one. Several where the template renders earlier turns otherwise once they
        are history (Qwen 3 drops thoughts, Mistral moves the system message), or where the row is too long: then each
        answer is learned once, after as many of the turns before it as fit.
        """
        self.counts.rows += 1
        try:
            return self._windows(row.messages, row.taught)
        except NotRendered:
            self.counts.refused += 1
            return []

    def pair(self, row: Preferred) -> tuple[Rendered, Rendered] | None:
        """The chosen and the rejected sequence after the same prompt; None when left out, which is counted."""
        self.counts.rows += 1
        prompt = row.prompt
        shortened = False
        try:
            while True:
                both = tuple(
                    self._sequence([*prompt, answer], [len(prompt)]) for answer in (row.chosen, row.rejected)
                )
                if max(len(each.ids) for each in both) <= self.max_length:
                    self.counts.shortened += shortened
                    return both[0], both[1]
                shorter = _without_oldest_turn(prompt, len(prompt))
                if shorter is None:
                    self.counts.too_long += 1
                    return None
                prompt, shortened = shorter, True
        except NotRendered:
            self.counts.refused += 1
            return None

    def text(self, messages: Sequence[Message], *, generation_prompt: bool) -> str:
        """The conversation as text; with `generation_prompt` up to where the model begins to speak. Raises
        NotRendered.
        """
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                list(messages),
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=generation_prompt,
            )
        except (TemplateError, UndefinedError, TypeError, KeyError, IndexError) as error:
            # A template's own words; anything else could quote the conversation.
            words = str(error)
            raise NotRendered(words if words in self.template else type(error).__name__) from None
        return rendered

    def tokens(self, text: str) -> list[int]:
        """The tokens of a rendered text. Nothing is put before it: the template writes the beginning itself."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _windows(self, messages: list[Message], taught: list[int]) -> list[Rendered]:
        """Sequences of at most `max_length` that hold each taught answer once."""
        sequences: list[Rendered] = []
        window, left, shortened = messages, taught, False
        while left:
            fitting = self._longest(window, left)
            if fitting is not None:
                taken, found = fitting
                sequences += found
                self.counts.shortened += shortened
                left = left[taken:]
                # The next one begins at the start again and drops as many turns as it must.
                offset = len(messages) - len(window)
                window, shortened = messages, False
                left = [place + offset for place in left]
                continue
            shorter = _without_oldest_turn(window, left[0])
            if shorter is None:
                self.counts.too_long += 1
                offset = len(messages) - len(window)
                left = [place + offset for place in left[1:]]
                window, shortened = messages, False
                continue
            dropped = len(window) - len(shorter)
            window, shortened = shorter, True
            left = [place - dropped for place in left]
        return sequences

    def _longest(self, messages: list[Message], taught: list[int]) -> tuple[int, list[Rendered]] | None:
        """How many of the taught answers fit from this start, and their sequences; None when not even the first."""
        for count in range(len(taught), 0, -1):
            found = self._sequences(messages[: taught[count - 1] + 1], taught[:count])
            if all(len(each.ids) <= self.max_length for each in found):
                return count, found
        return None

    def _sequences(self, messages: list[Message], taught: list[int]) -> list[Rendered]:
        """One sequence for all the answers where the template allows it, else one for each."""
        if len(taught) > 1:
            whole = self._exact(messages, taught)
            if whole is not None:
                return [whole]
        return [self._sequence(messages[: place + 1], [place]) for place in taught]

    def _sequence(self, messages: list[Message], taught: list[int]) -> Rendered:
        """The sequence that ends with its one taught answer. Raises NotRendered, StageFailed."""
        exact = self._exact(messages, taught)
        if exact is None:
            exact = self._in_two_parts(messages) or self._by_markers(messages)
        if exact is None:
            raise _unsupported(
                "what the chat template puts before an answer when it asks for one is not what it writes before an "
                "answer that is there, so that the tokens to learn cannot be told; take a base with another template"
            )
        return exact

    def _exact(self, messages: list[Message], taught: list[int]) -> Rendered | None:
        """All answers in one sequence; None where a prompt is no prefix of it, in text or in tokens."""
        text = self.text(messages, generation_prompt=False)
        ids = self.tokens(text)
        learned = numpy.zeros(len(ids), dtype=bool)
        end = 0
        for place in taught:
            prompt = self.text(messages[:place], generation_prompt=True)
            whole = (
                text
                if place == len(messages) - 1
                else self.text(messages[: place + 1], generation_prompt=False)
            )
            if not (whole.startswith(prompt) and text.startswith(whole)):
                return None
            before = self.tokens(prompt)
            after = ids if whole is text else self.tokens(whole)
            if ids[: len(before)] != before or ids[: len(after)] != after:
                return None
            end = self._end_of_turn(ids, len(before), len(after))
            learned[len(before) : end] = True
        return Rendered(numpy.asarray(ids[:end], dtype=numpy.int32), learned[:end])

    def _in_two_parts(self, messages: list[Message]) -> Rendered | None:
        """The answer's tokens behind the prompt's, each part by itself: when their border would melt into one token
        (a line feed before an answer that begins with one). Serving has that border too.
        """
        text = self.text(messages, generation_prompt=False)
        prompt = self.text(messages[:-1], generation_prompt=True)
        if not text.startswith(prompt):
            return None
        before = self.tokens(prompt)
        ids = before + self.tokens(text[len(prompt) :])
        decode = self._tokenizer.decode
        if decode(ids) != decode(self.tokens(text)):
            return None  # a tokenizer that writes a space before each part
        end = self._end_of_turn(ids, len(before), len(ids))
        learned = numpy.zeros(end, dtype=bool)
        learned[len(before) :] = True
        return Rendered(numpy.asarray(ids[:end], dtype=numpy.int32), learned)

    def _by_markers(self, messages: list[Message]) -> Rendered | None:
        """By the template's own `{% generation %}` markers: the last part that they enclose."""
        if "generation" not in self.template.replace("add_generation_prompt", ""):
            return None
        try:
            marked = self._tokenizer.apply_chat_template(
                messages,
                chat_template=self.template,
                tokenize=True,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
        except (TemplateError, ValueError):
            return None
        mask = numpy.asarray(marked["assistant_masks"], dtype=bool)
        if not mask.any() or mask[0]:
            return None
        end = int(numpy.flatnonzero(mask)[-1]) + 1
        before = numpy.flatnonzero(~mask[:end])
        learned = numpy.zeros(end, dtype=bool)
        learned[int(before[-1]) + 1 :] = True
        return Rendered(numpy.asarray(marked["input_ids"][:end], dtype=numpy.int32), learned)

    def _end_of_turn(self, ids: list[int], start: int, end: int) -> int:
        """The place behind the last token of the turn: what a template writes after it (a line feed), nobody says."""
        for place in range(end - 1, start - 1, -1):
            if ids[place] in self._ends:
                return place + 1
        raise _unsupported(
            "the chat template writes no special token at the end of an answer, so that a model would not learn to stop"
        )

    def _shows_system(self) -> bool:
        messages = [{"role": "system", "content": _SENTINEL}, {"role": "user", "content": "?"}]
        try:
            return _SENTINEL in self.text(messages, generation_prompt=True)
        except NotRendered:
            return False

    def _probe(self) -> None:
        """Refuse at the start what no row could change."""
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        try:
            self._sequence(messages, [1])
        except NotRendered as error:
            raise _unsupported(
                f"the chat template cannot render a question and its answer ({error})"
            ) from None


def _without_oldest_turn(messages: list[Message], answer: int) -> list[Message] | None:
    """Without the oldest question and what followed it; the system message stays, and so does the question that the
    message at `answer` answers. None when nothing is left to drop.
    """
    first = 1 if messages and messages[0]["role"] == "system" else 0
    for place in range(first + 1, answer):
        if messages[place]["role"] == "user":
            return messages[:first] + messages[place:]
    return None


def _ending_tokens(tokenizer: Any) -> set[int]:
    """Tokens that can end a turn: those that the tokenizer knows as special."""
    added = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def _unsupported(message: str) -> StageFailed:
    return StageFailed("template_unsupported", message)
