"""The files and uploads of the double's organisation. All state, no HTTP; `account` adds jobs and models.

Every method is one operation of the API and answers with the JSON of the answer, or raises `Refusal`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tests.doubles.openai_api.faults import Behaviour

BOM = b"\xef\xbb\xbf"

T = TypeVar("T")


class Hideable(Protocol):
    """A thing that a lagging listing does not show yet."""

    hidden_listings: int


H = TypeVar("H", bound=Hideable)


@dataclass(frozen=True)
class Refusal(Exception):
    """An error envelope with its HTTP status."""

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"


@dataclass
class StoredFile:
    id: str
    filename: str
    content: bytes
    purpose: str
    created_at: int
    hidden_listings: int = 0
    unprocessed_polls: int = 0
    expires_at: int | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        status = "processed"
        if self.error:
            status = "error"
        elif self.unprocessed_polls > 0:
            status = "uploaded"
        answer: dict[str, Any] = {
            "object": "file",
            "id": self.id,
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": status,
        }
        if self.error:
            answer["status_details"] = self.error
        if self.expires_at:
            answer["expires_at"] = self.expires_at
        return answer


@dataclass
class StoredUpload:
    id: str
    filename: str
    size: int
    created_at: int
    status: str = "pending"
    parts: dict[str, bytes] = field(default_factory=dict)
    file_id: str | None = None
    expires_after_seconds: int | None = None


class Storage:
    """Files and uploads. `now` is the double's clock in Unix seconds, `next_number` makes every id unique."""

    def __init__(
        self, behaviour: Callable[[], Behaviour], now: Callable[[], float], next_number: Callable[[], int]
    ) -> None:
        self._behaviour = behaviour
        self._now = now
        self._next = next_number
        self.files: dict[str, StoredFile] = {}
        self.uploads: dict[str, StoredUpload] = {}

    def create_file(
        self, filename: str, content: bytes, purpose: str, expires_after_seconds: int | None = None
    ) -> dict[str, Any]:
        behaviour = self._behaviour()
        if len(content) > behaviour.max_single_upload_bytes:
            limit = behaviour.max_single_upload_bytes
            raise Refusal(
                413, f"File is too large: {len(content)} bytes, the limit is {limit}.", "file_too_large"
            )
        return self.store(filename, content, purpose, expires_after_seconds).as_json()

    def store(
        self, filename: str, content: bytes, purpose: str, expires_after_seconds: int | None
    ) -> StoredFile:
        behaviour = self._behaviour()
        if purpose == "fine-tune" and not filename.endswith(".jsonl"):
            raise Refusal(
                400, "Invalid file format for Fine-Tuning API. Must be .jsonl", "invalid_file_format", "file"
            )
        if not content:
            raise Refusal(400, "File is empty.", "invalid_file_format", "file")
        now = int(self._now())
        stored = StoredFile(
            id=f"file-{self._next():06d}",
            filename=filename,
            content=content,
            purpose=purpose,
            created_at=now,
            hidden_listings=behaviour.listing_lag_calls,
            unprocessed_polls=behaviour.file_processing_polls,
            expires_at=now + expires_after_seconds if expires_after_seconds else None,
            error=behaviour.file_error,
        )
        if behaviour.flavour == "azure" and not content.startswith(BOM):
            stored.error = "The file must be encoded in UTF-8 with a byte-order mark (BOM)."
        self.files[stored.id] = stored
        return stored

    def file(self, file_id: str) -> StoredFile:
        if file_id not in self.files:
            raise Refusal(404, f"No such File object: {file_id}", None, "id")
        return self.files[file_id]

    def retrieve_file(self, file_id: str) -> dict[str, Any]:
        stored = self.file(file_id)
        answer = stored.as_json()
        stored.unprocessed_polls = max(0, stored.unprocessed_polls - 1)
        return answer

    def delete_file(self, file_id: str) -> dict[str, Any]:
        del self.files[self.file(file_id).id]
        return {"object": "file", "id": file_id, "deleted": True}

    def list_files(self, purpose: str | None, after: str | None, limit: int, order: str) -> dict[str, Any]:
        shown = [stored for stored in self.files.values() if purpose in {None, stored.purpose}]
        shown = what_listing_shows(shown)
        if order == "desc":
            shown.reverse()
        page, more = one_page(shown, after, limit, lambda stored: stored.id)
        ids = [stored.id for stored in page]
        return {
            "object": "list",
            "data": [stored.as_json() for stored in page],
            "first_id": ids[0] if ids else "",
            "last_id": ids[-1] if ids else "",
            "has_more": more,
        }

    def create_upload(
        self, filename: str, size: int, expires_after_seconds: int | None = None
    ) -> dict[str, Any]:
        upload = StoredUpload(f"upload_{self._next():06d}", filename, size, int(self._now()))
        upload.expires_after_seconds = expires_after_seconds
        self.uploads[upload.id] = upload
        return self._upload_json(upload)

    def add_part(self, upload_id: str, data: bytes) -> dict[str, Any]:
        upload = self._pending_upload(upload_id)
        limit = self._behaviour().max_part_bytes
        if len(data) > limit:
            raise Refusal(
                413, f"Part is too large: {len(data)} bytes, the limit is {limit}.", "part_too_large"
            )
        part_id = f"part_{self._next():06d}"
        upload.parts[part_id] = data
        return {
            "object": "upload.part",
            "id": part_id,
            "created_at": int(self._now()),
            "upload_id": upload_id,
        }

    def complete_upload(self, upload_id: str, part_ids: Sequence[str], md5: str | None) -> dict[str, Any]:
        upload = self._pending_upload(upload_id)
        if any(part_id not in upload.parts for part_id in part_ids):
            raise Refusal(400, "Unknown part.", "invalid_part", "part_ids")
        content = b"".join(upload.parts[part_id] for part_id in part_ids)
        if len(content) != upload.size:
            raise Refusal(
                400, f"Expected {upload.size} bytes, the parts have {len(content)}.", "size_mismatch"
            )
        if md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            raise Refusal(400, "The md5 checksum does not match.", "checksum_mismatch", "md5")
        upload.file_id = self.store(upload.filename, content, "fine-tune", upload.expires_after_seconds).id
        upload.status = "completed"
        return self._upload_json(upload)

    def cancel_upload(self, upload_id: str) -> dict[str, Any]:
        upload = self._pending_upload(upload_id)
        upload.status = "cancelled"
        return self._upload_json(upload)

    def _pending_upload(self, upload_id: str) -> StoredUpload:
        upload = self.uploads.get(upload_id)
        if upload is None:
            raise Refusal(404, f"No such Upload object: {upload_id}")
        if upload.status == "pending" and self._now() > upload.created_at + 3600:
            upload.status = "expired"
        if upload.status != "pending":
            raise Refusal(400, f"Upload {upload_id} is {upload.status}.", "upload_not_pending")
        return upload

    def _upload_json(self, upload: StoredUpload) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "object": "upload",
            "id": upload.id,
            "created_at": upload.created_at,
            "filename": upload.filename,
            "bytes": upload.size,
            "purpose": "fine-tune",
            "status": upload.status,
            "expires_at": upload.created_at + 3600,
        }
        if upload.file_id:
            answer["file"] = self.files[upload.file_id].as_json()
        return answer


def what_listing_shows(things: Sequence[H]) -> list[H]:
    """The things that are not hidden; each listing brings the hidden ones one step nearer."""
    shown = []
    for thing in things:
        if thing.hidden_listings > 0:
            thing.hidden_listings -= 1
        else:
            shown.append(thing)
    return shown


def one_page(
    things: Sequence[T], after: str | None, limit: int, key: Callable[[T], str]
) -> tuple[list[T], bool]:
    """The things after the cursor, and whether more follow."""
    start = 0
    if after is not None:
        ids = [key(thing) for thing in things]
        if after not in ids:
            raise Refusal(400, f"No such cursor: {after}", None, "after")
        start = ids.index(after) + 1
    return list(things[start : start + limit]), start + limit < len(things)
