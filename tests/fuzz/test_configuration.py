"""Any configuration gives settings that can be used, or names its problems; no secret in it ever shows."""

from __future__ import annotations

import copy
import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftworker.celery import beat_schedule
from ftworker.errors import ConfigurationError
from ftworker.runs.cutting import dataset_settings
from ftworker.settings import Settings, load_settings, masked_settings, settings_from
from tests.fuzz.cases import fuzzed, ran

SECRET = "geheim"
ADDRESSES = (
    f"postgresql://u:{SECRET}@h:5432/db",
    f"amqp://u:{SECRET}@h//;amqp://u:{SECRET}@i//",
    f"redis://:{SECRET}@h/0",
    f"https://u:{SECRET}@gateway/v1",
    f"host=h password={SECRET}",
    f"http://{SECRET}@gpu:11434",
)
HIDDEN = ("api_key", "password", "x-auth-token", "Authorization", "webhook_secret")
START: dict[str, Any] = {
    **Settings().model_dump(mode="json", exclude_none=True),
    "sources": {"rag": {"preset": "messages", "url": ADDRESSES[0], "messages": {"user": "alumno"}}},
    "privacy": {"rosters": {"north": {"tenant": "north", "file": "/nowhere"}}, "allow": ["Cervantes"]},
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [*ADDRESSES, "auto", "openai", "local", "tutor", "0 3 * * sun", "* * * * *", "@yearly", "a\n", "{0}", ""]
    )
    | st.sampled_from([datetime.fromisoformat("2026-01-01"), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)])
    | st.just(time(1, 2))
)  # fmt: skip
keys = st.text(max_size=6) | st.sampled_from([*START, "kind", "preset", "trigger", "a", "__class__", "[key]"])
hidden = st.fixed_dictionaries({}, optional=dict.fromkeys(HIDDEN, st.just(SECRET)))
values = st.recursive(
    scalars | hidden,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of nested tables."""
    found = []
    for key, inner in value.items():
        found.append((*before, key))
        if isinstance(inner, dict):
            found += places(inner, (*before, key))
    return found


changes = st.lists(
    st.tuples(st.sampled_from(places(START)), st.sampled_from(["replace", "add", "remove"]), keys, values),
    max_size=4,
)


def changed(edits: list[tuple[tuple[str, ...], str, str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = copy.deepcopy(START)
    for place, what, key, value in edits:
        table: Any = whole
        for part in place[:-1]:
            table = table.get(part) if isinstance(table, dict) else None
        if not isinstance(table, dict):
            continue
        if what == "remove":
            table.pop(place[-1], None)
        elif what == "add" and isinstance(table.get(place[-1]), dict):
            table[place[-1]][key] = value
        else:
            table[place[-1]] = value
    return whole


def use(settings: Settings) -> None:
    """What every process does with its settings."""
    assert SECRET not in str(masked_settings(settings))
    json.dumps(masked_settings(settings), default=str)
    beat_schedule(settings)
    hash(settings.storage())
    settings.events()
    for name in settings.pipelines:
        settings.dataset_format(name)
        dataset_settings(settings, name)


@fuzzed(0.15, short=150)
@given(changes)
@example([(("providers", "openai"), "replace", "", {"kind": "openai", "extra_headers": {"api_key": SECRET}})])
@example([(("home",), "replace", "", ADDRESSES[0])])
@example([(("ingest", "exchange"), "replace", "", ADDRESSES[4])])
@example([(("pipelines", "default"), "add", "trigger", {"schedule": "0 0 31 2 *"})])
def test_any_values_are_settings_or_problems(edits: list[tuple[tuple[str, ...], str, str, Any]]) -> None:
    ran["configuration: values"] += 1
    try:
        settings = settings_from(changed(edits))
    except ConfigurationError as error:
        told = str(error)
    else:
        use(settings)
        return
    assert SECRET not in told
    assert " = " in told


def written(value: Any) -> str:
    """TOML of plain values, inline."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {written(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case datetime() | date() | time():
            return value.isoformat()
        case str():
            return json.dumps(value)
        case None:
            return '"nothing"'
        case _:
            return repr(value)


@fuzzed(0.1, short=80)
@given(
    changes.map(
        lambda edits: "\n".join(f"{json.dumps(k)} = {written(v)}" for k, v in changed(edits).items())
    ),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=3), st.integers(0, 3)), max_size=3),
)
def test_any_file_is_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    damage: list[tuple[int, bytes, int]],
) -> None:
    ran["configuration: file"] += 1
    raw = text.encode("utf-8", "surrogatepass")
    for at, insert, skip in damage:
        raw = raw[:at] + insert + raw[at + skip :]
    path: Path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_bytes(raw)
    try:
        settings = load_settings(path)
    except ConfigurationError as error:
        told = str(error)
    else:
        # A damaged word may be cut out of its address, and is then no secret that anybody knows.
        if not damage:
            use(settings)
        return
    assert damage or SECRET not in told
