"""docs/SECURITY.md names tests that are there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPOSITORY

NAMED = sorted(
    set(
        re.findall(
            r"`([\w/]+\.py)::(\w+)`", (REPOSITORY / "docs" / "SECURITY.md").read_text(encoding="utf-8")
        )
    )
)


@pytest.mark.parametrize("file, name", NAMED)
def test_every_test_that_the_document_names_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8")


def test_every_security_test_is_in_the_document() -> None:
    modules = {f"security/{path.name}" for path in (REPOSITORY / "tests" / "security").glob("test_*.py")}
    assert modules - {"security/test_documentation.py"} <= {file for file, _ in NAMED}
