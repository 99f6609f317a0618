"""The look before anything is uploaded or paid: key, address, base model, dataset, the vendor's calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ftworker.providers import openai_preflight
from ftworker.providers.contract import Finding
from ftworker.runs.journal import LeaseLost
from tests.doubles.openai_api import KEY, OpenAIDouble
from tests.providers.openai_runs import MODEL, MakeProvider, dataset_file, new_run, rows


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


AUTUMN = date(2026, 8, 1)
NOVEMBER = date(2026, 11, 20)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.code) for finding in findings]


@pytest.fixture
def as_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double's address counts as OpenAI's own."""
    monkeypatch.setattr(openai_preflight, "OPENAI_HOST", "127.0.0.1")


def test_a_good_run_has_no_findings(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(clock=lambda: at(AUTUMN))
    assert provider.preflight(new_run(tmp_path)) == []
    assert {call.method for call in openai_api.journal} == {"GET"}


@pytest.mark.parametrize(
    "day,model,expected",
    [
        (AUTUMN, MODEL, []),
        (NOVEMBER, MODEL, [("warning", "training_closes"), ("warning", "model_shuts_down")]),
        (date(2027, 1, 6), MODEL, [("warning", "training_closed"), ("warning", "model_shuts_down")]),
        (date(2027, 1, 14), MODEL, [("warning", "training_closed"), ("error", "model_shut_down")]),
        (AUTUMN, "gpt-3.5-turbo", [("warning", "model_shuts_down"), ("error", "model_not_found")]),
        (
            NOVEMBER,
            "gpt-3.5-turbo",
            [("warning", "training_closes"), ("warning", "model_shut_down"), ("error", "model_not_found")],
        ),
    ],
)
@pytest.mark.usefixtures("as_openai")
def test_openais_calendar_is_told_in_time(
    openai_provider: MakeProvider,
    tmp_path: Path,
    day: date,
    model: str,
    expected: list[tuple[str, str]],
) -> None:
    provider = openai_provider(clock=lambda: at(day))
    assert codes(list(provider.preflight(new_run(tmp_path, base_model=model)))) == expected


def test_gpt_35_turbo_is_accepted_where_a_service_still_has_it_with_a_warning(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    openai_api.add_model("gpt-3.5-turbo")
    provider = openai_provider(clock=lambda: at(NOVEMBER))
    findings = list(provider.preflight(new_run(tmp_path, base_model="gpt-3.5-turbo")))
    assert codes(findings) == [("warning", "model_shut_down")]
    assert "2026-10-23" in findings[0].message


def test_a_date_that_the_service_itself_announces_wins(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    openai_api.add_model("school-model", "2026-12-01")
    provider = openai_provider(clock=lambda: at(NOVEMBER))
    findings = list(provider.preflight(new_run(tmp_path, base_model="school-model")))
    assert codes(findings) == [("warning", "model_shuts_down")]
    assert "2026-12-01" in findings[0].message
    late = openai_provider(clock=lambda: at(date(2026, 12, 1)))
    assert codes(list(late.preflight(new_run(tmp_path, base_model="school-model")))) == [
        ("error", "model_shut_down")
    ]


def test_a_service_without_models_is_not_asked_for_one(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(check_model=False, clock=lambda: at(NOVEMBER))
    assert provider.preflight(new_run(tmp_path, base_model="anything")) == []
    assert openai_api.calls("models.retrieve") == []


def test_a_wrong_key_is_an_error_that_does_not_show_it(
    openai_provider: MakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-revoked-9876543210")
    findings = list(openai_provider().preflight(new_run(tmp_path)))
    assert codes(findings) == [("error", "invalid_api_key")]
    assert "variable OPENAI_API_KEY" in findings[0].message
    assert "9876543210" not in findings[0].message


def test_an_address_without_the_api_is_an_error(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = openai_provider(base_url=openai_api.base_url.removesuffix("/v1"))
    findings = list(provider.preflight(new_run(tmp_path)))
    assert codes(findings) == [("error", "no_fine_tuning_api")]


def test_a_dataset_that_would_fail_at_the_provider_is_stopped_here(
    openai_provider: MakeProvider, tmp_path: Path
) -> None:
    run = new_run(tmp_path, train_rows=9)
    wrong = replace(run.dataset, format="instruction-json")
    provider = openai_provider(clock=lambda: at(AUTUMN))
    findings = list(provider.preflight(replace(run, dataset=wrong)))
    assert codes(findings) == [("error", "dataset_format"), ("error", "too_few_examples")]
    huge = replace(run.dataset.train, size_bytes=9 * 1024**3, rows=10)
    findings = list(provider.preflight(replace(run, dataset=replace(run.dataset, train=huge))))
    assert codes(findings) == [("error", "file_too_large")]


def test_rows_that_would_fail_the_job_are_named_before_anything_is_sent(
    openai_api: OpenAIDouble, openai_provider: MakeProvider, tmp_path: Path
) -> None:
    run = new_run(tmp_path)
    good = rows(20).split(b"\n")
    good[2] = good[2].replace(b'"messages"', b'"conversation": 7, "messages"')
    good[4] = good[4].replace(b'"assistant"', b'"asistente"')
    dataset_file(tmp_path, "train.jsonl", b"\n".join(good))
    provider = openai_provider(clock=lambda: at(AUTUMN))
    findings = list(provider.preflight(run))
    assert codes(findings) == [("error", "unknown_row_key")]
    assert "train.jsonl:3:" in findings[0].message
    assert "train.jsonl:5:" in findings[0].message
    assert "suma" not in findings[0].message

    (tmp_path / "train.jsonl").unlink()
    assert codes(list(provider.preflight(run))) == [("error", "dataset_missing")]


def test_a_long_look_at_the_rows_keeps_the_steps_lease_and_ends_when_it_is_lost(
    openai_provider: MakeProvider, tmp_path: Path
) -> None:
    provider, run = openai_provider(), new_run(tmp_path, train_rows=2_500)
    ticks: list[tuple[str, int, str]] = []
    provider.preflight(run, lambda *tick: ticks.append(tick))
    # Twice within the rows of training and at the end of each file.
    assert [unit for _, _, unit in ticks] == ["bytes"] * 4
    assert 0 < ticks[0][1] < ticks[1][1] < ticks[2][1] == run.dataset.train.size_bytes

    def lost(*_: object) -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        provider.preflight(run, lost)


def test_the_doctor_looks_at_key_address_and_models_and_never_raises(
    openai_api: OpenAIDouble, openai_provider: MakeProvider
) -> None:
    models = [MODEL, "gpt-nowhere"]
    provider = openai_provider(base_models=models, clock=lambda: at(AUTUMN))
    assert codes(list(provider.check())) == [("error", "model_not_found")]
    # Nobody listens on port 9 (discard) of this machine.
    unreachable = openai_provider(base_url="http://127.0.0.1:9/v1")
    assert codes(list(unreachable.check())) == [("error", "unreachable")]
    nonsense = openai_provider(base_url="nowhere")
    assert codes(list(nonsense.check())) == [("error", "unreachable")]
    assert KEY not in str(nonsense.check())


def test_a_key_that_was_put_right_in_its_file_is_used_without_a_restart(
    openai_provider: MakeProvider, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("sk-old")
    provider, run = openai_provider(api_key_file=key_file), new_run(tmp_path)
    assert [finding.code for finding in provider.preflight(run)] == ["invalid_api_key"]
    key_file.write_text("")
    assert [finding.code for finding in provider.preflight(run)] == ["invalid_api_key"]
    key_file.write_text(KEY)
    assert codes([finding for finding in provider.preflight(run) if finding.level == "error"]) == []
