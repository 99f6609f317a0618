"""Exported files in the hands of those who train: Hugging Face `datasets` and TRL's own functions, without conversion.

The programs of docs/DATASETS.md ("Loading them") run as they stand, in a process of their own: these libraries take
seconds and hundreds of megabytes, and no other test shall pay for that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftworker.datasets.export import ExampleRow, ExportSpec, export_dataset
from ftworker.datasets.formats import FORMATS, PREFERENCE_FORMATS
from ftworker.datasets.split import Split
from tests.conftest import REPOSITORY

DOCUMENT = (REPOSITORY / "docs" / "DATASETS.md").read_text(encoding="utf-8")

# A tokenizer that knows nothing but how a conversation is written; TRL asks no more of one here.
TOKENIZER = """
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"?": 0}, "?")), eos_token="</s>")
tokenizer.chat_template = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""

CHECK = """
import json, sys
from datasets import load_dataset
from trl.data_utils import apply_chat_template, is_conversational

told = {}
for name, folder in json.loads(sys.argv[1]).items():
    data = load_dataset(folder, cache_dir=sys.argv[2])
    first = data["train"][0]
    said = {
        "rows": {side: len(part) for side, part in data.items()},
        "columns": data["train"].column_names,
        "features": data["train"].features == data["validation"].features == data["golden"].features,
        "row": first,
        "last": data["validation"][0],
        "conversational": is_conversational(first),
    }
    if is_conversational(first):
        said["text"] = apply_chat_template(first, tokenizer)
        with_tokenizer = {"processing_class": tokenizer}
        said["all"] = [len(part.map(apply_chat_template, fn_kwargs=with_tokenizer)) for part in data.values()]
    told[name] = said
print(json.dumps(told, ensure_ascii=False))
"""


def chat(number: int, *, turns: int) -> str:
    """Stored content of `turns` turns; all answers but the last are history."""
    messages: list[dict[str, Any]] = []
    for turn in range(turns):
        messages.append({"role": "user", "content": f"¿Cuánto es {number} + {turn}? \u2028 «ñ»"})
        answer: dict[str, Any] = {"role": "assistant", "content": f"Es {number + turn}. 😀"}
        messages.append(answer if turn == turns - 1 else {**answer, "weight": 0})
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))


def pair(number: int) -> str:
    return json.dumps(
        {
            "input": [{"role": "user", "content": f"¿Cuánto es {number} + 1?"}],
            "preferred_output": [{"role": "assistant", "content": f"Es {number + 1}."}],
            "non_preferred_output": [{"role": "assistant", "content": "Ni idea."}],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def export(folder: Path, name: str) -> str:
    """A dataset of this format. Only its last training row has history, and so `weight`; no other file has any."""
    split = Split(0.2, "ftworker")
    groups = [f"u-{number}" for number in range(400)]
    training = [group for group in groups if not split.validates(group)][:60]
    validating = [group for group in groups if split.validates(group)][:12]

    def content(number: int) -> str:
        return pair(number) if name in PREFERENCE_FORMATS else chat(number, turns=3 if number == 59 else 1)

    rows = [
        ExampleRow(content(number), group, 30, 0, None) for number, group in enumerate(training + validating)
    ]
    spec = ExportSpec(
        pipeline="tutor",
        sequence=1,
        format=name,
        system_prompt="Eres un tutor.",
        system_prompt_version="1",
        curation={"unit": "turn", "languages": ["es", "gl"]},
        split=split,
    )
    golden = [pair(1_000) if name in PREFERENCE_FORMATS else chat(1_000, turns=1)]
    return export_dataset(spec, rows, f"file://{folder}/{name}", golden=golden).url.removeprefix("file://")


def run(program: str, folder: Path, *arguments: str) -> str:
    """Run a program without a network; what it prints. Warnings of these libraries are theirs."""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hugging-face"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the real libraries say of each format, from one process."""
    folder = tmp_path_factory.mktemp("loading")
    folders = {name: export(folder, name) for name in FORMATS}
    told: dict[str, Any] = json.loads(
        run(TOKENIZER + CHECK, folder, json.dumps(folders), str(folder / "cache"))
    )
    return told


SYSTEM = {"role": "system", "content": "Eres un tutor."}
QUESTION = {"role": "user", "content": "¿Cuánto es 0 + 0? \u2028 «ñ»"}
ANSWER = {"role": "assistant", "content": "Es 0. 😀"}
ASKED = {"role": "user", "content": "¿Cuánto es 0 + 1?"}
GOOD, BAD = {"role": "assistant", "content": "Es 1."}, {"role": "assistant", "content": "Ni idea."}


@pytest.mark.parametrize(
    "name,row",
    [
        ("openai-chat", {"messages": [{**m, "weight": None} for m in (SYSTEM, QUESTION, ANSWER)]}),
        ("prompt-completion", {"prompt": [SYSTEM, QUESTION], "completion": [ANSWER]}),
        ("instruction-json", {"instruction": QUESTION["content"], "response": ANSWER["content"]}),
        ("instruction-jsonl", {"instruction": QUESTION["content"], "response": ANSWER["content"]}),
        ("preference", {"prompt": [SYSTEM, ASKED], "chosen": [GOOD], "rejected": [BAD]}),
        (
            "openai-preference",
            {
                "input": {"messages": [SYSTEM, ASKED]},
                "preferred_output": [GOOD],
                "non_preferred_output": [BAD],
            },
        ),
    ],
)
def test_hugging_face_loads_every_file_of_every_format_from_the_folder(
    loaded: dict[str, Any], name: str, row: dict[str, Any]
) -> None:
    told = loaded[name]
    assert told["rows"] == {"train": 60, "validation": 12, "golden": 1}
    assert told["columns"] == list(row)
    assert told["features"] is True
    assert told["row"] == row


def test_weights_on_some_messages_of_some_files_are_one_column_everywhere(loaded: dict[str, Any]) -> None:
    assert {"weight"} < set(loaded["openai-chat"]["last"]["messages"][0])


@pytest.mark.parametrize(
    "name,text",
    [
        ("openai-chat", ["text"]),
        ("prompt-completion", ["prompt", "completion"]),
        ("preference", ["prompt", "chosen", "rejected"]),
    ],
)
def test_trl_takes_its_forms_and_chat_examples_as_they_are(
    loaded: dict[str, Any], name: str, text: list[str]
) -> None:
    told = loaded[name]
    assert told["conversational"] is True
    assert list(told["text"]) == text
    assert told["all"] == [60, 12, 1]


def test_trl_writes_prompt_and_answer_as_serving_would(loaded: dict[str, Any]) -> None:
    told = loaded["prompt-completion"]["text"]
    assert told["prompt"] == f"<system>Eres un tutor.</system><user>{QUESTION['content']}</user><assistant>"
    assert told["completion"] == f"{ANSWER['content']}</assistant>"
    told = loaded["preference"]["text"]
    assert (told["chosen"], told["rejected"]) == ("Es 1.</assistant>", "Ni idea.</assistant>")


def test_the_programs_of_the_documentation_run_as_they_stand(tmp_path: Path) -> None:
    section = DOCUMENT.partition("## Loading them")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    (tmp_path / "dataset").symlink_to(export(tmp_path, "openai-chat"))
    (tmp_path / "for-trl").symlink_to(export(tmp_path, "prompt-completion"))
    said = run(TOKENIZER + "".join(blocks), tmp_path)
    assert "train 60" in said
    assert "<system>Eres un tutor.</system>" in said
