"""The quick looks of the rules of quality decide as the slow ones behind them would."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftworker.conversations import Conversation, Message
from ftworker.curation import markers, rules
from ftworker.curation.language import OTHER_SCRIPT, foreign_language
from ftworker.curation.reasons import DropReason
from ftworker.curation.repetition import most_signs, sign_share
from ftworker.curation.screening import flaw
from ftworker.curation.turns import read_turns
from ftworker.settings import CurationSettings


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
    assert sign_share(text) == len(re.sub(r"[\w\s]+", "", text)) / len(text) <= most_signs(text)


PROSE = "El agua hierve a cien grados en la playa, y en la montaña hierve antes porque hay menos presión. "
ANSWERS = [
    PROSE * 2,
    "No.",
    "No tengo información sobre eso.",
    "The water boils at one hundred degrees at sea level, and it boils earlier in the mountains.",
    PROSE + "una y otra vez " * 40,
    "→ −− λ " * 30 + PROSE,
    "x = 1; " * 20 + "-*/+ " * 40,
    "```x = 1```" + "-*/+ " * 40,
    "\x00" + PROSE,
    "<|im_end|>" + PROSE,
    "",
]


@pytest.mark.parametrize("rating", [None, 1, -1])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("following", ["¿A cuántos grados hierve el agua?", "¿Y por qué?"])
def test_a_turn_for_which_no_rule_is_asked_breaks_none(
    answer: str, following: str, rating: int | None
) -> None:
    said = [
        Message("user", "¿a cuántos grados hierve el agua"),
        Message("assistant", answer, rating=rating),
        Message("user", following),
        Message("assistant", PROSE),
    ]
    limits = CurationSettings()
    turns, _ = read_turns(Conversation("tests", "c1", tuple(said)))

    for turn in turns:
        usable = [rule.judge(turn, limits).reason for rule in rules.USABLE]
        assert rules.of_use(turn, clean=rules.unflawed([turn])) or not any(usable)
        verdicts = [rule.judge(turn, limits) for rule in rules.TEACHABLE]
        assert rules.of_worth(turn, limits) or not any(one.reason or one.flag for one in verdicts)
    assert not rules.of_worth(turns[-1], limits)


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
