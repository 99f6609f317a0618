"""Names that no rule finds, and finds of rules that are none, told by a linear model from all that stands around them.

A surname alone, a name in small letters, a short form: each word of the lists could be somebody's, and what stands
around it tells. The model is a list of features and what each adds (`words/learned_names.tsv`). A quick look at a word
and its neighbours (`gate`) leaves out most; it runs for every text, all else for few. Nothing on the roster is ever
taken back. `python -m tests.curation.privacy.teach_names` makes the list from labelled texts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from ftworker.curation.privacy import contexts
from ftworker.curation.privacy.cues import NOT_NAMES
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding
from ftworker.curation.privacy.lexicon import PARTICLES, Figures
from ftworker.curation.privacy.name_lists import listed_words
from ftworker.curation.privacy.name_tokens import BETWEEN_PARTS, Block, Tokens, sign
from ftworker.curation.privacy.spans import Name, NameWords
from ftworker.curation.privacy.weights import tables

_CAPITAL = re.compile(r"\b[^\W\d_a-zñáéíóúàèòïüç]\w{2,}")
_INITIALS_BEFORE = re.compile(r"(?<![\w.])(?:[A-ZÁÉÍÓÚÑ]\. ?){1,3}$")
_INITIAL_BEHIND = re.compile(r" [A-ZÁÉÍÓÚÑ]\.(?!\w)|(?: [a-z]\.)(?= [a-z])| [B-DF-HJ-NP-TV-WZ](?![\w.º'])")
_AROUND = 25
"""Tokens to each side whose stems count."""
_STEM = 6
_PLAIN = frozenset((b"g", b"gs", b"s", b"n", b"m", b"gG", b"gsG", b"sS", b"uG", b"uS"))
"""Words that are names and hardly anything else: beside another word it does not matter which of them stands there."""
_NEAR, _FAR = 80, 240
"""Within how many characters another find counts, much or little."""
_LONGEST = 14
"""Of a neighbour, so many letters are looked at."""
_ROUNDS = 2
"""What is found says more of what stands beside it: so often the model is asked."""
_MOST_ASKED = 400
"""In a text of more doubtful words than this nobody tells of somebody: it is a list, or made to keep us busy."""
ADDED, ADDED_OF_ROSTER, KEPT = 1.0, -1.0, -0.2
"""The score from which on a word is a name, one of the roster, and under which a find of the rules is none."""
PASSED, PASSED_OF_ROSTER = -0.7, -2.0
"""The score of the quick look under which nobody looks at a word, and at one of the roster."""
_ROSTER = (b"G", b"S")
_HOPELESS = -2.0
"""The score of a word by itself, less the one that it must pass, under which no neighbours make it a name."""
_HARDLY = -1.2
"""What a word adds by itself under which nobody looks at it."""


class Weights(NamedTuple):
    """What each feature adds: to the quick look, and to the whole."""

    gate: dict[bytes, float]
    name: dict[bytes, float]


NOTHING = Weights({}, {})
"""Weights that find nothing and take nothing back."""


@cache
def weights() -> Weights:
    """The list that comes with ftworker, read once a process."""
    read = tables("learned_names.tsv")
    return Weights(read["gate"], read["name"])


class LearnedNames:
    """The model over the words of one roster, the figures, and the terms that are nobody's name."""

    def __init__(
        self, name_words: NameWords, figures: Figures, own_terms: Figures, told: Weights | None = None
    ) -> None:
        self._words, self._figures, self._own_terms = name_words, figures, own_terms
        self._told = weights() if told is None else told
        self._gate, self._bias = self._told.gate, self._told.gate.get(b"bias", 0.0)
        self._listed = listed_words(name_words)
        get = self._gate.get
        self._own = tuple(
            {
                word: self._bias
                + get(kind + case, 0.0)
                + get(b"=" + word, 0.0)
                - (PASSED_OF_ROSTER if kind[-1:] in _ROSTER else PASSED)
                for word, kind in self._listed.items()
            }
            for case in (b"a", b"A")
        )
        self._alike = {word: b"#" + kind for word, kind in self._listed.items() if kind in _PLAIN}

    @property
    def listed(self) -> frozenset[bytes]:
        """Every word that could be a part of a name, less those that hardly ever are."""
        get = self._gate.get
        return frozenset(word for word in self._listed if get(b"=" + word, 0.0) > _HARDLY)

    def is_plain(self, word: bytes) -> bool:
        """Whether the word is a name and hardly anything else."""
        return word in self._alike

    def could_be(self, seen: View, start: int, end: int) -> bool:
        """Whether a word of a list could be somebody's, by the word itself and its two neighbours."""
        word, large, get = seen.folded[start:end], seen.text[start].isupper(), self._gate.get
        own = self._own[large].get(word)
        if own is None:
            own = self._bias + get(b"uA" if large else b"ua", 0.0) + get(b"=" + word, 0.0) - PASSED
        if own < _HOPELESS:
            return False
        before, behind, of_before, of_behind = self._outlook_beside(seen, start, end)
        return own + get(before, 0.0) + get(behind, 0.0) + get(of_before, 0.0) + get(of_behind, 0.0) > 0

    def outlook(self, seen: View, start: int, end: int) -> tuple[bytes, ...]:
        """What the quick look sees."""
        word = seen.folded[start:end]
        of = self._listed.get(word, b"u") + (b"A" if seen.text[start].isupper() else b"a")
        return (of, b"=" + word, *self._outlook_beside(seen, start, end))

    def _outlook_beside(self, seen: View, start: int, end: int) -> tuple[bytes, bytes, bytes, bytes]:
        spaced, folded = seen.words, seen.folded
        before = spaced[max(0, start - _LONGEST) : start].rpartition(b" ")[2]
        behind = spaced[end + 2 : end + 2 + _LONGEST].partition(b" ")[0]
        before = b"<" + (
            self._alike.get(before, before) if before else sign(folded[max(0, start - 2) : start])
        )
        behind = b">" + (self._alike.get(behind, behind) if behind else sign(folded[end : end + 2]))
        of = self._listed.get(folded[start:end], b"u") + (b"A" if seen.text[start].isupper() else b"a")
        return before, behind, of + before, of + behind

    def judged(
        self,
        seen: View,
        found: list[Name],
        passed: Sequence[tuple[int, int]],
        standing: Sequence[tuple[int, int]],
        *,
        shaped: Sequence[Finding],
    ) -> list[Name]:
        """The names of a text after all: those that were found, less what is none, with what was missed.

        `passed`: where words of the lists stand that could be somebody's; `standing`: where words stand that the rules
        looked at.
        """
        if not (self._told.name and (found or passed or standing)):
            return found
        asked = set(passed)
        asked.update(
            place
            for place in self.candidates(seen, standing, around=bool(found or shaped))
            if place not in asked and self.could_be(seen, *place)
        )
        if not (found or asked):
            return found
        text = Tokens(seen)
        others = [(find.start, find.end, find.kind.encode()) for find in shaped]
        kept = [
            name
            for name in found
            if not name.sure or self._on_roster(name) or not self._is_none(text, name, found, others)
        ]
        left = [
            place for place in sorted(asked) if not (_covered(place, kept) or self._is_own_term(text, *place))
        ]
        if len(left) > _MOST_ASKED:
            left = []
        for _ in range(_ROUNDS):
            marked = marks(others, kept)
            fresh = [
                (start, end)
                for start, end in dict.fromkeys((*left, *(self._beside(text, kept) if kept else ())))
                if self.score(self.features(text, start, end, marked)) >= self._least(seen.folded[start:end])
            ]
            if not fresh:
                break
            kept = joined(seen, [*kept, *(self._whole(seen, start, end) for start, end in fresh)])
            left = [place for place in left if not _covered(place, kept)]
        return [with_initials(seen, name) for name in kept]

    def candidates(
        self, seen: View, standing: Iterable[tuple[int, int]], *, around: bool
    ) -> list[tuple[int, int]]:
        """The words that could be somebody's: those of lists, and words with a capital within a sentence.

        `around`: somebody is named in the text, so that words in no list are looked at.
        """
        places = set(standing)
        if around:
            for match in _CAPITAL.finditer(seen.text):
                start, end = match.span()
                word = seen.folded[start:end]
                if (
                    word.isalpha()
                    and word not in PARTICLES
                    and not contexts.begins_sentence(seen.folded, start, 4)
                ):
                    places.add((start, end))
        return sorted(places)

    def _beside(self, text: Tokens, names: Sequence[Name]) -> list[tuple[int, int]]:
        """The words right beside names that could belong to them."""
        places = {place for name in names for place in text.around(name.start).beside(name.start, name.end)}
        return [
            (start, end)
            for start, end in sorted(places)
            if not _covered((start, end), names)
            and text.seen.folded[start:end] not in NOT_NAMES
            and self.could_be(text.seen, start, end)
            and not self._is_own_term(text, start, end)
        ]

    def score(self, said: Iterable[bytes]) -> float:
        """The sum of what the features add."""
        get = self._told.name.get
        return sum([get(feature, 0.0) for feature in said]) + self._told.name[b"bias"]

    def features(
        self, text: Tokens, start: int, end: int, marked: Sequence[tuple[int, int, bytes]]
    ) -> list[bytes]:
        """What is said of a word: its lists, its letters, and the words, signs and finds around it."""
        seen, block = text.seen, text.around(start)
        tokens, at = block.tokens, block.at(start)
        word = seen.folded[start:end]
        listed, case = self._kind(word), block.case(start, end)
        of = listed + case
        said = [of, b"list:" + listed, b"case:" + case, b"=" + word, b"=" + word + case]
        said += [listed + b" begins:" + word[:3], listed + b" ends:" + word[-3:]]
        said.append(of + (b" capitals" if block.capitals else b" small"))
        said.append(of + b" named:%d" % self._count(block))
        said.append(case + b" named:%d" % self._count(block))
        near: list[bytes] = []
        for far in (-3, -2, -1, 1, 2, 3):
            token = tokens[at + far] if 0 <= at + far < len(tokens) else None
            beside = token[2][:_LONGEST] if token is not None else b"$"
            place = b"%d:" % far
            near.append(beside)
            said.append(place + beside)
            if -2 <= far <= 2:
                said.append(case + place + beside)
                said.append(of + place + beside)
                if token is not None and beside[:1].isalpha():
                    kind = b"kind" + place + self._kind(token[2]) + block.case(token[0], token[1])
                    said += (kind, of + kind)
        said.append(b"pair<" + near[1] + b" " + near[2])
        said.append(b"pair>" + near[3] + b" " + near[4])
        said.append(b"both:" + near[2] + b" " + near[3])
        # In the order of the text: a set has another one in each process, and a sum its last bit from that.
        around = tokens[max(0, at - _AROUND) : at + _AROUND + 1]
        said += dict.fromkeys([b"~" + token[2][:_STEM] for token in around])
        if _stands_in(self._figures, block, at):
            said += (b"is:figure", of + b" is:figure")
        if self._figures.know(word):
            said += (b"is:telling", of + b" is:telling")
        said += _finds_near(marked, start, end, case)
        return said

    def _count(self, block: Block) -> int:
        """How many words that are mostly given names stand there, up to five."""
        if block.named < 0:
            given = {
                token[2] for token in block.tokens if self._alike.get(token[2], b"")[:2] in {b"#g", b"#n"}
            }
            block.named = min(5, len(given))
        return block.named

    def _is_own_term(self, text: Tokens, start: int, end: int) -> bool:
        return bool(self._own_terms) and (
            _stands_in(self._own_terms, text.around(start), text.around(start).at(start))
            or self._own_terms.holds([text.seen.folded[start:end]])
        )

    def _least(self, word: bytes) -> float:
        return ADDED_OF_ROSTER if self._kind(word)[-1:] in _ROSTER else ADDED

    def _kind(self, word: bytes) -> bytes:
        return self._listed.get(word, b"x" if word in NOT_NAMES else b"u")

    def _on_roster(self, name: Name) -> bool:
        roster = self._words.roster
        return any(word in roster.given or word in roster.surnames for word in name.words)

    def _is_none(
        self, text: Tokens, name: Name, found: Sequence[Name], others: Sequence[tuple[int, int, bytes]]
    ) -> bool:
        """Whether no word of a find of the rules is anybody's."""
        marked = marks(others, [other for other in found if other is not name][:_AROUND])
        inside = [
            token
            for token in text.around(name.start).within(name.start, name.end)
            if token[2] not in PARTICLES
        ]
        return bool(inside) and all(
            self.score(self.features(text, start, end, marked)) < KEPT for start, end, _ in inside[:4]
        )

    def _whole(self, seen: View, start: int, end: int) -> Name:
        """The name that a word is a part of."""
        word = seen.folded[start:end]
        stop, more, _ = self._words.extended(seen, start, end, word, unknown=False)
        return Name(start, stop, (word, *more))


def marks(others: Iterable[tuple[int, int, bytes]], names: Iterable[Name]) -> list[tuple[int, int, bytes]]:
    """Finds in order, each with its kind."""
    return sorted(chain(others, ((name.start, name.end, b"name") for name in names)))


def _finds_near(marked: Sequence[tuple[int, int, bytes]], start: int, end: int, case: bytes) -> list[bytes]:
    """What was found near a word: the next find to each side."""
    number = bisect_left(marked, (start, 0, b""))
    said = []
    for begin, stop, kind in marked[max(0, number - 1) : number + 2]:
        if begin < end and start < stop:
            continue
        far = start - stop if stop <= start else begin - end
        if far < 2:
            said.append((b"before:" if stop <= start else b"behind:") + kind + case)
        if far < _FAR:
            of = b"name" if kind == b"name" else b"shape"
            said.append((b"near:" if far < _NEAR else b"far:") + of)
            said.append(case + (b"near:" if far < _NEAR else b"far:") + of)
    return said or [b"alone", case + b"alone"]


def _stands_in(figures: Figures, text: Block, at: int) -> bool:
    """Whether one of these names stands here, of which the word is a part."""
    tokens = text.tokens
    if not tokens or not figures.mention(tokens[at][2]):
        return False
    near = [token[2] for token in tokens[max(0, at - 4) : at + 5]]
    here = min(at, 4)
    return any(
        figures.holds(near[first:last])
        for first in range(here, -1, -1)
        for last in range(here + 1, len(near) + 1)
        if last - first < 6 and all(word[:1].isalpha() for word in near[first:last])
    )


def _covered(place: tuple[int, int], names: Sequence[Name]) -> bool:
    number = bisect_left(names, place[1], key=lambda name: name.start)
    return any(name.start < place[1] and place[0] < name.end for name in names[max(0, number - 2) : number])


def joined(seen: View, names: Iterable[Name]) -> list[Name]:
    """Names in order, those that touch or stand side by side as one, with the initials around them."""
    kept: list[Name] = []
    for name in sorted(names, key=lambda name: name.start):
        if kept and (name.start < kept[-1].end or seen.folded[kept[-1].end : name.start] in BETWEEN_PARTS):
            last = kept[-1]
            words_ = tuple(dict.fromkeys((*last.words, *name.words)))
            kept[-1] = Name(last.start, max(last.end, name.end), words_, last.sure or name.sure)
        else:
            kept.append(name)
    return kept


def with_initials(seen: View, name: Name) -> Name:
    """The name with the initials around it: "R. Galán", "Marta G."."""
    before = _INITIALS_BEFORE.search(seen.text, max(0, name.start - 9), name.start)
    behind = _INITIAL_BEHIND.match(seen.text, name.end)
    if before is None and behind is None:
        return name
    start, end = before.start() if before else name.start, behind.end() if behind else name.end
    return Name(start, end, name.words, name.sure)
