"""What holds for every preset that there is, so that none can be added without rows, a line in the documentation, and
being found by its tables. `test_every_store` holds that what lists a store and what reads it agree."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg2 import sql

from ftworker.accumulate import accumulate
from ftworker.backfill import backfill
from ftworker.cli import cli
from ftworker.conversations import Conversation
from ftworker.settings import settings_from
from ftworker.sources.detect import candidates
from ftworker.sources.preset import preset
from ftworker.sources.sample import Sample, look_at
from ftworker.sources.stores import DESCRIBED, known_stores, preset_names
from ftworker.sources.values import LONE_SURROGATE, TOO_LARGE, UNREADABLE
from ftworker.store import Store
from tests.conftest import REPOSITORY
from tests.sources.conftest import OpenSource, RagDatabase

DOCUMENT = (REPOSITORY / "docs" / "SOURCES.md").read_text(encoding="utf-8")
STORES = sorted(set(preset_names()) - set(DESCRIBED))
OTHER_ROWS = {
    "chainlit_documented": "chainlit",
    "google_adk_v0": "google_adk",
    "langchain_community": "langchain",
    "langchain_js": "langchain",
    "langchain_postgres": "langchain",
    "langchain_sql": "langchain",
}
"""Further rows in `stores`, of other versions and layers, to the preset that reads them."""

ERRORS = {None, True, "failed", LONE_SURROGATE, TOO_LARGE, UNREADABLE}


@pytest.fixture(params=STORES)
def name(request: pytest.FixtureRequest, rag: RagDatabase) -> str:
    """A preset, whose rows are in the RAG's database."""
    rag.load(request.param)
    return str(request.param)


def read_all(open_source: OpenSource, name: str) -> list[Conversation]:
    source = open_source(preset=name)
    return list(source.fetch([one.conversation_id for one in source.snapshot(None)]))


def test_messages_say_who_speaks_and_times_with_a_zone_and_no_error_quotes_anybody(
    name: str, open_source: OpenSource
) -> None:
    for found in read_all(open_source, name):
        assert found.messages
        for message in found.messages:
            assert message.error in ERRORS
            assert message.role in {"user", "assistant", "system", "tool"} or message.error
            assert message.created_at is None or message.created_at.tzinfo is UTC


def test_each_conversation_becomes_examples_or_is_dropped_for_a_reason(
    name: str, open_source: OpenSource, store: Store
) -> None:
    source = open_source(preset=name)
    backfill(store, source)
    settings = settings_from({"sources": {"chat": {"preset": name}}, "pipelines": {"p": {"source": "chat"}}})
    while accumulate(store, settings, lambda _: source).taken:
        pass
    with store.transaction() as cursor:
        cursor.execute("SELECT conversation_id, outcome FROM ftworker.inbox")
        outcomes = {row.conversation_id: row.outcome for row in cursor.fetchall()}
        cursor.execute(
            "SELECT c.conversation_id, EXISTS (SELECT FROM ftworker.examples AS e WHERE e.conversation_id = c.id)"
            " AS taught, EXISTS (SELECT FROM ftworker.drops AS d WHERE d.conversation_id = c.id) AS dropped"
            " FROM ftworker.conversations AS c"
        )
        known = {row.conversation_id: (row.taught, row.dropped) for row in cursor.fetchall()}
    assert set(outcomes) == {one.conversation_id for one in source.snapshot(None)}
    assert set(outcomes.values()) <= {"examples", "dropped"}
    assert set(known) == set(outcomes)
    assert all(taught or dropped for taught, dropped in known.values())
    assert any(taught for taught, _ in known.values())


def test_it_can_be_tried_from_the_command_line_and_no_text_shows(
    name: str,
    rag: RagDatabase,
    open_source: OpenSource,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "ftworker.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("FTWORKER_CONFIG", str(tmp_path / "ftworker.toml"))
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("RAG_DATABASE_URL", rag.url)
    shown = CliRunner().invoke(cli, ["sources", "test", "--preset", name, "--url-env", "RAG_DATABASE_URL"])
    assert shown.exit_code == 0, shown.output
    assert "What this store cannot tell:" in shown.output
    said = [message.content for found in read_all(open_source, name) for message in found.messages]
    assert [text for text in said if len(text) > 12 and text in shown.output] == []


def test_with_a_sweep_the_index_that_it_needs_is_there_or_advised(
    name: str, rag: RagDatabase, open_source: OpenSource
) -> None:
    source = open_source(preset=name, sweep_idle=True)
    for warning in [found for found in source.check() if found.level == "warning"]:
        rag.run(warning.advice.replace("CONCURRENTLY ", ""))
    assert [found for found in source.check() if found.level in ("warning", "error")] == []
    named = [reason for use in preset(name).uses(source._settings) for reason in use.indexes.values()]
    assert (source.has_times() and name != "langgraph") == any("sweep_idle" in reason for reason in named), (
        "its times stand in a column of their own, and a sweep asks it every minute"
    )


OPTIONAL = {
    "langflow": {"message": ["session_metadata"]},
    "onyx": {
        "chat_message": ["preferred_response_id", "model_display_name", "last_summarized_message_id"],
        "chat_session": ["incognito_record_mode"],
    },
    "openwebui": {"chat": ["current_message_id"]},
    "openwebui_legacy": {"chat": ["meta"]},
}
"""Columns that are read where a store's version has them."""

WHOLE_ROWS = {"google_adk": "events"}
"""Tables of which whole rows are read: an event's parts are columns in some versions, and one in others."""


def test_a_right_to_the_columns_that_it_names_is_enough(
    name: str, rag: RagDatabase, open_source: OpenSource
) -> None:
    every = open_source(preset=name)
    grants = []
    for use in preset(name).uses(every._settings):
        columns = {*use.columns, *OPTIONAL.get(name, {}).get(use.name, [])}
        named = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        grants.append(
            sql.SQL("GRANT SELECT {} ON {} TO column_reader").format(
                sql.SQL("") if WHOLE_ROWS.get(name) == use.name else named, sql.Identifier(use.name)
            )
        )
    with rag.connect() as connection:
        url = rag.make_role("column_reader", sql.SQL("; ").join(grants).as_string(connection))
    ids = [one.conversation_id for one in every.snapshot(None)]
    narrow = open_source(url, preset=name)
    assert set(narrow.snapshot(None)) == set(every.snapshot(None))
    read = {found.conversation_id: found for found in every.fetch(ids)}
    assert {found.conversation_id: found for found in narrow.fetch(ids)} == read


def test_its_tables_are_recognised(name: str, rag: RagDatabase) -> None:
    (found, *_) = candidates(rag.url)
    assert (found.settings.preset, found.is_known, found.has_rows) == (name, True, True)


@pytest.mark.parametrize("rows,read_by", sorted(OTHER_ROWS.items()))
def test_the_tables_of_its_other_versions_are_recognised(rag: RagDatabase, rows: str, read_by: str) -> None:
    rag.load(rows)
    (found, *_) = candidates(rag.url)
    assert (found.settings.preset, found.has_rows) == (read_by, True)


def test_moodle_is_recognised_under_any_prefix(rag: RagDatabase) -> None:
    rag.load("moodle_openai_chat")
    rag.run(
        "ALTER TABLE mdl_context RENAME TO aula_context;"
        "ALTER TABLE mdl_block_openai_chat_log RENAME TO aula_block_openai_chat_log"
    )
    (found, *_) = candidates(rag.url)
    assert (found.settings.preset, found.settings.moodle_prefix) == ("moodle_openai_chat", "aula_")


def told(seen: Sample) -> list[bool]:
    """What the rows of a store show that it tells, in the order of the documentation's columns."""
    return [
        seen.timed > 0,
        seen.users > 0,
        seen.rated_up + seen.rated_down > 0,
        seen.passages > 0,
        seen.with_siblings > 0,
        seen.corrected > 0,
        seen.debug > 0,
    ]


def test_the_documentation_s_table_says_what_its_rows_show(name: str, open_source: OpenSource) -> None:
    (reads,) = [one.reads for one in known_stores() if one.preset == name]
    marks = " | ".join("yes" if one else "-" for one in told(look_at(read_all(open_source, name))))
    assert f"\n| `{name}` | {reads} | {marks} |\n" in DOCUMENT


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_presets_that_the_configuration_describes_stand_in_the_table_too(name: str) -> None:
    (reads,) = [one.reads for one in known_stores() if one.preset == name]
    assert f"\n| `{name}` | {reads} | " in DOCUMENT


def test_the_table_names_no_preset_that_is_not_there() -> None:
    _, _, table = DOCUMENT.partition("\n## Every preset\n")
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(preset_names())


def test_each_says_in_one_sentence_what_it_reads() -> None:
    for one in known_stores():
        assert 20 <= len(one.reads) <= 140, one
        assert not one.reads.endswith("."), one
        assert one.tables
