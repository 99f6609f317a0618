"""What each process of ftworker costs before it works: seconds until it is ready, processor time of that, memory then.

Beside each, in turns, the barest program of its kind: a consumer of kombu's, a worker and a beat of Celery's, Python's
own HTTP server with prometheus_client, one command of click's. `ftworker up` stands alone: all of them, with an
embedded PostgreSQL and Valkey. Ready is the first message taken (ingest: recorded), the first tick sent, the first
answer; of `ftworker up`, that its page counts every process (its first round also makes the database). Memory is what
all processes of a program hold together: own is shared with nobody (USS), share is own and its part of what is shared
(PSS), resident counts shared pages again in each process (RSS).
`python -m benchmarks.bench_processes [--rounds 5]`. The figures are kept in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil
from celery import Celery
from kombu import Connection, Exchange, Queue

from benchmarks.place import Place, own_place
from ftworker.celery import SHORT_QUEUE, queues
from ftworker.events import publish
from ftworker.events.transport import make_transport
from ftworker.settings import IngestSettings
from ftworker.store import Store, inbox, migrate
from tests.conftest import REPOSITORY
from tests.integration.workbench import KEY, closed_events
from tests.servers import OwnProcess, PostgresServer, RabbitmqServer, free_port, wait_until

MB = 1e6
READY_SECONDS = 90.0
REST_SECONDS = 1.5
"""After the first sign: children are forked by then, and what is loaded beside the first work is there."""
ALL_THERE = [f'ftworker_processes{{name="{name}"}} 1.0' for name in ("ingest", "worker", "trainer", "beat")]
MOST_CHILDREN = 4
CONVERSATIONS_A_CHILD = 500
"""A batch of `worker.accumulate_batch`."""
QUORUM = {"x-queue-type": "quorum"}

BARE_APP = """
import os
from celery import Celery
app = Celery("bare", broker=os.environ["FTWORKER_BROKER_URL"])
app.conf.update(task_ignore_result=True, task_default_queue="bare", task_default_queue_type="quorum",
                worker_prefetch_multiplier=1, task_acks_late=True, broker_connection_retry_on_startup=True,
                beat_schedule={"tick": {"task": "bare.tick", "schedule": 5.0}})
@app.task(name="bare.tick")
def tick():
    return None
"""
BARE_CONSUMER = """
import os
from kombu import Connection, Queue
from kombu.mixins import ConsumerMixin
class Consumer(ConsumerMixin):
    def __init__(self, connection):
        self.connection = connection
    def get_consumers(self, Consumer, channel):
        return [Consumer([Queue("bare-events", queue_arguments={"x-queue-type": "quorum"})], callbacks=[self.take])]
    def take(self, body, message):
        message.ack()
        print("taken", flush=True)
Consumer(Connection(os.environ["FTWORKER_BROKER_URL"])).run()
"""
BARE_WEB = """
import os, threading
from prometheus_client import start_http_server
start_http_server(int(os.environ["BARE_PORT"]), "127.0.0.1")
threading.Event().wait()
"""
BARE_COMMAND = """
import click
@click.group()
def main():
    "One group."
@main.command()
def one():
    "One command."
main()
"""


@dataclass(frozen=True)
class Cost:
    """Of one start. Memory in MB, of all processes together."""

    seconds: float
    cpu_seconds: float
    own: float
    share: float
    resident: float
    processes: float


@dataclass(frozen=True)
class Way:
    """A program, and how to see that it is ready. `bare` names the way that it is held against."""

    arguments: Sequence[str]
    is_ready: Callable[[OwnProcess], bool] = lambda _process: False
    bare: str | None = None
    ends: bool = False
    """It does its work and ends: its memory is the most that it had."""
    accumulates: bool = False
    """Ready is that every child has turned conversations into examples: what that needs is loaded then."""
    embedded: bool = False
    """It brings its own servers."""


class Installation:
    """Private servers, a configuration, and the programs to measure."""

    def __init__(self, place: Place) -> None:
        self.folder = folder = place.folder
        self.rabbitmq = place.start(RabbitmqServer)
        database = place.start(PostgresServer).create_database()
        migrate(database)
        self.store = Store(database)
        place.stack.callback(self.store.close)
        self._numbers = itertools.count()
        self._event_id = ""
        self.port, self.bare_port = free_port(), free_port()
        config = folder / "ftworker.toml"
        config.write_text(
            f"[web]\nport = {self.port}\n"
            '[pipelines.tutor]\nprovider = "openai"\nbase_model = "gpt-4.1-mini-2025-04-14"\n'
        )
        (folder / "bare_app.py").write_text(BARE_APP)
        for name, text in (("consumer", BARE_CONSUMER), ("web", BARE_WEB), ("command", BARE_COMMAND)):
            (folder / f"bare_{name}.py").write_text(text)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("FTWORKER_")},
            "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",
            "PYTHONUNBUFFERED": "1",
            "FTWORKER_CONFIG": str(config),
            "FTWORKER_HOME": str(folder / "home"),
            "FTWORKER_DATABASE_URL": database,
            "OPENAI_API_KEY": KEY,
            "BARE_PORT": str(self.bare_port),
        }

    def ways(self) -> dict[str, Way]:
        """Everything that is measured, by its name in the table."""
        quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
        ours = [_program("celery"), "-A", "ftworker.celery:app"]
        bare = [_program("celery"), "-A", "bare_app"]
        ways = {
            "ftworker --help": Way([_program("ftworker"), "--help"], bare="click --help", ends=True),
            "click --help": Way([sys.executable, "bare_command.py", "--help"], ends=True),
            "ingest": Way([_program("ftworker"), "ingest"], self._is_recorded, "kombu consumer"),
            "kombu consumer": Way([sys.executable, "bare_consumer.py"], _says("taken")),
            "trainer": Way(
                [*ours, "worker", "-Q", "ftworker.training", "-c", "1", *quiet],
                _says(" ready."),
                "Celery worker, 1 child",
            ),
            "beat": Way([*ours, "beat", "--pidfile=", "-l", "INFO"], _says("beat: Starting"), "Celery beat"),
            "Celery beat": Way(
                [*bare, "beat", "--pidfile=", "-s", str(self.folder / "schedule"), "-l", "INFO"],
                _says("beat: Starting"),
            ),
            "web": Way([_program("ftworker"), "web"], _answers(self.port), "HTTP server"),
            "up": Way([_program("ftworker"), "up"], _answers(self.port, ALL_THERE), embedded=True),
            "HTTP server": Way([sys.executable, "bare_web.py"], _answers(self.bare_port)),
        }
        for children in (1, MOST_CHILDREN):
            name = f"{children} child{'ren' if children > 1 else ''}"
            ways[f"worker, {name}"] = Way(
                [*ours, "worker", "-Q", "ftworker", "-c", str(children), *quiet],
                _says("ftworker.accumulate["),
                f"Celery worker, {name}",
            )
            ways[f"worker, {name}, after conversations"] = Way(
                [*ours, "worker", "-Q", "ftworker", "-c", str(children), *quiet],
                self._all_are_accumulated,
                f"Celery worker, {name}",
                accumulates=True,
            )
            ways[f"Celery worker, {name}"] = Way(
                [*bare, "worker", "-Q", "bare", "-c", str(children), *quiet], _says("bare.tick[")
            )
        return ways

    def measure(self, way: Way) -> Cost:
        """Start a program whose work waits for it already; what it has cost when it is ready."""
        if way.ends:
            return _cost_of_a_command(way.arguments, self.environment, self.folder)
        if way.embedded:
            environment = {k: v for k, v in self.environment.items() if k != "FTWORKER_DATABASE_URL"}
            return self._cost_of_a_start(way, environment)
        url = self.rabbitmq.create_vhost()
        try:
            self._put_work(url)
            if way.accumulates:
                self._put_conversations()
            return self._cost_of_a_start(way, {**self.environment, "FTWORKER_BROKER_URL": url})
        finally:
            self.rabbitmq.delete_vhost(url)

    def _cost_of_a_start(self, way: Way, environment: Mapping[str, str]) -> Cost:
        log = self.folder / "process.log"
        log.unlink(missing_ok=True)
        begun = time.monotonic()
        process = OwnProcess(way.arguments, environment, log, self.folder)
        try:
            wait_until(lambda: way.is_ready(process), READY_SECONDS, interval=0.01, message=process.output)
            seconds = time.monotonic() - begun
            cpu_seconds = sum(_cpu_seconds(one) for one in _tree(process))
            time.sleep(REST_SECONDS)
            memory = [one.memory_full_info() for one in _tree(process)]
            return Cost(
                seconds,
                cpu_seconds,
                own=sum(one.uss for one in memory) / MB,
                share=sum(one.pss for one in memory) / MB,
                resident=sum(one.rss for one in memory) / MB,
                processes=len(memory),
            )
        finally:
            if way.embedded:
                process.terminate(READY_SECONDS)  # its servers stop in order
            process.close()

    # -- what waits, and whether it was done

    def _put_work(self, url: str) -> None:
        """For each kind of program one message that it takes first."""
        transport = make_transport(url, IngestSettings())
        transport.connect()  # declares the queue that the event goes to
        transport.close()
        (event,) = closed_events(1, first=next(self._numbers))
        self._event_id = str(event["id"])
        publish(event, url=url)
        ours = Celery("bench", broker=url, set_as_current=False)
        ours.conf.task_queues = queues(url)
        for _ in range(2 * MOST_CHILDREN):
            ours.send_task("ftworker.accumulate", queue=SHORT_QUEUE)
        with Connection(url) as connection:
            bare = Queue("bare", Exchange("bare"), "bare", queue_arguments=QUORUM)
            events = Queue("bare-events", Exchange(""), "bare-events", queue_arguments=QUORUM)
            for queue in (bare, events):
                queue.bind(connection.default_channel).declare()
            connection.Producer().publish({}, routing_key="bare-events")
        theirs = Celery("bench", broker=url, set_as_current=False)
        theirs.conf.task_queues = [bare]
        theirs.send_task("bare.tick", queue="bare")

    def _put_conversations(self) -> None:
        """So many that each child takes a batch of its own, whichever is first."""
        count = CONVERSATIONS_A_CHILD * MOST_CHILDREN
        first = next(self._numbers)
        self._numbers = itertools.count(first + count)
        events = [
            inbox.NewEvent(
                str(event["source"]),
                str(event["id"]),
                "default",
                event["data"]["conversation_id"],
                json.dumps(event, ensure_ascii=False),
            )
            for event in closed_events(count, first=first)
        ]
        with self.store.transaction() as cursor:
            inbox.record_batch(cursor, events, [], "task")

    def _is_recorded(self, _process: OwnProcess) -> bool:
        with self.store.transaction() as cursor:
            cursor.execute("SELECT FROM ftworker.inbox WHERE event_id = %s", (self._event_id,))
            return cursor.fetchone() is not None

    def _all_are_accumulated(self, _process: OwnProcess) -> bool:
        with self.store.transaction() as cursor:
            cursor.execute("SELECT FROM ftworker.inbox WHERE processed_at IS NULL LIMIT 1")
            return cursor.fetchone() is None


def _program(name: str) -> str:
    """A program of the virtual environment, as an operator starts it."""
    return str(Path(sys.executable).parent / name)


def _says(words: str) -> Callable[[OwnProcess], bool]:
    return lambda process: words in process.output()


def _answers(port: int, lines: Sequence[str] = ()) -> Callable[[OwnProcess], bool]:
    def answered(_process: OwnProcess) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                said = answer.read().decode().splitlines()
                return bool(said) and all(line in said for line in lines)
        except (urllib.error.URLError, ConnectionError):
            return False

    return answered


def _tree(process: OwnProcess) -> list[psutil.Process]:
    return [psutil.Process(process.pid), *process.children()]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


RUNNER = """
import json, resource, subprocess, sys, time
begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Linux counts the memory of whoever starts a program as the program's own: so this starts it, which has little."""


def _cost_of_a_command(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Cost:
    """Of a program that ends by itself: its memory is the most that was resident."""
    command = [sys.executable, "-c", RUNNER, *arguments]
    ran = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True)
    seconds, cpu_seconds, kibibytes = json.loads(ran.stdout)
    most = kibibytes * 1024 / MB
    return Cost(seconds, cpu_seconds, most, most, most, 1)


def main() -> None:
    """Measure every way in turns, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", default="", help="only ways with this word in their name, and what they are held against"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = defaultdict(list)
    with own_place() as place:
        here = Installation(place)
        ways = here.ways()
        chosen = {name for name in ways if options.only in name}
        chosen |= {ways[name].bare or name for name in chosen}
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for name, way in ways.items():
                if name in chosen:
                    costs[name].append(here.measure(way))
    print(
        f"{'program':36} {'ready s':>8} {'CPU s':>7} {'own MB':>8} {'share MB':>9} {'resident':>9}  processes"
    )
    for name, all_costs in costs.items():
        found = median(all_costs)
        print(
            f"{name:36} {found.seconds:8.2f} {found.cpu_seconds:7.2f} {found.own:8.1f} {found.share:9.1f} "
            f"{found.resident:9.1f}  {found.processes:.0f}"
        )
    print("against the bare one")
    for name, all_costs in costs.items():
        other = ways[name].bare
        if other is not None:
            ours, theirs = median(all_costs), median(costs[other])
            print(
                f"{name:36} {ours.seconds / theirs.seconds:8.2f} {ours.cpu_seconds / theirs.cpu_seconds:7.2f} "
                f"{ours.own / theirs.own:8.2f} {ours.share / theirs.share:9.2f} {ours.resident / theirs.resident:9.2f}"
            )
    if options.json:
        all_rounds = {name: [asdict(cost) for cost in found] for name, found in costs.items()}
        options.json.write_text(json.dumps(all_rounds, indent=1) + "\n")


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure by itself."""
    middle = {
        field.name: statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)
    }
    return Cost(**middle)


if __name__ == "__main__":
    main()
