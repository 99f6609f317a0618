"""The test set, and the figures that the rules reach on it. Also used by benchmarks/bench_privacy.py.

`personal.jsonl` holds texts with the places of their personal data, `lessons.jsonl` texts that hold none and look as
if, `roster.txt` the pupils and staff of the invented school. Each text says to which of three sets it belongs. Sets
were written one after the other; what the rules reached at first sight stands in docs/PRIVACY.md, and only then were
their faults on it looked at. `independent*` was written by somebody who had seen neither the rules nor these sets; half
of its names are on its roster, and the people of its exercises are counted apart. `second*` was written in the same way
by somebody else, after the faults on it had been mended, and `third*` by somebody else again, after the rules had been
written anew by the ways in which people write. `fourth*` was written so once more, after figures had been told from
pupils by the words of a lesson. `fifth*` are two such sets, of which one half each was held back until all else was
done; what the held half had at first sight stands in docs/PRIVACY.md, and then it was looked at as well.
`sixth*` to `tenth*` were written by another author each, and measured once before they were looked at.
`grammar*` was never unseen: each kind in every way of writing it that
came to mind, with lessons that look as if, written by the author of the rules to develop them by. All are invented.

`python -m tests.curation.privacy.measured FOLDER... [--show]` prints the figures of other sets, by kind: of folders
with `personal.jsonl`, `lessons.jsonl`, `exercises.jsonl` and `roster.txt` (in the folder or beside it). It prints no
text unless asked.
"""

from __future__ import annotations

import argparse
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
FIFTH = 9
SIXTH = 10
SEVENTH = 11
EIGHTH = 12
NINTH = 13
TENTH = 14
_FILES = {
    INDEPENDENT: "independent",
    SECOND: "second",
    THIRD: "third",
    GRAMMAR: "grammar",
    FOURTH: "fourth",
    FIFTH: "fifth",
    SIXTH: "sixth",
    SEVENTH: "seventh",
    EIGHTH: "eighth",
    NINTH: "ninth",
    TENTH: "tenth",
}


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


def personal(file: str | Path = "personal.jsonl") -> list[Text]:
    """The texts that hold personal data. `file`: of this folder, or a path of its own."""
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


def lessons(file: str | Path = "lessons.jsonl") -> list[Text]:
    """The texts that hold none."""
    lines = (HERE / file).read_text(encoding="utf-8").split("\n")
    every = map(json.loads, filter(None, lines))
    return [Text(held["text"], (), held["set"]) for held in every if not held.get("people")]


def roster(file: str | Path = "roster.txt") -> list[str]:
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
    apart = _FILES.get(of or 0)
    texts = personal(f"{apart}.jsonl") if apart else personal()
    held = lessons(f"{apart}_lessons.jsonl") if apart else lessons()
    return figures(
        scanner,
        [text for text in texts if of in {None, text.set}],
        [lesson for lesson in held if of in {None, lesson.set}],
    )


def figures(scanner: Scanner, texts: Iterable[Text], held: Sequence[Text]) -> Figures:
    """The figures of a scanner on these texts and these lessons."""
    spans: Counter[Kind] = Counter()
    found: Counter[Kind] = Counter()
    for text in texts:
        finds = scanner.find(text.text)
        spans.update(span.kind for span in text.spans)
        found.update(span.kind for span in text.spans if is_covered(text.text, span, finds))
    alarms: Counter[Kind] = Counter()
    alarmed = []
    for lesson in held:
        finds = scanner.find(lesson.text)
        alarms.update({find.kind for find in finds})
        if finds:
            alarmed.append(lesson.text)
    return Figures(spans, found, len(held), alarms, tuple(alarmed))


def is_covered(text: str, span: Finding, finds: Sequence[Finding]) -> bool:
    """Whether every letter and digit of the span lies in a find; a find over half a name is none."""
    return all(
        any(find.start <= position < find.end for find in finds)
        for position in range(span.start, span.end)
        if text[position].isalnum()
    )


def main() -> None:
    """Print the figures of the folders, by kind, and of all of them together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--show", action="store_true", help="print what was missed and wrongly found")
    options = parser.parse_args()
    parts = [_of_folder(folder, show=options.show) for folder in options.folders]
    for folder, part in zip(options.folders, parts, strict=True):
        _print_figures(str(folder), part)
    if len(parts) > 1:
        _print_figures("all together", sum(parts, Counter()))


def _of_folder(folder: Path, *, show: bool) -> Counter[tuple[str, str]]:
    """How many were asked for and how many were found, by kind and by `(of what, "of" or "found")`."""
    beside = folder if (folder / "roster.txt").exists() else folder.resolve().parent
    alone, with_roster = Scanner(), Scanner(roster=roster(beside / "roster.txt"))
    counted: Counter[tuple[str, str]] = Counter()
    for text in personal(folder / "personal.jsonl"):
        finds, with_names = alone.find(text.text), with_roster.find(text.text)
        for span in text.spans:
            asked = [(span.kind.value, is_covered(text.text, span, finds))]
            if span.kind is Kind.NAME:
                rostered = span in text.rostered
                asked.append(("name, with the roster", is_covered(text.text, span, with_names)))
                asked += [("name on the roster, with it", asked[-1][1])] * rostered
            for label, found in asked:
                counted[label, "of"] += 1
                counted[label, "found"] += found
                if show and not found:
                    print(f"missed {label} {text.text[span.start : span.end]!r}: {text.text!r}")
    for label, file in (("lessons", "lessons.jsonl"), ("exercises", "exercises.jsonl")):
        for text in lessons(folder / file):
            counted[label, "of"] += 1
            finds = alone.find(text.text)
            counted[label, "found"] += bool(finds)
            if show and finds:
                print(f"found in {label} {[text.text[f.start : f.end] for f in finds]}: {text.text!r}")
            counted[f"{label}, with the roster", "of"] += 1
            counted[f"{label}, with the roster", "found"] += bool(with_roster.find(text.text))
    return counted


def _print_figures(title: str, counted: Counter[tuple[str, str]]) -> None:
    asked_for = [kind.value for kind in STRUCTURED if kind is not Kind.RECORD_NUMBER]
    for part in ("of", "found"):
        counted["the twelve kinds with a shape", part] = sum(counted[kind, part] for kind in asked_for)
    print(f"\n{title}")
    for label in (
        *asked_for,
        "the twelve kinds with a shape",
        Kind.RECORD_NUMBER.value,
        *("name", "name, with the roster", "name on the roster, with it"),
        *("lessons", "lessons, with the roster", "exercises", "exercises, with the roster"),
    ):
        of, found = counted[label, "of"], counted[label, "found"]
        print(f"  {label:32} {found:5} of {of:5}" + (f"  {found / of:7.1%}" if of else ""))


if __name__ == "__main__":
    main()
