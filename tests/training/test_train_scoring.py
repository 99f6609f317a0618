"""Packed rows and the short way through the head give the model's own answers, with their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ftworker.training import lora, scoring
from ftworker.training.batches import make_row
from ftworker.training.packed_attention import PackedAttention
from ftworker.training.rendering import Rendered
from ftworker.training.scoring import Scorer, ShortCuts
from ftworker.training.stage import StageFailed
from tests.training.tiny import TINY, tiny_model

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sequences(lengths: tuple[int, ...] = (17, 9, 12)) -> list[Rendered]:
    dice = numpy.random.default_rng(1)
    return [
        Rendered(dice.integers(0, 440, length, dtype=numpy.int32), numpy.arange(length) >= length // 2)
        for length in lengths
    ]


def own_losses(model: Any, sequence: Rendered) -> torch.Tensor:
    """The model's own forward on one sequence by itself, and cross-entropy as in a textbook."""
    ids = torch.from_numpy(sequence.ids.astype(numpy.int64))[None]
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return losses[torch.from_numpy(sequence.learned[1:])]


def with_lora(kind: str) -> Any:
    model = lora.add_lora(tiny_model(kind), rank=4, alpha=8, dropout=0.0, base="tiny", seed=1)
    with torch.no_grad():
        for weight in lora.trainable(model):
            weight.copy_(torch.randn_like(weight) * 0.1)  # a LoRA that does something
    return model


def gradients(model: Any, loss: torch.Tensor) -> torch.Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in lora.trainable(model)])


@pytest.mark.parametrize("kind", TINY)
def test_packed_sequences_have_the_losses_and_gradients_of_sequences_alone(kind: str) -> None:
    given = sequences()
    expected_model = with_lora(kind)
    expected = torch.cat([own_losses(expected_model, each) for each in given])
    expected_gradients = gradients(expected_model, expected.sum())
    model = with_lora(kind)
    scorer = Scorer(model, CPU)
    assert scorer.prepare(packing=True) == ShortCuts(packing=True, head=True)
    found = scorer.losses(make_row(given, packed=True))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(gradients(model, found.sum()), expected_gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
@pytest.mark.parametrize("head", [True, False])
def test_padded_sequences_have_the_losses_of_sequences_alone(kind: str, *, head: bool) -> None:
    model = with_lora(kind)
    expected = torch.cat([own_losses(model, each) for each in sequences()])
    scorer = Scorer(model, CPU)
    scorer.short_cuts = ShortCuts(packing=False, head=head)
    found = scorer.losses(make_row(sequences(), packed=False))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_head_works_in_blocks_with_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_lora("gemma2")
    scorer = Scorer(model, CPU)
    scorer.prepare(packing=True)
    row = make_row(sequences(), packed=True)
    whole = scorer.losses(row)
    whole_gradients = gradients(model, whole.sum())
    monkeypatch.setattr(scoring, "_BLOCK_VALUES", 440 * 5)
    blocks = scorer.losses(row)
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(gradients(model, blocks.sum()), whole_gradients)


def test_each_loss_has_its_own_gradient() -> None:
    model = with_lora("llama")
    row = make_row(sequences(), packed=True)
    scorer = Scorer(model, CPU)
    scorer.prepare(packing=True)
    shares = torch.linspace(-1, 1, len(row.targets))
    found = gradients(model, (scorer.losses(row) * shares).sum())
    plain = Scorer(model, CPU)
    plain.short_cuts = ShortCuts(packing=True, head=False)
    plain._attention = scorer._attention
    torch.testing.assert_close(
        found, gradients(model, (plain.losses(row) * shares).sum()), rtol=1e-3, atol=1e-5
    )


def test_checkpointed_layers_give_the_same_gradients() -> None:
    found = []
    for checkpointing in (False, True):
        model = with_lora("llama")
        scorer = Scorer(model, CPU)
        scorer.prepare(packing=True)
        if checkpointing:
            model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        model.train()
        found.append(gradients(model, scorer.losses(make_row(sequences(), packed=True)).sum()))
    torch.testing.assert_close(found[1], found[0])


def test_an_attention_that_would_mix_sequences_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgets_borders(
        self: Any, module: Any, query: Any, key: Any, value: Any, *_: Any, **more: Any
    ) -> Any:
        mixed = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )
        return mixed.transpose(1, 2), None

    monkeypatch.setattr(PackedAttention, "__call__", forgets_borders)
    model = with_lora("llama")
    scorer = Scorer(model, CPU)
    assert scorer.prepare(packing=True) == ShortCuts(packing=False, head=True)
    expected = torch.cat([own_losses(model, each) for each in sequences()])
    found = scorer.losses(make_row(sequences(), packed=False))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind, short_cuts",
    [("granite", ShortCuts(packing=True, head=False)), ("gpt_oss", ShortCuts(packing=False, head=True))],
)
def test_a_short_cut_that_would_be_wrong_is_not_taken(kind: str, short_cuts: ShortCuts) -> None:
    model = with_lora(kind)
    expected = torch.cat([own_losses(model, each) for each in sequences()])
    scorer = Scorer(model, CPU)
    assert scorer.prepare(packing=True) == short_cuts
    found = scorer.losses(make_row(sequences(), packed=short_cuts.packing))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_forward_that_cannot_keep_some_logits_alone_gives_all() -> None:
    model = with_lora("llama")
    expected = torch.cat([own_losses(model, each) for each in sequences()])
    scorer = Scorer(model, CPU)
    scorer._keeps_some = False
    torch.testing.assert_close(scorer.losses(make_row(sequences(), packed=False)), expected)


def test_what_peft_puts_no_lora_on_is_named() -> None:
    config = AutoConfig.for_model("mamba", vocab_size=64, hidden_size=16, num_hidden_layers=1)
    with pytest.raises(StageFailed, match="take another base") as caught:
        lora.add_lora(
            AutoModelForCausalLM.from_config(config), rank=4, alpha=8, dropout=0.0, base="tiny", seed=1
        )
    assert caught.value.code == "base_unsupported"


def test_half_precision_is_near_the_whole_one() -> None:
    kind = torch.bfloat16
    expected = torch.cat([own_losses(tiny_model("llama"), each) for each in sequences()])
    scorer = Scorer(tiny_model("llama").to(kind), CPU, kind)
    assert scorer.prepare(packing=True).head
    found = scorer.losses(make_row(sequences(), packed=scorer.short_cuts.packing))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.2)
