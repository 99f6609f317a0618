"""Bare refusals, and answers that only begin or end like one."""

from __future__ import annotations

import pytest

from ftworker.curation.refusals import is_refusal

REFUSALS = [
    "No lo sé.",
    "No sé responder a eso.",
    "Lo siento, no lo sé.",
    "Lo siento, no tengo información sobre eso.",
    "Lo siento, pero no tengo suficiente información para responder a esa pregunta.",
    "No dispongo de datos suficientes.",
    "No puedo ayudarte con eso.",
    "Lo siento. No puedo responder a esa pregunta. ¿Puedo ayudarte en algo más?",
    "No encuentro la respuesta. Pregunta a tu profesora.",
    "no tengo informacion",
    "Disculpa, no puedo contestarte.",
    "No ho sé.",
    "Ho sento, no tinc informació sobre això.",
    "No et puc ajudar amb això.",
    "Síntoo, non teño información sobre iso.",
    "Non o sei.",
    "Sentitzen dut, ez dut informaziorik.",
    "Ez dakit.",
    "No encuentro esa información en los apuntes.",
    "I don't know.",
    "I’m sorry, but I can’t help with that.",
    "I'm unable to assist with that request.",
    "Sorry, I don't have enough information about this.",
]

ANSWERS = [
    "No lo sé con certeza, pero la mitocondria produce energía.",
    "No tengo información sobre eso en los apuntes. En general, la célula es la unidad de la vida.",
    "La respuesta es no: el agua no es un elemento.",
    "No puedes dividir entre cero.",
    "No consta en el temario.",
    "Sócrates dijo: «solo sé que no sé nada».",
    "I don't know is translated as «no lo sé».",
    "Lo siento mucho.",
    "",
    "No lo sé. " * 60,
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_bare_refusal_is_recognised(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_tells_something_is_no_refusal(answer: str) -> None:
    assert not is_refusal(answer)


def test_a_rags_own_words_can_be_a_refusal_too() -> None:
    own = ("No consta en el temario. Pregúntalo en clase.",)
    assert is_refusal("no consta en el temario; preguntalo en clase", own)
    assert not is_refusal("No consta en el temario. Pregúntalo en clase.")
    assert not is_refusal("No consta en el temario. La mitocondria, sí.", own)
    assert not is_refusal("", own)
