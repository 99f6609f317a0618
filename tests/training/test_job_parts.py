"""The parts of a job by themselves: what the journal hears, which places are free, what stages are called with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ftworker.errors import DatabaseUnavailable
from ftworker.settings import CommandSettings, TrainerSettings
from ftworker.store import Store
from ftworker.store.trainings import TrainingRow
from ftworker.training.events import Noted, Progressed
from ftworker.training.files import publish_artefacts
from ftworker.training.order import TrainingOrder
from ftworker.training.places import (
    is_in_use,
    is_place_free,
    make_work_folder,
    running_jobs,
    take_place,
    work_folder,
)
from ftworker.training.relay import LOSS_POINTS, NOTES, Relay
from ftworker.training.stages import count_gpus, may_pass, stages_of
from ftworker.training_lease import Interrupted, Lease

KEY = "ft-tutor-0123456789ab"


def step(completed: int, total: int = 1_000, **values: Any) -> Progressed:
    return Progressed("train", completed, total, "steps", **{"loss": 1.0, **values})


# -- the journal


def test_a_long_training_leaves_few_points_of_its_loss_and_a_resumed_one_no_point_twice() -> None:
    ids: list[list[str | None]] = []
    for first in (1, 400):
        relay = Relay(KEY)
        relay.begin("train")
        for completed in range(first, 1_001):
            relay.progressed(step(completed))
        ids.append([entry.external_id for entry in relay.news().entries if entry.kind == "metric"])
    assert LOSS_POINTS <= len(ids[0]) <= LOSS_POINTS + 1
    assert len(set(ids[0])) == len(ids[0])
    assert set(ids[1]) < set(ids[0])


def test_each_look_at_the_held_out_loss_is_one_point_and_no_step_back_of_the_progress() -> None:
    relay = Relay(KEY)
    relay.begin("train")
    said: list[tuple[int, float]] = []
    for completed, held_out in ((1, 3.0), (2, 3.0), (3, 2.5), (4, 2.5)):
        relay.progressed(Progressed("evaluate", 1, 2, "rows"))
        relay.progressed(Progressed("evaluate", 2, 2, "rows", validation_loss=held_out))
        relay.progressed(step(completed, loss=None, validation_loss=held_out))
        relay.progressed(Progressed("evaluate", 1, 2, "rows"))
        news = relay.news()
        assert news.progress is not None
        assert (news.progress["stage"], news.progress["completed"]) == ("train", completed)
        assert news.progress["validation_loss"] == held_out
        said += [
            (entry.data["step"], entry.data["valid_loss"]) for entry in news.entries if entry.kind == "metric"
        ]
    assert said == [(0, 3.0), (2, 2.5)]
    resumed = Relay(KEY)
    resumed.begin("train")
    resumed.progressed(step(3, loss=None, validation_loss=2.5))
    (again,) = [entry for entry in resumed.news().entries if entry.kind == "metric"]
    assert again.external_id == f"{KEY}-held-out-2.5"


def test_progress_reaches_the_row_each_time_and_the_journal_now_and_then() -> None:
    now = 0.0
    relay = Relay(KEY, monotonic=lambda: now)
    relay.begin("train")
    written = 0
    for second in range(31):
        now = float(second)
        relay.progressed(step(second + 1, tokens_per_second=1_234.0, eta_seconds=120.0, memory_bytes=10**9))
        news = relay.news()
        assert news.progress is not None
        assert news.progress["completed"] == second + 1
        said = [entry.message for entry in news.entries if entry.kind == "progress"]
        written += len(said)
        if second == 0:
            assert said == ["train: 1 of 1000 steps, loss 1.0000, 1,234 tokens/s, 2 min left, 1.0 GB"]
    assert written == 4
    assert relay.news().progress is None


def test_what_could_not_be_written_comes_again() -> None:
    relay = Relay(KEY)
    relay.begin("train")
    relay.noted(Noted("first"))
    relay.progressed(step(1))
    news = relay.news()
    relay.noted(Noted("second"))
    relay.take_back(news)
    again = relay.news(last=True)
    assert [entry.message for entry in again.entries if entry.kind == "note"] == ["first", "second"]
    assert again.progress == news.progress


def test_a_library_that_warns_at_each_step_does_not_fill_the_journal() -> None:
    relay = Relay(KEY)
    for number in range(NOTES * 3):
        relay.noted(Noted(f"warning {number}"))
    assert len(relay.news().entries) == NOTES


def test_where_an_attempt_went_on_from_is_its_stage_and_its_first_step() -> None:
    relay = Relay(KEY)
    reached = [relay.news().reached]
    relay.begin("train")
    relay.progressed(Progressed("load", 3, 3, "steps"))
    reached.append(relay.news().reached)
    relay.progressed(step(41))
    relay.progressed(step(42))
    reached.append(relay.news().reached)
    relay.begin("convert")
    reached.append(relay.news().reached)
    assert reached == sorted(set(reached))
    assert reached[2] - reached[1] == 41


# -- places


def test_a_place_is_free_when_the_last_program_that_inherited_it_is_gone(tmp_path: Path) -> None:
    folder = make_work_folder(tmp_path, KEY)
    assert is_place_free(folder, 1)
    place = take_place(folder, 1)
    assert place is not None
    assert running_jobs(tmp_path) == {KEY: os.getpid()}
    heir = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=place.descriptors
    )
    place.leave()
    assert running_jobs(tmp_path) == {}
    assert is_in_use(folder)
    assert not is_place_free(folder, 1)
    assert take_place(folder, 1, patience_seconds=0.2) is None
    heir.communicate(b"\n")
    assert is_place_free(folder, 1)


def test_as_many_trainings_fit_on_a_machine_as_it_has_slots(tmp_path: Path) -> None:
    folders = [make_work_folder(tmp_path, f"{KEY}-{number}") for number in range(3)]
    taken = [take_place(folder, 2, patience_seconds=0) for folder in folders]
    assert [place is not None for place in taken] == [True, True, False]
    for place in taken:
        if place is not None:
            place.leave()


def test_a_job_of_another_machine_that_shares_the_folder_is_not_ours_to_stop(tmp_path: Path) -> None:
    folder = make_work_folder(tmp_path, KEY)
    place = take_place(folder, 1)
    assert place is not None
    (folder / "job.lock").write_text('{"pid": 1, "host": "another"}')
    assert running_jobs(tmp_path) == {}
    (folder / "job.lock").write_text("half a li")
    assert running_jobs(tmp_path) == {}
    place.leave()
    assert work_folder(tmp_path, KEY) == folder


# -- stages


def order(trainer: str = "peft", **settings: Any) -> TrainingOrder:
    return msgspec.convert(
        {
            "run_id": 1,
            "run_key": KEY,
            "pipeline": "tutor",
            "provider": "local",
            "base": "b",
            "method": {},
            "format": "openai-chat",
            "system_prompt": "",
            "train": {"url": "u", "name": "n", "sha256": "s", "rows": 1},
            "validation": None,
            "trainer": trainer,
            "settings": TrainerSettings(**settings).model_dump(mode="json"),
            "artefacts_url": "file:///a",
            "command": CommandSettings(pass_environment=("WANTED",)).model_dump(mode="json"),
        },
        TrainingOrder,
    )


def test_one_device_trains_in_one_process_and_several_by_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    def command(visible: str, **settings: Any) -> tuple[str, ...]:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return stages_of(order(**settings))[0].command[1:]

    alone = ("-m", "ftworker.training.train")
    assert command("") == alone
    assert command("0") == alone
    assert command("0,1", device="cpu") == alone
    together = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *alone)
    assert command("0,1") == together
    assert command("", processes=2) == together
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert count_gpus() == 0


def test_no_stage_sees_a_secret_and_the_wrapper_of_a_program_sees_what_that_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [
        name for name in ("PATH", "CUDA_HOME", "HF_HOME", "LC_ALL", "PYTHONPATH") if not may_pass(name)
    ] == []
    secret = ("HF_TOKEN", "FTWORKER_DATABASE_URL", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD")
    assert [name for name in secret if may_pass(name)] == []
    monkeypatch.setenv("WANTED", "1")
    first, second, third = stages_of(order("command"))
    assert first.command[-1] == "ftworker.training.command"
    assert "WANTED" in first.environment
    assert "WANTED" not in second.environment
    assert [stage.name for stage in (first, second, third)] == ["train", "convert", "check"]


# -- files


def test_what_is_published_is_added_to_the_sums_that_are_there(tmp_path: Path) -> None:
    work, target = tmp_path / "work", tmp_path / "runs" / KEY
    (work / "artefacts" / "adapter").mkdir(parents=True)
    (work / "artefacts" / "adapter" / "weights").write_bytes(b"w" * 10_000_000)
    (work / "artefacts" / "training.json").write_text("{}")
    target.mkdir(parents=True)
    (target / "SHA256SUMS").write_text("0  training.json\n1  Modelfile\n")
    publish_artefacts(work, f"file://{target}", lambda: None)
    sums = publish_artefacts(work, f"file://{target}", lambda: None)
    assert set(sums) == {"adapter/weights", "training.json"}
    lines = (target / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["Modelfile", "adapter/weights", "training.json"]
    assert not list(target.rglob(".*"))


def test_a_training_that_is_stopped_while_it_publishes_leaves_no_name_with_half_a_file(
    tmp_path: Path,
) -> None:
    work, target = tmp_path / "work", tmp_path / "runs" / KEY
    (work / "artefacts").mkdir(parents=True)
    (work / "artefacts" / "merged.gguf").write_bytes(b"w" * 20_000_000)
    calls = 0

    def lost() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise DatabaseUnavailable("any error of ours")

    with pytest.raises(DatabaseUnavailable):
        publish_artefacts(work, f"file://{target}", lost)
    assert [path.name for path in target.iterdir()] == [".merged.gguf.part"]
    publish_artefacts(work, f"file://{target}", lambda: None)
    assert sorted(path.name for path in target.iterdir()) == ["SHA256SUMS", "merged.gguf"]


# -- the lease


def test_a_job_that_needs_a_database_which_is_gone_for_good_gives_up() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = Store(f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/none")
        values: dict[str, Any] = {field.name: None for field in fields(TrainingRow)}
        values.update(run_key=KEY, lease_token="t")
        row = TrainingRow(**values)
        relay = Relay(KEY)
        relay.noted(Noted("kept"))
        lease = Lease(gone, row, relay, lease_seconds=0.2)
        with pytest.raises(DatabaseUnavailable):
            lease.confirm(patience_seconds=0.3)
        with pytest.raises(DatabaseUnavailable):
            lease.end(lambda _: True, patience_seconds=0.0)
        lease.why_stop = "interrupted"
        with pytest.raises(Interrupted):
            lease.confirm()
