"""How a source that was tried is shown: what was found, what a sample counts, and its newest conversations.

`cli.sources` asks the source. Here nothing is read, and what people wrote shows only where `show_text` says so.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import click

from ftworker.cli.output import WIDTH, age, printable, table
from ftworker.conversations import Conversation
from ftworker.installation import Installation
from ftworker.sources.contract import ListedConversation
from ftworker.sources.sample import Sample

SHOWN_CHARACTERS = 300


def seen(listed: ListedConversation, found: Conversation | None, *, show_text: bool) -> dict[str, Any]:
    """A conversation as JSON: counts, and its texts where they are asked for."""
    messages = found.messages if found is not None else ()
    identity = listed.conversation_id
    return {
        "conversation_id": identity if show_text or len(identity) <= 4 else f"…{identity[-4:]}",
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
        "debug": bool(found is not None and found.debug),
        **({"content": [{"role": m.role, "text": m.content} for m in messages]} if show_text else {}),
    }


def show(here: Installation, facts: dict[str, Any], *, show_text: bool) -> None:
    """Print what `sources test` found."""
    about_content = [finding for finding in facts["findings"] if finding["subject"] == "content"]
    others = [finding for finding in facts["findings"] if finding["subject"] != "content"]
    table(
        f"Source {facts['name']}",
        ["", "about", "seen"],
        [[finding["level"], finding["subject"], finding["message"]] for finding in others],
    )
    for finding in others:
        if finding["advice"]:
            click.echo(printable(f"{finding['level']}: {finding['message']}"))
            click.echo(printable(f"  -> {finding['advice']}"))
    if not facts["well"]:
        return
    count = facts["conversations"]
    click.echo(f"\nConversations: {count if count is not None else 'too many to count within the timeout'}")
    table(
        f"In the newest {facts['sample'].conversations} conversations",
        ["what", "how many", ""],
        _counted(facts["sample"]),
    )
    table(
        f"The newest {len(facts['newest'])}",
        ["id", "changed", "roles", "rated", "context", "errors", "course", "user"],
        [
            [
                one["conversation_id"] + (" (debug)" if one["debug"] else ""),
                age(one["last_change_at"], here.clock()),
                " ".join(f"{role}:{number}" for role, number in one["roles"].items()),
                one["rated"],
                one["with_context"],
                " ".join(f"{code}:{number}" for code, number in one["errors"].items()) or "-",
                one["course_id"],
                "known" if one["user_known"] else "-",
            ]
            for one in facts["newest"]
        ],
    )
    if about_content:
        click.echo("What this store cannot tell:")
        for finding in about_content:
            said = printable(finding["message"].removeprefix("does not say: "))
            click.echo(click.wrap_text(said, WIDTH - 1, initial_indent="  - ", subsequent_indent="    "))
    if not show_text:
        click.echo("What people wrote is hidden; --show-text shows it.")
        return
    for one in facts["newest"]:
        click.echo(f"\n{printable(one['conversation_id'])}")
        for message in one["content"]:
            text = printable(message["text"])
            cut = (
                f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"
                if len(text) > SHOWN_CHARACTERS
                else text
            )
            click.echo(f"  {printable(message['role']) or '(no role)'}: {cut}")


def _counted(seen: Sample) -> list[list[object]]:
    """The lines of a sample: what, how many, and of how many or which."""

    def share(number: int, whole: int) -> str:
        return f"{number / whole:.0%}" if whole else "-"

    def each(counts: Counter[str]) -> str:
        return ", ".join(f"{name} {number}" for name, number in counts.most_common(5)) or "-"

    answers, conversations = seen.answers, seen.conversations
    rated = seen.rated_up + seen.rated_down
    return [
        ["messages", seen.messages, each(seen.roles)],
        ["rated answers", rated, f"{share(rated, answers)}; {seen.rated_up} up, {seen.rated_down} down"],
        ["messages with passages", seen.with_context, f"passages: {seen.passages}"],
        ["answers with others beside them", seen.with_siblings, share(seen.with_siblings, answers)],
        ["corrected answers", seen.corrected, share(seen.corrected, answers)],
        ["failed messages", seen.errors.total(), each(seen.errors)],
        ["messages with a time", seen.timed, share(seen.timed, seen.messages)],
        ["answers that name their model", seen.models.total(), each(seen.models)],
        ["conversations of known users", seen.of_known_users, f"different users: {seen.users}"],
        ["courses", seen.courses, f"tenants: {seen.tenants}"],
        ["debug conversations", seen.debug, share(seen.debug, conversations)],
        ["consent given", seen.consented, f"{seen.refused} refused"],
    ]
