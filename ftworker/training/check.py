"""The stage that proves a trained model before it serves: `python -m ftworker.training.check WORK`.

Reads the order and what training and conversion left, compares what was trained with what would be served, and writes
artefacts/gates.json. That file is there only when every gate passed, so a failed check is done again when the run is
retried. Changes nothing else, and registers nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from ftworker.settings import GateSettings
from ftworker.training.gates import validation_gate
from ftworker.training.order import ARTEFACTS, ORDER, TrainingOrder
from ftworker.training.results import CHECKED, CONVERTED, TRAINED, Checked, Converted, Gate, Trained
from ftworker.training.stage import Events, StageFailed, Stop, leave_result, run_stage

_Result = TypeVar("_Result")


def check(work: Path, events: Events, stop: Stop) -> None:  # noqa: ARG001 - nothing to save: it ends where it stands
    """Run every gate that the settings ask for. Raises StageFailed: `gate_failed` when one does not pass."""
    order = _read(work / ORDER, TrainingOrder)
    settings = GateSettings.model_validate(order.gates)
    artefacts = work / ARTEFACTS
    trained = _read(artefacts / TRAINED, Trained)
    converted = _read(artefacts / CONVERTED, Converted)
    gates: list[Gate] = []
    if settings.validation_loss:
        gates.append(validation_gate(trained))
    if settings.template_parity or settings.max_divergence != "off":
        # Only now: to load PyTorch would take longer than all else that is done here without a comparison.
        from ftworker.training.comparing import compare

        gates += compare(order, settings, converted, artefacts, events)
    for gate in gates:
        events.note(f"{gate.name} {'passed' if gate.passed else 'did not pass'}: {gate.message}")
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        raise StageFailed("gate_failed", "; ".join(f"{gate.name}: {gate.message}" for gate in failed))
    leave_result(artefacts / CHECKED, Checked(gates))


def _read(file: Path, kind: type[_Result]) -> _Result:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError as error:
        raise StageFailed(
            "stage_missing",
            f"{file.name} is not there: the stage before this one has not ended; retry the run",
        ) from error
    except msgspec.DecodeError as error:
        raise StageFailed(
            "stage_missing", f"{file.name} cannot be read ({error}); remove it and retry the run"
        ) from error


if __name__ == "__main__":
    sys.exit(run_stage(check, sys.argv[1:]))
