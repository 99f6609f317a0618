"""What lies beside the files of a trained model: Modelfile, the same as JSON for curl, and what to do with them.

Pure: names and bytes out, the same for the same run. The model is made of a GGUF file, so there are no MESSAGE lines
and no words of a conversation in any of it. The instructions are in English and Spanish, for Ollama, llama-server and
vLLM. `local_trained` writes them.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ftworker.providers.contract import RunView
from ftworker.providers.local_artefacts import enter
from ftworker.providers.local_registry import INSTRUCCIONES, INSTRUCTIONS, MODELFILE, REQUEST, Names
from ftworker.providers.modelfile import Modelfile
from ftworker.providers.ollama_wire import CreateRequest
from ftworker.training.order import ADAPTER
from ftworker.training.results import ArtefactFile, Checked, Converted, Trained
from ftworker.training.templates import TEMPLATE_FILE


@dataclass(frozen=True)
class MadeModel:
    """What the stages of a training left, read from the run's folder."""

    trained: Trained
    converted: Converted
    checked: Checked | None
    has_template: bool = False
    """Whether the adapter's folder holds the chat template that it was trained with."""

    @property
    def template_file(self) -> str:
        return f"{ADAPTER}/{TEMPLATE_FILE}"

    def served_file(self, artefact: str) -> ArtefactFile | None:
        """The file that Ollama is given, with `ollama_artefact` `merged` or `adapter`."""
        return self.converted.merged if artefact == "merged" else self.converted.adapter


def create_request(tag: str, modelfile: Modelfile, file: ArtefactFile) -> CreateRequest:
    """The same model that `ollama create TAG -f Modelfile` makes, its file named by its digest."""
    request = CreateRequest.of_modelfile(tag, modelfile)
    digest = {_flat(file.name): f"sha256:{file.sha256}"}
    if modelfile.adapter is not None:
        return replace(request, adapters=digest)
    return replace(request, from_=None, files=digest)


def package(
    run: RunView,
    modelfile: Modelfile,
    made: MadeModel,
    file: ArtefactFile,
    names: Names,
    *,
    ollama_url: str,
) -> Mapping[str, bytes]:
    """The documents of the run's folder by name. Raises UnquotableValue."""
    text = modelfile.render(
        comments=(
            f"Written by ftworker for run {run.run_key}.",
            f"Use it with: ollama create {names.tag} -f {MODELFILE}",
        )
    )
    request = create_request(names.tag, modelfile, file).body()
    files = {
        MODELFILE: text.encode(),
        REQUEST: json.dumps(request, ensure_ascii=False, indent=2).encode() + b"\n",
    }
    told = _Told(run, modelfile, made, file, names, ollama_url, dict(files))
    return {**files, INSTRUCTIONS: _english(told).encode(), INSTRUCCIONES: _spanish(told).encode()}


def sums_with(before: bytes | None, files: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS with these files besides what the training published there."""
    named = dict(line.partition("  ")[::2][::-1] for line in (before or b"").decode().splitlines())
    named |= {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(named.items())).encode()


def commands(run: RunView, modelfile: Modelfile | None, made: MadeModel, names: Names) -> str:
    """What a person types to get the model, one command a line."""
    lines = [enter(run.artefacts_url)]
    if modelfile is None:
        return "\n".join([*lines, _vllm(made, names)])
    if modelfile.adapter is not None:
        lines.append(f"ollama pull {modelfile.from_}")
    lines += [
        f"ollama create {names.tag} -f {MODELFILE}",
        f"ollama run {names.tag}",
        f"ollama cp {names.tag} {names.alias}",
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class _Told:
    run: RunView
    modelfile: Modelfile
    made: MadeModel
    file: ArtefactFile
    names: Names
    ollama_url: str
    files: Mapping[str, bytes]

    @property
    def commands(self) -> str:
        return commands(self.run, self.modelfile, self.made, self.names)

    @property
    def curl(self) -> str:
        ask = {"model": self.names.tag, "stream": False, "messages": [{"role": "user", "content": "Hola"}]}
        copy = {"source": self.names.tag, "destination": self.names.alias}
        blob = f"{self.ollama_url}/api/blobs/sha256:{self.file.sha256}"
        return "\n".join(
            (
                enter(self.run.artefacts_url),
                f"curl -sS -X POST -T {shlex.quote(self.file.name)} {blob}",
                f"curl -sS {self.ollama_url}/api/create --data-binary @{REQUEST}",
                f"curl -sS {self.ollama_url}/api/chat -d {shlex.quote(json.dumps(ask))}",
                f"curl -sS {self.ollama_url}/api/copy -d {shlex.quote(json.dumps(copy))}",
            )
        )

    @property
    def elsewhere(self) -> str:
        """llama-server with the merged file, or the base and the LoRA; vLLM with the adapter."""
        made, lines = self.made, [enter(self.run.artefacts_url)]
        jinja = "--jinja" + (f" --chat-template-file {made.template_file}" if made.has_template else "")
        merged, adapter, base = made.converted.merged, made.converted.adapter, made.converted.base_gguf
        if merged is not None:
            lines.append(f"llama-server -m {shlex.quote(merged.name)} {jinja} --port 8080")
        if adapter is not None and base is not None:
            lora = f"--lora {shlex.quote(adapter.name)}"
            lines.append(f"llama-server -m {shlex.quote(base.name)} {lora} {jinja} --port 8080")
        return "\n".join([*lines, _vllm(made, self.names)])

    @property
    def table(self) -> str:
        made = [
            file for file in (self.made.converted.merged, self.made.converted.adapter) if file is not None
        ]
        rows = [f"| `{file.name}` | `{file.sha256}` |" for file in made]
        rows += [
            f"| `{name}` | `{hashlib.sha256(content).hexdigest()}` |" for name, content in self.files.items()
        ]
        dataset = self.run.dataset
        rows += [
            f"| `{file.url}` | `{file.sha256}` |" for file in (dataset.train, dataset.validation) if file
        ]
        return "\n".join(rows)


def _english(told: _Told) -> str:
    run, names, trained = told.run, told.names, told.made.trained
    return f"""# {names.alias}: from these files to a served model

Run {run.id} (`{run.run_key}`) of pipeline `{run.pipeline}`.
The model is `{trained.base}`, trained for {trained.steps} steps ({trained.method}) on {run.dataset.train.rows}
examples, as {told.made.converted.quantization} GGUF. `training.json`, `conversion.json` and `gates.json` say how, and
what was checked.

## With the ollama command

```sh
{told.commands}
```

`ollama cp` gives the model the name that the RAG asks for; before it, `ollama cp {names.alias} {names.previous}`
keeps what had that name.

## Over HTTP

```sh
{told.curl}
```

The file is sent first; an Ollama that restarts in between forgets it. `/api/create` answers line by line; it has worked
only when the last line is `{{"status":"success"}}`.

## With ftworker

```sh
ftworker runs retry {run.id}
```

registers the same files as soon as Ollama answers, compares the served chat template with the trained one, and asks the
model a question.

## Without Ollama

```sh
{told.elsewhere}
```

Both serve the OpenAI API under `/v1`. vLLM takes the base as transformers knows it (a folder or a hub name) and the
adapter from `{ADAPTER}/`; its model is called `{_model(names)}`.

## Files

`sha256sum -c SHA256SUMS` checks this folder. The dataset is not copied here.

| file | sha256 |
|---|---|
{told.table}
"""


def _spanish(told: _Told) -> str:
    run, names, trained = told.run, told.names, told.made.trained
    return f"""# {names.alias}: de estos archivos a un modelo servido

Ejecución {run.id} (`{run.run_key}`) de la canalización `{run.pipeline}`.
El modelo es `{trained.base}`, entrenado {trained.steps} pasos ({trained.method}) con {run.dataset.train.rows}
ejemplos, como GGUF {told.made.converted.quantization}. `training.json`, `conversion.json` y `gates.json` dicen cómo, y
qué se ha comprobado.

## Con la orden ollama

```sh
{told.commands}
```

`ollama cp` da al modelo el nombre que pide el RAG; antes, `ollama cp {names.alias} {names.previous}` guarda el
que tenía ese nombre.

## Por HTTP

```sh
{told.curl}
```

Primero se envía el archivo; un Ollama que se reinicia entretanto lo olvida. `/api/create` responde línea a línea; solo
ha funcionado si la última es `{{"status":"success"}}`.

## Con ftworker

```sh
ftworker runs retry {run.id}
```

registra los mismos archivos en cuanto Ollama responda, compara la plantilla de conversación servida con la entrenada y
hace una pregunta al modelo.

## Sin Ollama

```sh
{told.elsewhere}
```

Ambos sirven la API de OpenAI bajo `/v1`. vLLM toma el modelo base como lo conoce transformers (una carpeta o un nombre
del hub) y el adaptador de `{ADAPTER}/`; su modelo se llama `{_model(names)}`.

## Archivos

`sha256sum -c SHA256SUMS` comprueba esta carpeta. El conjunto de datos no se copia aquí.

| archivo | sha256 |
|---|---|
{told.table}
"""


def _model(names: Names) -> str:
    return names.alias.removesuffix(":latest")


def _vllm(made: MadeModel, names: Names) -> str:
    template = f" --chat-template {made.template_file}" if made.has_template else ""
    lora = shlex.quote(f"{_model(names)}=./{ADAPTER}")
    return f"vllm serve {shlex.quote(made.trained.base)} --enable-lora --lora-modules {lora}{template}"


def _flat(name: str) -> str:
    """Ollama takes relative names without `:` and backslashes; ours are such, but a folder says nothing to it."""
    return name.rpartition("/")[2]
