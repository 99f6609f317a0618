"""docs/LOCAL.md names every code that a job or a program of one's own ends with, and every name of a template."""

from __future__ import annotations

import re
from pathlib import Path

from ftworker.settings import CommandSettings
from ftworker.training.command import values_of
from tests.conftest import REPOSITORY
from tests.training.test_job_templates import order

LOCAL = (REPOSITORY / "docs" / "LOCAL.md").read_text(encoding="utf-8")
MODULES = ("training_job.py", "training/files.py", "training/command.py", "training/command_output.py")


def section(title: str) -> str:
    return LOCAL.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_code_of_the_job_and_of_commands_has_its_line() -> None:
    source = "".join((REPOSITORY / "ftworker" / name).read_text(encoding="utf-8") for name in MODULES)
    codes = set(re.findall(r"StageFailed\(\s*\"(\w+)\"", source)) | {"disk_full", "storage"}
    text = section("A long job that survives") + section("Your own program")
    told = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert codes - told == set()
    assert {code for code in told if code.startswith("command_")} <= codes


def test_every_name_that_is_filled_in_is_in_the_table() -> None:
    table = section("Your own program").split("| name | what it stands for |")[1].split("\n\n")[0]
    told = set(
        re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    assert told == set(values_of(order(CommandSettings()), CommandSettings(), Path("/w")))


def test_every_example_of_a_trainer_is_listed() -> None:
    files = {path.name for path in (REPOSITORY / "config" / "trainers").iterdir()}
    assert set(re.findall(r"config/trainers/([\w.-]+)\)", section("Your own program"))) == files
