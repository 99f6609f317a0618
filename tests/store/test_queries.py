"""The named queries: PostgreSQL understands each, each says what it guarantees, and each is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftworker.store import Store
from ftworker.store.connection import queries
from ftworker.store.examples import SELECTION_COLUMNS
from ftworker.store.runs import COLUMNS
from ftworker.store.trainings import COLUMNS as TRAINING_COLUMNS
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / "ftworker" / "store" / "queries"
FILES = sorted(path.name for path in FOLDER.glob("*.sql"))
ALL = [(file, name) for file in FILES for name in queries(file)]

# Filled in by store.runs and store.examples before the statement is sent.
FILLED = {
    "{columns}": COLUMNS,
    "{example_columns}": SELECTION_COLUMNS,
    "{training_columns}": TRAINING_COLUMNS,
    "{selected}": "SELECT kind, reason, conversation_id, turn FROM explained",
    "{assignments}": ", error_code = %(set_error_code)s",
}


@pytest.fixture(scope="module")
def store(_module_database: str) -> Iterator[Store]:
    made = Store(_module_database)
    yield made
    made.close()


def statements(file: str, name: str) -> list[str]:
    text = queries(file)[name]
    for mark, filling in FILLED.items():
        text = text.replace(mark, filling)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def numbered(statement: str) -> str:
    """The statement with `$1` for its first named parameter, and so on."""
    for number, name in enumerate(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)), start=1):
        statement = statement.replace(f"%({name})s", f"${number}")
    return statement.replace("%%", "%")


@pytest.mark.parametrize("file, name", ALL, ids=lambda value: value.removesuffix(".sql"))
def test_postgresql_understands_every_query(store: Store, file: str, name: str) -> None:
    with store.transaction() as cursor:
        for statement in statements(file, name):
            if statement.startswith("SET "):
                # A setting cannot be prepared; its parameter is a number of milliseconds.
                cursor.execute(re.sub(r"%\(\w+\)s", "1000", statement))
                continue
            cursor.execute("PREPARE query AS " + numbered(statement))
            cursor.execute("DEALLOCATE query")
        cursor.connection.rollback()


def test_every_query_is_used() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "ftworker" / "store").glob("*.py")
    )
    built = {f"stream_{strategy}" for strategy in ("all", "new", "replay")}
    assert 'f"stream_{strategy}"' in code
    unused = [f"{file}: {name}" for file, name in ALL if f'"{name}"' not in code and name not in built]
    assert unused == []


@pytest.mark.parametrize("file", FILES)
def test_no_name_is_given_twice_in_a_file(file: str) -> None:
    names = re.findall(r"^-- name: (\S+)$", (FOLDER / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names)) == len(queries(file))


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "ftworker" / "store").glob("*.py")), ids=lambda p: p.stem
)
def test_no_value_is_put_into_a_statement_by_formatting(path: Path) -> None:
    """Statements are constants. What `store.runs` fills in are names of columns from a list of its own."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"execute\(\s*f[\"']", text)
    assert not re.search(r"execute\([^)]*\.format\(", text)
