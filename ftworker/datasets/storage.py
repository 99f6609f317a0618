"""Where datasets lie: any fsspec URL. Opens the file system and sorts its errors: permanent, transient.

Publishing is one rename where the file system has folders, and `manifest.json` last where it has only
objects: in both a dataset is there when its manifest is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ftworker.errors import FtworkerError, NotFound, PermanentError, TransientError
from ftworker.masking import mask_url

_FULL = {errno.ENOSPC, errno.EDQUOT}
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oci", "oss"}


class StorageUnavailable(TransientError):
    """The storage did not do the work and can be asked again; what was begun is under a temporary name."""


class StorageRejected(PermanentError):
    """The storage cannot be used as configured: unknown scheme, no right, no such bucket, disk full."""


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Give errors of the file system a type and a next step. Only what talks to the storage belongs inside."""
    where = mask_url(url)
    try:
        yield
    except FtworkerError:
        raise
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise StorageRejected(f"{where}: {_reason(error)}; check storage_url and its rights") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageRejected(f"{where}: {_reason(error)}; free some room, then retry the run") from error
        raise StorageUnavailable(f"{where}: {_reason(error)}") from error
    except Exception as error:
        # Clouds' libraries have errors of their own, under no common type (botocore's EndpointConnectionError).
        name = type(error).__name__
        if type(error).__module__ == "builtins":
            raise
        if "Credential" in name or "Auth" in name:
            raise StorageRejected(f"{where}: {name}; give this process the storage's credentials") from error
        raise StorageUnavailable(f"{where}: {name}") from error


def open_storage(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it. Raises StorageRejected where fsspec has none."""
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise StorageRejected(
            f"storage_url = {mask_url(url)}: {error}; expected an fsspec URL such as file:///srv/ftworker or "
            's3://bucket/prefix (pip install "ftworker[s3]")'
        ) from error
    return filesystem, path.rstrip("/")


def file_size(url: str) -> int:
    """Bytes of a file. Raises NotFound, StorageRejected, StorageUnavailable."""
    filesystem, path = open_storage(url)
    with storage_errors(url):
        if not filesystem.isfile(path):
            raise NotFound(f"{mask_url(url)}: no such file")
        return int(filesystem.info(path)["size"])


def read_text(url: str) -> str:
    """A small text file. Raises NotFound, StorageRejected, StorageUnavailable."""
    filesystem, path = open_storage(url)
    with storage_errors(url):
        if not filesystem.isfile(path):
            raise NotFound(f"{mask_url(url)}: no such file")
        return bytes(filesystem.cat_file(path)).decode()


def full_url(filesystem: Any, path: str) -> str:
    """The URL that leads back to a path of this file system."""
    return str(filesystem.unstrip_protocol(path))


def make_folder(filesystem: Any, path: str) -> None:
    """Make the folder and those above it, where the file system has folders.

    On this machine the topmost one that is made is its owner's alone, and with it all below: conversations lie in it.
    A folder that somebody made before keeps the rights that it was given.
    """
    if isinstance(filesystem, LocalFileSystem):
        folder = Path(path)
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        if missing:
            missing[-1].mkdir(mode=0o700, exist_ok=True)
    protocols = {filesystem.protocol} if isinstance(filesystem.protocol, str) else set(filesystem.protocol)
    # There it would make a bucket: a misspelt name must be an error, not a bucket of its own.
    if not protocols & _OBJECT_STORES:
        filesystem.makedirs(path, exist_ok=True)


def publish_folder(filesystem: Any, temporary: str, target: str, names: tuple[str, ...]) -> bool:
    """Bring a finished folder to its place. Another exporter of the same bytes may do so at the same time.

    `names` are its files, the one that says "complete" last. The temporary folder is gone afterwards. False: another
    was first, and what it published stays.
    """
    if isinstance(filesystem, LocalFileSystem):
        try:
            Path(temporary).rename(target)
        except OSError:
            # Folders are not replaced by a rename: someone was here before, with the same bytes.
            if not Path(target, names[-1]).exists():
                raise
            filesystem.rm(temporary, recursive=True)
            return False
        _sync_folder(Path(target).parent)
        return True
    for name in names:
        filesystem.copy(f"{temporary}/{name}", f"{target}/{name}")
    filesystem.rm(temporary, recursive=True)
    return True


def sync_file(file: Any) -> None:
    """Make a local file survive a power cut; the database will say that it is there."""
    file.flush()
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):
        return  # an object store's buffer, not a file
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
