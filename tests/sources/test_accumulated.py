"""From a RAG's tables to examples: what was backfilled, swept and told by event becomes examples once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ftworker.accumulate import accumulate
from ftworker.backfill import backfill
from ftworker.clock import utc_now
from ftworker.events.closing import closing_by_id
from ftworker.idle import sweep_idle
from ftworker.settings import SourceSettings, settings_from
from ftworker.sources.contract import Source
from ftworker.sources.postgres import PostgresSource
from ftworker.store import Store, inbox
from tests.servers import PostgresServer
from tests.sources.conftest import OpenSource, RagDatabase, say

SETTINGS = settings_from(
    {"sources": {"chat": {"preset": "messages"}}, "pipelines": {"p": {"source": "chat"}}}
)
NOW = utc_now()
EARLIER = NOW - timedelta(hours=3)


@pytest.fixture
def source(two_tables: RagDatabase, open_source: OpenSource) -> PostgresSource:
    say(
        two_tables,
        "c1",
        "¿Qué es una derivada?",
        "Es el límite del cociente incremental.",
        "¿Y una integral?",
        "Es el área que queda bajo una curva.",
        at=EARLIER.isoformat(),
    )
    return open_source(preset="messages")


def examples(store: Store) -> list[str]:
    with store.transaction() as cursor:
        cursor.execute("SELECT content FROM ftworker.examples ORDER BY id")
        return [row.content for row in cursor.fetchall()]


def outcomes(store: Store) -> list[tuple[str, int]]:
    with store.transaction() as cursor:
        cursor.execute("SELECT coalesce(outcome, 'waiting'), attempts FROM ftworker.inbox ORDER BY id")
        return [tuple(row) for row in cursor.fetchall()]


def test_a_conversation_that_comes_three_ways_is_taught_once(
    store: Store, source: PostgresSource, two_tables: RagDatabase
) -> None:
    def make_source(_: str) -> Source:
        return source

    backfill(store, source)
    assert accumulate(store, SETTINGS, make_source).examples == 2
    once = examples(store)
    assert len(once) == 2
    sweep_idle(store, source, EARLIER + timedelta(hours=1))
    with store.transaction() as cursor:
        events, parked = closing_by_id("e1", "c1", "chat", "user_ended", {})
        inbox.record_batch(cursor, events, parked, "task")
    while accumulate(store, SETTINGS, make_source).taken:
        pass
    assert examples(store) == once
    say(
        two_tables,
        "c1",
        "¿Y un límite entonces?",
        "El valor al que se acerca.",
        at=(NOW + timedelta(minutes=5)).isoformat(),
    )
    sweep_idle(store, source, NOW + timedelta(minutes=40))
    accumulate(store, SETTINGS, make_source)
    assert len(examples(store)) == 3


def test_while_the_store_is_away_its_conversations_wait_and_come_when_it_is_back(
    store: Store, source: PostgresSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill(store, source)
    away = PostgresSource("chat", SourceSettings(preset="messages"), "postgresql://ana@127.0.0.1:1/rag")
    accumulate(store, SETTINGS, lambda _: away)
    assert outcomes(store) == [("waiting", 1)]
    with store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.inbox SET not_before = NULL")
    accumulate(store, SETTINGS, lambda _: source)
    assert outcomes(store) == [("examples", 1)]


def test_a_table_that_is_missing_parks_the_event_with_what_to_do(
    store: Store, source: PostgresSource, two_tables: RagDatabase, postgres_server: PostgresServer
) -> None:
    backfill(store, source)
    two_tables.run("ALTER TABLE messages RENAME TO mensajes")
    fresh = PostgresSource("chat", source._settings, two_tables.url)
    accumulate(store, SETTINGS, lambda _: fresh)
    fresh.close()
    assert [outcome for outcome, _ in outcomes(store)] == ["parked"]
    with store.transaction() as cursor:
        cursor.execute("SELECT reason, detail FROM ftworker.parked")
        ((reason, detail),) = cursor.fetchall()
    assert reason == "source_rejected"
    assert (
        "has no table public.messages; correct sources.chat.messages.messages_table; there are: mensajes"
        in detail
    )


def test_a_conversation_that_cannot_be_read_is_dropped_with_a_reason(
    store: Store, source: PostgresSource, two_tables: RagDatabase
) -> None:
    two_tables.run("INSERT INTO conversations VALUES ('roto')")
    two_tables.run(
        "INSERT INTO messages (conversation_id, role, content) VALUES ('roto', 'user', %s), ('roto', 'bot', 'Hola')",
        ["x" * 1_048_577],
    )
    backfill(store, source)
    accumulate(store, SETTINGS, lambda _: source)
    assert sorted(outcomes(store)) == [("dropped", 0), ("examples", 0)]


@pytest.mark.parametrize("erased", [False, True])
def test_a_pipeline_that_comes_later_is_given_the_past_and_nothing_changes_for_the_others(
    store: Store, source: PostgresSource, *, erased: bool
) -> None:
    def make_source(_: str) -> Source:
        return source

    backfill(store, source)
    accumulate(store, SETTINGS, make_source)
    first = examples(store)
    if erased:
        with store.transaction() as cursor:
            cursor.execute("UPDATE ftworker.inbox SET processed_at = now() - interval '90 days'")
            assert inbox.erase_old(cursor, 30, 100) == 1
    later = settings_from(
        {
            "sources": {"chat": {"preset": "messages"}},
            "pipelines": {"p": {"source": "chat"}, "q": {"source": "chat"}},
        }
    )
    backfill(store, source)
    assert accumulate(store, later, make_source).taken == 0

    with store.transaction() as cursor:
        assert inbox.take_again(cursor, "chat") == 1
    backfill(store, source, restart=True)
    done = accumulate(store, later, make_source)

    assert (done.examples, done.pipelines) == (2, {"q"})
    assert examples(store) == first * 2
