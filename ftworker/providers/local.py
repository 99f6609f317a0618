"""The provider for models on one's own machine, registered with Ollama. How one is made depends on the trainer.

`local_few_shot` makes it of chosen examples (`none`), `local_trained` has it trained (`peft`, `command`);
`local_registry` keeps the names at Ollama. All names are made from the run's key, so whatever a crash left is found
again and nothing is made twice. Never trains itself: a training is handed in at a desk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.providers.contract import (
    Finding,
    JobCancelled,
    JobStatus,
    KeepAlive,
    ProviderRejected,
    Record,
    RunView,
    Uploaded,
    no_lease,
)
from ftworker.providers.local_few_shot import FewShotModels
from ftworker.providers.local_registry import Making, ModelNames, Names, NotServed
from ftworker.providers.local_trained import TrainedModels
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.run_folder import RunFolder
from ftworker.settings import LocalSettings
from ftworker.training.desk import TrainingDesk

CANCELLED_MARK: Final = "CANCELLED"
"""A file of this name in the run's folder: a person stopped the run, nothing is registered any more."""


class LocalProvider:
    """One configured Ollama, and whoever trains for it. Cheap to build: nothing is asked before the first call.

    `base_models` are the models of the pipelines that use it, for `check`. `desk` takes in what is to be trained, with
    another trainer than `none`. `sleep` is the wait between two knocks at an Ollama that does not answer, which may be
    restarting. Raises ConfigurationError for a wrong address.
    """

    def __init__(
        self,
        name: str,
        settings: LocalSettings,
        *,
        base_models: Sequence[str] = (),
        desk: TrainingDesk | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        try:
            ollama = OllamaClient(
                settings.ollama_host,
                request_timeout_seconds=settings.request_timeout_seconds,
                create_timeout_seconds=settings.create_timeout_seconds,
            )
        except ValueError as error:
            problem = ConfigurationProblem(f"providers.{name}.ollama_host", "(hidden)", str(error))
            raise ConfigurationError("configuration", [problem]) from error
        self._names = ModelNames(ollama, settings, sleep=sleep)
        self._making: Making
        if settings.trainer == "none":
            self._making = FewShotModels(
                name, settings, base_models=base_models, ollama=ollama, names=self._names
            )
        else:
            self._making = TrainedModels(
                name, settings, base_models=base_models, ollama=ollama, names=self._names, desk=desk
            )

    def preflight(self, run: RunView, keep_alive: KeepAlive = no_lease) -> Sequence[Finding]:  # noqa: ARG002
        """All that can be known to be wrong before anything is made. Reads no rows, so it is soon done."""
        return self._making.preflight(run)

    def check(self) -> Sequence[Finding]:
        """The same look without a run. Never raises."""
        return self._making.check()

    def upload(self, run: RunView, record: Record) -> Uploaded:
        """The dataset stays where it is. Repeatable."""
        return self._making.upload(run, record)

    def submit(self, run: RunView, record: Record) -> str:
        """The job's id is the name that the model will have."""
        return self._making.submit(run, record)

    def reconcile(self, run: RunView, record: Record) -> str | None:
        """The same id again: it is made from the run's key."""
        return self.submit(run, record)

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """How the training is; once it is there, register the model, or find it registered.

        Packaged when no Ollama answers. Raises ProviderUnavailable when Ollama failed in between, ProviderRejected when
        it refuses.
        """
        if RunFolder(run.artefacts_url).read(CANCELLED_MARK) is not None:
            return JobCancelled("stopped by a person before it was registered")
        return self._making.poll(run, record)

    def cancel(self, run: RunView, record: Record) -> None:
        """Stop the training, register nothing any more, and take the run's name away when it is there. Repeatable."""
        RunFolder(run.artefacts_url).write(CANCELLED_MARK, b"stopped by a person\n")
        self._making.cancel(run)
        self._names.remove(self._names_of(run).tag, record)

    def promote(self, run: RunView, record: Record, *, previous_model: str | None) -> None:
        """Move `<model>:latest` to the run's model; what it stood for becomes `<model>:previous`. Repeatable.

        A name that was cleared away is registered again from the run's files, so that an old run can be promoted.
        """
        names = self._names_of(run)
        if self._names.installed(names.tag) is None:
            try:
                self._making.register(run, record)
            except NotServed as error:
                raise ProviderRejected(str(error), code=error.code) from error
        self._names.promote(names, record, previous_model=previous_model)

    def _names_of(self, run: RunView) -> Names:
        return Names.of_run(run, self._settings)
