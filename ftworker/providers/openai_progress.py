"""How a job is: its status, its log into the run's journal, its results into a loss curve. Reads only.

A look that fails is never a failed job: it raises ProviderUnavailable, and only the job's own `status` ends a
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobRunning,
    JobStatus,
    JobSucceeded,
    JournalEntry,
    NeedsPerson,
    Record,
    RunView,
)
from ftworker.providers.openai_client import RawAnswer, Service
from ftworker.providers.openai_errors import CallFailed, as_code, clean_text, is_moderation
from ftworker.providers.openai_results import (
    LossPoint,
    UnreadableResults,
    curve_as_json,
    last_measured,
    parse_results,
    point_from,
)
from ftworker.providers.openai_wire import Checkpoint, Event, Job, Page

if TYPE_CHECKING:
    import openai

PAGE_SIZE = 100
RUNNING = frozenset({"validating_files", "queued", "running", "pausing"})


class Progress:
    """Looks at jobs of one service.

    Remembers per job the newest event it recorded, in this process alone, to spare the journal repetitions;
    the journal itself drops what it holds already.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._newest_recorded: dict[str, str] = {}

    def look(self, run: RunView, job_id: str, record: Record) -> JobStatus:
        """Ask for the job, record what is new in its log, and say how it is."""
        status: JobStatus
        try:
            job = self._service.read(
                Job, lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(job_id)
            )
        except CallFailed as failed:
            if failed.failure.closes_provider or failed.failure.status == 404:
                message = self._service.refused_look(f"looking at job {job_id}", failed.failure)
                record(JournalEntry("alert", message, external_id=f"{job_id}:{failed.failure.code}"))
            raise self._service.unavailable(f"looking at job {job_id}", failed.failure) from failed
        match job.status:
            case "succeeded":
                status = self._succeeded(
                    run, job, self._record_events(job_id, record, all_of_them=True), record
                )
            case "failed":
                self._record_events(job_id, record, all_of_them=False)
                status = _failed(job)
            case "cancelled":
                self._record_events(job_id, record, all_of_them=False)
                status = JobCancelled(f"job {job.id} was cancelled at the provider")
            case _:
                self._record_events(job_id, record, all_of_them=False)
                _note_unusual(job, record)
                return JobRunning(job.status)
        self._newest_recorded.pop(job_id, None)
        return status

    def _record_events(self, job_id: str, record: Record, *, all_of_them: bool) -> list[Event]:
        """Record the events that are new to this process, oldest first; return those that were read."""
        newest_recorded = self._newest_recorded.get(job_id)

        def list_events(client: Any, cursor: dict[str, Any]) -> Any:
            return client.fine_tuning.jobs.with_raw_response.list_events(job_id, limit=PAGE_SIZE, **cursor)

        read: list[Event] = []
        new: list[Event] = []
        caught_up = False
        try:
            for page in self._service.pages(Page[Event], list_events):
                for event in page:
                    caught_up = caught_up or event.id == newest_recorded
                    read.append(event)
                    if not caught_up:
                        new.append(event)
                if caught_up and not all_of_them:
                    break
        except CallFailed as failed:
            # The log is worth having, the job's end is worth more: go on with what was read. Told once: a gateway may
            # have no log at all, and is asked at every look.
            message = f"the log of job {job_id} could not be read to its end: {failed.failure}"
            record(JournalEntry("note", message, external_id=f"{job_id}:log:{failed.failure.code}"))
        for event in reversed(new):
            record(_entry(event))
        if read:
            self._newest_recorded[job_id] = read[0].id
        return read

    def _succeeded(self, run: RunView, job: Job, events: Sequence[Event], record: Record) -> JobSucceeded:
        model = job.fine_tuned_model or self._model_of_last_checkpoint(job.id)
        if model is None:
            raise NeedsPerson(
                f"run {run.id}: job {job.id} succeeded but names no model; look at it at the provider"
            )
        points, source = self._loss_points(job, events, record)
        hyperparameters = job.hyperparameters or {}
        detail = {
            "loss_curve": curve_as_json(points),
            "loss_curve_source": source,
            "final_train_loss": last_measured(points, "train_loss"),
            "final_valid_loss": last_measured(points, "valid_loss"),
            "steps": max((point.step for point in points), default=None),
            "n_epochs": hyperparameters.get("n_epochs"),
            "batch_size": hyperparameters.get("batch_size"),
            "learning_rate_multiplier": hyperparameters.get("learning_rate_multiplier"),
            "seed": job.seed,
            "result_files": job.result_files or [],
        }
        return JobSucceeded(model=model, trained_tokens=job.trained_tokens, detail=detail)

    def _model_of_last_checkpoint(self, job_id: str) -> str | None:
        """Nebius names models on checkpoints only."""

        def list_checkpoints(client: Any, cursor: dict[str, Any]) -> Any:
            return client.fine_tuning.jobs.checkpoints.with_raw_response.list(job_id, **cursor)

        try:
            found = [
                checkpoint
                for page in self._service.pages(Page[Checkpoint], list_checkpoints)
                for checkpoint in page
                if checkpoint.fine_tuned_model_checkpoint
            ]
        except CallFailed as failed:
            raise self._service.unavailable(
                f"reading checkpoints of job {job_id}", failed.failure
            ) from failed
        last = max(found, key=lambda checkpoint: checkpoint.step_number, default=None)
        return last.fine_tuned_model_checkpoint if last else None

    def _loss_points(
        self, job: Job, events: Sequence[Event], record: Record
    ) -> tuple[list[LossPoint], str | None]:
        """The curve from the result file; from the metric events where the file is missing or unreadable."""
        for file_id in job.result_files or []:
            try:
                content = self._service.read_bytes(partial(_content, file_id))
                return parse_results(content), f"file {file_id}"
            except CallFailed as failed:
                reason = str(failed.failure)
            except UnreadableResults as error:
                reason = str(error)
            record(JournalEntry("note", f"result file {file_id} gives no loss curve: {reason}"))
        metrics = (event.data for event in events if event.type == "metrics" and event.data)
        points = [point for data in metrics if (point := point_from(data)) is not None]
        return points, "events" if points else None


def _content(file_id: str, client: openai.OpenAI) -> RawAnswer:
    return client.files.content(file_id)


def _failed(job: Job) -> JobFailed:
    error = job.error
    words = clean_text((error.message if error else None) or "the provider gave no reason")
    if is_moderation(error.code if error else None, error.message if error else None):
        return JobFailed("moderation", f"the provider's usage policies refuse this training: {words}")
    param = as_code(error.param) if error else None
    about = f" (in {param})" if param else ""
    return JobFailed((as_code(error.code) if error else None) or "job_failed", f"{words}{about}")


def _entry(event: Event) -> JournalEntry:
    data = event.data or {}
    message = clean_text(event.message)
    if event.type == "metrics" and (point := point_from(data)) is not None:
        return JournalEntry("metric", message, data=point.as_json(), external_id=event.id)
    blocked = event.type == "moderation_checks" and data.get("blocked") is True
    return JournalEntry(
        "alert" if blocked else "event",
        message,
        data={"level": event.level, "type": event.type or "message"},
        external_id=event.id,
    )


def _note_unusual(job: Job, record: Record) -> None:
    """Say once what a person should know about a status that is neither running nor an end."""
    if job.status in RUNNING:
        return
    if job.status == "paused":
        message = f"job {job.id} is paused at the provider and waits until somebody resumes it there"
    else:
        message = f"job {job.id} has an unknown status, taken for running: {clean_text(job.status)}"
    record(JournalEntry("alert", message, external_id=f"{job.id}:status:{clean_text(job.status)}"))
