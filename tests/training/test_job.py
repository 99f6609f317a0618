"""The job of a training with real processes and a real PostgreSQL: what it does, and what each kill costs.

The stages are stubs (`stub_stage`), so that a training takes a second; `test_job_real` has the real trainer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ftworker.errors import NotFound
from ftworker.trainings import stop_jobs, wait_for_jobs
from tests.servers import PostgresServer, wait_until
from tests.training.desks import STUB_JOB, Bench, final_of, is_alive


@pytest.fixture
def bench(tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path, emptied_database_url)
    monkeypatch.setenv("FTWORKER_CONFIG", str(made.config))
    yield made
    made.close()


# -- from beginning to end


def test_a_training_is_handed_in_begun_by_a_look_and_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_TOKEN", "hf-secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    key = bench.hand_in(steps=5, stages=3)
    assert bench.desk.look(key).state == "waiting"
    row = bench.until_over(key)

    assert (row.state, row.attempts, row.crashes, row.error_code) == ("succeeded", 1, 0, None)
    published = bench.published(key)
    for line in (published / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((published / name).read_bytes()).hexdigest() == digest
    assert (published / "adapter" / "adapter_model.safetensors").exists()
    # Nothing of the worker's secrets reached the program that trains.
    seen = json.loads((published / "environment.json").read_text())
    assert "CUDA_VISIBLE_DEVICES" in seen
    assert not {"FTWORKER_DATABASE_URL", "OPENAI_API_KEY", "HF_TOKEN"} & set(seen)
    # What only a training needs is gone, and nobody else may look at the rest.
    work = bench.work(key)
    assert not [name for name in ("data", "checkpoints", "artefacts") if (work / name).exists()]
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    assert "a library prints this" in (work / "logs" / "train.log").read_text()


def test_the_journal_tells_of_a_training_and_the_row_has_the_newest_progress(bench: Bench) -> None:
    key = bench.hand_in(steps=6, step_seconds=0.3)
    running = bench.until(key, lambda row: row.progress.get("completed", 0) >= 2)
    assert running.state == "running"
    # Coarse on purpose: each new text is an entry of the journal.
    assert bench.desk.look(key).message in {f"train, {share} %" for share in range(30, 105, 5)}
    bench.until_over(key)
    journal = bench.journal(key)
    assert "step 1 of 6: loss 4.0000" in journal
    assert "stub begins" in journal
    assert sum(line.startswith("stage train done in ") for line in journal) == 1
    assert len(bench.journal(key, "progress")) == 1


def test_a_training_that_is_there_stays_as_it_is_and_one_that_is_not_cannot_be_looked_at(
    bench: Bench,
) -> None:
    key = bench.hand_in(steps=1)
    before = bench.row(key)
    bench.desk.hand_in(bench.order("ft-tutor-other", steps=9))
    with bench.store.transaction() as cursor:
        cursor.execute("SELECT count(*) AS n FROM ftworker.trainings")
        assert cursor.fetchone().n == 2
    assert bench.row(key) == before
    with pytest.raises(NotFound):
        bench.desk.look("ft-none")
    bench.desk.cancel("ft-none")


def test_a_dataset_that_is_not_the_frozen_one_is_not_trained_on(bench: Bench) -> None:
    key = bench.hand_in(steps=1)
    (bench.folder / "storage" / f"{key}.jsonl").write_text("{}\n")
    row = bench.until_over(key)
    assert (row.state, row.error_code) == ("failed", "dataset_changed")
    assert bench.steps(key) == []


def test_an_order_of_another_version_fails_the_training_and_not_the_job(bench: Bench) -> None:
    key = bench.hand_in(settings={"gone_with_the_last_version": 1})
    row = bench.until_over(key)
    assert (row.state, row.error_code, row.attempts) == ("failed", "order_unreadable", 1)


def test_a_failure_with_a_name_ends_the_training_with_it(bench: Bench) -> None:
    key = bench.hand_in(steps=1, failed={"code": "loss_not_finite"})
    row = bench.until_over(key)
    assert (row.state, row.error_code, row.message) == ("failed", "loss_not_finite", "told to fail")
    assert bench.desk.look(key).code == "loss_not_finite"


def test_a_failure_that_may_pass_is_tried_again(bench: Bench) -> None:
    key = bench.hand_in(steps=1, failed={"code": "disk_full", "transient": True, "once": True})
    row = bench.until_over(key)
    assert (row.state, row.attempts, row.crashes) == ("succeeded", 2, 0)
    assert any("disk_full; again in" in line for line in bench.journal(key))


# -- kills


def test_a_killed_job_takes_its_trainer_along_and_the_next_look_resumes(bench: Bench) -> None:
    key = bench.hand_in(steps=12, step_seconds=0.1, checkpoint_every=4)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 6)
    trainer = bench.trainer_process(key)
    os.kill(bench.job_process(key), signal.SIGKILL)
    wait_until(lambda: not is_alive(trainer), 10)

    row = bench.until_over(key)

    assert (row.state, row.attempts) == ("succeeded", 2)
    steps = bench.steps(key)
    again = [step for process, step in steps if process != trainer]
    assert again == list(range(again[0], 13))
    assert again[0] in (5, 9), "from the last checkpoint"
    assert bench.final(key) == final_of(12), "what every step together gives, each once"
    # The points of the loss are there once each.
    points = bench.journal(key, "metric")
    assert sorted(points) == sorted(set(points))


def test_a_killed_trainer_is_started_again_from_its_checkpoint(bench: Bench) -> None:
    key = bench.hand_in(steps=8, kill_at=5, kill_times=1)
    row = bench.until_over(key)
    assert (row.state, row.attempts) == ("succeeded", 2)
    assert [step for _, step in bench.steps(key)] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert bench.crashes_counted() == 1
    assert any("SIGKILL" in line for line in bench.journal(key, "note"))


def test_a_trainer_that_is_killed_at_the_same_place_again_and_again_fails_with_advice(bench: Bench) -> None:
    key = bench.hand_in(steps=8, kill_at=3, checkpoint_every=100)
    row = bench.until_over(key)
    assert (row.state, row.error_code, row.attempts) == ("failed", "trainer_crashed", 3)
    assert "micro_batch" in row.message
    assert bench.crashes_counted() == 3
    assert not (bench.work(key) / "checkpoints").exists()


def test_a_trainer_that_gets_further_each_time_may_be_killed_as_often_as_it_likes(bench: Bench) -> None:
    key = bench.hand_in(steps=3, kill_at="every", settings={"max_crashes": 2})
    row = bench.until_over(key)
    assert (row.state, row.attempts) == ("succeeded", 4)
    assert [step for _, step in bench.steps(key)] == [1, 2, 3]


def test_a_training_outlives_the_worker_that_began_it(bench: Bench) -> None:
    key = bench.hand_in(steps=20, step_seconds=0.1)
    code = (
        "import sys; from pathlib import Path; from tests.training.desks import Bench\n"
        "import time; Bench(Path(sys.argv[1]), sys.argv[2]).desk.look(sys.argv[3]); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(bench.folder), bench.database_url, key], env=environment
    )

    wait_until(lambda: bench.row(key).progress.get("completed", 0) >= 1, 20)
    worker.kill()
    worker.wait()
    job = bench.job_process(key)
    assert os.getsid(job) == job
    row = bench.wait_for(key, "succeeded", 20)
    assert row.attempts == 1


def test_a_job_that_is_asked_to_stop_saves_a_checkpoint_and_the_training_waits(bench: Bench) -> None:
    key = bench.hand_in(steps=30, step_seconds=0.1, checkpoint_every=100)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 3)
    assert stop_jobs(bench.settings.home) == [key]
    assert wait_for_jobs(bench.settings.home, 20)

    row = bench.row(key)

    assert (row.state, row.crashes, row.lease_token) == ("waiting", 0, None)
    done = bench.steps(key)[-1][1]
    bench.sql(
        "UPDATE ftworker.trainings SET \"order\" = jsonb_set(\"order\", '{method,step_seconds}', '0.01')"
    )
    row = bench.until_over(key)
    assert (row.state, row.attempts) == ("succeeded", 2)
    assert [step for _, step in bench.steps(key)] == list(range(1, 31)), f"it stopped after {done}"


def test_a_stage_that_does_not_stop_is_ended(bench: Bench) -> None:
    key = bench.hand_in(steps=400, step_seconds=0.05, deaf=True, stop_seconds=0.5)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer = bench.trainer_process(key)
    stop_jobs(bench.settings.home)
    wait_until(lambda: bench.row(key).state == "waiting", 10)
    assert not is_alive(trainer)


def test_a_database_that_is_away_for_longer_than_the_lease_stops_nothing(
    bench: Bench, postgres_server: PostgresServer
) -> None:
    key = bench.hand_in(steps=15, step_seconds=0.1)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer = bench.trainer_process(key)
    bench.store.close()
    postgres_server.stop()
    # Longer than the lease, and past the end of the training, which waits to be written down.
    wait_until(lambda: bench.steps(key)[-1][1] == 15, 20)
    time.sleep(1.2)
    postgres_server.start()
    row = bench.wait_for(key, "succeeded", 20)
    assert row.attempts == 1
    assert {process for process, _ in bench.steps(key)} == {trainer}
    assert bench.final(key) == final_of(15)


# -- fences and places


def test_a_job_whose_lease_is_anothers_ends_its_trainer_and_writes_nothing_more(bench: Bench) -> None:
    key = bench.hand_in(steps=400, step_seconds=0.05)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer, job = bench.trainer_process(key), bench.job_process(key)
    bench.sql(
        "UPDATE ftworker.trainings SET lease_token = gen_random_uuid(), host = 'another', progress = '{}'"
    )
    wait_until(lambda: not is_alive(trainer) and not is_alive(job), 10)
    row = bench.row(key)
    assert (row.state, row.host, row.progress) == ("running", "another", {})
    assert not bench.published(key).exists()


def test_one_training_at_a_time_on_a_machine_unless_more_are_allowed(bench: Bench) -> None:
    first = bench.hand_in("ft-tutor-first", steps=200, step_seconds=0.05)
    bench.until(first, lambda row: row.progress.get("completed", 0) >= 1)
    second = bench.hand_in("ft-tutor-second", steps=1)
    look = bench.desk.look(second)
    assert (look.state, look.message) == ("waiting", "waits for a place on this machine")
    # A job that is started all the same goes away again.
    process = subprocess.run([*STUB_JOB, second], env=environment_of(bench), timeout=30, check=False)
    assert process.returncode == 0
    assert bench.row(second).attempts == 0
    other = bench.hand_in("ft-tutor-third", steps=1, settings={"concurrent": 2})
    assert bench.until_over(other).state == "succeeded"
    assert bench.row(first).state == "running"


def test_a_job_waits_until_the_last_of_the_one_before_is_gone(bench: Bench) -> None:
    key = bench.hand_in(steps=200, step_seconds=0.05)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer = psutil.Process(bench.trainer_process(key))
    trainer.suspend()  # it cannot notice that its job is gone
    try:
        os.kill(bench.job_process(key), signal.SIGKILL)

        def waits_for_a_place() -> bool:
            # Each time: PostgreSQL may still do the renewal that the killed job had sent.
            bench.sql("UPDATE ftworker.trainings SET lease_expires_at = now() - interval '1 second'")
            return bench.desk.look(key).message == "waits for a place on this machine"

        wait_until(waits_for_a_place, 10, message=lambda: f"{bench.desk.look(key)}, {trainer}")
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            trainer.kill()
    bench.until(key, lambda row: row.attempts == 2)


def environment_of(bench: Bench) -> dict[str, str]:
    return {
        **os.environ,
        "FTWORKER_HOME": str(bench.settings.home),
        "FTWORKER_DATABASE_URL": bench.database_url,
    }


# -- cancelling


def test_a_run_that_is_cancelled_stops_its_training_within_seconds(bench: Bench) -> None:
    key = bench.hand_in(steps=1_000, step_seconds=0.05)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    trainer = bench.trainer_process(key)
    began = time.monotonic()
    # As `ftworker runs cancel` does; no poll is due for hours, so nobody calls the desk.
    bench.sql("UPDATE ftworker.runs SET cancel_requested = true, next_action_at = now() + interval '1 hour'")
    row = bench.wait_for(key, "cancelled", 15)
    assert row.finished_at is not None
    assert time.monotonic() - began < 15
    assert not is_alive(trainer)
    wait_until(lambda: not (bench.work(key) / "checkpoints").exists(), 5)


def test_a_training_that_nobody_works_on_is_cancelled_at_once(bench: Bench) -> None:
    key = bench.hand_in(steps=1)
    bench.desk.cancel(key)
    assert bench.row(key).state == "cancelled"
    assert bench.desk.look(key).state == "cancelled"
    assert bench.row(key).attempts == 0


def test_a_cancelled_training_whose_job_died_ends_with_the_next_look(bench: Bench) -> None:
    key = bench.hand_in(steps=400, step_seconds=0.05)
    bench.until(key, lambda row: row.progress.get("completed", 0) >= 1)
    os.kill(bench.job_process(key), signal.SIGKILL)
    bench.desk.cancel(key)
    assert bench.row(key).state == "running"
    bench.sql("UPDATE ftworker.trainings SET lease_expires_at = now() - interval '1 second'")
    assert bench.desk.look(key).state == "cancelled"


def test_a_job_that_cannot_begin_is_not_started_again_at_once(
    tmp_path: Path, emptied_database_url: str
) -> None:
    bench = Bench(tmp_path, emptied_database_url, job=(sys.executable, "-c", "raise SystemExit(3)"))
    key = bench.hand_in()
    bench.desk.look(key)
    wait_until(lambda: bench.desk.look(key).message.startswith("its process ended with status 3"), 10)
    assert "job.log" in bench.desk.look(key).message
    bench.close()
