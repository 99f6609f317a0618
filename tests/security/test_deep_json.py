"""JSON that is nested deeper than a decoder goes is one more thing that cannot be read, for everybody who reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftworker.cli import cli
from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.validate import validate_file
from ftworker.errors import FtworkerError
from ftworker.events.contract import EventRejected, decode
from ftworker.providers.ollama_wire import ShownModel, read_line
from ftworker.providers.openai_wire import ErrorEnvelope, read_answer, read_envelope
from ftworker.sources.values import decode_json, decode_rows
from ftworker.training.command_output import ProgressFile, take_adapter
from ftworker.training.events import decode_event
from ftworker.training.gguf.base_files import read_json
from ftworker.training.gguf.safetensors_file import SafetensorsFile
from ftworker.training.stage import Events, StageFailed

DEPTH = 150_000
DEEP = b"[" * DEPTH + b"]" * DEPTH
INSIDE = b'{"event": "note", "x": ' + DEEP + b"}"


def file_with(folder: Path, content: bytes, name: str = "file.json") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def adapter(folder: Path, content: bytes) -> object:
    file_with(folder, b"", "adapter_model.safetensors")
    file_with(folder, content, "adapter_config.json")
    return take_adapter(folder, folder)


def manifest(folder: Path, content: bytes) -> object:
    file_with(folder, content, "manifest.json")
    return read_manifest(folder.as_uri())


def progress(folder: Path, content: bytes) -> object:
    return ProgressFile(file_with(folder, content + b"\n"), Events(1)).points


def safetensors(folder: Path, content: bytes) -> object:
    return SafetensorsFile(file_with(folder, len(content).to_bytes(8, "little") + content)).names


REFUSES: dict[str, tuple[Callable[[Path, bytes], object], tuple[type[Exception], ...]]] = {
    "an event": (lambda _, raw: decode(raw, 10**7), (EventRejected,)),
    "an answer of OpenAI's API": (lambda _, raw: read_answer(raw, ErrorEnvelope), (ValueError,)),
    "a line of Ollama's": (lambda _, raw: read_line(raw, "pull"), (FtworkerError,)),
    "a row of a chat store": (lambda _, raw: decode_rows(raw.decode()), (ValueError,)),
    "a value of a chat store": (lambda _, raw: decode_json(raw.decode()), (ValueError,)),
    "a manifest": (manifest, (FtworkerError,)),
    "an adapter": (safetensors, (StageFailed,)),
    "an adapter's configuration": (adapter, (StageFailed,)),
}
PASSES_OVER: dict[str, tuple[Callable[[Path, bytes], object], object]] = {
    "an error of OpenAI's API": (lambda _, raw: read_envelope(raw), None),
    "a line of a stage": (lambda _, raw: decode_event(raw), None),
    "progress of a program": (progress, []),
    "a model's configuration": (lambda folder, raw: dict(read_json(file_with(folder, raw))), {}),
    "a training file": (lambda folder, raw: validate_file(str(file_with(folder, raw + b"\n"))).ok, False),
    "parameters that Ollama shows": (
        lambda _, raw: ShownModel.of_answer({"parameters": f'stop "{raw.decode()}'}).system,
        "",
    ),
}


@pytest.mark.parametrize("raw", [DEEP, INSIDE], ids=["deep", "inside"])
@pytest.mark.parametrize("reader", sorted(REFUSES))
def test_it_is_refused_by_whoever_must_have_it(reader: str, raw: bytes, tmp_path: Path) -> None:
    read, errors = REFUSES[reader]
    with pytest.raises(errors):
        read(tmp_path, raw)


@pytest.mark.parametrize("raw", [DEEP, INSIDE], ids=["deep", "inside"])
@pytest.mark.parametrize("reader", sorted(PASSES_OVER))
def test_it_is_passed_over_by_whoever_can_do_without(reader: str, raw: bytes, tmp_path: Path) -> None:
    read, instead = PASSES_OVER[reader]
    assert read(tmp_path, raw) == instead


def test_redact_names_the_line_and_goes_on() -> None:
    lines = b'{"id": 1, "text": "a", "x": ' + DEEP + b'}\n{"id": 2, "text": "b"}\n'
    result = CliRunner().invoke(cli, ["redact"], input=lines)
    assert result.exit_code == 1
    assert "line 1: no JSON" in result.output
    assert '"id":2' in result.output
