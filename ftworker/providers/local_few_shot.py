"""Trainer `none`: no weights change; the model is the base with the system prompt and chosen examples.

All names and files are made from the run's key, so whatever a crash left is found again and nothing is made twice.
Where no Ollama answers, or it has not the base, the run ends `packaged`, with files and commands. `few_shot` chooses,
`local_artefacts` writes, `local_registry` keeps the names.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.providers.contract import (
    DatasetFile,
    Finding,
    JobFailed,
    JobPackaged,
    JobStatus,
    JobSucceeded,
    JournalEntry,
    ProviderRejected,
    Record,
    RunView,
    Uploaded,
)
from ftworker.providers.few_shot import FewShot, choose_examples
from ftworker.providers.local_artefacts import commands, package
from ftworker.providers.local_preflight import (
    base_findings,
    method_findings,
    modelfile_parameters,
    name_findings,
    ollama_findings,
    parameter_findings,
    prompt_findings,
    room_findings,
)
from ftworker.providers.local_registry import (
    INSTRUCTIONS,
    PROGRESS_INTERVAL_SECONDS,
    JournalledProgress,
    ModelNames,
    Names,
    NotServed,
    packaged_modelfile,
)
from ftworker.providers.modelfile import Modelfile, UnquotableValue, rewrite
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import full_name
from ftworker.providers.ollama_wire import CreateRequest, ModelNotFound, OllamaUnreachable
from ftworker.providers.run_folder import RunFolder
from ftworker.settings import LocalSettings

_BLOCK_BYTES: Final = 1 << 20


class FewShotModels:
    """Makes a run's model without training."""

    def __init__(
        self,
        provider: str,
        settings: LocalSettings,
        *,
        base_models: Sequence[str],
        ollama: OllamaClient,
        names: ModelNames,
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._base_models = tuple(base_models)
        self._ollama = ollama
        self._names = names

    def preflight(self, run: RunView) -> Sequence[Finding]:
        """Names, parameters and prompt fit a Modelfile. What Ollama lacks is only a warning."""
        return [
            *method_findings(run, self._settings.trainer),
            *name_findings(Names.of_run(run, self._settings), run.base_model),
            *base_findings(run.base_model),
            *prompt_findings(run.dataset.system_prompt),
            *parameter_findings(self._provider, self._settings),
            *room_findings(self._settings),
            *ollama_findings(self._ollama, (run.base_model,), pull_base=self._settings.pull_base),
        ]

    def check(self) -> Sequence[Finding]:
        """The same look without a run. Never raises."""
        return [
            *parameter_findings(self._provider, self._settings),
            *room_findings(self._settings),
            *ollama_findings(self._ollama, self._base_models, pull_base=self._settings.pull_base),
        ]

    def upload(self, run: RunView, record: Record) -> Uploaded:
        """Write the run's folder; the dataset stays where it is. Repeatable: a run gives the same bytes."""
        few_shot = self._package(run, record)
        record(
            JournalEntry(
                "note",
                f"Modelfile with {few_shot.examples} examples in {run.artefacts_url}",
                {
                    "examples": few_shot.examples,
                    "tokens": few_shot.tokens,
                    "rewritten": few_shot.rewritten,
                    "passed_over": dict(few_shot.passed_over),
                },
                external_id=f"packaged-{run.run_key}",
            )
        )
        validation = run.dataset.validation
        return Uploaded(run.dataset.train.url, validation.url if validation else None)

    def submit(self, run: RunView, record: Record) -> str:  # noqa: ARG002 - the signature of `Making`
        """The job's id is the name that the model will have. Nothing is asked yet: `poll` registers."""
        return Names.of_run(run, self._settings).tag

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """Register the model, or find it registered. Packaged when no Ollama answers, or it has not the base.

        Raises ProviderUnavailable when Ollama failed in between, ProviderRejected when it refuses.
        """
        modelfile = self._modelfile(run, record)
        try:
            version = self._names.knock()
            missing = self._names.missing_base(modelfile.from_, record)
            if isinstance(missing, str):
                return self._packaged(run, missing)
            if missing is not None:
                return missing
            self.register(run, record)
        except OllamaUnreachable as error:
            return self._packaged(run, str(error))
        except NotServed as error:
            return JobFailed(error.code, str(error))
        detail = {**self._detail(run), "ollama_version": version, "not_registered": None}
        return JobSucceeded(Names.of_run(run, self._settings).tag, detail=detail)

    def cancel(self, run: RunView) -> None:
        """Nothing goes on between two polls."""

    def register(self, run: RunView, record: Record) -> None:
        """Create the run's tag, unless it is there and is what the Modelfile says. Raises NotServed."""
        tag, modelfile = Names.of_run(run, self._settings).tag, self._modelfile(run, record)
        if self._keeps(tag, modelfile):
            return
        request = CreateRequest.of_modelfile(tag, modelfile)
        self._ollama.create(request, on_progress=JournalledProgress(record, f"create {tag}"))
        if not self._keeps(tag, modelfile):
            raise NotServed(
                "smoke_check_failed",
                f"Ollama said success, but {tag} is not what its Modelfile says: `ollama show {tag}`",
            )

    def _package(self, run: RunView, record: Record) -> FewShot:
        few_shot = self._choose(run.dataset.train, run.dataset.format, record)
        modelfile = Modelfile(
            from_=run.base_model,
            system=rewrite(run.dataset.system_prompt) or None,
            parameters=modelfile_parameters(self._settings),
            messages=few_shot.messages,
        )
        try:
            files = package(
                run,
                modelfile,
                few_shot,
                Names.of_run(run, self._settings),
                folder=run.artefacts_url,
                ollama_url=self._ollama.shown_url,
            )
        except UnquotableValue as error:
            raise ProviderRejected(str(error), code=f"modelfile_{error.reason}") from error
        folder = RunFolder(run.artefacts_url)
        for name, content in files.items():
            folder.write(name, content)
        return few_shot

    def _choose(self, train: DatasetFile, dataset_format: str, record: Record) -> FewShot:
        digest = hashlib.sha256()
        recorded_at = time.monotonic()

        def look_at(block: bytes) -> bytes:
            nonlocal recorded_at
            digest.update(block)
            if time.monotonic() - recorded_at >= PROGRESS_INTERVAL_SECONDS:
                recorded_at = time.monotonic()
                # A large file of a slow storage must not outlast the step's lease, which this renews.
                record(JournalEntry("progress", f"{train.url} is being read and checked"))
            return block

        filesystem, path = open_storage(train.url)
        with storage_errors(train.url), filesystem.open(path, "rb") as file:
            try:
                chosen = choose_examples(
                    map(look_at, file),
                    dataset_format,
                    max_examples=self._settings.messages_max_examples,
                    max_tokens=self._settings.messages_max_tokens,
                )
            except msgspec.DecodeError as error:
                raise _altered(train) from error
            while block := file.read(_BLOCK_BYTES):
                look_at(block)  # nothing is chosen of the rest, but it must be the dataset's too
        if digest.hexdigest() != train.sha256:
            raise _altered(train)
        return chosen

    def _modelfile(self, run: RunView, record: Record) -> Modelfile:
        """What the run's folder says. Written anew when it is not there."""
        folder = RunFolder(run.artefacts_url)
        modelfile = packaged_modelfile(folder)
        if modelfile is None:
            self._package(run, record)
            modelfile = packaged_modelfile(folder)
        if modelfile is None:
            raise ProviderRejected(
                f"{folder.url} does not keep what is written there; look at the storage", code="not_kept"
            )
        return modelfile

    def _packaged(self, run: RunView, reason: str) -> JobPackaged:
        names = Names.of_run(run, self._settings)
        return JobPackaged(
            names.tag,
            instructions=commands(run.artefacts_url, run.base_model, names),
            detail={**self._detail(run), "not_registered": reason},
        )

    def _detail(self, run: RunView) -> dict[str, Any]:
        return {
            "trainer": self._settings.trainer,
            "alias": Names.of_run(run, self._settings).alias,
            "artefacts": run.artefacts_url,
            "read_me": f"{run.artefacts_url}/{INSTRUCTIONS}",
        }

    def _keeps(self, tag: str, modelfile: Modelfile) -> bool:
        try:
            shown = self._ollama.show(tag)
        except ModelNotFound:
            return False
        messages = tuple((message.role, message.content) for message in modelfile.messages)
        # Ollama names no parent for models of safetensors.
        parent_is_well = not shown.parent_model or full_name(shown.parent_model) == full_name(modelfile.from_)
        return (
            parent_is_well
            and (not modelfile.system or shown.system == modelfile.system)
            and (not messages or shown.messages == messages)
        )


def _altered(train: DatasetFile) -> ProviderRejected:
    # The decoder's words may quote the line, so they are not repeated here.
    return ProviderRejected(
        f"{train.url} is not what was frozen with sha256 {train.sha256}; restore the file or cut again",
        code="dataset_changed",
    )
