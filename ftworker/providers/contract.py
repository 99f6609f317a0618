"""The contract between a run and whoever trains its model. `runs.pipeline` calls it; each provider keeps it.

Every method is one transition of a run: it may be repeated after a crash at any point, it never blocks for the
length of a training, and it keeps no state of its own. All state is in the run's row, handed in as `RunView`.
Never touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from ftworker.errors import PermanentError, TransientError


class ProviderRejected(PermanentError):
    """The provider refuses and will refuse again. `code` is the provider's own, for example `training_not_available`.

    `disables_provider` is true when it refuses every run, not just this one (training closed, key revoked, quota
    exhausted): the operator is alerted, the export is kept.
    """

    def __init__(self, message: str, *, code: str, disables_provider: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.disables_provider = disables_provider


class ProviderUnavailable(TransientError):
    """The provider did not do the work and can be asked again later (429, connection refused, a read that failed)."""

    def __init__(
        self, message: str, *, code: str = "unavailable", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.code = code


class OutcomeUnknown(TransientError):
    """Nobody knows whether the paid call was done. It must never be sent again; `reconcile` finds out."""


class NeedsPerson(PermanentError):
    """The run cannot go on by itself and is neither done nor failed: it is parked until a person looks."""


@dataclass(frozen=True)
class DatasetFile:
    """One exported file. `url` is an fsspec URL; `sha256` is over the uncompressed bytes, hexadecimal."""

    url: str
    sha256: str
    size_bytes: int
    rows: int
    tokens: int


@dataclass(frozen=True)
class ExportedDataset:
    """A dataset that is written and will never change."""

    id: int
    url: str
    """The folder that holds the files, manifest.json and README.md."""
    sha256: str
    train: DatasetFile
    validation: DatasetFile | None
    format: str
    """One of `ftworker.datasets.formats.FORMATS`."""
    system_prompt: str


@dataclass(frozen=True)
class RunView:
    """What a provider may know of a run. Fields are None until the step that sets them is finished."""

    id: int
    pipeline: str
    run_key: str
    """Names this run at the provider: unique for dataset, base model, method, provider and generation.

    [a-z0-9-], at most 40 characters.
    """
    base_model: str
    method: Mapping[str, Any]
    """The pipeline's `training` section as it was when the run began: `type`, `n_epochs`, `suffix`, `seed`..."""
    dataset: ExportedDataset
    artefacts_url: str
    """A folder of this run's own, for what the provider makes (Modelfile, instructions)."""
    training_file_id: str | None = None
    validation_file_id: str | None = None
    attempted_at: datetime | None = None
    """When the intent to create the job was saved, just before the paid call."""
    job_id: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that preflight saw. An `error` stops the run before anything is paid; a `warning` is journalled."""

    level: Literal["error", "warning"]
    code: str
    message: str


@dataclass(frozen=True)
class JournalEntry:
    """Something a person may want to read later. `external_id` makes it recorded once however often it is sent.

    kind: `event` (the provider's own log line), `metric` (a point: data = {"step", "train_loss", ...}),
    `progress` (data = {"completed", "total", "unit"}), `note`, `alert`. No conversation text, no secret.
    """

    kind: Literal["event", "metric", "progress", "note", "alert"]
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None


Record = Callable[[JournalEntry], None]
"""Writes into the run's journal at once (its own short transaction) and renews the step's lease."""

KeepAlive = Callable[[str, int, str], None]
"""Called during long work, as often as one likes, with what is done, how much, and its unit. Renews the step's lease
now and then; raises what ends the step when another took the run."""


def no_lease(what: str, completed: int, unit: str) -> None:
    """For a look that nobody's lease depends on."""


@dataclass(frozen=True)
class Uploaded:
    """The files are at the provider. A provider that needs no upload answers with the dataset's own URLs."""

    training_file_id: str
    validation_file_id: str | None = None


@dataclass(frozen=True)
class JobRunning:
    """Not finished. `status` is the provider's word; an unknown word means running."""

    status: str
    poll_after_seconds: float | None = None
    """The provider's wish; None: the pipeline's `poll_interval_seconds`."""


@dataclass(frozen=True)
class JobSucceeded:
    """A model that answers under the name `model` at its provider."""

    model: str
    trained_tokens: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What to show beside the run: loss curve, epochs, artefacts' paths. JSON values only."""


@dataclass(frozen=True)
class JobPackaged:
    """Artefacts are finished, but nobody serves them yet (no Ollama answered): a person runs the commands."""

    model: str
    instructions: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobFailed:
    code: str
    message: str


@dataclass(frozen=True)
class JobCancelled:
    message: str


JobStatus = JobRunning | JobSucceeded | JobPackaged | JobFailed | JobCancelled


class Provider(Protocol):
    """One who trains. Built once a process by `ftworker.providers.registry.make_provider`; safe for use after fork."""

    name: str

    def preflight(self, run: RunView, keep_alive: KeepAlive) -> Sequence[Finding]:
        """Look before anything is uploaded or paid: key, base model known and alive, dataset within the limits.

        Reads only, with `keep_alive` where that takes long. Raises ProviderUnavailable when it cannot look.
        """
        ...

    def check(self) -> Sequence[Finding]:
        """The same look without a run, for `ftworker doctor`: reachable, key accepted, models known. Never raises."""
        ...

    def upload(self, run: RunView, record: Record) -> Uploaded:
        """Bring the dataset's files to the provider. Repeatable: a file of this run that is there is used again."""
        ...

    def submit(self, run: RunView, record: Record) -> str:
        """Start the job, once, and return its id. The caller has saved `attempted_at` before.

        Raises ProviderRejected (not created, permanent), ProviderUnavailable (surely not created, try later),
        OutcomeUnknown (perhaps created: only `reconcile` may follow).
        """
        ...

    def reconcile(self, run: RunView, record: Record) -> str | None:
        """Find the job that an unknown outcome may have made, and return its id; None when none shows (yet).

        Several found: the oldest is kept, the others are cancelled, and an alert is recorded.
        """
        ...

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """Ask how the job is. Repeatable. A failed look raises ProviderUnavailable and is never a failed job."""
        ...

    def cancel(self, run: RunView, record: Record) -> None:
        """Ask the provider to stop the job. Repeatable; a job that is over already is no error."""
        ...

    def promote(self, run: RunView, record: Record, *, previous_model: str | None) -> None:
        """Make the run's model the one that is served (for Ollama: move the alias). Repeatable.

        `previous_model` is the model promoted before, to be kept for a rollback.
        """
        ...
