"""Where a training runs: the device, the type of its arithmetic, its memory, and the processes that share it."""

from __future__ import annotations

import platform
import resource
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import peft
import torch
import torch.distributed
import transformers

from ftworker.settings import TrainerSettings
from ftworker.settings.environment import place_among_processes
from ftworker.training.stage import StageFailed

Precision = Literal["fp32", "bf16", "fp16"]
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_PATIENCE = timedelta(hours=2)
"""Longest that one process waits for the others: loading a large base from a slow disk included."""


@dataclass(frozen=True)
class Place:
    """The device of this process, and its place among the processes of this training."""

    device: torch.device
    precision: Precision
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    @property
    def weight_type(self) -> torch.dtype:
        """The type that the base is loaded in. On a CPU always float32: only its layers are narrowed, see `lora`."""
        return torch.float32 if self.device.type == "cpu" else TYPES[self.precision]

    @property
    def autocast(self) -> torch.dtype | None:
        """The type of the arithmetic where it is not float32: the LoRA's weights are float32 always."""
        return None if self.precision == "fp32" else TYPES[self.precision]

    def add_up(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)
        return tensor


def take_place(settings: TrainerSettings) -> Place:
    """Choose the device and join the other processes, if there are any. Raises StageFailed (`device_missing`)."""
    rank, size, local = place_among_processes()
    kind = settings.device if settings.device != "auto" else _best_device()
    if not _is_there(kind):
        raise StageFailed(
            "device_missing",
            f'device = "{kind}" is asked for and PyTorch {torch.__version__} sees none; install the driver and a '
            'PyTorch made for it, or set training.device = "auto"',
        )
    device = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    if size > 1:
        torch.distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=_PATIENCE)
    return Place(device, _precision(settings, kind), rank, size)


def leave(place: Place) -> None:
    """Part from the other processes."""
    if place.size > 1:
        torch.distributed.destroy_process_group()


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory in use so far: of the GPU, or of this process where it trains on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory_bytes(device: torch.device) -> int | None:
    """Memory of the GPU that is free now; None on other devices."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def versions(place: Place) -> dict[str, str]:
    """What the result depends on beside the order."""
    name = torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else platform.machine()
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "device": f"{place.device.type} ({name})",
    }


def _best_device() -> str:
    return next(kind for kind in ("cuda", "mps", "cpu") if _is_there(kind))


def _is_there(kind: str) -> bool:
    if kind == "cpu":
        return True
    return bool(torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available())


def _precision(settings: TrainerSettings, kind: str) -> Precision:
    if settings.precision != "auto":
        return settings.precision
    if kind == "cpu":
        return "bf16" if _multiplies_bf16() else "fp32"
    if kind != "cuda":
        return "fp32"
    # Emulated bf16 counts as supported with PyTorch, and is slow.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bf16 (AVX512-BF16, AMX): without them it is slower than float32."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # newer than PyTorch 2.6
    return bool(
        capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("amx_tile")
    )
