"""The quick look before the patterns of wellbeing and health loses none of what they would find."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import wellbeing

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
