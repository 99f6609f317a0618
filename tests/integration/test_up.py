"""`ftworker up` on a machine with nothing configured: embedded servers, all processes, good and bad input, the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from ftworker.embedded.servers import EmbeddedPostgres, EmbeddedValkey
from ftworker.store import Store
from tests.integration.workbench import StartProcess, closed_events
from tests.servers import OwnProcess, wait_until

SECRET = "Ana Marigorta, de la calle Mayor"

CONFIGURATION = """
[worker]
sweep_interval_seconds = 0.5
[web]
port = 0
[ingest]
max_message_bytes = 100000
[sources.broken]
preset = "messages"
url_env = "FTWORKER_DATABASE_URL"
schema_name = "nowhere"
[pipelines.tutor]
provider = "local"
trigger = { min_examples = 500 }
"""


def event(number: int, **changes: Any) -> dict[str, Any]:
    [good] = closed_events(1, first=number)
    return {**good, **changes.pop("envelope", {}), "data": {**good["data"], **changes}}


def messages(question: str, answer: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]


LONG = "Una explicación que no termina nunca. " * 20

# What is sent, and what must become of it: an outcome of the inbox, or the reason on the parked or dropped row.
BAD_INPUT: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "malformed": (b'{"specversion": "1.0", "id": ' + SECRET.encode(), "parked malformed_json"),
    "not utf-8": (b"\xff\xfe" + SECRET.encode(), "parked not_utf8"),
    "unknown version": (
        event(1, envelope={"type": "org.ftworker.conversation.closed.v9"}),
        "parked unknown_version",
    ),
    "another's event": (event(2, envelope={"type": "com.github.push"}), "parked unknown_type"),
    "no id": ({**event(3), "data": {"user_ref": SECRET}}, "parked missing_conversation_id"),
    "lone surrogate": (
        json.dumps(event(4, messages=messages("¿Qué?", "\ud800 " + LONG))).encode(),
        "parked lone_surrogate",
    ),
    "enormous": (event(5, messages=messages("¿Qué?", LONG * 200)), "parked too_large"),
    "unknown source": (event(6, source_name="nadie", messages=None), "parked unknown_source"),
    "missing table": (event(7, source_name="broken", messages=None), "parked source_rejected"),
    "empty": (event(8, messages=[]), "dropped empty_conversation"),
    "odd role": (event(9, messages=[{"role": "profesor loco", "content": "hola"}]), "dropped unknown_role"),
    "null byte": (event(10, messages=messages("¿Qué?\u0000", LONG)), "dropped control_characters"),
    "no consent": (event(11, consent={"training": False}), "dropped no_consent"),
    "an error": (event(12, messages=messages("¿Qué es?", LONG, error="timeout")), "dropped error_answer"),
    "thumbs down": (event(13, messages=messages("¿Qué es?", LONG, rating=-1)), "dropped thumbs_down"),
}


def encoded(item: bytes | dict[str, Any]) -> bytes:
    if isinstance(item, bytes):
        return item
    data = {key: value for key, value in item["data"].items() if value is not None}
    return json.dumps({**item, "data": data}, ensure_ascii=False).encode()


@pytest.fixture
def up(tmp_path: Path, start_process: StartProcess) -> OwnProcess:
    config = tmp_path / "ftworker.toml"
    config.write_text(CONFIGURATION, encoding="utf-8")
    environment = {"FTWORKER_CONFIG": str(config), "FTWORKER_HOME": str(tmp_path / "home")}
    process = start_process(["ftworker", "up"], environment)
    process.wait_for_output("worker@", 90)
    wait_until(lambda: process.output().count("ready.") >= 2, 90, message=process.output)
    return process


def test_up_takes_in_good_and_bad_input_and_ends_cleanly(
    up: OwnProcess, tmp_path: Path, start_process: StartProcess
) -> None:
    home = tmp_path / "home"
    second = start_process(
        ["ftworker", "up"],
        {"FTWORKER_CONFIG": str(tmp_path / "ftworker.toml"), "FTWORKER_HOME": str(home)},
    )
    assert second.wait() == 1
    assert f"runs already over {home} (process {up.pid})" in second.output()
    store = Store(EmbeddedPostgres(home).url())
    stream = redis.Redis.from_url(EmbeddedValkey(home).url())
    good = closed_events(20, first=100)
    contradiction = {
        **good[0],
        "id": "again",
        "data": {**good[0]["data"], "closed_at": "2026-11-01T00:00:00Z"},
    }
    future = event(200, closed_at="2093-01-01T00:00:00Z")
    for item in (
        *(item for item, _ in BAD_INPUT.values()),
        *good,
        *good[:5],  # redelivered
        contradiction,  # an older version arrives late
        future,
    ):
        stream.xadd("ftworker:events", {"event": encoded(item)})

    def became() -> set[str]:
        with store.transaction() as cursor:
            cursor.execute("SELECT reason FROM ftworker.parked")
            parked = [f"parked {row.reason}" for row in cursor.fetchall()]
            cursor.execute("SELECT DISTINCT reason FROM ftworker.drops")
            dropped = [f"dropped {row.reason}" for row in cursor.fetchall()]
        return {*parked, *dropped}

    expected = {expectation for _, expectation in BAD_INPUT.values()}
    wait_until(lambda: expected <= became(), 60, message=lambda: f"missing {expected - became()}")
    with store.transaction() as cursor:
        cursor.execute("SELECT outcome, count(*)::int AS n FROM ftworker.inbox GROUP BY 1")
        outcomes = {row.outcome: row.n for row in cursor.fetchall()}
        cursor.execute("SELECT count(*)::int AS n FROM ftworker.examples")
        examples = cursor.fetchone().n
        cursor.execute("SELECT max(closed_at) > now() AS ahead FROM ftworker.conversations")
        ahead = cursor.fetchone().ahead
    store.close()
    assert None not in outcomes
    assert examples == 21
    assert outcomes["superseded"] == 1
    assert ahead is False
    assert SECRET not in up.output()

    children = psutil.Process(up.pid).children(recursive=True)
    assert up.terminate(60) == 0, up.output()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not EmbeddedPostgres(home).is_running()
