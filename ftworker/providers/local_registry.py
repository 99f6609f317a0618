"""The names of our models at one Ollama: registering, promoting by an alias, clearing old ones away.

Each run has a name of its own that never moves; `<model>:latest` is the alias that the RAG asks for. Everything may be
repeated. What a model is made of is known to `local_few_shot` and `local_trained`; this is what they have in common.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from ftworker.providers.contract import (
    Finding,
    JobRunning,
    JobStatus,
    JournalEntry,
    ProviderRejected,
    ProviderUnavailable,
    Record,
    RunView,
    Uploaded,
)
from ftworker.providers.modelfile import Modelfile, ModelfileSyntaxError, parse
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import full_name
from ftworker.providers.ollama_wire import InstalledModel, ModelNotFound, OllamaUnreachable, Progress
from ftworker.providers.run_folder import RunFolder
from ftworker.settings import LocalSettings

MODELFILE: Final = "Modelfile"
REQUEST: Final = "create-request.json"
INSTRUCTIONS: Final = "INSTRUCTIONS.md"
INSTRUCCIONES: Final = "INSTRUCCIONES.md"
SUMS: Final = "SHA256SUMS"

PULL_SLICE_SECONDS: Final = 60.0
"""One poll follows a download for so long and ends; the next goes on where Ollama stopped."""
PROGRESS_INTERVAL_SECONDS: Final = 1.0
"""Least time between two progress lines in the journal."""
_OWN_TAG: Final = re.compile(r"ft-[a-z0-9-]*-[0-9a-f]{12}\Z")


@dataclass(frozen=True)
class Names:
    """How one run is called at Ollama."""

    tag: str
    """This run's own: `<model>:<run_key>`. Never moved to another model."""
    alias: str
    """`<model>:latest`, what the RAG asks for; promotion moves it."""
    previous: str
    """`<model>:previous`, what the alias stood for before the last promotion."""

    @classmethod
    def of_run(cls, run: RunView, settings: LocalSettings) -> Names:
        model = settings.model_name or run.pipeline
        return cls(f"{model}:{run.run_key}", f"{model}:latest", f"{model}:previous")


class NotServed(Exception):
    """The model must not be registered, or not as it was. `code` is one of docs/LOCAL.md, the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Making(Protocol):
    """How a kind of trainer makes a run's model; the methods are those of the provider's contract."""

    def preflight(self, run: RunView) -> Sequence[Finding]: ...

    def check(self) -> Sequence[Finding]: ...

    def upload(self, run: RunView, record: Record) -> Uploaded: ...

    def submit(self, run: RunView, record: Record) -> str: ...

    def poll(self, run: RunView, record: Record) -> JobStatus: ...

    def cancel(self, run: RunView) -> None:
        """Stop what is going on here. The name at Ollama is taken away by the provider."""
        ...

    def register(self, run: RunView, record: Record) -> None:
        """Register the model under the run's tag, from the run's files, or find it there. Raises NotServed."""
        ...


class JournalledProgress:
    """Progress of a long call into the run's journal, which also renews the step's lease."""

    def __init__(self, record: Record, what: str, *, until: float | None = None) -> None:
        self._record = record
        self._what = what
        self._until = until
        self._written: float | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        quiet = self._written is not None and now - self._written < PROGRESS_INTERVAL_SECONDS
        over = progress.completed is not None and progress.completed == progress.total
        if not quiet or progress.status == "success" or over:
            self._written = now
            data = {"completed": progress.completed, "total": progress.total, "unit": "bytes"}
            entry = JournalEntry(
                "progress", f"{self._what}: {progress.status}", data if progress.total else {}
            )
            self._record(entry)
        if self._until is not None and now > self._until:
            raise _SliceOver


class ModelNames:
    """What ftworker does with names at one Ollama. `sleep` is the wait between two knocks at one that is away."""

    def __init__(
        self, ollama: OllamaClient, settings: LocalSettings, *, sleep: Callable[[float], None]
    ) -> None:
        self._ollama = ollama
        self._settings = settings
        self._sleep = sleep

    def knock(self) -> str:
        """Ollama's version. Three knocks: an Ollama that restarts is away for a second or two."""
        for wait_seconds in (1.0, 2.0):
            try:
                return self._ollama.version()
            except OllamaUnreachable:
                self._sleep(wait_seconds)
        return self._ollama.version()

    def installed(self, name: str) -> InstalledModel | None:
        """The model of that name; None when Ollama has none."""
        wanted = full_name(name)
        return next((model for model in self._ollama.installed() if full_name(model.name) == wanted), None)

    def missing_base(self, base_model: str, record: Record) -> JobStatus | str | None:
        """What stands in the way of building on an installed model: a status of its download, or why not; None: it is
        there. Asked first, because Ollama fetches an unknown base from its registry without asking.

        Raises NotServed when it runs elsewhere.
        """
        base = self.installed(base_model)
        if base is None and self._settings.pull_base:
            return self._pull(base_model, record)
        if base is None:
            return f"Ollama has no {base_model}: `ollama pull {base_model}`, or set pull_base"
        if base.is_remote:
            raise NotServed(
                "base_model_remote",
                f"{base_model} runs at ollama.com: conversations would leave this machine",
            )
        return None

    def remove(self, tag: str, record: Record) -> None:
        """Take a name away, if it is there. What cannot be done is a note."""
        try:
            self._ollama.delete(tag)
        except ModelNotFound:
            return
        except (ProviderUnavailable, ProviderRejected) as error:
            record(JournalEntry("note", f"{tag} may be left in Ollama: {error}"))

    def promote(self, names: Names, record: Record, *, previous_model: str | None) -> None:
        """Move the alias to the run's tag, which is there; what it stood for becomes `<model>:previous`.

        Older names of ours beyond `keep_tags` are removed, never the run's or `previous_model`.
        """
        target = self.installed(names.tag)
        if target is None:
            raise ProviderUnavailable(f"{names.tag} vanished from Ollama; trying again", code="vanished")
        alias = self.installed(names.alias)
        if alias is None or alias.digest != target.digest:
            # Before the alias moves, and only when it does: a repetition must not make both names the new
            # model.
            if alias is not None:
                self._ollama.copy(names.alias, names.previous)
            self._ollama.copy(names.tag, names.alias)
            alias = self.installed(names.alias)
            if alias is None or alias.digest != target.digest:
                raise ProviderUnavailable(
                    f"{names.alias} is not {names.tag} after the copy", code="not_copied"
                )
        record(JournalEntry("event", f"{names.alias} is {names.tag}"))
        self._clear_old_tags(names, previous_model, record)

    def _pull(self, base_model: str, record: Record) -> JobStatus:
        until = time.monotonic() + PULL_SLICE_SECONDS
        with suppress(_SliceOver):
            self._ollama.pull(
                base_model, on_progress=JournalledProgress(record, f"pull {base_model}", until=until)
            )
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


def packaged_modelfile(folder: RunFolder) -> Modelfile | None:
    """The Modelfile of the run's folder, a person's corrections included; None when there is none yet.

    Raises ProviderRejected when it is none that ftworker writes.
    """
    content = folder.read(MODELFILE)
    if content is None:
        return None
    try:
        return parse(content.decode())
    except (ModelfileSyntaxError, UnicodeDecodeError) as error:
        raise ProviderRejected(
            f"{folder.url}/{MODELFILE} is not a Modelfile that ftworker registers ({error}); "
            "correct it, or delete it to have it written again",
            code="modelfile_unreadable",
        ) from error


class _SliceOver(Exception):
    """A poll has followed a download for long enough."""


def _newest_first(model: InstalledModel) -> float:
    return -model.modified_at.timestamp() if model.modified_at else 0.0
