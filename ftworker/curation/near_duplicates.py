"""Near-duplicates among many texts: MinHash (rensa) and bands find candidates, exact Jaccard decides. Pure.

A text is the set of its runs of three words. Of each text only its band hashes are kept (84 bytes at a similarity of
0.8), so a million texts take about a hundred megabytes; signatures live for one batch and are never stored, for
another release of rensa may compute others. Candidates are counsel, never a verdict: the caller compares the texts
themselves (`jaccard`), as `ftworker.datasets.selection` does.
"""

from __future__ import annotations

import codecs
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

Hashes = NDArray[np.uint64]

PERMUTATIONS = 128
SEED = 1
RECALL_AT_THRESHOLD = 0.99
"""Bands are chosen so that a pair just as similar as asked for shares one with at least this probability."""
MAX_CANDIDATES = 8
"""Texts that one is compared with at most: those that share the most bands with it. Bounds the work where thousands
of texts follow one template."""
BEFORE = 3
"""A text becomes a candidate of so many that follow it in a bucket; the first of a bucket, of all in it."""
MAX_LINKS = 1_500_000
"""Candidates gathered anew before all are thinned out, which takes some 60 bytes for each."""

_SIGNATURE = struct.Struct(f"={PERMUTATIONS}I")
_SHINGLE_WORDS = 3
_BATCH_TEXTS = 128
_BATCH_CHARACTERS = 1 << 17
_SEPARATOR, _WORD, _OPERATOR, _BETWEEN = range(4)


def _folded(character: str) -> str:
    """The character without case and accents; a space for signs of Latin-1 and U+2000 to U+207F (dashes, quotes)."""
    letters = unicodedata.normalize("NFKD", character.casefold())
    return "".join(
        " " if letter == "\0" or "\u0080" <= letter <= "\u00bf" or "\u2000" <= letter <= "\u207f" else letter
        for letter in letters
        if not "\u0300" <= letter <= "\u036f"
    )


_LATIN = {chr(code): _folded(chr(code)) for code in range(0x100)}
_NO_BYTE = {sign: folded for sign, folded in _LATIN.items() if len(folded) > 1 or folded > "\xff"}
"""What folds to several characters, or to one that Latin-1 lacks: ß, µ and fractions."""
# One table of bytes does what folding and decomposing a text take eight times as long for.
_FOLD = bytes(ord(sign if sign in _NO_BYTE else folded) for sign, folded in _LATIN.items())


@lru_cache(maxsize=4_096)
def _beyond_latin(characters: str) -> bytes:
    """Characters that Latin-1 lacks: each as what it folds to, else by its number, which is as good a letter."""
    return b"".join(
        letter.encode("latin-1") if letter < "\u0100" else f"u{ord(letter):x}".encode()
        for letter in chain.from_iterable(map(_folded, characters))
    )


def _fold_run(error: UnicodeError) -> tuple[bytes, int]:
    """What the codec calls for characters beyond Latin-1; most texts have a few, always the same."""
    assert isinstance(error, UnicodeEncodeError)
    return _beyond_latin(error.object[error.start : error.end]), error.end


codecs.register_error("ftworker_shingle", _fold_run)


def _classes() -> NDArray[np.uint8]:
    """What each byte of a folded text is. Those beyond ASCII are letters by now."""
    table = np.full(256, _SEPARATOR, np.uint8)
    table[0x80:] = _WORD
    for character in "abcdefghijklmnopqrstuvwxyz0123456789_":
        table[ord(character)] = _WORD
    # 3 + 4 and 3 / 4 are different lessons. A hyphen or star is an operator only between two operands: else it is
    # an item of a list, or bold type.
    for character in "+=/^<>%":
        table[ord(character)] = _OPERATOR
    table[ord("-")] = table[ord("*")] = _BETWEEN
    return table


_CLASS = _classes().tobytes()
_RANDOM = np.random.default_rng(20_260_101)
_BYTE_VALUES: Hashes = _RANDOM.integers(1, 2**63, 256, dtype=np.uint64)
_BASE = 0x9E3779B97F4A7C15 | 1
_INVERSE = pow(_BASE, -1, 1 << 64)
_PLACES: Hashes = _RANDOM.integers(1, 2**63, _SHINGLE_WORDS, dtype=np.uint64) | np.uint64(1)
_BAND_PLACES: Hashes = _RANDOM.integers(1, 2**63, PERMUTATIONS, dtype=np.uint64) | np.uint64(1)


@lru_cache(maxsize=4)
def _many_powers(base: int, count: int) -> Hashes:
    powers = np.full(count, np.uint64(base))
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _powers(base: int, count: int) -> Hashes:
    """base^0, base^1, ... modulo 2^64. Made once for every usual size of batch."""
    return _many_powers(base, max(1 << (count - 1).bit_length(), 2 * _BATCH_CHARACTERS))[:count]


@dataclass(frozen=True)
class Shingles:
    """The shingles of some texts, hashed: those of text i are `hashes[starts[i]:starts[i + 1]]`, repeats included."""

    hashes: Hashes
    starts: NDArray[np.int64]

    def distinct(self, index: int) -> Hashes:
        """The sorted set of one text's shingles, for `jaccard`."""
        return np.unique(self.hashes[self.starts[index] : self.starts[index + 1]])


def shingle(texts: Sequence[str]) -> Shingles:
    """Hash every run of three words of each text; a shorter text is one shingle, an empty one has none.

    Letters count without case and accents, spaces and punctuation not at all; digits and operators do.
    """
    hashes = []
    counts = []
    for batch in _batches(texts):
        found, numbers = _shingle_batch(batch)
        hashes.append(found)
        counts.append(numbers)
    starts = np.zeros(len(texts) + 1, np.int64)
    if counts:
        np.cumsum(np.concatenate(counts), out=starts[1:])
    return Shingles(np.concatenate(hashes) if hashes else np.empty(0, np.uint64), starts)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Runs of texts that are small enough for the arrays of a batch to stay in the processor's cache."""
    begin = size = 0
    for end, text in enumerate(texts):
        if end > begin and size + len(text) > _BATCH_CHARACTERS:
            yield texts[begin:end]
            begin, size = end, 0
        size += len(text)
    if begin < len(texts):
        yield texts[begin:]


def _shingle_batch(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """The shingles of all texts, and how many each has. Whole arrays at a time: no loop over words."""
    raw = [_plain(text) for text in texts]
    joined = b"\0".join([*raw, b""])
    data = np.frombuffer(joined, np.uint8)
    ends_of_texts = np.cumsum(np.fromiter((len(one) + 1 for one in raw), np.int64, len(raw)))
    # A table of bytes is several times quicker than `np.take`, which first makes a wide number of each byte.
    kind = np.frombuffer(bytearray(joined.translate(_CLASS)), np.uint8)
    _resolve_between(kind)
    is_word = kind == _WORD
    before = np.concatenate(([False], is_word[:-1]))
    after = np.concatenate((is_word[1:], [False]))
    operator = kind == _OPERATOR
    starts = np.flatnonzero((is_word & ~before) | operator)
    ends = np.flatnonzero((is_word & ~after) | operator) + 1
    words = _hash_runs(data, starts, ends)
    until = np.searchsorted(starts, ends_of_texts)
    return _runs_of_words(words, np.diff(until, prepend=0))


def _plain(text: str) -> bytes:
    for sign, folded in _NO_BYTE.items():
        if sign in text:
            text = text.replace(sign, folded)
    return text.encode("latin-1", "ftworker_shingle").translate(_FOLD)


def _resolve_between(kind: NDArray[np.uint8]) -> None:
    """Make each hyphen and star an operator or a separator, by what stands on both sides of it."""
    places = np.flatnonzero(kind == _BETWEEN)
    if places.size:
        inner = (places > 0) & (places < kind.size - 1)
        joined = inner.copy()
        joined[inner] = (kind[places[inner] - 1] == _WORD) & (kind[places[inner] + 1] == _WORD)
        kind[places] = np.where(joined, _OPERATOR, _SEPARATOR)


def _hash_runs(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """A hash of each run of bytes: a polynomial of its bytes' random values, by differences of one running sum."""
    running = np.zeros(data.size + 1, np.uint64)
    np.cumsum(np.take(_BYTE_VALUES, data) * _powers(_BASE, data.size), out=running[1:])
    return _mixed((running[ends] - running[starts]) * _powers(_INVERSE, data.size)[starts])


def _mixed(values: Hashes) -> Hashes:
    """Spread every bit over all others (the finalizer of MurmurHash3)."""
    # In one array: new ones are new memory, which costs as much as the reckoning.
    values = values ^ (values >> np.uint64(33))
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values *= np.uint64(factor)
        values ^= values >> np.uint64(33)
    return values


def _runs_of_words(words: Hashes, counts: NDArray[np.int64]) -> tuple[Hashes, NDArray[np.int64]]:
    """Every run of three words within its text; of a text with fewer, the one run that it is."""
    held = counts[counts > 0]
    ends = np.cumsum(held)
    firsts, last = ends - held, ends - 1
    last_but_one = np.maximum(last - 1, firsts)
    second, third = np.zeros_like(words), np.zeros_like(words)
    second[:-1], third[:-2] = words[1:], words[2:]
    second[last] = third[last] = third[last_but_one] = 0
    begins = np.ones(words.size, bool)
    begins[last] = begins[last_but_one] = False
    begins[firsts] = True
    total = words * _PLACES[0] + second * _PLACES[1] + third * _PLACES[2]
    return _mixed(total[begins]), np.maximum(counts - (_SHINGLE_WORDS - 1), np.minimum(counts, 1))


def jaccard(one: Hashes, other: Hashes) -> float:
    """How much two sets of shingles share, 0 to 1. Both sorted and distinct; two empty ones share nothing."""
    if not one.size or not other.size:
        return 0.0
    small, large = (one, other) if one.size < other.size else (other, one)
    places = np.searchsorted(large, small)
    places[places == large.size] = 0
    shared = int(np.count_nonzero(large[places] == small))
    return shared / (one.size + other.size - shared)


def bands_for(similarity: float) -> tuple[int, int]:
    """(bands, rows of a band): the most selective ones that still find a pair of just this similarity."""
    for rows in range(PERMUTATIONS // 4, 1, -1):
        bands = PERMUTATIONS // rows
        if 1 - (1 - similarity**rows) ** bands >= RECALL_AT_THRESHOLD:
            return bands, rows
    return PERMUTATIONS // 2, 2


@dataclass(frozen=True)
class Candidates:
    """Who may be a copy of whom, by rank: those of `members[i]` are `others[starts[i]:starts[i + 1]]`, all earlier."""

    members: NDArray[np.int64]
    starts: NDArray[np.int64]
    others: NDArray[np.int64]


class NearDuplicates:
    """Band hashes of the texts added so far. A text's position is its place in the order of adding, 0 first."""

    def __init__(self, similarity: float) -> None:
        self._bands, self._rows = bands_for(similarity)
        self._chunks: list[NDArray[np.uint32]] = []
        self._size = 0

    def add(self, texts: Sequence[str]) -> None:
        """Take in some texts; a few hundred at a time are quickest. An empty text is like no other."""
        for begin in range(0, len(texts), _BATCH_TEXTS):
            self._chunks.append(self._band_hashes(shingle(texts[begin : begin + _BATCH_TEXTS])))

    def candidates(self, order: NDArray[np.int64]) -> Candidates:
        """For each text those before it, in this order of positions, that it may be a copy of.

        The same texts in the same order give the same candidates, however they were added.
        """
        links = _Links()
        ranks = np.arange(order.size, dtype=np.uint64)
        for band in range(self._bands):
            column = np.concatenate([chunk[:, band] for chunk in self._chunks] or [np.empty(0, np.uint32)])
            # Sorted together: texts of one bucket stand side by side, by rank.
            packed = (column[order].astype(np.uint64) << np.uint64(32)) | ranks
            packed.sort()
            links.add_buckets(packed)
        return links.finish()

    def _band_hashes(self, shingles: Shingles) -> NDArray[np.uint32]:
        count = shingles.starts.size - 1
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.hashes, shingles.starts.astype(np.uint64), PERMUTATIONS, SEED
        )
        # Four times as quick as numpy's own way from lists of numbers.
        packed = b"".join([_SIGNATURE.pack(*row) for row in matrix.to_rows()])
        rows = np.frombuffer(packed, np.uint32).reshape(count, PERMUTATIONS)
        used = self._bands * self._rows
        values = rows[:, :used].astype(np.uint64) * _BAND_PLACES[:used]
        hashes = (_mixed(values.reshape(count, self._bands, self._rows).sum(axis=2)) >> np.uint64(32)).astype(
            np.uint32
        )
        empty = np.flatnonzero(np.diff(shingles.starts) == 0)
        if empty.size:
            # All empty texts have one signature. Their own places keep them apart; chance meetings are verified.
            places = (self._size + empty[:, None]).astype(np.uint64) * _BAND_PLACES[: self._bands]
            hashes[empty] = (_mixed(places) >> np.uint64(32)).astype(np.uint32)
        self._size += count
        return hashes


class _Links:
    """Pairs (member, earlier one) with the number of bands that they share, thinned out when they grow too many."""

    def __init__(self) -> None:
        self._keys: list[Hashes] = []
        self._counts: list[NDArray[np.uint8]] = []
        self._size = 0
        self._limit = MAX_LINKS

    def add_buckets(self, packed: Hashes) -> None:
        """The buckets of one band: sorted values of (band hash << 32 | rank)."""
        same = (packed[1:] >> np.uint64(32)) == (packed[:-1] >> np.uint64(32))
        in_bucket = np.flatnonzero(same) + 1
        if not in_bucket.size:
            return
        begins = np.concatenate(([True], ~same))
        first = np.maximum.accumulate(np.where(begins, np.arange(packed.size), 0))[in_bucket]
        rank = packed & np.uint64(0xFFFFFFFF)
        found = [(rank[in_bucket] << np.uint64(32)) | rank[first]]
        for back in range(1, BEFORE + 1):
            inside = in_bucket[in_bucket - back > first]
            found.append((rank[inside] << np.uint64(32)) | rank[inside - back])
        keys = np.concatenate(found)
        self._keys.append(keys)
        self._counts.append(np.ones(keys.size, np.uint8))
        self._size += keys.size
        if self._size > self._limit:
            self._thin_out()
            self._limit = self._size + MAX_LINKS

    def finish(self) -> Candidates:
        if not self._keys:
            empty = np.empty(0, np.int64)
            return Candidates(empty, np.zeros(1, np.int64), empty)
        self._thin_out()
        keys = self._keys[0]
        member = (keys >> np.uint64(32)).astype(np.int64)
        begins = np.flatnonzero(np.diff(member, prepend=-1))
        others = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return Candidates(member[begins], np.append(begins, keys.size), others)

    def _thin_out(self) -> None:
        """Each pair once with the bands that it shares, and of each member the pairs that share the most."""
        keys = np.concatenate(self._keys)
        counts = np.concatenate(self._counts)
        self._keys.clear()
        self._counts.clear()
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        counts = np.add.reduceat(counts, begins)
        keys = keys[begins]
        member = keys >> np.uint64(32)
        # Most shared bands first within a member; the earlier text where they share as many.
        order = np.lexsort((keys, -counts.astype(np.int16), member))
        sorted_member = member[order]
        starts = np.concatenate(([True], sorted_member[1:] != sorted_member[:-1]))
        place = np.arange(keys.size) - np.maximum.accumulate(np.where(starts, np.arange(keys.size), 0))
        kept = np.sort(order[place < MAX_CANDIDATES])
        self._keys.append(keys[kept])
        self._counts.append(counts[kept])
        self._size = kept.size
