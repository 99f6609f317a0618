"""The quick looks of the rules of quality decide as the slow ones behind them would."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftworker.curation import markers
from ftworker.curation.language import OTHER_SCRIPT, foreign_language
from ftworker.curation.reasons import DropReason
from ftworker.curation.repetition import sign_share
from ftworker.curation.screening import flaw


@pytest.mark.parametrize("pattern", [markers._INTERFACE, markers._LINKED_NUMBER], ids=["marks", "numbers"])
def test_whatever_an_interface_left_is_looked_for(pattern: re.Pattern[str]) -> None:
    @settings(
        max_examples=500,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.from_regex(pattern))
    def is_looked_for(answer: str) -> None:
        assert markers._perhaps_marked(answer)

    is_looked_for()


@given(st.text(max_size=80))
@example("« £ ½ × ÷ _ \x85 ª ² −−− λ → …»")
@example("a\ud83d" * 20)
def test_signs_are_all_that_is_no_word_and_no_space(text: str) -> None:
    text = (text + "abc !" * 8).replace("```", "'''")
    assert sign_share(text) == len(re.sub(r"[\w\s]+", "", text)) / len(text)


@given(st.integers(0, 40), st.integers(0, 20), st.integers(0, 60))
@example(3, 0, 7)
@example(30, 10, 70)
def test_three_letters_in_ten_of_another_script_are_one(cyrillic: int, signs: int, letters: int) -> None:
    found = foreign_language("ж" * cyrillic + " −" * signs + " ñ" * letters, ("es",), 1_000)

    is_other = cyrillic > 0.3 * (cyrillic + letters)
    assert (found is not None and found.language == OTHER_SCRIPT) == is_other


@given(
    st.lists(
        st.sampled_from(["a", "x = ", ".", ",", ")", "»", " ", "\n", " [1]", "[2]", " [12]", "[", "]", "3"])
    ).map("".join)
)
@example("Hierve [1] [2]. Y se enfría [3][4]\n")
@example("f(x) [1]\n\n [2]")
def test_a_citation_leaves_with_the_space_before_it(answer: str) -> None:
    with_space = re.compile(rf" {markers._ENDS_A_CLAUSE.pattern}", re.MULTILINE)

    assert markers.uncited(answer) == (with_space.sub("", answer).strip() if " [" in answer else answer)


@given(st.text(st.characters(blacklist_categories=())))
@example("a\ud83d")
@example("\ude00\ud83d ñ")
@example("👍")
def test_what_utf_8_cannot_hold_is_a_flaw(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert flaw(text) is DropReason.LONE_SURROGATE
    else:
        assert flaw(text) is not DropReason.LONE_SURROGATE
