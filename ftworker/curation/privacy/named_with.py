"""Who is named together with somebody: the other of two, and the rest of a row."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.lexicon import Figures
from ftworker.curation.privacy.spans import Name, NameWords

# The other of two: "somos Macarena y Triana", "a Nicolás delante y a Germán detrás".
_AND_NAME = re.compile(
    rb"(?: (?!(?:y|i|e|and|eta) )[a-z_]{3,12})? (?:y|i|e|and|eta) (?:a |con |amb )?([a-z_]+)"
)
_NAME_AND = re.compile(rb"\b([a-z_]+) (?:y|i|e|and|eta) (?:a |con |amb )?$")
_NAME_IN_A_ROW = re.compile(rb", ([a-z_]{3,})(?=,| (?:y|i|e|eta) )")
_PAIR_BEFORE = re.compile(rb"\b(?:somos|som|son|entre|con|amb|a|companer\w+|amig\w+|herman\w+) $")


def named_with(
    seen: View, found: Sequence[Name], name_words: NameWords, own_terms: Figures, figures: Figures
) -> list[Name]:
    """Given names that an "and" joins to somebody who was found, though alone they may be a word."""
    beside = []
    for name in found:
        if not name.sure:
            continue
        after = _AND_NAME.match(seen.folded, name.end)
        before = _NAME_AND.search(seen.folded, max(0, name.start - 30), name.start)
        # Of "Teresa, Noelia, Macarena y Sol" the last two are nobody by themselves.
        row = _NAME_IN_A_ROW.match(seen.folded, name.end) if len(found) > 1 else None
        for other, pair in (
            (after, name.start),
            (before, before.start(1) if before else 0),
            (row, name.start),
        ):
            if other is None or not seen.text[other.start(1)].isupper() or len(other[1]) < 3:
                continue
            word, start, end = other[1], other.start(1), other.end(1)
            # Of what is also a place or a month, only where people are spoken of.
            if not name_words.is_given(word) or (
                word in name_words.lexicon.public
                and other is not row
                and not _PAIR_BEFORE.search(seen.folded, max(0, pair - 15), pair)
            ):
                continue
            if other is not before:
                end, more, _ = name_words.extended(seen, start, end, word, unknown=False)
                words = (word, *more)
            else:
                words = (word,)
            if not (own_terms.holds(words) or figures.include(words)):
                beside.append(Name(start, end, words))
    return beside
