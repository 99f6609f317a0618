"""config/ftworker.toml, written from `settings`: every setting with its default and its reason, each line a comment.

The committed file is the output of `example()`; a test holds them equal, so the reasons are written once.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

from pydantic import BaseModel, SecretStr

from ftworker import settings
from ftworker.settings import (
    LocalSettings,
    OpenAISettings,
    PipelineSettings,
    RosterSettings,
    Section,
    Settings,
    SourceSettings,
)

WIDTH = 100

HEADER = """\
# ftworker: every setting, its default and why. A line that begins with "# name =" is a default: take the # away to
# change it. `ftworker config check` names every mistake at once; `ftworker config show` prints what is in force.
#
# Secrets do not belong here. They come from the environment, or from a file that VARIABLE_FILE names:
#   FTWORKER_DATABASE_URL  FTWORKER_BROKER_URL  FTWORKER_EVENTS_URL  FTWORKER_STORAGE_URL  FTWORKER_HOME
#   OPENAI_API_KEY  OPENAI_BASE_URL  OLLAMA_HOST
"""

SECTIONS: tuple[tuple[str, str, type[Section]], ...] = (
    ("ingest", "How events come in: `ftworker ingest`.", settings.IngestSettings),
    ("worker", "Celery workers and beat.", settings.WorkerSettings),
    ("network", "Servers that neither answer nor hang up.", settings.NetworkSettings),
    ("web", "/metrics, /healthz and the status page.", settings.WebSettings),
    (
        "privacy",
        "What counts as personal data beyond the rules in docs/PRIVACY.md.",
        settings.PrivacySettings,
    ),
)
NAMED: tuple[tuple[str, str, type[Section], str], ...] = (
    (
        "sources.tutor",
        "A store of conversations, under a name of yours. docs/SOURCES.md; try it with `ftworker sources test tutor`.",
        SourceSettings,
        'preset = "messages"\nurl_env = "RAG_DATABASE_URL"',
    ),
    (
        "providers.openai",
        "OpenAI, or whoever speaks its API: docs/PROVIDERS.md.",
        OpenAISettings,
        'kind = "openai"',
    ),
    (
        "providers.local",
        "Your own machine, served by Ollama: docs/LOCAL.md.",
        LocalSettings,
        'kind = "local"',
    ),
    (
        "privacy.rosters.school",
        "Names of real people, so that they are found however they are written: docs/PRIVACY.md.",
        RosterSettings,
        'file = "/run/secrets/names.txt"',
    ),
    (
        "pipelines.tutor",
        "Which conversations train which model, when, and for how much. As many as you like.",
        PipelineSettings,
        'provider = "local"\nbase_model = "llama3.2:3b"',
    ),
)


def example() -> str:
    """The text of config/ftworker.toml."""
    parts = [HEADER, *_fields(Settings, set_lines="")]
    for name, purpose, section in SECTIONS:
        parts += _section(name, purpose, section, "")
    for name, purpose, section, set_lines in NAMED:
        commented = name in ("sources.tutor", "privacy.rosters.school")
        parts += _section(name, purpose, section, set_lines, commented=commented)
    return "\n".join(parts).rstrip() + "\n"


def _section(
    name: str, purpose: str, section: type[BaseModel], set_lines: str, *, commented: bool = False
) -> Iterator[str]:
    yield ""
    yield from (f"# {line}" for line in wrap(purpose, WIDTH))
    mark = "# " if commented else ""
    yield f"{mark}[{name}]"
    yield from (f"{mark}{line}" for line in set_lines.splitlines())
    yield from _fields(section, set_lines=set_lines)
    for key, field in section.model_fields.items():
        if isinstance(field.default, BaseModel):
            nested = type(field.default)
            yield from _section(
                f"{name}.{key}", inspect.getdoc(nested) or key, nested, "", commented=commented
            )


def _fields(section: type[BaseModel], *, set_lines: str) -> Iterator[str]:
    given = {line.partition(" =")[0] for line in set_lines.splitlines()}
    reasons = _reasons(section)
    for key, field in section.model_fields.items():
        default = field.default
        if (
            key in given
            or isinstance(default, BaseModel)
            or (isinstance(default, dict) and _holds_models(default))
        ):
            continue
        if default == {} and key in ("sources", "pipelines", "providers", "rosters"):
            continue
        yield from (f"# {line}" for line in wrap(reasons.get(key, ""), WIDTH))
        yield f"# {key} = {_toml(default)}"


def _holds_models(value: dict[str, Any]) -> bool:
    return any(isinstance(item, BaseModel) for item in value.values())


def _reasons(section: type[BaseModel]) -> dict[str, str]:
    """The string below each attribute of the class, from its source."""
    body = ast.parse(inspect.getsource(section).strip()).body[0]
    assert isinstance(body, ast.ClassDef)
    reasons = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            reasons[field.target.id] = " ".join(below.value.value.split())
    return reasons


def _toml(value: Any) -> str:
    match value:
        case None:
            return "(not set)"
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return '"..."'
        case Path() | str():
            return json.dumps(str(value), ensure_ascii=False)
        case int() | float():
            return str(value)
        case dict() if not value:
            return "{}"
        case dict():
            return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
        case tuple() | list():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case _:
            raise TypeError(f"no TOML for {type(value).__name__}")


if __name__ == "__main__":
    Path("config/ftworker.toml").write_text(example(), encoding="utf-8")
