"""Number plates: of Spain by their shape, of other countries by the vehicle that is spoken of.

Four digits and three consonants in capitals are a plate wherever nothing says that they are something else: a unit, an
acronym, a year with a course, a code. In small letters, and in the shapes of other countries, a vehicle must be near.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.triggers import stretches

_MOST_BEFORE_DIGITS = 3
_PLATE = re.compile(
    rb"(?<![\w.,+\-/])((?:[cre][ \-]?)?(\d{4})([ .\-\xb7/_]| - )?([bcdfghjklmnpqrstvwxyz]{3}))(?![\w\-])"
)
_UNITS = frozenset(
    b"rpm ppm khz mhz ghz kwh mwh gwh kmh bps mbps kgs kms grs mts pts hrs gbs mbs tcp btu ppb fps dpm cts "
    b"ptl prs dmg cfm psf mgs mlg lbs yds".split()
)
_ACRONYMS = frozenset(
    b"tfg tfm bbc cnt cnn css dns dvd fpb ftp gps gpt hdr hdd html jpg kgb lcd ldr mhc mmx msx nbc nfc pcr "
    b"pdf php png "
    b"psg psn psp pvc pvp rgb rtx gtx sdk sgbd sms sql srl ssd ssh ssl std svg tdt tft tgv tnt tlc tls ttl "
    b"vpn wmv xml "
    b"xbl xls bcn mrn mvp nft npc pnp pnv pct plc pwm crt ctx cvc fct bts nsf bmp btc cdr cds csr csv cbd "
    b"cpf dlr dgt "
    b"ltd nts".split()
)
_OF_CARS = frozenset(
    b"bmw kia suv gps itv dgt vtc seat audi gti tdi hdi iva ford fiat opel bus ev amg abs euro eur usd esp "
    b"ktm ser "
    b"vag hz cv kw nm ap lez zbe".split()
)
"""What has a number beside it where cars are spoken of: "BMW 320"."""
_PLATE_OLD = re.compile(rb"(?<![\w.,+\-/])([a-z]{1,2})[ \-]?(\d{4})[ \-]?([a-z]{1,2})(?![\w\-])")
# The signs of the provinces until September 2000, Ceuta and Melilla included.
_PROVINCES = frozenset(
    b"a ab al av b ba bi bu c ca cc ce co cr cs cu ge gi gc gr gu h hu ib pm j l le lo lu m ma ml mu na o "
    b"or ou p po s sa se sg "
    b"so ss t te tf to v va vi z za".split()
)
_AND = re.compile(rb"\d [yeaou]$")
"""No letter of a plate: "P0401 y P0299"."""
_VEHICLE = re.compile(
    rb"\b(?:matricul\w*|placas?|coche\w*|cotxe\w*|carro|motos?|motocicl\w*|furgo\w*|aparc\w*|vehicul\w*|"
    rb"autobus|estaciona\w*|"
    rb"autocar|patinete|camion\w*|taxi|vehicles?|scooter|ciclomotor|quad|itv|parking|garaje|accidente|"
    rb"atropell\w+|"
    rb"choc[oa]\w*|golpe|"
    rb"conduc\w*|multa\w*|remolque|autoa|plate|car|van|seat|renault|opel|peugeot|citroen|toyota|ford|audi|"
    rb"bmw|kia|dacia|volkswagen|hyundai|nissan|mercedes|fiat|skoda|mazda|honda|yamaha|vespa|suzuki|mitsubishi|"
    rb"volvo|tesla|"
    rb"lexus|cupra|piaggio|kymco|ibiza|clio|corsa|focus|polo|yaris|qashqai|sandero|fiesta|megane|duster|bus|"
    rb"microbus|minibus|"
    rb"mat\.|blablacar|uber|cabify|tractor|(?:auto)?caravana|kangoo|berlingo|chevrolet|aveo|buseta|camioneta|"
    rb"patente|grua|intermitentes|claxon|retrovisor|maletero|faros|luces (?:puestas|"
    rb"encendidas)|(?:doble|segunda) fila|dueno de[l ]|vado|mal aparcad[oa]|vamos en (?:el|la)|"
    rb"(?:recog\w+|retira\w*|lleva\w*) a[l ](?:[a-z]+ ){1,3}(?:con|en) (?:el|la|un|una)|llega\w* en (?:el|"
    rb"la|un|una))(?!\w)"
)
_VEHICLE_CHARACTERS = 60
_MATRICULA_CHARACTERS = 120
_OF_ALL_PLATES = re.compile(rb",? (?:es (?:el|un) (?:formato|ejemplo)|por ejemplo|no exist\w+)")
_OF_CODES = re.compile(
    rb"\b(?:cod(?:igo)?s?|ref|referencia|curso|modulo|asignatura|ciclo|norma|iso|une|rd|modelo|serie|"
    rb"version|formato|"
    rb"clave|aula|grupo|articulo|lote|pedido|factura|producto|puerto|hexadecimal|binario|hash|clase|"
    rb"variable|bytes?|"
    rb"secuencia|proteina|gen|enzima|par|motor|disco|televisor|pantalla|resolucion|canal|vuelo|asteroide|"
    rb"estrella|"
    rb"galaxia|cometa|ngc|combinacion\w*|letras|vocales|contrasena|capitulo)\b"
)
_CODES_CHARACTERS = 40
_PLATE_ABROAD = re.compile(
    r"(?<![\w.,+\-/])(?:[A-Z]{2}[ \-]?\d{3}[ \-]?[A-Z]{2}|[A-Z]{3}[ \-]?\d{3,4}|[A-Z]{3}-\d{2}-\d{2}|"
    r"[A-Z]{3}-\d{3}-[A-Z]|[A-Z]{4}[ \-·]?\d{2}|[A-Z]{2}[ \-·][A-Z]{2}[ \-·]\d{2}|[A-Z]{3}[ \-]?\d{2}[A-Z]|"
    r"[A-Z]{3}\d[A-Z]\d{2}|[A-Z]-?\d{3}[ \-]?[A-Z]{3}|[A-Z]\d[A-Z][ \-]\d{3}|[A-Z]{2}\d{2} ?[A-Z]{3}|"
    r"[A-Z]{1,2} \d{2,3} [A-Z]{3}|[A-Z]{1,3}-[A-Z]{1,2} \d{2,4}|\d{2}-[A-Z]{2}-\d{2}|[A-Z]{2}-\d{2}-[A-Z]{2}|"
    r"\d{3}[ \-][A-Z]{3}|[A-Z]{2}[ \-]\d{2}[ \-]\d{2}|[A-Z]{2}-\d{3,4}-[A-Z]{2})(?![\w\-]|/\d\d\b)"
)
"""Of Argentina, Mexico, Colombia, Chile, Peru, Brazil, France, Italy, Portugal, Germany, Romania, Britain: beside the
word for one or for a vehicle alone, and in capitals. "Matrícula EOI 2024/25" is of a course."""
_CAPITAL_BY_DIGIT = re.compile(r"[A-Z][ \-·]?\d|\d[ \-][A-Z]")
"""A quick look: each of them has it."""
_BEFORE, _AFTER = 40, 60


def plates(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Spanish plates where nothing says that they are something else. `at`: where their four digits are."""
    for digits in at:
        yield from _plate(seen, digits, beside=False)


def plates_beside(seen: View) -> Iterator[Finding]:
    """Spanish plates in a text that holds somebody's data already: without a vehicle, in small letters too."""
    for digits in _FOUR_DIGITS.finditer(seen.folded):
        yield from _plate(seen, digits.start(), beside=True)


# The digit before the look behind it: the engine finds a class of bytes much quicker than it looks behind itself.
_FOUR_DIGITS = re.compile(rb"\d(?<!\d\d)\d{3}(?=[ .\-\xb7/_]{0,3}[a-z])")


def plates_abroad(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Plates of other countries beside the word for one or for a vehicle. `at`: where it stands."""
    for begin, end in stretches(seen, at, _BEFORE, _AFTER):
        if _CAPITAL_BY_DIGIT.search(seen.text, begin, end) is None:
            continue
        for found in _PLATE_ABROAD.finditer(seen.text, begin, end):
            letters = {part.lower().encode() for part in re.findall("[A-Z]+", found[0])}
            if letters.isdisjoint(_UNITS | _OF_CARS) and not _OF_ALL_PLATES.match(seen.folded, found.end()):
                yield Finding(found.start(), found.end(), Kind.PLATE)


def _plate(seen: View, digits: int, *, beside: bool) -> Iterator[Finding]:
    """The plate that has its four digits here. Looking for them first costs a tenth of looking for letters."""
    folded = seen.folded
    for begin in range(max(0, digits - _MOST_BEFORE_DIGITS), digits + 1):
        found = _PLATE.match(folded, begin)
        if (
            found is not None
            and found[4] not in _UNITS
            and not _OF_ALL_PLATES.match(folded, found.end())
            and (_vehicle(folded, *found.span()) or _is_by_itself(seen, found, beside=beside))
        ):
            yield Finding(found.start(), found.end(), Kind.PLATE)
        found = _PLATE_OLD.match(folded, begin)
        if found is None or found[1] not in _PROVINCES or _AND.search(found[0]):
            continue
        # "MA-2024-II" is a course; a plate's last letters were no such number, and years are rare on it.
        alone = (
            seen.text[found.start() : found.end()].isupper()
            and found[0].count(b"-") == 2
            and len(found[3]) == 2
        )
        if _vehicle(folded, found.start(), found.end()) or (
            alone and not 1900 <= int(found[2]) < 2100 and found[3] not in {b"ii", b"iv", b"vi"}
        ):
            yield Finding(found.start(), found.end(), Kind.PLATE)


def _is_by_itself(seen: View, found: re.Match[bytes], *, beside: bool) -> bool:
    """Whether the shape alone says it: capitals of the series given out, no acronym, no year of a course, no code."""
    letters = found[4]
    if (
        letters in _ACRONYMS
        or b"q" in letters
        or not (beside or seen.text[found.start(4) : found.end(4)].isupper())
    ):
        return False
    # "1977 PSP", "2024-FPB".
    if found[3] and 1400 <= int(found[2]) < 2100:
        return False
    near = (max(0, found.start() - _CODES_CHARACTERS), found.end() + _CODES_CHARACTERS)
    return _OF_CODES.search(seen.folded, *near) is None


def _vehicle(folded: bytes, start: int, end: int) -> bool:
    if _OF_ALL_PLATES.match(folded, end):
        return False
    if _VEHICLE.search(folded, max(0, start - _VEHICLE_CHARACTERS), end + _VEHICLE_CHARACTERS) is not None:
        return True
    return folded.find(b"matricula", max(0, start - _MATRICULA_CHARACTERS), start) != -1
