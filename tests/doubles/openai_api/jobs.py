"""One fine-tuning job of the double: its stages, its events, its results.

No HTTP; `account` keeps the jobs.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.openai_api.faults import Behaviour
from tests.doubles.openai_api.spec import known_properties
from tests.doubles.openai_api.storage import Refusal
from tests.doubles.openai_api.training_data import TrainingData

STAGES = ("validating_files", "queued", "running", "succeeded")
TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
MAX_METRIC_POINTS = 60


@dataclass
class Job:
    """A job's facts.

    `polls` counts retrieves in the present stage; `hidden_listings` is how long no list shows it.
    """

    id: str
    number: int
    body: dict[str, Any]
    created_at: int
    entered_at: float
    metadata: dict[str, str] | None
    hidden_listings: int
    status: str = "validating_files"
    polls: int = 0
    data: TrainingData | None = None
    error: tuple[str, str, str | None] | None = None
    finished_at: int | None = None
    model: str | None = None
    result_file: str | None = None
    trained_tokens: int | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)

    @property
    def method(self) -> str:
        return str((self.body.get("method") or {}).get("type", "supervised"))

    @property
    def hyperparameters(self) -> dict[str, Any]:
        method = self.body.get("method") or {}
        given = (
            (method.get(self.method) or {}).get("hyperparameters") or self.body.get("hyperparameters") or {}
        )
        return dict(given)

    @property
    def n_epochs(self) -> int:
        """What `auto` becomes is the vendor's secret; the double takes 3."""
        given = self.hyperparameters.get("n_epochs", "auto")
        return given if isinstance(given, int) else 3

    def add_event(
        self, at: float, message: str, *, level: str = "info", kind: str = "message", **data: Any
    ) -> None:
        self.events.append(
            {
                "object": "fine_tuning.job.event",
                "id": f"ftevent-{self.number:04d}-{len(self.events):04d}",
                "created_at": int(at),
                "level": level,
                "message": message,
                "type": kind,
                "data": data,
            }
        )

    def as_json(self, behaviour: Behaviour) -> dict[str, Any]:
        """The job as the API shows it."""
        status = self.status
        if status == "running" and behaviour.unknown_status:
            status = behaviour.unknown_status
        error: dict[str, Any] | None = {} if behaviour.error_is_empty_object else None
        if self.error is not None:
            error = dict(zip(("code", "message", "param"), self.error, strict=True))
        hyperparameters = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
        hyperparameters |= {
            key: value for key, value in self.hyperparameters.items() if key in hyperparameters
        }
        if self.status not in {"validating_files", "queued"}:
            hyperparameters["n_epochs"] = self.n_epochs  # type: ignore[assignment]
        return {
            "object": "fine_tuning.job",
            "id": self.id,
            "model": self.body["model"],
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "fine_tuned_model": self.model if behaviour.model_name_given else None,
            "organization_id": "org-double",
            "result_files": [self.result_file] if self.result_file else [],
            "status": status,
            "validation_file": self.body.get("validation_file"),
            "training_file": self.body["training_file"],
            "hyperparameters": hyperparameters,
            "trained_tokens": self.trained_tokens,
            "error": error,
            "seed": self.body.get("seed") or 42,
            "estimated_finish": None,
            "metadata": self.metadata,
            "method": {"type": self.method},
        }

    def loss_curve(self) -> list[dict[str, float]]:
        """A smooth falling curve, the same for the same job; the validation loss stays a little above."""
        rows = self.data.rows if self.data else 0
        steps = max(1, math.ceil(rows * self.n_epochs / 4))
        points = []
        for step in range(1, steps + 1):
            loss = 0.25 + 1.75 * math.exp(-3.0 * step / steps)
            point = {
                "step": float(step),
                "train_loss": round(loss, 5),
                "train_accuracy": round(1 - loss / 4, 5),
            }
            if self.body.get("validation_file") and step % 2 == 0:
                point |= {
                    "valid_loss": round(loss + 0.1, 5),
                    "valid_mean_token_accuracy": round(0.97 - loss / 4, 5),
                }
            points.append(point)
        return points

    def record_training(self, at: float, name: str) -> None:
        """The events and checkpoints of a training that ran to its end."""
        curve = self.loss_curve()
        for point in curve[:: max(1, len(curve) // MAX_METRIC_POINTS)]:
            step = int(point["step"])
            self.add_event(
                at,
                f"Step {step}/{len(curve)}: training loss={point['train_loss']:.2f}",
                kind="metrics",
                step=step,
                total_steps=len(curve),
                train_loss=point["train_loss"],
                train_mean_token_accuracy=point["train_accuracy"],
            )
        last = curve[-1]
        for epoch in range(1, self.n_epochs + 1):
            final = epoch == self.n_epochs
            self.checkpoints.append(
                {
                    "object": "fine_tuning.job.checkpoint",
                    "id": f"ftckpt-{self.number:04d}-{epoch:02d}",
                    "created_at": int(at),
                    "fine_tuned_model_checkpoint": name if final else f"{name}:ckpt-step-{epoch}",
                    "fine_tuning_job_id": self.id,
                    "metrics": {"step": last["step"], "train_loss": last["train_loss"]},
                    "step_number": int(last["step"]) * epoch // self.n_epochs,
                }
            )

    def results_csv(self, behaviour: Behaviour) -> bytes:
        """The result file's content. Azure names the columns otherwise; OpenAI sends it base64-encoded."""
        names = ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
        header = list(names)
        if behaviour.flavour == "azure":
            header = ["step", "train_loss", "train_mean_token_accuracy"]
            header += [
                "valid_loss",
                "valid_mean_token_accuracy",
                "full_valid_loss",
                "full_valid_mean_token_accuracy",
            ]
        lines = [",".join(header)]
        for point in self.loss_curve():
            cells = ["" if name not in point else f"{point[name]:g}" for name in names]
            lines.append(",".join(cells + [""] * (len(header) - len(names))))
        text = ("\n".join(lines) + "\n").encode()
        return base64.b64encode(text) if behaviour.results_base64 else text


def refuse_bad_body(body: Mapping[str, Any], behaviour: Behaviour) -> None:
    """What the description lets pass and the service does not: unknown fields, too much metadata, long
    suffixes.
    """
    _refuse_unknown_fields(body, behaviour)
    metadata: Mapping[str, str] = body.get("metadata") or {}
    if len(metadata) > 16:
        raise Refusal(400, f"Metadata has {len(metadata)} pairs, at most 16 are allowed.", None, "metadata")
    for key, value in metadata.items():
        if len(key) > 64 or len(value) > 512:
            raise Refusal(400, f"Metadata {key[:64]} is too long.", "string_above_max_length", "metadata")
    if behaviour.flavour == "azure" and len(body.get("suffix") or "") > 18:
        raise Refusal(400, "The suffix must have at most 18 characters.", "invalidPayload", "suffix")


def _refuse_unknown_fields(body: Mapping[str, Any], behaviour: Behaviour) -> None:
    known = known_properties()
    unknown = body.keys() - known["CreateFineTuningJobRequest"] - behaviour.extra_body_fields
    hyperparameters = known["FineTuneSupervisedHyperparameters"] | behaviour.extra_hyperparameters
    unknown |= (body.get("hyperparameters") or {}).keys() - hyperparameters
    method = body.get("method") or {}
    unknown |= method.keys() - known["FineTuneMethod"]
    for kind, schema in (("supervised", "FineTuneSupervised"), ("dpo", "FineTuneDPO")):
        section = method.get(kind) or {}
        unknown |= section.keys() - {"hyperparameters"}
        allowed = known[f"{schema}Hyperparameters"] | behaviour.extra_hyperparameters
        unknown |= (section.get("hyperparameters") or {}).keys() - allowed
    if unknown:
        raise Refusal(400, f"Unrecognized request argument supplied: {min(unknown)}", "unknown_parameter")
