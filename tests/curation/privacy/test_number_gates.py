"""The quick looks before the rules of numbers let everything through that a rule would find."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import numbers, phones, triggers
from ftworker.curation.privacy.folding import view

ALL_TOGETHER = b"xx00" + b"0" * 40
"""Digits before which every gate is open."""
PIECES = st.sampled_from(
    [
        *("1", "23", "6", "612", "4567", "90210", "5331847", "34", "00", "612345678", "51880246"),
        *(" ", "  ", "-", ".", "/", "_", "·", "(", ")", "*", "\n", ",", "+", " - ", "\u2028", "²", "\u200b"),
        *("dni ", "tel. ", "llámame al ", "cuenta ", "nuss ", "visa ", "ES", "GB29 NWBK ", "Z", "x", "📱"),
    ]
)


@pytest.mark.parametrize(
    "pattern, noughts",
    [
        (numbers._IBAN_ANYHOW, numbers._OF_BANKS),
        (numbers._CCC, numbers._OF_BANKS),
        (numbers._CCC_ANYHOW, numbers._OF_BANKS),
        (numbers._CARD, numbers._OF_BANKS),
        (numbers._ACCOUNT_ANYHOW, numbers._OF_BANKS),
        (numbers._CARD_ANYHOW, numbers._OF_BANKS),
        (numbers._IBAN, numbers._BEGINS_IBAN),
        (numbers._NUSS, numbers._OF_SOCIAL_SECURITY),
        (numbers._NUSS_ANYHOW, numbers._OF_SOCIAL_SECURITY),
        (phones._PHONE_OF_SPAIN, phones._WITH_COUNTRY),
        (phones._PHONE_GROUPED, phones._OF_SPAIN),
        (phones._PHONE_LOOSE, phones._OF_SPAIN),
        (phones._PHONE_ALONE, phones._OF_SPAIN),
        (phones._PHONE_BARE, phones._OF_SPAIN),
        (phones._PHONE_BY_DIGITS, phones._OF_SPAIN),
        (phones._LINKED_TO, phones._OF_SPAIN),
        (phones._PHONE_BEHIND_A_SIGN, phones._SHORTEST),
    ],
)
def test_whatever_a_pattern_finds_has_so_many_digits_together(
    pattern: re.Pattern[bytes], noughts: bytes
) -> None:
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.from_regex(pattern))
    def is_let_through(written: bytes) -> None:
        # Of the fold, which has no other spaces.
        found = pattern.search(re.sub(rb"[\t\r\f\v]", b" ", written))
        assert found is None or noughts in numbers.digits_together(found.string)

    is_let_through()


@pytest.mark.parametrize("pattern", [numbers._DNI_ANYHOW, numbers._DNI_SAID_AFTER], ids=["before", "after"])
def test_whatever_is_called_a_dni_holds_a_word_for_it(pattern: re.Pattern[bytes]) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.from_regex(pattern))
    def is_called_one(written: bytes) -> None:
        assert any(word in written for word in numbers._DNI_WORDS)

    is_called_one()


@settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.from_regex(triggers._OLD_PLATE))
def test_whatever_is_an_old_plate_ends_as_one(written: bytes) -> None:
    found = triggers._OLD_PLATE.search(written)
    assert found is not None
    digits = re.search(rb"\d{4}", found[0])
    assert digits is not None
    assert triggers._OLD_PLATE_ENDS.match(written, found.start() + digits.start())


def test_no_picture_of_a_telephone_is_a_letter_of_the_fold() -> None:
    assert {view(sign).folded for sign in phones._SIGNS_OF_PHONES} == {numbers.NO_LETTER}


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.lists(PIECES, min_size=3, max_size=30).map("".join))
@example("(1453-1492), 📱 612345678")
@example("NL91 ABNA 0417 1643 00")
@example("tel. 0040 735 123 456")
def test_the_gates_change_nothing(text: str) -> None:
    seen = view(text)
    digits, whole = numbers.digits_together(seen.folded), (seen, 0, len(seen.folded))
    for rule in (numbers.bank_numbers, numbers.social_security_numbers, phones.phones):
        if rule is numbers.bank_numbers and digits.count(b"0") < numbers._FEWEST_OF_IBAN:
            continue
        assert [*rule(*whole, digits)] == [*rule(*whole, ALL_TOGETHER)]
