"""Names that no rule finds, and finds of rules that are none, told by a linear model from all that stands around them.

A surname alone, a name in small letters, a short form: each word of the lists could be somebody's, and what stands
around it tells. What is seen of a word is said here (`looked`), what it adds up to by `name_weights`. A quick look at a
word and its neighbours (`could_be`) leaves out most; it runs for every text, all else for few. Nothing on the roster is
ever taken back. `python -m tests.curation.privacy.teach_names` makes the list of weights from labelled texts.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from itertools import chain, takewhile

from ftworker.curation.privacy import contexts
from ftworker.curation.privacy.cues import NOT_NAMES
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding
from ftworker.curation.privacy.lexicon import PARTICLES, Figures
from ftworker.curation.privacy.name_lists import listed_words
from ftworker.curation.privacy.name_tokens import (
    BETWEEN_PARTS,
    Token,
    case_of,
    sign,
    tokens_before,
    tokens_behind,
    words_around,
    words_beside,
    words_within,
)
from ftworker.curation.privacy.name_weights import NOT_SEEN, Looked, Seen, Told, feature, weights
from ftworker.curation.privacy.spans import Name, NameWords

_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-ÞĀ-ſȘ-ț](?<!\w.)\w{2,}")
_INITIALS_BEFORE = re.compile(r"(?<![\w.])(?:[A-ZÁÉÍÓÚÑ]\. ?){1,3}$")
_INITIAL_BEHIND = re.compile(r" [A-ZÁÉÍÓÚÑ]\.(?!\w)|(?: [a-z]\.)(?= [a-z])| [B-DF-HJ-NP-TV-WZ](?![\w.º'])")
_MOST_FOUND = 25
"""Of other finds, so many are looked at."""
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
ADDED, ADDED_OF_ROSTER = 1.4, -1.0
"""The score from which on a word is a name, and one of the roster."""
KEPT, KEPT_ANNOUNCED = -0.2, -1.6
"""The score under which a find of the rules is none, and one that a phrase announces."""
PASSED, PASSED_OF_ROSTER = -0.7, -2.0
"""The score of the quick look under which nobody looks at a word, and at one of the roster."""
_ROSTER = (b"G", b"S")
HOPELESS = -2.0
"""The score of a word by itself, less the one that it must pass, under which no neighbours make it a name."""
_HARDLY = -1.2
"""What a word adds by itself under which nobody looks at it."""
_BEFORE = ((b"-1", b"kind-1"), (b"-2", b"kind-2"), (b"-3", b""))
_BEHIND = ((b"1", b"kind1"), (b"2", b"kind2"), (b"3", b""))
"""Where one looks at a neighbour, and at what it is."""
_NO_TOKEN = b"$"
_ALONE: list[Seen] = [(b"find", b"none")]


class LearnedNames:
    """The model over the words of one roster, the figures, and the terms that are nobody's name."""

    def __init__(
        self, name_words: NameWords, figures: Figures, own_terms: Figures, told: Told | None = None
    ) -> None:
        self._words, self._figures, self._own_terms = name_words, figures, own_terms
        self._told = weights() if told is None else told
        self._listed = listed_words(name_words)
        self._alike = {word: b"#" + kind for word, kind in self._listed.items() if kind in _PLAIN}
        self._given = frozenset(word for word, kind in self._alike.items() if kind[1:2] in {b"g", b"n"})
        gate = self._told.gate
        alone, kinds = gate.at(b"="), set(self._listed.values())
        small, large = self._own = tuple(
            {word: of_kind[kind] + alone.get(word, NOT_SEEN)[0] for word, kind in self._listed.items()}
            for of_kind in ({kind: self._of_kind(kind, case) for kind in kinds} for case in (b"a", b"A"))
        )
        self.listed = frozenset(
            word
            for word in self._listed
            if alone.get(word, NOT_SEEN)[0] > _HARDLY and (small[word] >= HOPELESS or large[word] >= HOPELESS)
        )
        """Every word that could be a part of a name, less those that hardly ever are."""
        self._before, self._behind = (
            {**table, **{word: table.get(kind, NOT_SEEN) for word, kind in self._alike.items()}}
            for table in (gate.at(b"<"), gate.at(b">"))
        )

    def _of_kind(self, kind: bytes, case: bytes) -> float:
        """What a word adds to the quick look by its lists, less what it must pass."""
        gate = self._told.gate
        added = gate.bias + gate.of(b"list", kind + b"/" + case, b"")
        return added - (PASSED_OF_ROSTER if kind[-1:] in _ROSTER else PASSED)

    def is_plain(self, word: bytes) -> bool:
        """Whether the word is a name and hardly anything else."""
        return word in self._alike

    def is_of_roster(self, word: bytes) -> bool:
        """Whether the roster has the word, or one that it may be a slip of."""
        return self._kind(word)[-1:] in _ROSTER

    def could_be(self, seen: View, start: int, end: int) -> bool:
        """Whether a word of a list could be somebody's, by the word itself and its two neighbours."""
        word, large = seen.folded[start:end], seen.text[start].isupper()
        own = self._own[large].get(word)
        if own is None:
            own = self._of_kind(b"u", b"A" if large else b"a") + self._told.gate.of(b"=", b"", word)
        if own < HOPELESS:
            return False
        before, of_before = self._before.get(word_before(seen, start), NOT_SEEN)
        behind, of_behind = self._behind.get(word_behind(seen, end), NOT_SEEN)
        own += before + behind
        if of_before or of_behind:
            of = self._listed.get(word, b"u") + (b"/A" if large else b"/a")
            own += of_before.get(of, 0.0) + of_behind.get(of, 0.0)
        return own > 0

    def outlook(self, seen: View, start: int, end: int) -> tuple[bytes, ...]:
        """What the quick look sees, by name."""
        word = seen.folded[start:end]
        of = self._listed.get(word, b"u") + (b"/A" if seen.text[start].isupper() else b"/a")
        before, behind = word_before(seen, start), word_behind(seen, end)
        before, behind = self._alike.get(before, before), self._alike.get(behind, behind)
        return (
            feature(b"list", of, b""),
            feature(b"=", b"", word),
            feature(b"<", b"", before),
            feature(b"<", of, before),
            feature(b">", b"", behind),
            feature(b">", of, behind),
        )

    def judged(
        self,
        seen: View,
        found: list[Name],
        passed: Sequence[tuple[int, int]],
        standing: Sequence[tuple[int, int]],
        *,
        announced: Container[Name],
        shaped: Sequence[Finding],
    ) -> list[Name]:
        """The names of a text after all: those that were found, less what is none, with what was missed.

        `passed`: where words of the lists stand that could be somebody's; `standing`: where words stand that the rules
        looked at; `announced`: the finds before which a phrase stands that names somebody.
        """
        if not (found or passed or standing) or not self._told.name:
            return found
        asked = set(passed)
        asked.update(
            place
            for place in self.candidates(seen, standing, around=bool(found or shaped))
            if place not in asked and self.could_be(seen, *place)
        )
        if not (found or asked):
            return found
        others = [(find.start, find.end, find.kind.encode()) for find in shaped]
        kept = [
            name
            for name in found
            if not name.sure
            or self._on_roster(name)
            or not self._is_none(seen, name, found, others, KEPT_ANNOUNCED if name in announced else KEPT)
        ]
        left = [
            place for place in sorted(asked) if not (_covered(place, kept) or self._is_own_term(seen, *place))
        ]
        if len(left) > _MOST_ASKED:
            left = []
        for _ in range(_ROUNDS):
            marked = marks(others, kept)
            fresh = [
                (start, end)
                for start, end in dict.fromkeys((*left, *(self._beside(seen, kept) if kept else ())))
                if self._told.name.score(self.looked(seen, start, end, marked))
                >= self._least(seen.folded[start:end])
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

    def _beside(self, seen: View, names: Sequence[Name]) -> list[tuple[int, int]]:
        """The words right beside names that could belong to them."""
        places = {place for name in names for place in words_beside(seen, name.start, name.end)}
        return [
            (start, end)
            for start, end in sorted(places)
            if not _covered((start, end), names)
            and seen.folded[start:end] not in NOT_NAMES
            and self.could_be(seen, start, end)
            and not self._is_own_term(seen, start, end)
        ]

    def looked(self, seen: View, start: int, end: int, marked: Sequence[tuple[int, int, bytes]]) -> Looked:
        """What is seen of a word: its lists, its letters, and the words, signs and finds around it."""
        word = seen.folded[start:end]
        before, behind, around = (
            tokens_before(seen, start),
            tokens_behind(seen, end),
            words_around(seen, start, end),
        )
        small = seen.text[max(0, start - _NEAR) : end + _NEAR].islower()
        said: list[Seen] = [
            (b"list", b""),
            (b"=", word),
            (b"begins", word[:3]),
            (b"ends", word[-3:]),
            (b"capitals", b"none" if small else b"some"),
            (b"named", b"%d" % min(5, len(self._given.intersection(around)))),
        ]
        for places, tokens in ((_BEFORE, before), (_BEHIND, behind)):
            for (place, kind), token in zip(places, tokens, strict=False):
                said.append((place, token[2][:_LONGEST]))
                if kind and token[2][:1].isalpha():
                    said.append((kind, self._kind(token[2]) + b"/" + case_of(seen, token[0], token[1])))
            said += [(place, _NO_TOKEN) for place, _ in places[len(tokens) :]]
        last, next_ = (tokens[0][2][:_LONGEST] if tokens else _NO_TOKEN for tokens in (before, behind))
        said.append((b"both", last + b" " + next_))
        if len(before) > 1:
            said.append((b"pair<", before[1][2][:_LONGEST] + b" " + last))
        if len(behind) > 1:
            said.append((b"pair>", next_ + b" " + behind[1][2][:_LONGEST]))
        if _stands_in(self._figures, word, before, behind):
            said.append((b"figure", b""))
        if self._figures.know(word):
            said.append((b"telling", b""))
        said += _finds_near(marked, start, end)
        stems = list(dict.fromkeys([each[:_STEM] for each in around]))
        return Looked(self._kind(word), case_of(seen, start, end), said, stems)

    def _is_own_term(self, seen: View, start: int, end: int) -> bool:
        if not self._own_terms:
            return False
        word = seen.folded[start:end]
        return self._own_terms.holds([word]) or _stands_in(
            self._own_terms, word, tokens_before(seen, start), tokens_behind(seen, end)
        )

    def _least(self, word: bytes) -> float:
        return ADDED_OF_ROSTER if self.is_of_roster(word) else ADDED

    def _kind(self, word: bytes) -> bytes:
        return self._listed.get(word, b"x" if word in NOT_NAMES else b"u")

    def _on_roster(self, name: Name) -> bool:
        roster = self._words.roster
        return any(word in roster.given or word in roster.surnames for word in name.words)

    def _is_none(
        self,
        seen: View,
        name: Name,
        found: Sequence[Name],
        others: Sequence[tuple[int, int, bytes]],
        least: float,
    ) -> bool:
        """Whether no word of a find of the rules is anybody's."""
        marked = marks(others, [other for other in found if other is not name][:_MOST_FOUND])
        inside = [token for token in words_within(seen, name.start, name.end) if token[2] not in PARTICLES]
        return bool(inside) and all(
            self._told.name.score(self.looked(seen, start, end, marked)) < least
            for start, end, _ in inside[:4]
        )

    def _whole(self, seen: View, start: int, end: int) -> Name:
        """The name that a word is a part of."""
        word = seen.folded[start:end]
        stop, more, _ = self._words.extended(seen, start, end, word, unknown=False)
        return Name(start, stop, (word, *more))


def marks(others: Iterable[tuple[int, int, bytes]], names: Iterable[Name]) -> list[tuple[int, int, bytes]]:
    """Finds in order, each with its kind."""
    return sorted(chain(others, ((name.start, name.end, b"name") for name in names)))


def _finds_near(marked: Sequence[tuple[int, int, bytes]], start: int, end: int) -> list[Seen]:
    """What was found near a word: the next find to each side."""
    number = bisect_left(marked, (start, 0, b""))
    said: set[Seen] = set()
    for begin, stop, kind in marked[max(0, number - 1) : number + 2]:
        if begin < end and start < stop:
            continue
        far = start - stop if stop <= start else begin - end
        if far < 2:
            said.add((b"find", (b"before " if stop <= start else b"behind ") + kind))
        if far < _FAR:
            of = b"name" if kind == b"name" else b"shape"
            said.add((b"find", (b"near " if far < _NEAR else b"far ") + of))
    return sorted(said) or _ALONE


def word_before(seen: View, start: int) -> bytes:
    """The word right before a place, or the sign where none is."""
    word = seen.words[max(0, start - _LONGEST) : start].rpartition(b" ")[2]
    return word or sign(seen.folded[max(0, start - 2) : start])


def word_behind(seen: View, end: int) -> bytes:
    """The word right behind a place, or the sign where none is."""
    word = seen.words[end + 2 : end + 2 + _LONGEST].partition(b" ")[0]
    return word or sign(seen.folded[end : end + 2])


def _stands_in(figures: Figures, word: bytes, before: Sequence[Token], behind: Sequence[Token]) -> bool:
    """Whether one of these names stands here, of which the word is a part. `before`, `behind`: what is next first."""
    if not figures.mention(word):
        return False
    of_it = figures.beside(word)
    ahead, after = (
        list(takewhile(lambda each: each in of_it or each in PARTICLES, (token[2] for token in tokens)))
        for tokens in (before, behind)
    )
    return any(
        figures.holds([*ahead[:first][::-1], word, *after[:last]])
        for first in range(len(ahead) + 1)
        for last in range(min(len(after), 4 - first) + 1)
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
