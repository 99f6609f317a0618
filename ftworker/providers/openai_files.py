"""A dataset's files on their way to the service. Repeatable: what is there already is found and used again.

A file is named after its run, so that it can be found after an answer was lost. Never decides about a job.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, Any

from ftworker.clock import Clock
from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.providers.contract import (
    DatasetFile,
    JournalEntry,
    ProviderRejected,
    ProviderUnavailable,
    Record,
)
from ftworker.providers.openai_client import Service
from ftworker.providers.openai_errors import CallFailed, clean_text
from ftworker.providers.openai_wire import File, Page, Upload, UploadPart

BOM = b"\xef\xbb\xbf"
COPY_BYTES = 1 << 20
PROGRESS_BYTES = 16 << 20
PROGRESS_SECONDS = 5.0
"""After so many bytes on the wire, or so long, progress is recorded, which also renews the step's lease: on a slow line
few bytes take longer than that. Of the copy that is made before, by time alone."""
READY_LOOKS = 8
READY_LOOK_SECONDS = 2.0
"""So often, and so far apart, one step looks whether a file is processed; then the step ends and comes again
later.
"""


@dataclass(frozen=True)
class LocalCopy:
    """A dataset file on this machine as it will be sent, byte-order mark included.

    `file` has no name in any folder, so that a worker that is killed leaves nothing of it behind.
    """

    name: str
    file: IO[bytes]
    size_bytes: int
    md5: str


class FileSender:
    """Brings one dataset file to the service and waits, for a short while, until it is processed."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def send(self, name: str, source: DatasetFile, record: Record) -> str:
        """Return the id of the file `name` at the service, uploading it only when it is not there.

        Raises ProviderRejected (the service refuses it, or the export changed), StorageRejected and
        StorageUnavailable (the export cannot be read), ProviderUnavailable (try again: the next call finds
        what this one may have left there).
        """
        with tempfile.TemporaryFile() as file:
            copy = self._fetch(source, name, file, record)
            stored = self._find(name, copy.size_bytes)
            if stored is None:
                stored = self._upload(copy, record)
                record(JournalEntry("note", f"uploaded {name}, {copy.size_bytes} bytes, as {stored.id}"))
            else:
                record(JournalEntry("note", f"{name} is at the provider already as {stored.id}"))
        self._wait_until_ready(name, stored, record)
        return stored.id

    def _fetch(self, source: DatasetFile, name: str, file: IO[bytes], record: Record) -> LocalCopy:
        """Copy the export and check it. A frozen dataset whose bytes changed is never trained on."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        recorded_at = time.monotonic()
        filesystem, where = open_storage(source.url)
        with storage_errors(source.url):
            origin = filesystem.open(where, "rb")
        with origin:
            while True:
                with storage_errors(source.url):
                    block = origin.read(COPY_BYTES)
                if not block:
                    break
                sha256.update(block)
                if size == 0 and self._service.settings.bom and not block.startswith(BOM):
                    block = BOM + block
                md5.update(block)
                size += len(block)
                file.write(block)
                if time.monotonic() - recorded_at >= PROGRESS_SECONDS:
                    recorded_at = time.monotonic()
                    record(JournalEntry("progress", f"{name}: {size} bytes fetched and checked"))
        if sha256.hexdigest() != source.sha256:
            raise ProviderRejected(
                f"provider {self._service.name}: {source.url} has sha256 {sha256.hexdigest()}, the dataset"
                f" was frozen with {source.sha256}; restore the file or cut the dataset again",
                code="dataset_changed",
            )
        file.flush()
        return LocalCopy(name, file, size, md5.hexdigest())

    def _find(self, name: str, size_bytes: int) -> File | None:
        """The file that an earlier attempt left, by name and size; the oldest when a lost answer made two."""

        def list_files(client: Any, cursor: dict[str, Any]) -> Any:
            return client.files.with_raw_response.list(purpose="fine-tune", **cursor)

        try:
            found = [
                stored
                for page in self._service.pages(Page[File], list_files)
                for stored in page
                if (stored.filename, stored.bytes) == (name, size_bytes)
            ]
        except CallFailed as failed:
            raise self._service.refused_or_unavailable("listing files", failed.failure) from failed
        return min(found, key=lambda stored: (stored.created_at, stored.id), default=None)

    def _upload(self, copy: LocalCopy, record: Record) -> File:
        settings = self._service.settings
        with _Reporting(copy, record) as body:
            try:
                if copy.size_bytes <= settings.max_upload_bytes:
                    return self._upload_whole(copy, body)
                return self._upload_parts(copy, body)
            except CallFailed as failed:
                doing = f"uploading {copy.name}"
                raise self._service.refused_or_unavailable(doing, failed.failure) from failed

    def _upload_whole(self, copy: LocalCopy, body: io.FileIO) -> File:
        more: dict[str, Any] = {}
        if (seconds := self._service.settings.file_expires_after_seconds) is not None:
            more["expires_after"] = {"anchor": "created_at", "seconds": seconds}
        part = (copy.name, body, "application/jsonl")
        return self._service.once(
            File,
            lambda client: client.files.with_raw_response.create(file=part, purpose="fine-tune", **more),
        )

    def _upload_parts(self, copy: LocalCopy, body: _Reporting) -> File:
        settings = self._service.settings
        more: dict[str, Any] = {}
        if (seconds := settings.file_expires_after_seconds) is not None:
            more["expires_after"] = {"anchor": "created_at", "seconds": seconds}
        upload = self._service.read(
            # May be repeated: an upload that is never completed makes no file and expires within the hour.
            Upload,
            lambda client: client.uploads.with_raw_response.create(
                filename=copy.name,
                purpose="fine-tune",
                bytes=copy.size_bytes,
                mime_type="application/jsonl",
                **more,
            ),
        )
        part_ids = []
        sent = 0
        while block := io.FileIO.read(body, settings.upload_part_bytes):
            # May be repeated: a part that `complete` does not name is no part of the file.
            part = self._service.read(UploadPart, partial(_add_part, upload.id, block, body, sent))
            part_ids.append(part.id)
            sent += len(block)
        done = self._service.once(
            Upload,
            lambda client: client.uploads.with_raw_response.complete(
                upload.id, part_ids=part_ids, md5=copy.md5
            ),
        )
        if done.file is None:
            raise ProviderUnavailable(
                f"provider {self._service.name}: upload {upload.id} is complete but names no file",
                code="malformed_reply",
            )
        return done.file

    def _wait_until_ready(self, name: str, stored: File, record: Record) -> None:
        for _ in range(READY_LOOKS):
            # The status is deprecated: a service may leave it out, and then says at the job's creation what it thinks.
            if stored.status in {"processed", None}:
                return
            if stored.status == "error":
                words = clean_text(str(stored.status_details or "no reason given"))
                raise ProviderRejected(
                    f"provider {self._service.name}: file {stored.id} ({name}) is refused: {words};"
                    " run `ftworker datasets validate` on it",
                    code="file_error",
                )
            self._service.sleep(READY_LOOK_SECONDS)
            record(JournalEntry("progress", f"{name} is being processed at the provider"))
            stored = self._look(stored.id)
        limit = timedelta(seconds=self._service.settings.files_ready_timeout_seconds)
        if stored.created_at and self._clock() - datetime.fromtimestamp(stored.created_at, UTC) > limit:
            raise ProviderRejected(
                f"provider {self._service.name}: file {stored.id} ({name}) is still {stored.status!r} after"
                f" {limit.total_seconds():.0f} s; look at it there, raise files_ready_timeout_seconds, or"
                " retry the run",
                code="file_not_processed",
            )
        raise ProviderUnavailable(
            f"provider {self._service.name}: file {stored.id} ({name}) is still {stored.status!r}",
            code="file_processing",
        )

    def _look(self, file_id: str) -> File:
        try:
            return self._service.read(File, lambda client: client.files.with_raw_response.retrieve(file_id))
        except CallFailed as failed:
            # Never a refusal: a file that was just made may be unknown to a replica (404).
            raise self._service.unavailable(f"reading file {file_id}", failed.failure) from failed


def _add_part(upload_id: str, block: bytes, whole: _Reporting, sent: int, client: Any) -> Any:
    return client.uploads.parts.with_raw_response.create(upload_id, data=_Part(block, whole, sent))


class _Reporting(io.FileIO):
    """A file that records how far it was read, so that a long upload shows and keeps its lease."""

    def __init__(self, copy: LocalCopy, record: Record) -> None:
        super().__init__(os.dup(copy.file.fileno()), "rb")
        self.seek(0)
        self._record = record
        self._doing = f"upload of {copy.name}"
        self._total = copy.size_bytes
        self._reported = 0
        self._reported_at = time.monotonic()

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(-1 if size is None else size)
        self.report(self.tell())
        return block

    def report(self, position: int) -> None:
        """So many bytes are on their way."""
        waited = time.monotonic() - self._reported_at
        if position - self._reported >= PROGRESS_BYTES or waited >= PROGRESS_SECONDS:
            self._reported, self._reported_at = position, time.monotonic()
            data = {"completed": position, "total": self._total, "unit": "bytes"}
            self._record(JournalEntry("progress", self._doing, data=data))


class _Part(io.BytesIO):
    """A part of it, in memory, that does the same."""

    def __init__(self, block: bytes, whole: _Reporting, sent: int) -> None:
        super().__init__(block)
        self._whole = whole
        self._sent = sent

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._whole.report(self._sent + self.tell())
        return block
