"""The provider for services that speak OpenAI's fine-tuning API: OpenAI, Azure Foundry, Nebius, gateways.

Keeps `contract.Provider`. Composes the parts and adds nothing: preflight (`openai_preflight`), upload
(`openai_files`), the paid call and finding it again (`openai_jobs`), progress and results
(`openai_progress`). How the services differ is settings (docs/PROVIDERS.md), never a branch on who it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ftworker.clock import Clock, utc_now
from ftworker.errors import FtworkerError
from ftworker.providers.contract import (
    Finding,
    JobStatus,
    JournalEntry,
    KeepAlive,
    NeedsPerson,
    Record,
    RunView,
    Uploaded,
    no_lease,
)
from ftworker.providers.openai_client import Service
from ftworker.providers.openai_files import FileSender
from ftworker.providers.openai_jobs import Jobs
from ftworker.providers.openai_preflight import Preflight
from ftworker.providers.openai_progress import Progress
from ftworker.settings import OpenAISettings


class OpenAIProvider:
    """One configured service. Cheap to build: the SDK is imported and the key is read on the first call.

    `base_models` are the models of the pipelines that use it, for `check`. `sleep` is the wait between looks.
    """

    def __init__(
        self,
        name: str,
        settings: OpenAISettings,
        *,
        base_models: Sequence[str] = (),
        clock: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._base_models = tuple(base_models)
        self._service = Service(name, settings, sleep=sleep)
        self._preflight = Preflight(self._service, clock)
        self._files = FileSender(self._service, clock)
        self._jobs = Jobs(self._service)
        self._progress = Progress(self._service)

    def __repr__(self) -> str:
        return f"OpenAIProvider({self.name!r}, host={self._service.host!r})"

    def close(self) -> None:
        """End the connections. The next call opens new ones."""
        self._service.close()

    def preflight(self, run: RunView, keep_alive: KeepAlive = no_lease) -> Sequence[Finding]:
        """See `Provider.preflight`."""
        return self._preflight.of_run(run, keep_alive)

    def check(self) -> Sequence[Finding]:
        """See `Provider.check`."""
        try:
            return self._preflight.of_service(self._base_models)
        except FtworkerError as error:
            return [Finding("error", getattr(error, "code", "unavailable"), str(error))]

    def upload(self, run: RunView, record: Record) -> Uploaded:
        """Upload what is not there yet, and wait a short while until it is processed.

        See `Provider.upload`.
        """
        dataset = run.dataset
        training = self._files.send(f"{run.run_key}.jsonl", dataset.train, record)
        validation = None
        if dataset.validation is not None and dataset.validation.rows > 0:
            validation = self._files.send(f"{run.run_key}-validation.jsonl", dataset.validation, record)
        return Uploaded(training, validation)

    def submit(self, run: RunView, record: Record) -> str:
        """Send the paid call, exactly once. See `Provider.submit`."""
        if run.training_file_id is None or run.attempted_at is None:
            raise NeedsPerson(
                f"run {run.id}: the files or the intent to pay are not saved; no job is created"
            )
        # Recording renews the step's lease, so that nobody takes this worker for dead during the paid call.
        record(JournalEntry("note", f"asking {self._service.host} for a job that trains {run.base_model}"))
        return self._jobs.create(run)

    def reconcile(self, run: RunView, record: Record) -> str | None:
        """See `Provider.reconcile`."""
        return self._jobs.find(run, record)

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """See `Provider.poll`."""
        if run.job_id is None:
            raise NeedsPerson(f"run {run.id} has no job to look at")
        return self._progress.look(run, run.job_id, record)

    def cancel(self, run: RunView, record: Record) -> None:
        """See `Provider.cancel`."""
        if run.job_id is not None:
            self._jobs.cancel(run.job_id, record)

    def promote(self, run: RunView, record: Record, *, previous_model: str | None) -> None:
        """Nothing to move: the service serves each model under its own name; the RAG is told which."""
        before = f"; before it: {previous_model}" if previous_model else ""
        message = f"{self._service.host} serves {run.model} under its own name{before}"
        record(JournalEntry("note", message, external_id=f"{run.run_key}:promoted"))
