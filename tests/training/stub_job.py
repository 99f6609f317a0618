"""A job whose stages are stubs: what `python -m ftworker.training_job` is, without its heavy packages."""

from __future__ import annotations

import sys
from pathlib import Path

from ftworker.training.order import TrainingOrder
from ftworker.training.stages import Stage, stages_of
from ftworker.training_job import main

STUB = Path(__file__).with_name("stub_stage.py")


def stub_stages(order: TrainingOrder) -> tuple[Stage, ...]:
    """The first of the real stages, or as many as the order's method says, with another program in each.

    `real` keeps the programs as they are.
    """
    stages = stages_of(order)[: order.method.get("stages", 1)]
    if order.method.get("real"):
        return stages
    return tuple(
        Stage(
            stage.name,
            (sys.executable, str(STUB), stage.name),
            stage.result,
            stage.environment,
            float(order.method.get("stop_seconds", 20.0)),
        )
        for stage in stages
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], stub_stages))
