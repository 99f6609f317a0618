"""The last gate: the finished files are looked through for personal data once more, before anybody may see them.

Looks at the files and not at what they were made of, so that nothing between the two can be trusted wrongly. The system
prompt is configuration and is passed over. Never says what was found: only how much, of which kind, and in which rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ftworker.datasets.formats import SPEAKERS
from ftworker.datasets.reading import FileFacts, Pairs, Unreadable, buffered, read_rows
from ftworker.errors import PermanentError

Look = Callable[[str], Iterable[str]]
"""Tells the kinds of personal data in a text."""

_SPEAKER = re.compile(rf"(?:^|\n\n)(?:{'|'.join(SPEAKERS.values())}): ")
"""What earlier turns begin with in an instruction."""
_ROWS_NAMED = 10
_PROGRESS_ROWS = 1_000
_decode_line = msgspec.json.Decoder().decode


class PersonalDataLeft(PermanentError):
    """Personal data stands in the finished files, so they are not published. `counts` is by kind."""

    def __init__(self, counts: Counter[str], places: list[str]) -> None:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
        super().__init__(
            f"the finished dataset still holds personal data ({kinds}; {', '.join(places)}), so it is not published"
        )
        self.counts = counts
        self.places = places
        """The first rows that hold some, such as `train.jsonl:17`."""


def look_through(
    files: Iterable[tuple[str, Any]], look: Look, progress: Callable[[int], None] | None = None
) -> None:
    """Look at every text of data files, given by name and as files open for reading bytes.

    `progress` is told the rows done so far. Raises PersonalDataLeft.
    """
    counts: Counter[str] = Counter()
    places: list[str] = []
    rows = 0
    for name, file in files:
        for line, row in _rows(name, file):
            found = [kind for text in texts_of(row) for kind in look(text)]
            rows += 1
            if found:
                counts.update(found)
                if len(places) < _ROWS_NAMED:
                    places.append(f"{name}:{line}")
            if progress and not rows % _PROGRESS_ROWS:
                progress(rows)
    if counts:
        raise PersonalDataLeft(counts, places)


def texts_of(row: Any) -> Iterator[str]:
    """The texts of a row, or of an example's stored content, that a person or the assistant said."""
    match row:
        case {"role": "system"}:
            return
        case dict():
            for key, value in row.items():
                if key != "role":
                    yield from texts_of(value)
        case list():
            for value in row:
                yield from texts_of(value)
        case str():
            # Each turn by itself, as it was looked at when it came: "Usuario: Spotify" is nobody's account.
            yield from filter(None, _SPEAKER.split(row))
        case _:
            return


def _rows(name: str, file: Any) -> Iterator[tuple[int, Any]]:
    if name.endswith(".jsonl"):
        # Our own lines: no need of the validator's reader, which tells keys given twice and is five times slower.
        for number, line in enumerate(buffered(file), start=1):
            yield number, _decode_line(line)
        return
    for number, row in read_rows(buffered(file), FileFacts()):
        if isinstance(row, Unreadable):
            raise PermanentError(
                f"{name}:{number}: {row.message}; the file that was just written cannot be read"
            )
        yield number, _plain(row)


def _plain(value: Any) -> Any:
    match value:
        case Pairs():
            return {key: _plain(item) for key, item in value.items}
        case list():
            return [_plain(item) for item in value]
        case _:
            return value
