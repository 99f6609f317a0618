"""The events' Valkey loses what it held: everything at once, or what came after an older copy of its files."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import redis

from tests.servers import ValkeyServer


class StreamLoss:
    """Ways to lose a stream, and when that happened last."""

    def __init__(self, server: ValkeyServer) -> None:
        self.lost_at = 0.0
        """By `time.monotonic`; what was published before may be gone."""
        self._server = server
        self._files = server.directory / "appendonlydir"
        self._copy = server.directory / "older"

    @property
    def ways(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        return (
            ("emptied while it runs", self._empty),
            ("started without its files", lambda: self._start_with(None)),
            ("started with older files", lambda: self._start_with(self._copy)),
        )

    def lose(self, how: Callable[[], None]) -> bool:
        """Lose it in one of the ways, and keep a copy for the next time; False when the server does not run."""
        if not self._server.is_running():
            return False
        try:
            how()
        finally:
            self.lost_at = time.monotonic()
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._files, self._copy)
        return True

    def _empty(self) -> None:
        with contextlib.suppress(redis.RedisError):
            self._server.flush()

    def _start_with(self, files: Path | None) -> None:
        self._server.kill()
        shutil.rmtree(self._files, ignore_errors=True)
        if files is not None and files.exists():
            shutil.copytree(files, self._files)
        self._server.start()
