"""`ftworker datasets diff|export|card|report`: what a dataset became since another, and its files for people.

Part of the `datasets` group. Shows counts and settings; ids of conversations only where they are asked for.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ftworker.cli.output import emit_json, fail, printable, printable_lines, progress, table
from ftworker.datasets.difference import Counts, changed_settings, changed_sizes, meaning
from ftworker.datasets.formats import FORMATS
from ftworker.errors import Refused
from ftworker.store.datasets import DatasetRow

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")
dataset_argument = click.argument("dataset_id", metavar="DATASET", type=int)

_SHOWN_CHARACTERS = 60


@click.command("diff", short_help="Tell what changed from one exported dataset to another.")
@click.argument("before", metavar="DATASET", type=int)
@click.argument("after", metavar="OTHER", type=int)
@click.option(
    "--turns", default=0, metavar="N", help="Also list the first N turns, by the ids of conversations."
)
@as_json
def diff(before: int, after: int, turns: int, json_: bool) -> None:
    """Tell what came, went and changed from one exported dataset to another.

    Compares the examples by conversation and turn, the settings and the sizes; reads no text.

    \b
    Example:
      ftworker datasets diff 3 4
    """
    from ftworker.cli.context import load
    from ftworker.store.differences import count_difference, list_difference

    here = load()
    with here.store.transaction() as cursor:
        rows = [_exported(cursor, dataset_id) for dataset_id in (before, after)]
        counts = count_difference(cursor, before, after)
        moved = list_difference(cursor, before, after, limit=turns) if turns > 0 else []
    settings = changed_settings(rows[0].settings, rows[1].settings)
    sizes = changed_sizes(rows[0].manifest or {}, rows[1].manifest or {})
    if json_:
        emit_json(
            {
                "before": before,
                "after": after,
                **asdict(counts),
                "settings": [asdict(change) for change in settings],
                "sizes": [asdict(size) for size in sizes],
                "turns": [asdict(turn) for turn in moved],
            }
        )
        return
    click.echo(f"From {_name(rows[0])} to {_name(rows[1])}")
    _print_counts(counts, before, after)
    table(
        "Sizes",
        ["file", "rows", "", "tokens", "", "bytes", ""],
        [[size.name, *size.rows, *size.tokens, *size.bytes] for size in sizes],
    )
    if settings:
        table(
            "Settings",
            ["setting", f"dataset {before}", f"dataset {after}"],
            [[change.key, _shown(change.before), _shown(change.after)] for change in settings],
        )
    else:
        click.echo("Settings: the same.")
    if turns > 0:
        table(
            "Turns",
            ["", "source", "conversation", "turn", "reason"],
            [
                [turn.kind, turn.source_name, turn.conversation_id, turn.turn, turn.reason or ""]
                for turn in moved
            ],
        )


def _exported(cursor: Any, dataset_id: int) -> DatasetRow:
    from ftworker.store import datasets as stored

    row = stored.get_dataset(cursor, dataset_id)
    if row.manifest is None:
        raise Refused(f"dataset {dataset_id} is cut and not exported yet: its run does that next")
    return row


def _name(row: DatasetRow) -> str:
    return f"dataset {row.id} ({row.pipeline}, number {row.sequence})"


def _print_counts(counts: Counts, before: int, after: int) -> None:
    came, went = sum(counts.came.values()), sum(counts.went.values())
    click.echo(
        f"  {counts.same:,} examples in both, {came:,} came, {went:,} went, {counts.changed:,} with other content"
    )
    for title, reasons in (
        (f"Came: why dataset {before} has them not", counts.came),
        (f"Went: why dataset {after} has them not", counts.went),
    ):
        if reasons:
            ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
            table(
                title,
                ["reason", "examples", "meaning"],
                [[reason, count, meaning(reason)] for reason, count in ordered],
            )


def _shown(value: Any) -> str:
    text = "not set" if value is None else printable(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


@click.command("export", short_help="Write a finished dataset once more, in any format.")
@dataset_argument
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    help=f"Another form than its own: {', '.join(FORMATS)}.",
)
@click.option(
    "--output", required=True, metavar="DIR", help="A new or empty folder, a path or an fsspec URL."
)
@click.option("--overwrite", is_flag=True, help="Replace the dataset that lies there.")
@as_json
def export(dataset_id: int, format_: str | None, output: str, overwrite: bool, json_: bool) -> None:
    """Write a finished dataset once more, in any format: the same examples, sides and order.

    The dataset itself stays as it is. What was erased since is not written.

    \b
    Example:
      ftworker datasets export 3 --format prompt-completion --output for-trl
    """
    from ftworker.cli.context import load
    from ftworker.runs.rewriting import write_again

    here = load()
    with here.store.transaction() as cursor:
        row = _exported(cursor, dataset_id)
    assert row.manifest is not None
    examples = row.manifest["provenance"]["examples"]
    with progress(examples, "examples") as show_progress:
        result = write_again(
            here.store,
            here.settings,
            row,
            format_ or row.manifest["content"]["format"],
            output,
            overwrite=overwrite,
            progress=show_progress,
        )
    missing = examples - result.manifest.provenance.examples
    if json_:
        emit_json({"url": result.url, "missing": missing, "manifest": result.manifest.as_dict()})
        return
    click.echo(f"Written to {printable(result.url)}")
    table("", ["file", "rows", "bytes"], [[e.name, e.rows, e.bytes] for e in result.manifest.files()])
    if missing:
        click.echo(f"{missing:,} examples are not in it: they were erased or withheld since.")


@click.command("card")
@dataset_argument
def card(dataset_id: int) -> None:
    """Print a dataset's card: its README.md.

    \b
    Example:
      ftworker datasets card 3
    """
    click.echo(printable_lines(_text_of(dataset_id, "README.md")))


@click.command("report", short_help="Print where a dataset's report lies: figures and plots.")
@dataset_argument
@click.option("--open", "open_", is_flag=True, help="Open it in the browser.")
def report(dataset_id: int, open_: bool) -> None:
    """Print where a dataset's report lies: one HTML file with its figures and plots.

    \b
    Example:
      ftworker datasets report 3 --open
    """
    from ftworker.datasets.manifest import REPORT_NAME

    url = _url_of(dataset_id, REPORT_NAME)
    click.echo(printable(url.removeprefix("file://")))
    if open_ and click.launch(url) != 0:
        fail("no browser could be started; open the file yourself")


def _text_of(dataset_id: int, name: str) -> str:
    from ftworker.datasets.storage import read_text

    return read_text(_url_of(dataset_id, name))


def _url_of(dataset_id: int, name: str) -> str:
    """Where a file of an exported dataset lies; an error when it is not there."""
    from ftworker.cli.context import load
    from ftworker.datasets.storage import file_size

    here = load()
    with here.store.transaction() as cursor:
        row = _exported(cursor, dataset_id)
    url = f"{row.url}/{name}"
    file_size(url)
    return url
