"""Judge any training file before a provider does: every check, with file, line and field. Memory stays flat.

Recognises chat examples, OpenAI's and TRL's preference pairs, prompt/completion, and instruction/response, as JSON
Lines or one JSON array. Reads only. `rows` holds the checks of a row, `reading` how rows are found, `checks` what can
be found.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from ftworker.datasets.checks import OPENAI_KINDS, Check, Report, TokenStatistics
from ftworker.datasets.estimate import estimate_epochs
from ftworker.datasets.manifest import MANIFEST_NAME, read_manifest
from ftworker.datasets.reading import FileFacts, Unreadable, buffered, read_rows
from ftworker.datasets.rows import MAX_TOKENS, RowContext, as_object, check_row, kind_of
from ftworker.datasets.storage import file_size, open_storage, storage_errors

MAX_FILE_BYTES = 536_870_912
"""OpenAI's limit for one file, 512 MB."""
MINIMUM_ROWS = 10

_PROGRESS_ROWS = 1_000


def validate_file(
    url: str,
    *,
    minimum_rows: int = MINIMUM_ROWS,
    max_problems: int = 100,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Check one file, at a path or any fsspec URL. `minimum_rows` counts for files a provider trains on.

    `progress` is called with the bytes read so far. Raises NotFound, StorageRejected, StorageUnavailable.
    """
    filesystem, path = open_storage(url)
    report = Report(path.rpartition("/")[2], size_bytes=file_size(url), max_problems=max_problems)
    with storage_errors(url), filesystem.open(path, "rb") as file:
        _check_file(file, report, minimum_rows, progress)
    return report


def validate_dataset(url: str, *, max_problems: int = 100) -> list[Report]:
    """Check the files of an exported dataset, and that they are the ones its manifest describes.

    Raises NotFound when no dataset is there, PermanentError for an altered manifest.
    """
    manifest = read_manifest(url)
    folder = url.rstrip("/").removesuffix(f"/{MANIFEST_NAME}")
    trains_at_provider = manifest.content.format in OPENAI_KINDS
    reports = []
    for entry in manifest.files():
        needed = MINIMUM_ROWS if trains_at_provider and entry is manifest.content.train else 1
        report = validate_file(f"{folder}/{entry.name}", minimum_rows=needed, max_problems=max_problems)
        if report.sha256 != entry.sha256:
            report.add(
                Check.ALTERED, None, "", f"sha256 is not {entry.sha256[:12]}..., as {MANIFEST_NAME} says"
            )
        reports.append(report)
    return reports


def is_dataset(url: str) -> bool:
    """Whether a finished dataset lies at this URL (a folder with manifest.json, or the manifest itself)."""
    filesystem, path = open_storage(url)
    with storage_errors(url):
        if path.endswith(f"/{MANIFEST_NAME}"):
            return bool(filesystem.isfile(path))
        return bool(filesystem.isfile(f"{path}/{MANIFEST_NAME}"))


def _check_file(file: Any, report: Report, minimum_rows: int, progress: Callable[[int], None] | None) -> None:
    if report.size_bytes > MAX_FILE_BYTES:
        report.add(
            Check.FILE_TOO_LARGE,
            None,
            "",
            f"{report.size_bytes} bytes, the limit is {MAX_FILE_BYTES}; split it",
        )
    facts = FileFacts()
    histogram = _Histogram()
    previous: Any = None
    for line, value in read_rows(buffered(file), facts):
        if isinstance(value, Unreadable):
            report.add(value.check, line, "", value.message)
            continue
        if value == previous:
            report.add(Check.REPEATED_ROW, line, "", "the same row as the one before")
        previous = value
        report.rows += 1
        histogram.add(_check_value(value, line, report))
        if progress and not report.rows % _PROGRESS_ROWS:
            progress(facts.bytes_read)
    if progress:
        progress(report.size_bytes)
    report.sha256 = facts.sha256.hexdigest()
    report.tokens = histogram.statistics()
    report.estimated_epochs = estimate_epochs(report.rows)
    if facts.is_array and report.kind in OPENAI_KINDS:
        report.add(Check.DATA_TYPE, 1, "", "one JSON array; providers want one object a line (JSON Lines)")
    if facts.byte_order_mark:
        report.add(Check.BYTE_ORDER_MARK, 1, "", "byte-order mark; only Azure wants one")
    if facts.windows_line_ends:
        report.add(
            Check.WINDOWS_LINE_ENDS,
            facts.first_windows_line,
            "",
            f"{facts.windows_line_ends} lines end in CR LF; expected LF",
        )
    if not report.rows and not report.errors:
        report.add(Check.EMPTY_FILE, None, "", "no rows")
    elif report.rows < minimum_rows and (report.kind is None or report.kind in OPENAI_KINDS):
        report.add(
            Check.TOO_FEW_EXAMPLES,
            None,
            "",
            f"{report.rows} rows, expected at least {minimum_rows} to train on",
        )


def _check_value(value: Any, line: int, report: Report) -> int:
    """Look at every field of a row, and return its tokens. The first row says what kind the file is."""
    found = RowContext(report, line)
    row = as_object(value, "", found)
    if row is None:
        return 0
    kind = kind_of(row)
    if report.kind is None:
        report.kind = kind
    if kind is not None and kind != report.kind:
        found.add(Check.MIXED_ROWS, "", f"a row of kind {kind} in a file of {report.kind}")
    return check_row(row, kind or report.kind or "openai-chat", found)


class _Histogram:
    """Counts of rows by tokens, exact up to the provider's limit. Half a megabyte, whatever the file."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * (MAX_TOKENS + 2)))
        self._rows = 0
        self._total = 0
        self._least = 0
        self._most = 0

    def add(self, tokens: int) -> None:
        self._counts[min(tokens, MAX_TOKENS + 1)] += 1
        self._least = tokens if not self._rows else min(self._least, tokens)
        self._most = max(self._most, tokens)
        self._rows += 1
        self._total += tokens

    def statistics(self) -> TokenStatistics | None:
        if not self._rows:
            return None
        return TokenStatistics(
            self._total, self._least, self._percentile(0.5), self._percentile(0.95), self._most
        )

    def _percentile(self, share: float) -> int:
        wanted = share * (self._rows - 1)
        seen = 0
        for tokens, count in enumerate(self._counts):
            seen += count
            if seen > wanted:
                return min(tokens, self._most)
        return self._most
