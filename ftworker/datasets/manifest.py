"""manifest.json: what a dataset is, file by file, and what decided it. Its `content` part names the dataset.

`sha256` is over the canonical JSON of `content` alone, so the same rows under the same settings are the same
dataset whoever cut it, when, and with which release. `provenance` tells the rest and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from ftworker.conversations import canonical_json
from ftworker.curation.tokens import ESTIMATE
from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.errors import NotFound, PermanentError
from ftworker.masking import mask_url

MANIFEST_NAME = "manifest.json"
REPORT_NAME = "report.html"
MANIFEST_VERSION = 1


# The manifest says which files are read and hashed: none outside its folder.
_FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$(?!\n)")]


class FileEntry(msgspec.Struct, frozen=True):
    """One file of a dataset. `sha256` is over its bytes; `tokens` are those of all rows, with the system prompt."""

    name: _FileName
    sha256: str
    bytes: int
    rows: int
    tokens: int


class SystemPromptEntry(msgspec.Struct, frozen=True):
    """The prompt in every row. Serving must use the same bytes."""

    version: str
    sha256: str


class SplitEntry(msgspec.Struct, frozen=True):
    """How users were divided. `given_up`: why there is no validation file although a share was asked for."""

    validation_share: float
    salt: str
    given_up: str | None = None


# What older datasets do not have is left out of the JSON, so that their content goes on hashing to their names.
class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that decides the bytes, and the bytes' own hashes: no ids, no times, no releases."""

    manifest_version: int
    format: str
    system_prompt: SystemPromptEntry
    curation: dict[str, Any]
    split: SplitEntry
    train: FileEntry
    validation: FileEntry | None
    selection: dict[str, Any] = {}
    """The rules by which examples were chosen, and how the golden set is drawn."""
    golden: FileEntry | None = None
    """The golden set, beside the dataset and not of it: no provider is given it."""


class WrittenAgainFrom(msgspec.Struct, frozen=True):
    """The exported dataset whose examples stand here in another form. Fewer here: the others were erased since."""

    sha256: str
    format: str
    examples: int


class Provenance(msgspec.Struct, frozen=True):
    """Where the dataset came from. Not part of its hash."""

    pipeline: str
    sequence: int
    strategy: str
    cut_at: str | None
    examples: int
    conversations: int | None
    rated_up: int
    rated_down: int
    models: dict[str, int]
    """Examples by the model that gave the taught answer, the 20 most frequent; `unknown` where none is."""
    drops: dict[str, int]
    """Turns and conversations left out, by reason code (docs/DATASETS.md)."""
    ftworker_version: str
    left_out: dict[str, int] = {}
    """Examples that were cut and stand in neither file, by reason code (docs/DATASETS.md)."""
    selection: dict[str, int | float] = {}
    """What stands in the files, in numbers: `ftworker.datasets.judging.Judge.figures`."""
    tokenizers: dict[str, int] = {}
    """Examples that were cut, by what their tokens were counted; `estimate`, and none at all: estimated."""
    written_again_from: WrittenAgainFrom | None = None
    """Set by `ftworker datasets export`; None: this is the dataset itself."""


def counted_by(tokenizers: Iterable[str]) -> str:
    """How people are told where a number of tokens comes from: `estimated`, or the tokenizers' names."""
    names = sorted(tokenizers)
    return "estimated" if not names or ESTIMATE in names else ", ".join(names)


class Manifest(msgspec.Struct, frozen=True):
    """The whole file."""

    sha256: str
    content: Content
    provenance: Provenance

    def files(self) -> tuple[FileEntry, ...]:
        """The data files, train first, the golden set last."""
        content = self.content
        return tuple(entry for entry in (content.train, content.validation, content.golden) if entry)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the database."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def content_sha256(content: Content) -> str:
    """The name of the dataset, hexadecimal."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def manifest_bytes(manifest: Manifest) -> bytes:
    """manifest.json as written: canonical, indented for people."""
    return msgspec.json.format(canonical_json(manifest), indent=2) + b"\n"


def read_manifest(url: str) -> Manifest:
    """Read the manifest of a dataset's folder (or of its manifest.json) and check that it is unaltered.

    Raises NotFound when no dataset is published there, PermanentError when the manifest does not match its
    own hash, StorageRejected and StorageUnavailable.
    """
    filesystem, path = open_storage(url)
    if not path.endswith(f"/{MANIFEST_NAME}"):
        path = f"{path}/{MANIFEST_NAME}"
    with storage_errors(url):
        try:
            raw = filesystem.cat_file(path)
        except FileNotFoundError:
            raise NotFound(f"{mask_url(url)}: no {MANIFEST_NAME} there, so no finished dataset") from None
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PermanentError(f"{mask_url(url)}: {MANIFEST_NAME} is not one of ftworker's: {error}") from error
    if content_sha256(manifest.content) != manifest.sha256:
        raise PermanentError(
            f"{mask_url(url)}: {MANIFEST_NAME} was altered: its content does not hash to its sha256"
        )
    return manifest
