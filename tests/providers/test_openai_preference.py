"""Training by preference at an OpenAI service: from the stored pair to the job, and what stops it before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ftworker.conversations import canonical_json
from ftworker.datasets.formats import row_format
from ftworker.providers import openai_preflight
from ftworker.providers.contract import JobSucceeded, RunView
from ftworker.providers.openai_jobs import job_body
from ftworker.settings import OpenAISettings, TrainingSettings
from tests.doubles.openai_api import OpenAIDouble
from tests.providers.local_runs import new_run as new_local_run
from tests.providers.local_runs import provider_at
from tests.providers.openai_runs import (
    MODEL,
    Journal,
    MakeProvider,
    dataset_file,
    new_run,
    submitted_run,
)

AUGUST = datetime(2026, 8, 1, 12, tzinfo=UTC)
METHOD = TrainingSettings(type="dpo", beta=0.2, n_epochs=2).model_dump(mode="json")


def pair(number: int) -> str:
    """The stored content of a preference example: a second question, and two answers to it."""
    return canonical_json(
        {
            "input": [
                {"role": "user", "content": "Hola"},
                {"role": "assistant", "content": "¿Qué necesitas?"},
                {"role": "user", "content": f"¿Cuánto es {number} + {number}?"},
            ],
            "preferred_output": [{"role": "assistant", "content": f"{number} + {number} = {2 * number}."}],
            "non_preferred_output": [{"role": "assistant", "content": "Mucho."}],
        }
    ).decode()


def preference_run(folder: Path, **changes: Any) -> RunView:
    """A run by preference whose files are the ones that export writes."""
    form = row_format("openai-preference", "Eres un tutor.")

    def content(first: int, count: int) -> bytes:
        return b"".join(form.rows(pair(number))[0] + b"\n" for number in range(first, first + count))

    run = new_run(folder, method=METHOD)
    dataset = replace(
        run.dataset,
        train=dataset_file(folder, "train.jsonl", content(0, 12)),
        validation=dataset_file(folder, "validation.jsonl", content(100, 3)),
        format="openai-preference",
    )
    return replace(run, dataset=dataset, **changes)


def codes(provider: Any, run: RunView) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in provider.preflight(run)]


def test_pairs_become_a_finished_job_whose_method_is_dpo(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(clock=lambda: AUGUST)
    run = preference_run(tmp_path)
    assert provider.preflight(run) == []
    run = submitted_run(provider, run, openai_api)
    (created,) = openai_api.calls("jobs.create")
    assert created.body["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.2}}}
    assert run.job_id is not None
    openai_api.finish(run.job_id)
    status = provider.poll(run, Journal())
    # The double read both files as the vendor reads preference files; else the job would have failed.
    assert isinstance(status, JobSucceeded)


def test_the_system_prompt_stands_in_the_input_and_nowhere_else(tmp_path: Path) -> None:
    row = json.loads(row_format("openai-preference", "Eres un tutor.").rows(pair(4))[0])
    assert row == {
        "input": {
            "messages": [
                {"role": "system", "content": "Eres un tutor."},
                {"role": "user", "content": "Hola"},
                {"role": "assistant", "content": "¿Qué necesitas?"},
                {"role": "user", "content": "¿Cuánto es 4 + 4?"},
            ]
        },
        "preferred_output": [{"role": "assistant", "content": "4 + 4 = 8."}],
        "non_preferred_output": [{"role": "assistant", "content": "Mucho."}],
    }


def test_a_supervised_job_is_never_sent_a_beta(tmp_path: Path) -> None:
    method = TrainingSettings(beta=0.5).model_dump(mode="json")
    body = job_body(new_run(tmp_path, method=method, training_file_id="file-1"), OpenAISettings())
    assert body["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}


@pytest.mark.parametrize(
    "method,dataset_format",
    [("supervised", "openai-preference"), ("dpo", "openai-chat"), ("dpo", "preference")],
)
def test_a_dataset_of_another_method_is_stopped_before_anything_is_sent(
    openai_api: OpenAIDouble,
    openai_provider: MakeProvider,
    tmp_path: Path,
    method: str,
    dataset_format: str,
) -> None:
    run = preference_run(tmp_path)
    run = replace(run, method={**METHOD, "type": method}, dataset=replace(run.dataset, format=dataset_format))
    assert codes(openai_provider(clock=lambda: AUGUST), run) == [("error", "dataset_format")]
    assert openai_api.calls("files.create") == []


def test_a_service_that_cannot_be_told_the_method_is_an_error(
    openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(clock=lambda: AUGUST, hyperparameters_in="body")
    assert codes(provider, preference_run(tmp_path)) == [("error", "method")]


@pytest.mark.parametrize(
    "model,expected",
    [
        (MODEL, []),
        (f"ft:{MODEL}:school:tutor:abc", []),
        ("gpt-4o-mini-2024-07-18", [("warning", "dpo_model")]),
    ],
)
def test_openai_is_asked_for_preference_only_of_models_that_it_names(
    openai_provider: MakeProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    expected: list[tuple[str, str]],
) -> None:
    monkeypatch.setattr(openai_preflight, "OPENAI_HOST", "127.0.0.1")
    provider = openai_provider(clock=lambda: datetime(2026, 7, 1, tzinfo=UTC), check_model=False)
    assert codes(provider, preference_run(tmp_path, base_model=model)) == expected


def test_a_local_model_without_a_trainer_refuses_preference_and_says_what_to_change(tmp_path: Path) -> None:
    run = new_local_run(tmp_path.as_uri(), method=METHOD)
    (finding,) = [f for f in provider_at("http://127.0.0.1:9").preflight(run) if f.level == "error"]
    assert finding.code == "method"
    assert 'training.type = "supervised"' in finding.message
    pairs = replace(run, method={"type": "supervised"}, dataset=replace(run.dataset, format="preference"))
    assert ("error", "dataset_format") in codes(provider_at("http://127.0.0.1:9"), pairs)
