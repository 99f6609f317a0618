"""report.html: what it counts, what it never holds, and how it looks in a real browser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.curation.reasons import DropReason
from ftworker.datasets.figures import Distribution, Figures
from ftworker.datasets.plots import Bar, Column, bars, columns, histogram, share, stacked_bar
from ftworker.datasets.report import render_report
from ftworker.datasets.report_style import STYLE
from ftworker.datasets.selection import LeftOutReason
from ftworker.datasets.timeline import Timeline
from ftworker.settings import CurationSettings
from tests.chromium import browse

EVIL = "<img src=http://127.0.0.1:9/x onerror=alert(1)>\"'&"


def manifest(**origin: Any) -> dict[str, Any]:
    entry = {"name": "train.jsonl", "sha256": "e" * 64, "bytes": 12_345, "rows": 27, "tokens": 9_000}
    return {
        "sha256": "ab" * 32,
        "content": {
            "manifest_version": 1,
            "format": "openai-chat",
            "system_prompt": {"version": "3", "sha256": "c" * 64},
            "curation": CurationSettings().model_dump(mode="json"),
            "split": {"validation_share": 0.1, "salt": "ftworker", "given_up": None},
            "train": entry,
            "validation": {**entry, "name": "validation.jsonl", "rows": 3},
        },
        "provenance": {
            "pipeline": "tutor",
            "sequence": 7,
            "strategy": "all",
            "cut_at": "2026-11-20T03:00:00+00:00",
            "conversations": 20,
            "drops": {"refusal": 8, "too_short": 2},
            "left_out": {"near_duplicate": 5, "golden": 4},
            "ftworker_version": "0.3.0",
            **origin,
        },
    }


def content(question: str, answer: str) -> str:
    return json.dumps([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


def figures(
    count: int = 30, *, answer: str = "Una célula es la unidad de la vida.", model: str = "llama3.2:3b"
) -> Figures:
    found = Figures()
    for number in range(count):
        found.add(
            content("¿Qué es una célula?", answer * (1 + number % 4)),
            tokens=20 + number,
            rating=number % 3 - 1,
            model=model if number % 2 else None,
            side="validation" if number % 10 == 0 else "train",
        )
    return found


def timeline(*, days: int = 400, courses: int = 9) -> Timeline:
    found = Timeline()
    for number in range(0, days, 7):
        for course in range(courses):
            found.add(date(2025, 9, 1) + timedelta(number), f"Curso {course}" if course else None, course + 1)
    return found


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and its text without the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        self.words += "" if self._in_style else data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(manifest(), figures(), timeline())


def test_the_report_tells_what_stands_in_it_what_was_left_out_and_what_made_it(page: str) -> None:
    words = Elements(page).words
    for expected in (
        "tutor, dataset 7",
        "cut on 2026-11-20, format openai-chat, strategy all",
        "39 examples: 27 train, 3 validation, 4 golden set, 5 left out.",
        "30 values from 35 to 140 characters: half are up to 70",
        "10 (33 %)",  # rated up
        "not told by the store",
        "from 2025-09 to 2026-10, by month",
        "10 turns and conversations dropped since the pipeline began; most often refusal (8).",
        DropReason.REFUSAL.meaning,
        LeftOutReason.NEAR_DUPLICATE.meaning,
        "curation.max_answer_characters",
        "split.salt",
    ):
        assert expected in words, expected


def test_every_drawing_has_its_words_and_its_numbers(page: str) -> None:
    shown = Elements(page)
    drawings = shown.named("svg")
    ids = {attributes.get("id") for _, attributes in shown.tags}
    assert len(drawings) == len(shown.named("figure")) == len(shown.named("details")) == 9
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set((drawing["aria-labelledby"] or "").split()) <= ids
    names = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert shown.named("html")[0]["lang"] == "en"
    assert len(shown.named("h1")) == len(shown.named("main")) == 1
    assert {cell.get("scope") for cell in shown.named("th")} == {"col", "row"}


def test_the_report_asks_for_nothing_and_runs_nothing(page: str) -> None:
    shown = Elements(page)
    for name in ("script", "img", "iframe", "form", "object", "embed", "base", "use", "image", "a"):
        assert not shown.named(name)
    assert [link["href"] for link in shown.named("link")] == ["data:,"]
    assert not [each for _, each in shown.tags if any(key == "style" or key.startswith("on") for key in each)]
    (policy,) = [
        m["content"] for m in shown.named("meta") if m.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_no_word_of_a_conversation_and_no_markup_of_a_name_reaches_the_page() -> None:
    found = figures(answer="Me llamo Secretina y vivo en la calle Oculta.", model=EVIL)
    when = Timeline()
    when.add(date(2026, 11, 20), EVIL, 30)
    text = render_report(
        manifest(pipeline=EVIL, left_out={EVIL: 3}, selection={EVIL: {EVIL: EVIL}}), found, when
    )
    assert "<img" not in text
    assert not Elements(text).named("img")
    assert EVIL in Elements(text).words
    for word in ("Secretina", "Oculta", "célula"):
        assert word not in text


def test_a_dataset_of_which_little_is_known_has_a_report_too() -> None:
    plain = manifest(drops={}, left_out=None, conversations=None, cut_at=None)
    plain["content"]["validation"] = None
    words = Elements(render_report(plain, Figures(), Timeline())).words
    assert "None: every example that was cut stands in a file." in words
    assert "Nothing to count." in words


@pytest.mark.parametrize(
    "days,period,labels",
    [
        (["2026-11-20"], "day", ["2026-11-20"]),
        (["2026-11-18", "2026-11-20"], "day", ["2026-11-18", "2026-11-19", "2026-11-20"]),
        (["2026-06-30", "2026-09-01"], "month", ["2026-06", "2026-07", "2026-08", "2026-09"]),
        (["2025-12-31", "2026-02-28"], "month", ["2025-12", "2026-01", "2026-02"]),
        (["2019-01-01", "2022-06-01"], "year", ["2019", "2020", "2021", "2022"]),
    ],
)
def test_subjects_are_shown_by_day_month_or_year_with_the_empty_ones(
    days: list[str], period: str, labels: list[str]
) -> None:
    when = Timeline()
    for day in days:
        when.add(date.fromisoformat(day), "Física", 2)
    text = render_report(manifest(), figures(), when)
    (figure,) = re.findall(r'<figure id="subjects">.*?</figure>', text)
    assert re.findall(r'<th scope="row">([^<]+)</th>', figure) == labels
    assert f'<th scope="col">{period}</th>' in figure


def test_courses_beyond_the_colours_stand_together() -> None:
    text = render_report(manifest(), figures(), timeline(courses=12))
    (figure,) = re.findall(r'<figure id="subjects">.*?</figure>', text)
    assert "6 more" in figure
    assert "Curso 11" in figure
    assert "Curso 3" not in figure


@given(st.lists(st.integers(0, 2**45), min_size=1, max_size=200))
def test_quantiles_and_bins_count_every_value_and_are_at_most_a_hundredth_off(values: list[int]) -> None:
    found = Distribution()
    for value in values:
        found.add(value)
    capped = sorted(min(value, 2**40 - 1) for value in values)
    for part in (0.0, 0.5, 0.95, 1.0):
        exact = capped[max(0, -(-int(part * 1000) * len(capped) // 1000) - 1)]
        assert abs(found.quantile(part) - exact) <= exact / 100
    assert (found.least, found.most, found.count, found.total) == (
        capped[0],
        capped[-1],
        len(values),
        sum(capped),
    )
    assert sum(found.bins(100, 10)) == len(values)


@given(st.lists(st.integers(0, 10**9), max_size=60), st.integers(0, 3))
def test_every_plot_of_any_numbers_is_well_drawn(values: list[int], extra: int) -> None:
    found = Distribution()
    for value in values:
        found.add(value)
    items = [Bar(f"b{place}" * 30, value, "x" * extra) for place, value in enumerate(values)]
    series = [f"s{place}" for place in range(1 + extra)]
    points = [Column(f"p{place}", [value] * len(series)) for place, value in enumerate(values)]
    for text in (
        histogram("a", "A", "tokens", found),
        bars("b", "B", "things", items, empty="None.", whole=sum(values) or None),
        stacked_bar("c", "C", "things", items),
        columns("d", "D", "things", series, points, period="day"),
    ):
        for width in re.findall(r' (?:width|height|x|y|x1|x2|y1|y2)="([^"]+)"', text):
            assert -1 <= float(width) <= 5_000
        assert "nan" not in text


@pytest.mark.parametrize(
    "part,whole,words",
    [(0, 0, "0 %"), (0, 9, "0 %"), (1, 900, "< 1 %"), (899, 900, "> 99 %"), (1, 3, "33 %")],
)
def test_shares_are_said_as_people_do(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_drawings_can_be_told_from_the_paper(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split("@media (prefers-color-scheme")[scheme]))
    for words in ("ink", "quiet"):
        assert contrast(colours[words], colours["card"]) >= 4.5
        assert contrast(colours[words], colours["page"]) >= 4.5
    for place in range(7):
        assert contrast(colours[f"s{place}"], colours["card"]) >= 3, place


@dataclass
class Site:
    """A folder served on this machine, and Chromium without a window to look at it."""

    folder: Path
    url: str
    asked: list[str]
    """Every path that was asked for."""

    def browse(self, name: str, *arguments: str) -> str:
        """Open a page; gives the document as it stands then, and what the console said."""
        return browse(self.folder / "profile", f"{self.url}/{name}", *arguments)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments: Any) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(tmp_path, f"http://127.0.0.1:{server.server_port}", asked)
        server.shutdown()
        thread.join()


def test_a_browser_draws_the_report_without_a_complaint_and_without_a_request(page: str, site: Site) -> None:
    (site.folder / "report.html").write_text(page, encoding="utf-8")
    told = site.browse("report.html", "--dump-dom")
    assert "CONSOLE" not in told
    assert site.asked == ["/report.html"]
    assert told.count("<svg") == 9
    assert "Subjects over time" in told


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_window(page: str, site: Site, width: int) -> None:
    # Chromium has no window below 500 pixels, a frame has. The report runs no script; the page around it measures.
    (site.folder / "report.html").write_text(page, encoding="utf-8")
    (site.folder / "outer.html").write_text(
        f'<!doctype html><iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe><p id=p></p>'
        "<script>addEventListener('load', () => { const e = document.querySelector('iframe').contentDocument"
        ".documentElement; document.getElementById('p').textContent = 'beyond ' + (e.scrollWidth - e.clientWidth)"
        " })</script>",
        encoding="utf-8",
    )
    assert "beyond 0<" in site.browse("outer.html", "--dump-dom", "--window-size=1400,900")
