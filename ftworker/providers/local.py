"""The provider for models on one's own machine: writes a Modelfile and registers the model with Ollama.

Trainer `none`: no weights change; the model is the base with the system prompt and chosen examples. All names
are made from the run's key, so whatever a crash left is found again and nothing is made twice. Where no
Ollama answers the run ends `packaged`, with files and commands. `few_shot` chooses, `local_artefacts` writes,
`ollama` asks.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.providers.contract import (
    DatasetFile,
    Finding,
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobStatus,
    JobSucceeded,
    JournalEntry,
    ProviderRejected,
    ProviderUnavailable,
    Record,
    RunView,
    Uploaded,
)
from ftworker.providers.few_shot import FewShot, choose_examples
from ftworker.providers.local_artefacts import INSTRUCTIONS, MODELFILE, Names, commands, package
from ftworker.providers.local_preflight import (
    method_findings,
    modelfile_parameters,
    name_findings,
    ollama_findings,
    parameter_findings,
    prompt_findings,
)
from ftworker.providers.modelfile import Modelfile, ModelfileSyntaxError, UnquotableValue, parse, rewrite
from ftworker.providers.ollama import (
    CreateRequest,
    InstalledModel,
    ModelNotFound,
    OllamaClient,
    OllamaUnreachable,
    Progress,
)
from ftworker.providers.ollama_names import full_name
from ftworker.providers.run_folder import RunFolder
from ftworker.settings import LocalSettings
from ftworker.training.desk import TrainingDesk

CANCELLED_MARK: Final = "CANCELLED"
"""A file of this name in the run's folder: a person stopped the run, nothing is registered any more."""
PULL_SLICE_SECONDS: Final = 60.0
"""One poll follows a download for so long and ends; the next goes on where Ollama stopped."""
PROGRESS_INTERVAL_SECONDS: Final = 1.0
"""Least time between two progress lines in the journal."""
_BLOCK_BYTES: Final = 1 << 20
_OWN_TAG: Final = re.compile(r"ft-[a-z0-9-]*-[0-9a-f]{12}\Z")


class LocalProvider:
    """One configured Ollama. Cheap to build: nothing is asked before the first call.

    `base_models` are the models of the pipelines that use it, for `check`; `desk` takes what is to be
    trained. `sleep` is the wait between two knocks at an Ollama that does not answer, which may be
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
        self._base_models = tuple(base_models)
        self._desk = desk
        self._sleep = sleep
        try:
            self._ollama = OllamaClient(
                settings.ollama_host,
                request_timeout_seconds=settings.request_timeout_seconds,
                create_timeout_seconds=settings.create_timeout_seconds,
            )
        except ValueError as error:
            problem = ConfigurationProblem(f"providers.{name}.ollama_host", "(hidden)", str(error))
            raise ConfigurationError("configuration", [problem]) from error

    def preflight(self, run: RunView) -> Sequence[Finding]:
        """Names, parameters and prompt fit a Modelfile. What Ollama lacks is only a warning."""
        return [
            *method_findings(run, self._settings.trainer),
            *name_findings(self._names(run), run.base_model),
            *prompt_findings(run.dataset.system_prompt),
            *parameter_findings(self.name, self._settings),
            *ollama_findings(self._ollama, (run.base_model,), pull_base=self._settings.pull_base),
        ]

    def check(self) -> Sequence[Finding]:
        """The same look without a run. Never raises."""
        return [
            *parameter_findings(self.name, self._settings),
            *ollama_findings(self._ollama, self._base_models, pull_base=self._settings.pull_base),
        ]

    def upload(self, run: RunView, record: Record) -> Uploaded:
        """Write the run's folder; the dataset stays where it is. Repeatable: a run gives the same bytes."""
        few_shot = self._package(run)
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

    def submit(self, run: RunView, record: Record) -> str:  # noqa: ARG002 - the contract's signature
        """The job's id is the name that the model will have. Nothing is asked yet: `poll` registers."""
        return self._names(run).tag

    def reconcile(self, run: RunView, record: Record) -> str | None:
        """The same id again: it is made from the run's key."""
        return self.submit(run, record)

    def poll(self, run: RunView, record: Record) -> JobStatus:
        """Register the model, or find it registered. Packaged when no Ollama answers, or it has not the base.

        Raises ProviderUnavailable when Ollama failed in between, ProviderRejected when it refuses.
        """
        folder = RunFolder(run.artefacts_url)
        if folder.read(CANCELLED_MARK) is not None:
            return JobCancelled("stopped by a person before it was registered")
        modelfile = self._packaged_modelfile(run, folder)
        try:
            version = self._knock()
            base = self._installed(modelfile.from_)
            if base is None and self._settings.pull_base:
                return self._pull(modelfile.from_, record)
            if base is None:
                reason = f"Ollama has no {modelfile.from_}: `ollama pull {modelfile.from_}`, or set pull_base"
                return self._packaged(run, reason)
            if base.is_remote:
                reason = f"{modelfile.from_} runs at ollama.com: conversations would leave this machine"
                return JobFailed("base_model_remote", reason)
            self._register(run, modelfile, record)
        except OllamaUnreachable as error:
            return self._packaged(run, str(error))
        except _NotKept as error:
            return JobFailed("smoke_check_failed", str(error))
        detail = {**self._detail(run), "ollama_version": version, "not_registered": None}
        return JobSucceeded(self._names(run).tag, detail=detail)

    def cancel(self, run: RunView, record: Record) -> None:
        """Register nothing any more, and take the run's name away when it is there. Repeatable."""
        RunFolder(run.artefacts_url).write(CANCELLED_MARK, b"stopped by a person\n")
        try:
            self._ollama.delete(self._names(run).tag)
        except ModelNotFound:
            return
        except (ProviderUnavailable, ProviderRejected) as error:
            record(JournalEntry("note", f"{self._names(run).tag} may be left in Ollama: {error}"))

    def promote(self, run: RunView, record: Record, *, previous_model: str | None) -> None:
        """Move `<model>:latest` to the run's model; what it stood for becomes `<model>:previous`. Repeatable.

        A name that was cleared away is registered again from the run's files, so that an old run can be
        promoted. Older names of ours beyond `keep_tags` are removed, never the run's or `previous_model`.
        """
        names = self._names(run)
        target = self._installed(names.tag)
        if target is None:
            try:
                self._register(run, self._packaged_modelfile(run, RunFolder(run.artefacts_url)), record)
            except _NotKept as error:
                raise ProviderRejected(str(error), code="smoke_check_failed") from error
            target = self._installed(names.tag)
        if target is None:
            raise ProviderUnavailable(f"{names.tag} vanished from Ollama; trying again", code="vanished")
        alias = self._installed(names.alias)
        if alias is None or alias.digest != target.digest:
            # Before the alias moves, and only when it does: a repetition must not make both names the new
            # model.
            if alias is not None:
                self._ollama.copy(names.alias, names.previous)
            self._ollama.copy(names.tag, names.alias)
            alias = self._installed(names.alias)
            if alias is None or alias.digest != target.digest:
                raise ProviderUnavailable(
                    f"{names.alias} is not {names.tag} after the copy", code="not_copied"
                )
        record(JournalEntry("event", f"{names.alias} is {names.tag}"))
        self._clear_old_tags(names, previous_model, record)

    # -- packaging

    def _package(self, run: RunView) -> FewShot:
        few_shot = self._choose(run.dataset.train, run.dataset.format)
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
                self._names(run),
                folder=run.artefacts_url,
                ollama_url=self._ollama.shown_url,
            )
        except UnquotableValue as error:
            raise ProviderRejected(str(error), code=f"modelfile_{error.reason}") from error
        folder = RunFolder(run.artefacts_url)
        for name, content in files.items():
            folder.write(name, content)
        return few_shot

    def _choose(self, train: DatasetFile, dataset_format: str) -> FewShot:
        digest = hashlib.sha256()

        def hashed(file: Iterator[bytes]) -> Iterator[bytes]:
            for line in file:
                digest.update(line)
                yield line

        filesystem, path = open_storage(train.url)
        with storage_errors(train.url), filesystem.open(path, "rb") as file:
            lines = hashed(file)
            try:
                chosen = choose_examples(
                    lines,
                    dataset_format,
                    max_examples=self._settings.messages_max_examples,
                    max_tokens=self._settings.messages_max_tokens,
                )
            except msgspec.DecodeError as error:
                raise _altered(train) from error
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)  # the rest was not looked at, but it must be the dataset's too
        if digest.hexdigest() != train.sha256:
            raise _altered(train)
        return chosen

    def _packaged_modelfile(self, run: RunView, folder: RunFolder) -> Modelfile:
        """What the run's folder says, a person's corrections included. Written anew when it is not there."""
        content = folder.read(MODELFILE)
        if content is None:
            self._package(run)
            content = folder.read(MODELFILE)
        try:
            return parse((content or b"").decode())
        except (ModelfileSyntaxError, UnicodeDecodeError) as error:
            raise ProviderRejected(
                f"{run.artefacts_url}/{MODELFILE} is not a Modelfile that ftworker registers ({error}); "
                "correct it, or delete it to have it written again",
                code="modelfile_unreadable",
            ) from error

    def _packaged(self, run: RunView, reason: str) -> JobPackaged:
        names = self._names(run)
        return JobPackaged(
            names.tag,
            instructions=commands(run.artefacts_url, run.base_model, names),
            detail={**self._detail(run), "not_registered": reason},
        )

    def _detail(self, run: RunView) -> dict[str, Any]:
        return {
            "trainer": self._settings.trainer,
            "alias": self._names(run).alias,
            "artefacts": run.artefacts_url,
            "read_me": f"{run.artefacts_url}/{INSTRUCTIONS}",
        }

    # -- registering

    def _register(self, run: RunView, modelfile: Modelfile, record: Record) -> None:
        tag = self._names(run).tag
        if self._keeps(tag, modelfile):
            return
        request = CreateRequest.of_modelfile(tag, modelfile)
        self._ollama.create(request, on_progress=_Journal(record, f"create {tag}"))
        if not self._keeps(tag, modelfile):
            raise _NotKept(
                f"Ollama said success, but {tag} is not what its Modelfile says: `ollama show {tag}`"
            )

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

    def _pull(self, base_model: str, record: Record) -> JobStatus:
        until = time.monotonic() + PULL_SLICE_SECONDS
        with suppress(_SliceOver):
            self._ollama.pull(base_model, on_progress=_Journal(record, f"pull {base_model}", until=until))
        return JobRunning(f"pulling {base_model}", poll_after_seconds=0.0)

    def _clear_old_tags(self, names: Names, previous_model: str | None, record: Record) -> None:
        kept = {full_name(name) for name in (names.tag, previous_model) if name}
        model = full_name(names.alias).removesuffix("latest")
        try:
            ours = [
                installed
                for installed in self._ollama.installed()
                if full_name(installed.name).startswith(model)
                and _OWN_TAG.match(full_name(installed.name).removeprefix(model))
                and full_name(installed.name) not in kept
            ]
            for installed in sorted(ours, key=_newest_first)[self._settings.keep_tags :]:
                self._ollama.delete(installed.name)
                record(JournalEntry("note", f"removed {installed.name}: beyond keep_tags"))
        except (ProviderUnavailable, ProviderRejected) as error:
            # The promotion is done; the next one clears what is left.
            record(JournalEntry("note", f"old models may be left in Ollama: {error}"))

    def _installed(self, name: str) -> InstalledModel | None:
        wanted = full_name(name)
        return next((model for model in self._ollama.installed() if full_name(model.name) == wanted), None)

    def _knock(self) -> str:
        """Ollama's version. Three knocks: an Ollama that restarts is away for a second or two."""
        for wait_seconds in (1.0, 2.0):
            try:
                return self._ollama.version()
            except OllamaUnreachable:
                self._sleep(wait_seconds)
        return self._ollama.version()

    def _names(self, run: RunView) -> Names:
        return Names.of_run(self._settings.model_name or run.pipeline, run.run_key)


class _NotKept(Exception):
    """Ollama has the name, but not what was to be in it."""


class _SliceOver(Exception):
    """A poll has followed a download for long enough."""


class _Journal:
    """Progress of a long call into the run's journal, which also renews the step's lease."""

    def __init__(self, record: Record, what: str, *, until: float | None = None) -> None:
        self._record = record
        self._what = what
        self._until = until
        self._written: float | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        quiet = self._written is not None and now - self._written < PROGRESS_INTERVAL_SECONDS
        if not quiet or progress.status == "success":
            self._written = now
            data = {"completed": progress.completed, "total": progress.total, "unit": "bytes"}
            entry = JournalEntry(
                "progress", f"{self._what}: {progress.status}", data if progress.total else {}
            )
            self._record(entry)
        if self._until is not None and now > self._until:
            raise _SliceOver


def _altered(train: DatasetFile) -> ProviderRejected:
    # The decoder's words may quote the line, so they are not repeated here.
    return ProviderRejected(
        f"{train.url} is not what was frozen with sha256 {train.sha256}; restore the file or cut again",
        code="dataset_changed",
    )


def _newest_first(model: InstalledModel) -> float:
    return -model.modified_at.timestamp() if model.modified_at else 0.0
