"""Numbered migrations of the schema `ftworker`: what is missing, in one transaction. Migrators wait in line."""

from __future__ import annotations

from importlib.resources import files

from ftworker.errors import PermanentError
from ftworker.store.connection import Cursor, Store

LOCK_KEY = 0x66747772  # "ftwr": the advisory lock that serialises migrators
MIGRATION_SECONDS = 24 * 3_600.0
MINIMUM_POSTGRESQL = 140_000
"""Oldest PostgreSQL that is tested and still maintained by its makers: 14."""


def available_migrations() -> list[tuple[str, str]]:
    """Name and SQL of every migration, in order."""
    folder = files("ftworker.store").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(name.removesuffix(".sql"), folder.joinpath(name).read_text(encoding="utf-8")) for name in names]


def migrate(url: str) -> list[str]:
    """Bring the schema up to date and return the names of what was applied. Repeatable, also in parallel.

    Raises PermanentError, with nothing changed, for a PostgreSQL that is too old and for a schema that is newer.
    """
    # An index of a large table takes its time.
    store = Store(url, answer_seconds=MIGRATION_SECONDS)
    applied = []
    try:
        with store.transaction() as cursor:
            number, version = server_version(cursor)
            if number < MINIMUM_POSTGRESQL:
                raise PermanentError(
                    f"PostgreSQL {version} is too old, and nothing was changed in it; use PostgreSQL 14 or newer"
                )
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
            cursor.execute("CREATE SCHEMA IF NOT EXISTS ftworker")
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS ftworker.migrations ("
                "name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            done = _applied(cursor)
            unknown = done - {name for name, _ in available_migrations()}
            if unknown:
                raise PermanentError(
                    f"the database has migrations that this version does not know "
                    f"({', '.join(sorted(unknown))}); it was used by a newer ftworker: upgrade this one"
                )
            for name, statements in available_migrations():
                if name not in done:
                    cursor.execute(statements)
                    cursor.execute("INSERT INTO ftworker.migrations (name) VALUES (%s)", (name,))
                    applied.append(name)
    finally:
        store.close()
    return applied


def server_version(cursor: Cursor) -> tuple[int, str]:
    """PostgreSQL's version as a number to compare with MINIMUM_POSTGRESQL, and as it is shown."""
    cursor.execute(
        "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version"
    )
    row = cursor.fetchone()
    return row.number, row.version


def pending_migrations(store: Store) -> list[str]:
    """Names of the migrations that the database lacks; all of them when it has never been migrated."""
    with store.transaction() as cursor:
        cursor.execute("SELECT to_regclass('ftworker.migrations')")
        row = cursor.fetchone()
        done = _applied(cursor) if row and row[0] else set()
    return [name for name, _ in available_migrations() if name not in done]


def _applied(cursor: Cursor) -> set[str]:
    cursor.execute("SELECT name FROM ftworker.migrations")
    return {row.name for row in cursor.fetchall()}
