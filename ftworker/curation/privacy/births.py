"""Whose a date is: of somebody who goes to school or of their family, not of a lesson, a paper or an institution.

Pure questions over a view and a date that was found in it; `dates` asks them.
"""

from __future__ import annotations

import re

from ftworker.curation.privacy.contexts import (
    is_in_an_exercise,
    is_told_in_a_lesson,
    is_worked_on,
    sentence_span,
)
from ftworker.curation.privacy.cues import PERSON_BEFORE, SAINT_OR_RANK
from ftworker.curation.privacy.date_spellings import ANY_SHORT_YEAR, ANY_YEAR, SHORT_YEAR, WITH_YEAR
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import known_figures, lexicon, not_names

_FAMILY = re.compile(
    rb"\b(?:mi|mis|nuestr[oa]s?|su|sus|el|la|los|las|dos|tres|\d) (?:hij|nin|herman|mellizo|melliza|gemel|"
    rb"niet|"
    rb"sobrin|abuel|peque|"
    rb"mayor|median|menor|madre|padre|mama|papa|bebe|cri[oa]|nen[ea]|alumn|prim[oa]\b)|\b(?:abuel[oa]|"
    rb"cumple\w*|"
    rb"ninos|hijos|hijas|edad|nen[ea]|sobrin[oa]|niet[oa]|hij[oa] mi[oa]|"
    rb"nacid\w*|nacimiento|mellizos|gemelos|gemelas|padron|alumn[oa])\b"
)
"""Who has a date of birth that is told in a school's chat."""
_KIN = re.compile(
    rb"\b(?:(?:mi|mis|nuestr[oa]s?|su|sus) \w+|nen[ea]|el nino|la nina|(?:hij|niet|sobrin)[oa]s?|"
    rb"(?<!torres )gemel[oa]s|melliz[oa]s|"
    rb"alumn[oa]|el peque\w*|la peque\w*|el mayor|la mayor|bebe|nacid[oa])\b"
)
"""Who is born lately, and no internet."""
OF_OTHER_DATES = re.compile(
    rb"\b(?:reunion\w*|tutorias?|fiesta|vacaciones|tema|festival|decreto|ley|orden|real|rd|boe|resolucion|"
    rb"convocatoria|examen|examenes|plazo|curso|firma\w*|"
    rb"fecha de (?!nac)\w+|"
    rb"publica\w*|vigor|desde|hasta|antes|despues|caduca|caducidad|expedi\w+|matriculad\w*|alta|baja|"
    rb"inscri\w+|"
    rb"entrega\w*|falt\w+|"
    rb"falle\w+|muri\w+|boda|cas\w+|empadron\w*|visit\w*|excursion|vacun\w*|cita|operacion|operad\w*|"
    rb"atentad\w*)\b"
)
_OF_PAPERS = re.compile(OF_OTHER_DATES.pattern.replace(b"curso|", b""))
"""The course is what a child enters: "entra en infantil el curso que viene (09/02/2022)"."""
_FIRST_BORN, _LAST_OF_PUPILS = 1930, 2021
"""When who is spoken of in a school's chat was born. Dates of later years are those of what happens at school."""
_LAST_OF_SMALL = 2024
_OF_SMALL = re.compile(
    rb"\b(?:infantil|guarderia|bebe|meses|p[3-5]|escoleta|llar d'infants|hij[oa] peque\w*|"
    rb"herman[oa] peque\w*)\b"
)
"""Where those are spoken of who are not at school yet, or since this year."""
_YEARS_OF_NOW = range(22, 30)
DATED_BACK, DATED_ON = 60, 30
_LAST_WORD = re.compile(rb"[a-z_]+$")
_OF_NOBODY_SAID = re.compile(
    rb"^(?:[ \t\-*>|]|\b(?:y|e|pero|que|la|el|ella|si|es que|dice que|creo que|como|porque|aunque|xq|"
    rb"cuando|tambien|no|ya que|pues)\b)*$"
)
BIRTH_CHARACTERS = 45
FIRST_PUPILS = 2000
"""Who was born later and has only a given name is no figure of a lesson yet."""
_OF_OTHERS_TOO = (
    b"nacio",
    b"naceu",
    b"va neixer",
    b"cumpl",
    b"hac",
    b"har",
    b"hizo",
    b"va a c",
    b"acab",
    b"fa ",
)
"""Verbs that are said of institutions and inventions as well."""
_OF_SOMEBODY = re.compile(
    rb"\b(?:tengo|tiene|tenim|tinc|soy|edad|mi|mis|nuestr[oa]|alumn[oa]|nin[oa]|nen[ea]?|hij[oa]|"
    rb"herman[oa]|chic[oa])\b"
)
_WORDS_BEFORE = re.compile(rb"[a-z_]{3,15}(?: [a-z_]{3,15}){0,2} $")


def is_an_age_of_somebody(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody of a school is so old, not a contract or a war: a person is spoken of, and nothing else is."""
    before = max(0, found.start() - DATED_BACK)
    return (
        (_OF_SOMEBODY.search(seen.folded, before, found.start("date")) is not None)
        and OF_OTHER_DATES.search(seen.folded, before, found.end()) is None
        and not is_told_in_a_lesson(seen, *found.span())
        and not is_worked_on(seen, *found.span())
    )


def may_be_of_birth(dated: re.Match[bytes]) -> bool:
    year = ANY_YEAR.search(dated[0])
    if year is None:
        short = SHORT_YEAR.search(dated[0])
        # "23/10/25" is a day of this course or the next.
        return short is None or int(short[0][-2:]) not in _YEARS_OF_NOW
    last = _LAST_OF_SMALL if _OF_SMALL.search(dated.string, *_around(dated)) else _LAST_OF_PUPILS
    return _FIRST_BORN <= int(year[0]) <= last


def _around(dated: re.Match[bytes]) -> tuple[int, int]:
    return max(0, dated.start() - 80), dated.end() + 40


def is_of_a_birth(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody who may go to school was born then: a word for birth or a birthday stands near it, and no other
    date's.
    """
    year = ANY_YEAR.search(found[0])
    if year is None and ANY_SHORT_YEAR.search(found[0]) is None:
        return False
    if year is not None and not FIRST_PUPILS <= int(year[0]) <= _LAST_OF_SMALL:
        return False
    begin, stop = sentence_span(seen, *found.span())
    if seen.folded[begin - 1 : begin] == b":":
        begin = sentence_span(seen, begin - 1, begin - 1)[0]
    begin, stop = max(begin, found.start() - BIRTH_CHARACTERS), min(stop, found.end() + DATED_ON)
    born = _BORN.search(seen.folded, begin, found.start()) or _BORN.search(seen.folded, found.end(), stop)
    if born is None or born[0].endswith(b"idos") or OF_OTHER_DATES.search(seen.folded, begin, stop):
        return False
    if (
        born[0].startswith(_OF_OTHERS_TOO)
        and not born[0].startswith(_OF_PEOPLE_ALONE)
        and not _is_said_of_a_person(seen, born.start())
    ):
        return _RELATIVE.search(seen.folded, begin, stop) is not None
    return not is_told_in_a_lesson(seen, *found.span()) and not is_worked_on(seen, *found.span())


_OF_PEOPLE_ALONE = (b"cumplea", b"cumplire", b"cumplo", b"cumpe", b"nacid", b"nacim")
_RELATIVE = re.compile(
    rb"\b(?:menor(?:es)?|mayor|mediano|estudiante|solicitante|aspirante|madre|padre|bebe)\b|"
    rb"\b(?:hij|herman|prim|sobrin|niet|nen|nin|peque|alumn|mellizo|gemel|cri|interesad|abuel|chic)(?:[oae]s?|"
    rb"it[oa]s?)\b"
)
_BORN = re.compile(
    rb"\b(?:mi fecha|na[cs]i(?:o|d[oa]s?|mos|miento)?|nac\w{0,3}\b\.?|cumple\w*|cumplo|cumpli\w*|cumpe\w*|"
    rb"cumplean\w*|bday|"
    rb"birthday|fd?n\b|f\. ?n\b|naix\w*|nascu\w*|neixer|naceu|nacin|nad[oa]|jaio\w*|aniversari\w*)\b"
    rb"(?! (?:del?|de la) (?!mi|su|la nina|el nino|alumn|hij|menor))"
)


_OWN_KIN = re.compile(
    rb"\b(?:mi|meu|meva|mina|nuestr[oa]|el meu|la meva|a mina|o meu) (?:abuel|avo|avi|madre|padre|mare|pare|nai|pai|"
    rb"mama|papa|marido|mujer|espos|suegr|sogr|pareja|ti[oa]\b|herman|prim[oa]\b)"
)
"""Whose own relative was born so long ago: nobody of a lesson."""
_KIN_BACK = 110


def is_of_now(seen: View, found: re.Match[bytes]) -> bool:
    """Whether the date may be that of somebody who goes to school, or of their family: not of a lesson's figure."""
    year = ANY_YEAR.search(found["date"])
    if found[0].startswith(_OF_OTHERS_TOO):
        # "YouTube nació el ...", "Internet cumple 20 años el ...": who was born must be a person.
        if not _is_said_of_a_person(seen, found.start()):
            return False
        recent = int(year[0]) >= FIRST_PUPILS if year else ANY_SHORT_YEAR.search(found["date"]) is not None
        long_ago = found[0].startswith((b"nacio", b"naceu", b"va neixer")) and not recent
        if long_ago and not _OWN_KIN.search(seen.folded, max(0, found.start() - _KIN_BACK), found.start()):
            return False
    elif found[0].startswith((b"n", b"f", b"b", b"mi")) and not (
        year or ANY_SHORT_YEAR.search(found["date"])
    ):
        return False
    if year and int(year[0]) >= FIRST_PUPILS:
        # "Nació el 11 mayo 2016 y tiene informe": nobody invents so exact a pupil for a sum.
        return not is_told_in_a_lesson(seen, *found.span()) and not is_worked_on(seen, *found.span())
    return not is_told_in_a_lesson(seen, *found.span()) and not is_in_an_exercise(seen, *found.span())


def is_of_kin(seen: View, start: int, end: int) -> bool:
    """Whether a child, a pupil or a relative of somebody's is spoken of right beside a date in words."""
    near = (max(0, start - DATED_BACK), end + DATED_ON)
    return _KIN.search(seen.folded, *near) is not None and is_of_family(seen, start, end)


def is_of_family(seen: View, start: int, end: int) -> bool:
    """Whether a date of the last ninety years stands where children and relatives are spoken of, and no paper is."""
    begin, stop = sentence_span(seen, start, end)
    if seen.folded[begin - 1 : begin] == b":":
        begin = sentence_span(seen, begin - 1, begin - 1)[0]
    begin, stop = max(begin, start - 80), min(stop, end + 40)
    others = OF_OTHER_DATES
    if seen.folded[start - 1 : start] == b"(" and seen.folded[end : end + 1] == b")":
        # What follows the brackets tells of something else: "(11/1/2021) y no puede entrar hasta septiembre".
        stop, others = end, _OF_PAPERS
    return (
        _FAMILY.search(seen.folded, begin, stop) is not None
        and others.search(seen.folded, begin, stop) is None
        and not is_told_in_a_lesson(seen, start, end)
        and not is_worked_on(seen, start, end)
    )


def _is_said_of_a_person(seen: View, place: int) -> bool:
    """Whether the verb here is said of a relative, of somebody with a given name, or of nobody that is named."""
    begin = sentence_span(seen, place, place)[0]
    said = seen.folded[begin:place].rpartition(b",")[2]
    if _OF_NOBODY_SAID.match(said):
        return seen.folded[begin - 1 : begin] != b":"
    last = _LAST_WORD.search(said.rstrip())
    given = last is not None and last[0] in lexicon().given and last[0] not in not_names()
    if last is not None and SAINT_OR_RANK.search(said, 0, last.start()):
        return False
    return given or PERSON_BEFORE.search(seen.folded, max(0, place - 60), place) is not None


def follows_a_name(seen: View, place: int) -> bool:
    """Whether the word that ends here is one of a pupil's name, and nobody tells a lesson."""
    word = _LAST_WORD.search(seen.folded, max(0, place - 25), place)
    if word is None or not seen.text[word.start()].isupper():
        return False
    known = word[0] in lexicon().surnames or word[0] in lexicon().given
    return known and word[0] not in not_names() and not is_told_in_a_lesson(seen, *word.span())


def is_of_a_pupil(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody with a given name was born then who may go to school, or has a birthday; no figure, no sum."""
    before = _WORDS_BEFORE.search(seen.folded, max(0, found.start() - 50), found.start())
    if before is None:
        return False
    written = seen.text[before.start() : before.end()].split()
    small = next(
        (number for number, word in enumerate(reversed(written)) if not word[0].isupper()), len(written)
    )
    words = tuple(before[0].split()[len(written) - small :])
    year = WITH_YEAR.search(found["date"])
    return (
        any(word in lexicon().given and word not in not_names() for word in words)
        and (year is None or int(year[0]) >= FIRST_PUPILS)
        and not known_figures().include(words)
        and not SAINT_OR_RANK.search(
            seen.folded, max(0, before.start() - 25), found.start() - len(words[-1]) - 1
        )
        and not is_in_an_exercise(seen, before.start(), found.end())
    )
