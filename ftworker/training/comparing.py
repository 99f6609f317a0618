"""What was trained, compared with what would be served: its template, and the tokens that it expects next.

The part of the stage `check` that needs the model, and with it PyTorch, which takes seconds to load. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ftworker.settings import GateSettings, TrainerSettings
from ftworker.training.base_model import gguf_read_once, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.devices import Place, take_place
from ftworker.training.divergence import Floats, TopTokens, divergence
from ftworker.training.events import Progressed
from ftworker.training.gates import (
    Rendering,
    distribution_gate,
    distribution_gate_skipped,
    distribution_gate_unreadable,
    template_gate,
    template_gate_unknown,
)
from ftworker.training.llama_cpp import CannotServe, LlamaCpp, is_installed
from ftworker.training.lora import CHAT_TEMPLATE
from ftworker.training.order import ADAPTER, TrainingOrder
from ftworker.training.probes import BEGINNINGS, CONVERSATIONS
from ftworker.training.reference import read_back_top_tokens, trained_log_probabilities
from ftworker.training.rendering import Renderer
from ftworker.training.results import Converted, Gate
from ftworker.training.stage import Events
from ftworker.training.templates import ServedTemplate, TemplateUnknown, served_rendering, served_template

_OLLAMA = "Ollama"
_LLAMA_SERVER = "llama-server"
_LONGEST_PROBE_TOKENS = 1 << 20
"""No probe is shortened."""


class _Teller:
    """Says how many of the prompts were asked."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._done = 0
        self._total = 2 * len(BEGINNINGS)

    def tick(self) -> None:
        self._done += 1
        self._events.send(
            Progressed("check", completed=min(self._done, self._total), total=self._total, unit="prompts")
        )


def compare(
    order: TrainingOrder, settings: GateSettings, converted: Converted, artefacts: Path, events: Events
) -> Iterator[Gate]:
    """The gates that compare what was trained with what is served, the models one after another in memory."""
    teller = _Teller(events)
    source = locate_base(order.base)
    with gguf_read_once():
        tokenizer = load_tokenizer(source)
    threshold = None if settings.max_divergence == "off" else settings.max_divergence
    place = take_place(TrainerSettings.model_validate(order.settings))
    adapter = artefacts / ADAPTER
    missing = _nothing_to_compare(adapter, converted)
    prompts = [list(map(int, tokenizer(text)["input_ids"])) for text in BEGINNINGS]
    reference: list[Floats] = []
    if threshold is not None and missing is None:
        reference = trained_log_probabilities(source, adapter, prompts, place, teller.tick)
    with ExitStack() as opened:
        served: LlamaCpp | None = None
        unreadable: str | None = None
        if converted.merged is not None and is_installed():
            try:
                served = opened.enter_context(LlamaCpp(artefacts / converted.merged.name))
            except CannotServe as error:
                unreadable = str(error)
        if settings.template_parity:
            yield _templates(tokenizer, converted, adapter, served)
        if threshold is None:
            return
        if missing is not None:
            yield distribution_gate_skipped(missing)
        elif unreadable is not None:
            yield distribution_gate_unreadable(unreadable, threshold)
        else:
            assert converted.merged is not None
            file = artefacts / converted.merged.name
            found, read_by = _served_distributions(file, served, prompts, place, teller)
            yield distribution_gate(divergence(reference, found), threshold, read_by, converted.quantization)


def _nothing_to_compare(adapter: Path, converted: Converted) -> str | None:
    if converted.merged is None:
        return "nothing to compare: no GGUF of the base was to be had, so nothing was merged"
    if not (adapter / "adapter_config.json").is_file():
        return "nothing to compare: the program left a model without the adapter that it was made with"
    return None


def _served_distributions(
    file: Path, served: LlamaCpp | None, prompts: Sequence[Sequence[int]], place: Place, teller: _Teller
) -> tuple[list[TopTokens], str]:
    if served is None:
        return read_back_top_tokens(
            file, prompts, place, teller.tick
        ), "transformers (`xllamacpp` is not installed)"
    found = []
    for ids in prompts:
        found.append(served.next_tokens(ids))
        teller.tick()
    return found, "llama.cpp"


def _templates(tokenizer: Any, converted: Converted, adapter: Path, served: LlamaCpp | None) -> Gate:
    own = adapter / CHAT_TEMPLATE
    if own.is_file():
        tokenizer.chat_template = own.read_text(encoding="utf-8")
    renderer = Renderer(tokenizer, _LONGEST_PROBE_TOKENS)
    try:
        ollama = served_template(
            converted.chat_template or renderer.template,
            bos_token=tokenizer.bos_token or "",
            eos_token=tokenizer.eos_token or "",
            adds_bos=converted.bos is not None,
        )
    except TemplateUnknown as error:
        return template_gate_unknown(str(error))
    return template_gate(list(_renderings(renderer, converted, ollama, served)))


def _renderings(
    renderer: Renderer, converted: Converted, ollama: ServedTemplate, served: LlamaCpp | None
) -> Iterator[Rendering]:
    """Each probe by each server. Of the trained text the beginning-of-text token goes that a server adds by itself."""
    bos = converted.bos or ""
    for probe, messages in CONVERSATIONS.items():
        said = [{"role": role, "content": content} for role, content in messages]
        whole = renderer.text(said, generation_prompt=True)
        trained = renderer.tokens(whole)
        by_server = {_OLLAMA: served_rendering(ollama, messages)}
        if served is not None:
            by_server[_LLAMA_SERVER] = served.prompt(messages)
        for server, text in by_server.items():
            tokens = served.tokens(text) if served is not None else None
            yield Rendering(probe, server, whole.removeprefix(bos), text, trained, tokens)
