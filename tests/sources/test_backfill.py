"""A backfill takes in what a source holds: each version once, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ftworker.backfill import Backfilled, backfill, closing
from ftworker.errors import DatabaseUnavailable, Refused, SourceUnavailable
from ftworker.events.contract import decode, to_conversation
from ftworker.sources.contract import ListedConversation, Page, Position
from ftworker.sources.postgres import PostgresSource
from ftworker.store import Store, source_progress
from ftworker.store.inbox import NewEvent
from tests.sources.conftest import OpenSource, RagDatabase, say
from tests.sources.test_langchain_preset import N8N, write

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def source(two_tables: RagDatabase, open_source: OpenSource) -> PostgresSource:
    """A store of 25 conversations, `c00` to `c24`, one an hour from 2026-03-01 00:00 UTC on."""
    two_tables.run(
        "INSERT INTO conversations SELECT 'c' || to_char(n, 'FM00') FROM generate_series(0, 24) n;"
        "INSERT INTO messages (conversation_id, role, content, created_at)"
        " SELECT 'c' || to_char(n, 'FM00'), CASE WHEN m = 0 THEN 'user' ELSE 'assistant' END, 'Hola',"
        " timestamptz '2026-03-01 00:00+00' + n * interval '1 hour' + m * interval '1 second'"
        " FROM generate_series(0, 24) n, generate_series(0, 1) m"
    )
    return open_source(preset="messages")


def inbox_rows(store: Store) -> list[Any]:
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT source_name, conversation_id, event_source, payload FROM ftworker.inbox"
            " ORDER BY conversation_id, id"
        )
        return cursor.fetchall()


def conversations_in(store: Store) -> list[str]:
    return [row.conversation_id for row in inbox_rows(store)]


def test_every_conversation_gets_one_row_that_names_it_and_holds_no_text(
    store: Store, source: PostgresSource
) -> None:
    assert backfill(store, source, batch=10) == Backfilled(
        looked_at=25, recorded=25, known=0, parked=0, open=0
    )
    rows = inbox_rows(store)
    assert [row.conversation_id for row in rows] == [f"c{number:02}" for number in range(25)]
    assert {(row.source_name, row.event_source) for row in rows} == {("chat", "ftworker/backfill/chat")}
    assert not any("Hola" in row.payload for row in rows)
    event = decode(rows[3].payload.encode(), 65_536)
    assert to_conversation(event) is None
    assert event.data.reason == "backfill"
    assert event.data.message_count == 2
    assert event.data.closed_at == event.data.last_message_at == datetime(2026, 3, 1, 3, 0, 1, tzinfo=UTC)


def test_running_it_again_adds_nothing_and_a_changed_conversation_adds_one(
    store: Store, source: PostgresSource, two_tables: RagDatabase
) -> None:
    backfill(store, source)
    again = backfill(store, source)
    assert (again.recorded, again.known) == (0, 25)
    two_tables.run(
        "INSERT INTO messages (conversation_id, role, content, created_at)"
        " VALUES ('c07', 'user', 'Otra cosa', '2026-03-02 10:00+00')"
    )
    changed = backfill(store, source)
    assert (changed.recorded, changed.known) == (1, 24)
    assert conversations_in(store).count("c07") == 2


def test_since_and_until_bound_what_is_taken(store: Store, source: PostgresSource) -> None:
    until = datetime(2026, 3, 1, 20, tzinfo=UTC)
    done = backfill(store, source, NOON, until, batch=4)
    assert conversations_in(store) == [f"c{number:02}" for number in range(12, 20)]
    assert (done.looked_at, done.recorded, done.open) == (13, 8, 5)


class Interrupted(Exception):
    pass


class StopsAfter:
    """A source that fails once it has given so many pages, as a killed process would leave things."""

    def __init__(self, source: PostgresSource, pages: int, error: Exception) -> None:
        self._source, self._pages, self._error = source, pages, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def iterate_ids(self, since: datetime | None, after: Position | None, limit: int) -> Page:
        if self._pages == 0:
            raise self._error
        self._pages -= 1
        return self._source.iterate_ids(since, after, limit)


@pytest.mark.parametrize("error", [SourceUnavailable("away"), Interrupted()])
@pytest.mark.parametrize("pages", [0, 1, 2])
def test_an_interrupted_backfill_goes_on_and_loses_and_repeats_nothing(
    store: Store, source: PostgresSource, pages: int, error: Exception
) -> None:
    with pytest.raises(type(error)):
        backfill(store, StopsAfter(source, pages, error), batch=10)
    assert len(inbox_rows(store)) == 10 * pages
    told: list[int] = []
    rest = backfill(store, source, batch=10, progress=told.append)
    assert rest == Backfilled(looked_at=25 - 10 * pages, recorded=25 - 10 * pages, known=0, parked=0, open=0)
    assert told[-1] == 25
    assert conversations_in(store) == [f"c{number:02}" for number in range(25)]


def test_a_page_whose_transaction_fails_leaves_neither_rows_nor_position(
    store: Store, source: PostgresSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill(store, StopsAfter(source, 99, Interrupted()), batch=10, dry_run=True)
    really = source_progress.advance
    calls: Iterator[int] = iter(range(99))

    def fails_once(*arguments: Any, **named: Any) -> Any:
        if next(calls) == 1:
            raise DatabaseUnavailable("away")
        return really(*arguments, **named)

    monkeypatch.setattr(source_progress, "advance", fails_once)
    with pytest.raises(DatabaseUnavailable):
        backfill(store, source, batch=10)
    assert len(inbox_rows(store)) == 10
    backfill(store, source, batch=10)
    assert conversations_in(store) == [f"c{number:02}" for number in range(25)]


def test_restart_begins_again(store: Store, source: PostgresSource) -> None:
    with pytest.raises(Interrupted):
        backfill(store, StopsAfter(source, 1, Interrupted()), batch=10)
    done = backfill(store, source, batch=10, restart=True)
    assert (done.looked_at, done.recorded, done.known) == (25, 15, 10)


def test_a_dry_run_counts_and_writes_nothing(store: Store, source: PostgresSource) -> None:
    assert backfill(store, source, NOON, batch=10, dry_run=True).recorded == 13
    assert inbox_rows(store) == []
    with store.transaction() as cursor:
        cursor.execute("SELECT count(*) FROM ftworker.source_progress")
        assert cursor.fetchall() == [(0,)]


def test_two_backfills_at_once_do_not_disturb_each_other(store: Store, source: PostgresSource) -> None:
    """The second to reach a page is told; the first goes on."""

    class RunsAnotherInBetween(StopsAfter):
        def iterate_ids(self, since: datetime | None, after: Position | None, limit: int) -> Page:
            page = super().iterate_ids(since, after, limit)
            if self._pages == 97:
                backfill(store, source, batch=10)
            return page

    with pytest.raises(Refused, match="another backfill of source chat is running; nothing is lost"):
        backfill(store, RunsAnotherInBetween(source, 99, Interrupted()), batch=10)
    assert conversations_in(store) == [f"c{number:02}" for number in range(25)]


def test_a_conversation_whose_id_no_event_can_carry_is_parked_with_the_reason(
    store: Store, source: PostgresSource, two_tables: RagDatabase
) -> None:
    say(two_tables, "x" * 300, "Hola")
    say(two_tables, "salto\nde línea", "Hola")
    done = backfill(store, source)
    assert (done.recorded, done.parked) == (25, 2)
    with store.transaction() as cursor:
        cursor.execute("SELECT reason, origin, count(*) FROM ftworker.parked GROUP BY 1, 2")
        assert cursor.fetchall() == [("invalid_field", "backfill", 2)]


def test_a_store_without_times_is_taken_whole_and_cannot_be_asked_since_when(
    store: Store, rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.run(N8N)
    for session in ("s1", "s2"):
        write(rag, "n8n_chat_histories", session, '{"type": "human", "content": "Hola"}')
    source = open_source(preset="langchain", langchain_table="n8n_chat_histories")
    with pytest.raises(Refused, match="leave --since out"):
        backfill(store, source, NOON, NOON)
    assert backfill(store, source, None, NOON).recorded == 2
    write(rag, "n8n_chat_histories", "s2", '{"type": "ai", "content": "Buenas"}')
    assert backfill(store, source, None, NOON).recorded == 1


def test_a_version_is_the_same_event_in_every_process_and_release() -> None:
    listed = ListedConversation("c1", "2/7/", 2, None)
    event = closing("chat", listed, "backfill")
    assert isinstance(event, NewEvent)
    assert event.event_id == "3c98c6d4816f12c0f631ad5ed89cdea590163af6"
