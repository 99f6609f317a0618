"""The Celery app: queues, acknowledgement, beat's schedule, signals. `celery -A ftworker.celery:app worker`.

Reads no configuration when imported; Celery asks for it when it first needs it. The tasks are in `tasks`.
The reason for each setting is in docs/RELIABILITY.md; the measurements behind them are of Celery 5.7.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
from contextlib import suppress
from functools import cache
from typing import Any

from celery import Celery, signals
from kombu import Connection, Exchange, Queue

from ftworker.errors import ConfigurationError, ConfigurationProblem, FtworkerError
from ftworker.events.amqp import heartbeat_seconds
from ftworker.events.closing import TASKS_DEAD_QUEUE
from ftworker.installation import Installation, open_installation
from ftworker.logs import setup_logging
from ftworker.loop_watch import ANSWERS, LoopWatch
from ftworker.settings import Settings
from ftworker.store import processes
from ftworker.trainings import stop_jobs, wait_for_jobs

SHORT_QUEUE = "ftworker"
"""Steps that take seconds. Any number of workers."""
TRAINING_QUEUE = "ftworker.training"
"""Steps of local runs, which may take long and fill the machine. Concurrency 1."""
DEAD_QUEUE = TASKS_DEAD_QUEUE
"""Where RabbitMQ puts task messages that killed their worker too often. They carry ids; PostgreSQL has the truth."""
DELIVERY_LIMIT = 10
CONNECT_SECONDS = 4.0
"""Longest that RabbitMQ is waited for when a connection is made; each of a message's four tries may make one."""
TICK_EXPIRES_SECONDS = 7_200.0
"""Age at which a worker throws a tick away, so that one that starts after days does not do all that waited for it. It
compares its own clock with beat's: with as little as the tick's interval, a clock that is wrong by more than that would
throw every tick away, and nothing would be swept."""
JOBS_STOP_SECONDS = 45.0
"""How long a trainer that stops waits for its jobs' checkpoints; below the minute that `ftworker up` gives it."""

logger = logging.getLogger(__name__)


@cache
def installation() -> Installation:
    """This process's installation, put together when first asked for."""
    return open_installation()


def configuration() -> dict[str, Any]:
    """Celery's settings, from ftworker's. Raises ConfigurationError when no broker is configured or running."""
    settings = installation().settings
    if settings.broker_url is None:
        raise ConfigurationError(
            "environment",
            [
                ConfigurationProblem(
                    "FTWORKER_BROKER_URL",
                    "(not set)",
                    "an amqp:// or redis:// URL, or `ftworker up`, which starts one",
                )
            ],
        )
    broker_url = settings.broker_url.get_secret_value()
    answer_seconds = settings.network.answer_seconds
    return {
        "broker_url": broker_url.replace("valkey://", "redis://", 1),
        "broker_connection_retry_on_startup": True,
        "broker_connection_timeout": min(CONNECT_SECONDS, answer_seconds),
        "broker_heartbeat": heartbeat_seconds(answer_seconds),
        "broker_transport_options": _transport_options(broker_url, answer_seconds),
        "task_queues": queues(broker_url),
        "task_default_queue": SHORT_QUEUE,
        "task_default_exchange": SHORT_QUEUE,
        "task_default_exchange_type": "topic",
        "task_default_routing_key": SHORT_QUEUE,
        # A message is acknowledged when its task is done, also when its process was killed.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_soft_shutdown_timeout": 10.0,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        # Celery's own is exclusive: RabbitMQ locks it until it notices that a worker's old connection is gone, and the
        # worker that came back ends. A durable one is shared; like the other it is gone when nobody uses it.
        "control_queue_exclusive": False,
        "control_queue_durable": broker_url.startswith("amqp"),
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(settings),
        "beat_scheduler": "ftworker.ticks:Ticks",
    }


def queues(broker_url: str) -> list[Queue]:
    """The two queues; on RabbitMQ quorum queues with a delivery limit and a dead-letter exchange.

    Topic exchanges, because Celery prepares delayed delivery for quorum queues and warns about direct ones.
    """
    arguments = (
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_QUEUE,
        }
        if broker_url.startswith("amqp")
        else None
    )
    return [
        Queue(name, Exchange(name, type="topic", durable=True), routing_key=name, queue_arguments=arguments)
        for name in (SHORT_QUEUE, TRAINING_QUEUE)
    ]


def beat_schedule(settings: Settings) -> dict[str, Any]:
    """Short ticks; what is due is decided by rows, so a lost or repeated one changes nothing."""

    def every(task: str, seconds: float) -> dict[str, Any]:
        return {"task": f"ftworker.{task}", "schedule": seconds, "options": {"expires": TICK_EXPIRES_SECONDS}}

    worker = settings.worker
    return {
        "sweep": every("sweep", worker.sweep_interval_seconds),
        "check-triggers": every("check_triggers", worker.sweep_interval_seconds * 3),
        "sweep-idle": every("sweep_idle", worker.idle_sweep_interval_seconds),
        "tidy": every("tidy", 3_600.0),
    }


def _transport_options(broker_url: str, answer_seconds: float) -> dict[str, Any]:
    """Without timeouts both drivers wait for ever for a server that neither answers nor hangs up: beat for its next
    tick, a worker for the place of its next link."""
    if broker_url.startswith("amqp"):
        return {"confirm_publish": True, "read_timeout": answer_seconds, "write_timeout": answer_seconds}
    return {
        # Longer than any step: a shorter one would deliver a running task again and again.
        "visibility_timeout": 6 * 3_600,
        "socket_keepalive": True,
        "socket_timeout": answer_seconds,
        "socket_connect_timeout": answer_seconds,
        # Also how soon kombu looks whether the answer to its waiting read is overdue.
        "health_check_interval": answer_seconds,
    }


app = Celery("ftworker", include=["ftworker.tasks"], set_as_current=True)
app.add_defaults(configuration)


@signals.setup_logging.connect
def _own_logging(loglevel: int | str | None = None, **_: Any) -> None:
    setup_logging(loglevel or logging.INFO)


@signals.worker_init.connect
def _declare_queues(**_: Any) -> None:
    """Make every queue before the first message, also those that this worker does not consume.

    RabbitMQ drops what is dead-lettered to an exchange that does not exist, and Celery binds the exchange of every
    queue to its delayed delivery.
    """
    broker_url = configuration()["broker_url"]
    if not broker_url.startswith("amqp"):
        return
    dead = Queue(
        DEAD_QUEUE,
        Exchange(DEAD_QUEUE, type="fanout", durable=True),
        queue_arguments={"x-queue-type": "quorum"},
    )
    options = _transport_options(broker_url, installation().settings.network.answer_seconds)
    with Connection(broker_url, transport_options=options) as connection:
        for queue in (dead, *queues(broker_url)):
            queue.bind(connection.default_channel).declare()


@signals.worker_init.connect
def _mend_channels(**_: Any) -> None:
    if not configuration()["broker_url"].startswith("amqp"):
        from ftworker.valkey_channel import mend_channels

        mend_channels()


@signals.worker_init.connect
def _load_for_all_children(sender: Any = None, **_: Any) -> None:
    """Of a worker that accumulates, exports and asks providers; the trainer does none of these."""
    if SHORT_QUEUE in sender.app.amqp.queues.consume_from:
        from ftworker.preloading import load_before_the_fork

        load_before_the_fork(installation().settings)


_stopping = threading.Event()
_trains = threading.Event()


@signals.worker_ready.connect
def _say_alive(sender: Any = None, **_: Any) -> None:
    """Renew this worker's row in `ftworker.processes` from a thread: a long task must not make it look dead, and a
    loop that stands still must not look alive."""
    consumed = {queue.name for queue in sender.task_consumer.queues}
    name = "worker" if SHORT_QUEUE in consumed else "trainer"
    if TRAINING_QUEUE in consumed:
        _trains.set()
    threading.Thread(target=_renew_until_stopped, args=(name, sender), name="alive", daemon=True).start()


@signals.worker_shutting_down.connect
def _say_gone(**_: Any) -> None:
    _stopping.set()
    if _trains.is_set():
        stop_jobs(installation().settings.home)


@signals.worker_shutdown.connect
def _wait_for_checkpoints(**_: Any) -> None:
    """The jobs of trainings save a checkpoint and go before the trainer does; a later look resumes them.

    Before the database is stopped, too, where it is an embedded one: each says in its row that it waits.
    """
    if _trains.is_set() and not wait_for_jobs(installation().settings.home, JOBS_STOP_SECONDS):
        logger.warning("a training has not stopped within %g s; it goes on by itself", JOBS_STOP_SECONDS)


def _renew_until_stopped(name: str, consumer: Any) -> None:
    store = installation().store
    watch = LoopWatch(ANSWERS * installation().settings.network.answer_seconds, processes.BEAT_SECONDS)
    if consumer.hub is not None:  # other pools than prefork have none
        consumer.hub.on_tick.add(watch.turned)
    while not _stopping.is_set():
        if watch.stands_still(is_excused=consumer.hub is None or consumer.connection is None):
            logger.critical(
                "the loop stands still: this %s ends, to be started again; its stack follows", name
            )
            faulthandler.dump_traceback()
            os._exit(os.EX_SOFTWARE)
        with suppress(FtworkerError), store.transaction() as cursor:
            processes.seen(cursor, name)
        _stopping.wait(processes.BEAT_SECONDS)
    with suppress(FtworkerError), store.transaction() as cursor:
        processes.gone(cursor, name)
    store.close()
