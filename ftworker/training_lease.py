"""The lease of a training that this process has claimed, kept from a thread, and the news that are written under it.

Says why to stop, if there is a reason. A database that is away stops nothing: the lease is renewed when it is back,
unless another took it meanwhile. `ftworker.training_job` does the work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Literal

from ftworker.errors import DatabaseUnavailable, FtworkerError
from ftworker.store import runs, trainings
from ftworker.store.connection import Cursor, Store
from ftworker.store.trainings import TrainingRow
from ftworker.training.relay import News, Relay

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 2.0
"""Between two renewals, each of which also asks whether somebody cancelled."""
PATIENCE_SECONDS: Final = 600.0
"""How long a job that needs the database waits for one that is away, before a stage and at its end. A stage that runs
waits for nothing. After it the job goes; the next one finds what is done."""


class Lost(FtworkerError):
    """Another job has the training, or its row is gone."""


class Cancelled(FtworkerError):
    """A person does not want it any more."""


class Interrupted(FtworkerError):
    """This machine stops working on it; it goes on later."""


class Lease:
    """Keeps a claimed training and writes its news, from a thread. Says why to stop, if there is a reason."""

    def __init__(self, store: Store, training: TrainingRow, relay: Relay, *, lease_seconds: float) -> None:
        assert training.lease_token is not None
        self._store = store
        self._training = training
        self._token = training.lease_token
        self._relay = relay
        self._lease_seconds = lease_seconds
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="heartbeat", daemon=True)
        self.why_stop: Literal["lost", "cancelled", "interrupted"] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No more heartbeats; whatever is written from now on is the end."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raise when there is a reason to stop."""
        match self.why_stop:
            case "lost":
                raise Lost("the lease is another's")
            case "cancelled":
                raise Cancelled("cancelled")
            case "interrupted":
                raise Interrupted("stopped with its worker; goes on where it was")
            case None:
                return

    def confirm(self, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """The same, after asking the database; waits for one that is away. Raises DatabaseUnavailable after that."""
        deadline = time.monotonic() + patience_seconds
        while True:
            self.check()
            try:
                self.beat()
                break
            except DatabaseUnavailable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(self.interval_seconds)
        self.check()

    @property
    def interval_seconds(self) -> float:
        return min(HEARTBEAT_SECONDS, self._lease_seconds / 4)

    def beat(self) -> None:
        """Renew, write the news, and hear whether it is wanted still. Raises DatabaseUnavailable."""
        with self._writing:
            news = self._relay.news()
            try:
                with self._store.transaction() as cursor:
                    answer = trainings.renew_training(
                        cursor,
                        self._training.run_key,
                        self._token,
                        lease_seconds=self._lease_seconds,
                        stage=news.stage,
                        reached=news.reached,
                        progress=news.progress,
                    )
                    if answer != "lost":
                        self._journal(cursor, news)
            except DatabaseUnavailable:
                self._relay.take_back(news)
                raise
        if answer == "lost":
            self.why_stop = "lost"
        elif answer == "unwanted" and self.why_stop != "lost":
            self.why_stop = "cancelled"

    def end(self, write: Callable[[Cursor], bool], *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
        """Write the last news and the end in one transaction; False when the lease was lost, and nothing written."""
        deadline = time.monotonic() + patience_seconds
        news = self._relay.news(last=True)
        while True:
            try:
                with self._store.transaction() as cursor:
                    written = write(cursor)
                    if written:
                        self._journal(cursor, news)
                return written
            except DatabaseUnavailable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(1.0)

    def _journal(self, cursor: Cursor, news: News) -> None:
        for entry in news.entries:
            runs.record_journal(
                cursor,
                self._training.run_id,
                entry.kind,
                entry.message,
                entry.data,
                external_id=entry.external_id,
            )

    def _beat_until_stopped(self) -> None:
        try:
            while not self._stopped.wait(self.interval_seconds):
                try:
                    self.beat()
                except DatabaseUnavailable as error:
                    # The lease is renewed when the database is back, unless another took it meanwhile.
                    logger.warning("%s: %s", self._training.run_key, error)
        except Exception as error:
            logger.exception("%s: the heartbeat ended: %s", self._training.run_key, type(error).__name__)
            self.why_stop = "lost"
        finally:
            self._store.close()
