"""The vendor's look at a training file: what makes a job fail in `validating_files`. Written apart from
ftworker's own validator on purpose, so that a mistake there is not repeated here. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MINIMUM_EXAMPLES = 10
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
CHAT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
PREFERENCE_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
MESSAGE_KEYS = frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal"})
SPECIAL_TOKENS = re.compile(
    r"<\|(endoftext|fim_prefix|fim_middle|fim_suffix|endofprompt|im_start|im_end|im_sep|return|channel|call)\|>"
)


@dataclass(frozen=True)
class BadFile(Exception):
    """The job that uses the file fails with this code and message."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class TrainingData:
    """What the double keeps of a good file: rows, a token count (a quarter of the characters), and what it
    teaches.
    """

    rows: int
    tokens: int
    answers: dict[str, str]


def read_training_data(content: bytes, *, method: str, needs_minimum: bool) -> TrainingData:
    """Read a file as the vendor does. Raises BadFile with the vendor's code and words."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(
            "invalid_file_format", "Invalid file format. The file is not encoded in UTF-8."
        ) from None
    rows, characters, answers = 0, 0, {}
    for number, row in _rows(text):
        rows += 1
        messages = _messages(number, row, method)
        characters += sum(len(message.get("content") or "") for message in messages)
        questions = [message["content"] for message in messages if message["role"] == "user"]
        replies = [message["content"] for message in messages if message["role"] == "assistant"]
        if questions and replies:
            answers[questions[-1]] = replies[-1] or ""
    if needs_minimum and rows < MINIMUM_EXAMPLES:
        raise BadFile(
            "invalid_n_examples",
            f"Training file has {rows} example(s), but must have at least {MINIMUM_EXAMPLES} examples",
        )
    return TrainingData(rows=rows, tokens=max(1, characters // 4), answers=answers)


def _rows(text: str) -> Iterator[tuple[int, Any]]:
    # Not splitlines(): U+2028 and U+0085 inside a string are no line ends in JSONL.
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError:
            raise BadFile(
                "invalid_file_format", f"Invalid file format. Line {number} is not valid JSON."
            ) from None


def _messages(number: int, row: Any, method: str) -> list[dict[str, Any]]:
    if not isinstance(row, dict):
        raise BadFile("invalid_file_format", f"Invalid file format. Example {number} is not an object.")
    _refuse_unknown(number, row, PREFERENCE_KEYS if method == "dpo" else CHAT_KEYS)
    if method == "dpo":
        preferred = _output(number, row.get("preferred_output"))
        _output(number, row.get("non_preferred_output"))
        return _checked(number, (row.get("input") or {}).get("messages")) + preferred
    messages = _checked(number, row.get("messages"))
    if messages[-1]["role"] != "assistant":
        raise BadFile(
            "invalid_training_file",
            f"Invalid file format. Example {number}: the last message must be from the assistant.",
        )
    return messages


def _output(number: int, messages: Any) -> list[dict[str, Any]]:
    """One of a pair's two answers. The vendor: exactly one assistant message."""
    checked = _checked(number, messages)
    if len(checked) != 1 or checked[0]["role"] != "assistant":
        raise BadFile(
            "invalid_training_file",
            f"Invalid file format. Example {number}: an output must be exactly one assistant message.",
        )
    return checked


def _checked(number: int, messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise BadFile("invalid_training_file", f"Invalid file format. Example {number} has no messages.")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise BadFile(
                "invalid_training_file", f"Invalid file format. Example {number}: unrecognized role."
            )
        _refuse_unknown(number, message, MESSAGE_KEYS)
        content = message.get("content")
        if not isinstance(content, str) and not message.get("tool_calls"):
            raise BadFile("invalid_training_file", f"Invalid file format. Example {number}: missing content.")
        if "weight" in message and (message["role"] != "assistant" or message["weight"] not in {0, 1}):
            raise BadFile("invalid_training_file", f"Invalid file format. Example {number}: bad weight.")
        found = SPECIAL_TOKENS.search(content or "")
        if found:
            raise BadFile(
                "invalid_training_file",
                f"Invalid file format. Example {number} message contains an invalid token: {found.group()}.",
            )
    return messages


def _refuse_unknown(number: int, mapping: dict[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(mapping.keys() - known)
    if unknown:
        raise BadFile(
            "invalid_training_file",
            f"Invalid file format. Example {number} contains an unrecognized key: {unknown[0]}.",
        )
