"""Postal addresses: a street with its number, and a postal code with its town.

In Spanish (of Spain and of America), Catalan, Galician and Basque. A street without a number, and a town alone, are not
found: half of all lessons speak of them. Rules run over the fold; capitals are looked up in the text. An address whose
street is not called one ("vivo en Serrano 23") is the work of `homes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.contexts import is_told_in_a_lesson, sentence_span
from ftworker.curation.privacy.cues import PRIVATE, SPEAKER
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import known_figures
from ftworker.curation.privacy.postal import (
    FLAT,
    LONG_NUMBER,
    NUMBER,
    NUMBER_WORD,
    PARTICLES,
    STREET_TYPES,
    TOWN,
    rest,
    street_name,
    town_behind,
    town_end,
)

_STREET = re.compile(rb"(?<![\w/.])(?:gran )?(?:%b)\s?" % STREET_TYPES)
_KALEA = re.compile(
    rb"(?<![\w/.])(?:kale nagusia|kalea|etorbidea|hiribidea|bidea|pasealekua|plaza|k\.)(?:, ?| )(?=\d)"
)
_KALEA_NAME = re.compile(r"(?:[^\W\d_a-zñ]\w+ (?:de )?){1,3}$")
_SMALL_KALEA = re.compile(
    rb"(?:\b(?:en|a|es|n[ae]|la|el)|[:,\n]) ?(?P<name>[a-z]{3,15} (?:[a-z]{3,15} ){0,2})$"
)
_BASQUE_DOOR = re.compile(rb",? ?-? ?\d{1,2}\. ?[a-h](?!\w)")
# "Calle 45 # 12-34", "Cra. 7 No. 93-47 sur": the grid of Colombian towns.
_GREAT_WAY = re.compile(rb"(?<!\w)gran via(?= ?,? ?(?:(?:n\S{0,2}|num\.?|numero|nro\.?|#) ?)?(?:\d|s/n))")
"""A street that needs no other name."""
_PART_BEFORE = re.compile(
    rb"(?:poligono|pol\. ?ind\.|p\.i\.|urbanizacion|urb\.|barrio|barriada|residencial|edificio|colonia|"
    rb"parque empresarial|"
    rb"centro comercial|cc|conjunto|bloque|finca)(?: [a-z0-9']{1,15}){1,5}, ?$"
)
"""What stands before the street: "Polígono El Montalvo, C/ ..."."""
_GRID = re.compile(
    rb"(?<![\w/.])(?:calle|cl\.?|carrera|cra\.?|kra?\.?|cr\.?|diagonal|dg\.?|diag\.?|transversal|tv\.?|"
    rb"transv\.?|"
    rb"avenida|av\.?) "
    rb"\d{1,3} ?[a-h]?(?: (?:bis|sur|norte|este|oeste))* ?(?:#|no\.?|n\.?\xba?|nro\.?|num\.?|numero) ?\d{1,3} "
    rb"?[a-h]? ?- ?\d{1,3}"
    rb"(?: (?:sur|norte|este|oeste))?(?!\w)"
)
# "Mz. B Lt. 14": of towns without names of streets.
_PLOT = re.compile(
    rb"(?<![\w/.])pol(?:igono|\.) ?\d{1,3},? ?(?:y )?parc(?:ela|\.) ?\d{1,4}(?!\w)(?:, ?diseminado)?"
)
_CORNER = re.compile(
    rb"(?<![\w/.])(?:calle|diagonal|dg\.|avenida|av\.?) \d{1,3}(?: (?:entre|e/) ?\d{1,3} y \d{1,3},?)? "
    rb"(?:n\.?[\xba\xb0o]?\.?|nro\.?|num\.?|numero|#) ?\d{2,4}(?! ?-? ?\d|\w)"
)
"""Of towns whose streets have numbers: "Calle 8 entre 47 y 48 nro 654"."""
_NEED_A_HOME = frozenset(
    (
        b"partida",
        b"residencial",
        b"edificio",
        b"barrio",
        b"finca",
        b"diseminado",
        b"circuito",
        b"retorno",
        b"andador",
        b"costera",
        b"cava",
        b"malecon",
        b"cl",
        b"sector",
        b"subida",
        b"bajada",
        b"senda",
        b"sendero",
        b"aldea",
        b"cortijo",
        b"canada",
    )
)
"""What stands in lessons too: only where somebody's home is spoken of."""
_OWN_HOME = re.compile(
    rb"\b(?:[bv]iv(?:o|imos|e|en|im)|visc|mi|mis|meva|meu|nuestr[oa]|su|tu|me|nos|domicilio|domicili|"
    rb"direccion(?! de (?:la|las|los) (?!alumn|famil|nin|madre|menor|tutor))|empadron\w+|"
    rb"envi\w+|recog\w+|recoj\w+|qued(?:amos|em)|remitente)\b"
)
"""Who lives in a street where there are museums too."""
_HOME_AFTER = re.compile(
    rb"\b(?:viv[oi]\w*|mi casa|nuestra casa|vivim|mi direccion|mi domicilio|mi calle|mi piso)\b"
)
OF_HISTORY = re.compile(
    rb"\b(?:atentad\w+|asesin\w+|arquitect\w+|modernis\w+|gaudi|inaugur\w+|construid\w+|manual|bachillerato|"
    rb"fachada|siglo|edificio historico|catedral|palacio|sede de|casa natal|nacio en|murio en|"
    rb"novela|capitulo|cuadros?|pintor\w*|monument\w+|museo|personajes?|protagonista)\b"
)
_OF_AN_OFFICE = re.compile(
    rb"\b(?:consejeria|conselleria|ministerio|delegacion|ayuntamiento|ajuntament|concello|congreso|senado|embajada|"
    rb"consulado|museo|museu|exposicion|teatro|auditorio|estadio|universidad de|universitat de|"
    rb"facultad de|rectorado|registro civil|"
    rb"juzgado|comisaria|hacienda|sede (?:electronica|central|social|del?)|basilica|sagrada familia|"
    rb"biblioteca (?:publica|municipal|nacional)|secretaria (?:general|virtual)|fundacion|editorial)\b"
)
"""Whose address is everybody's."""
_WIDE = 90
_SMALL_TOWN = re.compile(
    rb", ?(?:(?:el|la|los|las) )?[a-z']{4,20}(?: (?:de|del|de la|de los|la))?(?: [a-z']{2,20})?(?=[.;)\n]|$|"
    rb", gracias)"
)
"""Written without capitals, as the rest: "camino de los almendros s/n, la alberca"."""
_BOX = re.compile(rb"(?<![\w/.])apartado (?:de correos|postal) (?:n\.?\xba |numero )?\d{1,5}(?!\w)")
_LOT = re.compile(
    rb"(?<![\w/.])(?:mza?\.?|manzana) ?[a-z0-9]{1,3},? ?(?:lte?\.?|lote|villa|solar|casa) ?\d{1,3}(?!\w)"
)
_WHOLE = re.compile(b"|".join(pattern.pattern for pattern in (_GRID, _LOT, _PLOT, _BOX, _CORNER)))
"""Addresses that need no name."""
_BEFORE_DOOR = PARTICLES | {
    b"lugar",
    b"calle",
    b"plaza",
    b"rua",
    b"aldea",
    b"portal",
    b"numero",
    b"n.",
    b"num.",
}
_DOOR_BEFORE = re.compile(
    rb"\b(?:el|al|del|numero|portal) (?P<number>\d{1,3}(?: ?(?:bis|[a-d](?!\w)))?) de (?:la |el )?$"
)
"""A number before its street: "el 14 de la calle Pozo Amarillo"."""
_ARTICLES = frozenset(("la", "una", "esta", "esa", "en", "de", "mi", "tu", "su", "cada", "otra"))
_APART_NUMBER = re.compile(
    rb"(?: - |;? ?\()(?:%b\s?)?\d{1,3}(?:\)|(?![\w)%%\x80-\xff]|[.,:]\d))" % NUMBER_WORD
)
"""Behind a dash or between brackets, "calle Mayor - 83": what stands there is as often something else."""
_SPEAKERS = re.compile(rb"\b(?:vivo|vivimos|mi|mis|nuestr[oa]s?|me|nos|soy|somos|visc|direccion|domicilio)\b")
_NO_STREETS = frozenset(b"iva u estatal nacional comarcal autonomica federal interestatal".split())
"""What else stands after "c/"."""
# Nobody writes these but in an address.
_SHORT_FOR_STREET = (b"avda", b"avd", b"c/", b"ctra", b"pza", b"plza", b"plz", b"urb", b"cl.", b"rda", b"pje")
NOT_AN_ADDRESS_AFTER = re.compile(
    rb"\s?(?:[\xb0%=+*]|(?:de (?:ene|feb|mar|abr|may|jun|jul|ago|sep|oct|nov|dic)\w+|metros?|km|m|euros?|cm|"
    rb"grados?|"
    rb"coches?|personas?|casas?(?! ?\d| [a-h]\b)|tiendas?|portales|pisos|dias?|meses|semanas?|mesos|anys|"
    rb"habitaciones|puertas|"
    rb"anos?|horas?|h|minutos?|veces|veh\w+|alumn[oa]s|arboles|puntos?|vecin[oa]s|habitantes|iva)\b)"
)
_HOME_CUE = re.compile(
    rb"\b(?:[bv]iv[oeia]\w*|visc|viu|remitente|tutora?|datos|mudanza|cambi\w+ de (?:casa|piso|domicilio)|cojo|"
    rb"academia|factura|tecnico|reparacion|espera\w*|fiesta|soi de|soy de|somos de|nos vemos|queda|lejos|cerca|"
    rb"corresponde|"
    rb"transporte|direccion?|adreca|enderezo|helbidea|domicilio|domicili|mi casa|casa de|"
    rb"casa meva|me mude|nos mudamos|mudado|mudamos|resid[eo]\w*|mi calle|mi piso|trabaj[ao]|"
    rb"live at|live in|address|bizi|moro|quedamos|quedem|esta en|estoy en|estem|empadronad[oa]|envi[aeo]\w*|"
    rb"paquete|recog\w+|recoj\w+|mand[aeo]\w*|oficina|piso|portal|dir|dire|parada|timbre|calle y n\w{0,5}|estamos en|"
    rb"padron|entreg\w+|reparto)\b"
)
_POSTAL_CODE = re.compile(rb"(?<![\w.,/\-])(?:0[1-9]|[1-4]\d|5[0-2])\d{3}(?![\w/]|[.,\-]\d)")
_POSTAL_CUE = re.compile(
    rb"\b(?:c\.?p\.?|codigo postal|codi postal|codigo postal es|zip)\W{0,3}(?:(?:es|de|del|mi|el|tu|casa|"
    rb"is|barrio) ){0,3}$"
)
_POSTAL_LONG_CUE = re.compile(
    rb"\b(?:codigo postal|codi postal|posta kodea|vivo en|visc a|vivimos en|domicilio|"
    rb"direccion)\b[^.\n]{0,25}$"
)
_COUNTED = re.compile(rb" (?:habitantes|personas|euros|vecin[oa]s|km|anos|metros)")
_CUE_CHARACTERS = 45
_OF_A_HOME = re.compile(
    rb"(?:,|\.|\n| -| \()? ?(?:c\.?p\.?:? ?)?(?:0[1-9]|[1-4]\d|5[0-2])\d{3}(?!\d)(?:,| -)? [a-z]{1,3}|"
    rb",? c\.?p\.?:? ?\d{4,5}(?!\d)|"
    rb"(?:[,;]| -)? ?\(?(?:bajos?\b|baixos?\b|piso\b|pta\b|puerta \w\b|puerta \d|esc\b|izq?da?\b|izq\b|dcha?\b|"
    rb"atico\b|atic\b|pral\b|principal\b|entlo\b|entresuelo\b|pb\b|(?:portal|escalera|esc\.|bloque|bl\.?|blq\.?|"
    rb"casa|chalet|xalet|parcela|torre|planta|letra|dpto\.?|depto\.?|dep\.|apto\.?|apt\.|int\.|interior|"
    rb"departamento|apartamento|edificio|pta\.|manzana|lote|local) ?(?:\d|[a-h]\b)|col\. |colonia |fracc\. |urb\. |"
    rb"\d{1,2}\.?\s?[\xba\xaa]|\d{1,2}\s?(?:[ro]|[dt]o|er|ra|da|ta|n|e)\.? ?\d?[a-z]{1,4}\b|\d{1,2} ?[a-h]\b(?! )|"
    rb"\d{1,2} (?:izq|dch|der)\w*|(?:primero|segundo|tercero|cuarto|quinto|sexto) (?:izq|der|dch|[a-h]\b)|"
    rb"\d{1,2}-\d{1,2}(?=[,.;)\n]|$)| 1[\xba\xaa])"
)
"""A floor or a door right after the number."""


_BEHIND_NO_STREET = frozenset((b"", *(bytes((sign,)) for sign in b" ,()=\n^+*<>:;?")))
"""What a letter alone has behind it in a formula, where one for a street has a full stop or a slash: half of all
places are such."""


def addresses(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """A street, its number, and what stands after it: floor, door, postal code, town. `at`: where a street's "
    "word is."""
    folded = seen.folded
    for place in at:
        if folded[place + 1 : place + 2] in _BEHIND_NO_STREET:
            continue
        whole = _WHOLE.match(folded, place)
        if whole is not None:
            yield Finding(place, rest(seen, whole.end()), Kind.ADDRESS)
        great = _GREAT_WAY.match(folded, place)
        number = NUMBER.match(folded, great.end()) if great else None
        if number is not None and (
            FLAT.match(folded, number.end())
            or _goes_on(seen, number.end())
            or is_home_spoken_of(folded, place)
            or (_CLAUSE_END.match(folded, number.end()) and _is_of_a_speaker(seen, place, number.end()))
        ):
            yield Finding(place, rest(seen, number.end()), Kind.ADDRESS)
        street = _STREET.match(folded, place)
        end = _after_street(seen, street) if street is not None else None
        if end is not None:
            part = _PART_BEFORE.search(folded, max(0, place - 70), place)
            yield Finding(part.start() if part else place, end, Kind.ADDRESS)
        elif street is not None and (door := _DOOR_BEFORE.search(folded, max(0, place - 30), place)):
            end = _behind_its_door(seen, street)
            if end is not None:
                yield Finding(door.start("number"), end, Kind.ADDRESS)
        yield from _kalea(seen, place)


def _after_street(seen: View, street: re.Match[bytes]) -> int | None:
    folded = seen.folded
    named = street_name(seen, street.end())
    if named is None:
        return None
    end, capital = named
    if folded[street.end() : end] in _NO_STREETS:
        return None
    number = NUMBER.match(folded, end)
    apart = None if number else LONG_NUMBER.match(folded, end) or _APART_NUMBER.match(folded, end)
    if number is None and apart is None:
        return None
    home = (
        is_home_spoken_of(folded, street.start())
        or _HOME_AFTER.search(folded, end, end + _CUE_CHARACTERS) is not None
    )
    if number is None:
        number = apart
        if number is None or not (home or _goes_on(seen, number.end()) or _is_no_year(number[0], capital)):
            return None
    if NOT_AN_ADDRESS_AFTER.match(folded, number.end()):
        return None
    if street[0].startswith(b"c.") and not (
        home or (seen.text[street.start()] == "C" and capital and FLAT.match(folded, number.end()))
    ):
        return None
    if street[0].strip() in _NEED_A_HOME and not home and not _goes_on(seen, number.end()):
        return None
    if not home and is_told_in_a_lesson(seen, street.start(), number.end()):
        return None
    begin = sentence_span(seen, street.start(), street.start())[0]
    if not _SPEAKERS.search(folded, begin, number.end()) and known_figures().stand_in(
        seen.text, folded, begin, street.start()
    ):
        return None  # "Fortunata vive en la Cava de San Miguel, 11"
    # A monument or an event of a lesson: "atentado en la calle Claudio Coello, 104".
    begin, stop = max(0, street.start() - _WIDE), number.end() + _WIDE
    if not _OWN_HOME.search(folded, begin, stop) and (
        OF_HISTORY.search(folded, begin, street.start())
        or OF_HISTORY.search(folded, number.end(), stop)
        or _OF_AN_OFFICE.search(folded, begin, street.start())
    ):
        return None
    # "la calle hay 3 coches": without a capital only where somebody's home is spoken of.
    short = street[0].startswith(_SHORT_FOR_STREET) and end - street.end() > 3
    if capital or short or home or _goes_on(seen, number.end()) or _is_plainly_one(seen, street, end, number):
        end = rest(seen, number.end())
        town = _SMALL_TOWN.match(folded, end) if home and not capital else None
        return town.end() if town else end
    return None


def _behind_its_door(seen: View, street: re.Match[bytes]) -> int | None:
    """Where a street ends whose number stands before it, told by who speaks of here and now: "en el 14 de la calle
    Mayor".
    """
    named = street_name(seen, street.end())
    if named is None or not named[1] or is_told_in_a_lesson(seen, street.start(), named[0]):
        return None
    begin, stop = max(0, street.start() - _WIDE), named[0] + _WIDE
    if OF_HISTORY.search(seen.folded, begin, stop) or _OF_AN_OFFICE.search(seen.folded, begin, stop):
        return None
    of_here = is_home_spoken_of(seen.folded, street.start()) or _is_of_a_speaker(
        seen, street.start(), named[0]
    )
    return rest(seen, named[0]) if of_here else None


def _goes_on(seen: View, end: int) -> bool:
    """Whether a floor, a door, a postal code or a town that is known follows the number."""
    if _OF_A_HOME.match(seen.folded, end):
        return True
    town = town_behind(seen.folded, end)
    return town > end and _CLAUSE_END.match(seen.folded, town) is not None


def _is_no_year(number: bytes, capital: bool) -> bool:
    """Whether four digits behind a street with a capital are its number: "Av. Italia 5678", no "Plaza Mayor 1619"."""
    digits = _FOUR.search(number)
    return capital and digits is not None and not 1400 <= int(digits[0]) < 2100


def _is_plainly_one(seen: View, street: re.Match[bytes], end: int, number: re.Match[bytes]) -> bool:
    """Whether a street in small letters is told with its number and nothing behind it, by who speaks of here and now:
    "recoged a la niña en calle luna 12".
    """
    before = seen.folded[max(0, street.start() - 12) : street.start()]
    return (
        street[0].strip() in _WHOLE_TYPES
        and _ARTICLE.search(before) is None
        and end - street.end() > 3
        and _CLAUSE_END.match(seen.folded, number.end()) is not None
        and _is_of_a_speaker(seen, street.start(), number.end())
    )


def _is_of_a_speaker(seen: View, start: int, end: int) -> bool:
    reach = sentence_span(seen, start, end)
    return (SPEAKER.search(seen.folded, *reach) or PRIVATE.search(seen.folded, *reach)) is not None


_FOUR = re.compile(rb"\d{4}")
_ARTICLE = re.compile(rb"\b(?:el|la|un|una|las?|los|cada|esta|esa|otra|mi|tu|su) $")
_CLAUSE_END = re.compile(
    rb"[ )]?(?:[,.;:)\n!?]|$)| (?:y|i|e|es|esta|queda|la|me|no|si|pero|para|x|por|a las|al lado|vivo)\b"
)
_WHOLE_TYPES = frozenset(
    b"calle avenida plaza paseo carrer rua ronda travesia camino carretera avinguda passeig praza cuesta glorieta "
    b"urbanizacion rambla callejon pasaje alameda bulevar placa costanilla vereda".split()
)


_WORK_OF_MUSIC = re.compile(
    rb"\b(?:sonatas?|concert\w{0,3}|sinfonias?|simfonia|misa|requiem|cuartetos?|quartet|serenatas?|mozart|"
    rb"divertimento|scarlatti|opera|obertura|fantasia|rondo)\b[^.;\n]*$"
)
"""The "K." of Köchel's and of Kirkpatrick's lists numbers works, no houses: "Sonata K. 545"."""


def _kalea(seen: View, place: int) -> Iterator[Finding]:
    street = _KALEA.match(seen.folded, place)
    if street is None:
        return
    if _WORK_OF_MUSIC.search(seen.folded, max(0, place - 45), place):
        return
    text = seen.text
    name = _KALEA_NAME.search(text, max(0, place - 45), place)
    if street[0].startswith((b"plaza", b"k")) and not street[0].startswith(b"kal"):
        # "Zabalburu plaza 6"; "la plaza 6" is a place of a theatre.
        begins = name.start() if name and name[0].split()[0].lower() not in _ARTICLES else None
    else:
        begins = place if text[place].isupper() else name.start() if name else None
        if begins is None and is_home_spoken_of(seen.folded, place):
            small = _SMALL_KALEA.search(seen.folded, max(0, place - 45), place)
            begins = small.start("name") if small else None
    number = NUMBER.match(seen.folded, street.end())
    if (
        begins is not None
        and number is not None
        and not NOT_AN_ADDRESS_AFTER.match(seen.folded, number.end())
    ):
        door = _BASQUE_DOOR.match(seen.folded, number.end())
        yield Finding(begins, rest(seen, door.end() if door else number.end()), Kind.ADDRESS)


def postal_codes(seen: View) -> Iterator[Finding]:
    """A postal code after the words that say so, with the town after it."""
    for found in _POSTAL_CODE.finditer(seen.folded):
        before = seen.folded[max(0, found.start() - _CUE_CHARACTERS) : found.start()]
        if (_POSTAL_CUE.search(before) or _POSTAL_LONG_CUE.search(before)) and not _COUNTED.match(
            seen.folded, found.end()
        ):
            yield Finding(found.start(), town_end(seen, found.end()), Kind.ADDRESS)


def coded_addresses(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """A name and a number before a postal code with its town, whatever stands before: "Lugar de Outeiro 14, 27256
    Castro de Rei". `at`: where the postal code is.
    """
    folded = seen.folded
    for place in at:
        begin = max(
            folded.rfind(sign, max(0, place - _BEFORE_CODE), place)
            for sign in (b"\n", b":", b";", b"!", b"?")
        )
        begin = max(begin + 1, place - _BEFORE_CODE)
        number = next(_DOOR.finditer(folded, begin, place), None)
        town = TOWN.match(folded, place + 5)
        if number is None or town is None or not seen.text[town.start(1)].isupper():
            continue
        start, capitals = number.start(), 0
        for word in reversed(list(_NAME_WORD.finditer(folded, begin, number.start()))):
            large = seen.text[word.start()].isupper()
            if folded[word.end() : start].strip(b" ,.") or not (large or word[0] in _BEFORE_DOOR):
                break
            start, capitals = word.start(), capitals + large
        while start < number.start() and not seen.text[start].isupper():
            start = min(folded.find(b" ", start) + 1 or number.start(), number.start())
        end = town_end(seen, place + 5)
        if capitals and end > place + 5 and not is_told_in_a_lesson(seen, start, end):
            yield Finding(start, end, Kind.ADDRESS)


_BEFORE_CODE = 80
_DOOR = re.compile(rb"(?<=[a-z.,\xba\xb0] )(?:n\S{0,2} ?)?\d{1,3}(?: ?(?:bis|[a-d]))?(?=[,. \-])(?! de )")
_NAME_WORD = re.compile(rb"[a-z'.\xba\xaa]+")


def goes_on_to_a_town(seen: View, end: int) -> bool:
    """Whether an address ends here with its town or its postal code, or those follow."""
    return (
        _TOWN_AT_ITS_END.search(seen.folded, max(0, end - 60), end) is not None
        or town_behind(seen.folded, end) > end
    )


_TOWN_AT_ITS_END = re.compile(rb"[ ,]\d{5},? [a-z ]{3,30}\)?$")


def is_home_spoken_of(folded: bytes, before: int) -> bool:
    """Whether somebody's home, or where something is sent, is spoken of right before this place."""
    return _HOME_CUE.search(folded, max(0, before - _CUE_CHARACTERS), before) is not None
