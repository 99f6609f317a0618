"""When two questions are the same words, and which questions need the one before."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Chunk
from ftworker.curation import identity
from ftworker.curation.curate import Example, curate
from ftworker.curation.identity import normalised
from ftworker.settings import CurationSettings
from tests.curation.talks import ANSWER, assistant, conversation, user


def example(*messages: str, chunk: str | None = None) -> Example:
    """Of the last turn; questions and answers in turn."""
    context = (Chunk(chunk),) if chunk else ()
    said = [user(text) if n % 2 == 0 else assistant(text) for n, text in enumerate(messages)]
    said[-1] = assistant(messages[-1], context=context)
    return curate(conversation(*said), CurationSettings()).examples[-1]


QUESTION = "¿Cuál es la fórmula de la energía cinética?"


@pytest.mark.parametrize(
    "other",
    [
        "cual es la formula de la energia cinetica",
        "¿CUÁL es la  fórmula,\nde la energía cinética?!",
        "¿Cua\u0301l es la fo\u0301rmula de la energi\u0301a cine\u0301tica?",
        "«¿Cuál es la fórmula de la energía cinética…?»",
    ],
)
def test_case_accents_marks_and_spaces_do_not_make_another_question(other: str) -> None:
    assert example(QUESTION, ANSWER).question_sha256 == example(other, ANSWER).question_sha256
    assert example(QUESTION, ANSWER).pair_sha256 == example(other, ANSWER.upper()).pair_sha256


@pytest.mark.parametrize(
    "one,other",
    [
        ("¿Cuánto es 2 + 3 por fin?", "¿Cuánto es 2 - 3 por fin?"),
        ("¿Cuánto es 1,5 por 2 metros?", "¿Cuánto es 15 por 2 metros?"),
        ("¿Cuántos años tiene el abuelo ahora?", "¿Cuántos anos tiene el abuelo ahora?"),
        ("¿Por qué llueve tanto en Galicia?", "¿Porque llueve tanto en Galicia?"),
        ("Resuelve la ecuación x² = 4 ahora", "Resuelve la ecuación x = 4 ahora"),
        ("Resuelve la inecuación x ≤ 4 ahora", "Resuelve la inecuación x ≥ 4 ahora"),
        ("¿Qué es Δ en esta fórmula de aquí?", "¿Qué es Σ en esta fórmula de aquí?"),
    ],
)
def test_signs_numbers_and_other_letters_make_another_question(one: str, other: str) -> None:
    assert example(one, ANSWER).question_sha256 != example(other, ANSWER).question_sha256


def test_spaces_around_signs_do_not_count() -> None:
    assert normalised("2x+3 = 7") == normalised("2x + 3=7") == "2x + 3 = 7"
    assert normalised("x≤3") == normalised("X ≤ 3")
    assert normalised("a−b — c") == normalised("a - b - c")


@given(st.text(max_size=80))
def test_what_is_normalised_stays_so(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    assert normalised(f"  {text}\n") == once


@given(st.text(max_size=40))
@also("2 − 1 ≤ λΔ₂ “Ÿ” ǅ К")
@also("ΟΔΟΣ e\u0301 ΐ\u0301 \u1100\u1161 \ud83d \u2126\u212b")
def test_words_are_the_same_as_if_the_whole_text_were_composed_and_lowered_first(text: str) -> None:
    first = unicodedata.normalize("NFC", text)
    for sign, instead in identity._BEYOND_LATIN.items():
        first = first.replace(sign, instead)
    numbered = first.lower().encode("latin-1", "xmlcharrefreplace").decode("latin-1")

    assert normalised(text) == normalised(numbered)


def test_what_is_reduced_by_itself_needs_no_neighbour() -> None:
    alone = [chr(code) for code in range(0x100, 0x3000) if identity._REDUCED_ALONE.match(chr(code))]
    assert {"−", "“", "λ", "₂", "→"} < set(alone)
    beside = "".join(map(chr, range(0x100)))
    for character in alone:
        # Between any two characters of Latin-1, and beside itself.
        text = character.join(beside) + character * 2
        composed, small = unicodedata.normalize("NFC", character), character.lower()
        assert unicodedata.normalize("NFC", text) == composed.join(beside) + composed * 2
        assert text.lower() == small.join(beside.lower()) + small * 2


def test_a_short_question_is_the_same_only_after_the_same_question() -> None:
    cell = example("¿Qué es la célula y para qué sirve?", ANSWER, "¿y por qué?", ANSWER)
    cell_again = example("que es la celula y para que sirve", ANSWER, "Y por que", ANSWER)
    war = example("¿Cuándo acabó la Guerra Civil española?", ANSWER, "¿y por qué?", ANSWER)
    assert cell.question_sha256 == cell_again.question_sha256 != war.question_sha256
    chain = example("¿Qué es la célula y para qué sirve?", ANSWER, "¿y eso?", ANSWER, "¿y por qué?", ANSWER)
    assert chain.question_sha256 != cell.question_sha256


def test_a_whole_question_is_the_same_whatever_came_before() -> None:
    alone = example(QUESTION, ANSWER)
    later = example("Hola, ¿me ayudas con los deberes de hoy?", ANSWER, QUESTION, ANSWER)
    assert alone.question_sha256 == later.question_sha256
    assert alone.pair_sha256 == later.pair_sha256
    assert alone.content_sha256 != later.content_sha256


def test_the_context_is_no_part_of_the_question() -> None:
    assert (
        example(QUESTION, ANSWER, chunk="Ec = ½mv²").question_sha256
        == example(QUESTION, ANSWER).question_sha256
    )
    assert example(QUESTION, ANSWER).pair_sha256 != example(QUESTION, f"{ANSWER} Y más.").pair_sha256
