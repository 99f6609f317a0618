"""Connections and transactions to ftworker's PostgreSQL, and the named queries of the `.sql` files.

One connection for each thread of each process, opened when first needed and again after a failure. Errors of
the driver become DatabaseUnavailable (transient) or DatabaseRejected; no other error is touched.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from ftworker.errors import DatabaseRejected, DatabaseUnavailable
from ftworker.store.answers import AnsweringConnection, AnsweringCursor, NamedRowsCursor

if TYPE_CHECKING:

    class Cursor(psycopg2.extensions.cursor):
        """A cursor inside a transaction. Rows are named tuples; the statement decides names and types."""

        def fetchone(self) -> Any: ...
        def fetchall(self) -> list[Any]: ...
else:
    Cursor = psycopg2.extensions.cursor

CONNECT_TIMEOUT_SECONDS = 10
ANSWER_SECONDS = 600.0
"""Longest wait for the answer to one statement where no configuration says another (`network.statement_seconds`)."""
READ_ONLY = "25006"
"""SQLSTATE of a write on a standby: after a failover the name soon points at the new primary."""


class QueryFile(dict[str, str]):
    """The named queries of one `.sql` file: `-- name: NAME` begins each, a sentence of guarantee follows."""

    def __init__(self, filename: str) -> None:
        super().__init__()
        text = files("ftworker.store").joinpath("queries", filename).read_text(encoding="utf-8")
        for part in text.split("-- name: ")[1:]:
            name, _, body = part.partition("\n")
            self[name.strip()] = body.strip()


@cache
def queries(filename: str) -> QueryFile:
    """The named queries of a file in store/queries, read once."""
    return QueryFile(filename)


# Let the server find a client that vanished: by its own default a worker's machine that lost power would hold its row
# locks, and with them every sweep, for more than two hours. Without effect where the connection is no TCP.
_SESSION = """
SET TIME ZONE 'UTC';
SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;
SET idle_in_transaction_session_timeout = %(milliseconds)s
"""


def connect(
    url: str, *, application_name: str = "ftworker", answer_seconds: float = ANSWER_SECONDS
) -> AnsweringConnection:
    """A new connection in UTC. Raises DatabaseUnavailable without the URL's password in its text."""
    try:
        connection = psycopg2.connect(
            url,
            connection_factory=AnsweringConnection,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=application_name,
            cursor_factory=NamedRowsCursor,
            # A server that vanished (power, a firewall that forgot the connection) is found within a minute.
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=60_000,
        )
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(
            f"PostgreSQL does not accept a connection: {_without_password(_first_line(error))}; "
            "check FTWORKER_DATABASE_URL"
        ) from None
    except psycopg2.ProgrammingError:
        raise DatabaseUnavailable(
            "FTWORKER_DATABASE_URL is not a PostgreSQL URL; expected postgresql://user:password@host:5432/name"
        ) from None
    connection.answer_seconds = answer_seconds
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SESSION, {"milliseconds": int(answer_seconds * 1000)})
        connection.commit()
    except psycopg2.Error as error:
        # A server that stops between its greeting and its first answer.
        connection.close()
        raise DatabaseUnavailable(f"PostgreSQL dropped a new connection: {_first_line(error)}") from None
    return connection


class Snapshot:
    """Reads of one moment: every statement sees the same rows. Made by `Store.snapshot`, and good until it ends."""

    def __init__(self, connection: AnsweringConnection) -> None:
        self._connection = connection
        self._streams = 0

    def stream(self, query: str, parameters: Any, *, fetch_size: int = 2_000) -> Iterator[Any]:
        """Rows, as plain tuples, through a server-side cursor: memory stays flat."""
        self._streams += 1
        # Plain tuples: naming every row would cost as much as reading it.
        name = f"ftworker_stream_{self._streams}"
        cursor = self._connection.cursor(name, cursor_factory=AnsweringCursor)
        cursor.itersize = fetch_size
        cursor.execute(query, parameters)
        return _rows_of(cursor)

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor for statements whose rows are few. Rows are named tuples."""
        with self._connection.cursor() as cursor:
            yield cast(Cursor, cursor)


class Store:
    """ftworker's database. Cheap to make; connects when first used; safe to share by threads and forks."""

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`answer_seconds` is the longest wait for one answer of a server that neither answers nor hangs up."""
        self._url = url
        self._answer_seconds = answer_seconds
        self._local = threading.local()

    def within(self, answer_seconds: float) -> Store:
        """The same database for somebody who waits for no answer longer than that."""
        return Store(self._url, answer_seconds=min(answer_seconds, self._answer_seconds))

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """One transaction: committed at the end of the block, rolled back by any exception.

        Raises DatabaseUnavailable when the server is away or drops the connection; nothing of the block was
        kept (for the commit itself that is unknown, which is why every writer of ftworker may be repeated).
        """
        connection = self._connection()
        try:
            with connection, connection.cursor() as cursor:
                self._local.cursor = cursor
                try:
                    yield cast(Cursor, cursor)
                finally:
                    self._local.cursor = None
        except psycopg2.Error as error:
            if connection.closed or _passes(error):
                self._discard(connection)
                raise DatabaseUnavailable(
                    f"PostgreSQL dropped the transaction: {_first_line(error)}"
                ) from None
            raise _refused(error) from None
        except BaseException:
            if connection.closed:
                self._discard(connection)
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One moment of the database to read, for as long as it takes, on a connection of its own."""
        connection = connect(self._url, answer_seconds=self._answer_seconds)
        try:
            # A fixed snapshot: rows that arrive meanwhile cannot appear in half of an export.
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection:
                with connection.cursor() as cursor:
                    # Writing files and looking through them asks nothing for as long as it takes: ended meanwhile, an
                    # export of many examples would begin anew for ever. A snapshot holds no locks; the day is for a
                    # process that was stopped in the middle.
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '1 d'")
                yield Snapshot(connection)
        except psycopg2.Error as error:
            if connection.closed or _passes(error):
                raise DatabaseUnavailable(f"PostgreSQL dropped the export: {_first_line(error)}") from None
            raise _refused(error) from None
        finally:
            connection.close()

    @contextmanager
    def stream(self, query: str, parameters: Any, *, fetch_size: int = 2_000) -> Iterator[Iterator[Any]]:
        """Rows of one query through a server-side cursor on a connection of its own: memory stays flat."""
        with self.snapshot() as snapshot:
            yield snapshot.stream(query, parameters, fetch_size=fetch_size)

    def now(self) -> datetime:
        """The time by the database's clock, the one that all processes share. Raises DatabaseUnavailable.

        May be asked inside a transaction of this thread too.
        """
        inside = getattr(self._local, "cursor", None)
        if inside is not None:
            # A cursor of its own: what the transaction's was asked may not be fetched yet.
            with inside.connection.cursor() as cursor:
                return _read_clock(cursor)
        with self.transaction() as cursor:
            return _read_clock(cursor)

    def close(self) -> None:
        """Close this thread's connection, if it has one."""
        held = getattr(self._local, "held", None)
        self._local.held = None
        # The goodbye of a forked child on its parent's socket would end the parent's session.
        if held is not None and held[0] == os.getpid():
            self._discard(held[1])

    def _connection(self) -> AnsweringConnection:
        held = getattr(self._local, "held", None)
        # A forked child must not speak on its parent's socket.
        if held is not None and held[0] == os.getpid() and not held[1].closed:
            connection: AnsweringConnection = held[1]
            return connection
        connection = connect(self._url, answer_seconds=self._answer_seconds)
        self._local.held = (os.getpid(), connection)
        return connection

    def _discard(self, connection: AnsweringConnection) -> None:
        self._local.held = None
        try:
            connection.close()
        except psycopg2.Error:
            return


def _read_clock(cursor: Cursor) -> datetime:
    cursor.execute("SELECT clock_timestamp() AS now")
    now: datetime = cursor.fetchone().now
    return now


def _rows_of(cursor: psycopg2.extensions.cursor) -> Iterator[Any]:
    with cursor:
        while rows := cursor.fetchmany(cursor.itersize):
            yield from rows


def _passes(error: psycopg2.Error) -> bool:
    """Whether the statement can succeed later: the server is away, shut down, full, or chose a victim."""
    if error.pgcode is not None:
        # Limits of the program itself (a value too large for an index) stay; a read-only standby does not.
        return not error.pgcode.startswith("54") and (
            isinstance(error, psycopg2.OperationalError) or error.pgcode == READ_ONLY
        )
    return isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)


def _refused(error: psycopg2.Error) -> DatabaseRejected:
    place = getattr(error.diag, "constraint_name", None) or getattr(error.diag, "table_name", None) or ""
    if error.pgcode is None:
        # The driver's own words about our use of it, such as a transaction inside a transaction.
        return DatabaseRejected(
            f"a statement could not be sent: {type(error).__name__}: {_first_line(error)}"
        )
    if isinstance(error, psycopg2.errors.UndefinedTable | psycopg2.errors.InvalidSchemaName):
        return DatabaseRejected("ftworker's tables are not in this database; run `ftworker migrate`")
    if isinstance(error, psycopg2.errors.InsufficientPrivilege):
        # Its first line names the database, schema or table alone.
        return DatabaseRejected(
            f"PostgreSQL refused a statement: {_first_line(error)}; ftworker's own database must let its role make "
            "and change the schema `ftworker`: GRANT CREATE ON DATABASE ... TO ..., or name another in "
            "FTWORKER_DATABASE_URL"
        )
    return DatabaseRejected(
        f"PostgreSQL refused a statement: {error.pgcode} {type(error).__name__} {place}".rstrip()
    )


def _first_line(error: BaseException) -> str:
    # Later lines of a PostgreSQL message (DETAIL, CONTEXT) can echo the text of a row.
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _without_password(text: str) -> str:
    # A password with an unescaped "@" is read as part of the host's name, which the driver then quotes.
    return re.sub(r'"[^"]*@', '"***@', text)
