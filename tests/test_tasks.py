"""What the tasks add to the modules they call: an event is never dropped, a bad pipeline stops no other.

Real workers and brokers are in tests/integration; here the tasks run in this process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Retry

from ftworker import tasks
from ftworker.celery import TRAINING_QUEUE
from ftworker.errors import DatabaseUnavailable, PermanentError
from ftworker.runs.states import RunState
from ftworker.store import Store
from tests.runs.worlds import PIPELINE, World
from tests.servers import PostgresServer


@pytest.fixture
def world(emptied_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The tasks' installation is this one, and nothing is sent."""
    # Celery reads its configuration once, with the first task; a broker in memory is never asked for anything.
    monkeypatch.setenv("FTWORKER_BROKER_URL", "memory://")
    monkeypatch.setenv("FTWORKER_DATABASE_URL", emptied_database_url)
    made = World.make(emptied_database_url, tmp_path)
    here = SimpleNamespace(store=made.store, settings=made.settings, clock=made.clock)
    monkeypatch.setattr(tasks, "installation", lambda: here)
    monkeypatch.setattr(tasks.accumulate, "delay", lambda: None)
    yield made
    made.store.close()


def recorded(store: Store) -> list[tuple[str, str]]:
    with store.transaction() as cursor:
        cursor.execute("SELECT event_id, conversation_id FROM ftworker.inbox ORDER BY id")
        return [(row.event_id, row.conversation_id) for row in cursor.fetchall()]


def call(task: Any, *arguments: Any, task_id: str = "task-1") -> Any:
    """Run a task as a worker would, its exception raised."""
    return task.apply(args=arguments, task_id=task_id, throw=True).result


def test_a_message_that_comes_twice_is_one_event(world: World) -> None:
    for _ in range(2):
        call(tasks.conversation_closed, "c1")
    call(tasks.conversation_closed, "c1", task_id="task-2")
    assert recorded(world.store) == [("task-1", "c1"), ("task-2", "c1")]


def test_an_event_is_recorded_when_the_database_comes_back(
    world: World, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that gave up would take the event with it: nothing else knows of the conversation."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            postgres_server.start()

    monkeypatch.setattr(tasks, "time", SimpleNamespace(sleep=wait))
    postgres_server.stop()
    call(tasks.conversation_closed, "c1")
    assert waits == [1.0, 2.0, 5.0]
    assert recorded(world.store) == [("task-1", "c1")]


def test_a_long_outage_sends_the_event_back_to_the_broker_again_and_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable("away")

    sent: list[dict[str, Any]] = []

    def retry(**options: Any) -> Retry:
        sent.append(options)
        return Retry()

    monkeypatch.setattr("ftworker.tasks.inbox.record_batch", away)
    monkeypatch.setattr(tasks, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(tasks.conversation_closed, "retry", retry)
    with pytest.raises(Retry):
        call(tasks.conversation_closed, "c1")
    assert sent == [{"countdown": 10.0, "max_retries": None}]
    assert sum(tasks.RECORD_WAITS_SECONDS) < 30 * 60


def test_a_pipeline_that_cannot_be_looked_at_does_not_keep_the_others_from_their_runs(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked: list[str] = []

    def begin(name: str) -> None:
        looked.append(name)
        if name == "broken":
            raise ValueError("el gato de Marisol")

    monkeypatch.setattr(tasks, "begin_if_due", begin)
    monkeypatch.setattr("ftworker.tasks.cutting.worth_a_look", lambda _store, _settings, names, _now: names)
    with caplog.at_level(logging.ERROR), pytest.raises(tasks.TaskFailed, match="pipelines broken"):
        tasks.begin_those_due(["broken", PIPELINE])
    assert looked == ["broken", PIPELINE]


@pytest.mark.parametrize("error", [PermanentError("no such thing"), ValueError("el gato de Marisol")])
def test_a_task_that_fails_carries_no_text_but_our_own(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("ftworker.tasks.cutting.start_by_hand", fail)
    with caplog.at_level(logging.INFO), pytest.raises(tasks.TaskFailed) as failed:
        call(tasks.start_run, PIPELINE)
    assert "Marisol" not in str(failed.value)
    assert "Marisol" not in " ".join(record.getMessage() for record in caplog.records)


def test_trouble_that_passes_is_left_to_the_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("ftworker.tasks.cutting.start_by_hand", away)
    assert call(tasks.start_run, PIPELINE) is None


def test_a_run_that_is_refused_by_hand_is_no_failure_of_the_task(world: World) -> None:
    assert call(tasks.start_run, PIPELINE) is None


def test_a_local_model_is_promoted_where_it_was_registered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer's machine: the Ollama of `ollama_host = 127.0.0.1` on another one is not the one that has it."""
    world.configure(provider="local")
    run_id = world.bring_to(RunState.TRAINED)
    sent: list[tuple[str, str]] = []

    def recording_chain(*links: Any) -> SimpleNamespace:
        return SimpleNamespace(apply_async=lambda: sent.extend((x.task, x.options["queue"]) for x in links))

    monkeypatch.setattr(tasks, "chain", recording_chain)
    steps = SimpleNamespace(perform=lambda *_: RunState.TRAINED)
    here = SimpleNamespace(store=world.store, settings=world.settings, steps=steps)
    monkeypatch.setattr(tasks, "installation", lambda: here)
    call(tasks.poll_status, run_id)
    assert sent == [("ftworker.promote", TRAINING_QUEUE)]
