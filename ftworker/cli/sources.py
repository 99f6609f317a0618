"""`ftworker sources` and `ftworker backfill`: the stores of conversations, what is seen there, and taking in
their past.

What people wrote shows only with --show-content, and ids of conversations, which can be phone numbers, only
in part.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import age, emit_json, fail, printable, progress, table
from ftworker.conversations import Conversation
from ftworker.errors import NotFound, Refused, SourceRejected, SourceUnavailable
from ftworker.installation import Installation
from ftworker.sources.contract import Finding, ListedConversation, Source
from ftworker.store import inbox

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")

NEWEST = 10
SHOWN_CHARACTERS = 300


@click.group()
def sources() -> None:
    """The stores of conversations that the configuration names.

    \b
    Example:
      ftworker sources list
      ftworker sources test tutor
    """


@sources.command("list")
@as_json
def list_(json_: bool) -> None:
    """Every source, how it is read, and how far backfill and sweep have come.

    \b
    Example:
      ftworker sources list
    """
    here = load()
    facts = [_configured(here, name) for name in sorted(here.settings.sources)]
    if json_:
        emit_json(facts)
        return
    if not facts:
        click.echo("No source is configured; events with their messages inline need none (docs/SOURCES.md).")
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


@sources.command("test")
@click.argument("name")
@click.option("--show-content", is_flag=True, help="Show what people wrote in the newest conversations.")
@as_json
def test(name: str, show_content: bool, json_: bool) -> None:
    """Try the source NAME: connection, tables, rights, indexes, and what its newest conversations look like.

    Reads and changes nothing. Exit code 1 when the source cannot work as configured.

    \b
    Example:
      ftworker sources test tutor
      ftworker sources test tutor --show-content
    """
    here = load()
    source = _source(here, name)
    findings = source.check()
    broken = any(finding.level == "error" for finding in findings)
    count: int | None = None
    newest: list[tuple[ListedConversation, Conversation | None]] = []
    if not broken:
        try:
            count = source.count()
            listed = source.newest(NEWEST)
            read = {
                found.conversation_id: found
                for found in source.fetch([one.conversation_id for one in listed])
            }
            newest = [(one, read.get(one.conversation_id)) for one in listed]
        except (SourceRejected, SourceUnavailable) as error:
            findings = (*findings, Finding("error", "reading", str(error)))
            broken = True
    source.close()
    facts = {
        "name": name,
        "well": not broken,
        "findings": [
            {"level": f.level, "subject": f.subject, "message": f.message, "advice": f.advice}
            for f in findings
        ],
        "conversations": count,
        "newest": [_seen(one, found, show_content=show_content) for one, found in newest],
    }
    if json_:
        emit_json(facts)
    else:
        _show(here, facts, show_content=show_content)
    if broken:
        raise SystemExit(1)


def _seen(listed: ListedConversation, found: Conversation | None, *, show_content: bool) -> dict[str, Any]:
    messages = found.messages if found is not None else ()
    identity = listed.conversation_id
    return {
        "conversation_id": identity if show_content or len(identity) <= 4 else f"…{identity[-4:]}",
        "messages": listed.message_count,
        "last_change_at": listed.last_change_at,
        "roles": dict(sorted(Counter(message.role or "(none)" for message in messages).items())),
        "rated": sum(1 for message in messages if message.rating),
        "with_context": sum(1 for message in messages if message.context),
        "errors": dict(sorted(Counter(str(m.error) for m in messages if m.error).items())),
        "tenant_id": found.tenant_id if found is not None else None,
        "course_id": found.course_id if found is not None else None,
        "user_known": bool(found is not None and found.user_ref),
        "consent": found.training_consent if found is not None else None,
        **({"content": [{"role": m.role, "text": m.content} for m in messages]} if show_content else {}),
    }


def _show(here: Installation, facts: dict[str, Any], *, show_content: bool) -> None:
    table(
        f"Source {facts['name']}",
        ["", "about", "seen"],
        [[finding["level"], finding["subject"], finding["message"]] for finding in facts["findings"]],
    )
    for finding in facts["findings"]:
        if finding["advice"]:
            click.echo(f"{finding['level']}: {finding['message']}\n  -> {finding['advice']}")
    if not facts["well"]:
        return
    count = facts["conversations"]
    click.echo(f"\nConversations: {count if count is not None else 'too many to count within the timeout'}")
    table(
        f"The newest {len(facts['newest'])}",
        ["id", "changed", "roles", "rated", "context", "errors", "course", "user"],
        [
            [
                seen["conversation_id"],
                age(seen["last_change_at"], here.clock()),
                " ".join(f"{role}:{number}" for role, number in seen["roles"].items()),
                seen["rated"],
                seen["with_context"],
                " ".join(f"{code}:{number}" for code, number in seen["errors"].items()) or "-",
                seen["course_id"],
                "known" if seen["user_known"] else "-",
            ]
            for seen in facts["newest"]
        ],
    )
    if not show_content:
        click.echo("What people wrote is hidden; --show-content shows it.")
        return
    for seen in facts["newest"]:
        click.echo(f"\n{printable(seen['conversation_id'])}")
        for said in seen["content"]:
            text = printable(said["text"])
            cut = (
                f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"
                if len(text) > SHOWN_CHARACTERS
                else text
            )
            click.echo(f"  {printable(said['role']) or '(no role)'}: {cut}")


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
