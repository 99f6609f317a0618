"""The quick looks before the rules of dates let everything through that a rule would find."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import date_spellings

PIECES = st.sampled_from(
    [
        *(
            b"3",
            b"12",
            b"2011",
            b"120311",
            b" ",
            b"/",
            b"-",
            b".",
            b", ",
            b" de ",
            b" del ",
            b"\n",
            b"'",
            b"_",
            b"(",
        ),
        *(
            b"mar",
            b"marzo",
            b"mayo",
            b"ene",
            b"tiene",
            b"sept.",
            b"de dos mil",
            b"mil nou",
            b"maig",
            b"xi",
            b"\x01",
        ),
    ]
)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.lists(PIECES, max_size=20).map(b"".join), st.integers(0, 30))
@example(b"[3 mar 4", 2)
@example(b"tiene 3 de mayo", 0)
@example(b"mar 3", 0)
def test_figures_alone_are_looked_for_only_where_no_word_of_a_date_stands(folded: bytes, begin: int) -> None:
    end = len(folded)
    if not date_spellings.is_in_words(folded, begin, end):
        in_figures = [found.span() for found in date_spellings.IN_FIGURES.finditer(folded, begin, end)]
        assert in_figures == [found.span() for found in date_spellings.OF_DATES.finditer(folded, begin, end)]


@settings(
    max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.from_regex(date_spellings.DATED))
def test_whatever_is_dated_tells_a_year(written: bytes) -> None:
    assert date_spellings.TELLS_A_YEAR.search(written)
