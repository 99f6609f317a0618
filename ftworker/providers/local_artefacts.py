"""The files of a local run: Modelfile, the same as JSON for curl, and what to do with them, in English and
Spanish.

Pure: names and bytes out, the same for the same run. The instructions hold commands and hashes, never a
conversation; the Modelfile and its JSON hold the chosen examples. `local` writes them; docs/LOCAL.md explains
them.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ftworker.providers.contract import DatasetFile, RunView
from ftworker.providers.few_shot import FewShot
from ftworker.providers.local_registry import INSTRUCCIONES, INSTRUCTIONS, MODELFILE, REQUEST, SUMS, Names
from ftworker.providers.modelfile import Modelfile
from ftworker.providers.ollama_wire import CreateRequest


def package(
    run: RunView,
    modelfile: Modelfile,
    few_shot: FewShot,
    names: Names,
    *,
    folder: str,
    ollama_url: str,
) -> Mapping[str, bytes]:
    """All files of the run's folder by name, SHA256SUMS last. Raises UnquotableValue."""
    text = modelfile.render(
        comments=(
            f"Written by ftworker for run {run.run_key}.",
            f"Use it with: ollama create {names.tag} -f {MODELFILE}",
        )
    )
    request = CreateRequest.of_modelfile(names.tag, modelfile).body()
    files = {
        MODELFILE: text.encode(),
        REQUEST: json.dumps(request, ensure_ascii=False, indent=2).encode() + b"\n",
    }
    told = _Told(run, few_shot, names, folder, ollama_url, dict(files))
    files[INSTRUCTIONS] = _english(told).encode()
    files[INSTRUCCIONES] = _spanish(told).encode()
    sums = "".join(f"{_sha256(content)}  {name}\n" for name, content in files.items())
    return {**files, SUMS: sums.encode()}


def commands(folder: str, base_model: str, names: Names) -> str:
    """What a person types to get the model, one command a line."""
    return "\n".join(
        (
            enter(folder),
            f"ollama pull {base_model}",
            f"ollama create {names.tag} -f {MODELFILE}",
            f"ollama run {names.tag}",
            f"ollama cp {names.tag} {names.alias}",
        )
    )


@dataclass(frozen=True)
class _Told:
    run: RunView
    few_shot: FewShot
    names: Names
    folder: str
    ollama_url: str
    files: Mapping[str, bytes]

    @property
    def curl(self) -> str:
        ask = json.dumps(
            {"model": self.names.tag, "stream": False, "messages": [{"role": "user", "content": "Hola"}]}
        )
        copy = json.dumps({"source": self.names.tag, "destination": self.names.alias})
        return "\n".join(
            (
                enter(self.folder),
                f"curl -sS {self.ollama_url}/api/create --data-binary @{REQUEST}",
                f"curl -sS {self.ollama_url}/api/chat -d {shlex.quote(ask)}",
                f"curl -sS {self.ollama_url}/api/copy -d {shlex.quote(copy)}",
            )
        )

    @property
    def table(self) -> str:
        rows = [f"| `{name}` | `{_sha256(content)}` |" for name, content in self.files.items()]
        rows += [f"| `{file.url}` | `{file.sha256}` |" for file in self.dataset_files]
        return "\n".join(rows)

    @property
    def dataset_files(self) -> tuple[DatasetFile, ...]:
        dataset = self.run.dataset
        return (dataset.train, dataset.validation) if dataset.validation else (dataset.train,)


def _english(told: _Told) -> str:
    run, names = told.run, told.names
    return f"""# {names.alias}: from these files to a model in Ollama

Run {run.id} (`{run.run_key}`) of pipeline `{run.pipeline}`.
The model is `{run.base_model}` with the pipeline's system prompt and, as MESSAGE lines,
{told.few_shot.examples} examples of the dataset (about {told.few_shot.tokens} tokens). No weights were
trained: the examples take room in the context of every conversation.

## With the ollama command

```sh
{commands(told.folder, run.base_model, names)}
```

`ollama pull` is for a base model that `ollama list` does not show. `ollama cp` gives the model the name that
the RAG asks for; before it, `ollama cp {names.alias} {names.previous}` keeps what had that name.

## Over HTTP

```sh
{told.curl}
```

`/api/create` answers line by line; it has worked only when the last line is `{{"status":"success"}}`.

## With ftworker

```sh
ftworker runs retry {run.id}
```

registers the same files as soon as Ollama answers, and checks that it kept them.

## Files

`sha256sum -c {SUMS}` checks this folder. The dataset is not copied here.

| file | sha256 |
|---|---|
{told.table}

`{MODELFILE}` and `{REQUEST}` hold words of real conversations: treat them as personal data.
"""


def _spanish(told: _Told) -> str:
    run, names = told.run, told.names
    return f"""# {names.alias}: de estos archivos a un modelo en Ollama

Ejecución {run.id} (`{run.run_key}`) de la canalización `{run.pipeline}`.
El modelo es `{run.base_model}` con el mensaje de sistema de la canalización y, como líneas MESSAGE,
{told.few_shot.examples} ejemplos del conjunto de datos (unos {told.few_shot.tokens} tokens). No se han
entrenado pesos: los ejemplos ocupan sitio en el contexto de cada conversación.

## Con la orden ollama

```sh
{commands(told.folder, run.base_model, names)}
```

`ollama pull` hace falta si `ollama list` no muestra el modelo base. `ollama cp` da al modelo el nombre que
pide el RAG; antes, `ollama cp {names.alias} {names.previous}` guarda el que tenía ese nombre.

## Por HTTP

```sh
{told.curl}
```

`/api/create` responde línea a línea; solo ha funcionado si la última es `{{"status":"success"}}`.

## Con ftworker

```sh
ftworker runs retry {run.id}
```

registra los mismos archivos en cuanto Ollama responda y comprueba que los ha guardado.

## Archivos

`sha256sum -c {SUMS}` comprueba esta carpeta. El conjunto de datos no se copia aquí.

| archivo | sha256 |
|---|---|
{told.table}

`{MODELFILE}` y `{REQUEST}` contienen palabras de conversaciones reales: trátelos como datos personales.
"""


def enter(folder: str) -> str:
    path = folder.removeprefix("file://")
    if "://" in path:
        return f"cd FOLDER   # a copy of {folder}"
    return f"cd {shlex.quote(path)}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
