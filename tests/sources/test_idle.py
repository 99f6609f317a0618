"""The sweep closes what nobody touches any more: each version once, with or without times in the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ftworker.backfill import backfill
from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.events.contract import decode
from ftworker.idle import sweep_idle, sweep_sources
from ftworker.settings import ColumnsMessages, SourceSettings
from ftworker.sources.contract import ListedConversation
from ftworker.sources.postgres import PostgresSource
from ftworker.store import Store
from tests.sources.conftest import OpenSource, RagDatabase, say
from tests.sources.test_backfill import conversations_in, inbox_rows
from tests.sources.test_langchain_preset import N8N, write

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAID = '{"type": "human", "content": "Hola"}'


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@pytest.fixture
def timed(two_tables: RagDatabase, open_source: OpenSource) -> PostgresSource:
    return open_source(preset="messages", sweep_idle=True)


@pytest.fixture
def n8n(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.run(N8N)
    return open_source(preset="langchain", langchain_table="n8n_chat_histories", sweep_idle=True)


@pytest.fixture
def unnumbered(rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    """A store with neither times nor numbers: only looking at all of it shows what changed."""
    rag.run(
        "CREATE TABLE messages (id uuid DEFAULT gen_random_uuid(), conversation_id text, role text, content text)"
    )
    return open_source(
        preset="messages", messages=ColumnsMessages(conversations_table="", created_at=""), sweep_idle=True
    )


def say_at(rag: RagDatabase, conversation: str, at: datetime) -> None:
    say(rag, conversation, "Hola", at=at.isoformat())


def test_a_conversation_is_closed_once_it_was_left_alone_for_long_enough(
    store: Store, timed: PostgresSource, two_tables: RagDatabase
) -> None:
    say_at(two_tables, "c1", NOON)
    assert sweep_idle(store, timed, NOON + minutes(29)) == 0
    assert sweep_idle(store, timed, NOON + minutes(31)) == 1
    (row,) = inbox_rows(store)
    event = decode(row.payload.encode(), 65_536)
    assert (row.event_source, event.data.reason) == ("ftworker/sweep_idle/chat", "idle_timeout")
    assert (event.data.last_message_at, event.data.closed_at) == (NOON, NOON + minutes(31))
    assert "Hola" not in row.payload


def test_each_version_is_handed_on_once_and_a_reopened_conversation_comes_again(
    store: Store, timed: PostgresSource, two_tables: RagDatabase
) -> None:
    say_at(two_tables, "c1", NOON)
    for at in (31, 32, 90):
        sweep_idle(store, timed, NOON + minutes(at))
    assert conversations_in(store) == ["c1"]
    say_at(two_tables, "c1", NOON + minutes(100))
    assert [sweep_idle(store, timed, NOON + minutes(at)) for at in (101, 131, 132)] == [0, 1, 0]
    assert conversations_in(store) == ["c1", "c1"]


def test_a_long_pause_of_the_worker_loses_nothing(
    store: Store, timed: PostgresSource, two_tables: RagDatabase
) -> None:
    sweep_idle(store, timed, NOON)
    for day in range(1, 6):
        say_at(two_tables, f"c{day}", NOON + timedelta(days=day))
    assert sweep_idle(store, timed, NOON + timedelta(days=30)) == 5


def test_the_first_sweep_leaves_the_past_to_backfill_but_for_its_last_day(
    store: Store, timed: PostgresSource, two_tables: RagDatabase
) -> None:
    say_at(two_tables, "hace mucho", NOON - timedelta(days=40))
    say_at(two_tables, "ayer", NOON - timedelta(hours=20))
    assert sweep_idle(store, timed, NOON) == 1
    assert conversations_in(store) == ["ayer"]


def test_rows_that_a_replica_gets_late_are_found_all_the_same(
    store: Store, timed: PostgresSource, two_tables: RagDatabase
) -> None:
    say_at(two_tables, "a tiempo", NOON)
    sweep_idle(store, timed, NOON + minutes(31))
    # The replica was an hour behind: only now does this row of 12:05 appear.
    sweep_idle(store, timed, NOON + minutes(60))
    say_at(two_tables, "tarde", NOON + minutes(5))
    assert sweep_idle(store, timed, NOON + minutes(65)) == 1
    assert conversations_in(store) == ["a tiempo", "tarde"]


def test_a_sweep_that_dies_in_the_middle_is_made_good_by_the_next(
    store: Store, timed: PostgresSource, two_tables: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftworker.idle.BATCH", 2)
    sweep_idle(store, timed, NOON)
    for number in range(5):
        say_at(two_tables, f"c{number}", NOON + minutes(number))
    really = timed.idle

    def dies(since: datetime, until: datetime) -> object:
        for number, one in enumerate(really(since, until)):
            if number == 3:
                raise SourceUnavailable("away")
            yield one

    monkeypatch.setattr(timed, "idle", dies)
    with pytest.raises(SourceUnavailable):
        sweep_idle(store, timed, NOON + minutes(60))
    assert len(inbox_rows(store)) == 2
    monkeypatch.setattr(timed, "idle", really)
    assert sweep_idle(store, timed, NOON + minutes(61)) == 3
    assert conversations_in(store) == [f"c{number}" for number in range(5)]


def test_an_outage_costs_a_sweep_and_nothing_else(
    store: Store, timed: PostgresSource, two_tables: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_idle(store, timed, NOON)
    say_at(two_tables, "c1", NOON + minutes(1))
    monkeypatch.setattr(timed._connections, "_connect", _away)
    timed.close()
    with pytest.raises(SourceUnavailable):
        sweep_idle(store, timed, NOON + minutes(40))
    monkeypatch.undo()
    assert sweep_idle(store, timed, NOON + minutes(41)) == 1


def _away() -> None:
    raise SourceUnavailable("source chat: the server does not answer")


def test_without_times_a_conversation_is_idle_when_no_look_saw_it_change(
    store: Store, n8n: PostgresSource, rag: RagDatabase
) -> None:
    write(rag, "n8n_chat_histories", "pasada", SAID)
    assert sweep_idle(store, n8n, NOON) == 0
    write(rag, "n8n_chat_histories", "s1", SAID, SAID)
    found = []
    for minute in (1, 20, 40, 50):
        if minute == 20:
            write(rag, "n8n_chat_histories", "s1", SAID)
        found.append(sweep_idle(store, n8n, NOON + minutes(minute)))
    assert found == [0, 0, 0, 1]
    assert sweep_idle(store, n8n, NOON + minutes(90)) == 0
    (row,) = inbox_rows(store)
    assert row.conversation_id == "s1"
    assert decode(row.payload.encode(), 65_536).data.message_count == 3


def test_without_times_a_conversation_of_the_past_comes_when_it_goes_on(
    store: Store, n8n: PostgresSource, rag: RagDatabase
) -> None:
    write(rag, "n8n_chat_histories", "pasada", SAID)
    sweep_idle(store, n8n, NOON)
    write(rag, "n8n_chat_histories", "pasada", SAID)
    assert [sweep_idle(store, n8n, NOON + minutes(at)) for at in (1, 32)] == [0, 1]


@pytest.mark.parametrize("change", ["more", "replaced"])
def test_a_store_with_neither_times_nor_numbers_is_followed_by_looking_at_all_of_it(
    store: Store, unnumbered: PostgresSource, rag: RagDatabase, change: str
) -> None:
    rag.run(
        "INSERT INTO messages (conversation_id, role) SELECT 'c' || n, 'user' FROM generate_series(1, 3) n"
    )
    assert sweep_idle(store, unnumbered, NOON) == 0
    assert sweep_idle(store, unnumbered, NOON + minutes(60)) == 0
    rag.run("INSERT INTO messages (conversation_id, role) VALUES ('c2', 'assistant'), ('c4', 'user')")
    assert [sweep_idle(store, unnumbered, NOON + minutes(at)) for at in (61, 90, 92, 93)] == [0, 0, 2, 0]
    assert conversations_in(store) == ["c2", "c4"]
    if change == "more":
        rag.run("INSERT INTO messages (conversation_id, role) VALUES ('c2', 'user')")
    else:
        rag.run("DELETE FROM messages WHERE conversation_id = 'c2' AND role = 'assistant'")
    assert [sweep_idle(store, unnumbered, NOON + minutes(at)) for at in (100, 131)] == [0, 1]


def test_an_answer_rewritten_in_place_is_handed_on_as_a_new_version(
    store: Store, rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("llamaindex_chat_store")
    source = open_source(preset="llamaindex_chat_store", sweep_idle=True)
    answer = """UPDATE chatstore SET value[7] = '{"role": "assistant", "content": "Otra."}' WHERE key = 'alumna-7'"""
    assert sweep_idle(store, source, NOON) == 0
    rag.run(answer)
    assert [sweep_idle(store, source, NOON + minutes(at)) for at in (1, 40)] == [0, 1]
    rag.run(answer)
    assert [sweep_idle(store, source, NOON + minutes(at)) for at in (80, 120)] == [0, 0]
    rag.run(answer.replace("Otra.", "Otra más."))
    assert [sweep_idle(store, source, NOON + minutes(at)) for at in (160, 200)] == [0, 1]


def test_a_last_look_that_changed_nothing_writes_nothing(
    store: Store, unnumbered: PostgresSource, rag: RagDatabase
) -> None:
    rag.run(
        "INSERT INTO messages (conversation_id, role) SELECT 'c' || n, 'user' FROM generate_series(1, 3) n"
    )
    sweep_idle(store, unnumbered, NOON)

    def versions() -> list[object]:
        with store.transaction() as cursor:
            cursor.execute(
                "SELECT xmin::text, xmax::text, ctid::text FROM ftworker.store_changes ORDER BY 1, 3"
            )
            return list(cursor.fetchall())

    before = versions()
    sweep_idle(store, unnumbered, NOON + minutes(1))
    assert versions() == before


def test_a_source_that_cannot_be_read_does_not_keep_the_others_waiting(
    store: Store, timed: PostgresSource, two_tables: RagDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    say_at(two_tables, "c1", NOON)
    swept = SourceSettings(preset="messages", sweep_idle=True)
    sources = {"away": swept, "broken": swept, "chat": swept, "off": SourceSettings(preset="messages")}

    def make_source(name: str) -> PostgresSource:
        if name == "away":
            raise SourceUnavailable("source away: the server does not answer")
        if name == "broken":
            raise SourceRejected("source broken: no such table")
        assert name == "chat"
        return timed

    assert sweep_sources(store, sources, make_source, NOON + minutes(31)) == 1
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "sweep_idle: source away: the server does not answer",
        "sweep_idle: source broken: no such table",
    ]


def test_two_sweeps_at_once_hand_on_each_conversation_once(
    store: Store, n8n: PostgresSource, rag: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_idle(store, n8n, NOON)
    write(rag, "n8n_chat_histories", "s1", SAID)
    sweep_idle(store, n8n, NOON + minutes(1))
    really = n8n.snapshot
    other: list[int] = []

    def another_in_between(after_row: tuple[str, ...] | None) -> list[ListedConversation]:
        seen = list(really(after_row))
        monkeypatch.setattr(n8n, "snapshot", really)
        other.append(sweep_idle(store, n8n, NOON + minutes(40)))
        return seen

    monkeypatch.setattr(n8n, "snapshot", lambda after_row: iter(another_in_between(after_row)))
    assert sweep_idle(store, n8n, NOON + minutes(41)) + other[0] == 1
    assert conversations_in(store) == ["s1"]


def test_a_first_look_that_another_was_quicker_than_takes_nothing_new_for_the_past(
    store: Store, unnumbered: PostgresSource, rag: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rag.run("INSERT INTO messages (conversation_id, role) VALUES ('pasada', 'user')")
    really = unnumbered.snapshot

    def another_before(after_row: tuple[str, ...] | None) -> list[ListedConversation]:
        monkeypatch.setattr(unnumbered, "snapshot", really)
        sweep_idle(store, unnumbered, NOON)
        rag.run("INSERT INTO messages (conversation_id, role) VALUES ('nueva', 'user')")
        return list(really(after_row))

    monkeypatch.setattr(unnumbered, "snapshot", lambda after_row: iter(another_before(after_row)))
    found = [sweep_idle(store, unnumbered, NOON + minutes(at)) for at in (1, 2, 40)]
    assert (found, conversations_in(store)) == ([0, 0, 1], ["nueva"])


def test_what_was_backfilled_and_does_not_go_on_is_not_swept(
    store: Store, timed: PostgresSource, n8n: PostgresSource, two_tables: RagDatabase
) -> None:
    say_at(two_tables, "c1", NOON - timedelta(days=3))
    write(two_tables, "n8n_chat_histories", "s1", SAID)
    for source in (timed, n8n):
        backfill(store, source)
        for at in (0, 60):
            assert sweep_idle(store, source, NOON + minutes(at)) == 0
    assert conversations_in(store) == ["c1", "s1"]
