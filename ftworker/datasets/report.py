"""report.html of a dataset: one page that says what stands in it, what was left out, and which settings made it.

One self-contained file: no script, no request, light or dark as the reader likes. Shows counts, the names of models
and courses, and settings: never what was said in a conversation, by whom, or under which id. Pure: the manifest and
what `figures` gathered in, text out. `plots` draws.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ftworker.datasets.difference import meaning
from ftworker.datasets.figures import Figures
from ftworker.datasets.plots import (
    SERIES,
    Bar,
    Column,
    bars,
    columns,
    histogram,
    number,
    share,
    stacked_bar,
    table,
)
from ftworker.datasets.report_style import STYLE
from ftworker.datasets.selection import LeftOutReason
from ftworker.datasets.timeline import Timeline
from ftworker.markup import Child, Html, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_UNKNOWN_MODEL = "not told by the store"
_NO_COURSE = "no course"


def render_report(manifest: Mapping[str, Any], figures: Figures, timeline: Timeline) -> str:
    """The whole page. `manifest` as plain JSON values, the way manifest.json holds them."""
    origin = manifest["provenance"]
    title = f"{origin['pipeline']}, dataset {origin['sequence']}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title} · ftworker"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        _header(title, manifest),
        tag(
            "main",
            _section("At a glance", _tiles(manifest, figures), name="glance"),
            _section("What stands in it", _grid(_inside(manifest, figures, timeline)), name="inside"),
            _section("What was left out", _grid(_left_out(origin)), name="left-out"),
            _section("What made it", _making(manifest), name="made"),
        ),
        _footer(origin),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(title: str, manifest: Mapping[str, Any]) -> Html:
    content, origin = manifest["content"], manifest["provenance"]
    cut = f"cut on {origin['cut_at'][:10]}, " if origin.get("cut_at") else ""
    return tag(
        "header",
        tag("h1", title),
        tag("p", f"{cut}format {content['format']}, strategy {origin['strategy']}", class_="quiet"),
        tag("p", tag("code", f"sha256 {manifest['sha256']}"), class_="quiet hash"),
    )


def _section(title: str, *children: Child, name: str) -> Html:
    return tag("section", tag("h2", title, id=f"h-{name}"), *children, aria_labelledby=f"h-{name}")


def _grid(children: Iterable[Child]) -> Html:
    return tag("div", *children, class_="grid")


def _tiles(manifest: Mapping[str, Any], figures: Figures) -> Html:
    content, origin = manifest["content"], manifest["provenance"]
    facts = [("Examples", number(figures.tokens.count), "that stand in its files")]
    if origin.get("conversations") is not None:
        facts.append(("Conversations", number(origin["conversations"]), "that they come from"))
    facts += [
        # The golden set never trains, and its tokens are not counted.
        (
            entry["name"],
            number(entry["rows"]),
            f"rows, {number(entry['tokens'])} tokens" if entry["tokens"] else "rows",
        )
        for entry in _entries(content)
    ]
    facts.append(("Tokens", number(figures.tokens.quantile(0.5)), "in an example, the median"))
    rated = figures.ratings[1] + figures.ratings[-1]
    facts.append(("Rated", share(rated, figures.tokens.count), "of the answers, by a person"))
    if "own_model_share" in (selection := origin.get("selection") or {}):
        facts.append(
            ("Own models", share(selection["own_model_share"], 1), "of the answers, by models tuned here")
        )
    facts.append(("Left out", number(_plainly_left_out(origin)), "examples, of those that were cut for it"))
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", tag("strong", value), tag("span", words)))
            for name, value, words in facts
        ),
        class_="tiles",
    )


def _plainly_left_out(origin: Mapping[str, Any]) -> int:
    """Examples left out for another reason than being the golden set, which has a use."""
    return sum(count for code, count in _left_out_counts(origin).items() if code != LeftOutReason.GOLDEN)


def _left_out_counts(origin: Mapping[str, Any]) -> Mapping[str, int]:
    counts: Mapping[str, int] = origin.get("left_out") or {}
    return counts


def _entries(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The data files, in the order of the manifest."""
    return [
        value
        for value in content.values()
        if isinstance(value, Mapping) and "rows" in value and "sha256" in value
    ]


def _inside(manifest: Mapping[str, Any], figures: Figures, timeline: Timeline) -> Iterator[Child]:
    origin = manifest["provenance"]
    parts = [
        Bar("train", figures.sides["train"], "the model is trained on them"),
        Bar("validation", figures.sides["validation"], "it is measured by them while it trains"),
        Bar(
            "golden set", _left_out_counts(origin).get(LeftOutReason.GOLDEN, 0), LeftOutReason.GOLDEN.meaning
        ),
        Bar("left out", _plainly_left_out(origin), "cut with it and in no file: the reasons stand below"),
    ]
    yield stacked_bar("split", "Where the examples stand", "examples", parts)
    yield histogram("answers", "Length of answers", "characters", figures.answers)
    yield histogram("prompts", "Length of prompts", "characters", figures.prompts)
    yield histogram("tokens", "Tokens of an example", "tokens", figures.tokens)
    ratings = [
        Bar("rated up", figures.ratings[1], "a person liked the answer, or the whole conversation"),
        Bar("not rated", figures.ratings[0], "nobody said anything"),
        Bar("rated down", figures.ratings[-1], "a person disliked it"),
    ]
    whole = figures.tokens.count
    yield bars("ratings", "Ratings", "examples", ratings, empty="Nothing to count.", whole=whole)
    models = [Bar(name or _UNKNOWN_MODEL, count) for name, count in figures.models.items()]
    yield bars("models", "Models that answered", "examples", models, empty="Nothing to count.", whole=whole)
    yield _subjects(timeline)


def _subjects(timeline: Timeline) -> Html:
    courses = timeline.courses()
    largest = [course for course, _ in sorted(courses.items(), key=lambda item: (-item[1], item[0]))]
    # One colour is for all that is left, so that no two courses share one.
    shown = largest if len(largest) <= SERIES else largest[: SERIES - 1]
    names = [course or _NO_COURSE for course in shown]
    if len(largest) > len(shown):
        names.append(f"{len(largest) - len(shown)} more")
    period, label_of, labels = _periods(timeline.days)
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for day, by_course in timeline.days.items():
        counts[label_of(day)].update(by_course)
    points = []
    for label in labels:
        values = [counts[label][course] for course in shown]
        if len(names) > len(shown):
            values.append(counts[label].total() - sum(values))
        points.append(Column(label, values))
    return columns("subjects", "Subjects over time", "examples", names, points, period=period)


def _periods(days: Collection[date]) -> tuple[str, Callable[[date], str], list[str]]:
    """What a column stands for, a day's label, and all labels in time, those of empty periods too.

    Days up to a month, then months up to three years, then years.
    """
    if not days:
        return "day", date.isoformat, []
    first, last = min(days), max(days)
    span = (last - first).days
    if span <= 31:
        return "day", date.isoformat, [(first + timedelta(step)).isoformat() for step in range(span + 1)]
    if span <= 3 * 366:
        begin, end = (day.year * 12 + day.month - 1 for day in (first, last))
        return "month", _month, [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(begin, end + 1)]
    return "year", _year, [str(year) for year in range(first.year, last.year + 1)]


def _month(day: date) -> str:
    return day.isoformat()[:7]


def _year(day: date) -> str:
    return str(day.year)


def _left_out(origin: Mapping[str, Any]) -> Iterator[Child]:
    yield bars(
        "left-out-examples",
        "Examples that stand in no file",
        "examples left out when the dataset was written",
        _reasons(_left_out_counts(origin)),
        empty="None: every example that was cut stands in a file.",
    )
    yield bars(
        "drops",
        "Turns that never became examples",
        "turns and conversations dropped since the pipeline began",
        _reasons(origin["drops"]),
        empty="None.",
    )


def _reasons(counts: Mapping[str, int]) -> list[Bar]:
    return [Bar(code, count, meaning(code)) for code, count in counts.items()]


def _making(manifest: Mapping[str, Any]) -> Html:
    content, origin = manifest["content"], manifest["provenance"]
    files = table(
        ("file", "rows", "tokens", "bytes", "sha256"),
        [
            (
                entry["name"],
                number(entry["rows"]),
                number(entry["tokens"]) if entry["tokens"] else "-",
                number(entry["bytes"]),
                tag("code", entry["sha256"][:12]),
            )
            for entry in _entries(content)
        ],
    )
    settings = {
        key: value for key, value in content.items() if not (isinstance(value, Mapping) and "rows" in value)
    }
    shown = [_block("Files", files), _block("Settings", table(("setting", "value"), _flat(settings)))]
    if selection := origin.get("selection"):
        shown.append(_block("Selection, in figures", table(("figure", "value"), _flat(selection))))
    return tag("div", *shown, class_="made")


def _block(title: str, content: Html) -> Html:
    return tag("div", tag("h3", title), content, class_="block")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[Sequence[Child]]:
    """Settings as lines: `split.salt`, `ftworker`."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, _shown(value)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case int():
            return number(value)
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
        case Mapping():
            return "none"
        case _:
            # What cannot be seen is shown as JSON writes it.
            return str(value) if str(value).strip() else json.dumps(value)


def _footer(origin: Mapping[str, Any]) -> Html:
    return tag(
        "footer",
        tag("span", f"written by ftworker {origin['ftworker_version']}"),
        tag(
            "span",
            "Counts and settings alone: no conversation, no user. The files themselves are personal data.",
        ),
    )
