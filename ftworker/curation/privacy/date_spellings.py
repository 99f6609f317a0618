"""How people write a date: in figures, in words, with roman months, in five languages; and a quick look for any.

Patterns run over the fold. Whether a date is somebody's birth is told by `births` and found by `dates`.
"""

from __future__ import annotations

import re

from ahocorasick_rs import BytesAhoCorasick

MONTH = (
    rb"(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre|"
    rb"gener|febrer|marc|maig|juny|juliol|agost|setembre|octubre|novembre|desembre|"
    rb"xaneiro|febreiro|marzo|maio|xuno|xullo|setembro|outubro|novembro|decembro|"
    rb"urtarril\w*|otsail\w*|martxo\w*|apiril\w*|maiatz\w*|ekain\w*|uztail\w*|abuztu\w*|irail\w*|urri\w*|"
    rb"azaro\w*|abendu\w*|"
    rb"january|february|march|april|may|june|july|august|september|october|november|december|"
    rb"ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic)"
)
YEAR = rb"(?:19[2-9]\d|20[0-3]\d)"
_MONTH_SHORT_OR_ROMAN = (
    rb"(?:ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic|gen|mai|xan|i{1,3}|i?v|vi{0,3}|i?x|xi{0,2})"
)
SMALL_NUMBER = (
    rb"(?:un[oa]?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci\w+|"
    rb"veint\w+|"
    rb"dues|tres|quatre|cinc|sis|set|vuit|nou|deu|onze|dotze|tretze|catorze|quinze|setze|disset|divuit|dinou|"
    rb"vint\S{0,8}|"
    rb"catro|sete|oito|nove|dez|"
    rb"(?:tre|cuare|cincue|sese|sete|oche|nove)i?nta)"
)
_YEAR_IN_WORDS = rb"(?:(?:dos mil|mil novecientos|mil nou-cents)(?: %b(?: y %b)?)?)" % (
    SMALL_NUMBER,
    SMALL_NUMBER,
)
DATE = re.compile(
    rb"(?<![\w.,/\-])(?:"
    rb"\d{1,2}\s?[/.\-\xb7_\\]\s?\d{1,2}\s?[/.\-\xb7_\\]\s?(?:%b|\d{2})|\d{1,2}, ?\d{1,2}, ?%b|"
    rb"%b[/.\-]\d{1,2}[/.\-]\d{1,2}|"
    rb"(?:[0-2]\d|3[01])(?:0\d|1[0-2])\d\d(?=\D|$)|\d{1,2}[ .\-/]%b[ .\-/](?:%b|\d{2})|\d{1,2} \d{1,2} %b|"
    rb"(?:[0-2]\d|3[01])(?:0\d|1[0-2])%b|%b(?:0\d|"
    rb"1[0-2])(?:[0-2]\d|3[01])|"
    rb"(?:(?:%b(?: y uno)?|primero|primer|"
    rb"\d{1,2}(?:st|nd|rd|th|\.?\xba)?)(?: del? mes de | del? | d'| of | do | d | )?%b\b\.?)(?:,? (?:de |"
    rb"del |"
    rb"d |dl |"
    rb"de l'any |del ano |"
    rb"of )?(?:%b|%b|este ano|'?\d{2})\b|"
    rb" del (?:cuarenta|cincuenta|sesenta|setenta|ochenta|noventa)(?: y \w{2,6})?\b)?|"
    rb"(?:\d{1,2}|%b) (?:de|del|d) (?:\d{1,2}|%b) (?:de|del|dl|d) (?:%b|%b|\d{2})\b|"
    rb"%b,? (?:de |del )?%b,? (?:el )?dia \d{1,2}|\d{1,2} del \d{1,2}(?= *(?:[.,;)\n]|$| (?:y|es|cumpl|hago)\b))|"
    rb"%b(?:,? el)? (?:dia )?\d{1,2}(?:st|nd|rd|th)?(?:,? (?:del? )?%b)?|(?:%b(?:e?k?o)? )?%b\w* \d{1,2}[a-z]{0,3}|"
    rb"\d{1,2}[/\-]\d{1,2}"
    # Nor the birthday of somebody long dead: "27 de enero de 1756".
    rb")(?![\w/]|[.,\-]\d|,? (?:de |del )?1(?:[0-8]\d|9[01])\d\b)"
    % (
        *(
            YEAR,
            YEAR,
            YEAR,
            _MONTH_SHORT_OR_ROMAN,
            YEAR,
            YEAR,
            YEAR,
            YEAR,
            SMALL_NUMBER,
            MONTH,
            YEAR,
            _YEAR_IN_WORDS,
        ),
        *(SMALL_NUMBER, SMALL_NUMBER, YEAR, _YEAR_IN_WORDS, MONTH, YEAR, MONTH, YEAR, YEAR, MONTH),
    )
)
DATED = re.compile(
    rb"(?<![\w.,/\-])(?:\d{1,2}\s?[/.\-]\s?\d{1,2}\s?[/.\-]\s?%b|%b([/.\-])\d{1,2}\1\d{1,2}|"
    rb"\d{1,2}([/\-])\d{1,2}\2\d\d(?!\d)|\d{1,2} del? \d{1,2} del? %b|"
    rb"(?:%b|\d{1,2}\xba?)(?: del? | d'| |-)%b(?:(?:,? (?:de |del |de l'any )?|-)(?:%b|%b)|"
    rb" del '?[01]\d))(?![\w/]|[.\-]\d)" % (YEAR, YEAR, YEAR, SMALL_NUMBER, MONTH, YEAR, _YEAR_IN_WORDS)
)
"""A day, a month and a year."""
FOUR_DIGITS = re.compile(rb"\d{4}|\d[/\-]\d{1,2}[/\-]\d\d")
ANY_YEAR = re.compile(YEAR)
MONTH_WITHIN = re.compile(rb"[a-z]{3}")
SHORT_YEAR = re.compile(rb"\d[/.\-]\d\d$")
ANY_SHORT_YEAR = re.compile(rb"\d[/.\- ]\d\d$|[a-z ]{3}'?\d\d$|\b(?:dos mil|mil nov)")
WITH_YEAR = re.compile(YEAR + rb"$")
# Each begins with the digit itself, so that the engine looks at digits alone.
_DATE_IN_FIGURES = (
    rb"\d ?[/\-] ?\d|\d ?([.\xb7_\\ ]|, ?)\d{1,2}(?: ?\1 ?)\d\d|\d\d{5}|\d (?:de|del|d) \d|"
    rb"\d[a-z.\xba]{0,3}[ .\-/](?:del? (?:mes de )?|d |d'|of )?(?:ene|feb|mar|abr|may|jun|jul|ago|sep|set|"
    rb"oct|nov|"
    rb"dic|gen|mai|"
    rb"xan|xu[nl]|out|dec|dez|i{1,3}[. \-/]|i?v[. \-/]|vi{0,3}[. \-/]|i?x[. \-/]|xi{0,2}[. \-/])"
)
_MONTH_NAMES = (
    rb"enero|febrer|marzo|abril|mayo|juni|juli|agost|septiembre|setiembre|octubre|noviembre|diciembre|"
    rb"gener |"
    rb"febrer|marc |"
    rb"maig|juny|juliol|setembre|novembre|desembre|xaneiro|febreiro|maio|xuno|xullo|outubro|decembro|"
    rb"urtarril|otsail|"
    rb"martxo|apiril|maiatz|ekain|uztail|abuztu|irail|urri|azaro|abendu|january|february|march|april|june|"
    rb"july|"
    rb"august|"
    rb"september|october|november|december"
)
_SHORT_MONTHS = rb"ene|feb|mar|abr|may|jun|jul|ago|sep|sept|oct|nov|dic"
_YEARS_BEGIN = rb"dos mil|mil nov|mil nou"
# Every date has numbers with signs between them, or a month: a quick look.
OF_DATES = re.compile(
    rb"%b|\b(?:%b|(?:%b)\.? \d|%b)" % (_DATE_IN_FIGURES, _MONTH_NAMES, _SHORT_MONTHS, _YEARS_BEGIN)
)
IN_FIGURES = re.compile(_DATE_IN_FIGURES)
"""The same where none of these words stands: most stretches hold none, and it is found several times quicker."""
_WORDS_OF_DATES = BytesAhoCorasick(
    [
        *b"|".join((_MONTH_NAMES, _YEARS_BEGIN)).split(b"|"),
        *(short + after for short in _SHORT_MONTHS.split(b"|") for after in (b" ", b". ")),
    ]
)
TELLS_A_YEAR = re.compile(rb"19[2-9]\d|20[0-3]\d|/\d\d|-\d\d|del '?[01]\d|dos mil|mil nov|mil nou")
"""Whatever `DATED` finds holds one of these."""


def is_in_words(folded: bytes, begin: int, end: int) -> bool:
    """Whether a word of this stretch begins as those of `OF_DATES` do."""
    return any(
        not folded[begin + place - 1 : begin + place].isalnum()
        for _, place, _ in _WORDS_OF_DATES.find_matches_as_indexes(folded[begin:end], overlapping=True)
    )


SPACED = re.compile(
    rb"(?<![\w.,/\-])(?:(?:[0-2]?\d|3[01]) (?:0?\d|1[0-2]) (?:20[01]\d|202[0-4])|(?:[0-2]\d|3[01])(?:0\d|"
    rb"1[0-2])(?:200\d|201\d|202[0-4])|"
    rb"\d{1,2}[ .\-]%b[ .\-](?:20[01]\d|202[0-4])|\d{1,2}[ /.\-]\d{1,2}[ /.\-](?:0\d|1\d|20))(?![\w/]|[.,\-]\d)"
    % _MONTH_SHORT_OR_ROMAN
)
"""Spellings that are dates only where a birth is spoken of."""
