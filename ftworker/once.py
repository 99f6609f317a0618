"""The main job once, in this process: read the store, accumulate, cut, and drive the run. No broker, no worker.

For the interface of the RAG's documentation (`fine_tuning.manager`). The steps are the worker's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from ftworker.accumulate import accumulate
from ftworker.backfill import backfill
from ftworker.errors import ConfigurationError, ConfigurationProblem, PermanentError
from ftworker.installation import Installation
from ftworker.runs import control, cutting
from ftworker.runs.driver import Tell, drive_run
from ftworker.runs.states import SUCCEEDED, RunState
from ftworker.settings import LocalSettings, Settings, fingerprint
from ftworker.sources.detect import detect
from ftworker.store import datasets, migrate, runs
from ftworker.store.runs import RunRow

SOURCE_NAME = "rag"
STARTED = frozenset({RunState.SUBMITTED})


@dataclass(frozen=True)
class OnceResult:
    """Where the run came to. `succeeded` is true when the job was created, or the model or its artefacts are ready."""

    run: RunRow
    succeeded: bool
    new_examples: bool
    dataset_url: str | None


def run_once(
    settings: Settings, pipeline: str, source_url: str, *, wait: bool, tell: Tell | None = None
) -> OnceResult:
    """Take in every conversation of the store, cut what is new, and drive its run.

    Goes on with the pipeline's run in flight when there is one. When nothing is new it does again a run that failed
    before it cost anything, or that no Ollama served, as the settings are now; any other last run is shown. Without
    `wait` it returns when a remote job is created. `tell` hears of each state and of what is put off.
    Raises PermanentError and TransientError.
    """
    settings = _with_source(settings, source_url)
    if settings.database_url is None:
        raise ConfigurationError(
            "environment", [ConfigurationProblem("FTWORKER_DATABASE_URL", "(not set)", "a PostgreSQL URL")]
        )
    migrate(settings.database_url.get_secret_value())
    here = Installation(settings)
    with here.store.transaction() as cursor:
        busy = runs.runs_in_flight(cursor, [pipeline]).get(pipeline)
    run_id = busy[0] if busy else _begin(here, pipeline)
    new_examples = run_id is not None
    if run_id is None:
        run_id = _last_run(here, pipeline)
    run = drive_run(
        here.steps,
        run_id,
        until=frozenset() if wait else STARTED,
        on_state=None if tell is None else lambda run: tell(f"run {run.id}: {run.state}"),
        on_note=tell,
    )
    with here.store.transaction() as cursor:
        url = datasets.get_dataset(cursor, run.dataset_id).url
    return OnceResult(run, run.state in SUCCEEDED | STARTED, new_examples, url)


def _with_source(settings: Settings, url: str) -> Settings:
    for source in settings.sources.values():
        if source.connection_url() == url:
            return settings
    found = detect(url).model_copy(update={"url": SecretStr(url), "url_env": None})
    return settings.model_copy(update={"sources": {**settings.sources, SOURCE_NAME: found}})


def _begin(here: Installation, pipeline: str) -> int | None:
    """The run on what is new; None when nothing is."""
    wanted = here.settings.pipeline(pipeline).source
    for name in here.settings.sources:
        if wanted in ("*", name):
            backfill(here.store, here.make_source(name))
    while accumulate(here.store, here.settings, here.make_source).taken:
        continue
    report = cutting.explain_trigger(here.store, here.settings, pipeline, here.clock())
    if report.facts.waiting_examples == 0:
        return None
    return cutting.start_by_hand(here.store, here.settings, pipeline, here.clock)


def _last_run(here: Installation, pipeline: str) -> int:
    with here.store.transaction() as cursor:
        last = runs.list_runs(cursor, pipeline=pipeline, limit=1)
    if not last:
        raise PermanentError(
            f"pipeline {pipeline}: the store holds no conversation that can be trained on; "
            "`ftworker sources test` shows what is seen there, and docs/DATASETS.md why turns are dropped"
        )
    return _again(here, pipeline, last[0]) if _may_be_done_again(here, last[0]) else last[0].id


def _may_be_done_again(here: Installation, run: RunRow) -> bool:
    """Whether a call asks for it: nothing was paid, and what stood in the way may be put right by now."""
    free = isinstance(here.settings.providers.get(run.provider), LocalSettings)
    failed_for_nothing = run.state is RunState.FAILED and (free or run.job_id is None)
    return failed_for_nothing or run.state is RunState.PACKAGED


def _again(here: Installation, name: str, last: RunRow) -> int:
    wanted = here.settings.pipeline(name)
    with here.store.transaction() as cursor:
        same = runs.find_run(
            cursor,
            dataset_id=last.dataset_id,
            provider=wanted.provider,
            base_model=wanted.base_model,
            method_sha256=fingerprint(wanted.training),
        )
        before = runs.get_run(cursor, same) if same is not None else None
    if before is None:
        return cutting.start_by_hand(here.store, here.settings, name, here.clock, dataset_id=last.dataset_id)
    if _may_be_done_again(here, before):
        control.retry_run(here.store, before.id)
    return before.id
