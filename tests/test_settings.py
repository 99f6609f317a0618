"""The configuration: every problem at once, the order of precedence, no secret anywhere, every default explained."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from ftworker import settings as module
from ftworker.errors import ConfigurationError
from ftworker.example_configuration import _reasons, example
from ftworker.masking import mask_url
from ftworker.settings import (
    OpenAISettings,
    Section,
    SourceSettings,
    load_settings,
    masked_settings,
    settings_from,
)
from ftworker.settings.suggesting import meant

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


@pytest.mark.parametrize(
    "written, meant_setting",
    [
        ("sources.tutor.presett", "sources.tutor.preset"),
        ("pipelines.tutor.min_examples", "pipelines.tutor.trigger.min_examples"),
        ("pipelines.tutor.trigger.min_exampels", "pipelines.tutor.trigger.min_examples"),
        ("pipeline", "pipelines"),
        ("providers.mine.pull_bases", "providers.mine.pull_base"),
        ("privacy.rosters.centro.fille", "privacy.rosters.centro.file"),
        ("databse_url", "database_url"),
        ("pipelines.tutor.model", None),
    ],
)
def test_a_setting_that_does_not_exist_is_answered_with_the_one_that_was_meant(
    written: str, meant_setting: str | None
) -> None:
    assert meant(written.split(".")) == meant_setting


def test_the_problem_says_what_was_meant_and_else_where_all_settings_stand() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from({"pipelines": {"tutor": {"min_examples": 5, "zzz": 1}}, "sources": {"a": {}}})
    said = {problem.key: problem.expected for problem in caught.value.problems}
    assert said["pipelines.tutor.min_examples"].endswith("did you mean pipelines.tutor.trigger.min_examples?")
    assert said["pipelines.tutor.zzz"].endswith("see config/ftworker.toml for those there are")
    assert said["sources.a.preset"].startswith("must be set")


def test_a_table_that_stands_twice_is_found_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ftworker.toml"
    file.write_text("[pipelines.tutor]\n[worker]\n[pipelines.tutor]\n", encoding="utf-8")
    monkeypatch.setenv("FTWORKER_CONFIG", str(file))
    with pytest.raises(ConfigurationError, match=r"line 3.*further up: put the settings there"):
        load_settings()


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


@pytest.mark.parametrize(
    "url, shown",
    [
        ("mysql://rag:geheim@db/app", "mysql://..."),
        ("geheim", "(hidden)"),
        ("sqlite:///a?b=c", "sqlite://..."),
    ],
)
def test_a_database_that_is_not_postgresql_is_a_problem_of_the_configuration(
    url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", url)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert (problem.key, problem.value) == ("database_url", shown)
    assert "FTWORKER_DATABASE_URL" in problem.expected
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgres://a@b/c", "postgresql://a:b@c:5432/d", "host=a dbname=b", "dbname = b"]
)
def test_an_address_of_postgresql_is_taken_in_each_of_its_forms(url: str) -> None:
    assert settings_from({"database_url": url}).database_url is not None


def test_contradictions_are_named_beside_settings_that_are_wrong_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ftworker.toml"
    path.write_text(
        """
        worker = { sweep_interval_seconds = -1, step_lease_seconds = 60 }
        providers = { cloudy = { kind = "cloud" }, here = { kind = "local", bom = true } }
        sources = { rag = { url_env = "RAG" } }
        pipelines = { a = { provider = "nobody", promote = "maybe" }, b = { provider = "cloudy" }, C = {} }
        """,
        encoding="utf-8",
    )
    monkeypatch.setenv("FTWORKER_DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert sorted(problem.key for problem in caught.value.problems) == [
        "FTWORKER_DATABASE_URL_FILE",
        "pipelines.C",
        "pipelines.a.promote",
        "pipelines.a.provider",
        "providers.cloudy",
        "providers.here.bom",
        "providers.openai.submit_timeout_seconds",
        "sources.rag.preset",
        "worker.sweep_interval_seconds",
    ]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0.0", "1e10"])
def test_a_time_is_a_number_of_seconds_that_can_pass(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"worker\.step_lease_seconds"):
        settings_from(tomllib.loads(f"[worker]\nstep_lease_seconds = {value}"))


@pytest.mark.parametrize(
    "line", ["every sunday", "0 3 * *", "0 0 31 2 *", "R R * * *", "* * * * * *", "61 * * * *", ""]
)
def test_a_schedule_that_is_no_cron_line_or_never_comes_is_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match="cron line of five fields"):
        settings_from({"pipelines": {"a": {"trigger": {"schedule": line}}}})


@pytest.mark.parametrize("line", ["0 3 * * sun", "*/15 8-18 * * 1-5", "@daily", "0 3 l * *"])
def test_a_schedule_is_a_cron_line(line: str) -> None:
    settings = settings_from({"pipelines": {"a": {"trigger": {"schedule": line}}}})
    assert settings.pipeline("a").trigger.schedule == line


def test_a_limit_of_examples_below_what_the_provider_trains_on_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from({"pipelines": {"a": {"provider": "openai", "trigger": {"max_examples": 9}}}})
    (problem,) = caught.value.problems
    assert (problem.key, problem.value) == ("pipelines.a.trigger.max_examples", "9")
    settings_from({"pipelines": {"a": {"provider": "local", "trigger": {"max_examples": 9}}}})


def test_two_pipelines_that_would_take_one_name_in_ollama_from_each_other_are_refused() -> None:
    pipelines = {"a": {"provider": "local"}, "b": {"provider": "local"}}
    with pytest.raises(ConfigurationError) as caught:
        settings_from(
            {"providers": {"local": {"kind": "local", "model_name": "Tutor"}}, "pipelines": pipelines}
        )
    (problem,) = caught.value.problems
    assert problem.key == "providers.local.model_name"
    assert "a, b" in problem.expected
    providers = {"local": {"kind": "local"}, "other": {"kind": "local", "model_name": "b"}}
    settings_from({"providers": {"local": {"kind": "local"}}, "pipelines": pipelines})
    settings_from({"providers": providers, "pipelines": {"a": pipelines["a"], "b": {"provider": "other"}}})


def test_problems_with_the_shape_of_the_file_are_problems_like_others() -> None:
    shapes: list[dict[str, Any]] = [
        {"pipelines": 5},
        {"providers": "openai"},
        {"providers": {"openai": 5}},
        {"worker": []},
        {"sources": {"a": "postgresql://u:geheim@h/db"}},
        {"pipelines": {"a": {"trigger": "weekly"}}},
    ]
    for values in shapes:
        with pytest.raises(ConfigurationError) as caught:
            settings_from(values)
        assert len(caught.value.problems) == 1
        assert caught.value.problems[0].key.startswith(next(iter(values)))
        assert "geheim" not in str(caught.value)


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
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    assert OpenAISettings().api_key() == "sk-from-file"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-variable")
    assert OpenAISettings().api_key() == "sk-from-variable"
    monkeypatch.setenv("RAG_URL_FILE", str(tmp_path / "url"))
    source = SourceSettings(preset="messages", url_env="RAG_URL")
    assert source.connection_url() == "postgresql://u:geheim@h/db"


def test_a_secret_whose_file_cannot_be_read_is_missing_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "odd", tmp_path, tmp_path / "nowhere"):
        monkeypatch.setenv("OPENAI_API_KEY_FILE", str(path))
        assert OpenAISettings().api_key() is None


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
    "url, shown",
    [
        ("postgresql://user:geheim@host:5432/db", "postgresql://user:***@host:5432/db"),
        ("postgresql://user:ge%40heim@host/db?sslmode=require", "postgresql://user:***@host/db"),
        ("postgresql://host/db?user=x&password=geheim", "postgresql://host/db"),
        ("postgresql://user@host/db", "postgresql://user@host/db"),
        ("postgresql://user:geheim@one,two:5433/db", "postgresql://user:***@one,two:5433/db"),
        ("redis://:geheim@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("amqp://user:geheim@host//vhost", "amqp://user:***@host//vhost"),
        ("amqp://u:geheim@a//;amqp://u:geheim@b//", "amqp://u:***@a//;amqp://u:***@b//"),
        (
            "sentinel://:geheim@a:26379;sentinel://:geheim@b:26379",
            "sentinel://:***@a:26379;sentinel://:***@b:26379",
        ),
        ("s3://KEY:geheim@bucket/folder", "s3://KEY:***@bucket/folder"),
        ("s3://bucket/folder@2", "s3://bucket/folder@2"),
        ("https://geheim@gateway.example/v1", "https://***@gateway.example/v1"),
        ("https://gateway.example/v1?key=geheim#geheim", "https://gateway.example/v1"),
        ("file:///srv/me@home/ftworker", "file:///srv/me@home/ftworker"),
        # Characters that should have been escaped and were not.
        ("postgresql://user:ge:heim@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:geheim@geheim@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:ge/heim@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:ge heim@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:geheim;heim@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user:geheim?heim@host/db", "postgresql://***"),
        ("postgresql://user:geheim#heim@host/db", "postgresql://***"),
        ("postgresql://host/db?password=geheim@heim", "postgresql://***"),
        # No URL at all.
        ("host=db user=me password=geheim dbname=x", "host=db user=me password=*** dbname=x"),
        ("host=db password = 'ge heim' dbname=x", "host=db password = *** dbname=x"),
        ("user:geheim@host/db", "***@host/db"),
        ("bare words", "bare words"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert "heim" not in mask_url(url)


def test_no_secret_stands_in_a_dump_a_repr_or_an_error() -> None:
    settings = settings_from(
        {
            "database_url": "postgresql://u:geheim@h/db",
            "broker_url": "amqp://u:geheim@h//;amqp://u:geheim@i//",
            "events_url": "redis://:geheim@h/0",
            "storage_url": "s3://KEY:geheim@bucket/x",
            "sources": {"rag": {"preset": "messages", "url": "host=h password=geheim"}},
            "providers": {
                "openai": {
                    "kind": "openai",
                    "base_url": "https://u:geheim@gateway/v1",
                    "extra_headers": {
                        "x-portkey-api-key": "geheim",
                        "Authorization": "Bearer geheim",
                        "a": "b",
                    },
                    "extra_query": {"subscription-key": "geheim", "url": "http://u:geheim@h"},
                },
                "local": {"kind": "local", "ollama_host": "http://u:geheim@gpu:11434"},
            },
        }
    )
    openai = settings.provider("openai")
    assert isinstance(openai, OpenAISettings)
    with_key = openai.with_api_key("sk-geheim")
    assert with_key.api_key() == "sk-geheim"
    for shown in (
        repr(settings),
        str(settings),
        str(masked_settings(settings)),
        repr(with_key),
        str(with_key.model_dump()["extra_body"]),
    ):
        assert "geheim" not in shown
    assert masked_settings(settings)["providers"]["openai"]["extra_headers"]["a"] == "b"


@pytest.mark.parametrize("address", ["postgresql://u:geheim@h/db", "host=h password=geheim"])
def test_an_address_at_the_place_of_a_path_or_a_name_is_shown_without_its_password(address: str) -> None:
    settings = settings_from({"home": address, "ingest": {"exchange": address}})
    assert "geheim" not in str(masked_settings(settings))
    assert masked_settings(settings_from({"home": "/srv/a b:c/home"}))["home"] == "/srv/a b:c/home"


@pytest.mark.parametrize(
    "values",
    [
        {"database_url": ["geheim"]},
        {"database_url": 7, "broker_url": {"geheim": 1}, "openai_api_key": "geheim"},
        {"sources": {"x": {"url": 5, "password": "geheim"}}},
        {"sources": {"rag": "postgresql://u:geheim@h/db"}},
        {"providers": {"azure": {"api_key": "geheim"}}},
        {"providers": {"azure": {"kind": "azure", "api_key": "geheim"}}},
        {"providers": {"openai": {"kind": "openai", "extra_headers": ["geheim"]}}},
        {"providers": {"openai": {"kind": "openai", "extra_headers": {"Authorization": {"x": "geheim"}}}}},
        {"dsn": "host=h password=geheim"},
        {"providers": {"local": {"kind": "postgresql://u:geheim@h/db"}}},
        {"pipelines": {"a": {"provider": "postgresql://u:geheim@h/db"}}},
        {"pipelines": {"a": {"source": "postgresql://u:geheim@h/db"}}},
        {"privacy": {"rosters": {"a": {"source": "postgresql://u:geheim@h/db", "query": "SELECT 1"}}}},
        {"storage": "s3://KEY:geheim@bucket"},
        {"pipelines": {"a": {"webhook_secret": "geheim", "token": "geheim"}}},
    ],
)
def test_a_secret_in_the_wrong_place_does_not_show_in_the_problem(values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from(values)
    assert "geheim" not in str(caught.value).replace("(a table of geheim)", "")


def test_a_wrong_value_that_is_no_secret_shows() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_from(
            {
                "ingest": {"routing_key": 7},
                "pipelines": {"a": {"trigger": {"min_tokens": -3}, "curation": {"max_tokens": "many"}}},
            }
        )
    assert {problem.key: problem.value for problem in caught.value.problems} == {
        "ingest.routing_key": "7",
        "pipelines.a.trigger.min_tokens": "-3",
        "pipelines.a.curation.max_tokens": "'many'",
    }


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
    assert set(full.privacy.rosters) == {"school"}
    without = {"sources": {}, "privacy": full.privacy.model_copy(update={"rosters": {}})}
    assert full.model_copy(update=without) == plain
