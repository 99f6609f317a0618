"""`ftworker datasets audit|golden`: whether a finished dataset leaks, and the golden set of a pipeline.

Part of the `datasets` group. Shows counts, codes and example ids; never a text.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ftworker.cli.output import age, emit_json, printable, progress, table

if TYPE_CHECKING:
    from ftworker.datasets.audit import Audit

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")

_PROGRESS_FROM_EXAMPLES = 20_000


@click.command("audit")
@click.argument("dataset_id", metavar="DATASET", type=int)
@as_json
def audit(dataset_id: int, json_: bool) -> None:
    """Prove that a finished dataset does not leak.

    Looks up every row of its files among the examples: that no conversation, no user and nothing nearly the same stands
    on two sides (train, validation, golden set), that nothing golden, withheld, erased or personal is inside, and that
    the files are the ones described. Ends with 1 when anything was found.

    \b
    Example:
      ftworker datasets audit 3
    """
    from ftworker.cli.context import load
    from ftworker.runs.auditing import audit as audit_dataset
    from ftworker.runs.exporting import look_for
    from ftworker.store import datasets as stored

    here = load()
    with here.store.transaction() as cursor:
        row = stored.get_dataset(cursor, dataset_id)
    look = look_for(here.settings, row)
    examples = (row.manifest or {}).get("provenance", {}).get("examples", 0)
    if json_ or examples < _PROGRESS_FROM_EXAMPLES:
        found = audit_dataset(here.store, dataset_id, look=look)
    else:
        with progress(None, "examples") as show_progress:
            found = audit_dataset(here.store, dataset_id, look=look, progress=show_progress)
    if json_:
        emit_json(audit_facts(found))
    else:
        _print(found)
    if not found.clean:
        raise SystemExit(1)


def audit_facts(found: Audit) -> dict[str, Any]:
    """An audit as JSON shows it. Keys are stable."""
    return {
        "dataset": found.dataset_id,
        "url": found.url,
        "clean": found.clean,
        "found": [
            {**asdict(one), "leak": one.leak.value, "meaning": one.leak.meaning} for one in found.found
        ],
        "figures": found.figures,
        "not_checked": found.not_checked,
    }


def _print(found: Audit) -> None:
    for one in found.found:
        detail = f" ({printable(one.detail)})" if one.detail else ""
        ids = f"; examples {', '.join(map(str, one.example_ids))}" if one.example_ids else ""
        click.echo(f"{one.leak.value}: {one.count}: {one.leak.meaning}{detail}{ids}")
    table("", ["looked at", "number"], [[name.replace("_", " "), n] for name, n in found.figures.items()])
    for reason in found.not_checked:
        click.echo(f"Not looked at: {reason}")
    click.echo(f"Dataset {found.dataset_id}: {'clean' if found.clean else 'NOT CLEAN'}")


@click.command("golden", short_help="Show how large a pipeline's golden set is, and since when.")
@click.argument("pipeline")
@as_json
def golden(pipeline: str, json_: bool) -> None:
    """Show the golden set of a pipeline: how large, since when, frozen by which dataset. No text.

    \b
    Example:
      ftworker datasets golden tutor
    """
    from ftworker.cli.context import load
    from ftworker.store import selection

    here = load()
    split = here.settings.pipeline(pipeline).split
    with here.store.transaction() as cursor:
        found = selection.golden_set(cursor, pipeline)
    if json_:
        emit_json(
            {
                "pipeline": pipeline,
                "frozen": found is not None,
                "examples": found.examples if found else 0,
                "users": found.users if found else 0,
                "frozen_at": found.frozen_at if found else None,
                "dataset": found.dataset_id if found else None,
                "golden_examples": split.golden_examples,
                "golden_share": split.golden_share,
            }
        )
    elif found is None:
        click.echo(
            f"No golden set yet: it is frozen by the first dataset that holds {split.golden_examples} examples of the "
            f"{split.golden_share:g} of users who never train."
        )
    else:
        click.echo(
            f"{found.examples} examples of {found.users} users, frozen {age(found.frozen_at, here.clock())} ago "
            f"by dataset {found.dataset_id}."
        )
