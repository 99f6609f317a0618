"""The examples that a dataset was cut with, as numbers, for its audit: who they are of, and the hashes of their rows.

No text is kept. Pure.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ftworker.curation.near_duplicates import NearDuplicates
from ftworker.datasets.formats import RowFormat
from ftworker.datasets.lessons import bare_question, lesson_text
from ftworker.datasets.selection import SelectionRules
from ftworker.datasets.split import group_point

_BATCH = 512

Look = Callable[[Any], Iterable[str]]
"""Tells the kinds of personal data in a stored content, decoded."""


class Member(NamedTuple):
    """An example that a dataset was cut with. Any tuple of this shape will do."""

    example_id: int
    conversation: int
    split_group: str
    content: str
    """Empty once it is erased."""
    withheld: bool
    left_out: bool
    """It was not to stand in the train and validation files."""


_Rows = Iterable[Member | tuple[Any, ...]]


class Members:
    """The examples by place, in the order of adding; behind `dataset_size` golden ones that are no members."""

    def __init__(self, rules: SelectionRules, form: RowFormat, look: Look | None) -> None:
        self._form = form
        self._bare = bare_question(rules.context_template)
        self._validates = rules.split.validates
        self._look = look
        self._ids = array("q")
        self._conversations = array("q")
        self._groups = array("Q")
        self._flags = {
            name: array("B") for name in ("left_out", "withheld", "golden", "personal", "validates")
        }
        self._hashes = array("Q")
        self._owners = array("q")
        self.dataset_size = 0
        self._kinds: dict[int, list[str]] = {}
        similarity = rules.near_duplicate_similarity
        self.near = NearDuplicates(similarity) if similarity is not None else None

    def add(self, rows: _Rows, progress: Callable[[int], None] | None = None) -> None:
        """Take in the dataset's examples, once."""
        rest = iter(rows)
        while batch := list(islice(rest, _BATCH)):
            self._take(batch)
            if progress:
                progress(len(self._ids))
        self.dataset_size = len(self._ids)

    def add_golden(self, rows: Sequence[Member | tuple[Any, ...]]) -> None:
        """Take in the golden set, after the dataset's examples; those that are among them are marked."""
        ids = self.ids()
        marked = np.flatnonzero(np.isin(ids, [row[0] for row in rows])).tolist()
        known = {int(ids[place]) for place in marked}
        first = len(self._ids)
        self._take([row for row in rows if row[0] not in known])
        for place in (*marked, *range(first, len(self._ids))):
            self._flags["golden"][place] = 1

    def _take(self, rows: Sequence[Member | tuple[Any, ...]]) -> None:
        texts = []
        for example_id, conversation, group, content, withheld, left_out in rows:
            place = len(self._ids)
            self._ids.append(example_id)
            self._conversations.append(conversation)
            self._groups.append(group_point(group, ""))
            kinds = list(self._look(_decode(content))) if self._look and content else []
            if kinds:
                self._kinds[place] = kinds
            values = {
                "left_out": left_out,
                "withheld": withheld,
                "golden": False,
                "personal": bool(kinds),
                "validates": self._validates(group),
            }
            for name, value in values.items():
                self._flags[name].append(value)
            # Also of what was left out: a row of it in a file must be known for what it is.
            for written in self._form.rows(content) if content else ():
                self._hashes.append(row_hash(written))
                self._owners.append(place)
            texts.append(lesson_text(content, self._bare) if content else "")
        if self.near is not None:
            self.near.add(texts)

    def ids(self) -> NDArray[np.int64]:
        """Example ids."""
        return np.array(self._ids, np.int64)

    def conversations(self) -> NDArray[np.int64]:
        """A number for the conversation of each."""
        return np.array(self._conversations, np.int64)

    def users(self) -> NDArray[np.uint64]:
        """A number for the split group of each."""
        return np.array(self._groups, np.uint64)

    def flag(self, name: str) -> NDArray[np.bool_]:
        """`left_out`, `withheld`, `golden`, `personal` or `validates` of each."""
        return np.array(self._flags[name], bool)

    def kinds(self, which: NDArray[np.bool_]) -> Counter[str]:
        """Finds of personal data in these examples, by kind."""
        return Counter(kind for place, kinds in self._kinds.items() if which[place] for kind in kinds)

    def rows(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The hashes of all rows that they would give, ascending, and the place of the example of each."""
        hashes = np.array(self._hashes, np.uint64)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], np.array(self._owners, np.int64)[order]


_decode = msgspec.json.Decoder().decode


def row_hash(row: bytes) -> int:
    """A row of a file as a number of 64 bits."""
    return int.from_bytes(hashlib.blake2b(row, digest_size=8).digest())
