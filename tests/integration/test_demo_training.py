"""`ftworker demo --train` with a small random model: everything else is real, from the chats to llama.cpp's answers."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from ftworker.demo.conversations import packaged_conversations
from ftworker.training.places import running_jobs
from ftworker.training.results import CHECKED, TRAINED
from tests.integration import short_training_demo
from tests.integration.test_demo import HOME, NOBODY_LISTENS, WIDTH, lines_of, processes_of
from tests.integration.workbench import StartProcess
from tests.servers import wait_until
from tests.training.gguf.tiny_models import make_tiny_model


@pytest.mark.timeout(300)
def test_a_model_is_trained_through_the_whole_job_interrupted_resumed_and_asked(
    tmp_path: Path, database_url: str, valkey_url: str, start_process: StartProcess
) -> None:
    base = make_tiny_model("llama", tmp_path / "tiny").base_gguf
    home = tmp_path / HOME
    environment = {
        "FTWORKER_HOME": str(home),
        "FTWORKER_DATABASE_URL": database_url,
        "FTWORKER_BROKER_URL": valkey_url,
        "OLLAMA_HOST": NOBODY_LISTENS,
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", short_training_demo.__name__, str(base), "demo", "--train"]

    demo = start_process(command, environment)
    wait_until(lambda: running_jobs(home), 90)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(40) == 1
    assert "Another `ftworker demo --train` goes on from here" in demo.output()
    assert processes_of(home) == [], "the training goes on by itself, and nobody knows"

    demo = start_process(command, environment)
    assert demo.wait(150) == 0, demo.output()
    output = demo.output()
    assert [line for line in lines_of(output) if len(line) > WIDTH] == []
    assert "run 1: packaged" in output
    (folder,) = (home / "storage" / "runs").iterdir()
    gates = {gate["name"]: gate for gate in json.loads((folder / CHECKED).read_bytes())["gates"]}
    assert {name for name, gate in gates.items() if gate["passed"]} == {
        "validation_loss",
        "template_parity",
        "distribution_parity",
    }
    assert gates["distribution_parity"]["figure"] < 0.05
    trained = json.loads((folder / TRAINED).read_bytes())
    assert trained["validation_loss"] < trained["base_validation_loss"]
    assert f"for {trained['steps']} steps" in " ".join(output.split())
    assert "How it learned" in output
    (kept,) = (home / "demo").glob("answers-*.json")
    answers = json.loads(kept.read_bytes())
    assert len(answers["asked"]) == 2 * short_training_demo.TAUGHT
    assert f"of {2 * short_training_demo.TAUGHT} answers before" in output
    logs = "\n".join(
        log.read_text(encoding="utf-8", errors="replace")
        for log in [*home.glob("demo/logs/*.log"), *home.glob("trainings/*/logs/*")]
    )
    for conversation in packaged_conversations():
        assert conversation["messages"][0]["content"] not in logs
    assert "nutria" not in logs

    again = start_process(command, environment)
    assert again.wait(60) == 0
    assert "an earlier demo has done all of this" in again.output()
    result = "\nWhat happened\n"
    assert again.output().partition(result)[2] == output.partition(result)[2]
    assert re.search(r"demo --train --again$", output, re.MULTILINE)
    assert processes_of(home) == []
