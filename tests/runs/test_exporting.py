"""Exports that choose: what stands in the files, what the database says of the rest, crashes and two exporters."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.split import Side, Split
from ftworker.runs import cutting, exporting
from ftworker.runs.states import RunState, Step
from ftworker.runs.view import exported_dataset
from ftworker.store import Store, selection
from tests.doubles.fake_provider import Killed
from tests.invented import words
from tests.runs.chosen_examples import (
    add_lessons,
    answers,
    dataset,
    export,
    folder_of,
    left_out,
    lesson,
    users,
)
from tests.runs.worlds import PIPELINE, World

NO_GOLDEN = {"validation_share": 0.0, "golden_share": 0.0}
LEFT_OUT = "examples_left_out"


@pytest.fixture
def plain(world: World) -> World:
    """All train, but for what a test says."""
    world.configure(split=NO_GOLDEN)
    return world


def manifest_of(exported: Any) -> Mapping[str, Any]:
    assert exported.manifest is not None
    found: Mapping[str, Any] = exported.manifest
    return found


def test_what_is_left_out_stands_in_no_file_and_its_reason_in_database_manifest_and_totals(
    plain: World,
) -> None:
    exported = export(
        plain,
        [
            *(lesson(number) for number in range(12)),
            lesson(20, words(0) + " y más"),
            *(lesson(number, question="¿La misma pregunta?") for number in range(30, 35)),
            lesson(40, refusal=True),
        ],
    )
    assert len(answers(exported, "train")) == 15
    reasons = left_out(plain, exported.id)
    assert {("20", "0"), ("0", "20")} >= {
        (name, of) for name, reason, of in reasons if reason == "near_duplicate"
    }
    assert sorted(reason for _, reason, _ in reasons) == [
        "copies_of_question",
        "copies_of_question",
        "near_duplicate",
        "refusal_share",
    ]
    counts = {"near_duplicate": 1, "copies_of_question": 2, "refusal_share": 1}
    provenance = manifest_of(exported)["provenance"]
    assert provenance["left_out"] == counts
    assert provenance["examples"] == provenance["selection"]["kept"] == 15
    assert {key: value for key, value in plain.totals().items() if key[0] == LEFT_OUT} == {
        (LEFT_OUT, f"pipeline=tutor,reason={reason}"): count for reason, count in counts.items()
    }


def test_what_an_earlier_dataset_held_stays_and_what_comes_later_gives_way(plain: World) -> None:
    first = export(plain, [lesson(number) for number in range(12)])
    second = export(plain, [lesson(20, words(3) + " y más", rating=1), lesson(21)])
    assert set(answers(first, "train")) < set(answers(second, "train"))
    assert left_out(plain, second.id) == [("20", "near_duplicate", "3")]
    assert left_out(plain, first.id) == []


def test_what_no_dataset_may_use_is_as_if_it_were_not_there(plain: World) -> None:
    add_lessons(plain, [lesson(number) for number in range(14)])
    with plain.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET withheld = 'personal_data' "
            "WHERE id IN (SELECT id FROM ftworker.examples ORDER BY id LIMIT 2)"
        )
    exported = export(plain)
    assert len(answers(exported, "train")) == 12
    assert left_out(plain, exported.id) == []


def test_answers_of_a_model_that_was_tuned_here_are_known_and_capped(plain: World) -> None:
    export(plain, [lesson(number) for number in range(12)])
    with plain.store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.runs SET model = 'tutor:ft-tutor-1f0c'")
        cursor.execute(
            "INSERT INTO ftworker.promotions (pipeline, run_id, model) "
            "SELECT 'tutor', id, model FROM ftworker.runs"
        )
    exported = export(plain, [lesson(number, model="ollama/tutor") for number in range(20, 40)])
    figures = manifest_of(exported)["provenance"]["selection"]
    assert (figures["own_model"], figures["own_model_share"]) == (5, round(5 / 17, 6))
    assert manifest_of(exported)["provenance"]["left_out"] == {"own_model_share": 15}


# -- the golden set

GOLDEN = {"validation_share": 0.0, "golden_share": 0.3, "golden_examples": 4, "salt": "s"}
SPLIT = Split(0.0, "s", 0.3)


@pytest.fixture
def golden(world: World) -> World:
    world.configure(split=GOLDEN)
    return world


def of_users(side: Side, first: int, count: int, **fields: Any) -> list[dict[str, Any]]:
    chosen = users(side, SPLIT, count)
    return [lesson(first + n, split_group=user, **fields) for n, user in enumerate(chosen)]


def golden_set(world: World) -> selection.GoldenSet | None:
    with world.store.transaction() as cursor:
        return selection.golden_set(cursor, PIPELINE)


def test_the_first_dataset_with_enough_freezes_the_golden_set_and_none_changes_it(golden: World) -> None:
    first = export(golden, [*of_users(Side.TRAIN, 0, 12), *of_users(Side.GOLDEN, 100, 3)])
    assert golden_set(golden) is None
    assert answers(first, "golden") == []
    assert manifest_of(first)["provenance"]["left_out"] == {"golden_user": 3}
    second = export(golden, of_users(Side.GOLDEN, 200, 6))
    frozen = golden_set(golden)
    assert frozen is not None
    assert (frozen.examples, frozen.dataset_id) == (4, second.id)
    measured = answers(second, "golden")
    assert len(measured) == 4
    third = export(golden, [*of_users(Side.GOLDEN, 300, 8), lesson(400, measured[0] + " y más"), lesson(401)])
    assert answers(third, "golden") == measured
    assert golden_set(golden) == frozen
    assert ("400", "copy_of_golden") in {(name, reason) for name, reason, _ in left_out(golden, third.id)}
    for exported in (first, second, third):
        assert not set(answers(exported, "train")) & set(measured)


def test_the_golden_file_is_described_and_no_provider_gets_it(golden: World) -> None:
    exported = export(golden, [*of_users(Side.TRAIN, 0, 12), *of_users(Side.GOLDEN, 100, 6)])
    assert exported.url is not None
    manifest = read_manifest(exported.url)
    entry = manifest.content.golden
    assert entry is not None
    data = (folder_of(exported) / entry.name).read_bytes()
    assert (entry.sha256, entry.rows) == (hashlib.sha256(data).hexdigest(), 4)
    given = exported_dataset(exported)
    assert [file.url for file in (given.train, given.validation) if file] == [f"{exported.url}/train.jsonl"]
    assert manifest.content.selection["golden_share"] == 0.3


def test_what_once_trained_never_becomes_golden(golden: World) -> None:
    golden.configure(split={**GOLDEN, "golden_share": 0.0})
    old = of_users(Side.GOLDEN, 0, 12)
    first = export(golden, old)
    assert len(answers(first, "train")) == 12
    golden.configure(split=GOLDEN)
    second = export(golden, [*of_users(Side.TRAIN, 100, 12), *of_users(Side.GOLDEN, 200, 3)])
    assert golden_set(golden) is None
    assert manifest_of(second)["provenance"]["left_out"] == {"golden_user": 15}
    third = export(golden, of_users(Side.GOLDEN, 300, 1))
    assert set(answers(third, "golden")) == {words(number) for number in (200, 201, 202, 300)}


def test_an_erased_golden_example_leaves_the_set_and_nobody_takes_its_place(golden: World) -> None:
    export(golden, [*of_users(Side.TRAIN, 0, 12), *of_users(Side.GOLDEN, 100, 6)])
    with golden.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET content = '', erased_at = now() WHERE id = "
            "(SELECT min(example_id) FROM ftworker.golden_examples)"
        )
    frozen = golden_set(golden)
    assert frozen is not None
    assert frozen.examples == 3
    assert len(answers(export(golden, [lesson(400)]), "golden")) == 3


# -- too little is left


def test_a_dataset_that_its_provider_could_not_train_on_ends_the_run_and_says_what_to_do(
    plain: World,
) -> None:
    add_lessons(plain, [lesson(number, words(1) + f" {number}") for number in range(12)])
    run_id = cutting.start_by_hand(plain.store, plain.settings, PIPELINE, plain.clock)
    plain.worker().perform(run_id, Step.EXPORT)
    run = plain.run(run_id)
    assert (run.state, run.error_code) == (RunState.FAILED, "too_few_examples")
    assert run.error_message is not None
    assert "needs at least 10" in run.error_message
    assert "near_duplicate 11" in run.error_message
    assert "wait for more conversations" in run.error_message
    assert left_out(plain, run.dataset_id) == []
    assert not [key for key in plain.totals() if key[0] == LEFT_OUT]
    # The next cut takes up what this one held.
    assert len(answers(export(plain, [lesson(number) for number in range(20, 32)]), "train")) == 13


def test_when_nothing_is_left_the_run_ends_the_same_way(plain: World) -> None:
    plain.configure(selection={"max_refusal_share": 0.0})
    add_lessons(plain, [lesson(number, refusal=True) for number in range(12)])
    run_id = cutting.start_by_hand(plain.store, plain.settings, PIPELINE, plain.clock)
    plain.worker().perform(run_id, Step.EXPORT)
    run = plain.run(run_id)
    assert (run.state, run.error_code) == (RunState.FAILED, "too_few_examples")
    assert "no examples left: left out are refusal_share 12" in str(run.error_message)


# -- crashes and races


def everything(world: World) -> list[dict[str, Any]]:
    """Rows of many fates, with a golden set to freeze."""
    return [
        *of_users(Side.TRAIN, 0, 14),
        *of_users(Side.GOLDEN, 100, 6),
        lesson(200, words(0) + " y más", split_group=users(Side.TRAIN, SPLIT, 20)[-1]),
    ]


def state_of(world: World) -> tuple[Any, ...]:
    """What exports leave in the database, besides times."""
    with world.store.transaction() as cursor:
        cursor.execute("SELECT sha256 FROM ftworker.datasets ORDER BY id")
        names = [row.sha256 for row in cursor.fetchall()]
        cursor.execute("SELECT example_id FROM ftworker.golden_examples ORDER BY 1")
        golden = [row.example_id for row in cursor.fetchall()]
        cursor.execute("SELECT dataset_id, example_id, reason FROM ftworker.dataset_left_out ORDER BY 1, 2")
        out = [tuple(row) for row in cursor.fetchall()]
    totals = sorted((labels, value) for (name, labels), value in world.totals().items() if name == LEFT_OUT)
    return names, golden, out, totals


@pytest.mark.parametrize("moment", ["while reading", "while choosing", "while writing", "before the record"])
def test_an_exporter_that_dies_leaves_nothing_and_the_next_does_it_whole(
    golden: World, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_lessons(golden, everything(golden))
    run_id = cutting.start_by_hand(golden.store, golden.settings, PIPELINE, golden.clock)
    found = dataset(golden, golden.run(run_id).dataset_id)
    what = {"while reading": "read", "while choosing": "choose", "while writing": "export"}.get(moment)

    def tick(doing: str, _count: int, _unit: str) -> None:
        if doing == what:
            raise Killed

    if what is None:
        monkeypatch.setattr(exporting, "record", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        exporting.export(golden.store, golden.settings, found, provider="openai", keep_alive=tick)
    assert state_of(golden) == ([None], [], [], [])
    monkeypatch.undo()
    for _ in range(2):  # and once more, as after a lost answer
        exporting.export(golden.store, golden.settings, found, provider="openai", keep_alive=lambda *_: None)
    names, frozen, out, totals = state_of(golden)
    assert names[0] is not None
    assert len(frozen) == 4
    assert len(out) == 7
    assert totals == [
        ("pipeline=tutor,reason=golden", 4.0),
        ("pipeline=tutor,reason=golden_user", 2.0),
        ("pipeline=tutor,reason=near_duplicate", 1.0),
    ]


def test_two_exporters_of_one_dataset_record_it_once(golden: World) -> None:
    add_lessons(golden, everything(golden))
    run_id = cutting.start_by_hand(golden.store, golden.settings, PIPELINE, golden.clock)
    found = dataset(golden, golden.run(run_id).dataset_id)
    gate = threading.Barrier(2, timeout=30)

    def one() -> None:
        waited: list[int] = []

        def tick(doing: str, _count: int, _unit: str) -> None:
            if doing == "export" and not waited:
                waited.append(gate.wait())

        assert golden.settings.database_url is not None
        store = Store(golden.settings.database_url.get_secret_value())
        exporting.export(store, golden.settings, found, provider="openai", keep_alive=tick)
        store.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(one) for _ in range(2)]:
            future.result()
    _, frozen, out, totals = state_of(golden)
    assert (len(frozen), len(out)) == (4, 7)
    assert sum(value for _, value in totals) == 7
    assert len(list(folder_of(dataset(golden, found.id)).parent.iterdir())) == 1


def test_both_passes_see_one_moment(plain: World) -> None:
    add_lessons(plain, [lesson(number) for number in range(12)])
    run_id = cutting.start_by_hand(plain.store, plain.settings, PIPELINE, plain.clock)
    found = dataset(plain, plain.run(run_id).dataset_id)

    def erase_meanwhile(doing: str, _count: int, _unit: str) -> None:
        if doing == "choose":
            with plain.store.transaction() as cursor:
                cursor.execute("UPDATE ftworker.examples SET content = '', erased_at = now() WHERE turn = 0")

    exporting.export(plain.store, plain.settings, found, provider="openai", keep_alive=erase_meanwhile)
    assert len(answers(dataset(plain, found.id), "train")) == 12


def test_the_lease_is_renewed_while_it_chooses(plain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftworker.runs.journal.RENEW_EVERY_SECONDS", 0.0)
    run_id = plain.begin()
    plain.worker().perform(run_id, Step.EXPORT)
    with plain.store.transaction() as cursor:
        cursor.execute("SELECT data FROM ftworker.run_journal WHERE kind = 'progress'")
        assert [row.data for row in cursor.fetchall()] == [{"completed": 12, "unit": "examples"}]


def test_a_dataset_cut_by_a_release_without_selection_is_exported_whole(plain: World) -> None:
    add_lessons(plain, [lesson(number, words(1)) for number in range(12)])
    run_id = cutting.start_by_hand(plain.store, plain.settings, PIPELINE, plain.clock)
    with plain.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET settings = (settings - 'selection') || %s::jsonb",
            (json.dumps({"split": {"validation_share": 0.0, "salt": "s"}}),),
        )
    plain.worker().perform(run_id, Step.EXPORT)
    exported = dataset(plain, plain.run(run_id).dataset_id)
    assert len(answers(exported, "train")) == 12
