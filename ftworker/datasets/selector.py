"""Takes in the rows of a dataset and has each judged: the first pass of an export. Pure.

Keeps some 130 bytes an example and no text; the texts of possible copies are asked for again when they are compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftworker.curation.near_duplicates import Candidates, NearDuplicates
from ftworker.datasets.judging import BLOCK_ROWS, Flag, Judge, Table, Texts
from ftworker.datasets.lessons import bare_question, lesson_text
from ftworker.datasets.selection import (
    Contents,
    Selection,
    SelectionRow,
    SelectionRules,
    Unseen,
    is_own_model,
)
from ftworker.datasets.split import Side, group_point

BATCH_ROWS = 512
"""Rows to add at a time: enough for whole arrays, few enough for the processor's cache."""

_NO_CANDIDATES = Candidates(np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int64))
_Rows = Sequence[SelectionRow | tuple[Any, ...]]


class Selector:
    """The rows of one dataset, and the rules by which it is selected."""

    def __init__(self, rules: SelectionRules, *, own_models: Collection[str] = ()) -> None:
        """`own_models` are names of models that were tuned here, in lower case."""
        self._rules = rules
        self._own = frozenset(own_models)
        self._bare = bare_question(rules.context_template)
        similarity = rules.near_duplicate_similarity
        self._near = NearDuplicates(similarity) if similarity is not None else None
        self._ids = array("q")
        self._datasets = array("i")
        # The first bytes of the content's hash: an order of contents, in which a few may stand level.
        self._contents = array("I")
        self._groups = array("Q")
        self._questions = array("Q")
        self._ratings = array("b")
        self._sides = array("B")
        self._flags = array("B")
        self._rows = 0

    def add(self, rows: _Rows) -> None:
        """Take in some rows of the dataset."""
        self._take(rows, 0)
        self._rows += len(rows)

    def add_golden(self, rows: _Rows) -> None:
        """Take in the pipeline's golden set, after all rows. Those that are rows of the dataset may be among them.

        Their users never train, also where the share or the salt by which they were drawn has changed since.
        """
        ids = np.array(self._ids, np.int64)
        places = np.flatnonzero(np.isin(ids, [row[0] for row in rows])).tolist()
        for place in places:
            self._flags[place] |= Flag.FROZEN
        known = {int(ids[place]) for place in places}
        self._take([row for row in rows if row[0] not in known], Flag.FROZEN)
        users = [group_point(row[4], "") for row in rows]
        for place in np.flatnonzero(np.isin(np.array(self._groups), users)).tolist():
            self._sides[place] = Side.GOLDEN

    def decide(
        self,
        contents: Contents,
        unseen: Unseen,
        *,
        golden_exists: bool,
        progress: Callable[[int], None] | None = None,
    ) -> Selection:
        """Judge every row, once. `contents` is asked for possible copies alone, `unseen` for possible golden examples.

        `golden_exists`: the pipeline has its golden set, however small by now. `progress` is called with the number of
        rows judged so far. The same rows give the same decisions in whatever order they were added.
        """
        order = self._order()
        # What is not needed any more gives its memory back at once: this is where the stage is largest.
        self._datasets, self._contents = array("i"), array("I")
        groups = _repeated(self._groups)
        self._groups = array("Q")
        questions = _repeated(self._questions, none=0)
        self._questions = array("Q")
        table = Table(
            # Views: nothing is added any more.
            ids=np.asarray(self._ids, np.int64),
            groups=groups,
            questions=questions,
            sides=np.asarray(self._sides),
            flags=np.asarray(self._flags),
            ratings=np.asarray(self._ratings),
            rows=self._rows,
        )
        candidates = self._near.candidates(order) if self._near else _NO_CANDIDATES
        judge = Judge(self._rules, table, order, candidates, Texts(table.ids, contents, self._bare))
        for begin in range(0, order.size, BLOCK_ROWS):
            judge.block(begin)
            if progress:
                progress(min(begin + BLOCK_ROWS, order.size))
        judge.cap_shares()
        new_golden = () if golden_exists else judge.freeze_golden(unseen)
        return Selection(
            table.ids, judge.codes, judge.copies_of, self._rows, new_golden, judge.figures(len(new_golden))
        )

    def _take(self, rows: _Rows, frozen: int) -> None:
        split, own = self._rules.split, self._own
        texts: list[str] = []
        for row in rows:
            example_id, dataset_id, content, sha256, group, rating, model, question, *flags = row
            refusal, unsupported, corrected = flags
            self._ids.append(example_id)
            self._datasets.append(dataset_id)
            self._contents.append(int.from_bytes(sha256[:4]))
            self._groups.append(group_point(group, ""))
            self._questions.append(int.from_bytes(question[:8]) if question is not None else 0)
            self._ratings.append(rating)
            self._sides.append(split.side(group))
            # What a person wrote is nobody's tail, whatever model answered before.
            of_own = not corrected and is_own_model(model, own)
            self._flags.append(
                frozen
                | (Flag.REFUSAL if refusal else 0)
                | (Flag.UNSUPPORTED if unsupported else 0)
                | (Flag.CORRECTED if corrected else 0)
                | (Flag.OWN if of_own else 0)
            )
            if self._near is not None:
                texts.append(lesson_text(content, self._bare))
        if self._near is not None:
            self._near.add(texts)

    def _order(self) -> NDArray[np.int64]:
        """Places in the order of judging."""
        return np.lexsort(
            (
                np.asarray(self._ids),
                # Of equal contents in one group it does not matter which stands: ids only settle what bytes cannot.
                np.asarray(self._groups),
                np.asarray(self._contents),
                -np.asarray(self._ratings).astype(np.int16),
                np.asarray(self._sides),
                np.asarray(self._datasets),
                np.asarray(self._flags) & Flag.FROZEN == 0,
            )
        )


def _repeated(values: array[int], *, none: int | None = None) -> NDArray[np.int32]:
    """A small number for each value that comes more than once, -1 for all others and for `none`."""
    # By hand: np.unique takes twice the memory to tell the same.
    given = np.asarray(values)
    order = np.argsort(given).astype(np.int32)
    ascending = given[order]
    differs = np.concatenate((ascending[:1] == ascending[:1], ascending[1:] != ascending[:-1]))
    begins = np.flatnonzero(differs).astype(np.int32)
    counts = np.diff(begins, append=np.int32(given.size))
    if none is not None:
        counts[ascending[begins] == none] *= -1
    del ascending, differs, begins
    numbers = np.where(counts > 1, np.cumsum(counts > 1, dtype=np.int32) - 1, -1).astype(np.int32)
    found = np.empty(given.size, np.int32)
    found[order] = np.repeat(numbers, np.abs(counts))
    return found
