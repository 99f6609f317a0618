"""`ftworker datasets ...`: what was cut and exported, and whether a training file would pass at a provider.

`dataset_files` holds the commands that compare datasets and write or print their files, `dataset_audit` those that
prove that a dataset does not leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ftworker.cli.dataset_audit import audit, golden
from ftworker.cli.dataset_files import card, diff, export, report
from ftworker.cli.output import age, emit_json, fail, printable, progress, table
from ftworker.datasets.checks import Report
from ftworker.datasets.difference import meaning
from ftworker.datasets.estimate import TrainingEstimate, estimate_training
from ftworker.datasets.manifest import counted_by
from ftworker.errors import NotFound
from ftworker.settings import OpenAISettings, Settings
from ftworker.store.datasets import DatasetRow

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")

_PROGRESS_FROM_BYTES = 20_000_000


@click.group()
def datasets() -> None:
    """Datasets: list, show, compare, export, check.

    \b
    Example:
      ftworker datasets list
      ftworker datasets diff 3 4
      ftworker datasets audit 4
      ftworker datasets validate train.jsonl
    """


for _command in (diff, export, card, report, audit, golden):
    datasets.add_command(_command)


@datasets.command("list")
@click.option("--pipeline", help="Only of this pipeline.")
@click.option("--limit", default=20, show_default=True, help="At most so many, newest first.")
@as_json
def list_(pipeline: str | None, limit: int, json_: bool) -> None:
    """List datasets, newest first.

    \b
    Example:
      ftworker datasets list --pipeline tutor
    """
    from ftworker.cli.context import load
    from ftworker.store import datasets as stored

    here = load()
    with here.store.transaction() as cursor:
        found = stored.list_datasets(cursor, pipeline=pipeline, limit=limit)
    if json_:
        emit_json([dataset_facts(row) for row in found])
        return
    now = here.clock()
    table(
        "",
        ["dataset", "pipeline", "no.", "cut", "exported", "train", "validation", "tokens"],
        [
            [
                fact["id"],
                fact["pipeline"],
                fact["sequence"],
                age(fact["cut_at"], now),
                age(fact["exported_at"], now),
                fact["train_rows"],
                fact["validation_rows"],
                fact["tokens"],
            ]
            for fact in map(dataset_facts, found)
        ],
    )


@datasets.command("show", short_help="Show a dataset: files, split, what was left out, cost.")
@click.argument("dataset_id", metavar="DATASET", type=int)
@as_json
def show(dataset_id: int, json_: bool) -> None:
    """Show a dataset: files, split, what was left out, what training on it would cost.

    \b
    Example:
      ftworker datasets show 3
    """
    from ftworker.cli.context import load
    from ftworker.store import datasets as stored

    here = load()
    with here.store.transaction() as cursor:
        row = stored.get_dataset(cursor, dataset_id)
    facts = dataset_facts(row)
    estimate = _estimate(row, here.settings)
    if json_:
        emit_json({**facts, "manifest": row.manifest, "estimate": estimate})
        return
    click.echo(f"Dataset {row.id}: {row.pipeline}, number {row.sequence}, {row.new_examples} new examples")
    if row.manifest is None:
        click.echo("Cut, and not exported yet: its run does that next.")
        return
    content, origin = row.manifest["content"], row.manifest["provenance"]
    click.echo(f"  where    {printable(row.url)}")
    click.echo(f"  sha256   {printable(row.sha256)}")
    version = content["system_prompt"]["version"]
    click.echo(printable(f"  format   {content['format']}, system prompt version {version}"))
    click.echo(f"  split    {_split_text(content['split'])}")
    if estimate:
        cost = f", about {estimate.usd:.2f} USD" if estimate.usd is not None else ""
        click.echo(
            f"  training {estimate.epochs} epochs, {estimate.trained_tokens:,} tokens{cost} (estimated)"
        )
    for line in _selection_lines(origin.get("selection") or {}):
        click.echo(line)
    entries = [entry for entry in (content["train"], content["validation"], content.get("golden")) if entry]
    table(
        "",
        ["file", "rows", f"tokens ({counted_by(origin.get('tokenizers') or ())})", "bytes"],
        # The golden set is never trained on, and its tokens are not counted.
        [[e["name"], e["rows"], e["tokens"] or "-", e["bytes"]] for e in entries],
    )
    if origin.get("left_out"):
        table("Left out of its files", ["reason", "examples", "meaning"], _reasons(origin["left_out"]))
    if origin["drops"]:
        table("Never became examples", ["reason", "turns", "meaning"], _reasons(origin["drops"]))


@datasets.command("validate")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--max-problems", default=20, show_default=True, help="Show at most so many of a file.")
@click.option(
    "--any-size", is_flag=True, help="Do not ask for 10 rows: the file only validates, or trains locally."
)
@as_json
def validate(files: tuple[str, ...], max_problems: int, any_size: bool, json_: bool) -> None:
    """Check training files by every known rule of the providers.

    FILE is a path or an fsspec URL of chat examples, preference pairs or instruction files; or the folder of a
    dataset, whose files are checked against their manifest too. Ends with 1 when an error was found.

    \b
    Example:
      ftworker datasets validate train.jsonl
      ftworker datasets validate s3://bucket/datasets/tutor/3-1f0c9a7be210
    """
    reports: list[Report] = []
    for url in files:
        try:
            reports += _validate(url, max_problems, any_size)
        except NotFound as error:
            fail(str(error), 2)
    if json_:
        emit_json({"ok": all(r.ok for r in reports), "files": [report_facts(r) for r in reports]})
    else:
        for report in reports:
            _print_report(report)
    if not all(report.ok for report in reports):
        raise SystemExit(1)


def _validate(url: str, max_problems: int, any_size: bool) -> list[Report]:
    from ftworker.datasets.storage import file_size
    from ftworker.datasets.validate import MINIMUM_ROWS, is_dataset, validate_dataset, validate_file

    if is_dataset(url):
        return validate_dataset(url, max_problems=max_problems)
    minimum = 1 if any_size else MINIMUM_ROWS
    size = file_size(url)
    if size < _PROGRESS_FROM_BYTES:
        return [validate_file(url, minimum_rows=minimum, max_problems=max_problems)]
    with progress(size, "bytes") as show_progress:
        return [validate_file(url, minimum_rows=minimum, max_problems=max_problems, progress=show_progress)]


def _print_report(report: Report) -> None:
    for problem in report.problems:
        click.echo(f"{problem.check.level}: {printable(problem.text(report.file))} [{problem.check}]")
    hidden = report.counts.total() - len(report.problems)
    if hidden > 0:
        click.echo(f"... and {hidden} more; --max-problems {report.counts.total()} shows all")
    kind = report.kind or "unknown kind"
    click.echo(f"{printable(report.file)}: {report.rows} rows ({kind}), {report.size_bytes:,} bytes")
    if report.tokens:
        t = report.tokens
        click.echo(
            f"  tokens (estimated): {t.total:,} in all; a row {t.least} to {t.most}, "
            f"median {t.median}, 95 % up to {t.p95}"
        )
        click.echo(f'  n_epochs = "auto" would be about {report.estimated_epochs}')
    verdict = "passes" if report.ok else "fails"
    click.echo(f"  {verdict}: {report.errors} errors, {report.warnings} warnings")


def report_facts(report: Report) -> dict[str, Any]:
    """A report as JSON shows it. Keys are stable."""
    return {
        "file": report.file,
        "ok": report.ok,
        "kind": report.kind,
        "rows": report.rows,
        "size_bytes": report.size_bytes,
        "sha256": report.sha256,
        "errors": report.errors,
        "warnings": report.warnings,
        "counts": {check.value: count for check, count in sorted(report.counts.items())},
        "problems": [
            {
                "check": problem.check.value,
                "level": problem.check.level,
                "line": problem.line,
                "field": problem.field,
                "message": problem.message,
            }
            for problem in report.problems
        ],
        "tokens": report.tokens,
        "estimated_epochs": report.estimated_epochs,
    }


def dataset_facts(row: DatasetRow) -> dict[str, Any]:
    """A dataset as commands and pages show it. Keys are stable; what export finds out is null until then."""
    content: Mapping[str, Any] = row.manifest["content"] if row.manifest else {}
    train, validation = content.get("train"), content.get("validation")
    return {
        "id": row.id,
        "pipeline": row.pipeline,
        "sequence": row.sequence,
        "strategy": row.strategy,
        "format": row.settings.get("format"),
        "new_examples": row.new_examples,
        "train_rows": train["rows"] if train else None,
        "validation_rows": validation["rows"] if validation else 0 if train else None,
        "tokens": train["tokens"] + (validation["tokens"] if validation else 0) if train else None,
        "sha256": row.sha256,
        "url": row.url,
        "cut_at": row.cut_at,
        "exported_at": row.exported_at,
    }


def _estimate(row: DatasetRow, settings: Settings) -> TrainingEstimate | None:
    """By the pipeline's present settings; None before export, or for a pipeline that is configured no more."""
    pipeline = settings.pipelines.get(row.pipeline)
    if pipeline is None or row.manifest is None:
        return None
    provider = settings.provider(pipeline.provider)
    prices = provider.price_per_million_tokens if isinstance(provider, OpenAISettings) else {}
    train = row.manifest["content"]["train"]
    return estimate_training(
        train["rows"],
        train["tokens"],
        n_epochs=pipeline.training.n_epochs,
        model=pipeline.base_model,
        price_per_million_tokens=prices,
    )


def _reasons(counts: Mapping[str, int]) -> list[list[Any]]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [[reason, count, meaning(reason)] for reason, count in ordered]


def _selection_lines(figures: Mapping[str, Any]) -> list[str]:
    """What the selection counted, in words; none for a dataset of a release without selection."""
    if not figures:
        return []
    refusals = f"{figures['refusals']:,} ({figures['refusal_share']:.1%})"
    own = f"{figures['own_model']:,} ({figures['own_model_share']:.1%})"
    return [
        f"  chosen   {figures['kept']:,} of {figures['examples']:,} examples",
        f"  refusals {refusals}, answers by models tuned here {own}",
        f"  golden   {figures['golden']:,} examples, which never train",
    ]


def _split_text(split: Mapping[str, Any]) -> str:
    text = f"{split['validation_share']:g} of the users validate, salt {printable(split['salt'])}"
    return f"{text}; no validation file: {printable(split['given_up'])}" if split["given_up"] else text
