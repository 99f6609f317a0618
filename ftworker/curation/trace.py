"""What happened to a conversation on its way through curation, rule by rule, for people to read.

Given to `curate`, which writes into it; it decides nothing. Values are numbers and codes, never a text of the
conversation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ftworker.curation.examples import WHOLE_CONVERSATION

Outcome = Literal["passed", "dropped", "flagged", "done"]
"""`passed`: the rule has nothing against it. `dropped`: the turn gives no example for this. `flagged`: it does, and
carries a mark. `done`: no judgement, something was made."""


@dataclass(frozen=True, slots=True)
class Step:
    """One look at one turn (-1: at the whole conversation)."""

    turn: int
    rule: str
    """A reason's code, or the name of what was done."""
    outcome: Outcome
    value: str = ""
    """What was measured."""
    limit: str = ""
    """What it was measured against, with the name of its setting."""


@dataclass
class Trace:
    """The steps in the order in which they were taken."""

    steps: list[Step] = field(default_factory=list)

    def add(self, turn: int, rule: str, outcome: Outcome, value: object = "", limit: object = "") -> None:
        """Write down a step."""
        self.steps.append(Step(turn, rule, outcome, in_words(value), in_words(limit)))

    def of_turn(self, turn: int) -> list[Step]:
        """The steps of one turn."""
        return [step for step in self.steps if step.turn == turn]

    def whole(self) -> list[Step]:
        """The steps that concern the conversation as a whole."""
        return self.of_turn(WHOLE_CONVERSATION)


def in_words(value: object) -> str:
    """A measure or a setting for people."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}"
        case None:
            return "cannot tell"
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
