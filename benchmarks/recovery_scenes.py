"""The kills that `bench_recovery` times. Each scene brings work to one place, holds it there, kills, and lets go.

Held is by a lock in PostgreSQL, by a provider that answers slowly, or by a network that carries nothing, so that a kill
hits where it shall. Each scene returns seconds from the kill to the next progress of what was killed; of a server that
was killed, from its return.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import celery
import psutil

from ftworker.celery import SHORT_QUEUE, TRAINING_QUEUE, queues
from ftworker.clock import utc_now
from ftworker.errors import DatabaseUnavailable
from ftworker.runs import cutting
from ftworker.runs.states import RunState, Step, remaining_chain
from ftworker.store import inbox
from ftworker.store.connection import connect
from tests.chaos import workshop
from tests.chaos.evidence import page
from tests.chaos.plan import Published, Transport
from tests.chaos.plant import Plant
from tests.integration.workbench import closed_events
from tests.servers import RabbitmqServer, wait_until

EXAMPLES = 20
"""Of a dataset: OpenAI wants ten at least."""
LONGEST_SECONDS = 400.0
OPENAI, LOCAL = "tutor", workshop.NAME
SLOW_SECONDS = 600.0


class Scenes:
    """A plant with what the scenes need: work, holding, killing, waiting."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self._numbers = count()
        url = plant.environment["FTWORKER_BROKER_URL"]
        self._app = celery.Celery("bench", broker=url, set_as_current=False)
        self._app.conf.task_queues = queues(url)

    # -- events

    def ingest_before_commit(self, via: Transport) -> float:
        with self._held("inbox", "SHARE"):
            event_id = self._publish(via)
            self._wait(lambda: self._is_blocked("inbox"))
            killed = self._kill(f"ingest-{via}")
        self._wait(lambda: self._is_recorded(event_id))
        return time.monotonic() - killed

    def ingest_after_commit(self, via: Transport) -> float:
        proxy = self.plant.network.proxies["rabbitmq" if via == "amqp" else "valkey_events"]
        with self._held("inbox", "SHARE"):
            event_id = self._publish(via)
            self._wait(lambda: self._is_blocked("inbox"))
            proxy.stall()
        self._wait(lambda: self._is_recorded(event_id))
        time.sleep(0.1)
        killed = self._kill(f"ingest-{via}")
        # With the connection goes the ack that was on its way.
        proxy.reset()
        proxy.heal()
        later = self._publish(via)
        self._wait(lambda: self._is_recorded(later))
        # RabbitMQ hands out what came back before what is new; of a stream the number of open entries is known.
        if via == "stream":
            assert self.plant.valkey_events is not None
            url = self.plant.valkey_events.url()
            self._wait(lambda: not self.plant.publisher.unacknowledged(via, url))
        return time.monotonic() - killed

    def accumulate(self, *, whole: bool) -> float:
        with self._held("conversations", "SHARE"):
            event_id = self._publish("stream")
            self._wait(lambda: self._is_blocked("conversations"))
            killed = self._kill("worker") if whole else self._kill_children("worker")
        self._wait(lambda: self._is_accumulated(event_id))
        return time.monotonic() - killed

    # -- runs

    def between_links(self) -> float:
        proxy = self.plant.network.proxies["rabbitmq" if self.plant.broker == "amqp" else "valkey_tasks"]
        with self._held("golden_examples", "ACCESS EXCLUSIVE"):
            run_id = self._begin(OPENAI)
            self._wait(lambda: self._is_blocked("golden_examples") and self._is_leased(run_id))
            proxy.stall()
        self._wait(lambda: self._state(run_id) == RunState.EXPORTED and not self._is_leased(run_id))
        killed = self._kill("worker")
        proxy.reset()
        proxy.heal()
        self._wait(lambda: self._state(run_id) not in {None, RunState.EXPORTED})
        return time.monotonic() - killed

    def export(self) -> float:
        with self._held("golden_examples", "ACCESS EXCLUSIVE"):
            run_id = self._begin(OPENAI)
            self._wait(lambda: self._is_blocked("golden_examples") and self._is_leased(run_id))
            killed = self._kill("worker")
        self._wait(lambda: self._state(run_id) not in {None, RunState.CUT})
        return time.monotonic() - killed

    def upload(self) -> float:
        return self._in_a_call("files.create", "files", {RunState.EXPORTED})

    def paid_call(self) -> float:
        return self._in_a_call("jobs.create", "jobs", {RunState.UPLOADED, RunState.SUBMITTING})

    def _in_a_call(self, operation: str, made: str, before: set[RunState]) -> float:
        """Kill while the provider has done the work and not answered yet."""
        there = len(self.plant.vendors.state()[made])
        self.plant.vendors.openai_fault("slow_reply", operation, delay_seconds=SLOW_SECONDS)
        run_id = self._begin(OPENAI)
        self._wait(lambda: len(self.plant.vendors.state()[made]) > there)
        self._wait(lambda: self._state(run_id) in before)
        killed = self._kill("worker")
        self._wait(lambda: self._state(run_id) not in {None, *before})
        return time.monotonic() - killed

    def beat(self) -> float:
        """Until the first sweep that the new one asked for."""
        killed = self._kill("beat")
        # What the killed one had sent is done by then.
        time.sleep(0.2)
        swept = self._swept_at()
        self._wait(lambda: self._swept_at() > swept)
        return time.monotonic() - killed

    # -- servers

    def broker(self) -> float:
        """An event is recorded while the broker is away, and the broker comes back without any message."""
        server = self.plant.valkey_tasks or self.plant.rabbitmq
        assert server is not None
        server.kill()
        event_id = self._publish("stream")
        self._wait(lambda: self._is_recorded(event_id))
        server.start()
        if isinstance(server, RabbitmqServer):
            self._wait(self.plant.tasks.lose_everything)
        back = time.monotonic()
        self._wait(lambda: self._is_accumulated(event_id))
        return time.monotonic() - back

    def postgres(self) -> float:
        """Killed, and away for a second while an event comes."""
        self.plant.postgres.kill()
        event_id = self._publish("stream")
        time.sleep(1.0)
        self.plant.postgres.start()
        back = time.monotonic()
        self._wait(lambda: self._is_accumulated(event_id))
        return time.monotonic() - back

    # -- trainings

    def trainer(self) -> float:
        """Until the training's next sign of life, which never stopped."""
        run_id = self._begin(LOCAL)
        self._wait(lambda: self._stages() != set())
        lease = self._training(run_id)
        killed = self._kill("trainer")
        self._wait(lambda: self._training(run_id) != lease)
        return time.monotonic() - killed

    def job(self) -> float:
        """Until another job holds the training."""
        run_id = self._begin(LOCAL)
        self._wait(lambda: self._stages() != set())
        (job,) = self.plant.processes.jobs()
        job.kill()
        killed = time.monotonic()
        query = (
            "SELECT FROM ftworker.trainings WHERE run_id = %(run)s AND state = 'running' AND pid <> %(pid)s"
        )
        self._wait(lambda: self._ask(query, run=run_id, pid=job.pid) is not None)
        return time.monotonic() - killed

    def stage(self) -> float:
        """Until the stage runs again."""
        self._begin(LOCAL)
        self._wait(lambda: self._stages() != set())
        before = self._stages()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        self._wait(lambda: bool(self._stages() - before))
        return time.monotonic() - killed

    def _stages(self) -> set[int]:
        """The stages of the jobs that run: their children."""
        found = set()
        for job in self.plant.processes.jobs():
            try:
                found |= {child.pid for child in job.children() if child.status() != psutil.STATUS_ZOMBIE}
            except psutil.NoSuchProcess:
                continue
        return found

    def _training(self, run_id: int) -> Any:
        row = self._ask("SELECT lease_expires_at FROM ftworker.trainings WHERE run_id = %(run)s", run=run_id)
        return row and row.lease_expires_at

    # -- work

    def _publish(self, via: Transport) -> str:
        (event,) = closed_events(1, first=next(self._numbers))
        raw = json.dumps(event, ensure_ascii=False).encode()
        self.plant.publisher.give([Published(via, raw, (event["source"], event["id"]))])
        return str(event["id"])

    def _begin(self, pipeline: str) -> int:
        """Cut a dataset and send the run's steps, as `ftworker.tasks.start_run` does; the run's id."""
        settings, store = self.plant.settings, self.plant.store
        run_id = cutting.start_by_hand(store, settings, pipeline, utc_now)
        links = [
            self._app.signature(
                f"ftworker.{step}",
                args=(run_id,),
                immutable=True,
                queue=TRAINING_QUEUE if pipeline == LOCAL and step is not Step.EXPORT else SHORT_QUEUE,
            )
            for step in remaining_chain(RunState.CUT)
        ]
        celery.chain(*links).apply_async()
        return run_id

    def prepare(self) -> None:
        """Before a scene: everything runs, no run is on its way, and enough examples wait for another."""
        self._wait(self._is_ready)
        self._wait(lambda: self._ask(ON_THEIR_WAY) is None)
        first = next(self._numbers)
        self._numbers = count(first + EXAMPLES)
        events = [
            inbox.NewEvent(
                str(event["source"]),
                str(event["id"]),
                "default",
                event["data"]["conversation_id"],
                json.dumps(event, ensure_ascii=False),
            )
            for event in closed_events(EXAMPLES, first=first)
        ]
        with self.plant.store.transaction() as cursor:
            inbox.record_batch(cursor, events, [], "task")
        self._wait(lambda: self._ask(WAITING_EVENTS) is None)

    def _is_ready(self) -> bool:
        """Whether every worker has said so as often as it was started, and the page is there."""
        for name in ("worker", "trainer"):
            kept = self.plant.processes.kept[name]
            if kept.log.read_text(errors="replace").count(" ready.") < kept.starts:
                return False
        text = page(self.plant, "/metrics")
        alive = ("ingest", "worker", "trainer", "beat")
        return (
            all(f'ftworker_processes{{name="{name}"}} 0.0' not in text for name in alive)
            and "ftworker_" in text
        )

    # -- holding and killing

    @contextmanager
    def _held(self, table: str, mode: str) -> Iterator[None]:
        connection = connect(self.plant.direct_database_url, application_name="bench")
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE ftworker.{table} IN {mode} MODE")
                yield
        finally:
            connection.close()

    def _kill(self, name: str) -> float:
        assert self.plant.processes.kill(name, whole_group=True), f"{name} does not run"
        return time.monotonic()

    def _kill_children(self, name: str) -> float:
        for child in self.plant.processes.children(name):
            child.kill()
        return time.monotonic()

    # -- looking

    def _is_blocked(self, table: str) -> bool:
        query = "SELECT FROM pg_locks WHERE NOT granted AND relation = %(table)s::regclass"
        return self._ask(query, table=f"ftworker.{table}") is not None

    def _is_leased(self, run_id: int) -> bool:
        query = "SELECT FROM ftworker.runs WHERE id = %(run)s AND lease_token IS NOT NULL"
        return self._ask(query, run=run_id) is not None

    def _state(self, run_id: int) -> RunState | None:
        row = self._ask("SELECT state FROM ftworker.runs WHERE id = %(run)s", run=run_id)
        return row and RunState(row.state)

    def _is_recorded(self, event_id: str) -> bool:
        query = "SELECT FROM ftworker.inbox WHERE event_id = %(event)s"
        return self._ask(query, event=event_id) is not None

    def _is_accumulated(self, event_id: str) -> bool:
        query = "SELECT FROM ftworker.inbox WHERE event_id = %(event)s AND processed_at IS NOT NULL"
        return self._ask(query, event=event_id) is not None

    def _swept_at(self) -> float:
        row = self._ask("SELECT max(value) AS at FROM ftworker.totals WHERE name = 'sweep_timestamp_seconds'")
        return float(row.at) if row and row.at else 0.0

    def _ask(self, query: str, **parameters: Any) -> Any:
        """The first row; None without any, and while the database is away."""
        try:
            with self.plant.store.transaction() as cursor:
                cursor.execute(query, parameters)
                return cursor.fetchone()
        except DatabaseUnavailable:
            return None

    def _wait(self, happens: Callable[[], Any]) -> None:
        wait_until(happens, LONGEST_SECONDS, interval=0.01)


ON_THEIR_WAY = "SELECT FROM ftworker.runs WHERE finished_at IS NULL LIMIT 1"
WAITING_EVENTS = "SELECT FROM ftworker.inbox WHERE processed_at IS NULL LIMIT 1"

Scene = Callable[[Scenes], float]
SCENES: Final[dict[str, Scene]] = {
    "ingest (RabbitMQ), before COMMIT": lambda scenes: scenes.ingest_before_commit("amqp"),
    "ingest (RabbitMQ), after COMMIT, before the ack": lambda scenes: scenes.ingest_after_commit("amqp"),
    "ingest (stream), before COMMIT": lambda scenes: scenes.ingest_before_commit("stream"),
    "ingest (stream), after COMMIT, before the ack": lambda scenes: scenes.ingest_after_commit("stream"),
    "beat": Scenes.beat,
    "PostgreSQL": Scenes.postgres,
}
"""By the name of what is killed; these do not depend on who carries the tasks."""
SCENES_OF_TASKS: Final[dict[str, Scene]] = {
    "the worker's children in accumulate": lambda scenes: scenes.accumulate(whole=False),
    "the worker in accumulate": lambda scenes: scenes.accumulate(whole=True),
    "the worker between two links": Scenes.between_links,
    "the worker in export": Scenes.export,
    "the worker in upload": Scenes.upload,
    "the worker in the paid call": Scenes.paid_call,
    "the broker, all messages lost": Scenes.broker,
}
SCENES_OF_TRAININGS: Final[dict[str, Scene]] = {
    "the trainer": Scenes.trainer,
    "a training's job": Scenes.job,
    "a training's stage": Scenes.stage,
}
