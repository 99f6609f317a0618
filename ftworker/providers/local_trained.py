"""Trainers `peft` and `command`: a training is handed in at the desk, and what it made is registered with Ollama.

Never trains itself and never waits: `submit` hands in, `poll` looks, and once the files are there it registers them
under the run's tag (`local_registration`). `local_trained_preflight` looks before, `local_registry` keeps the names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from ftworker.errors import NotFound
from ftworker.providers.contract import (
    DatasetFile,
    Finding,
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobStatus,
    JobSucceeded,
    ProviderRejected,
    Record,
    RunView,
    Uploaded,
)
from ftworker.providers.local_preflight import (
    method_findings,
    name_findings,
    parameter_findings,
    prompt_findings,
)
from ftworker.providers.local_registration import TrainedRegistration, read_made
from ftworker.providers.local_registry import (
    INSTRUCTIONS,
    ModelNames,
    Names,
    NotServed,
)
from ftworker.providers.local_trained_artefacts import (
    MadeModel,
    commands,
)
from ftworker.providers.local_trained_preflight import (
    base_findings,
    serving_findings,
    trainer_findings,
)
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_wire import OllamaUnreachable
from ftworker.settings import LocalSettings
from ftworker.training.desk import TrainingDesk
from ftworker.training.order import OrderedFile, TrainingOrder

_NO_FILE: Final = (
    "there is no file for Ollama, because no GGUF of the base was to be had: set training.base_gguf and train again, "
    "or serve the adapter with vLLM"
)
_FOLDER_ON_THIS_MACHINE: Final = re.compile(r"(?:file|local)://(/.*)")


class TrainedModels:
    """Makes a run's model by a training. `desk` is where trainings are handed in."""

    def __init__(
        self,
        provider: str,
        settings: LocalSettings,
        *,
        base_models: Sequence[str],
        ollama: OllamaClient,
        names: ModelNames,
        desk: TrainingDesk | None,
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._base_models = tuple(base_models)
        self._ollama = ollama
        self._names = names
        self._registration = TrainedRegistration(settings, ollama, names)
        self._desk = desk

    # -- looking first

    def preflight(self, run: RunView) -> Sequence[Finding]:
        """All that can be known before hours of training. What Ollama lacks is only a warning."""
        local = _FOLDER_ON_THIS_MACHINE.match(run.artefacts_url)
        return [
            *method_findings(run, self._settings.trainer),
            *name_findings(Names.of_run(run, self._settings), run.base_model),
            *prompt_findings(run.dataset.system_prompt),
            *parameter_findings(self._provider, self._settings),
            *trainer_findings(self._settings),
            *base_findings(self._settings, self._base(run.base_model), Path(local[1]) if local else None),
            *serving_findings(self._ollama, self._settings, (run.base_model,)),
        ]

    def check(self) -> Sequence[Finding]:
        """The same look without a run. Never raises."""
        bases = sorted({self._base(base_model) for base_model in self._base_models})
        return [
            *parameter_findings(self._provider, self._settings),
            *trainer_findings(self._settings),
            *(finding for base in bases for finding in base_findings(self._settings, base, None)),
            *serving_findings(self._ollama, self._settings, self._base_models),
        ]

    # -- training

    def upload(self, run: RunView, record: Record) -> Uploaded:  # noqa: ARG002 - the signature of `Making`
        """Nothing is copied: the training fetches the dataset's files itself, and verifies them."""
        validation = run.dataset.validation
        return Uploaded(run.dataset.train.url, validation.url if validation else None)

    def submit(self, run: RunView, record: Record) -> str:  # noqa: ARG002 - the signature of `Making`
        """Hand the training in, unless it is; the job's id is the name that the model will have."""
        self._at_desk().hand_in(self._order(run))
        return Names.of_run(run, self._settings).tag

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """How the training is; when it is through, its model is registered, or found registered.

        Packaged when no Ollama answers. Raises ProviderUnavailable when Ollama failed in between, ProviderRejected when
        it refuses.
        """
        try:
            status = self._at_desk().look(run.run_key)
        except NotFound:
            # A database that was restored from before: what is handed in again goes on where its files are.
            self.submit(run, record)
            return JobRunning("handed in again")
        match status.state:
            case "waiting" | "running":
                return JobRunning(status.message)
            case "failed":
                return JobFailed(status.code or "training_failed", status.message)
            case "cancelled":
                return JobCancelled(status.message)
            case "succeeded":
                return self._serve(run, record)

    def cancel(self, run: RunView) -> None:
        """Ask the training to stop; its process does within seconds."""
        if self._desk is not None:
            self._desk.cancel(run.run_key)

    def _at_desk(self) -> TrainingDesk:
        if self._desk is None:
            raise ProviderRejected(
                f"provider {self._provider} trains, and this process has no place to hand trainings in; "
                "run it through ftworker's worker",
                code="no_desk",
            )
        return self._desk

    def _base(self, base_model: str) -> str:
        return self._settings.training.base or base_model

    def _order(self, run: RunView) -> TrainingOrder:
        dataset, settings = run.dataset, self._settings
        assert settings.trainer != "none"
        return TrainingOrder(
            run_id=run.id,
            run_key=run.run_key,
            pipeline=run.pipeline,
            provider=self._provider,
            base=self._base(run.base_model),
            method=dict(run.method),
            format=dataset.format,
            system_prompt=dataset.system_prompt,
            train=_ordered(dataset.train),
            validation=_ordered(dataset.validation) if dataset.validation else None,
            trainer=settings.trainer,
            settings=settings.training.model_dump(mode="json"),
            artefacts_url=run.artefacts_url,
            gates=settings.gates.model_dump(mode="json"),
            command=settings.command.model_dump(mode="json") if settings.trainer == "command" else {},
        )

    # -- serving

    def _serve(self, run: RunView, record: Record) -> JobStatus:
        made = read_made(run)
        if made.checked is not None and not made.checked.passed:
            failed = "; ".join(gate.message for gate in made.checked.gates if not gate.passed)
            return JobFailed("gate_failed", failed)
        if made.served_file(self._settings.ollama_artefact) is None:
            return self._packaged(run, made, _NO_FILE)
        try:
            version = self._names.knock()
            if self._settings.ollama_artefact == "adapter":
                missing = self._names.missing_base(run.base_model, record)
                if isinstance(missing, str):
                    return self._packaged(run, made, missing)
                if missing is not None:
                    return missing
            seen = self._registration.register(run, made, version, record)
        except OllamaUnreachable as error:
            return self._packaged(run, made, str(error))
        except NotServed as error:
            return JobFailed(error.code, str(error))
        detail = {
            **self._detail(run, made),
            "ollama_version": version,
            "not_registered": None,
            "template": seen,
        }
        return JobSucceeded(
            Names.of_run(run, self._settings).tag, trained_tokens=made.trained.trained_tokens, detail=detail
        )

    def register(self, run: RunView, record: Record) -> None:
        """Register the model from the run's files, or find it there. Raises NotServed."""
        self._registration.register(run, read_made(run), self._names.knock(), record)

    def _packaged(self, run: RunView, made: MadeModel, reason: str) -> JobPackaged:
        names = Names.of_run(run, self._settings)
        return JobPackaged(
            names.tag,
            instructions=commands(run, self._registration.modelfile(run, made), made, names),
            detail={**self._detail(run, made), "not_registered": reason},
        )

    def _detail(self, run: RunView, made: MadeModel) -> dict[str, Any]:
        trained = made.trained
        return {
            "trainer": self._settings.trainer,
            "alias": Names.of_run(run, self._settings).alias,
            "artefacts": run.artefacts_url,
            "read_me": f"{run.artefacts_url}/{INSTRUCTIONS}",
            "steps": trained.steps,
            "epochs": trained.epochs,
            "train_loss": trained.train_loss,
            "validation_loss": trained.validation_loss,
            "base_validation_loss": trained.base_validation_loss,
            "seconds": trained.seconds,
            "quantization": made.converted.quantization,
            "gates": {gate.name: gate.passed for gate in made.checked.gates} if made.checked else {},
        }


def _ordered(file: DatasetFile) -> OrderedFile:
    return OrderedFile(file.url, PurePosixPath(file.url).name, file.sha256, file.rows)
