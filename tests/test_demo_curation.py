"""What the demonstration's settings make of its conversations: each ability of curation has one that shows it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import pytest

from ftworker.curation.curate import Curated, curate
from ftworker.curation.privacy.scan import Scanner
from ftworker.demo.conversations import (
    PIPELINE_NAME,
    SENDS_IDS_ALONE,
    closed_event,
    packaged_conversations,
    packaged_pupils,
    turns_in,
)
from ftworker.events.contract import EVENT_TYPE, decode, to_conversation
from tests.test_demo_store import demo_settings

PIPELINE = demo_settings().pipelines[PIPELINE_NAME]
INVENTED = (
    "Valcárcel", "Echeandía", "Castillejo", "Ibarrola", "Arrospide", "urrutia", "salcedo", "Larrañaga",
    "Benavent", "12345678Z", "11111111A", "2100 0418", "600 000", "611 000", "correo.example",
)  # fmt: skip

DROPPED = {
    ("tutor-0013", -1): "no_consent",
    ("tutor-0015", 0): "thumbs_down",
    ("tutor-0030", 0): "repeated_question",
    ("tutor-0036", 0): "error_answer",
    ("tutor-0040", 0): "wrong_language",
    ("tutor-0040", 1): "wrong_language",
    ("tutor-0044", 0): "thumbs_down",
    ("tutor-0046", 1): "error_answer",
    ("tutor-0051", 0): "thumbs_down",
    ("tutor-0056", 1): "not_ended_by_assistant",
    ("tutor-0057", -1): "quarantined_wellbeing",
    ("tutor-0058", 0): "duplicate",
}


@dataclass
class Demonstrated:
    """What the packaged conversations give, in their order, as `accumulate` stores it."""

    curated: dict[str, Curated]
    dropped: dict[tuple[str, int], str]
    kept: int


@cache
def demonstrated() -> Demonstrated:
    with_list, without = Scanner(roster=packaged_pupils()), Scanner()
    curated: dict[str, Curated] = {}
    dropped: dict[tuple[str, int], str] = {}
    pairs: set[bytes] = set()
    for packaged in packaged_conversations():
        name, tenant = packaged["conversation_id"], packaged["tenant_id"]
        # As the school would send it whose events carry the messages.
        data = {**closed_event({**packaged, "tenant_id": "another"}), "tenant_id": tenant}
        event = {"specversion": "1.0", "id": name, "source": "/rag", "type": EVENT_TYPE, "data": data}
        conversation = to_conversation(
            decode(json.dumps(event).encode(), 1 << 20), datetime(2026, 12, 1, tzinfo=UTC)
        )
        assert conversation is not None
        curated[name] = curate(
            conversation,
            PIPELINE.curation,
            closed_reason=packaged["reason"],
            scanner=with_list if tenant == SENDS_IDS_ALONE else without,
        )
        dropped |= {(name, drop.turn): str(drop.reason) for drop in curated[name].drops}
        for example in curated[name].examples:
            if example.pair_sha256 in pairs:
                dropped[name, example.turn] = "duplicate"
            pairs.add(example.pair_sha256)
    return Demonstrated(curated, dropped, len(pairs))


def texts_of(conversation_id: str) -> str:
    return "\n".join(e.content.decode() for e in demonstrated().curated[conversation_id].examples)


def test_each_turn_that_is_left_out_is_left_out_for_its_reason() -> None:
    assert demonstrated().dropped == DROPPED


def test_every_turn_is_an_example_or_was_left_out() -> None:
    turns = {c["conversation_id"]: turns_in(c) for c in packaged_conversations()}
    dropped = sum(turns[name] if turn < 0 else 1 for name, turn in DROPPED)
    assert demonstrated().kept + dropped == sum(turns.values())


def test_the_dataset_is_cut_when_the_last_of_them_has_come() -> None:
    # Else its size would depend on how quick the machine is. A rule that changes this changes demo.toml too.
    assert PIPELINE.trigger.min_examples == demonstrated().kept


@pytest.mark.parametrize("conversation_id", demonstrated().curated)
def test_nothing_that_tells_who_somebody_is_stands_in_an_example(conversation_id: str) -> None:
    text = texts_of(conversation_id).lower()
    assert [words for words in INVENTED if words.lower() in text] == []


def test_one_person_has_one_placeholder_in_question_and_answer_and_the_list_finds_names_without_cues() -> (
    None
):
    first = texts_of("tutor-0062").partition("\n")[0]
    assert first.count("[NOMBRE_1]") == first.count("[NOMBRE_2]") == 2
    assert "[CORREO_1]" in texts_of("tutor-0007")


def test_kinds_of_personal_data_are_counted() -> None:
    counts: Counter[str] = Counter()
    for curated in demonstrated().curated.values():
        counts.update({str(kind): number for kind, number in curated.redactions.items()})
    assert {"name", "dni", "phone", "email", "iban"} <= set(counts)


def test_some_answers_refuse_some_lean_on_nothing_and_a_person_corrected_one() -> None:
    marked = [
        (name, example)
        for name, curated in demonstrated().curated.items()
        for example in curated.examples
        if (name, example.turn) not in DROPPED
    ]
    refusals = [name for name, example in marked if example.refusal]
    assert refusals == ["tutor-0060"] * 3
    assert len(refusals) > PIPELINE.selection.max_refusal_share * demonstrated().kept
    assert [name for name, example in marked if example.corrected] == ["tutor-0061"]
    assert "1918" not in texts_of("tutor-0061").partition("\n")[0]
    assert "tutor-0007" in [name for name, example in marked if example.unsupported]
