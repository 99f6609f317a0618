"""What holds for every store with tables of its own: what lists it and what reads it see the same.

Each has its rows in `stores/NAME.sql`, written by the program's own code where that can be installed
(`stores/write_*.py`), else after its schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from ftworker.curation.curate import curate
from ftworker.settings import CurationSettings, SourceSettings
from ftworker.sources.postgres import PostgresSource
from tests.sources.conftest import OpenSource, RagDatabase

CONFIGURED = {"messages", "log", "langchain"}
"""Presets whose tables the configuration describes; they have tests of their own."""
STORES = [
    name for name in get_args(SourceSettings.model_fields["preset"].annotation) if name not in CONFIGURED
]
LONG_AGO, FAR_OFF = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
KNOWN = {"user", "assistant", "system", "tool"}


@pytest.fixture(params=STORES)
def filled(request: pytest.FixtureRequest, rag: RagDatabase, open_source: OpenSource) -> PostgresSource:
    rag.load(request.param)
    return open_source(preset=request.param)


def test_a_filled_store_is_found_in_order(filled: PostgresSource) -> None:
    findings = filled.check()
    assert [found for found in findings if found.level == "error"] == []
    assert [found.subject for found in findings if found.level == "note" and found.subject == "content"]


def test_all_listings_name_the_same_conversations(filled: PostgresSource) -> None:
    listed = {one.conversation_id: one for one in filled.snapshot(None)}
    assert listed
    assert all(one.message_count > 0 for one in listed.values())
    assert filled.count() == len(listed)
    assert {one.conversation_id: one for one in filled.newest(1_000)} == listed

    walked, after = [], None
    while True:
        page = filled.iterate_ids(None, after, 1)
        walked += [one.conversation_id for one in page.conversations]
        if (after := page.next) is None:
            break
    assert sorted(walked) == sorted(listed)


def test_a_sweep_sees_what_changed_and_nothing_else(filled: PostgresSource) -> None:
    listed = {one.conversation_id: one for one in filled.snapshot(None)}
    if not filled.has_times():
        assert all(one.last_change_at is None for one in listed.values())
        return
    assert {one.conversation_id: one for one in filled.idle(LONG_AGO, FAR_OFF)} == listed
    for one in listed.values():
        assert one.last_change_at is not None
        seen = {other.conversation_id for other in filled.idle(LONG_AGO, one.last_change_at)}
        assert one.conversation_id in seen
        seen = {other.conversation_id for other in filled.idle(one.last_change_at, FAR_OFF)}
        assert one.conversation_id not in seen
    newest = max(one.last_change_at for one in listed.values() if one.last_change_at)
    since = filled.iterate_ids(newest, None, 1_000)
    assert {one.last_change_at for one in since.conversations} == {newest}


def test_what_is_listed_can_be_read_and_nothing_else(filled: PostgresSource) -> None:
    ids = [one.conversation_id for one in filled.snapshot(None)]
    read = {
        one.conversation_id: one for one in filled.fetch([*ids, *ids, "no-such-conversation", "' OR true"])
    }
    assert sorted(read) == sorted(ids)
    roles = {message.role for one in read.values() for message in one.messages if not message.error}
    assert {"user", "assistant"} <= roles <= KNOWN
    one_by_one = [conversation for identity in ids for conversation in filled.fetch([identity])]
    assert {one.conversation_id: one for one in one_by_one} == read


def test_what_is_read_becomes_examples(filled: PostgresSource) -> None:
    ids = [one.conversation_id for one in filled.snapshot(None)]
    assert any(curate(conversation, CurationSettings()).examples for conversation in filled.fetch(ids))


def test_a_role_that_may_only_select_reads_it(
    filled: PostgresSource, rag: RagDatabase, open_source: OpenSource, request: pytest.FixtureRequest
) -> None:
    url = rag.make_role("store_reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO store_reader")
    name = request.node.callspec.params["filled"]
    assert len(list(open_source(url, preset=name).snapshot(None))) == filled.count()


def test_every_store_has_its_rows() -> None:
    there = {path.stem for path in (Path(__file__).parent / "stores").glob("*.sql")}
    assert set(STORES) <= there
