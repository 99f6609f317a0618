"""What the tests of trained models share: a run whose training is through, its files those of a real small GGUF."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from ftworker.providers.contract import RunView
from ftworker.providers.local import LocalProvider
from ftworker.training.desk import TrainingStatus
from ftworker.training.results import ArtefactFile, Checked, Converted, Gate, LossPoint, Trained
from tests.doubles.fake_desk import FakeDesk
from tests.doubles.tiny_gguf import smollm2_metadata, write_tiny_gguf, write_tiny_lora
from tests.providers.local_runs import RUN_KEY, new_run, provider_at

MERGED = "merged-Q8_0.gguf"
ADAPTER = "adapter.gguf"
BASE = "smollm2:135m"

TRAINED = Trained(
    method="supervised",
    base="/modelos/SmolLM2",
    seed=7,
    steps=54,
    epochs=3.0,
    trained_tokens=12_345,
    seen_tokens=40_000,
    base_validation_loss=2.41,
    validation_loss=0.31,
    train_loss=0.2,
    stopped_early=False,
    seconds=61.0,
    curve=[LossPoint(1, 0.1, 2.4), LossPoint(54, 3.0, 0.2, 0.31)],
    hyperparameters={"rank": 16},
    versions={"torch": "2.13"},
)
PASSED = Checked(
    [Gate("template_parity", True, 0.0, 0.0, "equal"), Gate("validation_loss", True, 0.31, 2.41, "lower")]
)


@cache
def tiny_gguf(chat_template: str | None = None) -> bytes:
    with TemporaryDirectory() as folder:
        return write_tiny_gguf(Path(folder) / "tiny.gguf", chat_template=chat_template).read_bytes()


@cache
def tiny_lora() -> bytes:
    with TemporaryDirectory() as folder:
        return write_tiny_lora(Path(folder) / "lora.gguf").read_bytes()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def trained_run(storage: str, **changes: Any) -> RunView:
    """A run for a base that Ollama may have under the name `smollm2:135m`."""
    return new_run(storage, **{"base_model": BASE, **changes})


def folder_of(run: RunView) -> Path:
    return Path(run.artefacts_url.removeprefix("file://"))


def leave_artefacts(
    run: RunView,
    *,
    chat_template: str | None = None,
    merged_content: bytes | None = None,
    adapter_content: bytes | None = None,
    **changes: Any,
) -> Converted:
    """What the stages publish. `changes` are of the Converted."""
    merged = merged_content or tiny_gguf(chat_template)
    adapter = adapter_content or tiny_lora()
    folder = folder_of(run)
    folder.mkdir(parents=True, exist_ok=True)
    converted = Converted(
        merged=ArtefactFile(MERGED, digest(merged), len(merged)),
        adapter=ArtefactFile(ADAPTER, digest(adapter), len(adapter)),
        base_gguf=ArtefactFile("/modelos/SmolLM2.gguf", "0" * 64, 1),
        architecture="llama",
        quantization="Q8_0",
        context_length=512,
        license="apache-2.0",
        chat_template=chat_template or smollm2_metadata().chat_template,
        stop=["<|im_end|>"],
        bos=None,
    )
    converted = msgspec.structs.replace(converted, **changes)
    files = {
        MERGED: merged,
        ADAPTER: adapter,
        "training.json": msgspec.json.encode(TRAINED),
        "conversion.json": msgspec.json.encode(converted),
        "gates.json": msgspec.json.encode(PASSED),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "SHA256SUMS").write_text(
        "".join(f"{digest(content)}  {name}\n" for name, content in files.items())
    )
    return converted


def trainer_at(ollama_host: str, desk: FakeDesk | None = None, **settings: Any) -> LocalProvider:
    """A provider that trains with `peft`, at a desk of its own when none is given."""
    own = {"trainer": "peft", "desk": desk if desk is not None else FakeDesk(), **settings}
    return provider_at(ollama_host, **own)


def through(run_key: str = RUN_KEY) -> FakeDesk:
    """A desk whose training of that key has succeeded."""
    desk = FakeDesk()
    desk.statuses[run_key] = TrainingStatus("succeeded", "trained")
    return desk


def other_prompt(run: RunView, prompt: str) -> RunView:
    return replace(run, dataset=replace(run.dataset, system_prompt=prompt))
