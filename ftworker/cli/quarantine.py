"""`ftworker quarantine ...`: conversations that wait for a person before anything of them is trained on.

What people wrote shows only with --show-text, and the RAG's own ids, which can be phone numbers, only with
--show-ids. Conversations are named by row and version (`17.3fa2b1`), so that a decision cannot meet a version that
nobody looked at.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import age, emit_json, printable, printable_lines, progress, table
from ftworker.errors import FtworkerError
from ftworker.installation import Installation
from ftworker.store import quarantine as stored
from ftworker.store.quarantine import Decision, Quarantined

if TYPE_CHECKING:
    from ftworker.curation.privacy.scan import Scanner
    from ftworker.quarantine import SeenMessage

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")
show_ids = click.option("--show-ids", is_flag=True, help="Show the RAG's own ids too. They can be personal.")

PAGE = 500


def _name(value: str) -> tuple[int, str]:
    """`17` or `17.3fa2b1`: a row, and the first digits of the version that was looked at."""
    found = re.fullmatch(r"([0-9]{1,18})(?:\.([0-9a-f]{1,64}))?", value)
    if found is None:
        raise click.BadParameter(f"{printable(value)!r} is no id; expected 17 or 17.3fa2b1, as `list` shows")
    return int(found[1]), found[2] or ""


@click.group()
def quarantine() -> None:
    """Conversations with cues of health or well-being, or with names that nobody can be sure of: list, show,
    release, reject.

    \b
    Example:
      ftworker quarantine list
      ftworker quarantine show 17
    """


@quarantine.command("list")
@click.option("--pipeline", help="Only those of this pipeline.")
@click.option("--reason", help="Only those with this reason code.")
@click.option("--rejected", is_flag=True, help="Those that were rejected, instead of those that wait.")
@click.option("--limit", default=100, show_default=True, help="At most so many, the oldest first.")
@click.option("--after", "after_id", default=0, help="Only those after this row.")
@show_ids
@as_json
def list_(
    *,
    pipeline: str | None,
    reason: str | None,
    rejected: bool,
    limit: int,
    after_id: int,
    show_ids: bool,
    json_: bool,
) -> None:
    """What waits for a person, the oldest first.

    \b
    Example:
      ftworker quarantine list --reason quarantined_health
    """
    if rejected and reason:
        raise click.UsageError("--reason goes without --rejected: what was rejected keeps no other reason")
    here = load()
    with here.store.transaction() as cursor:
        if rejected:
            found = stored.rejected(cursor, pipeline=pipeline, after_id=after_id, limit=limit)
        else:
            found = stored.waiting(cursor, pipeline=pipeline, reason=reason, after_id=after_id, limit=limit)
    if json_:
        emit_json([_facts(row, show_ids) for row in found])
        return
    if not found:
        click.echo("Nothing was rejected." if rejected else "Nothing waits in quarantine.")
        return
    now = here.clock()
    table(
        "Rejected" if rejected else "In quarantine",
        ["id", "source", "pipelines", "reason", "since", *(["conversation"] if show_ids else [])],
        [
            [
                row.name,
                row.source_name,
                ", ".join(row.pipelines),
                ", ".join(row.reasons),
                age(row.since, now),
                *([row.conversation_id] if show_ids else []),
            ]
            for row in found
        ],
    )
    if len(found) == limit:
        click.echo(f"Perhaps more: --after {found[-1].id}")
    click.echo(f"Next: ftworker quarantine show {found[0].name}")


def _facts(row: Quarantined, with_ids: bool) -> dict[str, Any]:
    """A conversation as JSON. Keys are stable."""
    facts = {
        "id": row.id,
        "name": row.name,
        "version": row.version,
        "source": row.source_name,
        "pipelines": list(row.pipelines),
        "reasons": list(row.reasons),
        "message_count": row.message_count,
        "since": row.since,
        "decision": row.decision,
    }
    return facts | ({"conversation_id": row.conversation_id} if with_ids else {})


@quarantine.command("show", short_help="One conversation: who wrote how much, and which cues.")
@click.argument("name", metavar="ID", type=_name)
@click.option("--show-text", is_flag=True, help="Show what was written. Do so where nobody looks on.")
@show_ids
@as_json
def show(*, name: tuple[int, str], show_text: bool, show_ids: bool, json_: bool) -> None:
    """One conversation: who wrote how much, and which kinds of cues stand where. Its text only with --show-text.

    \b
    Example:
      ftworker quarantine show 17
      ftworker quarantine show 17 --show-text
    """
    from ftworker import quarantine as work

    here = load()
    with here.store.transaction() as cursor:
        row = stored.get(cursor, *name)
    seen = work.read(here.store, here.settings, here.make_source, row)
    looked = work.look(seen.conversation, _scanner(here, row, seen.conversation.tenant_id))
    if json_:
        messages = [
            {
                "role": message.role,
                "characters": message.characters,
                "sensitive": message.sensitive,
                "cues": dict(message.cues),
                "uncertain": message.uncertain,
                **({"text": work.whole_characters(written.content)} if show_text else {}),
            }
            for message, written in zip(looked, seen.conversation.messages, strict=True)
        ]
        is_judged = {"is_judged_version": seen.is_judged_version}
        emit_json({**_facts(row, show_ids), **is_judged, "messages": messages})
        return
    click.echo(printable(f"{row.name}: {', '.join(row.reasons) or 'not in quarantine any more'}"))
    click.echo(printable(f"source {row.source_name}, pipelines {', '.join(row.pipelines) or '-'}"))
    if show_ids:
        click.echo(printable(f"conversation {row.conversation_id}"))
    if row.decision:
        click.echo(f"This version was {row.decision}.")
    if not seen.is_judged_version:
        click.echo("The source holds a newer version than the one that was judged; it will be judged anew.")
    table(
        "",
        ["message", "role", "characters", "cues"],
        [
            [number, message.role, message.characters, _cues(message)]
            for number, message in enumerate(looked, 1)
        ],
    )
    if show_text:
        for number, written in enumerate(seen.conversation.messages, start=1):
            click.echo(f"-- {number}, {printable(written.role)}")
            click.echo(printable_lines(work.whole_characters(written.content)))
    else:
        click.echo("What was written: --show-text")
    click.echo(f"Next: ftworker quarantine release {row.name}, or reject {row.name}")


def _scanner(here: Installation, row: Quarantined, tenant_id: str | None) -> Scanner:
    from ftworker.rosters import scanner_for

    # Rosters are the installation's: any pipeline that is still configured finds the same names.
    configured = here.settings.pipelines
    pipeline = next((name for name in row.pipelines if name in configured), next(iter(configured)))
    return scanner_for(here.settings, pipeline, tenant_id)


def _cues(message: SeenMessage) -> str:
    parts = [f"{kind} {count}" if count > 1 else kind for kind, count in sorted(message.cues.items())]
    if message.sensitive:
        parts.insert(0, message.sensitive)
    if message.uncertain:
        parts.append("something uncertain")
    return ", ".join(parts)


def _decision(word: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The arguments that `release` and `reject` share."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        # Read from below, as stacked decorators are.
        for option in (
            as_json,
            click.option("--yes", is_flag=True, help=f"Do not ask before --all {word}s."),
            click.option("--pipeline", help="...of this pipeline; goes with --all."),
            click.option("--reason", help="...with this reason code; goes with --all."),
            click.option("--all", "everything", is_flag=True, help="All that wait..."),
            click.argument("names", nargs=-1, metavar="[ID]...", type=_name),
        ):
            command = option(command)
        return command

    return add


@quarantine.command("release")
@_decision("release")
def release(**options: Any) -> None:
    """Let conversations be trained on, in the version that waits. Personal data in them is still redacted.

    A newer version is judged anew. Exit code 1 when one could not be released.

    \b
    Example:
      ftworker quarantine release 17.3fa2b1 18.90cc21
      ftworker quarantine release --all --reason quarantined_uncertain
    """
    _decide("released", **options)


@quarantine.command("reject", short_help="Keep conversations out, in the version that waits.")
@_decision("reject")
def reject(**options: Any) -> None:
    """Keep conversations out, in the version that waits; they leave the list.

    Rejecting what was released takes back what no dataset holds yet. A newer version is judged anew.

    \b
    Example:
      ftworker quarantine reject 17.3fa2b1
    """
    _decide("rejected", **options)


def _decide(
    decision: Decision,
    *,
    names: tuple[tuple[int, str], ...],
    everything: bool,
    reason: str | None,
    pipeline: str | None,
    yes: bool,
    json_: bool,
) -> None:
    from ftworker import quarantine as work

    if bool(names) == everything:
        raise click.UsageError("say which: IDs, or --all")
    if not everything and (reason or pipeline):
        raise click.UsageError("--reason and --pipeline go with --all")
    here = load()
    chosen = _all(here, reason, pipeline) if everything else list(names)
    verb = {"released": "Release", "rejected": "Reject"}[decision]
    if everything and chosen and not yes:
        click.confirm(f"{verb} {len(chosen)} conversations?", abort=True, err=True)
    done: list[work.Decided] = []
    refused: dict[str, str] = {}
    with progress(len(chosen), decision) as shown:
        for row_id, version in chosen:
            try:
                done.append(
                    work.decide(
                        here.store, here.settings, row_id, decision, version=version, clock=here.clock
                    )
                )
            except FtworkerError as error:
                refused[f"{row_id}.{version}" if version else str(row_id)] = str(error)
            shown(len(done) + len(refused))
    if any(one.back_by != "nothing" for one in done):
        ring(here)
    if json_:
        emit_json(
            {
                "decision": decision,
                "done": [{"name": one.name, "back_by": one.back_by} for one in done],
                "refused": [{"name": name, "why": why} for name, why in refused.items()],
            }
        )
    else:
        click.echo(f"{len(done)} {decision}" + (f", {len(refused)} not" if refused else ""))
        for why in list(refused.values())[:20]:
            click.echo(f"  {printable(why)}")
    if refused:
        raise SystemExit(1)


def _all(here: Installation, reason: str | None, pipeline: str | None) -> list[tuple[int, str]]:
    """Everything that waits at this moment, by row and version."""
    chosen: list[tuple[int, str]] = []
    while True:
        after = chosen[-1][0] if chosen else 0
        with here.store.transaction() as cursor:
            page = stored.waiting(cursor, reason=reason, pipeline=pipeline, after_id=after, limit=PAGE)
        chosen += [(row.id, row.version) for row in page]
        if len(page) < PAGE:
            return chosen


def ring(here: Installation) -> None:
    """Let a worker begin at once; when no broker answers, the sweep finds what waits."""
    if here.settings.broker_url is None:
        return
    from kombu.exceptions import OperationalError

    from ftworker.celery import app

    with contextlib.suppress(OperationalError):
        app.send_task("ftworker.accumulate", retry=False, expires=60)
