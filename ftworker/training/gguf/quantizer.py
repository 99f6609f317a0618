"""K-quants, which only llama.cpp's own program `llama-quantize` makes. Finds it, and runs it on a merged F16 file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ftworker.training.gguf.header import GgufProblem, read_header
from ftworker.training.gguf.writing import PART
from ftworker.training.results import ArtefactFile

PROGRAM = "llama-quantize"


def find_quantizer(quantization: str) -> str:
    """The program's path. Raises GgufProblem `quantizer_missing`."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise GgufProblem(
            "quantizer_missing",
            f"{quantization} needs llama.cpp's {PROGRAM}, which is not on the PATH; install llama.cpp, or set "
            "training.quantization to Q8_0 or F16",
        )
    return program


def quantize(program: str, source: Path, target: Path, quantization: str) -> ArtefactFile:
    """Write `target` from an F16 file. What the program prints goes to standard error. Raises GgufProblem
    `quantizer_failed`."""
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    try:
        ended = subprocess.run(
            [program, str(source), str(part), quantization],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
        if ended.returncode != 0 or not part.is_file():
            raise GgufProblem(
                "quantizer_failed",
                f"{PROGRAM} ended with status {ended.returncode}; its own words are in the log of this stage: free "
                "disk or memory, or set training.quantization to Q8_0",
            )
        made, wanted = read_header(part), read_header(source)
        if {tensor.name for tensor in made.tensors} != {tensor.name for tensor in wanted.tensors}:
            raise GgufProblem(
                "quantizer_failed", f"{PROGRAM} left out tensors; install a llama.cpp that knows this model"
            )
        with part.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        part.replace(target)
        return ArtefactFile(target.name, digest, target.stat().st_size)
    finally:
        part.unlink(missing_ok=True)
