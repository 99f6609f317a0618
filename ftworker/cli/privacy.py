"""`ftworker redact`: the rules for personal data on any text, line by line, without a configuration or a server.

What is wrong with a line is said with its number and never with its text.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.command("redact")
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='Names of real people, one a line: "García López, Lucía" or "Lucía García López".',
)
@click.option(
    "--allow",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Terms that are never personal data, one a line.",
)
def redact(roster: Path | None, allow: Path | None) -> None:
    """Redact personal data in texts: JSON lines from standard input to standard output.

    Reads {"id": ..., "text": "..."} a line and writes {"id", "text", "findings": [{"start", "end", "kind"}]}: `text`
    has placeholders, offsets are characters of the text that was read. A line that cannot be read is reported by its
    number, and the command ends with 1. What passes is not anonymous: docs/PRIVACY.md says what remains.

    \b
    Example:
      echo '{"id": 1, "text": "Soy Lucía, tel. 612 345 678"}' | ftworker redact
      ftworker redact --roster names.txt < texts.jsonl > redacted.jsonl
    """
    import msgspec

    from ftworker.curation.privacy import Scanner
    from ftworker.rosters import lines_of, names_of

    class Line(msgspec.Struct):
        text: str
        id: Any = None

    scanner = Scanner(
        roster=names_of(roster, "--roster") if roster else (),
        allow=lines_of(allow, "--allow") if allow else (),
    )
    decoder, encoder = msgspec.json.Decoder(Line), msgspec.json.Encoder()
    out = sys.stdout.buffer
    wrong = 0
    for number, raw in enumerate(sys.stdin.buffer, start=1):
        if not raw.strip():
            continue
        try:
            line = decoder.decode(raw)
            redacted = scanner.redact([line.text])
            findings = [{"start": f.start, "end": f.end, "kind": f.kind.value} for f in redacted.findings[0]]
            written = encoder.encode({"id": line.id, "text": redacted.texts[0], "findings": findings})
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            wrong += 1
            click.echo(f"line {number}: {_reason(error)}", err=True)
            continue
        out.write(written + b"\n")
        out.flush()  # who reads along sees each line when it is done
    if wrong:
        click.echo(f"{wrong} line{'s' if wrong != 1 else ''} could not be read and left out", err=True)
        raise SystemExit(1)


def _reason(error: Exception) -> str:
    """What is wrong with a line, without anything of it."""
    import msgspec

    match error:
        case msgspec.ValidationError():
            return 'expected an object {"id": ..., "text": "..."}'
        case UnicodeError():
            return "half of a surrogate pair, or bytes that are no UTF-8"
        case _:
            return 'no JSON; expected {"id": ..., "text": "..."}'
