"""What the validator can find in a training file: each check with its level and meaning, and the report.

A problem names file, line and field, and says what is expected there. It never repeats text of a
conversation: only keys, roles and numbers, shortened. docs/DATASETS.md repeats the table of checks; a test
compares the two.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Self

Level = Literal["error", "warning"]

ERROR: Level = "error"
WARNING: Level = "warning"


class Check(StrEnum):
    """One code for each finding. An error makes a provider refuse the file or lose answers; a warning does
    not.
    """

    level: Level
    meaning: str

    def __new__(cls, code: str, level: Level, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.level = level
        member.meaning = meaning
        return member

    FILE_TOO_LARGE = "file_too_large", ERROR, "above 512 MB, OpenAI's limit for one file"
    EMPTY_FILE = "empty_file", ERROR, "not a single row"
    TOO_FEW_EXAMPLES = "too_few_examples", ERROR, "fewer than 10 rows to train on"
    NOT_UTF8 = "not_utf8", ERROR, "bytes that are not UTF-8"
    INVALID_JSON = "invalid_json", ERROR, "not JSON; the column says where reading stopped"
    LINE_TOO_LONG = "line_too_long", ERROR, "a row above 16 MiB: no provider reads it"
    EMPTY_LINE = "empty_line", ERROR, "an empty line between rows"
    DATA_TYPE = "data_type", ERROR, "a row or a value of the wrong JSON type"
    DUPLICATE_KEY = "duplicate_key", ERROR, "a key twice in one object: which one counts is anyone's guess"
    MIXED_ROWS = "mixed_rows", ERROR, "a row of another kind than the first row"
    UNKNOWN_ROW_KEY = "unknown_row_key", ERROR, "a key of the row that fails the whole job"
    MISSING_MESSAGES_LIST = "missing_messages_list", ERROR, "no `messages`, or an empty list"
    MESSAGE_MISSING_KEY = "message_missing_key", ERROR, "a message without `role` or `content`"
    MESSAGE_UNRECOGNIZED_KEY = "message_unrecognized_key", ERROR, "a key that messages do not have"
    UNRECOGNIZED_ROLE = "unrecognized_role", ERROR, "a role other than system, user, assistant, tool"
    MISSING_CONTENT = "missing_content", ERROR, "`content` is empty, or null without `tool_calls`"
    WEIGHT_VALUE = "weight_value", ERROR, "`weight` other than 0 or 1"
    WEIGHT_NOT_ALLOWED = "weight_not_allowed", ERROR, "`weight` on a message that is not the assistant's"
    MISSING_ASSISTANT_MESSAGE = "example_missing_assistant_message", ERROR, "no answer in the example"
    NOT_ENDED_BY_ASSISTANT = "not_ended_by_assistant", ERROR, "the last message is not the assistant's"
    NOTHING_TO_TEACH = "nothing_to_teach", ERROR, "every answer has weight 0"
    MISSING_KEY = "missing_key", ERROR, "a key that every row of this kind has is missing"
    OUTPUT_COUNT = (
        "output_count",
        ERROR,
        "an output of a preference pair is not exactly one assistant message",
    )
    OUTPUT_NOT_ENDED_BY_ASSISTANT = (
        "output_not_ended_by_assistant",
        ERROR,
        "a completion, or an answer of a pair, is not the assistant's",
    )
    TOO_MANY_TOKENS = "too_many_tokens", ERROR, "above 65,536 tokens: cut from the end, the answer is lost"
    SPECIAL_TOKENS = "special_tokens", ERROR, "a control token such as <|fim_suffix|> in the text"
    LONE_SURROGATE = "lone_surrogate", ERROR, "half of a surrogate pair: not a character"
    ALTERED = "altered", ERROR, "the file is not the one that its manifest.json describes"

    BYTE_ORDER_MARK = (
        "byte_order_mark",
        WARNING,
        "begins with a byte-order mark: Azure wants one, others do not",
    )
    WINDOWS_LINE_ENDS = "windows_line_ends", WARNING, "lines end in CR LF"
    MISSING_SYSTEM_MESSAGE = "missing_system_message", WARNING, "the example has no system message"
    MISSING_USER_MESSAGE = "missing_user_message", WARNING, "the example has no user message"
    PROMPT_NOT_ENDED_BY_USER = (
        "prompt_not_ended_by_user",
        WARNING,
        "the prompt of a pair or a completion ends with no question",
    )
    SYSTEM_NOT_FIRST = "system_not_first", WARNING, "a system message after the first message"
    CONTROL_CHARACTERS = "control_characters", WARNING, "NUL or another control character in the text"
    NEAR_TOKEN_LIMIT = "near_token_limit", WARNING, "perhaps above 65,536 tokens: estimates may be 40 % high"
    LOOKS_LIKE_TOKEN = (
        "looks_like_token",
        WARNING,
        "<|...|>, [INST] or the like in the text: a local tokenizer may obey it",
    )
    SAME_OUTPUTS = "same_outputs", WARNING, "a preference pair whose two outputs are equal teaches nothing"
    REPEATED_ROW = "repeated_row", WARNING, "the same row as the one before"
    UNKNOWN_KEY = "unknown_key", WARNING, "a key that local trainers do not read"


@dataclass(frozen=True)
class Problem:
    """One finding. `line` counts from 1; None: the file as a whole. `field`: "messages[2].role", "" for
    the row.
    """

    check: Check
    line: int | None
    field: str
    message: str

    def text(self, file: str) -> str:
        """`train.jsonl:17: messages[2].role: 'asistente' is not one of ...`"""
        where = file if self.line is None else f"{file}:{self.line}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


@dataclass(frozen=True)
class TokenStatistics:
    """Estimated tokens of the rows."""

    total: int
    least: int
    median: int
    p95: int
    most: int


RowKind = Literal["openai-chat", "openai-preference", "prompt-completion", "preference", "instruction"]
"""What a row is, by its keys: the names of the formats, and `instruction` for both instruction formats."""
OPENAI_KINDS: frozenset[RowKind] = frozenset({"openai-chat", "openai-preference"})
"""Kinds that services train on, with their rules: JSON Lines, and at least ten rows."""


@dataclass
class Report:
    """All that was found in one file. `problems` keeps the first ones; `counts` counts all, by check."""

    file: str
    kind: RowKind | None = None
    rows: int = 0
    size_bytes: int = 0
    sha256: str = ""
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[Check] = field(default_factory=Counter)
    tokens: TokenStatistics | None = None
    estimated_epochs: int = 0
    """What `n_epochs = "auto"` is expected to become."""
    max_problems: int = 100

    def add(self, check: Check, line: int | None, where: str, message: str) -> None:
        """Count a finding, and keep it while there is room."""
        self.counts[check] += 1
        if len(self.problems) < self.max_problems:
            self.problems.append(Problem(check, line, where, message))

    @property
    def errors(self) -> int:
        return sum(count for check, count in self.counts.items() if check.level == ERROR)

    @property
    def warnings(self) -> int:
        return sum(count for check, count in self.counts.items() if check.level == WARNING)

    @property
    def ok(self) -> bool:
        """Whether nothing was found that fails a job or loses an answer."""
        return self.errors == 0


def shown(name: object) -> str:
    """A key or a role as a message may repeat it: quoted, short, without line ends. Never used for
    content.
    """
    text = str(name)
    return repr(text if len(text) <= 40 else text[:37] + "...")
