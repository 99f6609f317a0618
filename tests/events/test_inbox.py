"""The inbox on a real PostgreSQL: recorded once, held by one worker, ended once, erased for good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ftworker.store import Cursor, Store, inbox, parked, totals
from ftworker.store.inbox import BatchCounts, NewEvent
from ftworker.store.parked import ParkedMessage


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def event(number: int, *, conversation: str | None = None, payload: str | None = None) -> NewEvent:
    return NewEvent(
        "https://rag.example",
        f"e{number}",
        "chat",
        conversation or f"c{number}",
        payload or f'{{"n":{number}}}',
    )


def rows(store: Store, query: str) -> list[Any]:
    with store.transaction() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def record(store: Store, *events: NewEvent) -> None:
    with store.transaction() as cursor:
        inbox.record_batch(cursor, events, [], "task")


def take(cursor: Cursor, limit: int = 10) -> list[int]:
    return [row.id for row in inbox.take_waiting(cursor, limit)]


def test_an_event_is_recorded_once_within_a_batch_and_between_batches(store: Store) -> None:
    with store.transaction() as cursor:
        assert inbox.record_batch(cursor, [event(1), event(2), event(1)], [], "amqp") == BatchCounts(2, 1, 0)
    with store.transaction() as cursor:
        assert inbox.record_batch(cursor, [event(2), event(3)], [], "stream") == BatchCounts(1, 1, 0)
    assert [row.event_id for row in rows(store, "SELECT event_id FROM ftworker.inbox ORDER BY id")] == [
        "e1",
        "e2",
        "e3",
    ]


def test_the_same_id_from_another_publisher_is_another_event(store: Store) -> None:
    other = NewEvent("https://other.example", "e1", "chat", "c1", "{}")
    with store.transaction() as cursor:
        assert inbox.record_batch(cursor, [event(1), other], [], "amqp").recorded == 2


def test_any_text_survives_the_way_into_the_inbox(store: Store) -> None:
    payload = '{"text":"\\u0000 \'comillas\' \\\\ {llaves} %s ñ 😀 NULL"}'
    control = "".join(map(chr, range(1, 32)))
    for batch in ([payload, "NULL", "NULL"], ["{}"], [control, "\ue000", "x"]):
        with store.transaction() as cursor:
            cursor.execute("TRUNCATE ftworker.inbox CASCADE")
        record(store, *(event(number, payload=text) for number, text in enumerate(batch)))
        assert [row[0] for row in rows(store, "SELECT payload FROM ftworker.inbox ORDER BY id")] == batch


def test_totals_count_events_duplicates_parked_and_batch_sizes_in_the_same_transaction(store: Store) -> None:
    broken = ParkedMessage.of(b"{", "malformed_json", "not JSON")
    with store.transaction() as cursor:
        inbox.record_batch(cursor, [event(1)], [broken], "amqp")
        cursor.connection.rollback()
    with store.transaction() as cursor:
        inbox.record_batch(cursor, [event(1), event(1), event(2)], [broken, broken], "amqp")
        inbox.record_batch(cursor, [event(3)], [], "stream")
    with store.transaction() as cursor:
        assert totals.read(cursor) == {
            ("ingest_events", "transport=amqp"): 2,
            ("ingest_duplicates", "transport=amqp"): 1,
            ("ingest_parked", "reason=malformed_json,transport=amqp"): 2,
            ("ingest_batches", "transport=amqp"): 1,
            ("ingest_batch_size", "le=5,transport=amqp"): 1,
            ("ingest_events", "transport=stream"): 1,
            ("ingest_batches", "transport=stream"): 1,
            ("ingest_batch_size", "le=1,transport=stream"): 1,
        }


def test_bytes_parked_again_count_up_one_row(store: Store) -> None:
    big = ParkedMessage.of(b"x" * 100, "too_large", "too large", keep_bytes=10)
    with store.transaction() as cursor:
        parked.hold(cursor, [big, ParkedMessage.of(b"\xff\x00'", "not_utf8", "not UTF-8"), big], "amqp")
        parked.hold(cursor, [big], "stream")
    held = rows(store, "SELECT raw, raw_bytes, reason, origin, times FROM ftworker.parked ORDER BY reason")
    assert [(bytes(row.raw), *row[1:]) for row in held] == [
        (b"\xff\x00'", 3, "not_utf8", "amqp", 1),
        (b"x" * 10, 100, "too_large", "amqp", 3),
    ]


def test_an_empty_batch_writes_nothing(store: Store) -> None:
    with store.transaction() as cursor:
        assert inbox.record_batch(cursor, [], [], "amqp") == BatchCounts(0, 0, 0)
        assert totals.read(cursor) == {}


def test_two_workers_never_take_the_same_event(store: Store, database_url: str) -> None:
    record(store, *(event(number) for number in range(6)))
    other = Store(database_url)
    with store.transaction() as first, other.transaction() as second:
        mine, theirs = take(first, 4), take(second, 4)
    other.close()
    assert len(mine) == 4
    assert len(theirs) == 2
    assert mine == sorted(mine)
    assert not set(mine) & set(theirs)


def test_a_finished_event_is_not_taken_again_and_keeps_its_first_outcome(store: Store) -> None:
    record(store, event(1), event(2))
    with store.transaction() as cursor:
        first, second = take(cursor)
        assert inbox.finish(cursor, {first: "examples", second: "dropped"}) == 2
        assert inbox.finish(cursor, {first: "unmatched"}) == 0
        assert inbox.finish(cursor, {}) == 0
        assert take(cursor) == []
    assert [row.outcome for row in rows(store, "SELECT outcome FROM ftworker.inbox ORDER BY id")] == [
        "examples",
        "dropped",
    ]


def test_a_postponed_event_waits_for_its_time_and_counts_its_attempts(store: Store) -> None:
    record(store, event(1), event(2))
    with store.transaction() as cursor:
        first, second = take(cursor)
        assert inbox.postpone(cursor, [first], 3600) == 1
        assert inbox.postpone(cursor, [second], 0) == 1
    with store.transaction() as cursor:
        waiting = inbox.take_waiting(cursor, 10)
    assert [(row.id, row.attempts) for row in waiting] == [(second, 1)]


def test_parking_ends_the_event_and_keeps_its_bytes(store: Store) -> None:
    record(store, event(1, payload='{"a":"\\u0000ñ"}'), event(2))
    with store.transaction() as cursor:
        first, second = take(cursor)
        assert inbox.park(cursor, [first], "unknown_source", "no source named chat") == 1
        assert take(cursor) == [second]
        assert inbox.park(cursor, [first], "unknown_source", "again") == 0
    (held,) = rows(
        store, "SELECT raw, raw_bytes, reason, detail, origin, inbox_id, times FROM ftworker.parked"
    )
    assert bytes(held.raw) == '{"a":"\\u0000ñ"}'.encode()
    assert held[1:] == (16, "unknown_source", "no source named chat", "accumulate", first, 1)


def test_only_old_processed_payloads_are_erased_and_a_late_redelivery_is_still_known(store: Store) -> None:
    record(store, *(event(number) for number in range(4)))
    with store.transaction() as cursor:
        old, older, fresh, _waiting = take(cursor)
        inbox.finish(cursor, {old: "examples", older: "dropped", fresh: "dropped"})
        cursor.execute(
            "UPDATE ftworker.inbox SET processed_at = now() - id * interval '31 days' WHERE id <= %s",
            (older,),
        )
        assert inbox.erase_old(cursor, 30, 1) == 1
        assert inbox.erase_old(cursor, 30, 10) == 1
        assert inbox.erase_old(cursor, 30, 10) == 0
        assert inbox.record_batch(cursor, [event(0)], [], "task").duplicates == 1
    erased = rows(store, "SELECT payload IS NULL AS erased FROM ftworker.inbox ORDER BY id")
    assert [row.erased for row in erased] == [True, True, False, False]


def test_erasing_a_conversation_leaves_no_payload_of_it_anywhere(store: Store) -> None:
    record(store, *(event(number, conversation="c") for number in range(3)), event(3, conversation="other"))
    with store.transaction() as cursor:
        done, to_park, _waiting, other = take(cursor)
        inbox.finish(cursor, {done: "deleted"})
        inbox.park(cursor, [to_park], "unknown_source", "no source named chat")
        assert inbox.erase_conversation(cursor, "chat", "c") == 3
        assert take(cursor) == [other]
    assert rows(store, "SELECT 1 FROM ftworker.parked") == []
    assert [tuple(row) for row in rows(store, "SELECT payload, outcome FROM ftworker.inbox ORDER BY id")] == [
        (None, "deleted"),
        (None, "parked"),
        (None, "deleted"),
        ('{"n":3}', None),
    ]


def test_writers_that_add_to_the_same_totals_at_once_lose_nothing(store: Store, database_url: str) -> None:
    def write(names: list[str]) -> None:
        own = Store(database_url)
        for _ in range(20):
            with own.transaction() as cursor:
                totals.add(cursor, {(name, ""): 1 for name in names})
        own.close()

    # Opposite orders would deadlock if the rows were not locked in one.
    threads = [threading.Thread(target=write, args=(order,)) for order in (["a", "b", "c"], ["c", "b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.transaction() as cursor:
        assert totals.read(cursor) == {("a", ""): 40, ("b", ""): 40, ("c", ""): 40}


def test_the_batch_size_bucket_is_the_smallest_that_holds_it() -> None:
    assert [totals.batch_size_bound(size) for size in (1, 2, 500, 501, 10_001)] == [
        "1",
        "5",
        "500",
        "1000",
        "+Inf",
    ]
