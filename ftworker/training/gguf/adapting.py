"""A LoRA as a GGUF of its own, which llama-server and Ollama up to 0.33 add to the base while they serve it.

What is written is what llama.cpp's convert_lora_to_gguf.py writes: 32-bit floats, since the entries of B are often too
small for F16, and the files are small all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ftworker.training.gguf.header import DEFAULT_ALIGNMENT, GgufProblem, ValueType
from ftworker.training.gguf.lora import Lora
from ftworker.training.gguf.stored_numbers import NotFinite, encode
from ftworker.training.gguf.tensor_types import TensorType
from ftworker.training.gguf.writing import GgufWriter, PlannedTensor, key_record
from ftworker.training.results import ArtefactFile


def write_adapter(path: Path, lora: Lora, *, name: str, told: Callable[[], None]) -> ArtefactFile:
    """Write the adapter; `told` is called after each pair. Raises GgufProblem: `disk_full`, `not_finite`."""
    records = [
        key_record("general.architecture", ValueType.STRING, lora.base.architecture),
        key_record("general.type", ValueType.STRING, "adapter"),
        key_record("general.name", ValueType.STRING, name),
        key_record("general.file_type", ValueType.UINT32, 0),
        key_record("adapter.type", ValueType.STRING, "lora"),
        key_record("adapter.lora.alpha", ValueType.FLOAT32, lora.gguf_alpha),
    ]
    plan = []
    for tensor in lora.pairs:
        rows, columns = lora.base.shapes[tensor]
        plan.append(PlannedTensor(f"{tensor}.lora_a", (lora.rank, columns), TensorType.F32))
        plan.append(PlannedTensor(f"{tensor}.lora_b", (rows, lora.rank), TensorType.F32))
    with GgufWriter(path, records, plan, DEFAULT_ALIGNMENT) as writer:
        for pair in lora.pairs.values():
            try:
                for matrix in lora.read(pair):
                    writer.write(encode(matrix.reshape(-1), TensorType.F32))
            except NotFinite as error:
                raise GgufProblem(
                    "not_finite",
                    f"the LoRA of {pair.tensor} holds a number that is none; the training went wrong: lower "
                    "training.learning_rate and train again",
                ) from error
            told()
        return writer.finish()
