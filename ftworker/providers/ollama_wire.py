"""What ftworker and Ollama say to each other, and the errors of it: typed requests and answers. No network here.

`ollama` sends and reads them. The fields are those of Ollama's own api/types.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ftworker.providers.contract import ProviderRejected, ProviderUnavailable
from ftworker.providers.modelfile import PARAMETERS, Modelfile

_PERMANENT: Final = (
    "not in GGUF format",
    "unknown type",
    "adapters are no longer supported",
    "only one adapter",
    "invalid GGUF",
)
"""Words of Ollama's own that will be the same tomorrow."""
_PARAMETER_LINE: Final = re.compile(r"(\w+)\s+(.+)")


class OllamaUnreachable(ProviderUnavailable):
    """Nobody answers at the address, or somebody who is not Ollama. Nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="unreachable")


class ModelNotFound(ProviderRejected):
    """Ollama, or the registry that it pulls from, has no model of that name."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="not_found")


@dataclass(frozen=True)
class Progress:
    """One line of a long answer. The counts are bytes, for the lines that have them."""

    status: str
    completed: int | None = None
    total: int | None = None


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """For callers who do not want to know."""


@dataclass(frozen=True)
class InstalledModel:
    """One row of `/api/tags`. Two names with one digest are the same model."""

    name: str
    digest: str
    size_bytes: int
    modified_at: datetime | None
    is_remote: bool
    """True for a model that runs at ollama.com: conversations would leave the machine."""


@dataclass(frozen=True)
class ShownModel:
    """What `/api/show` says a model is made of."""

    system: str
    template: str
    license: str
    messages: tuple[tuple[str, str], ...]
    """(role, content) of each stored example."""
    parent_model: str
    family: str
    quantization: str
    is_remote: bool
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """PARAMETER lines by name, as text; `stop` may have several."""

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> ShownModel:
        details = answer.get("details") or {}
        return cls(
            system=str(answer.get("system") or ""),
            template=str(answer.get("template") or ""),
            license=str(answer.get("license") or ""),
            messages=tuple(
                (str(message.get("role")), str(message.get("content")))
                for message in answer.get("messages") or ()
            ),
            parent_model=str(details.get("parent_model") or ""),
            family=str(details.get("family") or ""),
            quantization=str(details.get("quantization_level") or ""),
            is_remote=bool(answer.get("remote_host")),
            parameters=_parameters(str(answer.get("parameters") or "")),
        )


@dataclass(frozen=True)
class ChatAnswer:
    content: str
    prompt_tokens: int | None
    answer_tokens: int | None


@dataclass(frozen=True)
class RenderedPrompt:
    """What Ollama would give to a model for a conversation."""

    text: str | None
    """Without what the tokenizer puts in front; None: this Ollama does not show it."""
    prompt_tokens: int | None


@dataclass(frozen=True)
class CreateRequest:
    """A model to create. `files` and `adapters` map relative names to digests of blobs that are there."""

    model: str
    from_: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None
    parser: str | None = None
    system: str | None = None
    license: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[tuple[str, str]] = ()

    @classmethod
    def of_modelfile(cls, model: str, modelfile: Modelfile) -> CreateRequest:
        """The same model that `ollama create MODEL -f Modelfile` makes from an installed base."""
        return cls(
            model=model,
            from_=modelfile.from_,
            template=modelfile.template,
            parser=modelfile.parser,
            system=modelfile.system,
            license=modelfile.license,
            parameters={
                name: list(value) if isinstance(value, tuple) else value
                for name, value in sorted(modelfile.parameters.items())
            },
            messages=tuple((message.role, message.content) for message in modelfile.messages),
        )

    def body(self) -> dict[str, Any]:
        fields = {
            "from": self.from_,
            "files": dict(self.files),
            "adapters": dict(self.adapters),
            "template": self.template,
            "parser": self.parser,
            "system": self.system,
            "license": list(self.license),
            "parameters": dict(self.parameters),
            "messages": [{"role": role, "content": content} for role, content in self.messages],
        }
        return {"model": self.model, "stream": True, **{key: value for key, value in fields.items() if value}}


def read_line(line: bytes, what: str) -> dict[str, Any]:
    """One line of a long answer. Raises ProviderUnavailable."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProviderUnavailable(
            f"{what}: a line of Ollama's answer is no JSON", code="malformed_answer"
        ) from error
    if not isinstance(said, dict):
        raise ProviderUnavailable(f"{what}: a line of Ollama's answer is no object", code="malformed_answer")
    return said


def failed_late(what: str, said: str) -> ProviderRejected | ProviderUnavailable:
    """The error that an `{"error"}` line stands for."""
    # These errors carry no status; before the first line they would have been 500s, so they are transient
    # like those. Some texts have a permanent meaning, such as the registry's manifest that is not there: the
    # name is wrong.
    if "file does not exist" in said:
        return ModelNotFound(f"{what}: {shortened(said)}; is the name right?")
    if any(text in said for text in _PERMANENT):
        return ProviderRejected(f"{what}: Ollama says {shortened(said)}", code="refused")
    code = "disk_full" if "no space left" in said else "failed"
    return ProviderUnavailable(f"{what}: Ollama says {shortened(said)}", code=code)


def shortened(said: str) -> str:
    """Ollama's words on one line, cut where they grow long."""
    return " ".join(said.split())[:300]


def _parameters(text: str) -> Mapping[str, tuple[str, ...]]:
    """`/api/show` writes one `name   value` a line, texts in quotes of Go's, which are JSON's for what stands there."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        match = _PARAMETER_LINE.match(line.strip())
        if match and match[1] in PARAMETERS:
            found[match[1]] = (*found.get(match[1], ()), _unquoted(match[2].strip()))
    return found


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except (ValueError, RecursionError):
        return value.strip('"')
