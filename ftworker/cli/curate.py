"""`ftworker curate`: what becomes of a conversation, and with --explain why: turn by turn, rule by rule, to the line.

What people wrote shows only with --show-text. The work is in `ftworker.explain`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ftworker.cli.context import load
from ftworker.cli.output import emit_json, printable, printable_lines, table

if TYPE_CHECKING:
    from ftworker.curation.examples import Example
    from ftworker.explain import Belonging, Explained, Story
    from ftworker.store.explain import StoredExample


@click.command()
@click.argument("conversation", metavar="CONVERSATION")
@click.option(
    "--explain", "explain_", is_flag=True, help="Every rule that judged each turn, its value and its limit."
)
@click.option("--source", "source_name", help="The source, where several have a conversation of this id.")
@click.option("--pipeline", help="Only in this pipeline; without it, in each that takes the conversation.")
@click.option(
    "--show-text", is_flag=True, help="Print what was said, and the examples. They can be personal."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON with stable keys.")
def curate(
    conversation: str,
    *,
    explain_: bool,
    source_name: str | None,
    pipeline: str | None,
    show_text: bool,
    json_: bool,
) -> None:
    """Show what becomes of a conversation: examples and drops, and the lines of the datasets that hold them.

    CONVERSATION is its id in the RAG. It is read from the event that closed it, or from its source, and curated once
    more in memory; nothing is changed. Ends with 1 where nobody has it.

    \b
    Example:
      ftworker curate --explain tutor-0015
      ftworker curate tutor-0015 --pipeline tutor --show-text
    """
    from ftworker.explain import explain

    here = load()
    told = explain(
        here.store,
        here.settings,
        here.make_source,
        conversation,
        source_name=source_name,
        pipeline=pipeline,
    )
    if json_:
        emit_json(explained_facts(told, show_text=show_text))
        return
    one = told.conversation
    click.echo(
        f"Conversation {printable(one.conversation_id)} of source {printable(one.source_name)}: "
        f"{len(one.messages)} messages, read from its {told.read_from}"
        + (f", closed: {printable(told.closed_reason)}" if told.closed_reason else "")
    )
    if told.known is None:
        click.echo("  not taken in yet: what follows is what it would give")
    if show_text:
        for message in one.messages:
            click.echo(f"  {printable(message.role)}: {printable_lines(message.content)}")
    for name in told.other_pipelines:
        click.echo(f"Pipeline {name} does not take it: another source, tenant or course.")
    for story in told.stories:
        _print_story(story, explain_=explain_, show_text=show_text)


def _print_story(story: Story, *, explain_: bool, show_text: bool) -> None:
    click.echo(
        f"\nPipeline {story.pipeline} makes {len(story.given.examples)} examples and "
        f"{len(story.given.drops)} drops of it"
    )
    if story.given.redactions:
        redacted = ", ".join(f"{number} {kind}" for kind, number in story.given.redactions.items())
        click.echo(f"  redacted: {redacted}")
    if explain_:
        table(
            "Rules, in order",
            ["turn", "rule", "outcome", "value", "limit"],
            [
                [_turn(step.turn), step.rule, step.outcome, step.value, step.limit]
                for step in sorted(story.trace.steps, key=lambda step: step.turn)
            ],
        )
    table("What became of it", ["turn", "now", "stored", "where"], list(_fates(story)))
    if show_text:
        for example in story.given.examples:
            click.echo(f"Example of turn {example.turn}:")
            click.echo(printable_lines(json.dumps(json.loads(example.content), ensure_ascii=False, indent=2)))


def _fates(story: Story) -> Iterator[list[str]]:
    given = {example.turn: example for example in story.given.examples}
    dropped = {drop.turn: drop.reason for drop in story.given.drops}
    kept = {example.turn: example for example in story.examples}
    left = {drop.turn: drop.reason for drop in story.drops}
    for turn in story.turns():
        now = (
            _now(given[turn])
            if turn in given
            else dropped.get(turn, "in another turn's example" if turn >= 0 else "-")
        )
        was = kept.get(turn)
        if was is not None:
            yield [
                _turn(turn),
                now,
                f"example {was.id}",
                "; ".join(_whereabouts(was, story.datasets.get(was.id, ()))),
            ]
        elif turn in given or turn in dropped or turn in left:
            yield [_turn(turn), now, f"dropped: {left[turn]}" if turn in left else "-", "-"]


def _whereabouts(example: StoredExample, belongings: Any) -> Iterator[str]:
    if example.erased_at is not None:
        yield "erased"
    elif example.withheld is not None:
        yield f"withheld: {example.withheld}"
    elif example.dataset_id is None:
        yield "waits for the next dataset"
    for one in belongings:
        yield _whereabout(one)


def _whereabout(one: Belonging) -> str:
    dataset = f"dataset {one.dataset.dataset_id}"
    places = ", ".join(map(str, one.places))
    if one.dataset.left_out is not None:
        of = f" (of example {one.dataset.of_example_id})" if one.dataset.of_example_id is not None else ""
        return f"{dataset} left out: {one.dataset.left_out}{of}" + (f", {places}" if places else "")
    if one.dataset.url is None:
        return f"{dataset}, not exported yet"
    if one.problem is not None:
        return f"{dataset}, cannot look: {one.problem}"
    return f"{dataset}, {places or 'in none of its files'}"


def _now(example: Example) -> str:
    marks = [name for name in ("refusal", "unsupported", "corrected") if getattr(example, name)]
    return f"example, {example.token_count} tokens" + (f", {', '.join(marks)}" if marks else "")


def _turn(turn: int) -> str:
    return "all" if turn < 0 else str(turn)


def explained_facts(told: Explained, *, show_text: bool) -> dict[str, Any]:
    """The story as JSON shows it. Keys are stable; texts are null unless they are asked for."""
    one = told.conversation
    return {
        "source": one.source_name,
        "conversation_id": one.conversation_id,
        "row": told.known.row_id if told.known else None,
        "messages": len(one.messages),
        "read_from": told.read_from,
        "closed_reason": told.closed_reason,
        "texts": [{"role": m.role, "content": m.content} for m in one.messages] if show_text else None,
        "other_pipelines": list(told.other_pipelines),
        "pipelines": [_story_facts(story, show_text=show_text) for story in told.stories],
    }


def _story_facts(story: Story, *, show_text: bool) -> dict[str, Any]:
    return {
        "pipeline": story.pipeline,
        "redactions": dict(story.given.redactions),
        "steps": story.trace.steps,
        "examples": [
            {
                "turn": example.turn,
                "tokens": example.token_count,
                "tokenizer": example.tokenizer,
                "rating": example.rating,
                "refusal": example.refusal,
                "unsupported": example.unsupported,
                "corrected": example.corrected,
                "content": json.loads(example.content) if show_text else None,
            }
            for example in story.given.examples
        ],
        "drops": story.given.drops,
        "stored_examples": [
            {
                "id": example.id,
                "turn": example.turn,
                "withheld": example.withheld,
                "erased": example.erased_at is not None,
                "datasets": [
                    {
                        "dataset": b.dataset.dataset_id,
                        "left_out": b.dataset.left_out,
                        "of_example": b.dataset.of_example_id,
                        "lines": [str(place) for place in b.places],
                        "problem": b.problem,
                    }
                    for b in story.datasets.get(example.id, ())
                ],
            }
            for example in story.examples
        ],
        "stored_drops": [{"turn": drop.turn, "reason": drop.reason} for drop in story.drops],
    }
