"""The quick look before the patterns of wellbeing and health loses none of what they would find."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import wellbeing
from ftworker.curation.privacy.folding import view

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
