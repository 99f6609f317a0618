"""The bytes of each format, against the examples of the RAG's documentation."""

from __future__ import annotations

import json

import pytest

from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.datasets.formats import FORMATS, instruction_rows, row_format
from ftworker.errors import PermanentError
from ftworker.settings import DEFAULT_SYSTEM_PROMPT, CurationSettings

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


@pytest.mark.parametrize("name", FORMATS)
def test_accents_and_signs_are_written_as_they_are(name: str) -> None:
    content = (
        '[{"role":"user","content":"¿ñ, ü, 😀, \u2028?"},{"role":"assistant","content":"E=mc² \\" \\\\ \\n"}]'
    )
    raw = file_bytes(name, content)
    assert "¿ñ, ü, 😀, \u2028?".encode() in raw
    assert b"\\u" not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(PermanentError, match="openai-chat, instruction-json, instruction-jsonl"):
        row_format("csv", "")
