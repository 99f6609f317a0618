"""Performs one step of a run: claim, act, move. Called by the Celery tasks, by `sweep`, and by the
synchronous manager.

The rules that keep money and data safe, in the order of a run's life:
- A step begins by claiming the run (a lease with a token) in the state that it leads out of; a message that
  comes twice, late, or for a run that moved on finds nothing to claim and does nothing.
- Work outside (files, provider) happens between transactions, never inside one.
- The intent to create a job is committed before the call, and whatever finds a run in `submitting`
  reconciles and never creates (shared rules in docs/RELIABILITY.md).
- A passing failure releases the run with a growing delay; a permanent one ends it with a code; a bug does
  after some tries, so that no run loops for ever.
- From the intent on a paid job may exist, so trouble of ours parks the run; only the provider fails it, by
  saying that it created nothing or that the job failed.
Never decides when a run begins: that is `cutting`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_never

from ftworker.clock import Clock, utc_now
from ftworker.datasets.export import TooFewExamples
from ftworker.errors import PermanentError, Refused, TransientError
from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobSucceeded,
    JournalEntry,
    NeedsPerson,
    OutcomeUnknown,
    Provider,
    ProviderRejected,
    ProviderUnavailable,
    RunView,
)
from ftworker.runs.budget import estimate_usd, why_approval
from ftworker.runs.endings import Endings
from ftworker.runs.exporting import export
from ftworker.runs.journal import LeaseLost, RunJournal
from ftworker.runs.states import RunState, Step, next_step
from ftworker.runs.view import make_run_key, run_view
from ftworker.settings import Settings
from ftworker.store import datasets, runs, totals
from ftworker.store.connection import Store
from ftworker.store.runs import RunRow

logger = logging.getLogger(__name__)

STATES_OF_STEP: dict[Step, tuple[RunState, ...]] = {
    step: tuple(state for state in RunState if next_step(state) is step) for step in Step
}


@dataclass(frozen=True)
class StepRunner:
    """Performs steps. Holds no state of a run; one instance serves a process."""

    store: Store
    settings: Settings
    make_provider: Callable[[str], Provider]
    clock: Clock = utc_now

    @property
    def _journal(self) -> RunJournal:
        return RunJournal(self.store, self.settings.worker.step_lease_seconds)

    @property
    def _end(self) -> Endings:
        return Endings(self.store, self.settings, self._journal)

    def perform(self, run_id: int, step: Step, *, even_if_not_due: bool = False) -> RunState | None:
        """Do one step of the run and return its state after it; None when there was nothing to do here now.

        Repeatable. Trouble ends in the run's row and journal; only DatabaseUnavailable and bugs are raised.
        """
        with self.store.transaction() as cursor:
            run = runs.claim_run(
                cursor,
                run_id,
                STATES_OF_STEP[step],
                lease_seconds=self.settings.worker.step_lease_seconds,
                even_if_not_due=even_if_not_due,
            )
        if run is None:
            return None
        try:
            return self._perform_claimed(run, step)
        except LeaseLost:
            logger.warning("run %s: another worker took over step %s", run.id, step)
            return None

    def _perform_claimed(self, run: RunRow, step: Step) -> RunState:
        try:
            return self._act(run, step)
        except LeaseLost:
            raise
        except ProviderRejected as error:
            self._journal.refusal(run, step, error)
            return self._end.fail(run, error.code, str(error))
        except NeedsPerson as error:
            return self._end.fail(run, "needs_person", str(error), needs_person=True)
        except TransientError as error:
            match error:
                case ProviderUnavailable():
                    self._journal.count_error(run, step, error.code)
                case OutcomeUnknown():
                    self._journal.count_error(run, step, "outcome_unknown")
                case _:
                    pass  # the database's or the storage's trouble is not the provider's
            return self._end.try_later(run, step, error)
        except TooFewExamples as error:
            return self._end.fail(run, "too_few_examples", str(error))
        except PermanentError as error:
            return self._end.fail(run, type(error).__name__, str(error))
        except Exception as error:
            # The text of an unexpected error may hold a row or an answer: only its type is kept.
            logger.exception("run %s: unexpected %s in step %s", run.id, type(error).__name__, step)
            return self._end.unexpected(run, step, error)

    def _act(self, run: RunRow, step: Step) -> RunState:
        if run.cancel_requested and run.state in (RunState.CUT, RunState.EXPORTED, RunState.UPLOADED):
            return self._end.move(run, RunState.CANCELLED, "cancelled before any job was created", delay=None)
        match step:
            case Step.EXPORT:
                return self._export(run)
            case Step.UPLOAD:
                return self._upload(run)
            case Step.CREATE_JOB:
                return self._reconcile(run) if run.state is RunState.SUBMITTING else self._create_job(run)
            case Step.POLL_STATUS:
                return self._poll(run)
            case Step.PROMOTE:
                return self._promote(run)
            case _:
                assert_never(step)

    # -- cut → exported

    def _export(self, run: RunRow) -> RunState:
        with self.store.transaction() as cursor:
            dataset = datasets.get_dataset(cursor, run.dataset_id)
        if dataset.sha256 is None:
            export(
                self.store,
                self.settings,
                dataset,
                provider=run.provider,
                keep_alive=self._journal.keep_alive(run),
            )
            with self.store.transaction() as cursor:
                dataset = datasets.get_dataset(cursor, run.dataset_id)
        run_key = make_run_key(run, str(dataset.sha256))
        return self._end.move(run, RunState.EXPORTED, f"dataset {dataset.id} exported", run_key=run_key)

    # -- exported → uploaded, awaiting_approval

    def _upload(self, run: RunRow) -> RunState:
        view = self._view(run)
        provider = self.make_provider(run.provider)
        findings = provider.preflight(view, self._journal.keep_alive(run))
        for finding in findings:
            self._journal.finding(run, finding)
        errors = [finding for finding in findings if finding.level == "error"]
        if errors:
            return self._end.fail(run, errors[0].code, "; ".join(finding.message for finding in errors))
        estimate = estimate_usd(self.settings, run, view.dataset)
        reason = why_approval(self.settings, run, estimate, lambda: self._spent_usd(run))
        if reason:
            return self._end.move(run, RunState.AWAITING_APPROVAL, reason, delay=None, estimated_usd=estimate)
        uploaded = provider.upload(view, self._journal.recorder(run))
        return self._end.move(
            run,
            RunState.UPLOADED,
            "files are at the provider",
            training_file_id=uploaded.training_file_id,
            validation_file_id=uploaded.validation_file_id,
            estimated_usd=estimate,
        )

    def _spent_usd(self, run: RunRow) -> float:
        with self.store.transaction() as cursor:
            return runs.spent_this_month(cursor, run.pipeline)

    # -- uploaded → submitting → submitted: the paid call

    def _create_job(self, run: RunRow) -> RunState:
        # The intent is committed before the call: a crash from here on is found as `submitting` and
        # reconciled.
        submitting = self._end.move_keeping_lease(
            run, RunState.SUBMITTING, "about to create the job", attempted_at=self.clock()
        )
        provider = self.make_provider(run.provider)
        try:
            job_id = provider.submit(self._view(submitting), self._journal.recorder(submitting))
        except ProviderRejected as error:
            self._journal.refusal(run, Step.CREATE_JOB, error)
            return self._end.move(
                submitting,
                RunState.FAILED,
                f"not created: {error.code}",
                delay=None,
                error_code=error.code,
                error_message=str(error),
            )
        except OutcomeUnknown as error:
            self._journal.count_error(run, Step.CREATE_JOB, "outcome_unknown")
            self._journal.write(
                submitting, JournalEntry("alert", f"nobody knows whether the job was created: {error}")
            )
            self._end.release(submitting, delay=self.settings.worker.reconcile_interval_seconds)
            return RunState.SUBMITTING
        except ProviderUnavailable as error:
            # The provider answered that it created nothing: the run is back where it was, and may ask again
            # later.
            self._journal.count_error(run, Step.CREATE_JOB, error.code)
            delay = self._end.delay_of(run.attempts, error.retry_after_seconds)
            return self._end.move(
                submitting,
                RunState.UPLOADED,
                f"not created, again in {delay:.0f} s: {error}",
                delay=delay,
                attempts=run.attempts + 1,
            )
        try:
            return self._end.move(submitting, RunState.SUBMITTED, f"job {job_id} created", job_id=job_id)
        except LeaseLost:
            # Whoever took over finds the job by reconciling; a person who looks first finds its name here.
            self._journal.write(
                run, JournalEntry("alert", f"job {job_id} was created by a worker taken for dead")
            )
            raise

    def _reconcile(self, run: RunRow) -> RunState:
        provider = self.make_provider(run.provider)
        job_id = provider.reconcile(self._view(run), self._journal.recorder(run))
        if job_id is not None:
            return self._end.move(
                run, RunState.SUBMITTED, f"found job {job_id} of the unanswered call", job_id=job_id
            )
        assert run.attempted_at is not None
        looked_for = self.clock() - run.attempted_at
        grace = timedelta(seconds=self.settings.worker.reconcile_grace_seconds)
        if looked_for < grace:
            self._end.release(run, delay=self.settings.worker.reconcile_interval_seconds)
            return RunState.SUBMITTING
        return self._end.move(
            run,
            RunState.PARKED,
            "no job of the unanswered call shows up",
            delay=None,
            error_code="outcome_unknown",
            error_message=(
                f"run {run.id}: the call that creates the job was not answered, and no job shows after "
                f"{looked_for.total_seconds():.0f} s; look at the provider, then "
                f"`ftworker runs resolve {run.id} --job ID` or `--none`"
            ),
        )

    # -- submitted → trained, packaged, failed, cancelled

    def _poll(self, run: RunRow) -> RunState:
        provider = self.make_provider(run.provider)
        view = self._view(run)
        record = self._journal.recorder(run)
        if run.cancel_requested:
            provider.cancel(view, record)
        status = provider.poll(view, record)
        match status:
            case JobRunning():
                return self._still_running(run, status)
            case JobSucceeded():
                labels = totals.label_text(pipeline=run.pipeline, provider=run.provider)
                return self._end.move(
                    run,
                    RunState.TRAINED,
                    f"model {status.model}",
                    counts={("tokens_trained", labels): status.trained_tokens or 0},
                    model=status.model,
                    trained_tokens=status.trained_tokens,
                    detail={**run.detail, **status.detail},
                    provider_status="succeeded",
                )
            case JobPackaged():
                return self._end.move(
                    run,
                    RunState.PACKAGED,
                    "artefacts are ready, nobody serves them yet",
                    delay=None,
                    model=status.model,
                    detail={**run.detail, **status.detail, "instructions": status.instructions},
                    provider_status="packaged",
                )
            case JobFailed():
                return self._end.move(
                    run,
                    RunState.FAILED,
                    f"failed: {status.code}",
                    delay=None,
                    error_code=status.code,
                    error_message=status.message,
                    provider_status="failed",
                )
            case JobCancelled():
                return self._end.move(
                    run, RunState.CANCELLED, status.message, delay=None, provider_status="cancelled"
                )
            case _:
                assert_never(status)

    def _still_running(self, run: RunRow, status: JobRunning) -> RunState:
        columns: dict[str, Any] = {}
        now = self.clock()
        if status.status != run.provider_status:
            columns = {"provider_status": status.status, "provider_changed_at": now}
            self._journal.write(run, JournalEntry("event", f"provider says {status.status}"))
        elif run.provider_changed_at is not None:
            silent = (now - run.provider_changed_at).total_seconds()
            if silent > self.settings.worker.stalled_after_seconds:
                self._journal.write(
                    run,
                    JournalEntry(
                        "alert",
                        f"job {run.job_id} has been {status.status} for {silent / 3600:.1f} h "
                        "without a change",
                        external_id=f"stalled-{run.provider_changed_at:%Y%m%d%H%M%S}",
                    ),
                )
        delay = status.poll_after_seconds
        if delay is None:
            delay = self.settings.provider(run.provider).poll_interval_seconds
        self._end.release(run, delay=delay, columns=columns)
        return RunState.SUBMITTED

    # -- trained → promoted

    def _promote(self, run: RunRow) -> RunState:
        if self.settings.pipeline(run.pipeline).promote == "auto":
            reason = self._why_not_promoted(run)
            if reason is None:
                return self._promote_now(run)
            self._journal.write(
                run, JournalEntry("note", f"not promoted: {reason}", external_id="not-promoted")
            )
        self._end.release(run, delay=None)
        return RunState.TRAINED

    def _why_not_promoted(self, run: RunRow) -> str | None:
        if run.cancel_requested:
            return "the run was to be cancelled when its job had already succeeded"
        with self.store.transaction() as cursor:
            present = runs.present_promotion(cursor, run.pipeline)
        # A promotion that kept failing must not put an old model over a newer one.
        if present is not None and present.run_id > run.id:
            return f"run {present.run_id}, which is newer, serves the pipeline"
        return None

    def _promote_now(self, run: RunRow) -> RunState:
        with self.store.transaction() as cursor:
            previous = runs.present_model(cursor, run.pipeline)
        self.make_provider(run.provider).promote(
            self._view(run), self._journal.recorder(run), previous_model=previous
        )
        with self.store.transaction() as cursor:
            if not runs.move_run(
                cursor,
                run,
                RunState.PROMOTED,
                message=f"{run.model} serves {run.pipeline}",
                delay_seconds=None,
            ):
                raise LeaseLost(f"run {run.id}")
            runs.record_promotion(cursor, run)
        return RunState.PROMOTED

    # -- asked by a person

    def promote(self, run_id: int) -> RunState:
        """Promote a trained or rejected model now, or one that served before. Raises Refused for any other run."""
        states = (RunState.TRAINED, RunState.REJECTED, RunState.PROMOTED)
        with self.store.transaction() as cursor:
            run = runs.claim_run(
                cursor,
                run_id,
                states,
                lease_seconds=self.settings.worker.step_lease_seconds,
                even_if_not_due=True,
            )
            present = None if run else runs.get_run(cursor, run_id)
            if run is not None and run.state is RunState.PROMOTED:
                serving = runs.present_promotion(cursor, run.pipeline)
                if serving is not None and serving.run_id == run.id:
                    raise Refused(f"run {run_id} is promoted and serves its pipeline already")
        if run is None:
            assert present is not None
            if present.state in states:
                raise Refused(f"run {run_id} is being promoted at this moment; look again in a minute")
            raise Refused(f"run {run_id} is {present.state}; only a trained or rejected run can be promoted")
        try:
            return self._promote_now(run)
        except BaseException:
            self._end.release(run, delay=None)
            raise

    def _view(self, run: RunRow) -> RunView:
        with self.store.transaction() as cursor:
            dataset = datasets.get_dataset(cursor, run.dataset_id)
        return run_view(run, dataset, self.settings.storage())
