"""Commands about events: `publish`, the process `ingest`, and `parked` for what could not be used."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from ftworker.cli.output import age, emit_json, fail, printable, progress, table

if TYPE_CHECKING:
    from ftworker.installation import Installation

CHUNK = 500
"""Rows replayed or dropped in one transaction."""


@click.command(epilog="Example:  ftworker publish conversations.jsonl")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--source", default="/ftworker-publish", show_default=True, help="CloudEvents source of bare lines."
)
@click.option("--check", is_flag=True, help="Only check the lines; publish nothing.")
def publish(file: BinaryIO, source: str, check: bool) -> None:
    """Publish conversation.closed events from FILE, one JSON object a line; - reads standard input.

    A line is a whole CloudEvent, or a bare `data` object (at least conversation_id), which gets its envelope. A bad
    line is named and left out; the others are published. Where to: FTWORKER_EVENTS_URL, else the broker's URL.
    """
    from ftworker.events.publisher import MAX_MESSAGE_BYTES, Publisher

    name = "standard input" if file.name in ("-", "<stdin>") else str(file.name)
    total = None if name == "standard input" else _count_lines(Path(file.name))
    bad = 0

    def good(max_bytes: int) -> Iterator[dict[str, Any]]:
        nonlocal bad
        for number, line in enumerate(file, 1):
            raw = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not raw:
                continue
            problem, event = _parse_line(raw, source, max_bytes)
            if event is None:
                bad += 1
                click.echo(printable(f"{name}, line {number}: {problem}"), err=True)
            else:
                yield event

    if check:
        count = sum(1 for _ in good(MAX_MESSAGE_BYTES))
        click.echo(f"{count} good, {bad} bad")
    else:
        from ftworker.cli.context import load

        settings = load().settings
        names = settings.ingest
        with (
            Publisher(
                settings.events(),
                source=source,
                exchange=names.exchange,
                routing_key=names.routing_key,
                stream=names.stream,
                max_message_bytes=names.max_message_bytes,
            ) as publisher,
            progress(total, "published") as shown,
        ):
            count = publisher.publish_many(good(names.max_message_bytes), confirmed=shown)
        click.echo(f"{count} published, {bad} bad")
    if bad:
        raise SystemExit(1)


def _parse_line(raw: bytes, source: str, max_bytes: int) -> tuple[str, dict[str, Any] | None]:
    """The problem of a line, or its event."""
    from ftworker.events.contract import EventRejected, decode
    from ftworker.events.publisher import prepare

    try:
        event = msgspec.json.decode(raw)
        if isinstance(event, dict):
            prepare(event, source=source, max_bytes=max_bytes)
            return "", event
        decode(raw, max_bytes)
    except EventRejected as error:
        return str(error), None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # The contract's decoder says exactly what is wrong with text that is no JSON.
        try:
            decode(raw, max_bytes)
        except EventRejected as error:
            return str(error), None
    return "expected one JSON object", None


def _count_lines(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for line in lines if line.strip())


@click.command(epilog="Example:  FTWORKER_EVENTS_URL=amqp://rag:secret@localhost/ ftworker ingest")
def ingest() -> None:
    """Process: take events from the broker into the inbox until SIGTERM.

    RabbitMQ (amqp://) or a Valkey/Redis stream (redis://, valkey://), chosen by FTWORKER_EVENTS_URL. It waits out
    outages of the broker and of the database. When it is told to stop it settles what it took; nothing is lost.
    """
    from ftworker.cli.context import load
    from ftworker.events.ingest import STATEMENT_TIMEOUT_SECONDS, SWITCH_SECONDS, Ingest
    from ftworker.events.transport import make_transport
    from ftworker.silence import MARGIN_SECONDS

    here = load(logs=True)
    url = here.settings.events()
    if url is None:
        fail("FTWORKER_EVENTS_URL is not set: expected an amqp:// or redis:// URL, or `ftworker up`", 2)
    transport = make_transport(url, here.settings.ingest, answer_seconds=here.settings.network.answer_seconds)
    store = here.store.within(STATEMENT_TIMEOUT_SECONDS + MARGIN_SECONDS)
    process = Ingest(transport, store, here.settings.ingest, notify=_doorbell(here))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        process.stop()

    sys.setswitchinterval(SWITCH_SECONDS)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process.run()


def _doorbell(here: Installation) -> Any:
    """Sends `ftworker.accumulate` to the workers; None when no broker is configured: the sweep finds the events."""
    if here.settings.broker_url is None:
        return None
    from ftworker.celery import app

    def ring() -> None:
        # A ring that cannot be sent at once is of no use: the sweep comes within seconds.
        app.send_task("ftworker.accumulate", retry=False, expires=60)

    return ring


@click.group(epilog="Example:  ftworker parked list")
def parked() -> None:
    """Messages that could not be used: list, show, collect, replay, drop."""


@parked.command("list", epilog="Example:  ftworker parked list --reason unknown_source")
@click.option("--reason", help="The single messages of one reason.")
@click.option("--limit", default=100, show_default=True, help="At most so many messages.")
@click.option("--after", "after_id", default=0, help="Only messages with a higher id.")
@click.option("--json", "as_json", is_flag=True, help="JSON with stable keys.")
def list_parked(reason: str | None, limit: int, after_id: int, as_json: bool) -> None:
    """What is parked, by reason; with --reason its messages."""
    from ftworker.cli.context import load
    from ftworker.store import parked as stored

    here = load()
    now = here.clock()
    with here.store.transaction() as cursor:
        by_reason = reason is None and not after_id
        reasons = stored.summary(cursor) if by_reason else []
        rows = [] if by_reason else stored.rows(cursor, reason=reason, after_id=after_id, limit=limit)
    if by_reason:
        if as_json:
            emit_json([asdict(row) for row in reasons])
        elif reasons:
            table(
                "Parked messages",
                ("reason", "rows", "times", "oldest", "newest"),
                [(r.reason, r.rows, r.times, age(r.oldest_at, now), age(r.newest_at, now)) for r in reasons],
            )
            click.echo("Next: ftworker parked list --reason REASON")
        else:
            click.echo("Nothing is parked.")
        return
    if as_json:
        emit_json([asdict(row) for row in rows])
        return
    table(
        f"Parked: {reason or 'all'}",
        ("id", "detail", "from", "bytes", "times", "age"),
        [(r.id, r.detail, r.origin, r.raw_bytes, r.times, age(r.first_at, now)) for r in rows],
    )


@parked.command(
    epilog="Example:  ftworker parked show 7 --raw",
    short_help="One message: why it is parked, and where it came from.",
)
@click.argument("parked_id", type=int, metavar="ID")
@click.option("--raw", "with_raw", is_flag=True, help="The bytes too. They can hold personal data.")
@click.option("--json", "as_json", is_flag=True, help="JSON with stable keys.")
def show(parked_id: int, with_raw: bool, as_json: bool) -> None:
    """One parked message: why, where it came from, and with --raw what it is."""
    from ftworker.cli.context import load
    from ftworker.store import parked as stored

    here = load()
    with here.store.transaction() as cursor:
        row, raw, sha256 = stored.show(cursor, parked_id)
    facts: dict[str, Any] = {**asdict(row), "raw_sha256": sha256}
    if with_raw:
        facts["raw"] = visible(raw)
    if as_json:
        emit_json(facts)
        return
    for key, value in facts.items():
        if key != "raw":
            click.echo(f"{key:12} {printable(value if value is not None else '-')}")
    if with_raw:
        click.echo(facts["raw"])


@parked.command(
    epilog="Example:  ftworker parked collect", short_help="Take over what RabbitMQ gave up delivering."
)
@click.option("--json", "as_json", is_flag=True, help="JSON with stable keys.")
def collect(as_json: bool) -> None:
    """Take over the messages that RabbitMQ gave up delivering, from its dead-letter queues.

    Events are parked with the reason delivery_limit: look at one, mend the cause, and replay. Closings that came as
    Celery tasks are recorded. Other task messages are not needed: what is due stands in the database.
    """
    from ftworker.cli.context import load
    from ftworker.events import dead_letters

    here = load()
    there = sum(
        dead_letters.count(here.settings, url, queue)
        for url, queue in dead_letters.dead_queues(here.settings)
    )
    with progress(there, "taken over") as shown:
        done = dead_letters.collect(here.store, here.settings, shown)
    if as_json:
        emit_json(asdict(done))
        return
    click.echo(
        f"{done.parked} parked, {done.recorded} closings recorded, {done.doorbells} task messages not needed"
    )
    if done.parked:
        click.echo("Next: ftworker parked list --reason delivery_limit")


def visible(raw: bytes) -> str:
    r"""The bytes as text that drives no terminal: what is no printable character shows as \x1b, \u202e and the like."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _choice(
    ids: tuple[int, ...], reason: str | None, everything: bool
) -> tuple[list[int] | None, str | None]:
    if not ids and reason is None and not everything:
        raise click.UsageError("say which: IDs, --reason REASON or --all")
    if everything and (ids or reason is not None):
        raise click.UsageError("--all goes without IDs and without --reason")
    return (list(ids) or None), reason


@parked.command(
    epilog="Example:  ftworker parked replay --reason unknown_source",
    short_help="Try them again with the present code and settings.",
)
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--reason", help="All messages of one reason.")
@click.option("--all", "everything", is_flag=True, help="All messages.")
@click.option("--json", "as_json", is_flag=True, help="JSON with stable keys.")
def replay(ids: tuple[int, ...], reason: str | None, everything: bool, as_json: bool) -> None:
    """Try parked messages again with the present code and configuration. What still fails stays, with its reason."""
    from ftworker.cli.context import load
    from ftworker.events.replay import replay as replay_messages
    from ftworker.store import parked as stored

    chosen, reason = _choice(ids, reason, everything)
    here = load()
    with here.store.transaction() as cursor:
        found = stored.ids(cursor, chosen=chosen, reason=reason)
    recorded = duplicates = waiting_again = 0
    still: dict[int, tuple[str, str]] = {}
    with progress(len(found), "replayed") as shown:
        for start in range(0, len(found), CHUNK):
            with here.store.transaction() as cursor:
                done = replay_messages(
                    cursor, found[start : start + CHUNK], here.settings.ingest.max_message_bytes
                )
            recorded += done.recorded
            duplicates += done.duplicates
            waiting_again += done.waiting_again
            still.update(done.still_parked)
            shown(min(start + CHUNK, len(found)))
    missing = sorted(set(ids) - set(found))
    if as_json:
        emit_json(
            {
                "recorded": recorded,
                "duplicates": duplicates,
                "waiting_again": waiting_again,
                "still_parked": [{"id": i, "reason": r, "detail": d} for i, (r, d) in still.items()],
                "not_found": missing,
            }
        )
    else:
        click.echo(
            f"{recorded} recorded, {duplicates} known already, {waiting_again} waiting again, {len(still)} still parked"
        )
        for number, (code, detail) in list(still.items())[:20]:
            click.echo(f"  {number}: {printable(f'{code}: {detail}')}")
        _say_missing(missing)
    if still or missing:
        raise SystemExit(1)


@parked.command(epilog="Example:  ftworker parked drop 7 8 --yes")
@click.argument("ids", type=int, nargs=-1, metavar="[ID]...")
@click.option("--reason", help="All messages of one reason.")
@click.option("--all", "everything", is_flag=True, help="All messages.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(ids: tuple[int, ...], reason: str | None, everything: bool, yes: bool) -> None:
    """Remove parked messages for good. Asks first."""
    from ftworker.cli.context import load
    from ftworker.store import parked as stored

    chosen, reason = _choice(ids, reason, everything)
    here = load()
    with here.store.transaction() as cursor:
        found = stored.ids(cursor, chosen=chosen, reason=reason)
    missing = sorted(set(ids) - set(found))
    if found and not yes:
        click.confirm(f"Remove {len(found)} parked messages for good?", abort=True)
    with here.store.transaction() as cursor:
        count = stored.drop(cursor, found)
    click.echo(f"{count} dropped")
    _say_missing(missing)
    if missing:
        raise SystemExit(1)


def _say_missing(missing: list[int]) -> None:
    if missing:
        click.echo(f"not parked: {', '.join(map(str, missing))}", err=True)
