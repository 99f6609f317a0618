"""A LoRA as PEFT saves it: one pair of small matrices for each module, and a scale. Reads, and refuses the rest.

A merged weight is W + scale * B @ A, with scale = alpha / r, or alpha / sqrt(r) for rsLoRA (arXiv:2312.03732). PEFT
knows many things beside this; a file that uses one of them would convert into another model than the one trained, so a
setting that is not known to change nothing is refused by its name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ftworker.training.gguf.architectures import BaseModel
from ftworker.training.gguf.header import GgufProblem
from ftworker.training.gguf.safetensors_file import SafetensorsFile

CONFIG: Final = "adapter_config.json"
WEIGHTS: Final = "adapter_model.safetensors"

_HARMLESS: Final = frozenset(
    {
        "auto_mapping",
        "base_model_name_or_path",
        "corda_config",
        "ensure_weight_tying",
        "eva_config",
        "exclude_modules",
        "inference_mode",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "lora_ga_config",
        "megatron_core",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "revision",
        "target_modules",
        "task_type",
        "use_rslora",
    }
)
"""Settings of PEFT's LoraConfig that are read here, or that change nothing in an adapter that is trained."""
# The others (pissa, olora, corda, loftq, lora_ga...) change the base's own weights before the training.
_HARMLESS_BEGINNINGS: Final = (None, True, False, "gaussian", "eva", "orthogonal")
_TENSOR: Final = re.compile(
    r"base_model\.model\.(?:model\.|model\.language_model\.|language_model\.model\.)layers\.(\d+)\.(.+)\.lora_([AB])\.weight"
)


@dataclass(frozen=True)
class Pair:
    """The two matrices of one module, still in their file."""

    tensor: str
    """The weight that they belong to, as the GGUF names it."""
    a: str
    b: str


@dataclass(frozen=True)
class Lora:
    """An adapter that fits its base: every name and shape was looked at."""

    rank: int
    scale: float
    """By which B @ A is multiplied."""
    pairs: Mapping[str, Pair]
    """By the base's tensor."""
    base: BaseModel
    file: SafetensorsFile

    @property
    def gguf_alpha(self) -> float:
        """What llama.cpp divides by the rank to have the scale."""
        return self.scale * self.rank

    def read(self, pair: Pair) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A (rank x columns) and B (rows x rank), the rows in the order of the GGUF."""
        return self.file.read(pair.a), self.base.in_stored_order(pair.tensor, self.file.read(pair.b))


def read_lora(folder: Path, base: BaseModel) -> Lora:
    """Raises GgufProblem: `adapter_missing`, `adapter_malformed`, `adapter_unsupported`, `adapter_mismatch`."""
    config = _config(folder / CONFIG)
    _refuse_what_is_unknown(config, folder / CONFIG)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise GgufProblem("adapter_malformed", f"{folder / CONFIG}: r is {rank!r}; train again")
    # llama.cpp takes an alpha of 0 for "no alpha given" and would add the LoRA in full.
    if (
        not isinstance(alpha, int | float)
        or isinstance(alpha, bool)
        or not math.isfinite(alpha)
        or alpha == 0
    ):
        raise GgufProblem("adapter_malformed", f"{folder / CONFIG}: lora_alpha is {alpha!r}; train again")
    file = SafetensorsFile(folder / WEIGHTS)
    return Lora(
        rank=rank,
        scale=alpha / (math.sqrt(rank) if config.get("use_rslora") else rank),
        pairs=_pairs(file, base, rank),
        base=base,
        file=file,
    )


def _config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise GgufProblem(
            "adapter_missing", f"{path} cannot be read ({error.strerror}); the training must leave it there"
        ) from error
    except (ValueError, RecursionError) as error:
        raise GgufProblem("adapter_malformed", f"{path} is no JSON; train again") from error
    if not isinstance(config, dict):
        raise GgufProblem("adapter_malformed", f"{path} is no JSON object; train again")
    return config


def _refuse_what_is_unknown(config: Mapping[str, Any], path: Path) -> None:
    unsupported = [
        f"{key} = {json.dumps(value)}"
        for key, value in sorted(config.items())
        if key not in _HARMLESS
        and (value not in _HARMLESS_BEGINNINGS if key == "init_lora_weights" else value and value != "none")
    ]
    if config.get("peft_type") != "LORA":
        unsupported.insert(0, f"peft_type = {json.dumps(config.get('peft_type'))}")
    if unsupported:
        raise GgufProblem(
            "adapter_unsupported",
            f"{path}: {', '.join(unsupported)} cannot be converted; train a plain LoRA (no DoRA, no bias, no "
            "modules_to_save, one rank and one alpha), or let vLLM serve the adapter as it is",
        )


def _pairs(file: SafetensorsFile, base: BaseModel, rank: int) -> dict[str, Pair]:
    found: dict[str, dict[str, str]] = {}
    for name in file.names:
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise GgufProblem(
                "adapter_mismatch",
                f"the adapter holds {name}, which is no LoRA of a linear module inside a block; train those alone",
            )
        layer, module, side = match.groups()
        found.setdefault(base.tensor_of(int(layer), module), {})[side] = name
    if not found:
        raise GgufProblem("adapter_malformed", "the adapter holds no tensors; train again")
    pairs = {}
    for tensor, sides in found.items():
        if set(sides) != {"A", "B"}:
            raise GgufProblem(
                "adapter_malformed", f"the adapter holds one half alone for {tensor}; train again"
            )
        rows, columns = base.shapes[tensor]
        shapes = file.shape(sides["A"]), file.shape(sides["B"])
        if shapes != ((rank, columns), (rows, rank)):
            raise GgufProblem(
                "adapter_mismatch",
                f"{tensor} is {rows} x {columns} in the base, the LoRA's A and B are {shapes[0]} and {shapes[1]} at "
                f"rank {rank}; convert with the very base that was trained",
            )
        pairs[tensor] = Pair(tensor, sides["A"], sides["B"])
    return pairs
