"""docs/LOCAL.md keeps up with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftworker.providers import few_shot, local_preflight, modelfile
from ftworker.providers.local_registry import INSTRUCCIONES, INSTRUCTIONS, MODELFILE, REQUEST, SUMS
from ftworker.providers.ollama_names import OLDEST_VERSION
from ftworker.settings import LocalSettings

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
        rule = next(line for line in TEXT.splitlines() if line.startswith(f"{number}. "))
        assert rule in documented


def test_the_oldest_version_and_the_sample_are_those_of_the_code() -> None:
    assert f"before {'.'.join(map(str, OLDEST_VERSION))}" in TEXT
    assert f"{few_shot.CONSIDERED_ROWS:,} rows" in TEXT


def test_each_code_of_the_look_before_a_run_is_explained() -> None:
    source = Path(local_preflight.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'Finding\(\s*"(?:error|warning)",\s*"([a-z_]+)"', source))
    assert len(codes) >= 9
    assert codes == set(re.findall(r"^\| `([a-z_]+)` \| (?:error|warning)", TEXT, re.MULTILINE))
