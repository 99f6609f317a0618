"""Local runs with real processes: trained, registered at Ollama, or packaged where none answers."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import ollama
import pytest

from ftworker.runs.states import RunState
from tests.conftest import REPOSITORY
from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.tiny_gguf import write_tiny_gguf
from tests.integration.workbench import StartProcess, Workbench, closed_events


@pytest.fixture
def bench(tmp_path: Path, database_url: str, valkey_url: str, start_process: StartProcess) -> Workbench:
    return Workbench(
        tmp_path, database_url, valkey_url, start_process, provider="local", base_model="llama3.2:3b"
    )


def test_a_local_run_ends_as_the_alias_in_ollama(bench: Workbench, ollama_api: OllamaDouble) -> None:
    bench.ollama_host = ollama_api.url
    bench.start("worker", "trainer", "beat")
    bench.record(closed_events(25))
    bench.ring()

    run = bench.wait_for_run(RunState.PROMOTED)

    assert run.model is not None
    assert "tutor:latest" in ollama_api.models
    # The steps that load this machine ran in the trainer, the export in the worker.
    assert "ftworker.poll_status" in bench.processes["trainer"].output()
    assert "ftworker.poll_status" not in received(bench.processes["worker"].output())


def test_without_ollama_a_run_ends_packaged_and_a_retry_registers_it(
    bench: Workbench, ollama_api: OllamaDouble
) -> None:
    bench.start("worker", "trainer", "beat")
    bench.record(closed_events(25))
    bench.ring()
    run = bench.wait_for_run(RunState.PACKAGED)
    assert "ollama create" in run.detail["instructions"]
    artefacts = bench.folder / "home" / "storage" / "runs" / str(run.run_key)
    assert "FROM llama3.2:3b" in (artefacts / "Modelfile").read_text(encoding="utf-8")

    for name in ("worker", "trainer", "beat"):
        bench.processes[name].terminate()
    bench.ollama_host = ollama_api.url
    assert bench.command("ftworker", "runs", "retry", str(run.id)).returncode == 0
    bench.start("worker", "trainer", "beat")

    bench.wait_for_run(RunState.PROMOTED)
    assert "tutor:latest" in ollama_api.models


def test_a_dataset_is_trained_converted_proven_and_answers_in_ollama(
    bench: Workbench, ollama_api: OllamaDouble
) -> None:
    base = write_tiny_gguf(bench.folder / "base.gguf")
    program = [sys.executable, str(REPOSITORY / "tests" / "doubles" / "tiny_lora.py"), "{output}"]
    settings = f"""kind = "local"
trainer = "command"
training = {{ base = "{base}", quantization = "F16", device = "cpu" }}
command = {{ program = {json.dumps(program)} }}"""
    text = bench.config.read_text(encoding="utf-8")
    bench.config.write_text(text.replace('kind = "local"', settings), encoding="utf-8")
    bench.ollama_host = ollama_api.url
    bench.start("worker", "trainer", "beat")
    bench.record(closed_events(25))
    bench.ring()

    run = bench.wait_for_run(RunState.PROMOTED, timeout=120)

    assert run.model is not None
    assert run.detail["gates"] == {
        "validation_loss": True,
        "template_parity": True,
        "distribution_parity": True,
    }
    assert "equals the trained one" in run.detail["template"]
    artefacts = bench.folder / "home" / "storage" / "runs" / str(run.run_key)
    merged = (artefacts / "merged-F16.gguf").read_bytes()
    assert ollama_api.models["tutor:latest"].blobs == (f"sha256:{hashlib.sha256(merged).hexdigest()}",)
    asked = ollama.Client(host=ollama_api.url, trust_env=False).chat(
        "tutor", messages=[{"role": "user", "content": "Hola"}], options={"num_predict": 4}
    )
    assert asked.message.content


def received(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if "received" in line)
