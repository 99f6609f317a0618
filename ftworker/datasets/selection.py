"""What a selection is: its rules, the reasons for which examples are left out, and its result. Pure.

`selector` takes the rows of a dataset in, `judging` decides about each. Every example is judged once, in one order:
the golden set, then what the earliest dataset held, then training before validation before future golden examples,
then rating, then content. A decision looks at what came before it alone (but for the shares, which look at all), so
what an earlier dataset kept stays when new conversations come. docs/DATASETS.md has every rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ftworker.datasets.split import Split

if TYPE_CHECKING:
    # The reasons and rules are read by every worker, arrays come from an exporter alone.
    import numpy as np
    from numpy.typing import NDArray


class LeftOutReason(StrEnum):
    """Why an example of a dataset does not stand in its training and validation files, with its meaning."""

    meaning: str

    GOLDEN = "golden", "it is in the golden set, by which models are compared"
    GOLDEN_USER = "golden_user", "its user is kept for the golden set"
    COPY_OF_GOLDEN = "copy_of_golden", "nearly the same as an example that is kept for the golden set"
    NEAR_DUPLICATE = "near_duplicate", "nearly the same as an example that came first"
    QUESTION_ON_OTHER_SIDE = (
        "question_on_other_side",
        "its question stands on another side (train, validation, golden) already",
    )
    COPIES_OF_QUESTION = (
        "copies_of_question",
        "its question stands there `max_copies_of_question` times already",
    )
    EXAMPLES_OF_USER = "examples_of_user", "its user has `max_examples_of_user` examples there already"
    REFUSAL_SHARE = "refusal_share", "it refuses, and refusals would be above `max_refusal_share`"
    OWN_MODEL_SHARE = (
        "own_model_share",
        "a model tuned here wrote it, and such answers would be above `max_own_model_share`",
    )

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


KEPT = 0
"""The code of an example that stands in the files; others are 1 + the place of their reason."""
REASONS = tuple(LeftOutReason)
CODE = {reason: 1 + place for place, reason in enumerate(REASONS)}


@dataclass(frozen=True)
class SelectionRules:
    """The settings that decide, frozen with a dataset. None, and shares of 1: no limit."""

    split: Split
    golden_examples: int = 1
    near_duplicate_similarity: float | None = None
    max_copies_of_question: int | None = None
    max_examples_of_user: int | None = None
    max_refusal_share: float = 1.0
    max_own_model_share: float = 1.0
    context_template: str = ""

    @classmethod
    def frozen_with(cls, settings: Mapping[str, Any]) -> SelectionRules:
        """Of a dataset's row. One that was cut by a release without selection has no rules."""
        split = settings["split"]
        return cls(
            Split(split["validation_share"], split["salt"], split.get("golden_share", 0.0)),
            golden_examples=split.get("golden_examples", 1),
            context_template=settings["curation"].get("context_template", ""),
            **settings.get("selection", {}),
        )

    def as_dict(self) -> dict[str, Any]:
        """What decides a dataset's bytes besides its curation and split, for the manifest."""
        return {
            "golden_share": self.split.golden_share,
            "golden_examples": self.golden_examples,
            "near_duplicate_similarity": self.near_duplicate_similarity,
            "max_copies_of_question": self.max_copies_of_question,
            "max_examples_of_user": self.max_examples_of_user,
            "max_refusal_share": self.max_refusal_share,
            "max_own_model_share": self.max_own_model_share,
        }


class SelectionRow(NamedTuple):
    """One example, as the first pass of an export reads it. Any tuple of this shape will do."""

    example_id: int
    dataset_id: int
    """The first dataset that held it."""
    content: str
    content_sha256: bytes
    split_group: str
    rating: int
    model: str | None
    question_sha256: bytes | None
    refusal: bool
    unsupported: bool
    corrected: bool


class LeftOut(NamedTuple):
    """One example that does not stand in the files. `of_example_id`: the one in its place, where it is a copy."""

    example_id: int
    reason: LeftOutReason
    of_example_id: int | None


Contents = Callable[[Sequence[int]], Mapping[int, str]]
"""Stored contents by example id. Those that are gone are missing in the answer."""
Unseen = Callable[[Sequence[int]], Collection[int]]
"""Of these examples, those that never stood in the files of any dataset."""


@dataclass(frozen=True)
class Selection:
    """What was decided about each row. Arrays follow the order in which the rows were added."""

    ids: NDArray[np.int64]
    codes: NDArray[np.uint8]
    copies_of: NDArray[np.int32]
    """Place of the example that an example is a copy of; -1: of none."""
    rows: int
    """How many are rows of the dataset. Behind them stand golden examples that this dataset does not hold."""
    new_golden: tuple[int, ...]
    """Examples that become the golden set with this export; empty when there is one, or too few for one yet."""
    figures: Mapping[str, int | float]

    def kept(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Given the same rows in the same order, each led by its example id: those that stand in a file, without it.

        Raises ValueError for a row that was not judged at its place.
        """
        stands = (self.codes[: self.rows] == KEPT).tolist()
        ids: list[int] = []
        # As Python's own numbers, a block at a time: comparing numpy's would cost more than the rest.
        for place, row in enumerate(rows):
            if not place % 4_096:
                ids = self.ids[place : min(place + 4_096, self.rows)].tolist()
            if place >= self.rows or ids[place % 4_096] != row[0]:
                raise ValueError(f"row {place} is example {row[0]}, which was not judged there")
            if stands[place]:
                yield row[1:]

    def left_out(self) -> Iterator[LeftOut]:
        """Every row that does not stand in a file."""
        for place in self.codes[: self.rows].nonzero()[0].tolist():
            of = int(self.copies_of[place])
            of_example_id = int(self.ids[of]) if of >= 0 else None
            yield LeftOut(int(self.ids[place]), REASONS[self.codes[place] - 1], of_example_id)

    def counts(self) -> dict[str, int]:
        """How many are left out, by reason."""
        codes = self.codes[: self.rows]
        return {reason.value: number for reason in REASONS if (number := int((codes == CODE[reason]).sum()))}


def is_own_model(name: str | None, own: Collection[str]) -> bool:
    """Whether a model of this name was tuned here. `own` holds names in lower case.

    OpenAI's tuned models say so themselves (`ft:`). A name without a tag means `latest`, as in Ollama; the prefix of
    a gateway (`ollama/`, `openai/`) is passed over.
    """
    if not name:
        return False
    lowered = name.lower()
    return any(
        form.startswith("ft:") or form in own or f"{form}:latest" in own
        for form in (lowered, lowered.partition("/")[2])
        if form
    )
