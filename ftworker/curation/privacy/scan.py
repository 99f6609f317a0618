"""Finds personal data in a text, and redacts the texts of a conversation with placeholders that stay the same.

Pure; a Scanner is built once a process and reused, and safe between threads. It never claims that what it leaves is
anonymous: docs/PRIVACY.md says what is found and what is not. Each rule family lives in a module of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ftworker.curation.privacy import addresses, contacts, dates, numbers
from ftworker.curation.privacy.folding import View, view
from ftworker.curation.privacy.kinds import PLACEHOLDER, Finding, Kind

_DIGITS = b"0123456789"
_NO_VALUE = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Redacted:
    """The texts of one conversation without what was found in them."""

    texts: tuple[str, ...]
    counts: Mapping[Kind, int]
    """Finds by kind, over all texts."""
    uncertain: bool
    """Something says that a person is named, and nobody can say what names her."""
    findings: tuple[tuple[Finding, ...], ...] = ()
    """For each text what was found, with offsets into the text that was given."""


class Scanner:
    """All rules, with the names of one roster and the terms that are never personal data."""

    def __init__(self, *, roster: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._roster, self._allow = tuple(roster), tuple(allow)

    def find(self, text: str) -> list[Finding]:
        """What is found in a text by itself, in order and without overlaps. Placeholders of ours are never found."""
        seen = view(text)
        return [
            Finding(*seen.given(find.start, find.end), find.kind) for find in _merged(list(_structured(seen)))
        ]

    def redact(self, texts: Sequence[str]) -> Redacted:
        """The texts of ONE conversation without their personal data: the same value has the same placeholder in all."""
        labels = _Labels(texts)
        found = [tuple(self.find(text)) for text in texts]
        redacted = tuple(labels.applied(text, finds) for text, finds in zip(texts, found, strict=True))
        counts = Counter(find.kind for finds in found for find in finds)
        return Redacted(redacted, counts, False, tuple(found))


def _structured(seen: View) -> Iterator[Finding]:
    folded = seen.folded
    if b"@" in folded:
        yield from contacts.emails(seen)
        yield from contacts.handles(seen)
    yield from contacts.spelt_emails(seen)
    yield from contacts.bare_handles(seen)
    yield from contacts.spelt_phones(seen)
    digits = len(folded) - len(folded.translate(None, _DIGITS))
    if digits:
        yield from addresses.addresses(seen)
        yield from dates.birth_dates(seen)
    if digits >= 4:
        yield from numbers.identity_numbers(seen)
        yield from numbers.bank_numbers(seen)
        yield from numbers.record_numbers(seen)
        yield from contacts.phones(seen)
        yield from addresses.postal_codes(seen)
        yield from dates.plates(seen)


_RANK = {kind: rank for rank, kind in enumerate(
    (Kind.EMAIL, Kind.IBAN, Kind.CCC, Kind.CARD, Kind.DNI, Kind.NIE, Kind.NUSS, Kind.ADDRESS, Kind.BIRTH_DATE, Kind.PHONE,
     Kind.PLATE, Kind.RECORD_NUMBER, Kind.HANDLE, Kind.NAME)
)}  # fmt: skip


def _merged(found: list[Finding]) -> list[Finding]:
    """Without overlaps: finds that overlap are one, of the kind that is surest, over all that they cover."""
    if len(found) < 2:
        return found
    merged: list[Finding] = []
    for find in sorted(found, key=lambda find: (find.start, -find.end)):
        if merged and find.start < merged[-1].end:
            last = merged[-1]
            kind = min(last.kind, find.kind, key=_RANK.__getitem__)
            merged[-1] = Finding(last.start, max(last.end, find.end), kind)
        else:
            merged.append(find)
    return merged


class _Labels:
    """Which placeholder each value of a conversation has. Numbers that the texts hold already are not given again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._given: Counter[str] = Counter()
        for text in texts:
            if "[" in text:
                for held in PLACEHOLDER.finditer(text):
                    self._given[held[1]] = max(self._given[held[1]], int(held[2]))
        self._of_value: dict[tuple[Kind, str], str] = {}

    def applied(self, text: str, finds: Sequence[Finding]) -> str:
        """The text with a placeholder for each find."""
        parts: list[str] = []
        position = 0
        for find in finds:
            parts += [text[position : find.start], self._label(find.kind, text[find.start : find.end])]
            position = find.end
        return "".join([*parts, text[position:]])

    def _label(self, kind: Kind, value: str) -> str:
        key = (kind, _NO_VALUE.sub("", value.casefold()))
        if key not in self._of_value:
            self._given[kind.placeholder] += 1
            self._of_value[key] = f"[{kind.placeholder}_{self._given[kind.placeholder]}]"
        return self._of_value[key]
