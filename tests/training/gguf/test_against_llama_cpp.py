"""What is converted answers in llama.cpp as transformers answers with PEFT, by architecture, token by token.

Distributions are compared over the whole vocabulary, after prompts of random tokens: an answer that only looks right
proves nothing. Sound conversions measured below 0.00002 nats in F32 and F16, and 0.002 in Q8_0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ftworker.training.gguf import architectures
from ftworker.training.gguf.adapting import write_adapter
from ftworker.training.gguf.architectures import MODEL_TYPES, base_of_gguf
from ftworker.training.gguf.header import read_header
from ftworker.training.gguf.lora import read_lora
from ftworker.training.gguf.merging import write_merged
from ftworker.training.gguf.tensor_types import TensorType
from tests.training.gguf.tiny_models import (
    SPECIAL,
    TinyModel,
    answers_of_llama_cpp,
    divergence,
    make_tiny_model,
)

EXACT = 1e-4
QUANTISED = 0.005
WRONG = 0.1

Tiny = Callable[[str], TinyModel]


def converted(model: TinyModel, folder: Path) -> dict[str, float]:
    """The divergence of each form from transformers with PEFT."""
    header = read_header(model.base_gguf)
    lora = read_lora(model.adapter, base_of_gguf(header))
    write_adapter(folder / "adapter.gguf", lora, name="tiny", told=lambda: None)
    found = {
        "adapter": divergence(model.answers, answers_of_llama_cpp(model.base_gguf, folder / "adapter.gguf"))
    }
    for kind in (TensorType.F16, TensorType.Q8_0):
        merged = folder / f"merged-{kind.name}.gguf"
        write_merged(merged, header, lora, kind, name="tiny", told=lambda: None)
        found[kind.name] = divergence(model.answers, answers_of_llama_cpp(merged))
    return found


def test_every_architecture_that_is_converted_is_tried_here() -> None:
    assert set(SPECIAL) | {"gemma3"} == set(MODEL_TYPES)


@pytest.mark.parametrize("model_type", sorted(SPECIAL))
def test_a_converted_model_answers_as_the_trained_one(tiny: Tiny, tmp_path: Path, model_type: str) -> None:
    model = tiny(model_type)
    assert divergence(model.base_answers, answers_of_llama_cpp(model.base_gguf)) < EXACT, (
        "the test's own base"
    )
    assert divergence(model.answers, model.base_answers) > WRONG, "the LoRA must change the answers"
    found = converted(model, tmp_path)
    assert found["adapter"] < EXACT
    assert found["F16"] < EXACT
    assert found["Q8_0"] < QUANTISED


@pytest.mark.parametrize("model_type", ["llama", "mistral"])
def test_rows_of_q_and_k_left_in_the_order_of_transformers_are_seen_in_every_form(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    monkeypatch.setitem(architectures.PERMUTES, "llama", frozenset())
    assert min(converted(tiny(model_type), tmp_path).values()) > WRONG


def test_the_scale_of_rslora_is_carried_over(tmp_path: Path) -> None:
    model = make_tiny_model("qwen2", tmp_path, rslora=True)
    assert converted(model, tmp_path)["adapter"] < EXACT
    assert converted(model, tmp_path)["F16"] < EXACT
