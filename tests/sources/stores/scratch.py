"""A database for one script's rows, dropped at the end. Used by the `write_*.py` scripts of this folder, never by a
test; needs psycopg or psycopg2, whichever the script's environment has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

try:
    from psycopg import connect
except ImportError:
    from psycopg2 import connect

NAME = "ftworker_store_rows"


@contextmanager
def scratch_database(server: str) -> Iterator[str]:
    """Make an empty database on the server, give its URL, and drop it."""
    _administer(server, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)", f"CREATE DATABASE {NAME}")
    try:
        yield server.rpartition("/")[0] + "/" + NAME
    finally:
        _administer(server, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def _administer(server: str, *statements: str) -> None:
    connection = connect(server)
    try:
        connection.autocommit = True  # databases are made and dropped outside of transactions
        for statement in statements:
            connection.cursor().execute(statement)
    finally:
        connection.close()
