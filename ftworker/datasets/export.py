"""Write a dataset: train, validation, manifest.json and README.md, under an address made from its content.

Streams: memory does not grow with the rows. Everything is written under a temporary name first; a dataset is
published whole or not at all, and two exporters of the same rows publish the same bytes at the same place.
Never reads the database: the caller hands the rows in, ordered by content.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from ftworker import __version__
from ftworker.clock import Clock, utc_now
from ftworker.datasets.card import dataset_card
from ftworker.datasets.formats import RowFormat, row_format
from ftworker.datasets.manifest import (
    MANIFEST_NAME,
    MANIFEST_VERSION,
    Content,
    FileEntry,
    Manifest,
    Provenance,
    SplitEntry,
    SystemPromptEntry,
    content_sha256,
    manifest_bytes,
)
from ftworker.datasets.split import Split
from ftworker.datasets.storage import (
    full_url,
    make_folder,
    open_storage,
    publish_folder,
    storage_errors,
    sync_file,
)
from ftworker.errors import FtworkerError, PermanentError

MINIMUM_TRAIN_ROWS = 10
"""OpenAI trains on no fewer. A validation file that would push training below gives way."""

_BUFFER_BYTES = 1 << 20
_PROGRESS_ROWS = 1_000
_MODELS_LISTED = 20
_ABANDONED_AFTER = timedelta(hours=24)
_TEMPORARY_NAME = re.compile(r"\.exporting-(\d{8}T\d{6}Z)-[0-9a-f]{32}")
_STAMP = "%Y%m%dT%H%M%SZ"

_Row = tuple[str, str, int, int, str | None]


class ExampleRow(NamedTuple):
    """One example, as the export's query selects it. Any tuple of this shape will do."""

    content: str
    split_group: str
    token_count: int
    rating: int
    model: str | None


@dataclass(frozen=True)
class ExportSpec:
    """What is frozen into a dataset when it is cut, besides its rows."""

    pipeline: str
    sequence: int
    format: str
    """One of `ftworker.datasets.formats.FORMATS`."""
    system_prompt: str
    system_prompt_version: str
    curation: Mapping[str, Any]
    """The pipeline's curation settings as JSON values."""
    split: Split
    strategy: str = "all"
    cut_at: datetime | None = None
    conversations: int | None = None
    """How many conversations the rows come from, where the caller has counted them."""
    drops: Mapping[str, int] = field(default_factory=dict)
    """Turns left out since the last cut, by reason code."""
    selection: Mapping[str, Any] = field(default_factory=dict)
    """The rules of selection as JSON values (`SelectionRules.as_dict`)."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Examples of the dataset that are not among the rows, by reason code."""
    figures: Mapping[str, int | float] = field(default_factory=dict)
    """What the selection counted."""
    least_rows: int = 0
    """A training file with fewer rows is not published: the provider would refuse it."""
    language: str = "es"


@dataclass(frozen=True)
class ExportResult:
    """A published dataset. `url` is its folder; the manifest's entries name the files in it."""

    url: str
    sha256: str
    manifest: Manifest

    def file_url(self, entry: FileEntry) -> str:
        """The fsspec URL of one of its files."""
        return f"{self.url}/{entry.name}"


class TooFewExamples(PermanentError):
    """What a dataset would train on is less than its provider takes."""


def export_dataset(
    spec: ExportSpec,
    rows: Iterable[_Row],
    storage_url: str,
    *,
    golden: Iterable[str] = (),
    progress: Callable[[int], None] | None = None,
    clock: Clock = utc_now,
) -> ExportResult:
    """Write the rows and publish them at `<storage>/datasets/<pipeline>/<sequence>-<sha256[:12]>/`.

    Repeatable: the same rows under the same spec are published at the same place, once.
    `rows` are ExampleRow-shaped, ordered by content hash so that the same set gives the same bytes; `golden` are the
    contents of the golden set, in the same order. `progress` is called with the examples done so far, every thousand
    and at the end. Raises TooFewExamples (also when there is no row at all), StorageRejected, StorageUnavailable;
    nothing is published then.
    """
    form = row_format(spec.format, spec.system_prompt)
    filesystem, root = open_storage(storage_url)
    folder = f"{root}/datasets/{spec.pipeline}"
    now = clock()
    temporary = f"{folder}/.exporting-{now.astimezone(UTC).strftime(_STAMP)}-{uuid.uuid4().hex}"
    try:
        with storage_errors(storage_url):
            make_folder(filesystem, temporary)
            _remove_abandoned(filesystem, folder, now)
            try:
                manifest = _write(
                    spec, form, _guarded(rows), filesystem, temporary, golden=golden, progress=progress
                )
                target = f"{folder}/{spec.sequence}-{manifest.sha256[:12]}"
                names = (*(entry.name for entry in manifest.files()), "README.md", MANIFEST_NAME)
                publish_folder(filesystem, temporary, target, names)
            except BaseException:
                with suppress(Exception):  # the first error is the one to tell; the leftover is cleared later
                    filesystem.rm(temporary, recursive=True)
                raise
    except _RowsFailed as failed:
        raise failed.error from None
    return ExportResult(full_url(filesystem, target), manifest.sha256, manifest)


class _RowsFailed(FtworkerError):
    """The caller's rows raised: not the storage's trouble, and raised again as it was."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _guarded(rows: Iterable[_Row]) -> Iterator[_Row]:
    try:
        yield from rows
    except Exception as error:
        raise _RowsFailed(error) from error


def _write(
    spec: ExportSpec,
    form: RowFormat,
    rows: Iterable[_Row],
    filesystem: Any,
    temporary: str,
    *,
    golden: Iterable[str],
    progress: Callable[[int], None] | None,
) -> Manifest:
    train = _DataFile(filesystem, temporary, "train", form)
    validation = _DataFile(filesystem, temporary, "validation", form)
    validates = spec.split.validates
    share = spec.split.validation_share
    examples = up = down = 0
    models: Counter[str] = Counter()
    with train, validation:
        for content, group, tokens, rating, model in rows:
            (validation if share and validates(group) else train).add(content, tokens)
            examples += 1
            if rating:
                up, down = (up + 1, down) if rating > 0 else (up, down + 1)
            models[model or "unknown"] += 1
            if progress and not examples % _PROGRESS_ROWS:
                progress(examples)
        if not examples:
            raise TooFewExamples(_nothing_left(spec))
        if progress:
            progress(examples)
        given_up = _give_up_validation(train, validation, share)
        if train.rows < spec.least_rows:
            raise TooFewExamples(_too_few(spec, train.rows))
        train.finish()
        if validation.rows:
            validation.finish()
    golden_entry = _write_golden(golden, filesystem, temporary, form)
    content_part = Content(
        manifest_version=MANIFEST_VERSION,
        format=form.name,
        system_prompt=SystemPromptEntry(
            spec.system_prompt_version, hashlib.sha256(spec.system_prompt.encode()).hexdigest()
        ),
        curation=dict(spec.curation),
        split=SplitEntry(share, spec.split.salt, given_up),
        train=train.entry(),
        validation=validation.entry() if validation.rows else None,
        selection=dict(spec.selection),
        golden=golden_entry,
    )
    manifest = Manifest(
        sha256=content_sha256(content_part),
        content=content_part,
        provenance=Provenance(
            pipeline=spec.pipeline,
            sequence=spec.sequence,
            strategy=spec.strategy,
            cut_at=spec.cut_at.astimezone(UTC).isoformat() if spec.cut_at else None,
            examples=examples,
            conversations=spec.conversations,
            rated_up=up,
            rated_down=down,
            models=dict(sorted(models.most_common(_MODELS_LISTED))),
            drops=dict(spec.drops),
            ftworker_version=__version__,
            left_out=dict(spec.left_out),
            selection=dict(spec.figures),
        ),
    )
    _write_small(filesystem, f"{temporary}/README.md", dataset_card(manifest, spec.language).encode())
    _write_small(filesystem, f"{temporary}/{MANIFEST_NAME}", manifest_bytes(manifest))
    return manifest


def _write_golden(
    contents: Iterable[str], filesystem: Any, temporary: str, form: RowFormat
) -> FileEntry | None:
    """The golden set in the dataset's own format, beside its files. None where there is none."""
    golden = _DataFile(filesystem, temporary, "golden", form)
    with golden:
        for content in contents:
            golden.add(content, 0)
        if not golden.rows:
            return None
        golden.finish()
    return golden.entry()


def _nothing_left(spec: ExportSpec) -> str:
    what = f"dataset {spec.sequence} of pipeline {spec.pipeline} has no examples left"
    if spec.left_out:
        return f"{what}: {_left_out_text(spec)}; {_WHAT_TO_DO}"
    return f"{what}; they were erased since it was cut: cancel the run"


def _too_few(spec: ExportSpec, rows: int) -> str:
    what = f"dataset {spec.sequence} of pipeline {spec.pipeline} has {rows} rows to train on"
    why = f": {_left_out_text(spec)}" if spec.left_out else ""
    return f"{what}, its provider needs at least {spec.least_rows}{why}; {_WHAT_TO_DO}"


_WHAT_TO_DO = (
    "wait for more conversations, or loosen [pipelines.NAME.selection] and split.golden_share, which hold from the "
    "next cut on"
)


def _left_out_text(spec: ExportSpec) -> str:
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(spec.left_out.items()))
    return f"left out are {counts}"


def _give_up_validation(train: _DataFile, validation: _DataFile, share: float) -> str | None:
    """Why there is no validation file although one was asked for; its rows then train. None: there is one."""
    if not validation.rows:
        return "no user fell on the validation side" if share else None
    if train.rows >= MINIMUM_TRAIN_ROWS:
        return None
    reason = (
        f"only {train.rows} rows would have been left to train on, and providers need {MINIMUM_TRAIN_ROWS}"
    )
    train.absorb(validation)
    return reason


class _DataFile:
    """A data file being written: buffers rows, and hashes what it writes. Opened when the first row comes."""

    def __init__(self, filesystem: Any, folder: str, stem: str, form: RowFormat) -> None:
        self.name = f"{stem}.{form.extension}"
        self.rows = 0
        self._form = form
        self._filesystem = filesystem
        self._path = f"{folder}/{self.name}"
        self._file: Any = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._tokens = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, content: str, tokens: int) -> None:
        """Append the rows of one example."""
        rows = self._form.rows(content)
        self.rows += len(rows)
        self._tokens += tokens + len(rows) * self._form.tokens_per_row
        self._pending += rows
        self._pending_bytes += sum(map(len, rows))
        if self._pending_bytes >= _BUFFER_BYTES:
            self._flush()

    def absorb(self, other: _DataFile) -> None:
        """Append all rows of the other file, which is empty afterwards and removed."""
        self._flush()
        other._flush()
        other._file.close()
        with self._filesystem.open(other._path, "rb") as source:
            source.seek(len(self._form.head))
            if self._file is not None:
                self._write(self._form.separator)
            while block := source.read(_BUFFER_BYTES):
                self._write(block)
        self._filesystem.rm(other._path)
        self.rows += other.rows
        self._tokens += other._tokens
        other.rows = 0

    def finish(self) -> None:
        """Write the rest and close; the file is durable where the file system can say so."""
        self._flush()
        self._write(self._form.tail)
        sync_file(self._file)
        self._file.close()

    def entry(self) -> FileEntry:
        """What the manifest says of the finished file."""
        return FileEntry(self.name, self._digest.hexdigest(), self._size, self.rows, self._tokens)

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = self._form.separator.join(self._pending)
        self._write(rows if self._file is None else self._form.separator + rows)
        self._pending = []
        self._pending_bytes = 0

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._filesystem.open(self._path, "wb")
            data = self._form.head + data
        self._digest.update(data)
        self._size += len(data)
        self._file.write(data)


def _write_small(filesystem: Any, path: str, data: bytes) -> None:
    with filesystem.open(path, "wb") as file:
        file.write(data)
        sync_file(file)


def _remove_abandoned(filesystem: Any, folder: str, now: datetime) -> None:
    """Clear away what exporters that were killed left behind, long after any of them can still be at work."""
    try:
        paths = filesystem.ls(folder, detail=False)
    except FileNotFoundError:
        return  # an object store has no folder before the first object
    for path in paths:
        match = _TEMPORARY_NAME.fullmatch(path.rstrip("/").rpartition("/")[2])
        if match is None:
            continue
        begun = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
        if now - begun > _ABANDONED_AFTER:
            with suppress(FileNotFoundError):  # another exporter is clearing away too
                filesystem.rm(path, recursive=True)
