"""In which language an answer is written, by the little words that every sentence of a language needs.

Judges prose alone: code, quotations and links are taken out first, and an answer with few words left, such as a
formula or a list of names, is not judged. No model, no dictionary: nine short word lists and one count. What it gets
right and wrong is measured in docs/DATASETS.md. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

OTHER_SCRIPT = "other_script"
"""In place of a language: Chinese, Cyrillic, Arabic... Small models slip into them in the middle of an answer."""

_WORDS = {
    "es": (
        "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ya si sí porque "
        "esta este entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni "
        "otros ese eso ante ellos esto antes unos yo otro otras otra él tanto esa estos mucho nada muchos cual poco "
        "ella estas algo mi tú te tu tus son está están ser puede pueden tiene tienen hace cada dos así entonces aquí "
        "según fue era han ha he había luego qué cómo después mismo misma hacer toda todas además siempre porque eres"
    ),
    "ca": (
        "de la que el i a en els les un una per amb no es és són se al del dels als com més o però seu seva si perquè "
        "aquesta aquest aquestes aquests entre quan molt sense sobre també em fins hi ha on qui des tot ens durant "
        "tots totes li ni altres això ells ella té tenen pot poden ser cada dos dues així llavors aquí segons va van "
        "han està estan quin quina què jo tu et pel pels d l s n m t seus seves tota mateix després abans només cal "
        "fer ja doncs perquè sempre a nosaltres ho hem són"
    ),
    "gl": (
        "de a que o e en os as do da dos das un unha por con non se no na nos nas ao á aos ás é son para como máis ou "
        "pero seu súa seus súas lle lles xa si porque esta este entre cando moi sobre tamén me ata hai onde quen "
        "desde todo toda todos todas uns unhas outros outras iso isto antes eu outra el ela ten teñen pode poden ser "
        "está están cada dous dúas así entón aquí foi era polo pola polos polas deste desta nun nunha dun dunha cunha "
        "coa co coas ó ós nin mesmo despois facer sempre"
    ),
    "eu": (
        "eta da ez ere bat du dute dira edo bere hori hau izan den dela egin behar guztiak dituzte ditu duen bai baina "
        "zer nola non nor zein zen ziren dio baino baita beste horrek hura haiek gure zure nire hala horren honek "
        "honen izango dago daude delako gisa arte ahal arabera bezala bidez dezake daiteke dituen duten direla duela "
        "ari gara naiz zara zaio baldin orduan gehiago oso egiten dugu dut batean batek ondoren izateko dituena hartu "
        "horiek zaie inork inor eskubidea haren bere guztien dagoen hau hori bi dezakegu denean izaten"
    ),
    "en": (
        "the of and to in a is that for it as was with be by on not he i this are or his from at which but have an had "
        "they you were her all she there would their we him been has when who will more no if out so what up its about "
        "into than them can only other some could these two may then do any like my now over such our your does how "
        "because also should us use each where must very just yes"
    ),
    "fr": (
        "de la le et les des en un une du que est pour qui dans a par plus pas au sur ne se ce il sont avec son sa ses "
        "aux ou mais comme nous vous ils elle on être cette ces tout toute tous toutes même fait deux leur leurs si "
        "lui sans peut où quand très bien aussi entre l d n s qu c j y été ont je tu donc parce soit notamment"
    ),
    "pt": (
        "de a que o e em os as do da dos das um uma por com não se no na nos nas ao à aos às é são para como mais ou "
        "mas seu sua seus suas lhe já si porque esta este entre quando muito sem sobre também me até há onde quem "
        "desde todo toda todos todas uns outros isso isto antes eu outra ele ela tem têm pode podem ser está estão "
        "cada dois duas assim então aqui foi era pelo pela pelos pelas num numa deste desta você nem mesmo depois"
    ),
    "it": (
        "di e il la che in un una per non è del della dei delle degli i le a con si da al alla ai alle sono come più o "
        "ma suo sua suoi sue anche nel nella nei nelle lo gli ha questo questa questi tutto tutti ogni se essere "
        "quando dove chi cui sul sulla dal dalla tra fra molto senza perché stato può hanno io tu lui lei noi loro "
        "così l d dell all nell ad ed od uno quale"
    ),
    "de": (
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
        "dass sie nach wird bei einer eines um am sind noch wie einem über einen so zum war haben nur oder aber vor "
        "zur bis mehr durch man dann da sein seine seiner ihre wenn ich du wir ihr kann diese dieser jeder jede alle "
        "kein keine"
    ),
}
LANGUAGES = tuple(_WORDS)
"""Codes (ISO 639-1) of the languages that are told apart."""


def _word_table() -> dict[bytes, tuple[str, ...]]:
    table: dict[bytes, tuple[str, ...]] = {}
    for language, words in _WORDS.items():
        for word in dict.fromkeys(words.encode("latin-1").split()):
            table[word] = (*table.get(word, ()), language)
    return table


_LANGUAGES_OF_WORD = _word_table()
_WORD_SETS = {language: frozenset(words.encode("latin-1").split()) for language, words in _WORDS.items()}

_JUDGED_CHARACTERS = 600
"""The beginning of an answer tells its language."""
_SURELY_HOME = 0.45
"""Share of an accepted language's little words from which no other language can lead; most answers end here."""
_LEAST_LEAD = 2
_LEAST_LEAD_SHARE = 0.06
"""By how many little words another language must lead. Fitted on half of the measured texts: docs/DATASETS.md."""
_ELIDED = frozenset(b"c d j l m n s t".split())
_MOST_OTHER_SCRIPT = 0.3
"""Share of letters of other scripts (not Greek, which formulas use) from which an answer is foreign."""

# Fenced and inline code, links, and what a text quotes: an English lesson in Spanish quotes much English.
_NOT_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|«[^»]*»|“[^”]*”|\"[^\"\n]*\"", re.DOTALL)
# The same of the one sign that most texts with any have: a pattern that begins with one sign is found much quicker.
_NOT_PROSE_OF = {
    "`": re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL),
    "«": re.compile(r"«[^»]*»"),
    "“": re.compile(r"“[^”]*”"),
    '"': re.compile(r"\"[^\"\n]*\""),
}
_LINK = re.compile(r"https?://\S+")
# Every byte of Latin-1 that is no letter becomes a space: ten times quicker than finding words by a pattern.
_LETTERS = bytes(ord(chr(byte).lower()) if chr(byte).isalpha() else 0x20 for byte in range(0x100))
_OTHER_SCRIPT = re.compile(
    "[\u0400-\u052f\u0530-\u06ff\u0900-\u0e7f\u10a0-\u10ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an answer seems to be written in. `language` is a code of LANGUAGES, or OTHER_SCRIPT."""

    language: str
    lead: int
    """How many more little words of it stand in the answer than of any accepted language."""
    words: int
    """Words of prose that were judged."""


def foreign_language(text: str, accepted: Collection[str], least_words: int) -> Spoken | None:
    """The language of the text where it is clearly none of `accepted`; None where it is one, or nobody can say.

    Texts with fewer than `least_words` words of prose are not judged, except for another script.
    """
    text = text[:_JUDGED_CHARACTERS]
    signs = [sign for sign in _NOT_PROSE_OF if sign in text]
    # One sign is found ten times quicker than three.
    if "/" in text and "://" in text:
        signs.append("://")
    if signs:
        text = (_NOT_PROSE if len(signs) > 1 else _NOT_PROSE_OF.get(signs[0], _LINK)).sub(" ", text)
    raw = text.encode("latin-1", "replace")
    prose = raw.translate(_LETTERS)
    words = prose.split()
    # Most texts are Latin-1 but for a sign or two: as many question marks more. They are not worth looking at where
    # they would be too few even if each were a letter of another script, and every word had one letter.
    if (marks := raw.count(b"?")) > len(words) // 3:
        letters = len(prose) - prose.count(b" ")
        if _is_foreign(marks - text.count("?"), letters):
            foreign = len(_OTHER_SCRIPT.findall(text))
            if _is_foreign(foreign, letters):
                return Spoken(OTHER_SCRIPT, foreign, len(words))
    if len(words) < least_words:
        return None
    home = max([sum(map(_WORD_SETS[language].__contains__, words)) for language in accepted], default=0)
    if home >= _SURELY_HOME * len(words):
        return None
    if "'" not in text and "’" not in text:
        # Only an elided article ("l'aigua") is a consonant alone; m, s, t, d... are of a formula.
        words = [word for word in words if word not in _ELIDED]
    counts: Counter[str] = Counter()
    for languages, number in Counter(map(_LANGUAGES_OF_WORD.get, words)).items():
        for language in languages or ():
            counts[language] += number
    language, most = max(counts.items(), key=lambda item: item[1], default=("", 0))
    lead = most - home
    if lead < max(_LEAST_LEAD, _LEAST_LEAD_SHARE * len(words)):
        return None
    if not any(_tells(word, language, accepted) for word in words):
        return None
    return Spoken(language, lead, len(words))


def _is_foreign(other_script: int, letters: int) -> bool:
    return other_script > _MOST_OTHER_SCRIPT * (other_script + letters)


def _tells(word: bytes, language: str, accepted: Collection[str]) -> bool:
    # One letter tells nothing: formulas are full of `o`, `e` and `x`.
    languages = _LANGUAGES_OF_WORD.get(word, ())
    return len(word) > 1 and language in languages and not any(other in languages for other in accepted)
