"""Dates of birth: harmless dates that a word beside them makes personal.

Ages stay, and so do the dates of a lesson: "Cervantes nació en 1547" tells of nobody alive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ftworker.curation.privacy.births import (
    BIRTH_CHARACTERS,
    DATED_BACK,
    DATED_ON,
    FIRST_PUPILS,
    OF_OTHER_DATES,
    follows_a_name,
    is_an_age_of_somebody,
    is_of_a_birth,
    is_of_a_pupil,
    is_of_family,
    is_of_kin,
    is_of_now,
    may_be_of_birth,
)
from ftworker.curation.privacy.contexts import (
    is_told_in_a_lesson,
    sentence_span,
)
from ftworker.curation.privacy.cues import TASK
from ftworker.curation.privacy.date_spellings import (
    ANY_YEAR,
    DATE,
    DATED,
    FOUR_DIGITS,
    IN_FIGURES,
    MONTH,
    MONTH_WITHIN,
    OF_DATES,
    SMALL_NUMBER,
    SPACED,
    TELLS_A_YEAR,
    WITH_YEAR,
    YEAR,
    is_in_words,
)
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import known_figures
from ftworker.curation.privacy.triggers import stretches

_BIRTH_CUE = re.compile(
    # The speaker, or a form; folded, "naci" is the first person and "nacio" the third.
    rb"\bnaci(?:mos|ste)?\b|\bser del (?=\d)|\bacta (?:literal )?de nacimiento (?:de|"
    rb"a nombre de) (?=[^\n\d]{5,45}?\d)|\bcumplio anos (?=el \d)|"
    rb"\bcumple (?:anos el )?(?=\d{1,2}[/.\-]\d{1,2}[/.\-]\d)|\bnacimiento (?=\d{1,2}[/.\-])|"
    rb"\b(?:partida|certificado|acta) (?:literal )?de nacimiento\b(?=[^\n\d]{1,40}\bfecha\b:?)|"
    rb"\bcumple anos el (?=\d)|\bcumpl(?:imos|en)(?: los)?(?: \d{1,2})?(?: anos)?\b|\bmi nacimiento\b|"
    rb"\bnacimiento (?=(?:20[01]\d-|\d{1,2} /|(?:\d{1,2} )(?:de |d')?[a-z]{3,10}\.? (?:de |del )?(?:19[3-9]|"
    rb"20[0-3])))|\bnac:?\s(?=\d{1,2}[/.\-]\d)|"
    rb"\bf(?:echa|ech|ec\.?|\.)? ?(?:de )?(?:nto|nac(?:to|mto|im)?)\b\.?|\bd\.\s?n\.?:?\s(?=\d{1,2}[/.\-]\d)|"
    rb"\bnacid[oa]s?:? (?=\d{1,2}[/.\-]\d)|\bal mundo (?=(?:el|un) \d)|\bnacer (?=el \d)|"
    rb"\bhago (?:los )?\d{1,2}(?: anos)? el (?=\d)|\by yo del (?=\d)|"
    rb"\bell?[ao]? es del (?=\d{1,2} de [a-z]+,? y yo)|"
    rb"\bfecha_?nac\w*|\bbirth_?date\b|\bnacid[oa]s?(?:/a|\(a\))? ?(?:el|en|a(?= \d)|:)|\bf(?:echa|ec\.?|"
    rb"\.)? ?(?:de "
    rb")?nac(?:imiento|\.)?|\bcumplo\b(?! con)|"
    rb"\bnacim\w*\.?\s?[:=]|\bedad:? \d{1,2}(?: anos)?,? \((?=\d)|\bf\.\s?n\.?:?\s(?=\d)|"
    rb"\bf/n:?\s(?=\d{1,2}[/.\-]\d{1,2}[/.\-])|"
    rb"\bfd?n:?\s(?=\d{1,2}[/.\-])|\bnac\.:?\s(?=\d)|\bfaig\b|"
    rb"\bborn:?\s(?=\d{1,2}(?:[/.\-]| [a-z]{3,9} 20))|\bcumplea\w*(?:\s?:| el (?=\d))|\bmeu aniversario\b|"
    rb"\burtebetetze\w*|\bva neixer el\b(?=.{3,30}, (?:la meva|el meu))|\bcumple\s?:|\bnaixement:?\s(?=\d)|"
    rb"\bnascud[oa]s?\b|"
    rb"\bsoy del (?=\d{1,2}[/.\-]\d{1,2}[/.\-]\d|(?:\d{1,2}|[a-z]{3,10}) de? )|\b(?:mi|la|el|su) (?:nin[oa]|"
    rb"peque\w*|mayor|chic[oa]|cri[oa]|(?:herman|prim|"
    rb"hij|sobrin|niet)\w+|madre|padre|mama|papa|abuel[oa]|mejor amig[oa]|nov[oi]\w)(?: \w+){0,2} es del "
    rb"(?=\d{1,2} de |\d{1,2}/)|\bcumpli\b|\bmi cumple\w*|\btu cumple\w*|\bsu cumple\w*|"
    rb"\bcumple\w* de (?:mi|tu|su|(?:la|el) (?:peque|nin|mayor|median|nen|bebe|cri|chic|mama|papa|"
    rb"abuel)\w*)\b|"
    rb"\bva(?:ig|m) neixer\b|\bnascu(?:t|da) (?:el|l'|a)|\bdata de naix\w*|"
    rb"\bel meu aniversari|\bnacin\b|\bnacemos\b|\bdata de nac\w*|"
    rb"\bjaio\w*|\bi was born\b|\bborn on\b|\bmy birthday|\bdate of birth|\bd\.?o\.?b\.?\b|"
    # Somebody of the family or the class.
    rb"\bnacimiento y es (?:el )?(?=\d)|\b(?:mellizos|mellizas|gemelos|gemelas)(?: \w+){0,2} (?:nacieron|"
    rb"cumplen)\b|"
    rb"\bnatural de [^.\n\d]{2,30}?, ?n(?:ac)?\. (?=\d)|\bmi (?:nen[ea]|sobrin[oa]|niet[oa]|hij[oa]|"
    rb"herman[oa]|prim[oa])\b"
    rb"[^.\n\d]{0,40}? nacio\b|\bmi nen[ea] es del (?=\d)|\bfecha d nac\w*|"
    rb"\bcumple\w* de (?!la |los |las |un)[a-z_]{2,15}(?: [a-z_]{2,15})? (?:es|cae|sera|fue)\b|"
    rb"\b(?:mi|meu|meva|mis|my|nuestr[oa]|el meu|la meva|alumn[oa]|el nino|la nina|el bebe|el peque|"
    rb"la peque|el "
    rb"crio|la cria)(?: \w+){0,3},?(?: que)? (?:nacio|nacieron|va neixer|naceu|"
    rb"was born|cumple)\b"
)
# As "n. 3/5/2011": a date after them is one of birth when it follows at once.
_TIGHT_CUE = re.compile(
    rb"(?:\bcumpl(?:io|ira|en|iran|e)(?: los| sus)? (?:[1-9]|1\d|20|%b)(?: an(?:os|"
    rb"itos))?,? (?:el )?(?:dia )?|"
    rb"\b(?:hace|hara|haran|hizo) (?:los |sus )?(?:[1-9]|1\d|20|%b)(?: anos)? el (?:dia )?|"
    rb"\b(?:va|voy|acab[ao]) (?:a|de) cumplir (?:los |sus )?(?:[1-9]|1\d|20)(?: anos)?,? el (?:dia )?|"
    rb"\bcumplia(?: los)? \d{1,2}"
    rb"(?: anos)? el |\b(?:los \d{1,2}|anos,?(?: y)?) los (?:hizo|hace|hara|cumpl\w+) el (?:dia )?|"
    rb"\bfa (?:els )?(?:\d{1,2} )?anys el |\b(?:fago|cumpro)(?: os)?(?: \d{1,2})?(?: anos)? o |"
    rb"\bnad[oa](?: en [a-z]{3,15})? o |\b(?:naceu|va neixer) (?:o |el )|\bnacimiento:? (?:el )?|"
    rb"\bmi fecha (?:real |correcta |buena |verdadera )?es (?:el |la del )?|\bf/n:? |"
    rb"\bmayor(?:ia)? de edad (?:desde |a partir d)?el (?:dia )?|\b(?:nasc|n|f/?n|f\.\s?n|nac|"
    rb"fec\.? ?nac)\.?:? |"
    rb"\bnac(?:id|ud)[oa]s?(?:/a|\(a\))?:?(?: en [a-z' ]{3,25}?,?)?(?: el| a)? (?:dia )?|\bnacio (?:el |"
    rb"un )?(?:dia )?|"
    rb"\b(?:cumple|birthday|bday|dob|born|aniversario?|fnto)\b:?(?: (?:es|is|e|cae))?(?: (?:el|on|o))? |"
    rb"\bsoy (?:del|nacid[oa]) (?:el )?(?:dia )?|"
    rb"\b(?:hij|nin|nen|peque\w?|herman|prim|niet|sobrin|mayor|median|bebe|cri|"
    rb"chic)[oa]?s?(?: \w+){0,2},? (?:es )?del (?:dia )?)"
    rb"(?P<date>%b)" % (SMALL_NUMBER, SMALL_NUMBER, DATE.pattern)
)
_OF_A_PUPIL = re.compile(
    rb"(?:(?<=[a-z])|(?<=[a-z]\.))(?:, ?| ?[(|;\-] ?| )(?P<date>\d{1,2}[/\-]\d{1,2}[/\-](?:200[3-9]|201\d|"
    rb"2020))(?![\w/])"
)
"""A date behind a name, of when those were born who go to school."""
_LONGEST_DATE = 40
_LONGEST_DAY = 22
"""How far before the sign of a date it begins: "veintitrés de septiembre"."""
_SECOND_DATE = 25
_NEAR_ENOUGH = 10
"""A date that goes on beyond the reach of its word begins so far within it at least."""
# The date first: "el 3 de mayo cumplo 14", "el 20 de julio es el cumpleaños de mi madre".
_BIRTHDAY_AFTER = re.compile(
    rb" (?:como (?:mi |su )?fecha )?de nacimiento\b|"
    rb",? (?:y )?(?:cumplo|cumpli|faig \d|facia \d|hago \d{1,2} anos|"
    rb"hago (?:los )?\d{1,2}(?=\s*(?:[.,;!?)]|$|\n| y\b| en\b))|cumplire|(?:es|fue|sera) (?:el )?(?:mi|"
    rb"meu|su) "
    rb"(?:cumple\w*|aniversari)|"
    rb"(?:es|fue|sera) el cumple\w* de (?:mi|tu|su)|es mi santo y mi cumple|is my birthday|"
    rb"e o meu aniversario|"
    rb"cumple (?:mi|su) |jaio\b)"
)
_OF_OTHERS = re.compile(
    rb"\b(?:mayor|menor|peque\w*|median[oa]|herman\w+|gemel\w+|otr[oa]|prim[oa]|hij[oa])\b"
)
_RATHER = re.compile(rb",? (?:y|pero|cuando|sino|no) (?:es|era|deberia ser|debe ser|seria)?(?: el)? ?")
"""A wrong date, and then the right one."""
_BORN_THEN = re.compile(
    rb"\b(?:nacio|va neixer(?: el| la)?(?: \w+){0,2}|naceu) (?:el |o )?(?P<date>%b)(?= (?:mi|nuestr[oa]|"
    rb"el meu|la "
    rb"meva|o meu|a mina) )|"
    rb"\bva neixer (?:el meu|la meva) \w+ (?:el )?(?P<other>%b)" % (DATE.pattern, DATE.pattern)
)
"""The date before who was born: "nació el 12/03/2011 mi hermano"."""
_BASQUE = re.compile(
    rb"(?<![\w./\-])(?P<date>20\d\d[/.\-]\d{1,2}[/.\-]\d{1,2}|\d{1,2}[/.\-]\d{1,2}[/.\-](?:20)?\d\d)"
    rb"-?(?:e?an|n|ko)?\b[^.\n]{0,20}?\bjaio"
)
"""With the ending of its case: "2012/04/19an jaio zen"."""
_AGED = re.compile(
    rb"\b(?:(?:[1-9]|1\d|20) an(?:os|itos|ys)|t(?:engo|iene|inc|eno) (?:[1-9]|1\d|20)(?= \()|cumplidos)(?: (?:ya |"
    rb"recien )?(?:cumplid|cumplit|feit)\w+)?"
    rb"(?:,| -|:|;)? ?[(]?(?:el |n\. ?|nac\.? ?)?(?P<date>%b)" % DATE.pattern
)
"""An age and the date of it: "mi niña de 14 años (12-3-2010)"."""
_ASKED = re.compile(
    rb"(?:\bfecha (?:de )?nac\w*|\bcuando (?:naciste|naci|cumples(?: anos)?|es tu cumple\w*)|"
    rb"\b(?:tu cumple|mi fecha)\w*|\bquan (?:vas|va) neixer)[^?\n]{0,12}"
    rb"\?[\s\-\w:]{0,14}?(?P<date>%b)" % DATE.pattern
)
"""The question, and the answer after it."""
_ASKED_OF_SOMEBODY = re.compile(
    rb"\b(?:fecha (?:de )?nac\w*|(?:cuando|que dia|q dia) (?:naci\w*|cumpl\w*|hac\w+ (?:los )?\d{1,2}))"
    rb"[^?\n]{0,45}\?{1,3}[^?\n]{0,55}?(?P<date>%b)(?: y es (?P<rather>%b))?" % (DATE.pattern, DATE.pattern)
)
"""The same farther apart: "¿Cuándo cumple los 16 Salma? La fecha que tengo apuntada es 7 de marzo de 2010"."""
_BORN_IN_SAID = (b"naci ", b"soy de ", b" es de ")
_BORN_IN = re.compile(
    rb"\b(?:naci (?:en|por|a (?:principios|mediados|finales) de)|soy de|"
    rb"(?:hij|niet|nin|nen|herman|prim|sobrin)[oa](?: \w+)? es de) (?P<date>%b(?:,? (?:de |"
    rb"del )?(?:ano )?%b)(?:,? (?:el )?dia \d{1,2})?)(?!\d)" % (MONTH, YEAR)
)
"""A month and a year: with an age and a class they tell who it is."""
_BORN_OR_BIRTHDAY = re.compile(
    rb"\b(?:nacio|cumple(?: los)?(?: \d{1,2})?(?: anos)?) (?:el )?(?:dia )?(?P<date>%b)" % DATE.pattern
)
_BIRTHDAY = re.compile(rb"\b(?:cumpl\w+|nacimiento|faig|hago|birthday|jaio|aniversari\w*)")
_BIRTHDAY_BACK = 45
_BIRTH_BEFORE, _BIRTH_AFTER = 80, 120


def dates_beside(seen: View) -> Iterator[Finding]:
    """Dates with their year of which somebody's birth may be one, and nothing says that they are of something else."""
    folded = seen.folded
    if TELLS_A_YEAR.search(folded) is None:
        return
    for found in DATED.finditer(folded):
        if not may_be_of_birth(found):
            continue
        begin, stop = sentence_span(seen, *found.span())
        begin, stop = max(begin, found.start() - DATED_BACK), min(stop, found.end() + DATED_ON)
        if OF_OTHER_DATES.search(folded, begin, stop) or is_told_in_a_lesson(seen, *found.span()):
            continue
        yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)


def dated_family(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Dates in words beside children and relatives: "mi hijo Hugo, 12 de marzo de 2011". `at`: where one is named."""
    for begin, end in stretches(seen, at, DATED_BACK, _BIRTH_AFTER):
        if FOUR_DIGITS.search(seen.folded, begin, end) is None:
            continue
        for found in DATED.finditer(seen.folded, begin, end):
            if may_be_of_birth(found) and is_of_kin(seen, *found.span()):
                yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
        for found in _AGED.finditer(seen.folded, begin, end):
            if is_an_age_of_somebody(seen, found):
                yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def birth_dates(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """The date after "nací el", "fecha de nacimiento", "mi cumpleaños es", and before "cumplo 14".

    `at`: where such a word is.
    """
    for begin, end in stretches(seen, at, _BIRTH_BEFORE, _BIRTH_AFTER):
        reach = end + _LONGEST_DATE
        signs = OF_DATES if is_in_words(seen.folded, begin, reach) else IN_FIGURES
        for sign in signs.finditer(seen.folded, begin, reach):
            near = max(begin, sign.start() - _LONGEST_DAY)
            if DATE.search(seen.folded, near, sign.end() + _LONGEST_DATE):
                yield from _births(seen, begin, end)
                break
        yield from _born_in(seen, begin, end)
        if seen.folded.find(b"jaio", begin, end) != -1:
            for found in _BASQUE.finditer(seen.folded, begin, end):
                yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def _births(seen: View, begin: int, end: int) -> Iterator[Finding]:
    folded = seen.folded
    for cue in _BIRTH_CUE.finditer(folded, begin, end):
        reach = cue.end() + BIRTH_CHARACTERS
        stop = min(
            (
                place
                for sign in (b".\n", b"\n\n", b"?", b"!")
                if (place := folded.find(sign, cue.end(), reach)) != -1
            ),
            default=reach,
        )
        found = DATE.search(folded, cue.end(), min(stop + _LONGEST_DATE, len(folded)))
        if found is not None and found.start() > stop - _NEAR_ENOUGH and found.end() > stop + 1:
            found = None
        # "She was born on 3 May 1990: corrige la frase".
        long_ago = found and (year := ANY_YEAR.search(found[0])) and int(year[0]) < FIRST_PUPILS - 40
        if long_ago and known_figures().stand_in(seen.text, folded, max(0, cue.start() - 80), reach):
            continue  # "Gabriel Aresti Bilbon jaio zen 1933ko urriaren 14an"
        worked_on = cue[0] == b"born on" and TASK.search(folded, max(0, cue.start() - 80), reach + 40)
        if found and not worked_on:
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
            again = DATE.search(
                folded, found.end(), max(found.end() + _SECOND_DATE, min(stop + 1, len(folded)))
            )
            others = again and _OF_OTHERS.search(folded, found.end(), again.start())
            others = others or (again and _RATHER.fullmatch(folded, found.end(), again.start()))
            if again and WITH_YEAR.search(again[0]) and (others or not WITH_YEAR.search(found[0])):
                yield Finding(again.start(), again.end(), Kind.BIRTH_DATE)
    for found in _TIGHT_CUE.finditer(folded, begin, end):
        if is_of_now(seen, found):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    for found in _OF_A_PUPIL.finditer(folded, begin, end):
        if follows_a_name(seen, found.start()):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    dated = False
    for found in DATED.finditer(folded, begin, end):
        dated = True
        in_words = MONTH_WITHIN.search(found[0]) is not None
        if (
            may_be_of_birth(found) and (is_of_kin if in_words else is_of_family)(seen, *found.span())
        ) or is_of_a_birth(seen, found):
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    for found in () if dated else SPACED.finditer(folded, begin, end):
        if is_of_a_birth(seen, found):
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    for found in _BORN_THEN.finditer(folded, begin, end):
        yield Finding(*found.span(found.lastgroup or 0), Kind.BIRTH_DATE)
    if folded.find(b"?", begin, end) != -1:
        for found in _ASKED.finditer(folded, begin, end):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
        for found in _ASKED_OF_SOMEBODY.finditer(folded, begin, end):
            if OF_OTHER_DATES.search(folded, *found.span()) or is_told_in_a_lesson(seen, *found.span("date")):
                continue
            for group in ("date", "rather"):
                told = ANY_YEAR.search(found[group] or b"")
                if told and int(told[0]) >= FIRST_PUPILS:
                    yield Finding(*found.span(group), Kind.BIRTH_DATE)
    for found in _BORN_OR_BIRTHDAY.finditer(folded, begin, end):
        if is_of_a_pupil(seen, found):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    for cue in _BIRTHDAY.finditer(folded, begin, end):
        before = _dated_before(seen, cue)
        if before is not None:
            yield before


def _born_in(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """A month and a year without a day."""
    if any(seen.folded.find(said, begin, end) != -1 for said in _BORN_IN_SAID):
        for found in _BORN_IN.finditer(seen.folded, begin, end):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def _dated_before(seen: View, cue: re.Match[bytes]) -> Finding | None:
    """The date right before "cumplo 14"."""
    folded = seen.folded
    for found in DATE.finditer(folded, max(0, cue.start() - _BIRTHDAY_BACK), cue.end() + 20):
        if found.end() <= cue.start() and _BIRTHDAY_AFTER.match(folded, found.end()):
            return Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    return None
