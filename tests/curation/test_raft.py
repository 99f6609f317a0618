"""`context = "raft"`: the question among the chunks that hold its answer and others, or among others alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ftworker.conversations import Chunk, Conversation, Sibling
from ftworker.curation.curate import Trace, curate
from ftworker.settings import CurationSettings
from tests.curation.talks import assistant, contents, conversation, user

MISSING = "No consta en el temario."
CELL = Chunk("Las mitocondrias producen la energía de la célula.", rank=1, source="bio.pdf")
RIVER = Chunk("El Ebro desemboca en el Mediterráneo por Tortosa.", rank=2, source="geo.pdf")
KINGS = Chunk("Carlos Quinto heredó la corona de Castilla muy joven.", rank=1, source="his.pdf")
WATER = Chunk("El agua hierve a cien grados al nivel del mar.", rank=2, source="qui.pdf")


def talk(question: str = "¿Qué producen las mitocondrias?", **fields: Any) -> Conversation:
    return conversation(
        user(question, context=(CELL, RIVER)),
        assistant("Las mitocondrias producen la energía de la célula [1].", **fields),
        user("¿Quién heredó la corona de Castilla?", context=(KINGS, WATER)),
        assistant("La heredó Carlos Quinto, siendo muy joven [1]."),
    )


def raft(told: Conversation, distractors: tuple[str, ...] = (), **settings: Any) -> list[Any]:
    return contents(
        curate(
            told, CurationSettings(context="raft", personal_data="keep", **settings), distractors=distractors
        )
    )


def documents(messages: Any) -> list[str]:
    found = re.fullmatch(r"Contexto:\n(.*)\n\nPregunta: [^\n]+", messages[-2]["content"], re.DOTALL)
    assert found
    return re.findall(r"^\[\d\] (.*)$", found[1], re.MULTILINE)


def test_the_cited_chunk_stands_among_the_uncited_one_and_those_of_other_turns() -> None:
    first, second = raft(talk(), raft_relevant_share=1.0)
    assert sorted(documents(first)) == sorted(chunk.text for chunk in (CELL, RIVER, KINGS, WATER))
    assert sorted(documents(second)) == sorted(chunk.text for chunk in (KINGS, WATER, CELL, RIVER))


def test_the_citation_follows_its_chunk() -> None:
    for number in range(12):
        (first, _) = raft(
            talk(f"¿Qué producen las mitocondrias en el caso {number}?"), raft_relevant_share=1.0
        )
        place = documents(first).index(CELL.text) + 1
        assert first[-1]["content"] == f"Las mitocondrias producen la energía de la célula [{place}]."


def test_with_distractors_alone_the_answer_is_that_it_is_not_there() -> None:
    trace = Trace()
    settings = CurationSettings(context="raft", personal_data="keep", raft_relevant_share=0.0)
    curated = curate(talk(model="m-1", rating=1), settings, trace=trace)
    first = contents(curated)[0]
    assert CELL.text not in documents(first)
    assert len(documents(first)) == 3
    assert first[-1]["content"] == MISSING
    example = curated.examples[0]
    assert (example.model, example.rating, example.refusal) == (None, 0, False)
    raft_steps = [step.value for step in trace.steps if step.rule == "raft"]
    assert raft_steps == ["distractors alone, 3 distractors"] * 2
    (other, _) = raft(talk(), raft_relevant_share=0.0, raft_missing_answer="Eso no lo hemos dado.")
    assert other[-1]["content"] == "Eso no lo hemos dado."


def test_without_a_single_distractor_the_relevant_chunks_stay() -> None:
    alone = conversation(
        user("¿Qué producen las mitocondrias?", context=(CELL,)), assistant("Producen energía [1].")
    )
    (first,) = raft(alone, raft_relevant_share=0.0)
    assert documents(first) == [CELL.text]
    assert first[-1]["content"] == "Producen energía [1]."


def test_distractors_from_elsewhere_come_last_and_only_as_many_as_are_allowed() -> None:
    elsewhere = ("Uno de fuera.", "Otro de fuera.", CELL.text, "", "Un <|im_end|> roto.")
    (first, _) = raft(talk(), elsewhere, raft_relevant_share=1.0)
    assert sorted(set(documents(first)) - {CELL.text, RIVER.text, KINGS.text, WATER.text}) == [
        "Uno de fuera."
    ]
    (more, _) = raft(talk(), elsewhere, raft_relevant_share=1.0, raft_distractors=20)
    assert len(documents(more)) == 6
    (fewer, _) = raft(talk(), elsewhere, raft_relevant_share=1.0, raft_distractors=1)
    assert sorted(documents(fewer)) == sorted([CELL.text, RIVER.text])


def test_a_chunk_that_holds_the_answer_is_no_distractor() -> None:
    again = "Se sabe que las mitocondrias producen energía para la célula entera."
    (first, _) = raft(talk(), (again,), raft_relevant_share=0.0, raft_distractors=20)
    assert again not in documents(first)


@pytest.mark.parametrize(
    "answer,chunks,relevant",
    [
        ("Sin citas.", (CELL, Chunk("Otro.", rank=2, cited=True)), ["Otro."]),
        ("Sin citas ni marcas.", (CELL, RIVER), [CELL.text, RIVER.text]),
    ],
)
def test_without_citations_the_chunks_that_the_store_marks_are_relevant_else_all(
    answer: str, chunks: tuple[Chunk, ...], relevant: list[str]
) -> None:
    told = conversation(user("¿Qué producen?", context=chunks), assistant(answer))
    (first,) = raft(told, ("Uno de fuera.",), raft_relevant_share=0.0, min_answer_characters=0)
    assert not set(relevant) & set(documents(first))


def test_about_the_share_that_was_asked_for_keeps_the_relevant_chunks_and_it_is_always_the_same_turns() -> (
    None
):
    def kept(number: int) -> bool:
        first = raft(talk(f"¿Qué producen las mitocondrias en el caso {number}?"))[0]
        return bool(first[-1]["content"] != MISSING)

    drawn = [kept(number) for number in range(300)]
    assert 0.7 < sum(drawn) / 300 < 0.9
    assert drawn == [kept(number) for number in range(300)]


def test_pairs_and_refusals_keep_their_chunks() -> None:
    told = talk(siblings=(Sibling("El agua la producen las células.", -1),))
    (pair,) = raft(told, unit="preference", raft_relevant_share=0.0)
    assert pair["preferred_output"][0]["content"].startswith("Las mitocondrias")
    refused = conversation(
        user("¿Cuándo se descubrió eso?", context=(CELL,)), assistant("No tengo información sobre eso.")
    )
    (first,) = raft(refused, ("Uno de fuera.",), raft_relevant_share=0.0)
    assert first[-1]["content"] == "No tengo información sobre eso."


def test_a_turn_without_chunks_is_asked_bare() -> None:
    ((question, _),) = raft(conversation(user("¿Qué es?"), assistant()), ("Uno de fuera.",))
    assert question["content"] == "¿Qué es?"
