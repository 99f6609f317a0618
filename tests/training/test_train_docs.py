"""docs/LOCAL.md explains every setting of a training and every code that it ends with."""

from __future__ import annotations

import re

import pytest

from ftworker.settings import TrainerSettings
from ftworker.training.presets import CPU_ROW_TOKENS, MAX_LENGTH
from tests.conftest import REPOSITORY

SECTION = (
    (REPOSITORY / "docs" / "LOCAL.md")
    .read_text(encoding="utf-8")
    .partition("\n## Training here\n")[2]
    .partition("\n## ")[0]
)
MODULES = (
    "base_model",
    "devices",
    "lora",
    "loop",
    "rendering",
    "rows",
    "stage",
    "train",
)


def codes() -> set[str]:
    """What the trainer's modules raise by name."""
    folder = REPOSITORY / "ftworker" / "training"
    text = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES)
    return set(re.findall(r'(?:StageFailed|Failed)\(\s*"([a-z_]+)"', text))


@pytest.mark.parametrize("key", sorted(TrainerSettings.model_fields))
def test_each_setting_of_a_training_is_explained(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", SECTION, re.MULTILINE)


def test_each_code_that_a_training_ends_with_says_what_to_do() -> None:
    table = set(
        re.findall(r"^\| `([a-z_]+)` \|", SECTION.partition("### When training fails")[2], re.MULTILINE)
    )
    assert codes() == table
    assert len(table) > 8


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"at most {MAX_LENGTH:,} and the base's context" in SECTION
    assert f"rows of {CPU_ROW_TOKENS} tokens on a CPU" in SECTION
    patience = TrainerSettings().early_stop_patience
    assert f"| `early_stop_patience` | {patience} |" in SECTION
    assert f"| `checkpoint_interval_seconds` | {TrainerSettings().checkpoint_interval_seconds:g} |" in SECTION
    assert f"| `warmup_share` | {TrainerSettings().warmup_share} |" in SECTION
