"""The parts of a postal address: the name of a street, its number, floor and door, postal code, town, province.

Where they begin is told by `addresses` and `homes`; here is how they go on. Rules run over the fold; capitals are
looked up in the text.
"""

from __future__ import annotations

import re
from functools import cache

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import names_of

# As people write them. What is also another word ("grupo", "edificio", a lone "c") stands in `homes`.
STREET_TYPES = (
    rb"calle[:,]?|c/\.?|c\.(?= )|cl[./]|cl(?= )|avda[./]?|avgda\.?|avenida|avd[./]?|av[./]?|plaza|pza[./]?|"
    rb"plza[./]?|"
    rb"plz\.?|"
    rb"pca\.|pl[./]|"
    rb"plazuela|plazoleta|placeta|paseo|p\.?\xba|pg\.|pso\.?|psg\.|camino|cno\.|cmno\.?|carretera|ctra\.?|"
    rb"crta\.?|"
    rb"ronda|rda\.?|"
    rb"travesia|trav\.|trv\.|trva\.?|tva\.|urbanizacion|urb\.|glorieta|gta\.|pasaje|pje\.?|psje\.?|ptge\.|"
    rb"callejon|calleja|"
    rb"callejuela|barriada|bda\.?|bulevar|boulevard|blvd\.?|calzada|jiron|jr\.|prolongacion|carrer|avinguda|"
    rb"placa|"
    rb"passeig|"
    rb"passatge|cami|"
    rb"rua|r/|praza|estrada|costanilla|cuesta|rambla|poligono(?: industrial)?|pol\. ind\.|via|alameda|"
    rb"corredera|"
    rb"travessera|"
    rb"partida|residencial|edificio|barrio|finca|diseminado|"
    rb"privada(?= de )|cerrada(?= de )|andador|circuito(?= [a-z])|retorno(?= [a-z])|malecon|cava(?= de )|"
    rb"costera|"
    rb"travessia|riera|baixada|costa(?= d[ao]s? )|senda|sendero|vereda|bajada|subida|cjon\.?|bv\.|bvar\.|sector|"
    rb"canada(?= (?:real|del?)\b)|cortijo|aldea"
)
# The words of a street's name, with particles between them: "de la Constitución", "3 de Mayo", "Pintor Sorolla".
_WORD = re.compile(rb"n-\d{1,3}[a-z]?|[a-z'_\xb7]+\.?|\d{1,2}(?:\.?\xba)?(?= de [a-z])")
PARTICLES = frozenset(
    b"de del la las los el els les l d i y e a al da do das dos san santa sant sta. sto. s. don dona d'en".split()
)
_NUMBER_SIGNS = frozenset(
    b"n n. no no. nro nro. num num. numero portal km km. piso bajo bloque chalet parcela nave en dpto depto".split()
)
_MOST_WORDS = 7
_UNITS = rb"un[oa]?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
_NUMBER_IN_WORDS = (
    rb"(?:(?:ciento|doscientos) )?(?:diez|once|doce|trece|catorce|quince|dieci\w{3,6}|veint\w{1,8}|"
    rb"(?:treinta|cuarenta|cincuenta|sesenta|setenta|ochenta|noventa)(?: y)?(?: (?:%b))?|%b)"
    % (_UNITS, _UNITS)
)
NUMBER_WORD = (
    rb"(?:n\.?\s?[\xba\xb0o]\.?|n(?=\s?\d)|#|no\.|nro\.?|num\.?|numero|n\.|portal|bl\.|"
    rb"km\.?|chalet|xalet|parcela|bloque|blq\.?|bloc|nave|finca|casa|calle)"
)
NUMBER = re.compile(
    rb",?\s?(?:en el )?(?:%b\s?)?(?:(?<=km )\d{1,3}[.,]\d{1,3}|(?<=km\. )\d{1,3}[.,]\d{1,3}|"
    rb"\d{1,3}(?:[.,]\d)?)"
    rb"(?:\s?-\s?[a-z](?!\w)|\s?-\s?\d{1,3}(?![\w\xba\xaa]|\.[\xba\xaa]|\.?\s?ez|\.? ?[a-h]\b))?"
    rb"(?:\s?(?:bis|dupl(?:icado)?)|\s?[a-d](?![\w'])(?=[,.;)\n]|$| [\d\-]| (?:piso|esc|pta|bajo))|"
    rb"[a-d](?![\w'])|"
    rb"\s[b-d](?=[,.;)\n]|$))?"
    rb"(?![\d\w%%\x80-\xff]|[.,:]\d|\s?(?:x|\*|\+|=|/)\s?\d)|"
    rb",?\s?s/n(?!\w)|,?\sn\d{1,2}-\d{1,4}(?!\w)|,?\s(?:numero|num\.?|n\.?\xba) %b(?!\w)|, %b(?=,)"
    % (NUMBER_WORD, _NUMBER_IN_WORDS, _NUMBER_IN_WORDS)
)
LONG_NUMBER = re.compile(
    rb",?\s?(?:%b\s?)?\d{4}(?![\d\w%%\x80-\xff]|[.,:]\d|\s?(?:x|\*|\+|=|/)\s?\d)" % NUMBER_WORD
)
"""Of four digits, as in America: a year as well, so that more must speak for it."""
_SIDE = (
    rb"(?:izda?|izqd?a?|izquierda|dcha?|dreta|derecha|centro|ezk(?:erra)?|esk(?:uina)?|esquerra|esq|esquerda|"
    rb"dereita|ext(?:erior)?|"
    rb"int(?:erior)?)(?!\w)\.?"
)
_ORDINAL = (
    rb"(?:primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa]|sext[oa]|septim[oa]|octav[oa]|noven[oa]|"
    rb"decim[oa])"
)
FLAT = re.compile(
    rb"(?:[,;]|\.(?=\s(?:\d{1,2}\.?[\xba\xaa]|piso|puerta|escalera|portal|planta|letra))|"
    rb"\s?-)?\s?(?:(?:piso|planta|"
    rb"letra|puerta|pta\.?|esc(?:alera|\.)?|portal|bloque|blq\.?|bl\.|bloc|casa|"
    rb"local|pis|porta|bajos?|baixos?|baixo|"
    rb"atico|atic|entresuelo|entresol|principal|pral|torre|dpto|depto|departamento|apto|apartamento|"
    rb"interior|int|"
    rb"villa):?\s?\d{1,3}\.?[\xba\xaa]|(?:piso|puerta|escalera|portal|planta|letra|bloque):?\s[a-h](?!\w)|"
    rb"(?:piso|"
    rb"planta|puerta|pta\.?|esc(?:alera|\.)?|portal|bloque|blq\.?|bloc|casa|"
    rb"local|pis|porta|bajos?|baixos?|baixo|sobreatico|sobreatic|chalet|xalet|parcela|nave|edif(?:icio|\.)?|"
    rb"p\d\d|pb|entlo\.?|prl\.?|semisotano|"
    rb"atico|atic|entresuelo|"
    rb"entresol|principal|pral|torre|dpto|depto|"
    rb"departamento|apto|apartamento|interior|int|villa|"
    rb"izda?\.?|izq\.?|izquierda|dcha?\.?|derecha|dreta|esquerra|esq|esquerda|dereita|"
    rb"ext(?:erior)?|centro|ezk(?:erra)?|esk(?:uina)?)\b\.?(?:\s(?:%b|[a-z](?!\w)|"
    rb"\d{1,4}(?!\w)))?[\xba\xaa]?|"
    rb"\d{1,2}\.?\s?(?:[\xba\xaa\xb0]|o(?=[ ,.-])|(?:do|ro|to|er|ra|da|ta|ero|era|vo|mo|"
    rb"no)(?![a-z]))(?:\s?-?\s?(?:[\"'\xab][a-h][\"'\xbb]|[a-h](?!\w)|"
    rb"\d{1,2}\.?[\xba\xaa]|"
    rb"\d{1,2}(?=[,;)\n]|\.?(?:\s|$))(?! ?[a-z%%])|%b| (?:planta|piso)(?!\w)))?|"
    rb"\d{1,2}\.?\s?%b|"
    rb"%b (?:(?:piso )?(?:%b|[a-h](?!\w))|piso)|"
    rb"n\.?\s?[\xba\xb0]\s?\d{1,3}(?!\w)|\d{1,2}(?:r|n|t|e|on|er)\s?(?:\d{1,2}(?:a|\xaa)|[a-h])(?!\w)|"
    rb"\d{1,2}-\d{1,2}(?!\w)|"
    rb"\d[a-h](?!\w)|\d{1,2}\s?-\s?[a-h](?!\w)|"
    rb"\d\.? [b-h](?=[,.;)\n]|$| (?:y|en|de|cp|c\.p|-|\d{5}|\())|\d\. a(?=[,;)\n]|$|\. )|"
    rb"(?<=\d )\d{1,2} a(?=\s*(?:[,;.)\n]|$))|[a-h](?=[,;)\n]|$|"
    rb"\.(?!p))(?<=[ ][a-h]))" % (_SIDE, _SIDE, _SIDE, _ORDINAL, _SIDE)
)
CODE_AND_TOWN = re.compile(
    rb"(?:,|\.|\s-|\s\()?\s?\(?[a-z]\d{4}(?:[a-z]{3})?(?!\w)|"  # of Argentina: "C1424 CABA"
    rb"(?:,|\.|\s-|\s\()?\s?(?:(?:c\.?p\.?:?|codigo postal|codi postal)\s?)?(?:0[1-9]|[1-4]\d|"
    rb"5[0-2])\d{3}(?!\d)(?:,|\s-)?|,? c\.?p\.?:? ?\d{5}(?!\d)"
)
TOWN = re.compile(
    rb",?\s?(?:\(|de |en )?(?:(?:el|la|los|las|les|els|a|o|as|os) )?"
    rb"([a-z'_\-]{3,20})((?: (?:de|del|la|el|los|las|d'|l'|i|al|en|do|da|"
    rb"y)){0,2} ?[a-z'_\-]{3,20}){0,3}\)?"
)
_LETTER = re.compile(rb",? [\"'\xab][a-z][\"'\xbb](?!\w)")
"""Of a door: 'piso 8 "C"'."""
_BRACKET = re.compile(rb"[ ,]{0,2}\(")
"""As in "calle Mayor 12 (3º C)"."""
_SIDE_OF_TOWN = re.compile(rb" (?:pte|ote|nte|poniente|oriente|norte|sur)(?![\w])\.?")
_QUARTER = re.compile(
    rb",? (?:bo\.?|col\.?|colonia|fracc\.?|fraccionamiento|urb\.?|urbanizacion|barrio|b\xba|barriada|"
    rb"pol\. ind\.|aa\.? ?hh\.?|asoc\.|coop\.|conj\.|cdla\.?|ciudadela|reparto|rpto\.?|corregimiento|distrito|"
    rb"res\.|finca|caserio|cortijo|"
    rb"sector|vereda|vda\.) "
    rb"(?:(?:de la|de los|de las|del|de) )?(?=[a-z])"
)
_SMALL_QUARTER = re.compile(
    rb"[a-z']{3,15}(?: (?:de|del|la|las|los|el))*(?: [a-z']{3,15}){0,2}(?=\s?(?:[,.;)\n]|$))"
)
_CROSSING = re.compile(rb"(?:,? (?:esquina|esq\.?)(?: con| a)?|(?<=-\d\d) y|(?<=-\d{3}) y) (?=[a-z])")
"""The street that crosses, where a corner is told: "Av. Amazonas N34-451 y Juan Pablo Sanz"."""
_TOWN_AFTER_CODE = re.compile(
    rb"(?<=\d) (?:(?:a|o|la|el|los|las|les|els) )?[a-z']{4,20}(?: (?:de|del|la)){0,2}(?: [a-z']{3,20})?"
    rb"(?=[.,;)\n]|$| ?\()"
)
_BEFORE_TOWN = re.compile(rb"(?:, ?\(?| - | \(| |\. |\n)(?:(?:en|de) )?(?=[a-z])")
_SPACE = re.compile(rb" (?=[a-z])")
_TOWN_WORDS = re.compile(rb"[a-z']{1,}(?:[ \-][a-z']{1,}){0,4}")
_IN_TOWN = re.compile(rb" \(| (?:en|de) (?:(?:el|la|los|las) )?(?=[a-z]{4})")
_CODE_AFTER_TOWN = re.compile(rb"[ ,(]{1,3}(?:0[1-9]|[1-4]\d|5[0-2])\d{3}(?!\w|[.,]\d)")
_TOWN_AND_CODE = re.compile(rb"[ \n]((?:[a-z'\-]{2,20} ){1,4})(?:0[1-9]|[1-4]\d|5[0-2])\d{3}(?!\w|[.,]\d)")
"""A town with a capital and its code behind, without a comma: "Gran Via 214 7-3 Barcelona 08004"."""
_PROVINCE = re.compile(
    rb" d\.? ?c\.|"
    rb"(?:,| -|/)? ?[(]?(?<!\w)([a-z]{4,20}(?: [a-z]{4,20})?|[a-z]{2,4}\.|[a-z]{2,4}(?=\s?[.)\n,]|$))(?:[)]|"
    rb"(?=\s*(?:[.,;\n)]|$)| (?:y|i|o|para|pero|con|que)\b))"
)
_FIGURES = b"0123456789"
_RAISED = (b"\xba", b"\xb0")
"""What makes an ordinal of the figure before it."""
_NO_NAMES = frozenset(b"es esta tiene hay que son se tenia con sin".split())
"""What a street is not called: "mi calle es Gran Vía"."""
_REGNAL = frozenset(
    ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XXIII")
)


def street_name(seen: View, start: int) -> tuple[int, bool] | None:
    """Where the street's name ends, and whether a word of it has a capital; None where no name stands there."""
    text, folded = seen.text, seen.folded
    position, words, capital, end, last_is_particle = start, 0, False, start, False
    dated = False
    while words < _MOST_WORDS:
        found = _WORD.match(folded, position)
        if found is None:
            break
        word, begin, stop = found[0], position, found.end()
        # "calle 2 de mayo n 31": a date needs no capitals, and ends with its month.
        number = word[0] in _FIGURES
        if (
            word in _NUMBER_SIGNS
            or (not words and word in _NO_NAMES)
            or (word == b"s" and folded.startswith(b"/n", stop))
            or (not number and folded.startswith(_RAISED, stop))
        ):
            break
        # "Nou d'Octubre": the capital stands behind the apostrophe.
        large = text[begin + 2 * (word[1:2] == b"'" and len(word) > 2)].isupper()
        regnal = words > 0 and text[begin:stop] in _REGNAL
        particle = word in PARTICLES and not regnal
        if dated and not large and not particle:
            return stop, True
        # A small word after large ones ends the name: "calle Mayor tiene 3".
        if capital and not large and not particle and not number:
            return None
        # "av. juan carlos I" is written without capitals.
        capital = capital or (large and not regnal)
        dated = dated or number
        # "avenida juan carlos i, 12"
        last_is_particle = particle and not (word == b"i" and words > 1)
        words += 1
        position = end = stop
        if not folded.startswith(b" ", position):
            break
        position += 1
    return (end, capital) if words and end > start and not last_is_particle else None


def rest(seen: View, end: int) -> int:
    """Where an address ends of which the number does: floor, door, postal code, town."""
    side = _SIDE_OF_TOWN.match(seen.folded, end)
    end = side.end() if side else end
    for _ in range(5):
        bracket = _BRACKET.match(seen.folded, end)
        flat = FLAT.match(seen.folded, bracket.end() if bracket else end)
        if flat is None or flat.end() == end:
            break
        if bracket is not None and not seen.folded.startswith(b")", flat.end()):
            break
        end = flat.end() + (bracket is not None)
        letter = _LETTER.match(seen.folded, end)
        end = letter.end() if letter else end
    quarter = _QUARTER.match(seen.folded, end)
    if quarter is not None and seen.text[quarter.end()].isupper():
        end = town_end(seen, quarter.end())
        if seen.folded[end : end + 1] == b"," and seen.text[end + 2 : end + 3].isupper():
            end = town_end(seen, end)
    elif quarter is not None and (small := _SMALL_QUARTER.match(seen.folded, quarter.end())) is not None:
        end = small.end()
    crossing = _CROSSING.match(seen.folded, end)
    if crossing is not None and seen.text[crossing.end()].isupper():
        end = town_end(seen, crossing.end())
    code = CODE_AND_TOWN.match(seen.folded, end)
    if code is not None:
        return town_end(seen, code.end())
    if seen.folded[end : end + 1] == b",":
        end = _with_province(seen, town_end(seen, end))
        after = _CODE_AFTER_TOWN.match(seen.folded, end)
        return town_end(seen, after.end()) if after else end
    named = _IN_TOWN.match(seen.folded, end)
    if named is not None and seen.text[named.end()].isupper():
        # As in "calle Mayor 3 en Getafe", or between brackets.
        return town_end(seen, end)
    behind = _TOWN_AND_CODE.match(seen.folded, end)
    if behind is not None and seen.text[behind.start(1)].isupper():
        return behind.end()
    town = town_behind(seen.folded, end, behind_code=seen.text[end + 1 : end + 2].isupper())
    after = _CODE_AFTER_TOWN.match(seen.folded, town) if town > end else None
    return town_end(seen, after.end()) if after else town


def town_behind(folded: bytes, end: int, *, behind_code: bool = False) -> int:
    """Where a town ends that is known and follows here, in small letters as well; `end` where none does."""
    before = _BEFORE_TOWN.match(folded, end) or (_SPACE.match(folded, end) if behind_code else None)
    if before is None:
        return end
    words = _TOWN_WORDS.match(folded, before.end())
    if words is None:
        return end
    said = words[0].replace(b"-", b" ")
    while said:
        if said in _towns():
            stop = words.start() + len(said)
            closes = b"(" in before[0] and folded[stop : stop + 1] == b")"
            return stop + closes
        said = said.rpartition(b" ")[0]
    return end


@cache
def _towns() -> frozenset[bytes]:
    return names_of("towns.txt")


def town_end(seen: View, end: int) -> int:
    """After a postal code: the words with capitals that follow it, or a town that is known."""
    town = TOWN.match(seen.folded, end)
    if town is None or not seen.text[town.start(1)].isupper():
        known = town_behind(seen.folded, end, behind_code=True)
        other = _TOWN_AFTER_CODE.match(seen.folded, end) if known == end else None
        return _with_province(seen, other.end() if other else known)
    taken = end
    for word in re.finditer(rb"[^\W\d]+[\w'\-]*", seen.folded[town.start(1) : town.end()]):
        first = town.start(1) + word.start()
        if seen.text[first].isupper():
            taken = town.start(1) + word.end()
        elif word[0] not in PARTICLES:
            break
    whole = _with_province(seen, taken)
    if whole > taken:
        return whole
    closes = seen.folded[taken : taken + 1] == b")" and seen.folded[end : town.start(1)].find(b"(") != -1
    return taken + 1 if closes else taken


def _with_province(seen: View, end: int) -> int:
    """Where the province after a town ends: "Getafe (Madrid)", "getafe, madrid"."""
    province = _PROVINCE.match(seen.folded, end)
    if province is None:
        return end
    if province[1] is None:
        return province.end()  # "Bogotá D.C."
    known = province[1] in _towns() or seen.text[province.start(1)].isupper()
    return province.end() if known else end
