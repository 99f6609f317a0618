"""What starts ftworker says the same everywhere: Procfile, `ftworker up`, Compose, image, lock file, Makefile."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import ftworker
from ftworker.cli.health import NAMES
from ftworker.cli.operate import process_commands
from ftworker.store import Store, migrate, processes
from tests.conftest import REPOSITORY, StartProcess
from tests.servers import free_port, wait_until

PROCESSES = ["ingest", "worker", "trainer", "beat", "web"]


def procfile() -> dict[str, str]:
    lines = (REPOSITORY / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    return content


def words(command: str) -> list[str]:
    """The words of a command line without the shell around it, and without where beat keeps its schedule."""
    line = shlex.split(command.rpartition("&& ")[2].removeprefix("exec "))
    if "--schedule" in line:
        del line[line.index("--schedule") : line.index("--schedule") + 2]
    return line


def test_procfile_names_the_processes_that_up_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    commands = process_commands()
    assert list(procfile()) == list(commands) == PROCESSES == list(NAMES)
    for name, line in procfile().items():
        up = shlex.join(commands[name][1:])  # without the path of Python
        up = up.replace("-m celery ", "celery ").replace("-m ftworker.cli ", "ftworker ")
        assert words(line) == words(up), name


def test_compose_runs_every_process_with_the_command_of_the_procfile() -> None:
    services = compose()["services"]
    for name, line in procfile().items():
        expected = words(line)
        if name == "web":
            expected += ["--host", "0.0.0.0"]  # inside its container's network alone
        assert words(services[name]["command"]) == expected, name
        assert services[name]["healthcheck"]["test"] == ["CMD", "ftworker", "health", name]


def test_our_containers_have_no_rights_and_write_only_to_their_volume() -> None:
    services = compose()["services"]
    for name in [*PROCESSES, "migrate"]:
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]
        assert service["volumes"] == ["./config:/etc/ftworker:ro", "data:/data"]


def test_every_container_is_watched_restarted_and_its_log_bounded() -> None:
    for name, service in compose()["services"].items():
        assert service["restart"].startswith(("unless-stopped", "on-failure")), name
        assert service["healthcheck"].get("test") or name == "migrate"
        assert service["logging"]["options"]["max-size"]
        assert not service["image"].endswith(":latest")


def test_compose_publishes_to_this_machine_alone_and_holds_no_password() -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text()
    for service in compose()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for variable in ("POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"):
        assert f"${{{variable}:?" in text
        assert f"{variable}=\n" in (REPOSITORY / ".env.example").read_text()
    assert not re.search(r"sk-[A-Za-z0-9]{8}", text)


def test_every_mounted_configuration_file_exists() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (REPOSITORY / source).exists(), source


def test_prometheus_in_compose_scrapes_the_web_service() -> None:
    configuration = yaml.safe_load((REPOSITORY / "config" / "prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["web:9464"]


def test_the_lock_file_pins_every_package_and_names_no_host() -> None:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    pattern = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][^ ;]*( ; .+)?")
    assert [line for line in packages if not pattern.fullmatch(line)] == []
    assert not any("://" in line or "index" in line for line in lines)


def test_the_lock_file_holds_what_pyproject_asks_for() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
        *project["dependency-groups"]["build"],
        *project["build-system"]["requires"],
    ]
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    locked = dict(line.split(" ;")[0].split("==") for line in lines if not line.startswith("#"))
    for text in wanted:
        requirement = Requirement(text)
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{text}: locked {version}; run `make lock`"


def test_the_image_carries_the_version_of_the_package() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert f"ARG VERSION={ftworker.__version__}\n" in dockerfile
    assert f"ftworker:${{FTWORKER_VERSION:-{ftworker.__version__}}}" in compose()["x-ftworker"]["image"]


def test_the_image_runs_as_a_user_without_rights_and_says_how_it_is() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\"ftworker\", \"health\", \"web\"", dockerfile, re.MULTILINE)
    # No secret and no data can get into a layer: only what is named goes to the daemon.
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert ignored[ignored.index("*") - 1].startswith("#")


def test_make_explains_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert {"help", "demo", "test", "bench", "check", "lock", "clean"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:.* ## .+", makefile, re.MULTILINE), target


@pytest.fixture
def procfile_environment(database_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    migrate(database_url)
    config = tmp_path / "ftworker.toml"
    config.write_text(f"[web]\nport = {free_port()}\n")
    return {
        "FTWORKER_CONFIG": str(config),
        "FTWORKER_DATABASE_URL": database_url,
        "FTWORKER_BROKER_URL": valkey_url,
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }


def test_honcho_runs_the_procfile_and_every_process_comes_alive(
    procfile_environment: dict[str, str], start_process: StartProcess
) -> None:
    arguments = [
        "honcho",
        "-f",
        str(REPOSITORY / "Procfile"),
        "-d",
        str(REPOSITORY),
        "-e",
        "/dev/null",
        "start",
    ]
    honcho = start_process(arguments, procfile_environment)
    store = Store(procfile_environment["FTWORKER_DATABASE_URL"])

    def all_alive() -> bool:
        assert honcho.is_running(), honcho.output()[-4000:]
        with store.transaction() as cursor:
            return all(processes.is_alive(cursor, name, None) for name in PROCESSES)

    try:
        wait_until(all_alive, 60, interval=0.5, message=lambda: honcho.output()[-4000:])
    finally:
        store.close()
    for name in PROCESSES:
        assert start_process(["ftworker", "health", name], procfile_environment).wait() == 0
    honcho.send_signal(signal.SIGTERM)
    honcho.wait(60)


def test_health_says_no_for_a_process_that_is_not_there(
    procfile_environment: dict[str, str], start_process: StartProcess
) -> None:
    health = start_process(["ftworker", "health", "worker"], procfile_environment)
    assert health.wait() == 1
    assert "no worker seen on" in health.output()
    assert start_process(["ftworker", "health", "nobody"], procfile_environment).wait() == 2
