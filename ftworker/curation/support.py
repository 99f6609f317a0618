"""How much of a text's content stands in other texts: the measure behind `unsupported` and `refusal`. Pure.

Content is words of four letters and more that are no little words, cut to their first five letters, so that
"fotosíntesis" meets "fotosintéticas". Numbers are left out: a tutor reckons, and right results stand in no chunk.
It is no proof of truth either way: it tells an answer that leans on its chunks from one that does not know them
(docs/DATASETS.md has the measured figures).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ftworker.curation.identity import normalised

LEAST_CONTENT_WORDS = 3
"""With fewer different content words nobody can tell."""
_STEM_LETTERS = 5
_WORD = re.compile(r"[^\W\d_]{4,}")
# Spanish, Catalan and English words that say nothing of a subject, without accents.
_LITTLE_WORDS = (
    "para como pero esta este esto estas estos esos esas cuando entre sobre tambien hasta donde desde todo todos toda "
    "todas otro otra otros otras porque segun mientras aunque entonces puede pueden puedes tiene tienen tienes hace "
    "hacer cada luego despues antes solo mismo misma estan cual cuales quien tanto mucho mucha muchos muchas poco algo "
    "nada siempre ejemplo respuesta pregunta lugar forma manera parte decir dice unos unas aqui amb aquest aquesta "
    "perque quan molt sempre abans nomes that this with from have which when what where your there their they will "
    "about into because does example answer question"
)
_LITTLE_STEMS = frozenset(word[:_STEM_LETTERS] for word in _LITTLE_WORDS.split())


def content_stems(text: str) -> set[str]:
    """The different content words of a text, cut to their stems."""
    return {word[:_STEM_LETTERS] for word in _WORD.findall(normalised(text))} - _LITTLE_STEMS


def support(text: str, sources: Iterable[str]) -> float | None:
    """Share of the text's content that stands in the sources; None where it has too little to tell."""
    stems = content_stems(text)
    if len(stems) < LEAST_CONTENT_WORDS:
        return None
    return len(stems & content_stems("\n".join(sources))) / len(stems)
