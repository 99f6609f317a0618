"""The prompt under which an answer is taught: the bare question, or the question under its retrieved chunks. Pure.

`as_served` builds it as serving did; `raft` mixes the chunks that the answer leans on with distractors (RAFT, Zhang et
al. 2024), and sometimes takes the former away, so that the model learns to say that it is not there. Citations follow
their chunks: they are renumbered with them and leave with them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import msgspec

from ftworker.conversations import Chunk
from ftworker.curation.markers import citations, cited, uncited
from ftworker.curation.screening import flaw
from ftworker.curation.support import support
from ftworker.curation.turns import Turn
from ftworker.settings import CurationSettings

_HOLDS_THE_ANSWER = 0.5
"""Share of the answer's content in a chunk from which the chunk is no distractor, wherever it comes from."""
_BITS = 60


class Lesson(msgspec.Struct, frozen=True):
    """What is taught of a turn: this answer to this prompt."""

    turn: Turn
    prompt: str
    answer: str
    rejected: str | None = None
    distractors: int = 0
    missing: bool = False
    """Only distractors stand in the prompt, and the answer says that it is not there."""


def lesson(
    turn: Turn, turns: Sequence[Turn], settings: CurationSettings, distractors: Sequence[str]
) -> Lesson:
    """The turn as it is taught. `turns` is the conversation: its other chunks are distractors under `raft`, before
    those of `distractors`, which must come in a stable order.
    """
    if not turn.chunks:
        return Lesson(
            turn, turn.question, uncited(turn.answer), uncited(turn.rejected) if turn.rejected else None
        )
    numbers = _numbers(turn.chunks)
    match settings.context:
        case "none":
            gone = dict.fromkeys(numbers)
            return Lesson(
                turn,
                turn.question,
                cited(turn.answer, gone),
                cited(turn.rejected, gone) if turn.rejected else None,
            )
        case "as_served":
            documents = list(zip(numbers, turn.chunks, strict=True))
            return Lesson(turn, _prompt(documents, turn.question, settings), turn.answer, turn.rejected)
        case "raft":
            return _raft(turn, turns, settings, distractors)


def as_history(turn: Turn) -> str:
    """The answer as history has it: without its chunks, so without the numbers that point at them."""
    if not turn.chunks:
        return uncited(turn.served)
    return cited(turn.served, dict.fromkeys(_numbers(turn.chunks)))


def _raft(
    turn: Turn, turns: Sequence[Turn], settings: CurationSettings, distractors: Sequence[str]
) -> Lesson:
    key = f"{turn.question}\0{turn.answer}"
    numbers = _numbers(turn.chunks)
    relevant = _relevant(turn, numbers)
    given = set(relevant)
    found = [chunk for chunk in turn.chunks if chunk not in given]
    found += [chunk for other in turns if other is not turn for chunk in other.chunks if not _flawed(chunk)]
    found += [Chunk(text) for text in distractors if text.strip() and not flaw(text)]
    beside = _distractors(found, relevant, turn.answer, settings.raft_distractors)
    # Without a distractor there would be an empty context: then the relevant chunks stay.
    missing = (
        bool(beside)
        and turn.rejected is None
        and not turn.refusal
        and _point("relevant", key) >= int(settings.raft_relevant_share * (1 << _BITS))
    )
    shown = sorted(beside if missing else [*relevant, *beside], key=lambda chunk: _point(chunk.text, key))
    documents = list(enumerate(shown, start=1))
    prompt = _prompt(documents, turn.question, settings)
    if missing:
        return Lesson(turn, prompt, settings.raft_missing_answer, None, len(beside), missing=True)
    place_of = {chunk: place for place, chunk in documents}
    places = {number: place_of.get(chunk) for number, chunk in zip(numbers, turn.chunks, strict=True)}
    return Lesson(
        turn,
        prompt,
        cited(turn.answer, places),
        cited(turn.rejected, places) if turn.rejected else None,
        len(beside),
    )


def _flawed(chunk: Chunk) -> bool:
    return any(flaw(text) for text in (chunk.text, chunk.source, chunk.chunk_id) if text)


def _relevant(turn: Turn, numbers: Sequence[int]) -> list[Chunk]:
    """What the answer leans on: the chunks that it cites, else those that the store calls cited, else all."""
    named = citations(turn.answer)
    by_number = [chunk for number, chunk in zip(numbers, turn.chunks, strict=True) if number in named]
    return by_number or [chunk for chunk in turn.chunks if chunk.cited] or list(turn.chunks)


def _distractors(found: Iterable[Chunk], relevant: Sequence[Chunk], answer: str, most: int) -> list[Chunk]:
    taken: dict[str, Chunk] = {}
    known = {chunk.text for chunk in relevant}
    for chunk in found:
        if len(taken) == most:
            break
        if chunk.text in known or chunk.text in taken:
            continue
        held = support(answer, [chunk.text])
        if held is None or held < _HOLDS_THE_ANSWER:
            taken[chunk.text] = chunk
    return list(taken.values())


def _point(text: str, key: str) -> int:
    """A place in [0, 2^60) that depends on the texts alone: the same turn is drawn the same wherever it is curated."""
    digest = hashlib.sha256(f"{text}\0{key}".encode(errors="backslashreplace"))
    return int(digest.hexdigest()[: _BITS // 4], 16)


def _numbers(chunks: Sequence[Chunk]) -> list[int]:
    """The number under which each chunk was served."""
    ranks = [chunk.rank for chunk in chunks if chunk.rank is not None]
    # Ranks of several retrievals repeat; then, and where there are none, the place in the list counts.
    if len(ranks) == len(chunks) and len(set(ranks)) == len(ranks):
        return ranks
    return list(range(1, len(chunks) + 1))


def _prompt(documents: Iterable[tuple[int, Chunk]], question: str, settings: CurationSettings) -> str:
    chunk_text = _template(settings.chunk_template, ("rank", "text", "source", "chunk_id"))
    context = settings.chunk_separator.join(
        chunk_text(
            {
                "rank": str(number),
                "text": chunk.text,
                "source": chunk.source or "",
                "chunk_id": chunk.chunk_id or "",
            }
        )
        for number, chunk in documents
    )
    return _template(settings.context_template, ("context", "question"))(
        {"context": context, "question": question}
    )


@lru_cache(maxsize=64)
def _template(template: str, names: tuple[str, ...]) -> Callable[[dict[str, str]], str]:
    """Fills `{name}` for these names alone. Other braces are text; what was filled in is not read again."""
    parts = re.split(r"\{(" + "|".join(names) + r")\}", template)

    def fill(values: dict[str, str]) -> str:
        return "".join(values[part] if place % 2 else part for place, part in enumerate(parts))

    return fill
