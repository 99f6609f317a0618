"""`ftworker redact`: JSON lines in, JSON lines out, offsets into what came in, and no text in an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "ftworker.cli", "redact"]


def run(*lines: bytes, options: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [*COMMAND, *options], input=b"\n".join(lines) + b"\n", capture_output=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def line(id_: object, text: str) -> bytes:
    return json.dumps({"id": id_, "text": text}, ensure_ascii=False).encode()


def test_each_line_comes_back_redacted_with_offsets_into_what_it_was() -> None:
    text = "😀 Me llamo Lucía\u2028tel. 612 345 678"
    code, [one, two], said = run(line("a", text), line(7, "La célula"))
    assert (code, said) == (0, "")
    assert one["id"] == "a"
    assert one["text"] == "😀 Me llamo [NOMBRE_1]\u2028tel. [TELEFONO_1]"
    assert [(find["kind"], text[find["start"] : find["end"]]) for find in one["findings"]] == [
        ("name", "Lucía"),
        ("phone", "612 345 678"),
    ]
    assert two == {"id": 7, "text": "La célula", "findings": []}


def test_names_and_terms_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Chen Wu, Yingjia\n", encoding="utf-8")
    (tmp_path / "allow.txt").write_text("Marta Soler\n", encoding="utf-8")
    options = ("--roster", str(tmp_path / "names.txt"), "--allow", str(tmp_path / "allow.txt"))
    _, [found], _ = run(line(1, "yingjia chen leyó a Marta Soler"), options=options)
    assert found["text"] == "[NOMBRE_1] leyó a Marta Soler"


def test_a_wrong_line_is_named_by_its_number_and_the_others_are_done() -> None:
    code, rows, said = run(
        b"Me llamo Yingjia",
        line(1, "hola"),
        b"",
        b'{"id": 2}',
        b'["Yingjia"]',
        b'{"text": "Yingjia \\ud800"}',
        b'"\xff"',
        line(3, "adiós"),
    )
    assert code == 1
    assert [row["id"] for row in rows] == [1, 3]
    assert [part.partition(":")[0] for part in said.splitlines()[:-1]] == [
        "line 1",
        "line 4",
        "line 5",
        "line 6",
        "line 7",
    ]
    assert said.endswith("5 lines could not be read and left out\n")
    assert "Yingjia" not in said


def test_a_roster_that_is_not_there_is_wrong_usage() -> None:
    code, rows, said = run(line(1, "hola"), options=("--roster", "/nowhere/names.txt"))
    assert (code, rows) == (2, [])
    assert "--roster = /nowhere/names.txt: expected a text file that can be read" in said


def test_a_reader_sees_each_line_when_it_is_done() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(line(number, "Me llamo Ana") + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait() == 0
