"""What arrives on the task queues and is no task of ours: real workers refuse it, and show nothing of it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kombu import Connection

from tests.integration.workbench import StartProcess, Workbench
from tests.servers import wait_until

WORDS = "me llamo Lucía Canario"


class Runs:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(params=["rabbitmq", "valkey"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, start_process: StartProcess
) -> Workbench:
    broker_url = request.getfixturevalue(f"{request.param}_url")
    return Workbench(tmp_path, database_url, broker_url, start_process)


def messages(trap: Path) -> list[tuple[bytes, str, str, dict[str, Any]]]:
    """Body, content type, encoding and headers of what no worker may take."""
    arguments = [[Runs(trap)], {"words": WORDS}, {}]
    task = {"lang": "py", "task": "ftworker.sweep", "id": "1", "root_id": "1", "argsrepr": WORDS}
    yaml = (
        f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{trap}']] # {WORDS}"
    )
    text = json.dumps([[WORDS], {}, {}]).encode()
    return [
        (pickle.dumps(arguments), "application/x-python-serialize", "binary", task),
        (pickle.dumps(arguments), "application/x-python-serialize", "binary", {}),
        (yaml.encode(), "application/x-yaml", "utf-8", task),
        (yaml.encode(), "application/x-yaml", "utf-8", {}),
        (msgspec.msgpack.encode([[WORDS], {}, {}]), "application/x-msgpack", "binary", task),
        (msgspec.msgpack.encode({"task": WORDS}), "application/x-msgpack", "binary", {}),
        (WORDS.encode(), "text/plain", "utf-8", {}),
        (json.dumps({"conversation_id": WORDS}).encode(), "application/json", "utf-8", {}),
        (text, "application/json", "utf-8", {**task, "task": f"{WORDS}\n"}),
        (b"{" + WORDS.encode(), "application/json", "utf-8", {**task, "task": "ftworker.accumulate"}),
        (text, "application/json", "utf-8", {**task, "task": "ftworker.sweep"}),
    ]


def test_a_worker_refuses_what_is_no_task_of_ours_and_works_on(bench: Workbench, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    bench.start("worker")
    with Connection(bench.broker_url) as connection, connection.channel() as channel:
        producer = connection.Producer(channel)
        for body, content_type, encoding, headers in messages(trap):
            producer.publish(
                body,
                exchange="ftworker",
                routing_key="ftworker",
                content_type=content_type,
                content_encoding=encoding,
                headers=headers,
                correlation_id="1",
            )
    call = ["celery", "-A", "ftworker.celery:app", "call", "ftworker.conversation_closed"]
    bench.command(*call, "--kwargs", '{"conversation_id": "c-1"}')

    def recorded() -> int:
        with bench.store.transaction() as cursor:
            cursor.execute("SELECT count(*)::int AS n FROM ftworker.inbox")
            return int(cursor.fetchone().n)

    wait_until(lambda: recorded() == 1, 30)
    output = bench.processes["worker"].output()
    assert output.count("a message that is no task was refused") >= 6
    assert not trap.exists()
    assert "Lucía" not in output
    assert "Luc" not in output
    assert bench.processes["worker"].is_running()
