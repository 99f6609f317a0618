"""What a row of a training file looks like, for each format, from the stored content of an example. Pure.

`openai-chat`: one JSON object a line, `{"messages": [...]}`. `instruction-json`: one array of
`{"instruction", "response"}`; `instruction-jsonl`: the same, one a line. UTF-8, accents as they are, no
byte-order mark. Bookkeeping never stands in a row: an unknown key fails a provider's job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ftworker.conversations import canonical_json
from ftworker.curation.curate import ExampleMessage
from ftworker.curation.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from ftworker.errors import PermanentError

FORMATS = ("openai-chat", "instruction-json", "instruction-jsonl")

SPEAKERS = {"user": "Usuario", "assistant": "Asistente", "system": "Sistema"}
"""Who spoke, in an instruction that begins with earlier turns."""


class InstructionRow(msgspec.Struct, frozen=True):
    """A row of the local form, its keys as the RAG's documentation writes them."""

    instruction: str
    response: str


@dataclass(frozen=True)
class RowFormat:
    """How rows are written and framed. A file is `head`, rows with `separator` between them, `tail`."""

    name: str
    extension: str
    head: bytes
    separator: bytes
    tail: bytes
    rows: Callable[[str], list[bytes]]
    """The rows of one example: several where a row holds a single answer and the example teaches more."""
    tokens_per_row: int
    """What the format adds to an example's own tokens: the system prompt."""


def row_format(name: str, system_prompt: str) -> RowFormat:
    """The format of that name. An empty system prompt adds no message. Raises PermanentError."""
    match name:
        case "openai-chat":
            return _openai_chat(system_prompt)
        case "instruction-json":
            return RowFormat(name, "json", b"[\n", b",\n", b"\n]\n", _indented_rows, 0)
        case "instruction-jsonl":
            return RowFormat(name, "jsonl", b"", b"\n", b"\n", _compact_rows, 0)
        case _:
            raise PermanentError(f"no dataset format named {name!r}; there are {', '.join(FORMATS)}")


def _openai_chat(system_prompt: str) -> RowFormat:
    head = '{"messages":['
    if system_prompt:
        head += canonical_json(ExampleMessage("system", system_prompt)).decode() + ","

    def rows(content: str) -> list[bytes]:
        # The stored content is canonical JSON of the list already: joining texts is exact, and much quicker
        # than decoding and encoding it again.
        return [f"{head}{content[1:]}}}".encode()]

    system_tokens = estimate_tokens(system_prompt) + TOKENS_PER_MESSAGE if system_prompt else 0
    return RowFormat("openai-chat", "jsonl", b"", b"\n", b"\n", rows, system_tokens)


_messages = msgspec.json.Decoder(list[ExampleMessage])


def instruction_rows(content: str) -> list[InstructionRow]:
    """One row for each taught answer. Without earlier turns the instruction is the question itself.

    With earlier turns it is all of them and the question, each after its speaker's name and a colon, a blank
    line between two. The system prompt is not in it: the model's Modelfile carries it.
    """
    result = []
    before: list[ExampleMessage] = []
    for message in _messages.decode(content):
        if message.role == "assistant" and message.weight != 0:
            if len(before) == 1:
                instruction = before[0].content
            else:
                instruction = "\n\n".join(f"{SPEAKERS[said.role]}: {said.content}" for said in before)
            result.append(InstructionRow(instruction, message.content))
        before.append(message)
    return result


def _compact_rows(content: str) -> list[bytes]:
    return [canonical_json(row) for row in instruction_rows(content)]


def _indented_rows(content: str) -> list[bytes]:
    # As the RAG's documentation prints it, so that a person can read and correct the file.
    return [
        b'  {\n    "instruction": %b,\n    "response": %b\n  }'
        % (canonical_json(row.instruction), canonical_json(row.response))
        for row in instruction_rows(content)
    ]
