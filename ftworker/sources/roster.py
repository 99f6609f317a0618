"""Names of real people out of a source's database: the query that a roster names, run read-only.

Only reads, in one short transaction; never lets a name into a message. `ftworker.rosters` keeps what is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from psycopg2 import sql

from ftworker.errors import SourceRejected
from ftworker.settings import Settings
from ftworker.sources.connection import Connections, UnreadableRows
from ftworker.sources.registry import source_url

FETCH_SIZE = 2_000
"""Names in one answer of the server."""


def query_names(settings: Settings, roster: str) -> Iterator[str]:
    """The first column of the roster's query, row by row; empty values are left out.

    Raises SourceUnavailable (try later) and SourceRejected, both naming the setting and never a row.
    """
    asked = settings.privacy.rosters[roster]
    assert asked.source is not None
    assert asked.query is not None
    where = f"privacy.rosters.{roster}.query"
    source = settings.sources[asked.source]
    connections = Connections(
        asked.source,
        source_url(settings, asked.source),
        statement_timeout_seconds=source.statement_timeout_seconds,
        time_zone=source.naive_timezone,
    )
    with closing(connections):
        try:
            with connections.reading() as reading:
                # A bare % (LIKE 'A%') would be a parameter.
                statement = sql.SQL(asked.query.strip().rstrip(";").replace("%", "%%"))
                for row in reading.stream(statement, {}, FETCH_SIZE):
                    if row[0] is None or row[0] == "":
                        continue
                    if not isinstance(row[0], str):
                        raise SourceRejected(
                            f"{where}: its first column holds {type(row[0]).__name__}, expected text with a name; "
                            "select the name first"
                        )
                    yield row[0]
        except UnreadableRows as error:
            raise SourceRejected(f"{where}: its rows cannot be read: {error}; select text in UTF-8") from None
        except SourceRejected as error:
            raise error if str(error).startswith(where) else SourceRejected(f"{where}: {error}") from None
