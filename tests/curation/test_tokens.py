"""The token estimate: bounds against counts by o200k that were made once and written down here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.curation.tokens import estimate_tokens

COUNTED = [
    ("¿Cuál es la fórmula de la energía?", 9),
    ("La fórmula de la energía es E=mc², donde E es energía, m es masa y c es la velocidad de la luz.", 28),
    (
        (
            "La fotosíntesis es el proceso por el que las plantas fabrican azúcares a partir de agua, dióxido "
            "de carbono y luz; ocurre en los cloroplastos, y el oxígeno que respiramos es lo que les sobra."
        ),
        52,
    ),
    ("Primero despeja la x: 3x + 5 = 20, así que 3x = 15 y x = 5. Compruébalo: 3 · 5 + 5 = 20.", 48),
    ("En 1492 terminó la conquista de Granada, y el 12 de octubre Colón llegó a Guanahaní.", 24),
    (
        (
            "La mitosi és la divisió del nucli d'una cèl·lula en dos nuclis iguals; "
            "cadascun té els mateixos cromosomes."
        ),
        33,
    ),
    ("def suma(a, b):\n    return a + b\n\nprint(suma(2, 3))  # 5", 25),
    (
        (
            "The mitochondria is the powerhouse of the cell, "
            "and it makes most of the energy that the cell needs."
        ),
        22,
    ),
]


@given(st.text())
def test_any_text_has_an_estimate_and_only_no_text_has_none(text: str) -> None:
    assert (estimate_tokens(text) == 0) == (text == "")


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(first: str, second: str) -> None:
    assert estimate_tokens(first + second) >= estimate_tokens(first)


@pytest.mark.parametrize("text,counted", COUNTED)
def test_the_estimate_is_near_the_count_and_rather_above(text: str, counted: int) -> None:
    assert 0.8 <= estimate_tokens(text) / counted <= 1.4
