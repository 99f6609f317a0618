"""A desk that trains nothing: a test says how each training is, and it remembers what was handed in."""

from __future__ import annotations

from ftworker.errors import NotFound
from ftworker.training.desk import TrainingStatus
from ftworker.training.order import TrainingOrder


class FakeDesk:
    """Keeps orders by run key. A training waits until the test sets its status in `statuses`."""

    def __init__(self) -> None:
        self.orders: dict[str, TrainingOrder] = {}
        self.statuses: dict[str, TrainingStatus] = {}

    def hand_in(self, order: TrainingOrder) -> None:
        if order.run_key not in self.orders:
            self.orders[order.run_key] = order
            self.statuses[order.run_key] = TrainingStatus("waiting", "waits for a free place")

    def look(self, run_key: str) -> TrainingStatus:
        if run_key not in self.statuses:
            raise NotFound(f"no training {run_key}")
        return self.statuses[run_key]

    def cancel(self, run_key: str) -> None:
        status = self.statuses.get(run_key)
        if status is not None and status.state in ("waiting", "running"):
            self.statuses[run_key] = TrainingStatus("cancelled", "stopped by a person")
