"""Modelfiles, Ollama's recipe for a model: written so that no value can leave its quotes. Pure.

Ollama's grammar (parser/parser.go) has no escape character. Between triple quotes everything is text until
the first line that ends in three quotes, and what Go cannot print vanishes without a word. So each value is
quotable as it is, or refused (`render`), or rewritten first by the rules of `rewrite`; `parse` reads it back.
Never does I/O. `local` fills a Modelfile, `ollama` sends the same values as JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ftworker.errors import PermanentError

ParameterValue = int | float | bool | tuple[str, ...]

INTEGER_PARAMETERS: Final = frozenset(
    {
        "main_gpu", "num_batch", "num_ctx", "num_gpu", "num_keep", "num_predict", "num_thread",
        "repeat_last_n", "seed", "top_k",
    }
)  # fmt: skip
DECIMAL_PARAMETERS: Final = frozenset(
    {
        "frequency_penalty", "min_p", "presence_penalty", "repeat_penalty", "temperature", "top_p",
        "typical_p",
    }
)  # fmt: skip
SWITCH_PARAMETERS: Final = frozenset({"use_mmap"})
TEXT_PARAMETERS: Final = frozenset({"stop"})
PARAMETERS: Final = INTEGER_PARAMETERS | DECIMAL_PARAMETERS | SWITCH_PARAMETERS | TEXT_PARAMETERS
"""What `PARAMETER` may name (Ollama's api.Options); to Ollama `PARAMETER system x` is `SYSTEM x`: refused."""

ROLES: Final = frozenset({"system", "user", "assistant"})

_QUOTES: Final = '"""'
_INSTRUCTIONS: Final = frozenset(
    {
        "adapter", "draft", "from", "license", "message", "parameter", "parser", "renderer", "requires",
        "system", "template",
    }
)  # fmt: skip
_BLANKS: Final = " \t\r\n"
_KEPT_BLANKS: Final = {ord(blank): None for blank in "\t\r\n"}
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_WORD: Final = _LETTERS | frozenset("0123456789_")
_CLOSES: Final = re.compile(r'"""[ \t]*[\r\n]')
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./:@-]*\Z")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_LARGEST_DECIMAL: Final = 3.4028234663852886e38  # Ollama stores decimals in 32 bits and refuses larger ones
# Python 3.13 knows these characters of Unicode 15.1; an Ollama built with Go up to 1.26 (15.0) may drop them.
_TOO_NEW: Final = re.compile("[\u2ffc-\u2fff\u31ef\U0002ebf0-\U0002ee5d]")
_LINE_ENDS: Final = frozenset("\v\f\x1c\x1d\x1e\x85\u2028\u2029")


class UnquotableValue(PermanentError):
    """A value that no Modelfile can carry. `field` names it (`messages[3].content`); its text is never told.

    `reason` is a code: closing_quotes, unprintable, surrogate, newline, empty, role, unknown_parameter, type.
    """

    def __init__(self, where: str, reason: str, explanation: str) -> None:
        super().__init__(f"Modelfile {where}: {explanation}")
        self.field = where
        self.reason = reason


class ModelfileSyntaxError(PermanentError):
    """The text is no Modelfile to Ollama, or not one that this module writes."""


@dataclass(frozen=True)
class ModelfileMessage:
    """One `MESSAGE` line: a turn that Ollama puts before every conversation with the model."""

    role: str
    content: str


@dataclass(frozen=True)
class Modelfile:
    """A model as Ollama builds it. `render` checks it, and refuses what Ollama would not read back."""

    from_: str
    """Name of a model in Ollama, or path of a GGUF file beside the Modelfile."""
    system: str | None = None
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    template: str | None = None
    messages: tuple[ModelfileMessage, ...] = ()
    license: tuple[str, ...] = ()
    adapter: str | None = None
    """Path of a GGUF LoRA, for Ollama up to 0.33: later ones refuse adapters."""
    parser: str | None = None
    """`passthrough` makes Ollama use `template` even where the GGUF brings a Jinja template that can do more."""

    def render(self, *, comments: Sequence[str] = ()) -> str:
        """The Modelfile's text. `parse` of it equals this object; Ollama reads no other instruction from it.

        `comments` stand at the top, one line each. Write the text as UTF-8 bytes: a file in text mode may
        change line ends, which are part of the values. Raises UnquotableValue, naming the field.
        """
        lines = [f"# {_comment(comment)}" for comment in comments]
        lines.append(f"FROM {_path('from', self.from_)}")
        if self.adapter is not None:
            lines.append(f"ADAPTER {_path('adapter', self.adapter)}")
        if self.template is not None:
            lines.append(f"TEMPLATE {_quoted('template', self.template)}")
        if self.parser is not None:
            lines.append(f"PARSER {_path('parser', self.parser)}")
        if self.system is not None:
            lines.append(f"SYSTEM {_quoted('system', self.system)}")
        for name in sorted(self.parameters):
            lines.extend(f"PARAMETER {name} {text}" for text in _parameter(name, self.parameters[name]))
        for number, text in enumerate(self.license):
            lines.append(f"LICENSE {_quoted(f'license[{number}]', text)}")
        for number, message in enumerate(self.messages):
            where = f"messages[{number}]"
            if message.role not in ROLES:
                raise UnquotableValue(f"{where}.role", "role", f"expected one of {', '.join(sorted(ROLES))}")
            lines.append(f"MESSAGE {message.role} {_quoted(f'{where}.content', message.content)}")
        return "\n".join(lines) + "\n"


def quoting_problem(text: str) -> tuple[str, str] | None:
    """Why Ollama would not read `text` back from between triple quotes: (reason, sentence). None: it would.

    The sentence names characters by code point and never repeats the text.
    """
    visible = text.translate(_KEPT_BLANKS)
    if not visible.isprintable() or _TOO_NEW.search(visible):
        lost = next(c for c in visible if not c.isprintable() or _TOO_NEW.match(c))
        if "\ud800" <= lost <= "\udfff":
            return "surrogate", f"holds U+{ord(lost):04X}, half a character, which UTF-8 cannot write"
        return "unprintable", f"holds U+{ord(lost):04X}, which Ollama drops without a word"
    if _CLOSES.search(text):
        return "closing_quotes", 'has a line that ends in """, where Ollama would end the value'
    return None


def rewrite(text: str) -> str:
    """The nearest text that a Modelfile can carry; quotable text comes back as it is. Never fails.

    1. Halves of surrogate pairs that meet are joined; a lone one becomes U+FFFD.
    2. Line ends other than CR and LF (vertical tab, form feed, U+0085, U+2028, U+2029) become LF.
    3. Other spaces (U+00A0, U+202F, U+3000...) become a space.
    4. What Ollama would drop (controls, joiners, byte-order marks, unassigned characters) is dropped.
    5. When a line still ends in three double quotes, as Python's docstrings do, every three double quotes in
       the value become three single quotes: the same string to Python, and no end of value to Ollama.
    """
    if quoting_problem(text) is None:
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    shown = "".join(_shown(character) for character in whole)
    return shown.replace(_QUOTES, "'''") if _CLOSES.search(shown) else shown


def _shown(character: str) -> str:
    if character in "\t\r\n":
        return character
    if character in _LINE_ENDS:
        return "\n"
    if character.isprintable() and not _TOO_NEW.match(character):
        return character
    return " " if character.isspace() else ""


def _quoted(where: str, text: str) -> str:
    problem = quoting_problem(text)
    if problem:
        raise UnquotableValue(where, *problem)
    # Always triple quotes: without them a leading quote swallows the rest and a newline ends the value.
    return f"{_QUOTES}{text}{_QUOTES}"


def _path(where: str, text: str) -> str:
    if not text.strip():
        raise UnquotableValue(where, "empty", "expected a model's name or a path")
    if "\n" in text or "\r" in text:
        raise UnquotableValue(where, "newline", "a model's name or path has one line")
    return text if _PLAIN_NAME.match(text) else _quoted(where, text)


def _comment(text: str) -> str:
    shown = rewrite(text)
    if "\n" in shown or "\r" in shown:
        raise UnquotableValue("comment", "newline", "has a second line, which would be an instruction")
    return shown


def _parameter(name: str, value: ParameterValue) -> list[str]:
    where = f"parameters.{name}"
    if name not in PARAMETERS:
        known = ", ".join(sorted(PARAMETERS))
        raise UnquotableValue(
            f"parameters.{ascii(name)[:40]}", "unknown_parameter", f"expected one of {known}"
        )
    if name in TEXT_PARAMETERS:
        if not isinstance(value, tuple) or not value or not all(isinstance(text, str) for text in value):
            raise UnquotableValue(where, "type", "expected a list of at least one text")
        return [_quoted(f"{where}[{number}]", text) for number, text in enumerate(value)]
    if name in SWITCH_PARAMETERS:
        if not isinstance(value, bool):
            raise UnquotableValue(where, "type", "expected true or false")
        return ["true" if value else "false"]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnquotableValue(where, "type", "expected a number")
    if name in INTEGER_PARAMETERS:
        if not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise UnquotableValue(where, "type", "expected a whole number of at most 64 bits")
        return [str(value)]
    if not math.isfinite(value) or abs(value) > _LARGEST_DECIMAL:
        raise UnquotableValue(where, "type", "expected a finite number")
    return [repr(value)]


@dataclass(frozen=True)
class Instruction:
    """One instruction as Ollama's parser hands it on: FROM is named `model`, MESSAGE has `role: content`."""

    name: str
    args: str


def parse_instructions(text: str) -> tuple[Instruction, ...]:
    """Read by Ollama's own grammar, oddities included. Raises ModelfileSyntaxError where Ollama refuses."""
    found: list[Instruction] = []
    text = text.removeprefix("\ufeff")
    position = _skip_blanks_and_comments(text, 0)
    while position < len(text):
        # Ollama takes any first character into the name, and drops it when it cannot be printed.
        first = _printed(text[position])
        rest, position = _word(text, position + 1, _LETTERS)
        keyword = (first + rest).lower()
        if keyword not in _INSTRUCTIONS:
            raise ModelfileSyntaxError(f"at character {position}: not an instruction that Ollama knows")
        name, role = keyword, ""
        if keyword == "from":
            name = "model"
        elif keyword == "parameter":
            name, position = _word(text, position, _WORD)
        elif keyword == "message":
            role, position = _word(text, position, _LETTERS)
            if role not in ROLES:
                raise ModelfileSyntaxError(f"at character {position}: expected system, user or assistant")
        value, position = _value(text, position)
        found.append(Instruction(name, f"{role}: {value}" if role else value))
        position = _skip_blanks_and_comments(text, position)
    if not any(instruction.name == "model" for instruction in found):
        raise ModelfileSyntaxError("no FROM line")
    return tuple(found)


def _skip_blanks_and_comments(text: str, position: int) -> int:
    while position < len(text):
        if text[position] == "#":
            position = _line_end(text, position)
        elif text[position] not in _BLANKS:
            break
        else:
            position += 1
    return position


def _line_end(text: str, position: int) -> int:
    while position < len(text) and text[position] not in "\r\n":
        position += 1
    return position


def _word(text: str, position: int, allowed: frozenset[str]) -> tuple[str, int]:
    start = position
    while position < len(text) and text[position] in allowed:
        position += 1
    if position == len(text) or text[position] not in " \t":
        raise ModelfileSyntaxError(f"at character {position}: expected a space after a word")
    return text[start:position], position + 1


def _value(text: str, position: int) -> tuple[str, int]:
    kept = ""
    while True:
        end = _line_end(text, position)
        kept += _printed(text[position:end])
        value = _unquoted(kept.strip(_BLANKS))
        if value is not None:
            return value, end
        if end == len(text):
            raise ModelfileSyntaxError("the text ends inside quotes")
        kept += text[end]
        position = end + 1


def _unquoted(text: str) -> str | None:
    for quotes in (_QUOTES, '"'):
        if text.startswith(quotes):
            closed = len(text) >= 2 * len(quotes) and text.endswith(quotes)
            return text[len(quotes) : -len(quotes)] if closed else None
    return text


def _printed(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character == "\t")


def parse(text: str) -> Modelfile:
    """Read back what `render` wrote. Raises ModelfileSyntaxError for what it never writes, or never twice."""
    once: dict[str, str] = {}
    parameters: dict[str, ParameterValue] = {}
    messages: list[ModelfileMessage] = []
    licenses: list[str] = []
    stops: list[str] = []
    for instruction in parse_instructions(text):
        match instruction.name:
            case "model" | "system" | "template" | "adapter" | "parser":
                if instruction.name in once:
                    raise ModelfileSyntaxError(f"{instruction.name} stands twice")
                once[instruction.name] = instruction.args
            case "message":
                role, _, content = instruction.args.partition(": ")
                messages.append(ModelfileMessage(role, content))
            case "license":
                licenses.append(instruction.args)
            case "stop":
                stops.append(instruction.args)
            case name if name in PARAMETERS and name not in parameters:
                parameters[name] = _parameter_value(name, instruction.args)
            case name:
                raise ModelfileSyntaxError(f"{ascii(name)[:40]} is unknown or stands twice")
    if stops:
        parameters["stop"] = tuple(stops)
    return Modelfile(
        from_=once["model"],
        system=once.get("system"),
        parameters=parameters,
        template=once.get("template"),
        messages=tuple(messages),
        license=tuple(licenses),
        adapter=once.get("adapter"),
        parser=once.get("parser"),
    )


def _parameter_value(name: str, text: str) -> int | float | bool:
    def matching(pattern: re.Pattern[str], convert: Callable[[str], int | float]) -> int | float:
        if not pattern.match(text):
            raise ModelfileSyntaxError(f"parameter {name} is no number")
        return convert(text)

    if name in INTEGER_PARAMETERS:
        return matching(_INTEGER, int)
    if name in DECIMAL_PARAMETERS:
        return matching(_DECIMAL, float)
    if text not in ("true", "false"):
        raise ModelfileSyntaxError(f"parameter {name} is neither true nor false")
    return text == "true"
