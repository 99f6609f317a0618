"""From waiting examples to a dataset and its run, exactly once for each crossing of a threshold.

The decision is taken again under the pipeline's lock, in the transaction that cuts: N workers that all saw
the threshold crossed cut one dataset. Never sends a message and never exports: `tasks` and `steps` do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ftworker.clock import Clock
from ftworker.errors import Refused
from ftworker.runs.triggers import Decision, Facts, blocker_by_hand, decide
from ftworker.settings import LEAST_EXAMPLES, PipelineSettings, Settings, TriggerSettings, fingerprint
from ftworker.store import datasets, examples, runs
from ftworker.store.connection import Cursor, Store


@dataclass(frozen=True)
class TriggerReport:
    """Why a pipeline does or does not fire, and how far it is."""

    pipeline: str
    facts: Facts
    decision: Decision
    last_cut_at: datetime | None


def explain_trigger(store: Store, settings: Settings, name: str, now: datetime) -> TriggerReport:
    """What `decide` says of the pipeline now. Reads only."""
    pipeline = settings.pipeline(name)
    with store.transaction() as cursor:
        facts = _facts(cursor, settings, [name])[name]
    return TriggerReport(name, facts, decide(pipeline.trigger, facts, now), facts.last_cut_at)


def worth_a_look(store: Store, settings: Settings, names: Sequence[str], now: datetime) -> list[str]:
    """Those of the pipelines for which `cut_if_due` may do something: one look at all, without their locks.

    Most looks end here. One that cannot be decided is among them, so that its error shows where it alone ends in it.
    """
    with store.transaction() as cursor:
        facts = _facts(cursor, settings, names)
    return [name for name in names if _may_act(settings.pipeline(name).trigger, facts[name], now)]


def _may_act(trigger: TriggerSettings, facts: Facts, now: datetime) -> bool:
    # The first look only starts the schedule's clock: a new schedule does not fire for past times.
    if trigger.schedule is not None and facts.last_scheduled_at is None:
        return True
    try:
        decision = decide(trigger, facts, now)
    except Exception:  # noqa: BLE001 - `cut_if_due` meets it again, and its caller says so
        return True
    return decision.fires or decision.answers_schedule


def cut_if_due(store: Store, settings: Settings, name: str, clock: Clock) -> int | None:
    """Cut a dataset and begin its run when a trigger holds; returns the run's id.

    Repeatable, and safe among any number of workers. Takes the pipeline's lock: ask `worth_a_look` first.
    """
    pipeline = settings.pipeline(name)
    now = clock()
    with store.transaction() as cursor:
        row = datasets.lock_pipeline(cursor, name)
        facts = _facts(cursor, settings, [name])[name]
        decision = decide(pipeline.trigger, facts, now)
        if pipeline.trigger.schedule and (decision.answers_schedule or row.last_scheduled_at is None):
            datasets.mark_scheduled(cursor, name, now)
        if not decision.fires or decision.cause is None:
            return None
        try:
            return _cut(cursor, settings, name, decision.cause, facts=facts, now=now)
        except Refused:
            # Rows that accumulate was rewriting were left out and too few remained: the next look cuts.
            cursor.connection.rollback()
            return None


def start_by_hand(
    store: Store, settings: Settings, name: str, clock: Clock, *, dataset_id: int | None = None
) -> int:
    """Cut what waits, below any threshold, and begin its run; or begin a run on a dataset there is.

    Returns the run's id.
    Raises Refused with what would allow it, NotFound for an unknown pipeline or dataset.
    """
    pipeline = settings.pipeline(name)
    now = clock()
    with store.transaction() as cursor:
        datasets.lock_pipeline(cursor, name)
        facts = _facts(cursor, settings, [name])[name]
        if dataset_id is not None:
            dataset = datasets.get_dataset(cursor, dataset_id)
            if dataset.pipeline != name:
                raise Refused(f"dataset {dataset_id} belongs to pipeline {dataset.pipeline}, not to {name}")
            if facts.in_flight:
                raise Refused(f"pipeline {name}: {facts.in_flight} is in flight; wait for it or cancel it")
            return _begin(cursor, name, pipeline, dataset_id, "manual")
        blocker = blocker_by_hand(facts)
        if blocker:
            raise Refused(f"pipeline {name}: {blocker}; `ftworker triggers` shows what waits")
        return _cut(cursor, settings, name, "manual", facts=facts, now=now)


def dataset_settings(settings: Settings, name: str) -> dict[str, Any]:
    """Everything in the configuration that decides the bytes of a dataset; frozen into its row by the cut."""
    pipeline = settings.pipeline(name)
    return {
        "format": settings.dataset_format(name),
        "system_prompt": pipeline.system_prompt,
        "system_prompt_version": pipeline.system_prompt_version,
        "split": pipeline.split.model_dump(mode="json"),
        "curation": pipeline.curation.model_dump(mode="json"),
        "selection": pipeline.selection.model_dump(mode="json"),
        "replay_share": pipeline.replay_share if pipeline.strategy == "replay" else None,
    }


def _facts(cursor: Cursor, settings: Settings, names: Sequence[str]) -> dict[str, Facts]:
    """What is known of each pipeline, by three statements whatever their number."""
    waiting = examples.backlogs(cursor, names)
    busy = runs.runs_in_flight(cursor, names)
    rows = datasets.read_pipelines(cursor, names)
    found = {}
    for name in names:
        pipeline = settings.pipeline(name)
        minimum = LEAST_EXAMPLES[settings.provider(pipeline.provider).kind]
        limit = pipeline.trigger.max_examples
        here = waiting[name]
        kept = 0
        # Where nothing waits there is nothing to cut, however much is kept.
        if pipeline.strategy == "all" and 0 < min(here.examples, limit or here.examples) < minimum:
            kept = examples.count_kept(cursor, name, limit=minimum)
        found[name] = Facts(
            waiting_examples=here.examples,
            waiting_tokens=here.tokens,
            oldest_at=here.oldest_at,
            last_cut_at=rows[name].last_cut_at,
            last_scheduled_at=rows[name].last_scheduled_at,
            in_flight="run {} ({})".format(*busy[name]) if name in busy else None,
            provider_minimum=minimum,
            kept_examples=kept,
            max_examples=limit,
        )
    return found


def _cut(cursor: Cursor, settings: Settings, name: str, cause: str, *, facts: Facts, now: datetime) -> int:
    pipeline = settings.pipeline(name)
    dataset_id, claimed = datasets.cut_dataset(
        cursor,
        name,
        pipeline.strategy,
        dataset_settings(settings, name),
        limit=pipeline.trigger.max_examples,
        now=now,
    )
    if claimed == 0 or claimed + facts.kept_examples < facts.provider_minimum:
        raise Refused(f"pipeline {name}: waiting examples are being rewritten at this moment; try again")
    return _begin(cursor, name, pipeline, dataset_id, cause)


def _begin(cursor: Cursor, name: str, pipeline: PipelineSettings, dataset_id: int, cause: str) -> int:
    method: Mapping[str, Any] = pipeline.training.model_dump(mode="json")
    method_sha256 = fingerprint(dict(method))
    run_id = runs.insert_run(
        cursor,
        pipeline=name,
        dataset_id=dataset_id,
        provider=pipeline.provider,
        base_model=pipeline.base_model,
        method=method,
        method_sha256=method_sha256,
        trigger=cause,
    )
    if run_id is not None:
        return run_id
    before = runs.find_run(
        cursor,
        dataset_id=dataset_id,
        provider=pipeline.provider,
        base_model=pipeline.base_model,
        method_sha256=method_sha256,
    )
    raise Refused(
        f"dataset {dataset_id} was given to {pipeline.provider} with these settings before, as run {before}; "
        f"`ftworker runs retry {before}` does it again"
    )
