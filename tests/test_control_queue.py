"""A worker that comes back to RabbitMQ before its old connection is forgotten there gets its place again."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartProcess
from tests.servers import OwnProcess

CELERY = ("celery", "-A", "ftworker.celery:app")


def environment(database_url: str, broker_url: str, folder: Path) -> dict[str, str]:
    (folder / "ftworker.toml").touch()
    return {
        "FTWORKER_CONFIG": str(folder / "ftworker.toml"),
        "FTWORKER_HOME": str(folder / "home"),
        "FTWORKER_DATABASE_URL": database_url,
        "FTWORKER_BROKER_URL": broker_url,
    }


def worker(start_process: StartProcess, env: dict[str, str]) -> OwnProcess:
    process = start_process(
        [*CELERY, "worker", "-Q", "ftworker", "-c", "1", "-n", "same@host", "-l", "INFO"], env
    )
    process.wait_for_output(" ready.", 60)
    return process


def test_a_worker_of_the_same_name_starts_beside_the_connection_of_another(
    emptied_database_url: str, rabbitmq_url: str, tmp_path: Path, start_process: StartProcess
) -> None:
    """An exclusive control queue, as Celery 5.7 makes it, is locked for as long as the broker keeps the old connection:
    after a silence for two heartbeats. The worker then ends with RESOURCE_LOCKED, and again when it is started anew."""
    env = environment(emptied_database_url, rabbitmq_url, tmp_path)
    first = worker(start_process, env)
    assert start_process([*CELERY, "inspect", "ping", "-t", "10"], env).wait(60) == 0
    second = worker(start_process, env)
    assert first.is_running()
    assert second.is_running()
    assert "RESOURCE_LOCKED" not in second.output()
