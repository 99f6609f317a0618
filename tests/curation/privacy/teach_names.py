"""Makes `words/learned_names.tsv`, the model of `ftworker.curation.privacy.learned_names`, from the labelled texts.

`python -m tests.curation.privacy.teach_names [FOLDER...]` writes the file from the sets of this folder, of `practice/`
and of the folders named. With `--held-out` it writes nothing: for each of the folders it teaches a model without it,
and prints what rules alone and rules with the model find there: names without the roster, names on the roster with it,
lessons with a false name. Needs scikit-learn. Prints no text.
"""

from __future__ import annotations

import argparse
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from ftworker.curation.privacy import Kind, Scanner
from ftworker.curation.privacy import learned_names as model
from ftworker.curation.privacy.cues import NOT_NAMES
from ftworker.curation.privacy.folding import view
from ftworker.curation.privacy.name_tokens import words_beside
from ftworker.curation.privacy.name_weights import NOTHING, Told, Weights
from ftworker.curation.privacy.weights import Table
from tests.curation.privacy.fitting import Features, fit, write
from tests.curation.privacy.measured import HERE, Text, is_covered, lessons, personal, roster

PRACTICE = HERE / "practice"
TITLE = "What each feature adds; made by `tests.curation.privacy.teach_names`, see name_weights.py."
FEWEST = 4
"""A feature that fewer words have tells nothing."""


@dataclass(frozen=True)
class Place:
    """Where the texts of a set are."""

    name: str
    personal: Path | None
    lessons: Path | None
    roster: Path | None


@dataclass
class Rows:
    """What is said of the words of one set, as numbers of features, and which of them are of a name."""

    said: list[array[int]] = field(default_factory=list)
    outlook: list[array[int]] = field(default_factory=list)
    names: list[bool] = field(default_factory=list)


def places(folders: Sequence[Path]) -> list[Place]:
    """The sets of this folder and of `practice/`, and those of the folders."""
    every = []
    for file in sorted(HERE.glob("*.jsonl")):
        if file.stem.endswith("lessons"):
            continue
        own = file.stem == "personal"
        held = HERE / ("lessons.jsonl" if own else f"{file.stem}_lessons.jsonl")
        people = HERE / ("roster.txt" if own else f"{file.stem}_roster.txt")
        every.append(Place(file.stem, file, held, people if people.exists() else None))
    practice = (folder for folder in PRACTICE.iterdir() if folder.is_dir())
    every += map(folder_place, sorted({*practice, *(folder.resolve() for folder in folders)}))
    return every


def folder_place(folder: Path) -> Place:
    """The set of a folder, of which files may be missing."""
    folder = folder.resolve()
    files = [folder / name for name in ("personal.jsonl", "lessons.jsonl", "roster.txt")]
    return Place(folder.name, *(file if file.exists() else None for file in files))


def rows_of(place: Place, features: Features) -> Rows:
    """The words of a set's texts, each text without a roster and with its own."""
    rows = Rows()
    people = roster(place.roster) if place.roster else []
    texts = [
        *(personal(place.personal) if place.personal else []),
        *(lessons(place.lessons) if place.lessons else []),
    ]
    with patch.object(model, "weights", lambda: NOTHING):
        scanners = [Scanner(), *([Scanner(roster=people)] if people else [])]
    for scanner in scanners:
        for text in texts:
            _learn(rows, scanner, text, features)
    return rows


def _learn(rows: Rows, scanner: Scanner, text: Text, features: Features) -> None:
    seen = view(text.text)
    if seen.offsets is not None:
        return
    rules = scanner._names  # what the shipped code asks is what is taught
    learned = rules._learned
    found = scanner.find(text.text)
    marked = sorted((find.start, find.end, find.kind.encode()) for find in found)
    standing = [
        (start, end) for start, end, _, _ in rules.places(seen) if seen.folded[start:end] in learned.listed
    ]
    named = [(span.start, span.end) for span in text.spans if span.kind is Kind.NAME]
    given = [(start, end) for start, end in standing if learned.is_plain(seen.folded[start:end])]
    asked = {place for start, end in (*named, *given) for place in words_beside(seen, start, end)}
    asked = {(start, end) for start, end in asked if seen.folded[start:end] not in NOT_NAMES}
    for start, end in sorted({*learned.candidates(seen, standing, around=True), *asked}):
        span = next((span for span in text.spans if span.start < end and start < span.end), None)
        if span is not None and span.kind is not Kind.NAME:
            continue
        others = [mark for mark in marked if not (mark[0] < end and start < mark[1])]
        rows.said.append(features.numbers(learned.looked(seen, start, end, others).features()))
        rows.outlook.append(features.numbers(learned.outlook(seen, start, end)))
        rows.names.append(span is not None)


def teach(every: Iterable[Rows], features: Features) -> dict[str, Table]:
    """What each feature adds, for the quick look and for the whole, by these sets."""
    every = list(every)
    names = [name for rows in every for name in rows.names]
    return {
        "gate": fit([said for rows in every for said in rows.outlook], names, features, fewest=FEWEST),
        "name": fit([said for rows in every for said in rows.said], names, features, fewest=FEWEST),
    }


def told(taught: dict[str, Table]) -> Told:
    """The model as curation has it."""
    return Told(**{name: Weights(table) for name, table in taught.items()})


def figures(place: Place, taught: Told) -> Counter[str]:
    """How many names, names on the roster and lessons the set has, and how many are found."""
    people = roster(place.roster) if place.roster else []
    with patch.object(model, "weights", lambda: taught):
        alone, with_roster = Scanner(), Scanner(roster=people)
    counted: Counter[str] = Counter()
    for text in personal(place.personal) if place.personal else []:
        finds, with_names = alone.find(text.text), with_roster.find(text.text)
        for span in text.spans:
            if span.kind is Kind.NAME:
                counted["names"] += 1
                counted["found"] += is_covered(text.text, span, finds)
                counted["with"] += is_covered(text.text, span, with_names)
                if span in text.rostered:
                    counted["rostered"] += 1
                    counted["found rostered"] += is_covered(text.text, span, with_names)
    for text in lessons(place.lessons) if place.lessons else []:
        counted["lessons"] += 1
        counted["false"] += any(find.kind is Kind.NAME for find in alone.find(text.text))
        counted["false with"] += any(find.kind is Kind.NAME for find in with_roster.find(text.text))
    return counted


def _line(counted: Counter[str]) -> str:
    def share(part: str, whole: str) -> str:
        of = counted[whole]
        return f"{counted[part]:4}/{of:4} {counted[part] / of:6.1%}" if of else "   -"

    return "  ".join(
        (
            share("found", "names"),
            share("with", "names"),
            share("found rostered", "rostered"),
            share("false", "lessons"),
            share("false with", "lessons"),
        )
    )


def _held_out(
    every: dict[str, Rows], held: Sequence[Place], features: Features
) -> Iterator[tuple[Place, Told]]:
    for place in held:
        yield place, told(teach((rows for name, rows in every.items() if name != place.name), features))


def main() -> None:
    """Teach, and write or judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--held-out", action="store_true", help="judge on each folder what the others teach")
    options = parser.parse_args()
    features = Features()
    every = {place.name: rows_of(place, features) for place in places(options.folders)}
    if not options.held_out:
        write("learned_names.tsv", TITLE, teach(every.values(), features))
        return
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for place, model_without in _held_out(
        every, [folder_place(folder) for folder in options.folders], features
    ):
        rules, both = figures(place, NOTHING), figures(place, model_without)
        before += rules
        after += both
        print(f"{place.name}\n  rules {_line(rules)}\n  both  {_line(both)}", flush=True)
    print(f"all together\n  rules {_line(before)}\n  both  {_line(after)}")


if __name__ == "__main__":
    main()
