"""Chat templates, as trained (Jinja) and as served (the Go template of an Ollama TEMPLATE), held equal. Pure.

A model that was trained on one rendering and is asked in another answers garbage, and nobody sees why. So the Jinja
template of the base is not recognised by its name or its text, of which there are hundreds: it is asked to render
probes, what stands around each turn is read off, and the result must reproduce every probe to the letter. `render`
is what training renders, `served_template` reads a template off, `ServedTemplate.go` writes it for Ollama.

A rendering must neither depend on the day nor on who renders it: `self_contained`. jinja2 is imported only when
something is rendered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, assert_never

from ftworker.errors import PermanentError

if TYPE_CHECKING:
    from jinja2 import Template

Messages = Sequence[tuple[str, str]]
"""A conversation as (role, content): `system` first where there is one, then `user` and `assistant` by turns."""

TEMPLATE_FILE: Final = "chat_template.jinja"
"""In the adapter's folder: the template that it was trained with, by the name that transformers and vLLM know."""

FIXED_DAY: Final = date(2024, 7, 26)
"""The day that templates which print one are told. It is the default that Meta wrote into the template of Llama 3.1."""

PROBES: Final[Mapping[str, Messages]] = {
    "one question": (("user", "¿Cuánto es 7 por 8?"),),
    "a system message": (("system", "Eres un tutor paciente."), ("user", "¿Qué es un río?")),
    "two turns": (
        ("user", "¿Qué es una célula?"),
        ("assistant", "La unidad más pequeña de los seres vivos."),
        ("user", "¿Y un órgano?"),
    ),
    "three turns with a system message, accents and lines": (
        ("system", "Responde en español.\nSé breve: «una frase»."),
        ("user", "Añade 3 y 4 — ¿cuánto da?"),
        ("assistant", "Da 7.\n\nPorque 3 + 4 = 7."),
        ("user", "¿Y <b>mañana</b> & «pasado»? 😀 {{x}}"),
        ("assistant", "No cambia."),
        ("user", "日本語でも？\n- sí\n- no"),
    ),
}
"""What is rendered on both sides. Ours, so that a difference may be shown. No content begins or ends with a blank:
some templates trim, and no Go template can."""

_WRITTEN: Final = "{#- written by ftworker -#}"
_ASKED: Final[Mapping[str, str]] = {
    "enable_thinking": "{%- set enable_thinking = false -%}",
    "date_string": f"{{%- set date_string = '{FIXED_DAY:%d %b %Y}' -%}}",
    "strftime_now": (
        f"{{%- macro strftime_now(format) -%}}{{%- if format == '%d %b %Y' -%}}{FIXED_DAY:%d %b %Y}"
        f"{{%- else -%}}{FIXED_DAY:%Y-%m-%d}{{%- endif -%}}{{%- endmacro -%}}"
    ),
}
_NAMES: Final[Mapping[str, str]] = {
    "<|im_start|>": "chatml",
    "<|start_header_id|>": "llama3",
    "<start_of_turn>": "gemma",
    "[INST]": "mistral",
    "<|user|>": "phi3",
}
# A control token as chat templates write it: <|im_end|>, </s>, [INST].
_TOKEN: Final = re.compile(r"<[^<>\s]+>|\[[A-Z_/]+\]")
# Words that no template writes by itself, by which the rendering is taken apart.
_SYSTEM, _QUESTION, _ANSWER, _NEXT = "Zsystemz", "Zquestionz", "Zanswerz", "Znextz"


SystemPlace = Literal["block", "first_question", "last_question"]


class TemplateRefusal(PermanentError):
    """The Jinja template is broken, or raises an error over this conversation."""


class TemplateUnknown(PermanentError):
    """No Go template of ours says what the Jinja template does."""


def self_contained(chat_template: str) -> str:
    """The template with what it asks its surroundings for written into it, so that everybody renders alike.

    `enable_thinking` false: tutors' answers hold no chain of thought, so none is waited for (Qwen 3). A day is
    FIXED_DAY, so that neither training nor serving depends on when it is done (Llama 3.1, Mistral Small). One that asks
    for none of that, or was written so before, comes back as it is.
    """
    if _WRITTEN in chat_template:
        return chat_template
    written = "".join(text for name, text in _ASKED.items() if re.search(rf"\b{name}\b", chat_template))
    # The empty text keeps a line feed with which the template may begin.
    return f"{_WRITTEN}{written}{{{{- '' }}}}{chat_template}" if written else chat_template


def system_in_question(messages: Messages) -> Messages:
    """The system message before the first question, for a template that knows none (Gemma 2, early Mistral)."""
    system = "\n\n".join(content for role, content in messages if role == "system")
    turns = [(role, content) for role, content in messages if role != "system"]
    if system and turns and turns[0][0] == "user":
        turns[0] = ("user", f"{system}\n\n{turns[0][1]}")
    return turns


def render(
    chat_template: str,
    messages: Messages,
    *,
    bos_token: str = "",
    eos_token: str = "",
    generate: bool = True,
) -> str:
    """The text of a conversation as training sees it; `generate` adds what asks for an answer.

    The template is taken as `self_contained` makes it. A system message that it refuses or leaves out stands in the
    first question (`system_in_question`). Raises TemplateRefusal.
    """
    if messages[0][0] == "system" and not _shows_system(chat_template):
        messages = system_in_question(messages)
    return _rendered(self_contained(chat_template), messages, bos_token, eos_token, generate)


def _rendered(chat_template: str, messages: Messages, bos_token: str, eos_token: str, generate: bool) -> str:
    compiled = _compiled(chat_template)
    try:
        return compiled.render(
            messages=[{"role": role, "content": content} for role, content in messages],
            add_generation_prompt=generate,
            bos_token=bos_token,
            eos_token=eos_token,
        )
    except Exception as error:  # a template is foreign code and may raise whatever it likes
        raise TemplateRefusal(f"the chat template cannot render: {type(error).__name__}") from error


@dataclass(frozen=True)
class ServedTemplate:
    """What stands around each part of a conversation; not the bos that the tokenizer puts in front by itself."""

    name: str
    """chatml, llama3, gemma, mistral, phi3, or `other`: for people."""
    no_system: str
    """Stands first when there is no system message; a default system prompt is part of it."""
    system: tuple[str, str]
    """Around the system message."""
    system_place: SystemPlace
    """`block`: a part of its own; else in the first or the last question."""
    user: tuple[str, str]
    assistant: tuple[str, str]
    generation: str
    """What asks for an answer."""
    forced: bool
    """True when Ollama must not take the file's own Jinja instead, which may ask for a chain of thought or print the
    day: `PARSER passthrough`."""

    @property
    def stop(self) -> tuple[str, ...]:
        """The tokens at which an answer is over: what ends it, and what begins the next question."""
        found = (_TOKEN.match(text.strip()) for text in (self.assistant[1], self.user[0]))
        return tuple(dict.fromkeys(token.group() for token in found if token))

    @property
    def go(self) -> str:
        """The TEMPLATE for Ollama. Literal text and no trimming, so that every byte stands where it is served."""
        before, after = self.system
        start, turns, question = self.no_system, "range .Messages", "{{ .Content }}"
        match self.system_place:
            case "block":
                otherwise = f"{{{{ else }}}}{self.no_system}" if self.no_system else ""
                start = f"{{{{ if .System }}}}{before}{{{{ .System }}}}{after}{otherwise}{{{{ end }}}}"
            case "first_question":
                start += "{{ $system := .System }}"
                question = (
                    f"{{{{ if $system }}}}{before}{{{{ $system }}}}{after}"
                    '{{ $system = "" }}{{ end }}{{ .Content }}'
                )
            case "last_question":
                turns = "range $i, $message := .Messages"
                question = (
                    "{{ if and $.System (eq (len (slice $.Messages $i)) 1) }}"
                    f"{before}{{{{ $.System }}}}{after}{{{{ end }}}}{{{{ .Content }}}}"
                )
            case _:
                assert_never(self.system_place)
        return (
            f"{start}{{{{ {turns} }}}}"
            f'{{{{ if eq .Role "user" }}}}{self.user[0]}{question}{self.user[1]}'
            f'{{{{ else if eq .Role "assistant" }}}}{self.assistant[0]}{{{{ .Content }}}}{self.assistant[1]}'
            f"{{{{ end }}}}{{{{ end }}}}{self.generation}"
        )


def served_rendering(template: ServedTemplate, messages: Messages) -> str:
    """What Ollama sends to the model for a conversation, given `template.go`. Without the tokenizer's own bos."""
    system = "\n\n".join(content for role, content in messages if role == "system")
    turns = [(role, content) for role, content in messages if role != "system"]
    before, after = template.system
    shown = f"{before}{system}{after}" if system else ""
    text = shown if shown and template.system_place == "block" else template.no_system
    questions = [number for number, (role, _) in enumerate(turns) if role == "user"]
    carrier = {
        "first_question": questions[0] if questions else None,
        "last_question": len(turns) - 1,
    }.get(template.system_place)
    for number, (role, content) in enumerate(turns):
        opening, closing = template.user if role == "user" else template.assistant
        text += f"{opening}{shown if number == carrier and role == 'user' else ''}{content}{closing}"
    return text + template.generation


def served_template(
    chat_template: str, *, bos_token: str = "", eos_token: str = "", adds_bos: bool | None = None
) -> ServedTemplate:
    """Read off what a Jinja chat template does. Raises TemplateUnknown when it does what this form cannot say.

    `adds_bos`: whether the tokenizer puts `bos_token` in front by itself, so that the TEMPLATE must not; None: it does
    where there is one. The result renders every probe as the Jinja template does.
    """
    adds = bool(bos_token) if adds_bos is None else adds_bos

    def trained(messages: Messages, *, generate: bool = True) -> str:
        text = render(chat_template, messages, bos_token=bos_token, eos_token=eos_token, generate=generate)
        return text.removeprefix(bos_token) if adds else text

    try:
        read = _read_off(trained, eos_token, forced=_WRITTEN in self_contained(chat_template))
    except TemplateRefusal as error:
        raise TemplateUnknown(str(error)) from error
    for name, messages in PROBES.items():
        difference = first_difference(trained(messages), served_rendering(read, messages))
        if difference:
            raise TemplateUnknown(f"the chat template has a form of its own, seen with {name}: {difference}")
    if "{{" in served_rendering(read, (("system", ""), ("user", ""), ("assistant", ""))) + "".join(
        read.system
    ):
        raise TemplateUnknown("the chat template writes {{, which a Go template would take for its own")
    return read


def first_difference(trained: str, served: str) -> str | None:
    """Where two renderings of a probe part, with a little of both; None: they are equal."""
    if trained == served:
        return None
    at = next(
        (number for number, (one, other) in enumerate(zip(trained, served, strict=False)) if one != other),
        min(len(trained), len(served)),
    )
    before = max(at - 12, 0)
    return f"at character {at}: trained on {trained[before : at + 24]!r}, served {served[before : at + 24]!r}"


def _read_off(trained: Callable[..., str], eos_token: str, *, forced: bool) -> ServedTemplate:
    question, answer, following = ("user", _QUESTION), ("assistant", _ANSWER), ("user", _NEXT)
    opening, between, again, asking = _parts(
        trained([question, answer, following]), _QUESTION, _ANSWER, _NEXT
    )
    # What ends a turn is seen where nothing follows; some templates then add the end of text, which is not meant.
    after_question = _end_of(trained([question], generate=False), _QUESTION, between, eos_token)
    after_answer = _end_of(trained([question, answer], generate=False), _ANSWER, again, eos_token)
    before_question = again.removeprefix(after_answer)
    if not before_question.strip() or not after_question.strip():
        raise TemplateUnknown("the chat template does not mark where a question begins and ends")
    if not (
        opening.endswith(before_question)
        and between.startswith(after_question)
        and asking.startswith(after_question)
    ):
        raise TemplateUnknown("the chat template writes its first turn in another way than the next ones")
    no_system = opening.removesuffix(before_question)
    place, system = _system_of(trained, before_question)
    return ServedTemplate(
        name=next((name for sign, name in _NAMES.items() if sign in before_question), "other"),
        no_system=no_system,
        system=system,
        system_place=place,
        user=(before_question, after_question),
        assistant=(between.removeprefix(after_question), after_answer),
        generation=asking.removeprefix(after_question),
        forced=forced,
    )


def _system_of(trained: Callable[..., str], before_question: str) -> tuple[SystemPlace, tuple[str, str]]:
    turns = (("system", _SYSTEM), ("user", _QUESTION), ("assistant", _ANSWER), ("user", _NEXT))
    text = trained(turns)
    if text.index(_SYSTEM) > text.index(_QUESTION):
        before, after, _ = _parts(text[text.index(_ANSWER) + len(_ANSWER) :], _SYSTEM, _NEXT)
        return "last_question", (before.rpartition(before_question)[2], after)
    before, after, _ = _parts(text[: text.index(_ANSWER)], _SYSTEM, _QUESTION)
    if after.endswith(before_question):
        return "block", (before, after.removesuffix(before_question))
    return "first_question", (before.rpartition(before_question)[2], after)


def _parts(text: str, *words: str) -> list[str]:
    parts: list[str] = []
    for word in words:
        part, found, text = text.partition(word)
        if not found:
            raise TemplateUnknown("the chat template leaves a turn out")
        parts.append(part)
    return [*parts, text]


def _end_of(text: str, word: str, follows: str, eos_token: str) -> str:
    ending = text.rpartition(word)[2]
    return ending if follows.startswith(ending) else ending.removesuffix(eos_token)


@lru_cache(maxsize=8)
def _shows_system(chat_template: str) -> bool:
    try:
        probe = (("system", _SYSTEM), ("user", _QUESTION))
        return _SYSTEM in _rendered(self_contained(chat_template), probe, "", "", True)
    except TemplateRefusal:
        return False


@lru_cache(maxsize=8)
def _compiled(chat_template: str) -> Template:
    """The template, set up as transformers does for chat templates, sandboxed: it comes with somebody's model."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`: a mark for trainers around what is learnt, which changes no text."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise ValueError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(
        value, ensure_ascii=False, indent=options.get("indent")
    )
    environment.globals["raise_exception"] = raise_exception
    try:
        return environment.from_string(chat_template)
    except Exception as error:
        raise TemplateRefusal(f"the chat template is broken: {type(error).__name__}") from error
