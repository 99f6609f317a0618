"""Tells at the end of `make fuzz` what was run."""

from __future__ import annotations

import pytest

from tests.fuzz.cases import CASES, ran


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if CASES:
        for name, number in sorted(ran.items()):
            terminalreporter.write_line(f"{number:>9,}  {name}")
        terminalreporter.write_line(f"{ran.total():>9,}  cases in all")
