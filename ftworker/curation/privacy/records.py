"""Numbers that a school, a region, an insurer or a state gave somebody: found by the word that says what they are.

No check digits here: what a number is, its neighbour tells. `record_numbers` looks from the number back to a word not
far before it, for the shapes that such numbers mostly have; and from the word on to what stands right after it, where
any shape will do. What counts things is left alone. Numbers with check digits of their own are in `numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.numbers import is_of_a_body
from ftworker.curation.privacy.triggers import digits_alike, stretches

_RECORD = re.compile(
    rb"(?<![\w.,/\-])(?:"
    # A number with the letters of its register, or parts between slashes: "23-1-088142", "EXP-2024-00931".
    rb"(?:[a-z]{1,4}[ \-]?)?\d{1,6}(?:[/\-](?:\d{1,9}|[a-z]{1,2}(?!\w))){1,4}(?![\w/]|[.,]\d)|"
    rb"(?:[a-z]{2,4}[ \-]?|[a-z]-?|[a-z]{5,14})?\d{5,15}(?:-?[a-z])?(?!\w|[.,]\d)|"
    # Catalan health cards; pupils of the Canaries.
    rb"[a-z]{4} ?[01] ?\d{6} ?\d{2} ?\d(?!\w)|[a-z]\d{2}[a-z]\d{6,8}[a-z]?(?!\w))"
)
_HELD_BY_RECORDS = re.compile(rb"0(?=-|0000)")
"""As `digits_alike` says it, what stands in whatever that pattern finds, at most `_RECORD_BEGINS_BEFORE` from its
beginning: five digits in a row, or a hyphen or slash behind one."""
_RECORD_BEGINS_BEFORE, _RECORD_ENDS_AFTER = 20, 80
"""Fifteen letters and a sign before it at most, and 45 signs behind it with what the pattern looks at."""
_HELD_BY_CURP = b"000000"
_NO_RECORD = re.compile(
    rb"\d{1,2}[/\-]\d{1,2}(?:[/\-](?:\d{2}|\d{4}))?|(?:19|20)\d{2}[/\-]\d{1,2}[/\-]\d{1,2}|(?:1[4-9]|"
    rb"20)\d{2}[/\-](?:1[4-9]|20)?\d{2}"
)
"""A date, or the years of a course or a life."""
_RECORD_CUE = re.compile(
    rb"\b(?:dni|nif|nie|nia|sip|cip|nuhsa|carnet|carne de|pasaporte|passaport|passport|pasaportea|"
    rb"expedient\w*|"
    rb"espedient\w*|documento de identidad|documento nacional|document d'identitat|tarjeta sanitaria|"
    rb"targeta sanitaria|"
    rb"historia clinica|historial clinico|tarxeta sanitaria|student (?:id|number)|(?:numero|n\.?|num\.?|n\.?\xba|"
    rb"no\.?) de (?:alumn[oae](?!s\b)\w*|"
    rb"historial?|afiliacion|identificacion|matricula|socio|soci|estudiante)|matricula es|"
    rb"identificador de alumn[oa]|"
    rb"alumno n\b|id de alumn[oa]|"
    # What schools, regions and insurers call theirs.
    rb"ralc|idalu|cial|nre|niu|n(?:umero|um\.?|\.?\xba) (?:escolar|de poliza)|"
    rb"identificador|muface|tsi|cipa|cipf|licencia(?: (?:federativa|deportiva|de federad[oa]|n\.?\xba?))|"
    rb"llicencia federativa|ficha federativa|credencial|mutualista|mutua|aseguradora|adeslas|sanitas|asisa|dkv)\b"
)
_LETTERS_AND_GAPS = b"abcdefghijklmnopqrstuvwxyz -"
_NO_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_CUE_CHARACTERS = 40
"""How far before a number a word such as "expediente" still speaks of it."""

# From the first word to the number all is of one small language: "número de expediente de mi hija es".
_SURE = frozenset(
    b"nia nre nhc idesp cipa cipf tsi nuhsa nif dni nie tie ralc idalu cial curp cuit cuil rut cpf dui "
    b"dpi nuip cedula "
    b"legajo muface isfas mugeju expediente expedient espediente espedientea pasaporte passaport passport "
    b"pasaportea nss evau "
    b"niub uvus niss ebau ebap pau rne nip niu nic credencial idescat mutualista radicado".split()
)
"""Nobody says these of anything but somebody's number."""
_NUMBER_WORDS = frozenset(
    b"n no nro num numero codigo cod codi id identificador clave folio ref referencia cod number zenbakia "
    b"zenbaki".split()
)
_THINGS = frozenset(
    b"clinica individual exp expte expdte justificante localizador entrada monitor residencia candidate caza "
    b"pesca bici registral hoja alumno alumna alumne alumnado estudiante estudiant estudiantil estudante ikasle "
    b"student matricula socio "
    b"socia soci candidato "
    b"candidata aspirante opositor opositora asegurado asegurada afiliado afiliada afiliacion beneficiario "
    b"beneficiaria colegiado "
    b"lector lectora usuario usuaria user jugador jugadora federado federada federativa historia historial "
    b"soporte solicitud registro "
    b"identificacion identidad identificativo poliza seguro cliente abonado abonada orden carnet carne targeta "
    b"tarjeta tarxeta txartela txartel "
    b"txartelaren txartelak osasun ikasle ikaslearen nan "
    b"preinscripcion inscripcion admision resguardo recibo beca becario moodle plataforma campus aula "
    b"selectividad comedor transporte "
    b"transport biblioteca biblio bus metro tram sanitaria sanitario sanitari joven jove universitario "
    b"universitaria deportista "
    b"deportiva conducir abono permiso certificado discapacidad discapacitat dependencia familia numerosa "
    b"nombrosa libro licencia "
    b"llicencia ficha dorsal boleta examen convocatoria escolar academico cuenta libreta".split()
)
_WEAK_ALONE = frozenset(
    (b"ti", b"ci", b"sip", b"cip", b"cc", b"run", b"nit", b"boleta", b"uni", b"lu", b"registrado")
)
_FUNCTION = frozenset(
    b"de del d la el l lo los las mi tu su meu meva es e era is el con y para por en al a o os mis nuestro "
    b"nuestra hijo hija crio cria "
    b"hermano hermana padre madre mama papa virtual acceso electronico digital nuevo nueva provisional argentino "
    b"chileno espanol "
    b"espanola marroqui europea ecuatoriano peruano colombiano venezolano boliviano mexicano rumano italiano "
    b"frances paraguayo dominicano hondureno sns autonomico publico publica privado madrid andalucia cyl catsalut "
    b"sanitas adeslas "
    b"asisa mapfre dkv "
    b"bogota colombia mexico sin letra titulo aut dice pone sera seria universidad uni uned instituto cole "
    b"colegio centro moto ni "
    b"ciudadania fiscal tributaria nacional social medico medica salud oposicion pruebas acceso curso parte "
    b"hoja sistema viejo vieja antiguo antigua anterior origen actual inteligente".split()
)
_TOKEN = re.compile(rb"[ \n.:,=#('\xba\xb0\-]{0,4}((?:[a-z]\.){2,4}|[a-z]+)(?![a-z\d]|-\d)")
_GAP = re.compile(rb"[ \n.:,=#(\xba\xb0\-]{0,5}")
_LANGUAGE = _SURE | _NUMBER_WORDS | _THINGS | _WEAK_ALONE | _FUNCTION
_TELLING = _NUMBER_WORDS | {b"sanitaria", b"mi", b"es", b"su", b"meu"}
_PREFIX = re.compile(rb"[a-z]{1,8}[ \-/.]?\d")
"""Letters that belong to the number: "MD 0482"."""
_FILES = frozenset((b"expediente", b"expte", b"exp", b"expdte", b"expedient"))
_MOST_GUESSES = 2
_NEAR = re.compile(rb"\d\D{0,2}\d\D{0,2}\d")
_FARTHEST = 160
"""A quick look: three digits must stand so near."""
_MOST_WORDS_BEFORE = 9
_FEWEST_AFTER_ONE_THING = 6
_FEWEST_AFTER_A_GUESS = 8
_VALUE = re.compile(
    rb"(?:tomo \d{1,3},? (?:hoja|folio) \d{1,6}|"
    rb"(?:[a-z]{1,8}[ \-/.]{0,1})?\d[\da-z]{0,24}"
    rb"(?:(?:[/\-](?=[\da-z])|\.(?=\d{3}(?!\d))|\.(?=\d{4,})| (?=\d{2,}(?![\w%\xba\xaa]|[.,]\d))| (?=[a-z] \d{6})|"
    rb"(?<= [a-z]) (?=\d{6})| (?=\d(?: \d|$)))"
    rb"[\da-z]{1,14}){0,7})(?![\w\xba\xaa%]|[.,]\d)"
)
_COUNTED = re.compile(
    rb"\s?(?:[%\x80]|euros?|eur|anos?|personas?|habitantes|votos?|libros?|paginas?|prestamos?|muertos?|puntos?|"
    rb"alumn[oa]s|estudiantes|"
    rb"soci[oa]s|noches|dias|horas|hijos|ciclos|plazas|paises|en (?:adelante|19|20)|millones|mil\b|k?g\b|km|m\b|cm|"
    rb"grados|pesetas|ejemplares|"
    rb"documentos|ciudades|coincidencias|se obtiene|dividid\w|entre 23)"
)
_OF_A_MEETING = re.compile(rb"\b(?:zoom|meet|teams|webex|jitsi|webinar|videollamada)\b")
_ISBN = re.compile(rb"97[89](?:[ \-]?\d){10}")
_OF_A_MACHINE = re.compile(rb"0x|[0-9a-f]{8}-[0-9a-f]{4}-")
_DIGITS = re.compile(rb"\d")
_YEAR = re.compile(rb"(?:1[0-9]|20)\d{2}(?:-(?:1[0-9]|20)\d{2})?")
# CURP and RFC of Mexico: eighteen or thirteen signs that nothing else looks like.
# The code of Spain's health service: ten letters, the first eight of them mostly B, and six digits.
_CURP = re.compile(
    rb"(?<!\w)[a-z]{4}\d{6}[hmx][a-z]{5}[a-z\d]\d(?!\w)|(?<!\w)[a-z&]{4}\d{6}[a-z\d]{3}(?!\w)|"
    rb"(?<!\w)b{8}[a-z]{2}\d{6}(?!\w)"
)


def record_numbers(seen: View) -> Iterator[Finding]:
    """Numbers of pupils, records and passports, a word before which says so."""
    noughts = digits_alike(seen.folded)
    # Only near what each number holds: the pattern looks behind itself everywhere, 34 microseconds a text.
    places = [found.start() for found in _HELD_BY_RECORDS.finditer(noughts)]
    for begin, end in stretches(seen, places, _RECORD_BEGINS_BEFORE, _RECORD_ENDS_AFTER):
        yield from _records(seen, begin, end)
    if _HELD_BY_CURP in noughts:
        for found in _CURP.finditer(seen.folded):
            yield Finding(found.start(), found.end(), Kind.RECORD_NUMBER)


def _records(seen: View, begin: int, end: int) -> Iterator[Finding]:
    for found in _RECORD.finditer(seen.folded, begin, end):
        digits = found.end() - len(found[0].lstrip(_LETTERS_AND_GAPS))
        bare = seen.folded[digits : found.end()]
        if len(bare.translate(None, _NO_DIGITS)) < (7 if b"/" in bare else 6) or _NO_RECORD.fullmatch(bare):
            continue
        if is_of_a_body(found[0]):
            continue
        if _cue(_RECORD_CUE, seen, digits) and not (
            bare.isdigit() and _COUNTED.match(seen.folded, found.end())
        ):
            # "AAB123456" is one number, "NIA 1234567" a number after its name.
            prefix = seen.text[found.start() : digits]
            own = prefix.isupper() and not _RECORD_CUE.search(seen.folded, found.start(), digits)
            yield Finding(found.start() if own else digits, found.end(), Kind.RECORD_NUMBER)


def announced_numbers(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """What stands right after words such as "NIA" or "código de alumno", in whatever shape. `at`: where such a "
    "word is."""
    folded, covered = seen.folded, 0
    for place in at:
        if place < covered:
            continue
        # An "n" of a formula: no number of somebody's is called so with no other word.
        if not folded[place + 1 : place + 2].isalpha() and _TOKEN.match(folded, place + 1) is None:
            continue
        if not _NEAR.search(folded, place, place + _FARTHEST):
            continue
        said, end, guessed = _announcement(seen, place)
        fewest = _fewest_digits(said, guessed=guessed)
        if said[:1] == [b"id"] and _OF_A_MEETING.search(folded, max(0, place - 60), place):
            continue
        value = _value_at(seen, end, fewest) if fewest else None
        # "ID: A118204" is somebody's, "id = 20230001" a line of code.
        if value is not None and not (said == [b"id"] and folded[value[0] : value[1]].isdigit()):
            covered = value[1]
            yield Finding(*value, Kind.RECORD_NUMBER)


def _announcement(seen: View, place: int) -> tuple[list[bytes], int, bool]:
    """The words from here on that may announce a number, where they end, and whether one of them is only guessed.

    Guessed are the names of schools and offices, and what comes after "de": "matrícula UNAM", "carnet de monitor".
    """
    folded = seen.folded
    said: list[bytes] = []
    end, guesses = place, 0
    while len(said) < _MOST_WORDS_BEFORE:
        token = _TOKEN.match(folded, end)
        if token is None:
            break
        word = token[1].replace(b".", b"")
        if word not in _LANGUAGE:
            named = (
                said
                and (
                    seen.text[token.start(1)].isupper()
                    or said[-1] in {b"de", b"del", b"al", b"d"}
                    # Somebody's system, somebody's case: "id alumno delphos:", "expte. disciplinario".
                    or folded[token.end() : token.end() + 1] == b":"
                    or said[-1] in _FILES
                )
            )
            if not named or guesses == _MOST_GUESSES or _PREFIX.match(folded, token.start(1)):
                break
            guesses += 1
        said.append(word)
        end = token.end()
    return said, end, guesses > 0


def _fewest_digits(said: list[bytes], *, guessed: bool) -> int:
    """How many digits make a number of somebody's after these words; 0: none do."""
    if not said:
        return 0
    words = set(said)
    things = len(words & _THINGS)
    if guessed and words & _FILES:
        return _FEWEST_AFTER_A_GUESS
    if guessed:
        told = words & _SURE or (things and words & _TELLING)
        return 5 if told else _FEWEST_AFTER_A_GUESS if things else 0
    if words & _SURE or (things and words & _NUMBER_WORDS):
        return 4
    if things > 1:
        return 5
    return _FEWEST_AFTER_ONE_THING if things or words & _WEAK_ALONE or said == [b"id"] else 0


def _value_at(seen: View, end: int, fewest: int) -> tuple[int, int] | None:
    """Where the number stands that these words announce."""
    gap = _GAP.match(seen.folded, end)
    start = gap.end() if gap else end
    if start == end:
        return None
    value = _VALUE.match(seen.folded, start)
    if value is None:
        return None
    bare, digits = value[0], len(_DIGITS.findall(value[0]))
    mixed = bare.translate(None, b"0123456789 .") != b""
    letters = re.match(rb"[a-z]+(?= )", bare)
    if letters is not None and not bare.startswith(b"tomo"):
        if not seen.text[start : start + letters.end()].isupper():
            # Small letters before a number are a word, of use in a name alone: "usuario iPasen 90341187".
            if seen.text[start : start + letters.end()].islower():
                return None
            start += letters.end() + 1
            bare = bare[letters.end() + 1 :]
            fewest = max(fewest, _FEWEST_AFTER_ONE_THING)
            mixed = False
        elif fewest >= _FEWEST_AFTER_ONE_THING and digits < _FEWEST_AFTER_A_GUESS:
            return None
    if digits < fewest - mixed * (3 if fewest == _FEWEST_AFTER_A_GUESS else 1):
        return None
    counts = (
        _YEAR.fullmatch(bare)
        or (bare.isdigit() and _COUNTED.match(seen.folded, value.end()))
        or (bare.isdigit() and (bare.endswith(b"000") or digits > 20))
        or _ISBN.search(bare)
    )
    if counts or _NO_RECORD.fullmatch(bare) or _OF_A_MACHINE.match(bare) or is_of_a_body(bare):
        return None
    return start, value.end()


def _cue(cue: re.Pattern[bytes], seen: View, before: int) -> bool:
    return cue.search(seen.folded, max(0, before - _CUE_CHARACTERS), before) is not None
