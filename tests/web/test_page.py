"""The page: what it says, what it never holds, and how it looks in a real browser."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ftworker import markup
from ftworker.settings import Settings, settings_from
from ftworker.store import Store
from ftworker.store.metrics import (
    SWEEP_TOTAL,
    Inbox,
    ParkedGroup,
    ProcessGroup,
    QuarantinedGroup,
    RunGroup,
    RunInFlight,
    Snapshot,
    WaitingExamples,
)
from ftworker.web import page
from ftworker.web.attention import concerns
from ftworker.web.reader import Problem, Reading
from ftworker.web.style import STYLE
from ftworker.web.wording import ago, count, duration, share
from tests import chromium
from tests.web.conftest import StartWeb, Web

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALIVE = {name: ProcessGroup(1, 1.0) for name in ("ingest", "worker", "beat", "web")}
QUIET = Snapshot(
    inbox=Inbox(0, 0, 0.0, None),
    waiting={},
    datasets={},
    runs=(),
    in_flight=(),
    promotions={},
    parked={},
    processes=ALIVE,
    totals={(SWEEP_TOTAL, ""): NOW.timestamp()},
    quarantined={},
)
RUN = RunInFlight(7, "tutor", "openai", "submitted", 60.0, 0.0, 0.0)


def render(settings: Settings, snapshot: Snapshot, *, refresh: bool = True) -> str:
    return page.render(settings, Reading(snapshot, None, 0.01), now=NOW, refresh=refresh)


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_page_says_how_full_each_pipeline_is(web: Web) -> None:
    words = Elements(web.get("/").text).words
    for expected in (
        "8 of 10 (80 %)",
        "800 of 2,000 (40 %)",
        "1 d 14 h of 7 d (22 %)",
        "training, for 8 h",
        "no. 2 with 10 new, 1 d ago",
        "38 kept, 9 dropped",
        "on schedule 0 3 * * sun UTC",
        "2 events, 1 of them put off",
        "malformed_json",
        "1,005, and 20 repeats",
    ):
        assert expected in words


def test_nothing_to_do_is_said_in_so_many_words(settings: Settings) -> None:
    shown = Elements(render(settings, QUIET))
    assert "All is well" in shown.words
    assert "None: every message was understood." in shown.words
    assert concerns(settings, QUIET, NOW) == ()


@pytest.mark.parametrize(
    "change,expected",
    [
        ({"processes": {}}, "No worker process is alive."),
        ({"in_flight": (replace(RUN, state="parked"),)}, "Run 7 of tutor is parked"),
        ({"in_flight": (replace(RUN, state="awaiting_approval"),)}, "ftworker runs approve 7"),
        (
            {"in_flight": (replace(RUN, silent_seconds=30_000),)},
            "openai has reported nothing new for 8 h 20 min",
        ),
        ({"in_flight": (replace(RUN, overdue_seconds=601),)}, "its next step has been due for 10 min"),
        ({"inbox": Inbox(3, 0, 700.0, None)}, "A conversation has waited for 11 min"),
        ({"inbox": Inbox(3, 3, 700.0, None)}, "ftworker sources test"),
        ({"parked": {"too_large": ParkedGroup(2, 5.0)}}, "2 messages could not be used."),
        (
            {"quarantined": {"tutor": QuarantinedGroup(3, 7200.0)}},
            "3 conversations of tutor in quarantine, the oldest for 2 h.",
        ),
        ({"totals": {(SWEEP_TOTAL, ""): NOW.timestamp() - 400}}, "The sweep has not run for 6 min"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_a_person_must_look_at_comes_with_what_to_do(
    settings: Settings, change: dict[str, object], expected: str
) -> None:
    shown = Elements(render(settings, replace(QUIET, **change)))  # type: ignore[arg-type]
    assert expected in shown.words
    assert "to look at" in shown.words


@pytest.mark.parametrize(
    "change",
    [
        {"in_flight": (RUN,)},
        {"in_flight": (replace(RUN, silent_seconds=21_000, overdue_seconds=599),)},
        {"inbox": Inbox(500, 0, 30.0, 1.0)},
        {"totals": {}},
    ],
    ids=["running", "slow", "busy", "never swept"],
)
def test_ordinary_work_asks_nobody_to_look(settings: Settings, change: dict[str, object]) -> None:
    assert concerns(settings, replace(QUIET, **change), NOW) == ()  # type: ignore[arg-type]


def test_a_problem_of_the_database_is_all_that_the_page_says(settings: Settings) -> None:
    shown = Elements(page.render(settings, Reading(None, Problem.DATABASE, 1.0), now=NOW, refresh=True))
    assert "the database does not answer" in shown.words
    assert not shown.named("table")


def test_every_value_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    settings = settings_from(
        {"pipelines": {"tutor": {"base_model": evil, "trigger": {"schedule": "0 3 * * *"}}}}
    )
    snapshot = replace(
        QUIET,
        waiting={evil: WaitingExamples(1, 1, 1.0)},
        runs=(RunGroup(evil, evil, evil, 1, 0.0),),
        in_flight=(replace(RUN, pipeline="tutor", provider=evil, state=evil, silent_seconds=30_000),),
        parked={evil: ParkedGroup(1, 1.0)},
        processes={evil: ProcessGroup(1, 1.0)},
        totals={("examples_dropped", f"pipeline=tutor,reason={evil}"): 1.0},
    )
    text = render(settings, snapshot)
    assert "<img" not in text
    assert not Elements(text).named("img")
    assert "&lt;img src=x onerror=alert(1)&gt;" in text


def test_markup_comes_from_tags_alone() -> None:
    made = markup.tag("a", "<b>", markup.tag("i", 5), None, href='"><x>', class_="y", aria_label=None)
    assert made == '<a href="&quot;&gt;&lt;x&gt;" class="y">&lt;b&gt;<i>5</i></a>'
    assert markup.tag("meta", name="x") == '<meta name="x">'


def test_the_page_loads_nothing_and_runs_nothing(web: Web) -> None:
    shown = Elements(web.get("/").text)
    for name in ("script", "img", "iframe", "form", "input", "object", "embed", "base"):
        assert not shown.named(name)
    assert [link["href"] for link in shown.named("link")] == ["data:,"]
    assert not [
        attributes for _, attributes in shown.tags if "style" in attributes or "onclick" in attributes
    ]
    assert {a["href"] for a in shown.named("a")} == {"/?still", "/metrics", "/healthz"}
    assert "url(" not in STYLE
    assert "@import" not in STYLE


def test_the_page_can_be_held_still(web: Web) -> None:
    def refreshes(path: str) -> list[str | None]:
        metas = Elements(web.get(path).text).named("meta")
        return [meta["content"] for meta in metas if meta.get("http-equiv") == "refresh"]

    assert refreshes("/") == ["10"]
    assert refreshes("/?still") == []
    assert refreshes("/?still&other") == []


def test_the_page_can_be_read_by_ear(web: Web) -> None:
    shown = Elements(web.get("/").text)
    assert shown.named("html")[0]["lang"] == "en"
    assert len(shown.named("h1")) == len(shown.named("main")) == len(shown.named("header")) == 1
    names = {attributes["id"] for attributes in shown.named("h2")}
    assert {section["aria-labelledby"] for section in shown.named("section")} == names
    assert all(bar["aria-label"] for bar in shown.named("progress"))
    assert {cell.get("scope") for cell in shown.named("th")} == {"col", "row"}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split("@media (prefers-color-scheme")[scheme]))
    pairs = [("ink", "page"), ("ink", "card"), ("quiet", "page"), ("quiet", "card"), ("accent", "page")]
    pairs += [("card", sign) for sign in ("good", "waits", "bad")]
    for one, other in pairs:
        assert contrast(colours[one], colours[other]) >= 4.5, (one, other)
    for graphic in ("good", "going", "waits", "bad", "over"):
        assert contrast(colours[graphic], colours["card"]) >= 3, graphic
    assert contrast(colours["accent"], colours["track"]) >= 3


@pytest.mark.parametrize(
    "seconds,words",
    [
        (0, "0 s"),
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (11_100, "3 h 5 min"),
        (86_400, "1 d"),
        (86_460, "1 d"),
        (187_200, "2 d 4 h"),
        (31_536_000, "365 d"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_times_counts_and_shares_are_said_as_people_do() -> None:
    assert ago(NOW.timestamp() - 7_500, NOW) == "2 h 5 min ago"
    assert ago(NOW.timestamp() + 60, NOW) == "just now"
    assert [count(n, "run") for n in (0, 1, 1_234)] == ["0 runs", "1 run", "1,234 runs"]
    assert [share(r) for r in (0, 0.999, 1, 1.5)] == ["0 %", "99 %", "100 %", "150 %"]


Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Run Chromium once without a window: `browse(url, "--dump-dom")` gives what it prints and logs."""
    runs: list[int] = []

    def run(url: str, *arguments: str) -> str:
        runs.append(1)
        return chromium.browse(tmp_path / f"profile-{len(runs)}", url, *arguments)

    return run


def first_pixel(picture: Path) -> tuple[int, ...]:
    """Red, green, blue of a PNG's upper left corner."""
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, data = 8, b""
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            data += content[place + 8 : place + 8 + length]
        place += length + 12
    # The first row has no row above and its first pixel none before: whatever the filter, it stands as it is.
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.parametrize(
    "scheme,colour", [(1, (0xF4, 0xF5, 0xF7)), (0, (0x14, 0x16, 0x1A))], ids=["light", "dark"]
)
def test_a_browser_shows_the_page_in_the_reader_s_colours(
    web: Web, browse: Browse, tmp_path: Path, scheme: int, colour: tuple[int, int, int]
) -> None:
    picture = tmp_path / "page.png"
    said = browse(
        f"{web.url}/?still",
        f"--screenshot={picture}",
        "--window-size=1280,900",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    # The style sheet is applied only when its hash is the one that the policy allows.
    assert "CONSOLE" not in said
    assert first_pixel(picture) == colour


def test_a_browser_reads_the_page_without_a_complaint(web: Web, browse: Browse) -> None:
    said = browse(f"{web.url}/?still", "--dump-dom")
    assert "<title>" in said
    assert "8 of 10 (80 %)" in said
    assert "CONSOLE" not in said


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_the_window(
    start_web: StartWeb, filled: Store, browse: Browse, tmp_path: Path, width: int
) -> None:
    long = {"base_model": "a-model-with-a-very-long-name-" * 4, "trigger": {"min_examples": 1_000_000}}
    wide = settings_from({"web": {"cache_seconds": 0}, "pipelines": {"tutor": long, "p" * 40: long}})
    text = start_web(wide, filled).get("/?still").text
    # The page runs no script, so a copy of it measures itself, in a frame: no window is narrower than 500 pixels.
    measure = (
        "<script>parent.postMessage(document.documentElement.scrollWidth + ' of ' + innerWidth, '*')</script>"
    )
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        "<script>onmessage = (said) => { document.title = said.data }</script>"
        f"<iframe src=page.html width={width} height=900 style='border: 0'></iframe>",
        encoding="utf-8",
    )
    said = browse(frame.as_uri(), "--dump-dom", "--virtual-time-budget=5000", "--hide-scrollbars")
    assert re.findall("<title>(.*?)</title>", said) == [f"{width} of {width}"]
