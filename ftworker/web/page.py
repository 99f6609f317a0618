"""The page that people look at: what fills, what runs, what waits for them. No script, no other file.

Shows names from the configuration, states, counts and times alone: never what was said in a conversation, by
whom, or under which id. Everything is escaped by `markup.tag`. Takes a Reading, gives text: no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ftworker import __version__
from ftworker.markup import Child, Html, tag
from ftworker.runs.states import IN_FLIGHT, SUCCEEDED, RunState
from ftworker.settings import PipelineSettings, Settings
from ftworker.store.metrics import SWEEP_TOTAL, RunInFlight, Snapshot
from ftworker.web.attention import Concern, concerns
from ftworker.web.metrics import code_of, expected_processes, stored_labels, waiting_of
from ftworker.web.reader import Reading
from ftworker.web.style import STYLE
from ftworker.web.wording import ago, count, duration, share

REFRESH_SECONDS = 10

STATE_WORDS: dict[str, str] = {
    RunState.CUT: "dataset cut, being exported",
    RunState.EXPORTED: "exported, going to the provider",
    RunState.AWAITING_APPROVAL: "waits for approval",
    RunState.UPLOADED: "uploaded, job next",
    RunState.SUBMITTING: "job asked for, answer unknown",
    RunState.SUBMITTED: "training",
    RunState.TRAINED: "trained",
    RunState.PROMOTED: "promoted",
    RunState.PACKAGED: "packaged, not yet served",
    RunState.REJECTED: "rejected",
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
    RunState.PARKED: "parked: a person must look",
}
"""What a state means, for people."""


def render(settings: Settings, reading: Reading, *, now: datetime, refresh: bool) -> str:
    """The whole page as text."""
    snapshot = reading.snapshot
    found = concerns(settings, snapshot, now) if snapshot else ()
    state, headline = _headline(reading, found)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="refresh", content=str(REFRESH_SECONDS)) if refresh else None,
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{headline} · ftworker"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        tag(
            "header",
            tag("h1", "ftworker"),
            tag(
                "p",
                tag("span", _SIGNS[state], class_="sign", aria_hidden="true"),
                headline,
                class_=f"status {state}",
            ),
        ),
        tag("main", *_main(settings, reading, found, now)),
        _footer(now, refresh),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


_SIGNS = {"well": "✓", "attention": "!", "down": "×"}


def _headline(reading: Reading, found: Sequence[Concern]) -> tuple[str, str]:
    if reading.snapshot is None:
        return "down", "No reading of the database"
    if found:
        return "attention", f"{count(len(found), 'thing')} to look at"
    return "well", "All is well"


def _main(settings: Settings, reading: Reading, found: Sequence[Concern], now: datetime) -> Iterable[Child]:
    snapshot = reading.snapshot
    if snapshot is None:
        yield _section("Not now", tag("p", *_with_code(f"There are no numbers: {reading.problem}.")))
        return
    if found:
        yield _section(
            "To look at",
            tag(
                "ul",
                *(
                    tag("li", tag("strong", item.what), tag("span", *_with_code(item.next_step)))
                    for item in found
                ),
            ),
            class_="attention",
        )
    in_flight = {run.pipeline: run for run in snapshot.in_flight}
    yield _section(
        "Pipelines",
        tag(
            "div",
            *(
                _pipeline(name, pipeline, snapshot, in_flight.get(name), now)
                for name, pipeline in settings.pipelines.items()
            ),
            class_="cards",
        ),
    )
    yield tag(
        "div",
        _section("Runs", _runs(snapshot)),
        _section("Coming in", _coming_in(snapshot, now)),
        _section("Parked messages", _parked(snapshot)),
        _section("Processes", _processes(snapshot, now)),
        class_="columns",
    )


def _pipeline(
    name: str, pipeline: PipelineSettings, snapshot: Snapshot, run: RunInFlight | None, now: datetime
) -> Html:
    trigger = pipeline.trigger
    examples, tokens = waiting_of(snapshot, name)
    waiting = snapshot.waiting.get(name)
    oldest = waiting.oldest_age_seconds if waiting else 0.0
    dataset = snapshot.datasets.get(name)
    promoted = snapshot.promotions.get(name)
    kept, dropped = _kept_and_dropped(snapshot, name)
    bars = [
        _bar("Examples", examples, trigger.min_examples, f"{examples:,} of {trigger.min_examples or 0:,}"),
        _bar("Tokens", tokens, trigger.min_tokens, f"{tokens:,} of {trigger.min_tokens or 0:,}"),
        _bar(
            "Longest wait",
            oldest,
            trigger.max_wait_seconds,
            f"{duration(oldest)} of {duration(trigger.max_wait_seconds or 0)}",
        ),
    ]
    last = "none yet"
    if dataset:
        last = (
            f"no. {dataset.sequence:,} with {dataset.new_examples:,} new, {ago(dataset.cut_timestamp, now)}"
        )
    facts: list[tuple[str, Child]] = [
        ("Run", f"{_state_words(run.state)}, for {duration(run.state_seconds)}" if run else "none in flight"),
        (
            "Waiting",
            None if trigger.min_examples else f"{count(examples, 'example')}, {count(tokens, 'token')}",
        ),
        ("Oldest waits", duration(oldest) if waiting and not trigger.max_wait_seconds else None),
        ("Last dataset", last),
        ("Model promoted", ago(promoted, now) if promoted else "none yet"),
        ("Of all turns", f"{kept:,} kept, {dropped:,} dropped"),
    ]
    return tag(
        "article",
        tag("h3", name),
        tag("p", f"{pipeline.base_model} at {pipeline.provider}; {_when(pipeline)}", class_="quiet"),
        *bars,
        _facts(facts),
    )


def _when(pipeline: PipelineSettings) -> str:
    trigger = pipeline.trigger
    words = []
    if trigger.min_examples and trigger.min_tokens:
        words.append(
            "trains when both are full" if trigger.combine == "all" else "trains when either is full"
        )
    elif trigger.min_examples or trigger.min_tokens:
        words.append("trains when full")
    if trigger.max_wait_seconds:
        words.append(
            f"or after {duration(trigger.max_wait_seconds)} with {trigger.max_wait_floor:,} examples"
        )
    if trigger.schedule:
        words.append(f"or on schedule {trigger.schedule} UTC")
    return ", ".join(words).removeprefix("or ") or "trains by hand only"


def _bar(label: str, value: float, threshold: float | None, words: str) -> Html | None:
    if not threshold:
        return None
    return tag(
        "div",
        tag("span", label, class_="label"),
        tag("span", f"{words} ({share(value / threshold)})", class_="value"),
        tag(
            "progress", share(value / threshold), value=min(value, threshold), max=threshold, aria_label=label
        ),
        class_="bar",
    )


def _kept_and_dropped(snapshot: Snapshot, pipeline: str) -> tuple[int, int]:
    sums = {"examples_kept": 0.0, "examples_dropped": 0.0}
    for (name, labels), value in snapshot.totals.items():
        if name in sums and stored_labels(labels).get("pipeline") == pipeline:
            sums[name] += value
    return round(sums["examples_kept"]), round(sums["examples_dropped"])


def _runs(snapshot: Snapshot) -> Html:
    numbers = dict.fromkeys(RunState, 0)
    for group in snapshot.runs:
        if group.state in numbers:
            numbers[RunState(group.state)] += group.runs
    rows = [
        (tag("span", state.replace("_", " "), class_=f"state {_colour(state)}"), f"{number:,}")
        for state, number in numbers.items()
        if number
    ]
    return _table(("State", "Runs"), rows, "No run yet: the first begins when a pipeline is full.")


def _colour(state: RunState) -> str:
    if state in (RunState.PARKED, RunState.FAILED):
        return "bad"
    if state is RunState.AWAITING_APPROVAL:
        return "waits"
    return "good" if state in SUCCEEDED else "going" if state in IN_FLIGHT else "over"


def _coming_in(snapshot: Snapshot, now: datetime) -> Html:
    inbox = snapshot.inbox
    received = inbox.last_received_timestamp
    sweep = snapshot.totals.get((SWEEP_TOTAL, ""))
    events = sum(value for (name, _), value in snapshot.totals.items() if name == "ingest_events")
    repeats = sum(value for (name, _), value in snapshot.totals.items() if name == "ingest_duplicates")
    postponed = f", {inbox.postponed:,} of them put off" if inbox.postponed else ""
    return _facts(
        [
            ("Waiting", f"{count(inbox.waiting, 'event')}{postponed}"),
            ("Oldest waits", duration(inbox.oldest_age_seconds) if inbox.waiting else None),
            ("Last event", ago(received, now) if received else "none yet"),
            ("Recorded", f"{round(events):,}, and {count(round(repeats), 'repeat')}"),
            ("Last sweep", ago(sweep, now) if sweep else "none yet"),
        ]
    )


def _parked(snapshot: Snapshot) -> Html:
    rows = [
        (_breakable(code_of(reason)), f"{group.messages:,}", duration(group.oldest_age_seconds))
        for reason, group in sorted(snapshot.parked.items())
    ]
    return _table(("Reason", "Count", "Oldest"), rows, "None: every message was understood.")


def _processes(snapshot: Snapshot, now: datetime) -> Html:
    rows = []
    for name, group in expected_processes(snapshot).items():
        seen = (
            ago(now.timestamp() - group.last_seen_seconds, now)
            if group.last_seen_seconds is not None
            else "never"
        )
        rows.append((name, f"{group.alive:,}", seen))
    return _table(("Process", "Alive", "Last seen"), rows, "")


def _state_words(state: str) -> str:
    return STATE_WORDS.get(state, code_of(state))


def _breakable(code: str) -> Html:
    """A code that a narrow column may break behind an underscore, not in the middle of a word."""
    first, *others = code.split("_")
    return tag("span", first, *(part for word in others for part in ("_", tag("wbr"), word)))


def _with_code(sentence: str) -> list[Child]:
    """The sentence with what stands between backticks as code."""
    return [tag("code", part) if place % 2 else part for place, part in enumerate(sentence.split("`"))]


def _section(title: str, *children: Child, class_: str | None = None) -> Html:
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name, class_=class_)


def _facts(facts: Sequence[tuple[str, Child]]) -> Html:
    """Names and values; a fact without a value is left out."""
    known = (tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value is not None)
    return tag("dl", *known)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Child]], empty: str) -> Html:
    if not rows:
        return tag("p", empty, class_="quiet")
    head = tag("thead", tag("tr", *(tag("th", column, scope="col") for column in columns)))
    body = tag(
        "tbody",
        *(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows),
    )
    return tag("table", head, body)


def _footer(now: datetime, refresh: bool) -> Html:
    return tag(
        "footer",
        tag("p", f"ftworker {__version__}, {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        tag(
            "p",
            f"Renews itself every {REFRESH_SECONDS} s: " if refresh else "Stands still: ",
            tag("a", "hold it still", href="/?still")
            if refresh
            else tag("a", "renew it by itself", href="/"),
        ),
        tag("p", tag("a", "metrics", href="/metrics"), " · ", tag("a", "health", href="/healthz")),
    )
