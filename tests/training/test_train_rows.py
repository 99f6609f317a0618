"""Rows of every format become conversations; a wrong one is named by its line and never quoted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftworker.datasets.formats import PREFERENCE_FORMATS, SUPERVISED_FORMATS, row_format
from ftworker.training.rows import Preferred, Taught, read_preferred, read_taught
from ftworker.training.stage import StageFailed

SYSTEM = "Eres un tutor."
TALK = json.dumps(
    [
        {"role": "user", "content": "¿Uno?"},
        {"role": "assistant", "content": "No sé.", "weight": 0},
        {"role": "user", "content": "¿Dos?"},
        {"role": "assistant", "content": "Dos."},
        {"role": "user", "content": "¿Tres?"},
        {"role": "assistant", "content": "Tres."},
    ],
    ensure_ascii=False,
    separators=(",", ":"),
)
PAIR = json.dumps(
    {
        "input": [{"role": "user", "content": "¿Uno?"}],
        "preferred_output": [{"role": "assistant", "content": "Uno."}],
        "non_preferred_output": [{"role": "assistant", "content": "Dos."}],
    },
    ensure_ascii=False,
    separators=(",", ":"),
)


def written(folder: Path, name: str, content: str) -> Path:
    """A file as an export writes it, the example twice."""
    form = row_format(name, SYSTEM)
    file = folder / f"train.{form.extension}"
    file.write_bytes(form.head + form.separator.join([*form.rows(content), *form.rows(content)]) + form.tail)
    return file


def said(row: Taught) -> list[str]:
    """Each message as `role: content`, those to learn with a star."""
    return [
        f"{'*' if place in row.taught else ''}{each['role']}: {each['content']}"
        for place, each in enumerate(row.messages)
    ]


def test_a_chat_is_learned_but_for_messages_of_weight_0(tmp_path: Path) -> None:
    first, second = read_taught(written(tmp_path, "openai-chat", TALK), "openai-chat", SYSTEM)
    assert said(first) == [
        "system: Eres un tutor.",
        "user: ¿Uno?",
        "assistant: No sé.",
        "user: ¿Dos?",
        "*assistant: Dos.",
        "user: ¿Tres?",
        "*assistant: Tres.",
    ]
    assert (first.line, second.line) == (1, 2)


def test_of_prompt_and_completion_only_the_completion_is_learned(tmp_path: Path) -> None:
    rows = list(read_taught(written(tmp_path, "prompt-completion", TALK), "prompt-completion", SYSTEM))
    assert [said(row)[-1] for row in rows] == ["*assistant: Dos.", "*assistant: Tres."] * 2
    assert [len(row.taught) for row in rows] == [1] * 4
    assert said(rows[0])[0] == "system: Eres un tutor."


@pytest.mark.parametrize("name", ["instruction-json", "instruction-jsonl"])
def test_an_instruction_gets_the_system_prompt_that_serving_puts_before_it(tmp_path: Path, name: str) -> None:
    rows = list(read_taught(written(tmp_path, name, PAIR), name, SYSTEM))
    assert [said(row) for row in rows] == [["system: Eres un tutor.", "user: ¿Uno?", "*assistant: Uno."]] * 2


def test_without_a_system_prompt_an_instruction_begins_with_the_question(tmp_path: Path) -> None:
    (row, _) = read_taught(written(tmp_path, "instruction-jsonl", PAIR), "instruction-jsonl", "")
    assert said(row) == ["user: ¿Uno?", "*assistant: Uno."]


@pytest.mark.parametrize("name", PREFERENCE_FORMATS)
def test_a_pair_is_one_prompt_and_two_answers(tmp_path: Path, name: str) -> None:
    (pair, _) = read_preferred(written(tmp_path, name, PAIR), name)
    prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "¿Uno?"}]
    chosen, rejected = ({"role": "assistant", "content": text} for text in ("Uno.", "Dos."))
    assert pair == Preferred(prompt, chosen, rejected, 1)


def test_every_supervised_format_teaches_the_preferred_answer_of_a_pair(tmp_path: Path) -> None:
    for name in SUPERVISED_FORMATS:
        (row, _) = read_taught(written(tmp_path, name, PAIR), name, SYSTEM)
        assert said(row)[-1] == "*assistant: Uno."


WRONG = {
    "not JSON": ('{"messages": [{"role": "user", "content": "secreto', "openai-chat"),
    "a role that there is not": ('{"messages":[{"role":"secreto","content":"secreto"}]}', "openai-chat"),
    "content that is no text": ('{"messages":[{"role":"user","content":["secreto"]}]}', "openai-chat"),
    "messages missing": ('{"secreto":1}', "openai-chat"),
    "no object": ('["secreto"]', "openai-chat"),
    "nothing to learn": ('{"messages":[{"role":"user","content":"secreto"}]}', "openai-chat"),
    "a response missing": ('{"instruction":"secreto"}', "instruction-jsonl"),
    "an empty line in between": ("", "openai-chat"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_row_is_named_by_file_and_line_and_never_quoted(tmp_path: Path, case: str) -> None:
    text, form = WRONG[case]
    good = {
        "openai-chat": '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}',
        "instruction-jsonl": '{"instruction":"a","response":"b"}',
    }[form]
    file = tmp_path / "train.jsonl"
    file.write_text(f"{good}\n{text}\n{good}\n", encoding="utf-8")
    with pytest.raises(StageFailed, match=r"train\.jsonl line 2: ") as caught:
        list(read_taught(file, form, SYSTEM))
    assert caught.value.code == "row_malformed"
    assert "secreto" not in str(caught.value)


@pytest.mark.parametrize(
    "output", [[], [{"role": "user", "content": "a"}], [{"role": "assistant", "content": "a"}] * 2]
)
def test_an_answer_of_a_pair_is_exactly_one_assistant_message(tmp_path: Path, output: list[object]) -> None:
    file = tmp_path / "train.jsonl"
    answer = [{"role": "assistant", "content": "a"}]
    row = {"prompt": [{"role": "user", "content": "a"}], "chosen": answer, "rejected": output}
    file.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(
        StageFailed, match="line 1: the rejected answer must be exactly one assistant message"
    ):
        list(read_preferred(file, "preference"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match=r"train\.jsonl: cannot be read") as caught:
        list(read_taught(tmp_path / "train.jsonl", "openai-chat", SYSTEM))
    assert caught.value.code == "data_missing"
