"""Where somebody lives, told without the word for a street: "vivo en Serrano 23, 2º A", "el 14 de la calle Mayor".

What announces a home ("vivo en", "mi dirección es") makes an address of a name and a number that would be nothing
elsewhere. Whose home it is counts: "vive en Privet Drive 4" is of a tale. Streets by their words are in `addresses`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.addresses import (
    NOT_AN_ADDRESS_AFTER,
    OF_HISTORY,
    goes_on_to_a_town,
    is_home_spoken_of,
)
from ftworker.curation.privacy.contexts import sentence_span
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import known_figures
from ftworker.curation.privacy.postal import (
    CODE_AND_TOWN,
    FLAT,
    LONG_NUMBER,
    NUMBER,
    STREET_TYPES,
    rest,
    street_name,
)

_HOME = re.compile(
    rb"(?:(?P<own>vivo|vivimos|visc|vivim|moro|estoy viviendo|i live|we live|bizi naiz)|vive|viven|viu|viuen|mora|"
    rb"resid[eo]n?|empadronad[oa]s?|direccion(?: postal| exacta| completa| actual)?|domicilio(?: familiar| "
    rb"actual)?|domicili|"
    rb"adreca|enderezo|helbidea|etxea|address|casa|piso|calle y n(?:umero|um\.?|\xba)|calle|portal|dir\.?|"
    rb"remitente|bivo|"
    rb"te esper[oa]\w*|os esper[oa]\w*|le espero|(?:envi|mand|recog|quedamos|mud)\w*)\b"
)
_OWN_BEFORE = re.compile(rb"\b(?:mi|mis|nuestr[oa]s?|meu|meva|mina|my|our|nire|su|tu)(?: \w+)? $")
_LINK = re.compile(
    rb"(?:[ ,](?:en|a|al|na|no|es|esta|e|ahora|actualmente|at|is|in|todavia|sigo|con mi \w{4,6}|de (?:mi|su) "
    rb"\w{4,6}|se llama|queda|por)\b)*"
    rb"\s?[:,]?\s?(?P<article>(?:la|el|els?|un|una|o|los|las) |l')?"
)
_DOUBTFUL_TYPE = re.compile(rb"(?:(?:c|cl|cr|r|av|pl|ps|pg)(?:[.\\]? |\\)|b\.?\xba )")
"""A letter or two for a street, where nothing else could be meant."""
_HOUSES = frozenset(
    b"grupo lugar lg partida finca edificio edif. edif colonia barrio barri residencial residencia res. conjunto "
    b"torre cortijo aldea caserio "
    b"diseminado masia mas casa chalet gran san santa santo doctor dr. dr pintor alcalde general marques "
    b"conde".split()
)
"""What a house or a quarter is called with a small letter."""
_END = re.compile(rb"\s*(?:[.,;)\n!?]|$)|\s(?:y|i|pero|al|a|cerca|en|junto|encima|frente|con|x|por|que|q)\b")
_OF_A_STREET = re.compile(
    rb"(?:(?:km\.?|n\.?[\xba\xb0]|numero|num\.?|portal|bloque) ?)?\d{1,3}(?: ?(?:bis|[a-d](?!\w)))? (?:de|en) "
    rb"(?:la |el "
    rb")?(?=(?:%b)\s?\w)" % STREET_TYPES
)
_FLOOR_OF = re.compile(
    rb"(?:\d{1,2}\.?[\xba\xaa] ?(?:[a-h](?!\w)|izq\w*|dcha?|derecha)?|(?:primer|segundo|tercer|cuarto|quinto|"
    rb"sexto)o?(?: piso)?"
    rb"(?: [a-h](?!\w))?|bajo|atico) (?:de|del|en)(?: el)? (?:edificio |bloque )?"
)
_BLOCK = re.compile(rb"(?:bloque|portal|escalera|esc\.|torre|edificio) ?(?:\d{1,3}|[a-h](?!\w))")
_FOREIGN = re.compile(
    rb"\d{1,4}[a-d]? (?:[a-z']{2,15} ){1,3}(?:street|st|road|rd|avenue|ave|lane|ln|drive|square|close|court|"
    rb"gardens)(?!\w)\.?"
)
_STREET_BEHIND = re.compile(rb"\d{1,3},? (?:%b)\s?" % STREET_TYPES)
_STREET_HERE = re.compile(rb"(?:la |el )?(?:%b)\s?" % STREET_TYPES)
_FARTHER = re.compile(rb"[^.\n\d]{1,40}?, en (?:la |el )?")
"""What may stand between: "vivo justo al lado del insti, en San Antón 9 2ºC"."""
_STREET_TOO = re.compile(rb", (?:%b)\s?" % STREET_TYPES)
_BY_METRES = re.compile(
    rb"[^.\n\d]{0,70}\d{2,4} ?(?:metros|mts?\.?|m\.?) (?:al )?(?:norte|sur|este|oeste)"
    rb"(?:(?:,| y) \d{2,4} ?(?:metros|mts?\.?|m\.?)? ?(?:al )?(?:norte|sur|este|oeste))?(?!\w)"
)
"""Costa Rica and Nicaragua have no numbers: "de la iglesia 200 metros al sur"."""
_TALE = re.compile(rb"\b(?:personaje|novela|libro|obra|pelicula|cuento|autor|poema|saga)\b")
_MOST_BEFORE = 15


def homes(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Addresses after the words that announce a home. `at`: where such a word stands."""
    folded = seen.folded
    for place in at:
        home = _HOME.match(folded, place)
        if home is None or home[0] in _DOORS:
            yield from _by_its_door(seen, place)
        if home is None:
            continue
        link = _LINK.match(folded, home.end())
        if link is None or link.end() == home.end():
            continue
        if home[0] == b"casa" and OF_HISTORY.search(folded, max(0, place - 90), place + 90):
            continue  # "casa Batlló, Passeig de Gràcia 43: elementos modernistas"
        own = home["own"] is not None or (
            _OWN_BEFORE.search(folded, max(0, place - _MOST_BEFORE), place) is not None
        )
        end = _address(seen, link.end(), own=own)
        if end is None and own and (by_metres := _BY_METRES.match(folded, link.end())) is not None:
            end = by_metres.end()
        farther = _FARTHER.match(folded, home.end()) if end is None and home["own"] is not None else None
        if farther is not None:
            end = _named(seen, farther.end(), own=False)
            link = farther
        if end is not None and not own and _lives_in_a_book(seen, place):
            continue
        if end is not None:
            # "Los Aromos 1345" is named so, "la Calle 45" is not.
            article = link.start("article") if link is not farther else -1
            start = article if article != -1 and seen.text[article].isupper() else link.end()
            yield Finding(start, end, Kind.ADDRESS)


def _by_its_door(seen: View, place: int) -> Iterator[Finding]:
    """A name with capitals and its number before a floor or a door: "Rivadavia 4521 piso 3", "Serrano 23, 2º A"."""
    if _NUMBER_BEFORE.search(seen.folded, max(0, place - 6), place) is None:
        return
    named = _NAMED_BEFORE.search(seen.text, max(0, place - _LONGEST_NAME), place)
    if named is None or not FLAT.match(seen.folded, named.end("number")):
        return
    start, end = named.start("name"), rest(seen, named.end("number"))
    first = seen.folded[start : named.end("name")].split(b" ")[0]
    # "Biología 4, 2º B" is a class: a home is spoken of, or a town follows, or no other thing has so long a number.
    if not (
        is_home_spoken_of(seen.folded, start)
        or goes_on_to_a_town(seen, end)
        or (seen.folded[place : place + 1] in b"pd" and len(named["number"]) > _MOST_OF_A_ROOM)
    ):
        return
    if (
        end > place
        and first not in _NO_STREETS
        and not OF_HISTORY.search(seen.folded, max(0, start - 60), end + 40)
    ):
        yield Finding(start, end, Kind.ADDRESS)


_DOORS = frozenset(b"piso portal".split())
_LONGEST_NAME = 60
_MOST_OF_A_ROOM = 2
_NUMBER_BEFORE = re.compile(rb"\d(?:,| -)? ?\d{0,2}$")
_NAMED_BEFORE = re.compile(
    r"(?<![\w.])(?P<name>[A-ZÁÉÍÓÚÑÇ][^\W\d_]{2,}"
    r"(?: (?:(?:de|del|la|las|los|el|i|y) ){0,2}[A-ZÁÉÍÓÚÑÇ][^\W\d_]+){0,3}),? ?"
    r"(?P<number>(?:n\S{0,2} ?)?\d{1,4})(?:,| -)? ?\d{0,2}$"
)
_NO_STREETS = frozenset(
    b"aula clase grupo edificio planta piso sala bloque tema unidad pagina curso eso bachillerato primaria enero "
    b"febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre ley articulo ejercicio "
    b"apartado capitulo pabellon aulario campus hotel zona sector nivel modulo fase tramo".split()
)


def _lives_in_a_book(seen: View, place: int) -> bool:
    """Whether who lives here is somebody of a lesson: "Fortunata vive en la Cava de San Miguel, 11"."""
    begin = sentence_span(seen, place, place)[0]
    return known_figures().stand_in(seen.text, seen.folded, begin, place)


def _address(seen: View, start: int, *, own: bool) -> int | None:
    folded = seen.folded
    # "en el 3ºB del 14 de la calle Mayor", "el número 5 de la calle Sol".
    floor = _FLOOR_OF.match(folded, start)
    number = _OF_A_STREET.match(folded, floor.end() if floor else start)
    if number is not None:
        street = street_name(seen, number.end())
        if street is not None:
            return rest(seen, street[0])
    behind_floor = _STREET_HERE.match(folded, floor.end()) if floor else None
    if behind_floor is not None and (street := street_name(seen, behind_floor.end())) is not None:
        after = NUMBER.match(folded, street[0])
        if after is not None:
            return rest(seen, after.end())
    foreign = _FOREIGN.match(folded, start)
    if foreign is not None and own and any(letter.isupper() for letter in seen.text[start : foreign.end()]):
        return foreign.end()
    behind = _STREET_BEHIND.match(folded, start)
    if behind is not None and (street := street_name(seen, behind.end())) is not None and street[1]:
        return rest(seen, street[0])
    block = _BLOCK.match(folded, start)
    if block is not None:
        # One of them alone tells nothing: "vivo en el bloque 3".
        end = rest(seen, block.end())
        return end if own and FLAT.match(folded, block.end()) and end > block.end() else None
    return _named(seen, start, own=own)


def _named(seen: View, start: int, *, own: bool) -> int | None:
    """A name and a number: of a street when a floor follows, or when the speaker tells of a home and of nothing "
    "more."""
    folded = seen.folded
    short = _DOUBTFUL_TYPE.match(folded, start)
    street = street_name(seen, short.end() if short else start)
    if street is None:
        return None
    end, capital = street
    first = folded[start:end].split(b" ", 1)[0]
    if short is None and capital and not seen.text[start].isupper() and first not in _HOUSES:
        return None
    if short is None and not capital and not FLAT.match(folded, end):
        number = NUMBER.match(folded, end)
        if number is None or not FLAT.match(folded, number.end()):
            return None
    number = NUMBER.match(folded, end) or LONG_NUMBER.match(folded, end)
    if number is None:
        # "Edificio Miramar, 4º C": a house with a name.
        street_too = _STREET_TOO.match(folded, end)
        if street_too is not None and (named := street_name(seen, street_too.end())) is not None:
            number = NUMBER.match(folded, named[0])
            return rest(seen, number.end()) if number else None
        flat = FLAT.match(folded, end) or CODE_AND_TOWN.match(folded, end)
        return (
            rest(seen, end)
            if own and first in _HOUSES and flat and any(48 <= sign < 58 for sign in flat[0])
            else None
        )
    if NOT_AN_ADDRESS_AFTER.match(folded, number.end()):
        return None
    whole = rest(seen, number.end())
    if whole > number.end() and (capital or short or own):
        return whole
    year = (
        folded[end : number.end()].strip(b" ,").isdigit()
        and 1400 < int(folded[end : number.end()].strip(b" ,")) < 2040
    )
    if not (own and (capital or short)) or year or not _END.match(folded, number.end()):
        return None
    return None if _TALE.search(folded, max(0, start - 80), number.end() + 80) else number.end()
