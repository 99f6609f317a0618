"""The bytes of each format, against the examples of the RAG's documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import pytest

from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.datasets.formats import (
    FORMATS,
    PREFERENCE_FORMATS,
    SUPERVISED_FORMATS,
    instruction_rows,
    lesson_lengths,
    lessons,
    row_format,
)
from ftworker.errors import PermanentError
from ftworker.settings import DEFAULT_SYSTEM_PROMPT, CurationSettings, PipelineSettings

# Both blocks as they stand in the RAG's documentation ("Formatos de datos").
SEED_OPENAI = """\
{
  "messages": [
    {"role": "system", "content": "Eres un asistente útil que responde preguntas basadas en la información proporcionada."},
    {"role": "user", "content": "¿Cuál es la fórmula de la energía?"},
    {"role": "assistant", "content": "La fórmula de la energía es E=mc², donde E es energía, m es masa y c es la velocidad de la luz."}
  ]
}"""  # noqa: E501
SEED_LOCAL = """\
{
  "instruction": "¿Cuál es la fórmula de la energía?",
  "response": "La fórmula de la energía es E=mc², donde E es energía, m es masa y c es la velocidad de la luz."
}"""

SEED = json.loads(SEED_OPENAI)["messages"]
CONTENT = json.dumps(SEED[1:], ensure_ascii=False, separators=(",", ":"))
HISTORY = (
    '[{"role":"user","content":"¿uno?"},{"role":"assistant","content":"Uno.","weight":0},'
    '{"role":"user","content":"¿dos?"},{"role":"assistant","content":"Dos."}]'
)


def file_bytes(name: str, *contents: str, system_prompt: str = DEFAULT_SYSTEM_PROMPT) -> bytes:
    form = row_format(name, system_prompt)
    rows = [row for content in contents for row in form.rows(content)]
    return form.head + form.separator.join(rows) + form.tail


def as_documented(row: object) -> str:
    """A row of the chat format in the layout of the RAG's documentation."""
    assert isinstance(row, dict)
    messages = ",\n".join("    " + json.dumps(message, ensure_ascii=False) for message in row["messages"])
    return f'{{\n  "messages": [\n{messages}\n  ]\n}}'


def test_a_curated_conversation_gives_the_seeds_chat_example_verbatim() -> None:
    talk = Conversation("s", "1", tuple(Message(m["role"], m["content"]) for m in SEED[1:]))
    (example,) = curate(talk, CurationSettings()).examples
    line = file_bytes("openai-chat", example.content.decode())
    assert line.count(b"\n") == 1
    assert as_documented(json.loads(line)) == SEED_OPENAI


def test_the_seeds_local_example_stands_verbatim_in_the_array() -> None:
    text = file_bytes("instruction-json", CONTENT).decode()
    indented = "\n".join("  " + line for line in SEED_LOCAL.split("\n"))
    assert text == f"[\n{indented}\n]\n"


def test_the_seeds_local_example_is_one_line_of_jsonl() -> None:
    line = file_bytes("instruction-jsonl", CONTENT).decode()
    assert json.dumps(json.loads(line), ensure_ascii=False, indent=2) == SEED_LOCAL
    assert line == json.dumps(json.loads(SEED_LOCAL), ensure_ascii=False, separators=(",", ":")) + "\n"


def test_chat_lines_are_these_bytes() -> None:
    assert file_bytes("openai-chat", HISTORY, CONTENT, system_prompt='Di "hola".').decode() == (
        '{"messages":[{"role":"system","content":"Di \\"hola\\"."},' + HISTORY[1:] + "}\n"
        '{"messages":[{"role":"system","content":"Di \\"hola\\"."},' + CONTENT[1:] + "}\n"
    )


def test_without_a_system_prompt_there_is_no_system_message() -> None:
    assert file_bytes("openai-chat", CONTENT, system_prompt="").decode() == f'{{"messages":{CONTENT}}}\n'


def test_earlier_turns_stand_in_the_instruction_under_their_speakers_names() -> None:
    (row,) = instruction_rows(HISTORY)
    assert row.instruction == "Usuario: ¿uno?\n\nAsistente: Uno.\n\nUsuario: ¿dos?"
    assert row.response == "Dos."


def test_a_whole_conversation_is_one_row_for_each_taught_answer() -> None:
    rows = instruction_rows(HISTORY.replace(',"weight":0', ""))
    assert [row.response for row in rows] == ["Uno.", "Dos."]
    assert rows[0].instruction == "¿uno?"


@pytest.mark.parametrize("name", SUPERVISED_FORMATS)
def test_accents_and_signs_are_written_as_they_are(name: str) -> None:
    content = (
        '[{"role":"user","content":"¿ñ, ü, 😀, \u2028?"},{"role":"assistant","content":"E=mc² \\" \\\\ \\n"}]'
    )
    raw = file_bytes(name, content)
    assert "¿ñ, ü, 😀, \u2028?".encode() in raw
    assert b"\\u" not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw


PAIR = (
    '{"input":[{"role":"user","content":"¿uno?"},{"role":"assistant","content":"Uno."},'
    '{"role":"user","content":"¿dos?"}],"preferred_output":[{"role":"assistant","content":"Dos."}],'
    '"non_preferred_output":[{"role":"assistant","content":"Ni idea."}]}'
)
SPOKEN = json.loads(PAIR)["input"]
SYSTEM = {"role": "system", "content": "Sé breve."}
DOS = [{"role": "assistant", "content": "Dos."}]
NI_IDEA = [{"role": "assistant", "content": "Ni idea."}]


@pytest.mark.parametrize("system", [[], [SYSTEM]], ids=["no system prompt", "system prompt"])
@pytest.mark.parametrize(
    "name,content,expected",
    [
        ("prompt-completion", HISTORY, lambda before: {"prompt": [*before, *SPOKEN], "completion": DOS}),
        ("prompt-completion", PAIR, lambda before: {"prompt": [*before, *SPOKEN], "completion": DOS}),
        (
            "preference",
            PAIR,
            lambda before: {"prompt": [*before, *SPOKEN], "chosen": DOS, "rejected": NI_IDEA},
        ),
        (
            "openai-preference",
            PAIR,
            lambda before: {
                "input": {"messages": [*before, *SPOKEN]},
                "preferred_output": DOS,
                "non_preferred_output": NI_IDEA,
            },
        ),
        (
            "openai-chat",
            PAIR,
            lambda before: {"messages": [*before, SPOKEN[0], {**SPOKEN[1], "weight": 0}, SPOKEN[2], *DOS]},
        ),
        (
            "instruction-jsonl",
            PAIR,
            lambda _: {
                "instruction": "Usuario: ¿uno?\n\nAsistente: Uno.\n\nUsuario: ¿dos?",
                "response": "Dos.",
            },
        ),
    ],
)
def test_a_row_of_each_other_form(
    name: str, content: str, expected: Callable[[list[Any]], Any], system: list[Any]
) -> None:
    line = file_bytes(name, content, system_prompt=system[0]["content"] if system else "")
    assert line.count(b"\n") == 1
    assert json.loads(line) == expected(system)
    # Keys in one order and no space, so that the same example is the same bytes.
    assert line[:-1] == json.dumps(expected(system), ensure_ascii=False, separators=(",", ":")).encode()


def test_a_whole_conversation_is_a_completion_for_each_taught_answer() -> None:
    rows = [
        json.loads(row)
        for row in row_format("prompt-completion", "").rows(HISTORY.replace(',"weight":0', ""))
    ]
    assert [row["completion"][0]["content"] for row in rows] == ["Uno.", "Dos."]
    assert [len(row["prompt"]) for row in rows] == [1, 3]


@pytest.mark.parametrize("content", [CONTENT, HISTORY, HISTORY.replace(',"weight":0', ""), PAIR])
def test_lengths_of_lessons_are_those_of_the_lessons(content: str) -> None:
    assert lesson_lengths(content) == [
        (sum(len(said.content) for said in before), len(answer.content))
        for before, answer in lessons(content)
    ]


@pytest.mark.parametrize("name", PREFERENCE_FORMATS)
def test_answers_without_a_rejected_one_cannot_be_written_as_pairs(name: str) -> None:
    with pytest.raises(
        PermanentError, match=r'expected a dataset of curation\.unit = "preference"'
    ) as caught:
        row_format(name, "").rows(CONTENT)
    assert "energía" not in str(caught.value)


def test_every_format_of_the_configuration_can_be_written() -> None:
    configured = get_args(PipelineSettings.model_fields["format"].annotation)
    assert set(configured) - {"auto"} == set(FORMATS)
    assert [row_format(name, "").name for name in FORMATS] == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_the_system_prompt_is_counted_where_it_is_written(name: str) -> None:
    form = row_format(name, "Sé breve.", count_tokens=len)
    assert form.tokens_per_row == (0 if name.startswith("instruction") else len("Sé breve.") + 4)
    assert row_format(name, "").tokens_per_row == 0


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(PermanentError, match=", ".join(FORMATS)):
        row_format("csv", "")
