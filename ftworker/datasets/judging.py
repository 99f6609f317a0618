"""Decides about the examples of a dataset, one after the other, in the order that `selector` puts them in. Pure.

A possible copy is compared with the text of the example that would stand in its place, by exact Jaccard: what is left
out as a copy is one, and of what is kept no two are, as far as the bands find them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ftworker.curation.near_duplicates import Candidates, Hashes, jaccard, shingle
from ftworker.datasets.lessons import lesson_text
from ftworker.datasets.selection import CODE, KEPT, Contents, LeftOutReason, SelectionRules, Unseen
from ftworker.datasets.split import Side

BLOCK_ROWS = 2_000
_WINDOW = 128
_FETCH = 256
_CACHED_BYTES = 32_000_000
_NOBODY = 255


class Flag(IntFlag):
    """What is known of an example besides its numbers."""

    FROZEN = 1
    """In the golden set."""
    REFUSAL = 2
    UNSUPPORTED = 4
    CORRECTED = 8
    OWN = 16
    """Written by a model that was tuned here."""


@dataclass(frozen=True)
class Table:
    """The examples by place. `groups` and `questions` number what comes more than once, from 0; -1: only here."""

    ids: NDArray[np.int64]
    groups: NDArray[np.int32]
    questions: NDArray[np.int32]
    sides: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    ratings: NDArray[np.int8]
    rows: int


class Texts:
    """Shingles of examples, asked for when they are needed; the newest stay for a while."""

    def __init__(self, ids: NDArray[np.int64], contents: Contents, bare: Callable[[str], str]) -> None:
        self._ids = ids
        self._contents = contents
        self._bare = bare
        self._known: dict[int, Hashes] = {}
        self._bytes = 0

    def prepare(self, places: Sequence[int]) -> None:
        """Have the shingles of these places at hand, and perhaps no others."""
        if self._bytes > _CACHED_BYTES:
            self._known = {place: self._known[place] for place in places if place in self._known}
            self._bytes = sum(found.nbytes for found in self._known.values())
        missing = [place for place in places if place not in self._known]
        for begin in range(0, len(missing), _FETCH):
            part = missing[begin : begin + _FETCH]
            found = self._contents([int(self._ids[place]) for place in part])
            texts = [
                lesson_text(found[example_id], self._bare) if example_id in found else ""
                for example_id in (int(self._ids[place]) for place in part)
            ]
            shingles = shingle(texts)
            for index, place in enumerate(part):
                self._known[place] = distinct = shingles.distinct(index)
                self._bytes += distinct.nbytes

    def similarity(self, one: int, other: int) -> float:
        """Jaccard similarity of two places that were prepared."""
        return jaccard(self._known[one], self._known[other])


class _Case(NamedTuple):
    """One example to judge. `stands`: the rank of the one whose copy it is, its own where it is none."""

    rank: int
    place: int
    flags: int
    side: int
    question: int
    group: int
    stands: int


class Judge:
    """The decisions so far. `block` must be called for every block of the order, in order."""

    def __init__(
        self,
        rules: SelectionRules,
        table: Table,
        order: NDArray[np.int64],
        candidates: Candidates,
        texts: Texts,
    ) -> None:
        self._rules = rules
        self._table = table
        self._order = order
        self._candidates = candidates
        self._texts = texts
        self.codes = np.zeros(order.size, np.uint8)
        self.copies_of = np.full(order.size, -1, np.int32)
        # By rank: the rank of the example that stands for it, itself included; -1: none does.
        self._stands = array("i", bytes(4 * order.size))
        self._member = 0
        self._of_group = array("i", bytes(4 * (int(table.groups.max(initial=-1)) + 1)))
        questions = int(table.questions.max(initial=-1)) + 1
        self._of_question = array("i", bytes(4 * questions))
        self._side_of_question = bytearray([_NOBODY]) * questions
        self._golden: list[int] = []

    def block(self, begin: int) -> None:
        """Judge the examples of ranks `begin` to `begin + BLOCK_ROWS`."""
        places = self._order[begin : begin + BLOCK_ROWS]
        codes = []
        members = self._candidates.members
        table = self._table
        window_end = begin
        for rank, place, flags, side, question, group in zip(
            range(begin, begin + places.size),
            places.tolist(),
            table.flags[places].tolist(),
            table.sides[places].tolist(),
            table.questions[places].tolist(),
            table.groups[places].tolist(),
            strict=True,
        ):
            linked = self._member < members.size and members[self._member] == rank
            if linked:
                if rank >= window_end:
                    window_end = self._prepare(rank)
                stands = self._stands_for(rank) if not flags & Flag.FROZEN else rank
                self._member += 1
            else:
                stands = rank
            reason = self._judge(_Case(rank, place, flags, side, question, group, stands))
            codes.append(KEPT if reason is None else CODE[reason])
        self.codes[places] = codes

    def _judge(self, case: _Case) -> LeftOutReason | None:
        """Why the example is left out; None: it stands."""
        rank, place, flags, side, question, group, stands = case
        self._stands[rank] = stands
        if flags & Flag.FROZEN:
            if question >= 0:
                self._side_of_question[question] = Side.GOLDEN
            return LeftOutReason.GOLDEN
        if stands != rank:
            return self._copy(place, side, int(self._order[stands]))
        refused = self._question_refused(question, side)
        if side == Side.GOLDEN:
            if refused is None:
                self._count_question(question, side)
                if not flags & (Flag.REFUSAL | Flag.UNSUPPORTED | Flag.OWN):
                    self._golden.append(rank)
            return LeftOutReason.GOLDEN_USER
        limit = self._rules.max_examples_of_user
        if refused is None and limit is not None and group >= 0 and self._of_group[group] >= limit:
            refused = LeftOutReason.EXAMPLES_OF_USER
        if refused is not None:
            # It stands for nobody: a copy of it may still stand itself.
            self._stands[rank] = -1
            return refused
        self._count_question(question, side)
        if group >= 0:
            self._of_group[group] += 1
        return None

    def _copy(self, place: int, side: int, first: int) -> LeftOutReason:
        self.copies_of[place] = first
        if side == Side.GOLDEN:
            return LeftOutReason.GOLDEN_USER
        if self._table.sides[first] == Side.GOLDEN or self._table.flags[first] & Flag.FROZEN:
            return LeftOutReason.COPY_OF_GOLDEN
        return LeftOutReason.NEAR_DUPLICATE

    def _question_refused(self, question: int, side: int) -> LeftOutReason | None:
        limit = self._rules.max_copies_of_question
        if limit is None or question < 0:
            return None
        if self._side_of_question[question] not in (_NOBODY, side):
            return LeftOutReason.QUESTION_ON_OTHER_SIDE
        return LeftOutReason.COPIES_OF_QUESTION if self._of_question[question] >= limit else None

    def _count_question(self, question: int, side: int) -> None:
        if question >= 0:
            self._of_question[question] += 1
            self._side_of_question[question] = side

    # -- copies

    def _others(self, member: int) -> list[int]:
        found = self._candidates
        others: list[int] = found.others[found.starts[member] : found.starts[member + 1]].tolist()
        return others

    def _prepare(self, first: int) -> int:
        """Fetch what the next possible copies are compared with; returns the rank after the last of them."""
        members = self._candidates.members
        until = min(self._member + _WINDOW, members.size)
        end = int(members[until - 1]) + 1
        needed = {int(rank) for rank in members[self._member : until]}
        for member in range(self._member, until):
            for other in self._others(member):
                # Of those before the window it is known who stands for them; within it, it will be one of these.
                needed.add(other if other >= first else self._stands[other])
        needed.discard(-1)
        self._texts.prepare([int(self._order[rank]) for rank in sorted(needed)])
        return end

    def _stands_for(self, rank: int) -> int:
        """The earliest standing example of which this one is a copy; its own rank where there is none."""
        place = int(self._order[rank])
        similarity = self._rules.near_duplicate_similarity
        assert similarity is not None
        for stands in sorted({self._stands[other] for other in self._others(self._member)}):
            if stands >= 0 and self._texts.similarity(place, int(self._order[stands])) >= similarity:
                return stands
        return rank

    # -- shares, and the golden set

    def cap_shares(self) -> None:
        """Leave out the last of those that refuse, and of those that our own models wrote, above their shares."""
        # Leaving out one kind makes the share of the other grow, so both are looked at until nothing changes.
        while self._cap(Flag.REFUSAL, self._rules.max_refusal_share, LeftOutReason.REFUSAL_SHARE) + self._cap(
            Flag.OWN, self._rules.max_own_model_share, LeftOutReason.OWN_MODEL_SHARE
        ):
            continue

    def _cap(self, flag: Flag, share: float, reason: LeftOutReason) -> int:
        kept = self._order[self.codes[self._order] == KEPT]
        of_kind = kept[(self._table.flags[kept] & flag) != 0]
        if share >= 1 or not of_kind.size:
            return 0
        # n of a kind beside m others are a share of n / (n + m). Rounding must not cost the last one allowed.
        allowed = int((kept.size - of_kind.size) * share / (1 - share) + 1e-9)
        over = of_kind[allowed:]
        self.codes[over] = CODE[reason]
        return int(over.size)

    def freeze_golden(self, unseen: Unseen) -> tuple[int, ...]:
        """The golden set, when there are enough examples for it that no model was ever trained on; else none."""
        wanted = self._rules.golden_examples
        if len(self._golden) < wanted:
            return ()
        places = self._order[self._golden]
        fresh = set(unseen(self._table.ids[places].tolist()))
        chosen = [place for place in places.tolist() if int(self._table.ids[place]) in fresh][:wanted]
        if len(chosen) < wanted:
            return ()
        self.codes[chosen] = CODE[LeftOutReason.GOLDEN]
        return tuple(self._table.ids[chosen].tolist())

    def figures(self, new_golden: int) -> dict[str, int | float]:
        """What stands in the files, in numbers."""
        table = self._table
        kept = np.flatnonzero(self.codes[: table.rows] == KEPT)
        flags = table.flags[kept]
        copies = self.copies_of[: table.rows]
        copies = copies[copies >= 0]
        refusals = int(np.count_nonzero(flags & Flag.REFUSAL))
        own = int(np.count_nonzero(flags & Flag.OWN))
        count = int(kept.size)
        return {
            "examples": int(table.rows),
            "kept": count,
            "clusters": int(np.unique(copies).size),
            "copies": int(copies.size),
            "refusals": refusals,
            "refusal_share": round(refusals / count, 6) if count else 0.0,
            "own_model": own,
            "own_model_share": round(own / count, 6) if count else 0.0,
            "rated_up": int(np.count_nonzero(table.ratings[kept] > 0)),
            "rated_down": int(np.count_nonzero(table.ratings[kept] < 0)),
            "unsupported": int(np.count_nonzero(flags & Flag.UNSUPPORTED)),
            "corrected": int(np.count_nonzero(flags & Flag.CORRECTED)),
            "golden": int(np.count_nonzero(table.flags & Flag.FROZEN)) + new_golden,
            "golden_possible": len(self._golden),
        }
