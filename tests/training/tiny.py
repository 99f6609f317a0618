"""A tiny base to train in tests: a tokenizer of some hundred tokens, models with two layers, and a working folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from ftworker.settings import TrainerSettings
from ftworker.training.order import DATA, ORDER, OrderedFile, TrainingOrder

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|im_start|>", "<|im_end|>")
TEXT = (
    "Eres un tutor. ¿Cuál es la capital de Francia? La capital de Francia es París.",
    "system user assistant model Pregunta respuesta uno dos tres cuatro cinco hola buenas tardes gracias.",
)

TINY: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 6},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
    "gemma3_text": {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
}
"""Architectures, and what of their configuration must be small beside the usual: windows shorter than an example."""
OTHERS: dict[str, dict[str, Any]] = {
    "granite": {"logits_scaling": 4.0},
    "gpt_oss": {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2},
}
"""Ones for which a short cut is wrong: logits scaled behind the head, attention with sinks."""


def tiny_tokenizer(
    template: str | None = CHATML, special: Sequence[str] = SPECIAL, *, first: str | None = None
) -> PreTrainedTokenizerFast:
    """Byte-level BPE over a few sentences. The last of `special` ends a text; `first` begins one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=list(special),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=special[-1],
        pad_token=special[-1],
        bos_token=first,
        additional_special_tokens=[each for each in special if each not in {special[-1], first}],
        chat_template=template,
    )


def tiny_model(kind: str = "llama", *, vocabulary: int = 440, layers: int = 2) -> Any:
    """A random model of that architecture in float32; the same one each time."""
    torch.manual_seed(7)
    config = AutoConfig.for_model(
        kind,
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        # Large, so that a model sees clearly what it is given.
        initializer_range=0.3,
        **(TINY | OTHERS)[kind],
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def write_base(folder: Path, template: str | None = CHATML) -> Path:
    """A base as a directory that transformers loads."""
    tiny_model().save_pretrained(folder)
    tiny_tokenizer(template).save_pretrained(folder)
    return folder


def chat(question: str, answer: str) -> dict[str, Any]:
    """A row of openai-chat."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


LESSONS = [
    chat(f"¿Cuál es la capital {number}?", f"La capital es {'París ' * (number % 5)}{number}.")
    for number in range(12)
]


def write_work(
    work: Path,
    base: Path | str,
    rows: Sequence[Any] = LESSONS,
    validation: Sequence[Any] = (),
    *,
    form: str = "openai-chat",
    method: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A working folder with its order and data, as the job leaves it to the trainer."""
    (work / DATA).mkdir(parents=True)

    def put(name: str, rows: Sequence[Any]) -> OrderedFile:
        file = work / DATA / name
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return OrderedFile(file.as_uri(), name, hashlib.sha256(file.read_bytes()).hexdigest(), len(rows))

    order = TrainingOrder(
        run_id=1,
        run_key="run-1",
        pipeline="tutor",
        provider="local",
        base=str(base),
        method={"type": "supervised", "n_epochs": 2, "batch_size": 4, "seed": 3, **(method or {})},
        format=form,
        system_prompt="Eres un tutor.",
        train=put("train.jsonl", rows),
        validation=put("validation.jsonl", validation) if validation else None,
        trainer="peft",
        settings=TrainerSettings(**{"rank": 4, "device": "cpu", "precision": "fp32", **settings}).model_dump(
            mode="json"
        ),
        artefacts_url=(work / "published").as_uri(),
    )
    (work / ORDER).write_bytes(msgspec.json.encode(order))
    return work
