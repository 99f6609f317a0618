"""The part of Go's text/template that chat templates use, and how Ollama feeds it (template/template.go).

Written apart from `ftworker.training.templates`, so that what is written for Ollama is read by somebody else. What is
not known here raises, so a template can never pass by being misunderstood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

ACTION = re.compile(r"\{\{(- )?\s*(.*?)\s*( -)?\}\}", re.DOTALL)
TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|\(|\)|:=|=|,|-?\d+|\$?[A-Za-z_]\w*(?:\.\w+)*|\$(?:\.\w+)+|\.(?:\w+(?:\.\w+)*)?|\$'
)


class TemplateError(ValueError):
    """What Go would refuse, or what is not known here."""


@dataclass
class Block:
    """`if` or `range`: a condition with its body, and what comes else."""

    keyword: str
    words: list[str]
    body: list[Any] = field(default_factory=list)
    otherwise: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Action:
    words: list[str]


@dataclass(frozen=True)
class Message:
    """What a template sees of a message."""

    Role: str
    Content: str
    Thinking: str = ""
    ToolCalls: tuple[()] = ()


def render(template: str, messages: Sequence[dict[str, str]]) -> str:
    """What Ollama makes of a conversation: messages of one role joined, all system messages as .System too."""
    system, turns = collate(messages)
    tree = parse(template)
    if "Messages" in set(re.findall(r"\w+", " ".join(_words_of(tree)))):
        return execute(
            tree, {"System": system, "Messages": turns, "Tools": (), "Response": "", "Think": False}
        )
    return _legacy(tree, turns)


def collate(messages: Sequence[dict[str, str]]) -> tuple[str, list[Message]]:
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1].Role == message["role"]:
            turns[-1] = Message(message["role"], f"{turns[-1].Content}\n\n{message['content']}")
        else:
            turns.append(Message(message["role"], message["content"]))
    return "\n\n".join(m["content"] for m in messages if m["role"] == "system"), turns


def _legacy(tree: list[Any], turns: Sequence[Message]) -> str:
    """A template of one exchange (.System, .Prompt, .Response) is executed once for each."""
    if ".Response" not in _words_of(tree):
        tree = [*tree, Action([".Response"])]
    text, values = "", {"System": "", "Prompt": "", "Response": ""}
    for message in turns:
        name = {"system": "System", "user": "Prompt", "assistant": "Response"}[message.Role]
        if values["Response"] or (name == "System" and values["Prompt"]):
            text += execute(tree, values)
            values = {"System": "", "Prompt": "", "Response": ""}
        values[name] = message.Content
    # The last exchange ends where the answer would begin.
    return text + execute(tree, {**values, "Response": "\0"}).partition("\0")[0]


def parse(template: str) -> list[Any]:
    """The template as text, actions and blocks. Raises TemplateError."""
    pieces = list(_pieces(template))
    tree: list[Any] = []
    stack: list[tuple[list[Any], Block]] = []
    current = tree
    for kind, piece in pieces:
        if kind == "text":
            current.append(piece)
            continue
        words = _tokens(piece)
        match words:
            case []:
                pass  # a comment
            case ["if" | "range" as keyword, *rest]:
                block = Block(keyword, rest)
                current.append(block)
                stack.append((current, block))
                current = block.body
            case ["else", "if", *rest]:
                outer, block = stack[-1]
                inner = Block("if", rest)
                block.otherwise = [inner]
                stack[-1] = (outer, inner)
                current = inner.body
            case ["else"]:
                current = stack[-1][1].otherwise
            case ["end"]:
                if not stack:
                    raise TemplateError("unexpected {{end}}")
                current, _ = stack.pop()
            case _:
                current.append(Action(words))
    if stack:
        raise TemplateError("unexpected EOF")
    return tree


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    position, trims = 0, False
    for found in ACTION.finditer(template):
        text = template[position : found.start()]
        text = text.lstrip() if trims else text
        yield "text", text.rstrip() if found.group(1) else text
        yield "action", found.group(2)
        position, trims = found.end(), bool(found.group(3))
    rest = template[position:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    yield "text", rest.lstrip() if trims else rest


def _tokens(action: str) -> list[str]:
    if action.startswith("/*"):
        return []
    words = TOKEN.findall(action)
    if "".join(words) != re.sub(r'("(?:\\.|[^"\\])*")|\s+', lambda found: found.group(1) or "", action):
        raise TemplateError(f"not understood: {action}")
    return words


def _words_of(tree: list[Any]) -> list[str]:
    words: list[str] = []
    for node in tree:
        if isinstance(node, Block):
            words += [*node.words, *_words_of(node.body), *_words_of(node.otherwise)]
        elif isinstance(node, Action):
            words += node.words
    return words


def execute(tree: list[Any], values: dict[str, Any]) -> str:
    return "".join(_execute(tree, values, {"$": values}))


def _execute(tree: list[Any], dot: Any, names: dict[str, Any]) -> Iterator[str]:
    for node in tree:
        match node:
            case str():
                yield node
            case Action([name, ":=" | "=" as sign, *rest]):
                if sign == "=" and name not in names:
                    raise TemplateError(f"undefined variable {name}")
                names[name] = _value(rest, dot, names)
            case Action(words):
                yield str(_value(words, dot, names))
            case Block("if", words, body, otherwise):
                yield from _execute(body if _value(words, dot, names) else otherwise, dot, names)
            case Block("range", words, body, otherwise):
                yield from _ranged(words, body, otherwise, dot, names)
            case _:
                raise TemplateError(f"not understood: {node}")


def _ranged(
    words: list[str], body: list[Any], otherwise: list[Any], dot: Any, names: dict[str, Any]
) -> Iterator[str]:
    variables = [word for word in words[: words.index(":=")] if word != ","] if ":=" in words else []
    items = list(_value(words[words.index(":=") + 1 :] if variables else words, dot, names))
    for number, item in enumerate(items):
        given = (number, item)[-len(variables) :] if variables else ()
        inner = names | dict(zip(variables, given, strict=True))
        yield from _execute(body, item, inner)
        names.update({name: inner[name] for name in names if name not in variables})
    if not items:
        yield from _execute(otherwise, dot, names)


def _value(words: Sequence[str], dot: Any, names: dict[str, Any]) -> Any:
    operands, rest = _operands(list(words), dot, names)
    if rest:
        raise TemplateError(f"not understood: {' '.join(words)}")
    first, *others = operands
    if not callable(first):
        if others:
            raise TemplateError(f"not a function: {words[0]}")
        return first
    return first(*others)


def _operands(words: list[str], dot: Any, names: dict[str, Any]) -> tuple[list[Any], list[str]]:
    found: list[Any] = []
    while words and words[0] != ")":
        word = words.pop(0)
        if word == "(":
            inner, words = _operands(words, dot, names)
            if words[:1] != [")"]:
                raise TemplateError("unclosed (")
            words = words[1:]
            found.append(inner[0](*inner[1:]) if callable(inner[0]) else inner[0])
        elif word.startswith('"'):
            found.append(json.loads(word))
        elif word.lstrip("-").isdigit():
            found.append(int(word))
        elif word in FUNCTIONS:
            found.append(FUNCTIONS[word])
        else:
            found.append(_field(word, dot, names))
    return found, words


def _field(word: str, dot: Any, names: dict[str, Any]) -> Any:
    if not word.startswith((".", "$")):
        raise TemplateError(f'function "{word}" not defined')
    start, _, path = word.partition(".")
    if start and start not in names:
        raise TemplateError(f"undefined variable {start}")
    value = names[start] if start else dot
    for name in filter(None, path.split(".")):
        if isinstance(value, dict):
            value = value.get(name, "")  # missingkey=zero
        elif name in Message.__dataclass_fields__:
            value = getattr(value, name)
        else:
            raise TemplateError(f"can't evaluate field {name}")
    return value


def _and(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


FUNCTIONS: dict[str, Any] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not value,
    "eq": lambda first, *others: first in others,
    "ne": lambda one, other: one != other,
    "len": len,
    "slice": lambda items, start: items[start:],
}
