"""A program of the operator's own as the trainer: called, followed, stopped, and its model taken."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from ftworker.settings import CommandSettings
from ftworker.training.command import fill_braces, fill_template, train
from ftworker.training.events import Progressed, decode_event
from ftworker.training.order import OrderedFile, TrainingOrder
from ftworker.training.results import Converted, Trained
from ftworker.training.stage import Events, Interrupted, StageFailed, Stop
from tests.servers import wait_until

ADAPTER = """
    import json, os, pathlib, sys
    output = pathlib.Path(sys.argv[1])
    (output / "adapter_model.safetensors").write_bytes(b"weights")
    (output / "adapter_config.json").write_text("{}")
"""


class Heard:
    """The events of a stage that runs in this process, through a pipe as the job has one."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.events = Events(writing)
        self._writing = writing

    def all(self) -> list[Progressed]:
        os.close(self._writing)
        with os.fdopen(self.reading, "rb") as file:
            events = [decode_event(line) for line in file]
        return [event for event in events if isinstance(event, Progressed)]


Run = Callable[..., Heard]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    for name in ("artefacts", "data", "logs"):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_text('{"messages": []}\n')
    return folder


@pytest.fixture
def run(work: Path, tmp_path: Path) -> Run:
    """Run the stage with a program of these lines: `run(lines, setting=value)`."""

    def go(lines: str, *arguments: str, stop: Stop | None = None, **settings: Any) -> Heard:
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(lines))
        write_order(work, CommandSettings(program=(sys.executable, str(script), *arguments), **settings))
        heard = Heard()
        train(work, heard.events, stop or Stop())
        return heard

    return go


def write_order(work: Path, command: CommandSettings, base: str = "tiny") -> None:
    order = TrainingOrder(
        run_id=1,
        run_key="ft-tutor-0123456789ab",
        pipeline="tutor",
        provider="local",
        base=base,
        method={"type": "supervised", "n_epochs": 2, "batch_size": "auto", "seed": 7},
        format="openai-chat",
        system_prompt="",
        train=OrderedFile("file:///x", "train.jsonl", "0", 1),
        validation=None,
        trainer="command",
        settings={"rank": 8},
        artefacts_url="file:///y",
        command=command.model_dump(mode="json"),
    )
    (work / "order.json").write_bytes(msgspec.json.encode(order))


def trained(work: Path) -> Trained:
    return msgspec.json.decode((work / "artefacts" / "training.json").read_bytes(), type=Trained)


# -- what it is called with


def test_the_template_is_rendered_and_the_program_called_with_it(
    run: Run, work: Path, tmp_path: Path
) -> None:
    template = tmp_path / "config.yaml"
    template.write_text("train: ${train}\nepochs: ${epochs}\nrank: ${rank}\nhome: ${HOME} $HOME\n")
    run(
        ADAPTER + '    (output / "seen").write_text(open(sys.argv[2]).read())\n',
        "{output}",
        "{config}",
        "{else}",
        template=template,
    )
    rendered = work / "command" / "config.yaml"
    assert rendered.read_text() == (
        f"train: {work}/data/train.jsonl\nepochs: 2\nrank: 8\nhome: ${{HOME}} $HOME\n"
    )
    assert (work / "command" / "output" / "seen").read_text() == rendered.read_text()
    assert stat.S_IMODE(rendered.stat().st_mode) == 0o700, "a script can be called"


def test_names_that_are_not_ours_stay_for_whoever_knows_them() -> None:
    values = {"train": "/t"}
    assert fill_braces("{train}{other}{}", values) == "/t{other}{}"
    assert fill_template("${train} ${other} $train {train}", values) == "/t ${other} $train {train}"


def test_the_program_sees_the_variables_that_it_may_and_no_other(
    run: Run, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("WANTED", "yes")
    run(
        ADAPTER + '    (output / "env").write_text(json.dumps(dict(os.environ)))\n',
        "{output}",
        pass_environment=("PATH", "WANTED"),
        environment={"OWN": "1"},
    )
    seen = json.loads((work / "command" / "output" / "env").read_text())
    assert set(seen) - {"LC_CTYPE"} == {"PATH", "WANTED", "OWN"}


# -- what it leaves


def test_its_progress_and_metrics_are_those_of_the_training(run: Run, work: Path) -> None:
    heard = run(
        ADAPTER
        + """
    with open(output / "progress.jsonl", "w") as file:
        for step in (1, 2):
            file.write(json.dumps({"step": step, "total": 2, "loss": 3.0 / step}) + "\\n")
        file.write("no json\\n")
        file.write('{"step": 3')
    (output / "metrics.json").write_text(json.dumps(
        {"validation_loss": 1.0, "base_validation_loss": 2.5, "epochs": 2, "versions": {"mine": "1"}}
    ))
    print("a row that must not be seen")
    """,
        "{output}",
    )
    assert [(event.completed, event.total, event.loss) for event in heard.all()] == [(1, 2, 3.0), (2, 2, 1.5)]
    result = trained(work)
    assert (result.method, result.steps, result.epochs, result.attempts) == ("command", 2, 2.0, 1)
    assert (result.base_validation_loss, result.validation_loss, result.train_loss) == (2.5, 1.0, 1.5)
    assert [point.train_loss for point in result.curve] == [3.0, 1.5]
    assert (work / "artefacts" / "adapter" / "adapter_model.safetensors").read_bytes() == b"weights"


def test_a_merged_gguf_is_taken_as_it_is_and_needs_no_conversion(run: Run, work: Path) -> None:
    heard = run(
        """
        import struct, pathlib, sys
        def text(value): return struct.pack("<Q", len(value)) + value.encode()
        def pair(key, value): return text(key) + struct.pack("<I", 8) + text(value)
        pairs = [pair("general.architecture", "llama"), pair("general.type", "model"),
                 pair("tokenizer.chat_template", "{{ messages }}")]
        head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
        pathlib.Path(sys.argv[1], "whatever.gguf").write_bytes(head.ljust((len(head) + 31) // 32 * 32, b"\\0"))
        """,
        "{output}",
    )
    assert heard.all() == []
    converted = msgspec.json.decode((work / "artefacts" / "conversion.json").read_bytes(), type=Converted)
    assert converted.merged is not None
    assert (work / "artefacts" / converted.merged.name).stat().st_size == converted.merged.size_bytes
    assert (converted.architecture, converted.chat_template) == ("llama", "{{ messages }}")
    assert converted.adapter is None


@pytest.mark.parametrize(
    "lines, settings, code, transient",
    [
        ("pass", {}, "command_no_result", False),
        ("raise SystemExit(3)", {}, "command_failed", False),
        ("raise SystemExit(75)", {}, "command_retry", True),
        ("raise SystemExit(9)", {"retry_exit_codes": (9,)}, "command_retry", True),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", {}, "command_failed", False),
        ("import time; time.sleep(60)", {"timeout_seconds": 0.2}, "command_timeout", False),
        (ADAPTER.replace('"{}"', '"{"'), {}, "command_no_result", False),
        (ADAPTER + '    (output / "metrics.json").write_text("[]")\n', {}, "command_no_result", False),
    ],
)
def test_its_end_has_a_name(
    run: Run, lines: str, settings: dict[str, Any], code: str, transient: bool
) -> None:
    with pytest.raises(StageFailed) as caught:
        run(lines, "{output}", **settings)
    assert (caught.value.code, caught.value.transient) == (code, transient)


def test_a_program_or_a_template_that_is_not_there_is_named(work: Path, tmp_path: Path) -> None:
    for command, code in (
        (CommandSettings(), "command_missing"),
        (CommandSettings(program=("/no/such/program",)), "command_missing"),
        (CommandSettings(program=("true",), template=tmp_path / "none.yaml"), "command_template"),
    ):
        write_order(work, command)
        with pytest.raises(StageFailed) as caught:
            train(work, Heard().events, Stop())
        assert caught.value.code == code


def test_a_program_that_the_system_killed_counts_as_a_crash(run: Run) -> None:
    with pytest.raises(SystemExit) as caught:
        run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert caught.value.code == 137


# -- stopping


def start_stage(work: Path, lines: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    """The stage as the job starts it: the leader of a group, with a pipe that ends with the job."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(lines))
    write_order(work, CommandSettings(program=(sys.executable, str(script), "{output}")))
    return subprocess.Popen(
        [sys.executable, "-m", "ftworker.training.command", str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


WITH_A_CHILD = """
    import pathlib, signal, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    def stop(*_):
        pathlib.Path(sys.argv[1], "stopped").touch()
        raise SystemExit(0)
    signal.signal(signal.SIGTERM, stop)
    pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
    time.sleep(60)
"""


def child_of(work: Path) -> psutil.Process:
    file = work / "command" / "output" / "child"
    wait_until(lambda: file.exists() and file.read_text(), 10)
    return psutil.Process(int(file.read_text()))


def test_a_stage_that_is_stopped_asks_the_program_and_what_it_started(work: Path, tmp_path: Path) -> None:
    stage = start_stage(work, WITH_A_CHILD, tmp_path)
    child = child_of(work)
    stage.terminate()
    assert stage.wait(20) == 75
    assert (work / "command" / "output" / "stopped").exists()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)
    assert not (work / "artefacts" / "training.json").exists()
    assert stage.stdin is not None
    stage.stdin.close()


def test_a_program_ends_with_the_job_that_started_its_stage(work: Path, tmp_path: Path) -> None:
    stage = start_stage(work, WITH_A_CHILD, tmp_path)
    child = child_of(work)
    assert stage.stdin is not None
    stage.stdin.close()  # as when the job is killed
    assert stage.wait(20) == -signal.SIGKILL
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)


def test_a_program_that_saves_on_sigterm_goes_on_from_what_it_saved(run: Run, work: Path) -> None:
    stop = Stop()
    lines = """
        import json, pathlib, sys, time
        output = pathlib.Path(sys.argv[1])
        saved = output / "saved"
        if not saved.exists():
            saved.touch()
            time.sleep(60)
        (output / "adapter_model.safetensors").write_bytes(b"weights")
        (output / "adapter_config.json").write_text("{}")
    """
    threading.Timer(1.0, lambda: setattr(stop, "requested", True)).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        run(lines, "{output}", stop=stop)
    assert time.monotonic() - began < 20
    run(lines, "{output}")
    assert trained(work).attempts == 2
    shutil.rmtree(work)
