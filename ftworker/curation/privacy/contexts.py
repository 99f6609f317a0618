"""Whose a name is, by the words around it: a person's of here and now, a figure's of a lesson, an exercise's.

Pure questions over a view; the words themselves are data of `cues`.
"""

from __future__ import annotations

import re
from itertools import islice

from ftworker.curation.privacy import cues
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import known_figures

SENTENCE_START = re.compile(rb"(?:^|[.!?:\n\"\xab\xbf\xa1(*\x95\-])[ \t]*$")
ARTICLE_BEFORE = re.compile(rb"\b(?:el|la|los|las|un|una|al|del|mi|tu|su|en|desde|hacia|lo|de la|como) $")
_SENTENCE_SIGNS = b'.!?:\n"\xab\xbf\xa1(*\x95-'
_PERSON_BEFORE_NAME = re.compile(
    rb"\b(?:con|entre|contad[oa] a|conte a|dicho a|dije a|decirle a|le a|amb|y|de parte de|sin) $"
)
_PERSON_AFTER_NAME = re.compile(
    rb" (?:y yo|i jo|me|nos|es mi|es la profe|no me|no nos|se ha|se rio|dice|dijo|ha dicho|ha venido|"
    rb"va a mi|esta en mi|(?:ha|han) [a-z]+[ai]do|falt[ao]|llega|viene|vino|vendra|quiere|necesita|ya ha|"
    rb"no ha|"
    rb"y su|ya no)\b"
)
# A form of the school: "Observaciones: Abril se distrae".
_REPORT_BEFORE = re.compile(
    rb"\b(?:observacion(?:es|s)?|incidencias?|seguimiento|seguiment|valoracion|comentarios?|"
    rb"comentaris?)\s?: ?$"
)
_REPORT_AFTER = re.compile(
    rb" (?:se (?:distrae|porta|esfuerza|despista|aburre|relaciona|muestra|implica|levanta|niega)|no|suele|"
    rb"necesita|"
    rb"muestra|trabaja|participa|debe|molesta|falta|habla|progresa)\b"
)
_ENGLISH = re.compile(
    rb"\b(?:the|to|and|every|is|are|was|were|goes|go|does|she|he|his|her|they|with|than|have|likes?|"
    rb"plays?|lives)\b"
)
_ENGLISH_SPEAKER = re.compile(rb"\b(?:i|we|our|us|you|your)\b")
_INITIAL_AFTER = re.compile(rb", [a-z]\.(?: ?-?[a-z]\.){0,2}(?=[ ,;(&:])")
_OF_BOOKS = re.compile(rb"\((?:1[5-9]|20)\d\d[a-z]?\)|\bisbn\b|\bed\.|\beditorial\b|\bpp?\. ?\d|\bdoi\b")
_AT_HOME = re.compile(
    rb"\b(?:qued\w+|est(?:oy|amos|uvimos|uve|are|aremos)|voy|vamos|fui|fuimos|ire|iremos|duerm\w+|"
    rb"dormi\w*|estudiamos|"
    rb"hacemos|hago|comemos|vivo|dej[eo]|salgo|cumple|fiesta|trabajo) (?:[a-z]+ ){0,3}(?:en|a|"
    rb"de) (?:la )?casa de $"
)
_ARTICLE_OF_A_BUILDING = re.compile(rb"\b(?:el|la|al|del) $")
_BUILDING = re.compile(
    rb"\b(?:edificios?|aularios?|pabellon\w*|bibliotecas?|salas?|salon|auditorio|colegio mayor|facultad\w*|"
    rb"residencias?|"
    rb"instituto|campus|cafeteria|aparcamiento)\b"
)
# As in Catalan, "la Berta", and in lists: "3) Ibai".
_CALLED_SO = re.compile(rb"(?:\b(?:la |en |na )|l'|n'|\d\) ?)$")
_SECOND_PERSON = re.compile(rb"\b(?:tu|tus|te|ti|contigo|usted|os|vuestr[oa]s?)\b")
_GOES_ON = re.compile(r" [a-záéíóúñ]")
_SENTENCE_END = re.compile(rb"[.!?\n:;]")

_ENOUGH_SUBJECTS = 2
_OF_PRIVATE_LIFE = 3
_LEAST_OF_A_LESSON = 2
_WINDOW = 120
"""How far around a name the words of an exercise or a lesson still speak of it, in characters."""


def begins_sentence(folded: bytes, start: int, reach: int) -> bool:
    """Whether a sentence or a line begins here, by so many bytes before: as `SENTENCE_START` without a pattern."""
    before = folded[max(0, start - reach) : start].rstrip(b" \t")
    return before[-1] in _SENTENCE_SIGNS if before else start <= reach


def sentence_span(seen: View, start: int, end: int) -> tuple[int, int]:
    """Where the sentence around a name begins and ends; at most 200 characters to each side."""
    folded = seen.folded
    earliest = max(0, start - 200)
    since = max(folded.rfind(sign, earliest, start) for sign in (b".", b"!", b"?", b"\n", b":")) + 1
    if folded.endswith(b"...", 0, since) and _GOES_ON.match(seen.text, since):
        return sentence_span(seen, since - 3, end) if since - 3 > earliest else (earliest, end)
    ended = _SENTENCE_END.search(folded, end, end + 200)
    return max(since, earliest), ended.end() if ended else min(end + 200, len(folded))


def sentence_around(seen: View, start: int, end: int) -> bytes:
    """The sentence around a name, as far as `sentence_span` goes."""
    begin, stop = sentence_span(seen, start, end)
    return seen.folded[begin:stop]


def is_of_a_lesson(seen: View, start: int, end: int, *, named_fully: bool) -> bool:
    """A saint, a king, a place, the author of a theorem: by the words right before and after."""
    if cues.NUMERAL_AFTER.match(seen.text, end) and not named_fully:
        return True
    if _is_cited(seen.folded, end) or _is_a_building(seen, start, named_fully=named_fully):
        return True
    if cues.CITED_BOOK.match(seen.folded, start) or cues.FIGURE_AFTER.match(seen.folded, end):
        return True
    before = seen.folded[max(0, start - 45) : start]
    if not before.endswith((b" ", b" \n")):
        return False  # whatever says it from before ends with a space
    place = cues.PLACE_BEFORE.search(before)
    # "quedamos en casa de Guille"; the house of a figure is seen, and nobody meets in it.
    if place is not None and _AT_HOME.search(before) is None:
        return True
    if not named_fully and cues.WORK_OF.search(before):
        return True
    return cues.SAINT_OR_RANK.search(before) is not None or cues.EPONYM_BEFORE.search(before) is not None


def _is_cited(folded: bytes, end: int) -> bool:
    """Whether an initial follows, as in a list of books: "Atkins, P. y de Paula, J. (2014)"."""
    return (
        _INITIAL_AFTER.match(folded, end) is not None
        and _OF_BOOKS.search(folded, end, end + _WINDOW) is not None
    )


def _is_a_building(seen: View, start: int, *, named_fully: bool) -> bool:
    """Whether "el Ramón Margalef" is one of the buildings that are spoken of."""
    return (
        named_fully
        and _ARTICLE_OF_A_BUILDING.search(seen.folded, max(0, start - 5), start) is not None
        and _BUILDING.search(sentence_around(seen, start, start)) is not None
    )


def is_in_an_exercise(seen: View, start: int, end: int) -> bool:
    """An invented person: of a sum, of a sentence to be parsed, of a story that is read in class."""
    if is_worked_on(seen, start, end):
        return True
    around = seen.folded[max(0, start - _WINDOW) : end + _WINDOW]
    sentence = sentence_around(seen, start, end)
    if cues.SPEAKER.search(sentence) or cues.OFFICE.search(sentence) or _is_spoken_to(seen, start, end):
        return False
    if cues.LESSON.search(around):
        return True
    # "Tom and Lucy go to school every day": who tells of others in English is learning it.
    if len(set(_ENGLISH.findall(sentence))) > 2 and not _ENGLISH_SPEAKER.search(sentence):
        return True
    return cues.EXERCISE.search(around) is not None and cues.QUANTITY.search(around) is not None


def is_worked_on(seen: View, start: int, end: int) -> bool:
    """Whether it stands in a sentence that is quoted or worked on: to be parsed, translated, corrected."""
    quoted = seen.folded[max(0, start - 200) : start]
    if quoted.rfind(b"\xab") > quoted.rfind(b"\xbb"):
        return True  # «Vi a Marta en el parque»: the sentence of an exercise
    return cues.TASK.search(seen.folded[max(0, start - _WINDOW) : end + _WINDOW]) is not None


def _is_spoken_to(seen: View, start: int, end: int) -> bool:
    """Whether a name between commas is of who is spoken to: "en tu caso, Paula, es el ..."."""
    between = seen.folded[max(0, start - 2) : start] == b", " and seen.folded[end : end + 1] in b",:.!?"
    return between and _SECOND_PERSON.search(sentence_around(seen, start, end)) is not None


def is_told_in_a_lesson(seen: View, start: int, end: int) -> bool:
    """Whether what the sentence tells is learnt at school, as far as its words say: of a poet, of a war, of 1547.

    Weighed: what only lessons speak of counts two, what is told of others as well one, somebody's own life against it.
    """
    begin, stop = sentence_span(seen, start, end)
    if seen.folded[stop - 1 : stop] in {b";", b":"}:
        stop = sentence_span(seen, stop, stop)[1]
    sentence = seen.folded[begin:stop]
    subjects = len(set(islice(cues.SUBJECT.findall(sentence), _ENOUGH_SUBJECTS)))
    told = cues.LEARNT.search(sentence) is not None
    if not subjects and not told:
        return False
    learnt = told + (told and cues.WORK.search(sentence) is not None)
    private = _OF_PRIVATE_LIFE if cues.PRIVATE.search(sentence) else 0
    return 2 * subjects + learnt - private >= _LEAST_OF_A_LESSON


def is_beside_figures(seen: View, start: int, end: int) -> bool:
    """Whether the sentence names somebody of a lesson, and nobody speaks of here and now in it."""
    begin, stop = sentence_span(seen, start, end)
    if cues.SPEAKER.search(seen.folded, begin, stop) or cues.PRIVATE.search(seen.folded, begin, stop):
        return False
    colon = seen.folded.rfind(b":", max(0, start - 3), start)
    if colon > 0:
        # "Nada, de Carmen Laforet: Andrea llega a Barcelona".
        begin = sentence_span(seen, colon, colon)[0]
    return known_figures().stand_in(seen.text, seen.folded, begin, stop)


def is_of_a_story(seen: View, start: int, end: int) -> bool:
    """Whether a lesson is spoken of, and nobody speaks of here and now."""
    around = seen.folded[max(0, start - _WINDOW) : end + _WINDOW]
    if cues.SPEAKER.search(sentence_around(seen, start, end)) is not None:
        return False
    return cues.LESSON.search(around) is not None or is_told_in_a_lesson(seen, start, end)


def is_spoken_of(seen: View, start: int, end: int) -> bool:
    """Whether somebody speaks of here and now, and of this as of a person: "se lo conté a Luz"."""
    if _REPORT_BEFORE.search(seen.folded, max(0, start - 30), start) and _REPORT_AFTER.match(
        seen.folded, end
    ):
        return True
    if not (
        _PERSON_BEFORE_NAME.search(seen.folded, max(0, start - 15), start)
        or _PERSON_AFTER_NAME.match(seen.folded, end)
    ):
        return False
    sentence = sentence_around(seen, start, end)
    return cues.SPEAKER.search(sentence) is not None and cues.LESSON.search(sentence) is None


def is_of_here_and_now(seen: View, start: int, end: int) -> bool:
    """Whether anything around a given name alone says that a person of the conversation is meant: one's own life, a
    school's office, somebody spoken to, a list. Without it, it is mostly a figure's of a lesson: "Leonardo", "Frida".
    """
    folded = seen.folded
    before, after = folded[max(0, start - 4) : start], folded[end : end + 2]
    # In "Abraham, Isaac, Jacob" nobody is spoken to.
    listed = after == b", " and seen.text[end + 2 : end + 3].isupper()
    spoken_to = before.endswith(b", ") or not folded[:start].strip()
    if spoken_to and not listed and after[:1] in {b",", b".", b":", b"?", b"!"}:
        return True
    if _CALLED_SO.search(before) or (before.endswith(b"son ") and after[:1] == b","):
        return True
    reach = (max(0, start - _WINDOW), end + _WINDOW)
    return any(cue.search(folded, *reach) for cue in (cues.PRIVATE, cues.SPEAKER, cues.OFFICE, cues.PRESENT))


def is_called_first(seen: View, start: int, end: int) -> bool:
    """Whether a text or a line begins with this and a comma, and goes on to somebody: "Pau, tu tabla ..."."""
    begins = not seen.folded[:start].strip() or seen.folded[:start].endswith(b"\n")
    return (
        begins
        and seen.folded[end : end + 2] == b", "
        and _SECOND_PERSON.search(sentence_around(seen, start, end)) is not None
    )


def is_used_as_name(seen: View, start: int) -> bool:
    """Whether a word that is also a common one stands where names do: within a sentence, after no article."""
    before = seen.folded[max(0, start - 20) : start]
    return SENTENCE_START.search(before) is None and ARTICLE_BEFORE.search(before) is None
