"""`ftworker up | status | doctor | migrate | config`: running an installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import age, emit_json, fail, printable, table
from ftworker.installation import Installation
from ftworker.settings import config_path, load_settings, masked_settings
from ftworker.settings.environment import own_environment
from ftworker.store import datasets as stored_datasets
from ftworker.store import migrate as apply_migrations
from ftworker.store import runs as stored_runs

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")


def process_commands(*, concurrency: int = 2) -> dict[str, list[str]]:
    """The command of each process, as in the Procfile."""
    celery = [sys.executable, "-m", "celery", "-A", "ftworker.celery:app"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"]
    ftworker = [sys.executable, "-m", "ftworker.cli"]
    return {
        "ingest": [*ftworker, "ingest"],
        "worker": [*celery, "worker", "-n", "worker@%h", "-Q", "ftworker", "-c", str(concurrency), *quiet],
        "trainer": [*celery, "worker", "-n", "trainer@%h", "-Q", "ftworker.training", "-c", "1", *quiet],
        "beat": [*celery, "beat", "--schedule", str(_home() / "beat"), "--pidfile="],
        "web": [*ftworker, "web"],
    }


def process_environment(here: Installation) -> dict[str, str]:
    """The environment for child processes: the servers that this process found or started."""
    settings = here.settings
    found = {"FTWORKER_HOME": str(settings.home.absolute())}
    for variable, url in (
        ("FTWORKER_DATABASE_URL", settings.database_url),
        ("FTWORKER_BROKER_URL", settings.broker_url),
        ("FTWORKER_EVENTS_URL", settings.events_url),
    ):
        if url is not None:
            found[variable] = url.get_secret_value()
    return own_environment(found)


def _home() -> Path:
    home = load_settings().home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    return home


@click.command()
@click.option(
    "--concurrency", default=2, show_default=True, help="Processes of the worker on the short queue."
)
def up(concurrency: int) -> None:
    """Start ingest, worker, trainer, beat and web in this terminal; Ctrl-C stops them in order.

    Where no database or broker is configured, embedded ones are started under FTWORKER_HOME. One at a time for each
    FTWORKER_HOME; a second one is refused.

    \b
    Example:
      ftworker up
    """
    from ftworker.embedded.supervisor import alone_in, run_processes

    here = load(logs=True)
    assert here.settings.database_url is not None
    if here.settings.broker_url is None:
        fail('no broker: set FTWORKER_BROKER_URL, or pip install "ftworker[embedded]" for an embedded one', 2)
    with alone_in(here.settings.home.absolute()):
        for name in apply_migrations(here.settings.database_url.get_secret_value()):
            click.echo(f"migrated {name}", err=True)
        raise SystemExit(run_processes(process_commands(concurrency=concurrency), process_environment(here)))


@click.command()
@as_json
def status(json_: bool) -> None:
    """What waits, what runs, what needs a person.

    \b
    Example:
      ftworker status
    """
    here = load()
    facts = status_facts(here)
    if json_:
        emit_json(facts)
        return
    now = here.clock()
    table(
        "Pipelines",
        ["pipeline", "waiting", "progress", "serves", "state"],
        [
            [
                p["pipeline"],
                p["waiting_examples"],
                f"{p['progress']:.0%}" if p["configured"] else "-",
                p["model"],
                p["fires_by"] or p["blocker"] or "collecting",
            ]
            for p in facts["pipelines"]
        ],
    )
    if facts["runs"]:
        table(
            "Runs",
            ["run", "pipeline", "state", "since", "model or error"],
            [
                [
                    r["id"],
                    r["pipeline"],
                    r["state"],
                    age(r["state_since"], now),
                    r["error_code"] or r["model"],
                ]
                for r in facts["runs"]
            ],
        )
    inbox = facts["inbox"]
    click.echo(f"Inbox: {inbox['waiting']} waiting, oldest {inbox['oldest_age_seconds']:.0f} s")
    parked = facts["parked"]
    click.echo(f"Parked: {sum(parked.values())}" + ("  (ftworker parked list)" if parked else ""))
    quarantined = facts["quarantined"]
    click.echo(
        f"In quarantine: {sum(quarantined.values())}"
        + ("  (ftworker quarantine list)" if quarantined else "")
    )
    alive = [f"{name} {count}" for name, count in facts["processes"].items()]
    click.echo(f"Processes: {', '.join(alive) or 'none alive; start them with `ftworker up`'}")
    for hint in facts["needs_person"]:
        click.echo(f"Needs you: {hint}")


def status_facts(here: Installation) -> dict[str, Any]:
    """What `status` shows. Keys are stable."""
    from ftworker.cli.runs import run_facts
    from ftworker.runs.cutting import explain_trigger
    from ftworker.runs.states import RunState
    from ftworker.store.metrics import read_snapshot

    names = list(here.settings.pipelines)
    with here.store.transaction() as cursor:
        snapshot = read_snapshot(cursor, names, statement_timeout_seconds=10)
    pipelines = []
    for name in names:
        report = explain_trigger(here.store, here.settings, name, here.clock())
        with here.store.transaction() as cursor:
            model = stored_runs.present_model(cursor, name)
        pipelines.append(
            {
                "pipeline": name,
                "configured": True,
                "waiting_examples": report.facts.waiting_examples,
                "waiting_tokens": report.facts.waiting_tokens,
                "progress": round(report.decision.progress, 4),
                "fires_by": report.decision.cause if report.decision.fires else None,
                "blocker": report.decision.blocker,
                "last_cut_at": report.last_cut_at,
                "model": model,
            }
        )
    with here.store.transaction() as cursor:
        recent = stored_runs.list_runs(cursor, limit=10)
        # What was done under another configuration, such as the demo's, must not vanish from sight.
        for name in sorted({*snapshot.waiting, *(run.pipeline for run in recent)} - set(names)):
            waiting = snapshot.waiting.get(name)
            pipelines.append(
                {
                    "pipeline": name,
                    "configured": False,
                    "waiting_examples": waiting.examples if waiting else 0,
                    "waiting_tokens": waiting.tokens if waiting else 0,
                    "progress": 0.0,
                    "fires_by": None,
                    "blocker": "not in this configuration",
                    "last_cut_at": stored_datasets.read_pipelines(cursor, [name])[name].last_cut_at,
                    "model": stored_runs.present_model(cursor, name),
                }
            )
    hints = {
        RunState.PARKED: "run {} is parked: ftworker runs show {}",
        RunState.AWAITING_APPROVAL: "run {} waits for approval: ftworker runs approve {}",
        RunState.PACKAGED: "run {} is packaged, nobody serves it: ftworker runs show {}",
    }
    return {
        "pipelines": pipelines,
        "runs": [run_facts(run) for run in recent],
        "inbox": {
            "waiting": snapshot.inbox.waiting,
            "postponed": snapshot.inbox.postponed,
            "oldest_age_seconds": snapshot.inbox.oldest_age_seconds,
        },
        "parked": {reason: group.messages for reason, group in snapshot.parked.items()},
        "quarantined": {name: group.conversations for name, group in snapshot.quarantined.items()},
        "processes": {name: group.alive for name, group in snapshot.processes.items() if group.alive},
        "needs_person": [hints[run.state].format(run.id, run.id) for run in recent if run.state in hints],
    }


@click.command()
@as_json
def doctor(json_: bool) -> None:
    """Check database, clock, broker, storage, processes, sources and providers, and say what to do.

    Exit code 1 when something is wrong; a warning alone is 0.

    \b
    Example:
      ftworker doctor
    """
    from ftworker.doctor import examine

    found = list(examine(load()))
    if json_:
        emit_json(found)
    else:
        marks = {"ok": "ok  ", "note": "note", "warning": "WARN", "error": "FAIL"}
        for check in found:
            click.echo(printable(f"{marks[check.level]} {check.subject}: {check.message}"))
            if check.advice and check.level != "ok":
                click.echo(printable(f"       -> {check.advice}"))
    if any(check.level == "error" for check in found):
        raise SystemExit(1)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 when migrations are missing.")
def migrate(check: bool) -> None:
    """Bring the database schema up to date. Safe to repeat and to run from several machines at once.

    \b
    Example:
      ftworker migrate
    """
    from ftworker.store import pending_migrations

    here = load()
    if check:
        missing = pending_migrations(here.store)
        click.echo(f"missing: {', '.join(missing)}" if missing else "up to date")
        raise SystemExit(1 if missing else 0)
    assert here.settings.database_url is not None
    applied = apply_migrations(here.settings.database_url.get_secret_value())
    click.echo("\n".join(f"applied {name}" for name in applied) or "up to date")


@click.group()
def config() -> None:
    """Check and show the configuration.

    \b
    Example:
      ftworker config check
    """


@config.command("check")
def config_check() -> None:
    """Read file and environment and name every problem at once. Exit code 2 when there is one.

    \b
    Example:
      FTWORKER_CONFIG=my.toml ftworker config check
    """
    settings = load_settings()
    where = config_path() or "environment and defaults"
    click.echo(f"{where}: well. Pipelines: {', '.join(settings.pipelines)}")
    for name, source in settings.sources_without_section().items():
        click.echo(
            f"Note: pipelines.{name}.source: no source named {source} is configured: only events that carry their "
            "messages reach it"
        )


@config.command("show")
@as_json
def config_show(json_: bool) -> None:
    """Show every setting in force, defaults included, passwords masked.

    \b
    Example:
      ftworker config show
    """
    values = masked_settings(load_settings())
    if json_:
        emit_json(values)
        return
    for key, value in _flat(values):
        click.echo(printable(f"{key} = {value!r}"))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found
