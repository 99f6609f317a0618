"""Behind PgBouncer in transaction mode: each transaction may get another session, and there are fewer than processes.

What docs/SCALE.md says of it. Two sessions serve everything here.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from ftworker.accumulate import accumulate
from ftworker.embedded.privileges import unprivileged
from ftworker.events.ingest import Ingest
from ftworker.runs.states import RunState
from ftworker.settings import IngestSettings
from ftworker.sources.contract import Source
from ftworker.store import Store, inbox, migrate
from tests.events.test_ingest import Memory, closing
from tests.runs.worlds import World, settings_for
from tests.servers import PostgresServer, Server, ServerMissing, wait_until

SESSIONS = 2
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {sessions}
"""


class PgBouncer(Server):
    """PgBouncer of the system in front of a private PostgreSQL."""

    name = "pgbouncer"

    def __init__(self, directory: Path, server: PostgresServer) -> None:
        super().__init__(directory)
        # Debian puts it where only root's PATH looks.
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            raise ServerMissing("pgbouncer is not installed; run: apt-get install pgbouncer")
        self._server, self._program = server, Path(program)

    def url(self, database_url: str) -> str:
        return database_url.replace(f":{self._server.port}/", f":{self.port}/")

    def _launch(self, log: int) -> subprocess.Popen[bytes]:
        users, configuration = self.directory / "users.txt", self.directory / "pgbouncer.ini"
        users.write_text(f'"{self._server.user}" ""\n')
        configuration.write_text(
            CONFIGURATION.format(server=self._server.port, port=self.port, users=users, sessions=SESSIONS)
        )
        launch = unprivileged(self._program)  # like PostgreSQL it refuses to run as root
        return subprocess.Popen(
            launch.command(self._program, configuration),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **launch.credentials,
        )

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url(self._server.url()), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True


@pytest.fixture
def pooled_url(postgres_server: PostgresServer, database_url: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # it runs as another user under root
        pooler = PgBouncer(folder, postgres_server)
        pooler.start()
        yield pooler.url(database_url)
        pooler.stop()


def test_more_processes_than_sessions_ingest_and_accumulate_each_event_once(
    pooled_url: str, tmp_path: Path
) -> None:
    assert migrate(pooled_url) == []
    settings = settings_for(pooled_url, tmp_path)

    def take_in(number: int) -> None:
        store = Store(pooled_url)
        ingest = Ingest(
            Memory([closing(f"c{number}-{n}") for n in range(50)]),
            store,
            IngestSettings(batch_size=10, linger_seconds=0.01),
        )
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(ingest.run)
            wait_until(lambda: ingest.counts.recorded == 50, 30)
            ingest.stop()
            running.result(timeout=30)

    def work(_: int) -> int:
        store = Store(pooled_url)
        taken = 0
        while done := accumulate(store, settings, _no_source).taken:
            taken += done
        store.close()
        return taken

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(take_in, range(6)))
        # Events without messages, whose source is not configured: each is parked, by one of them.
        assert sum(pool.map(work, range(6))) == 300


def _no_source(name: str) -> Source:
    from ftworker.errors import NotFound

    raise NotFound(f"no source {name}")


def test_a_run_goes_its_whole_way(pooled_url: str, tmp_path: Path) -> None:
    """Cut, exported through a server-side cursor in one snapshot, and every step claimed by a lease."""
    world = World.make(pooled_url, tmp_path)
    run_id = world.bring_to(RunState.PROMOTED)
    assert world.state(run_id) is RunState.PROMOTED
    world.store.close()


def test_what_one_process_limits_limits_no_other(pooled_url: str) -> None:
    """The sessions are everybody's: with ingest's limit an export of more than a minute would be cut off."""
    store = Store(pooled_url)
    with store.transaction() as cursor:
        inbox.limit_statements(cursor, 60.0)
    for _ in range(2 * SESSIONS):
        with store.transaction() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone().statement_timeout == "0"
    store.close()
