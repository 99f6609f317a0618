"""`ftworker runs ...`: what a person sees of and does to runs."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import age, emit_json, fail, printable, printable_lines, table
from ftworker.cli.triggers import forecast_facts, forecast_lines
from ftworker.cli.watching import figures, follow, training_facts
from ftworker.installation import Installation
from ftworker.runs import control, cutting
from ftworker.runs.driver import drive_run
from ftworker.runs.forecast import forecast
from ftworker.runs.states import SUCCEEDED, RunState
from ftworker.runs.triggers import blocker_by_hand
from ftworker.store import runs as stored
from ftworker.store.runs import RunRow
from ftworker.store.trainings import training_of_run

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")
RUN = click.argument("run_id", metavar="RUN", type=int)


def run_facts(run: RunRow) -> dict[str, Any]:
    """A run as commands and pages show it. Keys are stable."""
    return {
        "id": run.id,
        "pipeline": run.pipeline,
        "state": run.state.value,
        "state_since": run.state_since,
        "trigger": run.trigger,
        "dataset_id": run.dataset_id,
        "provider": run.provider,
        "base_model": run.base_model,
        "generation": run.generation,
        "run_key": run.run_key,
        "job_id": run.job_id,
        "provider_status": run.provider_status,
        "model": run.model,
        "trained_tokens": run.trained_tokens,
        "estimated_usd": run.estimated_usd,
        "error_code": run.error_code,
        "error_message": run.error_message,
        "next_action_at": run.next_action_at,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "detail": dict(run.detail),
    }


@click.group()
def runs() -> None:
    """Fine-tuning runs: start, list, show, watch, cancel, retry, approve, promote, reject, resolve.

    \b
    Example:
      ftworker runs start tutor
      ftworker runs list
    """


@runs.command("start")
@click.argument("pipeline")
@click.option("--dataset", "dataset_id", type=int, help="Train on this dataset instead of cutting a new one.")
@click.option(
    "--wait", is_flag=True, help="Do every step here, without worker or broker, and wait for the end."
)
@click.option(
    "--dry-run", is_flag=True, help="Begin nothing: say what the run would take, and what forbids it."
)
@as_json
def start(*, pipeline: str, dataset_id: int | None, wait: bool, dry_run: bool, json_: bool) -> None:
    """Begin a run of PIPELINE with what waits, below any threshold. --json goes with --dry-run.

    \b
    Example:
      ftworker runs start tutor --dry-run
      ftworker runs start tutor --wait
    """
    if dry_run and (wait or dataset_id is not None):
        raise click.UsageError(
            "--dry-run goes without --wait and --dataset; of a dataset: ftworker datasets show"
        )
    if json_ and not dry_run:
        raise click.UsageError("--json goes with --dry-run; then: ftworker runs show RUN --json")
    here = load()
    if dry_run:
        _dry_run(here, pipeline, json_)
        return
    run_id = cutting.start_by_hand(here.store, here.settings, pipeline, here.clock, dataset_id=dataset_id)
    if not wait:
        _send(here, run_id)
        click.echo(f"Run {run_id} begun. Follow it: ftworker runs watch {run_id}")
        return
    run = drive_run(
        here.steps,
        run_id,
        on_state=lambda r: click.echo(f"run {r.id}: {r.state}", err=True),
        on_note=lambda note: click.echo(f"  {printable(note)}", err=True),
    )
    _end(run)


def _dry_run(here: Installation, pipeline: str, json_: bool) -> None:
    report = cutting.explain_trigger(here.store, here.settings, pipeline, here.clock())
    blocker = blocker_by_hand(report.facts)
    told = forecast(here.store, here.settings, pipeline)
    if json_:
        emit_json({**forecast_facts(told), "blocker": blocker})
    else:
        for line in forecast_lines(told):
            click.echo(line)
        click.echo(
            f"Does not begin: {printable(blocker)}" if blocker else f"Next: ftworker runs start {pipeline}"
        )
    if blocker:
        raise SystemExit(1)


@runs.command("list")
@click.option("--pipeline", help="Only of this pipeline.")
@click.option(
    "--state",
    metavar="STATE",
    type=click.Choice([state.value for state in RunState]),
    help="Only in this state: cut, submitted, trained, failed, parked...",
)
@click.option("--limit", default=20, show_default=True, help="At most so many, newest first.")
@as_json
def list_(pipeline: str | None, state: str | None, limit: int, json_: bool) -> None:
    """List runs, newest first.

    \b
    Example:
      ftworker runs list --state failed
    """
    here = load()
    with here.store.transaction() as cursor:
        found = stored.list_runs(cursor, pipeline=pipeline, state=state, limit=limit)
    if json_:
        emit_json([run_facts(run) for run in found])
        return
    now = here.clock()
    table(
        "",
        ["run", "pipeline", "state", "since", "provider", "trigger", "model or error"],
        [
            [
                run.id,
                run.pipeline,
                run.state,
                age(run.state_since, now),
                run.provider,
                run.trigger,
                run.error_code or run.model or "",
            ]
            for run in found
        ],
    )


@runs.command("show")
@RUN
@as_json
def show(run_id: int, json_: bool) -> None:
    """Show one run and its journal.

    \b
    Example:
      ftworker runs show 1
    """
    here = load()
    with here.store.transaction() as cursor:
        run = stored.get_run(cursor, run_id)
        journal = stored.read_journal(cursor, run_id)
        training = training_of_run(cursor, run_id)
    trained = training_facts(training) if training is not None else None
    if json_:
        entries = [{"at": e.at, "kind": e.kind, "message": e.message, "data": e.data} for e in journal]
        emit_json({**run_facts(run), "training": trained, "journal": entries})
        return
    facts = {**run_facts(run), "detail": ""}
    table(
        f"Run {run.id}", ["", ""], [[key, value] for key, value in facts.items() if value not in (None, "")]
    )
    if trained is not None:
        trained["progress"] = figures(trained["progress"])
        shown = [[key, value] for key, value in trained.items() if value not in (None, "", 0)]
        table("Training on a machine of yours", ["", ""], shown)
    table(
        "Journal",
        ["at (UTC)", "kind", "message"],
        [[f"{entry.at:%m-%d %H:%M:%S}", entry.kind, entry.message] for entry in journal],
    )
    if instructions := run.detail.get("instructions"):
        click.echo(printable_lines(instructions))


@runs.command("watch", short_help="Follow a run and its training until it is over.")
@RUN
def watch(run_id: int) -> None:
    """Follow a run's journal, and the progress of its training, until it is over or waits for a person.

    \b
    Example:
      ftworker runs watch 1
    """
    _end(follow(load(), run_id))


@runs.command("cancel")
@RUN
def cancel(run_id: int) -> None:
    """Stop a run; a job at the provider is cancelled.

    \b
    Example:
      ftworker runs cancel 1
    """
    here = load()
    _say(here, run_id, control.cancel_run(here.store, run_id), "cancelling")


@runs.command("retry")
@RUN
@click.option("--anew", is_flag=True, help="Train again also where the model is made and not registered.")
def retry(*, run_id: int, anew: bool) -> None:
    """Do a failed, cancelled, packaged or parked run again.

    A model that was trained here and could not be registered is registered, and not trained again.

    \b
    Example:
      ftworker runs retry 1
    """
    here = load()
    _say(here, run_id, control.retry_run(here.store, run_id, anew=anew), "goes on")


@runs.command("approve")
@RUN
def approve(run_id: int) -> None:
    """Let a run that waits for approval go on.

    It may cost what it estimated: `ftworker runs show` says how much.

    \b
    Example:
      ftworker runs approve 1
    """
    here = load()
    _say(here, run_id, control.approve_run(here.store, run_id, here.clock), "approved")


@runs.command("promote", short_help="Make a trained run's model the one that serves.")
@RUN
def promote(run_id: int) -> None:
    """Make a trained run's model the one that its pipeline serves; also to go back to one that served before.

    \b
    Example:
      ftworker runs promote 1
    """
    here = load()
    click.echo(f"Run {run_id}: {here.steps.promote(run_id)}")


@runs.command("reject")
@RUN
def reject(run_id: int) -> None:
    """Decide against a trained model.

    \b
    Example:
      ftworker runs reject 1
    """
    here = load()
    click.echo(f"Run {run_id}: {control.reject_run(here.store, run_id)}")


@runs.command("resolve", short_help="Say what you found at the provider for a parked run.")
@RUN
@click.option("--job", "job_id", help="Id of the job that you found at the provider.")
@click.option("--none", "none_", is_flag=True, help="There is no job: create one.")
def resolve(run_id: int, job_id: str | None, none_: bool) -> None:
    """Say what you found at the provider for a run that was parked because nobody knew.

    \b
    Example:
      ftworker runs resolve 1 --job ftjob-abc123
    """
    if bool(job_id) == none_:
        raise click.UsageError("give either --job ID or --none")
    here = load()
    _say(here, run_id, control.resolve_run(here.store, run_id, job_id=job_id), "resolved")


def _say(here: Installation, run_id: int, state: RunState, done: str) -> None:
    _send(here, run_id)
    click.echo(f"Run {run_id}: {done}, now {state}. Follow it: ftworker runs watch {run_id}")


def _send(here: Installation, run_id: int) -> None:
    """Ring for the next step; when no broker answers, the sweep finds the run."""
    with here.store.transaction() as cursor:
        run = stored.get_run(cursor, run_id)
    if here.settings.broker_url is None:
        return
    from kombu.exceptions import OperationalError

    from ftworker.tasks import send_steps

    with contextlib.suppress(OperationalError):
        send_steps(run_id, run.state, run.provider)


def _end(run: RunRow) -> None:
    click.echo(printable(f"Run {run.id}: {run.state}{f', model {run.model}' if run.model else ''}"))
    if instructions := run.detail.get("instructions"):
        click.echo(printable_lines(instructions))
    if run.state is RunState.AWAITING_APPROVAL:
        click.echo(f"It waits for you: ftworker runs approve {run.id}")
    elif run.state not in SUCCEEDED:
        fail(run.error_message or f"run {run.id} is {run.state}")
