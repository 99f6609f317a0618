"""The pure parts: what a failure proves, what a body says, what a result file holds."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.providers.openai_errors import Verdict, clean_text, is_moderation, judge_status
from ftworker.providers.openai_jobs import job_body, job_suffix
from ftworker.providers.openai_results import (
    MAX_POINTS,
    LossPoint,
    UnreadableResults,
    curve_as_json,
    last_measured,
    parse_results,
    point_from,
)
from ftworker.settings import OpenAISettings
from tests.providers.openai_runs import new_run

KEY = "azure0123456789abcdef"


def envelope(code: str | None = "some_code", message: str = "No.") -> bytes:
    return json.dumps({"error": {"message": message, "type": "t", "param": None, "code": code}}).encode()


NO_ENVELOPES = (b"", b"<html>", b"{}", b'{"error": "no"}', b'{"detail": "no"}', b'{"error": {}}', b"\xff\xfe")


def test_only_a_few_statuses_with_an_envelope_prove_that_nothing_was_done() -> None:
    proofs = {429: Verdict.LIMITED} | dict.fromkeys((400, 401, 403, 404, 422), Verdict.REFUSED)
    for status in range(400, 600):
        expected = proofs.get(status, Verdict.UNKNOWN)
        assert judge_status(status, envelope(), {}).verdict is expected, status
        for body in NO_ENVELOPES:
            assert judge_status(status, body, {}).verdict is Verdict.UNKNOWN, (status, body)


@pytest.mark.parametrize(
    "headers,seconds",
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_wish_to_wait_is_read_where_it_is_a_number(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert judge_status(429, envelope(), headers).retry_after_seconds == seconds


@pytest.mark.parametrize(
    "code,told",
    [("model_not_available", "model_not_available"), (None, "t"), ("Ana said: hola", "http_400"), ("", "t")],
)
def test_a_code_is_short_enough_to_be_a_label(code: str | None, told: str) -> None:
    assert judge_status(400, envelope(code), {}).code == told


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-proj-AbCdEf0123456789_-xyz.",
        "Incorrect API key provided: sk-AbCd************wxyz.",
        "bad header Authorization: Bearer AbCdEf0123456789wxyz",
    ],
)
def test_a_key_never_survives_in_a_services_words(text: str) -> None:
    cleaned = clean_text(text, KEY)
    assert "[key]" in cleaned
    for part in (KEY, "AbCd", "wxyz"):
        assert part not in cleaned


def test_quotations_of_data_are_cut_and_lines_joined() -> None:
    told = clean_text(
        'Line 3:\n "Hola, soy Inventada y tengo una pregunta sobre mi vida" is wrong' + " x" * 400
    )
    assert "Inventada" not in told
    assert told.startswith('Line 3: "[…]" is wrong')
    assert len(told) == 300
    assert clean_text("Example 3 contains an invalid token: '<|fim_suffix|>'").endswith("'<|fim_suffix|>'")


@pytest.mark.parametrize(
    "code,message,expected",
    [
        ("invalid_training_file", "blocked by our moderation system", True),
        ("usage_policy_violation", None, True),
        (None, "The job failed due to an unsafe training file.", True),
        ("invalid_file_format", "Line 3 is not valid JSON.", False),
        (None, None, False),
    ],
)
def test_moderation_is_recognised_by_code_or_words(
    code: str | None, message: str | None, expected: bool
) -> None:
    assert is_moderation(code, message) is expected


@pytest.mark.parametrize(
    "wish,limit,expected",
    [
        ("tutor", 64, "tutor-ft-matematicas-0123456789ab"),
        ("", 64, "ft-matematicas-0123456789ab"),
        ("tutor-de-la-escuela", 30, "tu-ft-matematicas-0123456789ab"),
        ("tutor", 27, "ft-matematicas-0123456789ab"),
        ("tutor", 18, "ticas-0123456789ab"),
        ("tutor", 12, "0123456789ab"),
        ("tutor", 0, ""),
    ],
)
def test_a_suffix_keeps_what_tells_runs_apart(wish: str, limit: int, expected: str) -> None:
    suffix = job_suffix(wish, "ft-matematicas-0123456789ab", limit)
    assert suffix == expected


@given(wish=st.text("abc-", max_size=18), limit=st.integers(12, 64))
def test_a_suffix_fits_its_limit_and_ends_in_the_runs_digest(wish: str, limit: int) -> None:
    suffix = job_suffix(wish, "ft-matematicas-0123456789ab", limit)
    assert len(suffix) <= limit
    assert suffix.endswith("0123456789ab")


def test_a_preference_run_sends_its_own_hyperparameters(tmp_path: Path) -> None:
    method: dict[str, Any] = {"type": "dpo", "beta": 0.1, "n_epochs": "auto", "batch_size": 4, "seed": None}
    run = new_run(tmp_path, method=method, training_file_id="file-1")
    body = job_body(run, OpenAISettings(send_metadata=False, suffix_max_length=0))
    assert body == {
        "model": run.base_model,
        "training_file": "file-1",
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "batch_size": 4}}},
    }


measured = st.one_of(st.none(), st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 6)))
curves = st.lists(
    st.builds(LossPoint, step=st.integers(0, 10**6), train_loss=measured, valid_loss=measured),
    min_size=1,
    max_size=30,
)


@given(points=curves, encoded=st.booleans(), bom=st.booleans())
def test_a_result_file_is_read_back_as_it_was_written(
    points: list[LossPoint], encoded: bool, bom: bool
) -> None:
    lines = ["step,a_new_column,valid_loss,train_loss"]
    for point in points:
        cells = ["" if value is None else repr(value) for value in (point.valid_loss, point.train_loss)]
        lines.append(f"{point.step},x,{','.join(cells)}")
    content = "\n".join(lines).encode()
    content = b"\xef\xbb\xbf" + content if bom else content
    assert parse_results(base64.b64encode(content) if encoded else content) == points


def test_a_result_file_may_have_the_line_ends_of_any_system() -> None:
    expected = [LossPoint(1, 0.5), LossPoint(2, 0.4)]
    for end in ("\n", "\r\n", "\r"):
        assert parse_results(end.join(["step,train_loss", "1,0.5", "2,0.4", ""]).encode()) == expected


def test_azures_columns_are_the_same_measures() -> None:
    header = (
        "step,train_loss,train_mean_token_accuracy,valid_loss,full_valid_loss,full_valid_mean_token_accuracy"
    )
    points = parse_results(f"{header}\n1,0.5,0.8,nan,,\n2,0.4,0.9,,0.45,0.88\n".encode())
    assert points == [
        LossPoint(1, 0.5, 0.8),
        LossPoint(2, 0.4, 0.9, full_valid_loss=0.45, full_valid_mean_token_accuracy=0.88),
    ]
    assert last_measured(points, "full_valid_loss") == 0.45
    assert last_measured(points, "valid_loss") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>502</html>",
        b"step,train_loss\n",
        b'{"error": {}}',
        base64.b64encode(b"hola"),
        b"\xff",
        b'step,train_loss\n1,"' + b"x" * 200_000,
    ],
)
def test_what_is_no_result_file_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableResults):
        parse_results(content)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    points = [LossPoint(step, train_loss=1 / (step + 1)) for step in range(12_345)]
    curve = curve_as_json(reversed(points))
    assert len(curve) == MAX_POINTS
    assert (curve[0]["step"], curve[-1]["step"]) == (0, 12_344)
    assert [point["step"] for point in curve] == sorted({point["step"] for point in curve})


def test_a_metric_event_is_a_point_and_anything_else_is_none() -> None:
    data = {"step": 3, "train_loss": 0.5, "train_mean_token_accuracy": 0.9, "total_steps": 10}
    assert point_from(data) == LossPoint(3, 0.5, 0.9)
    assert point_from({"error_code": "x"}) is None
