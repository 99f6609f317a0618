"""The installation that tests of runs work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.worlds import World
from tests.servers import PostgresServer


@pytest.fixture(scope="module")
def _one_database(postgres_server: PostgresServer, _template_database: str) -> Iterator[str]:
    """One database for all tests of a module: making one takes longer than most of these tests."""
    postgres_server.start()
    url = postgres_server.create_database(template=_template_database)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def world(_one_database: str, tmp_path: Path) -> Iterator[World]:
    """An empty installation with one pipeline at a fake, paid provider."""
    made = World.make(_one_database, tmp_path)
    made.empty()
    yield made
    made.store.close()
