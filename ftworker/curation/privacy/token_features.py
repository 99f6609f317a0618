"""What the linear model of `learned` is told of a token: its looks, and the words, signs and finds around it.

A feature is a few bytes that say what it is and what was seen ("1-:calle": the word before is "calle"). Digits are
nines in them and words are cut, so that a feature is nobody's datum. Pure; the weights live in `learned`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache

from ftworker.curation.privacy.folding import MASK, View
from ftworker.curation.privacy.kinds import PLACEHOLDER, Finding, Kind
from ftworker.curation.privacy.lexicon import words

Token = tuple[int, int]
"""Where it begins and ends."""
Mark = tuple[int, int, bytes]
"""Where a find or a placeholder stands, and its kind."""

_MONTH = (
    rb"(?:ene(?:ro)?|gener|xaneiro|feb(?:rero|rer|reiro)?|mar(?:zo|c)?|abr(?:il)?|may(?:o)?|maig|maio|jun(?:io|y)?|"
    rb"xuno|jul(?:io|iol)?|xullo|ago(?:sto|st)?|sep(?:t|tiembre)?|set(?:iembre|embre)?|setembro|oct(?:ubre|obre)?|"
    rb"outubro|nov(?:iembre|embre)?|novembro|dic(?:iembre)?|desembre|decembro|urtarrila\w*|otsaila\w*|martxoa\w*|"
    rb"apirila\w*|maiatza\w*|ekaina\w*|uztaila\w*|abuztua\w*|iraila\w*|urria\w*|azaroa\w*|abendua\w*)"
)
_BREAKS = rb"\s,;:()\"?!\[\]{}<>|*\xab\xbb\xbf\xa1\x02"
_WRITTEN_DATE = (
    rb"(?:\d{1,2}(?:o|\xba|er)?(?: de | del | d'| d |[ /.-])" + _MONTH + rb"\b\.?"
    rb"(?:(?:,? (?:del? |d |l')?(?:ano |any )?|[ /.-])'?\d{2,4}\b)?"
    rb"|\d{4}ko " + _MONTH + rb" \d{1,2}\w*)"
)
"""8 de julio de 2010, 8-jul-10, 2010ko uztailaren 8a."""
_TOKEN = re.compile(
    # A date in words and a number in groups are one token each; no word is asked whether it begins one.
    rb"(?=[\d+])(?:" + _WRITTEN_DATE + rb"|\+?\d{1,4}(?:[ .-]{1,3}\d{1,4}){2,8}(?![\w/]))"
    rb"|[^" + _BREAKS + rb".\-'/][^" + _BREAKS + rb"]*"
)
_WORDS = bytes(
    0x20 if re.match(rb"[" + _BREAKS + rb"]", bytes([code])) else 0x39 if 0x30 <= code <= 0x39 else code
    for code in range(256)
)
"""What stands between tokens as spaces, digits as nines: splitting that is ten times as quick as the pattern."""
_IS_WRITTEN_DATE = re.compile(_WRITTEN_DATE)
_GAP_BEFORE = re.compile(rb"[" + _BREAKS + rb".]{1,4}$")
_GAP_BEHIND = re.compile(rb"[" + _BREAKS + rb".]{1,4}")
_MASKED = re.compile(re.escape(MASK) + rb"+")
_SMALL_SHAPES = bytes(
    0x61 if 0x61 <= code <= 0x7A else 0x39 if 0x30 <= code <= 0x39 else code for code in range(256)
)
_LOOKS = bytes(0x61 if 0x61 <= code <= 0x7A else code for code in range(256))
_TRIMMED = b".-'/"
_NINES = bytes(0x39 if 0x30 <= code <= 0x39 else code for code in range(256))
_DATE = re.compile(rb"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}-\d\d-\d\d")
_DIGITS = re.compile(rb"\d+")
_LETTERS = re.compile(rb"[a-z]+")
_RUN = re.compile(rb"(.)\1+", re.DOTALL)
_SHAPES = (
    {code: "A" for code in range(0x250) if chr(code).isupper()}
    | {code: "a" for code in range(0x250) if chr(code).islower()}
    | dict.fromkeys(range(0x30, 0x3A), "9")
)
_AROUND, _MOST_AROUND = 200, 25
"""How far around a token words count: characters, and tokens."""
_LONGEST = 80
"""Characters of a token before its first digit or sign: a path's."""
_BESIDE = 36
"""How far back and ahead the words right beside it are looked for at a glance, in characters."""
NEAR, FAR = 80, 240
"""Within how many characters another find counts, much or little."""
_STEM = 6
"""By so many letters words are alike: "cumpleaños", "cumplen"."""
_MOST_UNKNOWN = 8
_KINDS = {kind.placeholder: kind.encode() for kind in Kind}


@cache
def known_words() -> frozenset[bytes]:
    """Words of chats and lessons; what is none of them may well be the name of an account."""
    return frozenset(words("known_words.txt"))


def token_at(folded: bytes, place: int, least: int = 0) -> Token:
    """The token that holds this place; it begins at `least` at the earliest."""
    start = place
    if place > least and folded[place - 1] not in b" \n":
        head = folded[max(least, place - _LONGEST) : place].translate(_WORDS)
        start += head.rfind(b" ") + 1 - len(head)
        while start < place and folded[start] in _TRIMMED:
            start += 1
    match = _TOKEN.match(folded, start)
    return (start, start + len(match[0].rstrip(_TRIMMED))) if match else (place, place)


def tokens(seen: View, begin: int = 0, stop: int | None = None) -> Iterator[Token]:
    """Runs of signs without spaces and brackets, without full stops and hyphens at their ends."""
    for match in _TOKEN.finditer(seen.folded, begin, len(seen.folded) if stop is None else stop):
        start = match.start()
        yield start, start + len(match[0].rstrip(_TRIMMED))


def token_class(token: bytes) -> bytes:
    """What a token is by its signs alone."""
    letters = sum(map(len, _LETTERS.findall(token)))
    digits = sum(map(len, _DIGITS.findall(token)))
    if not letters:
        if _DATE.fullmatch(token):
            return b"date"
        return b"n%d" % (2 if digits <= 2 else digits if digits <= 5 else 8 if digits < 9 else 9)
    if digits and _IS_WRITTEN_DATE.fullmatch(token):
        return b"year" if token[-2:].isdigit() or b"ko " in token else b"day"
    if b"@" in token or b"#" in token:
        return b"sign"
    if b"/" in token or token.startswith(b"www"):
        return b"path"
    if digits:
        return b"flat" if letters == 1 and digits <= 3 else b"mixed"
    return b"word" if b"_" in token or b"." in token else b"plain"


@lru_cache(maxsize=4096)
def itself(written: str, token: bytes) -> tuple[bytes, bytes, tuple[bytes, ...]]:
    """A token's class and shape, and what is said of it whatever stands around it. `token`: `written`, folded.

    Kept for the small numbers that stand everywhere.
    """
    of, shape = token_class(token), _shape(written, token)
    return (
        of,
        shape,
        (
            b"class:" + of,
            of + b" bare:" + _RUN.sub(rb"\1", shape)[:12],
            of + b" length:%d" % min(len(token), 20),
            *_own(of, token),
        ),
    )


def before(seen: View, start: int) -> tuple[bytes, bytes]:
    """The word right before a token, and the one before that; "$" where there is none near."""
    words = _spaced(seen.folded[start - _BESIDE if start > _BESIDE else 0 : start]).rsplit(None, 2)
    match len(words):
        case 0:
            return b"$", b"$"
        case 1:
            return words[0][:12], b"$"
        case _:
            return words[-1][:12], words[-2][:12]


def behind(seen: View, end: int) -> bytes:
    """The word right behind a token; "$" where there is none near."""
    words = _spaced(seen.folded[end : end + _BESIDE]).split(None, 1)
    return words[0][:12] if words else b"$"


def features(seen: View, start: int, end: int, near: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """All that is said of a token. `near`: how far the next find of each kind is."""
    folded = seen.folded
    of, shape, by_itself = itself(seen.text[start:end], folded[start:end])
    begin, stop = max(0, start - _AROUND), min(len(folded), end + _AROUND)
    if begin:
        space = folded.find(b" ", begin, start)
        begin = space if space != -1 else start
    if stop < len(folded):
        space = folded.rfind(b" ", end, stop)
        stop = space if space != -1 else end
    words_before = _split(folded[begin:start])[: -_MOST_AROUND - 1 : -1]
    words_behind = _split(folded[end:stop])[:_MOST_AROUND]
    said = [*by_itself, b"shape:" + shape[:16]]
    # In the order of the text and not of a set, which is another one in each process: sums may differ in the last bit.
    stems = dict.fromkeys([word[:_STEM] for word in words_before + words_behind])
    said += [b"word:" + stem for stem in stems]
    for side, beside in ((b"-:", words_before), (b"+:", words_behind)):
        for place, word in zip((b"1", b"2", b"3"), (*beside[:3], b"$", b"$", b"$"), strict=False):
            at = place + side + word[:12]
            said += (at, of + at)
        if beside:
            word = beside[0]
            gap = (
                _GAP_BEFORE.search(folded, max(begin, start - 4), start)
                if side == b"-:"
                else _GAP_BEHIND.match(folded, end)
            )
            said.append(of + b" gap" + side + _gap(gap[0] if gap else b""))
            if MASK not in word:
                said.append(of + b" looks" + side + word.translate(_LOOKS)[:8])
            if len(beside) > 1:
                said.append(b"pair" + side + beside[1][:8] + b" " + word[:8])
    reach = min((far for far, _ in near), default=FAR)
    said.append(of + (b" find:near" if reach < NEAR else b" find:far" if reach < FAR else b" find:none"))
    for far, kind in near:
        at = (b"near:" if far < NEAR else b"far:") + kind
        said += (at, of + b" " + at)
    return said


def further(seen: View, among: Sequence[Token], first: int, at: int, side: int) -> list[bytes]:
    """What is said of the token `at` as the next one of a find. `first`: the one it began with; `side`: -1 or 1."""
    folded = seen.folded
    start, end = among[at]
    inner_start, inner_end = among[at - side]
    between = folded[end:inner_start] if side < 0 else folded[inner_end:start]
    sign = b"-" if side < 0 else b"+"
    of = sign + token_class(folded[among[first][0] : among[first][1]])
    word, inner = folded[start:end].translate(_NINES), folded[inner_start:inner_end].translate(_NINES)
    looks, inner_looks = (
        _shape(seen.text[start:end], folded[start:end]),
        _shape(seen.text[inner_start:inner_end], folded[inner_start:inner_end]),
    )
    said = [
        b"class" + of,
        b"word" + sign + word[:12],
        b"word" + of + word[:12],
        b"looks" + of + looks[:10],
        b"gap" + of + _gap(between),
        b"count" + of + b"%d" % min(abs(at - first), 6),
        b"pair" + sign + inner[:8] + b" " + word[:8],
        b"pair looks" + sign + inner_looks[:6] + b" " + looks[:8],
    ]
    for step in (1, 2):
        beyond = at + side * step
        if 0 <= beyond < len(among):
            begin, stop = among[beyond]
            said.append(b"%d" % step + sign + folded[begin:stop].translate(_NINES)[:10])
            said.append(b"%d looks" % step + of + _shape(seen.text[begin:stop], folded[begin:stop])[:6])
        else:
            said.append(b"%d" % step + sign + b"$")
    return said


class Marks:
    """Where finds and placeholders stand in a text, and of what kind: what is redacted still speaks for its place."""

    def __init__(self, seen: View, found: Iterable[Finding]) -> None:
        self._all = [(find.start, find.end, find.kind.encode()) for find in found]
        if MASK in seen.folded:
            self._all += [(*held.span(), _KINDS[held[1]]) for held in PLACEHOLDER.finditer(seen.text)]
        self._all.sort()

    def add(self, found: Iterable[Finding]) -> None:
        """Mark these as well."""
        self._all += [(find.start, find.end, find.kind.encode()) for find in found]
        self._all.sort()

    def over(self, start: int, end: int) -> bool:
        """Whether one of them stands in this stretch."""
        return any(first < end and start < last for first, last, _ in self._between(start, end))

    def nearest(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """How far from a token the next one of each kind is, of those that count."""
        if not self._all:
            return []
        least: dict[bytes, int] = {}
        for begin, stop, kind in self._between(start - FAR, end + FAR):
            far = start - stop if stop <= start else begin - end
            if 0 <= far < least.get(kind, FAR):
                least[kind] = far
        return [(far, kind) for kind, far in least.items()]

    def _between(self, begin: int, stop: int) -> list[Mark]:
        """Those that begin in this stretch, and the one before them."""
        first = bisect_left(self._all, (begin,))
        return self._all[max(0, first - 1) : bisect_left(self._all, (stop,), first)]


def _own(of: bytes, token: bytes) -> list[bytes]:
    """Features of the token's own letters, or of the year in it."""
    match of:
        case b"plain" | b"word" | b"mixed" | b"sign" | b"path":
            parts = _LETTERS.findall(token)
            known = known_words()
            unknown = sum(len(part) for part in parts if len(part) > 2 and part not in known)
            said = [of + b" part:" + part[:_STEM] for part in parts]
            return [*said, of + b" unknown:%d" % min(unknown, _MOST_UNKNOWN)]
        case b"n4":
            return [b"year:" + _age(int(b"".join(_DIGITS.findall(token))))]
        case b"date" | b"year":
            numbers = _DIGITS.findall(token)
            year = int(numbers[0] if len(numbers[0]) == 4 else numbers[-1])
            return [b"date:" + _age(year + (0 if year > 99 else 2000 if year < 31 else 1900))]
        case _:
            return []


def _age(year: int) -> bytes:
    """Whose birth a year could be of: nobody's here, a parent's, a pupil's, or none yet."""
    if not 1000 <= year < 2031:
        return b"none"
    return b"old" if year < 1930 else b"parent" if year < 1995 else b"pupil" if year < 2022 else b"now"


def _shape(written: str, token: bytes) -> bytes:
    """The token with A, a and 9 for its letters and digits."""
    if written == written.lower():
        return token.translate(_SMALL_SHAPES)
    return written.translate(_SHAPES).encode("latin-1", "replace")


def _gap(between: bytes) -> bytes:
    """The signs between two tokens, and whether a line ends there."""
    return (b"N" if b"\n" in between else b"") + b"".join(between.split())[:3]


def _split(stretch: bytes) -> list[bytes]:
    """The words of a stretch; a placeholder is one sign."""
    return _spaced(stretch).split()


def _spaced(stretch: bytes) -> bytes:
    """The stretch with nothing but spaces between its words."""
    if MASK in stretch:
        stretch = _MASKED.sub(MASK, stretch)
    return stretch.translate(_WORDS).replace(b". ", b" ")
