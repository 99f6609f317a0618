"""Dates of birth: harmless dates that a word beside them makes personal.

Ages stay, and so do the dates of a lesson: "Cervantes nació en 1547" tells of nobody alive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ahocorasick_rs import BytesAhoCorasick

from ftworker.curation.privacy.contexts import (
    is_in_an_exercise,
    is_told_in_a_lesson,
    is_worked_on,
    sentence_span,
)
from ftworker.curation.privacy.cues import PERSON_BEFORE, SAINT_OR_RANK, TASK
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind
from ftworker.curation.privacy.lexicon import known_figures, lexicon, not_names
from ftworker.curation.privacy.triggers import stretches

_MONTH = (
    rb"(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|setiembre|octubre|noviembre|diciembre|"
    rb"gener|febrer|marc|maig|juny|juliol|agost|setembre|octubre|novembre|desembre|"
    rb"xaneiro|febreiro|marzo|maio|xuno|xullo|setembro|outubro|novembro|decembro|"
    rb"urtarril\w*|otsail\w*|martxo\w*|apiril\w*|maiatz\w*|ekain\w*|uztail\w*|abuztu\w*|irail\w*|urri\w*|"
    rb"azaro\w*|abendu\w*|"
    rb"january|february|march|april|may|june|july|august|september|october|november|december|"
    rb"ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic)"
)
_YEAR = rb"(?:19[2-9]\d|20[0-3]\d)"
_MONTH_SHORT_OR_ROMAN = (
    rb"(?:ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic|gen|mai|xan|i{1,3}|i?v|vi{0,3}|i?x|xi{0,2})"
)
_SMALL_NUMBER = (
    rb"(?:un[oa]?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|trece|catorce|quince|dieci\w+|"
    rb"veint\w+|"
    rb"dues|tres|quatre|cinc|sis|set|vuit|nou|deu|onze|dotze|tretze|catorze|quinze|setze|disset|divuit|dinou|"
    rb"vint\S{0,8}|"
    rb"catro|sete|oito|nove|dez|"
    rb"(?:tre|cuare|cincue|sese|sete|oche|nove)i?nta)"
)
_YEAR_IN_WORDS = rb"(?:(?:dos mil|mil novecientos|mil nou-cents)(?: %b(?: y %b)?)?)" % (
    _SMALL_NUMBER,
    _SMALL_NUMBER,
)
_DATE = re.compile(
    rb"(?<![\w.,/\-])(?:"
    rb"\d{1,2}\s?[/.\-\xb7_\\]\s?\d{1,2}\s?[/.\-\xb7_\\]\s?(?:%b|\d{2})|\d{1,2}, ?\d{1,2}, ?%b|"
    rb"%b[/.\-]\d{1,2}[/.\-]\d{1,2}|"
    rb"(?:[0-2]\d|3[01])(?:0\d|1[0-2])\d\d(?=\D|$)|\d{1,2}[ .\-/]%b[ .\-/](?:%b|\d{2})|\d{1,2} \d{1,2} %b|"
    rb"(?:[0-2]\d|3[01])(?:0\d|1[0-2])%b|%b(?:0\d|"
    rb"1[0-2])(?:[0-2]\d|3[01])|"
    rb"(?:(?:%b(?: y uno)?|primero|primer|"
    rb"\d{1,2}(?:st|nd|rd|th|\.?\xba)?)(?: del? mes de | del? | d'| of | do | d | )?%b\b\.?)(?:,? (?:de |"
    rb"del |"
    rb"d |dl |"
    rb"de l'any |del ano |"
    rb"of )?(?:%b|%b|este ano|'?\d{2})\b)?|"
    rb"(?:\d{1,2}|%b) (?:de|del|d) (?:\d{1,2}|%b) (?:de|del|dl|d) (?:%b|%b|\d{2})\b|"
    rb"%b,? (?:de |del )?%b,? (?:el )?dia \d{1,2}|\d{1,2} del \d{1,2}(?= *(?:[.,;)\n]|$| (?:y|es|cumpl|hago)\b))|"
    rb"%b(?:,? el)? (?:dia )?\d{1,2}(?:st|nd|rd|th)?(?:,? (?:del? )?%b)?|(?:%b(?:e?k?o)? )?%b\w* \d{1,2}[a-z]{0,3}|"
    rb"\d{1,2}[/\-]\d{1,2}"
    # Nor the birthday of somebody long dead: "27 de enero de 1756".
    rb")(?![\w/]|[.,\-]\d|,? (?:de |del )?1(?:[0-8]\d|9[01])\d\b)"
    % (
        *(
            _YEAR,
            _YEAR,
            _YEAR,
            _MONTH_SHORT_OR_ROMAN,
            _YEAR,
            _YEAR,
            _YEAR,
            _YEAR,
            _SMALL_NUMBER,
            _MONTH,
            _YEAR,
            _YEAR_IN_WORDS,
        ),
        *(_SMALL_NUMBER, _SMALL_NUMBER, _YEAR, _YEAR_IN_WORDS, _MONTH, _YEAR, _MONTH, _YEAR, _YEAR, _MONTH),
    )
)
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
    rb"(?P<date>%b)" % (_SMALL_NUMBER, _SMALL_NUMBER, _DATE.pattern)
)
_OF_A_PUPIL = re.compile(
    rb"(?:(?<=[a-z])|(?<=[a-z]\.))(?:, ?| ?[(|;\-] ?| )(?P<date>\d{1,2}[/\-]\d{1,2}[/\-](?:200[3-9]|201\d|"
    rb"2020))(?![\w/])"
)
"""A date behind a name, of when those were born who go to school."""
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
_OF_OTHER_DATES = re.compile(
    rb"\b(?:reunion\w*|tutorias?|fiesta|vacaciones|tema|festival|decreto|ley|orden|real|rd|boe|resolucion|"
    rb"convocatoria|examen|examenes|plazo|curso|firma\w*|"
    rb"fecha de (?!nac)\w+|"
    rb"publica\w*|vigor|desde|hasta|antes|despues|caduca|caducidad|expedi\w+|matriculad\w*|alta|baja|"
    rb"inscri\w+|"
    rb"entrega\w*|falt\w+|"
    rb"falle\w+|muri\w+|boda|cas\w+|empadron\w*|visit\w*|excursion|vacun\w*|cita|operacion|operad\w*|"
    rb"atentad\w*)\b"
)
_OF_PAPERS = re.compile(_OF_OTHER_DATES.pattern.replace(b"curso|", b""))
"""The course is what a child enters: "entra en infantil el curso que viene (09/02/2022)"."""
_DATED = re.compile(
    rb"(?<![\w.,/\-])(?:\d{1,2}\s?[/.\-]\s?\d{1,2}\s?[/.\-]\s?%b|%b([/.\-])\d{1,2}\1\d{1,2}|"
    rb"\d{1,2}([/\-])\d{1,2}\2\d\d(?!\d)|\d{1,2} del? \d{1,2} del? %b|"
    rb"(?:%b|\d{1,2}\xba?)(?: del? | d'| |-)%b(?:(?:,? (?:de |del |de l'any )?|-)(?:%b|%b)|"
    rb" del '?[01]\d))(?![\w/]|[.\-]\d)" % (_YEAR, _YEAR, _YEAR, _SMALL_NUMBER, _MONTH, _YEAR, _YEAR_IN_WORDS)
)
"""A day, a month and a year."""
_FIRST_BORN, _LAST_OF_PUPILS = 1930, 2021
"""When who is spoken of in a school's chat was born. Dates of later years are those of what happens at school."""
_LAST_OF_SMALL = 2024
_OF_SMALL = re.compile(
    rb"\b(?:infantil|guarderia|bebe|meses|p[3-5]|escoleta|llar d'infants|hij[oa] peque\w*|"
    rb"herman[oa] peque\w*)\b"
)
"""Where those are spoken of who are not at school yet, or since this year."""
_YEARS_OF_NOW = range(22, 30)
_DATED_BACK, _DATED_ON = 60, 30
_FOUR_DIGITS = re.compile(rb"\d{4}|\d[/\-]\d{1,2}[/\-]\d\d")
_LAST_WORD = re.compile(rb"[a-z_]+$")
_OF_NOBODY_SAID = re.compile(
    rb"^(?:[ \t\-*>|]|\b(?:y|e|pero|que|la|el|ella|si|es que|dice que|creo que|como|porque|aunque|xq|"
    rb"cuando|tambien|no|ya que|pues)\b)*$"
)
_BIRTH_CHARACTERS = 45
_LONGEST_DATE = 40
_LONGEST_DAY = 22
"""How far before the sign of a date it begins: "veintitrés de septiembre"."""
_SECOND_DATE = 25
_NEAR_ENOUGH = 10
"""A date that goes on beyond the reach of its word begins so far within it at least."""
_FIRST_PUPILS = 2000
"""Who was born later and has only a given name is no figure of a lesson yet."""
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
_ANY_YEAR = re.compile(_YEAR)
_MONTH_WITHIN = re.compile(rb"[a-z]{3}")
_SHORT_YEAR = re.compile(rb"\d[/.\-]\d\d$")
_ANY_SHORT_YEAR = re.compile(rb"\d[/.\- ]\d\d$|[a-z ]{3}'?\d\d$|\b(?:dos mil|mil nov)")
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
_WITH_YEAR = re.compile(_YEAR + rb"$")
_BORN_THEN = re.compile(
    rb"\b(?:nacio|va neixer(?: el| la)?(?: \w+){0,2}|naceu) (?:el |o )?(?P<date>%b)(?= (?:mi|nuestr[oa]|"
    rb"el meu|la "
    rb"meva|o meu|a mina) )|"
    rb"\bva neixer (?:el meu|la meva) \w+ (?:el )?(?P<other>%b)" % (_DATE.pattern, _DATE.pattern)
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
    rb"(?:,| -|:|;)? ?[(]?(?:el |n\. ?|nac\.? ?)?(?P<date>%b)" % _DATE.pattern
)
"""An age and the date of it: "mi niña de 14 años (12-3-2010)"."""
_OF_SOMEBODY = re.compile(
    rb"\b(?:tengo|tiene|tenim|tinc|soy|edad|mi|mis|nuestr[oa]|alumn[oa]|nin[oa]|nen[ea]?|hij[oa]|"
    rb"herman[oa]|chic[oa])\b"
)
_ASKED = re.compile(
    rb"(?:\bfecha (?:de )?nac\w*|\bcuando (?:naciste|naci|cumples(?: anos)?|es tu cumple\w*)|"
    rb"\btu cumple\w*|\bquan (?:vas|va) neixer)[^?\n]{0,12}"
    rb"\?[\s\-\w:]{0,14}?(?P<date>%b)" % _DATE.pattern
)
"""The question, and the answer after it."""
_BORN_IN_SAID = (b"naci ", b"soy de ", b" es de ")
_BORN_IN = re.compile(
    rb"\b(?:naci (?:en|por|a (?:principios|mediados|finales) de)|soy de|"
    rb"(?:hij|niet|nin|nen|herman|prim|sobrin)[oa](?: \w+)? es de) (?P<date>%b(?:,? (?:de |"
    rb"del )?(?:ano )?%b)(?:,? (?:el )?dia \d{1,2})?)(?!\d)" % (_MONTH, _YEAR)
)
"""A month and a year: with an age and a class they tell who it is."""
_BORN_OR_BIRTHDAY = re.compile(
    rb"\b(?:nacio|cumple(?: los)?(?: \d{1,2})?(?: anos)?) (?:el )?(?:dia )?(?P<date>%b)" % _DATE.pattern
)
_WORDS_BEFORE = re.compile(rb"[a-z_]{3,15}(?: [a-z_]{3,15}){0,2} $")
_BIRTHDAY = re.compile(rb"\b(?:cumpl\w+|nacimiento|faig|hago|birthday|jaio|aniversari\w*)")
_BIRTHDAY_BACK = 45
# Each begins with the digit itself, so that the engine looks at digits alone.
_DATE_IN_FIGURES = (
    rb"\d ?[/\-] ?\d|\d ?([.\xb7_\\ ]|, ?)\d{1,2}(?: ?\1 ?)\d\d|\d\d{5}|\d (?:de|del|d) \d|"
    rb"\d[a-z.\xba]{0,3}[ .\-/](?:del? (?:mes de )?|d |d'|of )?(?:ene|feb|mar|abr|may|jun|jul|ago|sep|set|"
    rb"oct|nov|"
    rb"dic|gen|mai|"
    rb"xan|xu[nl]|out|dec|dez|i{1,3}[. \-/]|i?v[. \-/]|vi{0,3}[. \-/]|i?x[. \-/]|xi{0,2}[. \-/])"
)
_MONTH_NAMES = (
    rb"enero|febrer|marzo|abril|mayo|juni|juli|agost|septiembre|setiembre|octubre|noviembre|diciembre|"
    rb"gener |"
    rb"febrer|marc |"
    rb"maig|juny|juliol|setembre|novembre|desembre|xaneiro|febreiro|maio|xuno|xullo|outubro|decembro|"
    rb"urtarril|otsail|"
    rb"martxo|apiril|maiatz|ekain|uztail|abuztu|irail|urri|azaro|abendu|january|february|march|april|june|"
    rb"july|"
    rb"august|"
    rb"september|october|november|december"
)
_SHORT_MONTHS = rb"ene|feb|mar|abr|may|jun|jul|ago|sep|sept|oct|nov|dic"
_YEARS_BEGIN = rb"dos mil|mil nov|mil nou"
# Every date has numbers with signs between them, or a month: a quick look.
_OF_DATES = re.compile(
    rb"%b|\b(?:%b|(?:%b)\.? \d|%b)" % (_DATE_IN_FIGURES, _MONTH_NAMES, _SHORT_MONTHS, _YEARS_BEGIN)
)
_IN_FIGURES = re.compile(_DATE_IN_FIGURES)
"""The same where none of these words stands: most stretches hold none, and it is found several times quicker."""
_WORDS_OF_DATES = BytesAhoCorasick(
    [
        *b"|".join((_MONTH_NAMES, _YEARS_BEGIN)).split(b"|"),
        *(short + after for short in _SHORT_MONTHS.split(b"|") for after in (b" ", b". ")),
    ]
)
_TELLS_A_YEAR = re.compile(rb"19[2-9]\d|20[0-3]\d|/\d\d|-\d\d|del '?[01]\d|dos mil|mil nov|mil nou")
"""Whatever `_DATED` finds holds one of these."""
_BIRTH_BEFORE, _BIRTH_AFTER = 80, 120


def dates_beside(seen: View) -> Iterator[Finding]:
    """Dates with their year of which somebody's birth may be one, and nothing says that they are of something else."""
    folded = seen.folded
    if _TELLS_A_YEAR.search(folded) is None:
        return
    for found in _DATED.finditer(folded):
        if not _may_be_of_birth(found):
            continue
        begin, stop = sentence_span(seen, *found.span())
        begin, stop = max(begin, found.start() - _DATED_BACK), min(stop, found.end() + _DATED_ON)
        if _OF_OTHER_DATES.search(folded, begin, stop) or is_told_in_a_lesson(seen, *found.span()):
            continue
        yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)


def dated_family(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Dates in words beside children and relatives: "mi hijo Hugo, 12 de marzo de 2011". `at`: where one is named."""
    for begin, end in stretches(seen, at, _DATED_BACK, _BIRTH_AFTER):
        if _FOUR_DIGITS.search(seen.folded, begin, end) is None:
            continue
        for found in _DATED.finditer(seen.folded, begin, end):
            if _may_be_of_birth(found) and _is_of_kin(seen, *found.span()):
                yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
        for found in _AGED.finditer(seen.folded, begin, end):
            if _is_an_age_of_somebody(seen, found):
                yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def _is_an_age_of_somebody(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody of a school is so old, not a contract or a war: a person is spoken of, and nothing else is."""
    before = max(0, found.start() - _DATED_BACK)
    return (
        (_OF_SOMEBODY.search(seen.folded, before, found.start("date")) is not None)
        and _OF_OTHER_DATES.search(seen.folded, before, found.end()) is None
        and not is_told_in_a_lesson(seen, *found.span())
        and not is_worked_on(seen, *found.span())
    )


def _may_be_of_birth(dated: re.Match[bytes]) -> bool:
    year = _ANY_YEAR.search(dated[0])
    if year is None:
        short = _SHORT_YEAR.search(dated[0])
        # "23/10/25" is a day of this course or the next.
        return short is None or int(short[0][-2:]) not in _YEARS_OF_NOW
    last = _LAST_OF_SMALL if _OF_SMALL.search(dated.string, *_around(dated)) else _LAST_OF_PUPILS
    return _FIRST_BORN <= int(year[0]) <= last


def _around(dated: re.Match[bytes]) -> tuple[int, int]:
    return max(0, dated.start() - 80), dated.end() + 40


def birth_dates(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """The date after "nací el", "fecha de nacimiento", "mi cumpleaños es", and before "cumplo 14".

    `at`: where such a word is.
    """
    for begin, end in stretches(seen, at, _BIRTH_BEFORE, _BIRTH_AFTER):
        reach = end + _LONGEST_DATE
        signs = _OF_DATES if _is_in_words(seen.folded, begin, reach) else _IN_FIGURES
        for sign in signs.finditer(seen.folded, begin, reach):
            near = max(begin, sign.start() - _LONGEST_DAY)
            if _DATE.search(seen.folded, near, sign.end() + _LONGEST_DATE):
                yield from _births(seen, begin, end)
                break
        yield from _born_in(seen, begin, end)
        if seen.folded.find(b"jaio", begin, end) != -1:
            for found in _BASQUE.finditer(seen.folded, begin, end):
                yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def _is_in_words(folded: bytes, begin: int, end: int) -> bool:
    """Whether a word of this stretch begins as those of `_OF_DATES` do."""
    return any(
        not folded[begin + place - 1 : begin + place].isalnum()
        for _, place, _ in _WORDS_OF_DATES.find_matches_as_indexes(folded[begin:end], overlapping=True)
    )


def _births(seen: View, begin: int, end: int) -> Iterator[Finding]:
    folded = seen.folded
    for cue in _BIRTH_CUE.finditer(folded, begin, end):
        reach = cue.end() + _BIRTH_CHARACTERS
        stop = min(
            (
                place
                for sign in (b".\n", b"\n\n", b"?", b"!")
                if (place := folded.find(sign, cue.end(), reach)) != -1
            ),
            default=reach,
        )
        found = _DATE.search(folded, cue.end(), min(stop + _LONGEST_DATE, len(folded)))
        if found is not None and found.start() > stop - _NEAR_ENOUGH and found.end() > stop + 1:
            found = None
        # "She was born on 3 May 1990: corrige la frase".
        long_ago = found and (year := _ANY_YEAR.search(found[0])) and int(year[0]) < _FIRST_PUPILS - 40
        if long_ago and known_figures().stand_in(seen.text, folded, max(0, cue.start() - 80), reach):
            continue  # "Gabriel Aresti Bilbon jaio zen 1933ko urriaren 14an"
        worked_on = cue[0] == b"born on" and TASK.search(folded, max(0, cue.start() - 80), reach + 40)
        if found and not worked_on:
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
            again = _DATE.search(
                folded, found.end(), max(found.end() + _SECOND_DATE, min(stop + 1, len(folded)))
            )
            others = again and _OF_OTHERS.search(folded, found.end(), again.start())
            others = others or (again and _RATHER.fullmatch(folded, found.end(), again.start()))
            if again and _WITH_YEAR.search(again[0]) and (others or not _WITH_YEAR.search(found[0])):
                yield Finding(again.start(), again.end(), Kind.BIRTH_DATE)
    for found in _TIGHT_CUE.finditer(folded, begin, end):
        if _is_of_now(seen, found):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    for found in _OF_A_PUPIL.finditer(folded, begin, end):
        if _follows_a_name(seen, found.start()):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    dated = False
    for found in _DATED.finditer(folded, begin, end):
        dated = True
        in_words = _MONTH_WITHIN.search(found[0]) is not None
        if (
            _may_be_of_birth(found) and (_is_of_kin if in_words else _is_of_family)(seen, *found.span())
        ) or _is_of_a_birth(seen, found):
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    for found in () if dated else _SPACED.finditer(folded, begin, end):
        if _is_of_a_birth(seen, found):
            yield Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    for found in _BORN_THEN.finditer(folded, begin, end):
        yield Finding(*found.span(found.lastgroup or 0), Kind.BIRTH_DATE)
    if folded.find(b"?", begin, end) != -1:
        for found in _ASKED.finditer(folded, begin, end):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    for found in _BORN_OR_BIRTHDAY.finditer(folded, begin, end):
        if _is_of_a_pupil(seen, found):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)
    for cue in _BIRTHDAY.finditer(folded, begin, end):
        before = _dated_before(seen, cue)
        if before is not None:
            yield before


def _is_of_a_birth(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody who may go to school was born then: a word for birth or a birthday stands near it, and no other
    date's.
    """
    year = _ANY_YEAR.search(found[0])
    if year is None and _ANY_SHORT_YEAR.search(found[0]) is None:
        return False
    if year is not None and not _FIRST_PUPILS <= int(year[0]) <= _LAST_OF_SMALL:
        return False
    begin, stop = sentence_span(seen, *found.span())
    if seen.folded[begin - 1 : begin] == b":":
        begin = sentence_span(seen, begin - 1, begin - 1)[0]
    begin, stop = max(begin, found.start() - _BIRTH_CHARACTERS), min(stop, found.end() + _DATED_ON)
    born = _BORN.search(seen.folded, begin, found.start()) or _BORN.search(seen.folded, found.end(), stop)
    if born is None or born[0].endswith(b"idos") or _OF_OTHER_DATES.search(seen.folded, begin, stop):
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
_SPACED = re.compile(
    rb"(?<![\w.,/\-])(?:(?:[0-2]?\d|3[01]) (?:0?\d|1[0-2]) (?:20[01]\d|202[0-4])|(?:[0-2]\d|3[01])(?:0\d|"
    rb"1[0-2])(?:200\d|201\d|202[0-4])|"
    rb"\d{1,2}[ .\-]%b[ .\-](?:20[01]\d|202[0-4])|\d{1,2}[ /.\-]\d{1,2}[ /.\-](?:0\d|1\d|20))(?![\w/]|[.,\-]\d)"
    % _MONTH_SHORT_OR_ROMAN
)
"""Spellings that are dates only where a birth is spoken of."""


def _born_in(seen: View, begin: int, end: int) -> Iterator[Finding]:
    """A month and a year without a day."""
    if any(seen.folded.find(said, begin, end) != -1 for said in _BORN_IN_SAID):
        for found in _BORN_IN.finditer(seen.folded, begin, end):
            yield Finding(*found.span("date"), Kind.BIRTH_DATE)


def _is_of_now(seen: View, found: re.Match[bytes]) -> bool:
    """Whether the date may be that of somebody who goes to school, or of their family: not of a lesson's figure."""
    year = _ANY_YEAR.search(found["date"])
    if found[0].startswith(_OF_OTHERS_TOO):
        # "YouTube nació el ...", "Internet cumple 20 años el ...": who was born must be a person.
        if not _is_said_of_a_person(seen, found.start()):
            return False
        recent = int(year[0]) >= _FIRST_PUPILS if year else _ANY_SHORT_YEAR.search(found["date"]) is not None
        if found[0].startswith((b"nacio", b"naceu", b"va neixer")) and not recent:
            return False
    elif found[0].startswith((b"n", b"f", b"b", b"mi")) and not (
        year or _ANY_SHORT_YEAR.search(found["date"])
    ):
        return False
    if year and int(year[0]) >= _FIRST_PUPILS:
        # "Nació el 11 mayo 2016 y tiene informe": nobody invents so exact a pupil for a sum.
        return not is_told_in_a_lesson(seen, *found.span()) and not is_worked_on(seen, *found.span())
    return not is_told_in_a_lesson(seen, *found.span()) and not is_in_an_exercise(seen, *found.span())


def _is_of_kin(seen: View, start: int, end: int) -> bool:
    """Whether a child, a pupil or a relative of somebody's is spoken of right beside a date in words."""
    near = (max(0, start - _DATED_BACK), end + _DATED_ON)
    return _KIN.search(seen.folded, *near) is not None and _is_of_family(seen, start, end)


def _is_of_family(seen: View, start: int, end: int) -> bool:
    """Whether a date of the last ninety years stands where children and relatives are spoken of, and no paper is."""
    begin, stop = sentence_span(seen, start, end)
    if seen.folded[begin - 1 : begin] == b":":
        begin = sentence_span(seen, begin - 1, begin - 1)[0]
    begin, stop = max(begin, start - 80), min(stop, end + 40)
    others = _OF_OTHER_DATES
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


def _follows_a_name(seen: View, place: int) -> bool:
    """Whether the word that ends here is one of a pupil's name, and nobody tells a lesson."""
    word = _LAST_WORD.search(seen.folded, max(0, place - 25), place)
    if word is None or not seen.text[word.start()].isupper():
        return False
    known = word[0] in lexicon().surnames or word[0] in lexicon().given
    return known and word[0] not in not_names() and not is_told_in_a_lesson(seen, *word.span())


def _is_of_a_pupil(seen: View, found: re.Match[bytes]) -> bool:
    """Whether somebody with a given name was born then who may go to school, or has a birthday; no figure, no sum."""
    before = _WORDS_BEFORE.search(seen.folded, max(0, found.start() - 50), found.start())
    if before is None:
        return False
    written = seen.text[before.start() : before.end()].split()
    small = next(
        (number for number, word in enumerate(reversed(written)) if not word[0].isupper()), len(written)
    )
    words = tuple(before[0].split()[len(written) - small :])
    year = _WITH_YEAR.search(found["date"])
    return (
        any(word in lexicon().given and word not in not_names() for word in words)
        and (year is None or int(year[0]) >= _FIRST_PUPILS)
        and not known_figures().include(words)
        and not SAINT_OR_RANK.search(
            seen.folded, max(0, before.start() - 25), found.start() - len(words[-1]) - 1
        )
        and not is_in_an_exercise(seen, before.start(), found.end())
    )


def _dated_before(seen: View, cue: re.Match[bytes]) -> Finding | None:
    """The date right before "cumplo 14"."""
    folded = seen.folded
    for found in _DATE.finditer(folded, max(0, cue.start() - _BIRTHDAY_BACK), cue.end() + 20):
        if found.end() <= cue.start() and _BIRTHDAY_AFTER.match(folded, found.end()):
            return Finding(found.start(), found.end(), Kind.BIRTH_DATE)
    return None
