"""What tables, columns, types, rights and indexes a store has, compared with what a preset needs.

Reads PostgreSQL's catalog, which every role may read: so a missing table and a missing right are told apart,
and a wrong name is reported with the names that there are before any statement of a preset runs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftworker.sources.connection import Reading, array_literal
from ftworker.sources.contract import Finding
from ftworker.sources.preset import Column, Table, TableUse

_WHERE = """
SELECT current_database()::text, current_user::text,
    EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s),
    coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %(schema)s), false),
    (SELECT coalesce(array_agg(relname::text ORDER BY relname), '{}') FROM pg_class
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)
        AND relkind IN ('r', 'p', 'v', 'm', 'f'))
"""

_COLUMNS = """
SELECT c.relname::text, c.relkind IN ('v', 'm', 'f'), a.attname::text, format_type(a.atttypid, NULL),
    has_column_privilege(c.oid, a.attnum, 'SELECT'),
    EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid
            AND i.indpred IS NULL)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = %(schema)s AND c.relname = ANY(%(tables)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

_WRITABLE = """
SELECT coalesce(array_agg(c.relname::text), '{}')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY(%(tables)s)
    AND (has_table_privilege(c.oid, 'INSERT') OR has_table_privilege(c.oid, 'UPDATE')
         OR has_table_privilege(c.oid, 'DELETE'))
"""


@dataclass(frozen=True)
class Catalog:
    """The part of a store that a source looks at."""

    database: str
    role: str
    schema: str
    schema_exists: bool
    schema_usable: bool
    table_names: tuple[str, ...]
    """Every table and view of the schema, to name the likely one when the configured one is missing."""
    tables: dict[str, Table]


def read_catalog(reading: Reading, schema: str, names: Sequence[str]) -> Catalog:
    """Look at the tables with these names, in two statements."""
    parameters = {"schema": schema, "tables": array_literal(names)}
    ((database, role, exists, usable, table_names),) = reading.rows(_WHERE, parameters)
    columns: dict[str, dict[str, Column]] = {}
    unreadable: dict[str, set[str]] = {}
    leading: dict[str, set[str]] = {}
    views = set()
    for table, is_view, name, type_name, readable, leads in reading.rows(_COLUMNS, parameters):
        columns.setdefault(table, {})[name] = Column(name, type_name)
        if is_view:
            views.add(table)
        if not readable:
            unreadable.setdefault(table, set()).add(name)
        if leads:
            leading.setdefault(table, set()).add(name)
    tables = {
        name: Table(
            name, found, name in views, frozenset(unreadable.get(name, ())), frozenset(leading.get(name, ()))
        )
        for name, found in columns.items()
    }
    return Catalog(database, role, schema, exists, usable, tuple(table_names), tables)


def writable_tables(reading: Reading, schema: str, names: Sequence[str]) -> list[str]:
    """Those of the tables that the role may change, which ftworker never does."""
    found: list[str] = reading.value(_WRITABLE, {"schema": schema, "tables": array_literal(names)})
    return sorted(found)


def compare(source_name: str, catalog: Catalog, uses: Iterable[TableUse]) -> list[Finding]:
    """What is missing for the uses: errors for what cannot work, warnings for what will be slow. Empty:
    all is there."""
    prefix = f"sources.{source_name}."
    if not catalog.schema_exists:
        return [
            Finding(
                "error",
                "schema",
                f"database {catalog.database} has no schema {catalog.schema}",
                f"correct {prefix}schema_name",
            )
        ]
    findings = []
    if not catalog.schema_usable:
        findings.append(
            Finding(
                "error",
                "rights",
                f"role {catalog.role} may not use schema {catalog.schema}",
                f"GRANT USAGE ON SCHEMA {_quoted(catalog.schema)} TO {_quoted(catalog.role)};",
            )
        )
    for use in uses:
        findings += _compare_table(prefix, catalog, use)
    return findings


def _compare_table(prefix: str, catalog: Catalog, use: TableUse) -> list[Finding]:
    table = catalog.tables.get(use.name)
    name = f"{catalog.schema}.{use.name}"
    statement_name = f"{_quoted(catalog.schema)}.{_quoted(use.name)}"
    if table is None:
        advice = (
            f"correct {prefix}{use.setting}" if use.setting else "is this the preset of this store's version?"
        )
        return [
            Finding(
                "error",
                "tables",
                f"database {catalog.database} has no table {name}",
                f"{advice}{_likely(use.name, catalog.table_names)}",
            )
        ]
    findings = []
    missing = [column for column in use.columns if column not in table.columns]
    for column in missing:
        setting = use.columns[column]
        advice = f"correct {prefix}{setting}" if setting else "is this the preset of this store's version?"
        findings.append(
            Finding(
                "error",
                "columns",
                f"table {name} has no column {column}",
                f"{advice}{_likely(column, table.columns)}",
            )
        )
    forbidden = [column for column in use.columns if column in table.unreadable]
    if forbidden:
        findings.append(
            Finding(
                "error",
                "rights",
                f"role {catalog.role} may not read {', '.join(sorted(forbidden))} of table {name}",
                f"GRANT SELECT ON {statement_name} TO {_quoted(catalog.role)};",
            )
        )
    if missing or forbidden or table.is_view:
        return findings
    for column, reason in use.indexes.items():
        if column not in table.leading:
            findings.append(
                Finding(
                    "warning",
                    "indexes",
                    f"table {name} has no index that begins with {column}: {reason}, reading it all",
                    f'CREATE INDEX CONCURRENTLY ON {statement_name} ("{column}");',
                )
            )
    return findings


def _quoted(name: str) -> str:
    """A name as a statement needs it: in quotes where PostgreSQL would read another name without."""
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _likely(name: str, names: Iterable[str]) -> str:
    """The names that there are, the nearest first, so that a slip shows at once."""
    there = list(names)
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
    shown = near + [other for other in there if other not in near][: 12 - len(near)]
    if not shown:
        return "; there are none"
    return f"; there are: {', '.join(shown)}{' and more' if len(there) > len(shown) else ''}"
