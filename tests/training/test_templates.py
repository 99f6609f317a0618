"""What a base's chat template does is read off by asking it, and written for Ollama to the letter."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.training.templates import (
    PROBES,
    Messages,
    ServedTemplate,
    TemplateRefusal,
    TemplateUnknown,
    first_difference,
    render,
    self_contained,
    served_rendering,
    served_template,
    system_in_question,
)
from tests.doubles.ollama_api.go_template import render as render_go
from tests.doubles.ollama_api.llama_cpp import Opened
from tests.doubles.tiny_gguf import write_tiny_gguf


def published() -> Path:
    """Where trl keeps the templates of published models, found without importing it and torch."""
    found = find_spec("trl")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "chat_templates"


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMOLLM2 = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
    "Hugging Face<|im_end|>\n{% endif %}" + CHATML
)
MISTRAL_V1 = (
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content + ' [/INST]' }}{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
# The system message stands in the last question, and only while it is the last message.
MISTRAL_V3 = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}"
    "{% else %}{% set turns = messages %}{% endif %}{{ bos_token }}{% for m in turns %}{% if m.role == 'user' %}"
    "{% if loop.last and system is defined %}{{ '[INST] ' + system + '\n\n' + m.content + '[/INST]' }}{% else %}"
    "{{ '[INST] ' + m.content + '[/INST]' }}{% endif %}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}"
    "{% endfor %}"
)
MISTRAL_V7 = (
    "{{ bos_token }}{% if messages[0].role != 'system' %}{{ '[SYSTEM_PROMPT]Today is ' + strftime_now('%Y-%m-%d') + "
    "'.[/SYSTEM_PROMPT]' }}{% endif %}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST]' + m.content + '[/INST]' }}"
    "{% elif m.role == 'system' %}{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}{% else %}"
    "{{ m.content + eos_token }}{% endif %}{% endfor %}"
)
PHI3_OLD = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<|user|>\n' + m.content + "
    "'<|end|>\n<|assistant|>\n' }}{% elif m.role == 'assistant' %}{{ m.content + '<|end|>\n' }}{% endif %}{% endfor %}"
)

OWN = {
    "chatml": (CHATML, ""),
    "SmolLM2": (SMOLLM2, ""),
    "Mistral 1": (MISTRAL_V1, "<s>"),
    "Mistral 3": (MISTRAL_V3, "<s>"),
    "Mistral 7": (MISTRAL_V7, "<s>"),
    "Phi 3, first": (PHI3_OLD, "<s>"),
}
PUBLISHED = {
    "Qwen 2.5": ("qwen2_5", ""),
    "Qwen 3": ("qwen3", ""),
    "Qwen 3 instruct": ("qwen3_instruct_2507", ""),
    "Llama 3": ("llama3", "<|begin_of_text|>"),
    "Llama 3.1": ("llama3_1", "<|begin_of_text|>"),
    "Llama 3.2": ("llama3_2", "<|begin_of_text|>"),
    "Gemma 2": ("gemma", "<bos>"),
    "Gemma 3": ("gemma3", "<bos>"),
    "Phi 3": ("phi3", "<s>"),
    "Phi 3.5": ("phi3_5", ""),
    "Qwen 2.5, marked for trainers": ("qwen2_5_training", ""),
}


def jinja_of(name: str) -> tuple[str, str]:
    if name in OWN:
        return OWN[name]
    file, bos = PUBLISHED[name]
    return (published() / f"{file}.jinja").read_text(encoding="utf-8"), bos


@cache
def read_off(name: str) -> ServedTemplate:
    jinja, bos = jinja_of(name)
    return served_template(jinja, bos_token=bos, eos_token="</s>")


def trained(name: str, messages: Messages) -> str:
    jinja, bos = jinja_of(name)
    return render(jinja, messages, bos_token=bos, eos_token="</s>").removeprefix(bos)


def as_dicts(messages: Messages) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


@pytest.mark.parametrize("name", [*OWN, *PUBLISHED])
def test_what_ollama_is_given_renders_every_probe_as_it_was_trained(name: str) -> None:
    template = read_off(name)
    for messages in PROBES.values():
        assert served_rendering(template, messages) == trained(name, messages)
        assert render_go(template.go, as_dicts(messages)) == trained(name, messages)


# Nothing that a template would trim, join or take for its own.
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30
).filter(lambda text: text.strip() == text and "think>" not in text)


@pytest.mark.parametrize("name", ["SmolLM2", "Mistral 3", "Gemma 2", "Llama 3.2", "Qwen 3"])
@settings(max_examples=25, deadline=None)
@given(
    system=st.none() | TEXTS, turns=st.lists(TEXTS, min_size=1, max_size=5).filter(lambda t: len(t) % 2 == 1)
)
def test_any_conversation_is_served_as_it_was_trained(
    name: str, system: str | None, turns: list[str]
) -> None:
    messages = [("assistant" if number % 2 else "user", text) for number, text in enumerate(turns)]
    if system is not None:
        messages.insert(0, ("system", system))
    template = read_off(name)
    assert served_rendering(template, messages) == trained(name, messages)
    assert render_go(template.go, as_dicts(messages)) == trained(name, messages)


@pytest.mark.parametrize(
    "name,family,place,forced,stop",
    [
        ("SmolLM2", "chatml", "block", False, ("<|im_end|>", "<|im_start|>")),
        ("Qwen 3", "chatml", "block", True, ("<|im_end|>", "<|im_start|>")),
        ("Llama 3", "llama3", "block", False, ("<|eot_id|>", "<|start_header_id|>")),
        ("Llama 3.2", "llama3", "block", True, ("<|eot_id|>", "<|start_header_id|>")),
        ("Gemma 2", "gemma", "first_question", False, ("<end_of_turn>", "<start_of_turn>")),
        ("Gemma 3", "gemma", "first_question", False, ("<end_of_turn>", "<start_of_turn>")),
        ("Mistral 3", "mistral", "last_question", False, ("</s>", "[INST]")),
        ("Mistral 7", "mistral", "block", True, ("</s>", "[INST]")),
        ("Phi 3.5", "phi3", "block", False, ("<|end|>", "<|user|>")),
        ("Phi 3, first", "phi3", "first_question", False, ("<|end|>", "<|user|>")),
    ],
)
def test_a_family_is_known_by_what_it_does(
    name: str, family: str, place: str, forced: bool, stop: tuple[str, ...]
) -> None:
    template = read_off(name)
    assert (template.name, template.system_place, template.forced) == (family, place, forced)
    assert template.stop == stop


def test_a_default_system_prompt_is_carried_over() -> None:
    assert "You are a helpful AI assistant named SmolLM" in read_off("SmolLM2").no_system
    assert "You are Qwen, created by Alibaba Cloud" in read_off("Qwen 2.5").no_system


def test_an_answer_is_asked_for_without_a_chain_of_thought() -> None:
    assert read_off("Qwen 3").generation == "<|im_start|>assistant\n<think>\n\n</think>\n\n"


def test_a_day_in_the_template_is_the_same_day_always() -> None:
    assert "Today Date: 26 Jul 2024" in read_off("Llama 3.2").no_system
    assert "2024-07-26" in read_off("Mistral 7").no_system


@pytest.mark.parametrize("name", ["Qwen 3", "Llama 3.2", "Mistral 7", "SmolLM2"])
def test_llama_cpp_renders_a_self_contained_template_as_it_was_trained(name: str, tmp_path: Path) -> None:
    jinja, _ = jinja_of(name)
    whole = self_contained(jinja)
    assert self_contained(whole) == whole
    assert (whole == jinja) is (name == "SmolLM2")
    opened = Opened(write_tiny_gguf(tmp_path / "tiny.gguf", chat_template=whole).read_bytes())
    try:
        for messages in PROBES.values():
            # This file's tokenizer puts nothing in front, so that the template's own bos stays.
            expected = render(whole, messages, bos_token="<|im_start|>", eos_token="<|im_end|>")
            assert opened.render(as_dicts(messages)) == expected
    finally:
        opened.close()


def test_a_bos_that_the_tokenizer_does_not_add_is_part_of_the_template() -> None:
    jinja, bos = jinja_of("Llama 3")
    with_it = served_template(jinja, bos_token=bos, adds_bos=False)
    assert served_rendering(with_it, [("user", "a")]).startswith(bos + "<|start_header_id|>user")
    assert not served_rendering(read_off("Llama 3"), [("user", "a")]).startswith(bos)


@pytest.mark.parametrize(
    "jinja",
    [
        "",
        "{{ messages",
        "{{ raise_exception('no') }}",
        "{% for m in messages %}{{ m.content }}{% if not loop.first %}!{% endif %}\n{% endfor %}",
        "{% for m in messages %}{{ m.role + ': ' + m.content[::-1] + '\n' }}{% endfor %}",
        "{% for m in messages %}{{ loop.index ~ m.role + ': ' + m.content + '\n' }}{% endfor %}",
        "{% for m in messages %}{{ '{' + '{' + m.role + ': ' + m.content + '\n' }}{% endfor %}",
        "{{ messages.__class__.__mro__ }}",
        "{% for i in range(10**9) %}a{% endfor %}",
    ],
)
def test_a_template_that_does_something_else_is_refused_by_name(jinja: str) -> None:
    with pytest.raises(TemplateUnknown):
        served_template(jinja)


def test_a_difference_is_shown_with_a_little_of_both_sides() -> None:
    assert first_difference("igual", "igual") is None
    difference = first_difference("<|im_start|>user\nHola", "<|im_start|>user Hola")
    assert difference is not None
    assert difference.startswith("at character 16: trained on ")
    assert r"user\nHola" in difference
    assert first_difference("más largo", "más") is not None


def test_a_system_message_that_is_refused_or_left_out_stands_in_the_first_question() -> None:
    messages = [("system", "S"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    assert system_in_question(messages) == [("user", "S\n\na"), ("assistant", "b"), ("user", "c")]
    assert render(MISTRAL_V1, messages, eos_token="</s>") == "[INST] S\n\na [/INST]b</s>[INST] c [/INST]"
    assert render(PHI3_OLD, messages[:2]) == "<|user|>\nS\n\na<|end|>\n<|assistant|>\n"
    with pytest.raises(TemplateRefusal):
        render(MISTRAL_V1, [("assistant", "b")])
