"""What a training is asked to do, as JSON in its working folder. Pure: no I/O, and no conversation in it.

The job writes `order.json` once; the stages read it. The dataset lies beside it, fetched and verified, under `data/`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

ORDER: Final = "order.json"
DATA: Final = "data"
"""Folder of the local copies of the dataset's files, under their own names."""
ADAPTER: Final = "adapter"
"""Folder that the trainer leaves: adapter_config.json and adapter_model.safetensors, as PEFT writes them."""
CHECKPOINTS: Final = "checkpoints"
ARTEFACTS: Final = "artefacts"
"""Folder of what is handed on: GGUF files, the adapter, the results. All of it goes to the run's own folder."""

CANCELLED: Final = "CANCELLED"
"""An empty file of this name: the stage is stopped for good, and not to go on later. For programs that have work
elsewhere, such as in the queue of a cluster."""


class OrderedFile(msgspec.Struct, frozen=True):
    """One file of the dataset: where it lies, and what its content must hash to."""

    url: str
    name: str
    """Its name under `data/`."""
    sha256: str
    rows: int


class TrainingOrder(msgspec.Struct, frozen=True):
    """All that decides a training. The same order gives the same model, as far as the device can repeat itself."""

    run_id: int
    run_key: str
    pipeline: str
    provider: str
    base: str
    """What is trained: a directory, a GGUF file, or a hub name that transformers resolves."""
    method: dict[str, Any]
    """The pipeline's `training` section as frozen into the run: `type`, `n_epochs`, `batch_size`, `seed`..."""
    format: str
    """One of `ftworker.datasets.formats.FORMATS`."""
    system_prompt: str
    train: OrderedFile
    validation: OrderedFile | None
    trainer: Literal["peft", "command"]
    settings: dict[str, Any]
    """`LocalSettings.training` as JSON values; `ftworker.settings.TrainerSettings` reads it back."""
    artefacts_url: str
    """The run's own folder, where everything under `artefacts/` is published."""
    gates: dict[str, Any] = {}
    """`LocalSettings.gates` as JSON values; `ftworker.settings.GateSettings` reads it back, its defaults for what is
    not there."""
    command: dict[str, Any] = {}
    """`LocalSettings.command` as JSON values, with `trainer = "command"`; `ftworker.settings.CommandSettings` reads it
    back."""
