"""Near-duplicates: what a shingle is, that candidates hold nearly every pair, and that the work is bounded."""

from __future__ import annotations

import random
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.curation.near_duplicates import (
    MAX_CANDIDATES,
    Candidates,
    NearDuplicates,
    bands_for,
    jaccard,
    shingle,
)
from tests.invented import WORDS

WORD = r"[a-z0-9_\u0080-\U0010ffff]"


def plain_shingles(text: str) -> set[tuple[str, ...]]:
    """The same rule, written as a person would."""
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(letter for letter in text if not "\u0300" <= letter <= "\u036f")
    text = re.sub("[\u0080-\u00bf\u2000-\u207f]", " ", text)
    words = re.findall(rf"{WORD}+|[+=/^<>%]|(?<={WORD})[-*](?={WORD})", text)
    if len(words) < 3:
        return {tuple(words)} if words else set()
    return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}


def similarity(one: str, other: str) -> float:
    shingles = shingle([one, other])
    return jaccard(shingles.distinct(0), shingles.distinct(1))


TEXTS = st.lists(
    st.text(
        st.sampled_from("abAB áéñÑüç0123+-*/=^<>%.,;¿?\n\t_'\"日本語́ßﬁ²½·€¿«—“×\U0001f600\x00"),
        max_size=60,
    ),
    max_size=8,
)


@settings(deadline=None)
@given(TEXTS)
def test_shingles_are_the_runs_of_three_words_whatever_stands_beside_them(texts: list[str]) -> None:
    shingles = shingle(texts)
    assert [shingles.distinct(index).size for index in range(len(texts))] == [
        len(plain_shingles(text)) for text in texts
    ]


@settings(deadline=None)
@given(TEXTS)
def test_a_text_has_the_same_shingles_in_any_company(texts: list[str]) -> None:
    together = shingle(texts)
    for index, text in enumerate(texts):
        assert together.distinct(index).tolist() == shingle([text]).distinct(0).tolist()


@settings(deadline=None)
@given(TEXTS)
def test_jaccard_of_hashes_is_jaccard_of_the_words(texts: list[str]) -> None:
    shingles = shingle(texts)
    for one in range(len(texts)):
        for other in range(len(texts)):
            a, b = plain_shingles(texts[one]), plain_shingles(texts[other])
            expected = len(a & b) / len(a | b) if a and b else 0.0
            assert jaccard(shingles.distinct(one), shingles.distinct(other)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "one,other",
    [
        ("¿Qué es la FOTOSÍNTESIS?", "que es la fotosintesis"),
        ("**La célula** es la unidad:\n- vida\n- orden", "La célula es la unidad: vida, orden"),
        ("Son 3+4 manzanas.", "Son 3 + 4 manzanas"),
    ],
)
def test_spelling_layout_and_bold_type_make_no_difference(one: str, other: str) -> None:
    assert similarity(one, other) == 1.0


@pytest.mark.parametrize(
    "one,other",
    [
        ("¿Cuánto es 3 + 4? Son siete.", "¿Cuánto es 3 / 4? Son siete."),
        (
            "¿Cuánto es 12 más uno? Son 13, ni más ni menos.",
            "¿Cuánto es 25 más uno? Son 26, ni más ni menos.",
        ),
        ("x-1", "x 1"),
        ("sí", "no"),
    ],
)
def test_other_numbers_and_operators_are_another_lesson(one: str, other: str) -> None:
    assert similarity(one, other) < 0.8


def test_texts_without_words_are_like_nothing() -> None:
    assert similarity("¿?", "...") == 0.0
    index = NearDuplicates(0.8)
    index.add(["", "...", "¿?"] * 50)
    assert candidates_of(index, 150) == {}


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_find_a_pair_of_just_the_similarity_asked_for(similarity: float) -> None:
    bands, rows = bands_for(similarity)
    assert bands * rows <= 128
    assert 1 - (1 - similarity**rows) ** bands >= 0.97


def texts_with_copies(count: int, seed: int) -> list[str]:
    """Originals of 10 to 150 words, then as many with some words replaced."""
    dice = random.Random(seed)
    originals = [dice.choices(WORDS, k=dice.choice([10, 30, 60, 150])) for _ in range(count)]
    changed = []
    for words in originals:
        copy = list(words)
        for _ in range(dice.choice([0, 1, 1, 2, 3, 5])):
            copy[dice.randrange(len(copy))] = dice.choice(WORDS)
        changed.append(copy)
    return [" ".join(words) for words in originals + changed]


def candidates_of(index: NearDuplicates, count: int) -> dict[int, list[int]]:
    found: Candidates = index.candidates(np.arange(count))
    return {
        member: found.others[found.starts[place] : found.starts[place + 1]].tolist()
        for place, member in enumerate(found.members.tolist())
    }


def test_at_least_98_of_100_copies_are_found() -> None:
    count = 2_000
    texts = texts_with_copies(count, seed=5)
    index = NearDuplicates(0.8)
    index.add(texts)
    candidates = candidates_of(index, len(texts))
    shingles = shingle(texts)
    copies = [
        number
        for number in range(count)
        if jaccard(shingles.distinct(number), shingles.distinct(count + number)) >= 0.8
    ]
    found = sum(number in candidates.get(count + number, ()) for number in copies)
    assert len(copies) > 800
    assert found / len(copies) >= 0.98


def test_candidates_do_not_depend_on_how_texts_were_added() -> None:
    texts = texts_with_copies(300, seed=6)
    at_once, one_by_one = NearDuplicates(0.8), NearDuplicates(0.8)
    at_once.add(texts)
    for text in texts:
        one_by_one.add([text])
    assert candidates_of(at_once, len(texts)) == candidates_of(one_by_one, len(texts))


def test_a_candidate_always_comes_before() -> None:
    texts = texts_with_copies(300, seed=7)
    index = NearDuplicates(0.8)
    index.add(texts)
    order = np.random.default_rng(1).permutation(len(texts))
    found = index.candidates(order)
    assert found.members.size > 50
    assert (np.repeat(found.members, np.diff(found.starts)) > found.others).all()


def test_thousands_of_one_template_cost_a_few_comparisons_each() -> None:
    template = (
        "Para el ejercicio {} del tema uno se suman los dos lados y se divide por la base del triángulo dado"
    )
    texts = [template.format(number) for number in range(3_000)]
    index = NearDuplicates(0.6)
    index.add(texts)
    candidates = candidates_of(index, len(texts))
    assert len(candidates) > 2_500
    assert max(map(len, candidates.values())) <= MAX_CANDIDATES


def test_no_text_at_all_gives_no_candidate() -> None:
    index = NearDuplicates(0.8)
    index.add([])
    assert candidates_of(index, 0) == {}
