"""Whether a registered model answers, and is asked in the very words it was trained in. Asks Ollama; changes nothing.

"Good in transformers, garbage in Ollama" is nearly always a chat template that differs. So Ollama is made to show what
it would give to the model for some probes of ours, and that is compared with the trained rendering to the letter: equal
texts are equal tokens. An Ollama too old to show it is asked how many tokens it counts instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ftworker.providers.contract import ProviderRejected, ProviderUnavailable
from ftworker.providers.local_registry import NotServed
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_wire import ModelNotFound
from ftworker.training.results import Converted
from ftworker.training.templates import (
    PROBES,
    Messages,
    ServedTemplate,
    TemplateRefusal,
    first_difference,
    render,
    served_template,
)

SMOKE_QUESTION: Final = "Hola. ¿Puedes presentarte en una frase?"
"""Ours and harmless. The answer is looked at, not written down."""
SMOKE_TOKENS: Final = 32
_CONTROL: Final = re.compile(r"<\|[^|>]*\|>|</?s>|<(?:start|end)_of_turn>|<unk>|<pad>|<eos>|\[/?INST\]|\s|�")
_CANNOT_LOAD: Final = re.compile(
    r"unable to load model|unknown model architecture|error loading model|llama runner process has terminated"
    r"|llama-server process (?:has )?(?:terminated|exited)|unsupported",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TrainedRendering:
    """How conversations were rendered for training."""

    chat_template: str
    bos: str
    """What the tokenizer puts in front by itself; empty: nothing."""
    bos_token: str
    eos_token: str

    @classmethod
    def of_model(cls, converted: Converted) -> TrainedRendering | None:
        """None for a base without a chat template."""
        if converted.chat_template is None:
            return None
        bos, last = converted.bos or "", converted.stop[-1] if converted.stop else ""
        return cls(converted.chat_template, bos, converted.bos_token or bos, converted.eos_token or last)

    def text(self, messages: Messages) -> str:
        """What serving must give to the model, besides what the tokenizer puts in front. Raises TemplateRefusal."""
        text = render(self.chat_template, messages, bos_token=self.bos_token, eos_token=self.eos_token)
        return text.removeprefix(self.bos)

    def served_template(self) -> ServedTemplate:
        """The same for Ollama. Raises TemplateUnknown."""
        return served_template(
            self.chat_template,
            bos_token=self.bos_token,
            eos_token=self.eos_token,
            adds_bos=bool(self.bos),
        )


def check_template(ollama: OllamaClient, tag: str, trained: TrainedRendering, system: str | None) -> str:
    """Hold what is served against what was trained, probe by probe; says how that was seen. Raises NotServed.

    `system` is the model's own, which Ollama puts before a conversation that brings none.
    """
    seen = 0
    # Those that bring a system message first: of the others no difference is shown, since Ollama puts the pipeline's
    # own prompt before them, and no word of that belongs into a message.
    for name, probe in sorted(PROBES.items(), key=lambda item: item[1][0][0] != "system"):
        is_ours = probe[0][0] == "system" or not system
        messages = probe if is_ours else (("system", system or ""), *probe)
        try:
            expected = trained.text(messages)
        except TemplateRefusal as error:
            raise NotServed(
                "template_mismatch", f"the trained chat template refuses {name}: {error}"
            ) from error
        shown = ollama.rendered(tag, probe)
        if shown.text is not None:
            difference = first_difference(expected, shown.text)
            if difference:
                where = difference if is_ours else "where the pipeline's system prompt is put in"
                raise NotServed("template_mismatch", _mismatch(tag, f"with {name}, {where}"))
            seen += 1
            continue
        counted = ollama.count_tokens(tag, expected)
        if counted is not None and shown.prompt_tokens is not None and counted != shown.prompt_tokens:
            what = f"with {name}, {shown.prompt_tokens} tokens instead of {counted}"
            raise NotServed("template_mismatch", _mismatch(tag, what))
    if seen == len(PROBES):
        return f"the served template equals the trained one over {seen} probes"
    return (
        "this Ollama does not show what it renders; its counts of tokens do not differ from the trained ones"
    )


def _mismatch(tag: str, what: str) -> str:
    return (
        f"{tag} would be asked in other words than it was trained in: {what}. Correct TEMPLATE in the run's Modelfile, "
        "or set template_file, then `ftworker runs retry`"
    )


def check_answer(ollama: OllamaClient, tag: str) -> None:
    """Ask the model one harmless question. Raises NotServed when it does not load, or answers nothing.

    A newer Ollama wraps a GGUF without looking into it, so this is where a broken file shows.
    """
    options = {"num_predict": SMOKE_TOKENS, "temperature": 0.0, "seed": 1}
    try:
        answer = ollama.chat(tag, [("user", SMOKE_QUESTION)], options=options)
    except ModelNotFound as error:
        raise ProviderUnavailable(f"{tag} vanished from Ollama; trying again", code="vanished") from error
    except (ProviderUnavailable, ProviderRejected) as error:
        if _CANNOT_LOAD.search(str(error)):
            raise NotServed(
                "smoke_test_failed",
                f"{tag} was created but does not load ({error}); upgrade Ollama, or serve the file with llama-server",
            ) from error
        raise
    if not _CONTROL.sub("", answer.content):
        said = "nothing" if not answer.content.strip() else "control tokens alone"
        raise NotServed(
            "smoke_test_failed",
            f"{tag} answers {said} to a greeting; look at training.json and at the Modelfile's stop texts",
        )
