"""What can be seen to be wrong with a local run before anything is made: method, names, prompt, parameters, Ollama.

Only reads. What Ollama lacks is a warning, because the run can still end packaged; what no Ollama could do is
an error. What training needs besides is seen by `local_trained_preflight`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ftworker.datasets.formats import PREFERENCE_FORMATS
from ftworker.errors import FtworkerError
from ftworker.providers.contract import Finding, RunView
from ftworker.providers.local_registry import Names
from ftworker.providers.modelfile import Modelfile, ParameterValue, UnquotableValue, quoting_problem
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import (
    OLDEST_VERSION,
    full_name,
    is_model_name,
    parse_version,
    runs_elsewhere,
)
from ftworker.settings import LocalSettings


def modelfile_parameters(settings: LocalSettings) -> Mapping[str, ParameterValue]:
    """The PARAMETER lines of a provider; a single stop text is a list of one."""
    return {
        name: (value,) if isinstance(value, str) else value for name, value in settings.parameters.items()
    }


def method_findings(run: RunView, trainer: str) -> Iterator[Finding]:
    """Whether the trainer can do what the pipeline's `training` asks for with the form of the data."""
    pairs = run.dataset.format in PREFERENCE_FORMATS
    by_preference = run.method.get("type") == "dpo"
    if trainer == "none" and by_preference:
        yield Finding(
            "error",
            "method",
            f'pipeline {run.pipeline}: training.type = "dpo" needs weights to train, and trainer = "none" '
            'trains none; set trainer = "peft" or "command", or training.type = "supervised" and '
            'curation.unit = "turn"',
        )
    elif trainer == "none" and pairs:
        yield Finding(
            "error",
            "dataset_format",
            f"dataset {run.dataset.id} has the format {run.dataset.format}, whose rejected answers must not be shown "
            "as examples; cut a dataset of single answers",
        )
    elif trainer == "peft" and by_preference != pairs:
        need, form = ("pairs", "of single answers") if by_preference else ("single answers", "of pairs")
        yield Finding(
            "error",
            "dataset_format",
            f"dataset {run.dataset.id} has the format {run.dataset.format}, which is {form}, and training.type = "
            f'"{run.method.get("type")}" learns from {need}; set datasets.format and training.type to the same kind',
        )


def name_findings(names: Names, base_model: str) -> Iterator[Finding]:
    """Names that Ollama would refuse, or that promotion would take away from the base."""
    if not is_model_name(names.tag):
        yield Finding("error", "model_name", f"model_name: Ollama takes no model named {names.tag}")
    if is_model_name(base_model) and full_name(base_model) in {
        full_name(names.alias),
        full_name(names.previous),
    }:
        yield Finding(
            "error", "model_name", f"promotion would take {names.alias} from the base model; set model_name"
        )


def base_findings(base_model: str) -> Iterator[Finding]:
    """A base that must be a model in Ollama, and is no name of one, or one that runs elsewhere."""
    if not is_model_name(base_model):
        yield Finding("error", "base_model", f"base_model = {base_model}: no name that Ollama takes")
    elif runs_elsewhere(base_model):
        yield _remote(base_model)


def prompt_findings(system_prompt: str) -> Iterator[Finding]:
    """A system prompt that cannot stand in a Modelfile as it is."""
    problem = quoting_problem(system_prompt)
    if problem and problem[0] == "closing_quotes":
        yield Finding("error", "system_prompt", f"the system prompt {problem[1]}; write ''' instead")
    elif problem:
        yield Finding(
            "warning", "system_prompt", f"the system prompt {problem[1]}; it is rewritten by docs/LOCAL.md"
        )


def parameter_findings(provider: str, settings: LocalSettings) -> Iterator[Finding]:
    """Parameters that Ollama does not know, or of the wrong type."""
    for name, value in modelfile_parameters(settings).items():
        try:
            Modelfile(from_="model", parameters={name: value}).render()
        except UnquotableValue as error:
            yield Finding("error", "parameters", f"provider {provider}: {error}")


def room_findings(settings: LocalSettings) -> Iterator[Finding]:
    """Examples in the Modelfile that leave too little of the context for a conversation."""
    num_ctx, room = settings.parameters.get("num_ctx"), settings.messages_max_tokens
    if isinstance(num_ctx, int) and room > num_ctx // 2:
        yield Finding(
            "warning",
            "num_ctx",
            f"messages_max_tokens = {room} may take over half of num_ctx = {num_ctx} from each conversation",
        )


def ollama_findings(
    ollama: OllamaClient, base_models: Sequence[str], *, pull_base: bool
) -> Iterator[Finding]:
    """Whether Ollama answers, is new enough, and has the base models. Never raises."""
    try:
        version = ollama.version()
        installed = {full_name(model.name): model for model in ollama.installed()}
    except FtworkerError as error:
        yield Finding("warning", "ollama_unreachable", f"{error}. Until then runs end as packaged")
        return
    numbers = parse_version(version)
    if numbers and numbers < OLDEST_VERSION:
        needed = ".".join(map(str, OLDEST_VERSION))
        yield Finding(
            "error", "ollama_too_old", f"Ollama {version} cannot create models; {needed} or newer can"
        )
    for name in sorted(set(base_models)):
        model = installed.get(full_name(name))
        if model is not None and model.is_remote:
            yield _remote(name)
        elif model is None and not pull_base:
            yield Finding(
                "warning",
                "base_model_missing",
                f"Ollama has no {name}: `ollama pull {name}` or pull_base. Until then runs end as packaged",
            )


def _remote(base_model: str) -> Finding:
    return Finding(
        "error",
        "base_model_remote",
        f"base_model = {base_model} runs at ollama.com: conversations would leave",
    )
