"""Write a dataset: its data files, manifest.json, README.md and report.html, under an address made from its content.

Streams: memory does not grow with the rows. Everything is written under a temporary name first; a dataset is
published whole or not at all, and two exporters of the same rows publish the same bytes at the same place.
Never reads the database: the caller hands the rows in, ordered by content.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ftworker import __version__
from ftworker.clock import Clock, utc_now
from ftworker.curation.tokens import ENCODINGS, ESTIMATE, make_counter
from ftworker.datasets.card import dataset_card
from ftworker.datasets.data_file import DataFile, write_small
from ftworker.datasets.formats import RowFormat, row_format
from ftworker.datasets.last_look import Look, look_through
from ftworker.datasets.manifest import (
    MANIFEST_NAME,
    MANIFEST_VERSION,
    REPORT_NAME,
    Content,
    FileEntry,
    Manifest,
    Provenance,
    SplitEntry,
    SystemPromptEntry,
    WrittenAgainFrom,
    content_sha256,
    manifest_bytes,
    read_manifest,
)
from ftworker.datasets.split import Split
from ftworker.datasets.storage import (
    full_url,
    make_folder,
    open_storage,
    publish_folder,
    storage_errors,
)
from ftworker.datasets.timeline import Timeline
from ftworker.errors import FtworkerError, PermanentError
from ftworker.masking import mask_url

MINIMUM_TRAIN_ROWS = 10
"""OpenAI trains on no fewer. A validation file that would push training below gives way."""

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
    tokenizers: Mapping[str, int] = field(default_factory=dict)
    """Examples that were cut, by what their tokens were counted. Empty: nobody knows, so the estimate."""
    least_rows: int = 0
    """A training file with fewer rows is not published: the provider would refuse it."""
    timeline: Timeline = field(default_factory=Timeline)
    """When the conversations of the rows ended, and their courses, for the report."""
    as_before: Manifest | None = None
    """The dataset that is written again: its sides stay as they were, and the manifest names it."""
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
    look: Look | None = None,
    progress: Callable[[int], None] | None = None,
    clock: Clock = utc_now,
) -> ExportResult:
    """Write the rows and publish them at `<storage>/datasets/<pipeline>/<sequence>-<sha256[:12]>/`.

    Repeatable: the same rows under the same spec are published at the same place, once.
    `rows` are ExampleRow-shaped, ordered by content hash so that the same set gives the same bytes; `golden` are the
    contents of the golden set, in the same order. `look` finds personal data in the finished files: where it does,
    PersonalDataLeft is raised. `progress` is called with the examples done so far, every thousand and at the end, and
    again while the files are looked through. Raises TooFewExamples (also when there is no row at all),
    StorageRejected, StorageUnavailable; nothing is published then.
    """
    filesystem, root = open_storage(storage_url)
    folder = f"{root}/datasets/{spec.pipeline}"
    with _temporary_folder(filesystem, folder, storage_url, clock()) as temporary:
        manifest = _write(spec, _guarded(rows), filesystem, temporary, golden=golden, progress=progress)
        _look_through(filesystem, temporary, manifest, look, progress)
        target = f"{folder}/{spec.sequence}-{manifest.sha256[:12]}"
        first = publish_folder(filesystem, temporary, target, _names(manifest))
    url = full_url(filesystem, target)
    if not first:
        # Killed before it could say so, an exporter published the same rows: what is told of them is what lies there.
        manifest = read_manifest(url)
    return ExportResult(url, manifest.sha256, manifest)


def write_dataset(
    spec: ExportSpec,
    rows: Iterable[_Row],
    url: str,
    *,
    overwrite: bool = False,
    golden: Iterable[str] = (),
    look: Look | None = None,
    progress: Callable[[int], None] | None = None,
    clock: Clock = utc_now,
) -> ExportResult:
    """Write the rows as `export_dataset` does, to a folder of the caller's choice.

    An existing folder is replaced only on request, and only where it is empty or holds a dataset: nothing else is ever
    removed. Raises PermanentError for one that may not be replaced, and what `export_dataset` raises.
    """
    filesystem, target = open_storage(url)
    folder = target.rpartition("/")[0]
    with storage_errors(url):
        replaced = _may_replace(filesystem, target, url, overwrite=overwrite)
    with _temporary_folder(filesystem, folder, url, clock()) as temporary:
        manifest = _write(spec, _guarded(rows), filesystem, temporary, golden=golden, progress=progress)
        _look_through(filesystem, temporary, manifest, look, progress)
        if replaced:
            _remove(filesystem, target)
        publish_folder(filesystem, temporary, target, _names(manifest))
    return ExportResult(full_url(filesystem, target), manifest.sha256, manifest)


def _may_replace(filesystem: Any, target: str, url: str, *, overwrite: bool) -> bool:
    """Whether something is there that has to go first."""
    if not filesystem.exists(target):
        return False
    names = [path.rstrip("/").rpartition("/")[2] for path in filesystem.ls(target, detail=False)]
    if names and MANIFEST_NAME not in names:
        raise PermanentError(
            f"{mask_url(url)} holds other files; name a folder that is new, empty, or a dataset's"
        )
    if names and not overwrite:
        raise PermanentError(f"{mask_url(url)} holds a dataset already; --overwrite replaces it")
    return True


def _remove(filesystem: Any, folder: str) -> None:
    """Remove a dataset, or an empty folder. The manifest last: what a crash leaves of it may still be replaced."""
    for path in filesystem.ls(folder, detail=False):
        if path.rstrip("/").rpartition("/")[2] != MANIFEST_NAME:
            filesystem.rm(path, recursive=True)
    filesystem.rm(folder, recursive=True)


def _look_through(
    filesystem: Any,
    temporary: str,
    manifest: Manifest,
    look: Look | None,
    progress: Callable[[int], None] | None,
) -> None:
    """The last gate: what was written is read again before anybody else can."""
    if look is None:
        return
    with ExitStack() as opened:
        files = [
            (entry.name, opened.enter_context(filesystem.open(f"{temporary}/{entry.name}", "rb")))
            for entry in manifest.files()
        ]
        look_through(files, look, progress)


def _names(manifest: Manifest) -> tuple[str, ...]:
    """The files of a dataset's folder, the one that says "complete" last."""
    return (*(entry.name for entry in manifest.files()), REPORT_NAME, "README.md", MANIFEST_NAME)


@contextmanager
def _temporary_folder(filesystem: Any, folder: str, url: str, now: datetime) -> Iterator[str]:
    """A folder beside the one that will be published; it is gone when anything fails before that."""
    temporary = f"{folder}/.exporting-{now.astimezone(UTC).strftime(_STAMP)}-{uuid.uuid4().hex}"
    try:
        with storage_errors(url):
            make_folder(filesystem, temporary)
            _remove_abandoned(filesystem, folder, now)
            try:
                yield temporary
            except BaseException:
                with suppress(Exception):  # the first error is the one to tell; the leftover is cleared later
                    filesystem.rm(temporary, recursive=True)
                raise
    except _RowsFailed as failed:
        raise failed.error from None


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
    rows: Iterable[_Row],
    filesystem: Any,
    temporary: str,
    *,
    golden: Iterable[str],
    progress: Callable[[int], None] | None,
) -> Manifest:
    # Imported here: they need numpy, and a worker that exports nothing starts without it.
    from ftworker.datasets.figures import Figures
    from ftworker.datasets.report import render_report

    form = row_format(spec.format, spec.system_prompt, count_tokens=_prompt_counter(spec))
    train = DataFile(filesystem, temporary, "train", form)
    validation = DataFile(filesystem, temporary, "validation", form)
    before = spec.as_before.content if spec.as_before else None
    validates = spec.split.validates
    share = spec.split.validation_share if before is None or before.validation else 0.0
    figures = Figures()
    examples = 0
    with train, validation:
        for content, group, tokens, rating, model in rows:
            side = validation if share and validates(group) else train
            side.add(content, tokens)
            figures.add(
                content, tokens=tokens + form.tokens_per_row, rating=rating, model=model, side=side.stem
            )
            examples += 1
            if progress and not examples % _PROGRESS_ROWS:
                progress(examples)
        if not examples:
            raise TooFewExamples(_nothing_left(spec))
        if progress:
            progress(examples)
        given_up = None if before else _give_up_validation(train, validation, share)
        if not validation.rows:
            figures.all_train()
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
        split=before.split if before else SplitEntry(share, spec.split.salt, given_up),
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
            rated_up=figures.ratings[1],
            rated_down=figures.ratings[-1],
            models={name or "unknown": count for name, count in figures.frequent_models(_MODELS_LISTED)},
            drops=dict(spec.drops),
            ftworker_version=__version__,
            left_out=dict(spec.left_out),
            selection=dict(spec.figures),
            tokenizers=dict(spec.tokenizers),
            written_again_from=_origin(spec.as_before),
        ),
    )
    report = render_report(manifest.as_dict(), figures, spec.timeline)
    write_small(filesystem, f"{temporary}/{REPORT_NAME}", report.encode())
    write_small(filesystem, f"{temporary}/README.md", dataset_card(manifest, spec.language).encode())
    write_small(filesystem, f"{temporary}/{MANIFEST_NAME}", manifest_bytes(manifest))
    return manifest


def _prompt_counter(spec: ExportSpec) -> Callable[[str], int]:
    """Counts the system prompt as the examples were counted. A local base's tokenizer need not be on this machine."""
    names = [*spec.tokenizers] or [ESTIMATE]
    return make_counter(names[0] if len(names) == 1 and names[0] in ENCODINGS else ESTIMATE).count


def _origin(before: Manifest | None) -> WrittenAgainFrom | None:
    if before is None:
        return None
    return WrittenAgainFrom(before.sha256, before.content.format, before.provenance.examples)


def _write_golden(
    contents: Iterable[str], filesystem: Any, temporary: str, form: RowFormat
) -> FileEntry | None:
    """The golden set in the dataset's own format, beside its files. None where there is none."""
    golden = DataFile(filesystem, temporary, "golden", form)
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


def _give_up_validation(train: DataFile, validation: DataFile, share: float) -> str | None:
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
