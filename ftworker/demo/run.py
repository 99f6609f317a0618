"""The demonstration itself: a school's RAG closes its conversations, and ftworker does the rest, all for real.

Writes the chat store, starts ftworker's processes, publishes the events a few at a time and watches the database
until the run is over. Repeatable: after an interruption it goes on, and when all is done it only shows the result.
What a person sees of it is a `Screen`'s matter; `summary` says where everything lies.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.demo import state
from ftworker.demo.conversations import SENDS_IDS_ALONE, Play, closed_event, turns_in
from ftworker.demo.processes import DemoProcesses
from ftworker.demo.state import Progress
from ftworker.demo.store import create_chat_store, write_conversations, write_pupils
from ftworker.errors import DatabaseUnavailable, PermanentError, Refused
from ftworker.events import Publisher, Unroutable
from ftworker.installation import Installation
from ftworker.runs import control
from ftworker.runs.states import SUCCEEDED, RunState
from ftworker.settings import Settings
from ftworker.store import datasets, migrate
from ftworker.store.datasets import DatasetRow
from ftworker.store.runs import RunRow
from ftworker.training.places import work_folder
from ftworker.trainings import wait_for_jobs

PUBLISHING_SECONDS = 4.0
"""The weeks in which the conversations took place go by in this time, so that one sees the pipeline fill."""
LOOK_SECONDS = 0.1
START_TIMEOUT_SECONDS = 90.0
STALL_TIMEOUT_SECONDS = 120.0
"""Longest time in which nothing moves before the demonstration gives up. The slowest step is Ollama's."""
TRAINING_STALL_TIMEOUT_SECONDS = 600.0
"""The same where a model is trained: on a busy machine one loads for minutes without a word."""
JOB_STOP_SECONDS = 30.0
"""Time for a training that goes on by itself to save a checkpoint, when the demonstration is stopped."""
WAITED_FOR = ("ingest", "worker", "trainer")
"""Processes that say in the database when they are ready. `beat` and `web` are not on the way of an event."""


class DemoFailed(PermanentError):
    """The demonstration did not come to its end; the message names the log file to read."""


class Screen(Protocol):
    """What shows the demonstration to a person."""

    def step(self, text: str) -> None:
        """Something is being done now that has no number."""

    def note(self, text: str) -> None:
        """Something to know, which stays on the screen."""

    def progress(self, progress: Progress) -> None:
        """How far it has come; called often, also when nothing has changed."""


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration came to. `repeated`: all of it had been done before."""

    progress: Progress
    run: RunRow
    dataset: DatasetRow
    drops: Mapping[str, int]
    """Turns that became no example, by reason code, the most frequent first."""
    redactions: Mapping[str, int]
    """Finds of personal data that became placeholders, by kind."""
    repeated: bool


@dataclass(frozen=True)
class Demonstration:
    """One demonstration in one installation, whose settings must be the play's own."""

    play: Play
    here: Installation
    commands: Mapping[str, Sequence[str]]
    """The command of each process."""
    environment: Mapping[str, str]
    """The whole environment of the processes."""
    log_folder: Path
    screen: Screen

    def run(self, *, again: bool = False) -> DemoResult:
        """Do what is not done yet and return the result; `again` forgets what was done before.

        Raises Refused when something else is at work on the database, DemoFailed and ProcessDied, which name a
        log file. On every way out the processes have ended; an interrupted demonstration is left so that a
        later one goes on with it.
        """
        url = self.here.settings.database_url
        assert url is not None
        migrate(url.get_secret_value())
        before = self._progress(0)
        if not again and self._is_done(before):
            return self._result(before, repeated=True)
        self._refuse_beside_others()
        if again:
            self._forget()
        try:
            done = self._perform()
        finally:
            # A training outlives the worker that began it; here nobody would know that it goes on.
            wait_for_jobs(self.here.settings.home, JOB_STOP_SECONDS)
            with suppress(DatabaseUnavailable), self.here.store.transaction() as cursor:
                # Nothing of the demonstration may wait for processes that know another configuration.
                state.withdraw(cursor, self.play)
                state.clear_ended_processes(cursor)
        return self._result(done, repeated=False)

    def _refuse_beside_others(self) -> None:
        with self.here.store.transaction() as cursor:
            others = state.others_at_work(cursor, self.play)
        if others is not None:
            raise Refused(
                f"{others}, and the demo's processes would come in between; stop or finish that first, or give "
                "the demo a place of its own: another FTWORKER_HOME, and FTWORKER_DATABASE_URL not set"
            )

    def _forget(self) -> None:
        with self.here.store.transaction() as cursor:
            folders = [
                row.url for row in datasets.list_datasets(cursor, pipeline=self.play.pipeline) if row.url
            ]
            run = state.last_run(cursor, self.play)
            state.forget(cursor, self.play)
        if run is not None and run.run_key is not None:
            folders.append(run_folder(self.here.settings, run))
            shutil.rmtree(work_folder(self.here.settings.home, run.run_key), ignore_errors=True)
        for url in folders:
            filesystem, path = open_storage(url)
            with storage_errors(url), suppress(FileNotFoundError):
                filesystem.rm(path, recursive=True)

    def _is_done(self, progress: Progress) -> bool:
        run = progress.run
        if run is None or not progress.is_over(len(self.play.conversations)):
            return False
        if run.state is RunState.PACKAGED:
            # Nobody served the model when it was packaged. Where Ollama answers now, it is registered.
            provider = self.here.make_provider(run.provider)
            return bool(provider.check())
        return run.state in SUCCEEDED or run.state is RunState.REJECTED

    def _perform(self) -> Progress:
        play = self.play
        with self.here.store.transaction() as cursor:
            create_chat_store(cursor, play.schema)
            conversations = write_conversations(cursor, play.conversations, play.schema)
            write_pupils(cursor, SENDS_IDS_ALONE, play.pupils, play.schema)
            run = state.last_run(cursor, play)
        self.screen.note(f"{conversations} conversations are in the RAG's chat store (schema {play.schema})")
        if run is not None and run.state in (RunState.FAILED, RunState.CANCELLED, RunState.PACKAGED):
            control.retry_run(self.here.store, run.id)
        with DemoProcesses(self.commands, self.environment, self.log_folder) as running:
            self._wait_for_start(running)
            done = self._publish_and_watch(running)
            self.screen.step("stopping the processes")
        assert done.run is not None
        if done.run.state not in SUCCEEDED:
            raise DemoFailed(
                f"run {done.run.id} is {done.run.state}: {done.run.error_message or 'no error is recorded'}; "
                f"`ftworker runs show {done.run.id}` has its journal, {running.log_path('trainer')} the log"
            )
        return done

    def _wait_for_start(self, running: DemoProcesses) -> None:
        self.screen.step(f"starting {', '.join(self.commands)}")
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        missing = list(WAITED_FOR)
        while missing or running.web_url() is None:
            running.check()
            if time.monotonic() > deadline:
                name = (missing or ["web"])[0]
                raise DemoFailed(
                    f"{name} was not ready after {START_TIMEOUT_SECONDS:.0f} s; read {running.log_path(name)}"
                )
            time.sleep(LOOK_SECONDS)
            with self.here.store.transaction() as cursor:
                missing = [n for n in missing if not state.is_ready(cursor, n, running.pid(n))]
        self.screen.note(f"while this runs, the status page is {running.web_url()}")

    def _publish_and_watch(self, running: DemoProcesses) -> Progress:
        """Publish each conversation in its turn, and return when the run is over."""
        waiting = [closed_event(conversation, self.play.source) for conversation in self.play.conversations]
        total = len(waiting)
        patience = TRAINING_STALL_TIMEOUT_SECONDS if self.play.trains else STALL_TIMEOUT_SECONDS
        began = time.monotonic()
        moved_at = began
        seen: Progress | None = None
        with self._publisher() as publisher:
            while True:
                running.check()
                due = min(total, 1 + int((time.monotonic() - began) / PUBLISHING_SECONDS * total))
                # `ingest` makes RabbitMQ's queue when it connects; until then an event has nowhere to go.
                with suppress(Unroutable):
                    while total - len(waiting) < due:
                        publisher.publish(waiting[0])
                        del waiting[0]
                now = self._progress(total - len(waiting))
                self.screen.progress(now)
                if now != seen:
                    seen, moved_at = now, time.monotonic()
                if not waiting and now.is_over(total):
                    return now
                if time.monotonic() - moved_at > patience:
                    raise DemoFailed(
                        f"nothing has moved for {patience:.0f} s: {_stalled(now, total, running)}"
                    )
                time.sleep(LOOK_SECONDS)

    def _publisher(self) -> Publisher:
        settings = self.here.settings
        return Publisher(
            settings.events(),
            source=f"/rag-{self.play.source}",
            exchange=settings.ingest.exchange,
            routing_key=settings.ingest.routing_key,
            stream=settings.ingest.stream,
        )

    def _progress(self, published: int) -> Progress:
        with self.here.store.transaction() as cursor:
            return state.read_progress(cursor, self.play, published)

    def _result(self, progress: Progress, *, repeated: bool) -> DemoResult:
        assert progress.run is not None
        with self.here.store.transaction() as cursor:
            dataset = datasets.get_dataset(cursor, progress.run.dataset_id)
            drops = state.read_drops(cursor, self.play)
            redactions = state.read_redactions(cursor, self.play)
        by_reason = _turns_by_reason(self.play, drops)
        return DemoResult(progress, progress.run, dataset, by_reason, redactions, repeated)


def run_folder(settings: Settings, run: RunRow) -> str:
    """The URL of the folder with what the run made."""
    return f"{settings.storage().rstrip('/')}/runs/{run.run_key}"


def _turns_by_reason(play: Play, drops: Iterable[tuple[str, int, str]]) -> Mapping[str, int]:
    """The most frequent first. A conversation that was left out as a whole counts with all its turns."""
    turns = {c["conversation_id"]: turns_in(c) for c in play.conversations}
    counts: Counter[str] = Counter()
    for conversation_id, turn, reason in drops:
        counts[reason] += turns[conversation_id] if turn < 0 else 1
    return dict(counts.most_common())


def _stalled(progress: Progress, total: int, running: DemoProcesses) -> str:
    if progress.published < total or progress.recorded < progress.published:
        what, name = f"{progress.recorded} of {total} events are recorded", "ingest"
    elif progress.accumulated < total or progress.run is None:
        what, name = f"{progress.accumulated} of {total} conversations are worked on", "worker"
    else:
        what, name = f"run {progress.run.id} is {progress.run.state}", "trainer"
    return f"{what}; read {running.log_path(name)}"
