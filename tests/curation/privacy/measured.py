"""The test set, and the figures that the rules reach on it. Also used by benchmarks/bench_privacy.py.

`personal.jsonl` holds texts with the places of their personal data, `lessons.jsonl` texts that hold none and look as
if, `roster.txt` the pupils and staff of the invented school. Each text says to which of three sets it belongs. Sets
were written one after the other; what the rules reached at first sight stands in docs/PRIVACY.md, and only then were
their faults on it looked at. `independent*` was written by somebody who had seen neither the rules nor these sets; half
of its names are on its roster, and the people of its exercises are counted apart. `second*` was written in the same way
by somebody else, after the faults on it had been mended, and `third*` by somebody else again, after the rules had been
written anew by the ways in which people write. `fourth*` was written so once more, after figures had been told from
pupils by the words of a lesson. `grammar*` was never unseen: each kind in every way of writing it that
came to mind, with lessons that look as if, written by the author of the rules to develop them by. All are invented.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftworker.curation.privacy import Finding, Kind, Scanner
from ftworker.curation.privacy.names import name_words

HERE = Path(__file__).parent
SETS = (1, 2, 3)
INDEPENDENT = 4
SECOND = 5
THIRD = 6
GRAMMAR = 7
FOURTH = 8
_FILES = {INDEPENDENT: "independent", SECOND: "second", THIRD: "third", GRAMMAR: "grammar", FOURTH: "fourth"}


@dataclass(frozen=True)
class Text:
    """A text and where its personal data are."""

    text: str
    spans: tuple[Finding, ...]
    set: int
    rostered: tuple[Finding, ...] = ()
    """The names of people on the roster; told in the independent set alone."""


@dataclass(frozen=True)
class Figures:
    """How many spans were found whole, by kind, and in how many texts of lessons something was."""

    spans: Counter[Kind]
    found: Counter[Kind]
    lessons: int
    alarms: Counter[Kind]
    alarmed: tuple[str, ...]

    def recall(self, kinds: Iterable[Kind]) -> float:
        """The share of the spans of these kinds that were found."""
        asked = list(kinds)
        return sum(self.found[kind] for kind in asked) / sum(self.spans[kind] for kind in asked)

    @property
    def false_alarms(self) -> float:
        """The share of the texts of lessons in which anything was found."""
        return len(self.alarmed) / self.lessons


STRUCTURED = tuple(kind for kind in Kind if kind is not Kind.NAME)


def personal(file: str = "personal.jsonl") -> list[Text]:
    """The texts that hold personal data."""
    texts = []
    for line in (HERE / file).read_text(encoding="utf-8").split("\n"):
        if line:
            held = json.loads(line)
            spans = tuple(Finding(span["start"], span["end"], Kind(span["kind"])) for span in held["spans"])
            rostered = tuple(
                find for find, span in zip(spans, held["spans"], strict=True) if span.get("rostered")
            )
            texts.append(Text(held["text"], spans, held["set"], rostered))
    return texts


def lessons(file: str = "lessons.jsonl") -> list[Text]:
    """The texts that hold none."""
    lines = (HERE / file).read_text(encoding="utf-8").split("\n")
    every = map(json.loads, filter(None, lines))
    return [Text(held["text"], (), held["set"]) for held in every if not held.get("people")]


def roster(file: str = "roster.txt") -> list[str]:
    """The people of the invented school."""
    return [line for line in (HERE / file).read_text(encoding="utf-8").split("\n") if line]


def people_on_the_roster(set_: str) -> list[tuple[Text, Finding]]:
    """The names of people on the roster of an independent set, by its marks; without marks, by all words of a name."""
    texts = personal(f"{set_}.jsonl")
    marked = [(text, span) for text in texts for span in text.rostered]
    if marked:
        return marked
    people = [set(name_words(line)) for line in roster(f"{set_}_roster.txt")]
    return [
        (text, span)
        for text in texts
        for span in text.spans
        if span.kind is Kind.NAME
        and any(person.issuperset(name_words(text.text[span.start : span.end])) for person in people)
    ]


def measure(scanner: Scanner, of: int | None = None) -> Figures:
    """The figures of a scanner on one of the sets, or on all of `SETS`."""
    spans: Counter[Kind] = Counter()
    found: Counter[Kind] = Counter()
    apart = _FILES.get(of or 0)
    for text in personal(f"{apart}.jsonl") if apart else personal():
        if of in {None, text.set}:
            finds = scanner.find(text.text)
            spans.update(span.kind for span in text.spans)
            found.update(span.kind for span in text.spans if is_covered(text.text, span, finds))
    alarms: Counter[Kind] = Counter()
    alarmed = []
    held = lessons(f"{apart}_lessons.jsonl") if apart else lessons()
    asked = [lesson.text for lesson in held if of in {None, lesson.set}]
    for lesson in asked:
        finds = scanner.find(lesson)
        alarms.update({find.kind for find in finds})
        if finds:
            alarmed.append(lesson)
    return Figures(spans, found, len(asked), alarms, tuple(alarmed))


def is_covered(text: str, span: Finding, finds: Sequence[Finding]) -> bool:
    """Whether every letter and digit of the span lies in a find; a find over half a name is none."""
    return all(
        any(find.start <= position < find.end for find in finds)
        for position in range(span.start, span.end)
        if text[position].isalnum()
    )
