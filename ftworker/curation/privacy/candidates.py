"""Which tokens of a text could be somebody's datum, so that the model of `learned` is asked for them.

Those that are odd by themselves wherever they stand, and those with a digit or a sign around what was found and around
words that call for rules. Numbers of exercises are nearly all there is: what is plainly reckoned with is left out
here, where it costs least. Nothing is found here; `learned` says what the tokens are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ftworker.curation.privacy.folding import MASK, View
from ftworker.curation.privacy.kinds import Finding
from ftworker.curation.privacy.token_features import Token, known_words, token_at, tokens
from ftworker.curation.privacy.triggers import Family

Stretch = tuple[int, int]
"""From where to where."""
Place = tuple[int, int, int, object]
"""Where something stands, from where to where, and the family of rules that it calls for."""

ASKED_FAMILIES = (
    Family.ADDRESS
    | Family.HOME
    | Family.BIRTH
    | Family.DATED
    | Family.POSTAL_CODE
    | Family.CODED
    | Family.PLATE
    | Family.BARE_HANDLE
    | Family.TABLE
    | Family.NUMBERS
    | Family.SIGNED
    | Family.ODD
)
"""Families whose words make a small number or a mere word near them worth asking for, and what is odd by itself."""
_SHORTEST_WORD = 3
_USUAL_REACH = (24, 50)
_REACH = {Family.ADDRESS: (0, 45)}
_AROUND_ODD, _AROUND_FIND = 2, 60
"""How far before and behind each of these tokens are asked for, in characters."""
_SIGN = re.compile(
    rb"[\d_@#.](?:"
    # A share, and what is reckoned with, is no datum.
    rb"(?<=\d)(?!\d{0,2}(?:,\d+)? ?[=%<>\xd7])"
    # A letter that has no Latin base by itself is one of a formula, or of another script.
    rb"|(?<=[_@#])(?:(?=[a-z\d])|(?<=[a-z\d].))"
    rb"|(?<=\.)(?=[a-z]))"
)
"""What makes a token one that could be somebody's."""
_SHORT = 3
_BEFORE_A_DATUM = re.compile(rb"(?:[^\d=+*/x<>%\xb7^-]|\d[^\d ])[^+=*/^.\d\[]")
"""What stands right before a short number that could be a part of a datum; before one of a sum, or of a citation,
stands another thing."""
_FEWEST_LETTERS = 4
"""Of a word that could be an account."""
_RUN_UP = 16
"""Characters before a stretch at which reading begins, so that a number in groups is read whole."""
_SIGNS_ALIKE = bytes(
    0x61 if 0x61 <= code <= 0x7A else 0x30 if 0x30 <= code <= 0x39 else 0x2D if code in b"-/" else 0x20
    for code in range(256)
)
_ODD_DIGITS = re.compile(rb"0(?:(?<=a0)|0000|-0(?:-0|0-0))")
"""What calls for the model wherever it stands: "x7", a long number, a date; in `_SIGNS_ALIKE`."""
_ODD_SIGNS = (b"_", b"@", b"#")
_DOT_WITHIN = re.compile(rb"\.(?<=[a-z]\.)(?=[a-z])")


def asked(seen: View, places: Iterable[Place], families: int, found: Iterable[Finding]) -> list[Token]:
    """The tokens to ask the model for: odd ones, and those around finds and words that call for rules.

    `places`: where those words are, and the `odd_places`; `families`: the families that are possible in this text.
    """
    stretches = [(find.start - _AROUND_FIND, find.end + _AROUND_FIND) for find in found]
    accounts: list[Stretch] = []
    telling = families & ASKED_FAMILIES
    for start, end, family, _ in places:
        if not family & telling:
            continue
        if family == Family.ODD:
            stretches.append((start - _AROUND_ODD, start + _AROUND_ODD))
        elif not 0 < end - start < _SHORTEST_WORD:
            before, behind = _REACH.get(family, _USUAL_REACH)
            stretches.append((start - before, end + behind))
            if family == Family.BARE_HANDLE:
                accounts.append(stretches[-1])
    return candidates(seen, stretches, accounts) if stretches else []


def odd_places(folded: bytes) -> list[tuple[int, int, int, None]]:
    """Where a token is that could be somebody's whatever stands around it: digits with letters, signs, long numbers.

    As `names` has places.
    """
    places = [match.start() for match in _ODD_DIGITS.finditer(folded.translate(_SIGNS_ALIKE))]
    places += [match.start() for match in _DOT_WITHIN.finditer(folded)]
    for sign in _ODD_SIGNS:
        at = folded.find(sign)
        while at != -1:
            if folded[at - 1 : at].isalnum() or folded[at + 1 : at + 2].isalnum():
                places.append(at)
            at = folded.find(sign, at + 1)
    return [(at, at, Family.ODD, None) for at in places]


def candidates(seen: View, stretches: Iterable[Stretch], accounts: Iterable[Stretch]) -> list[Token]:
    """The tokens that could be somebody's: with a digit or a sign, and in `accounts` every word that nobody knows."""
    found: list[Token] = []
    folded, at = seen.folded, 0
    for begin, stop in sorted(stretches):
        if begin > at:
            # A number in groups is read whole.
            least = max(at, begin - _RUN_UP)
            at = begin
            while at > least and folded[at - 1] in b"0123456789 .-":
                at -= 1
        while (sign := _SIGN.search(folded, at, stop)) is not None:
            place = sign.start()
            start, end = token = token_at(folded, place, at)
            at = max(end, place + 1)
            if (
                end > place
                and (end - start > _SHORT or start < 2 or _BEFORE_A_DATUM.match(folded, start - 2))
                and MASK not in folded[start:end]
            ):
                found.append(token)
    words = {
        (start, end)
        for begin, stop in accounts
        for start, end in tokens(seen, folded.rfind(b" ", 0, max(0, begin)) + 1, stop)
        if end - start >= _FEWEST_LETTERS
        and not (folded[start:end] in known_words() or MASK in folded[start:end])
    }
    return sorted(words.union(found)) if words else found
