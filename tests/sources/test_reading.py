"""How a source reads: read-only, one statement a batch, broken rows apart, failures told apart, nothing given away."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from ftworker.errors import Refused, SourceRejected, SourceUnavailable
from ftworker.settings import ColumnsLog, ColumnsMessages
from ftworker.sources import connection as connections
from ftworker.sources import postgres
from ftworker.sources.contract import Page, Source
from tests.servers import PostgresServer, free_port, wait_until
from tests.sources.conftest import OpenSource, RagDatabase, say

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
ONE_TABLE = (
    "CREATE TABLE messages (id serial, conversation_id text, role text, content text, created_at timestamptz)"
)


@pytest.fixture
def statements(rag: RagDatabase, postgres_server: PostgresServer) -> Callable[[], list[str]]:
    """Statements that the server got from sources over the RAG's database, counted by its own log."""
    name = rag.url.rpartition("/")[2]
    rag.run(f"ALTER DATABASE {name} SET log_statement = 'all'")
    start = postgres_server.log_path.stat().st_size

    def since_then() -> list[str]:
        with postgres_server.log_path.open(encoding="utf-8") as log:
            log.seek(start)
            return [
                text
                for line in log.read().split("LOG:  statement: ")[1:]
                if "SELECT" in (text := line.partition("\n20")[0]) and "pg_" not in text
            ]

    return since_then


def test_a_batch_is_one_statement_however_many_conversations(
    two_tables: RagDatabase, open_source: OpenSource, statements: Callable[[], list[str]]
) -> None:
    two_tables.run(
        "INSERT INTO conversations SELECT 'c' || n FROM generate_series(1, 700) n;"
        "INSERT INTO messages (conversation_id, role, content, created_at)"
        " SELECT 'c' || n % 700 + 1, 'user', 'Hola', now() FROM generate_series(1, 2100) n"
    )
    source = open_source(preset="messages")
    assert source.has_times()
    before = len(statements())
    assert len(list(source.fetch([f"c{number}" for number in range(1, 701)]))) == 700
    (reading,) = statements()[before:]
    assert reading.startswith("DECLARE")


def test_nothing_can_be_written_through_a_source(two_tables: RagDatabase, open_source: OpenSource) -> None:
    source = open_source(preset="messages")
    with (
        pytest.raises(SourceRejected, match="ReadOnlySqlTransaction"),
        source._connections.reading() as reading,
    ):
        reading.rows("DELETE FROM messages")
    with (
        pytest.raises(SourceRejected, match="ReadOnlySqlTransaction"),
        source._connections.reading() as reading,
    ):
        reading.rows("CREATE TABLE x ()")


def test_a_source_keeps_no_transaction_open(two_tables: RagDatabase, open_source: OpenSource) -> None:
    for number in range(3):
        say(two_tables, f"c{number}", "Hola", "Hola")
    source = open_source(preset="messages")
    half_read = source.fetch(["c0", "c1", "c2"])
    assert isinstance(half_read, Generator)
    next(half_read)
    half_read.close()
    source.iterate_ids(None, None, 2)
    open_now = two_tables.run(
        "SELECT application_name, state, xact_start FROM pg_stat_activity WHERE application_name LIKE 'ftworker%'"
        " AND datname = current_database()"
    )
    assert open_now == [("ftworker source chat", "idle", None)]


def test_a_fetch_inside_a_listing_has_a_snapshot_of_its_own(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    for number in range(3):
        say(two_tables, f"c{number}", "Hola", "Hola")
    source = open_source(preset="messages")
    read = [
        found.conversation_id
        for one in source.snapshot(None)
        for found in source.fetch([one.conversation_id])
    ]
    assert sorted(read) == ["c0", "c1", "c2"]


def test_a_forked_child_opens_connections_of_its_own(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    say(two_tables, "c1", "Hola")
    source = open_source(preset="messages")
    assert len(list(source.fetch(["c1"]))) == 1

    def read_in_child() -> None:
        assert [len(found.messages) for found in source.fetch(["c1"])] == [1]

    child = multiprocessing.get_context("fork").Process(target=read_in_child)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert len(list(source.fetch(["c1"]))) == 1


def test_an_outage_is_said_to_be_one_and_the_source_works_again_after_it(
    two_tables: RagDatabase, open_source: OpenSource, postgres_server: PostgresServer
) -> None:
    say(two_tables, "c1", "Hola")
    source = open_source(preset="messages")
    assert len(list(source.fetch(["c1"]))) == 1
    postgres_server.stop()
    for _ in range(2):
        with pytest.raises(
            SourceUnavailable, match=r"the server does not answer: .*; its conversations wait"
        ):
            list(source.fetch(["c1"]))
    assert [(found.level, found.subject) for found in source.check()] == [("error", "connection")]
    postgres_server.start()
    assert len(list(source.fetch(["c1"]))) == 1


def test_a_restart_between_two_batches_is_not_noticed(
    two_tables: RagDatabase, open_source: OpenSource, postgres_server: PostgresServer
) -> None:
    say(two_tables, "c1", "Hola")
    source = open_source(preset="messages")
    assert len(list(source.fetch(["c1"]))) == 1
    postgres_server.stop()
    postgres_server.start()
    assert len(list(source.fetch(["c1"]))) == 1


def test_a_connection_cut_in_the_middle_of_a_batch_is_an_outage(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        "INSERT INTO conversations SELECT 'c' || n FROM generate_series(1, 300) n;"
        "INSERT INTO messages (conversation_id, role, content, created_at)"
        " SELECT 'c' || n, 'user', repeat('Hola', 100), now() FROM generate_series(1, 300) n"
    )
    source = open_source(preset="messages")
    reading = source.fetch([f"c{number}" for number in range(1, 301)])
    next(reading)
    two_tables.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ftworker source chat'"
    )
    with pytest.raises(SourceUnavailable):
        list(reading)
    assert len(list(source.fetch([f"c{number}" for number in range(1, 301)]))) == 300


def test_a_statement_that_takes_too_long_is_stopped_and_says_what_helps(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    source = open_source(preset="messages", statement_timeout_seconds=0.2)
    with (
        pytest.raises(
            SourceUnavailable, match=r"longer than 0.2 s.*sources test chat.*statement_timeout_seconds"
        ),
        source._connections.reading() as reading,
    ):
        reading.rows("SELECT pg_sleep(5)")


def test_counting_that_takes_too_long_is_no_failure(two_tables: RagDatabase, open_source: OpenSource) -> None:
    two_tables.run(
        "CREATE FUNCTION slow() RETURNS text LANGUAGE sql AS 'SELECT pg_sleep(5)::text';"
        "CREATE VIEW slow_messages AS SELECT id, conversation_id || slow() AS conversation_id, role, content,"
        " created_at FROM messages"
    )
    say(two_tables, "c1", "Hola")
    columns = ColumnsMessages(conversations_table="", messages_table="slow_messages")
    assert open_source(preset="messages", messages=columns, statement_timeout_seconds=0.3).count() is None


@pytest.mark.parametrize(
    "settings,said",
    [
        ({"schema_name": "rga"}, r"has no schema rga; correct sources\.chat\.schema_name"),
        (
            {"messages": ColumnsMessages(messages_table="mesages")},
            r"has no table public\.mesages; correct sources\.chat\.messages\.messages_table; there are: messages",
        ),
        (
            {"messages": ColumnsMessages(role="rol", content="contents")},
            r"has no column rol \(and 1 more\); correct sources\.chat\.messages\.role; there are: role",
        ),
        (
            {"messages": ColumnsMessages(user="alumna")},
            r"conversations has no column alumna; correct sources\.chat\.messages\.user; there are: alumno",
        ),
        (
            {"naive_timezone": "Europa/Madrid"},
            r"sources\.chat\.naive_timezone = Europa/Madrid: no such time zone",
        ),
    ],
)
def test_a_wrong_name_is_answered_with_the_setting_and_the_names_that_there_are(
    two_tables: RagDatabase, open_source: OpenSource, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceRejected, match=said):
        list(open_source(preset="messages", **settings).fetch(["c1"]))


def test_a_table_that_comes_later_is_found_without_a_restart(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    with pytest.raises(SourceRejected, match="there are none"):
        list(source.fetch(["c1"]))
    rag.run(ONE_TABLE)
    assert list(source.fetch(["c1"])) == []
    rag.run("ALTER TABLE messages RENAME COLUMN content TO texto")
    for said in ("column m.content does not exist", r"has no column content; .* there are: "):
        with pytest.raises(SourceRejected, match=said):
            list(source.fetch(["c1"]))


def test_a_missing_right_is_told_from_a_missing_table(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    say(two_tables, "c1", "Hola")
    url = two_tables.make_role("lectora", "REVOKE ALL ON SCHEMA public FROM PUBLIC;")
    try:
        source = open_source(url, preset="messages")
        with pytest.raises(SourceRejected, match="GRANT USAGE ON SCHEMA public TO lectora;"):
            list(source.fetch(["c1"]))
        two_tables.run("GRANT USAGE ON SCHEMA public TO lectora; GRANT SELECT ON conversations TO lectora")
        with pytest.raises(
            SourceRejected, match=r"may not read .*content.*GRANT SELECT ON public.messages TO lectora;"
        ):
            list(source.fetch(["c1"]))
        two_tables.run("GRANT SELECT (id, conversation_id, role, content, created_at) ON messages TO lectora")
        assert len(list(source.fetch(["c1"]))) == 1
        assert {found.level for found in source.check()} <= {"ok", "note"}
        assert not [found for found in source.check() if "could also change" in found.message]
        two_tables.run("REVOKE SELECT ON conversations FROM lectora")
        with pytest.raises(SourceRejected, match="permission denied for table conversations; grant its role"):
            list(source.fetch(["c1"]))
    finally:
        two_tables.run("DROP OWNED BY lectora; DROP ROLE lectora")


def test_a_role_that_could_write_is_mentioned(two_tables: RagDatabase, open_source: OpenSource) -> None:
    (note,) = [
        found for found in open_source(preset="messages").check() if "could also change" in found.message
    ]
    assert note.level == "note"
    assert "conversations, messages" in note.message


def test_what_the_store_cannot_tell_is_said(two_tables: RagDatabase, open_source: OpenSource) -> None:
    notes = [found.message for found in open_source(preset="messages").check() if found.subject == "content"]
    assert [note.split(":")[1].strip() for note in notes] == [
        "users",
        "ratings",
        "retrieved context",
        "consent",
    ]


def test_a_login_that_is_refused_is_for_a_person(rag: RagDatabase, open_source: OpenSource) -> None:
    for url, said in (
        (rag.url.replace("tester", "nadie"), 'role "nadie" does not exist'),
        (rag.url + "_no", "does not exist"),
    ):
        with pytest.raises(SourceRejected, match=said):
            list(open_source(url, preset="messages").fetch(["c1"]))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:s3creto@127.0.0.1:PORT/rag",
        "postgresql://ana:s3cr@to@127.0.0.1:PORT/rag",
        "postgresql://ana:s3cr/to@127.0.0.1:PORT/rag",
        "postgresql://ana:s3cr?to@127.0.0.1:PORT/rag",
        "postgresql://ana:s3cr%zzto@127.0.0.1:PORT/rag",
        "postgresql://ana:s3cr%40to@127.0.0.1:PORT/rag",
        "host=127.0.0.1 port=PORT user=ana password=s3creto dbname=rag",
        "host=127.0.0.1 port=s3creto user=ana password=s3creto",
        "s3creto",
    ],
)
def test_a_password_never_shows(open_source: OpenSource, url: str) -> None:
    source = open_source(url.replace("PORT", str(free_port())), preset="messages")
    with pytest.raises((SourceUnavailable, SourceRejected)) as refused:
        list(source.fetch(["c1"]))
    shown = str(refused.value) + str(source.check()) + repr(refused.value.__cause__)
    assert not re.search("s3cr|zzto|@to|/to", shown)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_password_may_hold_anything_once_it_is_escaped(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run(ONE_TABLE)
    source = open_source(rag.url.replace("tester@", "tester:p%40%2F%3F%23%25@"), preset="messages")
    assert source.check()[0].level == "ok"


def test_one_conversation_that_cannot_be_read_does_not_stop_the_others(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        "CREATE VIEW told AS SELECT id, conversation_id, role, (10 / nullif(length(content), 3))::text"
        " || (100 / (length(content) - 4))::text AS content, created_at FROM messages"
    )
    for number in range(40):
        say(two_tables, f"c{number}", "Hola" if number == 17 else "Buenas")
    source = open_source(
        preset="messages", messages=ColumnsMessages(conversations_table="", messages_table="told")
    )
    found = {one.conversation_id: one for one in source.fetch([f"c{number}" for number in range(40)])}
    assert len(found) == 40
    assert {key for key, one in found.items() if one.messages[0].error} == {"c17"}
    assert [(m.role, m.content, m.error) for m in found["c17"].messages] == [("", "", "unreadable")]


def test_a_store_where_nothing_can_be_read_is_given_up(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        "CREATE VIEW told AS SELECT id, conversation_id, role, (1 / (length(content) - 4))::text AS content, created_at"
        " FROM messages"
    )
    for number in range(40):
        say(two_tables, f"c{number}", "Hola")
    source = open_source(
        preset="messages", messages=ColumnsMessages(conversations_table="", messages_table="told")
    )
    with pytest.raises(
        SourceRejected, match=r"more than 16 conversations .* DivisionByZero \(22012\)"
    ) as refused:
        list(source.fetch([f"c{number}" for number in range(40)]))
    assert "Hola" not in str(refused.value)


def test_a_conversation_too_large_to_send_is_one_error(
    two_tables: RagDatabase, open_source: OpenSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "MAX_CONVERSATION_BYTES", 10_000)
    say(two_tables, "grande", *["x" * 1_000] * 20)
    say(two_tables, "normal", "Hola")
    found = {one.conversation_id: one for one in open_source(preset="messages").fetch(["grande", "normal"])}
    assert [message.error for message in found["grande"].messages] == ["too_large"]
    assert [message.error for message in found["normal"].messages] == [None]


def test_a_conversation_beyond_what_the_server_can_build_is_one_error(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    # The error of a value above PostgreSQL's gigabyte, without building one.
    two_tables.run(
        "CREATE VIEW told AS SELECT id, conversation_id, role, created_at,"
        " CASE WHEN conversation_id = 'enorme' THEN repeat(content, 2000000000) ELSE content END AS content"
        " FROM messages"
    )
    say(two_tables, "enorme", "Hola")
    say(two_tables, "normal", "Hola")
    source = open_source(
        preset="messages", messages=ColumnsMessages(conversations_table="", messages_table="told")
    )
    found = {one.conversation_id: one for one in source.fetch(["enorme", "normal"])}
    assert found["normal"].messages[0].error is None
    assert [message.error for message in found["enorme"].messages] == ["unreadable"]


def test_bytes_that_are_no_text_are_one_error(
    postgres_server: PostgresServer, open_source: OpenSource
) -> None:
    postgres_server.start()
    url = postgres_server.url("ascii")
    postgres_server._administer("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        rag = RagDatabase(url)
        rag.run(ONE_TABLE)
        rag.run(
            "INSERT INTO messages (conversation_id, role, content)"
            " VALUES ('c1', 'user', 'Hola'), ('c2', 'user', E'\\xff')"
        )
        source = open_source(url, preset="messages", messages=ColumnsMessages(conversations_table=""))
        found = {one.conversation_id: one.messages[0] for one in source.fetch(["c1", "c2"])}
        source.close()
    finally:
        postgres_server.drop_database(url)
    assert found["c1"].content == "Hola"
    assert (found["c2"].content, found["c2"].error) == ("", "unreadable")


def walk(source: Source, size: int, since: datetime | None = None) -> list[Page]:
    pages = [source.iterate_ids(since, None, size)]
    while pages[-1].next is not None:
        pages.append(source.iterate_ids(since, pages[-1].next, size))
    return pages


@pytest.mark.parametrize("key_type", ["bigint", "uuid", "text"])
def test_a_walk_sees_every_conversation_once(
    rag: RagDatabase, open_source: OpenSource, key_type: str
) -> None:
    key = {"bigint": "n - 12", "uuid": "md5(n::text)::uuid", "text": "chr(65 + n % 50) || '\"ñ, ' || n"}[
        key_type
    ]
    rag.run(
        f"{ONE_TABLE.replace('conversation_id text', f'conversation_id {key_type}')};"
        f"INSERT INTO messages (conversation_id, role, content, created_at)"
        f" SELECT {key}, 'user', 'Hola', timestamptz '2026-03-01' + n * interval '1 day'"
        f" FROM generate_series(1, 25) n, generate_series(1, 2) m;"
        f"INSERT INTO messages (conversation_id, role, content) VALUES (NULL, 'user', 'de nadie')"
    )
    source = open_source(preset="messages", messages=ColumnsMessages(conversations_table=""))
    pages = walk(source, 10)
    assert [len(page.conversations) for page in pages] == [10, 10, 5]
    seen = [one.conversation_id for page in pages for one in page.conversations]
    assert len(set(seen)) == 25
    assert len(list(source.fetch(seen))) == 25
    recent = walk(source, 10, since=datetime(2026, 3, 20, tzinfo=UTC))
    assert sum(len(page.conversations) for page in recent) == 7
    assert len(recent) == 3


def test_a_page_reads_no_more_messages_than_those_of_its_conversations(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    two_tables.run(
        "INSERT INTO conversations SELECT n::text FROM generate_series(1, 20000) n;"
        "INSERT INTO messages (conversation_id, role, content, created_at)"
        " SELECT n::text, 'user', repeat('Hola ', 50), now() FROM generate_series(1, 20000) n, generate_series(1, 2);"
        "ANALYZE"
    )
    source = open_source(preset="messages")
    source.iterate_ids(None, None, 10)

    def rows_read() -> int:
        (found,) = two_tables.run(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'messages'"
        )
        return int(found[0])

    source.close()  # a session hands in its counts when it ends
    wait_until(lambda: rows_read() > 0)
    before = rows_read()
    source.iterate_ids(None, ("5",), 100)
    source.close()
    wait_until(lambda: rows_read() > before)
    assert rows_read() - before < 1_000


def test_since_is_refused_where_the_store_keeps_no_times(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.run("CREATE TABLE chat_log (id serial, question text, answer text)")
    source = open_source(preset="log", log=ColumnsLog(created_at=""))
    with pytest.raises(Refused, match="leave --since out"):
        source.iterate_ids(TEN, None, 10)
    with pytest.raises(Refused, match="snapshot"):
        list(source.idle(TEN, TEN))


def test_idle_conversations_are_those_that_changed_last_within_the_span(
    two_tables: RagDatabase, open_source: OpenSource
) -> None:
    say(two_tables, "antes", "Hola", at="2026-03-01 09:00+00")
    say(two_tables, "dentro", "Hola", "Hola", at="2026-03-01 10:00+00")
    say(two_tables, "sigue", "Hola", "Hola", at="2026-03-01 10:00+00", every="3 h")
    say(two_tables, "después", "Hola", at="2026-03-01 12:00+00")
    source = open_source(preset="messages")
    found = list(source.idle(datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 11, tzinfo=UTC)))
    assert [(one.conversation_id, one.message_count) for one in found] == [("dentro", 2)]
    assert [one.conversation_id for one in source.newest(2)] == ["sigue", "después"]
    assert source.count() == 4


def test_a_closing_counts_as_a_change(two_tables: RagDatabase, open_source: OpenSource) -> None:
    say(two_tables, "c1", "Hola", at="2026-03-01 09:00+00")
    two_tables.run("UPDATE conversations SET closed_at = '2026-03-01 10:30+00'")
    source = open_source(preset="messages", messages=ColumnsMessages(closed_at="closed_at"))
    (found,) = source.idle(TEN, datetime(2026, 3, 1, 11, tzinfo=UTC))
    assert found.last_change_at == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)


def test_the_words_that_mark_a_refused_login_are_those_of_a_spanish_server_too() -> None:
    for said in (
        "FATAL:  la autentificación password falló para el usuario «ana»",
        "FATAL:  no existe la base de datos «rag»",
        "FATAL:  no hay una línea en pg_hba.conf para «10.0.0.7», usuario «ana», base de datos «rag», sin cifrado",
        "FATAL:  permiso denegado a la base de datos «rag»",
    ):
        assert any(words in said for words in connections._REFUSED_FOR_GOOD)
    for passing in (
        "FATAL:  lo siento, ya tenemos demasiados clientes",
        "FATAL:  the database system is starting up",
    ):
        assert not any(words in passing for words in connections._REFUSED_FOR_GOOD)
