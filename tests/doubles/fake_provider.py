"""A provider that trains nothing: keeps files and jobs in memory, counts its calls, and fails on demand.

For tests of what surrounds a provider. Real protocols are stood in for by `openai_api` and `ollama_api`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ftworker.providers.contract import (
    Finding,
    JobCancelled,
    JobRunning,
    JobStatus,
    JournalEntry,
    KeepAlive,
    Record,
    RunView,
    Uploaded,
    no_lease,
)

Method = Literal["preflight", "upload", "submit", "reconcile", "poll", "cancel", "promote"]
METHODS: tuple[Method, ...] = ("preflight", "upload", "submit", "reconcile", "poll", "cancel", "promote")


class Killed(BaseException):
    """Stands for kill -9 at this point: nothing of ours may handle it."""


@dataclass
class Job:
    """A job as the provider knows it. `hidden_from` listings for so many looks, as a lagging service does."""

    id: str
    run_key: str
    training_file_id: str
    status: JobStatus = field(default_factory=lambda: JobRunning("running"))
    hidden_looks: int = 0
    cancelled: bool = False

    @property
    def alive(self) -> bool:
        """It trains, or has trained, and costs money."""
        return not self.cancelled


@dataclass(frozen=True)
class Fault:
    """What one call does instead of answering. After the work: it was done, and nobody heard of it."""

    error: BaseException
    after_work: bool = False


class FakeProvider:
    """Keeps the contract of `Provider`, and the books on how it was used."""

    def __init__(self, name: str = "openai") -> None:
        self.name = name
        self.calls: list[tuple[Method, int]] = []
        self.views: dict[Method, RunView] = {}
        self.files: dict[str, str] = {}
        self.jobs: list[Job] = []
        self.findings: list[Finding] = []
        self.submitted: list[str] = []
        """The key of each paid call that left, whatever became of it."""
        self.served: list[tuple[str | None, str | None]] = []
        self.new_jobs_hidden_looks = 0
        self.before: dict[Method, Callable[[], None]] = {}
        """Called when the method begins: for what happens elsewhere at that moment."""
        self.keep_alive: KeepAlive = no_lease
        """What the last preflight was given."""
        self._faults: defaultdict[Method, deque[Fault]] = defaultdict(deque)

    def fail(self, method: Method, error: BaseException, *, after_work: bool = False, times: int = 1) -> None:
        """Let the next calls of the method end in this error, before or after their work is done."""
        self._faults[method].extend([Fault(error, after_work)] * times)

    def forgive(self) -> None:
        """No call fails any more."""
        self._faults.clear()
        self.before.clear()

    def count(self, method: Method) -> int:
        """How often the method was called."""
        return sum(name == method for name, _ in self.calls)

    def jobs_of(self, run_key: str) -> list[Job]:
        """The jobs made for this key that nobody cancelled."""
        return [job for job in self.jobs if job.run_key == run_key and job.alive]

    # -- the contract

    def preflight(self, run: RunView, keep_alive: KeepAlive) -> Sequence[Finding]:
        self.keep_alive = keep_alive
        fault = self._begin("preflight", run)
        self._end(fault)
        return self.findings

    def check(self) -> Sequence[Finding]:
        return self.findings

    def upload(self, run: RunView, record: Record) -> Uploaded:
        fault = self._begin("upload", run)
        record(JournalEntry("progress", "uploading", {"completed": 1, "total": 1, "unit": "files"}))
        file_id = self.files.setdefault(run.run_key, f"file-{len(self.files) + 1}")
        self._end(fault)
        return Uploaded(file_id)

    def submit(self, run: RunView, record: Record) -> str:
        self._called("submit", run)
        # As a real provider does just before the paid call: whoever lost the lease learns it here.
        record(JournalEntry("note", "asking for a job"))
        assert run.training_file_id is not None
        self.submitted.append(run.run_key)
        fault = self._next_fault("submit")
        job = Job(
            f"job-{len(self.jobs) + 1}",
            run.run_key,
            run.training_file_id,
            hidden_looks=self.new_jobs_hidden_looks,
        )
        self.jobs.append(job)
        self._end(fault)
        return job.id

    def reconcile(self, run: RunView, record: Record) -> str | None:
        fault = self._begin("reconcile", run)
        found = None
        for job in self.jobs_of(run.run_key):
            if job.hidden_looks > 0:
                job.hidden_looks -= 1
            elif found is None:
                found = job
            else:
                job.cancelled = True
                record(JournalEntry("alert", f"{job.id} is a duplicate"))
        self._end(fault)
        return found.id if found else None

    def poll(self, run: RunView, record: Record) -> JobStatus:
        fault = self._begin("poll", run)
        job = next(job for job in self.jobs if job.id == run.job_id)
        record(JournalEntry("event", "looked at", external_id=f"{job.id}-look"))
        self._end(fault)
        return JobCancelled("cancelled at the provider") if job.cancelled else job.status

    def cancel(self, run: RunView, record: Record) -> None:
        fault = self._begin("cancel", run)
        for job in self.jobs:
            if job.id == run.job_id and isinstance(job.status, JobRunning):
                job.cancelled = True
        self._end(fault)

    def promote(self, run: RunView, record: Record, *, previous_model: str | None) -> None:
        fault = self._begin("promote", run)
        self.served.append((run.model, previous_model))
        self._end(fault)

    # -- faults

    def _begin(self, method: Method, run: RunView) -> Fault | None:
        self._called(method, run)
        return self._next_fault(method)

    def _called(self, method: Method, run: RunView) -> None:
        self.calls.append((method, run.id))
        self.views[method] = run
        if method in self.before:
            self.before[method]()

    def _next_fault(self, method: Method) -> Fault | None:
        """Raises the fault when the work is not to be done; else returns what is to follow it."""
        waiting = self._faults[method]
        fault = waiting.popleft() if waiting else None
        if fault is not None and not fault.after_work:
            raise fault.error
        return fault

    @staticmethod
    def _end(fault: Fault | None) -> None:
        if fault is not None:
            raise fault.error
