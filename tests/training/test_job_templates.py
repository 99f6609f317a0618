"""The templates of config/trainers: each rendered and read by what reads it, the cluster's two with its commands."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from ftworker.settings import CommandSettings, TrainerSettings
from ftworker.training.command import fill_template, values_of
from ftworker.training.order import OrderedFile, TrainingOrder
from tests.conftest import REPOSITORY
from tests.servers import wait_until

FOLDER = REPOSITORY / "config" / "trainers"
TEMPLATES = sorted(path for path in FOLDER.iterdir() if path.name != "kubernetes.sh")
KEY = "ft-tutor-0123456789ab"


def order(command: CommandSettings) -> TrainingOrder:
    return TrainingOrder(
        run_id=1,
        run_key=KEY,
        pipeline="tutor",
        provider="local",
        base="/models/a base",
        method={"type": "supervised", "n_epochs": "auto", "batch_size": 4, "seed": None},
        format="openai-chat",
        system_prompt="",
        train=OrderedFile("file:///x", "train.jsonl", "0", 1),
        validation=OrderedFile("file:///x", "validation.jsonl", "0", 1),
        trainer="command",
        settings=TrainerSettings().model_dump(mode="json"),
        artefacts_url="file:///y",
        command=command.model_dump(mode="json"),
    )


def render(template: Path, work: Path = Path("/w/k")) -> str:
    settings = CommandSettings(template=template)
    return fill_template(template.read_text(encoding="utf-8"), values_of(order(settings), settings, work))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_whole_and_says_how_it_is_configured(template: Path) -> None:
    text = render(template)
    assert "/w/k/command/output" in text
    match template.suffix:
        case ".yaml":
            parsed = yaml.safe_load(text)
            assert parsed.get("base_model", "/models/a base") == "/models/a base"
        case ".py":
            ast.parse(text)
        case ".sh":
            subprocess.run(["sh", "-n"], input=text.encode(), check=True)
        case other:
            pytest.fail(f"no reader for {other}")
    # Nothing is left that somebody meant to be filled in.
    names = values_of(order(CommandSettings()), CommandSettings(), Path("/w"))
    assert not [name for name in names if f"${{{name}}}" in text]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_the_lines_that_a_template_shows_are_a_configuration(template: Path) -> None:
    lines = [line.removeprefix("#").strip() for line in template.read_text(encoding="utf-8").splitlines()]
    begin = lines.index("[providers.local]")
    shown = [line for line in lines[begin : begin + 12] if line.startswith("[") or " = " in line]
    parsed = tomllib.loads("\n".join(shown))["providers"]["local"]
    assert parsed["trainer"] == "command"
    command = CommandSettings.model_validate(parsed["command"])
    assert command.template == Path("config/trainers") / template.name


def test_llama_factorys_two_files_are_what_it_reads(tmp_path: Path) -> None:
    (tmp_path / "work" / "command" / "output" / "checkpoint-50").mkdir(parents=True)
    (tmp_path / "work" / "command" / "output" / "checkpoint-100").mkdir()
    program = tmp_path / "bin" / "llamafactory-cli"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    program.chmod(0o700)
    script = render(FOLDER / "llama-factory.sh", tmp_path / "work")
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    subprocess.run(["sh"], input=script.encode(), env=environment, check=True)

    folder = tmp_path / "work" / "command"
    assert (tmp_path / "called").read_text() == f"train {folder}/train.yaml\n"
    info = json.loads((folder / "dataset_info.json").read_text())
    assert info["conversations"]["file_name"] == f"{tmp_path}/work/data/train.jsonl"
    told = yaml.safe_load((folder / "train.yaml").read_text())
    assert told["model_name_or_path"] == "/models/a base"
    assert (told["num_train_epochs"], told["gradient_accumulation_steps"]) == (3, 4)
    assert told["resume_from_checkpoint"].endswith("/checkpoint-100")


# -- clusters: their commands are stand-ins that keep jobs as files


SLURM = {
    # A job is a file of its name that holds its number; it is there while the job runs.
    "squeue": (
        'touch "$JOBS/../asked"; for word in "$@"; do case $word in\n'
        '  --name=*) cat "$JOBS/${word#--name=}" 2>/dev/null || true;; esac; done'
    ),
    "sbatch": (
        "while [ $# -gt 1 ]; do case $1 in --job-name=*) name=${1#--job-name=};; esac; shift; done\n"
        'echo 7 > "$JOBS/$name"; echo "$1" > "$JOBS/../submitted"; echo 7\n'
        # Elsewhere, so to speak: what is killed here does not reach it.
        'setsid sh -c "$1; rm -f $JOBS/$name" > /dev/null 2>&1 &'
    ),
    "scancel": 'touch "$JOBS/../cancelled"; rm -f "$JOBS/${1#--name=}"',
}
KUBECTL = {
    "kubectl": (
        'echo "$@" >> "$JOBS/../called"\n'
        "case $1 in\n"
        f'create) touch "$JOBS/{KEY}";;\n'
        f'delete) rm -f "$JOBS/{KEY}";;\n'
        f'get) test -e "$JOBS/{KEY}" || exit 1\n'
        '  case "$*" in *Complete*) if [ -e "$JOBS/../done" ]; then echo True; fi;;\n'
        '    *Failed*) if [ -e "$JOBS/../broken" ]; then echo True; fi;; esac;;\n'
        "esac"
    )
}


class Cluster:
    """Stand-ins for a cluster's commands, and a working folder."""

    def __init__(self, folder: Path, commands: dict[str, str]) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.output = self.work / "command" / "output"
        self.jobs = folder / "jobs"
        self.bin = folder / "bin"
        for path in (self.output, self.jobs, self.bin):
            path.mkdir(parents=True)
        for name, lines in {**commands, "sleep": "exec /bin/sleep 0.1"}.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{lines}\n")
            (self.bin / name).chmod(0o700)
        self.environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "JOBS": str(self.jobs)}
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(words, env=self.environment, start_new_session=True)
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, SLURM)
    yield made
    made.close()


def slurm_script(cluster: Cluster, trainer: str) -> str:
    """The rendered script, with another trainer in the place of ftworker's: a line of shell."""
    text = render(FOLDER / "slurm.sh", cluster.work)
    begin, end = text.index("$python -m"), text.index("\\\n      ||")
    script = cluster.folder / "slurm.sh"
    script.write_text(text[:begin] + f"{{ {trainer}; }} " + text[end:])
    return str(script)


def test_a_slurm_job_is_submitted_waited_for_and_its_status_handed_on(slurm: Cluster) -> None:
    for status in (0, 3):
        script = slurm_script(slurm, f"sleep 1; (exit {status})")
        assert slurm.start("sh", script).wait(20) == status
        assert not (slurm.output / "exit-status").exists()


def test_a_slurm_job_outlives_a_kill_here_and_is_found_again(slurm: Cluster) -> None:
    script = slurm_script(slurm, f"while [ ! -e '{slurm.folder}/go' ]; do sleep 1; done")
    first = slurm.start("sh", script)
    wait_until((slurm.jobs / KEY).exists, 10)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    (slurm.folder / "submitted").unlink()
    second = slurm.start("sh", script)
    (slurm.folder / "go").touch()
    assert second.wait(20) == 0
    assert not (slurm.folder / "submitted").exists()


def test_a_slurm_job_is_ended_when_the_run_is_cancelled_and_only_then(slurm: Cluster) -> None:
    script = slurm_script(slurm, f"while [ ! -e '{slurm.folder}/go' ]; do sleep 1; done")
    for cancelled in (False, True):
        if cancelled:
            (slurm.work / "CANCELLED").touch()
        (slurm.folder / "asked").unlink(missing_ok=True)
        process = slurm.start("sh", script)
        wait_until(lambda: (slurm.jobs / KEY).exists() and (slurm.folder / "asked").exists(), 10)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(20) == 75
        assert (slurm.folder / "cancelled").exists() is cancelled
    (slurm.folder / "go").touch()
    wait_until((slurm.output / "exit-status").exists, 10)


def test_a_slurm_job_that_vanishes_is_tried_again(slurm: Cluster) -> None:
    script = slurm_script(slurm, f"while [ ! -e '{slurm.folder}/go' ]; do sleep 1; done")
    process = slurm.start("sh", script)
    wait_until((slurm.jobs / KEY).exists, 10)
    (slurm.jobs / KEY).unlink()
    assert process.wait(20) == 75
    (slurm.folder / "go").touch()
    wait_until((slurm.output / "exit-status").exists, 10)


@pytest.mark.parametrize("end, status", [("done", 0), ("broken", 75)])
def test_a_job_of_kubernetes_is_made_once_waited_for_and_deleted(
    tmp_path: Path, end: str, status: int
) -> None:
    cluster = Cluster(tmp_path, KUBECTL)
    try:
        words = ("sh", str(FOLDER / "kubernetes.sh"), "manifest.yaml", KEY, str(cluster.work))
        first = cluster.start(*words)
        wait_until((cluster.jobs / KEY).exists, 10)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        second = cluster.start(*words)
        (tmp_path / end).touch()
        assert second.wait(20) == status
        called = (tmp_path / "called").read_text().splitlines()
        assert sum(line.startswith("create --filename manifest.yaml") for line in called) == 1
        assert not (cluster.jobs / KEY).exists()
    finally:
        cluster.close()


def test_the_manifest_of_kubernetes_is_a_job_that_carries_the_runs_key() -> None:
    manifest = yaml.safe_load(render(FOLDER / "kubernetes-job.yaml"))
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("Job", KEY)
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["args"][0].startswith("exec python -m ftworker.training.train '/w/k'")


def test_the_order_of_a_command_can_be_read_back() -> None:
    settings = CommandSettings(program=(sys.executable,), template=FOLDER / "slurm.sh")
    sent = msgspec.json.encode(order(settings))
    back = msgspec.json.decode(sent, type=TrainingOrder)
    assert CommandSettings.model_validate(back.command) == settings
