"""Polling: statuses, the log into the journal, results into a loss curve; and the services' different
answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobRunning,
    JobSucceeded,
    NeedsPerson,
    ProviderUnavailable,
)
from tests.doubles.openai_api import KEY, OpenAIDouble
from tests.providers.openai_runs import MODEL, RUN_KEY, Journal, MakeProvider, new_run, submitted_run


def test_a_job_is_followed_to_its_model_with_log_and_loss_curve(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    assert provider.poll(run, journal) == JobRunning("queued")
    assert provider.poll(run, journal) == JobRunning("running")
    done = provider.poll(run, journal)
    assert isinstance(done, JobSucceeded)
    assert done.model.startswith(f"ft:{MODEL}:double:tutor-{RUN_KEY}:")
    assert done.trained_tokens == openai_api.account.job(str(run.job_id)).trained_tokens

    curve = done.detail["loss_curve"]
    assert [point["step"] for point in curve] == list(range(1, 11))
    assert curve[0]["train_loss"] > curve[-1]["train_loss"] == done.detail["final_train_loss"]
    assert done.detail["final_valid_loss"] == curve[-1]["valid_loss"]
    assert done.detail["loss_curve_source"].startswith("file file-")
    assert done.detail["n_epochs"] == 2

    messages = [entry.message for entry in journal.of("event")]
    assert messages[0] == f"Created fine-tuning job: {run.job_id}"
    assert messages[-1] == "The job has successfully completed"
    assert len(messages) == len(set(messages))
    assert [entry.data["step"] for entry in journal.of("metric")] == list(range(1, 11))
    assert journal.of("alert") == []


def test_a_long_log_is_read_to_its_end_once_and_in_order(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    openai_api.behave(polls_per_stage=0)
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    job = openai_api.account.job(str(run.job_id))
    for number in range(250):
        job.add_event(openai_api.now(), f"line {number}")
    provider.poll(run, journal)
    listings = len(openai_api.calls("jobs.events"))
    assert listings == 3
    job.add_event(openai_api.now(), "line 250")
    provider.poll(run, journal)
    assert len(openai_api.calls("jobs.events")) == listings + 1
    lines = [entry.message for entry in journal.of("event") if entry.message.startswith("line")]
    assert lines == [f"line {number}" for number in range(251)]
    # Another process does not know what was recorded; the journal drops what it has.
    openai_provider().poll(run, journal)
    assert len(journal.of("event")) == len({entry.external_id for entry in journal.of("event")})


def test_a_log_that_cannot_be_read_is_told_once_and_not_at_every_look(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    openai_api.behave(polls_per_stage=0)
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.faults.add("server_error", on="jobs.events", times=-1)
    for _ in range(3):
        assert isinstance(provider.poll(run, journal), JobRunning)
    assert [entry.message.partition(":")[0] for entry in journal.of("note")] == [
        f"the log of job {run.job_id} could not be read to its end"
    ]


def test_words_of_the_service_that_no_database_takes_do_not_spoil_a_look(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.account.job(str(run.job_id)).add_event(openai_api.now(), "line\x00 one")
    provider.poll(run, journal)
    assert "line one" in journal.text
    assert "\x00" not in journal.text


@pytest.mark.parametrize(
    "behaviour",
    [
        {"results_base64": True},
        {"results_base64": False},
        {"flavour": "azure", "results_base64": False},
        {"flavour": "azure", "results_base64": True},
    ],
    ids=["base64", "plain", "azure plain", "azure base64"],
)
def test_each_form_of_result_file_gives_the_same_curve(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    behaviour: dict[str, Any],
) -> None:
    openai_api.behave(**behaviour)
    provider = openai_provider(bom=True, suffix_max_length=18)
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.finish(str(run.job_id))
    done = provider.poll(run, journal)
    assert isinstance(done, JobSucceeded)
    expected = openai_api.account.job(str(run.job_id)).loss_curve()
    assert done.detail["loss_curve"] == expected


def test_a_status_that_nobody_knows_means_running_and_is_told_once(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(unknown_status="warming_up", polls_per_stage=0)
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.account.job(str(run.job_id)).status = "running"
    for _ in range(3):
        assert provider.poll(run, journal) == JobRunning("warming_up")
    assert len(journal.of("alert")) == 1
    openai_api.violations.clear()  # the double answered what the description does not know, as told


def test_a_paused_job_waits_and_a_person_is_told(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    for _ in range(2):
        provider.poll(run, journal)
    with openai.OpenAI(api_key=KEY, base_url=openai_api.base_url) as client:
        client.fine_tuning.jobs.pause(str(run.job_id))
    assert provider.poll(run, journal) == JobRunning("paused")
    assert "paused" in journal.of("alert")[0].message


@pytest.mark.parametrize("empty", [True, False])
def test_only_the_status_says_that_a_job_failed(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal, empty: bool
) -> None:
    openai_api.behave(error_is_empty_object=empty)
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    assert isinstance(provider.poll(run, journal), JobRunning)
    openai_api.finish(str(run.job_id))
    assert isinstance(provider.poll(run, journal), JobSucceeded)


@pytest.mark.parametrize(
    "code,message,told",
    [
        ("invalid_training_file", "The job failed due to an invalid training file.", "invalid_training_file"),
        ("exceeded_quota", "Creating this job would exceed your hard limit.", "exceeded_quota"),
        ("invalid_training_file", "This training file was blocked by our moderation system.", "moderation"),
        ("server_error", "", "server_error"),
    ],
)
def test_a_failed_job_gives_its_reason(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    journal: Journal,
    code: str,
    message: str,
    told: str,
) -> None:
    openai_api.behave(job_error=(code, message))
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.finish(str(run.job_id))
    failed = provider.poll(run, journal)
    assert isinstance(failed, JobFailed)
    assert failed.code == told
    assert (message or "no reason") in failed.message


def test_a_failure_names_the_file_and_does_not_quote_it(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    quotation = "me llamo Inventada Ejemplo y vivo en la calle de la Prueba"
    openai_api.behave(job_error=("invalid_file_format", f'Line 3: "{quotation}" is not valid.'))
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.finish(str(run.job_id))
    failed = provider.poll(run, journal)
    assert isinstance(failed, JobFailed)
    assert failed.message.startswith("Line 3:")
    assert "Inventada" not in failed.message + journal.text


def test_a_model_that_the_usage_policies_hold_back_is_a_moderation_failure(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(moderation_blocks=True)
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    openai_api.finish(str(run.job_id))
    failed = provider.poll(run, journal)
    assert isinstance(failed, JobFailed)
    assert failed.code == "moderation"
    assert len(journal.of("alert")) == 1


def test_a_cancelled_job_ends_cancelled_and_cancelling_again_is_no_error(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    provider.cancel(run, journal)
    provider.cancel(run, journal)
    assert isinstance(provider.poll(run, journal), JobCancelled)
    provider.cancel(new_run(tmp_path, job_id="ftjob-nowhere"), journal)
    provider.cancel(new_run(tmp_path), journal)
    assert journal.of("alert") == []


def test_a_job_that_the_service_does_not_know_is_an_alert_and_not_a_failure(
    openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = new_run(tmp_path, job_id="ftjob-nowhere")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            provider.poll(run, journal)
    assert len(journal.of("alert")) == 1
    with pytest.raises(NeedsPerson):
        provider.poll(new_run(tmp_path), journal)


def test_a_model_that_only_a_checkpoint_names_is_found(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(
        model_name_given=False, extra_hyperparameters=frozenset({"lora", "lora_r"}), listing_lag_calls=0
    )
    provider = openai_provider(
        hyperparameters_in="body", extra_hyperparameters={"lora": True, "lora_r": 16}, send_metadata=False
    )
    run = new_run(tmp_path, base_model="meta-llama/Llama-3.3-70B-Instruct")
    assert provider.preflight(run) == []
    run = submitted_run(provider, run, openai_api)
    body = openai_api.calls("jobs.create")[0].body
    assert body["hyperparameters"] == {"n_epochs": 2, "lora": True, "lora_r": 16}
    assert "method" not in body
    openai_api.finish(str(run.job_id))
    done = provider.poll(run, journal)
    assert isinstance(done, JobSucceeded)
    assert done.model == openai_api.account.job(str(run.job_id)).model

    openai_api.account.job(str(run.job_id)).checkpoints.clear()
    with pytest.raises(NeedsPerson, match="names no model"):
        provider.poll(run, journal)


def test_azure_differs_by_settings_alone(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    openai_api.behave(
        flavour="azure",
        results_base64=False,
        extra_body_fields=frozenset({"trainingType"}),
        max_single_upload_bytes=1500,
    )
    provider = openai_provider(
        base_url=openai_api.azure_base_url,
        bom=True,
        suffix_max_length=18,
        max_upload_bytes=1500,
        upload_part_bytes=1024,
        extra_body={"trainingType": "Standard"},
        extra_query={"api-version": "v1"},
    )
    run = new_run(tmp_path)
    assert provider.preflight(run) == []
    run = submitted_run(provider, run, openai_api)
    create = openai_api.calls("jobs.create")[0]
    assert create.body["trainingType"] == "Standard"
    assert len(create.body["suffix"]) <= 18
    assert create.body["suffix"].endswith(RUN_KEY[-12:])
    assert create.query == {"api-version": "v1"}
    openai_api.finish(str(run.job_id))
    assert isinstance(provider.poll(run, journal), JobSucceeded)


def test_a_gateway_gets_its_headers_and_its_query_with_every_call(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(
        extra_headers={"x-portkey-provider": "@escuela"}, extra_query={"custom_llm_provider": "openai"}
    )
    run = new_run(tmp_path)
    provider.preflight(run)
    submitted_run(provider, run, openai_api)
    assert len(openai_api.journal) > 5
    assert {call.headers["x-portkey-provider"] for call in openai_api.journal} == {"@escuela"}
    assert {call.query["custom_llm_provider"] for call in openai_api.journal} == {"openai"}


def test_promoting_moves_nothing_and_may_be_repeated(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = new_run(tmp_path, model="ft:new")
    for _ in range(2):
        provider.promote(run, journal, previous_model="ft:old")
    assert [entry.message for entry in journal.entries] == [
        "127.0.0.1 serves ft:new under its own name; before it: ft:old"
    ]
    assert openai_api.journal == []


def test_a_code_that_is_none_is_not_passed_on_whatever_it_quotes(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path, journal: Journal
) -> None:
    provider = openai_provider()
    run = submitted_run(provider, new_run(tmp_path), openai_api)
    job = openai_api.account.job(str(run.job_id))
    job.status, job.error = (
        "failed",
        ("line 3: Lucía dijo que no va al médico", "No.", "x: Lucía dijo que no"),
    )
    failed = provider.poll(run, journal)
    assert failed == JobFailed("job_failed", "No.")
