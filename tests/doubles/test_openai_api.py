"""The OpenAI double answers as OpenAI describes itself: driven by the official client, fault by fault."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from tests.doubles.openai_api import CATALOGUE, KEY, OpenAIDouble

MODEL = "gpt-4.1-mini-2025-04-14"


def training_rows(count: int = 12, **extra: Any) -> bytes:
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Eres un tutor."},
                {"role": "user", "content": f"¿Cuánto es {number} + {number}?"},
                {"role": "assistant", "content": f"Son {number * 2}."},
            ],
            **extra,
        }
        for number in range(count)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@pytest.fixture
def client(openai_api: OpenAIDouble) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=openai_api.base_url, max_retries=0, timeout=10) as client:
        yield client


def upload(client: openai.OpenAI, content: bytes | None = None, name: str = "train.jsonl") -> str:
    return client.files.create(file=(name, content or training_rows()), purpose="fine-tune").id


def create(client: openai.OpenAI, file_id: str | None = None, **more: Any) -> FineTuningJob:
    return client.fine_tuning.jobs.create(model=MODEL, training_file=file_id or upload(client), **more)


def test_a_job_walks_through_its_stages_and_leaves_a_model_events_and_results(
    openai_api: OpenAIDouble, client: openai.OpenAI
) -> None:
    validation = upload(client, training_rows(4), "validation.jsonl")
    job = create(
        client,
        suffix="tutor",
        seed=7,
        validation_file=validation,
        metadata={"ftworker_run": "k1"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
    )
    assert job.status == "validating_files"
    seen = [client.fine_tuning.jobs.retrieve(job.id).status for _ in range(3)]
    assert seen == ["queued", "running", "succeeded"]

    done = client.fine_tuning.jobs.retrieve(job.id)
    assert done.fine_tuned_model is not None
    assert done.fine_tuned_model.startswith(f"ft:{MODEL}:double:tutor:")
    assert done.trained_tokens is not None
    assert done.trained_tokens > 0
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert len(events) > 6
    assert events[0].message == "The job has successfully completed"
    assert any(event.type == "metrics" for event in events)
    content = client.files.content(done.result_files[0]).content
    assert base64.b64decode(content).startswith(b"step,train_loss,")
    assert len(client.fine_tuning.jobs.checkpoints.list(job.id).data) == 2
    assert done.fine_tuned_model in [model.id for model in client.models.list()]

    def ask(model: str) -> str | None:
        messages: Any = [{"role": "user", "content": "¿Cuánto es 3 + 3?"}]
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content

    assert ask(done.fine_tuned_model) == "Son 6."
    assert ask(MODEL) == "No lo sé."
    assert client.models.delete(done.fine_tuned_model).deleted
    assert openai_api.jobs_created == 1


def test_time_moves_jobs_when_the_clock_is_chosen(openai_api: OpenAIDouble, client: openai.OpenAI) -> None:
    openai_api.behave(seconds_per_stage=600.0)
    job = create(client)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "validating_files"
    openai_api.advance(1300)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
    openai_api.advance(700)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


@pytest.mark.parametrize(
    "content,code",
    [
        (training_rows(9), "invalid_n_examples"),
        (training_rows(12, source="chat-17"), "invalid_training_file"),
        (training_rows().replace(b"Son 4.", b"Son <|fim_suffix|> 4."), "invalid_training_file"),
        (training_rows() + b"{broken\n", "invalid_file_format"),
        (training_rows().replace(b'"assistant"', b'"bot"'), "invalid_training_file"),
    ],
    ids=["nine rows", "unknown key", "special token", "not JSON", "unknown role"],
)
def test_bad_training_data_fails_the_job_as_it_does_at_the_vendor(
    client: openai.OpenAI, content: bytes, code: str
) -> None:
    job = create(client, upload(client, content))
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == code
    assert failed.error.param == "training_file"


@pytest.mark.parametrize(
    "more",
    [
        {"extra_body": {"run": "k1"}},
        {"metadata": {f"key{number}": "x" for number in range(17)}},
        {"metadata": {"key": "x" * 513}},
        {"suffix": "x" * 65},
        {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 51}}}},
        {"method": {"type": "supervised", "supervised": {"hyperparameters": {"lora": True}}}},
        {"seed": -1},
        {"validation_file": "file-nowhere"},
    ],
    ids=["field", "17 pairs", "513 characters", "suffix", "n_epochs", "hyperparameter", "seed", "file"],
)
def test_a_wrong_body_is_refused_and_creates_nothing(
    openai_api: OpenAIDouble, client: openai.OpenAI, more: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError):
        create(client, **more)
    assert openai_api.jobs_created == 0


def test_a_training_can_be_paused_resumed_and_cancelled(client: openai.OpenAI) -> None:
    job = create(client)
    for _ in range(2):
        client.fine_tuning.jobs.retrieve(job.id)
    statuses: list[str] = [client.fine_tuning.jobs.pause(job.id).status]
    statuses.append(client.fine_tuning.jobs.retrieve(job.id).status)
    statuses.append(client.fine_tuning.jobs.resume(job.id).status)
    statuses.append(client.fine_tuning.jobs.cancel(job.id).status)
    assert statuses == ["pausing", "paused", "queued", "cancelled"]
    with pytest.raises(openai.BadRequestError, match="already completed"):
        client.fine_tuning.jobs.cancel(job.id)


def test_jobs_are_listed_newest_first_in_pages_and_by_metadata(client: openai.OpenAI) -> None:
    file_id = upload(client)
    ids = [create(client, file_id, metadata={"ftworker_run": f"k{number}"}).id for number in range(5)]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=2)] == ids[::-1]
    found = client.fine_tuning.jobs.list(metadata={"ftworker_run": "k3"})
    assert [job.id for job in found] == [ids[3]]


def test_a_listing_can_lag_and_a_gateway_can_lose_metadata(
    openai_api: OpenAIDouble, client: openai.OpenAI
) -> None:
    openai_api.behave(listing_lag_calls=2, metadata_stored=False, metadata_filter_works=False)
    job = create(client, metadata={"ftworker_run": "k1"})
    listings = [[found.id for found in client.fine_tuning.jobs.list()] for _ in range(3)]
    assert listings == [[], [], [job.id]]
    assert [found.id for found in client.fine_tuning.jobs.list(metadata={"a": "b"})] == [job.id]
    assert client.fine_tuning.jobs.retrieve(job.id).metadata is None


def test_a_large_file_goes_up_in_parts(
    openai_api: OpenAIDouble, client: openai.OpenAI, tmp_path: Path
) -> None:
    openai_api.behave(max_single_upload_bytes=1000, max_part_bytes=500)
    content = training_rows()
    with pytest.raises(openai.APIStatusError, match="too large"):
        upload(client, content)
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    done = client.uploads.upload_file_chunked(
        file=path, mime_type="application/jsonl", purpose="fine-tune", part_size=500
    )
    assert done.status == "completed"
    assert done.file is not None
    assert client.files.content(done.file.id).content == content


def test_files_expire_are_listed_and_deleted(client: openai.OpenAI) -> None:
    stored = client.files.create(
        file=("a.jsonl", training_rows()),
        purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert stored.expires_at == stored.created_at + 3600
    assert [found.filename for found in client.files.list(purpose="fine-tune")] == ["a.jsonl"]
    assert client.files.delete(stored.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(stored.id)


def test_azure_wants_a_byte_order_mark_and_short_suffixes(openai_api: OpenAIDouble) -> None:
    openai_api.behave(flavour="azure", results_base64=False)
    with openai.OpenAI(api_key=KEY, base_url=openai_api.azure_base_url, max_retries=0) as client:
        assert client.files.retrieve(upload(client)).status == "error"
        good = upload(client, b"\xef\xbb\xbf" + training_rows())
        with pytest.raises(openai.BadRequestError, match="18 characters"):
            create(client, good, suffix="x" * 19)
        job = create(client, good)
        openai_api.finish(job.id)
        done = client.fine_tuning.jobs.retrieve(job.id)
        header = client.files.content(done.result_files[0]).text.split("\n")[0]
        assert "train_mean_token_accuracy" in header
        assert client.models.retrieve(MODEL).shutdown_date is None


def test_models_tell_when_they_end_and_unknown_ones_do_not_exist(client: openai.OpenAI) -> None:
    assert client.models.retrieve(MODEL).shutdown_date == "2027-01-14"
    assert client.models.retrieve("meta-llama/Llama-3.3-70B-Instruct").shutdown_date is None
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-3.5-turbo")


def test_a_wrong_key_gets_401(openai_api: OpenAIDouble) -> None:
    with (
        openai.OpenAI(api_key="sk-other", base_url=openai_api.base_url, max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_each_fault_reaches_the_client_and_does_or_does_not_do_the_work(
    openai_api: OpenAIDouble, client: openai.OpenAI, name: str
) -> None:
    file_id = upload(client)
    openai_api.fault(name, on="jobs.create", delay_seconds=3.0)
    try:
        answer = client.with_options(timeout=1.0).fine_tuning.jobs.create(model=MODEL, training_file=file_id)
    except (openai.APIError, json.JSONDecodeError):
        pass
    else:
        assert name == "foreign_reply"
        assert getattr(answer, "id", None) is None
    assert openai_api.faults.pending() == []
    assert openai_api.jobs_created == (1 if CATALOGUE[name].after_work else 0)
    assert openai_api.calls("jobs.create")[0].outcome.startswith(name)
    assert create(client, file_id).status == "validating_files"


def test_the_default_client_pays_three_times_when_replies_are_lost(openai_api: OpenAIDouble) -> None:
    openai_api.fault("reply_lost", on="jobs.create", times=2)
    with openai.OpenAI(api_key=KEY, base_url=openai_api.base_url) as client:
        create(client)
    assert openai_api.jobs_created == 3


def test_the_double_runs_as_a_process_and_is_controlled_over_http() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.doubles.openai_api"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        control = started["base_url"].removesuffix("/v1") + "/_double/"

        def send(what: str, **body: Any) -> dict[str, Any]:
            data = json.dumps(body).encode() if body else None
            with urllib.request.urlopen(control + what, data=data, timeout=10) as answer:
                return dict(json.load(answer))

        send("faults", name="bad_gateway_after_work", on="jobs.create")
        with openai.OpenAI(api_key=started["api_key"], base_url=started["base_url"], max_retries=0) as client:
            with pytest.raises(openai.InternalServerError):
                create(client)
            job_id = send("state")["jobs"][0]["id"]
            send("finish", job_id=job_id)
            assert client.fine_tuning.jobs.retrieve(job_id).status == "succeeded"
        assert send("state")["jobs_created"] == 1
    finally:
        process.kill()
        process.communicate()
