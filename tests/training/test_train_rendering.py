"""Which tokens are learned, token by token, with the templates that models in use have.

The templates are our own words with the structure of the real ones: SmolLM2, Llama 3, Gemma, Mistral 0.1 and 0.3,
Qwen 3, and one that thinks aloud.
"""

from __future__ import annotations

import numpy
import pytest

from ftworker.training import templates
from ftworker.training.rendering import Rendered, Renderer
from ftworker.training.rows import Message, Preferred, Taught
from ftworker.training.stage import StageFailed
from ftworker.training.templates import PROBES
from tests.training.tiny import CHATML, tiny_tokenizer

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nEres un tutor<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{- message['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL_1 = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
)
MISTRAL_3 = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set turns = messages %}{%- endif %}{{- bos_token }}{%- for message in turns %}"
    "{%- if message['role'] == 'user' %}{%- if loop.index0 >= (turns | length) - 2 and system is defined %}"
    "{{- '[INST] ' + system + '\n\n' + message['content'] + ' [/INST]' }}"
    "{%- else %}{{- '[INST] ' + message['content'] + ' [/INST]' }}{%- endif %}"
    "{%- else %}{{- ' ' + message['content'] + eos_token }}{%- endif %}{%- endfor %}"
)
QWEN3 = (
    "{%- set ns = namespace(last=0) %}{%- for message in messages %}{%- if message['role'] == 'user' %}"
    "{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}{%- for message in messages %}"
    "{%- if message['role'] == 'assistant' and loop.index0 > ns.last %}"
    "{{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + message['content'] + '<|im_end|>\n' }}{%- else %}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
THINKS_ALOUD = (
    "{%- for message in messages %}{%- if message['role'] == 'assistant' %}{{- '<|im_start|>assistant\n' }}"
    "{%- generation %}{{- message['content'] + '<|im_end|>' }}{%- endgeneration %}{%- else %}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n<think>\n' }}{%- endif %}"
)
# Asks its surroundings for the day and for thoughts, as Llama 3.1 and Qwen 3 do.
ASKS = (
    "{%- if strftime_now is defined %}{{- strftime_now('%d %b %Y') + '\n' }}{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\n' }}"
    "{%- if message['role'] == 'assistant' %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{{- message['content'] + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{%- endif %}"
)
HEADERS = ("<|begin|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
TURNS = ("<bos>", "<start_of_turn>", "<end_of_turn>", "<eos>")
INST = ("<s>", "[INST]", "[/INST]", "</s>")

SYSTEM: Message = {"role": "system", "content": "Eres un tutor."}
TWO = [
    {"role": "user", "content": "¿Uno?"},
    {"role": "assistant", "content": "Uno."},
    {"role": "user", "content": "¿Dos?"},
    {"role": "assistant", "content": "Dos, tres."},
]


def renderer(
    template: str | None, special: tuple[str, ...] = ("<|im_start|>", "<|im_end|>"), longest: int = 200
) -> Renderer:
    first = special[0] if len(special) == 4 else None
    return Renderer(tiny_tokenizer(template, special, first=first), longest)


def marked(made: Renderer, sequence: Rendered) -> str:
    """The text of the sequence, the learned tokens in «»."""
    parts = []
    places = numpy.flatnonzero(numpy.diff(sequence.learned)) + 1
    for ids, learned in zip(
        numpy.split(sequence.ids, places), numpy.split(sequence.learned, places), strict=True
    ):
        text = made._tokenizer.decode(ids.tolist())
        parts.append(f"«{text}»" if learned[0] else text)
    return "".join(parts)


def shown(made: Renderer, messages: list[Message], taught: list[int]) -> list[str]:
    sequences = made.conversation(Taught(messages, taught, 1))
    for sequence in sequences:
        check_prompt_is_what_serving_gives(made, messages, taught, sequence)
    return [marked(made, sequence) for sequence in sequences]


def check_prompt_is_what_serving_gives(
    made: Renderer, messages: list[Message], taught: list[int], sequence: Rendered
) -> None:
    """What stands before each learned part must be, token by token, a prompt that serving would send."""
    prompts = [made.tokens(made.text(messages[:place], generation_prompt=True)) for place in taught]
    starts = numpy.flatnonzero(numpy.diff(sequence.learned.astype(int)) == 1) + 1
    assert starts.size > 0
    for start in starts:
        assert sequence.ids[:start].tolist() in prompts


def test_every_taught_answer_and_its_end_are_learned_and_nothing_else() -> None:
    assert shown(renderer(SMOLLM2), TWO, [1, 3]) == [
        (
            "<|im_start|>system\nEres un tutor<|im_end|>\n<|im_start|>user\n¿Uno?<|im_end|>\n<|im_start|>assistant\n"
            "«Uno.<|im_end|>»\n<|im_start|>user\n¿Dos?<|im_end|>\n<|im_start|>assistant\n«Dos, tres.<|im_end|>»"
        )
    ]


def test_an_answer_of_weight_0_is_read_and_not_learned() -> None:
    assert shown(renderer(CHATML), TWO, [3]) == [
        (
            "<|im_start|>user\n¿Uno?<|im_end|>\n<|im_start|>assistant\nUno.<|im_end|>\n<|im_start|>user\n¿Dos?<|im_end|>\n"
            "<|im_start|>assistant\n«Dos, tres.<|im_end|>»"
        )
    ]


def test_what_follows_the_last_taught_answer_is_left_out() -> None:
    assert shown(renderer(CHATML), TWO, [1]) == [
        "<|im_start|>user\n¿Uno?<|im_end|>\n<|im_start|>assistant\n«Uno.<|im_end|>»"
    ]


def test_llama_3_ends_its_turns_with_eot() -> None:
    made = renderer(LLAMA3, HEADERS)
    assert shown(made, [SYSTEM, *TWO[:2]], [2]) == [
        (
            "<|begin|><|start_header_id|>system<|end_header_id|>\n\nEres un tutor.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n¿Uno?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n«Uno.<|eot_id|>»"
        )
    ]


def test_gemma_gets_the_system_message_in_the_first_question() -> None:
    made = renderer(GEMMA, TURNS)
    assert made.folds_system
    assert shown(made, [SYSTEM, *TWO], [2, 4]) == [
        (
            "<bos><start_of_turn>user\nEres un tutor.\n\n¿Uno?<end_of_turn>\n<start_of_turn>model\n"
            "«Uno.<end_of_turn>»\n<start_of_turn>user\n¿Dos?<end_of_turn>\n"
            "<start_of_turn>model\n«Dos, tres.<end_of_turn>»"
        )
    ]


def test_the_template_handed_on_renders_what_was_trained_without_ftworker() -> None:
    made = renderer(GEMMA, TURNS)
    plain = tiny_tokenizer(made.template, TURNS, first="<bos>")
    text = plain.apply_chat_template([SYSTEM, *TWO], tokenize=False)
    assert text == made.text([SYSTEM, *TWO], generation_prompt=False)
    assert "Eres un tutor.\n\n¿Uno?" in text


def test_a_template_that_shows_the_system_message_stays_as_it_is() -> None:
    made = renderer(SMOLLM2)
    assert not made.folds_system
    assert made.template == SMOLLM2


def test_early_mistral_gets_the_system_message_in_the_first_question() -> None:
    made = renderer(MISTRAL_1, INST)
    assert shown(made, [SYSTEM, *TWO], [2, 4]) == [
        "<s>[INST] Eres un tutor.\n\n¿Uno? [/INST]«Uno.</s>»[INST] ¿Dos? [/INST]«Dos, tres.</s>»"
    ]


def test_a_template_that_moves_the_system_message_gives_each_answer_a_sequence() -> None:
    made = renderer(MISTRAL_3, INST)
    assert shown(made, [SYSTEM, *TWO], [2, 4]) == [
        "<s>[INST] Eres un tutor.\n\n¿Uno? [/INST]« Uno.</s>»",
        "<s>[INST] ¿Uno? [/INST] Uno.</s>[INST] Eres un tutor.\n\n¿Dos? [/INST]« Dos, tres.</s>»",
    ]


def test_a_template_that_forgets_thoughts_gives_each_answer_a_sequence() -> None:
    thoughts = "<think>\n\n</think>\n\n"
    assert shown(renderer(QWEN3), TWO, [1, 3]) == [
        f"<|im_start|>user\n¿Uno?<|im_end|>\n<|im_start|>assistant\n«{thoughts}Uno.<|im_end|>»",
        (
            "<|im_start|>user\n¿Uno?<|im_end|>\n<|im_start|>assistant\nUno.<|im_end|>\n<|im_start|>user\n¿Dos?<|im_end|>\n"
            f"<|im_start|>assistant\n«{thoughts}Dos, tres.<|im_end|>»"
        ),
    ]


def test_generation_markers_decide_where_a_prompt_is_no_prefix() -> None:
    made = renderer(THINKS_ALOUD)
    sequences = made.conversation(Taught(TWO, [1, 3], 1))
    assert [marked(made, sequence) for sequence in sequences] == [
        "<|im_start|>user\n¿Uno?<|im_end|><|im_start|>assistant\n«Uno.<|im_end|>»",
        (
            "<|im_start|>user\n¿Uno?<|im_end|><|im_start|>assistant\nUno.<|im_end|><|im_start|>user\n¿Dos?<|im_end|>"
            "<|im_start|>assistant\n«Dos, tres.<|im_end|>»"
        ),
    ]


def test_an_answer_that_would_melt_into_its_prompt_keeps_the_prompt_of_serving() -> None:
    made = renderer(LLAMA3.replace(" | trim", ""), HEADERS)
    # "\n\n" and "\n" must melt for this test to mean anything.
    made._tokenizer.add_tokens(["\n\n\n"])
    (text,) = shown(made, [TWO[0], {"role": "assistant", "content": "\nUno."}], [1])
    assert text.endswith("<|end_header_id|>\n\n«\nUno.<|eot_id|>»")


REFUSED = [
    pytest.param(None, "no chat template", id="none"),
    pytest.param("{{ messages[0]['content'] }}", "not learn to stop", id="first-message-only"),
    pytest.param(
        CHATML.replace("<|im_end|>", "(end)"), "a model would not learn to stop", id="no-end-of-turn"
    ),
    pytest.param(
        THINKS_ALOUD.replace("{%- generation %}", "").replace("{%- endgeneration %}", ""),
        "so that the tokens to learn cannot be told",
        id="prompt-is-no-prefix",
    ),
    pytest.param("{{ raise_exception('Never') }}", "shows no system message", id="always-raises"),
]


@pytest.mark.parametrize("template, message", REFUSED)
def test_a_template_that_cannot_be_trained_with_is_refused_by_name(
    template: str | None, message: str
) -> None:
    with pytest.raises(StageFailed, match=message) as caught:
        renderer(template)
    assert caught.value.code == "template_unsupported"


def test_a_row_that_the_template_does_not_take_is_counted_and_left_out() -> None:
    made = renderer(GEMMA, TURNS)
    twice = [TWO[0], TWO[2], TWO[3]]
    assert made.conversation(Taught(twice, [2], 1)) == []
    assert made.conversation(Taught(TWO, [1], 2)) != []
    assert (made.counts.rows, made.counts.refused) == (2, 1)


# -- too long


LONG = [
    {"role": role, "content": f"{'uno ' * 5}{place}."} for place in range(4) for role in ("user", "assistant")
]


def test_a_long_conversation_drops_its_oldest_turns_and_learns_every_answer_once() -> None:
    whole = renderer(CHATML, longest=1000)
    (entire,) = whole.conversation(Taught([SYSTEM, *LONG], [2, 4, 6, 8], 1))
    made = renderer(CHATML, longest=len(entire.ids) * 2 // 3)
    texts = shown_parts(made, [SYSTEM, *LONG], [2, 4, 6, 8])
    assert len(texts) > 1
    assert all(
        text.startswith("<|im_start|>system\nEres un tutor.<|im_end|>\n<|im_start|>user") for text in texts
    )
    learned = [part.partition("»")[0] for text in texts for part in text.split("«")[1:]]
    assert learned == [f"{'uno ' * 5}{place}.<|im_end|>" for place in range(4)]
    assert made.counts.shortened == len(texts) - 1


def shown_parts(made: Renderer, messages: list[Message], taught: list[int]) -> list[str]:
    sequences = made.conversation(Taught(messages, taught, 1))
    assert all(len(sequence.ids) <= made.max_length for sequence in sequences)
    return [marked(made, sequence) for sequence in sequences]


def test_an_answer_too_long_even_alone_is_counted_and_the_others_stay() -> None:
    made = renderer(CHATML, longest=60)
    messages = [
        *TWO[:2],
        {"role": "user", "content": "¿Dos?"},
        {"role": "assistant", "content": "dos " * 80},
        *TWO[:2],
    ]
    texts = shown_parts(made, messages, [1, 3, 5])
    assert [text.partition("«")[2] for text in texts] == ["Uno.<|im_end|>»"] * 2
    assert made.counts.too_long == 1


def test_a_pair_shares_its_prompt_and_is_shortened_together() -> None:
    pair = Preferred(
        LONG[:-1], {"role": "assistant", "content": "Uno."}, {"role": "assistant", "content": "Dos, tres."}, 1
    )
    made = renderer(CHATML, longest=1000)
    whole = made.pair(pair)
    assert whole is not None
    made = renderer(CHATML, longest=len(whole[1].ids) - 1)
    both = made.pair(pair)
    assert both is not None
    chosen, rejected = (marked(made, sequence) for sequence in both)
    assert (
        chosen.partition("«")[0]
        == rejected.partition("«")[0]
        == made.text(LONG[2:-1], generation_prompt=True)
    )
    assert (chosen.partition("«")[2], rejected.partition("«")[2]) == (
        "Uno.<|im_end|>»",
        "Dos, tres.<|im_end|>»",
    )
    assert made.counts.shortened == 1
    assert renderer(CHATML, longest=5).pair(pair) is None


def test_what_is_trained_neither_depends_on_the_day_nor_waits_for_thoughts() -> None:
    made = renderer(ASKS)
    for messages in PROBES.values():
        said: list[Message] = [{"role": role, "content": content} for role, content in messages]
        text = made.text(said, generation_prompt=True)
        assert text == templates.render(ASKS, messages)
        assert text.startswith(f"{templates.FIXED_DAY:%d %b %Y}\n")
        assert text.endswith("assistant\n<think>\n\n</think>\n\n")
    assert templates.self_contained(made.template) == made.template
