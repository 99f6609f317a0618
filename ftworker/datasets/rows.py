"""The checks of one row: chat examples, preference pairs (OpenAI's and TRL's), prompt and completion, instruction
and response. Pure.

Every rule is of the provider's documentation or of its well-known checks (see docs/DATASETS.md). A row
arrives as parsed pairs; findings go to the report with the field they are about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from ftworker.curation.reasons import DropReason
from ftworker.curation.screening import flaw, has_special_token
from ftworker.curation.tokens import TOKENS_PER_MESSAGE, estimate_tokens
from ftworker.datasets.checks import Check, Report, RowKind, shown
from ftworker.datasets.reading import Pairs

ROLES = ("system", "user", "assistant", "tool")
CHAT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
MESSAGE_KEYS = frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id", "refusal"})
PREFERENCE_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
INSTRUCTION_KEYS = frozenset({"instruction", "response"})
TRL_KEYS: dict[RowKind, tuple[str, ...]] = {
    "prompt-completion": ("prompt", "completion"),
    "preference": ("prompt", "chosen", "rejected"),
}
"""Keys of TRL's forms, the prompt first (its documentation, "Dataset formats and types")."""
TRL_OTHER_KEYS = frozenset({"tools", "chat_template_kwargs"})

MAX_TOKENS = 65_536
"""Longer examples are cut from the end. The estimate may be 40 % high, so that only above that it is an
error.
"""
SURELY_TOO_MANY_TOKENS = MAX_TOKENS * 14 // 10

_KNOWN_TOKEN = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep)|start|end|message|"
    r"return|channel|call|constrain)\|>"
)


@dataclass
class RowContext:
    """Where findings of one row go."""

    report: Report
    line: int

    def add(self, check: Check, where: str, message: str) -> None:
        self.report.add(check, self.line, where, message)


def kind_of(row: Mapping[str, Any]) -> RowKind | None:
    """What kind of row has these keys; None when none is recognised."""
    if "messages" in row:
        return "openai-chat"
    if "input" in row or "preferred_output" in row or "non_preferred_output" in row:
        return "openai-preference"
    if "chosen" in row or "rejected" in row:
        return "preference"
    if "prompt" in row or "completion" in row:
        return "prompt-completion"
    if "instruction" in row or "response" in row:
        return "instruction"
    return None


def as_object(value: Any, where: str, found: RowContext) -> dict[str, Any] | None:
    """The pairs as a mapping, keys given twice reported; None, reported, for anything else."""
    if not isinstance(value, Pairs):
        found.add(Check.DATA_TYPE, where, f"expected an object, found {_type(value)}")
        return None
    result = dict(value.items)
    if len(result) != len(value.items):
        keys = [key for key, _ in value.items]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            found.add(Check.DUPLICATE_KEY, _join(where, key), "this key is given more than once")
    return result


def check_row(row: Mapping[str, Any], kind: RowKind, found: RowContext) -> int:
    """Check one row of that kind; returns its estimated tokens."""
    match kind:
        case "openai-chat":
            tokens = _check_chat(row, found)
        case "openai-preference":
            tokens = _check_openai_preference(row, found)
        case "prompt-completion" | "preference":
            tokens = _check_trl(row, kind, found)
        case "instruction":
            tokens = _check_instruction(row, found)
        case _:
            assert_never(kind)
    check_token_limit(tokens, found)
    return tokens


def check_token_limit(tokens: int, found: RowContext) -> None:
    """Report a row that is, or may be, above the provider's limit."""
    if tokens > SURELY_TOO_MANY_TOKENS:
        found.add(Check.TOO_MANY_TOKENS, "", f"about {tokens} tokens, the limit is {MAX_TOKENS}")
    elif tokens > MAX_TOKENS:
        found.add(Check.NEAR_TOKEN_LIMIT, "", f"about {tokens} tokens, the limit is {MAX_TOKENS}")


def _check_chat(row: Mapping[str, Any], found: RowContext) -> int:
    for key in sorted(row.keys() - CHAT_KEYS):
        found.add(Check.UNKNOWN_ROW_KEY, key[:40], f"expected only {_names(CHAT_KEYS)}")
    _check_tools(row, "", found)
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        found.add(Check.MISSING_MESSAGES_LIST, "messages", "expected a list with at least one message")
        return 0
    tokens, roles, weights = 0, [], []
    for place, message in enumerate(messages):
        role, weight, counted = _check_message(message, f"messages[{place}]", found)
        tokens += counted
        roles.append(role)
        if role == "assistant":
            weights.append(weight)
    if "assistant" not in roles:
        found.add(Check.MISSING_ASSISTANT_MESSAGE, "messages", "expected at least one assistant message")
    elif roles[-1] != "assistant":
        found.add(
            Check.NOT_ENDED_BY_ASSISTANT,
            f"messages[{len(roles) - 1}].role",
            "expected 'assistant' at the end",
        )
    if weights and all(weight == 0 for weight in weights):
        found.add(Check.NOTHING_TO_TEACH, "messages", "every assistant message has weight 0")
    _check_prompt_roles(roles, "messages", found)
    return tokens


def _check_prompt_roles(roles: list[str], where: str, found: RowContext) -> None:
    if "system" not in roles:
        found.add(Check.MISSING_SYSTEM_MESSAGE, where, "no system message; serving usually has one")
    elif "system" in roles[1:]:
        found.add(Check.SYSTEM_NOT_FIRST, f"{where}[{roles.index('system', 1)}].role", "system belongs first")
    if "user" not in roles:
        found.add(Check.MISSING_USER_MESSAGE, where, "no user message")


def _check_tools(row: Mapping[str, Any], where: str, found: RowContext) -> None:
    if "tools" in row and not isinstance(row["tools"], list):
        found.add(Check.DATA_TYPE, _join(where, "tools"), f"expected a list, found {_type(row['tools'])}")
    if "parallel_tool_calls" in row and not isinstance(row["parallel_tool_calls"], bool):
        found.add(Check.DATA_TYPE, _join(where, "parallel_tool_calls"), "expected true or false")


def _check_message(value: Any, where: str, found: RowContext) -> tuple[str, Any, int]:
    """Role ("" when there is none), weight, tokens."""
    message = as_object(value, where, found)
    if message is None:
        return "", None, 0
    for key in sorted(message.keys() - MESSAGE_KEYS):
        found.add(Check.MESSAGE_UNRECOGNIZED_KEY, _join(where, key), f"expected only {_names(MESSAGE_KEYS)}")
    role = message.get("role")
    if "role" not in message:
        found.add(Check.MESSAGE_MISSING_KEY, f"{where}.role", f"expected one of {', '.join(ROLES)}")
    elif role not in ROLES:
        found.add(Check.UNRECOGNIZED_ROLE, f"{where}.role", f"{shown(role)} is not one of {', '.join(ROLES)}")
    weight = message.get("weight")
    if "weight" in message:
        if role != "assistant":
            found.add(Check.WEIGHT_NOT_ALLOWED, f"{where}.weight", "only assistant messages have a weight")
        if isinstance(weight, bool) or weight not in (0, 1):
            found.add(Check.WEIGHT_VALUE, f"{where}.weight", f"{shown(weight)} is neither 0 nor 1")
    tokens = TOKENS_PER_MESSAGE
    for place, text in _texts(message, where, found):
        tokens += estimate_tokens(text)
        _check_text(text, place, found)
    return role if isinstance(role, str) else "", weight, tokens


def _texts(message: Mapping[str, Any], where: str, found: RowContext) -> Iterator[tuple[str, str]]:
    """The texts of a message with their fields; what is missing or of a wrong type is reported."""
    content = message.get("content")
    where = f"{where}.content"
    if isinstance(content, str):
        if not content.strip() and not message.get("tool_calls"):
            found.add(Check.MISSING_CONTENT, where, "expected text")
        yield where, content
    elif content is None:
        if message.get("tool_calls"):
            return
        if "content" in message:
            found.add(Check.MISSING_CONTENT, where, "null is allowed only beside tool_calls")
        else:
            found.add(Check.MESSAGE_MISSING_KEY, where, "expected text")
    elif isinstance(content, list) and content:
        for place, part in enumerate(content):
            field = f"{where}[{place}]"
            values = as_object(part, field, found)
            if values is None:
                continue
            text = values.get("text")
            if isinstance(text, str):
                yield f"{field}.text", text
            elif values.get("type", "text") == "text":
                found.add(Check.MISSING_CONTENT, field, "expected a part with a type, and its text or image")
    else:
        found.add(Check.DATA_TYPE, where, f"expected text, found {_type(content)}")


def _check_text(text: str, where: str, found: RowContext) -> None:
    # By curation's own eyes, so that what curation lets through always passes here.
    first = flaw(text)
    if first is None:
        return
    if first is DropReason.LONE_SURROGATE:
        found.add(Check.LONE_SURROGATE, where, "half of a surrogate pair: not a character")
    elif first is DropReason.CONTROL_CHARACTERS:
        found.add(Check.CONTROL_CHARACTERS, where, "control characters stand in the text")
    if _KNOWN_TOKEN.search(text):
        found.add(Check.SPECIAL_TOKENS, where, "a control token of the chat format stands in the text")
    elif has_special_token(text):
        found.add(Check.LOOKS_LIKE_TOKEN, where, "what looks like a control token stands in the text")


def _check_openai_preference(row: Mapping[str, Any], found: RowContext) -> int:
    for key in sorted(row.keys() - PREFERENCE_KEYS):
        found.add(Check.UNKNOWN_ROW_KEY, key[:40], f"expected only {_names(PREFERENCE_KEYS)}")
    tokens = 0
    if "input" not in row:
        found.add(Check.MISSING_KEY, "input", 'expected {"messages": [...]}')
    elif (prompt := as_object(row["input"], "input", found)) is not None:
        for key in sorted(prompt.keys() - CHAT_KEYS):
            found.add(Check.UNKNOWN_ROW_KEY, f"input.{key[:40]}", f"expected only {_names(CHAT_KEYS)}")
        _check_tools(prompt, "input", found)
        tokens += _check_prompt(prompt.get("messages"), "input.messages", found)
    outputs = []
    for key in ("preferred_output", "non_preferred_output"):
        if key not in row:
            found.add(Check.MISSING_KEY, key, "expected a list with one assistant message")
            continue
        output = row[key]
        if not isinstance(output, list) or len(output) != 1:
            found.add(Check.OUTPUT_COUNT, key, "expected a list with exactly one assistant message")
            continue
        role, _, counted = _check_message(output[0], f"{key}[0]", found)
        if role != "assistant":
            found.add(Check.OUTPUT_COUNT, f"{key}[0].role", "expected 'assistant'")
        tokens += counted
        outputs.append(output)
    if len(outputs) == 2 and outputs[0] == outputs[1]:
        found.add(Check.SAME_OUTPUTS, "non_preferred_output", "equal to preferred_output")
    return tokens


def _check_prompt(messages: Any, where: str, found: RowContext) -> int:
    """The messages before an output; returns their tokens."""
    if not isinstance(messages, list) or not messages:
        found.add(Check.MISSING_MESSAGES_LIST, where, "expected a list with at least one message")
        return 0
    checked = [_check_message(message, f"{where}[{place}]", found) for place, message in enumerate(messages)]
    roles = [role for role, _, _ in checked]
    _check_prompt_roles(roles, where, found)
    if roles[-1] not in {"user", "tool", ""}:
        found.add(
            Check.PROMPT_NOT_ENDED_BY_USER, f"{where}[{len(roles) - 1}].role", "expected 'user' at the end"
        )
    return sum(counted for _, _, counted in checked)


def _check_trl(row: Mapping[str, Any], kind: RowKind, found: RowContext) -> int:
    """TRL's forms: all fields lists of messages (conversational), or all of them texts (standard)."""
    keys = TRL_KEYS[kind]
    for key in sorted(row.keys() - TRL_OTHER_KEYS - set(keys)):
        found.add(Check.UNKNOWN_KEY, key[:40], f"expected only {', '.join(keys)}")
    tokens = 0
    given = [key for key in keys if key in row]
    texts = bool(given) and all(isinstance(row[key], str) for key in given)
    for key in keys:
        if key not in row:
            found.add(Check.MISSING_KEY, key, "expected a list of messages")
        elif texts:
            tokens += _check_plain_text(row[key], key, found)
        elif not isinstance(row[key], list):
            found.add(Check.DATA_TYPE, key, f"expected a list of messages, found {_type(row[key])}")
        elif key == "prompt":
            tokens += _check_prompt(row[key], key, found)
        else:
            tokens += _check_output(row[key], key, found)
    if kind == "preference" and len(given) == len(keys) and row["chosen"] == row["rejected"]:
        found.add(Check.SAME_OUTPUTS, "rejected", "equal to chosen")
    return tokens


def _check_output(messages: list[Any], where: str, found: RowContext) -> int:
    if not messages:
        found.add(Check.MISSING_MESSAGES_LIST, where, "expected a list with at least one message")
        return 0
    checked = [_check_message(message, f"{where}[{place}]", found) for place, message in enumerate(messages)]
    if checked[-1][0] != "assistant":
        place = f"{where}[{len(checked) - 1}].role"
        found.add(Check.OUTPUT_NOT_ENDED_BY_ASSISTANT, place, "expected 'assistant' at the end")
    return sum(counted for _, _, counted in checked)


def _check_instruction(row: Mapping[str, Any], found: RowContext) -> int:
    for key in sorted(row.keys() - INSTRUCTION_KEYS):
        found.add(Check.UNKNOWN_KEY, key[:40], f"expected only {_names(INSTRUCTION_KEYS)}")
    tokens = 2 * TOKENS_PER_MESSAGE
    for key in ("instruction", "response"):
        if key not in row:
            found.add(Check.MISSING_KEY, key, "expected text")
        elif not isinstance(row[key], str):
            found.add(Check.DATA_TYPE, key, f"expected text, found {_type(row[key])}")
        else:
            tokens += _check_plain_text(row[key], key, found)
    return tokens


def _check_plain_text(text: str, where: str, found: RowContext) -> int:
    if not text.strip():
        found.add(Check.MISSING_CONTENT, where, "expected text")
        return 0
    _check_text(text, where, found)
    return estimate_tokens(text)


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _join(where: str, key: str) -> str:
    name = key if len(key) <= 40 else key[:37] + "..."
    return f"{where}.{name}" if where else name


def _names(keys: frozenset[str]) -> str:
    return ", ".join(sorted(keys))
