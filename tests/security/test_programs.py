"""The operator's own program is called with the very words of the order, whatever stands in them, and no shell."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ftworker.settings import CommandSettings
from ftworker.training.command import fill_braces, train
from ftworker.training.stage import StageFailed, Stop
from tests.training.test_job_command import Heard, write_order

HOSTILE = 'x\'; touch trap; $(touch trap) `touch trap` && {output} ${output} --config=/etc/passwd\n| "q" \\'

WORDS = """
import json, pathlib, sys
pathlib.Path("words.json").write_text(json.dumps(sys.argv[1:]))
"""


def test_a_value_is_one_word_and_is_not_filled_in_again(tmp_path: Path) -> None:
    work = tmp_path / "work"
    for name in ("artefacts", "data", "logs"):
        (work / name).mkdir(parents=True)
    (work / "data" / "train.jsonl").write_text('{"messages": []}\n')
    script = tmp_path / "program.py"
    script.write_text(WORDS)
    command = CommandSettings(program=(sys.executable, str(script), "--base={base}", "{base}", "{run_key}"))
    write_order(work, command, base=HOSTILE)
    with pytest.raises(StageFailed, match="left neither"):
        train(work, Heard().events, Stop())
    output = work / "command" / "output"
    words = json.loads((output / "words.json").read_text())
    assert words == [f"--base={HOSTILE}", HOSTILE, "ft-tutor-0123456789ab"]
    assert list(tmp_path.rglob("trap")) == []


def test_braces_in_a_value_stay_as_they_are() -> None:
    assert fill_braces("{a}{b}", {"a": "{b}", "b": "{a}"}) == "{b}{a}"
