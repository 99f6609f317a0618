"""What the training demonstration says at its end: how it learned, what it knows now, where all of it lies.

Text for 80 columns out, as `summary` has it. Reads what the stages left in the run's folder; every word shown is
invented.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten, wrap
from typing import TypeVar

import msgspec

from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.demo.answers import Answers, Asked
from ftworker.demo.curve import plot
from ftworker.demo.needs import MODEL_NAME
from ftworker.demo.run import DemoResult
from ftworker.demo.summary import WIDTH, Part, Place, counted, files_of, next_steps, paragraph
from ftworker.runs.states import RunState
from ftworker.training.gates import DISTRIBUTION_PARITY, TEMPLATE_PARITY, VALIDATION_LOSS
from ftworker.training.results import CHECKED, CONVERTED, TRAINED, Checked, Converted, Trained

_INDENT = 2
_COLUMN = (WIDTH - 2 * _INDENT - 2) // 2
_LINES_OF_AN_ANSWER = 3

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Made:
    """What the stages of the training left."""

    trained: Trained
    converted: Converted
    checked: Checked


def read_made(folder_url: str) -> Made:
    """Read the results in the run's folder. Raises StorageUnavailable, StorageRejected."""
    return Made(
        _read(folder_url, TRAINED, Trained),
        _read(folder_url, CONVERTED, Converted),
        _read(folder_url, CHECKED, Checked),
    )


def served_file(folder_url: str, made: Made, copies: Path) -> Path:
    """The merged GGUF file as a path: where the run's folder is not on this machine, a copy of it."""
    assert made.converted.merged is not None
    url = f"{folder_url}/{made.converted.merged.name}"
    filesystem, path = open_storage(url)
    if Path(path).is_file():
        return Path(path)
    copy = copies / f"{made.converted.merged.sha256}.gguf"
    if not copy.is_file():
        copies.mkdir(parents=True, exist_ok=True)
        with storage_errors(url):
            filesystem.get_file(path, str(copy.with_suffix(".part")))
        copy.with_suffix(".part").replace(copy)
    return copy


def trained_summary(result: DemoResult, made: Made, answers: Answers, place: Place) -> Iterator[Part]:
    """The parts in the order in which they are read."""
    yield Part("What happened", list(_happened(result, made)))
    yield Part("How it learned (loss a token)", list(plot(made.trained.curve, width=WIDTH - _INDENT)))
    yield Part("What it knows now", list(_known(answers)))
    yield Part("Where it lies", list(files_of(result, place, _FILES)))
    yield Part("What to do next", list(next_steps(result, place)))


_FILES = ("merged-Q8_0.gguf", "adapter/", "gates.json", "INSTRUCTIONS.md")


def _happened(result: DemoResult, made: Made) -> Iterator[str]:
    trained, manifest = made.trained, result.dataset.manifest or {}
    content = manifest["content"]
    train, validation = content["train"]["rows"], (content["validation"] or {"rows": 0})["rows"]
    drops = sum(result.drops.values())
    yield from paragraph(
        f"{result.progress.kept + drops} pupils' questions with their answers came in, about the facts of a school "
        f"that does not exist. {result.progress.kept} became examples; {drops} became none:"
    )
    yield from counted(result.drops)
    yield from paragraph(
        f"The dataset has {train} examples to train and {validation}, of other pupils, to validate. {MODEL_NAME} "
        f"learned them for {trained.steps} steps, {trained.trained_tokens:,} tokens of answers, in "
        f"{_minutes(trained.seconds)}: a LoRA of rank {trained.hyperparameters.get('rank', '?')}, on the processor. "
        "Then it was added to the model's GGUF file, and the file was compared with what was trained:"
    )
    for gate in made.checked.gates:
        yield from paragraph(
            _GATES[gate.name].format(figure=gate.figure, threshold=gate.threshold), "  - ", "    "
        )
    yield from paragraph(_ENDS[result.run.state].format(run=result.run.id, model=result.run.model))


_GATES = {
    VALIDATION_LOSS: "loss a token of the held-out answers: {threshold:.2f} before, {figure:.2f} now",
    TEMPLATE_PARITY: "what is served is asked in the very tokens that it learned",
    DISTRIBUTION_PARITY: (
        "its next words on other subjects are those of the trained model: {figure:.3f} nats apart, {threshold:g} "
        "are allowed"
    ),
}

_ENDS = {
    RunState.PACKAGED: "Run {run} ended `packaged`: the model {model} is ready, but no Ollama answered here.",
    RunState.TRAINED: "Run {run} ended `trained`: Ollama has the model {model}; nobody promoted it yet.",
    RunState.PROMOTED: "Run {run} ended `promoted`: Ollama has the model {model}, and the RAG may ask for it.",
    RunState.REJECTED: "Run {run} was trained as {model}, and a person rejected it.",
}


def _known(answers: Answers) -> Iterator[str]:
    total = len(answers.asked)
    yield from paragraph(
        f"Both were asked {total} questions in words that stand in no conversation, through llama.cpp: right were "
        f"{answers.right_before} of {total} answers before, {answers.right_after} of {total} after. One question a "
        "fact:"
    )
    yield ""
    yield _columns(f"  {MODEL_NAME}", "  trained")
    for asked in _one_a_fact(answers.asked):
        yield from paragraph(asked.question)
        yield from _side_by_side(asked)


def _one_a_fact(asked: Sequence[Asked]) -> Sequence[Asked]:
    return list({one.fact: one for one in reversed(asked)}.values())[::-1]


def _side_by_side(asked: Asked) -> Iterator[str]:
    left, right = (
        _answer(asked.before, right=asked.before_right),
        _answer(asked.after, right=asked.after_right),
    )
    for one, other in zip_longest(left, right, fillvalue=""):
        yield _columns(one, other)


def _answer(text: str, *, right: bool) -> list[str]:
    """The answer in lines of a column, with a sign before it; cut where it goes on and on."""
    sign = "✓ " if right else "✗ "
    short = shorten(text, (_COLUMN - 2) * _LINES_OF_AN_ANSWER, placeholder=" ...") or "(nothing)"
    lines = wrap(short, _COLUMN, initial_indent=sign, subsequent_indent="  ")
    return lines[:_LINES_OF_AN_ANSWER]


def _columns(left: str, right: str) -> str:
    return f"{left:{_COLUMN}}  {right}".rstrip()


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _read(folder_url: str, name: str, kind: type[_Result]) -> _Result:
    url = f"{folder_url}/{name}"
    filesystem, path = open_storage(url)
    with storage_errors(url):
        return msgspec.json.decode(filesystem.cat_file(path), type=kind)
