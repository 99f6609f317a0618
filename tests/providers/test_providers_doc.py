"""docs/PROVIDERS.md is true: its examples load, and it knows every setting and every code of the OpenAI provider."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ftworker.providers.openai_errors import CLOSED
from ftworker.settings import OpenAISettings, settings_from

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "PROVIDERS.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
CODE = re.compile(
    r"""(?:code=|Finding\(\s*"(?:error|warning)",\s*|JobFailed\(|Verdict\.\w+,\s*)"([a-z_]+)\""""
)
RUN_CODE = re.compile(
    r"""(?:error_code=|"error_code": |if run.job_id else |\.fail\(\s*run,\s*)"([a-z_]+)\""""
)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.split("]")[0].strip("[") for example in EXAMPLES])
def test_each_example_is_a_configuration(example: str) -> None:
    values = tomllib.loads(example)
    settings = settings_from(values)
    for name in values["providers"]:
        assert isinstance(settings.provider(name), OpenAISettings)
    for name, pipeline in values.get("pipelines", {}).items():
        assert settings.pipeline(name).provider == pipeline["provider"]


def test_there_is_an_example_for_each_kind_of_service() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("field", sorted(OpenAISettings.model_fields.keys() - {"kind"}))
def test_each_setting_is_explained(field: str) -> None:
    assert f"`{field}`" in PAGE


def test_each_code_is_explained() -> None:
    modules = sorted((REPOSITORY / "ftworker" / "providers").glob("openai*.py"))
    codes = {code for module in modules for code in CODE.findall(module.read_text(encoding="utf-8"))}
    assert {"no_api_key", "model_not_found", "moderation", "unreachable", "dataset_changed"} <= codes
    rare = {
        "account_deactivated",
        "organization_deactivated",
        "access_terminated",
        "unsupported_country_region_territory",
    }
    missing = {code for code in codes | (CLOSED - rare) if f"`{code}`" not in PAGE}
    assert missing == set()


def test_each_code_that_a_run_ends_with_besides_is_explained() -> None:
    modules = sorted((REPOSITORY / "ftworker" / "runs").glob("*.py"))
    codes = {code for module in modules for code in RUN_CODE.findall(module.read_text(encoding="utf-8"))}
    assert {"not_cancelled", "outcome_unknown", "needs_person", "unexpected_error"} <= codes
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()
