"""The text of an example that others are compared with: its questions and answers, and nothing around them. Pure.

Retrieved passages, the history and the system prompt are left away: two answers to one question are copies of each
other whatever was retrieved for them, and two questions about one passage are not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ftworker.curation.curate import ExampleMessage
from ftworker.datasets.formats import holds_pair, stored_pair

_messages = msgspec.json.Decoder(list[ExampleMessage])


def lesson_text(content: str, bare: Callable[[str], str]) -> str:
    """What a stored example teaches, as one text. `bare` takes the passages off a prompt (`bare_question`)."""
    if holds_pair(content):
        pair = stored_pair(content)
        asked = [bare(said.content) for said in pair.input[-1:]]
        answers = [said.content for said in (*pair.preferred_output, *pair.non_preferred_output)]
        return "\n".join(asked + answers)
    parts: list[str] = []
    question = ""
    for message in _messages.decode(content):
        if message.role != "assistant":
            question = message.content
        elif message.weight != 0:
            parts += (bare(question), message.content)
    return "\n".join(parts)


def bare_question(template: str) -> Callable[[str], str]:
    """Takes the retrieved passages off a prompt that was made by `curation.context_template`.

    A prompt that does not look so made (a question without passages) stays as it is. Where passages hold the very
    words that the template puts between them and the question, a part of them stays: it only makes two examples with
    the same passages look more alike than they are.
    """
    before, context_first, between, after = _parts(template)
    if not between:
        # Nothing says where the passages end: whole prompts are compared.
        return lambda prompt: prompt

    def bare(prompt: str) -> str:
        if not (prompt.startswith(before) and prompt.endswith(after)):
            return prompt
        inner = prompt[len(before) : len(prompt) - len(after)]
        if context_first:
            _, found, question = inner.rpartition(between)
        else:
            question, found, _ = inner.partition(between)
        return question if found else prompt

    return bare


def _parts(template: str) -> tuple[str, bool, str, str]:
    """What stands before both places, whether the context comes first, and what stands between and after."""
    context, question = template.find("{context}"), template.find("{question}")
    first, second = ("{context}", "{question}") if context < question else ("{question}", "{context}")
    before, _, rest = template.partition(first)
    between, _, after = rest.partition(second)
    return before, context < question, between, after
