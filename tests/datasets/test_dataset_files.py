"""`ftworker datasets diff|export|card|report`, from a real database to files: words, JSON keys, exit codes, bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fsspec.implementations.local import LocalFileSystem

from ftworker.cli.datasets import datasets
from ftworker.datasets.difference import ABSENT, changed_settings, meaning
from ftworker.datasets.formats import FORMATS, SUPERVISED_FORMATS
from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.validate import validate_dataset
from ftworker.errors import PermanentError, Refused
from ftworker.runs.rewriting import write_again
from ftworker.store import Store, examples
from tests.datasets.exported import Bench, file_of, talk

Invoke = Callable[..., Result]


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    store = Store(database_url)
    yield Bench(store, tmp_path)
    store.close()


@pytest.fixture
def invoke(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    monkeypatch.chdir(tmp_path)  # where no config/ftworker.toml is
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    return lambda *arguments: CliRunner().invoke(
        datasets, [str(a) for a in arguments], catch_exceptions=False
    )


def difference(invoke: Invoke, before: int, after: int, *more: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(invoke("diff", before, after, "--json", *more).stdout)
    return told


# -- diff


def test_a_later_cut_holds_what_came_and_not_what_was_erased(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(60))
    first = bench.cut()
    bench.take(talk(n) for n in range(60, 85))
    with bench.store.transaction() as cursor:
        examples.erase_conversations(cursor, [("rag", "c-3"), ("rag", "c-4")])
    second = bench.cut()
    told = difference(invoke, first.id, second.id, "--turns", "3")
    assert (told["same"], told["changed"]) == (58, 0)
    assert told["came"] == {"cut_later": 25}
    assert told["went"] == {"erased": 2}
    assert told["settings"] == []
    assert [size["rows"][0] for size in told["sizes"]] == [
        first.manifest["content"][name]["rows"] for name in ("train", "validation") if first.manifest
    ]
    assert told["turns"] == [
        {
            "kind": "came",
            "reason": "cut_later",
            "source_name": "rag",
            "conversation_id": f"c-{number}",
            "turn": 0,
        }
        for number in (60, 61, 62)
    ]
    words = invoke("diff", first.id, second.id).stdout
    assert "58 examples in both, 25 came, 2 went, 0 with other content" in words
    assert "its conversation was deleted" in words
    assert "c-60" not in words  # ids of conversations are shown where they are asked for
    assert max(len(line) for line in words.splitlines()) <= 80
    back = difference(invoke, second.id, first.id)
    assert (back["came"], back["went"]) == ({"erased": 2}, {"cut_later": 25})


def test_what_another_selection_leaves_out_went_for_its_reason(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(60))
    first = bench.cut()
    strict = {"selection": {"near_duplicate_similarity": 1.0, "max_examples_of_user": 3}}
    bench.pipeline = strict
    second = bench.cut()
    told = difference(invoke, first.id, second.id)
    assert told["went"] == {"examples_of_user": 60 - 12 * 3}
    assert told["same"] == 36
    (change,) = [c for c in told["settings"] if c["key"] == "selection.max_examples_of_user"]
    assert (change["before"], change["after"]) == (200, 3)
    assert "its user has" in invoke("diff", first.id, second.id).stdout


def test_strategies_that_draw_a_part_say_what_they_did_not_draw(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(60))
    whole = bench.cut()
    bench.take(talk(n) for n in range(60, 90))
    new = bench.cut(strategy="new")
    told = difference(invoke, whole.id, new.id)
    assert (told["same"], told["came"], told["went"]) == (0, {"cut_later": 30}, {"not_drawn": 60})
    bench.take(talk(n) for n in range(90, 110))
    replay = bench.cut(strategy="replay", replay_share=0.5)
    told = difference(invoke, whole.id, replay.id)
    assert told["same"] + told["went"]["not_drawn"] == 60
    assert 10 < told["same"] < 50
    # As many as its manifest says: membership is derived as the export derives it.
    assert replay.manifest is not None
    assert told["same"] + sum(told["came"].values()) == replay.manifest["provenance"]["examples"]


def test_datasets_of_two_pipelines_are_compared_by_conversation_and_turn(
    bench: Bench, invoke: Invoke
) -> None:
    bench.take((talk(n) for n in range(30)), pipeline="tutor")
    first = bench.cut()
    others = [talk(n, answer="No hay otra cosa que decir de esto." if n < 5 else "") for n in range(2, 30)]
    others += [talk(29, rating=-1)]
    bench.take(others, pipeline="other")
    second = bench.cut(pipeline="other")
    told = difference(invoke, first.id, second.id)
    assert (told["same"], told["changed"], told["came"]) == (24, 3, {})
    assert told["went"] == {"not_in_pipeline": 2, "thumbs_down": 1}


def test_a_dataset_that_is_not_exported_cannot_be_compared(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    with bench.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET exported_at = NULL, sha256 = NULL, url = NULL, manifest = NULL"
        )
    for arguments in (("diff", row.id, row.id), ("card", row.id), ("export", row.id, "--output", "x")):
        with pytest.raises(Refused, match="not exported yet"):
            invoke(*arguments)


def test_settings_are_compared_key_by_key() -> None:
    before = {"format": "openai-chat", "split": {"salt": "a", "validation_share": 0.1}, "old": 1}
    after = {"format": "openai-chat", "split": {"salt": "b", "validation_share": 0.1}, "new": [1]}
    assert [(c.key, c.before, c.after) for c in changed_settings(before, after)] == [
        ("new", None, [1]),
        ("old", 1, None),
        ("split.salt", "a", "b"),
    ]
    assert all(meaning(reason) for reason in (*ABSENT, "near_duplicate", "refusal"))
    assert meaning("of another release") == ""


# -- export


def test_in_its_own_format_a_dataset_is_written_again_byte_for_byte(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n, turns=1 + n % 3) for n in range(60))
    row = bench.cut()
    told = json.loads(invoke("export", row.id, "--output", bench.folder / "again", "--json").stdout)
    assert row.manifest is not None
    assert (told["missing"], told["manifest"]["sha256"]) == (0, row.sha256)
    for name in ("train.jsonl", "validation.jsonl"):
        assert (bench.folder / "again" / name).read_bytes() == file_of(row, name)
    assert {path.name for path in (bench.folder / "again").iterdir()} == {
        "train.jsonl", "validation.jsonl", "manifest.json", "README.md", "report.html",
    }  # fmt: skip
    assert bench.read(row.id) == row


@pytest.mark.parametrize("name", SUPERVISED_FORMATS)
def test_every_supervised_format_has_the_same_answers_in_the_same_order_on_the_same_sides(
    bench: Bench, invoke: Invoke, name: str
) -> None:
    bench.take(talk(n) for n in range(60))
    row = bench.cut()
    target = bench.folder / name
    assert invoke("export", row.id, "--format", name, "--output", target).exit_code == 0
    extension = "json" if name == "instruction-json" else "jsonl"
    for side in ("train", "validation"):
        chats = [json.loads(line) for line in file_of(row, f"{side}.jsonl").decode().splitlines()]
        raw = (target / f"{side}.{extension}").read_text(encoding="utf-8")
        rows = json.loads(raw) if extension == "json" else [json.loads(line) for line in raw.splitlines()]
        assert [answer_of(each) for each in rows] == [answer_of(each) for each in chats]
    manifest = read_manifest(str(target))
    origin = manifest.provenance.written_again_from
    assert origin is not None
    assert (origin.sha256, origin.format, origin.examples) == (row.sha256, "openai-chat", 60)
    assert (manifest.provenance.pipeline, manifest.provenance.sequence) == ("tutor", 1)
    assert [found.problems for found in validate_dataset(str(target))] == [[], []]
    assert f"sha256 {row.sha256}" in (target / "README.md").read_text(encoding="utf-8")


def answer_of(row: dict[str, Any]) -> str:
    spoken = row.get("messages") or row.get("completion")
    return str(spoken[-1]["content"] if spoken else row["response"])


def test_pairs_can_be_written_in_every_format(bench: Bench, invoke: Invoke) -> None:
    bench.pipeline = {"curation": {"unit": "preference"}, "training": {"type": "dpo"}}
    bench.take(talk(n) for n in range(60))
    row = bench.cut()
    assert row.manifest is not None
    assert row.manifest["content"]["format"] == "openai-preference"
    for name in FORMATS:
        target = bench.folder / name
        assert invoke("export", row.id, "--format", name, "--output", target).exit_code == 0
        assert [found.problems for found in validate_dataset(str(target))] == [[], []], name
    line = json.loads(
        (bench.folder / "preference" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0]
    )
    assert line["chosen"][0]["content"].startswith("El elemento")
    assert line["rejected"][0]["content"].startswith("Creo que")


def test_answers_cannot_be_written_as_pairs_and_nothing_is_left_behind(bench: Bench) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    with pytest.raises(PermanentError, match="cannot be written as preference pairs"):
        write_again(bench.store, bench.settings, row, "preference", f"file://{bench.folder}/out/pairs")
    assert list((bench.folder / "out").iterdir()) == []


def test_what_was_erased_since_is_not_written_and_is_counted(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    with bench.store.transaction() as cursor:
        examples.erase_conversations(cursor, [("rag", "c-7")])
    shown = invoke("export", row.id, "--output", bench.folder / "now").stdout
    assert "1 examples are not in it" in shown
    text = "".join(path.read_text(encoding="utf-8") for path in (bench.folder / "now").glob("*.jsonl"))
    assert "elemento 7 " not in text
    assert "elemento 8 " in text


def test_validation_stays_given_up_and_never_gives_way_anew(bench: Bench, invoke: Invoke) -> None:
    bench.take(talk(n) for n in range(30))
    none = bench.cut(split={"validation_share": 0.99, "salt": "ftworker"})
    assert none.manifest is not None
    assert none.manifest["content"]["split"]["given_up"]
    for number, row in enumerate((none, bench.cut())):
        target = bench.folder / f"again-{number}"
        assert invoke("export", row.id, "--output", target).exit_code == 0
        assert row.manifest is not None
        assert read_manifest(str(target)).sha256 == row.sha256


def test_a_folder_is_replaced_only_on_request_and_only_when_it_holds_a_dataset(
    bench: Bench, invoke: Invoke
) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    target = bench.folder / "out"
    target.mkdir()  # an empty folder is as good as none
    assert invoke("export", row.id, "--output", target).exit_code == 0
    with pytest.raises(PermanentError, match="--overwrite replaces it"):
        invoke("export", row.id, "--output", target)
    assert (
        invoke("export", row.id, "--output", target, "--overwrite", "--format", "prompt-completion").exit_code
        == 0
    )
    assert b'"completion"' in (target / "train.jsonl").read_bytes()
    precious = bench.folder / "precious"
    precious.mkdir()
    (precious / "thesis.odt").write_bytes(b"years of work")
    with pytest.raises(PermanentError, match="holds other files"):
        invoke("export", row.id, "--output", precious, "--overwrite")
    assert (precious / "thesis.odt").exists()


class Killed(BaseException):
    """The process ends: nobody catches it."""


def test_a_folder_whose_replacing_was_killed_is_replaced_by_the_same_command(
    bench: Bench, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    target = bench.folder / "out"
    assert invoke("export", row.id, "--output", target).exit_code == 0
    files = sorted(file.name for file in target.iterdir())

    def killed_after_one_file(_: LocalFileSystem, path: str, **__: Any) -> None:
        # Which file of a folder goes first is the file system's affair; here the worst.
        (Path(path) if Path(path).is_file() else Path(path, "manifest.json")).unlink()
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "rm", killed_after_one_file)
        with pytest.raises(Killed):
            invoke("export", row.id, "--output", target, "--overwrite")
    assert len(list(target.iterdir())) == len(files) - 1
    assert invoke("export", row.id, "--output", target, "--overwrite").exit_code == 0
    assert sorted(file.name for file in target.iterdir()) == files


# -- card, report, show


def test_card_report_and_show_tell_of_the_same_dataset(bench: Bench, invoke: Invoke) -> None:
    bench.pipeline = {"selection": {"near_duplicate_similarity": 1.0, "max_examples_of_user": 4}}
    bench.take(talk(n) for n in range(60))
    row = bench.cut()
    card = invoke("card", row.id).stdout
    assert card.encode().strip() == file_of(row, "README.md").strip()
    path = invoke("report", row.id).stdout.strip()
    page = Path(path).read_text(encoding="utf-8")
    for expected in ("matematicas-2", "fisica-3", "no course", "examples_of_user", "llama3.2:3b"):
        assert expected in page, expected
    assert "elemento" not in page  # nothing that anybody said
    assert "u-3" not in page
    words = invoke("show", row.id).stdout
    for expected in ("Left out of its files", "examples_of_user", "chosen   48 of 60 examples", "golden   0"):
        assert expected in words, expected


def test_a_report_that_an_older_release_did_not_write_is_named_as_missing(
    bench: Bench, invoke: Invoke
) -> None:
    bench.take(talk(n) for n in range(30))
    row = bench.cut()
    assert row.url is not None
    Path(row.url.removeprefix("file://"), "report.html").unlink()
    with pytest.raises(PermanentError, match=r"report\.html: no such file"):
        invoke("report", row.id)


def test_the_report_counts_conversations_and_courses_without_those_left_out(bench: Bench) -> None:
    bench.pipeline = {"selection": {"near_duplicate_similarity": 1.0, "max_examples_of_user": 4}}
    bench.take(talk(n) for n in range(60))
    row = bench.cut()
    page = file_of(row, "report.html").decode()
    assert row.manifest is not None
    assert row.manifest["provenance"]["conversations"] == 48
    assert "48 examples from 2026-" in page
    assert "12 examples left out when the dataset was written; most often examples_of_user (12)." in page
