"""docs/EVENTS.md is true: each of its examples runs as it stands there, and what it publishes is an event."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from ftworker.celery import SHORT_QUEUE, queues
from ftworker.events.contract import ClosedEvent, EventRejected, decode
from ftworker.events.transport import Transport, make_transport
from ftworker.settings import IngestSettings
from tests.servers import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "EVENTS.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: ([a-z-]+) -->\n```[a-z]+\n(.*?)```", PAGE, re.DOTALL))
NODE_PACKAGES = Path(__file__).with_name("node")


@pytest.fixture(scope="session")
def node_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with the npm packages that the examples import, kept between test runs."""
    folder = Path(request.config.cache.mkdir("event-examples-node"))
    lock = (NODE_PACKAGES / "package-lock.json").read_text(encoding="utf-8")
    done = folder / "installed-for"
    if not done.exists() or done.read_text(encoding="utf-8") != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE_PACKAGES / name, folder / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True)
        done.write_text(lock, encoding="utf-8")
    return folder


def run(words: list[str], url: str, cwd: Path) -> None:
    environment = {
        **os.environ,
        "EVENTS_URL": url,
        "FTWORKER_EVENTS_URL": url,
        "FTWORKER_BROKER_URL": url,
        "FTWORKER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    result = subprocess.run(
        words, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr


def run_node(example: str, url: str, folder: Path) -> None:
    program = folder / f"{example}.mjs"
    program.write_text(EXAMPLES[example], encoding="utf-8")
    run(["node", str(program)], url, folder)


@pytest.fixture(params=["amqp", "stream"])
def either(request: pytest.FixtureRequest) -> Iterator[tuple[str, Transport]]:
    url = request.getfixturevalue("rabbitmq_url" if request.param == "amqp" else "valkey_url")
    transport = make_transport(url, IngestSettings())
    transport.connect()
    yield url, transport
    transport.close()


def received(transport: Transport) -> ClosedEvent:
    deliveries = wait_until(lambda: transport.receive(10, 0.2))
    assert len(deliveries) == 1
    assert deliveries[0].trouble is None
    return decode(deliveries[0].raw, 100_000)


def test_every_example_of_the_page_is_run_here() -> None:
    assert set(EXAMPLES) == {
        "python",
        "shell",
        "json",
        "amqp-node",
        "stream-node",
        "stream-python",
        "task-python",
    }
    fences = re.findall(r"^```([a-z]+)$", PAGE, re.MULTILINE)
    assert len(fences) == len(EXAMPLES), "an example without its mark is not run"


def test_the_json_example_is_an_event() -> None:
    assert decode(EXAMPLES["json"].encode(), 10_000).data.conversation_id == "c-1042"


def test_the_python_example_publishes(either: tuple[str, Transport], tmp_path: Path) -> None:
    url, transport = either
    run([sys.executable, "-c", EXAMPLES["python"]], url, tmp_path)
    event = received(transport)
    assert (event.data.conversation_id, event.data.course_id) == ("c-1042", "fisica-1")
    assert event.data.messages is not None


def test_the_shell_example_publishes(either: tuple[str, Transport], tmp_path: Path) -> None:
    url, transport = either
    run(["bash", "-ec", EXAMPLES["shell"]], url, tmp_path)
    assert received(transport).data.conversation_id == "c-1043"


def test_the_node_example_publishes_to_rabbitmq(rabbitmq_url: str, node_folder: Path) -> None:
    transport = make_transport(rabbitmq_url, IngestSettings())
    transport.connect()
    run_node("amqp-node", rabbitmq_url, node_folder)
    assert received(transport).data.conversation_id == "node-amqp"
    transport.close()


def test_the_node_example_says_when_no_queue_takes_its_event(rabbitmq_url: str, node_folder: Path) -> None:
    transport = make_transport(rabbitmq_url, IngestSettings(routing_key="something.else"))
    transport.connect()
    transport.close()
    with pytest.raises(AssertionError, match="no queue takes"):
        run_node("amqp-node", rabbitmq_url, node_folder)


def test_the_node_example_adds_to_the_stream(valkey_url: str, node_folder: Path) -> None:
    run_node("stream-node", valkey_url, node_folder)
    transport = make_transport(valkey_url, IngestSettings())
    transport.connect()
    assert received(transport).data.conversation_id == "node-stream"
    transport.close()


def test_the_python_example_without_ftworker_adds_to_the_stream(valkey_url: str, tmp_path: Path) -> None:
    run([sys.executable, "-c", EXAMPLES["stream-python"]], valkey_url, tmp_path)
    transport = make_transport(valkey_url, IngestSettings())
    transport.connect()
    assert received(transport).data.conversation_id == "python-stream"
    transport.close()


@pytest.mark.parametrize("broker", ["rabbitmq_url", "valkey_url"])
def test_the_celery_example_sends_the_task_to_the_workers_queue(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(broker)
    with kombu.Connection(url) as connection:
        channel = connection.default_channel
        for queue in queues(url):
            queue.bind(channel).declare()
        run([sys.executable, "-c", EXAMPLES["task-python"]], url, tmp_path)
        message = channel.basic_get(SHORT_QUEUE, no_ack=True)
        assert (message.headers["task"], message.headers["id"]) == (
            "ftworker.conversation_closed",
            "c-1042-v1",
        )


def test_a_string_cut_in_half_by_javascript_is_refused_as_the_page_says() -> None:
    program = (
        'const half = "a😀".slice(0, 2);'
        "const event = JSON.parse(process.argv[1]); event.data.model = half; console.log(JSON.stringify(event));"
        "event.data.model = Buffer.from(half).toString(); console.log(JSON.stringify(event));"
    )
    output = subprocess.run(["node", "-e", program, EXAMPLES["json"]], capture_output=True, check=True).stdout
    broken, mended = output.splitlines()
    with pytest.raises(EventRejected, match="lone_surrogate"):
        decode(broken, 10_000)
    assert decode(mended, 10_000).data.model == "a\ufffd"


def test_every_setting_of_ingest_that_the_page_names_exists_with_the_value_it_says() -> None:
    settings = json.loads(IngestSettings().model_dump_json())
    named = set(re.findall(r"`ingest\.([a-z_]+)`", PAGE))
    assert named <= set(settings)
    assert {"max_message_bytes", "delivery_limit", "batch_size", "claim_idle_seconds"} <= named
    assert "`ingest.delivery_limit` (20)" in PAGE
    assert settings["delivery_limit"] == 20
    assert settings["max_message_bytes"] == 4 * 1024**2
    for name in (
        settings["exchange"],
        settings["routing_key"],
        settings["queue"],
        settings["stream"],
        settings["group"],
    ):
        assert f"`{name}`" in PAGE
