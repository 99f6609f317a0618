"""The look before anything is uploaded or paid: key, service, base model, dataset, and the vendor's calendar.

Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from ftworker.clock import Clock
from ftworker.datasets.checks import ERROR, Check
from ftworker.datasets.formats import FORMATS_OF_OPENAI
from ftworker.datasets.validate import validate_file
from ftworker.errors import PermanentError
from ftworker.providers.contract import ExportedDataset, Finding, KeepAlive, ProviderRejected, RunView
from ftworker.providers.openai_client import Service
from ftworker.providers.openai_errors import CallFailed, Verdict
from ftworker.providers.openai_wire import Job, Model, Page

OPENAI_HOST = "api.openai.com"
CLOSES_TO_EVERYONE = date(2027, 1, 6)
"""From this day nobody can create fine-tuning jobs at OpenAI (its deprecations page)."""
SHUT_DOWN_BY_OPENAI = {
    "gpt-3.5-turbo": date(2026, 10, 23),
    "gpt-4.1-nano": date(2026, 10, 23),
    "gpt-4o": date(2027, 1, 14),
    "gpt-4.1": date(2027, 1, 14),
}
"""Days on which OpenAI ends models and their fine-tunes, by the beginning of the name (its deprecations
page).
"""
DPO_AT_OPENAI = ("gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14")
"""Models that OpenAI trains by preference (its guide to direct preference optimisation, 2026-11)."""
WARN_DAYS = 120
SHOWN_PROBLEMS = 3
MIN_EXAMPLES = 10
MAX_FILE_BYTES = 8 * 1024**3
"""What the Uploads API takes."""


class Preflight:
    """Looks at one service and at what is about to be sent there."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def of_run(self, run: RunView, keep_alive: KeepAlive) -> list[Finding]:
        """Everything that would stop or spoil this run. Raises ProviderUnavailable when it cannot look."""
        findings = list(_dataset_findings(run)) or list(_row_findings(run.dataset, keep_alive))
        findings += self._method_findings(run)
        findings += self.of_service([run.base_model])
        return findings

    def _method_findings(self, run: RunView) -> Iterable[Finding]:
        """Whether this service and this model train by the run's method."""
        if run.method.get("type") != "dpo":
            return
        if self._service.settings.hyperparameters_in == "body":
            yield Finding(
                "error",
                "method",
                f'provider {self._service.name}: hyperparameters_in = "body" has no place to say "dpo"; the service '
                'would train on pairs as if they were answers. Set it to "method", or choose another provider',
            )
        base = run.base_model.removeprefix("ft:").partition(":")[0]
        if self._service.host == OPENAI_HOST and base not in DPO_AT_OPENAI:
            yield Finding(
                "warning",
                "dpo_model",
                f"OpenAI names no {base} among the models that it trains by preference: {', '.join(DPO_AT_OPENAI)}",
            )

    def of_service(self, models: Sequence[str]) -> list[Finding]:
        """Key, address and models. Raises ProviderUnavailable when it cannot look."""
        try:
            self._service.client()
        except ProviderRejected as error:
            return [Finding("error", error.code, str(error))]
        findings = self._fine_tuning_findings()
        if any(finding.level == "error" for finding in findings):
            return findings
        findings += self._calendar_findings()
        for model in models:
            findings += self._model_findings(model)
        return findings

    def _fine_tuning_findings(self) -> list[Finding]:
        try:
            self._service.read(
                Page[Job], lambda client: client.fine_tuning.jobs.with_raw_response.list(limit=1)
            )
        except CallFailed as failed:
            failure = failed.failure
            if failure.verdict is Verdict.REFUSED and failure.status != 404:
                refusal = self._service.rejected("listing fine-tuning jobs", failure)
                return [Finding("error", refusal.code, str(refusal))]
            if failure.status == 404:
                message = (
                    f"provider {self._service.name}: {self._service.host} has no fine-tuning API under this"
                    " base_url; it usually ends in /v1"
                )
                return [Finding("error", "no_fine_tuning_api", message)]
            raise self._service.unavailable("listing fine-tuning jobs", failure) from failed
        return []

    def _calendar_findings(self) -> list[Finding]:
        if self._service.host != OPENAI_HOST:
            return []
        days = (CLOSES_TO_EVERYONE - self._today()).days
        if days > WARN_DAYS:
            return []
        message = (
            f"OpenAI takes no new fine-tuning jobs from {CLOSES_TO_EVERYONE} on; plan another provider for"
            " this pipeline (docs/PROVIDERS.md)"
        )
        return [Finding("warning", "training_closes" if days > 0 else "training_closed", message)]

    def _model_findings(self, model: str) -> list[Finding]:
        findings = list(self._known_end(model))
        if not self._service.settings.check_model:
            return findings
        try:
            found = self._service.read(Model, lambda client: client.models.with_raw_response.retrieve(model))
        except CallFailed as failed:
            if failed.failure.status == 404:
                message = (
                    f"{self._service.name} does not know the model {model}; set the pipeline's base_model"
                )
                return [*findings, Finding("error", "model_not_found", message)]
            if failed.failure.verdict is Verdict.REFUSED:
                refusal = self._service.rejected(f"reading model {model}", failed.failure)
                return [*findings, Finding("error", refusal.code, str(refusal))]
            raise self._service.unavailable(f"reading model {model}", failed.failure) from failed
        # The service's own word replaces what we remember.
        if end := _day(found.shutdown_date):
            if end <= self._today():
                message = f"{self._service.name} shut {model} down on {end}; set the pipeline's base_model"
                return [Finding("error", "model_shut_down", message)]
            findings = list(self._ending(model, end))
        return findings

    def _known_end(self, model: str) -> Iterable[Finding]:
        """Where the service itself may not tell: what OpenAI has announced for a model of this name."""
        names = [name for name in SHUT_DOWN_BY_OPENAI if model == name or model.startswith(f"{name}-")]
        if not names:
            return []
        end = SHUT_DOWN_BY_OPENAI[max(names, key=len)]
        if end > self._today():
            return self._ending(model, end) if self._service.host == OPENAI_HOST else []
        message = f"OpenAI shut {model} and its fine-tunes down on {end}; choose a living base_model"
        return [Finding("warning", "model_shut_down", message)]

    def _ending(self, model: str, end: date) -> Iterable[Finding]:
        if (end - self._today()).days <= WARN_DAYS:
            message = f"{model} and what is trained on it end on {end}; plan the next base_model"
            yield Finding("warning", "model_shuts_down", message)

    def _today(self) -> date:
        return self._clock().date()


def _dataset_findings(run: RunView) -> Iterable[Finding]:
    dataset, method = run.dataset, str(run.method.get("type", "supervised"))
    needed = FORMATS_OF_OPENAI[method]
    if dataset.format != needed:
        message = (
            f"dataset {dataset.id} has the format {dataset.format}; an openai provider needs {needed} to train by "
            f"the method {method}"
        )
        yield Finding("error", "dataset_format", message)
    if dataset.train.rows < MIN_EXAMPLES:
        message = (
            f"dataset {dataset.id} has {dataset.train.rows} examples, openai needs at least {MIN_EXAMPLES};"
            " lower the threshold or wait"
        )
        yield Finding("error", "too_few_examples", message)
    for file in filter(None, (dataset.train, dataset.validation)):
        if file.size_bytes > MAX_FILE_BYTES:
            message = f"{file.url} has {file.size_bytes} bytes, at most {MAX_FILE_BYTES} can be uploaded"
            yield Finding("error", "file_too_large", message)


def _row_findings(dataset: ExportedDataset, keep_alive: KeepAlive) -> Iterable[Finding]:
    """What the service would find in the rows, after the files were sent and the job was made."""
    for file, least in ((dataset.train, MIN_EXAMPLES), (dataset.validation, 1)):
        if file is None or file.rows == 0:
            continue
        try:
            # A file of a gigabyte takes longer than the step's lease.
            report = validate_file(
                file.url,
                minimum_rows=least,
                progress=lambda count: keep_alive("check of the rows", count, "bytes"),
            )
        except PermanentError as error:
            yield Finding("error", "dataset_missing", f"dataset {dataset.id}: {error}")
            continue
        # The service takes larger files in parts; its own limit was looked at before.
        errors = [
            problem
            for problem in report.problems
            if problem.check.level == ERROR and problem.check is not Check.FILE_TOO_LARGE
        ]
        if errors:
            shown = "; ".join(problem.text(report.file) for problem in errors[:SHOWN_PROBLEMS])
            more = f" (first of {report.errors})" if report.errors > SHOWN_PROBLEMS else ""
            message = f"dataset {dataset.id} would fail at the provider{more}: {shown}"
            yield Finding("error", errors[0].check.value, message)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
