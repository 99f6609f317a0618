"""What the demonstration says at its end: what came in, what became of it, where it lies, what to type next.

Text for 80 columns out; paths and commands are never broken, so that they can be copied. Reads the dataset's training
file for one row to show; its words are invented, as all of the demonstration's.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import msgspec

from ftworker.curation.privacy.kinds import PLACEHOLDER
from ftworker.curation.reasons import DropReason
from ftworker.datasets.selection import LeftOutReason
from ftworker.datasets.storage import open_storage, storage_errors
from ftworker.demo.conversations import SENDS_IDS_ALONE, Play, turns_in
from ftworker.demo.run import DemoResult
from ftworker.runs.states import RunState

WIDTH = 80


@dataclass(frozen=True)
class Part:
    """A heading and its lines."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Place:
    """Where a person stands: what to call ftworker there, and where things lie."""

    play: Play
    command: str
    """How to type `ftworker` in this terminal."""
    directory: Path
    """The directory that they are in."""
    config: Path
    """The demonstration's configuration."""
    log_folder: Path
    storage_url: str
    web_url: str
    """Where `ftworker up` serves its status page."""
    threshold: int
    """Examples that begin a run of the demonstration's pipeline."""

    def shown(self, path: str | Path) -> str:
        """The path as one would type it: from this directory when it lies below, an URL as it is."""
        text = str(path).removeprefix("file://")
        if "://" in text:
            return text
        absolute = Path(text).absolute()
        if absolute.is_relative_to(self.directory):
            return str(absolute.relative_to(self.directory))
        return str(absolute)


def summary(result: DemoResult, place: Place) -> Iterator[Part]:
    """The parts in the order in which they are read."""
    yield Part("What happened", list(_happened(result, place)))
    yield Part("Where it lies", list(files_of(result, place, _PACKAGED)))
    yield Part("One example of the training file", list(_taste(result)))
    yield Part("What to do next", list(next_steps(result, place)))


def _happened(result: DemoResult, place: Place) -> Iterator[str]:
    conversations = place.play.conversations
    by_id = sum(conversation["tenant_id"] == SENDS_IDS_ALONE for conversation in conversations)
    manifest = result.dataset.manifest or {}
    content: dict[str, Any] = manifest["content"]
    train, validation = content["train"]["rows"], (content["validation"] or {"rows": 0})["rows"]
    turns = sum(map(turns_in, conversations))
    yield from paragraph(
        f"{len(conversations)} conversations came in: {by_id} by an event with their id alone, and ftworker read "
        f"them in the RAG's chat store; {len(conversations) - by_id} inside their event. They hold {turns} turns, "
        "each a question and its answer."
    )
    found = ", ".join(f"{kind} {number}" for kind, number in result.redactions.items())
    yield from paragraph(
        f"{result.progress.kept} turns became examples, each with its history and the passages that the RAG had "
        f"found. Before they were stored, placeholders took the place of what was found of people: {found}. "
        f"The other {sum(result.drops.values())} turns became none:"
    )
    yield from counted(result.drops)
    crossed = f"When {place.threshold} waited" if result.run.trigger == "min_examples" else "By hand"
    left_out: dict[str, int] = manifest["provenance"]["left_out"]
    yield from paragraph(
        f"{crossed}, the pipeline cut its dataset: {train} examples to train and {validation}, of other pupils, "
        f"to validate. It leaves out {sum(left_out.values())}:"
    )
    yield from counted(left_out)
    yield from paragraph(_ENDS[result.run.state].format(run=result.run.id, model=result.run.model))


def counted(by_reason: Mapping[str, int]) -> Iterator[str]:
    """Reasons with their numbers, in words."""
    for reason, count in by_reason.items():
        yield from paragraph(_MEANINGS.get(reason, reason), f"  {count:4}  ", "        ")


_MEANINGS: dict[str, str] = {reason.value: reason.meaning for reason in (*DropReason, *LeftOutReason)}

_ENDS = {
    RunState.PACKAGED: (
        "Run {run} ended `packaged`: the model {model} is ready to be made, but no Ollama that has its base "
        "model answered here."
    ),
    RunState.TRAINED: "Run {run} ended `trained`: Ollama has the model {model}; nobody promoted it yet.",
    RunState.PROMOTED: "Run {run} ended `promoted`: Ollama has the model {model}, and the RAG may ask for it.",
    RunState.REJECTED: "Run {run} was trained as {model}, and a person rejected it.",
}


_PACKAGED = ("Modelfile", "INSTRUCTIONS.md", "INSTRUCCIONES.md", "create-request.json")


def files_of(result: DemoResult, place: Place, model_files: Sequence[str]) -> Iterator[str]:
    """Where everything is that the demonstration made."""
    manifest = result.dataset.manifest or {}
    content: dict[str, Any] = manifest["content"]
    files = (content["train"], content["validation"], content.get("golden"))
    names = [entry["name"] for entry in files if entry]
    yield f"dataset   {place.shown(str(result.dataset.url))}/"
    yield f"          {'  '.join([*names, 'manifest.json', 'report.html'])}"
    yield f"model     {place.shown(_artefacts(result, place))}/"
    yield f"          {'  '.join(model_files)}"
    yield f"settings  {place.shown(place.config)}"
    yield f"logs      {place.shown(place.log_folder)}/"


def _artefacts(result: DemoResult, place: Place) -> str:
    return f"{place.storage_url.rstrip('/')}/runs/{result.run.run_key}"


def _taste(result: DemoResult) -> Iterator[str]:
    manifest = result.dataset.manifest or {}
    url = f"{result.dataset.url}/{manifest['content']['train']['name']}"
    filesystem, path = open_storage(url)
    with storage_errors(url):
        rows = msgspec.json.decode(filesystem.cat_file(path), type=list[dict[str, str]])
    # One that shows a placeholder, and fits.
    rows = [row for row in rows if PLACEHOLDER.search(row["instruction"])] or rows
    shortest = min(rows, key=lambda row: (sum(map(len, row.values())), row["instruction"]))
    for number, (key, value) in enumerate(shortest.items()):
        text = f'"{key}": {msgspec.json.encode(value).decode()}{"}" if number else ","}'
        yield from paragraph(text, " " if number else "{", "  ")


def next_steps(result: DemoResult, place: Place) -> Iterator[str]:
    """What to type next, each with a line before it that says why."""
    yield "Look at it again:"
    yield f"  {place.command} status"
    yield f"  {place.command} runs show {result.run.id}"
    dataset = result.dataset.id
    yield "Let the commands below know the demo's settings; unset it for your own:"
    yield f"  export FTWORKER_CONFIG={shlex.quote(place.shown(place.config))}"
    yield "Follow a conversation through every rule to the line that holds it:"
    yield f"  {place.command} curate --explain {place.play.shown_conversation}"
    if not place.play.trains:
        yield "See what waits for a person, who releases or rejects it:"
        yield f"  {place.command} quarantine list"
    yield "Prove that nobody and nothing stands on two sides; find the plots:"
    yield f"  {place.command} datasets audit {dataset}"
    yield f"  {place.command} datasets report {dataset}"
    yield "Ask why the pipeline fired, and how far the next dataset is:"
    yield f"  {place.command} triggers"
    yield f"Leave everything running, with its status page at {place.web_url}:"
    yield f"  {place.command} up"
    match result.run.state:
        case RunState.PACKAGED:
            yield "Make the model, where Ollama is (or start Ollama and repeat the demo):"
            yield from (f"  {line}" for line in _instructions(result, place))
        case RunState.PROMOTED:
            yield "Talk to the model, under the name that the RAG asks for:"
            yield f"  ollama run {result.run.detail.get('alias', result.run.model)}"
        case RunState.TRAINED | RunState.REJECTED:
            yield "Talk to the model, and decide:"
            yield f"  ollama run {result.run.model}"
            yield f"  {place.command} runs promote {result.run.id}"
        case _:
            pass
    yield "Point it at your own RAG: README.md, `With your own RAG`."
    yield "See all of this once more:"
    yield f"  {place.command} {place.play.again} --again"


def _instructions(result: DemoResult, place: Place) -> Iterator[str]:
    for line in str(result.run.detail.get("instructions", "")).splitlines():
        if line.startswith("cd ") and "://" not in _artefacts(result, place).removeprefix("file://"):
            yield f"cd {shlex.quote(place.shown(_artefacts(result, place)))}"
        else:
            yield line


def paragraph(text: str, first: str = "", rest: str = "") -> list[str]:
    """The text in lines that fit; `first` and `rest` stand before them."""
    return wrap(
        text,
        WIDTH - 2,  # the parts stand indented
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
