"""A trained model's way into Ollama: the documents beside its files, the file sent, the name created and tried.

What is registered must be asked in the words it was trained in, and must answer, before it counts; else its name is
taken away. Everything may be repeated: what is there and right is left alone. `local_trained_artefacts` writes the
documents, `local_served` tries the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

import msgspec

from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.providers.contract import (
    JournalEntry,
    ProviderRejected,
    ProviderUnavailable,
    Record,
    RunView,
)
from ftworker.providers.local_preflight import modelfile_parameters
from ftworker.providers.local_registry import (
    SUMS,
    JournalledProgress,
    ModelNames,
    Names,
    NotServed,
    packaged_modelfile,
)
from ftworker.providers.local_served import TrainedRendering, check_answer, check_template
from ftworker.providers.local_trained_artefacts import MadeModel, create_request, package, sums_with
from ftworker.providers.local_trained_preflight import adapters_refused, renders_natively, takes_no_adapters
from ftworker.providers.modelfile import (
    DECIMAL_PARAMETERS,
    INTEGER_PARAMETERS,
    Modelfile,
    ParameterValue,
    UnquotableValue,
    rewrite,
)
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import is_model_name
from ftworker.providers.ollama_wire import ModelNotFound, OllamaUnreachable, ShownModel
from ftworker.providers.run_folder import RunFolder
from ftworker.settings import LocalSettings
from ftworker.training.order import ADAPTER
from ftworker.training.results import (
    CHECKED,
    CONVERTED,
    TRAINED,
    ArtefactFile,
    Checked,
    Converted,
    Trained,
)
from ftworker.training.templates import TEMPLATE_FILE, TemplateUnknown


def read_made(run: RunView) -> MadeModel:
    """What the training left in the run's folder. Raises ProviderRejected when it is not whole."""
    folder = RunFolder(run.artefacts_url)
    read: dict[str, Any] = {}
    for name, kind in ((TRAINED, Trained), (CONVERTED, Converted), (CHECKED, Checked)):
        content = folder.read(name)
        if content is None and name != CHECKED:
            raise _incomplete(run, name, "is not there")
        try:
            read[name] = None if content is None else msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise _incomplete(run, name, f"is not what the training writes ({error})") from error
    has_template = folder.read(f"{ADAPTER}/{TEMPLATE_FILE}") is not None
    return MadeModel(read[TRAINED], read[CONVERTED], read[CHECKED], has_template)


class TrainedRegistration:
    """Registers what was trained at one Ollama."""

    def __init__(self, settings: LocalSettings, ollama: OllamaClient, names: ModelNames) -> None:
        self._settings = settings
        self._ollama = ollama
        self._names = names

    def register(self, run: RunView, made: MadeModel, version: str, record: Record) -> str:
        """Create the run's tag unless it is there, and hold it against its training; says how. Raises NotServed."""
        tag = Names.of_run(run, self._settings).tag
        file, modelfile = made.served_file(self._settings.ollama_artefact), self.modelfile(run, made)
        if file is None or modelfile is None:
            raise NotServed("no_file", f"run {run.id} made no file for Ollama")
        if modelfile.adapter is not None and takes_no_adapters(version):
            raise NotServed("adapters_refused", adapters_refused(version))
        if modelfile.template is None and not renders_natively(version):
            raise NotServed(
                "template_unknown",
                f"Ollama {version} needs a TEMPLATE, and the base's chat template is none that ftworker can write for "
                "it; upgrade Ollama to 0.30 or newer, or set template_file",
            )
        if not self._keeps(tag, modelfile):
            self._create(run, tag, modelfile, file, record)
        try:
            if not self._keeps(tag, modelfile):
                raise NotServed(
                    "smoke_check_failed",
                    f"Ollama said success, but {tag} is not what its Modelfile says: `ollama show {tag}`",
                )
            seen = self._check_template(tag, modelfile, made)
            check_answer(self._ollama, tag)
        except NotServed:
            self._names.remove(tag, record)
            raise
        record(JournalEntry("event", f"{tag} answers; {seen}", external_id=f"registered-{run.run_key}"))
        return seen

    def _create(
        self, run: RunView, tag: str, modelfile: Modelfile, file: ArtefactFile, record: Record
    ) -> None:
        # Just before `create`: Ollama forgets a blob that no model uses when it restarts.
        self._push(run, file, record)
        request = create_request(tag, modelfile, file)
        try:
            self._ollama.create(request, on_progress=JournalledProgress(record, f"create {tag}"))
        except ProviderRejected as error:
            if "adapters are no longer supported" in str(error):
                raise NotServed("adapters_refused", adapters_refused("of this version")) from error
            raise

    def _push(self, run: RunView, file: ArtefactFile, record: Record) -> None:
        filesystem, path = open_storage(run.artefacts_url)
        with storage_errors(run.artefacts_url):
            if filesystem.size(f"{path}/{file.name}") != file.size_bytes:
                raise _altered(run, file)
        with storage_errors(run.artefacts_url), filesystem.open(f"{path}/{file.name}", "rb") as opened:
            content = _Hashed(opened)
            try:
                sent = self._ollama.push_blob(
                    cast(BinaryIO, content),
                    digest=f"sha256:{file.sha256}",
                    size_bytes=file.size_bytes,
                    on_progress=JournalledProgress(record, f"push {file.name}"),
                )
            except ProviderRejected as error:
                if not content.is_whole(file):
                    raise _altered(run, file) from error
                # What was read is right, so it was broken on its way.
                raise ProviderUnavailable(f"push {file.name}: {error}", code="blob_mismatch") from error
        if not sent:
            record(JournalEntry("note", f"Ollama has {file.name} already"))

    def _keeps(self, tag: str, modelfile: Modelfile) -> bool:
        try:
            shown = self._ollama.show(tag)
        except ModelNotFound:
            return False
        stop = modelfile.parameters.get("stop", ())
        return (
            shown.system == (modelfile.system or "")
            and (modelfile.template is None or shown.template == modelfile.template)
            and (not isinstance(stop, tuple) or set(stop) <= set(shown.parameters.get("stop", ())))
        )

    def _check_template(self, tag: str, modelfile: Modelfile, made: MadeModel) -> str:
        rendering = TrainedRendering.of_model(made.converted)
        if rendering is None:
            return "the base has no chat template to compare with"
        if not self._settings.gates.template_parity:
            return "the served template is not compared (gates.template_parity = false)"
        return check_template(self._ollama, tag, rendering, modelfile.system)

    def modelfile(self, run: RunView, made: MadeModel) -> Modelfile | None:
        """What the run's folder says, a person's corrections included; None where there is no file for Ollama.

        Written when it is not there, and the documents beside it. Raises ProviderRejected.
        """
        file = made.served_file(self._settings.ollama_artefact)
        if file is None:
            return None
        folder = RunFolder(run.artefacts_url)
        modelfile = packaged_modelfile(folder)
        # One about another file (`ollama_artefact` was changed) is written anew, and a `template_file` wins: both are
        # what a failed registration asks for.
        if modelfile is None or (modelfile.adapter or modelfile.from_) != f"./{file.name}":
            modelfile = self._new_modelfile(run, made, file)
        elif self._settings.template_file is not None:
            template, parser, _ = self._template(made.converted)
            modelfile = replace(modelfile, template=template, parser=parser)
        names = Names.of_run(run, self._settings)
        try:
            files = package(run, modelfile, made, file, names, ollama_url=self._ollama.shown_url)
        except UnquotableValue as error:
            raise ProviderRejected(str(error), code=f"modelfile_{error.reason}") from error
        for name, content in files.items():
            folder.write(name, content)
        folder.write(SUMS, sums_with(folder.read(SUMS), files))
        return modelfile

    def _new_modelfile(self, run: RunView, made: MadeModel, file: ArtefactFile) -> Modelfile:
        converted, base = made.converted, self._base_at_ollama(run)
        template, parser, stop = self._template(converted)
        parameters = _parameters(self._settings, base, stop, converted.context_length)
        licence = (base.license if base else "") or converted.license or ""
        as_adapter = self._settings.ollama_artefact == "adapter"
        return Modelfile(
            from_=run.base_model if as_adapter else f"./{file.name}",
            adapter=f"./{file.name}" if as_adapter else None,
            template=template,
            parser=parser,
            system=rewrite(run.dataset.system_prompt) or None,
            parameters=parameters,
            license=(rewrite(licence),) if licence else (),
        )

    def _template(self, converted: Converted) -> tuple[str | None, str | None, Sequence[str]]:
        """TEMPLATE, PARSER and stop texts. No TEMPLATE where Ollama must use the file's own.

        A GGUF import inherits nothing, and what the base has in Ollama is another rendering than the one trained.
        """
        if self._settings.template_file is not None:
            return self._settings.template_file.read_text(encoding="utf-8"), "passthrough", converted.stop
        rendering = TrainedRendering.of_model(converted)
        if rendering is None:
            return None, None, converted.stop
        try:
            read = rendering.served_template()
        except TemplateUnknown:
            return None, None, converted.stop
        return read.go, "passthrough" if read.forced else None, (*converted.stop, *read.stop)

    def _base_at_ollama(self, run: RunView) -> ShownModel | None:
        """What the base is in Ollama, when it is there under the pipeline's name for it: licence and parameters."""
        if not is_model_name(run.base_model):
            return None
        try:
            return self._ollama.show(run.base_model)
        except (ModelNotFound, OllamaUnreachable):
            return None


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._digest.update(block)
        return block

    def is_whole(self, file: ArtefactFile) -> bool:
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest() == file.sha256


def _parameters(
    settings: LocalSettings, base: ShownModel | None, stop: Sequence[str], context_length: int | None
) -> Mapping[str, ParameterValue]:
    """The base's own in Ollama, over them the provider's; stop texts of all; no larger context than the model has."""
    found: dict[str, ParameterValue] = {}
    for name, values in (base.parameters if base else {}).items():
        if name in INTEGER_PARAMETERS:
            found[name] = int(float(values[-1]))
        elif name in DECIMAL_PARAMETERS:
            found[name] = float(values[-1])
    own = modelfile_parameters(settings)
    found |= own
    stops = own.get("stop", ())
    assert isinstance(stops, tuple)
    theirs = base.parameters.get("stop", ()) if base else ()
    if all_stops := tuple(dict.fromkeys((*stop, *theirs, *stops))):
        found["stop"] = all_stops
    num_ctx = found.get("num_ctx")
    if context_length and isinstance(num_ctx, int) and num_ctx > context_length:
        found["num_ctx"] = context_length
    return found


def _incomplete(run: RunView, name: str, why: str) -> ProviderRejected:
    return ProviderRejected(
        f"{run.artefacts_url}/{name} {why}; restore the run's folder, or train again",
        code="artefacts_incomplete",
    )


def _altered(run: RunView, file: ArtefactFile) -> ProviderRejected:
    return ProviderRejected(
        f"{run.artefacts_url}/{file.name} is not what the training made with sha256 {file.sha256}; restore the file, "
        "or train again",
        code="artefacts_changed",
    )
