"""What the stages leave behind, as JSON beside their files. Pure.

Each stage writes its result last and whole, so that a stage whose result is there need not run again.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

TRAINED: Final = "training.json"
CONVERTED: Final = "conversion.json"
CHECKED: Final = "gates.json"
"""Names under `artefacts/`, written by the stages `train`, `convert` and `check`."""


class LossPoint(msgspec.Struct, frozen=True, omit_defaults=True):
    step: int
    epoch: float
    train_loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None


class Trained(msgspec.Struct, frozen=True):
    """What the trainer did. Losses are means a trained token, in nats."""

    method: Literal["supervised", "dpo", "command"]
    base: str
    seed: int | None
    steps: int
    epochs: float
    trained_tokens: int
    """Tokens that the loss was taken over, summed over the epochs."""
    seen_tokens: int
    """All tokens that went through the model."""
    base_validation_loss: float | None
    """Held-out loss before the first step; None without validation rows."""
    validation_loss: float | None
    """Held-out loss of the adapter that is kept."""
    train_loss: float | None
    stopped_early: bool
    seconds: float
    """Time of all attempts that was kept, loading included."""
    curve: list[LossPoint]
    hyperparameters: dict[str, Any]
    """As resolved: rank, alpha, rate, batch, length, dtype, device..., each with the value that was used."""
    versions: dict[str, str]
    """python, torch, transformers, peft, device name."""
    attempts: int = 1
    """How often the training was begun; more than 1 after a kill."""


class ArtefactFile(msgspec.Struct, frozen=True):
    """One file under `artefacts/`."""

    name: str
    """Relative, with `/`."""
    sha256: str
    size_bytes: int


class Converted(msgspec.Struct, frozen=True):
    """The GGUF files, and what whoever serves them must know. The first form that serves is `merged`."""

    merged: ArtefactFile | None
    """The base with the adapter added, ready to serve. None: no GGUF of the base was to be had (vLLM serves the
    adapter)."""
    adapter: ArtefactFile | None
    """The LoRA alone as GGUF, for llama-server `--lora` and for Ollama up to 0.33."""
    base_gguf: ArtefactFile | None
    """The GGUF that the adapter belongs to; `name` is its path, it is not copied."""
    architecture: str
    """`general.architecture` of the GGUF: llama, qwen2, gemma3..."""
    quantization: str
    """`F16`, `Q8_0`, `Q4_K_M`... of `merged`."""
    context_length: int | None
    license: str | None
    """The base's licence, as its GGUF or model card names it."""
    chat_template: str | None
    """Jinja, as trained with."""
    stop: list[str]
    """Texts that end an answer: the end-of-turn token, and the end-of-text token where it differs."""
    bos: str | None = None
    """The beginning-of-text token that the tokenizer puts in front by itself; None: it puts none."""
    bos_token: str | None = None
    """What the chat template means by `bos_token`, whoever writes it; None: the same as `bos`."""
    eos_token: str | None = None
    """What the chat template means by `eos_token`; None: the last of `stop`."""


class Gate(msgspec.Struct, frozen=True):
    """One proof that the model may be registered."""

    name: str
    """`template_parity`, `distribution_parity`, `validation_loss`."""
    passed: bool
    figure: float | None
    threshold: float | None
    message: str
    """What was compared, what was seen, and what to do when it did not pass. No conversation."""


class Checked(msgspec.Struct, frozen=True):
    gates: list[Gate]

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)
