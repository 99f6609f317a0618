"""Names that a phrase announces: "me llamo", "mi profe", "Hola,", "Atentamente". What the phrases are stands in `cues`.

A phrase makes a name of words that no list has. Where it may as well announce something else, the name is found and
not sure: the conversation waits for a person.
"""

from __future__ import annotations

import re
from typing import assert_never

from ftworker.curation.privacy import cues
from ftworker.curation.privacy.contexts import begins_sentence, is_of_a_story, sentence_around, sentence_span
from ftworker.curation.privacy.cues import Cue
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import Figures
from ftworker.curation.privacy.spans import NEXT_WORD, Name, NameWords

_FIRST_WORD = re.compile(
    rb"[ \t\n\"'(*_\xab\xbf\xa1]{0,4}(?:(?:la|el|en|na|don|dona) |(?:l'|n'|d'|sr\.|sra\.) ?)?([a-z_]+)"
)
_VERY_NEXT_WORD = re.compile(rb"[ \n]?[\"*\xab]?([a-z_]+)")
_VOCATIVE_END = re.compile(rb"\s*(?:[,.!?;:)\n]|$|\s[^\w\s]|\x02)")
_GREETED_BEFORE = re.compile(rb"\b(?:estimad|querid|benvolgu|apreciad|dear)\w* \w{1,6}\.? $")
_GREETED = re.compile(rb",? (?:de nuevo,? |otra vez,? )?(?:don |dona |profe |seno )?")
_FIELD = re.compile(rb" ?:\s?((?:del |de la |de los |de las |de )?)(?=[a-z_])")
_COMMA_AND_NAME = re.compile(rb", ?([a-z_]+)")
_SIGNED_ALONE = re.compile(rb"[!.]{1,3}\s{1,2}([a-z_]{3,})\s{0,3}$")
_SPECIES = re.compile(rb" ([a-z]{4,})\s*(?=[.,;)(\n]|$)")
_SIGNED = re.compile(rb"[ \t]*[,.:;\-]*\s{0,4}(?:de )?")

_COMMON_BEHIND = re.compile(
    rb" ([a-z]{4,})(?=\s*(?:[.,;!?)\n]|$)| (?:de \d|del? (?:grupo|curso)|y (?:no|mi|he)\b|grupo))"
)

_OF_A_FACULTY = re.compile(
    rb"\b(?:tutoria|correo|pido|pedir\w*|recomendacion|tfg|tfm|despacho|revision|cita|he quedado|"
    rb"entreg\w+|mi|me)\b"
)
_LETTERS = b"abcdefghijklmnopqrstuvwxyz_"
_WITHOUT_A_GAP = (Cue.GREETING, Cue.TITLE, Cue.WEAK)
"""Cues whose name is the next word in sight. No set: to hash them costs more than to compare them."""
_GREETINGS = (
    *(
        b"hola",
        b"buen",
        b"hey",
        b"bienvenid",
        b"querid",
        b"estimad",
        b"bon",
        b"benv",
        b"ola",
        b"bos",
        b"boas",
        b"kaixo",
    ),
    *(b"egun", b"hi", b"hello", b"dear", b"good m", b"welcome", b"moltes", b"gracies", b"adios", b"agur"),
)
_NEXT_IN_SIGHT = re.compile(rb"[^\w]{0,6}([a-z_]+)")
_BEFORE_NAMES = frozenset(b"la el en na l n d don dona de otra again profe seno sr sra".split())
_SHORT_TITLES = frozenset(b"d dna sr sra srta mr mrs ms dr dra prof profa".split())


class Announced:
    """The rules of phrases, over the words of one roster and the terms that are nobody's name."""

    def __init__(self, words: NameWords, own_terms: Figures, figures: Figures) -> None:
        self._words, self._own_terms, self._figures = words, own_terms, figures

    def after(self, seen: View, cue: Cue, start: int, end: int) -> Name | None:
        """The name that the phrase between these places announces, if one does stand there."""
        if cue in _WITHOUT_A_GAP and not self._could_follow(seen, end):
            return None
        folded = seen.folded
        match cue:
            case Cue.SELF:
                # "me llamó la atención" is the past of another verb.
                if seen.text[start:end].endswith(("ó", "Ó")):
                    return None
                # "obligar al alumno a buscarlo" is no form for "alumno/a".
                if folded[start:end] == b"alumno a":
                    return None
                name = self._first(seen, end, cue, unknown_lower=True)
                if name is None and folded[end : end + 4].rstrip() in {b":", b" es", b" is", b" a:"}:
                    name = self._first(
                        seen, end + len(folded[end : end + 4].rstrip()), cue, unknown_lower=True
                    )
            case Cue.CALLED:
                person = cues.PERSON_BEFORE.search(folded, max(0, start - 60), start)
                # A number is called prime, and prime is a cousin in Spanish: in lower case only for "mi primo".
                ours = False
                if person is not None:
                    ours = word_before(folded, person.start(), 30) in cues.OF_THE_SPEAKER
                name = self._first(seen, end, cue, unknown_lower=ours) if person else None
            case Cue.WEAK:
                name = self._first(seen, end, cue)
            case Cue.ROLE:
                name = self._after_role(seen, start, end)
            case Cue.TITLE:
                name = self._after_title(seen, start, end)
            case Cue.GREETING:
                name = self._greeted(seen, start, end)
            case Cue.SIGNATURE:
                gap = _SIGNED.match(folded, end)
                name = self._first(seen, gap.end(), cue) if gap and gap.end() > end else None
                if name is not None and not _VOCATIVE_END.match(folded, name.end):
                    name = None
            case Cue.FORM:
                name = self._filled_in(seen, end)
            case Cue.AFTER:
                word = word_before(folded, start, 40)
                end = folded.rfind(word, 0, start) + len(word)
                name = self._at(seen, end - len(word), end, cue) if word else None
            case Cue.DOUBTFUL:
                name = None
            case _:
                assert_never(cue)
        return name

    def _could_follow(self, seen: View, end: int) -> bool:
        """A quick look: what follows has a capital, is a given name, or an article and the like before one."""
        word = _NEXT_IN_SIGHT.match(seen.folded, end)
        if word is None:
            return False
        return seen.text[word.start(1)].isupper() or word[1] in _BEFORE_NAMES or self._words.is_given(word[1])

    def _after_role(self, seen: View, start: int, end: int) -> Name | None:
        before = word_before(seen.folded, start, 30)
        # "Profe Marta, ..."; three spaces begin one as well.
        if (
            before not in cues.DETERMINERS
            and not begins_sentence(seen.folded, start, 3)
            and seen.folded[max(0, start - 3) : start].rstrip(b" \t")
        ):
            return None
        # "la abuela Caperucita" is of a tale, "mi abuela Casilda" is not.
        theirs = before not in cues.OF_THE_SPEAKER
        gap = cues.AFTER_ROLE.match(seen.folded, end)
        called = gap is not None and gap[0].rstrip().endswith(
            (b"llama", b"llamaba", b"diu", b"called", b"named", b"llamado", b"llamada")
        )
        direct = seen.folded[end : end + 1] == b" "
        candidates = [(gap.end(), called)] if gap and gap.end() > end + direct else []
        of = cues.AFTER_ROLE_OF.match(seen.folded, end)
        if direct:
            candidates.insert(0, (end + 1, False))
        if of:
            candidates.append((of.end(), False))
        for place, announced in candidates:
            name = self._first(
                seen, place, Cue.ROLE, unknown_lower=announced, article=announced, ours=not theirs
            )
            if name is None or cues.NUMERAL_AFTER.match(seen.text, name.end):
                continue  # "el papa Juan Pablo II"
            if (
                before
                and theirs
                and (is_of_a_story(seen, start, end) or self._is_beside_figures(seen, start, end))
            ):
                return None
            known = self._words.is_given(name.words[0])
            if known or (
                (of is None or place != of.end()) and not (theirs and seen.folded[start:end] in cues.KIN)
            ):
                return name
        return None

    def _is_beside_figures(self, seen: View, start: int, end: int) -> bool:
        """Whether the family is a figure's: "Sorolla pintó a su mujer Clotilde"."""
        begin, stop = sentence_span(seen, start, end)
        return (
            cues.PRIVATE.search(seen.folded, begin, stop) is None
            and cues.SPEAKER.search(seen.folded, begin, stop) is None
            and self._figures.stand_in(seen.text, seen.folded, begin, start)
        )

    def _after_title(self, seen: View, start: int, end: int) -> Name | None:
        title = seen.folded[start:end]
        # "D. Pedro" is a title, the letter d is none.
        if title == b"d" and not (seen.text[start] == "D" and seen.folded[end : end + 2] == b". "):
            return None
        gap = end + (seen.folded[end : end + 2] == b": ")
        if title in _SHORT_TITLES:
            gap += seen.folded[gap : gap + 1] == b"\xaa"
            gap += seen.folded[gap : gap + 1] == b"."
        name = self._first(seen, gap, Cue.TITLE, article=False)
        return None if name is None or self._figures.holds([title, *name.words]) else name

    def _filled_in(self, seen: View, end: int) -> Name | None:
        """The name in a form's field. "Nombre: sustantivo" and "Nombre: Isaac Newton" are of lessons."""
        field = _FIELD.match(seen.folded, end)
        if field is None:
            return None
        name = self._first(seen, field.end(), Cue.SELF, article=False)
        if name is None or (len(name.words) > 1 and self._figures.include(name.words)):
            return None
        first = name.words[0]
        several = len(name.words) > 1
        if not (self._words.is_given(first) or (several and any(map(self._words.is_surname, name.words)))):
            return None
        species = _SPECIES.match(seen.folded, name.end)
        if not several and first in self._words.lexicon.ambiguous and species is not None:
            epithet = species[1]
            # "Nombre: Rosa canina" is a plant, "nombre: rosa gil" is not.
            known = self._words.is_surname(epithet) or self._words.is_given(epithet)
            if seen.text[name.start].isupper() and seen.text[species.start(1)].islower() and not known:
                return None
        first_name = _COMMA_AND_NAME.match(seen.folded, name.end)
        if first_name is not None and self._words.is_given(first_name[1]):
            # Surnames first: "García López, Lucía" is one name.
            begin, after = first_name.span(1)
            end, more, _ = self._words.extended(seen, begin, after, first_name[1], unknown=False)
            name = Name(name.start, end, (*name.words, first_name[1], *more))
        return Name(field.end() - len(field[1]), name.end, name.words, name.sure)

    def _greeted(self, seen: View, start: int, end: int) -> Name | None:
        gap = _GREETED.match(seen.folded, end)
        if gap is None:
            return self._signed_after(seen, end)
        name = self._first(seen, gap.end(), Cue.GREETING, article=False)
        if name is None or not _VOCATIVE_END.match(seen.folded, name.end):
            return None
        # "Vale, Sigue": what is no greeting needs a name that is known.
        return name if name.sure or seen.folded[start:end].startswith(_GREETINGS) else None

    def _signed_after(self, seen: View, end: int) -> Name | None:
        """One name alone at the end of the text, after thanks: "gracias!! Paulita"."""
        signed = _SIGNED_ALONE.match(seen.folded, end)
        if signed is None or not seen.text[signed.start(1)].isupper() or signed[1] in cues.NOT_NAMES:
            return None
        known = self._words.is_given(signed[1])
        if not known:
            # "Paulita", "Luisito": a given name made small.
            stem = signed[1][:-3]
            small = signed[1].endswith((b"ita", b"ito"))
            known = small and any(self._words.is_given(stem + vowel) for vowel in (b"", b"a", b"o"))
        return Name(signed.start(1), signed.end(1), (signed[1],)) if known else None

    def _first(
        self,
        seen: View,
        place: int,
        cue: Cue,
        *,
        unknown_lower: bool = False,
        article: bool = True,
        ours: bool = False,
    ) -> Name | None:
        """The name whose first word stands right at the place. `ours`: of somebody of the speaker's own."""
        word = (_FIRST_WORD if article else _VERY_NEXT_WORD).match(seen.folded, place)
        initial = (
            word is not None
            and word.end(1) - word.start(1) == 1
            and seen.folded[word.end() : word.end() + 2] == b". "
        )
        if word is not None and initial and seen.text[word.start(1)].isupper():
            name = self._first(seen, word.end() + 1, cue, article=False)
            return Name(word.start(1), name.end, name.words, name.sure) if name else None
        if word is None or (
            place > 0 and word.start(1) == place and seen.folded[place - 1 : place].isalnum()
        ):
            return None
        # "me llamo la atencion": after an article only what is known or written as a name.
        bare = seen.folded[word.start() : word.start(1)].strip(b" \t\"'(*_\xab\xbf\xa1") == b""
        return self._at(
            seen, word.start(1), word.end(1), cue, unknown_lower=unknown_lower and bare, ours=ours
        )

    def _is_met(self, seen: View, start: int, end: int) -> bool:
        """Whether a lecturer whom the speaker meets has two surnames with a hyphen: "Gutiérrez-Solana"."""
        joined = b"-" in seen.folded[start:end] and self._words.is_surname(
            seen.folded[start:end].partition(b"-")[0]
        )
        begin, stop = sentence_span(seen, start, end)
        return joined and _OF_A_FACULTY.search(seen.folded, begin, stop) is not None

    def _surname_behind(self, seen: View, end: int) -> bool:
        """Whether a surname that is no word follows in small letters."""
        behind = NEXT_WORD.match(seen.folded, end)
        return (
            behind is not None
            and behind[1] in self._words.lexicon.surnames
            and behind[1] not in self._words.lexicon.common_surnames
            and behind[1] not in cues.NOT_NAMES
        )

    def _at(
        self, seen: View, start: int, end: int, cue: Cue, *, unknown_lower: bool = False, ours: bool = False
    ) -> Name | None:
        word = seen.folded[start:end]
        large = seen.text[start].isupper()
        given = self._words.is_given(word)
        if not (large or given or unknown_lower):
            return None
        surname = self._words.is_surname(word)
        if len(word) < 2 or seen.folded[end : end + 1].isdigit():
            return None
        sure = True
        if large and (given or (surname and cue in {Cue.ROLE, Cue.TITLE, Cue.SIGNATURE, Cue.SELF})):
            pass
        elif word in cues.NOT_NAMES:
            return None
        elif large:
            if (
                seen.text[start:end].isupper()
                and len(word) < 5
                and not seen.text[max(0, start - 12) : start].isupper()
            ):
                return None  # an abbreviation: "soy TDAH", "mi profe de EF"
            sure = cue not in {Cue.WEAK, Cue.GREETING, Cue.AFTER}
        elif given and (word not in self._words.lexicon.ambiguous or word in self._words.roster.given):
            if cue is Cue.WEAK and not (word in self._words.lexicon.given or len(word) > 3):
                return None
        elif given and cue in {Cue.SELF, Cue.WEAK} and self._surname_behind(seen, end):
            pass  # "soy alba requena": dawn alone is nobody
        elif unknown_lower and len(word) > 2 and (given or word not in self._words.lexicon.common_surnames):
            sure = given
        else:
            return None
        told = large and not (given or surname) and cue is not Cue.SELF and self._figures.know(word)
        # "el señor Darcy", "soy Quevedo"; but "mi profesora Machado" and "Estimado Sr. Echenique".
        told = told and not _GREETED_BEFORE.search(seen.folded, max(0, start - 25), start)
        if told and not (sure and cues.SPEAKER.search(sentence_around(seen, start, end))):
            return None
        end, more, _ = self._words.extended(seen, start, end, word, unknown=True)
        if cue in {Cue.SELF, Cue.WEAK} and given and not (large or more):
            # "soy nerea rubio, de 2B": fair hair is nobody's surname elsewhere.
            common = _COMMON_BEHIND.match(seen.folded, end)
            if common is not None and common[1] in self._words.lexicon.common_surnames:
                end, more = common.end(1), [common[1]]
        words = (word, *more)
        # A sentence to be translated may say that somebody is Oliver Twist.
        quoted = (
            cue is Cue.SELF and len(words) > 1 and cues.TASK.search(seen.folded, max(0, start - 60), end + 60)
        )
        if self._own_terms.holds(words) or (
            (cue is not Cue.SELF or quoted)
            # "mi hermana Penélope"
            and not (ours and len(words) == 1 and given)
            and self._figures.include(words)
            and not (cue is Cue.TITLE and self._is_met(seen, start, end))
            and not self._words.roster.is_person(words)
        ):
            return None
        return Name(start, end, words, sure)


def word_before(folded: bytes, start: int, reach: int) -> bytes:
    """The word right before this place, within so many bytes; empty where something else stands there."""
    before = folded[max(0, start - reach) : start]
    if before.endswith(b" "):
        before = before[:-1]
    if before.endswith((b'"', b"'", b"*", b" ")):
        before = before[:-1]
    return before[len(before.rstrip(_LETTERS)) :]
