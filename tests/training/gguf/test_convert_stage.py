"""The stage as the job runs it: a process with a folder, events on its output, files and a result behind it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from ftworker.training.convert import convert
from ftworker.training.events import DONE, FAILED, INTERRUPTED, Failed, Noted, Progressed, decode_event
from ftworker.training.gguf import base_files
from ftworker.training.gguf.header import read_header
from ftworker.training.gguf.reading import read_metadata
from ftworker.training.order import ADAPTER, ARTEFACTS, ORDER, OrderedFile, TrainingOrder
from ftworker.training.results import CONVERTED, ArtefactFile, Converted
from ftworker.training.stage import Events, StageFailed, Stop
from tests.training.gguf.small_files import BLOCKS, TOKENS, WIDTH, read_all, weights, write_base, write_lora
from tests.training.gguf.test_lora import CONFIG_JSON

TENSORS = len(weights())


def make_work(folder: Path, base: Path | str | None = None, **settings: object) -> tuple[Path, Path | str]:
    """A working folder as the trainer leaves it."""
    work = folder / "work"
    if base is None:
        base = folder / "base" / "base.gguf"
        base.parent.mkdir()
        write_base(base)
    write_lora(work / ARTEFACTS / ADAPTER)
    order = TrainingOrder(
        run_id=7,
        run_key="r7",
        pipeline="historia",
        provider="local",
        base=str(base),
        method={"type": "supervised"},
        format="chat",
        system_prompt="",
        train=OrderedFile("file:///train.jsonl", "train.jsonl", "0" * 64, 3),
        validation=None,
        trainer="peft",
        settings=settings,
        artefacts_url="file:///runs/r7",
    )
    (work / ORDER).write_bytes(msgspec.json.encode(order))
    return work, base


def start(work: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ftworker.training.convert", str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """All that it says. Its input stays open to the end: closed, it means that the job is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        said = process.stdout.read(), process.stderr.read()
        process.wait(timeout=60)
    process.stdin.close()
    return said


def events_of(output: bytes) -> Iterator[Progressed | Noted | Failed]:
    for line in output.splitlines():
        event = decode_event(line)
        assert event is not None, "everything on standard output is an event"
        yield event


class Heard(Events):
    """Events kept instead of written."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.events: list[Progressed | Noted | Failed] = []

    def send(self, event: Progressed | Noted | Failed) -> None:
        self.events.append(event)


def convert_here(work: Path) -> tuple[Converted, list[Progressed | Noted | Failed]]:
    heard = Heard()
    convert(work, heard, Stop())
    result = (work / ARTEFACTS / CONVERTED).read_bytes()
    return msgspec.json.decode(result, type=Converted, strict=True), heard.events


def code_of(work: Path) -> str:
    with pytest.raises(StageFailed) as raised:
        convert(work, Heard(), Stop())
    assert not (work / ARTEFACTS / CONVERTED).exists()
    return raised.value.code


def matches(file: ArtefactFile | None, path: Path) -> bool:
    content = path.read_bytes()
    return file is not None and (file.sha256, file.size_bytes) == (
        hashlib.sha256(content).hexdigest(),
        len(content),
    )


def test_the_stage_leaves_both_forms_and_says_how_far_it_is(tmp_path: Path) -> None:
    work, base = make_work(tmp_path)
    process = start(work)
    output, errors = finish(process)
    assert (process.returncode, errors) == (DONE, b"")
    events = list(events_of(output))
    total = 7 * BLOCKS + TENSORS
    assert [
        (event.stage, event.completed, event.total, event.unit)
        for event in events
        if isinstance(event, Progressed)
    ] == [("convert", completed, total, "tensors") for completed in range(1, total + 1)]
    artefacts = work / ARTEFACTS
    result = msgspec.json.decode((artefacts / CONVERTED).read_bytes(), type=Converted)
    assert matches(result.merged, artefacts / "merged-Q8_0.gguf")
    assert matches(result.adapter, artefacts / "adapter.gguf")
    assert matches(result.base_gguf, Path(base))
    assert result.base_gguf is not None
    assert result.base_gguf.name == str(base)
    assert (result.architecture, result.quantization, result.context_length) == ("llama", "Q8_0", 512)
    assert (result.license, result.chat_template) == ("apache-2.0", "{{ messages }}<|im_end|>")
    assert (result.stop, result.bos) == (["<|im_end|>"], None)
    assert read_metadata(artefacts / "merged-Q8_0.gguf").name == "Base + historia"
    assert sorted(path.name for path in artefacts.iterdir()) == [
        "adapter",
        "adapter.gguf",
        "conversion.json",
        "merged-Q8_0.gguf",
    ]


def test_repeating_makes_the_same_bytes_whatever_a_kill_left(tmp_path: Path) -> None:
    work, _ = make_work(tmp_path, quantization="F16")
    first, _ = convert_here(work)
    (work / ARTEFACTS / CONVERTED).unlink()
    (work / ARTEFACTS / "merged-F16.gguf.part").write_bytes(b"half a file")
    (work / "merged-F16.gguf.part").write_bytes(b"half a file")
    assert convert_here(work)[0] == first
    assert list(tmp_path.rglob("*.part")) == []


def large_base(folder: Path) -> Path:
    """So large that the stage is still at work when it is stopped."""
    folder.mkdir()
    tensors = weights() | {"output.weight": np.zeros((400_000, WIDTH), np.float32)}
    return write_base(folder / "large.gguf", "F16", tensors=tensors)


@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL), (None, INTERRUPTED)]
)
def test_a_stage_that_is_stopped_or_left_alone_leaves_no_file_under_its_last_name(
    tmp_path: Path, number: signal.Signals | None, status: int
) -> None:
    work, _ = make_work(tmp_path, large_base(tmp_path / "large"))
    process = start(work)
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    if number is None:
        process.stdin.close()  # whoever started it is gone
        process.wait(timeout=20)
    else:
        process.send_signal(number)
    finish(process)
    assert process.returncode == status
    assert not (work / ARTEFACTS / "merged-Q8_0.gguf").exists()
    assert not (work / ARTEFACTS / CONVERTED).exists()


def test_a_named_failure_ends_the_process_with_its_code(tmp_path: Path) -> None:
    work, _ = make_work(tmp_path, tmp_path / "absent.gguf")
    process = start(work)
    output, _ = finish(process)
    assert process.returncode == FAILED
    last = list(events_of(output))[-1]
    assert isinstance(last, Failed)
    assert last.code == "base_missing"
    assert "absent.gguf" in last.message


def test_a_base_in_a_folder_gives_the_adapter_alone_and_says_how_to_get_the_rest(tmp_path: Path) -> None:
    work, _ = make_work(tmp_path, folder_base(tmp_path / "hf"))
    result, events = convert_here(work)
    assert result.merged is None
    assert result.base_gguf is None
    assert matches(result.adapter, work / ARTEFACTS / "adapter.gguf")
    assert [event for event in events if isinstance(event, Noted) and "training.base_gguf" in event.message]
    assert (result.license, result.context_length) == ("gemma", 4096)
    assert result.chat_template == "{{ messages }}<end_of_turn>"
    assert result.stop == ["<end_of_turn>", "<eos>"]
    assert result.bos == "<bos>"
    assert (work / ARTEFACTS / "license" / "LICENSE.txt").read_text() == "Be kind."


def test_a_base_in_a_folder_is_merged_into_the_gguf_that_is_set_for_it(tmp_path: Path) -> None:
    base = write_base(tmp_path / "vendor.gguf")
    work, _ = make_work(tmp_path, folder_base(tmp_path / "hf"), base_gguf=str(base))
    result, _ = convert_here(work)
    assert matches(result.merged, work / ARTEFACTS / "merged-Q8_0.gguf")
    assert matches(result.base_gguf, base)
    assert result.chat_template == "{{ messages }}<end_of_turn>", "with which it was trained"
    assert result.stop == ["<|im_end|>"], "as the served tokenizer has it"


def test_the_template_that_the_trainer_left_beside_the_adapter_is_the_one_trained_with(
    tmp_path: Path,
) -> None:
    work, _ = make_work(tmp_path)
    (work / ARTEFACTS / ADAPTER / "chat_template.jinja").write_text("{{ ours }}", encoding="utf-8")
    assert convert_here(work)[0].chat_template == "{{ ours }}"


def folder_base(folder: Path) -> Path:
    """What transformers saves, but for the weights, which a conversion never reads."""
    folder.mkdir()
    files: dict[str, Any] = {
        "config.json": {**CONFIG_JSON, "max_position_embeddings": 4096},
        "generation_config.json": {"eos_token_id": [1, 106]},
        "tokenizer_config.json": {"bos_token": {"content": "<bos>"}, "eos_token": "<eos>"},
        "tokenizer.json": {
            "added_tokens": [
                {"id": 1, "content": "<eos>", "special": True},
                {"id": 106, "content": "<end_of_turn>"},
            ],
            "post_processor": {
                "type": "Sequence",
                "processors": [
                    {"type": "ByteLevel"},
                    {
                        "type": "TemplateProcessing",
                        "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}],
                    },
                ],
            },
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages }}<end_of_turn>", encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: gemma\ntags:\n- x\n---\n# A model\n", encoding="utf-8")
    (folder / "LICENSE.txt").write_text("Be kind.", encoding="utf-8")
    return folder


def test_the_licence_beside_a_gguf_is_copied_when_it_can_be_of_no_other_model(tmp_path: Path) -> None:
    work, base = make_work(tmp_path)
    (Path(base).parent / "LICENSE").write_text("Apache", encoding="utf-8")
    convert_here(work)
    assert (work / ARTEFACTS / "license" / "LICENSE").read_text() == "Apache"
    write_base(Path(base).parent / "another.gguf")
    assert base_files.find_base(str(base)).license_files() == []


def test_a_folder_with_one_gguf_is_that_gguf(tmp_path: Path) -> None:
    write_base(tmp_path / "only.gguf")
    assert base_files.find_base(str(tmp_path)).gguf == tmp_path / "only.gguf"


@pytest.mark.parametrize("base", ["nobody/nothing", "a name with blanks", "llama3.2:3b"])
def test_a_base_that_is_nowhere_on_this_machine_is_named(tmp_path: Path, base: str) -> None:
    work, _ = make_work(tmp_path, base)
    assert code_of(work) == "base_missing"


@pytest.mark.parametrize(
    "damage, code",
    [
        (lambda work: (work / ORDER).write_bytes(b"{}"), "order_unreadable"),
        (lambda work: (work / ORDER).unlink(), "order_unreadable"),
        (lambda work: (work / ARTEFACTS / ADAPTER / "adapter_config.json").unlink(), "adapter_missing"),
        (
            lambda work: write_lora(work / ARTEFACTS / ADAPTER, settings={"use_dora": True}),
            "adapter_unsupported",
        ),
    ],
)
def test_what_does_not_fit_is_found_before_the_work(tmp_path: Path, damage: Any, code: str) -> None:
    work, _ = make_work(tmp_path)
    damage(work)
    assert code_of(work) == code
    assert list((work / ARTEFACTS).glob("*.gguf*")) == []


def test_k_quants_without_llama_quantize_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    work, _ = make_work(tmp_path, quantization="Q4_K_M")
    assert code_of(work) == "quantizer_missing"
    assert list((work / ARTEFACTS).glob("*.gguf*")) == []


QUANTIZE = """#!{python}
import shutil, sys
source, target, kind = sys.argv[1:]
print("main: quantizing", source, "to", target, "as", kind)
assert kind == "Q4_K_M"
{act}
"""


def install_quantizer(folder: Path, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    """A program of that name which takes the same arguments; the real one is no package of Python's."""
    folder.mkdir()
    program = folder / "llama-quantize"
    program.write_text(QUANTIZE.format(python=sys.executable, act=act), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_k_quants_are_made_by_llama_quantize_from_a_merged_f16_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_quantizer(tmp_path / "bin", monkeypatch, "shutil.copyfile(source, target)")
    work, _ = make_work(tmp_path, quantization="Q4_K_M")
    result, _ = convert_here(work)
    merged = work / ARTEFACTS / "merged-Q4_K_M.gguf"
    assert result.quantization == "Q4_K_M"
    assert matches(result.merged, merged)
    assert read_header(merged).values["general.file_type"] == 1, "what the program was given was F16"
    assert read_all(merged)["token_embd.weight"].shape == (TOKENS, WIDTH)
    assert list(work.glob("*.gguf*")) == []


@pytest.mark.parametrize(
    "act",
    [
        "sys.exit(3)",
        "pass",
        "open(target, 'wb').write(b'GGUF')",
        f"shutil.copyfile({str(Path(__file__))!r}, target)",
    ],
)
def test_a_llama_quantize_that_fails_is_named_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    install_quantizer(tmp_path / "bin", monkeypatch, act)
    work, _ = make_work(tmp_path, quantization="Q4_K_M")
    assert code_of(work) in {"quantizer_failed", "gguf_malformed"}
    assert [path.name for path in work.rglob("*.gguf*")] == ["adapter.gguf"]
