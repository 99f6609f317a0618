"""The folder of a run's own, on any file system that fsspec knows. A file is there whole or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ftworker.datasets.storage import make_folder, open_storage, storage_errors, sync_file


@dataclass(frozen=True)
class RunFolder:
    """Reads and writes small files by name. Raises StorageRejected and StorageUnavailable."""

    url: str

    def read(self, name: str) -> bytes | None:
        """The file's content; None when there is no such file."""
        filesystem, path = open_storage(self.url)
        with storage_errors(self.url):
            try:
                content: bytes = filesystem.cat_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put the file there, unless it is there already. Two writers of one content do not disturb."""
        if self.read(name) == content:
            return
        filesystem, path = open_storage(self.url)
        # Under another name first: a reader must not meet half a file after a crash. The name is made from
        # the content, so the repetition after a crash finds the rest and takes it along.
        temporary = f"{path}/.{name}.{hashlib.sha256(content).hexdigest()[:12]}"
        with storage_errors(self.url):
            make_folder(filesystem, path)
            with filesystem.open(temporary, "wb") as file:
                file.write(content)
                sync_file(file)
            try:
                filesystem.mv(temporary, f"{path}/{name}")
            except FileNotFoundError:
                if self.read(name) != content:
                    raise
