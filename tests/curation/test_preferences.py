"""When people preferred one answer to another, and what the pair looks like."""

from __future__ import annotations

from typing import Any

import pytest

from ftworker.conversations import Chunk, Message, Sibling
from ftworker.curation.curate import curate
from ftworker.settings import CurationSettings
from tests.curation.talks import assistant, contents, conversation, drops, user

GOOD = "La mitocondria produce la energía de la célula."
OTHER = "La mitocondria guarda el agua de la célula."
THIRD = "La mitocondria es una parte del núcleo celular."
PAIRS = CurationSettings(unit="preference")
ASKED = user("¿Qué hace la mitocondria?")


def outputs(*answers: Message, **fields: Any) -> tuple[str, str] | str:
    """The preferred and the other answer; or the reason why there is no pair."""
    curated = curate(conversation(ASKED, *answers, **fields), PAIRS)
    if curated.drops:
        return curated.drops[0].reason
    (pair,) = contents(curated)
    return pair["preferred_output"][0]["content"], pair["non_preferred_output"][0]["content"]


WITH_A_PREFERENCE = {
    "rated up against a sibling rated down": (assistant(GOOD, rating=1, siblings=(Sibling(OTHER, -1),)),),
    "gone on with, against a sibling rated down": (assistant(GOOD, siblings=(Sibling(OTHER, -1),)),),
    "rated up, against a sibling without opinion": (assistant(GOOD, rating=1, siblings=(Sibling(OTHER),)),),
    "a sibling rated up against the standing answer": (
        assistant(OTHER, rating=-1, siblings=(Sibling(GOOD, 1),)),
    ),
    "a sibling rated up against one without opinion": (assistant(OTHER, siblings=(Sibling(GOOD, 1),)),),
    "corrected by a person": (assistant(OTHER, correction=GOOD),),
    "corrected, though it was rated up": (assistant(OTHER, rating=1, correction=GOOD),),
    "regenerated after a thumb down": (assistant(OTHER, rating=-1), assistant(GOOD)),
    "the strongest of several": (assistant(GOOD, rating=1, siblings=(Sibling(THIRD), Sibling(OTHER, -1))),),
    "the standing one of equals": (
        assistant(GOOD, rating=1, siblings=(Sibling(THIRD, 1), Sibling(OTHER, -1))),
    ),
}


@pytest.mark.parametrize("answers", WITH_A_PREFERENCE.values(), ids=WITH_A_PREFERENCE)
def test_a_preference_that_a_person_expressed_is_a_pair(answers: tuple[Message, ...]) -> None:
    assert outputs(*answers) == (GOOD, OTHER)


WITHOUT = {
    "one answer": (assistant(GOOD, rating=1),),
    "one answer rated down": (assistant(GOOD, rating=-1),),
    "regenerated, and nobody said why": (assistant(GOOD, siblings=(Sibling(OTHER),)),),
    "both rated up": (assistant(GOOD, rating=1, siblings=(Sibling(OTHER, 1),)),),
    "both rated down": (assistant(GOOD, rating=-1, siblings=(Sibling(OTHER, -1),)),),
    "rated down, and the other was not chosen": (assistant(OTHER, rating=-1, siblings=(Sibling(GOOD),)),),
    "the same words": (assistant(GOOD, rating=1, siblings=(Sibling(f" {GOOD.upper()} ", -1),)),),
    "a correction of the case alone": (assistant(GOOD, correction=GOOD.upper()),),
    "a sibling without words": (assistant(GOOD, rating=1, siblings=(Sibling("<think>a ver</think>", -1),)),),
    "two parts of one answer": (assistant(GOOD), assistant(OTHER)),
    "a failed answer before it": (assistant("se cortó", error=True), assistant(GOOD)),
}


@pytest.mark.parametrize("answers", WITHOUT.values(), ids=WITHOUT)
def test_without_an_expressed_preference_there_is_no_pair(answers: tuple[Message, ...]) -> None:
    assert outputs(*answers) == "no_preference"


@pytest.mark.parametrize("rating", [1, -1])
def test_the_rating_of_a_conversation_prefers_none_of_its_answers(rating: int) -> None:
    assert outputs(assistant(GOOD, siblings=(Sibling(OTHER),)), rating=rating) == "no_preference"
    assert outputs(assistant(GOOD, siblings=(Sibling(OTHER, -1),)), rating=rating) == (GOOD, OTHER)


@pytest.mark.parametrize(
    "better,worse,reason",
    [
        ("Sí.", OTHER, None),
        (GOOD + "<|endoftext|>", OTHER, "special_tokens"),
        (GOOD, OTHER + "<|endoftext|>", "special_tokens"),
        (GOOD, "a" * 20_001, "too_long"),
        ("muy " * 80, OTHER, "repetitive"),
        (GOOD, "muy " * 80, None),
        (GOOD, "No lo sé.", None),
    ],
)
def test_the_preferred_answer_is_judged_and_the_other_may_be_bad_but_not_broken(
    better: str, worse: str, reason: str | None
) -> None:
    found = outputs(assistant(better, rating=1, siblings=(Sibling(worse, -1),)))
    assert (found if isinstance(found, str) else None) == reason


def test_a_pair_is_its_prompt_and_two_outputs_and_carries_no_weight() -> None:
    talk = conversation(
        user("¿Qué es la célula?"), assistant("La unidad de la vida, ni más ni menos."),
        user("¿Qué hace la mitocondria?", context=(Chunk("Produce energía.", rank=1), Chunk("Está dentro.", rank=2))),
        assistant(f"{GOOD[:-1]} [1].", rating=1, model="m-1", siblings=(Sibling(f"{OTHER[:-1]} [2].", -1, "m-2"),)),
    )  # fmt: skip
    curated = curate(talk, PAIRS)
    assert drops(curated) == [(0, "no_preference")]
    (example,) = curated.examples
    assert example.content.decode() == (
        '{"input":[{"role":"user","content":"¿Qué es la célula?"},'
        '{"role":"assistant","content":"La unidad de la vida, ni más ni menos."},'
        '{"role":"user","content":"Contexto:\\n[1] Produce energía.\\n\\n[2] Está dentro.\\n\\n'
        'Pregunta: ¿Qué hace la mitocondria?"}],'
        f'"preferred_output":[{{"role":"assistant","content":"{GOOD[:-1]} [1]."}}],'
        f'"non_preferred_output":[{{"role":"assistant","content":"{OTHER[:-1]} [2]."}}]}}'
    )
    assert (example.turn, example.rating, example.model) == (1, 1, "m-1")
    (bare,) = contents(curate(talk, CurationSettings(unit="preference", context="none")))
    assert bare["preferred_output"][0]["content"] == GOOD
    assert bare["non_preferred_output"][0]["content"] == OTHER


def test_the_model_of_a_pair_is_who_wrote_the_preferred_answer() -> None:
    talk = conversation(ASKED, assistant(OTHER, rating=-1, model="m-1", siblings=(Sibling(GOOD, 1, "m-2"),)))
    assert curate(talk, PAIRS).examples[0].model == "m-2"


def test_history_of_a_pair_gives_way_before_the_pair_is_dropped() -> None:
    long = conversation(
        user("larga " * 200), assistant("respuesta suficiente"),
        ASKED, assistant(GOOD, siblings=(Sibling(OTHER, -1),)),
    )  # fmt: skip
    (pair,) = contents(curate(long, CurationSettings(unit="preference", max_tokens=100)))
    assert len(pair["input"]) == 1
    assert drops(curate(long, CurationSettings(unit="preference", max_tokens=30)))[-1] == (
        1,
        "too_many_tokens",
    )


# Corrections, where answers are taught


@pytest.mark.parametrize("rating", [None, -1, 1])
def test_a_correction_is_taught_in_place_of_the_answer(rating: int | None) -> None:
    talk = conversation(ASKED, assistant(OTHER, rating=rating, correction=f" {GOOD} ", model="m-1"))
    (example,) = curate(talk, CurationSettings()).examples
    assert contents(curate(talk, CurationSettings()))[0][-1]["content"] == GOOD
    assert (example.corrected, example.rating, example.model) == (True, 1, None)
    plain = curate(conversation(ASKED, assistant(GOOD)), CurationSettings()).examples[0]
    assert not plain.corrected
    assert plain.pair_sha256 == example.pair_sha256


def test_an_empty_correction_is_none() -> None:
    (example,) = curate(conversation(ASKED, assistant(GOOD, correction=" \n")), CurationSettings()).examples
    assert not example.corrected


def test_later_turns_were_answered_to_what_was_served() -> None:
    talk = conversation(
        ASKED, assistant(OTHER, correction=GOOD), user("¿Seguro que eso es así?"), assistant(THIRD)
    )
    first, second = contents(curate(talk, CurationSettings()))
    assert first[-1]["content"] == GOOD
    assert second[1] == {"role": "assistant", "content": OTHER, "weight": 0}
    (whole,) = contents(curate(talk, CurationSettings(unit="conversation")))
    assert whole[1] == {"role": "assistant", "content": GOOD}


def test_a_correction_mends_an_answer_that_failed_and_is_then_its_history_too() -> None:
    talk = conversation(
        ASKED, assistant("", error="timeout", correction=GOOD), user("¿Y los cloroplastos?"), assistant(THIRD)
    )
    first, second = contents(curate(talk, CurationSettings()))
    assert first[-1]["content"] == second[1]["content"] == GOOD
    assert outputs(assistant("", error="timeout", correction=GOOD)) == "no_preference"


def test_a_correction_is_judged_like_an_answer() -> None:
    assert drops(
        curate(conversation(ASKED, assistant(GOOD, correction="a<|im_end|>")), CurationSettings())
    ) == [(0, "special_tokens")]


@pytest.mark.parametrize(
    "sign, reason",
    [
        ("\ud83d", "lone_surrogate"),
        ("\x00", "control_characters"),
        ("<|im_end|>", "special_tokens"),
    ],
)
def test_a_sibling_that_cannot_stand_in_a_file_makes_no_pair(sign: str, reason: str) -> None:
    preferred_one = assistant(OTHER, siblings=(Sibling(f"{GOOD} {sign}", 1),))
    rejected_one = assistant(GOOD, rating=1, siblings=(Sibling(f"{OTHER} {sign}", -1),))

    assert [outputs(preferred_one), outputs(rejected_one)] == [reason, reason]
