"""docs/LOCAL.md keeps up with the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ftworker.providers import few_shot, local_preflight, modelfile
from ftworker.providers.local_registry import INSTRUCCIONES, INSTRUCTIONS, MODELFILE, REQUEST, SUMS
from ftworker.providers.local_trained_preflight import NATIVE_TEMPLATES_SINCE, NO_ADAPTERS_SINCE
from ftworker.providers.ollama_names import OLDEST_VERSION
from ftworker.settings import LocalSettings
from ftworker.training.results import CHECKED, CONVERTED, TRAINED

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "LOCAL.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", sorted(LocalSettings.model_fields))
def test_each_setting_of_the_provider_is_explained(key: str) -> None:
    assert f"\n| `{key}` |" in TEXT


@pytest.mark.parametrize("name", [MODELFILE, REQUEST, INSTRUCTIONS, INSTRUCCIONES, SUMS])
def test_each_file_of_a_run_is_explained(name: str) -> None:
    assert f"`{name}`" in TEXT


@pytest.mark.parametrize("reason", ["several_turns", "special_tokens", "closing_quotes", "too_long"])
def test_each_reason_to_pass_a_row_over_is_explained(reason: str) -> None:
    assert f"\n| `{reason}` |" in TEXT
    assert reason in Path(few_shot.__file__).read_text(encoding="utf-8")


def test_the_rules_of_rewriting_are_those_of_the_code() -> None:
    documented = modelfile.rewrite.__doc__ or ""
    for number in range(1, 5):
        section = TEXT.partition("## What a Modelfile cannot say")[2]
        rule = next(line for line in section.splitlines() if line.startswith(f"{number}. "))
        assert rule in documented


def test_the_oldest_version_and_the_sample_are_those_of_the_code() -> None:
    assert f"before {'.'.join(map(str, OLDEST_VERSION))}" in TEXT
    assert f"{few_shot.CONSIDERED_ROWS:,} rows" in TEXT


def source_of(*names: str) -> str:
    folder = Path(local_preflight.__file__).parent
    return "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in names)


def test_each_code_of_the_look_before_a_run_is_explained() -> None:
    source = source_of("local_preflight", "local_trained_preflight")
    codes = set(re.findall(r'Finding\(\s*"(?:error|warning)",\s*"([a-z_]+)"', source))
    assert len(codes) >= 20
    assert codes == set(re.findall(r"^\| `([a-z_]+)` \| (?:error|warning)", TEXT, re.MULTILINE))


def codes_of_failures(source: str) -> set[str]:
    """What a run is failed with: the codes of NotServed, JobFailed and ProviderRejected."""
    codes: set[str] = set()
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        match call.func.id:
            case "NotServed" | "JobFailed":
                given = [node for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
            case "ProviderRejected":
                keywords = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
                given = [value for value in keywords if isinstance(value, ast.Constant)]
            case _:
                given = []
        codes |= {str(node.value) for node in given}
    return codes


def test_each_reason_why_a_model_is_not_registered_is_explained() -> None:
    names = ("local_few_shot", "local_registration", "local_registry", "local_served", "local_trained")
    codes = codes_of_failures(source_of(*names))
    assert len(codes) >= 12
    table = TEXT.partition("loses its name again")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", table, re.MULTILINE)
    assert codes == {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}


def test_the_versions_of_ollama_are_those_of_the_code() -> None:
    for version in (NO_ADAPTERS_SINCE, NATIVE_TEMPLATES_SINCE[:2]):
        assert ".".join(map(str, version)) in TEXT.partition("## Ollama's versions")[2]


@pytest.mark.parametrize("name", [TRAINED, CONVERTED, CHECKED])
def test_each_file_of_a_training_is_explained(name: str) -> None:
    assert f"\n| `{name}` |" in TEXT
