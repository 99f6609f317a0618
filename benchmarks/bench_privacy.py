"""What the privacy rules find, what they wrongly find, and how fast, beside a plain assembly of patterns.

Recall and false alarms on the test set of tests/curation/privacy, by kind, with a roster and without. Then the time for
Spanish conversations of 2 KB in which nothing is found, and in which one in ten holds a name and a phone. The plain
assembly is what is usually put together: one `re` pattern a kind, each run over every text, and a list of names.
`python -m benchmarks.bench_privacy [--rounds 30]`. The figures are kept in docs/PRIVACY.md.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count, islice

from benchmarks.spanish_talks import talk
from ftworker.curation.privacy import Finding, Kind, Scanner
from ftworker.curation.privacy.folding import fold
from ftworker.curation.privacy.lexicon import lexicon
from tests.curation.privacy.measured import SETS, STRUCTURED, Figures, measure, roster

TARGET_MILLISECONDS = 0.15
CONVERSATIONS = 400

Way = Callable[[list[str]], object]


class PlainAssembly(Scanner):
    """The patterns that such tools have for these kinds, one after the other, and names from the same list."""

    PATTERNS = (
        (Kind.EMAIL, re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b")),
        (Kind.PHONE, re.compile(r"(?:\+\d{1,3}[ .-]?)?\b\d{3}[ .-]?\d{2,3}[ .-]?\d{2,3}(?:[ .-]?\d{2})?\b")),
        (Kind.DNI, re.compile(r"\b\d{8}[ -]?[A-Za-z]\b")),
        (Kind.NIE, re.compile(r"\b[XYZxyz][ -]?\d{7}[ -]?[A-Za-z]\b")),
        (Kind.IBAN, re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
        (Kind.CARD, re.compile(r"\b(?:\d{4}[ -]?){3}\d{4}\b")),
        (Kind.PLATE, re.compile(r"\b\d{4}[ -]?[BCDFGHJKLMNPRSTVWXYZ]{3}\b")),
        (Kind.HANDLE, re.compile(r"(?<!\w)@\w{3,30}")),
        (Kind.BIRTH_DATE, re.compile(r"\b\d{1,2}[/-]\d{1,2}[/-]\d{2,4}\b")),
        (
            Kind.ADDRESS,
            re.compile(
                r"\b(?:calle|c/|avda\.?|avenida|plaza|paseo)\s[\w .ªº]{3,40}?,?\s\d{1,3}\b", re.IGNORECASE
            ),
        ),
    )
    WORD = re.compile(r"\b[A-ZÁÉÍÓÚÑ][a-záéíóúñü]+\b")

    def find(self, text: str) -> list[Finding]:
        found = [
            Finding(m.start(), m.end(), kind)
            for kind, pattern in self.PATTERNS
            for m in pattern.finditer(text)
        ]
        given = lexicon().given
        return found + [
            Finding(word.start(), word.end(), Kind.NAME)
            for word in self.WORD.finditer(text)
            if fold(word[0]).encode("latin-1") in given
        ]


def main() -> None:
    """Print the figures; ends with 1 when a clean conversation takes longer than the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    alone, with_roster, plain = Scanner(), Scanner(roster=roster()), PlainAssembly()
    print(f"{'':34} {'structured':>10} {'names':>8} {'false alarms':>18}")
    for number in (*SETS, None):
        for label, scanner in (
            ("without a roster", alone),
            ("with a roster", with_roster),
            ("plain assembly", plain),
        ):
            print_figures(f"set {number or 'all'}, {label}", measure(scanner, number))
    print_kinds(measure(with_roster), measure(alone))
    clean = conversations(alone, CONVERSATIONS)
    told = [
        [*talk_, "Me llamo Lucía Gómez, mi móvil es el 612 345 678"] if n % 10 == 0 else talk_
        for n, talk_ in enumerate(clean)
    ]
    size = sum(len(text.encode()) for talk_ in clean for text in talk_) // len(clean)
    print(f"\n{len(clean)} conversations of {size} bytes on average, one core")
    print(f"{'':34} {'ms each':>10} {'MB/s':>8}")
    takes = compared(
        {
            "nothing to find": (clean, alone.redact),
            "the same, plain assembly": (clean, lambda talk_: [plain.find(text) for text in talk_]),
            "one in ten has a name and a phone": (told, alone.redact),
            "nothing to find, with a roster": (clean, with_roster.redact),
        },
        options.rounds,
    )
    print(f"target {TARGET_MILLISECONDS} ms for a clean conversation")
    if takes["nothing to find"] > TARGET_MILLISECONDS:
        raise SystemExit(1)


def print_figures(label: str, figures: Figures) -> None:
    """A line of the table."""
    structured, names = figures.recall(STRUCTURED), figures.recall([Kind.NAME])
    alarms = f"{len(figures.alarmed)} of {figures.lessons} {figures.false_alarms:.1%}"
    print(f"{label:34} {structured:10.1%} {names:8.1%} {alarms:>18}")


def print_kinds(with_roster: Figures, alone: Figures) -> None:
    """Recall and false alarms of each kind."""
    print(f"\n{'kind':16} {'spans':>6} {'recall':>8} {'alone':>8} {'alarms alone':>13}")
    for kind in Kind:
        print(
            f"{kind.value:16} {alone.spans[kind]:6} {with_roster.recall([kind]):8.1%} {alone.recall([kind]):8.1%} "
            f"{alone.alarms[kind]:13}"
        )


def conversations(scanner: Scanner, wanted: int) -> list[list[str]]:
    """Tutoring conversations of about 2 KB in which nothing is found."""
    talks = ([message.content for message in talk(number).messages] for number in count())
    return list(islice((talk_ for talk_ in talks if not scanner.redact(talk_).counts), wanted))


def compared(ways: Mapping[str, tuple[Sequence[list[str]], Way]], rounds: int) -> dict[str, float]:
    """Print the median of each way, in turns, and return the milliseconds of CPU for a conversation."""
    seconds: dict[str, list[float]] = {label: [] for label in ways}
    for _ in range(rounds):
        for label, (talks, way) in ways.items():
            began = time.process_time()
            for talk_ in talks:
                way(talk_)
            seconds[label].append(time.process_time() - began)
    each: dict[str, float] = {}
    for label, (talks, _) in ways.items():
        median = statistics.median(seconds[label])
        size = sum(len(text.encode()) for talk_ in talks for text in talk_)
        each[label] = median / len(talks) * 1e3
        print(f"{label:34} {each[label]:10.3f} {size / median / 1e6:8.1f}")
    return each


if __name__ == "__main__":
    main()
