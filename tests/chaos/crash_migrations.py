"""`ftworker migrate` killed at every statement, and before and after its commit, on the database of a plant to be.

After each kill either nothing is there or everything; the last migration goes through, and the plant works on it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import psycopg2

from tests.chaos.crash_board import Arm, Crashed
from tests.chaos.crash_plant import CrashPlant

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = 'ftworker' UNION ALL
SELECT indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = 'ftworker' ORDER BY 1, 2
"""


def crash_migrations(plant: CrashPlant, only: str = "") -> Crashed:
    """Migrate anew the database of a plant whose processes do not run yet, with a kill at every point."""
    done = Crashed()
    whole = schema(plant)
    drop(plant)
    plant.board.passed()
    migrate(plant)
    points = [
        (name, time)
        for name, count in plant.board.passed().items()
        for time in range(1, count + 1)
        if re.search(only, name)
    ]
    for name, time in points:
        wrong = crash_migration(plant, Arm(f"^{re.escape(name)}$", time), whole)
        done.violations += [f"{name}, time {time}: {what}" for what in wrong]
        done.crashed.append(name)
    return done


def crash_migration(plant: CrashPlant, arm: Arm, whole: Sequence[tuple[str, ...]]) -> list[str]:
    """Kill one migration of an empty database and let another go through; what is wrong then. `whole` is the schema
    that has to come of it.
    """
    drop(plant)
    before = len(plant.board.struck())
    plant.board.arm({f"migration-{before}": arm})
    plant.migrate()
    plant.board.arm({})
    if len(plant.board.struck()) == before:
        return ["HARNESS: never reached"]
    left = schema(plant)
    migrate(plant)
    return [
        *(["a part of the schema was left"] if left not in ([], whole) else []),
        *(["migrated anew, the schema is another"] if schema(plant) != whole else []),
    ]


def migrate(plant: CrashPlant) -> None:
    """Let one go through."""
    ended = plant.migrate()
    assert ended.returncode == 0, ended.stderr


@contextlib.contextmanager
def _database(plant: CrashPlant) -> Iterator[psycopg2.extensions.cursor]:
    with (
        contextlib.closing(psycopg2.connect(plant.plant.direct_database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def schema(plant: CrashPlant) -> list[tuple[str, ...]]:
    """Every column and index that is there; nothing for a database that was never migrated."""
    with _database(plant) as cursor:
        cursor.execute(COLUMNS)
        return cursor.fetchall()


def drop(plant: CrashPlant) -> None:
    with _database(plant) as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS ftworker CASCADE")
