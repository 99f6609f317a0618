"""The installation that tests of runs work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.worlds import World


@pytest.fixture
def world(emptied_database_url: str, tmp_path: Path) -> Iterator[World]:
    """An empty installation with one pipeline at a fake, paid provider."""
    made = World.make(emptied_database_url, tmp_path)
    yield made
    made.store.close()
