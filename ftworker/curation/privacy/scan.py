"""Finds personal data in a text, and redacts the texts of a conversation with placeholders that stay the same.

Pure; a Scanner is built once a process and reused, and safe between threads. It never claims that what it leaves is
anonymous: docs/PRIVACY.md says what is found and what is not. Each rule family lives in a module of its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from ftworker.curation.privacy import (
    account_shapes,
    accounts,
    addresses,
    contacts,
    dates,
    homes,
    numbers,
    phones,
    plates,
    records,
    tables,
)
from ftworker.curation.privacy.beside import beside
from ftworker.curation.privacy.candidates import ASKED_FAMILIES, asked, odd_places
from ftworker.curation.privacy.folding import BETWEEN_TEXTS, View, view
from ftworker.curation.privacy.kinds import PLACEHOLDER, Finding, Kind
from ftworker.curation.privacy.learned import extended, learned
from ftworker.curation.privacy.names import NameRules, Place, name_words
from ftworker.curation.privacy.spans import Name
from ftworker.curation.privacy.triggers import (
    EVERY,
    PLACED,
    Family,
    by_signs,
    digits_alike,
    possible,
    stretches,
)

_MOST_NAMESAKES = 20
_MOST_ROUNDS = 8
_RULES: tuple[tuple[int, tuple[Callable[[View], Iterator[Finding]], ...]], ...] = (
    (Family.AT_SIGN, (contacts.emails, contacts.handles)),
    (Family.RECORD, (records.record_numbers,)),
    (Family.POSTAL_CODE, (addresses.postal_codes,)),
)


def _long_numbers(seen: View, at: Iterable[int]) -> Iterator[Finding]:
    """Whatever is told by its digits. `at`: where long numbers are."""
    for begin, end in stretches(seen, at, _BEFORE_NUMBER, _AFTER_NUMBER):
        digits = numbers.digits_together(seen.folded[begin:end])
        yield from numbers.identity_numbers(seen, begin, end)
        yield from numbers.bank_numbers(seen, begin, end, digits)
        yield from numbers.social_security_numbers(seen, begin, end, digits)
        yield from phones.phones(seen, begin, end, digits)


_BEFORE_NUMBER, _AFTER_NUMBER = 80, 110
"""How far around seven digits a number goes on, in signs."""
_PLACED_RULES: tuple[tuple[int, Callable[[View, Iterable[int]], Iterator[Finding]]], ...] = (
    (Family.ADDRESS, addresses.addresses),
    (Family.HOME, homes.homes),
    (Family.OWN_NUMBER, records.announced_numbers),
    (Family.BARE_HANDLE, accounts.bare_handles),
    (Family.SIGNED, account_shapes.signed_accounts),
    (Family.SPELT_PHONE, phones.spelt_phones),
    (Family.BIRTH, dates.birth_dates),
    (Family.DATED, dates.dated_family),
    (Family.CODED, addresses.coded_addresses),
    (Family.PLATE, plates.plates),
    (Family.PLATE_ABROAD, plates.plates_abroad),
    (Family.NUMBERS, _long_numbers),
    (Family.SPELT_EMAIL, contacts.spelt_emails),
    (Family.TABLE, tables.tables),
)
"""Those that are told the places of their words."""
_ORDER = {family: number for number, (family, _) in enumerate(_PLACED_RULES)}
_RULED = EVERY & ~Family.NAMES & ~Family.ODD
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


@dataclass(slots=True)
class _Look:
    """What is to be done about one text, which is a stretch of the view of all."""

    whole: View
    begin: int
    end: int
    families: int = 0
    """Which rules are to run."""
    places: list[Place] = field(default_factory=list)
    """Where names could be, and what rules with places begin at; counted from the text's beginning."""
    _seen: View | None = None

    @property
    def seen(self) -> View:
        """The view of the text, made when it is asked for: most texts hold nothing."""
        if self._seen is None:
            self._seen = self.whole.part(self.begin, self.end)
        return self._seen


class Scanner:
    """All rules, with the names of one roster and the terms that are never personal data."""

    def __init__(self, *, roster: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._names = NameRules(roster, allow)

    def find(self, text: str) -> list[Finding]:
        """What is found in a text by itself, in order and without overlaps. Placeholders of ours are never found."""
        return self._scanned([text])[0][0]

    def redact(self, texts: Sequence[str]) -> Redacted:
        """The texts of ONE conversation without their personal data: the same value has the same placeholder in all.

        `find` finds nothing in what comes back.
        """
        found, uncertain = self._scanned(texts)
        redacted = tuple(texts)
        fresh, rounds = found, 0
        while any(fresh):
            labels = _Labels(texts)
            pieces = [labels.pieces(text, finds) for text, finds in zip(texts, found, strict=True)]
            redacted = tuple("".join(piece.text for piece in of_text) for of_text in pieces)
            # A placeholder ends a number that went on, or brings a cue nearer: what that uncovers goes as well.
            fresh, more_uncertain = self._scanned_again(redacted, found)
            uncertain = uncertain or more_uncertain
            rounds += 1
            if any(fresh):
                # A text that uncovers more each time was made to; nothing of it is worth a round for each number.
                found = [
                    [Finding(0, len(text), new[0].kind)]
                    if new and rounds >= _MOST_ROUNDS
                    else _with(old, parts, new)
                    for text, old, parts, new in zip(texts, found, pieces, fresh, strict=True)
                ]
        counts = Counter(find.kind for finds in found for find in finds) if rounds else {}
        return Redacted(redacted, counts, uncertain, tuple(map(tuple, found)))

    def _scanned_again(
        self, texts: Sequence[str], found: Sequence[Sequence[Finding]]
    ) -> tuple[list[list[Finding]], bool]:
        """As `_scanned`, for texts of which those without a find are as they were when nothing was found in them."""
        changed = [text for text, finds in zip(texts, found, strict=True) if finds]
        fresh, uncertain = self._scanned(changed)
        if any(fresh):
            # Who is named there now may be named in the others too.
            return self._scanned(texts)
        return [[] for _ in texts], uncertain

    def _scanned(self, texts: Sequence[str]) -> tuple[list[list[Finding]], bool]:
        """The finds of each text, with offsets into it, and whether something is uncertain."""
        looks = self._looks(texts)
        # Who stands beside somebody's number is nobody of an exercise: what has a shape is looked for first.
        shaped = [_structured(look) if look.families & _RULED else [] for look in looks]
        names = [
            self._names.find(look.seen, look.places, shaped=finds)
            if finds or look.families & Family.NAMES
            else []
            for look, finds in zip(looks, shaped, strict=True)
        ]
        known = [name for of_text in names for name in of_text]
        if known:
            # A name that one message tells is looked for in all.
            again = self._names.again([look.seen for look in looks], known)
            names = [[*of_text, *more] for of_text, more in zip(names, again, strict=True)]
        found = [
            _completed(look, of_text, finds) if of_text or finds or look.families & ASKED_FAMILIES else []
            for look, of_text, finds in zip(looks, names, shaped, strict=True)
        ]
        return found, any(not name.sure for name in known)

    def _looks(self, texts: Sequence[str]) -> list[_Look]:
        """Which rules each text calls for. All texts are looked at in one pass: most are short, and hold nothing."""
        if not texts:
            return []
        seen = view(BETWEEN_TEXTS.join(texts))
        if seen.offsets is not None:
            return [self._thorough_look(text) for text in texts]
        looks, ends, end = [], [], 0
        for text in texts:
            looks.append(_Look(seen, end, end + len(text)))
            end += len(text) + len(BETWEEN_TEXTS)
            ends.append(end)
        places = self._names.places(seen)
        digits = digits_alike(seen.folded)
        places += by_signs(seen, digits)
        places += odd_places(seen.folded)
        look, begin, end = looks[0], 0, 0
        add = look.places.append
        for start, stop, family, cue in places:
            # Mostly in the text of the one before: a comparison instead of a search.
            if not begin <= start < end:
                number = bisect_right(ends, start)
                look, end = looks[number], ends[number]
                begin, add = look.begin, look.places.append
            add((start - begin, stop - begin, family, cue))
            look.families |= family
        for look in looks:
            if look.families > Family.NAMES:
                look.families = possible(look.families, seen.folded, digits, look.begin, look.end)
        return looks

    def _thorough_look(self, text: str) -> _Look:
        seen = view(text)
        places = [*self._names.places(seen), *by_signs(seen, digits_alike(seen.folded))]
        places += odd_places(seen.folded)
        return _Look(seen, 0, len(seen.text), EVERY, places, seen)


def _completed(look: _Look, names: Sequence[Name], shaped: Sequence[Finding]) -> list[Finding]:
    """All that is found in a text: names and what has a shape, what counts beside those, and what the model tells."""
    seen = look.seen
    found = [*shaped, *[Finding(name.start, name.end, Kind.NAME) for name in names]]
    if found:
        found = _merged([*found, *beside(seen, found)])
        found += extended(seen, found)
    found += learned(seen, found, asked(seen, look.places, look.families, found))
    return [Finding(*seen.given(find.start, find.end), find.kind) for find in _merged(found)]


def _structured(look: _Look) -> list[Finding]:
    """What has a shape in a text, by the rules that it calls for."""
    seen, families = look.seen, look.families
    found: list[Finding] = []
    for family, rules in _RULES:
        if families & family:
            for rule in rules:
                found += rule(seen)
    placed = families & PLACED
    if placed:
        at: dict[int, set[int]] = {}
        for start, _, family, _ in look.places:
            if family & placed:
                starts = at.get(family)
                if starts is None:
                    at[family] = {start}
                else:
                    starts.add(start)
        # One or two of fourteen: in the order of the rules.
        for family in sorted(at, key=_ORDER.__getitem__) if len(at) > 1 else at:
            found += _PLACED_RULES[_ORDER[family]][1](seen, sorted(at[family]))
    return found


_RANK = {kind: rank for rank, kind in enumerate(
    (Kind.EMAIL, Kind.IBAN, Kind.CCC, Kind.CARD, Kind.DNI, Kind.NIE, Kind.NUSS, Kind.ADDRESS, Kind.BIRTH_DATE,
     Kind.PHONE, Kind.PLATE, Kind.RECORD_NUMBER, Kind.HANDLE, Kind.NAME)
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


class _Piece(NamedTuple):
    """A part of a redacted text: what stands there, and which stretch of the given text it is or stands for."""

    text: str
    start: int
    end: int
    placeholder: bool


@dataclass
class _Person:
    words: set[bytes]
    label: str


class _Labels:
    """Which placeholder each value of a conversation has. Numbers that the texts hold already are not given again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._given: Counter[str] = Counter()
        for text in texts:
            if "[" in text:
                for held in PLACEHOLDER.finditer(text):
                    self._given[held[1]] = max(self._given[held[1]], int(held[2]))
        self._of_value: dict[tuple[Kind, str], str] = {}
        self._people_of: dict[bytes, list[_Person]] = {}

    def pieces(self, text: str, finds: Sequence[Finding]) -> list[_Piece]:
        """The text in parts, with a placeholder for each find."""
        pieces: list[_Piece] = []
        position = 0
        for find in finds:
            pieces.append(_Piece(text[position : find.start], position, find.start, placeholder=False))
            label = self._label(find.kind, text[find.start : find.end])
            pieces.append(_Piece(label, find.start, find.end, placeholder=True))
            position = find.end
        return [*pieces, _Piece(text[position:], position, len(text), placeholder=False)]

    def _label(self, kind: Kind, value: str) -> str:
        if kind is Kind.NAME:
            return self._person(tuple(dict.fromkeys(name_words(value))))
        key = (kind, _NO_VALUE.sub("", value.casefold()))
        if kind is Kind.PHONE:
            key = (kind, key[1][-9:])  # with the country or without it
        if key not in self._of_value:
            self._of_value[key] = self._next(kind)
        return self._of_value[key]

    def _person(self, words: Sequence[bytes]) -> str:
        """One placeholder for "Lucía", "lucia" and "Lucía Gómez"; another for "Lucía Pérez" beside her."""
        named = frozenset(words)
        # In the order of the text, for "Ana Gómez" may be the Ana or the Gómez of before: a set's order is another one
        # in each process.
        for word in words:
            namesakes = self._people_of.get(word, [])
            # Who was named last is who is meant by a given name alone. Beyond so many namesakes nobody could tell.
            for person in namesakes[: -_MOST_NAMESAKES - 1 : -1]:
                if named <= person.words or person.words <= named:
                    person.words |= named
                    self._remember(person, words)
                    return person.label
        person = _Person(set(named), self._next(Kind.NAME))
        self._remember(person, words)
        return person.label

    def _remember(self, person: _Person, words: Sequence[bytes]) -> None:
        for word in words:
            namesakes = self._people_of.setdefault(word, [])
            if not namesakes or namesakes[-1] is not person:
                namesakes.append(person)

    def _next(self, kind: Kind) -> str:
        self._given[kind.placeholder] += 1
        return f"[{kind.placeholder}_{self._given[kind.placeholder]}]"


def _with(found: list[Finding], pieces: Sequence[_Piece], fresh: Sequence[Finding]) -> list[Finding]:
    """The finds of the given text, and those of its redacted form brought back to it."""
    ends = list(accumulate(len(piece.text) for piece in pieces))

    def given(position: int, *, last: bool) -> int:
        number = bisect_right(ends, position)
        piece = pieces[number]
        if piece.placeholder:
            return piece.end if last else piece.start
        return piece.start + position - (ends[number] - len(piece.text)) + last

    brought = [
        Finding(given(find.start, last=False), given(find.end - 1, last=True), find.kind) for find in fresh
    ]
    return _merged([*found, *brought])
