"""docs/DATASETS.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftworker.cli.datasets import datasets
from ftworker.curation.reasons import DropReason
from ftworker.datasets.audit import Leak
from ftworker.datasets.checks import Check
from ftworker.datasets.difference import ABSENT
from ftworker.datasets.selection import LeftOutReason

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "DATASETS.md").read_text(encoding="utf-8")


def test_every_drop_reason_stands_in_the_table_with_its_meaning_in_order() -> None:
    section = TEXT.partition("## Why something is left out")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ((?:[^|]|\\\|)+) \|$", section, re.MULTILINE)
    assert rows == [(reason.value, reason.meaning.replace("|", "\\|")) for reason in DropReason]


@pytest.mark.parametrize("title,codes", [("Selection", LeftOutReason), ("Audit", Leak)])
def test_what_a_selection_leaves_out_and_an_audit_finds_stands_in_its_table(
    title: str, codes: type[LeftOutReason | Leak]
) -> None:
    section = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", section, re.MULTILINE)
    assert rows == [(code.value, code.meaning) for code in codes]


def test_every_reason_of_a_difference_stands_in_its_table_with_its_meaning() -> None:
    section = TEXT.partition("**`diff`**")[2].partition("**`export`**")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", section, re.MULTILINE)
    assert dict(rows) == ABSENT


def test_every_command_stands_in_its_table() -> None:
    section = TEXT.partition("## The commands")[2].partition("**`diff`**")[0]
    assert set(re.findall(r"^\| `ftworker datasets (\w+)", section, re.MULTILINE)) == set(datasets.commands)


def test_every_check_stands_in_the_table_with_level_and_meaning_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (error|warning) \| ((?:[^|]|\\\|)+) \|$", TEXT, re.MULTILINE)
    assert rows == [(check.value, check.level, check.meaning.replace("|", "\\|")) for check in Check]
