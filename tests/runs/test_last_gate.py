"""The last gate in a run: what an older release, or an older roster, let pass does not reach a provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ftworker.conversations import Conversation, Message
from ftworker.errors import PermanentError
from ftworker.runs.exporting import PersonalDataWithheld
from ftworker.runs.rewriting import write_again
from ftworker.store import Store
from tests.datasets.exported import Bench, file_of, talk
from tests.store_rows import fetch

MAIL = "lucia.perez@instituto.es"
PASSED = {"curation": {"personal_data": "keep"}}
REDACTS = {"curation": {"personal_data": "redact"}}


def letter(number: int) -> Conversation:
    return Conversation(
        "rag",
        f"letter-{number}",
        (
            Message("user", f"¿A quién escribo sobre el tema {number}?"),
            Message("assistant", f"Sobre el tema {number} escribe a {MAIL} antes del examen."),
        ),
        user_ref=f"writer-{number}",
    )


@pytest.fixture
def store(emptied_database_url: str) -> Iterator[Store]:
    store = Store(emptied_database_url)
    yield store
    store.close()


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Bench:
    """Twenty clean conversations, and two with an address that was stored when nobody looked for it."""
    bench = Bench(store, tmp_path, PASSED)
    bench.take([*(talk(number) for number in range(20)), letter(1), letter(2)])
    bench.pipeline = REDACTS
    return bench


def test_a_dataset_with_personal_data_is_not_published_and_the_next_try_leaves_it_out(
    bench: Bench, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(PersonalDataWithheld, match="2 examples are withheld") as caught:
        bench.cut()
    assert "lucia" not in str(caught.value)
    assert not list(tmp_path.rglob("manifest.json"))
    assert not list(tmp_path.rglob("*.jsonl")), "nothing of it stays on the disk"
    assert len(fetch(store, "SELECT id FROM ftworker.examples WHERE withheld = 'personal_data'")) == 2

    dataset_id = fetch(store, "SELECT id FROM ftworker.datasets")[0].id
    again = bench.export(dataset_id)
    assert MAIL.encode() not in file_of(again, "train.jsonl")
    assert again.manifest is not None
    assert again.manifest["provenance"]["examples"] == 20


def test_what_is_withheld_is_counted_once(bench: Bench, store: Store) -> None:
    with pytest.raises(PersonalDataWithheld):
        bench.cut()
    bench.export(fetch(store, "SELECT id FROM ftworker.datasets")[0].id)
    (total,) = fetch(
        store,
        "SELECT sum(value) AS value FROM ftworker.totals "
        "WHERE name = 'examples_left_out' AND labels LIKE '%reason=personal_data'",
    )
    assert total.value == 2


def test_a_pipeline_that_keeps_personal_data_has_no_gate(bench: Bench) -> None:
    bench.pipeline = PASSED
    exported = bench.cut()
    files = file_of(exported, "train.jsonl") + file_of(exported, "validation.jsonl")
    assert files.count(MAIL.encode()) == 2


def test_a_dataset_written_again_is_looked_through_by_the_names_known_today(
    bench: Bench, tmp_path: Path
) -> None:
    bench.pipeline = PASSED
    exported = bench.cut()
    redacting = {
        **exported.settings,
        "curation": {**exported.settings["curation"], "personal_data": "redact"},
    }
    folder = tmp_path / "again"
    with pytest.raises(PermanentError, match=r"2 email.*runs start tutor") as caught:
        write_again(
            bench.store,
            bench.settings,
            replace(exported, settings=redacting),
            "openai-chat",
            f"file://{folder}",
        )
    assert "lucia" not in str(caught.value)
    assert not folder.exists()
