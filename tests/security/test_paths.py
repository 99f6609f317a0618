"""No name from outside becomes a path, and what lies in our folders is for their owner."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.storage import make_folder, open_storage
from ftworker.datasets.validate import validate_dataset
from ftworker.errors import ConfigurationError, FtworkerError, PermanentError
from ftworker.providers.run_folder import RunFolder
from ftworker.runs import cutting
from ftworker.runs.states import Step
from ftworker.runs.steps import StepRunner
from ftworker.settings import settings_from
from tests.accumulate.bench import Bench, turns
from tests.doubles.fake_provider import FakeProvider

CLIMBS = (
    "../../up",
    "/etc/passwd",
    "a/../../b",
    "..",
    "file:///etc/passwd",
    "s3::file:///x",
    "a\\..\\b",
    "~/x",
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_ids_of_an_event_name_no_file(emptied_database_url: str, tmp_path: Path) -> None:
    bench = Bench(emptied_database_url, tmp_path / "home")
    for number, name in enumerate(CLIMBS):
        bench.closed(
            name,
            turns(2, f"{number}"),
            closed_at=NOON,
            tenant_id=name,
            course_id=name,
            user_ref=name,
            model=name,
        )
    bench.work()
    steps = StepRunner(bench.store, bench.settings, lambda _: FakeProvider(), lambda: NOON)
    run = cutting.start_by_hand(bench.store, bench.settings, "tutor", lambda: NOON)
    steps.perform(run, Step.EXPORT)
    bench.store.close()
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parts[:4] for path in files} == {("home", "storage", "datasets", "tutor")}
    assert {len(path.parts) for path in files} == {6}


@pytest.mark.parametrize("name", [*CLIMBS, "a\n", "a b", "", "A", "a;b", "a'b"])
def test_a_name_of_the_configuration_is_a_plain_word(name: str) -> None:
    configurations: tuple[dict[str, Any], ...] = (
        {"pipelines": {name: {}}},
        {"sources": {name: {"preset": "messages"}}},
        {"providers": {name: {"kind": "local"}}},
        {"pipelines": {"a": {"source": name}}},
    )
    for values in configurations:
        with pytest.raises(ConfigurationError):
            settings_from(values)


def dataset(folder: Path, name: str) -> str:
    """A dataset whose manifest names that file, and hashes to what it says."""
    entry = {"name": name, "sha256": "0" * 64, "bytes": 1, "rows": 1, "tokens": 1}
    content: dict[str, Any] = {
        "manifest_version": 1,
        "format": "openai-chat",
        "system_prompt": {"version": "1", "sha256": "0"},
        "curation": {},
        "split": {"validation_share": 0.1, "salt": "s", "given_up": None},
        "train": entry,
        "validation": None,
    }
    provenance = dict.fromkeys(("pipeline", "strategy", "ftworker_version"), "x") | {
        "sequence": 1,
        "cut_at": None,
        "examples": 1,
        "conversations": 1,
        "rated_up": 0,
        "rated_down": 0,
    }
    whole = {"sha256": "", "content": content, "provenance": {**provenance, "models": {}, "drops": {}}}
    (folder / "manifest.json").write_text(json.dumps(whole), encoding="utf-8")
    return folder.as_uri()


@pytest.mark.parametrize("name", [*CLIMBS, "train.jsonl\n", ".hidden"])
def test_a_manifest_names_no_file_outside_its_folder(name: str, tmp_path: Path) -> None:
    url = dataset(tmp_path, name)
    with pytest.raises(PermanentError, match="not one of ftworker's"):
        read_manifest(url)
    with pytest.raises(FtworkerError):
        validate_dataset(url)


def test_folders_that_are_made_are_for_their_owner_and_others_keep_their_rights(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        filesystem, _ = open_storage(tmp_path.as_uri())
        make_folder(filesystem, f"{tmp_path}/storage/datasets/tutor")
        assert stat.S_IMODE((tmp_path / "storage").stat().st_mode) == 0o700
        (tmp_path / "shared").mkdir(mode=0o755)
        make_folder(filesystem, f"{tmp_path}/shared")
        assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o755
        RunFolder((tmp_path / "other" / "runs" / "r").as_uri()).write("Modelfile", b"FROM x")
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700
    finally:
        os.umask(mask)
