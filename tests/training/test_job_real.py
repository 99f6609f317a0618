"""The real trainer under the job: killed here, and run by a cluster's job there, it ends with the same loss."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ftworker.settings import CommandSettings
from ftworker.training.order import TrainingOrder
from ftworker.training.results import Trained
from tests.servers import wait_until
from tests.training.desks import Bench, is_alive
from tests.training.test_job_templates import FOLDER, SLURM, Cluster
from tests.training.tiny import write_base, write_work


@pytest.fixture
def bench(tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, emptied_database_url)
    monkeypatch.setenv("FTWORKER_CONFIG", str(made.config))
    # Threads cost more than they bring on matrices of this size.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield made
    made.close()


def order_of(bench: Bench, run_key: str, base: Path) -> TrainingOrder:
    """A training of some seconds with a checkpoint several times a second."""
    made = write_work(bench.folder / f"made-{run_key}", base, checkpoint_interval_seconds=0.3)
    order = msgspec.json.decode((made / "order.json").read_bytes(), type=TrainingOrder)
    return msgspec.structs.replace(
        order,
        run_id=bench.insert_run(run_key),
        run_key=run_key,
        artefacts_url=f"file://{bench.folder}/storage/runs/{run_key}",
        method={**order.method, "n_epochs": 50, "real": True},
    )


def trained(bench: Bench, run_key: str) -> Trained:
    return msgspec.json.decode((bench.published(run_key) / "training.json").read_bytes(), type=Trained)


@pytest.mark.timeout(300)  # three starts of PyTorch, on a machine that may be busy with other tests
def test_a_training_that_was_killed_ends_with_the_loss_of_one_that_a_cluster_ran_through(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_base(tmp_path / "base")
    killed = "ft-tutor-killed"
    bench.desk.hand_in(order_of(bench, killed, base))
    bench.desk.look(killed)
    # By the file and not by the row: on a quick machine all of it takes two seconds.
    checkpoints = bench.work(killed) / "checkpoints"
    wait_until(lambda: any(checkpoints.glob("step-*")), 90, interval=0.01)
    job = bench.job_process(killed)
    os.kill(job, signal.SIGKILL)
    wait_until(lambda: not is_alive(job), 10)
    row = bench.until_over(killed, timeout=90)
    assert (row.state, row.attempts) == ("succeeded", 2)

    cluster = Cluster(tmp_path / "cluster", SLURM)
    template = tmp_path / "slurm.sh"
    text = (FOLDER / "slurm.sh").read_text(encoding="utf-8")
    template.write_text(text.replace("/opt/ftworker/bin/python", sys.executable))
    monkeypatch.setenv("PATH", cluster.environment["PATH"])
    monkeypatch.setenv("JOBS", cluster.environment["JOBS"])
    sent = "ft-tutor-sent"
    command = CommandSettings(
        program=("sh", "{config}"),
        template=template,
        pass_environment=("PATH", "JOBS", "HOME", "PYTHONPATH", "OMP_NUM_THREADS"),
    )
    order = msgspec.structs.replace(
        order_of(bench, sent, base), trainer="command", command=command.model_dump(mode="json")
    )
    bench.desk.hand_in(order)
    row = bench.until_over(sent, timeout=90)
    assert (row.state, row.attempts) == ("succeeded", 1), bench.explain(sent)
    assert any(line.startswith("step ") for line in bench.journal(sent, "metric"))

    one, other = trained(bench, killed), trained(bench, sent)
    assert (one.attempts, other.attempts) == (2, 1)
    assert one.steps == other.steps
    assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
