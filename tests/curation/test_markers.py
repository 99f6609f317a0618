"""What interfaces leave in answers, and citations that come and go with their passages."""

from __future__ import annotations

from typing import Any

import pytest

from ftworker.conversations import Chunk
from ftworker.curation.curate import curate
from ftworker.curation.markers import citations, cited, spoken, uncited
from ftworker.settings import CurationSettings
from tests.curation.talks import assistant, contents, conversation, user

REMAINS = [
    ("La célula ##0$$ es la unidad de la vida ##12$$.", "La célula es la unidad de la vida."),
    ("La célula [ID:0] es viva [ID: 3].", "La célula es viva."),
    ("La célula es viva【4:0†source】.", "La célula es viva."),
    ("La célula es viva [citation:1][citation:2].", "La célula es viva."),
    ("La célula es viva [[citation:3]].", "La célula es viva."),
    ("La célula es viva [cite: 1, 4].", "La célula es viva."),
    ("La célula es viva [doc1].", "La célula es viva."),
    ('La célula <source id="1" name="bio.pdf"/> es viva</source>.', "La célula es viva."),
    ("La célula es viva\ue200cite\ue202turn0search1\ue201.", "La célula es viva."),
    ("La célula es viva [[1]](https://wiki.es/C%C3%A9lula_(biolog%C3%ADa)).", "La célula es viva [1]."),
    ("La célula es viva [[2]]().", "La célula es viva [2]."),
    ("La célula es viva [^3].", "La célula es viva [3]."),
    ("<think>a ver\nsi</think>\n\nEs viva.", "Es viva."),
    ("<thinking>a ver</thinking>Es viva.", "Es viva."),
    ("a ver si es\n</think>\n\nEs viva.", "Es viva."),
    ("<think>no llegó a acabar", ""),
    (
        (
            '<details type="reasoning" done="true" duration="5">\n<summary>Thought for 5 seconds</summary>\n> a ver\n'
            "</details>\nEs viva."
        ),
        "Es viva.",
    ),
    (
        'Es <details type="tool_calls" done="true" name="busca"><summary>x</summary></details>viva.',
        "Es viva.",
    ),
    (
        (
            '<details style="color:gray;background-color: #f8f8f8;padding: 8px;border-radius: 4px;" open> '
            "<summary> Thinking... </summary>\na ver</details>Es viva."
        ),
        "Es viva.",
    ),
]

SAID = [
    "El segundo elemento es lista[1], y matriz[2][3] el otro.",
    "En LaTeX se escribe $$x^2$$ y en Markdown ## Título.",
    "Mira [la guía](https://edu.example.org) y [1](https://edu.example.org).",
    "El intervalo [1, 2] está dentro de [0, 3].",
    "Si a < b y b > c, entonces pienso (think) otra cosa.",
    "<details><summary>Pista</summary>Piensa en el denominador.</details>",
    "La nota [^1]: está al final.",
]


@pytest.mark.parametrize("raw,said", REMAINS)
def test_what_an_interface_left_is_no_part_of_the_answer(raw: str, said: str) -> None:
    assert spoken(raw) == said
    assert spoken(said) == said


@pytest.mark.parametrize("answer", SAID)
def test_what_the_assistant_said_stays(answer: str) -> None:
    assert spoken(answer) == answer
    assert cited(answer, {1: None, 2: 1}) == answer
    assert uncited(answer) == answer


@pytest.mark.parametrize(
    "answer,places,left",
    [
        ("Es viva [1].", {1: 3}, "Es viva [3]."),
        ("Es viva [1].", {1: None}, "Es viva."),
        ("Es viva [1][2] y crece [2].", {1: 2, 2: 1}, "Es viva [2][1] y crece [1]."),
        ("Es viva [1, 2].", {1: None, 2: 4}, "Es viva [4]."),
        ("Es viva [1] [2].", {1: None, 2: None}, "Es viva."),
        ("Es viva [9].", {1: None}, "Es viva [9]."),
        ("[1] dice que es viva.", {1: 2}, "[2] dice que es viva."),
        ("Son tres cosas [1]: una, otra y otra.", {1: None}, "Son tres cosas: una, otra y otra."),
        (
            "Es viva [1].\n\n[1]: https://edu.example.org",
            {1: 2},
            "Es viva [2].\n\n[1]: https://edu.example.org",
        ),
        ("Es viva [1].", {}, "Es viva [1]."),
    ],
)
def test_citations_follow_their_passages(answer: str, places: Any, left: str) -> None:
    assert cited(answer, places) == left


def test_the_numbers_that_an_answer_cites_are_known() -> None:
    assert citations("Es viva [1][3] y crece [2, 7]. El intervalo [4, 5] y lista[6] no son citas.") == {
        1,
        2,
        3,
        7,
    }
    assert citations("Nada.") == set()


@pytest.mark.parametrize(
    "answer,left",
    [
        ("Es viva [1], y crece [2][3].", "Es viva, y crece."),
        ("Es viva [1]\nCrece [2]", "Es viva\nCrece"),
        ("Elige [1] sí o [2] no.", "Elige [1] sí o [2] no."),
        ("Escribe x = [1].", "Escribe x = [1]."),
        ("```\nreturn [1]\n``` Es así [1].", "```\nreturn [1]\n``` Es así [1]."),
    ],
)
def test_citations_of_passages_that_nobody_kept_go(answer: str, left: str) -> None:
    assert uncited(answer) == left


CHUNKS = (Chunk("La célula es la unidad de la vida.", rank=1), Chunk("Las plantas crecen.", rank=2))
TALK = conversation(
    user("¿Qué es la célula?", context=CHUNKS), assistant("Es la unidad de la vida [1]."),
    user("¿Y las plantas qué?", context=CHUNKS), assistant("Las plantas crecen [2]; otras, no sé [5]."),
)  # fmt: skip


def test_citations_stand_only_where_their_chunks_are_in_the_prompt() -> None:
    _, served = contents(curate(TALK, CurationSettings()))
    assert served[1]["content"] == "Es la unidad de la vida."
    assert served[3]["content"] == "Las plantas crecen [2]; otras, no sé [5]."
    _, bare = contents(curate(TALK, CurationSettings(context="none")))
    assert bare[1]["content"] == "Es la unidad de la vida."
    assert bare[3]["content"] == "Las plantas crecen; otras, no sé [5]."
