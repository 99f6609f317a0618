"""What `ftworker doctor` says of training on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ftworker import doctor
from ftworker.doctor import Check
from ftworker.installation import Installation
from ftworker.settings import settings_from
from tests.training.desks import Bench


@pytest.fixture
def bench(tmp_path: Path, emptied_database_url: str) -> Iterator[Bench]:
    made = Bench(tmp_path, emptied_database_url)
    yield made
    made.close()


def installation(bench: Bench, trainer: str) -> Installation:
    settings = settings_from(
        {
            "home": str(bench.folder / "home"),
            "database_url": bench.database_url,
            "broker_url": "redis://127.0.0.1:9/0",
            "providers": {
                "local": {"kind": "local", "trainer": trainer, "ollama_host": "http://127.0.0.1:9"}
            },
            "pipelines": {"tutor": {"provider": "local", "base_model": "/none"}},
        }
    )
    return Installation(settings)


def checks(bench: Bench) -> list[Check]:
    return list(doctor._training(installation(bench, "peft")))


def test_the_doctor_sees_gpus_room_and_what_trains(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA L4 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA L4 (UUID: GPU-2)'\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    bench.hand_in()
    messages = [check.message for check in checks(bench)]
    assert messages[0] == "2 GPU: GPU 0: NVIDIA L4"
    assert "GB free for trainings" in messages[1]
    assert messages[2].endswith(" is waiting: nobody works on it yet")


def test_without_a_gpu_and_with_little_room_the_doctor_says_what_to_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "gpu_lines", list)
    monkeypatch.setattr(doctor, "TRAINING_DISK_BYTES", 1 << 60)
    found = checks(bench)
    assert [check.level for check in found] == ["note", "warning"]
    assert "FTWORKER_HOME" in found[1].advice


@pytest.mark.parametrize("trainer, looked", [("none", False), ("command", True)])
def test_the_doctor_looks_at_training_where_weights_are_trained(
    bench: Bench, trainer: str, looked: bool
) -> None:
    settings = installation(bench, trainer).settings
    assert doctor._trains_here(settings, "local") is looked
    assert not doctor._trains_here(settings, "openai")
