"""Numbers and times as people say them. Pure."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """The largest unit and, of days and hours, the next smaller one: `4 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(0, int(seconds))
    for place, (size, unit) in enumerate(_UNITS):
        if whole < size and size > 1:
            continue
        number, rest = divmod(whole, size)
        if size > 60:
            smaller_size, smaller_unit = _UNITS[place + 1]
            if rest >= smaller_size:
                return f"{number} {unit} {rest // smaller_size} {smaller_unit}"
        return f"{number} {unit}"
    raise AssertionError("seconds are the last unit")


def ago(timestamp: float, now: datetime) -> str:
    """`3 h 5 min ago`; `just now` below two seconds, and for a clock that is ahead of ours."""
    seconds = now.timestamp() - timestamp
    return f"{duration(seconds)} ago" if seconds >= 2 else "just now"


def count(number: int, noun: str) -> str:
    """`1 run`, `1,234 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(ratio: float) -> str:
    """`62 %`; never 100 % before it is."""
    percent = ratio * 100
    return f"{int(percent) if percent < 100 else round(percent)} %"
