"""Makes the model of `ftworker.curation.privacy.learned` from the labelled texts, and says how it does on unseen ones.

`python -m tests.curation.privacy.teach` writes `words/learned_weights.tsv` and `words/known_words.txt` from all sets of
this folder and of `practice/`. `--held-out SET...` writes nothing: for each of these sets it teaches a model without
its texts, and prints what the rules find in them and what rules and model find. Sets kept elsewhere are named by their
folders. The same texts and rules make the same files. It prints no text.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from ftworker.curation.privacy import Finding, Kind, Scanner, candidates, glance, learned, token_features
from ftworker.curation.privacy.account_shapes import SPOKEN_OF
from ftworker.curation.privacy.folding import View, view
from ftworker.curation.privacy.weights import Table
from tests.curation.privacy.fitting import LEAST_WEIGHT, WORDS, Features, fit, write
from tests.curation.privacy.measured import HERE, STRUCTURED, Text, is_covered, lessons, personal

PRACTICE = HERE / "practice"
MADE_BY = "made by `python -m tests.curation.privacy.teach` from the labelled texts beside it."
FEWEST = 2
"""A feature seen less often says nothing."""
FEWEST_OF_A_KIND, LEAST_OF_A_KIND = 5, 0.5
"""What tells one kind of datum from another is plain, or it is nothing."""
MOST_STEPS = 16
BEFORE_ACCOUNTS, BEHIND_ACCOUNTS = 30, 60
"""How far around a word for accounts every word could be one, in characters."""
_WORD = re.compile(rb"[a-z]{3,}")
Row = tuple[Sequence[bytes], bool]


@dataclass
class Sample:
    """A text of a set, what the rules find in it, and its tokens by what they are."""

    set_: str
    text: Text
    lesson: bool
    found: list[Finding]
    seen: View = field(init=False)

    def __post_init__(self) -> None:
        self.seen = view(self.text.text)

    @property
    def is_plain(self) -> bool:
        """Whether offsets in its view are offsets in the text."""
        return self.seen.offsets is None

    def candidates(self) -> list[token_features.Token]:
        """Every token that could be somebody's."""
        spoken_of = SPOKEN_OF.finditer(self.seen.folded)
        accounts = [(said.start() - BEFORE_ACCOUNTS, said.end() + BEHIND_ACCOUNTS) for said in spoken_of]
        return candidates.candidates(self.seen, [(0, len(self.seen.folded))], accounts)

    def rows(self) -> Iterator[tuple[list[bytes], list[bytes], Kind | None]]:
        """For each candidate what is said of it at a glance, what is said in full, and what it is a part of."""
        seen = self.seen
        for start, end in self.candidates():
            others = [find for find in self.found if not (find.start < end and start < find.end)]
            near = token_features.Marks(seen, others).nearest(start, end)
            span = self.span(start, end)
            yield (
                glance.said(seen, start, end),
                token_features.features(seen, start, end, near),
                span.kind if span else None,
            )

    def span(self, start: int, end: int) -> Finding | None:
        """The labelled datum with a shape that stands here."""
        return next(
            (s for s in self.text.spans if s.kind is not Kind.NAME and s.start < end and start < s.end), None
        )

    def steps(self) -> Iterator[Row]:
        """From each candidate that is a part of a datum outward: what is said of each token, and whether it is too."""
        among = list(token_features.tokens(self.seen))
        for token in self.candidates():
            span = self.span(*token)
            if span is None:
                continue
            first = next(at for at, (start, end) in enumerate(among) if start < token[1] and token[0] < end)
            for side in (-1, 1):
                for at in range(first + side, first + side * (MOST_STEPS + 1), side):
                    if not 0 <= at < len(among):
                        break
                    inside = among[at][0] < span.end and span.start < among[at][1]
                    yield token_features.further(self.seen, among, first, at, side), inside
                    if not inside:
                        break


def samples(folders: Sequence[Path]) -> list[Sample]:
    """All texts of this folder's sets, and of sets kept elsewhere."""
    scanner = Scanner()
    with patch.object(learned, "weights", lambda: learned.NOTHING):
        return [Sample(name, text, lesson, scanner.find(text.text)) for name, text, lesson in _texts(folders)]


def _texts(folders: Sequence[Path]) -> Iterator[tuple[str, Text, bool]]:
    files = []
    for file in sorted(HERE.glob("*.jsonl")):
        if not file.stem.endswith("lessons"):
            held = "lessons.jsonl" if file.stem == "personal" else f"{file.stem}_lessons.jsonl"
            files.append((file.stem, file, HERE / held))
    folders = [*sorted(path for path in PRACTICE.iterdir() if path.is_dir()), *folders]
    files += [(folder.name, folder / "personal.jsonl", folder / "lessons.jsonl") for folder in folders]
    for name, of_personal, of_lessons in files:
        yield from ((name, text, False) for text in (personal(of_personal) if of_personal.exists() else ()))
        yield from ((name, text, True) for text in (lessons(of_lessons) if of_lessons.exists() else ()))


def known_words(every: Iterable[Sample]) -> frozenset[bytes]:
    """Words of more than one text that are no part of a datum there."""
    counted: Counter[bytes] = Counter()
    for sample in every:
        folded = bytearray(sample.seen.folded)
        for span in sample.text.spans if sample.is_plain else ():
            folded[span.start : span.end] = b" " * (span.end - span.start)
        counted.update(set(_WORD.findall(bytes(folded))))
    return frozenset(word for word, texts in counted.items() if texts >= FEWEST)


def teach(every: Sequence[Sample], *, kinds: bool = True) -> dict[str, Table]:
    """The tables that tell these texts' data best, by their names. `kinds`: also of what kind they are."""
    plain = [sample for sample in every if sample.is_plain]
    rows = [row for sample in plain for row in sample.rows()]
    tables = {
        "at_a_glance": _fit([(said, is_ is not None) for said, _, is_ in rows]),
        "somebodys": _fit([(said, is_ is not None) for _, said, is_ in rows]),
        "goes_on": _fit([step for sample in plain for step in sample.steps()]),
    }
    for kind in STRUCTURED if kinds else ():
        of_kind = [(said, is_ is kind) for _, said, is_ in rows if is_ is not None]
        tables[kind.value] = _fit(of_kind, FEWEST_OF_A_KIND, LEAST_OF_A_KIND)
    return tables


def _fit(rows: Sequence[Row], fewest: int = FEWEST, least: float = LEAST_WEIGHT) -> Table:
    features = Features()
    numbers = [features.numbers(said) for said, _ in rows]
    return fit(numbers, [label for _, label in rows], features, fewest=fewest, least=least)


@dataclass
class Reached:
    """What was found in a set held out."""

    data: int = 0
    by_rules: int = 0
    by_both: int = 0
    lessons: int = 0
    alarmed_by_rules: int = 0
    alarmed_by_both: int = 0

    def __add__(self, other: Reached) -> Reached:
        return Reached(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __str__(self) -> str:
        data, held = max(1, self.data), max(1, self.lessons)
        return (
            f"{self.data:5} data: rules {self.by_rules / data:.1%}, and the model {self.by_both / data:.1%}; "
            f"{self.lessons:5} lessons: rules {self.alarmed_by_rules / held:.2%}, "
            f"and the model {self.alarmed_by_both / held:.2%}"
        )


def held_out(every: Sequence[Sample], set_: str) -> Reached:
    """What rules and a model taught without this set find in it."""
    others = [sample for sample in every if sample.set_ != set_]
    known = known_words(others)
    token_features.itself.cache_clear()
    reached = Reached()
    with (
        patch.object(token_features, "known_words", lambda: known),
        patch.object(candidates, "known_words", lambda: known),
    ):
        told = learned.weights_of({**teach(others, kinds=False), Kind.HANDLE.value: {b"bias": 0.0}})
        with patch.object(learned, "weights", lambda: told):
            scanner = Scanner()
            for sample in every:
                if sample.set_ == set_:
                    reached += _reached(sample, scanner.find(sample.text.text))
    return reached


def _reached(sample: Sample, finds: list[Finding]) -> Reached:
    if sample.lesson:
        return Reached(lessons=1, alarmed_by_rules=bool(sample.found), alarmed_by_both=bool(finds))
    text = sample.text.text
    asked = [span for span in sample.text.spans if span.kind not in {Kind.NAME, Kind.RECORD_NUMBER}]
    return Reached(
        data=len(asked),
        by_rules=sum(is_covered(text, span, sample.found) for span in asked),
        by_both=sum(is_covered(text, span, finds) for span in asked),
    )


def main() -> None:
    """Write the model, or print what it reaches on sets held out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="sets kept elsewhere")
    parser.add_argument("--held-out", nargs="+", default=[], metavar="SET", help="for example: ninth tenth")
    options = parser.parse_args()
    every = samples(options.folders)
    if options.held_out:
        reached = [held_out(every, set_) for set_ in options.held_out]
        for set_, figures in zip(options.held_out, reached, strict=True):
            print(f"{set_:12} {figures}")
        print(f"{'all':12} {sum(reached, Reached())}")
        return
    known = known_words(every)
    with (
        patch.object(token_features, "known_words", lambda: known),
        patch.object(candidates, "known_words", lambda: known),
    ):
        taught = teach(every)
    write("learned_weights.tsv", f"What each feature adds; {MADE_BY}", taught)
    words = f"# Words of chats and lessons; {MADE_BY}\n".encode() + b"\n".join(sorted(known)) + b"\n"
    (WORDS / "known_words.txt").write_bytes(words)
    weights = sum(map(len, taught.values()))
    print(f"{len(every)} texts, {len(known)} known words, {weights} weights", file=sys.stderr)


if __name__ == "__main__":
    main()
