"""The audit of a finished dataset: its files against the database and against each other. Reads only.

Begins with the bytes: every row of every file is looked up among the examples by its hash, so that what is said of
examples is said of the files. Then no conversation, no user and nothing nearly the same may stand on two sides (train,
validation, golden), and nothing golden, withheld, erased or personal may be inside. Tells counts and example ids alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ftworker.conversations import canonical_json
from ftworker.datasets.formats import row_format
from ftworker.datasets.judging import Texts
from ftworker.datasets.last_look import Look, texts_of
from ftworker.datasets.lessons import bare_question
from ftworker.datasets.manifest import FileEntry, Manifest, read_manifest
from ftworker.datasets.members import Member, Members, row_hash
from ftworker.datasets.reading import FileFacts, Pairs, buffered, read_rows
from ftworker.datasets.selection import Contents, SelectionRules
from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.errors import NotFound, PermanentError

TRAIN, VALIDATION, GOLDEN = 1, 2, 4
_IN_DATASET = TRAIN | VALIDATION
_NAMES = {TRAIN: "train", VALIDATION: "validation", GOLDEN: "golden"}
_WINDOW = 500
_NAMED = 5

_Sides = NDArray[np.uint8]


class Leak(StrEnum):
    """What an audit can find, with its meaning. Any of them makes a dataset unclean."""

    meaning: str

    ALTERED = "altered", "a file is missing, or is not the one that the manifest and the database describe"
    UNKNOWN_ROWS = "unknown_rows", "an altered file holds rows that no example gives"
    MISSING_ROWS = "missing_rows", "examples that should stand in the files do not"
    LEFT_OUT_INSIDE = "left_out_inside", "examples that were left out stand in the files"
    ERASED_INSIDE = "erased_inside", "rows whose conversation was erased since stand in the files"
    WITHHELD_INSIDE = "withheld_inside", "examples that no dataset may use any more stand in the files"
    CONVERSATION_ON_TWO_SIDES = "conversation_on_two_sides", "a conversation stands on two sides"
    USER_ON_TWO_SIDES = "user_on_two_sides", "a user stands on two sides"
    NEAR_DUPLICATE_ON_TWO_SIDES = "near_duplicate_on_two_sides", "nearly the same example stands on two sides"
    GOLDEN_IN_TRAINING = "golden_in_training", "an example of the golden set trains or validates"
    PERSONAL_DATA = "personal_data", "personal data was found in examples that stand in the files"

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


@dataclass(frozen=True)
class Found:
    """One kind of leak: how often, some of the examples, and more words where there are any."""

    leak: Leak
    count: int
    example_ids: tuple[int, ...] = ()
    detail: str = ""


@dataclass
class Audit:
    """What was found and what was looked at."""

    dataset_id: int
    url: str
    found: list[Found] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    not_checked: list[str] = field(default_factory=list)
    """What the dataset's own settings leave open, in words."""

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.found

    def add(self, leak: Leak, count: int, example_ids: Iterable[int] = (), detail: str = "") -> None:
        """Note a leak; nothing for a count of 0."""
        if count:
            ids = tuple(sorted({int(number) for number in example_ids})[:_NAMED])
            self.found.append(Found(leak, count, ids, detail))


@dataclass(frozen=True)
class Subject:
    """A finished dataset as the database knows it."""

    dataset_id: int
    url: str
    manifest: Mapping[str, Any]
    format: str
    system_prompt: str
    rules: SelectionRules


def audit_dataset(
    subject: Subject,
    rows: Iterable[Member | tuple[Any, ...]],
    golden: Sequence[Member | tuple[Any, ...]],
    contents: Contents,
    *,
    look: Look | None,
    progress: Callable[[int], None] | None = None,
) -> Audit:
    """Look at the files and at every example that the dataset was cut with. Memory stays flat.

    `rows` are the dataset's examples, in or out of its files; `golden` the pipeline's golden set; `contents` gives
    stored contents again; `look` tells the kinds of personal data in a text (None: not looked for). Raises
    StorageUnavailable, StorageRejected, and what `rows` and `contents` raise.
    """
    audit = Audit(subject.dataset_id, subject.url)
    files = _read_files(subject, audit)
    members = Members(subject.rules, _form(subject), _looking(look))
    members.add(rows, progress)
    members.add_golden(golden)
    sides = _sides(members, files, audit)
    _look_inside(members, sides, audit)
    _look_across(Leak.CONVERSATION_ON_TWO_SIDES, members.conversations(), members, sides, audit)
    _look_across(Leak.USER_ON_TWO_SIDES, members.users(), members, sides, audit)
    _look_for_copies(subject, members, sides, contents, audit)
    if look is None:
        audit.not_checked.append('personal data: curation.personal_data is "keep"')
    return audit


def _form(subject: Subject) -> Any:
    # Of an array of instructions the rows are compared one by one, however they are laid out.
    name = "instruction-jsonl" if subject.format == "instruction-json" else subject.format
    return row_format(name, subject.system_prompt)


def _looking(look: Look | None) -> Callable[[Any], Iterator[str]] | None:
    if look is None:
        return None

    def kinds(content: Any) -> Iterator[str]:
        for text in texts_of(content):
            yield from look(text)

    return kinds


# -- the files


class _File(NamedTuple):
    side: int
    rows: NDArray[np.uint64]
    unaltered: bool


def _read_files(subject: Subject, audit: Audit) -> list[_File]:
    """The hashes of the rows of each file there is; whatever is not as described is noted."""
    try:
        manifest = read_manifest(subject.url)
    except (NotFound, PermanentError) as error:
        audit.add(Leak.ALTERED, 1, detail=str(error))
        return []
    if manifest.as_dict() != subject.manifest:
        audit.add(Leak.ALTERED, 1, detail="manifest.json is not the one that the database has")
    found = []
    for side, entry in _entries(manifest):
        filesystem, path = open_storage(f"{subject.url}/{entry.name}")
        with storage_errors(subject.url):
            if not filesystem.isfile(path):
                audit.add(Leak.ALTERED, 1, detail=f"{entry.name} is missing")
                continue
            with filesystem.open(path, "rb") as file:
                rows, digest = _row_hashes(file, manifest.content.format)
        if digest != entry.sha256:
            audit.add(Leak.ALTERED, 1, detail=f"{entry.name} does not hash to what manifest.json says")
        found.append(_File(side, rows, digest == entry.sha256))
        audit.figures[f"{_NAMES[side]}_rows"] = int(rows.size)
    return found


def _entries(manifest: Manifest) -> Iterator[tuple[int, FileEntry]]:
    content = manifest.content
    for side, entry in ((TRAIN, content.train), (VALIDATION, content.validation), (GOLDEN, content.golden)):
        if entry is not None:
            yield side, entry


def _row_hashes(file: Any, format_name: str) -> tuple[NDArray[np.uint64], str]:
    """The hash of every row, and of the whole file."""
    hashes = array("Q")
    facts = FileFacts()
    source = buffered(file)
    if format_name == "instruction-json":
        for _, value in read_rows(source, facts):
            hashes.append(row_hash(canonical_json(dict(value.items)) if isinstance(value, Pairs) else b""))
    else:
        for line in source:
            facts.take(line)
            hashes.append(row_hash(line.removesuffix(b"\n")))
    return np.array(hashes, np.uint64), facts.sha256.hexdigest()


# -- files and examples


def _sides(members: Members, files: Sequence[_File], audit: Audit) -> _Sides:
    """On which sides each example stands, by the rows of the files; rows without example are noted."""
    hashes, owners = members.rows()
    left_out, golden, validates = (members.flag(name) for name in ("left_out", "golden", "validates"))
    sides = np.zeros(left_out.size, np.uint8)
    for file in files:
        first = np.searchsorted(hashes, file.rows, "left")
        after = np.searchsorted(hashes, file.rows, "right")
        unknown = int(np.count_nonzero(first == after))
        audit.add(Leak.ERASED_INSIDE if file.unaltered else Leak.UNKNOWN_ROWS, unknown)
        # Of examples with the same words: the one that should stand in this file.
        fitting = (golden if file.side == GOLDEN else ~left_out) * np.int8(2)
        fitting += validates == (file.side == VALIDATION)
        for begin, end in zip(first[first < after].tolist(), after[first < after].tolist(), strict=True):
            place = owners[begin] if end - begin == 1 else max(owners[begin:end], key=fitting.__getitem__)
            sides[place] |= file.side
    of_dataset = [file.rows for file in files if file.side != GOLDEN]
    if of_dataset:
        present = np.isin(hashes, np.concatenate(of_dataset))
        absent = np.zeros(left_out.size, bool)
        absent[owners[~present]] = True
        _note(Leak.MISSING_ROWS, absent & ~left_out & ~members.flag("withheld"), members, audit)
    return sides


def _look_inside(members: Members, sides: _Sides, audit: Audit) -> None:
    """What may not stand in the files at all, or not in these."""
    in_dataset = (sides & _IN_DATASET) > 0
    golden = members.flag("golden")
    _note(Leak.LEFT_OUT_INSIDE, in_dataset & members.flag("left_out"), members, audit)
    _note(Leak.GOLDEN_IN_TRAINING, in_dataset & golden, members, audit)
    _note(Leak.WITHHELD_INSIDE, (sides > 0) & members.flag("withheld"), members, audit)
    personal = (sides > 0) & members.flag("personal")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(members.kinds(personal).items()))
    _note(Leak.PERSONAL_DATA, personal, members, audit, kinds)
    own = slice(0, members.dataset_size)
    audit.figures |= {
        "examples": members.dataset_size,
        "in_files": int(np.count_nonzero(in_dataset)),
        "left_out": int(np.count_nonzero(members.flag("left_out")[own])),
        "golden_set": int(np.count_nonzero(golden)),
        "conversations": int(np.unique(members.conversations()[sides > 0]).size),
        "users": int(np.unique(members.users()[sides > 0]).size),
    }


def _look_across(leak: Leak, values: NDArray[Any], members: Members, sides: _Sides, audit: Audit) -> None:
    """Whether one value (a conversation, a user) stands on two sides."""
    _, which = np.unique(values, return_inverse=True)
    of_value = np.zeros(which.max(initial=-1) + 1, np.uint8)
    np.bitwise_or.at(of_value, which, sides)
    on_two = (of_value & (of_value - 1)) > 0
    ids = members.ids()[on_two[which] & (sides > 0)] if which.size else ()
    audit.add(leak, int(np.count_nonzero(on_two)), ids)


def _look_for_copies(
    subject: Subject, members: Members, sides: _Sides, contents: Contents, audit: Audit
) -> None:
    """Whether nearly the same example stands on two sides, by exact Jaccard of every pair that shares a band."""
    similarity = subject.rules.near_duplicate_similarity
    if members.near is None or similarity is None:
        audit.not_checked.append("near-duplicates: selection.near_duplicate_similarity is not set")
        return
    # The small sides first: the first of a bucket is compared with all in it.
    order = np.argsort(-sides.astype(np.int16), kind="stable")
    found = members.near.candidates(order)
    ones = order[np.repeat(found.members, np.diff(found.starts))]
    others = order[found.others]
    across = (sides[ones] > 0) & (sides[others] > 0) & (sides[ones] != sides[others])
    pairs = list(zip(ones[across].tolist(), others[across].tolist(), strict=True))
    texts = Texts(members.ids(), contents, bare_question(subject.rules.context_template))
    copies = []
    for begin in range(0, len(pairs), _WINDOW):
        window = pairs[begin : begin + _WINDOW]
        texts.prepare(sorted({place for pair in window for place in pair}))
        copies += [pair for pair in window if texts.similarity(*pair) >= similarity]
    ids = members.ids()
    audit.add(
        Leak.NEAR_DUPLICATE_ON_TWO_SIDES, len(copies), (ids[place] for pair in copies for place in pair)
    )
    audit.figures["pairs_compared"] = len(pairs)


def _note(leak: Leak, which: NDArray[np.bool_], members: Members, audit: Audit, detail: str = "") -> None:
    audit.add(leak, int(np.count_nonzero(which)), members.ids()[which], detail)
