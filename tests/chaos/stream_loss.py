"""The events' Valkey loses what it held: everything at once, or what came after an older copy of its files.

Just before that it is asked what it still held, so that nobody takes an event that ftworker lost for one of these.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from ftworker.events.stream import FIELD
from tests.servers import ValkeyServer

PAUSE_MILLISECONDS = 10_000
"""Longest that writers wait between the look at what is held and its loss."""
MANY = 1_000_000


class StreamLoss:
    """Ways to lose a stream, and what it held when it was lost."""

    def __init__(self, server: ValkeyServer, stream: str, group: str) -> None:
        self.held: set[bytes] = set()
        """SHA-256 of the messages that were there and not acknowledged: these, and no others, may be gone."""
        self._server = server
        self._stream = stream
        self._group = group
        self._files = server.directory / "appendonlydir"
        self._copy = server.directory / "older"

    @property
    def ways(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        return (
            ("emptied while it runs", self.empty),
            ("started without its files", lambda: self._start_with(None)),
            ("started with older files", lambda: self._start_with(self._copy)),
        )

    def lose(self, how: Callable[[], None]) -> bool:
        """Lose it in one of the ways, and keep a copy for the next time; False when the server does not answer."""
        if not self._server.is_running():
            return False
        try:
            how()
        except redis.RedisError:
            return False
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._files, self._copy)
        return True

    def empty(self) -> None:
        """Drop everything, in the same moment in which it is looked at."""
        with self._client() as client:
            pipeline = client.pipeline(transaction=True)
            self._ask(pipeline)
            pipeline.flushall()
            self._note(pipeline.execute(raise_on_error=False))

    def _start_with(self, files: Path | None) -> None:
        with self._client() as client:
            # Nothing is taken, given out or acknowledged between the look and the kill.
            client.client_pause(PAUSE_MILLISECONDS, all=False)
            pipeline = client.pipeline(transaction=False)
            self._ask(pipeline)
            self._note(pipeline.execute(raise_on_error=False))
        self._server.kill()
        shutil.rmtree(self._files, ignore_errors=True)
        if files is not None and files.exists():
            shutil.copytree(files, self._files)
        self._server.start()

    def _ask(self, pipeline: Any) -> None:
        pipeline.xrange(self._stream)
        pipeline.xinfo_groups(self._stream)
        pipeline.xpending_range(self._stream, self._group, "-", "+", MANY)

    def _note(self, answers: list[Any]) -> None:
        """An entry is held until it is acknowledged: given to nobody yet, or pending. Without a group all are."""
        entries, groups, pending = answers[:3]
        if isinstance(entries, Exception):
            raise entries
        mine = [group for group in groups if group["name"] == self._group.encode()] if entries else []
        given = _place(mine[0]["last-delivered-id"]) if mine else (-1, -1)
        open_ids = {one["message_id"] for one in pending} if mine else set()
        self.held |= {
            hashlib.sha256(fields[FIELD]).digest()
            for entry_id, fields in entries
            if FIELD in fields and (_place(entry_id) > given or entry_id in open_ids)
        }

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        client: Any = redis.Redis(port=self._server.port, socket_timeout=5, socket_connect_timeout=5)
        with contextlib.closing(client):
            yield client


def _place(entry_id: bytes) -> tuple[int, int]:
    """Entries' ids are two numbers, and their texts do not sort."""
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)
