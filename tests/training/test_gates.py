"""Verdicts of the gates, and the figure that the weightiest of them rests on. Pure: no model."""

from __future__ import annotations

import dataclasses
import math

import msgspec
import numpy
import pytest

from ftworker.training.divergence import Divergence, Floats, TopTokens, divergence
from ftworker.training.gates import Rendering, distribution_gate, template_gate, validation_gate
from ftworker.training.probes import BEGINNINGS, CONVERSATIONS
from tests.training.test_check import TRAINED_WELL


def log(*probabilities: float) -> Floats:
    logarithms: Floats = numpy.log(numpy.array(probabilities))
    return logarithms


def top(**by_id: float) -> TopTokens:
    """`_3=0.5`: token 3 has a half."""
    ids = numpy.array([int(name[1:]) for name in by_id])
    return TopTokens(ids, log(*by_id.values()))


def test_divergence_is_that_of_the_formula_where_the_whole_vocabulary_is_known() -> None:
    found = divergence([log(0.5, 0.25, 0.25)], [top(_0=0.25, _1=0.5, _2=0.25)])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.25 * math.log(0.25 / 0.5)
    assert found.mean == pytest.approx(expected, abs=1e-6)
    assert found.same_first == 0


def test_equal_distributions_do_not_diverge_in_whatever_order_they_are_told() -> None:
    found = divergence([log(0.7, 0.2, 0.1)] * 2, [top(_2=0.1, _0=0.7, _1=0.2), top(_0=0.7, _1=0.2, _2=0.1)])
    assert found.mean == pytest.approx(0, abs=1e-8)
    assert found.same_first == found.prompts == 2


def test_what_is_not_among_the_most_probable_tokens_counts_as_one_outcome() -> None:
    reference = log(0.5, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert divergence([reference], [top(_0=0.5)]).mean == pytest.approx(0, abs=1e-8)
    rest = divergence([reference], [top(_0=0.9)]).mean
    assert rest == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1), abs=1e-6)
    whole = divergence([reference], [top(_0=0.9, _1=0.02, _2=0.02, _3=0.02, _4=0.02, _5=0.02)]).mean
    assert rest <= whole + 1e-6


def test_a_token_that_one_side_does_not_know_or_never_says_gives_a_finite_figure() -> None:
    longer = divergence([log(0.6, 0.4)], [top(_0=0.6, _1=0.3, _7=0.1)])
    assert 0 < longer.mean < 1
    never = divergence([log(0.6, 0.4)], [TopTokens(numpy.array([0, 1]), numpy.array([0.0, -math.inf]))])
    assert 1 < never.mean < 20


def test_the_mean_and_the_worst_are_over_the_prompts() -> None:
    found = divergence([log(0.5, 0.5)] * 2, [top(_0=0.5, _1=0.5), top(_0=0.9, _1=0.1)])
    assert found.worst == pytest.approx(2 * found.mean, abs=1e-6)


@pytest.mark.parametrize("mean, passed", [(0.0116, True), (0.05, True), (0.0501, False), (math.nan, False)])
def test_a_divergence_above_the_threshold_does_not_pass(mean: float, passed: bool) -> None:
    gate = distribution_gate(Divergence(mean, 1.0, 20, 24), 0.05, "llama.cpp", "Q8_0")
    assert (gate.passed, gate.threshold) == (passed, 0.05)
    assert "20 of 24" in gate.message
    assert ("gates.max_divergence" in gate.message) is not passed


def test_a_coarse_quantisation_that_goes_too_far_is_told_what_to_try() -> None:
    gate = distribution_gate(Divergence(0.2, 1.0, 20, 24), 0.05, "llama.cpp", "Q4_K_M")
    assert "training.quantization = Q8_0" in gate.message


ALIKE = Rendering("two turns", "Ollama", "<u>hola</u>", "<u>hola</u>", [1, 5, 2], [1, 5, 2])


def test_renderings_that_are_the_same_tokens_pass() -> None:
    gate = template_gate([ALIKE, dataclasses.replace(ALIKE, server="llama-server")])
    assert gate.passed
    assert "Ollama and llama-server" in gate.message


def test_another_text_is_named_with_its_probe_its_server_and_its_place() -> None:
    other = dataclasses.replace(ALIKE, served_text="<u> hola</u>", served_tokens=[1, 6, 5, 2])
    gate = template_gate([ALIKE, other])
    assert not gate.passed
    assert gate.figure == 1
    assert "1 of 2 differ; first 'two turns' by Ollama, at character 3" in gate.message
    assert "gates.template_parity = false" in gate.message


def test_the_same_text_in_other_tokens_does_not_pass() -> None:
    other = dataclasses.replace(ALIKE, served_tokens=[1, 7, 7, 2])
    gate = template_gate([other])
    assert not gate.passed
    assert "the same text in other tokens from token 1 on (3 trained, 4 served)" in gate.message
    longer = dataclasses.replace(ALIKE, served_tokens=[1, 5, 2, 9])
    assert "from token 3 on" in template_gate([longer]).message


def test_other_text_in_the_same_tokens_passes_since_the_model_sees_tokens() -> None:
    assert template_gate([dataclasses.replace(ALIKE, served_text="<u>HOLA</u>")]).passed


def test_without_tokens_texts_are_compared_and_the_message_says_so() -> None:
    unknown = dataclasses.replace(ALIKE, served_tokens=None)
    gate = template_gate([unknown])
    assert gate.passed
    assert "texts alone" in gate.message
    assert not template_gate([dataclasses.replace(unknown, served_text="<u>adiós</u>")]).passed


@pytest.mark.parametrize(
    "before, after, passed",
    [(2.41, 0.002, True), (2.41, 2.41, False), (2.41, 2.5, False), (2.41, math.nan, False)],
)
def test_the_held_out_loss_must_be_lower_than_the_bases(before: float, after: float, passed: bool) -> None:
    trained = msgspec.structs.replace(TRAINED_WELL, base_validation_loss=before, validation_loss=after)
    gate = validation_gate(trained)
    assert gate.passed is passed
    assert gate.threshold == before
    assert ("gates.validation_loss = false" in gate.message) is not passed


def test_without_held_out_rows_there_is_nothing_to_compare_and_the_gate_says_so() -> None:
    trained = msgspec.structs.replace(TRAINED_WELL, base_validation_loss=None, validation_loss=None)
    gate = validation_gate(trained)
    assert gate.passed
    assert "no validation rows" in gate.message


def test_a_model_trained_on_pairs_is_judged_by_its_preferences() -> None:
    gate = validation_gate(
        msgspec.structs.replace(TRAINED_WELL, method="dpo", base_validation_loss=0.6931, validation_loss=0.7)
    )
    assert not gate.passed
    assert "preferring the better answer" in gate.message


def test_probes_hold_what_tokenizers_stumble_over() -> None:
    said = "".join(content for turns in CONVERSATIONS.values() for _, content in turns)
    assert {"ñ", "Ñ", "¿", "«", "😀", "½", "²", "\n", "\t", "7", "本"} <= set(said)
    assert any(turns[0][0] == "system" for turns in CONVERSATIONS.values())
    assert any(turns[0][0] == "user" and len(turns) > 1 for turns in CONVERSATIONS.values())
    assert len(set(BEGINNINGS)) == len(BEGINNINGS) >= 24
