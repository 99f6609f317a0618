"""One installation under torture: private servers behind proxies, the vendors' doubles, and our real processes.

Whatever of ours dies is started again, as a supervisor does in production. `publish` gives it work, the faults come
from outside (`random_faults`, or a test), `settle` waits until nothing is due any more; then `invariants.check`.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import psutil

from ftworker.errors import FtworkerError
from ftworker.settings import IngestSettings, Settings, load_settings
from ftworker.store import Store, migrate
from tests.chaos import idle_stores, rag_store, workshop
from tests.chaos.database_clock import DatabaseClock
from tests.chaos.disk import DATABASE_MIB, Disk
from tests.chaos.idle_stores import IdleStores
from tests.chaos.plan import STORE, Plan, Transport
from tests.chaos.processes import Processes
from tests.chaos.proxy import Network
from tests.chaos.publishing import PublishingThread
from tests.chaos.stream_loss import StreamLoss
from tests.chaos.tasks_broker import TasksBroker
from tests.chaos.vendors import BASE_MODEL, OLLAMA_MODEL, Vendors
from tests.conftest import REPOSITORY
from tests.servers import PostgresServer, RabbitmqServer, Server, ValkeyServer, free_port

CONFIGURATION = """
storage_url = "{storage}"

[worker]
sweep_interval_seconds = 0.5
revive_after_seconds = 2.0
step_lease_seconds = 3.0
retry_base_seconds = 0.2
retry_max_seconds = 1.5
reconcile_interval_seconds = 0.4
reconcile_grace_seconds = 8.0
accumulate_batch = 40

[network]
answer_seconds = 2.0
statement_seconds = 5.0

[ingest]
linger_seconds = 0.1
batch_size = 20
claim_idle_seconds = 2.0

[web]
port = {web_port}
cache_seconds = 0.2

[providers.openai]
kind = "openai"
poll_interval_seconds = 0.3
submit_timeout_seconds = 1.5
request_timeout_seconds = 1.5
files_ready_timeout_seconds = 10.0

[providers.local]
kind = "local"
poll_interval_seconds = 0.3
request_timeout_seconds = 1.5
create_timeout_seconds = 5.0

[pipelines.tutor]
provider = "openai"
base_model = "{openai_model}"
strategy = "new"
promote = "auto"
trigger = {{ min_examples = 25, max_examples = 60, cooldown_seconds = 0 }}

[pipelines.house]
provider = "local"
base_model = "{ollama_model}"
strategy = "replay"
promote = "auto"
trigger = {{ min_examples = 30, max_examples = 60, cooldown_seconds = 0 }}
"""
MODULES = {"celery": "celery", "ftworker": "ftworker.cli"}
"""What `python -m` calls a program of ours."""
LEASE_SECONDS = 3.0
PIPELINES = {"tutor": 25, "house": 30}
"""The pipelines of the configuration above and their thresholds."""

Broker = Literal["amqp", "valkey"]


@dataclass
class Plant:
    """See the module. A context manager; `start` its processes once the servers run.

    `extra_environment` is added to the environment of the processes of that name ("*": of all), for tests that put
    something of their own into them.
    """

    folder: Path
    broker: Broker = "amqp"
    events: tuple[Transport, ...] = ("amqp", "stream")
    extra_environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    trainings: bool = False
    """With the pipeline of `workshop`, whose models are trained here."""
    configuration: str = CONFIGURATION
    clocks: bool = True
    """With clocks that `set_clock` moves. Without, processes start as they do in production."""
    idle: bool = False
    """With stores whose RAG tells nobody that a conversation closed."""
    moves_database_clock: bool = False
    """With a PostgreSQL whose clock can be moved too, where libfaketime is installed."""

    def __post_init__(self) -> None:
        self.plans: list[Plan] = []
        self.pipelines = {**PIPELINES, **({workshop.NAME: workshop.THRESHOLD} if self.trainings else {})}
        self.processes = Processes(self.folder, self.folder / "home")
        self.taken_in: Counter[str] = Counter()
        """How often the person took in again what a broker had forgotten."""
        self.waited_for: Counter[str] = Counter()
        """What was still due at each look of `settle`, without its numbers: where the time of rests goes."""
        self._backfilled: set[bytes] = set()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _open(self) -> None:
        stack = self._stack
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.disk = stack.enter_context(Disk(self.folder / "storage", self.processes.pids))
        self.network = stack.enter_context(Network())
        self.vendors = Vendors(self.folder)
        stack.callback(self.vendors.close)
        self.database_disk = stack.enter_context(
            Disk(self.folder / "postgresql", list, size_mib=DATABASE_MIB)
        )
        # PostgreSQL refuses to be root and runs as another user, who must get through.
        self.database_disk.folder.chmod(0o755)
        database = PostgresServer(self.database_disk.folder)
        self.database_clock = DatabaseClock(database, self.folder, wanted=self.moves_database_clock)
        self.postgres = self._server(database)
        # Little write-ahead log, so that the small disk holds it, and is soon filled.
        self.postgres._administer("ALTER SYSTEM SET max_wal_size = '128MB'")
        self.postgres._administer("SELECT pg_reload_conf()")
        self.direct_database_url = self.postgres.create_database(name="chaos")
        migrate(self.direct_database_url)
        self.rag: rag_store.RagStore | None = None
        if "task" in self.events:
            self.rag = rag_store.RagStore(self.postgres.create_database(name="rag"))
        self.idle_stores: IdleStores | None = None
        if self.idle:
            self.idle_stores = IdleStores(self.postgres.create_database(name="idle"))
        self.rabbitmq: RabbitmqServer | None = None
        self.valkey_events: ValkeyServer | None = None
        self.stream_loss: StreamLoss | None = None
        self.valkey_tasks: ValkeyServer | None = None
        if "amqp" in (self.broker, *self.events):
            self.rabbitmq = self._server(RabbitmqServer(self._subfolder("rabbitmq")))
        if "stream" in self.events:
            self.valkey_events = self._server(ValkeyServer(self._subfolder("valkey-events")))
            names = IngestSettings()
            self.stream_loss = StreamLoss(self.valkey_events, names.stream, names.group)
        if self.broker == "valkey":
            # Without a file: killed, it forgets everything that it was told.
            self.valkey_tasks = self._server(ValkeyServer(self._subfolder("valkey-tasks"), append_only=False))
        server = self.valkey_tasks or self.rabbitmq
        assert server is not None
        self.tasks = TasksBroker(server)
        self._build_proxies()
        self.web_port = free_port()
        config = self.folder / "ftworker.toml"
        config.write_text(
            self.configuration.format(
                storage=f"file://{self.disk.folder}",
                web_port=self.web_port,
                openai_model=BASE_MODEL,
                ollama_model=OLLAMA_MODEL,
            )
            + (workshop.configuration(self.folder) if self.trainings else "")
            + (rag_store.CONFIGURATION if self.rag else "")
            + (idle_stores.CONFIGURATION if self.idle else ""),
            encoding="utf-8",
        )
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("FTWORKER_", "OPENAI_"))
            },
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": str(REPOSITORY),
            "FTWORKER_CONFIG": str(config),
            "FTWORKER_HOME": str(self.folder / "home"),
            "FTWORKER_DATABASE_URL": self._through_proxy(self.direct_database_url),
            "RAG_DATABASE_URL": self._through_proxy(self.postgres.url("rag")),
            "IDLE_DATABASE_URL": self._through_proxy(self.postgres.url("idle")),
            "FTWORKER_BROKER_URL": self._url(self.broker),
            "OPENAI_API_KEY": self.vendors.key,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.network.proxies['openai'].port}/v1",
            "OLLAMA_HOST": f"http://127.0.0.1:{self.network.proxies['ollama'].port}",
        }
        self.settings: Settings = load_settings(config)
        self.store = Store(self.direct_database_url)
        stack.callback(self.store.close)
        self.publisher = stack.enter_context(
            PublishingThread({via: self._url(via) for via in self.events}, self.settings.ingest)
        )

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- what it is made of

    def _server(self, server: Any) -> Any:
        self._stack.callback(server.stop)
        server.start()
        return server

    def _subfolder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _build_proxies(self) -> None:
        ports: dict[str, Server | None] = {
            "postgres": self.postgres,
            "rabbitmq": self.rabbitmq,
            "valkey_events": self.valkey_events,
            "valkey_tasks": self.valkey_tasks,
        }
        for name, server in ports.items():
            if server is not None:
                self.network.proxy(name, server.port)
        self.network.proxy("openai", self.vendors.openai_port)
        self.network.proxy("ollama", self.vendors.ollama_port)

    def _through_proxy(self, url: str) -> str:
        return url.replace(f":{self.postgres.port}/", f":{self.network.proxies['postgres'].port}/")

    def _url(self, what: Broker | Transport) -> str:
        if what == "task":
            what = self.broker
        if what == "amqp":
            return f"amqp://guest:guest@127.0.0.1:{self.network.proxies['rabbitmq'].port}/%2F"
        name = "valkey_events" if what == "stream" else "valkey_tasks"
        return f"redis://127.0.0.1:{self.network.proxies[name].port}/0"

    # -- processes

    def start(self) -> None:
        """Start ingest (one for each transport), worker, trainer, beat and web, and keep them running."""
        celery = ["celery", "-A", "ftworker.celery:app"]
        # Without heartbeats between workers, mingling and gossip: nobody listens to them here.
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"]
        beat = ["beat", "--pidfile=", "-l", "INFO"]
        commands: dict[str, Sequence[str]] = {
            "worker": [*celery, "worker", "-n", "worker@%h", "-Q", "ftworker", "-c", "2", *quiet],
            "trainer": [*celery, "worker", "-n", "trainer@%h", "-Q", "ftworker.training", "-c", "1", *quiet],
            "beat": [*celery, *beat],
            "web": ["ftworker", "web"],
        }
        for via in self.ingests:
            commands[f"ingest-{via}"] = ["ftworker", "ingest"]
        self._stack.callback(self.processes.close)
        for name, arguments in commands.items():
            environment = {**self.environment, **self.extra_environment.get("*", {})}
            if name.startswith("ingest-"):
                environment["FTWORKER_EVENTS_URL"] = self._url("amqp" if name.endswith("amqp") else "stream")
            environment["CHAOS_CLOCK"] = str(self._clock_file(name))
            environment |= self.extra_environment.get(name, {})
            module = ["tests.chaos.with_clock", arguments[0]] if self.clocks else [MODULES[arguments[0]]]
            command = [sys.executable, "-m", *module, *arguments[1:]]
            self.processes.start(name, command, environment, self.logs / f"{name}.log")

    @property
    def ingests(self) -> tuple[Transport, ...]:
        """The transports that a process of their own takes from: all but the task."""
        return tuple(via for via in self.events if via != "task")

    # -- time

    def _clock_file(self, name: str) -> Path:
        return self.folder / f"clock-{name}"

    def set_clock(self, offset_seconds: float, *names: str) -> None:
        """From now on it is so much later (or earlier) for these processes of ours; without names for all."""
        for name in names or list(self.processes.kept):
            file = self._clock_file(name)
            new = file.with_suffix(".new")
            new.write_text(f"{offset_seconds:+.0f}\n")
            new.replace(file)

    def queue_depths(self) -> dict[str, int]:
        """What stands in each queue that must be empty at rest."""
        events = {
            f"events in {via}": self.publisher.unacknowledged(via, self._url(via)) for via in self.ingests
        }
        return events | {"dead events": self.publisher.dead_letters()} | self.tasks.depths()

    # -- work and rest

    def publish(self, plan: Plan) -> None:
        """Give the plan to the publisher, which goes on until the brokers have taken every message of it."""
        if self.rag is not None:
            self.rag.hold(plan.stored)
        self.plans.append(plan)
        self.publisher.give(plan.messages)

    def hold_idle(self, plan: Plan) -> None:
        """Store the plan's conversations where nobody tells of them."""
        assert self.idle_stores is not None
        self.idle_stores.hold(plan.stored)
        self.plans.append(plan)

    def heal(self) -> None:
        """Every fault ends: servers run, the network carries, there is room, clocks are right, vendors behave."""
        self.network.heal()
        self.disk.free()
        self.database_disk.free()
        self.set_clock(0)
        self.database_clock.catch_up()
        for server in (self.postgres, self.rabbitmq, self.valkey_events, self.valkey_tasks):
            if server is not None:
                server.start()
        self.vendors.calm()

    def settle(
        self, timeout_seconds: float = 90.0, waits_for_person: Callable[[], list[int]] = list
    ) -> list[str]:
        """Heal, and wait until nothing is due any more. Returns what is still due when the time is over.

        `waits_for_person` names the runs that a person is still going to do something about.
        """
        self.heal()
        return self.rest(timeout_seconds, waits_for_person)

    def rest(self, timeout_seconds: float, waits_for_person: Callable[[], list[int]] = list) -> list[str]:
        """The same without healing: what is wrong with servers, network and vendors stays so."""
        deadline = time.monotonic() + timeout_seconds
        quiet = 0
        due = ["nothing was looked at"]
        while time.monotonic() < deadline:
            try:
                due = [*self.due(), *(f"run {run_id} waits for the person" for run_id in waits_for_person())]
            except FtworkerError as error:
                # A connection that a fault broke, and that nobody has used since.
                due = [f"the database: {error}"]
            if not due and self.lost():
                self._take_in_what_was_lost()
                due = ["what a broker had forgotten"]
            self.waited_for.update({NUMBERS.sub("N", what) for what in due})
            quiet = 0 if due else quiet + 1
            if quiet == 3:
                if self.stream_loss is not None:
                    # All of it is there, and promised from now on.
                    self.stream_loss.held.clear()
                return []
            time.sleep(0.3)
        return due

    def diagnose(self) -> Path:
        """Write down what every session and process is at, for whoever asks why something hangs; returns the file.

        With `py-spy` on the PATH also the stack of each process.
        """
        lines = []
        with self.store.transaction() as cursor:
            cursor.execute(SESSIONS)
            lines += [str(tuple(row)) for row in cursor.fetchall()]
        for pid in self.processes.pids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                lines.append(
                    f"{pid} below {process.ppid()} {process.status()} {' '.join(process.cmdline()[3:])} "
                    f"{[(c.laddr[1:], c.raddr[1:], c.status) for c in process.net_connections()]}"
                )
            spy = shutil.which("py-spy")
            if spy is not None:
                said = subprocess.run(
                    [spy, "dump", "--pid", str(pid)], capture_output=True, text=True, check=False
                )
                lines.append(said.stdout)
        file = self.folder / "diagnosis.txt"
        file.write_text("\n".join(lines))
        return file

    def due(self) -> Iterator[str]:
        """What somebody must still do, in words."""
        if self.publisher.left:
            yield f"{self.publisher.left} messages to publish; {self.publisher.trouble}"
        try:
            with self.store.transaction() as cursor:
                cursor.execute(DUE)
                yield from (row.what for row in cursor.fetchall())
        except FtworkerError as error:
            yield f"the database: {error}"
            return
        yield from self._not_recorded()
        idle = self.idle_stores.missing(self.store) if self.idle_stores else ()
        if idle:
            yield f"{len(idle)} stored conversations are not found idle"
        for name, threshold in self.pipelines.items():
            with self.store.transaction() as cursor:
                cursor.execute(WAITING_EXAMPLES, {"pipeline": name})
                waiting = cursor.fetchone().waiting
            if waiting >= threshold:
                yield f"pipeline {name}: {waiting} examples wait and no run is on its way"
        yield from self.publisher.pending()

    def _not_recorded(self) -> Iterator[str]:
        missing = self._missing() - self.not_promised()
        if missing:
            yield f"{len(missing)} of the published events are not in the inbox"

    def _missing(self) -> set[bytes]:
        """The hashes of published events that are not recorded, and of what is no event and not parked."""
        with self.store.transaction() as cursor:
            cursor.execute("SELECT event_source, event_id FROM ftworker.inbox")
            recorded = {(row.event_source, row.event_id) for row in cursor.fetchall()}
            cursor.execute("SELECT raw_sha256 FROM ftworker.parked")
            parked = {bytes(row.raw_sha256) for row in cursor.fetchall()}
        published = [message for plan in self.plans for message in plan.messages]
        return {
            one.raw_sha256
            for one in published
            if (one.key not in recorded if one.key is not None else one.raw_sha256 not in parked)
        }

    # -- what nobody promised, and what cures it

    def not_promised(self) -> set[bytes]:
        """The hashes of messages that a broker may have forgotten after it had confirmed them.

        A task message on Valkey's lists is as safe as its memory and kombu's hands; on RabbitMQ it is gone when
        somebody empties the queue; a stream loses what it still held when its server lost it.
        """
        lost_at = math.inf if self.broker == "valkey" else self.tasks.lost_at
        sent_at = self.publisher.sent_at
        of_the_stream = self.stream_loss.held if self.stream_loss else set()
        return {
            message.raw_sha256
            for plan in self.plans
            for message in plan.messages
            if (message.via == "stream" and message.raw_sha256 in of_the_stream)
            or (message.via == "task" and sent_at.get(message.raw_sha256, math.inf) < lost_at)
        }

    def lost(self) -> set[bytes]:
        """Closings that were forgotten, and that nobody has taken in again since."""
        return (self._missing() & self.not_promised()) - self._backfilled

    def _take_in_what_was_lost(self) -> None:
        """What docs/EVENTS.md leaves to a person: to publish again, and `ftworker backfill` for what the RAG stores."""
        lost = self.lost()
        published = [
            message for plan in self.plans for message in plan.messages if message.raw_sha256 in lost
        ]
        again = [message for message in published if message.via != "task"]
        if again:
            self.publisher.give(again)
            if self.stream_loss is not None:
                # Promised from now on.
                self.stream_loss.held -= {message.raw_sha256 for message in again}
            self.taken_in["published again what a broker had forgotten"] += 1
        if len(again) < len(published):
            command = [sys.executable, "-m", "ftworker.cli", "backfill", "--source", STORE, "--restart"]
            subprocess.run(command, env=self.environment, cwd=self.folder, check=True, capture_output=True)
            self._backfilled |= {message.raw_sha256 for message in published if message.via == "task"}
            self.taken_in["ran a backfill for what a broker had forgotten"] += 1


NUMBERS = re.compile(r"-?\d+|(?<=training )\S+")
SESSIONS = """
SELECT pid, pg_blocking_pids(pid) AS blocked_by, client_port, state, wait_event, now() - xact_start AS open_for,
       regexp_replace(left(query, 200), '\\s+', ' ', 'g') AS query
FROM pg_stat_activity WHERE datname = current_database()
"""
DUE = """
SELECT 'inbox: ' || count(*) || ' events wait' AS what FROM ftworker.inbox
WHERE processed_at IS NULL HAVING count(*) > 0
UNION ALL
SELECT 'run ' || id || ' (' || pipeline || ') is ' || state || ', attempts ' || attempts || ', due in '
       || coalesce(round(extract(epoch FROM next_action_at - now()))::text, '-') || ' s, leased for '
       || coalesce(round(extract(epoch FROM lease_expires_at - now()))::text, '-') || ' s'
FROM ftworker.runs WHERE next_action_at IS NOT NULL OR lease_token IS NOT NULL
UNION ALL
SELECT 'training ' || run_key || ' is ' || state || ': ' || message
FROM ftworker.trainings WHERE state IN ('waiting', 'running')
"""
WAITING_EXAMPLES = """
SELECT count(*)::int AS waiting FROM ftworker.examples
WHERE pipeline = %(pipeline)s AND dataset_id IS NULL AND NOT EXISTS (
    SELECT FROM ftworker.runs WHERE pipeline = %(pipeline)s AND state = 'parked')
"""
