"""Plots as inline SVG: histograms, bars, a stacked bar, stacked columns over time. Pure: numbers in, markup out.

Each plot is a `figure` with its title, the drawing with a sentence that says what it shows, and the same numbers as a
table to unfold. Colours are classes of the report's style sheet, so that they follow the reader's light or dark scheme,
and no meaning hangs on colour alone. All plots are drawn 400 units wide and scale with their column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftworker.datasets.figures import Distribution
from ftworker.markup import Child, Html, tag

WIDTH = 400
SERIES = 7
"""Colours there are: series 0 to 5, and the last for all that is left."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 22, 34
_MOST_BINS = 28
_MOST_BARS = 14
_ROW_HEIGHT = 34
_CHARACTER = 6.4
"""Width of a character of the plots' text, roughly, by which labels are cut."""


@dataclass(frozen=True)
class Bar:
    """One bar of `bars`: its label, its number, and a sentence that explains the label."""

    label: str
    value: int
    meaning: str = ""


@dataclass(frozen=True)
class Column:
    """One column of `columns`: the period that it stands for, and the number of each series."""

    label: str
    values: Sequence[int]


def number(value: float) -> str:
    """`1,234`, as people read it."""
    return f"{round(value):,}"


def share(part: float, whole: float) -> str:
    """`12 %`; shares that round to 0 or 100 and are neither say so."""
    if not whole:
        return "0 %"
    rounded = round(100 * part / whole)
    if rounded == 0 and part:
        return "< 1 %"
    if rounded == 100 and part != whole:
        return "> 99 %"
    return f"{rounded} %"


def histogram(name: str, title: str, unit: str, values: Distribution) -> Html:
    """How often values of each size come, with the median and the 95th percentile marked."""
    if not values.count:
        return _figure(name, title, None, "Nothing to count.", None)
    start, width, count = _bins(values)
    counts = values.bins(width, count, start=start)
    end = start + width * count

    def words(place: int) -> str:
        low, high = start + place * width, start + (place + 1) * width - 1
        if place == count - 1 and values.most > high:
            return f"{number(low)} and more"
        return number(low) if low == high else f"{number(low)} to {number(high)}"

    height, top = 200, max(counts)
    across, up = (WIDTH - _LEFT - _RIGHT) / count, height - _TOP - _BOTTOM
    foot = height - _BOTTOM
    drawn: list[Child] = list(_grid(top, foot, up))
    for place, amount in enumerate(counts):
        if amount:
            tall = max(1.0, amount / top * up)
            drawn.append(
                tag(
                    "rect",
                    tag("title", f"{words(place)} {unit}: {number(amount)}"),
                    x=_round(_LEFT + place * across + 0.5),
                    y=_round(foot - tall),
                    width=_round(max(across - 1, 1)),
                    height=_round(tall),
                    class_="s0 beyond" if place == count - 1 and values.most >= end else "s0",
                )
            )
    step = max(1, round(count / 5))
    drawn += [
        _text(number(start + place * width), _LEFT + place * across, foot + 14, "middle")
        for place in range(0, count + 1, step)
    ]
    drawn.append(_text(unit, WIDTH - _RIGHT, height - 4, "end", "quiet"))
    median, high = values.quantile(0.5), values.quantile(0.95)
    # One above the other, so that they can be read where they nearly meet.
    labels = []
    for value, name_of, y in ((median, "median", 10), (high, "95 %", 20)):
        x = _LEFT + min((value - start + 0.5) / (width * count), 1) * (WIDTH - _LEFT - _RIGHT)
        anchor = "end" if x > WIDTH - 100 else "start"
        drawn.append(tag("line", x1=_round(x), x2=_round(x), y1=y - 9, y2=foot, class_="mark"))
        place_of = x - 4 if anchor == "end" else x + 4
        labels.append(_text(f"{name_of} {number(value)}", place_of, y, anchor, "label"))
    drawn += labels
    sentence = (
        f"{number(values.count)} values from {number(values.least)} to {number(values.most)} {unit}: half are up to "
        f"{number(median)}, 95 % up to {number(high)}, the mean is {number(values.total / values.count)}."
    )
    rows = [(words(place), number(amount)) for place, amount in enumerate(counts) if amount]
    return _figure(
        name, title, _drawing(name, title, sentence, height, drawn), sentence, ((unit, "number"), rows)
    )


def _bins(values: Distribution) -> tuple[int, int, int]:
    """Where the first bin begins, and width and number of the bins: round numbers, with nearly all values in reach."""
    reach = values.quantile(0.99)
    # An axis begins at 0, unless that would press all that is there into its last part.
    least = values.least if 2 * values.least > reach else 0
    width = next(step for step in _round_numbers() if step * (_MOST_BINS - 2) >= reach - least)
    start = least // width * width
    number_of = (reach - start) // width + 1
    # What lies beyond the reach has one bin more, the last.
    return start, width, max(4, number_of + (values.most >= start + number_of * width))


def _round_numbers() -> Iterable[int]:
    size = 1
    while True:
        yield from (size, 2 * size, 5 * size)
        size *= 10


def bars(
    name: str, title: str, what: str, items: Iterable[Bar], *, empty: str, whole: int | None = None
) -> Html:
    """Numbers by name, the largest first; those beyond the fourteenth are one bar. `whole` gives shares."""
    ordered = sorted((item for item in items if item.value), key=lambda item: (-item.value, item.label))
    if not ordered:
        return _figure(name, title, None, empty, None)
    total = sum(item.value for item in ordered)
    shown = ordered
    if len(ordered) > _MOST_BARS:
        rest = ordered[_MOST_BARS - 1 :]
        shown = [
            *ordered[: _MOST_BARS - 1],
            Bar(f"{len(rest)} more", sum(item.value for item in rest)),
        ]
    top = max(item.value for item in shown)
    drawn: list[Child] = []
    for place, item in enumerate(shown):
        y = place * _ROW_HEIGHT
        amount = number(item.value)
        amount += f" ({share(item.value, whole)})" if whole else ""
        room = int((WIDTH - len(amount) * _CHARACTER - 12) / _CHARACTER)
        drawn += [
            _text(_cut(item.label, room), 0, y + 14, "start"),
            _text(amount, WIDTH, y + 14, "end"),
            tag("rect", x=0, y=y + 19, width=WIDTH, height=7, rx=2, class_="track"),
            tag(
                "rect",
                tag("title", item.meaning) if item.meaning else None,
                x=0,
                y=y + 19,
                width=_round(max(2.0, item.value / top * WIDTH)),
                height=7,
                rx=2,
                class_="s0",
            ),
        ]
    sentence = f"{number(total)} {what}; most often {shown[0].label} ({number(shown[0].value)})."
    head = ("name", "number", "meaning") if any(item.meaning for item in ordered) else ("name", "number")
    rows = [
        (item.label, number(item.value), *((item.meaning,) if len(head) == 3 else ())) for item in ordered
    ]
    drawing = _drawing(name, title, sentence, len(shown) * _ROW_HEIGHT, drawn)
    return _figure(name, title, drawing, sentence, (head, rows))


def stacked_bar(name: str, title: str, what: str, parts: Sequence[Bar]) -> Html:
    """Parts of one whole side by side, with a legend that names each."""
    given = [part for part in parts if part.value]
    whole = sum(part.value for part in given)
    if not whole:
        return _figure(name, title, None, "Nothing to count.", None)
    drawn: list[Child] = []
    x = 0.0
    for place, part in enumerate(given):
        wide = part.value / whole * WIDTH
        words = f"{part.label}: {number(part.value)} ({share(part.value, whole)})"
        drawn.append(
            tag(
                "rect",
                tag("title", words),
                x=_round(x),
                y=4,
                width=_round(max(wide, 1)),
                height=26,
                class_=f"piece s{place % SERIES}",
            )
        )
        x += wide
        y = 52 + place * 20
        drawn.append(tag("rect", x=0, y=y - 10, width=11, height=11, rx=2, class_=f"s{place % SERIES}"))
        drawn.append(_text(_cut(part.label, 40), 18, y, "start"))
        drawn.append(_text(f"{number(part.value)} ({share(part.value, whole)})", WIDTH, y, "end"))
    sentence = (
        f"{number(whole)} {what}: " + ", ".join(f"{number(part.value)} {part.label}" for part in given) + "."
    )
    rows = [(part.label, number(part.value), part.meaning) for part in given]
    drawing = _drawing(name, title, sentence, 40 + len(given) * 20, drawn)
    return _figure(name, title, drawing, sentence, (("part", "examples", "meaning"), rows))


def columns(
    name: str, title: str, what: str, series: Sequence[str], points: Sequence[Column], *, period: str
) -> Html:
    """Stacked columns in the order given, one for each period; the first series stands at the bottom."""
    top = max((sum(point.values) for point in points), default=0)
    if not top:
        return _figure(name, title, None, "Nothing to count.", None)
    foot, up = 180 - _BOTTOM, 180 - _BOTTOM - 8
    across = (WIDTH - _LEFT - _RIGHT) / len(points)
    drawn: list[Child] = list(_grid(top, foot, up))
    for place, point in enumerate(points):
        y = float(foot)
        for index, value in enumerate(point.values):
            if not value:
                continue
            tall = value / top * up
            y -= tall
            drawn.append(
                tag(
                    "rect",
                    tag("title", f"{point.label}, {series[index]}: {number(value)}"),
                    x=_round(_LEFT + place * across + across * 0.08),
                    y=_round(y),
                    width=_round(min(across * 0.84, 60)),
                    height=_round(max(tall, 0.5)),
                    class_=f"piece s{index % SERIES}",
                )
            )
    for place in _spread(len(points), 5):
        middle = _LEFT + place * across + across * 0.08 + min(across * 0.84, 60) / 2
        anchor = (
            "start"
            if place == 0 and across < 50
            else "end"
            if place == len(points) - 1 and across < 50
            else "middle"
        )
        x = {"start": _LEFT, "end": WIDTH - _RIGHT, "middle": middle}[anchor]
        drawn.append(_text(points[place].label, x, foot + 14, anchor))
    totals = [sum(point.values[index] for point in points) for index in range(len(series))]
    y = foot + 38
    for index, label in enumerate(series):
        drawn.append(tag("rect", x=0, y=y - 10, width=11, height=11, rx=2, class_=f"s{index % SERIES}"))
        drawn.append(_text(_cut(label, 46), 18, y, "start"))
        drawn.append(_text(number(totals[index]), WIDTH, y, "end"))
        y += 20
    busiest = max(points, key=lambda point: sum(point.values))
    sentence = (
        f"{number(sum(totals))} {what} from {points[0].label} to {points[-1].label}, by {period}; the most, "
        f"{number(top)}, in {busiest.label}."
        if len(points) > 1
        else f"{number(sum(totals))} {what}, all in {points[0].label}."
    )
    rows = [(point.label, *map(number, point.values)) for point in points]
    drawing = _drawing(name, title, sentence, y - 12, drawn)
    return _figure(name, title, drawing, sentence, ((period, *series), rows))


def _spread(count: int, wanted: int) -> list[int]:
    """At most so many of the places 0 to count - 1, evenly, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(place * (count - 1) / (wanted - 1)) for place in range(wanted)})


def _grid(top: int, foot: float, up: float) -> Iterable[Html]:
    """Lines across at round numbers, with what they stand for."""
    step = next(size for size in _round_numbers() if size * 4 >= top)
    for value in range(0, top + 1, step):
        y = _round(foot - value / top * up)
        yield tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid")
        yield _text(_short(value), _LEFT - 6, y + 4, "end", "quiet")


def _short(value: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return str(value)


def _text(words: str, x: float, y: float, anchor: str, class_: str | None = None) -> Html:
    return tag("text", words, x=_round(x), y=_round(y), text_anchor=anchor, class_=class_)


def _cut(words: str, room: int) -> str:
    return words if len(words) <= room else f"{words[: max(room - 1, 1)]}…"


def _round(value: float) -> float | int:
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _drawing(name: str, title: str, sentence: str, height: float, drawn: Iterable[Child]) -> Html:
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", sentence, id=f"{name}-desc"),
        *drawn,
        viewBox=f"0 0 {WIDTH} {_round(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _figure(
    name: str,
    title: str,
    drawing: Html | None,
    sentence: str,
    numbers: tuple[Sequence[str], Sequence[Sequence[str]]] | None,
) -> Html:
    return tag(
        "figure",
        tag("figcaption", tag("h3", title), tag("p", sentence, class_="quiet")),
        drawing,
        tag("details", tag("summary", "Numbers"), table(*numbers)) if numbers else None,
        id=name,
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Child]]) -> Html:
    """A table whose first column names its rows."""
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head))),
            tag(
                "tbody",
                *(
                    tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
                    for row in rows
                ),
            ),
        ),
        class_="table",
    )
