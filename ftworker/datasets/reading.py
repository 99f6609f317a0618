"""Reads the rows of a training file with flat memory: JSON Lines, or one JSON array. Never interprets a row.

Lines end at LF alone: U+2028 and U+0085 inside a text are no line ends, whatever `splitlines` says.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from typing import Any, NoReturn

from ftworker.datasets.checks import Check

MAX_ROW_BYTES = 16 * 1024 * 1024
_BLOCK_BYTES = 1 << 20
_BOM = codecs.BOM_UTF8


@dataclass
class FileFacts:
    """What reading learns of the file besides its rows."""

    sha256: Any = field(default_factory=hashlib.sha256)
    bytes_read: int = 0
    is_array: bool = False
    byte_order_mark: bool = False
    windows_line_ends: int = 0
    first_windows_line: int = 0

    def take(self, raw: bytes) -> None:
        """These bytes of the file were read."""
        self.sha256.update(raw)
        self.bytes_read += len(raw)


@dataclass(frozen=True)
class Unreadable:
    """A place where no row can be read."""

    check: Check
    message: str


@dataclass(frozen=True)
class Pairs:
    """A JSON object as its pairs in order, so that a key given twice can be seen."""

    items: list[tuple[str, Any]]


class _Blocks(RawIOBase):
    """A file of any file system as the standard library knows files. fsspec's own read lines slowly, and some
    only without a limit.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


def buffered(file: Any) -> BufferedReader:
    """Read the file (anything with `read(size)`) in blocks."""
    return BufferedReader(_Blocks(file), _BLOCK_BYTES)


def read_rows(file: BufferedReader, facts: FileFacts) -> Iterator[tuple[int, Any]]:
    """(line where a row begins, its value or Unreadable), objects as Pairs. `facts` is filled on the way."""
    head = file.peek(64)
    facts.is_array = head.removeprefix(_BOM).lstrip()[:1] == b"["
    return _read_array(file, facts) if facts.is_array else _read_lines(file, facts)


def _read_lines(file: BufferedReader, facts: FileFacts) -> Iterator[tuple[int, Any]]:
    """JSON Lines. Empty lines at the end of the file are left out."""
    number = 0
    empty: list[int] = []
    while raw := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        facts.take(raw)
        if number == 1 and raw.startswith(_BOM):
            facts.byte_order_mark = True
            raw = raw[len(_BOM) :]
        if number == 1 and raw[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            yield 1, Unreadable(Check.NOT_UTF8, "the file is UTF-16; save it as UTF-8")
            _exhaust(file, facts)
            return
        if len(raw) > MAX_ROW_BYTES and not raw.endswith(b"\n"):
            _skip_line(file, facts)
            yield number, Unreadable(Check.LINE_TOO_LONG, f"longer than {MAX_ROW_BYTES} bytes")
            continue
        if raw.endswith(b"\r\n"):
            facts.windows_line_ends += 1
            facts.first_windows_line = facts.first_windows_line or number
        row = raw.strip(b" \t\r\n")
        if not row:
            empty.append(number)
            continue
        for line in empty:
            yield line, Unreadable(Check.EMPTY_LINE, "an empty line; remove it")
        empty.clear()
        yield number, _parse(row)


def _skip_line(file: BufferedReader, facts: FileFacts) -> None:
    while rest := file.readline(_BLOCK_BYTES):
        facts.take(rest)
        if rest.endswith(b"\n"):
            return


def _exhaust(file: BufferedReader, facts: FileFacts) -> None:
    while block := file.read(_BLOCK_BYTES):
        facts.take(block)


def _parse(raw: bytes) -> Any:
    try:
        return _decoder.decode(raw.decode())
    except UnicodeDecodeError as error:
        return Unreadable(Check.NOT_UTF8, f"byte {error.start + 1} of the line is not UTF-8")
    except json.JSONDecodeError as error:
        return Unreadable(Check.INVALID_JSON, f"{error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Unreadable(Check.INVALID_JSON, _not_json(error))


def _read_array(file: BufferedReader, facts: FileFacts) -> Iterator[tuple[int, Any]]:
    """One JSON array. Reading stops at the first thing that is not JSON."""
    source = _ArrayText(file, facts)
    try:
        source.skip_space()
        source.take("[")
        source.skip_space()
        if source.peek() == "]":
            source.take("]")
        else:
            while True:
                line = source.line
                yield line, source.value()
                source.skip_space()
                if source.peek() == "]":
                    source.take("]")
                    break
                source.take(",")
                source.skip_space()
        source.skip_space()
        if source.peek():
            source.fail("something follows the end of the array")
    except _Stopped as stopped:
        yield stopped.line, stopped.reason
        _exhaust(file, facts)


class _Stopped(Exception):
    def __init__(self, line: int, reason: Unreadable) -> None:
        super().__init__(reason.message)
        self.line = line
        self.reason = reason


class _ArrayText:
    """The text of a file, a window at a time: what was read is dropped, what is needed is fetched."""

    def __init__(self, file: BufferedReader, facts: FileFacts) -> None:
        self._file = file
        self._facts = facts
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._place = 0
        self._ended = False
        self._first = True
        self.line = 1

    def _more(self) -> bool:
        """Fetch another block; False at the end of the file."""
        if self._ended:
            return False
        block = self._file.read(_BLOCK_BYTES)
        self._facts.take(block)
        if self._first:
            self._first = False
            self._facts.byte_order_mark = block.startswith(_BOM)
            block = block.removeprefix(_BOM)
        self._ended = not block
        try:
            added = self._decode.decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            raise _Stopped(
                self.line,
                Unreadable(Check.NOT_UTF8, f"bytes that are not UTF-8 after this line: {error.reason}"),
            ) from None
        self._text = self._text[self._place :] + added
        self._place = 0
        return not self._ended

    def _advance(self, place: int) -> None:
        self.line += self._text.count("\n", self._place, place)
        self._place = place

    def skip_space(self) -> None:
        while True:
            place = self._place
            while place < len(self._text) and self._text[place] in " \t\r\n":
                place += 1
            self._advance(place)
            if place < len(self._text) or not self._more():
                return

    def peek(self) -> str:
        """The next character; nothing at the end."""
        return self._text[self._place : self._place + 1]

    def take(self, expected: str) -> None:
        if self.peek() != expected:
            self.fail(f"expected {expected!r}" + ("" if self.peek() else ", but the file ends here"))
        self._place += 1

    def fail(self, message: str) -> NoReturn:
        raise _Stopped(self.line, Unreadable(Check.INVALID_JSON, message))

    def value(self) -> Any:
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._place)
            except RecursionError as error:
                self.fail(_not_json(error))
            except ValueError as error:
                # Perhaps only cut off by the window: fetch more before it is called wrong.
                if len(self._text) - self._place > MAX_ROW_BYTES or not self._more():
                    line = self.line
                    if isinstance(error, json.JSONDecodeError):
                        line += self._text.count("\n", self._place, error.pos)
                    raise _Stopped(line, Unreadable(Check.INVALID_JSON, _not_json(error))) from None
                continue
            if end == len(self._text) and self._more():
                continue  # a number at the window's end may go on
            self._advance(end)
            return value


def _not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deeply" if isinstance(error, RecursionError) else "not a JSON value"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=Pairs, parse_constant=_refuse_constant)
