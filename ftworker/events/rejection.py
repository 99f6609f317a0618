"""Why bytes are no valid event: the slow, exact look that is taken only when decoding has failed.

Says which field and what the schema expects there, never what stands in it. Pure. `contract` is its caller.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import msgspec

from ftworker.events.contract import (
    CONVERSATION_ID_PATTERN,
    EVENT_TYPE,
    EVENT_TYPE_NAME,
    IDENTIFIER_PATTERN,
    SOURCE_NAME_PATTERN,
    TIME_EXPECTED,
    EventRejected,
    RejectionCode,
)
from ftworker.events.schema import event_schema

_PATTERN_WORDS = {
    IDENTIFIER_PATTERN: "without control characters",
    CONVERSATION_ID_PATTERN: "without control characters, not only spaces",
    SOURCE_NAME_PATTERN: "of at most 40 lower-case letters, digits, - and _, the first a letter or digit",
}
_SURROGATE = re.compile("[\ud800-\udfff]")


def explain(raw: bytes, decoder_message: str) -> EventRejected:
    """The rejection for valid UTF-8 that the decoder refused with `decoder_message`."""
    try:
        value = json.loads(raw)
    except RecursionError:
        return EventRejected("malformed_json", "nested too deeply")
    except ValueError as error:
        # A number of more digits than Python reads is a ValueError without a position.
        where = f"character {error.pos}: " if isinstance(error, json.JSONDecodeError) else ""
        return EventRejected("malformed_json", f"{where}expected one JSON object")
    if isinstance(value, dict):
        surrogate = _find_surrogate(value)
        if surrogate is not None:
            return EventRejected(
                "lone_surrogate",
                f"{surrogate}: holds half of a surrogate pair (\\ud800 to \\udfff); expected Unicode text",
            )
    try:
        msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        if isinstance(error, RecursionError):
            return EventRejected("malformed_json", "nested too deeply")
        # Python's own reader lets NaN, Infinity and numbers without limit pass; JSON does not.
        return EventRejected(
            "malformed_json", "NaN, Infinity or a number out of range; expected JSON numbers"
        )
    return _not_an_event(value) or _wrong_field(value, decoder_message)


def _not_an_event(value: Any) -> EventRejected | None:
    if not isinstance(value, dict):
        return EventRejected("not_cloudevent", f"expected a JSON object, found {_kind(value)}")
    if "specversion" not in value:
        hint = "; this looks like bare `data` without its envelope" if "conversation_id" in value else ""
        return EventRejected(
            "not_cloudevent", f"specversion: missing; expected CloudEvents 1.0 structured JSON{hint}"
        )
    if value["specversion"] != "1.0":
        return EventRejected("not_cloudevent", 'specversion: expected "1.0"')
    for attribute in ("id", "source", "type"):
        if not isinstance(value.get(attribute), str) or not value[attribute]:
            return EventRejected("not_cloudevent", f"{attribute}: expected text that is not empty")
    kind = value["type"]
    if kind != EVENT_TYPE:
        version = re.fullmatch(re.escape(EVENT_TYPE_NAME) + r"(\.v[0-9]{1,4})?", kind)
        if version:
            found = (version[1] or ".no version")[1:]
            return EventRejected(
                "unknown_version", f"type: found {found}; this ftworker understands {EVENT_TYPE}"
            )
        return EventRejected("unknown_type", f"type: expected {EVENT_TYPE}")
    if "data" not in value and "data_base64" in value:
        return EventRejected("not_cloudevent", "data_base64: expected `data`, a JSON object")
    return None


def _wrong_field(value: dict[str, Any], decoder_message: str) -> EventRejected:
    path = _path_in(decoder_message)
    found = _at(value, path)
    shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    if shown == "data" and found is _MISSING:
        return EventRejected(
            "missing_conversation_id", "data: missing; expected an object with conversation_id"
        )
    if shown == "data.conversation_id":
        if found is _MISSING or found is None:
            return EventRejected("missing_conversation_id", f"{shown}: missing; expected {_expected(path)}")
        if isinstance(found, str) and not found.strip():
            return EventRejected("empty_conversation_id", f"{shown}: expected {_expected(path)}")
        if isinstance(found, int) and not isinstance(found, bool):
            return EventRejected(
                "invalid_field", f"{shown}: expected text, found a number; put it between quotes"
            )
    expected = _expected(path)
    reason: RejectionCode = "bad_time" if expected == TIME_EXPECTED else "invalid_field"
    if found is _MISSING:
        return EventRejected(reason, f"{shown}: missing; expected {expected}")
    return EventRejected(reason, f"{shown}: expected {expected}, found {_kind(found)}")


class _Missing:
    pass


_MISSING = _Missing()


def _path_in(decoder_message: str) -> list[str | int]:
    """The place that msgspec names, such as `$.data.messages[3].content`, and the missing field below it."""
    # The whole end of the message, so that a value shown earlier in it cannot pose as the path.
    place = re.search(r" - at `\$([A-Za-z_.\[\]0-9]*)`$", decoder_message)
    path: list[str | int] = []
    for name, number in re.findall(r"([A-Za-z_]\w*)|\[(\d+)\]", place[1] if place else ""):
        path.append(name or int(number))
    missing = re.match(r"Object missing required field `(\w+)`", decoder_message)
    if missing:
        path.append(missing[1])
    return path


def _at(value: Any, path: list[str | int]) -> Any:
    for part in path:
        if isinstance(part, str):
            value = value.get(part, _MISSING) if isinstance(value, dict) else _MISSING
        else:
            value = value[part] if isinstance(value, list) and part < len(value) else _MISSING
    return value


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return f"text of {len(value)} characters"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"


def _expected(path: list[str | int]) -> str:
    """What the schema wants at a path, in words."""
    node = _resolved(event_schema())
    for part in path:
        node = _resolved(node["items"] if isinstance(part, int) else node.get("properties", {}).get(part, {}))
    return _words(node)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
    if len(options) == 1:
        node = options[0]
    if "$ref" in node:
        found: dict[str, Any] = event_schema()["$defs"][node["$ref"].rpartition("/")[2]]
        return found
    return node


def _words(node: dict[str, Any]) -> str:
    if "enum" in node:
        return "one of " + ", ".join(str(choice) for choice in node["enum"])
    if node.get("format") == "date-time":
        return TIME_EXPECTED
    match node.get("type"):
        case "string":
            limits = ""
            if node.get("maxLength"):
                limits = f" of {node.get('minLength', 0)} to {node['maxLength']} characters"
            pattern = _PATTERN_WORDS.get(node.get("pattern", ""), "")
            return f"text{limits}{' ' if pattern else ''}{pattern}"
        case "integer":
            return f"a whole number from {node.get('minimum')} to {node.get('maximum')}"
        case "number":
            return "a number"
        case "boolean":
            return "true or false"
        case "array":
            return "a list"
        case "object":
            return "an object"
        case _:
            return ", ".join(
                _words(option) for option in node.get("anyOf", []) if option.get("type") != "null"
            )


@cache
def _known_names() -> frozenset[str]:
    return frozenset(name for node in event_schema()["$defs"].values() for name in node["properties"])


def _find_surrogate(value: dict[str, Any]) -> str | None:
    """The path of the first text that holds a lone surrogate, or None. Unknown names stay out of the path."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        match item:
            case str() if _SURROGATE.search(item):
                return path
            case dict():
                for name, below in reversed(item.items()):
                    known = name if name in _known_names() else "(a field of your own)"
                    below_path = f"{path}.{known}".removeprefix(".")
                    if _SURROGATE.search(name):
                        return below_path
                    waiting.append((below_path, below))
            case list():
                waiting += [(f"{path}[{number}]", below) for number, below in reversed(list(enumerate(item)))]
            case _:
                pass
    return None
