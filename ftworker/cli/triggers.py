"""`ftworker triggers`: why each pipeline did or did not fire, how far it is, and what its next run would take."""

from __future__ import annotations

from typing import Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import emit_json, printable
from ftworker.runs import cutting
from ftworker.runs.forecast import Forecast, forecast

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")


@click.command()
@click.argument("pipeline", required=False)
@as_json
def triggers(pipeline: str | None, json_: bool) -> None:
    """Why each pipeline did or did not fire, how far it is, and what its next run would take.

    Exit code 1 when the named one would not fire.

    \b
    Example:
      ftworker triggers tutor
    """
    here = load()
    names = [pipeline] if pipeline else list(here.settings.pipelines)
    reports = [cutting.explain_trigger(here.store, here.settings, name, here.clock()) for name in names]
    told = [forecast(here.store, here.settings, name) for name in names]
    if json_:
        emit_json(
            [
                {**_trigger_facts(report), "next_run": forecast_facts(one)}
                for report, one in zip(reports, told, strict=True)
            ]
        )
    else:
        for report, one in zip(reports, told, strict=True):
            _print_trigger(report)
            if one.new_examples:
                for line in forecast_lines(one):
                    click.echo(f"  {line}")
    if pipeline and not reports[0].decision.fires:
        raise SystemExit(1)


def _trigger_facts(report: cutting.TriggerReport) -> dict[str, Any]:
    decision = report.decision
    return {
        "pipeline": report.pipeline,
        "fires": decision.fires,
        "cause": decision.cause,
        "blocker": decision.blocker,
        "progress": round(decision.progress, 4),
        "waiting_examples": report.facts.waiting_examples,
        "waiting_tokens": report.facts.waiting_tokens,
        "oldest_at": report.facts.oldest_at,
        "last_cut_at": report.last_cut_at,
        "conditions": [
            {"name": c.name, "met": c.met, "have": c.have, "need": c.need, "text": c.text}
            for c in decision.conditions
        ],
    }


def _print_trigger(report: cutting.TriggerReport) -> None:
    decision = report.decision
    if decision.fires:
        verdict = f"fires now, by {decision.cause}"
    elif decision.cause:
        verdict = f"{decision.cause} holds, but {decision.blocker}"
    elif decision.blocker:
        verdict = f"does not fire: {decision.blocker}"
    else:
        verdict = "does not fire: no condition is met"
    click.echo(printable(f"{report.pipeline}: {verdict}"))
    for condition in decision.conditions:
        click.echo(printable(f"  [{'x' if condition.met else ' '}] {condition.name}: {condition.text}"))
    if not decision.conditions:
        click.echo("  no trigger is configured: it runs by hand only")


def forecast_facts(told: Forecast) -> dict[str, Any]:
    """What the next run would take. Keys are stable."""
    return {
        "pipeline": told.pipeline,
        "provider": told.provider,
        "base_model": told.base_model,
        "new_examples": told.new_examples,
        "train_examples": told.train_examples,
        "train_tokens": told.train_tokens,
        "counted_by": list(told.counted_by),
        "epochs": told.training.epochs,
        "trained_tokens": told.training.trained_tokens,
        "usd": told.training.usd,
        "trains_weights": told.trains_weights,
        "approval": told.approval,
    }


def forecast_lines(told: Forecast) -> list[str]:
    """The same for people."""
    how = "estimated" if told.is_estimated else f"counted by {', '.join(told.counted_by) or 'nobody yet'}"
    training = told.training
    cost = f", about {training.usd:.2f} USD" if training.usd is not None else ""
    examples = f"{told.train_examples:,} examples to train on ({told.new_examples:,} new)"
    spent = f"{training.epochs} epochs, {training.trained_tokens:,} trained tokens{cost}"
    if not told.trains_weights:
        spent = "no weights are trained"
    lines = [
        f"next run: about {examples}, {told.train_tokens:,} tokens ({how})",
        f"  {told.base_model} at {told.provider}: {spent}",
    ]
    if told.approval:
        lines.append(f"  {told.approval}")
    return [printable(line) for line in lines]
