"""The LoRA on a base: which layers get one, how it begins, how it is written. Plain LoRA alone.

No DoRA, no rank-stabilised scale, no layer trained whole: llama.cpp knows `alpha / rank` and nothing else.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from ftworker.training.stage import StageFailed

CHAT_TEMPLATE = "chat_template.jinja"
"""Beside the adapter: the template that it was trained with, by the name that transformers and vLLM know."""


def target_layers(model: Any) -> list[str]:
    """The linear layers of the language model, but for its head: the last part of their names (`q_proj`), or whole
    names where another part of the model (one that sees pictures) has layers of those names too.
    """
    head = model.get_output_embeddings()
    decoder = model.get_decoder()
    inside = {id(layer) for layer in decoder.modules()}
    wanted: list[str] = []
    others: set[str] = set()
    for name, layer in model.named_modules():
        if not isinstance(layer, torch.nn.Linear | Conv1D) or layer is head:
            continue
        if id(layer) in inside:
            wanted.append(name)
        else:
            others.add(name.rpartition(".")[2])
    if not wanted:
        raise StageFailed(
            "base_unsupported",
            f"the base ({type(model).__name__}) has no linear layer that a LoRA can stand on; take another base",
        )
    short = {name.rpartition(".")[2] for name in wanted}
    return sorted(wanted) if short & others else sorted(short)


def narrow_layers(model: Any, kind: torch.dtype) -> None:
    """Hold the weights of the layers that get a LoRA in that type; embeddings, norms and the head stay as they are.

    For a CPU: under autocast these weights are rounded for every multiplication anyway, and so it is done once. What
    flows between the layers stays float32.
    """
    wanted = target_layers(model)
    for name, layer in model.named_modules():
        if (name in wanted or name.rpartition(".")[2] in wanted) and isinstance(layer, torch.nn.Linear):
            layer.to(kind)


def add_lora(model: Any, *, rank: int, alpha: int, dropout: float, base: str, seed: int) -> Any:
    """The model with a fresh LoRA that changes nothing yet (its second matrix is zero). Only the LoRA has gradients.

    The same seed gives the same LoRA. Its weights are float32, whatever the base's are. Raises StageFailed.
    """
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        bias="none",
        target_modules=target_layers(model),
    )
    with warnings.catch_warnings():
        # PEFT 0.21 asks for `is_gradient_checkpointing`, which transformers 5.23 has renamed.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            tuned = get_peft_model(model, config)
        except ValueError as error:
            raise StageFailed(
                "base_unsupported",
                f"PEFT cannot put a LoRA on {type(model).__name__}: {error}; take another base",
            ) from error
    written = tuned.peft_config["default"]
    written.base_model_name_or_path = base  # of a GGUF, PEFT would name the folder
    written.target_modules = sorted(written.target_modules)  # a set, whose order differs from run to run
    for parameter in trainable(tuned):
        parameter.data = parameter.data.float()
    return tuned


def trainable(model: Any) -> list[torch.nn.Parameter]:
    """The LoRA's weights, always in the same order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def weights(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the LoRA's weights under PEFT's names, in main memory."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def set_weights(model: Any, state: Mapping[str, torch.Tensor]) -> None:
    """Put the weights of `weights` back."""
    current = get_peft_model_state_dict(model, save_embedding_layers=False)
    if current.keys() != state.keys():
        raise ValueError("the saved LoRA has other layers than this one")
    with torch.no_grad():
        for name, tensor in current.items():
            tensor.copy_(state[name])


def save_adapter(model: Any, state: Mapping[str, torch.Tensor], folder: Path, template: str) -> None:
    """Write what PEFT loads: adapter_config.json and adapter_model.safetensors; and the chat template beside them."""
    config = model.peft_config["default"]
    config.inference_mode = True
    config.save_pretrained(str(folder))
    config.inference_mode = False
    save_file(dict(state), str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
