"""One run, one paid job: after lost answers, dead workers, listings that lag, gateways that lose metadata."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ftworker.providers.contract import NeedsPerson, OutcomeUnknown
from tests.doubles.openai_api import KEY, OpenAIDouble
from tests.providers.openai_runs import (
    MODEL,
    RUN_KEY,
    Journal,
    MakeProvider,
    new_run,
    submitted_run,
    uploaded_run,
)


def other_jobs(double: OpenAIDouble, count: int, *, file_id: str | None = None, **more: Any) -> list[str]:
    """Jobs that others created in the same account; with `file_id`, jobs on our file."""
    with double.lock:
        if file_id is None:
            file_id = str(double.account.storage.create_file("other.jsonl", b"{}", "fine-tune")["id"])
        body = {"model": MODEL, "training_file": file_id, **more}
        return [str(double.account.create_job(body)["id"]) for _ in range(count)]


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"metadata_filter_works": False},
        {"metadata_stored": False},
        {"metadata_stored": False, "metadata_filter_works": False},
    ],
    ids=["all well", "filter ignored", "metadata lost", "both"],
)
def test_a_job_whose_answer_was_lost_is_found_among_others(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    behaviour: dict[str, Any],
) -> None:
    openai_api.behave(**behaviour)
    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    other_jobs(openai_api, 3, metadata={"ftworker_run": "another"})
    openai_api.fault("reply_lost", on="jobs.create")
    with pytest.raises(OutcomeUnknown):
        provider.submit(run, journal)
    ours = next(
        job.id
        for job in openai_api.account.jobs.values()
        if job.body["training_file"] == run.training_file_id
    )
    other_jobs(openai_api, 120)
    assert provider.reconcile(run, journal) == ours
    assert provider.reconcile(run, journal) == ours
    assert openai_api.jobs_created == 124
    assert [job.status for job in openai_api.account.jobs.values()].count("cancelled") == 0
    assert journal.of("alert") == []


def test_a_gateway_that_renames_files_is_seen_through_by_metadata(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    renamed = replace(run, job_id=None, training_file_id="litellm-file-1")
    assert provider.reconcile(renamed, journal) == run.job_id


def test_a_listing_that_lags_shows_the_job_later_and_until_then_none(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(listing_lag_calls=5)
    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path, validation_rows=0), openai_api)
    openai_api.fault("bad_gateway_after_work", on="jobs.create")
    with pytest.raises(OutcomeUnknown):
        provider.submit(run, journal)
    # Each look lists twice: by metadata and plainly.
    looks = [provider.reconcile(run, journal) for _ in range(3)]
    assert looks == [None, None, next(iter(openai_api.account.jobs))]
    assert len(openai_api.calls("jobs.create")) == 1


def test_several_jobs_of_one_run_become_one_and_a_person_is_told_once(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = replace(submitted_run(provider, new_run(tmp_path), openai_api), job_id=None)
    first = next(iter(openai_api.account.jobs))
    second, third = other_jobs(openai_api, 2, file_id=run.training_file_id)
    openai_api.fault("server_error", on="jobs.cancel", times=3)

    assert provider.reconcile(run, journal) == first
    statuses = {job.id: job.status for job in openai_api.account.jobs.values()}
    assert sorted(statuses.values()) == ["cancelled", "validating_files", "validating_files"]
    assert statuses[first] == "validating_files"
    alert = journal.of("alert")[0]
    assert alert.data["kept"] == first
    assert sorted(alert.data["others"]) == [second, third]
    assert len(alert.data["not_cancelled"]) == 1

    # The next look cancels what the first could not; the kept one stays kept.
    assert provider.reconcile(run, journal) == first
    assert provider.reconcile(run, journal) == first
    statuses = {job.id: job.status for job in openai_api.account.jobs.values()}
    assert statuses == {first: "validating_files", second: "cancelled", third: "cancelled"}
    assert len(journal.of("alert")) == 2
    assert openai_api.jobs_created == 3


def test_looking_stops_where_jobs_are_older_than_the_attempt(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    other_jobs(openai_api, 250)
    openai_api.advance(3600)
    later = replace(
        run, attempted_at=run.attempted_at + timedelta(seconds=3600) if run.attempted_at else None
    )
    assert provider.reconcile(later, journal) is None
    # One by metadata, one plainly: its 100 jobs are all an hour older than the attempt.
    assert len(openai_api.calls("jobs.list")) == 2
    assert provider.reconcile(run, journal) is None
    assert len(openai_api.calls("jobs.list")) == 2 + 1 + 3


def test_a_clock_that_is_behind_ours_does_not_hide_the_job(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider(clock_skew_seconds=300.0)
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    openai_api.advance(-250)
    other_jobs(openai_api, 1)
    created = provider.submit(run, journal)
    other_jobs(openai_api, 100)
    assert provider.reconcile(run, journal) == created


def test_a_service_without_a_metadata_filter_is_listed_plainly(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault("exceeded_quota", on="jobs.list", status=400, code="unknown_parameter")
    assert provider.reconcile(replace(run, job_id=None), journal) == run.job_id


def test_a_service_that_ignores_the_cursor_does_not_hold_the_look_for_ever(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(cursor_works=False)
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    assert provider.reconcile(replace(run, job_id=None), journal) == run.job_id
    assert len(openai_api.calls("jobs.list")) == 1 + 2


def test_metadata_can_be_left_out_for_services_that_refuse_it(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider(send_metadata=False)
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    assert "metadata" not in openai_api.calls("jobs.create")[0].body
    assert provider.reconcile(replace(run, job_id=None), journal) == run.job_id


def test_nothing_is_paid_before_files_and_intent_are_saved(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    for unready in (replace(run, training_file_id=None), replace(run, attempted_at=None)):
        with pytest.raises(NeedsPerson):
            provider.submit(unready, journal)
        with pytest.raises(NeedsPerson):
            provider.reconcile(unready, journal)
    assert openai_api.calls("jobs.create") == []


def test_a_lease_that_is_lost_before_the_paid_call_prevents_it(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    class LeaseLostError(Exception):
        pass

    def record(_: object) -> None:
        raise LeaseLostError

    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    with pytest.raises(LeaseLostError):
        provider.submit(run, record)
    assert openai_api.jobs_created == 0


def test_the_job_carries_the_runs_name_in_file_suffix_and_metadata(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    body = openai_api.calls("jobs.create")[0].body
    assert body == {
        "model": MODEL,
        "training_file": run.training_file_id,
        "validation_file": run.validation_file_id,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        "seed": 42,
        "suffix": f"tutor-{RUN_KEY}",
        "metadata": {"ftworker_run": RUN_KEY, "ftworker_dataset": "d" * 64},
    }
    names = [stored.filename for stored in openai_api.account.storage.files.values()]
    assert names == [f"{RUN_KEY}.jsonl", f"{RUN_KEY}-validation.jsonl"]


FORK = """
import os, sys
from ftworker.providers.openai import OpenAIProvider
from ftworker.settings import OpenAISettings

provider = OpenAIProvider("openai", OpenAISettings(base_url=sys.argv[1]), base_models=[sys.argv[2]])
assert "openai" not in sys.modules and "httpx2" not in sys.modules
assert provider.check() == []
client_of_parent = provider._service.client()
child = os.fork()
if child == 0:
    own = provider._service.client() is not client_of_parent
    os._exit(0 if own and provider.check() == [] else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert provider.check() == []
provider.close()
"""


def test_the_sdk_is_imported_on_the_first_call_and_its_connections_do_not_survive_a_fork(
    openai_api: OpenAIDouble, openai_provider: MakeProvider
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK, openai_api.base_url, "meta-llama/Llama-3.3-70B-Instruct"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_key_is_in_no_repr(openai_provider: MakeProvider, openai_api: OpenAIDouble) -> None:
    secret_url = openai_api.base_url.replace("http://", "http://user:hunter2@")
    provider = openai_provider(base_url=secret_url)
    shown = f"{provider!r} {provider._service!r} {provider.check()!r}"
    assert KEY not in shown
    assert "hunter2" not in shown
