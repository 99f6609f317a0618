"""Identity, social security, bank, card and record numbers. Check digits are our own: each is one line of arithmetic.

A shape alone is not enough where a lesson has the same one (a force of 10000000 N, an ISBN), and a wrong check letter
does not make a DNI harmless. Rules run over the fold; case is looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind

NO_LETTER = b"\x02"
"""What the fold has for a sign beyond Latin-1, such as that of the euro."""
NOT_IN_NUMBER = rb"(?<![\w.,+\-/])"
"""Before a number: not in the middle of a word, a decimal, a date or a calculation."""
_BEGINS_NUMBER = rb"\d(?<![\w.,+\-/]\d)"
"""The first digit of what follows none of these. A pattern that begins with a class of bytes is found several times
quicker than one that first looks behind itself everywhere."""
_GAPS = b" .-/_\xb7()*\n"
"""All that a rule here or among the telephones allows between two digits of a number, as often as it may be."""
_NOUGHTS = bytes(0x30 if code in b"0123456789" else 0x78 for code in range(256))
_OF_SOCIAL_SECURITY, _OF_BANKS = b"0" * 11, b"0" * 13
"""Fewer digits than these have no such number, but for an IBAN with letters."""
_FEWEST_OF_IBAN, _BEGINS_IBAN = 11, b"xx00"

_LETTERS = "trwagmyfpdxbnjzsqvhlcke"  # Real Decreto 1553/2005: the number modulo 23 gives the letter
_DNI = re.compile(
    rb"(%b(?:\d{7}|\d?[.,]\d{3}[.,]\d{3}|\d[ \-]\d{3}[ \-]\d{3}))" % _BEGINS_NUMBER
    + rb"(\s?[\-/_\xb7]\s?| |\.|,? ?(?:con |y )?(?:la )?letra:? )?([a-z])(?![\w\x01])"
)
# "dni 51880246, letra C", "DNI: 5 1 8 8 0 2 4 6 C", "7345112Q": after the word, however it is written.
_DNI_ANYHOW = re.compile(
    rb"(?<![a-z])(?:(?P<sure>dni|nif|d\.n\.i\.?|n\.i\.f\.?|(?:documento (?:nacional )?de )?identidad)|documento|"
    rb"identificacion|carnet|titular|usuario|"
    rb"contrasena|pongo|puesto)\b[^\d\n]{0,60}\n?[^\d\n]{0,9}(?P<number>\d(?:[ .,\-_]?\d){6,7})"
    rb"(?:[ ,.\-_/(]{0,3}(?:(?:con )?(?:la )?letra:? )?(?P<letter>[a-z])(?![\w\x01]))?(?!\w|[.,]\d)"
)
_OF_A_BODY = re.compile(rb"([abcdefghjnpqrsuvw])[ .\-]?(\d)(\d)(\d)(\d)(\d)(\d)(\d)[ .\-]?([0-9a-j])")
_DNI_WORDS = (
    *(b"dni", b"nif", b"d.n.i", b"n.i.f", b"identi", b"documento", b"carnet", b"titular", b"usuario"),
    *(b"contrasena", b"pongo", b"puesto"),
)
"""Whatever that pattern finds holds one of them."""
_DNI_SAID_AFTER = re.compile(
    NOT_IN_NUMBER + rb"(\d(?:[ .,\-_]?\d){6,7})[ ,.\-_/]{0,3}([a-z])(?= (?:es (?:mi|el|su) |\()(?:dni|nif)\b)"
)
_NIE = re.compile(
    rb"([xyz])(?<![\w.,].)([ .\-/_]{0,3})(\d{7}|\d(?:[ .]?\d){6})([ .\-/_]{0,3})([a-z])(?![\w\x01])"
)

_EXAMPLES = frozenset((b"12345678", b"00000000", b"11111111"))

_IBAN_LENGTHS = {
    country.encode(): length
    for length, countries in {
        15: "no", 16: "be", 18: "dk fi nl", 20: "at lu", 21: "ch", 22: "de gb ie",
        24: "ad es ro se", 25: "pt", 27: "fr gr it", 28: "ma pl",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN = re.compile(rb"(?<!\w)[a-z]{2}\d{2}(?:[ \-]?[a-z0-9]{4}){2,7}(?:[ \-]?[a-z0-9]{1,4})?(?!\w)")
_IBAN_ANYHOW = re.compile(
    rb"(?<!\w)(?:%b)[ .\-]?\d{2}(?=((?:[ .\-/_\xb7\n]{0,3}\d){11,26}))" % b"|".join(_IBAN_LENGTHS)
)
"""In whatever groups: "ES98 2100 0418 45 0200051332". Digits alone, or the words after "de 12" would be read along."""
_IBAN_GAPS = b" .-/_\xb7\n"
_CCC = re.compile(
    NOT_IN_NUMBER
    + rb"(\d{4})[ .\-/]?(\d{4})[ .\-/]?(\d{2})[ .\-/]?(\d{10}|\d{2}[ .\-]\d{4}[ .\-]\d{4})(?![\w\-/]|[.,]\d)"
)
_CCC_ANYHOW = re.compile(NOT_IN_NUMBER + rb"\d{2,}(?:(?:[ .\-/_\xb7]| ?[\-/_] ?)?\d){18}(?![\w\-/]|[.,]\d)")
"""In other groups: only where both check digits are right, and never digit by digit."""
_MOST_GROUPS = 6
_CARD = re.compile(
    NOT_IN_NUMBER
    + rb"(?:\d{13,19}|\d{4}([ .\-/_\xb7]| {2}| - )\d{4}\1\d{4}\1\d{1,7}|\d{4}([ .\-])\d{6}\2\d{5})(?![\w\-/]|[.,]\d)"
)

_ACCOUNT_ANYHOW = re.compile(NOT_IN_NUMBER + rb"(?:es ?)?\d(?:[ .\-/]?\d){17,25}(?![\w/]|[.,\-]\d)")
_ACCOUNT_CUE = re.compile(
    rb"\b(?:cuentas?|cta|ccc|iban|compte|conta|kontu\w*|transferencia|ingres\w+|domicili\w+)\b"
)
"""What is said of an account: then slips in its numbers do not make it nobody's."""
_CARD_ANYHOW = re.compile(NOT_IN_NUMBER + rb"\d(?:[ .\-/_\xb7]{0,3}\d){12,18}(?![\w/]|[.,\-]\d)")
_CARD_AFTER = re.compile(
    rb"[ ,.(\n]{1,3}(?:y (?:el )?|que )?(?:cvv|cvc|cad(?:uca\w*|\.)|con caducidad|fecha de cad|es mi tarjeta)"
)
_CARD_CUE = re.compile(
    rb"\b(?:cobra\w+|pag(?:o|ue|ar|ado) con (?:la )?)\b|"
    rb"\b(?:tarjeta|targeta|tarxeta|visa|mastercard|amex|american express|debito|credito|maestro|card)\b"
)
"""What is said of a card: then its groups, and a slip in its last digit, do not matter."""

_NUSS = re.compile(
    NOT_IN_NUMBER + rb"(\d{2})(\s?[/\-._\xb7]\s?| )?(\d{7,8})(\s?[/\-._\xb7]\s?| )?(\d{2})(?![\w/]|[.,\-]\d)"
)
_NUSS_ANYHOW = re.compile(NOT_IN_NUMBER + rb"\d{2}(?:[ .\-/_\xb7]{0,3}\d){10}(?![\w/]|[ .,\-]\d)")
"""In whatever groups, after its word."""
_CALCULATION = re.compile(rb"\b(?:calcul|fracc|divi|simplific|resuelv|resolv|opera|cocient)\w*")
_NUSS_CUE = re.compile(
    rb"\bnuss\b|\bn\.?a\.?f\.?\b|seguridad social|seguretat social|seguridade social|gizarte segurantza|"
    rb"afiliaci|\bseg(?:uridad)?\.? ?soc\w*|\bvida laboral|\bss\b|\bseg\.? social|\bs\.s\.|\bn\S{0,3} (?:de la )?ss\b"
)

_CUE_CHARACTERS = 40
"""How far before a number a word such as "expediente" still speaks of it."""
_FAR_CHARACTERS = 160
"""The same for a number whose check digits are right."""


def digits_together(folded: bytes) -> bytes:
    """A stretch of the fold in which every number is as many noughts as it has digits, whatever stands between them.

    More may be one number here than anybody would read as one; nothing that a rule reads as one is parted.
    """
    return folded.translate(_NOUGHTS, _GAPS)


def identity_numbers(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """DNI and NIE: with the right letter in any spelling, with a wrong one where it is written as one."""
    for found in _DNI.finditer(seen.folded, begin, end):
        number, separator = int(re.sub(rb"\D", b"", found[1])), found[2]
        right_letter = _LETTERS[number % 23] == found[3].decode()
        # "12345678 N" and "10000000N" are quantities unless the letter is right, and so is a small unit.
        as_one = seen.text[found.start(3)].isupper() and (
            separator is None or b"-" in separator or b"." in found[1]
        )
        money = seen.folded[found.end() : found.end() + 1] == NO_LETTER  # "1.498.324 M€"
        if right_letter or (as_one and number % 10_000 != 0 and not money):
            yield Finding(found.start(), found.end(), Kind.DNI)
    yield from _dni_said(seen, begin, end)
    for found in _NIE.finditer(seen.folded, begin, end):
        number = b"xyz".index(found[1]) * 10_000_000 + int(found[3].translate(None, b" ."))
        right_letter = _LETTERS[number % 23] == found[5].decode() and number > 0
        as_one = (
            b" " not in found[3]
            and {found[2], found[4]} <= {b"", b" ", b"-", b"/"}
            and not (found[2] == found[4] == b" ")
        )
        large = seen.text[found.start()].isupper() and seen.text[found.end() - 1].isupper()
        if right_letter or (as_one and large):
            yield Finding(found.start(), found.end(), Kind.NIE)


def _dni_said(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """However it is written: after a word for it, or before one."""
    if all(seen.folded.find(word, begin, end) == -1 for word in _DNI_WORDS):
        return
    for found in _DNI_ANYHOW.finditer(seen.folded, begin, end):
        start, stop = found.span("number")
        if any(is_of_a_body(seen.folded[start - more : stop]) for more in (1, 2)):
            continue
        digits = found["number"].translate(None, b" .,-_")
        right = found["letter"] is not None and _LETTERS[int(digits) % 23] == found["letter"].decode()
        if digits not in _EXAMPLES and (
            right or (len(digits) == 8 and found["sure"] and b"," not in found["number"])
        ):
            yield Finding(found.start("number"), found.end() if right else found.end("number"), Kind.DNI)
    for found in _DNI_SAID_AFTER.finditer(seen.folded, begin, end):
        if _LETTERS[int(found[1].translate(None, b" .,-_")) % 23] == found[2].decode():
            yield Finding(found.start(), found.end(), Kind.DNI)


def bank_numbers(seen: View, begin: int, end: int, digits: bytes) -> Iterator[Finding]:
    """IBANs of 23 countries, Spanish account numbers (CCC), cards. `digits`: those that stand together here."""
    if digits.count(b"0") >= _FEWEST_OF_IBAN and digits.find(_BEGINS_IBAN) != -1:
        for found in _IBAN.finditer(seen.folded, begin, end):
            length = _iban_length(found[0])
            if length:
                yield Finding(found.start(), found.start() + length, Kind.IBAN)
    if digits.find(_OF_BANKS) == -1:
        return
    for found in _IBAN_ANYHOW.finditer(seen.folded, begin, end):
        written = seen.folded[found.start() : found.end(1)]
        length = _iban_length(written)
        # In no groups of four: only the check number tells that it is one.
        if length and _is_right_iban(written[:length].translate(None, _IBAN_GAPS)):
            yield Finding(found.start(), found.start() + length, Kind.IBAN)
    for found in _CCC.finditer(seen.folded, begin, end):
        if _is_account(re.sub(rb"\D", b"", found[0])):
            yield Finding(found.start(), found.end(), Kind.CCC)
    for found in _CCC_ANYHOW.finditer(seen.folded, begin, end):
        groups = re.findall(rb"\d+", found[0])
        if len(groups) <= _MOST_GROUPS and _is_account(b"".join(groups)):
            yield Finding(found.start(), found.end(), Kind.CCC)
    for found in _CARD.finditer(seen.folded, begin, end):
        digits = re.sub(rb"\D", b"", found[0])
        # Thirteen digits are mostly a bar code; cards as short as that were Visa's.
        begins = b"4" if len(digits) == 13 else b"23456"
        if len(digits) <= 19 and digits[:1] in begins and not digits.endswith(b"000000") and luhn(digits):
            yield Finding(found.start(), found.end(), Kind.CARD)
    for found in _ACCOUNT_ANYHOW.finditer(seen.folded, begin, end):
        if _cue(_ACCOUNT_CUE, seen, found.start()):
            yield Finding(found.start(), found.end(), Kind.IBAN)
    for found in _CARD_ANYHOW.finditer(seen.folded, begin, end):
        digits = re.sub(rb"\D", b"", found[0])
        if (
            len(digits) in (15, 16)
            and digits[:1] in b"3456"
            and len(set(digits)) > 3
            and (
                _cue(_CARD_CUE, seen, found.start())
                or _CARD_AFTER.match(seen.folded, found.end())
                or (len(digits) == 16 and luhn(digits) and _in_fours(found[0]))
            )
        ):
            yield Finding(found.start(), found.end(), Kind.CARD)


def social_security_numbers(seen: View, begin: int, end: int, digits: bytes) -> Iterator[Finding]:
    """NUSS: with slashes, with right check digits in its groups, or after the word that says so."""
    if digits.find(_OF_SOCIAL_SECURITY) == -1:
        return
    for found in _NUSS.finditer(seen.folded, begin, end):
        first, second = ((gap or b"").strip() for gap in found.group(2, 4))
        alike = (found[2] is None) == (found[4] is None) and first == second
        # A number below ten millions is counted with seven digits, though it is written with eight.
        sequence = int(found[3])
        whole = int(found[1]) * (10_000_000 if sequence < 10_000_000 else 100_000_000) + sequence
        right_digits = int(found[5]) in {whole % 97, int(found[1] + found[3].zfill(8)) % 97}
        # One number of twelve digits in two hundred has a province and right check digits by chance.
        province = 1 <= int(found[1]) <= 53
        right = right_digits and ((alike and bool(found[2])) or province) and len(found[3]) == 8
        # "Simplifica 12/34567890/12" is a fraction of fractions.
        written = first == b"/" and not _cue(_CALCULATION, seen, found.start())
        if (alike and (written or _cue(_NUSS_CUE, seen, found.start()))) or right:
            yield Finding(found.start(), found.end(), Kind.NUSS)
    for found in _NUSS_ANYHOW.finditer(seen.folded, begin, end):
        number = re.sub(rb"\D", b"", found[0])
        # With right check digits its word may be a sentence away: "el NUSS ... va con el mío, 471093 8475 03".
        far = _FAR_CHARACTERS if int(number[:10]) % 97 == int(number[10:]) else _CUE_CHARACTERS
        if _cue(_NUSS_CUE, seen, found.start(), far):
            yield Finding(found.start(), found.end(), Kind.NUSS)


def _in_fours(written: bytes) -> bool:
    """Whether no group was written in another way than some of a card's groups together ("442363953230 1690")."""
    return all(len(group) % 4 == 0 for group in re.findall(rb"\d+", written))


def is_of_a_body(value: bytes) -> bool:
    """Whether it is the NIF of a firm, an association or a public body, by its check character (Orden EHA/451/2008)."""
    found = _OF_A_BODY.fullmatch(value)
    if found is None:
        return False
    digits = [int(digit) for digit in found.groups()[1:8]]
    check = -(sum(digits[1::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[::2])) % 10
    return found[9] in {b"%d" % check, b"jabcdefghi"[check : check + 1]}


def luhn(digits: bytes) -> bool:
    """Whether the last digit is the right one (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = (digit - 48) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _iban_length(written: bytes) -> int:
    """How many bytes of it are an IBAN; 0 for none. "ES91 ... 1332 en" has a word read along."""
    compact = written.translate(None, _IBAN_GAPS)
    length = _IBAN_LENGTHS.get(compact[:2])
    if length is None or len(compact) < length:
        return 0
    number = compact[:length]
    # A typing error in the check number does not make a Spanish account nobody's.
    right = number[2:].isdigit() if number.startswith(b"es") else _is_right_iban(number)
    if not right:
        return 0
    taken = 0
    for position, sign in enumerate(written):
        taken += sign not in _IBAN_GAPS
        if taken == length:
            return position + 1
    return 0


def _is_right_iban(number: bytes) -> bool:
    return int("".join(str(int(chr(sign), 36)) for sign in number[4:] + number[:4])) % 97 == 1


def _is_account(digits: bytes) -> bool:
    """Whether both check digits of a Spanish account are right (weights are the powers of 2 modulo 11)."""

    def check(number: bytes) -> int:
        rest = 11 - sum((sign - 48) * pow(2, place, 11) for place, sign in enumerate(number)) % 11
        return {10: 1, 11: 0}.get(rest, rest)

    right = digits[8] - 48 == check(b"00" + digits[:8]) and digits[9] - 48 == check(digits[10:])
    return right and len(set(digits)) > 2


def _cue(cue: re.Pattern[bytes], seen: View, before: int, characters: int = _CUE_CHARACTERS) -> bool:
    return cue.search(seen.folded, max(0, before - characters), before) is not None
