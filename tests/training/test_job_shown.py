"""How a training is shown: `runs show`, `runs watch` with a bar on a terminal and lines elsewhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from psycopg2.extras import Json

from ftworker.cli import cli
from ftworker.cli.watching import duration, figures
from ftworker.store import runs
from ftworker.training.events import Progressed
from tests.servers import wait_until
from tests.training.desks import Bench

KEY = "ft-tutor-0123456789ab"
PROGRESS = Progressed(
    "train",
    120,
    400,
    "steps",
    loss=1.23456,
    tokens_per_second=230.4,
    eta_seconds=250.0,
    memory_bytes=2_100_000_000,
)


@pytest.fixture
def bench(tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, emptied_database_url)
    monkeypatch.setenv("FTWORKER_DATABASE_URL", emptied_database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:9/0")
    made.hand_in(KEY)
    made.sql(
        "UPDATE ftworker.trainings SET state = 'running', lease_token = gen_random_uuid(), "
        "lease_expires_at = now() + interval '1 hour', stage = 'train', attempts = 2, host = 'gpu-1', "
        "started_at = now(), progress = %s",
        Json(msgspec.to_builtins(PROGRESS)),
    )
    made.sql("UPDATE ftworker.runs SET next_action_at = now()")
    yield made
    made.close()


def end(bench: Bench) -> None:
    bench.sql("UPDATE ftworker.runs SET state = 'cancelled', finished_at = now()")


def test_a_run_is_shown_with_its_training(bench: Bench) -> None:
    run_id = str(bench.row(KEY).run_id)
    shown = CliRunner().invoke(cli, ["runs", "show", run_id])
    assert "120 of 400 steps, loss 1.2346, 230 tokens/s, 4:10 left" in " ".join(shown.output.split())
    assert "gpu-1" in shown.output
    training = json.loads(CliRunner().invoke(cli, ["runs", "show", run_id, "--json"]).output)["training"]
    assert set(training) == {
        *("run_key", "state", "stage", "message", "attempts", "crashes", "host", "progress"),
        *("progress_ratio", "not_before", "error_code", "started_at", "finished_at"),
    }
    assert training["progress_ratio"] == pytest.approx(0.3)


def test_without_a_terminal_a_training_is_followed_as_lines(bench: Bench) -> None:
    run_id = bench.row(KEY).run_id
    with bench.store.transaction() as cursor:
        runs.record_journal(cursor, run_id, "progress", "train: 120 of 400 steps, loss 1.2346", {})
    end(bench)
    watched = CliRunner().invoke(cli, ["runs", "watch", str(run_id)])
    assert "progress train: 120 of 400 steps, loss 1.2346" in watched.output
    assert "━" not in watched.output


def test_on_a_terminal_a_bar_shows_how_far_the_training_is(bench: Bench) -> None:
    run_id = bench.row(KEY).run_id
    master, slave = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "ftworker.cli", "runs", "watch", str(run_id)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(slave)
    os.set_blocking(master, False)
    seen = ""

    def shows(text: str) -> bool:
        nonlocal seen
        try:
            seen += os.read(master, 65_536).decode(errors="replace")
        except (BlockingIOError, OSError):
            return text in seen
        return text in seen

    wait_until(lambda: shows("loss 1.2346"), 20, message=lambda: seen)
    assert "30 %" in seen
    assert "━" in seen
    with bench.store.transaction() as cursor:
        runs.record_journal(cursor, run_id, "note", "a checkpoint was taken up", {})
        runs.record_journal(cursor, run_id, "metric", "step 121 of 400: loss 1.2", {})
    wait_until(lambda: shows("a checkpoint was taken up"), 10, message=lambda: seen)
    end(bench)
    wait_until(lambda: shows("cancelled"), 10, message=lambda: seen)
    wait_until(lambda: watching.poll() is not None, 10)
    # What the bar shows is no line beside it.
    assert "step 121" not in seen
    os.close(master)


def test_figures_that_are_not_known_are_left_out() -> None:
    assert figures({}) == ""
    assert figures({"completed": 3, "total": 9, "unit": "tensors"}) == "3 of 9 tensors"
    assert [duration(seconds) for seconds in (5, 65, 3_850)] == ["0:05", "1:05", "1:04:10"]
