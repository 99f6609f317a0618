"""`ftworker datasets` as a person and a script use it: words, JSON keys, exit codes; from the store to the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftworker.cli.datasets import datasets
from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.datasets.export import ExportResult, ExportSpec, export_dataset
from ftworker.datasets.split import Split
from ftworker.settings import CurationSettings, PipelineSettings
from ftworker.store import Store
from ftworker.store import datasets as stored
from ftworker.store.examples import (
    ConversationVersion,
    NewExample,
    dataset_query,
    replace_examples,
    upsert_conversations,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    monkeypatch.chdir(tmp_path)  # where no config/ftworker.toml is
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    return lambda *arguments: CliRunner().invoke(
        datasets, [str(a) for a in arguments], catch_exceptions=False
    )


@pytest.fixture
def store(database_url: str) -> Any:
    store = Store(database_url)
    yield store
    store.close()


def fill(store: Store, order: list[int]) -> int:
    """Curate and store 30 conversations in this order, cut them, return the dataset."""
    with store.transaction() as cursor:
        for number in order:
            talk = Conversation(
                "rag",
                f"c-{number}",
                (
                    Message("user", f"¿Qué es el elemento {number}?"),
                    Message("assistant", f"El elemento {number} de la tabla."),
                ),
            )
            key = ("rag", talk.conversation_id)
            rows = upsert_conversations(
                cursor, [ConversationVersion(*key, None, None, b"", len(talk.messages), NOW, NOW)]
            )
            (example,) = curate(talk, CurationSettings()).examples
            new = NewExample(
                pipeline="default",
                row_id=rows[key],
                turn=example.turn,
                split_group=f"user-{number % 10}",
                content=example.content.decode(),
                content_sha256=example.content_sha256,
                token_count=example.token_count,
                rating=example.rating,
                model=example.model,
            )
            replace_examples(cursor, [rows[key]], [new], [])
        stored.lock_pipeline(cursor, "default")
        dataset_id, claimed = stored.cut_dataset(
            cursor, "default", "all", {"format": "openai-chat"}, limit=None, now=NOW
        )
        assert claimed == len(order)
    return dataset_id


def export(store: Store, dataset_id: int, folder: Path) -> ExportResult:
    pipeline = PipelineSettings()
    spec = ExportSpec(
        pipeline="default",
        sequence=1,
        format="openai-chat",
        system_prompt=pipeline.system_prompt,
        system_prompt_version=pipeline.system_prompt_version,
        curation=pipeline.curation.model_dump(mode="json"),
        split=Split(pipeline.split.validation_share, pipeline.split.salt),
        drops={"refusal": 2},
    )
    query, parameters = dataset_query("all", "default", dataset_id, 0.0)
    with store.stream(query, parameters, fetch_size=7) as rows:
        result = export_dataset(spec, rows, f"file://{folder}")
    with store.transaction() as cursor:
        stored.finish_export(
            cursor, dataset_id, sha256=result.sha256, url=result.url, manifest=result.manifest.as_dict()
        )
    return result


def test_the_same_conversations_taken_in_another_order_give_the_same_bytes(
    store: Store, invoke: Invoke, tmp_path: Path
) -> None:
    first = export(store, fill(store, list(range(30))), tmp_path / "one")
    with store.transaction() as cursor:
        cursor.execute("TRUNCATE ftworker.examples, ftworker.datasets, ftworker.conversations CASCADE")
    second = export(store, fill(store, list(range(29, -1, -1))), tmp_path / "two")
    assert second.sha256 == first.sha256
    for entry in first.manifest.files():
        (one, two) = (Path(r.file_url(entry).removeprefix("file://")).read_bytes() for r in (first, second))
        assert hashlib.sha256(one).hexdigest() == hashlib.sha256(two).hexdigest() == entry.sha256
    # A manifest that comes back from jsonb has lost no digit.
    assert json.loads(invoke("show", 1 + 1, "--json").stdout)["manifest"] == second.manifest.as_dict()


def test_list_and_show_tell_what_is_cut_and_what_is_exported(
    store: Store, invoke: Invoke, tmp_path: Path
) -> None:
    dataset_id = fill(store, list(range(30)))
    (listed,) = json.loads(invoke("list", "--json").stdout)
    assert (listed["id"], listed["new_examples"], listed["sha256"], listed["train_rows"]) == (
        dataset_id, 30, None, None,
    )  # fmt: skip
    assert invoke("list").stdout.split()[-4:] == ["-", "-", "-", "-"]
    assert "not exported yet" in invoke("show", dataset_id).stdout
    result = export(store, dataset_id, tmp_path)
    (listed,) = json.loads(invoke("list", "--pipeline", "default", "--json").stdout)
    assert listed["sha256"] == result.sha256
    assert listed["train_rows"] + listed["validation_rows"] == 30
    assert listed["tokens"] == sum(entry.tokens for entry in result.manifest.files())
    assert json.loads(invoke("list", "--pipeline", "other", "--json").stdout) == []
    shown = json.loads(invoke("show", dataset_id, "--json").stdout)
    assert shown["estimate"]["epochs"] == 3
    assert shown["estimate"]["trained_tokens"] == 3 * result.manifest.content.train.tokens
    words = invoke("show", dataset_id).stdout
    for word in (result.sha256, "train.jsonl", "refusal", "0.1 of the users validate", "3 epochs"):
        assert word in words
    assert max(len(line) for line in invoke("list").stdout.splitlines()) <= 80


def test_validate_ends_with_0_1_or_2_and_names_the_place(tmp_path: Path) -> None:
    run = CliRunner().invoke
    row = '{"messages": [{"role": "user", "content": "hola %d"}, {"role": "assistant", "content": "buenas"}]}'
    good = tmp_path / "good.jsonl"
    good.write_text("\n".join(row % n for n in range(10)), encoding="utf-8")
    passed = run(datasets, ["validate", str(good)])
    assert passed.exit_code == 0
    assert "passes: 0 errors, 10 warnings" in passed.stdout
    bad = tmp_path / "bad.jsonl"
    bad.write_text(good.read_text(encoding="utf-8") + "\n" + row.replace("user", "secreto\\u001b[2J") % 1)
    failed = run(datasets, ["validate", str(good), str(bad), "--max-problems", "11"])
    assert failed.exit_code == 1
    assert "error: bad.jsonl:11: messages[0].role: " in failed.stdout
    assert "[unrecognized_role]" in failed.stdout
    assert "\x1b" not in failed.stdout
    assert "... and 2 more; --max-problems 13 shows all" in failed.stdout
    told = json.loads(run(datasets, ["validate", str(bad), "--json", "--max-problems", "50"]).stdout)
    assert told["ok"] is False
    assert told["files"][0]["counts"]["unrecognized_role"] == 1
    assert {"check", "level", "line", "field", "message"} == set(told["files"][0]["problems"][0])
    missing = run(datasets, ["validate", str(tmp_path / "nothing.jsonl")])
    assert missing.exit_code == 2
    assert "no such file" in missing.stderr


def test_validate_takes_a_datasets_folder_and_small_files_on_request(store: Store, tmp_path: Path) -> None:
    result = export(store, fill(store, list(range(30))), tmp_path)
    run = CliRunner().invoke
    assert run(datasets, ["validate", result.url]).exit_code == 0
    train = Path(result.url.removeprefix("file://")) / "train.jsonl"
    train.write_bytes(train.read_bytes() + b"\n")
    altered = run(datasets, ["validate", str(train.parent)])
    assert altered.exit_code == 1
    assert "[altered]" in altered.stdout
    small = tmp_path / "small.jsonl"
    small.write_bytes(train.read_bytes().split(b"\n")[0])
    assert run(datasets, ["validate", str(small)]).exit_code == 1
    assert run(datasets, ["validate", "--any-size", str(small)]).exit_code == 0
