"""Names that a linear model finds beside the rules, with the weights that come with ftworker."""

from __future__ import annotations

from importlib.resources import files

import pytest

from ftworker.curation.privacy import Kind, Scanner
from ftworker.curation.privacy.learned_names import weights
from ftworker.curation.privacy.name_lists import alike

ALONE = Scanner()
SCHOOL = Scanner(roster=["Zubizarreta Olmo, Samuel", "Peralta Gil, Ainhoa"])


def names(scanner: Scanner, text: str) -> list[str]:
    return [text[find.start : find.end] for find in scanner.find(text) if find.kind is Kind.NAME]


@pytest.mark.parametrize(
    "text, name",
    [
        ("oye que noelia no viene hoy a clase que esta mala", "noelia"),
        ("pregunta a merche la de secretaria si ya esta mi matricula", "merche"),
        ("Le dije a Gumersindo que trajera los apuntes de mi hermana Marta", "Gumersindo"),
    ],
)
def test_a_name_is_found_by_what_stands_around_it(text: str, name: str) -> None:
    assert name in names(ALONE, text)


def test_a_name_of_the_roster_is_found_in_small_letters() -> None:
    assert names(SCHOOL, "profe, samuel me ha quitado el estuche en el recreo") == ["samuel"]


@pytest.mark.parametrize(
    "text",
    [
        "¿Por qué Garcilaso usa la lira en sus versos?",
        "La sierra de Gredos y el río Tormes están en Ávila.",
        "Calcula la media y la moda de estos datos: 3, 5, 5 y 8.",
    ],
)
def test_lessons_hold_nobody(text: str) -> None:
    assert names(ALONE, text) == []


def test_what_is_left_after_redaction_holds_nobody_more() -> None:
    texts = ["a noelia y a merche las han castigado, dice borja", "pues noelia no hizo nada, fue merche"]
    redacted = SCHOOL.redact(texts)
    assert redacted.counts[Kind.NAME] >= 4
    assert [names(SCHOOL, text) for text in redacted.texts] == [[], []]


def test_the_users_terms_are_nobodys_name() -> None:
    text = "pregunta a merche la de secretaria si ya esta mi matricula"
    assert names(Scanner(allow=["Merche"]), text) == []


def test_slips_of_a_name_are_near_it() -> None:
    assert {b"ainoa", b"ainho", b"ainhooa"} <= alike(b"ainhoa", prefixes=True)
    assert alike(b"ana", prefixes=True) == set()


def test_the_list_holds_each_feature_once_and_in_order() -> None:
    lines = (
        files("ftworker.curation.privacy").joinpath("words", "learned_names.tsv").read_bytes().split(b"\n")
    )
    rows = [line.split(b"\t") for line in lines[1:] if line]
    assert all(len(row) == 3 and row[0] in {b"gate", b"name"} for row in rows)
    assert rows == sorted(rows, key=lambda row: (row[0], row[1]))
    told = weights()
    assert len(told.gate) + len(told.name) == len(rows)
    assert b"bias" in told.gate
    assert b"bias" in told.name
