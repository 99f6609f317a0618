"""Postal addresses: a street with its number, and a postal code with its town.

In Spanish, Catalan, Galician and Basque. A street without a number, and a town alone, are not found: half of all
lessons speak of them. Rules run over the fold; capitals are looked up in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind

_STREET = re.compile(
    rb"(?<![\w/.])(?:calle|c/|cl\.|avda\.?|avenida|avd\.|av\.|plaza|pza\.?|plza\.?|pl\.|paseo|p\xba|camino|"
    rb"carretera|ctra\.?|ronda|"
    rb"travesia|urbanizacion|urb\.|glorieta|pasaje|callejon|barriada|bulevar|carrer|avinguda|placa|passeig|"
    rb"passatge|cami|"
    rb"rua|praza|estrada|costanilla|cuesta|rambla|poligono|via|alameda|corredera|travessera|travessia|riera|baixada|"
    rb"costa(?= d[ao]s? ))\s?"
)
_KALEA = re.compile(
    rb"(?<![\w/.])(?:kale nagusia|kalea|etorbidea|hiribidea|bidea|pasealekua|plaza)(?:, ?| )(?=\d)"
)
_KALEA_NAME = re.compile(r"(?:[^\W\d_a-zñ]\w+ ){1,3}$")
# The words of a street's name, with particles between them: "de la Constitución", "3 de Mayo", "Pintor Sorolla".
_WORD = re.compile(rb"[a-z'_\xb7]+\.?|\d{1,2}(?= de [a-z])")
_PARTICLES = frozenset(
    b"de del la las los el els les l d i y e da do das dos san santa sant sta. sto. s. don dona".split()
)
_NUMBER_SIGNS = frozenset(b"n n. no. num num. numero portal km piso bajo".split())
_ARTICLES = frozenset(("la", "una", "esta", "esa", "en", "de", "mi", "tu", "su", "cada", "otra"))
_MOST_WORDS = 7
_NUMBER = re.compile(
    rb",?\s?(?:(?:n\.?\s?[\xba\xb0o]|n(?=\s?\d)|no\.|num\.?|numero|n\.|portal|"
    rb"km\.?|chalet|xalet|parcela|bloque|blq\.?|bloc|nave|finca|casa)\s?)?\d{1,3}(?:[.,]\d)?(?:\s?(?:bis|dupl(?:icado)?)|[a-d](?![\w'])|\s[b-d](?=[,.;)\n]|$))?(?![\d\w%\x80-\xff]|"
    rb"[.,:]\d|\s?(?:x|\*|\+|=|/)\s?\d)|,?\s?s/n(?!\w)"
)
_FLAT = re.compile(
    rb"(?:,|\s-)?\s?(?:(?:piso|planta|puerta|pta\.?|esc(?:alera|\.)?|portal|bloque|blq\.?|casa|local|pis|"
    rb"porta|bajos?|baixos?|atico|atic|entresuelo|entresol|"
    rb"principal|izda?\.?|izq\.?|izquierda|dcha?\.?|derecha|dreta|esquerra|esq|esquerda|dereita|"
    rb"ext(?:erior)?|int(?:erior)?|centro|ezk(?:erra)?|esk(?:uina)?)\b\.?(?:\s(?:[a-z]|"
    rb"\d{1,2})(?!\w))?[\xba\xaa]?|"
    rb"\d{1,2}\.?\s?(?:[\xba\xaa\xb0]|o(?=[ ,.-]))(?:\s?-?\s?(?:[a-h](?!\w)|\d{1,2}[\xba\xaa]|"
    rb"\d{1,2}(?=[,;)\n]|\.?(?:\s|$))(?! ?[a-z%])|"
    rb"izda?\.?|"
    rb"izq\.?|dcha?\.?|izquierda|derecha|centro))?|"
    rb"\d{1,2}\.?\s?(?:izq(?:uierda)?|izda?|dcha?|derecha|ezk(?:erra)?|esk(?:uina)?)(?!\w)\.?|"
    rb"n\.?\s?[\xba\xb0]\s?\d{1,3}(?!\w)|\d{1,2}(?:r|n|t|e|on|er)\s?\d{1,2}(?:a|\xaa)(?!\w)|\d{1,2}-\d{1,2}(?!\w)|\d[a-h](?!\w))"
)
_CODE_AND_TOWN = re.compile(
    rb"(?:,|\s-|\s\()?\s?(?:(?:c\.?p\.?:?|codigo postal|codi postal)\s?)?(?:0[1-9]|[1-4]\d|"
    rb"5[0-2])\d{3}(?!\d)(?:,|\s-)?"
)
_TOWN = re.compile(
    rb",?\s?(?:\(|de |en )?(?:(?:el|la|los|las|les|els|a|o|as|os) )?"
    rb"([a-z'_\-]{3,20})((?: (?:de|del|la|el|los|las|d'|l'|i|"
    rb"y)){0,2} ?[a-z'_\-]{3,20}){0,3}\)?"
)
_CODE_AFTER_TOWN = re.compile(rb"[ ,(]{1,3}(?:0[1-9]|[1-4]\d|5[0-2])\d{3}(?!\w|[.,]\d)")
_PROVINCE = re.compile(rb",? [(]?([a-z]{4,20}(?: [a-z]{4,20})?)[)]?(?=\s*(?:[.,;\n)]|$))")
# Nobody writes these but in an address.
_SHORT_FOR_STREET = (b"avda", b"avd", b"c/", b"ctra", b"pza", b"plza", b"urb", b"cl.")
_NOT_AN_ADDRESS_AFTER = re.compile(
    rb"\s?(?:[\xb0%=+*]|(?:de (?:ene|feb|mar|abr|may|jun|jul|ago|sep|oct|nov|dic)\w+|metros?|km|m|euros?|"
    rb"coches?|personas?|casas?|tiendas?|"
    rb"anos?|horas?|h|minutos?|veces|veh\w+|alumnos?|arboles|puntos?|vecinos|habitantes)\b)"
)
_HOME_CUE = re.compile(
    rb"\b(?:viv[oeia]\w*|visc|viu|direccion|adreca|enderezo|helbidea|domicilio|domicili|mi casa|casa de|"
    rb"casa meva|me mude|nos mudamos|resid[eo]\w*|"
    rb"live at|live in|address|bizi|moro|quedamos|quedem|esta en|empadronad[oa]|enviar? a|envi[ao]\w*|"
    rb"paquete|recog\w+|mandar|oficina|piso|portal)\b"
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
_CUE_CHARACTERS = 45
_OF_A_HOME = re.compile(
    rb",? ?(?:bajos?\b|baixos?\b|piso\b|pta\b|puerta \d|esc\b|izda?\b|dcha?\b|atico\b|\d{1,2}\s?[\xba\xaa])"
)
"""A floor or a door right after the number."""
_REGNAL = frozenset(
    ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XXIII")
)


def addresses(seen: View) -> Iterator[Finding]:
    """A street, its number, and what stands after it: floor, door, postal code, town."""
    folded, text = seen.folded, seen.text
    for street in _STREET.finditer(folded):
        named = _street_name(seen, street.end())
        if named is None:
            continue
        end, capital = named
        number = _NUMBER.match(folded, end)
        if number is None or _NOT_AN_ADDRESS_AFTER.match(folded, number.end()):
            continue
        # "la calle hay 3 coches": without a capital only where somebody's home is spoken of.
        short = street[0].startswith(_SHORT_FOR_STREET) and end - street.end() > 3
        if capital or short or _OF_A_HOME.match(folded, number.end()) or _home(folded, street.start()):
            yield Finding(street.start(), _rest(seen, number.end()), Kind.ADDRESS)
    for street in _KALEA.finditer(folded):
        name = _KALEA_NAME.search(text, max(0, street.start() - 45), street.start())
        if street[0].startswith(b"plaza"):
            # "Zabalburu plaza 6"; "la plaza 6" is a place of a theatre.
            begins = name.start() if name and name[0].split()[0].lower() not in _ARTICLES else None
        else:
            begins = street.start() if text[street.start()].isupper() else name.start() if name else None
        number = _NUMBER.match(folded, street.end())
        if (
            begins is not None
            and number is not None
            and not _NOT_AN_ADDRESS_AFTER.match(folded, number.end())
        ):
            yield Finding(begins, _rest(seen, number.end()), Kind.ADDRESS)


def postal_codes(seen: View) -> Iterator[Finding]:
    """A postal code after the words that say so, with the town after it."""
    for found in _POSTAL_CODE.finditer(seen.folded):
        before = seen.folded[max(0, found.start() - _CUE_CHARACTERS) : found.start()]
        if _POSTAL_CUE.search(before) or _POSTAL_LONG_CUE.search(before):
            yield Finding(found.start(), _town(seen, found.end()), Kind.ADDRESS)


def _street_name(seen: View, start: int) -> tuple[int, bool] | None:
    """Where the street's name ends, and whether a word of it has a capital; None where no name stands there."""
    position, words, capital, end, last_is_particle = start, 0, False, start, False
    dated = False
    while words < _MOST_WORDS:
        word = _WORD.match(seen.folded, position)
        if word is None:
            break
        if (
            seen.folded.startswith(b"s/n", position)
            or word[0] in _NUMBER_SIGNS
            or seen.folded[word.end() : word.end() + 1] in {b"\xba", b"\xb0"}
        ):
            break
        # "calle 2 de mayo n 31": a date needs no capitals, and ends with its month.
        number = word[0][:1].isdigit()
        large = seen.text[word.start()].isupper()
        particle = word[0] in _PARTICLES and not (words and seen.text[word.start() : word.end()] in _REGNAL)
        if dated and not large and not particle:
            return word.end(), True
        # A small word after large ones ends the name: "calle Mayor tiene 3".
        if capital and not large and not particle and not number:
            return None
        # "av. juan carlos I" is written without capitals.
        capital = capital or (large and not (words and seen.text[word.start() : word.end()] in _REGNAL))
        dated = dated or number
        last_is_particle = particle
        words += 1
        position = end = word.end()
        if seen.folded[position : position + 1] != b" ":
            break
        position += 1
    return (end, capital) if words and end > start and not last_is_particle else None


def _rest(seen: View, end: int) -> int:
    for _ in range(3):
        flat = _FLAT.match(seen.folded, end)
        if flat is None or flat.end() == end:
            break
        end = flat.end()
    code = _CODE_AND_TOWN.match(seen.folded, end)
    if code is not None:
        return _town(seen, code.end())
    if seen.folded[end : end + 1] == b",":
        end = _town(seen, end)
        after = _CODE_AFTER_TOWN.match(seen.folded, end)
        return after.end() if after else end
    return end


def _town(seen: View, end: int) -> int:
    """After a postal code: the words with capitals that follow it."""
    town = _TOWN.match(seen.folded, end)
    if town is None or not seen.text[town.start(1)].isupper():
        return end
    taken = end
    for word in re.finditer(rb"[^\W\d]+[\w'\-]*", seen.folded[town.start(1) : town.end()]):
        first = town.start(1) + word.start()
        if seen.text[first].isupper():
            taken = town.start(1) + word.end()
        elif word[0] not in _PARTICLES:
            break
    province = _PROVINCE.match(seen.folded, taken)
    if province is not None and seen.text[province.start(1)].isupper():
        return province.end()
    closes = seen.folded[taken : taken + 1] == b")" and seen.folded[end : town.start(1)].find(b"(") != -1
    return taken + 1 if closes else taken


def _home(folded: bytes, before: int) -> bool:
    return _HOME_CUE.search(folded, max(0, before - _CUE_CHARACTERS), before) is not None
