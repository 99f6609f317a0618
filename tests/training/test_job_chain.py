"""A run from its cut to its end, its model trained by a job: driven in one process, as `runs start --wait` does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ftworker.installation import Installation
from ftworker.runs import control, cutting
from ftworker.runs.driver import drive_run
from ftworker.runs.states import RunState, Step
from ftworker.settings import Settings, settings_from
from ftworker.store import Store, runs, trainings
from ftworker.training.places import running_jobs
from tests.runs.worlds import add_examples
from tests.servers import wait_until

PROGRAM = """
import struct, sys, time
output, seconds = sys.argv[1:]
time.sleep(float(seconds))
def text(value): return struct.pack("<Q", len(value)) + value.encode()
def pair(key, value): return text(key) + struct.pack("<I", 8) + text(value)
pairs = [pair("general.architecture", "llama"), pair("tokenizer.chat_template", "{{ messages }}")]
head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
open(output + "/tuned.gguf", "wb").write(head.ljust((len(head) + 31) // 32 * 32, b"\\0"))
"""


def settings_for(database_url: str, folder: Path, seconds: float) -> Settings:
    """A provider whose program leaves a finished model; with no Ollama, and no gate that needs a base."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    return settings_from(
        {
            "home": str(folder / "home"),
            "database_url": database_url,
            "providers": {
                "local": {
                    "kind": "local",
                    "trainer": "command",
                    "ollama_host": "http://127.0.0.1:9",
                    "poll_interval_seconds": 0.2,
                    "command": {"program": [sys.executable, str(script), "{output}", str(seconds)]},
                    "gates": {"template_parity": False, "max_divergence": "off", "validation_loss": False},
                }
            },
            "pipelines": {"tutor": {"provider": "local", "base_model": "tiny"}},
        }
    )


def begin(here: Installation, store: Store) -> int:
    add_examples(store, 12)
    return cutting.start_by_hand(here.store, here.settings, "tutor", here.clock)


def test_a_run_that_is_waited_for_is_trained_by_its_job_and_packaged_where_no_ollama_answers(
    tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = Installation(settings_for(emptied_database_url, tmp_path, 0.0))
    run = drive_run(here.steps, begin(here, here.store))
    assert run.state is RunState.PACKAGED, run.error_message
    folder = tmp_path / "home" / "storage" / "runs" / str(run.run_key)
    assert {"SHA256SUMS", "training.json", "conversion.json", "gates.json"} <= {
        p.name for p in folder.iterdir()
    }
    assert list(folder.glob("merged-*.gguf"))
    with here.store.transaction() as cursor:
        training = trainings.training_of_run(cursor, run.id)
    assert training is not None
    assert (training.state, training.attempts) == ("succeeded", 1)


def test_a_cancelled_run_ends_with_its_training(
    tmp_path: Path, emptied_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = Installation(settings_for(emptied_database_url, tmp_path, 60.0))
    run_id = begin(here, here.store)
    drive_run(here.steps, run_id, until=frozenset({RunState.SUBMITTED}))

    def trains() -> bool:
        with here.store.transaction() as cursor:
            run = runs.get_run(cursor, run_id)
            training = trainings.training_of_run(cursor, run_id)
        here.steps.perform(run_id, Step.POLL_STATUS)
        return run.state is RunState.SUBMITTED and training is not None and training.stage == "train"

    wait_until(trains, 30)
    control.cancel_run(here.store, run_id)
    assert drive_run(here.steps, run_id).state is RunState.CANCELLED

    def stopped() -> bool:
        with here.store.transaction() as cursor:
            training = trainings.training_of_run(cursor, run_id)
        return training is not None and training.state == "cancelled"

    wait_until(stopped, 15)
    wait_until(lambda: not running_jobs(here.settings.home), 15)
