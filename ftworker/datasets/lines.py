"""Where an example stands in the files of its dataset: the file and the line. Reads the files, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ftworker.datasets.formats import RowFormat
from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.reading import FileFacts, Pairs, Unreadable, buffered, read_rows
from ftworker.datasets.storage import open_storage, storage_errors


@dataclass(frozen=True)
class Place:
    """A line of a file of a dataset, 1 first; of a row of several lines the first of them."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def find_lines(url: str, form: RowFormat, contents: Mapping[int, str]) -> dict[int, list[Place]]:
    """Where the stored contents stand, by their keys, in the order of the files; a key without a place is in none.

    One pass over the dataset at `url`, with flat memory. Examples with the same words have the same places. Raises
    NotFound, PermanentError, StorageRejected, StorageUnavailable.
    """
    keys_of: dict[str, list[int]] = {}
    for key, content in contents.items():
        for row in form.rows(content):
            keys_of.setdefault(_comparable(_parsed(row)), []).append(key)
    found: dict[int, list[Place]] = {}
    for entry in read_manifest(url).files():
        filesystem, path = open_storage(f"{url}/{entry.name}")
        with storage_errors(url), filesystem.open(path, "rb") as file:
            for line, value in read_rows(buffered(file), FileFacts()):
                if isinstance(value, Unreadable):
                    continue
                for key in keys_of.get(_comparable(value), ()):
                    found.setdefault(key, []).append(Place(entry.name, line))
    return found


def _parsed(row: bytes) -> object:
    return json.loads(row, object_pairs_hook=Pairs)


def _comparable(value: object) -> str:
    return json.dumps(value, default=_pairs, ensure_ascii=False)


def _pairs(value: object) -> Iterable[object]:
    assert isinstance(value, Pairs)
    return value.items
