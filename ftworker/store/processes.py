"""Which processes of ftworker are alive: a row that each renews while it works.

Never decides what to do about a dead one: `ftworker status` and `doctor` read the rows and say.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime

from ftworker import __version__
from ftworker.store.connection import Cursor, queries

BEAT_SECONDS = 15.0
"""How often a process renews its row. One not seen for four times as long is taken for dead."""

_STARTED = time.time()


def seen(cursor: Cursor, name: str) -> None:
    """Say that this process, of kind `name` (ingest, worker, trainer, beat, web), is alive now."""
    cursor.execute(
        queries("processes.sql")["seen"],
        {**_identity(name), "started_at": datetime.fromtimestamp(_STARTED, UTC), "version": __version__},
    )
    cursor.execute(queries("processes.sql")["forget_dead"])


def gone(cursor: Cursor, name: str) -> None:
    """Say that this process ends in order; a clean stop must not look like a death."""
    cursor.execute(queries("processes.sql")["gone"], _identity(name))


def is_alive(cursor: Cursor, name: str, host: str | None) -> bool:
    """Whether a process of kind `name` was seen lately on `host`, or on any host when that is None."""
    parameters = {"name": name, "host": host, "seconds": 4 * BEAT_SECONDS}
    cursor.execute(queries("processes.sql")["is_alive"], parameters)
    row = cursor.fetchone()
    return row is not None and bool(row.alive)


def _identity(name: str) -> dict[str, str | int]:
    return {"name": name, "host": socket.gethostname(), "pid": os.getpid()}
