"""The README's transcripts: read from it, and written anew from what the commands really print. No test itself.

Where a command prints something else now, `test_demo` fails; when that is meant:

    python -m tests.integration.readme_transcripts

runs the demonstration at a terminal of 80 columns in a fresh folder, types the other commands there, and writes what
comes out between the README's fences. Takes about half a minute. With `--train` it writes what the demonstration prints
that really trains a model, and nothing else: minutes, on a machine that has nothing else to do.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a terminal does besides showing letters: moves of the cursor, erasing, colours."""
README = Path(__file__).resolve().parents[2] / "README.md"
DEMO = "$ make demo\n"
TRAINING_DEMO = "$ make demo TRAIN=1\n"
TRAINING_SECONDS = 1800.0
"""Longest that the demonstration with a training may take."""
EXPLAIN = "$ .venv/bin/ftworker curate --explain tutor-0062\n"
REDACT = "$ .venv/bin/ftworker redact < text.jsonl\n"
REDACTED_LINE = '{"id": 1, "text": "Soy Candela Urrutia, mi tel. es 612 345 678. ¿Qué descubrió Newton?"}\n'


def transcript(command: str) -> str:
    """What stands in the README under a command, to the end of its fence."""
    return README.read_text(encoding="utf-8").partition(f"```\n{command}")[2].partition("\n```\n")[0]


def write_transcript(command: str, printed: str) -> None:
    """Put what was printed in the place of what stands under the command."""
    text = README.read_text(encoding="utf-8")
    before, fence, after = text.partition(f"```\n{command}")
    assert fence, command
    README.write_text(
        before + fence + printed.rstrip("\n") + "\n```\n" + after.partition("\n```\n")[2], encoding="utf-8"
    )


def at_rest(output: str) -> str:
    """What a terminal shows when all is done: bars once, as they ended, and no line that was written over."""
    lines: list[str] = []
    places: dict[str, int] = {}
    for written in CONTROL.sub("", output).replace("\r\n", "\n").split("\n"):
        line = written.rpartition("\r")[2].rstrip()
        label, bar, _ = line.partition(" ━")
        if bar and label in places:
            lines[places[label]] = line
        elif not bar or label:
            places[label] = len(lines)
            lines.append(line)
    return "\n".join(lines).strip("\n")


def shortened(explained: str) -> str:
    """The story of a conversation without the rules that passed, but for the first two, and blanks at ends of lines."""
    lines: list[str] = []
    passed = 0
    for line in (each.rstrip() for each in explained.splitlines()):
        passed += " passed " in f"{line} "
        if " passed " not in f"{line} " or passed <= 2:
            lines.append(line)
        elif lines[-1] != " ...":
            lines.append(" ...")
    return "\n".join(line for place, line in enumerate(lines) if line or lines[place - 1]).strip("\n")


def main() -> None:
    """Write every transcript but that of the training."""
    from tests.integration.test_demo import FTWORKER, Newcomer, at_a_terminal

    with tempfile.TemporaryDirectory() as folder:
        newcomer = Newcomer(Path(folder))
        status, output = at_a_terminal(newcomer, "demo")
        assert status == 0, output
        # What make says before: as it stands there.
        made = "\n".join(transcript(DEMO).splitlines()[:2])
        shown = at_rest(output).replace(str(FTWORKER), ".venv/bin/ftworker")
        write_transcript(DEMO, f"{made}\n{shown}")
        settings = "export FTWORKER_CONFIG=.ftworker/demo.toml"
        explained = newcomer.says(f"{settings}; {FTWORKER} curate --explain tutor-0062")
        write_transcript(EXPLAIN, shortened(explained))
        (newcomer.directory / "text.jsonl").write_text(REDACTED_LINE, encoding="utf-8")
        write_transcript(REDACT, newcomer.says(f"{FTWORKER} redact < text.jsonl"))


def main_training() -> None:
    """Write the transcript of the demonstration that trains."""
    from tests.integration.test_demo import FTWORKER, Newcomer, at_a_terminal

    with tempfile.TemporaryDirectory() as folder:
        newcomer = Newcomer(Path(folder))
        status, output = at_a_terminal(newcomer, "demo", "--train", timeout=TRAINING_SECONDS)
        assert status == 0, output
        made = "\n".join(transcript(TRAINING_DEMO).splitlines()[:4])  # what make says
        shown = at_rest(output).replace(str(FTWORKER), ".venv/bin/ftworker")
        write_transcript(TRAINING_DEMO, f"{made}\n{shown}")


if __name__ == "__main__":
    (main_training if "--train" in sys.argv[1:] else main)()
