"""How commands speak: tables for people in 80 columns, JSON with stable keys for programs, bars for long work.

Text from outside (a provider's message, a parked byte) is stripped of control characters before it is shown, so
that it cannot drive the terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import click

WIDTH = 80
_MORE_CONTROLS = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def emit_json(value: Any) -> None:
    """Print a value as JSON: times as ISO 8601 UTC, dataclasses as objects."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=2)
    # JSON itself escapes the controls below U+0020; a terminal obeys those of Latin-1 too.
    click.echo(_MORE_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def printable(text: object) -> str:
    """The text without control characters: escape sequences, line breaks and bells become spaces."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def printable_lines(text: object) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(printable(line) for line in str(text).splitlines())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that reads well in 80 columns; numbers are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [list(row) for row in rows]
    grid = Table(
        title=Text(printable(title)) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for number, name in enumerate(columns):
        numeric = bool(shown) and all(isinstance(row[number], int | float) for row in shown)
        grid.add_column(Text(printable(name)), justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        grid.add_row(*(Text(printable(cell if cell is not None else "-")) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(grid)


def age(since: datetime | None, now: datetime) -> str:
    """`3 min`, `2 h`, `5 d`: how long ago, in the largest unit that is at least one."""
    if since is None:
        return "-"
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def fail(message: str, code: int = 1) -> NoReturn:
    """Print to standard error and end with the code: 1 the work failed, 2 wrong usage or configuration."""
    click.echo(f"Error: {printable_lines(message)}", err=True)
    raise SystemExit(code)


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; calls say how many are done so far. Without a terminal, a line now and then."""
    if not sys.stderr.isatty():
        yield _plain_progress(total, label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def _plain_progress(total: int | None, label: str) -> Callable[[int], None]:
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        step = max(1, (total or 10_000) // 10)
        if done == total or done >= shown + step:
            shown = done
            click.echo(f"{label}: {done}{f' of {total}' if total else ''}", err=True)

    return show
