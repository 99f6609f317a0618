"""What must hold before a trained model is registered: verdicts with figure, threshold and next step. Pure.

`check` gathers what is compared. A verdict quotes our own probes at most, never a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ftworker.training.divergence import Divergence
from ftworker.training.results import Gate, Trained
from ftworker.training.templates import first_difference

TEMPLATE_PARITY: Final = "template_parity"
DISTRIBUTION_PARITY: Final = "distribution_parity"
VALIDATION_LOSS: Final = "validation_loss"


@dataclass(frozen=True)
class Rendering:
    """One probe as the trainer renders it and as somebody serves it, each up to where the model begins to speak."""

    probe: str
    server: str
    """Whose rendering it is, in a person's words."""
    trained_text: str
    served_text: str
    trained_tokens: Sequence[int]
    served_tokens: Sequence[int] | None
    """By llama.cpp's tokenizer; None where it is not installed."""


def template_gate(renderings: Sequence[Rendering]) -> Gate:
    """Every probe must reach the model as the very tokens that it was trained on."""
    differing = [(one, said) for one in renderings if (said := _difference(one)) is not None]
    servers = " and ".join(dict.fromkeys(one.server for one in renderings))
    probes = len({one.probe for one in renderings})
    compared = f"{probes} conversations of our own, rendered as trained and as served by {servers}"
    if not all(one.served_tokens is not None for one in renderings):
        compared += " (texts alone: without `xllamacpp` llama.cpp's tokens are not known)"
    if not differing:
        return Gate(TEMPLATE_PARITY, True, 0.0, 0.0, f"{compared}: all alike")
    first, said = differing[0]
    return Gate(
        TEMPLATE_PARITY,
        False,
        float(len(differing)),
        0.0,
        f"{compared}: {len(differing)} of {len(renderings)} differ; first {first.probe!r} by {first.server}, {said}. "
        "The model would answer to other words than it learned from: take a base whose GGUF has the chat template and "
        "tokenizer that were trained with (training.base and training.base_gguf of one model), or set "
        "gates.template_parity = false and serve it with the trained template yourself",
    )


def template_gate_unknown(reason: str) -> Gate:
    """No form of Ollama's says what the trained template does."""
    return Gate(
        TEMPLATE_PARITY,
        False,
        None,
        0.0,
        f"the chat template of the base cannot be written for Ollama: {reason}. Take another base, or set "
        "gates.template_parity = false and serve the GGUF with llama-server, which takes the file's own template",
    )


def distribution_gate(found: Divergence, threshold: float, read_by: str, quantization: str) -> Gate:
    """The served file must say next what the trained model says. `read_by`: what opened the file."""
    compared = (
        f"next tokens after {found.prompts} texts off the topic, {read_by} with the {quantization} file against "
        f"transformers and PEFT: mean divergence {found.mean:.4f} nats, worst {found.worst:.3f}, the same first token "
        f"{found.same_first} of {found.prompts} times"
    )
    if found.mean <= threshold:
        return Gate(DISTRIBUTION_PARITY, True, found.mean, threshold, compared)
    return Gate(
        DISTRIBUTION_PARITY,
        False,
        found.mean,
        threshold,
        f"{compared}; at most {threshold:g} is allowed. The file is not the model that was trained: "
        + _why_far(quantization),
    )


def distribution_gate_skipped(reason: str) -> Gate:
    """There is nothing to compare, which is no fault of the model."""
    return Gate(DISTRIBUTION_PARITY, True, None, None, reason)


def distribution_gate_unreadable(reason: str, threshold: float) -> Gate:
    """The file cannot even be opened."""
    return Gate(
        DISTRIBUTION_PARITY,
        False,
        None,
        threshold,
        f"{reason}; the file cannot be served: remove conversion.json from the training's folder and retry the run",
    )


def validation_gate(trained: Trained) -> Gate:
    """The model must do better than its base on examples that it did not see."""
    before, after = trained.base_validation_loss, trained.validation_loss
    what = (
        "loss of preferring the better answer, on held-out pairs"
        if trained.method == "dpo"
        else "loss a token of held-out answers"
    )
    if before is None or after is None:
        return Gate(
            VALIDATION_LOSS,
            True,
            after,
            before,
            "nothing to compare: the dataset has no validation rows, or the trainer told no loss "
            "(split.validation_share)",
        )
    compared = f"{what}: {before:.4f} with the base, {after:.4f} now"
    # `not <`, so that what is no number does not pass.
    if not after < before:
        return Gate(
            VALIDATION_LOSS,
            False,
            after,
            before,
            f"{compared}. The training made nothing better: look at the dataset's report, lower "
            "training.learning_rate, train fewer epochs, or set gates.validation_loss = false",
        )
    return Gate(VALIDATION_LOSS, True, after, before, compared)


def _why_far(quantization: str) -> str:
    if quantization.endswith("_M") or quantization.startswith(("Q2", "Q3", "Q4", "Q5", "Q6")):
        return (
            f"{quantization} alone can cost so much; try training.quantization = Q8_0, and raise "
            "gates.max_divergence only when that one passes"
        )
    return (
        "check that training.base and training.base_gguf are one model, and report the base's architecture as a fault "
        "of the conversion; gates.max_divergence sets the limit"
    )


def _difference(one: Rendering) -> str | None:
    """Where the two part, in words; None: they are the same tokens."""
    text = first_difference(one.trained_text, one.served_text)
    if one.served_tokens is None:
        return text
    if list(one.trained_tokens) == list(one.served_tokens):
        return None
    if text is not None:
        return text
    pairs = zip(one.trained_tokens, one.served_tokens, strict=False)
    shorter = min(len(one.trained_tokens), len(one.served_tokens))
    at = next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), shorter)
    return (
        f"the same text in other tokens from token {at} on ({len(one.trained_tokens)} trained, "
        f"{len(one.served_tokens)} served)"
    )
