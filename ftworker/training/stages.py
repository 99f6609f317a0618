"""The programs of a training, in their order: what each is called with, what it leaves, what it may see.

Each is a child of the job (`ftworker.training_job`) and gets the working folder as its last argument. Starts nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ftworker.settings import TrainerSettings
from ftworker.settings.environment import passed_environment
from ftworker.training.order import TrainingOrder
from ftworker.training.results import CHECKED, CONVERTED, TRAINED

FETCH: Final = "fetch"
TRAIN: Final = "train"
CONVERT: Final = "convert"
CHECK: Final = "check"
PUBLISH: Final = "publish"
ORDER_OF_STAGES: Final = (FETCH, TRAIN, CONVERT, CHECK, PUBLISH)
"""The first and the last are the job's own work."""

_PASSED: Final = frozenset(
    {"HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}
)
_PASSED_FAMILIES: Final = (
    *(
        "CUDA_",
        "GGML_",
        "HF_",
        "HIP_",
        "LC_",
        "MKL_",
        "NCCL_",
        "NVIDIA_",
        "OMP_",
        "PYTHON",
        "PYTORCH_",
        "ROCR_",
    ),
    *("TORCH_", "TRANSFORMERS_", "XDG_"),
)
_THREADS: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""PyTorch's threads sleep while they wait for each other. By default they spin, and where another program wants a core
as well that costs ten times the time: SmolLM2-135M took 12 seconds of processor time a step, and takes 0.7 so.
"""
_SECRET: Final = ("CREDENTIAL", "KEY", "PASSWORD", "SECRET", "TOKEN")


@dataclass(frozen=True)
class Stage:
    """One program. `result` is the file under `artefacts/` that it writes last; where that is, it need not run."""

    name: str
    command: tuple[str, ...]
    result: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """All that it sees of the environment."""
    stop_seconds: float = 30.0
    """Time between SIGTERM and SIGKILL: a checkpoint is written in it."""


def stages_of(order: TrainingOrder) -> tuple[Stage, ...]:
    """What this order takes."""
    environment = {**_THREADS, **passed_environment(may_pass)}
    own = (sys.executable, "-m")
    if order.trainer == "command":
        # The wrapper reads the variables that its program may see from its own environment.
        passed = order.command.get("pass_environment", ())
        train = Stage(
            TRAIN,
            (*own, "ftworker.training.command"),
            TRAINED,
            {**environment, **passed_environment(lambda name: name in passed)},
        )
    else:
        settings = TrainerSettings.model_validate(order.settings)
        train = Stage(TRAIN, (*_launcher(settings), "ftworker.training.train"), TRAINED, environment)
    return (
        train,
        Stage(CONVERT, (*own, "ftworker.training.convert"), CONVERTED, environment),
        Stage(CHECK, (*own, "ftworker.training.check"), CHECKED, environment),
    )


def may_pass(name: str) -> bool:
    """Whether a stage may see the variable: where programs and devices are, and nothing secret."""
    if any(word in name.upper() for word in _SECRET):
        return False
    return name in _PASSED or name.startswith(_PASSED_FAMILIES)


def _launcher(settings: TrainerSettings) -> tuple[str, ...]:
    processes = settings.processes
    if processes == "auto":
        processes = count_gpus() if settings.device in ("auto", "cuda") else 1
    if processes <= 1:
        return (sys.executable, "-m")
    launcher = ("torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m")
    return (sys.executable, "-m", *launcher)


def count_gpus() -> int:
    """NVIDIA GPUs that a stage will see, without importing torch; 0 where there is none, or no driver."""
    visible = passed_environment(lambda name: name == "CUDA_VISIBLE_DEVICES").get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(gpu_lines())


def gpu_lines() -> list[str]:
    """One line a GPU, as the driver's own program names them; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    return [line for line in lines if line.startswith("GPU ")]
