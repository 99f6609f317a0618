"""Whatever breaks, at whichever call: repeating the step ends where an undisturbed one ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from ftworker.providers.contract import (
    JobPackaged,
    JobSucceeded,
    JournalEntry,
    ProviderUnavailable,
    RunView,
)
from ftworker.providers.local import LocalProvider
from ftworker.providers.run_folder import RunFolder
from tests.doubles.ollama_api import Model, OllamaDouble
from tests.doubles.ollama_api.server import FaultKind
from tests.providers.local_runs import LESSONS, new_run, provider_at
from tests.providers.openai_runs import Journal

FAULTS: tuple[FaultKind, ...] = (
    "error_500",
    "drop",
    "drop_after_effect",
    "malformed",
    "disk_full",
    "no_success",
)
MODEL_BEFORE = Model(weights="de una persona")


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"file://{tmp_path}"


@contextmanager
def busy_ollama() -> Iterator[OllamaDouble]:
    """An Ollama whose alias is taken, with more old models of ours than are kept."""
    with OllamaDouble() as double:
        double.models["historia:latest"] = MODEL_BEFORE
        for number in range(5):
            name = f"historia:ft-historia-{number:012x}"
            double.models[name] = Model(weights=f"viejo {number}")
        yield double


class Killed(BaseException):
    """The worker's end in the middle of a step."""


def until_well(step: Callable[[], object], *, tries: int = 4) -> object:
    """Do the step as the pipeline does: again after what may pass."""
    for _ in range(tries):
        try:
            answer = step()
        except (ProviderUnavailable, Killed):
            continue
        if not isinstance(answer, JobPackaged):
            return answer
    raise AssertionError(f"not well after {tries} tries")


def state_of(double: OllamaDouble) -> dict[str, Model]:
    """All that is there, times aside."""
    return {
        name: replace(model, modified_at=MODEL_BEFORE.modified_at) for name, model in double.models.items()
    }


def do_all(provider: LocalProvider, run: RunView, journal: Journal) -> None:
    until_well(lambda: provider.upload(run, journal))
    until_well(lambda: provider.submit(run, journal))
    assert isinstance(until_well(lambda: provider.poll(run, journal)), JobSucceeded)
    until_well(lambda: provider.promote(run, journal, previous_model=None))


def undisturbed(storage: str, journal: Journal) -> tuple[dict[str, Model], int]:
    """Where a run ends when nothing breaks, and after how many calls of Ollama."""
    with busy_ollama() as double:
        do_all(provider_at(double.url, keep_tags=2), new_run(storage), journal)
        return state_of(double), len(double.journal)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_any_call_changes_nothing_about_the_end(
    storage: str, journal: Journal, kind: FaultKind
) -> None:
    expected, calls = undisturbed(storage, journal)
    assert calls == 15
    for call in range(calls):
        with busy_ollama() as double:
            double.inject(kind, skip=call)
            provider, run = provider_at(double.url, keep_tags=2), new_run(storage)
            do_all(provider, run, journal)
            # What a failed clearing left is cleared by the next promotion.
            provider.promote(run, journal, previous_model=None)
            assert state_of(double) == expected, f"{kind} at call {call}: {double.calls()[call]}"


def test_a_worker_killed_at_its_first_journal_line_leaves_a_run_that_can_be_finished(
    storage: str, journal: Journal
) -> None:
    expected, _ = undisturbed(storage, journal)

    def record(entry: JournalEntry) -> None:
        journal(entry)
        raise Killed

    with busy_ollama() as double:
        run, provider = new_run(storage), provider_at(double.url, keep_tags=2)
        for step in (
            lambda: provider.upload(run, record),
            lambda: provider.poll(run, record),
            lambda: provider.promote(run, record, previous_model=None),
        ):
            with pytest.raises(Killed):
                step()
        do_all(provider, run, journal)
        provider.promote(run, journal, previous_model=None)
        assert state_of(double) == expected


def test_reading_a_dataset_for_long_renews_the_lease_of_its_step(
    storage: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(step=2)
    monkeypatch.setattr("ftworker.providers.local_few_shot.time.monotonic", lambda: next(seconds))
    with busy_ollama() as double:
        provider_at(double.url).upload(new_run(storage), journal)
    # Each line is a second or more apart on that clock, and each entry renews.
    assert len([entry for entry in journal.entries if "being read" in entry.message]) > len(LESSONS)


@pytest.mark.parametrize("survived", range(5))
def test_a_worker_killed_between_two_files_leaves_a_folder_that_is_finished_later(
    storage: str, ollama_api: OllamaDouble, journal: Journal, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    run, provider = new_run(storage), provider_at(ollama_api.url)
    write = RunFolder.write
    written: list[str] = []

    def killing_write(folder: RunFolder, name: str, content: bytes) -> None:
        if len(written) == survived:
            raise Killed
        written.append(name)
        write(folder, name, content)

    monkeypatch.setattr(RunFolder, "write", killing_write)
    with pytest.raises(Killed):
        provider.upload(run, journal)
    monkeypatch.undo()
    provider.upload(run, journal)
    files = {path.name for path in Path(run.artefacts_url.removeprefix("file://")).iterdir()}
    assert len(files) == 5
    assert isinstance(provider.poll(run, journal), JobSucceeded)


def test_a_worker_killed_while_writing_leaves_the_old_file_whole(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(f"{storage}/runs/uno")
    folder.write("Modelfile", b"FROM a\n")

    def killed(*arguments: object) -> None:
        raise Killed

    monkeypatch.setattr(LocalFileSystem, "mv", killed)
    with pytest.raises(Killed):
        folder.write("Modelfile", b"FROM b\n")
    assert folder.read("Modelfile") == b"FROM a\n"
    monkeypatch.undo()
    folder.write("Modelfile", b"FROM b\n")
    path = Path(folder.url.removeprefix("file://"))
    assert [entry.name for entry in path.iterdir()] == ["Modelfile"]  # what the kill left was taken along


def test_a_file_that_another_worker_brought_to_its_place_meanwhile_is_well(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(f"{storage}/runs/uno")
    move = LocalFileSystem.mv

    def moved_before(filesystem: LocalFileSystem, source: str, target: str) -> None:
        move(filesystem, source, target)
        move(filesystem, source, target)

    monkeypatch.setattr(LocalFileSystem, "mv", moved_before)
    folder.write("Modelfile", b"FROM a\n")
    assert folder.read("Modelfile") == b"FROM a\n"


def test_two_workers_with_the_same_run_end_with_one_model(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = new_run(storage)
    one, other = provider_at(ollama_api.url), provider_at(ollama_api.url)
    for provider in (one, other, one):
        provider.upload(run, journal)
        assert isinstance(provider.poll(run, journal), JobSucceeded)
    assert len([name for name in ollama_api.models if name.startswith("historia:")]) == 1
