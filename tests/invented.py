"""Text like no other, for tests that tell texts apart: the same words for the same seed."""

from __future__ import annotations

import random
from typing import Final

_STEMS: Final = (
    "célula",
    "átomo",
    "energía",
    "ecuación",
    "integral",
    "revolución",
    "verbo",
    "ángulo",
    "planeta",
    "fuerza",
)
WORDS: Final = [stem + end for stem in _STEMS for end in ("", "s", "ción", "ndo", "mente", "r", "ble", "dad")]


def words(seed: int, count: int = 40) -> str:
    """So many words, chosen by the seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))
