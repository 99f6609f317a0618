"""The configuration: every problem at once, the order of precedence, no secret anywhere, every default explained."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from ftworker import settings as module
from ftworker.errors import ConfigurationError
from ftworker.example_configuration import _reasons, example
from ftworker.settings import (
    OpenAISettings,
    Section,
    load_settings,
    mask_url,
    masked_settings,
    settings_from,
)

REPOSITORY = Path(__file__).resolve().parent.parent
SECTIONS = [
    c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Section) and c is not Section
]


def test_every_problem_is_named_at_once_with_key_value_and_expectation() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from(
            {
                "worker": {"sweep_interval_seconds": -1},
                "providers": {"openai": {"kind": "openai", "bom": "perhaps"}, "mine": {"kind": "cloud"}},
                "pipelines": {"Tutor!": {}, "tutor": {"trigger": {"schedule": "every sunday", "minimum": 3}}},
            }
        )
    problems = {problem.key: problem for problem in caught.value.problems}
    assert problems["worker.sweep_interval_seconds"].value == "-1"
    assert problems["providers.openai.bom"].value == "'perhaps'"
    assert "cron line" in problems["pipelines.tutor.trigger.schedule"].expected
    assert "no such setting" in problems["pipelines.tutor.trigger.minimum"].expected
    assert any(key.startswith("pipelines.Tutor!") for key in problems)
    assert any(key.startswith("providers.mine") for key in problems)
    assert str(caught.value).startswith("configuration: 6 problems")


def test_each_contradiction_between_settings_is_a_problem_of_its_own() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from(
            {
                "worker": {"step_lease_seconds": 60},
                "pipelines": {"a": {"provider": "nobody"}, "b": {"source": "Not A Name"}},
            }
        )
    assert [problem.key for problem in caught.value.problems] == [
        "pipelines.a.provider",
        "pipelines.b.source",
        "providers.openai.submit_timeout_seconds",
    ]


@pytest.mark.parametrize("template", ["Contexto: {context}", "Pregunta: {question}"])
def test_a_context_template_that_would_lose_something_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError, match="would be lost"):
        settings_from({"pipelines": {"a": {"curation": {"context_template": template}}}})


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ftworker.toml"
    path.write_text('database_url = "postgresql://file/x"\nbroker_url = "redis://file/0"\n', encoding="utf-8")
    monkeypatch.setenv("FTWORKER_DATABASE_URL", "postgresql://environment/x")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway/v1")
    monkeypatch.setenv("OLLAMA_HOST", "gpu:11434")

    settings = load_settings(path)

    assert settings.database_url == SecretStr("postgresql://environment/x")
    assert settings.broker_url == SecretStr("redis://file/0")
    assert settings.events() == "redis://file/0"
    openai = settings.provider("openai")
    assert isinstance(openai, OpenAISettings)
    assert openai.base_url == "http://gateway/v1"
    assert settings.provider("local").model_dump()["ollama_host"] == "gpu:11434"


def test_a_secret_comes_from_a_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://u:geheim@h/db\n", encoding="utf-8")
    (tmp_path / "key").write_text("sk-from-file\n", encoding="utf-8")
    monkeypatch.setenv("FTWORKER_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert load_settings().database_url == SecretStr("postgresql://u:geheim@h/db")
    assert OpenAISettings(api_key_file=tmp_path / "key").api_key() == "sk-from-file"


def test_a_file_that_is_named_and_missing_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTWORKER_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigurationError, match="no such file"):
        load_settings()
    monkeypatch.delenv("FTWORKER_CONFIG")
    monkeypatch.setenv("FTWORKER_BROKER_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match="FTWORKER_BROKER_URL_FILE"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:geheim@host:5432/db",
        "postgresql://user:ge%40heim@host/db?sslmode=require",
        "postgresql://host/db?user=x&password=geheim",
        "redis://:geheim@127.0.0.1:6379/0",
        "amqp://user:geheim@host//vhost",
        "postgresql://user:geh:eim@host/db",
        "postgresql://user:geh@eim@host/db",
    ],
)
def test_no_password_survives_masking(url: str) -> None:
    masked = mask_url(url)
    for part in ("geheim", "ge%40heim", "geh:eim", "geh@", "eim@", "eim"):
        assert part not in masked
    assert "host" in masked or "127.0.0.1" in masked


def test_no_secret_stands_in_a_dump_a_repr_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(
        {
            "database_url": "postgresql://u:geheim@h/db",
            "broker_url": "amqp://u:geheim@h//",
            "sources": {"rag": {"preset": "messages", "url": "postgresql://u:geheim@h/rag"}},
        }
    )
    openai = settings.provider("openai")
    assert isinstance(openai, OpenAISettings)
    with_key = openai.with_api_key("sk-geheim")
    assert with_key.api_key() == "sk-geheim"
    for shown in (repr(settings), str(masked_settings(settings)), repr(with_key), str(with_key.model_dump())):
        assert "geheim" not in shown
    with pytest.raises(ConfigurationError) as caught:
        settings_from({"database_url": ["geheim"], "openai_api_key": "geheim", "sources": {"x": {"url": 5}}})
    assert "geheim" not in str(caught.value)


def test_the_example_configuration_is_the_one_that_the_settings_write() -> None:
    assert (REPOSITORY / "config" / "ftworker.toml").read_text(encoding="utf-8") == example()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_setting_has_a_reason(section: type[BaseModel]) -> None:
    reasons = _reasons(section)
    without = [
        key
        for key, field in section.model_fields.items()
        if key not in reasons and not isinstance(field.default, BaseModel)
    ]
    assert without == []


def test_every_default_of_the_example_can_be_uncommented_and_changes_nothing() -> None:
    lines = []
    for line in example().splitlines():
        bare = re.sub(r"^# (?=\[|[a-z_]+ = )", "", line)
        lines.append(f"# {bare}" if "= (not set)" in bare else bare)
    text = "\n".join(lines)
    plain = settings_from(tomllib.loads(example()))
    full = settings_from(tomllib.loads(text))

    assert set(full.sources) == {"tutor"}
    assert full.model_copy(update={"sources": {}}) == plain
