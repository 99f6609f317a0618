"""What OpenAI's API answers, as far as we read it. Typed at the edge; pure.

Fields that the service may leave out or send as null have defaults, and a field that we do not read is not
here, so a new field or a gateway's own never breaks a poll. `read_answer` is the only way in: what is not
such an answer raises.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import msgspec


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed. OpenAI sends `{}` on jobs that did not: only `Job.status` says whether one failed."""

    code: str | None = None
    message: str | None = None
    param: str | None = None


class Job(msgspec.Struct, frozen=True):
    """A fine-tuning job. `created_at` is in Unix seconds by the service's clock."""

    id: str
    status: str
    created_at: float = 0.0
    training_file: str | None = None
    metadata: dict[str, Any] | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    error: JobError | None = None
    result_files: list[str] | None = None
    hyperparameters: dict[str, Any] | None = None
    seed: int | None = None


class Event(msgspec.Struct, frozen=True):
    """A line of a job's log. `type` is message, metrics, moderation_checks, or a word we do not know."""

    id: str
    message: str = ""
    level: str = "info"
    type: str | None = None
    data: dict[str, Any] | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """A usable state of the model on the way."""

    id: str
    fine_tuned_model_checkpoint: str | None = None
    step_number: int = 0


class File(msgspec.Struct, frozen=True):
    """An uploaded file. `status`: processed, error; None: not told; anything else is on its way."""

    id: str
    filename: str | None = None
    bytes: int | None = None
    created_at: float = 0.0
    status: str | None = None
    status_details: Any = None


class Upload(msgspec.Struct, frozen=True):
    """A file that goes up in parts. `file` is there when it is complete."""

    id: str
    file: File | None = None


class UploadPart(msgspec.Struct, frozen=True):
    id: str


class Model(msgspec.Struct, frozen=True):
    """A model that the service knows. `shutdown_date` is YYYY-MM-DD, or null where none is announced."""

    id: str
    shutdown_date: str | None = None


class Identified(Protocol):
    """What a listing's cursor needs of each thing."""

    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a listing. `has_more` is left out by some services."""

    data: list[Item]
    has_more: bool | None = None


class _ErrorDetail(msgspec.Struct, frozen=True):
    message: str
    code: str | int | None = None
    type: str | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """`{"error": {"message": ..., "code": ..., "type": ...}}`: the service itself refused."""

    error: _ErrorDetail


A = TypeVar("A")


def read_answer(content: bytes, kind: type[A]) -> A:
    """Decode one answer. Raises ValueError when it is not one, an empty one included."""
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def read_envelope(content: bytes) -> ErrorEnvelope | None:
    """The error envelope in a body; None when it is something else, such as a proxy's HTML page."""
    try:
        return msgspec.json.decode(content, type=ErrorEnvelope)
    except (ValueError, RecursionError):
        return None
