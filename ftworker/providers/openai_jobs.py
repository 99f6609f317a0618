"""The paid call, and what protects it: create once, find again after a lost answer, cancel.

The rules are in docs/PROVIDERS.md, "Never pay twice". This module never sends a create twice; only a person,
or the run's next generation, may.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from ftworker.providers.contract import (
    JournalEntry,
    NeedsPerson,
    OutcomeUnknown,
    Record,
    RunView,
)
from ftworker.providers.openai_client import Service
from ftworker.providers.openai_errors import CallFailed, Verdict
from ftworker.providers.openai_wire import Job, Page
from ftworker.settings import OpenAISettings

RUN_KEY = "ftworker_run"
"""The metadata key that carries the run's key."""
PAGE_SIZE = 100
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
HYPERPARAMETERS = {
    "supervised": ("n_epochs", "batch_size", "learning_rate_multiplier"),
    "dpo": ("n_epochs", "batch_size", "learning_rate_multiplier", "beta"),
}
"""What each method takes (OpenAI's API description: FineTuneSupervisedHyperparameters, FineTuneDPOHyperparameters)."""


def job_body(run: RunView, settings: OpenAISettings) -> dict[str, Any]:
    """The body of the create call. `auto` is what a service does without being told, so it is left out."""
    method = run.method
    kind = str(method.get("type", "supervised"))
    hyperparameters = {
        name: method[name] for name in HYPERPARAMETERS[kind] if method.get(name) not in {None, "auto"}
    } | settings.extra_hyperparameters
    body: dict[str, Any] = {"model": run.base_model, "training_file": run.training_file_id}
    if run.validation_file_id:
        body["validation_file"] = run.validation_file_id
    if settings.hyperparameters_in == "body":
        body["hyperparameters"] = hyperparameters
    else:
        body["method"] = {"type": kind, kind: {"hyperparameters": hyperparameters}}
    if method.get("seed") is not None:
        body["seed"] = method["seed"]
    if suffix := job_suffix(str(method.get("suffix") or ""), run.run_key, settings.suffix_max_length):
        body["suffix"] = suffix
    if settings.send_metadata:
        body["metadata"] = {RUN_KEY: run.run_key, "ftworker_dataset": run.dataset.sha256}
    if settings.extra_body:
        body["extra_body"] = dict(settings.extra_body)
    return body


def job_suffix(wish: str, run_key: str, max_length: int) -> str:
    """The operator's word and the run's key, within the service's limit.

    Where both do not fit, the key's end stays: it is what tells two runs apart.
    """
    whole = f"{wish}-{run_key}" if wish else run_key
    if len(whole) <= max_length:
        return whole
    room = max_length - len(run_key) - 1
    shorter = f"{wish[:room]}-{run_key}" if wish and room > 0 else run_key[-max_length:] if max_length else ""
    return shorter.strip("-")


class Jobs:
    """Creates, finds and cancels jobs at one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def create(self, run: RunView) -> str:
        """Send the paid call, once, and return the job's id.

        Raises ProviderRejected or ProviderUnavailable only when surely nothing was created; OutcomeUnknown
        otherwise.
        """
        settings = self._service.settings
        body = job_body(run, settings)
        try:
            job = self._service.once(
                Job,
                lambda client: client.with_options(
                    max_retries=0, timeout=settings.submit_timeout_seconds
                ).fine_tuning.jobs.with_raw_response.create(**body),
            )
        except CallFailed as failed:
            failure = failed.failure
            match failure.verdict:
                case Verdict.REFUSED:
                    raise self._service.rejected("creating the job", failure) from failed
                case Verdict.LIMITED | Verdict.UNSENT:
                    raise self._service.unavailable("creating the job", failure) from failed
                case Verdict.UNKNOWN:
                    raise OutcomeUnknown(
                        f"provider {self._service.name}: run {run.id}: creating the job ended with {failure};"
                        " whether a job exists is looked up before anything else"
                    ) from failed
        else:
            return job.id

    def find(self, run: RunView, record: Record) -> str | None:
        """Find the job that an unknown outcome may have made; see `Provider.reconcile`.

        Looks by metadata, and through the plain listing back to the attempt, because a gateway may lose or
        ignore metadata. Raises ProviderUnavailable when it cannot look.
        """
        if run.attempted_at is None or run.training_file_id is None:
            raise NeedsPerson(f"run {run.id} has no saved attempt to create a job: nothing can be looked up")
        try:
            listed = self._listed(run, run.attempted_at)
            found = {job.id: job for job in listed if _belongs(job, run)}
        except CallFailed as failed:
            if failed.failure.closes_provider:
                message = self._service.refused_look("looking for the job", failed.failure)
                record(
                    JournalEntry("alert", message, external_id=f"{run.run_key}:look:{failed.failure.code}")
                )
            raise self._service.unavailable("listing jobs", failed.failure) from failed
        if not found:
            return None
        # A duplicate that an earlier look cancelled is not the one to keep.
        ended = {"failed", "cancelled"}
        ordered = sorted(found.values(), key=lambda job: (job.status in ended, job.created_at, job.id))
        kept, *others = ordered
        if others:
            self._cancel_duplicates(run, kept, others, record)
        return kept.id

    def _listed(self, run: RunView, attempted_at: datetime) -> Iterator[Job]:
        settings = self._service.settings
        if settings.send_metadata:
            try:
                yield from self._listed_by_metadata(run)
            except CallFailed as failed:
                # A service without the filter; the plain listing decides.
                if failed.failure.status not in {400, 404, 422}:
                    raise
        oldest = (attempted_at - timedelta(seconds=settings.clock_skew_seconds)).timestamp()

        def plainly(client: Any, cursor: dict[str, Any]) -> Any:
            return client.fine_tuning.jobs.with_raw_response.list(limit=PAGE_SIZE, **cursor)

        for page in self._service.pages(Page[Job], plainly):
            yield from page
            # Newest first is not promised by every service: stop only where this page shows that order.
            if page[0].created_at >= page[-1].created_at and page[-1].created_at < oldest:
                return

    def _listed_by_metadata(self, run: RunView) -> Iterator[Job]:
        def filtered(client: Any, cursor: dict[str, Any]) -> Any:
            return client.fine_tuning.jobs.with_raw_response.list(
                limit=PAGE_SIZE, metadata={RUN_KEY: run.run_key}, **cursor
            )

        # One page: where the filter works it holds them all, where it is ignored the plain listing does the
        # same.
        yield from next(self._service.pages(Page[Job], filtered), [])

    def _cancel_duplicates(self, run: RunView, kept: Job, others: list[Job], record: Record) -> None:
        failed_ids = []
        for job in others:
            if job.status in TERMINAL:
                continue
            try:
                self._stop(job.id)
            except CallFailed as failed:
                # One that cannot be cancelled must not hide the others: the alert names it.
                failed_ids.append(job.id)
                record(JournalEntry("note", f"job {job.id} could not be cancelled: {failed.failure}"))
        ids = ", ".join(job.id for job in others)
        advice = f"; cancel {', '.join(failed_ids)} by hand" if failed_ids else ""
        record(
            JournalEntry(
                "alert",
                f"{1 + len(others)} jobs were created for run {run.id}: {kept.id} is kept, the others ({ids})"
                f" are cancelled{advice}; check the provider's bill",
                data={"kept": kept.id, "others": [job.id for job in others], "not_cancelled": failed_ids},
                external_id=f"{run.run_key}:duplicates:{len(others)}:{len(failed_ids)}",
            )
        )

    def cancel(self, job_id: str, record: Record) -> None:
        """Ask for the job's end. One that is over already is no error.

        A refusal is an alert and no error either: the job trains on and must still be looked at. Raises
        ProviderUnavailable when the service could not be asked.
        """
        try:
            self._stop(job_id)
        except CallFailed as failed:
            failure = failed.failure
            if failure.verdict is not Verdict.REFUSED:
                raise self._service.unavailable(f"cancelling job {job_id}", failure) from failed
            message = (
                f"{self._service.host} refuses to cancel job {job_id}, cancel it there by hand: {failure}"
            )
            record(JournalEntry("alert", message, external_id=f"{job_id}:cancel:{failure.code}"))

    def _stop(self, job_id: str) -> None:
        try:
            self._service.read(Job, lambda client: client.fine_tuning.jobs.with_raw_response.cancel(job_id))
        except CallFailed as failed:
            if failed.failure.verdict is not Verdict.REFUSED or not self._is_over(job_id):
                raise

    def _is_over(self, job_id: str) -> bool:
        try:
            job = self._service.read(
                Job, lambda client: client.fine_tuning.jobs.with_raw_response.retrieve(job_id)
            )
        except CallFailed as failed:
            return failed.failure.status == 404
        return job.status in TERMINAL


def _belongs(job: Job, run: RunView) -> bool:
    # The file is this run's alone; where a gateway renames files, the key in the metadata still tells.
    return job.training_file == run.training_file_id or (job.metadata or {}).get(RUN_KEY) == run.run_key
