"""The fixture of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accumulate.bench import Bench


@pytest.fixture
def bench(emptied_database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(emptied_database_url, tmp_path)
    yield made
    made.store.close()
