"""The stage that proves a trained model before it serves, on a small random model, with llama.cpp itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from ftworker.training import comparing as comparing_module
from ftworker.training.check import check
from ftworker.training.convert import convert
from ftworker.training.events import FAILED, Event, Failed, Noted, Progressed, decode_event
from ftworker.training.gguf import architectures
from ftworker.training.order import ADAPTER, ARTEFACTS, ORDER, OrderedFile, TrainingOrder
from ftworker.training.probes import BEGINNINGS
from ftworker.training.results import CHECKED, CONVERTED, TRAINED, Checked, Converted, Gate, Trained
from ftworker.training.stage import Events, StageFailed, Stop
from tests.training.gguf.tiny_models import TinyModel, make_tiny_model

pytestmark = pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # PEFT asks transformers


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    return make_tiny_model("llama", tmp_path_factory.mktemp("tiny"))


def order(tiny: TinyModel, **changes: Any) -> TrainingOrder:
    whole = TrainingOrder(
        run_id=1,
        run_key="ft-tutor-1",
        pipeline="tutor",
        provider="local",
        base=str(tiny.base_gguf),
        method={"type": "supervised"},
        format="openai-chat",
        system_prompt="Eres un tutor.",
        train=OrderedFile("file:///nowhere/train.jsonl", "train.jsonl", "0" * 64, 10),
        validation=None,
        trainer="peft",
        settings={"quantization": "F16", "device": "cpu"},
        artefacts_url="file:///nowhere",
    )
    return msgspec.structs.replace(whole, **changes)


TRAINED_WELL = Trained(
    method="supervised",
    base="tiny",
    seed=42,
    steps=10,
    epochs=1.0,
    trained_tokens=100,
    seen_tokens=300,
    base_validation_loss=2.5,
    validation_loss=0.5,
    train_loss=0.4,
    stopped_early=False,
    seconds=1.0,
    curve=[],
    hyperparameters={},
    versions={},
)


class Work:
    """A working folder after training, and what the stages say in it."""

    def __init__(self, folder: Path, tiny: TinyModel, **changes: Any) -> None:
        self.folder = folder
        self.artefacts = folder / ARTEFACTS
        shutil.copytree(tiny.adapter, self.artefacts / ADAPTER)
        (folder / ORDER).write_bytes(msgspec.json.encode(order(tiny, **changes)))
        self.trained(TRAINED_WELL)

    def trained(self, result: Trained) -> None:
        (self.artefacts / TRAINED).write_bytes(msgspec.json.encode(result))

    def run(self, stage: Callable[[Path, Events, Stop], None]) -> list[Event]:
        reader, writer = os.pipe()
        try:
            stage(self.folder, Events(writer), Stop())
        finally:
            os.close(writer)
            with os.fdopen(reader, "rb") as told:
                self.events = [event for line in told if (event := decode_event(line)) is not None]
        return self.events

    def gates(self) -> dict[str, Gate]:
        checked = msgspec.json.decode((self.artefacts / CHECKED).read_bytes(), type=Checked)
        return {gate.name: gate for gate in checked.gates}


def test_a_sound_model_passes_every_gate_and_its_figures_are_kept(tiny: TinyModel, tmp_path: Path) -> None:
    work = Work(tmp_path, tiny)
    work.run(convert)
    events = work.run(check)
    gates = work.gates()
    assert {name: gate.passed for name, gate in gates.items()} == {
        "validation_loss": True,
        "template_parity": True,
        "distribution_parity": True,
    }
    divergence = gates["distribution_parity"]
    assert divergence.figure is not None
    assert 0 <= divergence.figure < 0.001
    assert divergence.threshold == 0.05
    assert "llama.cpp" in divergence.message
    assert gates["validation_loss"].figure == 0.5
    assert gates["validation_loss"].threshold == 2.5
    assert [event.message.split()[0] for event in events if isinstance(event, Noted)] == list(gates)
    ticks = [event for event in events if isinstance(event, Progressed)]
    assert [tick.completed for tick in ticks] == list(range(1, 2 * len(BEGINNINGS) + 1))
    assert {tick.total for tick in ticks} == {2 * len(BEGINNINGS)}


def test_a_conversion_that_leaves_q_and_k_unpermuted_is_caught_and_nothing_is_written(
    tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures.PERMUTES, "llama", frozenset())
    work = Work(tmp_path, tiny)
    work.run(convert)
    with pytest.raises(StageFailed) as caught:
        work.run(check)
    assert caught.value.code == "gate_failed"
    assert "distribution_parity" in str(caught.value)
    assert "gates.max_divergence" in str(caught.value)
    assert "template_parity" not in str(caught.value)
    assert not (work.artefacts / CHECKED).exists()


def test_a_template_that_was_not_trained_with_is_caught_with_probe_and_server(
    tiny: TinyModel, tmp_path: Path
) -> None:
    work = Work(tmp_path, tiny, gates={"max_divergence": "off"})
    work.run(convert)
    (work.artefacts / ADAPTER / "chat_template.jinja").write_text(
        "{% for message in messages %}<|im_start|>{{ message.role }}: {{ message.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}",
        encoding="utf-8",
    )
    with pytest.raises(StageFailed) as caught:
        work.run(check)
    assert caught.value.code == "gate_failed"
    assert "template_parity: " in str(caught.value)
    assert "first 'one question' by Ollama" in str(caught.value)


def test_gates_that_are_turned_off_are_not_asked(tiny: TinyModel, tmp_path: Path) -> None:
    off = {"template_parity": False, "max_divergence": "off", "validation_loss": False}
    work = Work(tmp_path, tiny, base="/nowhere/base.gguf", gates=off)
    work.run(convert_nothing)
    work.run(check)
    assert work.gates() == {}


def convert_nothing(folder: Path, events: Events, stop: Stop) -> None:
    """As the conversion of a base without a GGUF leaves it."""
    (folder / ARTEFACTS / CONVERTED).write_bytes(
        msgspec.json.encode(
            Converted(
                merged=None,
                adapter=None,
                base_gguf=None,
                architecture="llama",
                quantization="F16",
                context_length=256,
                license=None,
                chat_template=None,
                stop=[],
            )
        )
    )


def test_where_nothing_was_merged_there_is_nothing_to_compare(tiny: TinyModel, tmp_path: Path) -> None:
    work = Work(tmp_path, tiny, gates={"template_parity": False})
    work.run(convert_nothing)
    work.run(check)
    gate = work.gates()["distribution_parity"]
    assert gate.passed
    assert gate.figure is None
    assert "nothing was merged" in gate.message


def test_a_model_that_a_program_left_without_its_adapter_is_not_compared(
    tiny: TinyModel, tmp_path: Path
) -> None:
    work = Work(tmp_path, tiny)
    work.run(convert)
    shutil.rmtree(work.artefacts / ADAPTER)
    work.run(check)
    gates = work.gates()
    assert "without the adapter" in gates["distribution_parity"].message
    assert gates["template_parity"].passed


def test_without_llama_cpp_the_file_is_read_back_and_the_gates_say_so(
    tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing_module, "is_installed", lambda: False)
    work = Work(tmp_path, tiny)
    work.run(convert)
    work.run(check)
    gates = work.gates()
    assert "transformers (`xllamacpp` is not installed)" in gates["distribution_parity"].message
    assert gates["distribution_parity"].figure is not None
    assert gates["distribution_parity"].figure < 0.001
    assert "texts alone" in gates["template_parity"].message


def test_a_file_that_llama_cpp_refuses_does_not_pass(tiny: TinyModel, tmp_path: Path) -> None:
    work = Work(tmp_path, tiny, gates={"template_parity": False})
    work.run(convert)
    merged = work.artefacts / "merged-F16.gguf"
    merged.write_bytes(merged.read_bytes()[: merged.stat().st_size // 2])
    with pytest.raises(StageFailed, match=r"llama\.cpp cannot load merged-F16\.gguf") as caught:
        work.run(check)
    assert caught.value.code == "gate_failed"


def test_the_stage_as_a_program_ends_with_the_failure_as_its_last_event(
    tiny: TinyModel, tmp_path: Path
) -> None:
    work = Work(tmp_path, tiny, gates={"template_parity": False, "max_divergence": "off"})
    work.run(convert_nothing)
    work.trained(msgspec.structs.replace(TRAINED_WELL, validation_loss=2.6))
    ended = subprocess.run(
        [sys.executable, "-m", "ftworker.training.check", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == FAILED
    last = decode_event(ended.stdout.splitlines()[-1])
    assert isinstance(last, Failed)
    assert last.code == "gate_failed"
    assert "2.5000 with the base, 2.6000 now" in last.message


def test_a_check_before_its_time_names_the_file_that_is_missing(tiny: TinyModel, tmp_path: Path) -> None:
    work = Work(tmp_path, tiny)
    with pytest.raises(StageFailed, match=r"conversion\.json is not there"):
        work.run(check)
