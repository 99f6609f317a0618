"""Reads the rows of a training file as conversations: every format of `ftworker.datasets.formats`, a row at a time.

A wrong row ends the training with its file and line, never with its text. Never renders or counts tokens:
`rendering` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from ftworker.datasets.formats import PREFERENCE_FORMATS
from ftworker.datasets.reading import FileFacts, Pairs, Unreadable, buffered, read_rows
from ftworker.training.stage import StageFailed

_Row = TypeVar("_Row")

Message = dict[str, str]
"""`role` and `content`, as chat templates take them."""


@dataclass(frozen=True)
class Taught:
    """A conversation and which of its assistant messages are to be learned, by their index, in order."""

    messages: list[Message]
    taught: list[int]
    line: int


@dataclass(frozen=True)
class Preferred:
    """A prompt with two answers: the chosen one and the rejected one."""

    prompt: list[Message]
    chosen: Message
    rejected: Message
    line: int


class _Chat(msgspec.Struct):
    messages: list[_Weighted]


class _Weighted(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: str
    weight: int | None = None


class _Plain(msgspec.Struct):
    role: Literal["system", "user", "assistant"]
    content: str


class _PromptCompletion(msgspec.Struct):
    prompt: list[_Plain]
    completion: list[_Plain]


class _Instruction(msgspec.Struct):
    instruction: str
    response: str


class _Prompt(msgspec.Struct):
    messages: list[_Plain]


class _OpenAIPreference(msgspec.Struct):
    input: _Prompt
    preferred_output: list[_Plain]
    non_preferred_output: list[_Plain]


class _Preference(msgspec.Struct):
    prompt: list[_Plain]
    chosen: list[_Plain]
    rejected: list[_Plain]


def read_taught(file: Path, form: str, system_prompt: str) -> Iterator[Taught]:
    """The conversations of a file of a supervised format. An instruction gets the system prompt, which is not in its
    row, since serving puts it there. Raises StageFailed (`row_malformed`).
    """
    for line, value in _rows(file):
        match form:
            case "openai-chat":
                said = _convert(value, _Chat, file, line).messages
                messages = [_message(each) for each in said]
                taught = [
                    place for place, each in enumerate(said) if each.role == "assistant" and each.weight != 0
                ]
            case "prompt-completion":
                row = _convert(value, _PromptCompletion, file, line)
                messages = [_message(each) for each in [*row.prompt, *row.completion]]
                taught = [
                    place for place in range(len(row.prompt), len(messages)) if _is_answer(messages[place])
                ]
            case _:
                pair = _convert(value, _Instruction, file, line)
                messages = [{"role": "system", "content": system_prompt}] if system_prompt else []
                messages.append({"role": "user", "content": pair.instruction})
                messages.append({"role": "assistant", "content": pair.response})
                taught = [len(messages) - 1]
        if not taught:
            raise _malformed(file, line, "no assistant message to learn")
        yield Taught(messages, taught, line)


def read_preferred(file: Path, form: str) -> Iterator[Preferred]:
    """The pairs of a file of a preference format. Raises StageFailed (`row_malformed`)."""
    for line, value in _rows(file):
        if form == "openai-preference":
            row = _convert(value, _OpenAIPreference, file, line)
            prompt, chosen, rejected = row.input.messages, row.preferred_output, row.non_preferred_output
        else:
            plain = _convert(value, _Preference, file, line)
            prompt, chosen, rejected = plain.prompt, plain.chosen, plain.rejected
        for name, output in (("chosen", chosen), ("rejected", rejected)):
            if len(output) != 1 or output[0].role != "assistant":
                raise _malformed(file, line, f"the {name} answer must be exactly one assistant message")
        yield Preferred([_message(each) for each in prompt], _message(chosen[0]), _message(rejected[0]), line)


def is_preference(form: str) -> bool:
    """Whether rows of this format are pairs."""
    return form in PREFERENCE_FORMATS


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    try:
        source = file.open("rb")
    except OSError as error:
        raise StageFailed(
            "data_missing", f"{file.name}: cannot be read ({error.strerror}); fetch the dataset again"
        ) from error
    with source:
        for line, value in read_rows(buffered(source), FileFacts()):
            if isinstance(value, Unreadable):
                raise _malformed(file, line, value.message)
            yield line, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Pairs):
        return {key: _plain(inner) for key, inner in value.items}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _convert(value: Any, kind: type[_Row], file: Path, line: int) -> _Row:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # Where it is, and nothing of what stands there: msgspec quotes a wrong value of an enumeration.
        _, found, path = str(error).rpartition(" - at `$")
        where = path.rstrip("`").lstrip(".") if found else "the row"
        raise _malformed(file, line, f"{where} is missing or of a wrong type") from None


def _malformed(file: Path, line: int, message: str) -> StageFailed:
    return StageFailed(
        "row_malformed",
        f"{file.name} line {line}: {message}; `ftworker datasets validate` names every such row",
    )


def _message(said: _Weighted | _Plain) -> Message:
    return {"role": said.role, "content": said.content}


def _is_answer(message: Message) -> bool:
    return message["role"] == "assistant"
