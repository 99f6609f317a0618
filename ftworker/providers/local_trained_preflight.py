"""What can be seen to be wrong with a training before it takes its hours: base, trainer, room, template, Ollama.

Only reads, and loads no model: headers of files, versions, names. What is seen here stops a run in a second that would
else stop in an hour. An error is what cannot end well; a warning is what still can.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ftworker.errors import FtworkerError
from ftworker.providers.contract import Finding
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import OLDEST_VERSION, full_name, is_model_name, parse_version
from ftworker.settings import CommandSettings, LocalSettings
from ftworker.training.base_source import locate_base
from ftworker.training.gguf.architectures import base_of_config, base_of_gguf
from ftworker.training.gguf.base_files import (
    BaseFiles,
    Served,
    find_base,
    read_json,
    served_of_folder,
    served_of_gguf,
)
from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.quantizer import find_quantizer
from ftworker.training.gguf.reading import metadata_of
from ftworker.training.stage import StageFailed
from ftworker.training.templates import TemplateUnknown, served_template

TRAINING_PACKAGES: Final = (
    "gguf",
    "peft",
    "safetensors",
    "threadpoolctl",
    "torch",
    "transformers",
    "xllamacpp",
)
"""What the extra `train` of pyproject.toml brings, as modules."""
NO_ADAPTERS_SINCE: Final = (0, 34, 1)
"""Ollama from here on refuses LoRA adapters."""
NATIVE_TEMPLATES_SINCE: Final = (0, 30, 0)
"""Ollama from here on renders with the GGUF's own Jinja template where a model has no TEMPLATE."""
SPARE_BYTES: Final = 1 << 30
"""Room besides the model's file: checkpoints, the adapter, the file while it is written."""


def trainer_findings(settings: LocalSettings) -> Iterator[Finding]:
    """Whether this machine has what trains, and what makes the file's form."""
    if settings.trainer == "command":
        yield from _command_findings(settings.command)
    else:
        missing = [name for name in TRAINING_PACKAGES if find_spec(name) is None]
        if missing:
            yield Finding(
                "error",
                "train_extra",
                f'trainer = "peft" needs {", ".join(missing)}: pip install "ftworker[train]"',
            )
    if settings.training.quantization not in ("F16", "Q8_0"):
        try:
            find_quantizer(settings.training.quantization)
        except GgufProblem as problem:
            yield Finding("error", "quantization", str(problem))
    if settings.template_file is not None and not settings.template_file.is_file():
        yield Finding(
            "error", "template_file", f"template_file = {settings.template_file}: there is no such file"
        )


def _command_findings(command: CommandSettings) -> Iterator[Finding]:
    if not command.program:
        yield Finding(
            "error", "command", 'trainer = "command" needs command.program; docs/LOCAL.md shows some'
        )
    elif "{" not in command.program[0] and shutil.which(command.program[0]) is None:
        yield Finding("error", "command", f"command.program: there is no program {command.program[0]}")
    if command.template is not None and not command.template.is_file():
        yield Finding("error", "command", f"command.template = {command.template}: there is no such file")


def base_findings(settings: LocalSettings, base: str, room: Path | None) -> Iterator[Finding]:
    """Whether the base is there, can be converted, has a chat template that can be served, and finds room.

    A hub name that is not on this machine yet is not judged, nor is what a program of one's own may know. `room`: a
    folder where the files will lie, when it is on this machine.
    """
    served: Served | None = None
    size_bytes = 0
    try:
        files = _files_here(settings, base)
        served = _look_at(files) if files is not None else None
        gguf = settings.training.base_gguf or (files.gguf if files is not None else None)
        if gguf is not None:
            header = read_header(gguf.expanduser())
            base_of_gguf(header)
            size_bytes = header.size_bytes
        elif settings.trainer == "peft":
            yield Finding(
                "warning",
                "no_base_gguf",
                f"{base} is no GGUF and training.base_gguf is not set: there will be an adapter for vLLM, and no file "
                "for Ollama",
            )
    except (StageFailed, OSError) as problem:
        yield Finding("error", "training_base", str(problem))
        return
    if room is not None and size_bytes:
        yield from _room_findings(room, size_bytes)
    if served is not None:
        yield from _template_findings(settings, base, served)


def _files_here(settings: LocalSettings, base: str) -> BaseFiles | None:
    """None: a name that only the hub, or a program of one's own, can judge. Raises StageFailed."""
    if settings.trainer == "command" and not Path(base).expanduser().exists():
        return None
    return find_base(base) if locate_base(base).kind != "hub" else None


def _look_at(files: BaseFiles) -> Served:
    if files.gguf is not None:
        return served_of_gguf(metadata_of(read_header(files.gguf)))
    assert files.folder is not None
    base_of_config(read_json(files.folder / "config.json"), str(files.folder))
    return served_of_folder(files.folder)


def _room_findings(room: Path, size_bytes: int) -> Iterator[Finding]:
    there = next(folder for folder in (room, *room.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    needed = size_bytes + SPARE_BYTES
    if free < needed:
        yield Finding(
            "error",
            "disk_space",
            f"{there} has {free / 1e9:.1f} GB free, and the model's file needs about {needed / 1e9:.1f} GB; free some",
        )


def _template_findings(settings: LocalSettings, base: str, served: Served) -> Iterator[Finding]:
    if served.chat_template is None:
        yield Finding(
            "error",
            "template_missing",
            f"{base} has no chat template, so it was not made for conversations; take an instruction-tuned base "
            "(-Instruct, -it)",
        )
        return
    if settings.template_file is not None:
        return
    try:
        eos = served.stop[-1] if served.stop else ""
        served_template(served.chat_template, bos_token=served.bos or "", eos_token=eos)
    except TemplateUnknown as unknown:
        yield Finding(
            "warning",
            "template_unknown",
            f"{base}: {unknown}. Ollama from 0.30 on uses the file's own template; for an older one set template_file",
        )


def serving_findings(
    ollama: OllamaClient, settings: LocalSettings, base_models: Sequence[str]
) -> Iterator[Finding]:
    """Whether Ollama answers, and takes what will be registered. Never raises."""
    try:
        version = ollama.version()
        installed = {full_name(model.name) for model in ollama.installed()}
    except FtworkerError as error:
        yield Finding("warning", "ollama_unreachable", f"{error}. Until then runs end as packaged")
        return
    numbers = parse_version(version)
    if numbers and numbers < OLDEST_VERSION:
        needed = ".".join(map(str, OLDEST_VERSION))
        yield Finding(
            "error", "ollama_too_old", f"Ollama {version} cannot create models; {needed} or newer can"
        )
    if settings.ollama_artefact == "merged":
        return
    if takes_no_adapters(version):
        yield Finding("error", "adapters_refused", adapters_refused(version))
    for name in sorted(set(base_models)):
        if not is_model_name(name) or (full_name(name) not in installed and not settings.pull_base):
            yield Finding(
                "warning",
                "base_model_missing",
                f'Ollama has no {name}, on which ollama_artefact = "adapter" builds: pull it, or set pull_base',
            )


def takes_no_adapters(version: str) -> bool:
    """Whether Ollama of this version is known to refuse adapters."""
    numbers = parse_version(version)
    return numbers is not None and numbers >= NO_ADAPTERS_SINCE


def renders_natively(version: str) -> bool:
    """Whether Ollama of this version uses the GGUF's own template where there is no TEMPLATE; unknown ones do."""
    numbers = parse_version(version)
    return numbers is None or numbers >= NATIVE_TEMPLATES_SINCE


def adapters_refused(version: str) -> str:
    """What to do about it."""
    return f'Ollama {version} refuses LoRA adapters; set ollama_artefact = "merged"'
