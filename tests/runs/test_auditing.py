"""The audit proves that a dataset is clean, and finds each kind of leak when somebody makes one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from ftworker.cli.datasets import datasets as command
from ftworker.datasets.audit import Audit, Leak
from ftworker.datasets.formats import FORMATS
from ftworker.datasets.manifest import Manifest, content_sha256, manifest_bytes
from ftworker.datasets.split import Side, Split
from ftworker.errors import NotFound, Refused
from ftworker.runs import auditing
from ftworker.store.datasets import DatasetRow
from tests.invented import words
from tests.runs.chosen_examples import export, folder_of, lesson, users
from tests.runs.worlds import PIPELINE, World

SPLIT = Split(0.3, "s", 0.2)
SETTINGS = {"validation_share": 0.3, "salt": "s", "golden_share": 0.2, "golden_examples": 4}
SUPERVISED = [name for name in FORMATS if "preference" not in name]


def audit(world: World, exported: DatasetRow, look: Callable[[str], Iterable[str]] | None = None) -> Audit:
    return auditing.audit(world.store, exported.id, look=look or (lambda _text: ()))


def leaks(found: Audit) -> dict[str, int]:
    return {one.leak.value: one.count for one in found.found}


def of_users(side: Side, first: int, count: int) -> list[dict[str, Any]]:
    return [lesson(first + n, split_group=user) for n, user in enumerate(users(side, SPLIT, count))]


LESSONS = [
    *of_users(Side.TRAIN, 0, 15),
    *of_users(Side.VALIDATION, 100, 5),
    *of_users(Side.GOLDEN, 200, 6),
    lesson(300, words(0) + " y más"),
]


@pytest.fixture
def split_world(world: World) -> World:
    world.configure(split=SETTINGS)
    return world


@pytest.fixture
def exported(split_world: World) -> DatasetRow:
    """A dataset with train, validation and golden files, and a near-duplicate that was left out."""
    return export(split_world, LESSONS)


@pytest.mark.parametrize("name", SUPERVISED)
def test_what_an_export_made_is_clean_in_every_format(split_world: World, name: str) -> None:
    split_world.configure(format=name)
    first = export(split_world, LESSONS)
    second = export(split_world, [lesson(400), lesson(401, words(400) + " y más")])
    assert audit(split_world, first).clean
    found = audit(split_world, second)
    assert leaks(found) == {}
    assert found.figures["in_files"] + found.figures["left_out"] == found.figures["examples"] == 29
    assert found.figures["golden_rows"] == found.figures["golden_set"] == 4


@pytest.mark.parametrize("strategy", ["new", "replay"])
def test_datasets_of_other_strategies_are_clean_too(split_world: World, strategy: str) -> None:
    split_world.configure(strategy=strategy, replay_share=0.5)
    export(split_world, LESSONS)
    second = export(split_world, [lesson(number) for number in range(400, 414)])
    found = audit(split_world, second)
    assert leaks(found) == {}
    assert found.figures["golden_set"] == 4
    assert found.figures["examples"] < 27 + 14


@pytest.mark.parametrize("name", ["openai-preference", "preference"])
def test_pairs_are_audited_like_answers(split_world: World, name: str) -> None:
    split_world.configure(format=name)
    exported = export(split_world, [{**one, "rejected": words(-one["name"] - 1)} for one in LESSONS])
    assert leaks(audit(split_world, exported)) == {}
    write(split_world, exported, "train", rows_of(exported, "train") + rows_of(exported, "validation")[:1])
    assert leaks(audit(split_world, exported)) == {"conversation_on_two_sides": 1, "user_on_two_sides": 1}


# -- tampering


def rows_of(exported: DatasetRow, name: str) -> list[bytes]:
    return (folder_of(exported) / f"{name}.jsonl").read_bytes().split(b"\n")[:-1]


def write(world: World, exported: DatasetRow, name: str, rows: list[bytes]) -> DatasetRow:
    """Put other rows into a file, and make manifest and database agree with them, as a careful forger would."""
    folder = folder_of(exported)
    data = b"".join(row + b"\n" for row in rows)
    (folder / f"{name}.jsonl").write_bytes(data)
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    entry = getattr(manifest.content, name)
    changed = msgspec.structs.replace(
        entry, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=len(rows)
    )
    content = msgspec.structs.replace(manifest.content, **{name: changed})
    forged = msgspec.structs.replace(manifest, content=content, sha256=content_sha256(content))
    (folder / "manifest.json").write_bytes(manifest_bytes(forged))
    with world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET sha256 = %s, manifest = %s WHERE id = %s",
            (forged.sha256, json.dumps(forged.as_dict()), exported.id),
        )
    return exported


def test_a_changed_byte_is_found(split_world: World, exported: DatasetRow) -> None:
    path = folder_of(exported) / "train.jsonl"
    path.write_bytes(path.read_bytes().replace("célula".encode(), "cédula".encode(), 1))
    assert leaks(audit(split_world, exported)) == {"altered": 1, "unknown_rows": 1, "missing_rows": 1}


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl", "golden.jsonl", "manifest.json"])
def test_a_missing_file_is_found(split_world: World, exported: DatasetRow, name: str) -> None:
    (folder_of(exported) / name).unlink()
    found = leaks(audit(split_world, exported))
    assert found["altered"] == 1


def test_a_manifest_that_is_not_the_databases_is_found(split_world: World, exported: DatasetRow) -> None:
    path = folder_of(exported) / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    origin = msgspec.structs.replace(manifest.provenance, left_out={})
    path.write_bytes(manifest_bytes(msgspec.structs.replace(manifest, provenance=origin)))
    assert leaks(audit(split_world, exported)) == {"altered": 1}


def test_a_row_that_was_taken_away_is_found(split_world: World, exported: DatasetRow) -> None:
    write(split_world, exported, "train", rows_of(exported, "train")[1:])
    assert leaks(audit(split_world, exported)) == {"missing_rows": 1}


def test_a_row_that_was_copied_to_the_other_side_is_found(split_world: World, exported: DatasetRow) -> None:
    validation = rows_of(exported, "validation")
    write(split_world, exported, "train", [*rows_of(exported, "train"), validation[0]])
    assert leaks(audit(split_world, exported)) == {"conversation_on_two_sides": 1, "user_on_two_sides": 1}


def test_another_conversation_of_a_user_on_the_other_side_is_found(
    split_world: World, exported: DatasetRow
) -> None:
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET split_group = "
            "(SELECT split_group FROM ftworker.examples WHERE content LIKE %s) WHERE content LIKE %s",
            ("%sabes de 100?%", "%sabes de 3?%"),
        )
    (found,) = audit(split_world, exported).found
    assert (found.leak, found.count, len(found.example_ids)) == (Leak.USER_ON_TWO_SIDES, 1, 2)


def test_a_near_duplicate_on_the_other_side_is_found(split_world: World) -> None:
    split_world.configure(selection={"near_duplicate_similarity": None})
    train, validation = users(Side.TRAIN, SPLIT, 30), users(Side.VALIDATION, SPLIT, 10)
    exported = export(
        split_world,
        [
            *LESSONS[:20],
            lesson(500, words(500), split_group=train[-1]),
            lesson(501, words(500) + " y más", split_group=validation[-1]),
        ],
    )
    found = audit(split_world, exported)
    assert found.clean
    assert found.not_checked == ["near-duplicates: selection.near_duplicate_similarity is not set"]
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET settings = "
            "jsonb_set(settings, '{selection,near_duplicate_similarity}', '0.8')"
        )
    assert leaks(audit(split_world, exported)) == {"near_duplicate_on_two_sides": 1}


def test_a_golden_example_that_trains_is_found(split_world: World, exported: DatasetRow) -> None:
    golden = rows_of(exported, "golden")
    write(split_world, exported, "train", [*rows_of(exported, "train"), *golden[:2]])
    assert leaks(audit(split_world, exported)) == {
        "golden_in_training": 2,
        "left_out_inside": 2,
        "conversation_on_two_sides": 2,
        "user_on_two_sides": 2,
    }


def test_what_was_left_out_and_stands_inside_is_found(split_world: World, exported: DatasetRow) -> None:
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "SELECT e.content FROM ftworker.dataset_left_out AS l JOIN ftworker.examples AS e "
            "ON e.id = l.example_id WHERE l.reason = 'near_duplicate'"
        )
        (row,) = cursor.fetchall()
    system = json.loads(rows_of(exported, "train")[0])["messages"][0]
    line = (
        f'{{"messages":[{json.dumps(system, ensure_ascii=False, separators=(",", ":"))},{row.content[1:]}}}'
    )
    write(split_world, exported, "train", [*rows_of(exported, "train"), line.encode()])
    assert leaks(audit(split_world, exported)) == {"left_out_inside": 1}


def test_what_was_erased_since_is_found(split_world: World, exported: DatasetRow) -> None:
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET content = '', split_group = '', erased_at = now() "
            "WHERE content LIKE '%sabes de 3?%' OR content LIKE '%sabes de 5?%'"
        )
    assert leaks(audit(split_world, exported)) == {"erased_inside": 2}


def test_what_was_erased_before_the_export_is_no_leak(split_world: World) -> None:
    export(split_world, LESSONS)
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET content = '', split_group = '', erased_at = now() "
            "WHERE content LIKE '%sabes de 3?%'"
        )
    assert audit(split_world, export(split_world, [lesson(400)])).clean


def test_what_was_withheld_since_is_found(split_world: World, exported: DatasetRow) -> None:
    with split_world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET withheld = 'personal_data' WHERE content LIKE '%sabes de 3?%'"
        )
    assert leaks(audit(split_world, exported)) == {"withheld_inside": 1}


def test_personal_data_is_found_by_the_eyes_that_are_given(split_world: World, exported: DatasetRow) -> None:
    found = audit(split_world, exported, lambda text: ["name"] if "sabes de 3?" in text else [])
    (one,) = found.found
    assert (one.leak, one.count, one.detail) == (Leak.PERSONAL_DATA, 1, "1 name")


def test_what_is_left_out_is_not_looked_through(split_world: World) -> None:
    exported = export(split_world, [*LESSONS[:20], lesson(300, words(0) + " Lucía", rating=-1)])
    assert audit(split_world, exported, lambda text: ["name"] if "Lucía" in text else []).clean


def test_a_pipeline_that_keeps_personal_data_is_not_looked_through_and_the_audit_says_so(
    split_world: World,
) -> None:
    split_world.configure(curation={"personal_data": "keep"})
    found = audit(split_world, export(split_world, LESSONS), lambda _: ["name"])
    assert found.clean
    assert found.not_checked == ['personal data: curation.personal_data is "keep"']


def test_a_dataset_without_files_is_refused(split_world: World) -> None:
    run_id = split_world.begin()
    with pytest.raises(Refused, match="not exported yet"):
        auditing.audit(split_world.store, split_world.run(run_id).dataset_id, look=None)
    with pytest.raises(NotFound):
        auditing.audit(split_world.store, 10**9, look=None)


# -- the commands


@pytest.fixture
def invoke(split_world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    configuration = tmp_path / "ftworker.toml"
    configuration.write_text(
        "[pipelines.tutor.split]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in SETTINGS.items()),
        encoding="utf-8",
    )
    assert split_world.settings.database_url is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FTWORKER_CONFIG", str(configuration))
    monkeypatch.setenv("FTWORKER_DATABASE_URL", split_world.settings.database_url.get_secret_value())
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    return lambda *arguments: CliRunner().invoke(
        command, [str(argument) for argument in arguments], catch_exceptions=False
    )


def test_the_command_ends_with_1_and_prints_no_text_when_something_is_found(
    split_world: World, exported: DatasetRow, invoke: Callable[..., Any]
) -> None:
    clean = invoke("audit", exported.id)
    assert (clean.exit_code, "clean" in clean.output) == (0, True)
    golden = rows_of(exported, "golden")
    write(split_world, exported, "train", [*rows_of(exported, "train"), *golden[:2]])
    found = invoke("audit", exported.id)
    assert found.exit_code == 1
    assert "golden_in_training: 2" in found.output
    assert "NOT CLEAN" in found.output
    assert not any(word in found.output for word in words(200).split())


def test_the_commands_json_keeps_its_keys(exported: DatasetRow, invoke: Callable[..., Any]) -> None:
    (folder_of(exported) / "golden.jsonl").unlink()
    found = invoke("audit", exported.id, "--json")
    assert found.exit_code == 1
    facts = json.loads(found.output)
    assert set(facts) == {"dataset", "url", "clean", "found", "figures", "not_checked"}
    assert [set(one) for one in facts["found"]] == [{"leak", "count", "example_ids", "detail", "meaning"}]
    assert (facts["clean"], facts["found"][0]["leak"]) == (False, "altered")


def test_the_golden_set_is_shown_without_text(split_world: World, invoke: Callable[..., Any]) -> None:
    before = invoke("golden", PIPELINE)
    assert "No golden set yet" in before.output
    made = export(split_world, LESSONS)
    shown = invoke("golden", PIPELINE)
    assert f"4 examples of 4 users, frozen 0 s ago by dataset {made.id}." in shown.output
    facts = json.loads(invoke("golden", PIPELINE, "--json").output)
    assert (facts["frozen"], facts["examples"], facts["users"], facts["dataset"]) == (True, 4, 4, made.id)
    assert set(facts) == {
        "pipeline",
        "frozen",
        "examples",
        "users",
        "frozen_at",
        "dataset",
        "golden_examples",
        "golden_share",
    }
