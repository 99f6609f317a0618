"""Names of people: by the roster, by the phrases that announce them, by a list of given names and what follows.

One pass of an automaton over the words of a text finds every phrase and every word that could begin a name; all other
work is around those places alone. Who is of a lesson (an author, a king, the Ana of a sum) is told by the list of known
figures and by the words around the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ahocorasick_rs import BytesAhoCorasick

from ftworker.curation.privacy import cues, triggers
from ftworker.curation.privacy.cues import Cue
from ftworker.curation.privacy.folding import View, fold
from ftworker.curation.privacy.lexicon import PARTICLES, Figures, known_figures, lexicon
from ftworker.curation.privacy.roster import Roster
from ftworker.curation.privacy.triggers import Family

_NEXT_WORD = re.compile(rb"(?: {1,2}|-)([a-z_]+(?:'[a-z]{2,})?)")
_FIRST_WORD = re.compile(
    rb"[ \t\"'(*_\xab\xbf\xa1]{0,4}(?:(?:la|el|en|na|l'|n'|d'|don|dona|sr\.|sra\.) ?)?([a-z_]+)"
)
_CAPITAL_BEFORE = re.compile(r"\b[^\W\d_a-zñáéíóúàèò]\w+ (?:de |del |y |i |la )*$")
_VERY_NEXT_WORD = re.compile(rb" ?[\"*\xab]?([a-z_]+)")
_SURNAMES_BEFORE = re.compile(rb"((?:[a-z_\-]+ ){0,3}[a-z_\-]+), ?$")
_SENTENCE_START = re.compile(rb"(?:^|[.!?:\n\"\xab\xbf\xa1(*\x95\-])[ \t]*$")
_ARTICLE_BEFORE = re.compile(rb"\b(?:el|la|los|las|un|una|al|del|mi|tu|su|en|desde|hacia|lo|de la|como) $")
_PERSON_BEFORE_NAME = re.compile(
    rb"\b(?:con|entre|contad[oa] a|conte a|dicho a|dije a|decirle a|le a|amb|y|de parte de|sin) $"
)
_SHOUTED = re.compile(r"[A-ZÁÉÍÓÚÑ]{2,}[ ,]+[A-ZÁÉÍÓÚÑ]{2,}")
_VOCATIVE_END = re.compile(rb"\s*(?:[,.!?;:)\n]|$|\s[^\w\s]|\x02)")
_GREETED = re.compile(rb",? (?:de nuevo,? |otra vez,? )?(?:don |dona |profe |seno )?")
_SIGNED = re.compile(rb"[ \t]*[,.:;\-]*\s{0,4}(?:de )?")
_WORD_BEFORE = re.compile(rb"([a-z_]+)[\"'* ]? ?$")
_SENTENCE_END = re.compile(rb"[.!?\n:;]")

_WINDOW = 120
_MOST_WORDS = 7
_MOST_UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Name:
    """A stretch of a view that names somebody."""

    start: int
    end: int
    words: tuple[bytes, ...]
    """What it says, folded, without particles."""
    sure: bool = True
    """False: a phrase announced a name, and nobody can say whether this is one."""


class NameRules:
    """All rules of names, for one roster and one list of terms that are nobody's name."""

    def __init__(self, roster: Iterable[str], allow: Iterable[str]) -> None:
        self._lexicon = lexicon()
        self._roster = Roster(roster)
        self._own_terms = Figures(allow)
        self._figures = known_figures()
        phrases = [phrase.encode() for phrase in cues.CUES]
        words = self._lexicon.given | self._roster.given | self._roster.surnames
        self._cues = tuple(cues.CUES.values())
        self._first_word = len(phrases) + len(triggers.PHRASES)
        patterns = [b" %b " % phrase for phrase in phrases] + [phrase for phrase, _ in triggers.PHRASES]
        self._automaton = BytesAhoCorasick(patterns + [b" %b " % word for word in sorted(words)])

    def triggers(self, seen: View) -> list[tuple[int, int]]:
        """Which families of rules the words of a text call for, and where. NAMES: a name or a cue could stand there."""
        found = []
        cues_, first_word = len(self._cues), self._first_word
        for pattern, start, end in self._automaton.find_matches_as_indexes(seen.words, overlapping=True):
            if pattern < cues_:
                found.append((start, Family.NAMES))
            elif pattern < first_word:
                found.append((start, triggers.PHRASES[pattern - cues_][1]))
            elif seen.text[start].isupper() or self._could_be_lower(
                seen, end - 2, seen.folded[start : end - 2]
            ):
                found.append((start, Family.NAMES))
        return found

    def find(self, seen: View) -> list[Name]:
        """Every name, in order and without overlaps."""
        announced: list[Name] = []
        places: list[tuple[int, int]] = []
        for pattern, start, end in self._automaton.find_matches_as_indexes(seen.words, overlapping=True):
            if pattern < len(self._cues):
                announced += self._announced(seen, self._cues[pattern], start, end - 2)
            elif pattern >= self._first_word:
                places.append((start, end - 2))
        if not announced and not places:
            return []
        names = _apart(announced)
        mentioned: set[bytes] = set()
        found: list[Name] = list(names)
        covered = 0
        for start, end in sorted(places):
            if start < covered or any(name.start <= start < name.end for name in names):
                continue
            name, covered = self._standing(seen, start, end, mentioned, covered)
            if name is not None:
                found.append(name)
                covered = name.end
        return _apart(found)

    def again(self, seen: View, known: Iterable[Name]) -> list[Name]:
        """Where the people who are known by now are named again, by a part of their names or in lower case."""
        words = {word for name in known for word in name.words if len(word) > 2 and word not in PARTICLES}
        found = []
        for word in words:
            if word in cues.NOT_NAMES and word not in self._lexicon.given:
                continue
            place = seen.words.find(b" %b " % word)
            while place != -1:
                if self._is_again(seen, place, place + len(word), word):
                    end, more, _ = self._extended(seen, place, place + len(word), word, unknown=False)
                    if not self._is_elsewhere(seen, place, end, (word, *more), words):
                        found.append(Name(place, end, (word, *more)))
                place = seen.words.find(b" %b " % word, place + 1)
        return _apart(found)

    def is_given(self, word: bytes) -> bool:
        """Whether it is somebody's given name, by the roster or the list."""
        return word in self._roster.given or word in self._lexicon.given

    # A name that a phrase announces.

    def _announced(self, seen: View, cue: Cue, start: int, end: int) -> Iterator[Name]:
        folded = seen.folded
        match cue:
            case Cue.SELF:
                # "me llamó la atención" is the past of another verb.
                if seen.text[start:end].endswith(("ó", "Ó")):
                    return
                name = self._first(seen, end, cue, unknown_lower=True)
                if name is None and folded[end : end + 4].rstrip() in {b":", b" es", b" is", b" a:"}:
                    name = self._first(
                        seen, end + len(folded[end : end + 4].rstrip()), cue, unknown_lower=True
                    )
            case Cue.CALLED:
                person = cues.PERSON_BEFORE.search(folded, max(0, start - 60), start) is not None
                name = self._first(seen, end, cue, unknown_lower=True) if person else None
            case Cue.WEAK:
                name = self._first(seen, end, cue)
            case Cue.ROLE:
                name = self._after_role(seen, start, end)
            case Cue.TITLE:
                name = self._after_title(seen, start, end)
            case Cue.GREETING:
                name = self._greeted(seen, end)
            case Cue.SIGNATURE:
                gap = _SIGNED.match(folded, end)
                name = self._first(seen, gap.end(), cue) if gap and gap.end() > end else None
                if name is not None and not _VOCATIVE_END.match(folded, name.end):
                    name = None
            case Cue.AFTER:
                word = _WORD_BEFORE.search(folded, max(0, start - 40), start)
                name = self._at(seen, word.start(1), word.end(1), cue) if word else None
        if name is not None:
            yield name

    def _after_role(self, seen: View, start: int, end: int) -> Name | None:
        before = _WORD_BEFORE.search(seen.folded, max(0, start - 30), start)
        if (
            before is not None
            and before[1] not in cues.OF_THE_SPEAKER
            and self._is_of_a_story(seen, start, end)
        ):
            return None
        if before is None or before[1] not in cues.DETERMINERS:
            # "Profe Marta, ...": a role that is spoken to.
            if not _SENTENCE_START.search(seen.folded[max(0, start - 3) : start]):
                return None
        gap = cues.AFTER_ROLE.match(seen.folded, end)
        called = gap is not None and gap[0].rstrip().endswith(
            (b"llama", b"llamaba", b"diu", b"called", b"named", b"llamado", b"llamada")
        )
        candidates = [(gap.end(), called)] if gap and gap.end() > end else []
        of = cues.AFTER_ROLE_OF.match(seen.folded, end)
        direct = seen.folded[end : end + 1] == b" "
        if direct:
            candidates.insert(0, (end + 1, False))
        if of:
            candidates.append((of.end(), False))
        for place, announced in candidates:
            name = self._first(seen, place, Cue.ROLE, unknown_lower=announced, article=announced)
            if name is not None and not (
                place == (of.end() if of else -1) and not self.is_given(name.words[0])
            ):
                return name
        return None

    def _is_of_a_story(self, seen: View, start: int, end: int) -> bool:
        around = seen.folded[max(0, start - _WINDOW) : end + _WINDOW]
        return (
            cues.LESSON.search(around) is not None
            and cues.SPEAKER.search(self._sentence(seen, start, end)) is None
        )

    def _after_title(self, seen: View, start: int, end: int) -> Name | None:
        title = seen.folded[start:end]
        # "D. Pedro" is a title, the letter d is none.
        if title == b"d" and not (seen.text[start] == "D" and seen.folded[end : end + 2] == b". "):
            return None
        gap = end + (1 if seen.folded[end : end + 1] in {b".", b"\xaa"} else 0)
        gap += 1 if seen.folded[gap : gap + 1] == b"." else 0
        name = self._first(seen, gap, Cue.TITLE, article=False)
        return None if name is None or self._figures.holds([title, *name.words]) else name

    def _greeted(self, seen: View, end: int) -> Name | None:
        gap = _GREETED.match(seen.folded, end)
        if gap is None:
            return None
        name = self._first(seen, gap.end(), Cue.GREETING, article=False)
        if name is None or not _VOCATIVE_END.match(seen.folded, name.end):
            return None
        return name

    def _first(
        self, seen: View, place: int, cue: Cue, *, unknown_lower: bool = False, article: bool = True
    ) -> Name | None:
        """The name whose first word stands right at the place."""
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
        return self._at(seen, word.start(1), word.end(1), cue, unknown_lower=unknown_lower)

    def _at(self, seen: View, start: int, end: int, cue: Cue, *, unknown_lower: bool = False) -> Name | None:
        word = seen.folded[start:end]
        large = seen.text[start].isupper()
        given = self.is_given(word)
        surname = word in self._lexicon.surnames or word in self._roster.surnames
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
        elif given and word not in self._lexicon.ambiguous:
            if cue is Cue.WEAK and not (word in self._lexicon.given or len(word) > 3):
                return None
        elif unknown_lower and len(word) > 2 and (given or word not in self._lexicon.common_surnames):
            sure = given
        else:
            return None
        end, more, _ = self._extended(seen, start, end, word, unknown=True)
        words = (word, *more)
        if self._own_terms.holds(words) or (
            cue is not Cue.SELF and self._is_figure(words) and not self._roster.is_person(words)
        ):
            return None
        return Name(start, end, words, sure)

    # A name that stands by itself.

    def _standing(
        self, seen: View, start: int, end: int, mentioned: set[bytes], covered: int
    ) -> tuple[Name | None, int]:
        """The name that begins here, if one does, and where to look on."""
        word = seen.folded[start:end]
        large = seen.text[start].isupper()
        listed = word in self._lexicon.given
        ambiguous = word in self._lexicon.ambiguous
        if large and ambiguous and word not in self._lexicon.public:
            ambiguous = _SENTENCE_START.search(seen.folded, max(0, start - 4), start) is not None
        if not large and not self._could_be_lower(seen, end, word):
            return None, end
        stop, more, has_surname = self._extended(seen, start, end, word, unknown=listed and not ambiguous)
        words = (word, *more)
        if self._own_terms.holds(words) or self._own_terms.begins(list(words)):
            return None, stop
        # Surnames before a comma: "García López, Lucía".
        before = self._surnames_before(seen, start) if large and self.is_given(word) else None
        if before is not None and before[0] >= covered:
            return Name(before[0], stop, (*words, *before[1])), stop
        if self._roster.is_person(words):
            return Name(start, stop, words), stop
        figure = self._figures.begins(ahead := self._ahead(seen, end, word))
        if self._is_figure(words) or figure > 1:
            mentioned.update(words, ahead[:figure])
            return None, max(stop, end + len(b" ".join(ahead[1:figure])))
        if word not in self._roster.given and not listed:
            return self._lone_surname(seen, start, stop, words, large=large), stop
        if not large:
            if (
                has_surname
                and listed
                and not ambiguous
                and any(w not in self._lexicon.common_surnames for w in more)
            ):
                return Name(start, stop, words), stop
            return (
                Name(start, stop, words)
                if word in self._roster.given and not listed and len(word) > 3
                else None
            ), stop
        acronym = (
            not more
            and stop - start < 5
            and seen.text[start:stop].isupper()
            and not _SHOUTED.search(seen.text[max(0, start - 12) : stop + 12])
        )
        if acronym or self._is_of_a_lesson(seen, start, stop, named_fully=has_surname):
            mentioned.update(words)
            return None, stop
        if has_surname and (not ambiguous or any(w in self._lexicon.surnames for w in more)):
            return Name(start, stop, words), stop
        if word in self._roster.given:
            return (
                Name(start, stop, words)
                if not ambiguous or len(more) or self._is_used_as_name(seen, start)
                else None
            ), stop
        if word in mentioned:
            return None, stop
        if ambiguous and not any(w in self._lexicon.given and w not in self._lexicon.ambiguous for w in more):
            return (Name(start, stop, words) if self._is_spoken_of(seen, start, stop) else None), stop
        if self._is_in_an_exercise(seen, start, stop):
            mentioned.update(words)
            return None, stop
        return Name(start, stop, words), stop

    def _ahead(self, seen: View, end: int, word: bytes) -> list[bytes]:
        """The word and those after it, whatever they are, as far as a figure's name could go."""
        words = [word]
        while len(words) < _MOST_WORDS and (found := _NEXT_WORD.match(seen.folded, end)) is not None:
            words.append(found[1])
            end = found.end()
        return words

    def _is_spoken_of(self, seen: View, start: int, end: int) -> bool:
        """Whether somebody speaks of here and now, and of this as of a person: "se lo conté a Luz"."""
        if _PERSON_BEFORE_NAME.search(seen.folded, max(0, start - 15), start) is None:
            return False
        sentence = self._sentence(seen, start, end)
        return cues.SPEAKER.search(sentence) is not None and cues.LESSON.search(sentence) is None

    def _could_be_lower(self, seen: View, end: int, word: bytes) -> bool:
        if word in self._roster.given and word not in self._lexicon.given and len(word) > 3:
            return True
        following = _NEXT_WORD.match(seen.folded, end)
        if following is None:
            return False
        second = following[1]
        return (
            second in PARTICLES
            or second in self._lexicon.surnames
            or second in self._roster.surnames
            or self.is_given(second)
        )

    def _lone_surname(
        self, seen: View, start: int, end: int, words: tuple[bytes, ...], *, large: bool
    ) -> Name | None:
        """A surname of the roster by itself: only a rare one, written as a name."""
        rare = words[0] not in self._lexicon.surnames and len(words[0]) > 3 and words[0] not in cues.NOT_NAMES
        if not (large and rare) or not self._is_used_as_name(seen, start):
            return None
        return Name(start, end, words)

    def _is_used_as_name(self, seen: View, start: int) -> bool:
        before = seen.folded[max(0, start - 20) : start]
        return _SENTENCE_START.search(before) is None and _ARTICLE_BEFORE.search(before) is None

    def _is_figure(self, words: tuple[bytes, ...]) -> bool:
        if self._figures.holds(words):
            return True
        count = self._figures.begins(list(words))
        # "Isaac Newton Inglaterra" begins with a figure; "Lorca Pérez" may be a pupil.
        return count >= 2 and count >= len(words) - 2

    def _is_of_a_lesson(self, seen: View, start: int, end: int, *, named_fully: bool) -> bool:
        before = seen.folded[max(0, start - 45) : start]
        if cues.SAINT_OR_RANK.search(before) or cues.PLACE_BEFORE.search(before):
            return True
        if cues.NUMERAL_AFTER.match(seen.text, end) and not named_fully:
            return True
        return (
            cues.EPONYM_BEFORE.search(before) is not None
            or cues.FIGURE_AFTER.match(seen.folded, end) is not None
        )

    def _is_in_an_exercise(self, seen: View, start: int, end: int) -> bool:
        """An invented person: of a sum, of a sentence to be parsed, of a story that is read in class."""
        quoted = seen.folded[max(0, start - 200) : start]
        if quoted.rfind(b"\xab") > quoted.rfind(b"\xbb"):
            return True  # «Vi a Marta en el parque»: the sentence of an exercise
        if cues.SPEAKER.search(self._sentence(seen, start, end)):
            return False
        around = seen.folded[max(0, start - _WINDOW) : end + _WINDOW]
        if cues.LESSON.search(around):
            return True
        return cues.EXERCISE.search(around) is not None and cues.QUANTITY.search(around) is not None

    def _sentence(self, seen: View, start: int, end: int) -> bytes:
        """The sentence around a name; at most 200 characters to each side."""
        folded = seen.folded
        earliest = max(0, start - 200)
        since = max(folded.rfind(sign, earliest, start) for sign in (b".", b"!", b"?", b"\n", b":")) + 1
        ended = _SENTENCE_END.search(folded, end, end + 200)
        return folded[max(since, earliest) : ended.end() if ended else end + 200]

    # The words of a name.

    def _extended(
        self, seen: View, start: int, end: int, word: bytes, *, unknown: bool
    ) -> tuple[int, list[bytes], bool]:
        """Where the name that begins here ends, its further words, and whether a surname is among them.

        `unknown`: words in no list belong to it when they have a capital.
        """
        folded, text = seen.folded, seen.text
        large = text[start].isupper()
        shouted = large and text[start:end].isupper()
        words: list[bytes] = []
        surnames = unknowns = 0
        begins_with_surname = not self.is_given(word)
        while len(words) < _MOST_WORDS:
            found = _NEXT_WORD.match(folded, end)
            if found is None:
                break
            following, stop = found[1], found.end()
            while following in PARTICLES and stop - end < 16:
                found = _NEXT_WORD.match(folded, stop)
                if found is None:
                    break
                if following in {b"y", b"i", b"e"} and not (
                    surnames and self._is_surname(found[1]) and not self._only_given(found[1])
                ):
                    found = None
                    break
                following, stop = found[1], found.end()
            if found is None or following in PARTICLES:
                break
            joined = found.start() > end  # over a particle
            here = found.start(1)
            if text[here].isupper() != large:
                break
            if len(following) == 1:
                if large and not joined and folded[stop : stop + 1] == b".":
                    end = stop + 1
                    continue
                break
            if self._is_surname(following) and (large or self._continues_in_lower(word, words, following)):
                surnames += 1
            elif (
                self.is_given(following)
                and (not surnames or begins_with_surname)
                and (not joined or word in {b"maria", b"juan", b"jose", b"m"})
            ):
                if not large and following in self._lexicon.ambiguous:
                    break
            elif (
                large
                and surnames
                and not shouted
                and b" de l" in folded[end:here]
                and self._may_be_surname(following, text[here:stop])
            ):
                surnames += 1  # "Ruiz de la Torre"
            elif (
                large
                and unknown
                and not joined
                and not shouted
                and unknowns < _MOST_UNKNOWN
                and self._may_be_surname(following, text[here:stop])
            ):
                unknowns += 1
                surnames += 1
            elif self._roster.is_person([word, *words, following]):
                surnames += 1
            else:
                break
            words.append(following)
            end = stop
        return end, words, surnames > 0

    def _is_surname(self, word: bytes) -> bool:
        return word in self._lexicon.surnames or word in self._roster.surnames

    def _only_given(self, word: bytes) -> bool:
        return word in self._lexicon.given and word not in self._lexicon.surnames

    def _continues_in_lower(self, first: bytes, words: list[bytes], following: bytes) -> bool:
        return (
            following not in self._lexicon.common_surnames
            or bool(words)
            or self._roster.is_person([first, *words, following])
        )

    def _may_be_surname(self, word: bytes, written: str) -> bool:
        return (
            len(word) > 2
            and word not in cues.NOT_NAMES
            and not written.isupper()
            and not (set(written) <= set("IVX"))
        )

    def _surnames_before(self, seen: View, start: int) -> tuple[int, list[bytes]] | None:
        found = _SURNAMES_BEFORE.search(seen.folded, max(0, start - 50), start)
        if found is None:
            return None
        # From the comma back as far as surnames with capitals go.
        taken: list[bytes] = []
        begin = found.end(1)
        for word in reversed(list(re.finditer(rb"[a-z_]+", found[1]))):
            at = found.start(1) + word.start()
            if word[0] in PARTICLES and taken:
                continue
            if not (seen.text[at].isupper() and self._is_surname(word[0])):
                break
            taken.insert(0, word[0])
            begin = at
        if _CAPITAL_BEFORE.search(seen.text, max(0, begin - 25), begin):
            return None  # "Federico García, Rafael": a name of its own
        lone = len(taken) == 1 and not _SENTENCE_START.search(seen.folded[max(0, begin - 3) : begin])
        return (begin, taken) if taken and not lone else None

    def _is_again(self, seen: View, start: int, end: int, word: bytes) -> bool:
        if seen.text[start].isupper():
            before = seen.folded[max(0, start - 45) : start]
            if cues.SAINT_OR_RANK.search(before) or cues.PLACE_BEFORE.search(before):
                return False
            return not (word in self._lexicon.ambiguous and _ARTICLE_BEFORE.search(before))
        if word in self._lexicon.ambiguous or word in self._lexicon.common_surnames:
            return False
        return self.is_given(word) or self._is_surname(word)

    def _is_elsewhere(
        self, seen: View, start: int, end: int, words: tuple[bytes, ...], known: set[bytes]
    ) -> bool:
        """Whether this is a part of somebody else's name: of a figure's, or after a given name that nobody has here."""
        if (
            self._is_figure(words)
            or self._figures.begins(self._ahead(seen, start + len(words[0]), words[0])) > 1
        ):
            return True
        before = _WORD_BEFORE.search(seen.folded, max(0, start - 25), start)
        return (
            before is not None
            and before[1] not in known
            and before[1] not in cues.NOT_NAMES
            and (
                _CAPITAL_BEFORE.search(seen.text, max(0, start - 25), start) is not None
                and self.is_given(before[1])
            )
        )


def _apart(names: list[Name]) -> list[Name]:
    """In order and without overlaps; of names that overlap the longest, a sure one before an unsure one of the same length."""
    kept: list[Name] = []
    for name in sorted(names, key=lambda name: (name.start, -name.end, not name.sure)):
        if kept and name.start < kept[-1].end:
            if name.end - name.start > kept[-1].end - kept[-1].start:
                kept[-1] = name
            continue
        kept.append(name)
    return kept


def name_words(text: str) -> tuple[bytes, ...]:
    """The words of a name as the rules compare them."""
    return tuple(word for word in fold(text).encode("latin-1").split() if word not in PARTICLES)
