"""Where a benchmark runs: a folder of its own with private servers in it. At the end all of it is gone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.servers import PostgresServer, Server

S = TypeVar("S", bound=Server)


class DurablePostgres(PostgresServer):
    """As in production: a commit waits for the disk."""

    durable = True


@dataclass(frozen=True)
class Place:
    """A folder, and what must end before it goes: servers, and whatever else enters the stack."""

    folder: Path
    stack: ExitStack

    def start(self, kind: type[S], name: str = "") -> S:
        """A started server, with its data in a folder of that name, or of its kind's."""
        directory = self.folder / (name or kind.name)
        directory.mkdir()
        server = kind(directory)
        self.stack.callback(server.stop)
        server.start()
        return server


@contextmanager
def own_place() -> Iterator[Place]:
    """A new place; its servers stop in reverse, and then the folder is removed."""
    with tempfile.TemporaryDirectory(prefix="ftworker-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user under root
        yield Place(folder, stack)
