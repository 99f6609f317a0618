"""Reads the database for whoever asks: one reading at a time, on one connection, kept for some seconds.

However many scrapers, health checks and browsers ask, and however the database behaves, each gets an answer
within `ANSWER_SECONDS`. Also renews the web process's row in `processes`. Next: `metrics`, `page`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ftworker.errors import DatabaseRejected, DatabaseUnavailable, FtworkerError
from ftworker.settings import Settings
from ftworker.silence import MARGIN_SECONDS
from ftworker.store import Store, processes
from ftworker.store.metrics import SchemaOutdated, Snapshot, read_snapshot

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 5.0
"""Longest time of one statement. All together take some 10 ms; a slow one means locks or a sick server."""
ANSWER_SECONDS = 8.0
"""Longest wait of one who asks. Prometheus gives up after 10 s, and would not even see `scrape_success 0`."""


class Problem(StrEnum):
    """Why there is no snapshot. Said to anybody, so it names no host, user or database; the log says more."""

    DATABASE = "the database does not answer; `ftworker doctor` says why"
    SCHEMA = "the database is not migrated for this version, or may not be read; run `ftworker migrate`"
    SLOW = "the database takes too long to answer; look for locks and load in pg_stat_activity"
    FAILED = "reading the database failed for a reason that nobody foresaw; see the log of `ftworker web`"


@dataclass(frozen=True)
class Reading:
    """A look at the database: what it gave, or the problem. `duration_seconds` is how long it took."""

    snapshot: Snapshot | None
    problem: Problem | None
    duration_seconds: float


class Reader:
    """Answers with a reading that is at most `web.cache_seconds` old. Safe to share between threads."""

    def __init__(
        self, settings: Settings, store: Store, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipelines = tuple(settings.pipelines)
        self._cache_seconds = settings.web.cache_seconds
        self._store = store.within(STATEMENT_SECONDS + MARGIN_SECONDS)
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._wanted = False
        self._closed = False
        self._readings = 0
        self._latest: Reading | None = None
        self._latest_at = 0.0
        self._last_problem: Problem | None = None
        # A thread of its own: a server that hangs must hold up neither requests nor the end of the process.
        self._thread = threading.Thread(target=self._work, name="database-reader", daemon=True)
        self._thread.start()

    def latest(self, *, wait_seconds: float = ANSWER_SECONDS) -> Reading:
        """The newest reading, made now unless it is young enough. Never raises or waits longer than told."""
        with self._changed:
            if self._latest is not None and self._monotonic() - self._latest_at < self._cache_seconds:
                return self._latest
            seen = self._readings
            self._wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._readings > seen or self._closed, wait_seconds)
            if self._readings > seen and self._latest is not None:
                return self._latest
        return Reading(None, Problem.SLOW, wait_seconds)

    def close(self, *, wait_seconds: float = 2.0) -> None:
        """Stop reading, say that the process ends. A reading that hangs is left to die with the process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(wait_seconds)

    def _work(self) -> None:
        next_beat = 0.0
        while True:
            now = self._monotonic()
            if now >= next_beat:
                self._say(processes.seen)
                next_beat = now + processes.BEAT_SECONDS
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._closed, processes.BEAT_SECONDS)
                if self._closed:
                    break
                if not self._wanted:
                    continue
                self._wanted = False
            reading = self._read()
            with self._changed:
                self._latest, self._latest_at = reading, self._monotonic()
                self._readings += 1
                self._changed.notify_all()
        self._say(processes.gone)
        self._store.close()

    def _read(self) -> Reading:
        started = self._monotonic()
        snapshot: Snapshot | None = None
        problem: Problem | None = None
        detail: Exception | None = None
        try:
            snapshot = self._snapshot()
        except DatabaseUnavailable as error:
            problem, detail = Problem.DATABASE, error
        except (SchemaOutdated, DatabaseRejected) as error:
            problem, detail = Problem.SCHEMA, error
        except Exception:
            # A dead thread would leave every later scrape without an answer; so this is logged and said.
            logger.exception("reading the database for metrics failed")
            problem = Problem.FAILED
        if detail is not None and problem is not self._last_problem:
            logger.warning("no metrics: %s", detail)
        if problem is None and self._last_problem is not None:
            logger.info("metrics are back")
        self._last_problem = problem
        return Reading(snapshot, problem, self._monotonic() - started)

    def _snapshot(self) -> Snapshot:
        started = self._monotonic()
        try:
            return self._snapshot_once()
        except DatabaseUnavailable:
            # A connection that was dropped while idle shows when it is used, at once; a new one may well do.
            if self._monotonic() - started > 1.0:
                raise
            return self._snapshot_once()

    def _snapshot_once(self) -> Snapshot:
        with self._store.transaction() as cursor:
            return read_snapshot(cursor, self._pipelines, statement_timeout_seconds=STATEMENT_SECONDS)

    def _say(self, what: Callable[..., None]) -> None:
        try:
            with self._store.transaction() as cursor:
                what(cursor, "web")
        except FtworkerError as error:
            # Readings report what is wrong with the database; without its row a process only counts as dead.
            logger.debug("the web process could not renew its row: %s", error)
