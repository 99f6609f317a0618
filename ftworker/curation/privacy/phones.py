"""Telephone numbers: by their shape, or by a word such as "llámame" beside any digits; in figures and in words.

What only looks like one is left alone: a quantity in groups of three, a list of numbers, a public line. Rules run over
the fold; units, whose case counts, are looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from ahocorasick_rs import BytesAhoCorasick

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.numbers import NO_LETTER, NOT_IN_NUMBER
from ftworker.curation.privacy.triggers import stretches

_PHONE_OF_SPAIN = re.compile(
    rb"(?<!\w)(?:\(?(?:\+|00) ?34\)?)[ .\-/]?\(?[6-9](?:[ .\-)/\xb7]{0,2}\d){8}(?!\d)"
)
_PHONE_ABROAD = re.compile(
    rb"(?<![\w)\]=])\(?\+\d{1,3}\)?(?:[ .\-]{1,2}(?:\(\d{1,5}\)\d{0,5}|\d{1,9}\)?)){1,6}(?!\w)|"
    rb"(?<![\w)\]=])\+\d{10,14}(?!\w)"
)
# "0040 735 123 456"; a number of noughts and ones is binary.
_PHONE_BY_ZEROS = re.compile(
    rb"(?<![\w.,+\-])00 ?(?=[\d \-]*[2-9])[1-9]\d{0,2}(?:[ \-]\d{2,9}){2,5}(?!\w|[.,]\d)"
)
# After its word any groups will do, and any country's length: "cel 0998765432", "(91) 555 12 34".
_PHONE_ANYHOW = re.compile(
    rb"(?<![\w,+/])\(?\d{1,14}\)?(?:[ .\-/_\xb7*]{1,2}\(?\d{1,10}\)?){0,9}(?!\w|[.,]\d)"
)
_EXTENSION = re.compile(rb"[ ,(]{1,2}ext(?:ension|\.)?:? ?\d{1,5}\)?|\s?[/-]\s?\d{2}(?![\w.,])")
_PHONE_GROUPED = re.compile(
    NOT_IN_NUMBER
    + rb"(?:[6-9]\d{2}(?:([ \-])\d{3}\1\d{3}|([ .\-])\d{2}[ .\-]\d{2}[ .\-]\d{2})|[89]\d([ .\-])\d{3}\3\d{2}\3\d{2})"
    + rb"(?![\w/]|[.,\- ]\d)"
)
_PHONE_LOOSE = re.compile(NOT_IN_NUMBER + rb"\(?(?:34 ?)?[6-9](?:[ .\-/_\xb7)]{0,2}\d){8}(?!\w|[.,]\d)")
_PHONE_CUE = re.compile(
    rb"telef\w*|\bcel(?:u|ular)?\b|\btelf?\b|\btfn?o?\b|\btlfn?o?\b|\btlf\b|\bmo[bv]il|whats\s?app|wh?asap|guasap|"
    rb"wasap|"
    rb"wassap|wats\w?app|guats\w?app|\bwh?ats\b|\bwpp?\b|\bwsp\b|\bwa\b|telegram|signal|bizum|\bmvl?\b|\bmovl\b|"
    rb"\bfono\b|\bfax\b|"
    rb"\bllama(?:s|me|nos|dme|r|la|le|lo)?\b|\btruca|\btrucar|\bchama\w*|\bdeitu\w*|contacto|\bmi n(?:umero|um)\b|"
    rb"\bel meu n(?:umero|um)\b|\bsu n(?:umero|um)\b|"
    rb"\b(?:este|ese|aquel|otro|nuevo) (?:numero|num)\b|\bnumero nuevo\b|\bt(?:f|l)?\.? ?:|\bm(?:ov)?\.? ?:|"
    rb"\bt(?:f|l)\. |\bt\. (?=[69])|"
    rb"\blinea\b|\bmeu numero|\bnire zenbakia|zenbakia|\bphone|\bcall me|\bfijo\b|\bmarca(?:me)? el|"
    rb"\bn(?:umero|um\.?|\.?\xba) de (?:mi|mama|papa|casa|contacto)|\bn(?:umero|um) (?:del meu|de la meva|do meu|"
    rb"da mina)|sms|localiza\w* en|\burgencias?\b|emergencias?\b|"
    rb"\b(?:mi|nuestro|su|tu) (?:numer\w{1,3}|n\xba)(?! de)|"
    rb"\b(?:dejo|paso|doy|apunta\w*|guarda\w*|toma)\b[^.\n]{0,15}\bn(?:umero|um\b|\xba)"
)
# "agrégame al 612345678", "enviar els deures al": what is sent to or looked up under so many digits.
_REACHED_AT = re.compile(
    rb"\b(?:llam\w+|telefone\w+|agreg\w+|anad[ei]\w+|anade|apunta\w*|localiza\w+|contact\w+|envi\w+|"
    rb"mand[aeo]\w*|pas[ae]\w*|"
    rb"escribe[mdt]\w+|"
    rb"escribid\w*|avis\w+|ubica\w+|encontrar\w*|responde\w*)\b[^.\n]{0,30}?\b"
    rb"(?:al|ao|a|en el|al numero|a este|a aquest|en este)\s?:?\s?$|"
    rb"\b(?:anademe|anadidme|agregame|hablame|contactame|localizame|avisame|buscame)\s?:?\s?$|"
    # One's own after another's: "pásame el tuyo, el mío es".
    rb"\b(?:pas[ae]\w*|dam[eo]\w*|dime\w*|apunt\w+|guard\w+|tuyo|teu)\b[^.\n]{0,25}\b(?:el mio|el meu|"
    rb"o meu) (?:es|e)"
    rb"(?: el)?\s?:?\s?$"
)
_SPELT_DIGITS = {
    word.encode(): digits
    for digits, words in {
        "0": "cero zero", "1": "uno un one", "2": "dos two", "3": "tres three", "4": "cuatro quatre four",
        "5": "cinco cinc five", "6": "seis sis six", "7": "siete set seven", "8": "ocho vuit eight",
        "9": "nueve nou nine", "10": "diez deu", "11": "once onze", "12": "doce dotze",
        "13": "trece tretze", "14": "catorce catorze", "15": "quince quinze", "16": "dieciseis setze",
        "17": "diecisiete disset", "18": "dieciocho divuit", "19": "diecinueve dinou", "20": "veinte vint",
        "21": "veintiuno", "22": "veintidos", "23": "veintitres", "24": "veinticuatro",
        "25": "veinticinco", "26": "veintiseis", "27": "veintisiete", "28": "veintiocho",
        "29": "veintinueve", "30": "treinta trenta", "40": "cuarenta quaranta",
        "50": "cincuenta cinquanta", "60": "sesenta seixanta", "70": "setenta", "80": "ochenta vuitanta",
        "90": "noventa noranta", "100": "cien ciento", "200": "doscientos", "300": "trescientos",
        "400": "cuatrocientos", "500": "quinientos", "600": "seiscientos sis-cents",
        "700": "setecientos set-cents", "800": "ochocientos", "900": "novecientos nou-cents",
    }.items()
    for word in words.split()
}  # fmt: skip
# What a number that begins with 6, 7, 8 or 9 has at its beginning.
_FIRST_DIGITS = BytesAhoCorasick(
    [b" " + word.replace(b"_", b" ") for word in (
        b"seis siete ocho nueve sesent setent ochent novent setec novec sis_ set_ vuit nou_ seixant norant "
        b"six_ seven_ eight_ nine_ cero_ zero_"
    ).split()]
)  # fmt: skip
_NUMBERS = BytesAhoCorasick(
    [b" " + word.replace(b"-", b" ") for word in _SPELT_DIGITS] + [b" %d" % digit for digit in range(10)]
)
_FEWEST_PARTS = 3
"""A quick look, for one word such as "seis" called for a pattern that takes 30 microseconds a stretch: a number in
words has four parts, of which the first may stand right behind a placeholder and not be seen."""
_NUMBER_WORD = "|".join(sorted((word.decode() for word in _SPELT_DIGITS), key=len, reverse=True)).encode()
_SPELT_PHONE = re.compile(
    rb"\b(?:(?:%b|\d{1,3})\b(?:[ ,.\-]{1,3}(?:y |i )?)){3,14}(?:%b|\d{1,3})\b" % (_NUMBER_WORD, _NUMBER_WORD)
)
_SPELT_PART = re.compile(rb"([,.\-]? ?)(?:y |i )?(\d+|[a-z]+(?:-cents)?)")
# A quantity or a calculation, not a telephone: what may stand after or before a number in groups of three.
_QUANTITY_AFTER = re.compile(
    r"\s?(?:[%€$£º°=+*×·^<>≤≥÷]|:\s?\d|"
    r"(?:k|c|m|d|da|h|M|G)?(?:m|g|l|L|J|W|N|V|A|Hz|Pa|s|b|B)(?:[²³23]|/\w+)?(?!\w)|"
    r"(?:redondead\w+|euros?|d[oó]lares|pesetas|habitantes|personas|a[nñ]os|metros|kil[oó]metros|gramos|litros|"
    r"segundos|bytes|d[ií]as|unidades|millones|hect[aá]reas|votos|especies|c[eé]lulas|estrellas|toneladas|"
    r"se (?:lee|escribe (?:con|en|as[ií])|descompone|llegeix)|entre \d|dividid\w+|multiplicad\w+|elevad\w+|"
    r"es (?:m[uú]ltiplo|divisible|un n[uú]mero|par|impar|primo|mayor|menor|igual))\b)"
)
# "¿Cómo se lee 900 100 200?", "el siguiente de 699 999 999": numbers that are learnt to be read and counted.
_READ_BEFORE = re.compile(
    rb"\b(?:se (?:lee|escribe|llegeix|escriu)|(?:siguiente|anterior|posterior|seguent|doble|mitad|cifras?)"
    rb" (?:de|a|al|del)|(?:lee|escrib[ei]\w*|descompon\w*|redonde\w+|compar\w+|orden\w+)(?: (?:con|en) (?:letras?|"
    rb"palabras|cifras?))?(?: (?:los|estos|este|el) (?:siguientes? )?numeros?:?)) (?:el )?(?:numero )?$"
)
_CALCULATION_BEFORE = re.compile(rb"[=+*\xd7\xb7^<>\xf7(]\s?$")

# What stands between the word for a telephone and the number.
_LINKED = re.compile(
    rb"(?:\btele(?:f\w*|fono)|\btlfn?o?|\btfn?o?|\btel|\bm[ou]v(?:il|l)?\w*|\bmobil|\bmvl?|\bcel(?:u|ular)?|"
    rb"\bw(?:h?ats?\w*|asap\w*|assap|pp?|sp|a)|"
    rb"\bg(?:uasap|uatsap\w*)|\bfono|\bfijo|\bfax|\bllama\w{0,4}|\btruca\w{0,3}|\bchama\w{0,4}|\bdeitu\w{0,5}|"
    rb"\bbizum|\bsms|\bphone|\bcall me|"
    rb"\b(?:mi|meu|su|tu|este es mi|nuestro|nire|my) (?:n(?:umero|um|\xba|\.\xba)|zenbakia|number|numero de "
    rb"telefono))(?:\b|(?<=\xba))"
    rb"(?:[ \n.:,;=\-(\xba]|\b(?:es|e|el|al|a|o|son|da|is|de|del|en|no|at|on|mi|meu|meva|casa|mama|papa|madre|"
    rb"padre|"
    rb"mare|pare|abuel[oa]|tia|tio|"
    rb"herman[oa]|prim[oa]|contacto|trabajo|numero|num|sms|whatsapp|movil)\b){0,12}$"
)
_IN_GROUPS = re.compile(
    rb"\(?\d{2,4}\)?[ \-]\d{3,4}[ \-]\d{3,4}|\(?\d{2,4}\)?[ \-]\d{2,4}(?:[ \-]\d{2,3}){2,3}"
)
_PHONE_WORD = re.compile(
    rb"\b(?:celu?|celular\w*|telefonos?|telf?|tlf|moviles|movil|whats\w*|wasap|wpp|wsp|telefon|mobil)\b"
)
_FAR_CUE = 110
_ALL_HUNDREDS = re.compile(rb"\d00 \d00 \d00")
# As in "el trabajo de mi mujer" and then the number.
_OF_SOMEBODY = re.compile(
    rb"\b(?:de|mi|la|el|su|meu|meva) (?:padre|madre|papa|mama|pare|mare|pai|nai|mujer|marido|abuel[oa]|avi|avia|"
    rb"ti[oa]|prim[oa]|"
    rb"herman[oa]|germana?|tutora?|secretari[oa]|vecin[oa]|novi[oa]|profe\w*|hij[oa]|casa|trabajo)(?: "
    rb"\w{2,12}){0,2}(?: tiene| es)?"
    rb"(?: el)? ?[:=(]? ?$|"
    rb"\bahora (?:es|tengo) el (?:nuevo )?$|\b(?:apunta\w*|toma|soy yo|tengo el)\b[ :,]{1,2}(?:el )?$|"
    rb"(?:^|[\n,;/(|*.\-] ?|: )(?:padre|madre|papa|mama|pare|mare|pai|nai|tutora?|abuel[oa]|avi|avia|ti[oa]|"
    rb"casa)\s?[:=(]? ?$"
)
_OF_SOMEBODY_AFTER = re.compile(
    rb" ?[(\-,] ?(?:(?:la|el|mi|su|de la|del?) )?(?:padre|madre|papa|mama|pare|mare|pai|nai|tutora?|abuel[oa]|avi|"
    rb"avia|ti[oa]|"
    rb"casa|fijo|trabajo|herman[oa])\b"
)
_PHONE_BEHIND_A_SIGN = re.compile(rb"(?<![\w.,])[2-9]\d?(?:[ .\-]?\d){7,9}(?!\w|[.,]\d)")
_SIGN_BEFORE = 3
_SIGNS_OF_PHONES = frozenset(
    "\N{MOBILE PHONE}\N{TELEPHONE RECEIVER}\N{BLACK TELEPHONE}\N{TELEPHONE LOCATION SIGN}\N{CALL ME HAND}"
    "\N{MOBILE PHONE WITH RIGHTWARDS ARROW AT LEFT}\N{WHITE TELEPHONE}"
)
_PHONE_BY_DIGITS = re.compile(
    rb"(?<![\w.,;+\-] )(?<![\w.,+\-])[67](?: \d){8}(?! ?[\d.,;+\-=])|(?<=[a-z?!:] )[67](?: \d){8}(?! ?[\d,;+\-=])"
)
"""Nobody spells anything else by nine digits, unless a lesson does."""
_LINKED_TO = re.compile(rb"(?:wa\.me/|phone=)\+?(\d{9,14})(?!\w)")
_PHONE_ALONE = re.compile(rb"[67]\d{8}(?=\s*(?:\n|$))")
_PHONE_BARE = re.compile(rb"[67]\d{8}(?!\w|[.,]\d| ?[+*=/^%x)\]}\"']| -)")
_NOT_BARE_BEFORE = re.compile(rb"[\w.,+\-/$#=\[{\"'] ?$")
_OF_THINGS = re.compile(
    rb"\b(?:isbn|issn|doi|codigos?|cod|ref|referencia|serie|pedido|factura|modelo|version|id|telefonica|poblacion|"
    rb"habitantes|"
    rb"km|kilometros|distancia|segundos|hash|clave|contrasena|puerto|binario|byte\w*|python|print|int|array|nia|"
    rb"expediente|"
    rb"resguardo|localizador|solicitud|registro|dni|nif|numero de (?!tel)\w+)\b"
)
"""What else has nine digits."""
_CALLED = re.compile(rb"\b(?:al|a l'|ao) $")
"""To whom something goes: "no me llega el codigo al 699032187"."""
_BEHIND_A_CLASS = re.compile(rb"\b[1-6]\xba? ?[a-h], $")
"""As in "Nayara Belmonte, 6ºB, 644881230"."""
_OF_SUMS = re.compile(
    rb"[=+*\xd7\xf7<>]|\b(?:orden\w*|suma\w*|rest[ae]\w*|divi\w+|multipl\w+|cifras?|descomp\w+|factor\w*|"
    rb"redonde\w+|compar\w+|"
    rb"mayor|menor|primos?|numeros|serie|calcul\w+|decimal\w*|unidades)\b"
)
_ABOUT = 200
"""How far around a number that stands alone a sum is spoken of, in characters."""
_CODE_BEFORE = re.compile(
    rb"(?:\b(?:print|input|len|int|str|split|replace|match|search|test)\s?\(|=)\s?[\"']$"
)
_PUBLIC_LINE = re.compile(rb"(?:90[012]|80[0-7]|91\D?562\D?04\D?20(?!\d))")
"""Lines that are nobody's: by their first figures, and the one that tells of poisons."""
_SHORTEST, _OF_SPAIN, _WITH_COUNTRY = b"0" * 8, b"0" * 9, b"0" * 11
"""How many digits stand together, whatever is between them, where there is one of any country after its word, one of
nine digits, one with its country."""
_NO_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_CUE_CHARACTERS = 40
_CUE_AFTER = 22
_SPELT_BEFORE, _SPELT_AFTER = 140, 180
"""How far around such a word a number in words may stand: nine words, the longest of twelve letters."""


def phones(seen: View, begin: int, end: int, digits: bytes) -> Iterator[Finding]:
    """Numbers with +34 or a country, in a phone's groups, or bare after a word such as "llámame".

    `digits`: what `numbers.digits_together` says of the stretch. Years such as 1453-1492 are eight, and so nearly
    nothing here.
    """
    if digits.find(_WITH_COUNTRY) != -1:
        yield from _with_country(seen, begin, end)
    if digits.find(_OF_SPAIN) != -1:
        if seen.folded.find(b"+", begin, end) != -1:
            yield from _abroad(seen, begin, end)
        yield from _grouped(seen, begin, end)
        yield from _loose(seen, begin, end)
        yield from _alone_in_a_line(seen, begin, end)
        yield from _bare(seen, begin, end)
        yield from _by_digits_or_linked(seen, begin, end)
    if digits.find(_SHORTEST) != -1:
        yield from _beside_a_sign(seen, begin, end)
        yield from _said(seen, begin, end)


def _with_country(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """With +34, or two noughts and a country."""
    folded = seen.folded
    for found in _PHONE_OF_SPAIN.finditer(folded, begin, end):
        yield _with_extension(folded, found)
    for found in _PHONE_BY_ZEROS.finditer(folded, begin, end):
        if 11 <= len(found[0].translate(None, _NO_DIGITS)) <= 16:
            yield _with_extension(folded, found)


def _abroad(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """With a plus and any country."""
    for found in _PHONE_ABROAD.finditer(seen.folded, begin, end):
        digits = len(re.sub(rb"\D", b"", found[0]))
        if 9 <= digits <= 15 and not _QUANTITY_AFTER.match(seen.text, found.end()):
            yield _with_extension(seen.folded, found)


def _grouped(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """Nine digits in the groups of a telephone."""
    text, folded = seen.text, seen.folded
    grouped = list(_PHONE_GROUPED.finditer(folded, begin, end))
    for number, found in enumerate(grouped):
        before = folded[max(0, found.start() - 2) : found.start()]
        # Hundreds of millions are counted; nobody has the number 700 000 000.
        rounded = found[0].endswith((b"000 000", b"000000")) or (
            _ALL_HUNDREDS.fullmatch(found[0]) is not None
            and not _spoken_of(folded, found.start(), found.end())
        )
        public = _PUBLIC_LINE.match(found[0]) is not None
        if (
            rounded
            or public
            or _QUANTITY_AFTER.match(text, found.end())
            # Nobody counts in groups of two: "ext. 214 · 952 98 51 91" is no product.
            or (found[1] is not None and _CALCULATION_BEFORE.search(before))
            or _CODE_BEFORE.search(folded, max(0, found.start() - 12), found.start())
        ):
            continue
        if _before(_READ_BEFORE, folded, found.start()):
            continue
        near = grouped[max(0, number - 2) : number + 3]
        if (
            len(near) >= 3
            and _are_listed(folded, near)
            and not _spoken_of(folded, near[0].start(), found.end())
        ):
            continue  # "Ordena 912 345 678, 812 345 678 y 712 345 678"
        yield _with_extension(folded, found)


def _loose(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """Nine digits in whatever groups where a telephone is spoken of."""
    text, folded = seen.text, seen.folded
    for found in _PHONE_LOOSE.finditer(folded, begin, end):
        if _PUBLIC_LINE.match(found[0]) is not None:
            continue
        if (
            _spoken_of(folded, found.start(), found.end())
            and not _QUANTITY_AFTER.match(text, found.end())
            and not _before(_READ_BEFORE, folded, found.start())
        ):
            yield _with_extension(folded, found)


def _said(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """Digits of any country in whatever groups, after the word for a telephone."""
    text, folded = seen.text, seen.folded
    for found in _PHONE_ANYHOW.finditer(folded, begin, end):
        digits = len(found[0].translate(None, _NO_DIGITS))
        if (
            8 <= digits <= 14
            and _PUBLIC_LINE.match(found[0]) is None
            and (
                _LINKED.search(folded, max(0, found.start() - _CUE_CHARACTERS), found.start())
                or _is_of_a_phone_before(folded, found)
            )
            and not _QUANTITY_AFTER.match(text, found.end())
        ):
            yield _with_extension(folded, found)


def _is_of_a_phone_before(folded: bytes, found: re.Match[bytes]) -> bool:
    """Whether a number in a phone's groups stands some words after one was spoken of, and nothing is summed."""
    return (
        len(found[0].translate(None, _NO_DIGITS)) > 8
        and _IN_GROUPS.fullmatch(found[0]) is not None
        and _PHONE_WORD.search(folded, max(0, found.start() - _FAR_CUE), found.start()) is not None
        and _OF_SUMS.search(folded, max(0, found.start() - _FAR_CUE), found.end() + _CUE_AFTER) is None
    )


def _beside_a_sign(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """After a picture of a telephone."""
    # No picture is a letter or stands in Latin-1.
    if seen.folded.find(NO_LETTER, max(0, begin - _SIGN_BEFORE), end) == -1:
        return
    for found in _PHONE_BEHIND_A_SIGN.finditer(seen.folded, begin, end):
        signs = seen.text[max(0, found.start() - _SIGN_BEFORE) : found.start()]
        if _SIGNS_OF_PHONES.intersection(signs):
            yield Finding(found.start(), found.end(), Kind.PHONE)


def _by_digits_or_linked(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """Digit by digit, or in a link to a messenger."""
    for found in _PHONE_BY_DIGITS.finditer(seen.folded, begin, end):
        if not _OF_SUMS.search(seen.folded, max(0, found.start() - _ABOUT), found.end() + _ABOUT):
            yield Finding(found.start(), found.end(), Kind.PHONE)
    for found in _LINKED_TO.finditer(seen.folded, begin, end):
        yield Finding(*found.span(1), Kind.PHONE)


def _alone_in_a_line(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """A mobile that is all there is in its line, where no sum and no list of other numbers is spoken of."""
    folded = seen.folded
    for found in _PHONE_ALONE.finditer(folded, begin, end):
        start, stop = found.span()
        first = start == 0 or folded[start - 1 : start] == b"\n"
        if (
            first
            and not found[0].endswith(b"000")
            and not _OF_SUMS.search(folded, max(0, start - _ABOUT), stop + _ABOUT)
        ):
            yield Finding(start, stop, Kind.PHONE)


def _bare(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """A mobile by its nine digits alone: nothing else has them, where no lesson deals with numbers."""
    folded = seen.folded
    for found in _PHONE_BARE.finditer(folded, begin, end):
        around = (max(0, found.start() - _ABOUT), found.end() + _ABOUT)
        called = _CALLED.search(folded, around[0], found.start()) is not None
        stands_free = (
            not _NOT_BARE_BEFORE.search(folded, max(0, found.start() - 2), found.start())
            or called
            or _BEHIND_A_CLASS.search(folded, max(0, found.start() - 8), found.start())
        )
        if (
            len(set(found[0])) > 3
            and not found[0].endswith(b"000")
            and stands_free
            and not _OF_SUMS.search(folded, *around)
            and (called or not _OF_THINGS.search(folded, *around))
            and not _QUANTITY_AFTER.match(seen.text, found.end())
        ):
            yield Finding(found.start(), found.end(), Kind.PHONE)


def _with_extension(folded: bytes, found: re.Match[bytes]) -> Finding:
    extension = _EXTENSION.match(folded, found.end())
    return Finding(found.start(), extension.end() if extension else found.end(), Kind.PHONE)


def spelt_phones(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """A number in words after a word such as "móvil": nine digits when its parts are put together.

    `at`: where such a word is.
    """
    for begin, end in stretches(seen, at, _SPELT_BEFORE, _SPELT_AFTER):
        near = seen.words[begin : end + 2]
        if (
            _FIRST_DIGITS.find_matches_as_indexes(near)
            and len(_NUMBERS.find_matches_as_indexes(near)) >= _FEWEST_PARTS
        ):
            yield from _spelt(seen, begin, end)


def _spelt(seen: View, begin: int, end: int) -> Iterator[Finding]:
    for found in _SPELT_PHONE.finditer(seen.folded, begin, end):
        digits, open_places = "", 0
        for gap, part in _SPELT_PART.findall(found[0]):
            value = _SPELT_DIGITS.get(part, part.decode() if part.isdigit() else "")
            # "treinta y cuatro" is 34 and not 304, "seiscientos doce" 612; "treinta, cuatro" is 304.
            joins = (
                gap in {b"", b" ", b"-"} and len(value) <= open_places and value != "0" and not part.isdigit()
            )
            digits = digits[: -len(value)] + value if joins else digits + value
            zeros = len(value) - len(value.rstrip("0"))
            open_places = 0 if part.isdigit() or value in {"0", "10"} else zeros
        if (
            len(digits) == 9
            and digits[0] in "6789"
            and (
                _before(_PHONE_CUE, seen.folded, found.start())
                or _PHONE_CUE.search(seen.folded, found.end(), found.end() + _CUE_AFTER)
            )
        ):
            yield Finding(found.start(), found.end(), Kind.PHONE)


def _are_listed(folded: bytes, numbers: list[re.Match[bytes]]) -> bool:
    """Whether nothing but commas and an "and" stands between the numbers."""
    gaps = (folded[one.end() : other.start()] for one, other in pairwise(numbers))
    return all(gap.strip(b" ,;<>") in {b"", b"y", b"i", b"e", b"o", b"and"} for gap in gaps)


def _spoken_of(folded: bytes, start: int, end: int) -> bool:
    """Whether a telephone is spoken of before the number, or right after it ("612345678 por teléfono")."""
    after = _PHONE_CUE.search(folded, end, end + _CUE_AFTER)
    return (
        _before(_PHONE_CUE, folded, start)
        or _before(_REACHED_AT, folded, start)
        or _before(_OF_SOMEBODY, folded, start)
        or _OF_SOMEBODY_AFTER.match(folded, end) is not None
        or (after is not None and b"." not in folded[end : after.start()])
    )


def _before(cue: re.Pattern[bytes], folded: bytes, position: int) -> bool:
    return cue.search(folded, max(0, position - _CUE_CHARACTERS), position) is not None
