"""docs/DATASETS.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from ftworker.curation.reasons import DropReason
from ftworker.datasets.checks import Check

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "DATASETS.md").read_text(encoding="utf-8")


def test_every_drop_reason_stands_in_the_table_with_its_meaning_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:[^|]|\\\|)+) \|$", TEXT, re.MULTILINE)
    assert rows == [(reason.value, reason.meaning.replace("|", "\\|")) for reason in DropReason]


def test_every_check_stands_in_the_table_with_level_and_meaning_in_order() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (error|warning) \| ((?:[^|]|\\\|)+) \|$", TEXT, re.MULTILINE)
    assert rows == [(check.value, check.level, check.meaning.replace("|", "\\|")) for check in Check]
