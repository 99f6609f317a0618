"""What the trained model itself says next: the base with its adapter in transformers and PEFT, where it was trained.

The yardstick of the gates. Also reads a GGUF back, for machines without llama.cpp. Loads one model, and frees it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from ftworker.training.base_model import gguf_read_once, load_model
from ftworker.training.base_source import BaseSource, locate_base
from ftworker.training.devices import Place
from ftworker.training.divergence import Floats, TopTokens

Tick = Callable[[], None]


def trained_log_probabilities(
    base: BaseSource, adapter: Path, prompts: Sequence[Sequence[int]], place: Place, tick: Tick
) -> list[Floats]:
    """Log-probabilities of the whole vocabulary after each prompt, by base and adapter. Raises StageFailed."""
    from peft import PeftModel

    with gguf_read_once():
        model = load_model(base, _type(place), place.device)
    return _log_probabilities(PeftModel.from_pretrained(model, str(adapter)).eval(), prompts, tick)


def read_back_top_tokens(
    file: Path, prompts: Sequence[Sequence[int]], place: Place, tick: Tick
) -> list[TopTokens]:
    """The same of a GGUF file that transformers loads by itself. Raises StageFailed."""
    with gguf_read_once():
        model = load_model(locate_base(str(file)), _type(place), place.device)
    found = _log_probabilities(model, prompts, tick)
    return [TopTokens(torch.arange(len(each)).numpy(), each) for each in found]


def _type(place: Place) -> torch.dtype:
    """As it was trained on a GPU, where the memory is short; exact on a processor, however it was trained there."""
    return torch.float32 if place.device.type == "cpu" else place.weight_type


def _log_probabilities(model: torch.nn.Module, prompts: Sequence[Sequence[int]], tick: Tick) -> list[Floats]:
    device = next(model.parameters()).device
    found: list[Floats] = []
    with torch.inference_mode():
        for ids in prompts:
            logits = model(input_ids=torch.tensor([list(ids)], device=device)).logits[0, -1]
            found.append(torch.log_softmax(logits.float(), dim=-1).cpu().double().numpy())
            tick()
    del model
    gc.collect()
    return found
