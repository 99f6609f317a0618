"""What is seen before hours of training: base, trainer, room, template, names, and what Ollama takes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ftworker.providers.contract import Finding
from ftworker.providers.local_trained_preflight import TRAINING_PACKAGES
from ftworker.settings import CommandSettings, TrainerSettings
from tests.conftest import REPOSITORY
from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.tiny_gguf import write_tiny_gguf
from tests.providers.local_runs import LESSONS, export, new_run
from tests.providers.trained_runs import trained_run, trainer_at
from tests.training.test_templates import CHATML

ODD = "{% for m in messages %}{{ loop.index ~ '|' ~ m.role ~ '|' ~ m.content ~ '\n' }}{% endfor %}"


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"file://{tmp_path / 'almacén'}"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "base.gguf")


def seen(findings: Sequence[Finding], level: str | None = None) -> list[str]:
    return [finding.code for finding in findings if level in (None, finding.level)]


def look(storage: str, ollama: OllamaDouble, base: Path | str, **settings: Any) -> Sequence[Finding]:
    training = settings.pop("training", TrainerSettings(base=str(base)))
    return trainer_at(ollama.url, training=training, **settings).preflight(trained_run(storage))


def folder_base(folder: Path, *, chat_template: str | None, model_type: str = "llama") -> Path:
    folder.mkdir()
    sizes = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "vocab_size": 1024, **sizes}))
    tokenizer = {"chat_template": chat_template, "eos_token": "</s>"} if chat_template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    return folder


def test_a_sound_training_raises_no_finding(storage: str, ollama_api: OllamaDouble, base: Path) -> None:
    assert look(storage, ollama_api, base) == []
    provider = trainer_at(ollama_api.url, training=TrainerSettings(base=str(base)))
    assert provider.check() == []


def test_without_ollama_a_training_may_begin_all_the_same(storage: str, base: Path) -> None:
    provider = trainer_at("127.0.0.1:9", training=TrainerSettings(base=str(base)))
    assert [(found.level, found.code) for found in provider.preflight(trained_run(storage))] == [
        ("warning", "ollama_unreachable")
    ]


@pytest.mark.parametrize("name", ["/no/such/model", "./model.gguf", "~/model", "llama3.2:3b", "model.gguf"])
def test_a_base_that_is_not_there_is_an_error(storage: str, ollama_api: OllamaDouble, name: str) -> None:
    findings = look(storage, ollama_api, name)
    assert seen(findings, "error") == ["training_base"]
    assert "training.base" in findings[0].message


def test_a_hub_name_is_not_judged_but_has_no_file_for_ollama(storage: str, ollama_api: OllamaDouble) -> None:
    assert seen(look(storage, ollama_api, "HuggingFaceTB/SmolLM2-135M-Instruct")) == ["no_base_gguf"]


def test_what_a_program_of_ones_own_calls_its_base_is_not_judged(
    storage: str, ollama_api: OllamaDouble
) -> None:
    command = CommandSettings(program=("sh", "-c", "true"))
    assert look(storage, ollama_api, "llama3.2:3b", trainer="command", command=command) == []


def test_a_gguf_that_cannot_be_read_or_converted_is_an_error(
    storage: str, ollama_api: OllamaDouble, tmp_path: Path, base: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(base.read_bytes()[:1000])
    assert seen(look(storage, ollama_api, broken), "error") == ["training_base"]
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    assert seen(look(storage, ollama_api, text), "error") == ["training_base"]
    other = tmp_path / "other.gguf"
    other.write_bytes(
        base.read_bytes().replace(
            b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00mamba", 1
        )
    )
    found = look(storage, ollama_api, other)
    assert seen(found, "error") == ["training_base"]
    assert "mamba" in found[0].message


def test_a_folder_needs_a_known_architecture_and_a_gguf_for_ollama(
    storage: str, ollama_api: OllamaDouble, tmp_path: Path, base: Path
) -> None:
    folder = folder_base(tmp_path / "hf", chat_template=CHATML)
    assert seen(look(storage, ollama_api, folder)) == ["no_base_gguf"]
    training = TrainerSettings(base=str(folder), base_gguf=base)
    assert look(storage, ollama_api, folder, training=training) == []
    training = TrainerSettings(base=str(folder), base_gguf=tmp_path / "nowhere.gguf")
    assert seen(look(storage, ollama_api, folder, training=training), "error") == ["training_base"]
    unknown = folder_base(tmp_path / "rwkv", chat_template=CHATML, model_type="rwkv")
    assert seen(look(storage, ollama_api, unknown), "error") == ["training_base"]


def test_a_base_that_was_not_made_for_conversations_is_an_error(
    storage: str, ollama_api: OllamaDouble, tmp_path: Path, base: Path
) -> None:
    folder = folder_base(tmp_path / "hf", chat_template=None)
    training = TrainerSettings(base=str(folder), base_gguf=base)
    assert seen(look(storage, ollama_api, folder, training=training), "error") == ["template_missing"]


def test_a_template_that_cannot_be_written_for_ollama_is_told_before(
    storage: str, ollama_api: OllamaDouble, tmp_path: Path
) -> None:
    odd = write_tiny_gguf(tmp_path / "odd.gguf", chat_template=ODD)
    assert [(found.level, found.code) for found in look(storage, ollama_api, odd)] == [
        ("warning", "template_unknown")
    ]
    own = tmp_path / "own.gotmpl"
    assert seen(look(storage, ollama_api, odd, template_file=own)) == ["template_file"]
    own.write_text("{{ .Prompt }}")
    assert look(storage, ollama_api, odd, template_file=own) == []


def test_what_trains_must_be_installed(
    storage: str, ollama_api: OllamaDouble, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ftworker.providers.local_trained_preflight.find_spec",
        lambda name: None if name in ("torch", "peft") else find_spec(name),
    )
    findings = look(storage, ollama_api, base)
    assert seen(findings, "error") == ["train_extra"]
    assert "peft, torch" in findings[0].message
    assert "ftworker[train]" in findings[0].message


def test_a_quantisation_of_llama_cpps_needs_its_program(
    storage: str, ollama_api: OllamaDouble, base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = TrainerSettings(base=str(base), quantization="Q4_K_M")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seen(look(storage, ollama_api, base, training=training), "error") == ["quantization"]
    program = tmp_path / "llama-quantize"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert look(storage, ollama_api, base, training=training) == []


@pytest.mark.parametrize(
    "command,words",
    [
        (CommandSettings(), "command.program"),
        (CommandSettings(program=("no-such-program", "{config}")), "no-such-program"),
        (CommandSettings(program=("sh", "-c", "true"), template=Path("/no/such.yaml")), "/no/such.yaml"),
    ],
)
def test_a_program_of_ones_own_must_be_there(
    storage: str, ollama_api: OllamaDouble, base: Path, command: CommandSettings, words: str
) -> None:
    findings = look(storage, ollama_api, base, trainer="command", command=command)
    assert seen(findings, "error") == ["command"]
    assert words in findings[0].message
    well = CommandSettings(program=("sh", "-c", "true"))
    assert look(storage, ollama_api, base, trainer="command", command=well) == []


def test_a_disk_that_is_too_full_is_an_error(
    storage: str, ollama_api: OllamaDouble, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**9))
    findings = look(storage, ollama_api, base)
    assert seen(findings, "error") == ["disk_space"]
    assert "1.0 GB free" in findings[0].message


@pytest.mark.parametrize(
    "method,form,expected",
    [
        ("supervised", "instruction-json", []),
        ("dpo", "preference", []),
        ("dpo", "openai-chat", ["dataset_format"]),
        ("supervised", "preference", ["dataset_format"]),
    ],
)
def test_a_method_needs_data_of_its_kind(
    storage: str, ollama_api: OllamaDouble, base: Path, method: str, form: str, expected: list[str]
) -> None:
    dataset = replace(export(storage, LESSONS), format=form)
    run = new_run(storage, dataset, method={"type": method}, base_model="smollm2:135m")
    provider = trainer_at(ollama_api.url, training=TrainerSettings(base=str(base)))
    assert seen(provider.preflight(run), "error") == expected


def test_promotion_must_not_take_the_name_from_the_base(
    storage: str, ollama_api: OllamaDouble, base: Path
) -> None:
    run = trained_run(storage, base_model="historia")
    provider = trainer_at(ollama_api.url, training=TrainerSettings(base=str(base)))
    assert seen(provider.preflight(run), "error") == ["model_name"]


def test_what_ollama_does_not_take_is_found(storage: str, base: Path) -> None:
    with OllamaDouble("0.34.1") as newer:
        assert seen(look(storage, newer, base, ollama_artefact="adapter"), "error") == ["adapters_refused"]
    with OllamaDouble("0.33.2", models=("smollm2:135m",)) as older:
        assert look(storage, older, base, ollama_artefact="adapter") == []
    with OllamaDouble("0.33.2", models=()) as empty:
        assert seen(look(storage, empty, base, ollama_artefact="adapter")) == ["base_model_missing"]
        assert look(storage, empty, base, ollama_artefact="adapter", pull_base=True) == []
    with OllamaDouble("0.5.4") as ancient:
        assert seen(look(storage, ancient, base), "error") == ["ollama_too_old"]


def test_a_parameter_or_a_prompt_that_no_modelfile_holds_is_found(
    storage: str, ollama_api: OllamaDouble, base: Path
) -> None:
    assert seen(look(storage, ollama_api, base, parameters={"num_ctx": "mucho"}), "error") == ["parameters"]


def test_every_package_of_the_extra_is_looked_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [re.split(r"[<>=~!]", line)[0] for line in project["optional-dependencies"]["train"]]
    assert list(TRAINING_PACKAGES) == extra
