"""docs/LOCAL.md, "Conversion", names every code and every architecture of the conversion, and no other."""

from __future__ import annotations

import ast
import re

from ftworker.training.gguf.architectures import MODEL_TYPES, MODULES
from tests.conftest import REPOSITORY

SECTION = (
    (REPOSITORY / "docs" / "LOCAL.md")
    .read_text(encoding="utf-8")
    .split("\n## Conversion\n")[1]
    .split("\n## ")[0]
)


def first_cells(heading: str) -> set[str]:
    """The names in backticks of a table's first column."""
    table = SECTION.split(f"| {heading} |")[1].split("\n\n")[0]
    return {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def raised_codes() -> set[str]:
    """The first argument of every GgufProblem, and of what is raised where a base is located."""
    codes: set[str] = set()
    for file in [
        *REPOSITORY.glob("ftworker/training/gguf/*.py"),
        REPOSITORY / "ftworker/training/base_source.py",
        REPOSITORY / "ftworker/training/convert.py",
    ]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"GgufProblem", "StageFailed"}
            ):
                assert isinstance(node.args[0], ast.Constant), file
                codes.add(str(node.args[0].value))
    return codes


def test_every_code_says_what_to_do() -> None:
    assert first_cells("code") == raised_codes()


def test_every_architecture_and_model_type_is_named() -> None:
    assert first_cells("`general.architecture`") == set(MODULES)
    assert [name for name in MODEL_TYPES if name not in SECTION] == []
