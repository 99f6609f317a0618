"""The same questions to the base and to the trained model, through llama.cpp, and who was right.

Asked once: the answers are kept in a file beside the demonstration's logs, by the run. Facts and questions are
invented, so they may be kept and shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ftworker.demo.facts import SYSTEM_PROMPT, Fact
from ftworker.training.llama_cpp import LlamaCpp

MAX_TOKENS: Final = 32
"""The longest taught answer has 26. A base that has not learned to stop would go on."""
CONTEXT_TOKENS: Final = 512


class Asked(msgspec.Struct, frozen=True):
    """One question with both answers."""

    fact: str
    question: str
    before: str
    after: str
    before_right: bool
    after_right: bool


class Answers(msgspec.Struct, frozen=True):
    """All questions, in the order of the facts."""

    asked: list[Asked]
    seconds: float

    @property
    def right_before(self) -> int:
        return sum(one.before_right for one in self.asked)

    @property
    def right_after(self) -> int:
        return sum(one.after_right for one in self.asked)


def ask_both(facts: Sequence[Fact], base: Path, trained: Path) -> Answers:
    """Ask every held-out question of both files, one model in memory at a time. Raises CannotServe."""
    began = time.monotonic()
    questions = [(fact, question) for fact in facts for question in fact.held_out]
    before, after = (_ask(file, [question for _, question in questions]) for file in (base, trained))
    asked = [
        Asked(fact.fact, question, old, new, fact.is_right(old), fact.is_right(new))
        for (fact, question), old, new in zip(questions, before, after, strict=True)
    ]
    return Answers(asked, time.monotonic() - began)


def kept_or_asked(file: Path, ask: Callable[[], Answers]) -> Answers:
    """The answers in the file; where it is not, those that `ask` gets, written there."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Answers)
    except (FileNotFoundError, msgspec.DecodeError):
        answers = ask()
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".part")
        temporary.write_bytes(msgspec.json.encode(answers))
        temporary.replace(file)
        return answers


def _ask(file: Path, questions: Sequence[str]) -> list[str]:
    answers = []
    # One thread: more of them wait for each other by spinning, which on a busy machine takes twenty times as long.
    with LlamaCpp(file, context_tokens=CONTEXT_TOKENS, threads=1) as model:
        for question in questions:
            messages = (("system", SYSTEM_PROMPT), ("user", question))
            answers.append(model.answer(messages, max_tokens=MAX_TOKENS).text)
    return answers
