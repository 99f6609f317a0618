"""The files of a training between storage and the working folder: the dataset in, what was made out.

Large files are streamed in blocks; each is there whole or not at all, and hashed on the way. Raises StageFailed with a
code of docs/LOCAL.md, StorageRejected and StorageUnavailable.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from ftworker.datasets.storage import make_folder, open_storage, storage_errors, sync_file
from ftworker.masking import mask_url
from ftworker.training.order import ARTEFACTS, DATA, ORDER, OrderedFile, TrainingOrder
from ftworker.training.places import LOCKS, LOGS
from ftworker.training.stage import StageFailed

SUMS: Final = "SHA256SUMS"
"""Written last into the run's folder: where it is, all that it names is there. For `sha256sum -c`."""
_BLOCK_BYTES: Final = 4 << 20

Check = Callable[[], None]
"""Called between blocks; raises to stop."""


def fetch_dataset(order: TrainingOrder, work: Path, check: Check) -> None:
    """Copy the dataset's files into WORK/data and verify them; those that are there and right stay."""
    folder = work / DATA
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in (order.train, order.validation):
        if file is not None:
            _fetch(file, folder / file.name, check)


def publish_artefacts(work: Path, url: str, check: Check) -> dict[str, str]:
    """Copy everything under WORK/artefacts to the run's own folder; returns name to sha256. Repeatable."""
    folder = work / ARTEFACTS
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    filesystem, root = open_storage(url)
    sums: dict[str, str] = {}
    for name in names:
        sums[name] = _publish(folder / name, filesystem, f"{root}/{name}", url, check)
    _write_sums(filesystem, root, url, sums)
    return sums


def clear_work(work: Path, *, artefacts: bool) -> None:
    """Remove what only a training that goes on needs, such as the dataset's copy and the checkpoints.

    The logs and the order stay, for a person who asks; `artefacts` says whether those go too.
    """
    kept = {LOGS, ORDER, *LOCKS, *(() if artefacts else (ARTEFACTS,))}
    for path in work.iterdir():
        if path.name in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _fetch(file: OrderedFile, target: Path, check: Check) -> None:
    if target.exists() and _hash_of(target, check) == file.sha256:
        return
    filesystem, path = open_storage(file.url)
    temporary = target.with_name(f".{target.name}")
    with storage_errors(file.url), filesystem.open(path, "rb") as source, temporary.open("wb") as copy:
        digest = _copy(source, copy, check)
        sync_file(copy)
    if digest != file.sha256:
        temporary.unlink()
        raise StageFailed(
            "dataset_changed",
            f"{mask_url(file.url)} is not what was frozen with sha256 {file.sha256}; restore the file or cut again",
        )
    temporary.replace(target)


def _publish(file: Path, filesystem: Any, target: str, url: str, check: Check) -> str:
    parent, _, name = target.rpartition("/")
    # Under another name first: a reader must not meet half a model after a crash.
    temporary = f"{parent}/.{name}.part"
    with storage_errors(url):
        make_folder(filesystem, parent)
        with file.open("rb") as source, filesystem.open(temporary, "wb") as copy:
            digest = _copy(source, copy, check)
            sync_file(copy)
        written = int(filesystem.info(temporary)["size"])
        if written != file.stat().st_size:
            raise OSError(f"{written} bytes arrived")
        check()  # the lease once more, before the name that others read
        filesystem.mv(temporary, target)
    return digest


def _write_sums(filesystem: Any, root: str, url: str, sums: dict[str, str]) -> None:
    """Add our files to the sums that may be there already, in one rename."""
    temporary = f"{root}/.{SUMS}.part"
    with storage_errors(url):
        before: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            lines = bytes(filesystem.cat_file(f"{root}/{SUMS}")).decode().splitlines()
            before = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        text = "".join(f"{digest}  {name}\n" for name, digest in sorted({**before, **sums}.items()))
        with filesystem.open(temporary, "wb") as file:
            file.write(text.encode())
            sync_file(file)
        filesystem.mv(temporary, f"{root}/{SUMS}")


def _copy(source: IO[bytes], copy: IO[bytes], check: Check) -> str:
    digest = hashlib.sha256()
    for block in _blocks(source):
        check()
        digest.update(block)
        copy.write(block)
    return digest.hexdigest()


def _hash_of(path: Path, check: Check) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file):
            check()
            digest.update(block)
    return digest.hexdigest()


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
