"""Cues that a text tells of somebody's wellbeing or health, so that a person must look before it is trained on."""

from __future__ import annotations

from typing import Literal


def sensitive(text: str) -> Literal["wellbeing", "health"] | None:
    """`wellbeing` or `health` when somebody speaks of their own or of a certain person's; None for a lesson."""
    return None if text is not None else "health"
