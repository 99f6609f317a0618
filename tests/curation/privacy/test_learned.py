"""The linear model beside the rules: what it adds, what it leaves alone, and how it does on texts it was not taught."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from ftworker.curation.privacy import Kind, Scanner, candidates, glance, learned, weights
from ftworker.curation.privacy.folding import view
from tests.curation.privacy import teach

ALONE = Scanner()


@pytest.fixture
def rules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned, "weights", lambda: learned.NOTHING)


@pytest.fixture(scope="module")
def every() -> list[teach.Sample]:
    return teach.samples([])


_SAID = [
    (
        "quedamos en travesia del horno 6 1d a las cinco",
        "travesia del horno 6 1d",
    ),
    ("mi hermano pequeño cumple el 3 de noviembre, es del 2014", "3 de noviembre"),
    ("ponme en el grupo, en el discord salgo como zarpazo.azul", "zarpazo.azul"),
    ("la abuela vino al mundo el 9-2-1948 y quiere apuntarse a informatica", "9-2-1948"),
    ("llamad a mi tia si no contesto, 644 1920 33", "644 1920 33"),
]


@pytest.mark.parametrize("text, datum", _SAID)
def test_what_no_rule_was_written_for_is_found(text: str, datum: str) -> None:
    start = text.index(datum)
    finds = ALONE.find(text)
    assert any(find.start <= start and find.end >= start + len(datum) for find in finds), finds


@pytest.mark.usefixtures("rules_alone")
def test_the_rules_alone_do_not_find_all_of_it() -> None:
    missed = [
        datum for text, datum in _SAID if not any(datum in text[f.start : f.end] for f in ALONE.find(text))
    ]
    assert missed


@pytest.mark.parametrize(
    "text",
    [
        "La guerra civil empezó el 18 de julio de 1936 y acabó el 1 de abril de 1939.",
        "Ejercicio 14, página 203: calcula 3x² − 12x + 4 = 0 y comprueba que x = 2 no es solución.",
        "El aula 2.14 está en la segunda planta; la tutoría es de 16:30 a 17:15.",
        "for i in range(10): print(total_ventas[i], cliente.nombre)",
        "El artículo 27.3 de la Constitución y la Ley 3/2020, de 29 de diciembre.",
        "Madrid tiene 3,3 millones de habitantes y Barcelona 1,6; datos de 2022.",
        "Discord y Twitch son plataformas; un servidor de Discord puede tener 500.000 miembros.",
    ],
)
def test_lessons_are_left_alone(text: str) -> None:
    assert ALONE.find(text) == []


def test_an_address_goes_on_to_its_town() -> None:
    text = "nos mandan las cartas a c/ mayor 4, 44600 alcañiz y ya no vivimos alli"
    (address,) = ALONE.find(text)
    assert (text[address.start : address.end], address.kind) == ("c/ mayor 4, 44600 alcañiz", Kind.ADDRESS)


def test_what_is_redacted_holds_nothing_that_the_model_would_find(every: list[teach.Sample]) -> None:
    texts = [
        sample.text.text for sample in every if sample.set_ in {"pupils", "office"} and not sample.lesson
    ]
    for text in texts:
        (redacted,) = ALONE.redact([text]).texts
        assert ALONE.find(redacted) == []


def test_every_weight_can_be_read_and_no_feature_holds_a_digit_but_nine() -> None:
    listed = weights.tables("learned_weights.tsv")
    assert listed.keys() == {"at_a_glance", "somebodys", "goes_on"} | {kind.value for kind in Kind} - {"name"}
    for table in listed.values():
        assert b"bias" in table
        for feature in table:
            # Counts and places of words aside, what was read from a text has nines for its digits.
            seen = feature.partition(b":")[2] if b":" in feature else b""
            assert not re.search(rb"[0-8]{3}", seen), feature


def test_a_glance_is_the_sum_of_what_its_features_add_by_their_names(every: list[teach.Sample]) -> None:
    table = weights.tables("learned_weights.tsv")["at_a_glance"]
    at_a_glance = learned.weights().at_a_glance
    texts = [sample for sample in every if sample.set_ in {"languages", "lessons"}]
    asked = [(sample.seen, *token) for sample in texts for token in sample.candidates()]
    assert len(asked) > 1000
    for token in asked:
        assert at_a_glance.score(*token) == pytest.approx(weights.score(table, glance.said(*token)))


@pytest.mark.parametrize(
    "text",
    [
        "los autovalores λ = 3 y λ = 5, con Δ positivo",
        "привет, как дела?",
        "sube un 4 %, casi un 0,6 %, y 12 = 3 · 4",
        "lo dice el texto [3], y también otro [12]",
    ],
)
def test_what_is_of_a_formula_a_share_or_a_citation_is_not_asked(text: str) -> None:
    assert candidates.candidates(view(text), [(0, len(text))], []) == []


def test_the_same_text_is_asked_the_same_tokens_wherever_it_stands() -> None:
    text = "vivo en la plaza del trigo 8, 2d"
    alone = candidates.candidates(view(text), [(0, len(text))], [])
    behind = candidates.candidates(view("Hola.\n" + text), [(0, len(text) + 6)], [])
    assert [(start + 6, end + 6) for start, end in alone] == behind


@pytest.mark.parametrize("set_", ["everybody", "families"])
def test_a_model_taught_without_an_author_finds_most_of_what_the_rules_miss_in_her_texts(
    every: list[teach.Sample], set_: str
) -> None:
    reached = teach.held_out(every, set_)
    missed_by_rules, missed_by_both = reached.data - reached.by_rules, reached.data - reached.by_both
    assert missed_by_rules >= 20
    assert missed_by_both <= missed_by_rules / 2
    assert reached.alarmed_by_both - reached.alarmed_by_rules <= 0.01 * reached.lessons


_PRINT_FEATURES = """
from ftworker.curation.privacy.folding import view
from ftworker.curation.privacy.names import NameRules
from ftworker.curation.privacy.token_features import features, tokens
seen = view("hola soy pablo de 2B y mi insta es pablo_gg2011, vivo en la calle mayor 3 y naci el 3/5/2011")
names = NameRules((), ())._learned
print([(features(seen, *token, []), names.looked(seen, *token, [])) for token in tokens(seen)])
"""


def test_what_is_said_of_a_token_has_one_order_in_every_process() -> None:
    """Sums of the same weights in another order may differ in their last bit, and a score stand on either side."""
    said = {
        subprocess.run(
            [sys.executable, "-c", _PRINT_FEATURES],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert b"insta" in said.pop()
