"""Where a provider hands in a training and asks how it is. The contract alone; `ftworker.trainings` keeps it.

A provider never blocks and keeps no state, and a training takes hours: so it is a row with a lease and a process of its
own, and the provider only asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ftworker.training.order import TrainingOrder


@dataclass(frozen=True)
class TrainingStatus:
    """How a training is now."""

    state: Literal["waiting", "running", "succeeded", "failed", "cancelled"]
    """`waiting`: nobody works on it (yet, or any more); a later look starts it."""
    message: str
    """For people: the stage and how far it is, or why it ended. No conversation."""
    code: str | None = None
    """Of a failure: out_of_memory, loss_not_finite, disk_full, base_missing, gate_failed... (docs/LOCAL.md)."""
    work_folder: str | None = None
    """The folder on this machine, while it is here."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """The newest `Progressed`, as JSON values."""


class TrainingDesk(Protocol):
    """Every method may be repeated and returns at once. Raises DatabaseUnavailable."""

    def hand_in(self, order: TrainingOrder) -> None:
        """Put the training into the row of its run key. A training that is there stays as it is."""
        ...

    def look(self, run_key: str) -> TrainingStatus:
        """How it is; when nobody works on it and this machine has a free place, start it. Raises NotFound."""
        ...

    def cancel(self, run_key: str) -> None:
        """Ask it to stop; its process does within seconds. One that is over, or was never handed in, is no error."""
        ...
