"""The quick look before the patterns of wellbeing and health loses none of what they would find."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import wellbeing
from ftworker.curation.privacy.folding import view

# How Python reads a pattern; it has no public name.
parser: Any = import_module("re._parser")
kinds: Any = import_module("re._constants")

PATTERNS = [wellbeing._WELLBEING, wellbeing._HEALTH, wellbeing._OF_SOMEBODY]


@pytest.mark.parametrize("pattern", PATTERNS, ids=["wellbeing", "health", "of somebody"])
def test_whatever_a_pattern_finds_has_one_of_the_stems(pattern: re.Pattern[bytes]) -> None:
    @settings(
        max_examples=1_500,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.from_regex(pattern))
    def stems_hold(text: bytes) -> None:
        found = pattern.search(text)
        if found is not None:
            assert wellbeing._AUTOMATON.find_matches_as_indexes(b" " + found[0].strip() + b" ")

    stems_hold()


@pytest.mark.parametrize("between", [" ", ", ", "... ", "\n\n\n\n", " (¡", "\ud800 "])
def test_a_stem_is_found_however_its_words_are_parted(between: str) -> None:
    for stem in wellbeing._STEMS.split():
        words = stem.removesuffix(".").replace("_", between)
        seen = view(f"¿{words}. Y ya.")
        assert wellbeing._AUTOMATON.find_matches_as_indexes(seen.words), stem


@pytest.mark.parametrize("end", ["me", "me siento", "quiero", "no", "de."])
@pytest.mark.parametrize("begin", ["", "Me quiero morir.", "Sufro bullying.", "Tengo diabetes."])
def test_texts_beside_each_other_are_judged_as_alone(end: str, begin: str) -> None:
    texts = [f"Una lección. {end}", begin, f"{begin} Siento no saberlo, {end}", "Otra."]
    assert wellbeing.sensitive_kinds(texts) == {wellbeing.sensitive(text) for text in texts} - {None}


@pytest.mark.parametrize("pattern", PATTERNS, ids=["wellbeing", "health", "of somebody"])
def test_no_pattern_takes_in_more_words_than_are_looked_at(pattern: re.Pattern[bytes]) -> None:
    assert 5 < most_spaces(parser.parse(pattern.pattern)) < wellbeing.MOST_WORDS


def most_spaces(parsed: Any) -> float:
    """The most spaces that a match of the pattern has, with what it looks at behind itself."""
    spaces = 0.0
    for kind, value in parsed:
        if kind is kinds.LITERAL:
            spaces += value == ord(" ")
        elif kind is kinds.IN:
            spaces += is_space_in(value)
        elif kind is kinds.BRANCH:
            spaces += max(map(most_spaces, value[1]))
        elif kind is kinds.SUBPATTERN:
            spaces += most_spaces(value[3])
        elif kind in {kinds.ASSERT, kinds.ASSERT_NOT}:
            spaces += most_spaces(value[1])
        elif kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT}:
            within = most_spaces(value[2])
            spaces += within and within * (float("inf") if value[1] is kinds.MAXREPEAT else value[1])
        else:
            assert kind is kinds.AT, kind
    return spaces


def is_space_in(items: Any) -> bool:
    negated = items[0][0] is kinds.NEGATE
    held = any(
        value == ord(" ")
        if kind is kinds.LITERAL
        else value[0] <= ord(" ") <= value[1]
        if kind is kinds.RANGE
        else kind is kinds.CATEGORY and value not in {kinds.CATEGORY_WORD, kinds.CATEGORY_DIGIT}
        for kind, value in items
    )
    return held is not negated
