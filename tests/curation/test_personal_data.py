"""What is taken for personal data and what is not. Every number and address here is made up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.curation.personal_data import find_personal_data, holds_personal_data

POSITIVES = [
    ("email", "mi correo es lucia.perez@gmail.com"),
    ("email", "escríbeme a Marta_99@alumnos.colegio.es."),
    ("email", "<pepe+clase@uni-sevilla.es>"),
    ("email", "contacto: secretaria@ies-cervantes.edu.es, gracias"),
    ("email", "josé.núñez@correo.es"),
    ("email", "a@b.co"),
    ("email", "user@localhost no, pero ana@hotmail.com sí"),
    ("email", "mándalo a profe@colegio.es o profe2@colegio.es"),
    ("identity_number", "DNI 12345678Z"),
    ("identity_number", "mi dni es 12345678z"),
    ("identity_number", "12.345.678-Z"),
    ("identity_number", "12345678-Z"),
    ("identity_number", "12345678 Z"),
    ("identity_number", "con letra mal: 12345678A"),
    ("identity_number", "1.234.567-B"),
    ("identity_number", "NIE X1234567L"),
    ("identity_number", "Y-1234567-X"),
    ("identity_number", "Z 1234567 R"),
    ("identity_number", "con letra mal: X1234567A"),
    ("identity_number", "x1234567l"),
    ("iban", "ES91 2100 0418 4502 0005 1332"),
    ("iban", "ES9121000418450200051332"),
    ("iban", "ES91-2100-0418-4502-0005-1332"),
    ("iban", "con dígitos de control mal: ES00 2100 0418 4502 0005 1332"),
    ("iban", "ingresa en ES91 2100 0418 4502 0005 1332 en cuanto puedas"),
    ("iban", "GB29 NWBK 6016 1331 9268 19"),
    ("iban", "DE89370400440532013000"),
    ("iban", "es9121000418450200051332"),
    ("card", "4111 1111 1111 1111"),
    ("card", "4111111111111111"),
    ("card", "5500-0000-0000-0004"),
    ("card", "3782 822463 10005"),
    ("phone", "+34 612 345 678"),
    ("phone", "+34612345678"),
    ("phone", "0034 612345678"),
    ("phone", "(+34) 912 34 56 78"),
    ("phone", "+34 (91) 234 56 78"),
    ("phone", "612 345 678"),
    ("phone", "612-345-678"),
    ("phone", "612 34 56 78"),
    ("phone", "612.34.56.78"),
    ("phone", "91 234 56 78"),
    ("phone", "llámame al 612345678"),
    ("phone", "Tel.: 912345678"),
    ("phone", "mi móvil 612345678"),
    ("phone", "por whatsapp al 612345678"),
    ("phone", "tlf 612.345.678"),
    ("phone", "el meu número és 612345678"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "+52 55 1234 5678"),
    ("record_number", "expediente 20231234567"),
    ("record_number", "mi NIA es 1234567"),
    ("record_number", "número de la seguridad social 281234567840"),
    ("record_number", "28/12345678/40"),
    ("record_number", "pasaporte AAB123456"),
    ("record_number", "mi DNI es 12345678"),
    ("record_number", "tarjeta sanitaria CAT 1234567890"),
    ("record_number", "número de alumno: 2023004567"),
]

HARD_NEGATIVES = [
    # mathematics
    "600123456 es divisible entre 2",
    "¿Es 612345678 un número primo?",
    "el número 912345678 tiene nueve cifras",
    "1234567890 en base 10",
    "π = 3.14159265358979323846",
    "e ≈ 2,718281828459045",
    "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    "x = 612 345 678 + 1",
    "600.123.456 se lee seiscientos millones",
    "2^32 = 4294967296 y 2^64 = 18446744073709551616",
    "f(x) = 3x^2 - 5x + 2",
    "0,000001234567",
    "[612, 345, 678]",
    "987654321 × 9 = 8888888889",
    "1/7 = 0.142857142857142857",
    "10! = 3628800; 15! = 1307674368000",
    "6000000000000000 bytes",
    # physics, chemistry, geography
    "c = 299 792 458 m/s",
    "Júpiter está a 778 340 821 km del Sol",
    "la población es de 647 123 890 habitantes",
    "F = 10000000 N",
    "F = 10000000N",
    "una carga de 12345678 V",
    "número de Avogadro: 6,022 140 76 × 10^23",
    "6.02214076e23 mol^-1",
    "1,602176634 × 10^-19 C",
    "cuesta 612 345 678 €",
    "CH₄ + 2 O₂ → CO₂ + 2 H₂O",
    "H2SO4 y Ca3(PO4)2",
    "40.4168° N, 3.7038° O",
    # dates, times, years
    "el 12/10/1492 y el 2 de mayo de 1808",
    "2026-11-23T02:45:00Z",
    "1936-1939, 1939-1975",
    "20261123",
    "14-07-1789 a las 10:30:15",
    # codes
    "MAT-101, FIS-2023-04, 4º ESO B",
    "asignatura 70123456 del plan 2010",
    "ISBN 978-84-376-0494-7",
    "ISBN 9788437604947",
    "ISSN 1234-5678",
    "RFC 2606, ISO 8601, Real Decreto 217/2022",
    "192.168.100.200 y 255.255.255.0",
    "versión 3.11.7-20240115",
    "commit 9196278ab, #1234567",
    "color #612345 y 0xDEADBEEF12345678",
    "https://example.com/item/612345678",
    "550e8400-e29b-41d4-a716-446655440000",
    # e-mail-like
    "@app.route('/inicio')",
    "sígueme en @lucia_99",
    "usuario@ejemplo.com es un ejemplo de correo",
    "alice@example.org",
    "git@github.com:usuario/repo.git",
    "root@servidor:~$",
    "3 @ 2,50",
    "la carne pesa 1234567 kg y niego que sea 7654321",
    "el operador @ multiplica matrices: A @ B",
    "@Override public String toString()",
    "",
    "¿Cuál es la fórmula de la energía?",
]


@pytest.mark.parametrize("kind,text", POSITIVES)
def test_a_shape_of_personal_data_is_found_and_named(kind: str, text: str) -> None:
    assert holds_personal_data(text)
    assert kind in {find.kind for find in find_personal_data(text)}


@pytest.mark.parametrize("text", HARD_NEGATIVES)
def test_what_belongs_to_a_lesson_is_left_alone(text: str) -> None:
    assert find_personal_data(text) == []
    assert not holds_personal_data(text)


@pytest.mark.parametrize("kind,text", POSITIVES)
def test_a_find_covers_the_digits_or_the_address(kind: str, text: str) -> None:
    find = next(find for find in find_personal_data(text) if find.kind == kind)
    covered = text[find.start : find.end]
    assert (
        "@" in covered
        if kind == "email"
        else sum(c.isdigit() for c in covered) >= 7 or kind == "record_number"
    )


def test_a_number_that_several_rules_recognise_is_one_find() -> None:
    text = "llámame al +34 611 000 222 o al 622 000 333"
    assert [text[find.start : find.end] for find in find_personal_data(text)] == [
        "+34 611 000 222",
        "622 000 333",
    ]


@given(st.text(alphabet="0123456789 .-/+@aXZ(\n", max_size=200))
def test_the_quick_answer_and_the_full_one_agree(text: str) -> None:
    assert holds_personal_data(text) == bool(find_personal_data(text))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000 + "@",
        "1" * 300_000,
        "1 " * 150_000,
        "a@" * 150_000,
        "ES91 " + "2100 " * 60_000,
        "1.111" * 60_000,
    ],
)
def test_a_hostile_text_is_judged_in_linear_time(text: str) -> None:
    begun = time.perf_counter()
    holds_personal_data(text)
    assert time.perf_counter() - begun < 3
