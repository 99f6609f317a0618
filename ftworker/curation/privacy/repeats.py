"""Where people whom a conversation has named are named again: by a part of the name, in small letters, in any message.

What names somebody for the first time is in `names` and `announced`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ftworker.curation.privacy import cues
from ftworker.curation.privacy.announced import word_before
from ftworker.curation.privacy.contexts import ARTICLE_BEFORE
from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import Figures
from ftworker.curation.privacy.spans import CAPITAL_BEFORE, Name, NameWords, apart, words_ahead

DID_AT_SCHOOL = re.compile(
    rb" (?:(?:no )?(?:ha|han) [a-z]+[ai]do|falt[ao]|no (?:viene|vino|trae|trajo|puede)|dice que|dijo que|"
    rb"me |nos |"
    rb"necesita|quiere|cumple)\b"
)
"""What somebody does whose name begins the sentence, and no sun or sea does."""


class Repeats:
    """Over the words of one roster, and the figures that are nobody of here."""

    def __init__(self, words: NameWords, figures: Figures) -> None:
        self._words, self._figures = words, figures

    def again(self, views: Sequence[View], known: Iterable[Name]) -> list[list[Name]]:
        """In each view, where people who are known by now are named again: by a part of the name, or in lower case."""
        words = sorted(
            word
            for word in {word for name in known for word in name.words}
            if len(word) > 2 and (word not in cues.NOT_NAMES or word in self._words.lexicon.given)
        )
        if not words:
            return [[] for _ in views]
        known_words = frozenset(words)
        spaced = [(word, b" %b " % word) for word in words]
        return [self._in(seen, spaced, known_words) for seen in views]

    def _in(self, seen: View, words: Iterable[tuple[bytes, bytes]], known: frozenset[bytes]) -> list[Name]:
        found = []
        # A conversation has a few names: to look for each costs less than to build an automaton of them.
        for word, spaced in words:
            start = seen.words.find(spaced)
            while start != -1:
                end, more, _ = self._words.extended(seen, start, start + len(word), word, unknown=False)
                # "candela urrutia" is she again, though a candle is a candle.
                whole = bool(more) and known.issuperset(more)
                if (whole or self._is_again(seen, start, word)) and not self._is_elsewhere(
                    seen, start, (word, *more), known
                ):
                    found.append(Name(start, end, (word, *more)))
                start = seen.words.find(spaced, start + 1)
        return apart(found) if found else found

    def _is_again(self, seen: View, start: int, word: bytes) -> bool:
        if seen.text[start].isupper():
            before = seen.folded[max(0, start - 45) : start]
            if cues.SAINT_OR_RANK.search(before) or cues.PLACE_BEFORE.search(before):
                return False
            return not (word in self._words.lexicon.ambiguous and ARTICLE_BEFORE.search(before))
        if word in self._words.lexicon.ambiguous or word in self._words.lexicon.common_surnames:
            return DID_AT_SCHOOL.match(seen.folded, start + len(word)) is not None
        return self._words.is_given(word) or self._words.is_surname(word)

    def _is_elsewhere(
        self, seen: View, start: int, words: tuple[bytes, ...], known: frozenset[bytes]
    ) -> bool:
        """Whether this is a part of somebody else's name: of a figure's, or after a given name that nobody has here."""
        if self._figures.include(words) or (
            self._figures.mention(words[0])
            and self._figures.begins(
                words_ahead(seen, start + len(words[0]), words[0], self._figures.beside(words[0]))
            )
            > 1
        ):
            return True
        before = word_before(seen.folded, start, 25)
        return (
            before not in known
            and self._words.is_given(before)
            and before not in cues.NOT_NAMES
            and CAPITAL_BEFORE.search(seen.text, max(0, start - 25), start) is not None
        )
