"""What stands in a store's columns, made into the values of `conversations`. Pure, and never raises for what
it is given.

Stores disagree about everything: times with and without a zone or as numbers, ratings as words, numbers or
truth values, content as text or as a list of blocks, context as texts, objects, or JSON inside a text. Each
function takes what JSON can hold and gives the plain value, or None for what says nothing. Presets map their
columns with these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec

from ftworker.conversations import Chunk

MAX_CONTENT_CHARACTERS = 1_048_576
"""A longer message is no lesson and no example could hold it: it is kept as an error, without its text."""

TOO_LARGE = "too_large"
UNREADABLE = "unreadable"
LONE_SURROGATE = "lone_surrogate"

_SURROGATE = re.compile("[\ud800-\udfff]")

# Words that an error column holds when nothing failed.
_NO_ERROR = frozenset(
    {"", "0", "f", "false", "no", "none", "null", "nil", "ok", "success", "normal", "done", "completed"}
)

# LangGraph's extension types (langgraph.checkpoint.serde.jsonplus): objects by constructor, method or fields; and a
# channel's value within what was changed since.
_OBJECTS = frozenset({0, 1, 2, 3, 4, 5})
_DELTA_SNAPSHOT = 7

_TEXT_KEYS = (
    "text",
    "content",
    "page_content",
    "pageContent",
    "chunk",
    "texto",
    "contenido",
    "fragmento",
    "passage",
)
_LIST_KEYS = (
    "chunks",
    "documents",
    "sources",
    "context",
    "contexts",
    "results",
    "fragmentos",
    "fuentes",
    "documentos",
)
_SOURCE_KEYS = (
    "source",
    "document_name",
    "filename",
    "file_name",
    "file",
    "title",
    "url",
    "fuente",
    "documento",
    "titulo",
)
_ID_KEYS = ("chunk_id", "segment_id", "id", "_id")
_RANK_KEYS = ("rank", "position", "index", "posicion")
_SCORE_KEYS = ("score", "similarity", "relevance_score", "puntuacion")


def decode_rows(text: str) -> list[dict[str, Any]]:
    """The rows of a JSON list of objects. One that held half a surrogate pair says so under the key
    LONE_SURROGATE.

    Raises ValueError for what is no JSON.
    """
    try:
        try:
            rows: list[dict[str, Any]] = msgspec.json.decode(text)
            return rows
        except msgspec.DecodeError:
            pairs = [_mended(row) for row in json.loads(text)]
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    return [{**row, LONE_SURROGATE: True} if broken else row for row, broken in pairs]


def decode_json(text: str) -> tuple[Any, bool]:
    """JSON to plain values, and whether halves of surrogate pairs had to be replaced by U+FFFD.

    Raises ValueError for what is no JSON.
    """
    try:
        try:
            return msgspec.json.decode(text), False
        except msgspec.DecodeError:
            # Only Python's own decoder takes half a surrogate pair, NaN, and numbers beyond a double.
            return _mended(json.loads(text))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def _mended(value: Any) -> tuple[Any, bool]:
    if isinstance(value, str):
        mended, count = _SURROGATE.subn("\ufffd", value)
        return mended, count > 0
    if isinstance(value, list):
        parts = [_mended(item) for item in value]
        return [item for item, _ in parts], any(broken for _, broken in parts)
    if isinstance(value, dict):
        pairs = [(_mended(key), _mended(item)) for key, item in value.items()]
        return {key[0]: item[0] for key, item in pairs}, any(key[1] or item[1] for key, item in pairs)
    return value, False


def decode_msgpack(data: bytes) -> Any:
    """MessagePack as plain values. Nothing is built or called: extension types stay data, those of LangGraph
    (`module, name, arguments...`) as their arguments.

    Raises ValueError for what is no MessagePack.
    """
    try:
        return msgspec.msgpack.decode(data, ext_hook=_extension)
    except (msgspec.DecodeError, RecursionError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("no MessagePack, or nested too deeply") from error


def _extension(code: int, data: memoryview) -> Any:
    inner = msgspec.msgpack.decode(data, ext_hook=_extension)
    if code in _OBJECTS and isinstance(inner, list) and len(inner) >= 3:
        return inner[2]
    return inner if code == _DELTA_SNAPSHOT else None


def word(value: Any) -> str | None:
    """A short value (an id, a role, a model's name) as text; None for nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return (
        json.dumps(value, ensure_ascii=False, sort_keys=True)
        if isinstance(value, (list, dict))
        else str(value)
    )


def when(value: Any, zone: tzinfo) -> datetime | None:
    """A time in UTC. Numbers count since 1970 in seconds, or in milli-, micro- or nanoseconds by their size.

    A time without a zone is one of `zone`. None for `infinity` and for whatever is no time.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, str):
            if value.isdigit() and len(value) >= 9:
                return when(int(value), zone)
            said = datetime.fromisoformat(value)
            if said.tzinfo is UTC:
                return said
            return (said if said.tzinfo else said.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, int | float):
            size = abs(value)
            unit = 1e9 if size > 1e17 else 1e6 if size > 1e14 else 1e3 if size > 1e11 else 1
            return datetime.fromtimestamp(value / unit, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def opinion(value: Any, up: Collection[str], down: Collection[str]) -> int | None:
    """1 for a rating in the words of `up`, -1 for one in those of `down`, None for none or an unknown one."""
    said = word(value)
    if said is None:
        return None
    said = said.strip().casefold()
    return 1 if said in up else -1 if said in down else None


def truth(value: Any) -> bool | None:
    """A consent or another flag, in the words that stores use; None for nothing or an unknown word."""
    said = word(value)
    if said is None:
        return None
    said = said.strip().casefold()
    if said in {"true", "t", "1", "yes", "y", "si", "sí", "s", "granted", "accepted"}:
        return True
    if said in {"false", "f", "0", "no", "n", "denied", "refused", "revoked", "withdrawn"}:
        return False
    return None


def failure(value: Any) -> bool | None:
    """True when an error column says that the answer failed. What it says is not kept: it can quote the
    person."""
    said = word(value)
    return True if said is not None and said.strip().casefold() not in _NO_ERROR else None


def plain_text(value: Any) -> str:
    """The words of a content: a text, a block, or a list of blocks (pictures and tool calls have no
    words)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        # As LangChain does: a model that cites cuts one sentence into several blocks.
        return "".join(map(plain_text, value))
    if isinstance(value, dict):
        kind = value.get("type", "text")
        if kind == "refusal" and isinstance(value.get("refusal"), str):
            refusal: str = value["refusal"]  # OpenAI's own block for it; it is what the person read
            return refusal
        if kind not in ("text", "input_text", "output_text"):
            return ""
        return next((value[key] for key in _TEXT_KEYS if isinstance(value.get(key), str)), "")
    return word(value) or ""


def chunks(value: Any) -> tuple[Chunk, ...]:
    """The retrieved passages in a context column, in their order; empty when it holds none.

    Takes a text, a list of texts or of objects, an object that holds such a list, and any of these as JSON in
    a text.
    """
    if value is None or value in ("", []):
        return ()
    if isinstance(value, str):
        if value.lstrip()[:1] not in ("[", "{"):
            return (Chunk(value),) if value.strip() else ()
        try:
            inner, _ = decode_json(value)
        except ValueError:
            return (Chunk(value),)
        return chunks(inner)
    if isinstance(value, dict):
        inside = next((value[key] for key in _LIST_KEYS if isinstance(value.get(key), list)), None)
        return chunks(inside) if inside is not None else tuple(_chunk(value))
    if isinstance(value, list):
        return tuple(chunk for item in value for chunk in _chunk(item))
    return ()


def _chunk(item: Any) -> Iterable[Chunk]:
    if isinstance(item, str):
        if item.strip():
            yield Chunk(item)
        return
    if not isinstance(item, dict):
        return
    if isinstance(item.get("kwargs"), dict):  # langchain's serialised form of a Document
        item = item["kwargs"]
    text = next((item[key] for key in _TEXT_KEYS if isinstance(item.get(key), str)), "")
    if not text.strip():
        return
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    cited = _either(item, metadata, ("cited",))
    yield Chunk(
        text,
        rank=_whole(_either(item, metadata, _RANK_KEYS)),
        source=word(_either(item, metadata, _SOURCE_KEYS)),
        chunk_id=word(_either(item, metadata, _ID_KEYS)),
        score=_number(_either(item, metadata, _SCORE_KEYS)),
        cited=cited if isinstance(cited, bool) else None,
    )


def _either(item: Mapping[str, Any], metadata: Mapping[str, Any], keys: Iterable[str]) -> Any:
    for holder in (item, metadata):
        for key in keys:
            if holder.get(key) is not None:
                return holder[key]
    return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN, which JSON cannot hold
