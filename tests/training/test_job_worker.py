"""A real Celery trainer and the jobs beside it: stopping the one stops the others at a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartProcess
from tests.training.desks import Bench


@pytest.fixture
def bench(tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, emptied_database_url)
    monkeypatch.setenv("FTWORKER_CONFIG", str(made.config))
    yield made
    made.close()


def test_a_trainer_that_stops_waits_for_its_jobs_checkpoints(
    bench: Bench, valkey_url: str, start_process: StartProcess
) -> None:
    quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
    trainer = start_process(
        ["celery", "-A", "ftworker.celery:app", "worker", "-Q", "ftworker.training", "-c", "1", *quiet],
        {
            "FTWORKER_HOME": str(bench.settings.home),
            "FTWORKER_DATABASE_URL": bench.database_url,
            "FTWORKER_BROKER_URL": valkey_url,
        },
    )
    key = bench.hand_in(steps=2_000, step_seconds=0.05, checkpoint_every=10_000)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer.wait_for_output("ready.", 30)

    trainer.terminate()

    assert trainer.returncode == 0
    row = bench.row(key)
    assert (row.state, row.message) == ("waiting", "stopped with its worker; goes on where it was")
    assert (bench.work(key) / "checkpoints" / "state.json").exists()
