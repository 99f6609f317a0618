"""Read-only connections to a RAG's store: short transactions, one snapshot each, errors told apart by what
helps.

Never writes, never keeps a transaction open between calls, never lets the text of a row or a password into a
message. `postgres` runs its statements here; `detect` looks around here.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
from psycopg2 import sql

from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.silence import MARGIN_SECONDS, answer_within

CONNECT_TIMEOUT_SECONDS = 10
KEPT_CONNECTIONS = 2
"""Idle connections that a process keeps: the walk of a sweep and a fetch beside it. More are closed after
use."""

# The server refuses a login before any error code reaches the client, so only its words are left to go by:
# English and Spanish. In any other language a wrong password looks like an outage, and its message still
# shows.
_REFUSED_FOR_GOOD = (
    "authentication failed", "autentificación", "does not exist", "no existe", "pg_hba.conf",
    "permission denied", "permiso denegado", "not permitted to log in", "no se le permite",
    "no password supplied",
    "does not support SSL", "invalid sslmode", "invalid port", "invalid integer value", "certificate",
)  # fmt: skip

# Their first line names tables, columns and roles, never the text of a row.
_SAYS_NAMES_ALONE = (
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.AmbiguousColumn,
    psycopg2.errors.InsufficientPrivilege,
    psycopg2.errors.InvalidSchemaName,
    psycopg2.errors.DatatypeMismatch,
    psycopg2.errors.FeatureNotSupported,
)


class Name(sql.Identifier):
    """A name of a table or column, quoted, for a statement that takes parameters: there a bare `%` is a parameter."""

    def as_string(self, context: Any = None) -> str:
        quoted: str = super().as_string(context)
        return quoted.replace("%", "%%")


class UnreadableRows(Exception):
    """Something in the rows asked for cannot be read: broken bytes, a value of a wrong form, too large to
    send.

    Stays inside `ftworker.sources`: `postgres` finds the conversation that it is about.
    """


class Reading:
    """One read-only transaction: every statement in it sees the same moment of the store."""

    def __init__(self, connection: psycopg2.extensions.connection, answer_seconds: float) -> None:
        self._connection = connection
        self._answer_seconds = answer_seconds
        self._streams = 0

    def rows(
        self, statement: str | sql.Composable, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """All rows of a statement with a small answer."""
        with self._connection.cursor() as cursor:
            with self._asking():
                cursor.execute(statement, parameters or {})
            return cursor.fetchall()

    def value(self, statement: str | sql.Composable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None when there is no row."""
        rows = self.rows(statement, parameters)
        return rows[0][0] if rows else None

    def column_types(self, statement: sql.Composable, parameters: Mapping[str, Any]) -> dict[str, int]:
        """The type numbers of the columns that a statement would give, without running it through."""
        with self._connection.cursor() as cursor, self._asking():
            cursor.execute(sql.SQL("SELECT * FROM ({}) AS nothing LIMIT 0").format(statement), parameters)
            return {column.name: column.type_code for column in cursor.description or ()}

    def stream(
        self, statement: sql.Composable, parameters: Mapping[str, Any], fetch_size: int
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of a large answer, `fetch_size` at a time through a server-side cursor: memory stays flat."""
        self._streams += 1
        cursor = self._connection.cursor(name=f"ftworker_{self._streams}")
        with self._asking():
            cursor.execute(statement, parameters)
        while rows := self._fetch(cursor, fetch_size):
            yield from rows
        with self._asking():
            cursor.close()

    def _fetch(self, cursor: psycopg2.extensions.cursor, count: int) -> list[tuple[Any, ...]]:
        with self._asking():
            return cursor.fetchmany(count)

    def _asking(self) -> AbstractContextManager[None]:
        return _asking(self._connection, self._answer_seconds)


class Connections:
    """The connections of one source. Safe between threads and after a fork; connects when first used."""

    def __init__(
        self,
        source_name: str,
        url: str,
        *,
        statement_timeout_seconds: float,
        time_zone: str,
        margin_seconds: float = MARGIN_SECONDS,
    ) -> None:
        """The server ends a statement after its time; one that has not said so after `margin_seconds` more is away."""
        self._source_name = source_name
        self._url = url
        self._statement_timeout_seconds = statement_timeout_seconds
        self._answer_seconds = statement_timeout_seconds + margin_seconds
        # The session's zone is the one that times without a zone are in, so that comparing them with a time
        # is right and can still use their index. A planner that expects a tenth of a cursor's rows would
        # choose slow ways to read all of them; compiling a statement that runs for milliseconds costs more
        # than it saves.
        self._begin = sql.SQL(
            "SET LOCAL TIME ZONE {}; SET LOCAL statement_timeout = {};"
            " SET LOCAL cursor_tuple_fraction = 1; SET LOCAL jit = off"
        ).format(sql.Literal(time_zone), sql.Literal(int(statement_timeout_seconds * 1000)))
        self._lock = threading.Lock()
        self._kept: list[tuple[int, psycopg2.extensions.connection]] = []

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A transaction that can only read. Raises SourceUnavailable, SourceRejected or UnreadableRows."""
        connection = self._begun()
        try:
            yield Reading(connection, self._answer_seconds)
        except psycopg2.Error as error:
            raise self._translated(error) from None
        except UnicodeDecodeError:
            # SQL_ASCII databases hand out whatever bytes were put in. The error's text would show them.
            raise UnreadableRows("bytes that are no UTF-8") from None
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close every idle connection of this process."""
        with self._lock:
            kept, self._kept = self._kept, []
        for pid, connection in kept:
            if pid == os.getpid():
                connection.close()

    def _begun(self) -> psycopg2.extensions.connection:
        kept = self._take()
        if kept is not None:
            try:
                self._execute_begin(kept)
                return kept
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                kept.close()  # it went stale while it was idle (a restart, a firewall): that is no outage yet
        connection = self._connect()
        try:
            self._execute_begin(connection)
        except psycopg2.DataError:
            connection.close()
            raise SourceRejected(
                f"source {self._source_name}: the server does not know the time zone in "
                f"sources.{self._source_name}.naive_timezone; expected a name such as Europe/Madrid"
            ) from None
        except psycopg2.Error as error:
            connection.close()
            raise self._translated(error) from None
        return connection

    def _execute_begin(self, connection: psycopg2.extensions.connection) -> None:
        with connection.cursor() as cursor, _asking(connection, self._answer_seconds):
            cursor.execute(self._begin)

    def _take(self) -> psycopg2.extensions.connection | None:
        with self._lock:
            # A forked child must not speak on its parent's socket, nor close it.
            self._kept = [(pid, connection) for pid, connection in self._kept if pid == os.getpid()]
            return self._kept.pop()[1] if self._kept else None

    def _give_back(self, connection: psycopg2.extensions.connection) -> None:
        try:
            with _asking(connection, self._answer_seconds):
                connection.rollback()
        except psycopg2.Error:
            connection.close()
        if connection.closed:
            return
        with self._lock:
            if len(self._kept) < KEPT_CONNECTIONS:
                self._kept.append((os.getpid(), connection))
                return
        connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        password = _password(self._source_name, self._url)
        try:
            connection = psycopg2.connect(
                self._url,
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                application_name=f"ftworker source {self._source_name}",
                # A server that vanished (power, a firewall that forgot the connection) is found within a minute.
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
                tcp_user_timeout=60_000,
            )
            # In each BEGIN and not by SET: behind a pooler in transaction mode, a SET would stay on the
            # server's connection and make the RAG itself read-only.
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            connection.set_client_encoding("UTF8")
        except psycopg2.Error as error:
            text = _first_line(error)
            if password:
                text = text.replace(password, "***")
            if any(words in text for words in _REFUSED_FOR_GOOD):
                raise SourceRejected(
                    f"source {self._source_name}: the server refuses the connection: {text}; "
                    f"correct sources.{self._source_name}.url (or url_env), or the rights of its role"
                ) from None
            raise SourceUnavailable(
                f"source {self._source_name}: the server does not answer: {text}; its conversations wait"
            ) from None
        return connection

    def _translated(self, error: psycopg2.Error) -> Exception:
        source = f"source {self._source_name}"
        match error:
            case psycopg2.errors.QueryCanceled():
                return SourceUnavailable(
                    f"{source}: a statement took longer than {self._statement_timeout_seconds:g} s; "
                    f"`ftworker sources test {self._source_name}` says which index helps, or raise "
                    f"sources.{self._source_name}.statement_timeout_seconds"
                )
            case (
                psycopg2.DataError()
                | psycopg2.errors.ProgramLimitExceeded()
                | psycopg2.errors.InternalError_()
                | psycopg2.errors.DataCorrupted()
            ):
                return UnreadableRows(_kind(error))
            case psycopg2.OperationalError() | psycopg2.InterfaceError():
                return SourceUnavailable(
                    f"{source}: the server ended the statement: {_first_line(error)}; its conversations wait"
                )
            case psycopg2.errors.InsufficientPrivilege():
                return SourceRejected(
                    f"{source}: {_first_line(error)}; grant its role USAGE on the schema, SELECT on the table"
                )
            case _:
                pass
        said = _first_line(error) if isinstance(error, _SAYS_NAMES_ALONE) else _kind(error)
        return SourceRejected(
            f"{source}: the server refuses the statement: {said}; "
            f"`ftworker sources test {self._source_name}` compares the configuration with the tables"
        )


def _asking(
    connection: psycopg2.extensions.connection, answer_seconds: float
) -> AbstractContextManager[None]:
    """What is inside asks the server one thing, and is lost when it stays silent."""
    return answer_within(connection.fileno(), answer_seconds, psycopg2.OperationalError)


def array_literal(values: Sequence[str]) -> str:
    """The values as the text of a PostgreSQL array, which takes the type of the column that it is compared
    with."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def _password(source_name: str, url: str) -> str:
    """The password in a URL, so that it can be kept out of messages; raises SourceRejected for what is no
    URL.

    A password with a bare `@` or `/` makes libpq take its rest for the host, and say it: refused before it is
    tried.
    """
    if re.match(r"postgres(?:ql)?://", url):
        authority, _, rest = re.sub(r"^[a-z]+://", "", url).partition("/")
        authority, _, query = authority.partition("?")
        if authority.count("@") > 1 or ("@" not in authority and "@" in rest + query):
            raise SourceRejected(
                f"source {source_name}: its URL cannot be read: @ / ? # : and % in a password must be "
                "written as %40 %2F %3F %23 %3A and %25"
            )
    try:
        password: str = psycopg2.extensions.parse_dsn(url).get("password", "")
    except psycopg2.Error:
        raise SourceRejected(
            f"source {source_name}: its URL is no PostgreSQL URL; expected "
            "postgresql://user:password@host:5432/name, with % in a password written as %25"
        ) from None
    return password


def _first_line(error: psycopg2.Error) -> str:
    # Later lines (DETAIL, CONTEXT, the statement itself) can echo the text of a row.
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _kind(error: psycopg2.Error) -> str:
    """The error's name and code alone: `InvalidTextRepresentation (22P02)`."""
    return f"{type(error).__name__} ({error.pgcode})" if error.pgcode else type(error).__name__
