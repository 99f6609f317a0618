"""`ftworker parked`: what is held, shown safely, tried again with the present code, or dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftworker.cli.events import parked as command
from ftworker.cli.events import visible
from ftworker.events.contract import EVENT_TYPE
from ftworker.events.replay import replay
from ftworker.store import Store, inbox, parked
from ftworker.store.inbox import NewEvent
from ftworker.store.parked import ParkedMessage
from tests.store_rows import fetch

MAX_BYTES = 10_000


def closing(number: int, padding: int = 0) -> bytes:
    data = {"conversation_id": f"c{number}", "system_prompt": "x" * padding}
    event = {"specversion": "1.0", "id": f"e{number}", "source": "/rag", "type": EVENT_TYPE, "data": data}
    return json.dumps(event).encode()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def hold(store: Store, raw: bytes, reason: str = "malformed_json", *, keep_bytes: int | None = None) -> int:
    with store.transaction() as cursor:
        parked.hold(cursor, [ParkedMessage.of(raw, reason, "what is wrong", keep_bytes=keep_bytes)], "amqp")
        return parked.ids(cursor)[-1]


def park_from_inbox(store: Store) -> int:
    """An event that was understood and then parked by `accumulate`; returns its parked id."""
    with store.transaction() as cursor:
        inbox.record_batch(cursor, [NewEvent("/rag", "e9", "chat", "c9", closing(9).decode())], [], "task")
        inbox.park(cursor, [inbox.take_waiting(cursor, 1)[0].id], "unknown_source", "no source named chat")
        return parked.ids(cursor, reason="unknown_source")[0]


def reasons(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in fetch(store, "SELECT reason, detail FROM ftworker.parked ORDER BY id")]


RunParked = Callable[[Sequence[str]], Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunParked:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)

    def invoke(arguments: Sequence[str]) -> Result:
        return CliRunner().invoke(command, list(arguments))

    return invoke


def test_a_message_that_the_present_code_understands_is_recorded_and_leaves(store: Store) -> None:
    ids = [hold(store, closing(1)), hold(store, closing(2))]
    with store.transaction() as cursor:
        done = replay(cursor, ids, MAX_BYTES)
    assert (done.recorded, done.duplicates, done.waiting_again, done.still_parked) == (2, 0, 0, {})
    assert reasons(store) == []
    assert len(fetch(store, "SELECT 1 FROM ftworker.inbox WHERE processed_at IS NULL")) == 2


def test_an_event_that_came_again_meanwhile_is_a_duplicate_and_leaves_too(store: Store) -> None:
    number = hold(store, closing(1))
    with store.transaction() as cursor:
        inbox.record_batch(cursor, [NewEvent("/rag", "e1", "default", "c1", "{}")], [], "amqp")
        done = replay(cursor, [number], MAX_BYTES)
    assert (done.recorded, done.duplicates) == (0, 1)
    assert reasons(store) == []


def test_what_still_fails_stays_with_the_reason_of_today(store: Store) -> None:
    broken = hold(store, b"{", "unknown_version")
    cut = hold(store, closing(1, padding=500), "too_large", keep_bytes=10)
    with store.transaction() as cursor:
        done = replay(cursor, [broken, cut], MAX_BYTES)
    assert set(done.still_parked) == {broken, cut}
    assert [reason for reason, _ in reasons(store)] == ["malformed_json", "too_large"]
    assert "publish it again" in reasons(store)[1][1]


def test_an_oversized_message_that_was_kept_whole_is_recorded_after_the_limit_was_raised(
    store: Store,
) -> None:
    number = hold(store, closing(1, padding=500), "too_large", keep_bytes=65_536)
    with store.transaction() as cursor:
        assert replay(cursor, [number], 200).still_parked.keys() == {number}
        assert replay(cursor, [number], MAX_BYTES).recorded == 1


def test_an_event_that_accumulate_parked_waits_again_even_after_retention(store: Store) -> None:
    number = park_from_inbox(store)
    with store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.inbox SET payload = NULL, attempts = 3")
        assert replay(cursor, [number], MAX_BYTES).waiting_again == 1
    with store.transaction() as cursor:
        (row,) = inbox.take_waiting(cursor, 10)
    assert (row.conversation_id, row.payload, row.attempts) == ("c9", closing(9).decode(), 0)
    assert reasons(store) == []


def test_two_people_who_replay_at_once_share_the_work(store: Store, database_url: str) -> None:
    ids = [hold(store, closing(number)) for number in range(4)]
    other = Store(database_url)
    with store.transaction() as cursor:
        assert len(parked.take(cursor, ids[:2])) == 2
        with other.transaction() as theirs:
            assert replay(theirs, ids, MAX_BYTES).recorded == 2
        assert replay(cursor, ids, MAX_BYTES).recorded == 2
    other.close()
    assert len(fetch(store, "SELECT 1 FROM ftworker.inbox")) == 4
    assert reasons(store) == []


def test_list_counts_by_reason_and_then_shows_the_messages_of_one(store: Store, run: RunParked) -> None:
    assert "Nothing is parked." in run(["list"]).output
    for raw in (b"{", b"{", b"["):
        hold(store, raw)
    hold(store, closing(1), "unknown_version")
    by_reason = json.loads(run(["list", "--json"]).stdout)
    assert [(r["reason"], r["rows"], r["times"]) for r in by_reason] == [
        ("malformed_json", 2, 3),
        ("unknown_version", 1, 1),
    ]
    listed = json.loads(run(["list", "--reason", "malformed_json", "--json"]).stdout)
    assert [(r["reason"], r["raw_bytes"], r["times"], r["is_cut"]) for r in listed] == [
        ("malformed_json", 1, 2, False),
        ("malformed_json", 1, 1, False),
    ]
    assert set(listed[0]) == {
        "id", "reason", "detail", "origin", "raw_bytes", "is_cut", "inbox_id", "times", "first_at", "last_at",
    }  # fmt: skip
    shown = run(["list", "--reason", "malformed_json"]).output
    assert "what is wrong" in shown
    assert all(len(line) <= 80 for line in (shown + run(["list"]).output).splitlines())


def test_show_keeps_the_bytes_to_itself_unless_asked(store: Store, run: RunParked) -> None:
    number = hold(store, "{\x1b]0;título\x07 \x1b[31mrojo\r\n\u202eñ".encode() + b"\xff")
    plain = run(["show", str(number)])
    assert plain.exit_code == 0
    assert "malformed_json" in plain.output
    assert "rojo" not in plain.output
    assert "raw" not in json.loads(run(["show", str(number), "--json"]).stdout)
    shown = run(["show", str(number), "--raw"]).output
    assert r"{\x1b]0;título\x07 \x1b[31mrojo\r\n\u202eñ\xff" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_no_byte_of_a_message_drives_the_terminal() -> None:
    everything = bytes(range(256)) + "\u009b\u2028\ud7ff\U000e0001".encode()
    assert all(character.isprintable() for character in visible(everything))
    assert visible("¿Qué tal? 😀".encode()) == "¿Qué tal? 😀"


def test_replay_from_the_shell_says_what_happened(store: Store, run: RunParked) -> None:
    good, bad = hold(store, closing(1)), hold(store, b"{")
    again = park_from_inbox(store)
    result = run(["replay", str(good), str(bad), str(again), "999", "--json"])
    answer = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (answer["recorded"], answer["waiting_again"], answer["not_found"]) == (1, 1, [999])
    assert [left["id"] for left in answer["still_parked"]] == [bad]
    result = run(["replay", "--all"])
    assert result.exit_code == 1
    assert "0 recorded, 0 known already, 0 waiting again, 1 still parked" in result.output
    assert "malformed_json" in result.output


def test_replay_of_one_reason_leaves_the_others(store: Store, run: RunParked) -> None:
    hold(store, closing(1), "unknown_version")
    hold(store, b"{")
    result = run(["replay", "--reason", "unknown_version"])
    assert result.exit_code == 0
    assert [reason for reason, _ in reasons(store)] == ["malformed_json"]


def test_drop_asks_first(store: Store, run: RunParked) -> None:
    number = hold(store, b"{")
    assert run(["drop", str(number)]).exit_code == 1  # nobody answers
    assert len(reasons(store)) == 1
    result = run(["drop", str(number), "999", "--yes"])
    assert (result.exit_code, "1 dropped" in result.output, "not parked: 999" in result.output) == (
        1,
        True,
        True,
    )
    assert reasons(store) == []
    hold(store, b"[")
    assert run(["drop", "--all", "--yes"]).exit_code == 0
    assert reasons(store) == []


@pytest.mark.parametrize(
    "words", [["replay"], ["drop"], ["drop", "1", "--all"], ["replay", "--all", "--reason", "x"]]
)
def test_what_is_meant_must_be_said(run: RunParked, words: list[str]) -> None:
    assert run(words).exit_code == 2


def test_an_unknown_number_is_an_error_that_says_where_to_look(run: RunParked) -> None:
    result = run(["show", "7"])
    assert result.exit_code == 1
    assert "no parked message 7" in str(result.exception)
