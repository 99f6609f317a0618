"""Files on their way: found again, in parts, with Azure's mark, checked against the frozen dataset."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ftworker.datasets.storage import StorageRejected
from ftworker.providers import openai_files
from ftworker.providers.contract import JournalEntry, ProviderRejected, ProviderUnavailable
from ftworker.providers.openai_client import Service
from ftworker.providers.openai_wire import File
from ftworker.runs.journal import LeaseLost
from tests.doubles.openai_api import OpenAIDouble
from tests.providers.openai_runs import RUN_KEY, Journal, MakeProvider, new_run, rows


def test_the_same_run_finds_its_files_again(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = new_run(tmp_path)
    first = provider.upload(run, journal)
    assert provider.upload(run, journal) == first
    assert first.validation_file_id is not None
    assert len(openai_api.account.storage.files) == 2
    stored = openai_api.account.storage.file(first.training_file_id)
    assert (stored.content, stored.purpose) == (rows(20), "fine-tune")


def test_a_file_of_the_same_name_and_another_size_is_not_taken_for_ours(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    first = provider.upload(new_run(tmp_path, validation_rows=0), journal)
    second = provider.upload(new_run(tmp_path, train_rows=21, validation_rows=0), journal)
    assert first != second


def test_an_empty_validation_set_is_not_sent(
    openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    uploaded = openai_provider().upload(new_run(tmp_path, validation_rows=0), journal)
    assert uploaded.validation_file_id is None


@pytest.mark.parametrize("lost", ["uploads.create", "uploads.parts.create", "uploads.complete"])
def test_a_large_file_goes_up_in_parts_and_survives_lost_answers(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, lost: str
) -> None:
    openai_api.behave(max_single_upload_bytes=2000, max_part_bytes=1024)
    provider = openai_provider(
        max_upload_bytes=2000, upload_part_bytes=1024, file_expires_after_seconds=86_400
    )
    run = new_run(tmp_path, validation_rows=0)
    openai_api.fault("reply_lost", on=lost)
    try:
        uploaded = provider.upload(run, journal)
    except ProviderUnavailable:
        assert lost == "uploads.complete"
        uploaded = provider.upload(run, journal)
    files = openai_api.account.storage.files
    assert [(stored.filename, stored.content) for stored in files.values()] == [
        (f"{RUN_KEY}.jsonl", rows(20))
    ]
    stored = files[uploaded.training_file_id]
    assert stored.expires_at == stored.created_at + 86_400
    assert openai_api.calls("files.create") == []


def test_files_can_be_set_to_expire(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider(file_expires_after_seconds=3600)
    uploaded = provider.upload(new_run(tmp_path), journal)
    stored = openai_api.account.storage.file(uploaded.training_file_id)
    assert stored.expires_at == stored.created_at + 3600


def test_the_byte_order_mark_is_sent_where_it_is_wanted_and_counted_when_looking(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(flavour="azure")
    provider = openai_provider(base_url=openai_api.azure_base_url, bom=True)
    uploaded = provider.upload(new_run(tmp_path, validation_rows=0), journal)
    assert openai_api.account.storage.file(uploaded.training_file_id).content == b"\xef\xbb\xbf" + rows(20)
    assert provider.upload(new_run(tmp_path, validation_rows=0), journal) == uploaded


def test_without_the_mark_azure_refuses_the_file_and_the_run_says_so(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(flavour="azure")
    provider = openai_provider(base_url=openai_api.azure_base_url)
    with pytest.raises(ProviderRejected, match="byte-order mark") as raised:
        provider.upload(new_run(tmp_path), journal)
    assert raised.value.code == "file_error"
    assert not raised.value.disables_provider


def test_an_export_that_changed_since_it_was_frozen_is_not_sent(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    run = new_run(tmp_path)
    (tmp_path / "train.jsonl").write_bytes(rows(19))
    with pytest.raises(ProviderRejected, match="was frozen with") as raised:
        openai_provider().upload(run, journal)
    assert raised.value.code == "dataset_changed"
    (tmp_path / "train.jsonl").unlink()
    with pytest.raises(StorageRejected, match="storage_url and its rights"):
        openai_provider().upload(run, journal)
    assert openai_api.account.storage.files == {}


def test_a_file_that_is_still_processed_is_looked_at_again_later_and_given_up_in_the_end(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    looks = openai_files.READY_LOOKS
    openai_api.behave(file_processing_polls=2 * looks)
    waits: list[float] = []
    provider = openai_provider(sleep=waits.append)
    run = new_run(tmp_path, validation_rows=0)
    with pytest.raises(ProviderUnavailable) as raised:
        provider.upload(run, journal)
    assert raised.value.code == "file_processing"
    assert waits == [openai_files.READY_LOOK_SECONDS] * looks
    assert len(journal.of("progress")) == looks

    late = openai_provider(clock=lambda: datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ProviderRejected, match="files_ready_timeout_seconds"):
        late.upload(run, journal)
    uploaded = provider.upload(run, journal)
    assert list(openai_api.account.storage.files) == [uploaded.training_file_id]


def test_a_long_upload_shows_progress_and_stops_when_its_record_is_refused(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class LeaseLostError(Exception):
        pass

    def refuse(entry: JournalEntry) -> None:
        raise LeaseLostError

    monkeypatch.setattr(openai_files, "PROGRESS_BYTES", 100_000)
    provider = openai_provider()
    run = new_run(tmp_path, train_rows=3000, validation_rows=0)
    with pytest.raises(LeaseLostError):
        provider.upload(run, refuse)
    assert openai_api.account.storage.files == {}
    provider.upload(run, journal)
    progress = [entry.data for entry in journal.of("progress")]
    assert len(progress) >= 4
    assert [point["completed"] for point in progress] == sorted(point["completed"] for point in progress)
    assert {point["total"] for point in progress} == {len(rows(3000))}


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_slow_line_keeps_its_lease_however_few_bytes_it_carries(
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    in_parts: bool,
) -> None:
    monkeypatch.setattr(openai_files, "PROGRESS_SECONDS", 0.0)
    size = len(rows(3000))
    limits = {"max_upload_bytes": 1024, "upload_part_bytes": size - 1000} if in_parts else {}
    openai_provider(**limits).upload(new_run(tmp_path, train_rows=3000, validation_rows=0), journal)
    sent = [entry.data["completed"] for entry in journal.of("progress") if entry.data]
    # Also within one part, which is as large as 64 MB.
    assert len([position for position in sent if position < size - 1000]) > 4
    assert sent == sorted(sent)
    assert sent[-1] == size


def test_a_slow_storage_keeps_the_lease_while_the_file_is_fetched(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openai_files, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(openai_files, "COPY_BYTES", 1024)
    words: list[str] = []

    def record(entry: JournalEntry) -> None:
        words.append(entry.message)
        if len(words) == 3:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        openai_provider().upload(new_run(tmp_path, train_rows=3000), record)
    assert [word.endswith(" bytes fetched and checked") for word in words] == [True] * 3
    assert openai_api.account.storage.files == {}


def test_without_a_key_the_variable_is_named(
    openai_provider: MakeProvider, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    provider = openai_provider()
    with pytest.raises(ProviderRejected, match="OPENAI_API_KEY") as raised:
        provider.upload(new_run(tmp_path), journal)
    assert raised.value.disables_provider
    assert [finding.code for finding in provider.check()] == ["no_api_key"]
    key_file = tmp_path / "key"
    assert "no API key; set the file" in openai_provider(api_key_file=key_file).check()[0].message


def test_a_service_that_leaves_out_the_deprecated_status_of_files_is_not_waited_for(
    openai_provider: MakeProvider, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_files.FileSender, "_upload", lambda *_: File("file-1"))
    assert (
        openai_provider().upload(new_run(tmp_path, validation_rows=0), journal).training_file_id == "file-1"
    )


@pytest.mark.parametrize("part_bytes", [None, 1024])
def test_a_worker_that_is_killed_in_an_upload_leaves_no_copy_of_the_texts(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    part_bytes: int | None,
) -> None:
    """kill -9 cleans nothing up, so at no call may there be a file to clean up."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    seen: list[list[Path]] = []

    def looking(call: Callable[..., Any]) -> Callable[..., Any]:
        def look_and_call(*arguments: Any, **options: Any) -> Any:
            seen.append(list(folder.iterdir()))
            return call(*arguments, **options)

        return look_and_call

    for name in ("once", "read", "pages"):
        monkeypatch.setattr(Service, name, looking(getattr(Service, name)))
    options = {} if part_bytes is None else {"max_upload_bytes": 2000, "upload_part_bytes": part_bytes}
    if part_bytes is not None:
        openai_api.behave(max_single_upload_bytes=2000, max_part_bytes=part_bytes)
    run = new_run(tmp_path, validation_rows=0)
    uploaded = openai_provider(**options).upload(run, journal)
    assert openai_api.account.storage.file(uploaded.training_file_id).content == rows(20)
    assert len(seen) > 1
    assert [paths for paths in seen if paths] == []
