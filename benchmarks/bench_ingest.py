"""How fast events come in: `ftworker ingest` against one Celery task an event, and against itself with no database.

Servers that keep what they confirm: PostgreSQL with fsync, Valkey with appendfsync always, RabbitMQ with quorum queues.

Private servers, medians of interleaved rounds, ratios within one run: absolute numbers say more about the machine.
`python -m benchmarks.bench_ingest [--events 30000] [--rounds 5]`. The figures are kept in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import redis

from benchmarks.place import DurablePostgres, own_place
from ftworker.events.contract import EVENT_TYPE
from ftworker.events.ingest import SWITCH_SECONDS, Ingest
from ftworker.events.publisher import Publisher
from ftworker.events.transport import make_transport
from ftworker.settings import IngestSettings
from ftworker.store import Store, migrate
from tests.servers import RabbitmqServer, ValkeyServer

TARGETS = {
    "RabbitMQ ingest / one Celery task an event": 10.0,
    "RabbitMQ ingest / no database": 0.6,
    "stream ingest / one Celery task an event": 30.0,
    "stream ingest / no database": 0.4,
}

ANSWER = "La fotosíntesis convierte la luz en energía química dentro de los cloroplastos. " * 8


class NoDatabase:
    """A store whose transactions cost nothing: what is left is the consumer alone."""

    def __init__(self) -> None:
        self.rowcount = 0

    @contextmanager
    def transaction(self) -> Iterator[NoDatabase]:
        yield self

    def execute(self, _query: str, parameters: dict[str, Any] | None = None) -> None:
        ids = (parameters or {}).get("event_ids", "")
        self.rowcount = ids.count(parameters["separator"]) + 1 if ids and parameters else 0

    def close(self) -> None:
        return


def event(number: int) -> dict[str, Any]:
    """An event of about 1 KB, its conversation inline."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/bench",
        "type": EVENT_TYPE,
        "time": "2026-11-23T10:00:00Z",
        "data": {
            "conversation_id": f"c{number}",
            "source_name": "bench",
            "reason": "user_ended",
            "messages": [
                {"role": "user", "content": "¿Qué es la fotosíntesis?"},
                {"role": "assistant", "content": ANSWER},
            ],
        },
    }


def consume(url: str, database_url: str | None, events: int, done: Any) -> None:
    """A child process: ingest until all events are in, and say how long it took."""
    store: Any = Store(database_url) if database_url else NoDatabase()
    settings = IngestSettings()
    sys.setswitchinterval(SWITCH_SECONDS)
    ingest = Ingest(make_transport(url, settings), store, settings)
    start, cpu = time.perf_counter(), time.process_time()
    thread = threading.Thread(target=ingest.run)
    thread.start()
    while ingest.counts.recorded < events:
        time.sleep(0.005)
        if time.perf_counter() - start > 120:
            os._exit(1)
    done.put((time.perf_counter() - start, time.process_time() - cpu))
    ingest.stop()
    thread.join()


def ingest_rate(url: str, database_url: str | None, events: int) -> float:
    """Events a second, from the start of the consumer to the last acknowledgement."""
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    child = context.Process(target=consume, args=(url, database_url, events, done))
    child.start()
    seconds, cpu = done.get(timeout=150)
    child.join()
    print(f"    {events / seconds:9,.0f}/s  {cpu / events * 1e6:6.0f} us CPU an event", flush=True)
    return float(events / seconds)


CELERY_APP = """
import os, psycopg2
from celery import Celery
app = Celery("bench", broker=os.environ["BROKER"])
# The settings of ftworker's own workers (ftworker/celery.py): nothing may be lost here either.
app.conf.update(task_ignore_result=True, task_acks_late=True, task_reject_on_worker_lost=True,
                worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True,
                task_default_queue="bench", task_default_queue_type="quorum",
                broker_transport_options=({"confirm_publish": True} if os.environ["BROKER"].startswith("amqp")
                                          else {"visibility_timeout": 3600}))
connection = None
@app.task
def record(number, payload):
    global connection
    if connection is None:
        connection = psycopg2.connect(os.environ["DATABASE"])
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, payload)"
                       " VALUES ('/bench', %s, 'bench', %s, %s) ON CONFLICT DO NOTHING",
                       (f"e{number}", f"c{number}", payload))
"""


def celery_rate(folder: Path, broker: str, database_url: str, events: int) -> float:
    """Events a second through one task an event, from the first row to the last: the worker's start is left out."""
    (folder / "bench_app.py").write_text(CELERY_APP)
    environment = {
        **os.environ,
        "BROKER": broker,
        "DATABASE": database_url,
    }
    publish = (
        "import json, sys; from bench_app import record; from benchmarks.bench_ingest import event\n"
        f"for n in range({events}): record.delay(n, json.dumps(event(n), ensure_ascii=False))"
    )
    root = Path(__file__).resolve().parents[1]
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{root}"
    subprocess.run([sys.executable, "-c", publish], env=environment, check=True, cwd=folder)
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "bench_app",
            "worker",
            "-c",
            "2",
            "-l",
            "ERROR",
            "--without-gossip",
            "--without-mingle",
        ],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            first: tuple[float, int] | None = None
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                cursor.execute("SELECT count(*) FROM ftworker.inbox")
                count: int = cursor.fetchone()[0]  # type: ignore[index]
                now = time.perf_counter()
                if count and first is None:
                    first = (now, count)
                if count >= events and first is not None:
                    rate = (count - first[1]) / (now - first[0])
                    print(f"    {rate:9,.0f}/s", flush=True)
                    return rate
                time.sleep(0.02)
    finally:
        connection.close()
        worker.terminate()
        worker.wait(60)
    raise SystemExit("the Celery worker did not record all events within 120 s")


def truncate(database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE ftworker.inbox, ftworker.parked, ftworker.totals CASCADE")
    connection.close()


def measure(events: int, tasks: int, rounds: int) -> dict[str, Any]:
    rates: dict[str, list[float]] = {}
    with own_place() as place:
        postgres = place.start(DurablePostgres)
        rabbitmq, valkey = place.start(RabbitmqServer), place.start(ValkeyServer)
        with redis.Redis.from_url(valkey.url()) as client:
            client.config_set("appendfsync", "always")  # what docs/EVENTS.md asks for, and `ftworker up` does
        database_url = postgres.create_database()
        migrate(database_url)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            for name, arm in arms(events, tasks, place.folder, database_url, (rabbitmq, valkey)).items():
                truncate(database_url)
                print(f"  {name}", flush=True)
                rates.setdefault(name, []).append(arm())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {
        "RabbitMQ ingest / one Celery task an event": medians["rabbitmq"] / medians["rabbitmq celery"],
        "RabbitMQ ingest / no database": medians["rabbitmq"] / medians["rabbitmq no database"],
        "stream ingest / one Celery task an event": medians["stream"] / medians["stream celery"],
        "stream ingest / no database": medians["stream"] / medians["stream no database"],
    }
    return {"events_per_second": medians, "rounds": rates, "ratios": ratios, "targets": TARGETS}


def arms(
    events: int, tasks: int, folder: Path, database_url: str, servers: tuple[RabbitmqServer, ValkeyServer]
) -> dict[str, Callable[[], float]]:
    """What is measured: each arm publishes its events first and then times how fast they come in."""
    rabbitmq, valkey = servers

    def rabbit(database: str | None) -> float:
        url = rabbitmq.create_vhost()
        settings = IngestSettings()
        transport = make_transport(url, settings)
        transport.connect()  # declares the queue that the events go to
        transport.close()
        with Publisher(url) as publisher:
            publisher.publish_many(event(number) for number in range(events))
        try:
            return ingest_rate(url, database, events)
        finally:
            rabbitmq.delete_vhost(url)

    def stream(database: str | None) -> float:
        valkey.flush()
        with Publisher(valkey.url()) as publisher:
            publisher.publish_many(event(number) for number in range(events))
        return ingest_rate(valkey.url(), database, events)

    def rabbit_celery() -> float:
        url = rabbitmq.create_vhost()
        try:
            return celery_rate(folder, url, database_url, tasks)
        finally:
            rabbitmq.delete_vhost(url)

    def stream_celery() -> float:
        valkey.flush()
        return celery_rate(folder, valkey.url(), database_url, tasks)

    return {
        "rabbitmq celery": rabbit_celery,
        "rabbitmq": lambda: rabbit(database_url),
        "rabbitmq no database": lambda: rabbit(None),
        "stream celery": stream_celery,
        "stream": lambda: stream(database_url),
        "stream no database": lambda: stream(None),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--tasks", type=int, default=1_500, help="events of the Celery arms, which are slow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures = measure(options.events, options.tasks, options.rounds)
    print("\nmedian events/s")
    for name, rate in figures["events_per_second"].items():
        print(f"  {name:24} {rate:10,.0f}")
    print("ratios")
    for name, ratio in figures["ratios"].items():
        met = "met" if ratio >= TARGETS[name] else "NOT met"
        print(f"  {name:44} {ratio:8.2f}  (at least {TARGETS[name]:g}: {met})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if any(ratio < TARGETS[name] for name, ratio in figures["ratios"].items()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
