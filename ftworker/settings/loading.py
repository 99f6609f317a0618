"""Configuration file and environment become settings; every mistake is named at once. Never opens a connection.

Order of precedence: environment, then the TOML file, then the defaults.
"""

from __future__ import annotations

import copy
import hashlib
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.masking import describe_value, mask_value
from ftworker.settings.environment import config_path, file_of, read_variable
from ftworker.settings.fields import NAME_PATTERN
from ftworker.settings.local import LocalSettings
from ftworker.settings.providers import LEAST_EXAMPLES, OpenAISettings
from ftworker.settings.suggesting import meant
from ftworker.settings.whole import Settings

ENVIRONMENT = {
    "FTWORKER_HOME": "home",
    "FTWORKER_DATABASE_URL": "database_url",
    "FTWORKER_BROKER_URL": "broker_url",
    "FTWORKER_EVENTS_URL": "events_url",
    "FTWORKER_STORAGE_URL": "storage_url",
}
"""Environment variables that win over the file. A `_FILE` at the end names a file that holds the value."""

_POSTGRESQL = re.compile(r"postgres(ql)?://|\s*\w+\s*=")
"""How an address of PostgreSQL begins: as a URL, or as libpq's keywords (`host=... dbname=...`)."""


def load_settings(path: Path | None = None) -> Settings:
    """Read file and environment. Raises ConfigurationError that names every problem at once."""
    path = path or config_path()
    where = str(path) if path else "environment"
    values: dict[str, Any] = {}
    if path:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                where,
                [
                    ConfigurationProblem(
                        "FTWORKER_CONFIG", str(path), "no such file; copy config/ftworker.toml"
                    )
                ],
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            expected = str(error)
            if "twice" in expected:
                expected += "; the file has this table further up: put the settings there"
            raise ConfigurationError(where, [ConfigurationProblem("TOML", "unreadable", expected)]) from error
    return _validated(values, where, _overlay_environment(values))


def settings_from(values: dict[str, Any], where: str = "configuration") -> Settings:
    """Validate plain values. Raises ConfigurationError that names every problem at once."""
    return _validated(values, where, [])


def _validated(values: dict[str, Any], where: str, problems: list[ConfigurationProblem]) -> Settings:
    if isinstance(given := values.get("providers"), dict):
        # The two that are always there may be left out, also beside others.
        values = {**values, "providers": {"openai": {"kind": "openai"}, "local": {"kind": "local"}, **given}}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(e) for e in error.errors()]
        with suppress(ValidationError):
            problems += _contradictions(Settings.model_validate(_without(values, error)))
    else:
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise ConfigurationError(where, problems)


def _without(values: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """The values without those that are wrong, to find what contradicts each other among the rest."""
    rest = copy.deepcopy(values)
    for problem in error.errors():
        *path, last = _location(problem["loc"])
        place: Any = rest
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if path == ["providers"]:
            # It is there, whatever it is: a pipeline that names it is not wrong too.
            place[last] = {"kind": "local"}
        elif problem["type"] == "missing" and path:
            parent: Any = rest
            for part in path[:-1]:
                parent = parent[part]
            parent.pop(path[-1], None)
        else:
            place.pop(last, None)
    return rest


def _contradictions(settings: Settings) -> Iterator[ConfigurationProblem]:
    """What is wrong between settings that are each well by themselves, or in an address."""
    database = settings.database_url.get_secret_value() if settings.database_url else ""
    if database and not _POSTGRESQL.match(database):
        scheme, separator, _ = database.partition("://")
        yield ConfigurationProblem(
            "database_url",
            f"{scheme}://..." if separator else "(hidden)",
            "expected postgresql://user:password@host:5432/name (FTWORKER_DATABASE_URL)",
        )
    for name, pipeline in settings.pipelines.items():
        if pipeline.provider not in settings.providers:
            known = ", ".join(sorted(settings.providers))
            yield ConfigurationProblem(
                f"pipelines.{name}.provider",
                describe_value((), pipeline.provider),
                f"expected one of {known}",
            )
        # A source that only sends inline messages needs no section, so a name alone is enough.
        if pipeline.source != "*" and not re.fullmatch(NAME_PATTERN, pipeline.source):
            yield ConfigurationProblem(
                f"pipelines.{name}.source",
                describe_value((), pipeline.source),
                "expected * or a source's name",
            )
        pairs = pipeline.curation.unit == "preference"
        if pairs != (pipeline.training.type == "dpo"):
            yield ConfigurationProblem(
                f"pipelines.{name}.training.type",
                repr(pipeline.training.type),
                'expected "dpo" exactly where curation.unit is "preference": pairs train by it, and nothing else does',
            )
        if pipeline.format != "auto" and pairs != (pipeline.format in ("openai-preference", "preference")):
            yield ConfigurationProblem(
                f"pipelines.{name}.format",
                repr(pipeline.format),
                f'a format that holds what curation.unit = "{pipeline.curation.unit}" gives',
            )
        provider = settings.providers.get(pipeline.provider)
        most = pipeline.trigger.max_examples
        if provider is not None and most is not None and most < LEAST_EXAMPLES[provider.kind]:
            yield ConfigurationProblem(
                f"pipelines.{name}.trigger.max_examples",
                str(most),
                f"expected at least {LEAST_EXAMPLES[provider.kind]}: "
                f"{pipeline.provider} trains on no fewer, so no dataset would ever be cut",
            )
    for name, roster in settings.privacy.rosters.items():
        reads = (roster.file is not None, roster.query is not None)
        if sum(reads) != 1 or (roster.query is None) != (roster.source is None):
            yield ConfigurationProblem(
                f"privacy.rosters.{name}", "its keys", "expected either `file`, or `source` and `query`"
            )
        elif roster.source is not None and roster.source not in settings.sources:
            known = ", ".join(sorted(settings.sources)) or "none"
            yield ConfigurationProblem(
                f"privacy.rosters.{name}.source",
                describe_value((), roster.source),
                f"expected one of {known}",
            )
    lease = settings.worker.step_lease_seconds
    for name, provider in settings.providers.items():
        users = sorted(key for key, pipeline in settings.pipelines.items() if pipeline.provider == name)
        if isinstance(provider, LocalSettings) and provider.model_name is not None and len(users) > 1:
            yield ConfigurationProblem(
                f"providers.{name}.model_name",
                describe_value((), provider.model_name),
                f"expected one pipeline for one name, and here are {', '.join(users)}: each promotion would take it "
                "from the others. Leave it out, or give each pipeline a provider of its own",
            )
        if isinstance(provider, OpenAISettings) and provider.submit_timeout_seconds >= lease:
            yield ConfigurationProblem(
                f"providers.{name}.submit_timeout_seconds",
                str(provider.submit_timeout_seconds),
                f"expected below worker.step_lease_seconds ({lease}): else a job is looked for while it is created",
            )


def _overlay_environment(values: dict[str, Any]) -> list[ConfigurationProblem]:
    """Put what the environment says over the values; returns what is wrong with it."""
    problems: list[ConfigurationProblem] = []

    def variable(name: str) -> str | None:
        try:
            return read_variable(name)
        except (OSError, UnicodeDecodeError) as error:
            path = file_of(name) or ""
            expected = f"a file that can be read ({type(error).__name__})"
            problems.append(ConfigurationProblem(f"{name}_FILE", path, expected))
            return None

    for name, key in ENVIRONMENT.items():
        text = variable(name)
        if text:
            values[key] = text
    providers = values.setdefault("providers", {})
    if isinstance(providers, dict):
        for kind, name, key in (
            ("openai", "OPENAI_BASE_URL", "base_url"),
            ("local", "OLLAMA_HOST", "ollama_host"),
        ):
            section = providers.setdefault(kind, {"kind": kind})
            text = variable(name)
            if text and isinstance(section, dict):
                section[key] = text
    return problems


def _location(parts: tuple[int | str, ...]) -> tuple[str, ...]:
    location = tuple(str(part) for part in parts if part != "[key]")
    # Pydantic puts the union's tag into the location: providers.openai.openai.base_url.
    if len(location) > 2 and location[0] == "providers" and location[2] in ("openai", "local"):
        location = (*location[:2], *location[3:])
    return location or ("configuration",)


def _problem(error: Any) -> ConfigurationProblem:
    location = _location(error["loc"])
    value = "(missing)" if error["type"] == "missing" else describe_value(location, error.get("input"))
    expected = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "union_tag_invalid":
        # Pydantic's own words repeat what stands there, which may be an address at the wrong place.
        expected = f"as kind one of {error['ctx']['expected_tags']}"
    if error["type"] == "missing":
        expected = "must be set; config/ftworker.toml has it with its meaning"
    if error["type"] == "extra_forbidden":
        near = meant(location)
        expected = "no such setting; " + (
            f"did you mean {near}?" if near else "see config/ftworker.toml for those there are"
        )
    return ConfigurationProblem(".".join(location), value, expected)


def masked_settings(settings: Settings) -> dict[str, Any]:
    """The whole configuration as plain values, secrets masked, for `ftworker config show` and logs."""
    masked: dict[str, Any] = mask_value("", settings.model_dump())
    return masked


def fingerprint(value: BaseModel | dict[str, Any] | str) -> str:
    """Sixteen hexadecimal digits that change when the settings change."""
    from ftworker.conversations import canonical_json

    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return hashlib.sha256(canonical_json(plain)).hexdigest()[:16]
