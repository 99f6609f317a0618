"""`ftworker sources` and `ftworker backfill`: the stores of conversations, what is seen there, and taking in
their past.

What people wrote shows only with --show-text, and ids of conversations, which can be phone numbers, only in part.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import emit_json, fail, printable, printable_lines, progress, table
from ftworker.cli.source_report import seen, show
from ftworker.conversations import Conversation
from ftworker.errors import NotFound, Refused, SourceRejected, SourceUnavailable
from ftworker.installation import Installation
from ftworker.sources.contract import Finding, ListedConversation, Source
from ftworker.store import inbox

if TYPE_CHECKING:
    from ftworker.settings import SourceSettings

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")

NEWEST = 10
"""Conversations shown one by one."""

SAMPLE = 200
"""Newest conversations counted together."""


@click.group()
def sources() -> None:
    """The stores of conversations that the configuration names.

    \b
    Example:
      ftworker sources list
      ftworker sources test tutor
    """


@sources.command("list", short_help="Every source and how far it is read, or all presets.")
@click.option("--presets", is_flag=True, help="Instead: every kind of chat store that can be read.")
@as_json
def list_(*, presets: bool, json_: bool) -> None:
    """Every source, how it is read, and how far backfill and sweep have come; or the presets there are.

    \b
    Example:
      ftworker sources list
      ftworker sources list --presets
    """
    if presets:
        _list_presets(json_=json_)
        return
    here = load()
    facts = [_configured(here, name) for name in sorted(here.settings.sources)]
    if json_:
        emit_json(facts)
        return
    if not facts:
        click.echo(
            "No source is configured; events with their messages inline need none (docs/SOURCES.md).\n"
            "What can be read: ftworker sources list --presets"
        )
        return
    table(
        "Sources",
        ["source", "preset", "tables", "address", "sweep", "backfilled"],
        [
            [
                fact["name"],
                fact["preset"],
                ", ".join(fact["tables"]),
                "set" if fact["address_known"] else "missing",
                "on" if fact["sweep_idle"] else "off",
                _backfilled(fact["walks"]),
            ]
            for fact in facts
        ],
    )
    for fact in facts:
        if not fact["address_known"]:
            missing = f"the variable {fact['url_env']} is not set" if fact["url_env"] else "it has no url_env"
            click.echo(f"{fact['name']}: {missing}")


def _list_presets(*, json_: bool) -> None:
    from ftworker.sources.stores import known_stores

    stores = known_stores()
    if json_:
        emit_json([{"preset": one.preset, "reads": one.reads, "tables": one.tables} for one in stores])
        return
    table("Presets", ["preset", "reads"], [[one.preset, one.reads] for one in stores])
    click.echo("How each is configured, and what it cannot tell: docs/SOURCES.md")


def _configured(here: Installation, name: str) -> dict[str, Any]:
    from ftworker.sources.preset import preset
    from ftworker.store import source_progress

    settings = here.settings.sources[name]
    try:
        tables = [use.name for use in preset(settings.preset).uses(settings)]
    except SourceRejected as error:
        tables = [f"({error})"]
    with here.store.transaction() as cursor:
        walks = source_progress.walks(cursor, name)
    return {
        "name": name,
        "preset": settings.preset,
        "schema": settings.schema_name,
        "tables": tables,
        "url_env": settings.url_env,
        "address_known": _has_address(here, name),
        "sweep_idle": settings.sweep_idle,
        "idle_seconds": settings.idle_seconds,
        "walks": [
            {
                "purpose": purpose,
                "conversations": walk.done,
                "updated_at": walk.updated_at,
                "finished_at": walk.finished_at,
            }
            for purpose, walk in walks.items()
        ],
    }


def _has_address(here: Installation, name: str) -> bool:
    try:
        here.make_source(name)
    except SourceRejected:
        return False
    return True


def _backfilled(walks: list[dict[str, Any]]) -> str:
    done = [walk for walk in walks if walk["purpose"].startswith("backfill:")]
    if not done:
        return "never"
    newest = max(done, key=lambda walk: walk["updated_at"])
    return f"{newest['conversations']}" + ("" if newest["finished_at"] else ", interrupted")


@sources.command("test", short_help="Try a source: connection, tables, rights, indexes.")
@click.argument("name", required=False)
@click.option("--show-text", is_flag=True, help="Show what people wrote in the newest conversations.")
@click.option("--preset", "preset_name", metavar="PRESET", help="Try a store that is not configured yet.")
@click.option(
    "--url-env", metavar="VARIABLE", help="The variable with its address. Alone: find out which store it is."
)
@as_json
def test(
    name: str | None, *, show_text: bool, preset_name: str | None, url_env: str | None, json_: bool
) -> None:
    """Try the source NAME: connection, tables, rights, indexes, what its newest conversations hold, and what it
    cannot tell.

    Reads and changes nothing. Exit code 1 when the source cannot work as configured. Without NAME a store is tried
    before it is configured.

    \b
    Example:
      ftworker sources test tutor
      ftworker sources test tutor --show-text
      ftworker sources test --preset dify --url-env DIFY_DATABASE_URL
      ftworker sources test --url-env DATABASE_URL
    """
    here = load()
    if name is not None and (preset_name or url_env):
        raise click.UsageError("--preset and --url-env are for a store without a NAME in the configuration")
    advice = ""
    if name is None:
        name, source, advice = _unconfigured(here, preset_name, url_env)
    else:
        source = _source(here, name)
    facts = _tried(name, source, show_text=show_text)
    source.close()
    if json_:
        emit_json({**facts, "sample": vars(facts["sample"])})
    else:
        show(here, facts, show_text=show_text)
        click.echo(printable_lines(advice), nl=bool(advice))
    if not facts["well"]:
        raise SystemExit(1)


def _unconfigured(
    here: Installation, preset_name: str | None, url_env: str | None
) -> tuple[str, Source, str]:
    """A source by its preset, or by what the database looks like: its name, it, and the lines that configure it."""
    from ftworker.settings import SourceSettings
    from ftworker.settings.environment import variable
    from ftworker.sources.detect import detect
    from ftworker.sources.registry import make_source
    from ftworker.sources.stores import preset_names

    if url_env is None:
        raise click.UsageError(
            "give the NAME of a source, or --url-env VARIABLE with its address and --preset PRESET"
        )
    if preset_name is not None and preset_name not in preset_names():
        raise click.BadParameter(
            f"{preset_name}; there are: {', '.join(preset_names())}", param_hint="--preset"
        )
    try:
        if preset_name is None:
            address = variable(url_env)
            if not address:
                fail(f"the environment variable {url_env} is not set", 2)
            found = detect(address, lambda said: click.echo(printable(said), err=True))
        else:
            found = SourceSettings.model_validate({"preset": preset_name, "url_env": url_env})
        settings = here.settings.model_copy(update={"sources": {found.preset: found}})
        return found.preset, make_source(settings, found.preset), _configuration(found, url_env)
    except SourceRejected as error:
        fail(str(error), 2)
    except SourceUnavailable as error:
        fail(str(error))


def _configuration(found: SourceSettings, url_env: str) -> str:
    lines = [f"[sources.{found.preset}]", f'preset = "{found.preset}"', f'url_env = "{url_env}"']
    for name, value in found.model_dump(exclude_defaults=True, exclude={"preset", "url", "url_env"}).items():
        if isinstance(value, str):
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        else:
            lines += [
                f"[sources.{found.preset}.{name}]",
                *(f"{key} = {json.dumps(told, ensure_ascii=False)}" for key, told in value.items()),
            ]
    return "\n".join(["", "In the configuration file this source is:", "", *lines])


def _tried(name: str, source: Source, *, show_text: bool) -> dict[str, Any]:
    """What a source holds, as JSON. Reads once: the newest conversations are part of the sample."""
    from ftworker.sources.sample import look_at

    findings = list(source.check())
    count: int | None = None
    read: dict[str, Conversation] = {}
    listed: tuple[ListedConversation, ...] = ()
    if not any(finding.level == "error" for finding in findings):
        try:
            count = source.count()
            listed = source.newest(SAMPLE)
            read = {
                found.conversation_id: found
                for found in source.fetch([one.conversation_id for one in listed])
            }
        except (SourceRejected, SourceUnavailable) as error:
            findings.append(Finding("error", "reading", str(error)))
    return {
        "name": name,
        "well": not any(finding.level == "error" for finding in findings),
        "findings": [
            {"level": f.level, "subject": f.subject, "message": f.message, "advice": f.advice}
            for f in findings
        ],
        "conversations": count,
        "sample": look_at(read.values()),
        "newest": [seen(one, read.get(one.conversation_id), show_text=show_text) for one in listed[:NEWEST]],
    }


def _day(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        said = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value}: expected a date such as 2026-09-01, or a time with its zone"
        ) from None
    return (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)


@click.command()
@click.option("--source", "name", required=True, help="The source to read, as the configuration names it.")
@click.option(
    "--since",
    callback=_day,
    metavar="DATE",
    help="Only conversations changed since then (UTC). Default: all.",
)
@click.option(
    "--batch", default=2_000, show_default=True, type=click.IntRange(1, 10_000), help="Conversations a step."
)
@click.option("--restart", is_flag=True, help="Begin again instead of going on where it was interrupted.")
@click.option("--again", is_flag=True, help="Also what was taken in before: for a pipeline that is new.")
@click.option("--dry-run", is_flag=True, help="Count what would be taken in, and write nothing.")
@as_json
def backfill(
    name: str, since: datetime | None, batch: int, *, restart: bool, again: bool, dry_run: bool, json_: bool
) -> None:
    """Take in the conversations that a source already holds, as if they had just closed.

    Interrupt it whenever you like: the same command goes on where it was. Running it again adds only what has
    changed. The workers read and judge the conversations afterwards; `ftworker status` shows them at it.
    A pipeline that you add later has seen none of them: `--again` gives it all, and changes nothing for the others.

    \b
    Example:
      ftworker backfill --source tutor --since 2026-09-01
    """
    from ftworker.backfill import backfill as run

    if again and dry_run:
        raise click.UsageError("--again changes what waits; it cannot be a --dry-run")
    here = load()
    source = _source(here, name)
    if again:
        with here.store.transaction() as cursor:
            waiting = inbox.take_again(cursor, name)
        click.echo(f"{waiting} conversations taken in before wait once more.", err=True)
    until = here.clock() - timedelta(seconds=source.idle_seconds)
    try:
        total = source.count() if since is None else None
        with progress(total, f"Backfill of {name}") as show:
            done = run(
                here.store,
                source,
                since,
                until,
                batch=batch,
                progress=show,
                restart=restart or again,
                dry_run=dry_run,
            )
    except Refused as error:
        fail(str(error), 2 if since is not None and not source.has_times() else 1)
    finally:
        source.close()
    if json_:
        emit_json(
            {
                "source": name,
                "since": since,
                "dry_run": dry_run,
                "looked_at": done.looked_at,
                "recorded": done.recorded,
                "known": done.known,
                "parked": done.parked,
                "open": done.open,
            }
        )
        return
    click.echo(
        f"Looked at {done.looked_at} conversations: {done.recorded} {'would be' if dry_run else 'are'} new, "
        f"{done.known} were known, {done.open} are still open."
    )
    if done.parked:
        click.echo(f"{done.parked} have an id that cannot be used: ftworker parked list")
    if done.recorded and not dry_run:
        click.echo("The workers take them from here: ftworker status")


def _source(here: Installation, name: str) -> Source:
    """The source, or the end of the command: a wrong name or a missing address is the caller's to mend."""
    try:
        return here.make_source(name)
    except (NotFound, SourceRejected) as error:
        fail(str(error), 2)
