"""What goes wrong, and how the service is. Pure data; `server` obeys it, tests set it (also over
`/_double/`).

A `Fault` spoils some calls of one operation. `Behaviour` is how the service is for everybody, until it is
changed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal["error", "bare", "drop", "slow", "malformed", "truncated"]


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    `after_work` means that the work is done first, so the caller loses only the answer.
    """

    name: str
    kind: Kind
    after_work: bool = False
    status: int = 500
    code: str | None = None
    type: str | None = None
    message: str = ""
    retry_after_seconds: float | None = None
    delay_seconds: float = 0.0
    body: str = ""


def _error(name: str, status: int, code: str | None, type_: str, message: str, **more: Any) -> Fault:
    return Fault(name, "error", status=status, code=code, type=type_, message=message, **more)


CATALOGUE: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        _error("rate_limited", 429, "rate_limit_exceeded", "requests", "Rate limit reached for requests."),
        _error(
            "rate_limited_with_wait",
            429,
            "rate_limit_exceeded",
            "requests",
            "Rate limit reached for requests. Please try again in 7s.",
            retry_after_seconds=7.0,
        ),
        _error(
            "daily_rate_limit",
            429,
            "daily_rate_limit_exceeded",
            "invalid_request_error",
            "You've exceeded the daily fine-tuning job rate limit for this model (8 per day).",
        ),
        _error(
            "quota_exceeded",
            429,
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        _error(
            "exceeded_quota",
            400,
            "exceeded_quota",
            "invalid_request_error",
            "Creating this fine-tuning job would exceed your hard limit.",
        ),
        _error(
            "training_not_available",
            403,
            "training_not_available",
            "invalid_request_error",
            "Fine-tuning is not available for your organization.",
        ),
        _error(
            "bad_key",
            401,
            "invalid_api_key",
            "invalid_request_error",
            # The service does echo a part of the key.
            "Incorrect API key provided: {key}. You can find your API key in your dashboard.",
        ),
        _error("conflict", 409, None, "invalid_request_error", "The resource is busy."),
        _error("request_timeout", 408, None, "server_error", "The request timed out."),
        _error(
            "server_error",
            500,
            None,
            "server_error",
            "The server had an error while processing your request.",
        ),
        _error(
            "server_error_after_work",
            500,
            None,
            "server_error",
            "The server had an error while processing your request.",
            after_work=True,
        ),
        Fault(
            "bad_gateway_after_work",
            "bare",
            after_work=True,
            status=502,
            body="<html><body><h1>502 Bad Gateway</h1></body></html>",
        ),
        Fault(
            "blocked_by_proxy", "bare", status=403, body="<html><body><h1>403 Forbidden</h1></body></html>"
        ),
        Fault("rate_limited_by_proxy", "bare", status=429, body="slow down", after_work=True),
        Fault("connection_closed", "drop"),
        Fault("reply_lost", "drop", after_work=True),
        Fault("slow_reply", "slow", after_work=True, delay_seconds=30.0),
        Fault("malformed_reply", "malformed", after_work=True, body='{"id": "ftjob-'),
        Fault("truncated_reply", "truncated", after_work=True),
        Fault("empty_reply", "malformed", after_work=True, body=""),
        Fault("foreign_reply", "malformed", after_work=True, body='{"ok": true}'),
    )
}
"""Every fault by name. The tests of the provider run each of them against each of its steps."""


@dataclass(frozen=True)
class Planned:
    fault: Fault
    operation: str
    times: int
    skip: int


class FaultPlan:
    """The faults that are still to come. Thread-safe; the first planned fault of an operation wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Planned] = []

    def add(self, name: str, *, on: str, times: int = 1, skip: int = 0, **changes: Any) -> None:
        """Spoil the next `times` calls of operation `on` (after `skip` good ones); `times=-1` spoils all.

        `changes` override fields of the catalogue's fault. KeyError when there is no fault of that name.
        """
        fault = replace(CATALOGUE[name], **changes)
        with self._lock:
            self._planned.append(Planned(fault, on, times, skip))

    def take(self, operation: str) -> Fault | None:
        """The fault for this call, used up by it."""
        with self._lock:
            for position, planned in enumerate(self._planned):
                if planned.operation not in {operation, "*"}:
                    continue
                if planned.skip > 0:
                    self._planned[position] = replace(planned, skip=planned.skip - 1)
                    return None
                if planned.times == 1:
                    del self._planned[position]
                elif planned.times > 1:
                    self._planned[position] = replace(planned, times=planned.times - 1)
                return planned.fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def pending(self) -> list[str]:
        """Names of what has not happened yet, for a test that wants to know that its fault was met."""
        with self._lock:
            return [f"{planned.operation}: {planned.fault.name}" for planned in self._planned]


@dataclass(frozen=True)
class Behaviour:
    """How the service is. Times in seconds, sizes in bytes."""

    flavour: Literal["openai", "azure"] = "openai"
    """`azure`: wants a byte order mark, short suffixes, other column names, and no shutdown dates."""
    polls_per_stage: int = 1
    """So many `jobs.retrieve` move a job one stage on; 0: only `advance` and `finish` move jobs."""
    seconds_per_stage: float | None = None
    """When set, the double's clock moves jobs instead of polls."""
    listing_lag_calls: int = 0
    """A new job or file shows only after so many listings, as on a replica that is behind."""
    cursor_works: bool = True
    """False: every page is the first one, and says that more follow."""
    metadata_filter_works: bool = True
    metadata_stored: bool = True
    shutdown_dates: bool = True
    results_base64: bool = True
    """The result file's content comes base64-encoded, as OpenAI's does."""
    error_is_empty_object: bool = True
    """`error` is `{}` while nothing failed; else null."""
    unknown_status: str | None = None
    """Reported instead of `running`."""
    job_error: tuple[str, str] | None = None
    """(code, message): every job fails with it when it would begin to run."""
    moderation_blocks: bool = False
    """Trained models fail the usage policy checks and are not released."""
    file_error: str | None = None
    """Every uploaded file ends in status `error` with this reason."""
    file_processing_polls: int = 0
    """So many `files.retrieve` see the file unprocessed."""
    max_single_upload_bytes: int = 512 * 1024 * 1024
    max_part_bytes: int = 64 * 1024 * 1024
    model_name_given: bool = True
    """False: a finished job names no model, only its checkpoints do, as Nebius answers."""
    extra_body_fields: frozenset[str] = field(default_factory=frozenset)
    """Body fields beyond the description that this service knows (a gateway's, Azure's `trainingType`)."""
    extra_hyperparameters: frozenset[str] = field(default_factory=frozenset)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Chat: model → question → answer; what is not here is answered from the training file, or not known."""
