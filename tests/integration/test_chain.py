"""The chain export → upload → create_job → poll_status with real workers, on RabbitMQ and on Valkey."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftworker.runs.states import RunState
from tests.doubles.openai_api import OpenAIDouble
from tests.integration.workbench import StartProcess, Workbench, closed_events
from tests.servers import wait_until


@pytest.fixture(params=["rabbitmq", "valkey"])
def broker_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def bench(
    tmp_path: Path, database_url: str, broker_url: str, start_process: StartProcess, openai_api: OpenAIDouble
) -> Workbench:
    return Workbench(
        tmp_path,
        database_url,
        broker_url,
        start_process,
        openai_base_url=openai_api.base_url,
        key=openai_api.keys[0],
    )


def test_crossing_the_threshold_ends_in_a_promoted_model(bench: Workbench, openai_api: OpenAIDouble) -> None:
    bench.start("worker", "beat")
    bench.record(closed_events(30))
    bench.ring()

    run = bench.wait_for_run(RunState.PROMOTED)

    assert openai_api.jobs_created == 1
    assert str(run.model).startswith("ft:gpt-4.1-mini")
    assert run.trained_tokens
    folder = next((bench.folder / "home" / "storage" / "datasets" / "tutor").iterdir())
    assert {path.name for path in folder.iterdir()} >= {"train.jsonl", "manifest.json", "README.md"}
    rows = [
        json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").split("\n") if line
    ]
    assert [message["role"] for message in rows[0]["messages"]] == ["system", "user", "assistant"]


def test_a_reply_dropped_after_the_job_was_created_leaves_one_job(
    bench: Workbench, openai_api: OpenAIDouble
) -> None:
    openai_api.fault("reply_lost", on="jobs.create")
    bench.start("worker", "beat")
    bench.record(closed_events(30))
    bench.ring()

    run = bench.wait_for_run(RunState.PROMOTED)

    assert openai_api.jobs_created == 1
    assert any("nobody knows" in message for message in bench.journal(run.id))
    assert any("found job" in message for message in bench.journal(run.id))


def test_runs_go_on_when_every_message_was_lost(bench: Workbench, openai_api: OpenAIDouble) -> None:
    """Events recorded, nobody rings, and beat alone finds them and carries the run to its end."""
    bench.record(closed_events(30))
    bench.start("worker", "beat")

    bench.wait_for_run(RunState.PROMOTED)

    assert openai_api.jobs_created == 1


def test_a_run_begins_by_celery_call_below_any_threshold(bench: Workbench, openai_api: OpenAIDouble) -> None:
    bench.start("worker")
    bench.record(closed_events(12))
    bench.ring()
    wait_until(lambda: _waiting(bench) == 12, 30)

    bench.command("celery", "-A", "ftworker.celery:app", "call", "ftworker.start_run", "--args", '["tutor"]')

    wait_until(lambda: openai_api.jobs_created == 1, 30)
    assert bench.wait_for_run(RunState.SUBMITTED, RunState.TRAINED, RunState.PROMOTED).trigger == "manual"


def test_a_worker_killed_during_the_paid_call_pays_once(bench: Workbench, openai_api: OpenAIDouble) -> None:
    openai_api.fault("slow_reply", on="jobs.create", delay_seconds=4.0)
    bench.start("worker")
    bench.record(closed_events(30))
    bench.ring()
    wait_until(lambda: openai_api.jobs_created == 1, 30)

    bench.processes["worker"].kill()
    with bench.store.transaction() as cursor:
        # Nobody waits two minutes for a dead worker's lease here.
        cursor.execute("UPDATE ftworker.runs SET lease_expires_at = now() WHERE lease_token IS NOT NULL")
    bench.start("worker", "beat")

    bench.wait_for_run(RunState.PROMOTED)
    assert openai_api.jobs_created == 1


def test_conversation_closed_by_celery_call_is_recorded_and_content_is_refused(bench: Workbench) -> None:
    bench.start("worker")
    call = ["celery", "-A", "ftworker.celery:app", "call", "ftworker.conversation_closed"]
    bench.command(*call, "--kwargs", '{"conversation_id": "c-1", "source_name": "default"}')
    bench.command(*call, "--kwargs", '{"conversation_id": "c-2", "messages": ["secreto de Ana"]}')

    def parked() -> dict[str, int]:
        with bench.store.transaction() as cursor:
            cursor.execute("SELECT reason, count(*)::int AS n FROM ftworker.parked GROUP BY 1")
            return {row.reason: row.n for row in cursor.fetchall()}

    wait_until(lambda: parked() == {"not_an_id": 1, "unknown_source": 1}, 30, message=lambda: str(parked()))
    # Celery itself shows the arguments of a call only at DEBUG.
    assert "secreto de Ana" not in bench.processes["worker"].output()


def _waiting(bench: Workbench) -> int:
    with bench.store.transaction() as cursor:
        cursor.execute("SELECT count(*)::int AS n FROM ftworker.examples WHERE dataset_id IS NULL")
        return int(cursor.fetchone().n)
