"""Personal data with a recognisable shape: e-mails, phones, identity numbers, bank accounts, cards, record numbers.

Conservative both ways: a shape alone is not enough where a lesson has the same shape (a distance of 778 340 821 km, a
force of 10000000 N, an ISBN), and a wrong check letter does not make a DNI harmless. Names are not found here.
Linear in the length of the text. Never claims that what passes is anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Seven digits with at most one separator between two of them: without these, only an e-mail is possible. IBANs, cards,
# phones and identity numbers all have them, and few texts of a lesson do.
_DIGITS = re.compile(r"\d(?:[ .\-/]?\d){5}")

_EMAIL = re.compile(r"([\w.%+\-]{1,64})@((?:[\w\-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w@])")
_EMAIL_WINDOW = (64, 255)
# RFC 2606 and their Spanish cousins: addresses of lessons and documentation.
_DOCUMENTATION_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|org|net|es)|ejemplo\.(?:com|org|net|es)|exemple\.(?:com|cat)|test|invalid|localhost)",
    re.IGNORECASE,
)

_DNI = re.compile(r"(?<![\w.,\-/])(\d{8}|\d{1,2}\.\d{3}\.\d{3})(\s?-\s?| )?([A-Za-z])(?![\w])")
_NIE = re.compile(r"(?<![\w.,])([XYZxyz])[ \-]?(\d{7}|\d\.\d{3}\.\d{3})[ \-]?([A-Za-z])(?![\w])")
_CHECK_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"

_IBAN = re.compile(r"(?<!\w)([A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]{4}){2,7}(?:[ \-]?[A-Za-z0-9]{1,4})?)(?!\w)")
_IBAN_LENGTHS = {
    "AD": 24, "AT": 20, "BE": 16, "CH": 21, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27,
    "IE": 22, "IT": 27, "LU": 20, "MA": 28, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24,
}  # fmt: skip

_CARD = re.compile(
    r"(?<![\w.,+\-/])(\d{13,19}|\d{4}([ \-])\d{4}\2\d{4}\2\d{1,7}|\d{4}([ \-])\d{6}\3\d{5})(?![\w\-/]|[.,]\d)"
)

_PHONE_PREFIXED = re.compile(
    r"(?<![\w])(?:\+|00)\s?(?:\(?34\)?)[ .\-]?[6-9](?:[ .\-]?\d){8}(?!\d)|\(\+34\)[ .\-]?[6-9](?:[ .\-]?\d){8}(?!\d)"
)
_PHONE_ABROAD = re.compile(r"(?<![\w)\]])\+\d{1,3}(?:[ \-]\(?\d{1,5}\)?){2,6}(?![\w])")
_PHONE_GROUPED = re.compile(
    r"(?<![\w.,+\-/])(?:[67]\d{2}|[89]\d{2})(?:([ \-])\d{3}\1\d{3}|([ .\-])\d{2}\2\d{2}\2\d{2})(?![\w/]|[.,\- ]\d)"
    r"|(?<![\w.,+\-/])[89]\d([ .\-])\d{3}\3\d{2}\3\d{2}(?![\w/]|[.,\- ]\d)"
)
_PHONE_BARE = re.compile(
    r"(?<![\w.,+\-/])[6-9]\d{8}(?!\w|[.,]\d)|(?<![\w,+\-/])[6-9]\d{2}\.\d{3}\.\d{3}(?![\w]|\.\d)"
)
_PHONE_CUE = re.compile(
    r"(?:tel[eéè]f\w*|\btel[fe]?\b|\btlfn?o?\b|\btfno\b|m[oóò](?:v|b)il|whats\s?app|wh?asap|guasap|telegram|bizum|"
    r"ll[aá]ma(?:me|nos|r|dme)|tr[uú]ca?'?(?:m|ns)|contacto|\bmi n[uú]mero|\bphone|\bcall me|\bfijo)",
    re.IGNORECASE,
)
_PHONE_CUE_WINDOW = 40
# A quantity or a calculation, not a telephone.
_QUANTITY_AFTER = re.compile(
    r"\s?(?:%|€|\$|£|º|°|[=+*×·^<>≤≥÷]|(?:k|c|m|d|da|h|M|G)?(?:m|g|l|L|J|W|N|V|A|Hz|Pa|s|b|B)(?:[²³23]|/\w+)?(?![\w])|"
    r"euros?\b|d[oó]lares\b|pesetas\b|habitantes\b|personas\b|a[nñ]os\b|metros\b|kil[oó]metros\b|gramos\b|litros\b|"
    r"segundos\b|bytes\b|d[ií]as\b|unidades\b|millones\b|hect[aá]reas\b|votos\b|(?:de )?especies\b|c[eé]lulas\b)"
)
_CALCULATION_BEFORE = re.compile(r"[=+*×·^<>≤≥÷(]\s?$")

_NUMBER = re.compile(r"(?<![\w.,])(?:[A-Za-z]{2,4}[ \-]?)?\d{6,15}(?:[ \-]?[A-Za-z])?(?!\w|[.,]\d)")
_RECORD_CUE = re.compile(
    r"(?:\bDNI\b|\bNIF\b|\bNIE\b|\bNIA\b|\bNUSS\b|\bSIP\b|\bCIP\b|\bdocumento (?:nacional|de identidad)|"
    r"\bcarn[eé]t?\b|\bpasaporte|\bpassaport|\bpassport|\bexpediente|\bmatr[ií]cula (?:es|n)|\bseguridad social|"
    r"\btarjeta sanitaria|\bn[uú]mero de (?:alumn[oa]|historia|cuenta|afiliaci[oó]n|identificaci[oó]n)|"
    r"\bhistoria cl[ií]nica|\bid(?:entificador)? de alumn[oa])",
    re.IGNORECASE,
)
_RECORD_CUE_WINDOW = 40
_SOCIAL_SECURITY = re.compile(r"(?<![\w/.,\-])(\d{2})([/\- ])(\d{7,8})\2(\d{2})(?![\w/]|[.,\-]\d)")


@dataclass(frozen=True)
class PersonalData:
    """One find: its kind (`email`, `phone`, `identity_number`, `iban`, `card`, `record_number`) and where it stands."""

    kind: str
    start: int
    end: int


def holds_personal_data(text: str) -> bool:
    """Whether anything is found. Quick for the usual text, which has neither an at sign nor seven digits in a row."""
    if "@" in text and next(_emails(text), None) is not None:
        return True
    return _DIGITS.search(text) is not None and next(_numbers(text), None) is not None


def find_personal_data(text: str) -> list[PersonalData]:
    """Every find, in the order of the text. Finds of different kinds may overlap."""
    found = list(_emails(text)) if "@" in text else []
    if _DIGITS.search(text):
        found.extend(_numbers(text))
    return sorted(found, key=lambda find: (find.start, find.end, find.kind))


def _emails(text: str) -> Iterator[PersonalData]:
    # Looking around each at sign keeps this linear: a pattern that begins with the name before it is not.
    at = text.find("@")
    while at != -1:
        low = max(0, at - _EMAIL_WINDOW[0])
        match = None
        for match in _EMAIL.finditer(text, low, at + _EMAIL_WINDOW[1]):
            if match.start(2) == at + 1:
                break
        if match is not None and match.start(2) == at + 1 and not _documentation(match):
            yield PersonalData("email", match.start(), match.end())
        at = text.find("@", at + 1)


def _documentation(match: re.Match[str]) -> bool:
    # git@github.com is how a repository is written, not how a person is reached.
    return match[1] == "git" or _DOCUMENTATION_DOMAIN.fullmatch(match[2]) is not None


def _numbers(text: str) -> Iterator[PersonalData]:
    yield from _identity_numbers(text)
    yield from _bank_numbers(text)
    yield from _phones(text)
    yield from _record_numbers(text)


def _identity_numbers(text: str) -> Iterator[PersonalData]:
    for match in _DNI.finditer(text):
        number, separator, letter = match[1].replace(".", ""), match[2], match[3]
        valid = _CHECK_LETTERS[int(number) % 23] == letter.upper()
        # "12345678 N" and "10000000N" are quantities unless the letter fits; lower case is a unit likewise.
        written_as_one = letter.isupper() and (separator is None or "-" in separator or "." in match[1])
        if valid or (written_as_one and not number.endswith("0000")):
            yield PersonalData("identity_number", match.start(), match.end())
    for match in _NIE.finditer(text):
        number = str("XYZ".index(match[1].upper())) + match[2].replace(".", "")
        if _CHECK_LETTERS[int(number) % 23] == match[3].upper() or (
            match[1].isupper() and match[3].isupper()
        ):
            yield PersonalData("identity_number", match.start(), match.end())


def _bank_numbers(text: str) -> Iterator[PersonalData]:
    for match in _IBAN.finditer(text):
        if _is_iban(match[1]):
            yield PersonalData("iban", match.start(), match.end())
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[1])
        if len(digits) <= 19 and digits[0] in "23456" and not digits.endswith("000000") and _luhn(digits):
            yield PersonalData("card", match.start(), match.end())


def _is_iban(written: str) -> bool:
    compact = re.sub(r"[ \-]", "", written).upper()
    length = _IBAN_LENGTHS.get(compact[:2])
    if length is None or len(compact) < length:
        return False
    compact = compact[:length]
    if compact.startswith("ES") and compact[2:].isdigit():
        return True  # also with a wrong check number: a typing error does not make an account nobody's
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def _luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _phones(text: str) -> Iterator[PersonalData]:
    for pattern in (_PHONE_PREFIXED, _PHONE_ABROAD):
        for match in pattern.finditer(text):
            digits = sum(character.isdigit() for character in match[0])
            if 9 <= digits <= 15 and not _QUANTITY_AFTER.match(text, match.end()):
                yield PersonalData("phone", match.start(), match.end())
    for match in _PHONE_GROUPED.finditer(text):
        before = text[max(0, match.start() - 3) : match.start()]
        if not _QUANTITY_AFTER.match(text, match.end()) and not _CALCULATION_BEFORE.search(before):
            yield PersonalData("phone", match.start(), match.end())
    for match in _PHONE_BARE.finditer(text):
        if _PHONE_CUE.search(text, max(0, match.start() - _PHONE_CUE_WINDOW), match.start()):
            yield PersonalData("phone", match.start(), match.end())


def _record_numbers(text: str) -> Iterator[PersonalData]:
    for match in _NUMBER.finditer(text):
        if _RECORD_CUE.search(text, max(0, match.start() - _RECORD_CUE_WINDOW), match.start()):
            yield PersonalData("record_number", match.start(), match.end())
    for match in _SOCIAL_SECURITY.finditer(text):
        if int(match[1] + match[3].zfill(8)) % 97 == int(match[4]) or match[2] == "/":
            yield PersonalData("record_number", match.start(), match.end())
