"""Every way the OpenAI double can fail × every step of the provider: what the run is told, what exists
afterwards.
"""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from ftworker.providers.contract import (
    JobFailed,
    JobRunning,
    JobSucceeded,
    OutcomeUnknown,
    ProviderRejected,
    ProviderUnavailable,
)
from tests.doubles.openai_api import CATALOGUE, KEY, OpenAIDouble
from tests.providers.openai_runs import Journal, MakeProvider, new_run, submitted_run, uploaded_run

Meaning = Literal["closed", "limited", "unknown"]

MEANING: dict[str, Meaning] = {
    "training_not_available": "closed",
    "bad_key": "closed",
    "quota_exceeded": "closed",
    "exceeded_quota": "closed",
    "rate_limited": "limited",
    "rate_limited_with_wait": "limited",
    "daily_rate_limit": "limited",
    "conflict": "unknown",
    "request_timeout": "unknown",
    "server_error": "unknown",
    "server_error_after_work": "unknown",
    "bad_gateway_after_work": "unknown",
    "blocked_by_proxy": "unknown",
    "rate_limited_by_proxy": "unknown",
    "connection_closed": "unknown",
    "reply_lost": "unknown",
    "slow_reply": "unknown",
    "malformed_reply": "unknown",
    "truncated_reply": "unknown",
    "empty_reply": "unknown",
    "foreign_reply": "unknown",
}
"""What each fault proves about the call: refused for everybody, surely not done, or nothing at all."""

EVERY_FAULT = pytest.mark.parametrize("fault", sorted(MEANING))
# A slow answer takes a second of each test, so it is left to the steps where it differs.
EVERY_QUICK_FAULT = pytest.mark.parametrize("fault", sorted(MEANING.keys() - {"slow_reply"}))
ALWAYS: dict[str, Any] = {"times": -1, "delay_seconds": 3.0}


def patience(fault: str) -> dict[str, Any]:
    """Short timeouts where the double is slow on purpose; long ones where only the machine may be."""
    seconds = 1.0 if fault == "slow_reply" else 30.0
    return {"request_timeout_seconds": seconds, "submit_timeout_seconds": seconds}


def assert_no_secret(journal: Journal, error: BaseException | None = None) -> None:
    shown = journal.text
    if error is not None:
        shown += "".join(traceback.format_exception(error)) + repr(error)
    assert KEY not in shown
    assert KEY[:8] not in shown


def test_the_table_knows_every_fault_of_the_double() -> None:
    assert MEANING.keys() == CATALOGUE.keys()


@EVERY_QUICK_FAULT
def test_preflight_finds_refusals_and_raises_when_it_cannot_look(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    openai_api.fault(fault, on="jobs.list", **ALWAYS)
    if MEANING[fault] == "closed":
        findings = provider.preflight(new_run(tmp_path))
        assert [(finding.level, finding.code) for finding in findings] == [("error", CATALOGUE[fault].code)]
        assert KEY[:8] not in findings[0].message
    else:
        with pytest.raises(ProviderUnavailable) as raised:
            provider.preflight(new_run(tmp_path))
        assert_no_secret(journal, raised.value)
    assert [finding.level for finding in provider.check()] == ["error"]


@EVERY_FAULT
def test_an_upload_that_fails_leaves_one_file_after_it_is_repeated(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = new_run(tmp_path, validation_rows=0)
    openai_api.fault(fault, on="files.create", delay_seconds=3.0)
    expected = ProviderRejected if MEANING[fault] == "closed" else ProviderUnavailable
    with pytest.raises(expected) as raised:
        provider.upload(run, journal)
    assert_no_secret(journal, raised.value)
    if isinstance(raised.value, ProviderRejected):
        assert raised.value.disables_provider

    uploaded = provider.upload(run, journal)
    names = [stored.filename for stored in openai_api.account.storage.files.values()]
    assert names == [f"{run.run_key}.jsonl"]
    assert uploaded.training_file_id in openai_api.account.storage.files


@EVERY_QUICK_FAULT
@pytest.mark.parametrize("operation", ["files.list", "files.retrieve"])
def test_an_upload_that_cannot_look_does_not_upload_twice(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    fault: str,
    operation: str,
) -> None:
    provider = openai_provider(**patience(fault))
    run = new_run(tmp_path, validation_rows=0)
    openai_api.behave(file_processing_polls=1)
    openai_api.fault(fault, on=operation, **ALWAYS)
    with pytest.raises((ProviderRejected, ProviderUnavailable)) as raised:
        provider.upload(run, journal)
    assert_no_secret(journal, raised.value)
    assert len(openai_api.calls("files.create")) == (1 if operation == "files.retrieve" else 0)

    openai_api.faults.clear()
    provider.upload(run, journal)
    assert len(openai_api.calls("files.create")) == 1


@EVERY_FAULT
def test_the_paid_call_is_sent_once_and_its_job_is_found_again(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.create", **ALWAYS)
    expected = {"closed": ProviderRejected, "limited": ProviderUnavailable, "unknown": OutcomeUnknown}
    with pytest.raises(expected[MEANING[fault]]) as raised:
        provider.submit(run, journal)
    assert_no_secret(journal, raised.value)
    if isinstance(raised.value, ProviderRejected):
        assert raised.value.disables_provider
        assert raised.value.code == CATALOGUE[fault].code
    assert len(openai_api.calls("jobs.create")) == 1
    assert openai_api.jobs_created == (1 if CATALOGUE[fault].after_work else 0)

    found = provider.reconcile(run, journal)
    assert found == next(iter(openai_api.account.jobs), None)
    assert len(openai_api.calls("jobs.create")) == 1


@EVERY_QUICK_FAULT
def test_reconciling_that_cannot_look_decides_nothing(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = replace(submitted_run(provider, new_run(tmp_path), openai_api), job_id=None)
    openai_api.fault(fault, on="jobs.list", **ALWAYS)
    with pytest.raises(ProviderUnavailable) as raised:
        provider.reconcile(run, journal)
    assert_no_secret(journal, raised.value)
    openai_api.faults.clear()
    assert provider.reconcile(run, journal) == next(iter(openai_api.account.jobs))
    assert openai_api.jobs_created == 1


@EVERY_FAULT
def test_a_failed_look_is_never_a_failed_job(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.retrieve", **ALWAYS)
    with pytest.raises(ProviderUnavailable) as raised:
        provider.poll(run, journal)
    assert_no_secret(journal, raised.value)
    assert [entry.kind for entry in journal.entries] == (["alert"] if MEANING[fault] == "closed" else [])

    openai_api.faults.clear()
    openai_api.finish(str(run.job_id))
    assert isinstance(provider.poll(run, journal), JobSucceeded)


@EVERY_QUICK_FAULT
def test_a_log_or_a_result_file_that_cannot_be_read_does_not_cost_the_model(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.events", **ALWAYS)
    assert isinstance(provider.poll(run, journal), JobRunning)

    openai_api.faults.clear()
    openai_api.finish(str(run.job_id))
    openai_api.fault(fault, on="files.content", **ALWAYS)
    status = provider.poll(run, journal)
    assert isinstance(status, JobSucceeded)
    # A slow answer and an answer of another's words are bytes all the same; none of them is a curve.
    assert status.detail["loss_curve_source"] == "events"
    assert status.detail["final_train_loss"] is not None
    assert_no_secret(journal)


@EVERY_QUICK_FAULT
def test_cancelling_that_fails_is_repeated_or_left_to_a_person(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    provider = openai_provider(**patience(fault))
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.cancel", **ALWAYS)
    if MEANING[fault] == "closed":
        provider.cancel(run, journal)
        assert [entry.kind for entry in journal.entries] == ["alert"]
    else:
        with pytest.raises(ProviderUnavailable) as raised:
            provider.cancel(run, journal)
        assert_no_secret(journal, raised.value)
    assert_no_secret(journal)

    openai_api.faults.clear()
    provider.cancel(run, journal)
    provider.cancel(run, journal)
    assert openai_api.account.job(str(run.job_id)).status == "cancelled"


@EVERY_FAULT
def test_reads_survive_a_fault_that_passes(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, fault: str
) -> None:
    passing = fault in {
        "conflict",
        "request_timeout",
        "server_error",
        "server_error_after_work",
        "bad_gateway_after_work",
        "connection_closed",
        "reply_lost",
        "slow_reply",
        "malformed_reply",
        "truncated_reply",
        "empty_reply",
        "foreign_reply",
        "rate_limited",
    }
    provider = openai_provider(**patience(fault))
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.retrieve", delay_seconds=3.0)
    if passing:
        assert not isinstance(provider.poll(run, journal), JobFailed)
        assert len(openai_api.calls("jobs.retrieve")) == 2
    else:
        with pytest.raises(ProviderUnavailable):
            provider.poll(run, journal)
        assert len(openai_api.calls("jobs.retrieve")) == 1


def test_a_key_that_is_revoked_while_a_job_trains_is_one_alert_until_it_is_replaced(
    openai_provider: MakeProvider, openai_api: OpenAIDouble, tmp_path: Path, journal: Journal
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY)
    provider = openai_provider(api_key_file=key_file)
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    job_id = provider.submit(run, journal)
    key_file.write_text("sk-revoked")
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            provider.reconcile(run, journal)
    assert len({entry.external_id for entry in journal.of("alert")}) == 1
    assert "put a valid key into the file" in journal.of("alert")[0].message
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            provider.poll(replace(run, job_id=job_id), journal)
    assert len({entry.external_id for entry in journal.of("alert")}) == 2
    assert "put a valid key into the file" in journal.of("alert")[-1].message

    key_file.write_text(KEY)
    assert provider.reconcile(run, journal) == job_id
    assert not isinstance(provider.poll(replace(run, job_id=job_id), journal), JobFailed)


def test_a_service_that_is_down_is_surely_not_paid(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    live = openai_provider()
    run = uploaded_run(live, new_run(tmp_path), openai_api)
    # Nobody listens on port 9 (discard) of this machine.
    provider = openai_provider(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailable, match="unreachable"):
        provider.submit(run, journal)
    with pytest.raises(ProviderUnavailable, match="unreachable"):
        provider.preflight(run)
    assert openai_api.jobs_created == 0


@pytest.mark.parametrize(
    "fault,least,most",
    [("rate_limited_with_wait", 7.0, 7.0), ("daily_rate_limit", 6 * 3600.0, 24 * 3600.0)],
)
def test_the_services_wish_to_wait_is_passed_on(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    fault: str,
    least: float,
    most: float,
) -> None:
    provider = openai_provider()
    run = uploaded_run(provider, new_run(tmp_path), openai_api)
    openai_api.fault(fault, on="jobs.create")
    with pytest.raises(ProviderUnavailable) as raised:
        provider.submit(run, journal)
    assert raised.value.retry_after_seconds is not None
    assert least <= raised.value.retry_after_seconds <= most
