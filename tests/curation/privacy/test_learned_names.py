"""Names that a linear model finds beside the rules, with the weights that come with ftworker."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import pytest

from ftworker.curation.privacy import Kind, Scanner, learned_names
from ftworker.curation.privacy.folding import View, view
from ftworker.curation.privacy.name_lists import alike
from ftworker.curation.privacy.name_weights import weights
from ftworker.curation.privacy.weights import tables
from tests.curation.privacy.measured import HERE, personal

ALONE = Scanner()
SCHOOL = Scanner(roster=["Zubizarreta Olmo, Samuel", "Peralta Gil, Ainhoa"])
RULES = SCHOOL._names
MODEL = RULES._learned


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


def words_of_texts() -> Iterator[tuple[View, int, int, list[tuple[int, int, bytes]]]]:
    """Words that the model could be asked about, each with its text and what was found there."""
    for text in personal(HERE / "tenth.jsonl"):
        seen = view(text.text)
        if seen.offsets is None:
            found = [(find.start, find.end, find.kind.encode()) for find in SCHOOL.find(text.text)]
            standing = [(start, end) for start, end, *_ in RULES.places(seen)]
            for start, end in MODEL.candidates(seen, standing, around=True):
                yield seen, start, end, found


def test_a_score_is_the_sum_of_the_named_features() -> None:
    told, scores = tables("learned_names.tsv")["name"], 0
    for seen, start, end, found in words_of_texts():
        looked = MODEL.looked(seen, start, end, found)
        by_name = sum(told.get(feature, 0.0) for feature in (b"bias", *looked.features()))
        assert weights().name.score(looked) == pytest.approx(by_name)
        scores += 1
    assert scores > 500


def test_the_quick_look_adds_up_the_named_features() -> None:
    told, passed, looks = tables("learned_names.tsv")["gate"], 0, 0
    for seen, start, end, _ in words_of_texts():
        of_roster = MODEL.is_of_roster(seen.folded[start:end])
        least = learned_names.PASSED_OF_ROSTER if of_roster else learned_names.PASSED
        adds = [told.get(feature, 0.0) for feature in MODEL.outlook(seen, start, end)]
        own = told[b"bias"] + sum(adds[:2]) - least
        whole = own + sum(adds[2:])
        # What comes out as nought may be a little over or under it.
        if abs(whole) > 1e-9 and abs(own - learned_names.HOPELESS) > 1e-9:
            expected = own > learned_names.HOPELESS and whole > 0
            assert MODEL.could_be(seen, start, end) == expected
            passed += expected
            looks += 1
    assert 100 < passed < looks


def test_the_list_holds_each_feature_once_and_in_order() -> None:
    lines = (
        files("ftworker.curation.privacy").joinpath("words", "learned_names.tsv").read_bytes().split(b"\n")
    )
    rows = [line.split(b"\t") for line in lines[1:] if line]
    assert all(len(row) == 3 and row[0] in {b"gate", b"name"} for row in rows)
    assert rows == sorted(rows, key=lambda row: (row[0], row[1]))
    told = tables("learned_names.tsv")
    assert sum(map(len, told.values())) == len(rows)
    assert all(b"bias" in table for table in told.values())
