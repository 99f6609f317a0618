"""One training from beginning to end, in a process of its own: `python -m ftworker.training_job RUN_KEY`.

Claims the training, keeps its lease, fetches the dataset, runs the stages as children, publishes what they made.
Killing anything here costs time only: a stage whose result is there is not run again, and the trainer goes on from its
checkpoint. A job that lost its lease writes nothing more, ends its children, and goes. Started by `ftworker.trainings`;
what is promised is in docs/RELIABILITY.md.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final, Literal

import msgspec

from ftworker.datasets.storage import StorageRejected, StorageUnavailable
from ftworker.errors import DatabaseUnavailable, FtworkerError
from ftworker.installation import hold_servers, open_installation
from ftworker.logs import describe, setup_logging
from ftworker.settings import Settings, TrainerSettings
from ftworker.store import totals, trainings
from ftworker.store.connection import Cursor, Store
from ftworker.store.trainings import TrainingRow
from ftworker.training.child import Child
from ftworker.training.events import INTERRUPTED, Failed, Noted, Progressed
from ftworker.training.files import clear_work, fetch_dataset, publish_artefacts
from ftworker.training.order import ARTEFACTS, CANCELLED, ORDER, TrainingOrder
from ftworker.training.places import LOGS, Place, is_in_use, make_work_folder, take_place
from ftworker.training.relay import Entry, Relay
from ftworker.training.stage import StageFailed, named_failure
from ftworker.training.stages import FETCH, PUBLISH, Stage, stages_of
from ftworker.training_lease import PATIENCE_SECONDS, Cancelled, Interrupted, Lease, Lost

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 30.0
"""What a kill of the job costs before another machine may take over; `worker.step_lease_seconds` when that is less."""
CANCEL_SECONDS: Final = 10.0
"""Time for a stage to end by itself when its training is cancelled."""
MAX_FAILURES: Final = 20
"""Failures that may pass, in a row without getting further, after which the training fails."""


class _Crashed(FtworkerError):
    """A stage ended without a word."""


@dataclass
class TrainingJob:
    """One attempt at a training. `stages` says which programs it takes."""

    store: Store
    settings: Settings
    run_key: str
    stages: Callable[[TrainingOrder], tuple[Stage, ...]] = stages_of

    def __post_init__(self) -> None:
        self._relay = Relay(self.run_key)
        self._lease: Lease | None = None
        self._terminated = False

    def run(self) -> None:
        """Take the training and bring it as far as it goes. Nothing to do when it, or every place here, is taken.

        Raises NotFound; DatabaseUnavailable when not even the end could be written.
        """
        with self.store.transaction() as cursor:
            present = trainings.get_training(cursor, self.run_key)
        work = make_work_folder(self.settings.home, self.run_key)
        place = take_place(work, present.concurrent)
        if place is None:
            logger.info("%s: no place is free on this machine", self.run_key)
            return
        try:
            self._claim_and_work(work, place)
        finally:
            place.leave()
        clear_others(self.store, work.parent)

    def terminate(self) -> None:
        """Stop as soon as a checkpoint is written. For a signal handler."""
        self._terminated = True
        if self._lease is not None and self._lease.why_stop is None:
            self._lease.why_stop = "interrupted"

    def _claim_and_work(self, work: Path, place: Place) -> None:
        lease_seconds = min(LEASE_SECONDS, self.settings.worker.step_lease_seconds)
        with self.store.transaction() as cursor:
            claim = trainings.claim_training(
                cursor, self.run_key, host=socket.gethostname(), pid=os.getpid(), lease_seconds=lease_seconds
            )
            if claim is not None and claim.crashed:
                _count_crash(cursor, claim.training)
        if claim is None:
            logger.info("%s: over, in other hands, or not due", self.run_key)
            return
        training = claim.training
        lease = self._lease = Lease(self.store, training, self._relay, lease_seconds=lease_seconds)
        if self._terminated:
            lease.why_stop = "interrupted"
        how = "its process ended without a word; " if claim.crashed else ""
        self._relay.say(
            Entry(
                "event",
                f"{how}training begins on {training.host} (attempt {training.attempts})",
                external_id=f"{self.run_key}-attempt-{training.attempts}",
            )
        )
        lease.start()
        try:
            self._work(work, place, training, lease)
        except Lost:
            logger.warning("%s: lost its lease, and leaves the training to whoever has it", self.run_key)
        except Cancelled:
            self._finish(training, lease, "cancelled", "cancelled")
            clear_work(work, artefacts=True)
        except Interrupted as error:
            self._give_back(training, lease, str(error), pause_seconds=0.0)
        except _Crashed as error:
            self._crashed(training, lease, str(error))
        except DatabaseUnavailable as error:
            logger.error("%s: %s; the next job finds what is done", self.run_key, error)
        except (StageFailed, StorageRejected, StorageUnavailable, OSError) as error:
            self._failed(training, lease, work, error)
        except Exception as error:
            logger.exception("%s: unexpected %s", self.run_key, type(error).__name__)
            self._crashed(training, lease, f"the job ended in an unexpected {describe(error)}: see its log")
        else:
            self._finish(training, lease, "succeeded", "trained, checked and published")
            clear_work(work, artefacts=True)
        finally:
            lease.stop()

    # -- the work

    def _work(self, work: Path, place: Place, training: TrainingRow, lease: Lease) -> None:
        if training.crashes >= training.max_crashes:
            raise StageFailed("trainer_crashed", _crash_advice(training.crashes, training.stage, work))
        order = _read_order(training)
        lease.check()
        _write_whole(work / ORDER, msgspec.json.format(msgspec.json.encode(order), indent=1))
        (work / ARTEFACTS).mkdir(mode=0o700, exist_ok=True)
        stages = self.stages(order)
        if not all((work / ARTEFACTS / stage.result).exists() for stage in stages):
            self._relay.begin(FETCH)
            fetch_dataset(order, work, lease.check)
        for stage in stages:
            self._relay.begin(stage.name)
            lease.confirm()
            if not (work / ARTEFACTS / stage.result).exists():
                self._run_stage(stage, work, place, lease)
        self._relay.begin(PUBLISH)
        lease.confirm()
        publish_artefacts(work, order.artefacts_url, lease.check)
        lease.confirm()

    def _run_stage(self, stage: Stage, work: Path, place: Place, lease: Lease) -> None:
        began = time.monotonic()
        child = Child(stage, work, work / LOGS / f"{stage.name}.log", place.descriptors)
        logger.info("%s: stage %s is process %s", self.run_key, stage.name, child.pid)
        failure: Failed | None = None
        kill_at: float | None = None
        try:
            while (status := child.status()) is None:
                failure = self._hear(child.read(0.2)) or failure
                if lease.why_stop == "lost":
                    raise Lost("the lease is another's")
                if lease.why_stop is not None and kill_at is None:
                    kill_at = time.monotonic() + _ask_to_stop(child, stage, work, lease)
                if kill_at is not None and time.monotonic() >= kill_at:
                    child.kill()
        finally:
            failure = self._hear(child.close()) or failure
        lease.check()
        if failure is not None:
            raise StageFailed(failure.code, failure.message, transient=failure.transient)
        if status == INTERRUPTED:
            raise StageFailed("interrupted", f"stage {stage.name} was stopped from outside", transient=True)
        if status != 0:
            raise _Crashed(f"stage {stage.name} ended with {_meaning(status)}")
        if not (work / ARTEFACTS / stage.result).exists():
            raise _Crashed(f"stage {stage.name} ended well and left no {stage.result}")
        seconds = time.monotonic() - began
        self._relay.say(
            Entry(
                "event",
                f"stage {stage.name} done in {seconds:.0f} s",
                external_id=f"{self.run_key}-done-{stage.name}",
            )
        )

    def _hear(self, events: list[Progressed | Noted | Failed]) -> Failed | None:
        failure = None
        for event in events:
            match event:
                case Progressed():
                    self._relay.progressed(event)
                case Noted():
                    self._relay.noted(event)
                case Failed():
                    failure = event
        return failure

    # -- the ends

    def _failed(self, training: TrainingRow, lease: Lease, work: Path, error: Exception) -> None:
        """Fail for good, or wait and try again when that may help."""
        named = named_failure(error)
        if isinstance(error, StorageRejected):
            code, message, passes = "storage", str(error), False
        elif named is not None:
            code, message, passes = named.code, named.message, named.transient
        else:
            text = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            text = str(error) if isinstance(error, FtworkerError) else f"{work}: {text}"
            code, message, passes = "storage", text, True
        failures = self._settle(training, lease).failures
        if passes and failures + 1 < MAX_FAILURES:
            pause = self._pause(failures)
            text = f"{message} ({code}; again in {pause:.0f} s)"
            self._relay.say(Entry("note", text))
            self._give_back(training, lease, text, pause_seconds=pause, failed=True)
            return
        self._finish(training, lease, "failed", message, code)
        clear_work(work, artefacts=False)

    def _crashed(self, training: TrainingRow, lease: Lease, message: str) -> None:
        """Try again after a pause, unless that was done often enough without getting further."""
        present = self._settle(training, lease)
        work = make_work_folder(self.settings.home, self.run_key)
        if present.crashes + 1 >= training.max_crashes:
            advice = _crash_advice(present.crashes + 1, present.stage, work)
            self._finish(training, lease, "failed", f"{message}; {advice}", "trainer_crashed", crashed=True)
            clear_work(work, artefacts=False)
            return
        pause = self._pause(present.crashes)
        text = f"{message}; again in {pause:.0f} s"
        self._relay.say(Entry("note", text))
        self._give_back(training, lease, text, pause_seconds=pause, crashed=True)

    def _finish(
        self,
        training: TrainingRow,
        lease: Lease,
        state: Literal["succeeded", "failed", "cancelled"],
        message: str,
        code: str | None = None,
        *,
        crashed: bool = False,
    ) -> None:
        lease.stop()
        token = str(training.lease_token)

        def write(cursor: Cursor) -> bool:
            written = trainings.finish_training(
                cursor, self.run_key, token, state, message=message, error_code=code
            )
            if written and crashed:
                _count_crash(cursor, training)
            return written

        written = lease.end(write)
        logger.info("%s: %s%s", self.run_key, state, "" if written else ", but the lease was lost")

    def _give_back(
        self,
        training: TrainingRow,
        lease: Lease,
        message: str,
        *,
        pause_seconds: float,
        crashed: bool = False,
        failed: bool = False,
    ) -> None:
        lease.stop()
        token = str(training.lease_token)

        def write(cursor: Cursor) -> bool:
            written = trainings.give_back(
                cursor,
                self.run_key,
                token,
                message=message,
                pause_seconds=pause_seconds,
                crashed=crashed,
                failed=failed,
            )
            if written and crashed:
                _count_crash(cursor, training)
            return written

        # A worker that stops waits for its jobs; without an answer the lease runs out by itself.
        lease.end(write, patience_seconds=20.0 if self._terminated else PATIENCE_SECONDS)
        logger.info("%s: given back: %s", self.run_key, message)

    def _settle(self, training: TrainingRow, lease: Lease) -> TrainingRow:
        """End the heartbeat and return the row with its counts; as it was claimed when the database is away."""
        lease.stop()
        try:
            lease.beat()  # this attempt may have got further than the last heartbeat wrote
            with self.store.transaction() as cursor:
                return trainings.get_training(cursor, training.run_key)
        except DatabaseUnavailable:
            return training

    def _pause(self, before: int) -> float:
        worker = self.settings.worker
        return min(worker.retry_base_seconds * 2.0**before, worker.retry_max_seconds)


def clear_others(store: Store, folder: Path) -> None:
    """Remove the data and checkpoints that killed jobs of trainings left that are over."""
    for lock in folder.glob("*/lock"):
        other = lock.parent
        with store.transaction() as cursor:
            try:
                training = trainings.get_training(cursor, other.name)
            except FtworkerError:
                continue
        if training.finished_at is not None and not is_in_use(other):
            clear_work(other, artefacts=training.state != "failed")


def _read_order(training: TrainingRow) -> TrainingOrder:
    try:
        order = msgspec.convert(dict(training.order), TrainingOrder)
        TrainerSettings.model_validate(order.settings)
    except ValueError as error:  # msgspec's and pydantic's
        raise StageFailed(
            "order_unreadable",
            f"the training was handed in by another version of ftworker: `ftworker runs retry {training.run_id}`",
        ) from error
    return order


def _ask_to_stop(child: Child, stage: Stage, work: Path, lease: Lease) -> float:
    """Send SIGTERM; returns the seconds until the stage is ended by force."""
    seconds = stage.stop_seconds
    if lease.why_stop == "cancelled":
        (work / CANCELLED).touch()
        seconds = CANCEL_SECONDS
    child.terminate()
    return seconds


def _count_crash(cursor: Cursor, training: TrainingRow) -> None:
    labels = totals.label_text(pipeline=training.order["pipeline"], provider=training.order["provider"])
    totals.add(cursor, {("training_crashes", labels): 1})


def _crash_advice(crashes: int, stage: str | None, work: Path) -> str:
    return (
        f"stage {stage or FETCH} ended without a word {crashes} times in a row at the same place. Mostly that is the "
        "system ending it because memory ran out: lower training.micro_batch or training.max_length_tokens, set "
        "training.gradient_checkpointing = true, or choose a smaller base or a larger machine. Its last words: "
        f"{work / LOGS}"
    )


def _meaning(status: int) -> str:
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "SIGKILL: the system ends a process that way when memory runs out"
    return f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    temporary.replace(path)


def main(arguments: list[str], stages: Callable[[TrainingOrder], tuple[Stage, ...]] = stages_of) -> int:
    """Run the job. 0 however the training went on; 1 when it could not be taken up."""
    if len(arguments) != 1:
        sys.stderr.write("expected one argument: the run key of a training\n")
        return 2
    setup_logging(logging.INFO)
    try:
        here = open_installation()
        with hold_servers(here.settings):
            job = TrainingJob(here.store, here.settings, arguments[0], stages)

            def stop(_number: int, _frame: FrameType | None) -> None:
                job.terminate()

            signal.signal(signal.SIGTERM, stop)
            job.run()
    except FtworkerError as error:
        logger.error("%s: %s", arguments[0], error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
