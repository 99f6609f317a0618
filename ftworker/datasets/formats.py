"""What a row of a training file looks like, for each format, from the stored content of an example. Pure.

Stored content is canonical JSON without the system prompt: a list of messages, or for `unit = "preference"` an object
of `input`, `preferred_output` and `non_preferred_output`. Rows are UTF-8, accents as they are, no byte-order mark.
Bookkeeping never stands in a row: an unknown key fails a provider's job. docs/DATASETS.md shows a row of each format;
`rows` and `validate` judge them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from ftworker.conversations import canonical_json
from ftworker.curation.curate import ExampleMessage
from ftworker.curation.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from ftworker.errors import PermanentError

SUPERVISED_FORMATS = ("openai-chat", "prompt-completion", "instruction-json", "instruction-jsonl")
"""Formats that teach one answer to a prompt. A pair gives them its preferred answer."""
PREFERENCE_FORMATS = ("openai-preference", "preference")
"""Formats that teach which of two answers is better. Only pairs can be written so."""
FORMATS = SUPERVISED_FORMATS + PREFERENCE_FORMATS

FORMATS_OF_OPENAI = {"supervised": "openai-chat", "dpo": "openai-preference"}
"""What a service that speaks OpenAI's API trains on, by the method of training."""

SPEAKERS = {"user": "Usuario", "assistant": "Asistente", "system": "Sistema"}
"""Who spoke, in an instruction that begins with earlier turns."""


class InstructionRow(msgspec.Struct, frozen=True):
    """A row of the local form, its keys as the RAG's documentation writes them."""

    instruction: str
    response: str


class PlainMessage(msgspec.Struct, frozen=True):
    """A message as TRL and the preference formats have it: nothing but who said what, the same keys in each row."""

    role: str
    content: str


class StoredPair(msgspec.Struct, frozen=True):
    """The stored content of a preference example: one prompt, two answers of one assistant message each."""

    input: list[PlainMessage]
    preferred_output: list[PlainMessage]
    non_preferred_output: list[PlainMessage]


class PromptCompletionRow(msgspec.Struct, frozen=True):
    """TRL's conversational prompt-completion form. Its SFTTrainer learns from the completion alone."""

    prompt: list[PlainMessage]
    completion: list[PlainMessage]


class PreferenceRow(msgspec.Struct, frozen=True):
    """TRL's conversational preference form with an explicit prompt."""

    prompt: list[PlainMessage]
    chosen: list[PlainMessage]
    rejected: list[PlainMessage]


class PreferenceInput(msgspec.Struct, frozen=True):
    """The `input` of OpenAI's preference form; it may hold `tools` too, which our examples never do."""

    messages: list[PlainMessage]


class OpenAIPreferenceRow(msgspec.Struct, frozen=True):
    """OpenAI's preference form. Each output is exactly one assistant message."""

    input: PreferenceInput
    preferred_output: list[PlainMessage]
    non_preferred_output: list[PlainMessage]


@dataclass(frozen=True)
class RowFormat:
    """How rows are written and framed. A file is `head`, rows with `separator` between them, `tail`."""

    name: str
    extension: str
    head: bytes
    separator: bytes
    tail: bytes
    rows: Callable[[str], list[bytes]]
    """The rows of one example: several where a row holds a single answer and the example teaches more. Raises
    PermanentError for an example that cannot be written so."""
    tokens_per_row: int
    """What the format adds to an example's own tokens: the system prompt."""


def row_format(
    name: str, system_prompt: str, *, count_tokens: Callable[[str], int] = estimate_tokens
) -> RowFormat:
    """The format of that name. An empty system prompt adds no message. Raises PermanentError for an unknown name."""
    if name not in FORMATS:
        raise PermanentError(f"no dataset format named {name!r}; there are {', '.join(FORMATS)}")
    match name:
        case "instruction-json":
            return RowFormat(name, "json", b"[\n", b",\n", b"\n]\n", _indented_rows, 0)
        case "instruction-jsonl":
            return RowFormat(name, "jsonl", b"", b"\n", b"\n", _compact_rows, 0)
        case "openai-chat":
            rows = _openai_chat(system_prompt)
        case "openai-preference":
            rows = _openai_preference(system_prompt)
        case "prompt-completion":
            rows = _prompt_completion(system_prompt)
        case _:
            rows = _preference(system_prompt)
    system_tokens = count_tokens(system_prompt) + TOKENS_PER_MESSAGE if system_prompt else 0
    return RowFormat(name, "jsonl", b"", b"\n", b"\n", rows, system_tokens)


def holds_pair(content: str) -> bool:
    """Whether this stored content is a preference pair; else it is a list of messages."""
    return content.startswith("{")


def stored_pair(content: str) -> StoredPair:
    """The pair of a preference example. Raises PermanentError where the example is none."""
    if not holds_pair(content):
        raise PermanentError(
            "these examples are answers without a rejected one beside them, so they cannot be written as preference "
            f'pairs; expected a dataset of curation.unit = "preference", or a format of {", ".join(SUPERVISED_FORMATS)}'
        )
    return _pair.decode(content)


def lessons(content: str) -> list[tuple[Sequence[PlainMessage], PlainMessage]]:
    """The taught answers of an example, each with all that stands before it. Of a pair: the preferred answer."""
    if holds_pair(content):
        pair = _pair.decode(content)
        return [(pair.input, pair.preferred_output[0])]
    result: list[tuple[Sequence[PlainMessage], PlainMessage]] = []
    before: list[PlainMessage] = []
    for message in _messages.decode(content):
        plain = PlainMessage(message.role, message.content)
        if message.role == "assistant" and message.weight != 0:
            result.append((tuple(before), plain))
        before.append(plain)
    return result


def lesson_lengths(content: str) -> list[tuple[int, int]]:
    """Of each taught answer: the characters of all that stands before it, and its own. As `lessons`, and quicker."""
    if holds_pair(content):
        return [
            (sum(len(said.content) for said in before), len(answer.content))
            for before, answer in lessons(content)
        ]
    result = []
    before = 0
    for message in _messages.decode(content):
        length = len(message.content)
        if message.role == "assistant" and message.weight != 0:
            result.append((before, length))
        before += length
    return result


_messages = msgspec.json.Decoder(list[ExampleMessage])
_pair = msgspec.json.Decoder(StoredPair)


def _openai_chat(system_prompt: str) -> Callable[[str], list[bytes]]:
    head = '{"messages":['
    if system_prompt:
        head += canonical_json(ExampleMessage("system", system_prompt)).decode() + ","
    begins = head.encode()

    def rows(content: str) -> list[bytes]:
        if holds_pair(content):
            pair = _pair.decode(content)
            history = [
                ExampleMessage(said.role, said.content, 0 if said.role == "assistant" else None)
                for said in pair.input
            ]
            (answer,) = pair.preferred_output
            content = canonical_json([*history, ExampleMessage(answer.role, answer.content)]).decode()
        # The stored content is canonical JSON of the list already: joining bytes is exact, and much quicker than
        # decoding and encoding it again. Raw keeps the UTF-8 with the text, where `lesson_text` finds it.
        return [b"%b%b}" % (begins, bytes(msgspec.Raw(content))[1:])]

    return rows


def _openai_preference(system_prompt: str) -> Callable[[str], list[bytes]]:
    system = _system_message(system_prompt)

    def rows(content: str) -> list[bytes]:
        pair = stored_pair(content)
        row = OpenAIPreferenceRow(
            PreferenceInput([*system, *pair.input]), pair.preferred_output, pair.non_preferred_output
        )
        return [canonical_json(row)]

    return rows


def _prompt_completion(system_prompt: str) -> Callable[[str], list[bytes]]:
    system = _system_message(system_prompt)

    def rows(content: str) -> list[bytes]:
        return [
            canonical_json(PromptCompletionRow([*system, *before], [answer]))
            for before, answer in lessons(content)
        ]

    return rows


def _preference(system_prompt: str) -> Callable[[str], list[bytes]]:
    system = _system_message(system_prompt)

    def rows(content: str) -> list[bytes]:
        pair = stored_pair(content)
        return [
            canonical_json(
                PreferenceRow([*system, *pair.input], pair.preferred_output, pair.non_preferred_output)
            )
        ]

    return rows


def _system_message(system_prompt: str) -> list[PlainMessage]:
    return [PlainMessage("system", system_prompt)] if system_prompt else []


def instruction_rows(content: str) -> list[InstructionRow]:
    """One row for each taught answer. Without earlier turns the instruction is the question itself.

    With earlier turns it is all of them and the question, each after its speaker's name and a colon, a blank
    line between two. The system prompt is not in it: the model's Modelfile carries it.
    """
    result = []
    for before, answer in lessons(content):
        if len(before) == 1:
            instruction = before[0].content
        else:
            instruction = "\n\n".join(f"{SPEAKERS[said.role]}: {said.content}" for said in before)
        result.append(InstructionRow(instruction, answer.content))
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
