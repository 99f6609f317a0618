"""Names of people: by the roster, by the phrases that announce them, by a list of given names and what follows.

One pass of an automaton over the words of a text finds every phrase and every word that could begin a name; all other
work is around those places alone. Who is of a lesson (an author, a king, the Ana of a sum) is told by the list of known
figures and by `contexts`. How far a name goes is the work of `spans`, what a phrase announces that of `announced`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import itemgetter

from ahocorasick_rs import BytesAhoCorasick

from ftworker.curation.privacy import cues, triggers
from ftworker.curation.privacy.announced import Announced
from ftworker.curation.privacy.beside import named_beside
from ftworker.curation.privacy.contexts import (
    begins_sentence,
    is_beside_figures,
    is_called_first,
    is_in_an_exercise,
    is_of_a_lesson,
    is_of_a_story,
    is_of_here_and_now,
    is_spoken_of,
    is_told_in_a_lesson,
    is_used_as_name,
    sentence_span,
)
from ftworker.curation.privacy.cues import Cue
from ftworker.curation.privacy.folding import View, fold
from ftworker.curation.privacy.kinds import Finding
from ftworker.curation.privacy.learned_names import LearnedNames
from ftworker.curation.privacy.lexicon import PARTICLES, Figures, known_figures
from ftworker.curation.privacy.named_with import named_with
from ftworker.curation.privacy.repeats import DID_AT_SCHOOL, Repeats
from ftworker.curation.privacy.spans import NEXT_WORD, Name, NameWords, apart, words_ahead
from ftworker.curation.privacy.triggers import Family

_NEXT_WORD_HERE = re.compile(rb"[a-z_]+")
_DYNASTY_BEFORE = re.compile(rb"\bl[oa]s $")
_LINE_START = re.compile(rb"(?:^|[:;\n\t*\-)]|\d\.)[ \t]*$")
_NEXT_GIVEN = re.compile(rb", ?([a-z_]+)")
_MARIA = re.compile(rb"(?<!\w)(?:m(?:\.\xaa|\xaa|a|\.)\.?|fco\.|fca\.|fc\xba\.?|jose|j\.|ant\.) $")
"""What is written short: the María of "M.ª José", the Francisco of "Fco. Javier"."""
_SHOUTED = re.compile(r"[A-ZÁÉÍÓÚÑ]{2,}[ ,]+[A-ZÁÉÍÓÚÑ]{2,}")


_TAUGHT_BY = re.compile(
    rb"\b(?:grupo|clase|nota|tutoria|examen|optativa|asignatura|hora) (?:de|con) $|\b(?:al|lo|el|la) de $"
)
"""What a teacher has whom a pupil calls by the surname."""


Place = tuple[int, int, int, Cue | None]
"""Where a stretch of a view begins and ends that a family of rules is called to, and what announces a name there."""
_STANDING: tuple[int, Cue | None] = (0, None)
_DOUBTFUL: tuple[int, Cue | None] = (0, Cue.DOUBTFUL)
"""What a word that may begin a name calls for, and one that a model has to look at: what stands beside it tells."""


class NameRules:
    """All rules of names, for one roster and one list of terms that are nobody's name."""

    def __init__(self, roster: Iterable[str], allow: Iterable[str]) -> None:
        self._words = NameWords(roster)
        self._own_terms = Figures(allow)
        self._figures = known_figures()
        self._repeats = Repeats(self._words, self._figures)
        self._announced = Announced(self._words, self._own_terms, self._figures)
        self._learned = LearnedNames(self._words, self._figures, self._own_terms)
        words = self._words.lexicon.given | self._words.roster.given | self._words.roster.surnames
        called: list[tuple[bytes, tuple[int, Cue | None]]] = [
            *((b" %b " % phrase.encode(), (Family.NAMES, cue)) for phrase, cue in cues.CUES.items()),
            *((phrase, (family, None)) for phrase, family in triggers.PHRASES),
            *((b" %b " % word, _STANDING) for word in words),
            *((b" %b " % word, _DOUBTFUL) for word in self._learned.listed - words),
        ]
        # In order of their letters, so that what a pass goes through lies together in memory: a tenth of its time.
        called.sort(key=itemgetter(0))
        self._automaton = BytesAhoCorasick([phrase for phrase, _ in called])
        self._calls = [call for _, call in called]

    def places(self, seen: View) -> list[Place]:
        """Where a cue stands, a name could begin, or a word calls for other rules."""
        found: list[Place] = []
        calls, text, folded, could_be = self._calls, seen.text, seen.folded, self._learned.could_be
        for pattern, start, after in self._automaton.find_matches_as_indexes(seen.words, overlapping=True):
            family, cue = calls[pattern]
            end = after - 2
            if family:
                found.append((start, end, family, cue))
            elif cue is None and (
                text[start].isupper() or self._could_be_lower(seen, end, folded[start:end])
            ):
                found.append((start, end, Family.NAMES, None))
            elif could_be(seen, start, end):
                found.append((start, end, Family.NAMES, Cue.DOUBTFUL))
        return found

    def find(self, seen: View, places: Iterable[Place], *, shaped: Sequence[Finding] = ()) -> list[Name]:
        """Every name at these places of the text, in order and without overlaps. `shaped`: all else that was found."""
        announced: list[Name] = []
        standing: list[tuple[int, int]] = []
        doubtful: list[tuple[int, int]] = []
        for start, end, family, cue in places:
            if cue is Cue.DOUBTFUL:
                doubtful.append((start, end))
            elif cue is not None:
                name = self._announced.after(seen, cue, start, end)
                if name is not None:
                    announced.append(name)
            elif family == Family.NAMES:
                standing.append((start, end))
        mentioned: set[bytes] = set()
        found = self._by_rules(seen, announced, standing, mentioned, shaped)
        if mentioned:
            # Whom the rules know from a lesson or an exercise is settled.
            standing = [place for place in standing if seen.folded[slice(*place)] not in mentioned]
        return self._learned.judged(seen, found, doubtful, standing, announced=announced, shaped=shaped)

    def _by_rules(
        self,
        seen: View,
        announced: list[Name],
        standing: Iterable[tuple[int, int]],
        mentioned: set[bytes],
        shaped: Sequence[Finding],
    ) -> list[Name]:
        """What the rules find by themselves. `mentioned`: takes the words that name somebody of a lesson."""
        if not announced and not standing:
            return apart(self._of_papers(seen, shaped)) if shaped else []
        found = apart(announced)
        waiting = found[::-1]
        left: list[Name] = []
        covered = 0
        for start, end in sorted(standing):
            while waiting and waiting[-1].start <= start:
                covered = max(covered, waiting.pop().end)
            if start < covered:
                continue
            name, stop = self._standing(seen, start, end, mentioned, covered, left, personal=bool(shaped))
            if name is not None:
                found.append(name)
                covered = max(name.end, stop)
            elif stop > end:
                covered = stop
        if left and found:
            found += self._among(seen, found, left)
        if shaped:
            found += self._of_papers(seen, shaped)
        if not found:
            return found
        found = apart(found)
        beside = named_with(seen, found, self._words, self._own_terms, self._figures)
        return apart([*found, *beside]) if beside else found

    def again(self, views: Sequence[View], known: Iterable[Name]) -> list[list[Name]]:
        """In each view, where people who are known by now are named again: by a part of the name, or in lower case."""
        return self._repeats.again(views, known)

    def _standing(  # noqa: PLR0917
        self,
        seen: View,
        start: int,
        end: int,
        mentioned: set[bytes],
        covered: int,
        left: list[Name],
        *,
        personal: bool,
    ) -> tuple[Name | None, int]:
        """The name that begins here, if one does, and where to look on. `left`: takes names that only look invented."""
        word = seen.folded[start:end]
        large = seen.text[start].isupper()
        listed = word in self._words.lexicon.given
        ambiguous = word in self._words.lexicon.ambiguous or word in cues.NOT_NAMES
        if large and ambiguous and word not in self._words.lexicon.public and word not in cues.NOT_NAMES:
            ambiguous = begins_sentence(seen.folded, start, 4)
        stop, more, has_surname = self._words.extended(
            seen, start, end, word, unknown=listed and not ambiguous
        )
        words = (word, *more)
        if self._own_terms and (self._own_terms.holds(words) or self._own_terms.begins(list(words))):
            return None, stop
        # Surnames before a comma: "García López, Lucía".
        before = self._words.surnames_before(seen, start) if large and self._words.is_given(word) else None
        if before is not None and before[0] >= covered:
            return Name(before[0], stop, (*words, *before[1])), stop
        first = _NEXT_GIVEN.match(seen.folded, stop) if large else None
        if (
            first
            and all(map(self._words.is_surname, words))
            and self._starts_list(seen, start)
            and self._words.is_given(first[1])
        ):
            # "García López, Lucía", found by its surnames.
            stop, others, _ = self._words.extended(
                seen, first.start(1), first.end(1), first[1], unknown=False
            )
            words = (*words, first[1], *others)
        maria = _MARIA.search(seen.folded, max(0, start - 5), start)
        if maria:
            start = maria.start()
        if self._words.roster.is_person(words) or self._is_called(seen, start, stop, words):
            return Name(start, stop, words), stop
        beside = self._figures.beside(word)
        ahead = words_ahead(seen, end, word, beside) if beside else []
        figure = self._figures.begins(ahead)
        if (
            self._figures.include(words) or figure > 1 or self._ends_figure(seen, start, words)
        ) and not self._is_namesake(seen, start, stop, words, ahead[:figure]):
            mentioned.update(words, ahead[:figure])
            return None, max(stop, end + len(b" ".join(ahead[1:figure])))
        if word not in self._words.roster.given and not listed:
            return self._lone_surname(seen, start, stop, words, large=large), stop
        if not large:
            if (
                has_surname
                and listed
                and not ambiguous
                and any(w not in self._words.lexicon.common_surnames for w in more)
            ):
                return Name(start, stop, words), stop
            rostered = word in self._words.roster.given and len(word) > 3
            # "jimena" is somebody of here, or of the Cid.
            of_here = rostered and not (
                ambiguous or is_told_in_a_lesson(seen, start, stop) or is_in_an_exercise(seen, start, stop)
            )
            found = rostered and (not listed or (of_here and is_of_here_and_now(seen, start, stop)))
            return (Name(start, stop, words) if found else None), stop
        dynasty = not more and _DYNASTY_BEFORE.search(seen.folded, max(0, start - 5), start) is not None
        acronym = (
            end - start < 5
            and seen.text[start:end].isupper()
            and (not more or not seen.text[start:stop].isupper())
            and not _SHOUTED.search(seen.text[max(0, start - 12) : stop + 12])
        )
        if acronym or dynasty or is_of_a_lesson(seen, start, stop, named_fully=has_surname):
            mentioned.update(words)
            return None, stop
        if has_surname and (not ambiguous or any(w in self._words.lexicon.surnames for w in more)):
            if is_told_in_a_lesson(seen, start, stop):
                mentioned.update(words)
                return None, stop
            return Name(start, stop, words), stop
        if word in self._words.roster.given:
            return (
                Name(start, stop, words)
                if not ambiguous
                or len(more)
                or is_used_as_name(seen, start)
                or is_spoken_of(seen, start, stop)
                or is_called_first(seen, start, stop)
                or DID_AT_SCHOOL.match(seen.folded, stop)
                else None
            ), stop
        if word in mentioned:
            return None, stop
        if ambiguous and not any(
            w in self._words.lexicon.given and w not in self._words.lexicon.ambiguous for w in more
        ):
            return (Name(start, stop, words) if is_spoken_of(seen, start, stop) else None), stop
        if (
            (not personal and is_in_an_exercise(seen, start, stop))
            or is_beside_figures(seen, start, stop)
            or is_told_in_a_lesson(seen, start, stop)
        ):
            mentioned.update(words)
            left.append(Name(start, stop, words))
            return None, stop
        if not (more or personal or is_of_here_and_now(seen, start, stop)):
            left.append(Name(start, stop, words))
            return None, stop
        return Name(start, stop, words), stop

    def _among(self, seen: View, found: Sequence[Name], left: Iterable[Name]) -> list[Name]:
        """Given names that looked invented, in a sentence that names somebody of here and now by a surname too."""
        among = []
        for name in left:
            begin, end = sentence_span(seen, name.start, name.end)
            fully = any(begin <= other.start < end and len(other.words) > 1 and other.sure for other in found)
            if fully and not self._figures.stand_in(seen.text, seen.folded, begin, end):
                among.append(name)
        return among

    def _of_papers(self, seen: View, shaped: Sequence[Finding]) -> list[Name]:
        """Who stands right before a paper's number, in whatever list the name may be."""
        named = []
        for start, end in named_beside(seen, shaped):
            words = name_words(seen.text[start:end])
            known = any(self._words.is_given(word) or self._words.is_surname(word) for word in words)
            if words and known and words[0] not in cues.NOT_NAMES and not self._own_terms.holds(words):
                named.append(Name(start, end, words))
        return named

    def _is_namesake(
        self, seen: View, start: int, end: int, words: tuple[bytes, ...], ahead: Sequence[bytes]
    ) -> bool:
        """Whether somebody has a usual name that a figure has too: in small letters, with a surname more, or where
        somebody's own life is told. `ahead`: the words that are the figure, where these are not.
        """
        figure = [word for word in ahead if word not in PARTICLES]
        if len(figure) < 2 or self._figures.holds(words):
            figure = [*words]
        if len(figure) < 2 or not self._figures.is_usual(figure):
            return False
        begin, stop = sentence_span(seen, start, end)
        return (
            len(words) == len(figure) + 1
            or (len(words) > len(figure) and all(map(self._only_given, figure)))
            or seen.text[start].islower()
            or cues.PRIVATE.search(seen.folded, begin, stop) is not None
        )

    def _only_given(self, word: bytes) -> bool:
        return word in self._words.lexicon.given and word not in self._words.lexicon.surnames

    def _is_called(self, seen: View, start: int, end: int, words: tuple[bytes, ...]) -> bool:
        """Whether the roster has somebody with these given names and no lesson is told: singers may have them."""
        return (
            self._words.roster.has_called(words)
            and not is_of_a_story(seen, start, end)
            and not is_of_a_lesson(seen, start, end, named_fully=False)
        )

    def _starts_list(self, seen: View, start: int) -> bool:
        """Whether surnames may come first here: in a line of a list, or of somebody whom the roster has."""
        word = _NEXT_WORD_HERE.match(seen.folded, start)
        listed = _LINE_START.search(seen.folded, max(0, start - 4), start) is not None
        return listed or (word is not None and word[0] in self._words.roster.surnames)

    def _ends_figure(self, seen: View, start: int, words: tuple[bytes, ...]) -> bool:
        """Whether words before this one make a figure of it: "Rosalind Franklin", "doña Inés"."""
        if not self._figures.mention(words[0]) and words[0] not in PARTICLES:
            return False
        before = seen.folded[max(0, start - 40) : start].split()[-3:]
        if not before or not (
            before[-1] in PARTICLES or words[0] in PARTICLES or before[-1] in self._figures.beside(words[0])
        ):
            return False
        beside = self._figures.beside(words[0])
        return any(
            self._figures.holds([*before[-count:], *words])
            for count in range(1, len(before) + 1)
            # A figure that this word is a part of begins with one that stands beside it there.
            if count == 1 or words[0] in PARTICLES or before[-count] in beside
        )

    def _could_be_lower(self, seen: View, end: int, word: bytes) -> bool:
        if word in self._words.roster.given and word not in self._words.lexicon.ambiguous and len(word) > 3:
            return True
        following = NEXT_WORD.match(seen.folded, end)
        if following is None:
            return False
        second = following[1]
        return (
            second in PARTICLES
            or second in self._words.lexicon.surnames
            or second in self._words.roster.surnames
            or self._words.is_given(second)
        )

    def _lone_surname(
        self, seen: View, start: int, end: int, words: tuple[bytes, ...], *, large: bool
    ) -> Name | None:
        """A surname of the roster by itself: only a rare one, written as a name."""
        rare = (
            words[0] not in self._words.lexicon.surnames
            and len(words[0]) > 3
            and words[0] not in cues.NOT_NAMES
        )
        if not rare and large and words[0] not in self._words.lexicon.common_surnames:
            # "cambia la nota de Bustamante", "me cambiaron del grupo de Escudero"
            begin, stop = sentence_span(seen, start, end)
            taught = _TAUGHT_BY.search(seen.folded, max(0, start - 20), start) is not None
            rare = (
                not self._figures.know(words[0])
                and not self._figures.is_usual(words)
                and (
                    cues.PRIVATE.search(seen.folded, begin, stop) is not None
                    or (taught and cues.SPEAKER.search(seen.folded, begin, stop) is not None)
                )
            )
        if not (large and rare) or not is_used_as_name(seen, start):
            return None
        return Name(start, end, words)


def name_words(text: str) -> tuple[bytes, ...]:
    """The words of a name as the rules compare them."""
    return tuple(word for word in fold(text).encode("latin-1").split() if word not in PARTICLES)
