"""A worker whose loop stands still ends, and one that only waits for its broker does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import redis

from ftworker.loop_watch import LoopWatch
from tests.conftest import REPOSITORY, StartProcess
from tests.servers import OwnProcess, ValkeyServer, wait_until

LIMIT_SECONDS = 2.0
STUCK_WORKER = """
import time
from pathlib import Path
from celery import signals
from ftworker import loop_watch
from ftworker.store import processes
loop_watch.ANSWERS = 2
processes.BEAT_SECONDS = 0.2
from ftworker.celery import app

@signals.worker_ready.connect
def can_be_stopped(sender, **_):
    sender.hub.timer.call_repeatedly(0.1, stop_when_told)

def stop_when_told():
    if Path("stop").exists():
        time.sleep(1_000)
"""


def test_a_loop_stands_still_after_so_many_looks_without_a_turn() -> None:
    watch = LoopWatch(limit_seconds=45, look_seconds=15)
    watch.turned()
    assert [watch.stands_still() for _ in range(4)] == [False, False, False, True]


def test_a_turn_or_an_excuse_begins_the_count_anew() -> None:
    watch = LoopWatch(limit_seconds=30, look_seconds=15)
    looks = [watch.stands_still()]
    watch.turned()
    looks += [watch.stands_still(), watch.stands_still()]
    looks += [watch.stands_still(is_excused=True), watch.stands_still(), watch.stands_still()]
    assert looks == [False, False, False, False, False, True]


def worker(start_process: StartProcess, database_url: str, broker_url: str, folder: Path) -> OwnProcess:
    (folder / "stuck_worker.py").write_text(STUCK_WORKER)
    (folder / "ftworker.toml").write_text("[network]\nanswer_seconds = 1\n")
    process = start_process(
        ["celery", "-A", "stuck_worker:app", "worker", "-Q", "ftworker", "-c", "1", "-l", "INFO"],
        {
            "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",
            "FTWORKER_CONFIG": str(folder / "ftworker.toml"),
            "FTWORKER_HOME": str(folder / "home"),
            "FTWORKER_DATABASE_URL": database_url,
            "FTWORKER_BROKER_URL": broker_url,
        },
    )
    process.wait_for_output(" ready.", 60)
    return process


def test_a_worker_whose_loop_stands_still_ends_and_says_where(
    emptied_database_url: str, valkey_url: str, tmp_path: Path, start_process: StartProcess
) -> None:
    process = worker(start_process, emptied_database_url, valkey_url, tmp_path)
    time.sleep(LIMIT_SECONDS * 1.5)
    assert process.is_running()
    (tmp_path / "stop").touch()
    assert process.wait(30) == os.EX_SOFTWARE
    assert "the loop stands still" in process.output()
    assert "in stop_when_told" in process.output()


def test_a_worker_that_has_no_broker_for_long_goes_on_waiting(
    emptied_database_url: str,
    valkey_server: ValkeyServer,
    valkey_url: str,
    tmp_path: Path,
    start_process: StartProcess,
) -> None:
    process = worker(start_process, emptied_database_url, valkey_url, tmp_path)
    valkey_server.stop()
    time.sleep(LIMIT_SECONDS * 2)
    valkey_server.start()
    with redis.Redis.from_url(valkey_url) as broker:
        wait_until(lambda: broker.client_list(_type="normal"), 30)
        wait_until(lambda: process.output().count("Connected to") >= 2, 30, message=process.output)
    # The loop of the new connection is the one that is watched.
    time.sleep(LIMIT_SECONDS * 2)
    assert process.is_running()
