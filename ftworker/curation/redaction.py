"""What curation does with personal data: redacts or drops it, and holds back what a person must look at. Pure.

All texts of a conversation that may stand in an example go through the scanner together, so that the same person has
the same placeholder in all of them. Nothing is looked at that cannot become an example. What is found, and how, is
`privacy`'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import msgspec

from ftworker.conversations import Chunk
from ftworker.curation.privacy.scan import Scanner
from ftworker.curation.privacy.wellbeing import sensitive_kinds
from ftworker.curation.reasons import DropReason
from ftworker.curation.screening import flaw
from ftworker.curation.turns import Turn
from ftworker.settings import CurationSettings

_QUARANTINE: Mapping[Literal["wellbeing", "health"], DropReason] = {
    "wellbeing": DropReason.QUARANTINED_WELLBEING,
    "health": DropReason.QUARANTINED_HEALTH,
}


@cache
def scanner_without_names() -> Scanner:
    """The scanner of a process that has no roster."""
    return Scanner()


def held_back(turns: Iterable[Turn], unanswered: str | None) -> DropReason | None:
    """Why a person must look before anything of the conversation is used; wellbeing before health.

    All that was said counts, also what would give no example: it is the same child.
    """
    said = [text for turn in turns for text in (turn.question, turn.served) if text]
    found = sensitive_kinds([*said, unanswered] if unanswered else said)
    for kind, reason in _QUARANTINE.items():
        if kind in found:
            return reason
    return None


@dataclass
class Texts:
    """The texts of a conversation that may be written, each once, and what stands in their place."""

    settings: CurationSettings
    distractors: Sequence[str] = ()
    """Chunks from elsewhere that may be written too."""
    replacements: dict[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    uncertain: bool = False

    def said(self, turn: Turn) -> list[str]:
        """What was said in the turn."""
        said = [turn.question, turn.served, turn.answer]
        return [*said, turn.rejected] if turn.rejected else said

    def shown(self, turn: Turn) -> list[str]:
        """What its chunks put into a prompt."""
        if self.settings.context == "none":
            return []
        template = self.settings.chunk_template
        texts = [chunk.text for chunk in turn.chunks]
        if "{source}" in template:
            texts += [chunk.source for chunk in turn.chunks if chunk.source]
        if "{chunk_id}" in template:
            texts += [chunk.chunk_id for chunk in turn.chunks if chunk.chunk_id]
        return texts

    def redact(self, history: Sequence[Turn], lessons: Sequence[Turn], scanner: Scanner) -> None:
        """Find placeholders for the personal data in the history and the lessons."""
        # Under raft a prompt may show the chunks of every other turn.
        raft = self.settings.context == "raft"
        showing = history if raft else lessons
        # Mostly a lesson is the very turn of the history, all of whose texts stand there already.
        known = set(map(id, history))
        texts: list[str] = []
        for turn in (*history, *(turn for turn in lessons if id(turn) not in known)):
            texts += self.said(turn)
        for turn in (*showing, *lessons):
            if turn.chunks:
                texts += self.shown(turn)
        written = dict.fromkeys([*texts, *self.distractors])
        if raft:
            # Of these nobody has looked yet whether they can be written at all.
            written = {text: None for text in written if flaw(text) is None}
        redacted = scanner.redact(tuple(written))
        self.counts = {str(kind): number for kind, number in sorted(redacted.counts.items()) if number}
        self.uncertain = redacted.uncertain
        self.replacements = {
            before: after for before, after in zip(written, redacted.texts, strict=True) if before != after
        }

    def replace(self, turn: Turn) -> None:
        """Put the placeholders into the turn. Repeatable."""
        new = self.replacements
        turn.question = new.get(turn.question, turn.question)
        turn.served = new.get(turn.served, turn.served)
        turn.answer = new.get(turn.answer, turn.answer)
        if turn.rejected:
            turn.rejected = new.get(turn.rejected, turn.rejected)
        turn.chunks = [self._replaced(chunk) for chunk in turn.chunks]

    def _replaced(self, chunk: Chunk) -> Chunk:
        new = self.replacements
        text, source, name = new.get(chunk.text), new.get(chunk.source or ""), new.get(chunk.chunk_id or "")
        if text is None and source is None and name is None:
            return chunk
        return msgspec.structs.replace(
            chunk, text=text or chunk.text, source=source or chunk.source, chunk_id=name or chunk.chunk_id
        )


def finds_any(texts: Iterable[str], scanner: Scanner) -> bool:
    """Whether personal data stands in one of the texts."""
    return any(scanner.find(text) for text in texts)
