"""Local runs with a real trainer process: registered at Ollama, or packaged where none answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftworker.runs.states import RunState
from tests.doubles.ollama_api import OllamaDouble
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


def received(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if "received" in line)
