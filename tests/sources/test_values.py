"""The values that stores keep, in every form they were met in, and in forms that nobody should keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Chunk, canonical_json
from ftworker.sources import values

MADRID = ZoneInfo("Europe/Madrid")
UP, DOWN = frozenset({"1", "up"}), frozenset({"-1", "0", "down"})

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "value,time",
    [
        ("2026-03-01T10:00:00+00:00", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.123456789+01:00", datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2026-07-01 10:00:00", datetime(2026, 7, 1, 8, tzinfo=UTC)),
        ("2026-01-01", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("1772359200", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (1772359200, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (1772359200.5, datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        (1772359200_000, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (1772359200_000_000, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (1772359200_000_000_000, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("infinity", None),
        ("ayer", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("", None),
        (True, None),
        (float("nan"), None),
        (10**30, None),
        ([2026], None),
        (None, None),
    ],
)
def test_a_time_is_told_whatever_its_form(value: Any, time: datetime | None) -> None:
    assert values.when(value, MADRID) == time


@pytest.mark.parametrize(
    "value,rating",
    [
        (1, 1),
        (1.0, 1),
        ("1", 1),
        (True, None),
        ("UP ", 1),
        (0, -1),
        ("Down", -1),
        (5, None),
        ("", None),
        (None, None),
    ],
)
def test_a_rating_is_one_of_the_words_of_the_settings(value: Any, rating: int | None) -> None:
    assert values.opinion(value, UP, DOWN) == rating


@pytest.mark.parametrize(
    "value,failed",
    [
        *((value, None) for value in (None, "", False, 0, "false", "OK", "none", " success ")),
        *((value, True) for value in (True, 1, "timeout", {"code": 500}, "true")),
    ],
)
def test_an_error_column_says_no_more_than_that_it_failed(value: Any, failed: bool | None) -> None:
    assert values.failure(value) is failed


@pytest.mark.parametrize(
    "value,said",
    [
        (True, True),
        ("sí", True),
        (1, True),
        (False, False),
        ("revoked", False),
        ("quizás", None),
        (None, None),
    ],
)
def test_consent_is_yes_no_or_unknown(value: Any, said: bool | None) -> None:
    assert values.truth(value) is said


def test_context_as_json_inside_a_text_is_the_same_as_json() -> None:
    assert values.chunks('["a", {"texto": "b", "fuente": "x.pdf"}]') == (
        Chunk("a"),
        Chunk("b", source="x.pdf"),
    )
    assert values.chunks("[esto no es JSON") == (Chunk("[esto no es JSON"),)


def test_scores_that_json_cannot_hold_are_left_out() -> None:
    (chunk,) = values.chunks([{"text": "a", "score": "NaN", "rank": "inf"}])
    assert chunk == Chunk("a")


def test_documents_in_langchain_s_serialised_form_are_passages() -> None:
    document = {"lc": 1, "type": "constructor", "kwargs": {"page_content": "a", "metadata": {"source": "b"}}}
    assert values.chunks([document]) == (Chunk("a", source="b"),)


def test_only_the_row_with_half_a_surrogate_is_marked() -> None:
    rows = values.decode_rows(r'[{"content": "bien"}, {"content": "\ud800"}, {"n": {"m": ["\udfff"]}}]')
    assert [row.get(values.LONE_SURROGATE, False) for row in rows] == [False, True, True]
    assert rows[1]["content"] == "\ufffd"
    assert rows[2]["n"] == {"m": ["\ufffd"]}


@given(ANYTHING)
def test_no_value_makes_the_mapping_raise(value: Any) -> None:
    values.when(value, UTC)
    values.opinion(value, UP, DOWN)
    values.truth(value)
    values.failure(value)
    values.word(value)
    assert isinstance(values.plain_text(value), str)
    mended, _ = values._mended(value)
    canonical_json(values.chunks(mended))


@given(st.text())
def test_no_text_makes_the_decoder_raise_but_as_what_is_no_json(text: str) -> None:
    try:
        values.decode_json(text)
    except ValueError:
        return
