"""What one conversation gives to the pipelines: which take it, its examples and drops, and by what it is known.

Curates with each pipeline's own rules, names and tokenizer. Writes nothing: `accumulate` stores what comes out, and
`explain` and `quarantine` ask the same questions.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from ftworker.conversations import Conversation, canonical_json
from ftworker.curation.curate import Curated, curating, in_step
from ftworker.curation.reasons import DropReason
from ftworker.rosters import scanner_for
from ftworker.settings import Settings
from ftworker.store import quarantine
from ftworker.store.examples import NewDrop, NewExample
from ftworker.store.inbox import Outcome
from ftworker.store.quarantine import Decision
from ftworker.tokenizers import counter_for

MAX_MODEL_CHARACTERS = 256
_TOGETHER = 500
"""So many are curated in step, whatever the batch and the number of pipelines: more gain nothing and take memory."""


@dataclass
class Given:
    """What one conversation gives to all pipelines."""

    outcome: Outcome = "unmatched"
    examples: list[NewExample] = field(default_factory=list)
    drops: list[NewDrop] = field(default_factory=list)
    redactions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Finds that placeholders stand for, by pipeline and kind."""


@dataclass(frozen=True)
class Taken:
    """One version of a conversation that the pipelines are to have."""

    conversation: Conversation
    row_id: int
    """Its id in the store."""
    closed_reason: str | None = None
    decision: Decision | None = None
    """A person's, about this version."""


def examples_of(
    settings: Settings, batch: Sequence[Taken], cut: Mapping[tuple[int, str], int]
) -> list[Given]:
    """What each conversation gives to every pipeline that takes it, in the order of the batch.

    `cut` tells, by (row id, pipeline), the last turn that a dataset holds. Raises what `scanner_for` and `counter_for`
    raise.
    """
    asked = [(taken, name) for taken in batch for name in takers(settings, taken.conversation)]
    curated: list[Curated] = []
    for first in range(0, len(asked), _TOGETHER):
        curated += in_step(
            curating(
                taken.conversation,
                settings.pipelines[name].curation,
                closed_reason=taken.closed_reason,
                after_turn=cut.get((taken.row_id, name), -1),
                scanner=scanner_for(settings, name, taken.conversation.tenant_id),
                counter=counter_for(settings, name),
                reviewed=taken.decision == "released",
            )
            for taken, name in asked[first : first + _TOGETHER]
        )
    given = {id(taken): Given() for taken in batch}
    for (taken, name), of_pipeline in zip(asked, curated, strict=True):
        again = cut.get((taken.row_id, name), -1) >= 0
        _add(given[id(taken)], taken, name, of_pipeline, again=again)
    return list(given.values())


def _add(found: Given, taken: Taken, pipeline: str, curated: Curated, *, again: bool) -> None:
    """Put what a pipeline gets to what the others do. `again`: it has a part of the conversation already."""
    group = split_group(taken.conversation)
    found.examples += [
        NewExample(
            pipeline=pipeline,
            row_id=taken.row_id,
            turn=example.turn,
            split_group=group,
            content=example.content.decode("utf-8"),
            content_sha256=example.content_sha256,
            token_count=example.token_count,
            rating=example.rating,
            model=_storable(example.model),
            question_sha256=example.question_sha256 or None,
            pair_sha256=example.pair_sha256 or None,
            refusal=example.refusal,
            unsupported=example.unsupported,
            corrected=example.corrected,
            tokenizer=example.tokenizer,
        )
        for example in curated.examples
    ]
    for kind, number in curated.redactions.items():
        found.redactions[pipeline, kind] += number
    found.drops += [
        NewDrop(pipeline, taken.row_id, drop.turn, _known_reason(drop.reason, taken.decision))
        for drop in curated.drops
    ]
    nothing_new = again and not curated.drops
    if curated.examples or nothing_new:
        found.outcome = "examples"
    elif found.outcome == "unmatched":
        found.outcome = "dropped"


def _known_reason(reason: str, decision: Decision | None) -> str:
    """What a person rejected does not come before them again."""
    if decision == "rejected" and reason.startswith(quarantine.REASON_PREFIX):
        return DropReason.REJECTED_BY_PERSON
    return reason


def _storable(model: str | None) -> str | None:
    """The name of the model that answered, where it is a name: PostgreSQL takes no NUL, and a name is short."""
    if model is None or len(model) > MAX_MODEL_CHARACTERS or not model.isprintable():
        return None
    return model


def takers(settings: Settings, conversation: Conversation) -> list[str]:
    """The pipelines that train on this conversation's source, tenant and course, in the configuration's order.

    Costs the same with one pipeline and with thousands.
    """
    places = _choices.of(settings)
    fitting = product(
        dict.fromkeys(("*", conversation.source_name)),
        dict.fromkeys(("*", conversation.tenant_id)),
        dict.fromkeys(("*", conversation.course_id)),
    )
    found = sorted(place for choice in fitting for place in places.get(choice, ()))
    return [name for _, name in found]


class _Choices:
    """Place and name of the pipelines by what they choose. A process has one configuration; tests have many."""

    def __init__(self) -> None:
        self._made: tuple[Settings, dict[_Choice, list[tuple[int, str]]]] | None = None

    def of(self, settings: Settings) -> dict[_Choice, list[tuple[int, str]]]:
        if self._made is None or self._made[0] is not settings:
            places: dict[_Choice, list[tuple[int, str]]] = {}
            for place, (name, pipeline) in enumerate(settings.pipelines.items()):
                choice = (pipeline.source, pipeline.tenant, pipeline.course)
                places.setdefault(choice, []).append((place, name))
            self._made = (settings, places)
        return self._made[1]


_Choice = tuple[str, str | None, str | None]
_choices = _Choices()


def split_group(conversation: Conversation) -> str:
    """Hash of the user, or of the conversation when no user is known: who is on one side stays on it.

    Names of users and conversations are personal data, so only the hash is stored beside the example.
    """
    parts = (
        ("user", conversation.tenant_id or "", conversation.user_ref)
        if conversation.user_ref
        else ("conversation", conversation.source_name, conversation.conversation_id)
    )
    return hashlib.sha256(canonical_json(parts)).hexdigest()[:32]


def content_sha256(conversation: Conversation) -> bytes:
    """What names a version of a conversation: a hash of its messages."""
    try:
        content = canonical_json(conversation.messages)
    except UnicodeEncodeError:
        # A store may hold half of a surrogate pair; curation drops such turns, and the version still counts.
        content = repr(conversation.messages).encode("utf-8", "backslashreplace")
    return hashlib.sha256(content).digest()
