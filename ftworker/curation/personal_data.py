"""Personal data with a recognisable shape: e-mails, phones, identity and record numbers, accounts, cards.

Conservative both ways: a shape alone is not enough where a lesson has the same one (a distance of
778 340 821 km, a force of 10000000 N, an ISBN), and a wrong check letter does not make a DNI harmless. Names
are not found here. Linear in the length of the text. Never claims that what passes is anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["email", "phone", "identity_number", "iban", "card", "record_number"]

# Six digits with at most one separator between two of them. All numbers below have them, and few texts of a
# lesson do, so that most texts are done after this.
_SOME_DIGITS = re.compile(r"[0-9](?:[ .\-/]?[0-9]){5}")

_NO_NUMBER_BEFORE = r"(?<![\w.,+\-/])"
_NO_NUMBER_AFTER = r"(?![\w/]|[.,\- ]\d)"

_EMAIL_NAME_BACKWARDS = re.compile(r"[\w.%+\-]{1,64}")
_EMAIL_DOMAIN = re.compile(r"(?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])")
# RFC 2606 and their Spanish cousins: addresses of lessons and documentation.
_DOCUMENTATION_DOMAIN = re.compile(
    r"(?:.*\.)?(?:(?:example|ejemplo|exemple)\.(?:com|org|net|es|cat)|test|invalid|localhost)", re.IGNORECASE
)

_CHECK_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_DNI = re.compile(rf"{_NO_NUMBER_BEFORE}(\d{{8}}|\d{{1,2}}\.\d{{3}}\.\d{{3}})(\s?-\s?| )?([A-Za-z])(?!\w)")
_NIE = re.compile(r"(?<![\w.,])([XYZxyz])[ \-]?(\d{7}|\d\.\d{3}\.\d{3})[ \-]?([A-Za-z])(?!\w)")

_IBAN = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{4}){2,7}(?:[ \-]?[A-Za-z0-9]{1,4})?(?!\w)")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI NL", 20: "AT LU", 21: "CH", 22: "DE GB IE",
        24: "AD ES RO SE", 25: "PT", 27: "FR GR IT", 28: "MA PL",
    }.items()
    for country in countries.split()
}  # fmt: skip

_CARD = re.compile(
    _NO_NUMBER_BEFORE
    + r"(?:\d{13,19}|\d{4}([ \-])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ \-])\d{6}\2\d{5})(?![\w\-/]|[.,]\d)"
)

_PHONE_OF_SPAIN = re.compile(r"(?<!\w)(?:\(?(?:\+|00) ?34\)?)[ .\-]?\(?[6-9](?:[ .\-)]{0,2}\d){8}(?!\d)")
_PHONE_ABROAD = re.compile(r"(?<![\w)\]=])\+\d{1,3}(?:[ \-]\(?\d{1,5}\)?){2,6}(?!\w)")
_PHONE_GROUPED = re.compile(
    _NO_NUMBER_BEFORE
    + r"(?:[6-9]\d{2}(?:([ \-])\d{3}\1\d{3}|([ .\-])\d{2}\2\d{2}\2\d{2})|[89]\d([ .\-])\d{3}\3\d{2}\3\d{2})"
    + _NO_NUMBER_AFTER
)
_PHONE_BARE = re.compile(_NO_NUMBER_BEFORE + r"(?:[6-9]\d{8}|[6-9]\d{2}\.\d{3}\.\d{3})(?!\w|[.,]\d)")
_PHONE_CUE = re.compile(
    r"tel[eéè]f\w*|\btel[fe]?\b|\btlfn?o?\b|\btfno\b|\bm[oóò](?:v|b)il|whats\s?app|wh?asap|guasap|"
    r"telegram|bizum|ll[aá]ma(?:me|nos|dme|r)|\btruca|contacto|\bmi n[uú]mero|\bel meu n[uú]mero|"
    r"\bphone|\bcall me|\bfijo",
    re.IGNORECASE,
)
# A quantity or a calculation, not a telephone: what may stand after or before a number in groups of three.
_QUANTITY_AFTER = re.compile(
    r"\s?(?:[%€$£º°=+*×·^<>≤≥÷]|"
    r"(?:k|c|m|d|da|h|M|G)?(?:m|g|l|L|J|W|N|V|A|Hz|Pa|s|b|B)(?:[²³23]|/\w+)?(?!\w)|"
    r"(?:euros?|d[oó]lares|pesetas|habitantes|personas|a[nñ]os|metros|kil[oó]metros|gramos|litros|"
    r"segundos|bytes|d[ií]as|unidades|millones|hect[aá]reas|votos|especies|c[eé]lulas|estrellas|toneladas)\b)"
)
_CALCULATION_BEFORE = re.compile(r"[=+*×·^<>≤≥÷(]\s?$")

_RECORD = re.compile(r"(?<![\w.,])(?:[A-Za-z]{2,4}[ \-]?)?\d{6,15}(?:[ \-]?[A-Za-z])?(?!\w|[.,]\d)")
_RECORD_CUE = re.compile(
    r"\b(?:DNI|NIF|NIE|NIA|NUSS|SIP|CIP|carnet|carné|pasaporte|passaport|passport|expediente|"
    r"documento de identidad|documento nacional|seguridad social|tarjeta sanitaria|historia cl[ií]nica|"
    r"n[uú]mero de (?:alumn[oa]|historia|cuenta|afiliaci[oó]n|identificaci[oó]n|matr[ií]cula)|"
    r"matr[ií]cula es|identificador de alumn[oa])\b",
    re.IGNORECASE,
)
_SOCIAL_SECURITY = re.compile(_NO_NUMBER_BEFORE + r"(\d{2})([/\- ])(\d{7,8})\2(\d{2})(?![\w/]|[.,\-]\d)")

_CUE_CHARACTERS = 40
"""How far before a number a word such as "teléfono" or "DNI" still speaks of it."""


@dataclass(frozen=True)
class PersonalData:
    """One find, and where it stands in the text."""

    kind: Kind
    start: int
    end: int


def holds_personal_data(text: str) -> bool:
    """Whether anything is found. Quick for the usual text: no at sign, no six digits close together."""
    if "@" in text and next(_emails(text), None) is not None:
        return True
    return _SOME_DIGITS.search(text) is not None and next(_numbers(text), None) is not None


def find_personal_data(text: str) -> list[PersonalData]:
    """Every find, in the order of the text; of finds of one kind inside each other the widest. Kinds may overlap."""
    found = list(_emails(text)) if "@" in text else []
    if _SOME_DIGITS.search(text):
        found.extend(_numbers(text))
    widest: list[PersonalData] = []
    end_of: dict[Kind, int] = {}
    for find in sorted(found, key=lambda find: (find.start, -find.end, find.kind)):
        if find.end > end_of.get(find.kind, 0):
            widest.append(find)
            end_of[find.kind] = find.end
    return widest


def _emails(text: str) -> Iterator[PersonalData]:
    # Looking around each at sign is linear; a pattern that begins with the name before it is not.
    at = text.find("@")
    while at != -1:
        domain = _EMAIL_DOMAIN.match(text, at + 1)
        name = _EMAIL_NAME_BACKWARDS.match(text[max(0, at - 64) : at][::-1]) if domain else None
        # git@github.com is how a repository is written, not how a person is reached.
        if domain and name and name[0] != "tig" and not _DOCUMENTATION_DOMAIN.fullmatch(domain[0]):
            yield PersonalData("email", at - name.end(), domain.end())
        at = text.find("@", at + 1)


def _numbers(text: str) -> Iterator[PersonalData]:
    yield from _identity_numbers(text)
    yield from _bank_numbers(text)
    yield from _phones(text)
    yield from _record_numbers(text)


def _identity_numbers(text: str) -> Iterator[PersonalData]:
    for match in _DNI.finditer(text):
        number, separator, letter = match[1].replace(".", ""), match[2], match[3]
        right_letter = _CHECK_LETTERS[int(number) % 23] == letter.upper()
        # "12345678 N" and "10000000N" are quantities unless the letter is right, and so is a small unit.
        written_as_one = letter.isupper() and (separator is None or "-" in separator or "." in match[1])
        if right_letter or (written_as_one and not number.endswith("0000")):
            yield PersonalData("identity_number", match.start(), match.end())
    for match in _NIE.finditer(text):
        number = str("XYZ".index(match[1].upper())) + match[2].replace(".", "")
        right_letter = _CHECK_LETTERS[int(number) % 23] == match[3].upper()
        if right_letter or (match[1].isupper() and match[3].isupper()):
            yield PersonalData("identity_number", match.start(), match.end())


def _bank_numbers(text: str) -> Iterator[PersonalData]:
    for match in _IBAN.finditer(text):
        if _is_iban(match[0]):
            yield PersonalData("iban", match.start(), match.end())
    for match in _CARD.finditer(text):
        digits = match[0].replace(" ", "").replace("-", "")
        if len(digits) <= 19 and digits[0] in "23456" and not digits.endswith("000000") and _luhn(digits):
            yield PersonalData("card", match.start(), match.end())


def _is_iban(written: str) -> bool:
    compact = written.replace(" ", "").replace("-", "").upper()
    length = _IBAN_LENGTHS.get(compact[:2])
    if length is None or len(compact) < length:
        return False
    # What follows after a space ("ES91 ... 1332 en") may have been read along.
    compact = compact[:length]
    if compact.startswith("ES"):
        return compact[2:].isdigit()  # a typing error in the check number does not make an account nobody's
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def _luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _phones(text: str) -> Iterator[PersonalData]:
    for match in _PHONE_OF_SPAIN.finditer(text):
        yield PersonalData("phone", match.start(), match.end())
    for match in _PHONE_ABROAD.finditer(text):
        digits = sum(character.isdigit() for character in match[0])
        if 9 <= digits <= 15 and not _QUANTITY_AFTER.match(text, match.end()):
            yield PersonalData("phone", match.start(), match.end())
    for match in _PHONE_GROUPED.finditer(text):
        before = text[max(0, match.start() - 2) : match.start()]
        if not _QUANTITY_AFTER.match(text, match.end()) and not _CALCULATION_BEFORE.search(before):
            yield PersonalData("phone", match.start(), match.end())
    for match in _PHONE_BARE.finditer(text):
        if _cue(_PHONE_CUE, text, match.start()):
            yield PersonalData("phone", match.start(), match.end())


def _record_numbers(text: str) -> Iterator[PersonalData]:
    for match in _RECORD.finditer(text):
        if _cue(_RECORD_CUE, text, match.start()):
            yield PersonalData("record_number", match.start(), match.end())
    for match in _SOCIAL_SECURITY.finditer(text):
        if match[2] == "/" or int(match[1] + match[3].zfill(8)) % 97 == int(match[4]):
            yield PersonalData("record_number", match.start(), match.end())


def _cue(cue: re.Pattern[str], text: str, before: int) -> bool:
    return cue.search(text, max(0, before - _CUE_CHARACTERS), before) is not None
