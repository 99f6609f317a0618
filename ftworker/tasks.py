"""The Celery tasks: ids in, one call each, nothing out. What they do is in the modules they call.

A message is a doorbell: lost, repeated or late, it costs a sweep. So no task retries by itself; whatever passes is
found again by `sweep`. Arguments are ids alone, because Celery shows arguments in headers, events and logs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from celery import Task, chain
from celery.exceptions import TaskPredicate

from ftworker.accumulate import accumulate as accumulate_batch
from ftworker.celery import SHORT_QUEUE, TRAINING_QUEUE, app, installation
from ftworker.errors import FtworkerError, Refused, TransientError
from ftworker.events.closing import closing_by_id
from ftworker.idle import sweep_sources
from ftworker.logs import describe
from ftworker.runs import cutting
from ftworker.runs.states import RunState, Step, remaining_chain
from ftworker.settings import LocalSettings
from ftworker.store import inbox, metrics, processes, runs

logger = logging.getLogger(__name__)

ACCUMULATE_SECONDS = 30.0
"""Longest that one `accumulate` keeps its worker before it hands on to a fresh message."""
TIDY_ROWS = 10_000
RECORD_WAITS_SECONDS = (1.0, 2.0, 5.0, *[10.0] * 30)
"""Waits for a database that is away: five minutes, well below RabbitMQ's limit for a message in hand (30 minutes)."""


class TaskFailed(Exception):
    """A task ended in an error; carries no text that an exception could have brought along."""


class FtworkerTask(Task):
    """What every task shares: a passing failure is a log line, a bug shows its place but not its text."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except TaskPredicate:
            raise  # Celery's own word for "again"
        except TransientError as error:
            logger.warning("%s: %s; the sweep tries again", self.name, error)
        except FtworkerError as error:
            logger.error("%s: %s", self.name, error)
            raise TaskFailed(describe(error)) from None
        except Exception as error:
            logger.exception("%s: unexpected %s", self.name, type(error).__name__)
            raise TaskFailed(describe(error)) from None


@app.task(base=FtworkerTask, name="ftworker.conversation_closed", bind=True)
def conversation_closed(
    self: FtworkerTask,
    conversation_id: str,
    source_name: str = "default",
    reason: str = "user_ended",
    **other: Any,
) -> None:
    """A RAG that speaks Celery says that a conversation closed; its content is read from its source.

    Ids alone: content in a task's arguments would show in logs. Anything more is parked, and `publish` is the way.
    """
    event, parked = closing_by_id(str(self.request.id), conversation_id, source_name, reason, other)
    for wait_seconds in RECORD_WAITS_SECONDS:
        try:
            with installation().store.transaction() as cursor:
                inbox.record_batch(cursor, event, parked, "task")
        except TransientError as error:
            # Until the row is there, this message is all there is of the event: it is not given back before.
            logger.warning("conversation_closed: %s; again in %s s", error, wait_seconds)
            time.sleep(wait_seconds)
        else:
            accumulate.delay()
            return
    raise self.retry(countdown=RECORD_WAITS_SECONDS[-1], max_retries=None)


@app.task(base=FtworkerTask, name="ftworker.accumulate")
def accumulate() -> None:
    """Turn waiting events into examples, and begin the runs whose thresholds they cross."""
    here = installation()
    deadline = time.monotonic() + ACCUMULATE_SECONDS
    while time.monotonic() < deadline:
        done = accumulate_batch(here.store, here.settings, here.make_source)
        begin_those_due(sorted(done.pipelines))
        if done.taken < here.settings.worker.accumulate_batch:
            return
    accumulate.delay()


@app.task(base=FtworkerTask, name="ftworker.check_triggers")
def check_triggers() -> None:
    """Look at every pipeline: max_wait and schedules fire without any event."""
    begin_those_due(installation().settings.pipelines)


@app.task(base=FtworkerTask, name="ftworker.start_run")
def start_run(pipeline: str) -> None:
    """Begin a run by hand: `celery -A ftworker.celery call ftworker.start_run --args '["PIPELINE"]'`."""
    here = installation()
    try:
        run_id = cutting.start_by_hand(here.store, here.settings, pipeline, here.clock)
    except Refused as refusal:
        logger.warning("start_run: %s", refusal)
        return
    send_steps(run_id, RunState.CUT, here.settings.pipeline(pipeline).provider)


@app.task(base=FtworkerTask, name="ftworker.export")
def export(run_id: int) -> None:
    """cut → exported."""
    installation().steps.perform(run_id, Step.EXPORT)


@app.task(base=FtworkerTask, name="ftworker.upload")
def upload(run_id: int) -> None:
    """exported → uploaded, after preflight and budget."""
    installation().steps.perform(run_id, Step.UPLOAD)


@app.task(base=FtworkerTask, name="ftworker.create_job")
def create_job(run_id: int) -> None:
    """uploaded → submitting → submitted: the paid call, once."""
    installation().steps.perform(run_id, Step.CREATE_JOB)


@app.task(base=FtworkerTask, name="ftworker.poll_status")
def poll_status(run_id: int) -> None:
    """One look at the job; the row says when the next is due."""
    here = installation()
    state = here.steps.perform(run_id, Step.POLL_STATUS)
    if state is RunState.TRAINED:
        with here.store.transaction() as cursor:
            run = runs.get_run(cursor, run_id)
        send_steps(run_id, state, run.provider)


@app.task(base=FtworkerTask, name="ftworker.promote")
def promote(run_id: int) -> None:
    """trained → promoted, where the pipeline says `promote = "auto"`."""
    installation().steps.perform(run_id, Step.PROMOTE)


@app.task(base=FtworkerTask, name="ftworker.sweep")
def sweep() -> None:
    """Find what a lost message or a dead worker left, and ring again: waiting events, and runs that are due."""
    here = installation()
    with here.store.transaction() as cursor:
        processes.seen(cursor, "beat")
        metrics.record_sweep(cursor)
        waiting = inbox.has_waiting(cursor)
        due = runs.due_runs(cursor, revive_after_seconds=here.settings.worker.revive_after_seconds)
    if waiting:
        accumulate.delay()
    for run_id, state, provider in due:
        send_steps(run_id, state, provider)


@app.task(base=FtworkerTask, name="ftworker.sweep_idle")
def sweep_idle() -> None:
    """Close idle conversations of the stores whose RAG emits nothing."""
    here = installation()
    if sweep_sources(here.store, here.settings.sources, here.make_source, here.clock()):
        accumulate.delay()


@app.task(base=FtworkerTask, name="ftworker.tidy")
def tidy() -> None:
    """Erase the text of events that were accumulated long ago."""
    here = installation()
    erased = TIDY_ROWS
    while erased == TIDY_ROWS:
        with here.store.transaction() as cursor:
            erased = inbox.erase_old(cursor, here.settings.worker.retention_days, TIDY_ROWS)


def begin_those_due(names: Iterable[str]) -> None:
    """Look at the pipelines; one that cannot be looked at does not keep the others from their runs."""
    here = installation()
    failed = []
    for name in cutting.worth_a_look(here.store, here.settings, list(names), here.clock()):
        try:
            begin_if_due(name)
        except TransientError:
            raise
        except Exception as error:
            logger.exception("pipeline %s: unexpected %s", name, type(error).__name__)
            failed.append(name)
    if failed:
        raise TaskFailed(f"pipelines {', '.join(failed)}: see the log")


def begin_if_due(name: str) -> int | None:
    """Cut and send the chain when a trigger of the pipeline holds; returns the run's id."""
    here = installation()
    run_id = cutting.cut_if_due(here.store, here.settings, name, here.clock)
    if run_id is not None:
        send_steps(run_id, RunState.CUT, here.settings.pipeline(name).provider)
    return run_id


def send_steps(run_id: int, state: RunState, provider: str) -> None:
    """Send what is left of export → upload → create_job → poll_status as one chain that carries the id alone."""
    steps = remaining_chain(state)
    if not steps:
        return
    links = [
        app.signature(f"ftworker.{step}", args=(run_id,), immutable=True, queue=queue_of(step, provider))
        for step in steps
    ]
    chain(*links).apply_async()


def queue_of(step: Step, provider: str) -> str:
    """Steps of a local provider load this machine, so they go one at a time to the trainer."""
    local = isinstance(installation().settings.providers.get(provider), LocalSettings)
    return TRAINING_QUEUE if local and step is not Step.EXPORT else SHORT_QUEUE
