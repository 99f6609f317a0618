"""Tokens: counts are those of OpenAI's own tiktoken (made by `reference_token_counts`), the estimate is near them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.curation.tokens import (
    ENCODINGS,
    TOKENS_PER_EXAMPLE,
    TOKENS_PER_MESSAGE,
    count_messages,
    estimate_tokens,
    make_counter,
)
from ftworker.demo.conversations import packaged_conversations
from tests.curation.reference_token_counts import CHOSEN, COUNTS, talk_texts

REFERENCE: list[dict[str, Any]] = [json.loads(line) for line in COUNTS.read_text("utf-8").split("\n") if line]
TEXTS = [row for row in REFERENCE if "text" in row]
TALKS = {row["conversation_id"]: row for row in REFERENCE if "conversation_id" in row}

LESSONS = [
    "¿Cuál es la fórmula de la energía?",
    "La fórmula de la energía es E=mc², donde E es energía, m es masa y c es la velocidad de la luz.",
    "La fotosíntesis es el proceso por el que las plantas fabrican azúcares a partir de agua, aire y luz.",
    "Primero despeja la x: 3x + 5 = 20, así que 3x = 15 y x = 5. Compruébalo: 3 · 5 + 5 = 20.",
    "En 1492 terminó la conquista de Granada, y el 12 de octubre Colón llegó a Guanahaní.",
    "La mitosi és la divisió del nucli d'una cèl·lula en dos nuclis iguals; cadascun té els mateixos cromosomes.",
    "def suma(a, b):\n    return a + b\n\nprint(suma(2, 3))  # 5",
    "The mitochondria is the powerhouse of the cell, and it makes most of the energy that the cell needs.",
]


def test_the_table_of_tiktokens_counts_is_the_one_that_its_script_writes() -> None:
    assert [row["text"] for row in TEXTS[: len(CHOSEN)]] == CHOSEN
    assert len(TEXTS) == len(CHOSEN) + 200
    assert all(set(row) == {"text", *ENCODINGS} for row in TEXTS)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_count_is_the_one_that_tiktoken_gives(encoding: str) -> None:
    count = make_counter(encoding).count
    assert [(row["text"], count(row["text"])) for row in TEXTS] == [
        (row["text"], row[encoding]) for row in TEXTS
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_demos_conversations_count_what_tiktoken_counts(encoding: str) -> None:
    count = make_counter(encoding).count
    counted = {
        talk["conversation_id"]: sum(map(count, talk_texts(talk))) for talk in packaged_conversations()
    }
    assert counted == {name: row[encoding] for name, row in TALKS.items()}


@pytest.mark.parametrize("name", ["estimate", *ENCODINGS])
def test_a_counter_takes_any_text_and_carries_its_name(name: str) -> None:
    counter = make_counter(name)
    assert counter.name == name
    assert make_counter(name) is counter
    assert counter.count("") == 0
    for text in ("\ud800", "a\udfff b", "\ud83d x \ude00", "\x00", "\x00\x00texto\x1b"):
        assert counter.count(text) > 0


@given(st.text(st.characters()))
def test_any_text_has_a_count_and_only_no_text_has_none(text: str) -> None:
    assert (make_counter("o200k_base").count(text) == 0) == (text == "")


def test_half_of_a_surrogate_pair_counts_as_the_sign_that_stands_for_it() -> None:
    counter = make_counter("o200k_base")
    assert counter.count("una \ud800 mitad") == counter.count("una \ufffd mitad")


def test_text_that_looks_like_a_control_token_counts_as_text() -> None:
    assert make_counter("o200k_base").count("<|endoftext|>") > 1


def test_an_unknown_vocabulary_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="no compiled-in vocabulary; there are o200k_base, cl100k_base"):
        make_counter("p50k_base")


def test_an_example_counts_its_messages_and_the_formats_own_tokens() -> None:
    counter = make_counter("o200k_base")
    texts = ["¿Qué es un átomo?", "Lo más pequeño que aún es ese elemento."]
    own = TOKENS_PER_EXAMPLE + 2 * TOKENS_PER_MESSAGE
    # OpenAI's cookbook: 3 tokens a message, its role, and 3 that begin the answer.
    assert own == 3 + 2 * (3 + counter.count("user"))
    assert count_messages(counter, texts) == own + sum(map(counter.count, texts))


@given(st.text())
def test_any_text_has_an_estimate_and_only_no_text_has_none(text: str) -> None:
    assert (estimate_tokens(text) == 0) == (text == "")


@given(st.text(), st.text())
def test_more_text_is_never_estimated_at_fewer_tokens(first: str, second: str) -> None:
    assert estimate_tokens(first + second) >= estimate_tokens(first)


@pytest.mark.parametrize("text", LESSONS)
def test_the_estimate_is_near_the_count_and_rather_above(text: str) -> None:
    assert 0.8 <= estimate_tokens(text) / make_counter("o200k_base").count(text) <= 1.4
