"""What stands in a conversation after redaction: typed placeholders, one for one person, and nothing left to find."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.curation.privacy import Kind, Scanner
from ftworker.curation.privacy.kinds import PLACEHOLDER
from tests.curation.privacy.measured import lessons, personal, roster

ALONE = Scanner()
WITH_ROSTER = Scanner(roster=roster())
ROSTER = Scanner(roster=["García López, Lucía", "Yingjia Chen Wu", "Sol Pérez Mar", "José Luis Ortega Vidal"])


def test_each_value_has_a_numbered_placeholder_of_its_kind() -> None:
    redacted = ALONE.redact(["Me llamo Lucía Gómez, mi tel. es 612 345 678 y el de casa 912 345 678."])
    assert redacted.texts == ("Me llamo [NOMBRE_1], mi tel. es [TELEFONO_1] y el de casa [TELEFONO_2].",)
    assert redacted.counts == {Kind.NAME: 1, Kind.PHONE: 2}
    assert not redacted.uncertain


def test_one_person_has_one_placeholder_in_the_whole_conversation() -> None:
    redacted = ALONE.redact(
        [
            "Hola, me llamo Lucía Gómez.",
            "Hola, Lucía. ¿En qué te ayudo?",
            "mi amiga Marta Ruiz dice que está mal. firmado, lucia",
            "Dile a Marta que repase, LUCÍA GÓMEZ.",
        ]
    )
    assert redacted.texts == (
        "Hola, me llamo [NOMBRE_1].",
        "Hola, [NOMBRE_1]. ¿En qué te ayudo?",
        "mi amiga [NOMBRE_2] dice que está mal. firmado, [NOMBRE_1]",
        "Dile a [NOMBRE_2] que repase, [NOMBRE_1].",
    )


def test_two_people_of_one_name_stay_two() -> None:
    text = "Lucía Gómez y Lucía Pérez van a mi clase. Lucía Gómez es alta."
    assert ALONE.redact([text]).texts == ("[NOMBRE_1] y [NOMBRE_2] van a mi clase. [NOMBRE_1] es alta.",)


_REDACTS_NAMESAKES = """
from ftworker.curation.privacy import Scanner
print(Scanner().redact([
    "Mi amiga Ana y la señora Gómez vinieron.", "Ana Gómez no vino.", "Mi tutor Luis Soto y la profesora Ibarra.",
    "Luis Ibarra y Soto Ibarra, de mi clase.", "Hugo Vela y don Paco Prieto Gómez; y Paco Vela.", "Hola, Prieto Vela.",
]).texts)
"""


def test_namesakes_have_the_same_placeholders_in_every_process() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", _REDACTS_NAMESAKES],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in range(6)
    }  # fmt: skip
    assert len(told) == 1
    # Who is named first in a name is meant: Ana Gómez is the Ana of before.
    assert "'[NOMBRE_1] no vino.'" in told.pop()


def test_a_name_that_one_message_tells_is_found_in_all() -> None:
    redacted = ALONE.redact(["¿Y qué dijo wenjing?", "me llamo Wenjing y soy nuevo", "Wenjing, mira esto."])
    assert redacted.texts[2] == "[NOMBRE_1], mira esto."
    assert "[NOMBRE_1]" in redacted.texts[0]


def test_the_same_number_written_otherwise_has_the_same_placeholder() -> None:
    redacted = ALONE.redact(["tel. 612 345 678", "llámame al +34 612345678, o 612-34-56-78"])
    assert redacted.texts == ("tel. [TELEFONO_1]", "llámame al [TELEFONO_1], o [TELEFONO_1]")


def test_numbers_that_a_text_holds_already_are_not_given_again() -> None:
    assert ALONE.redact(["[NOMBRE_3] y yo, me llamo Lucía"]).texts == (
        "[NOMBRE_3] y yo, me llamo [NOMBRE_4]",
    )


def test_what_a_phrase_announces_and_nobody_knows_is_uncertain() -> None:
    known, unknown = ALONE.redact(["mi madre se llama Ana"]), ALONE.redact(["mi madre se llama krystyna"])
    assert (known.uncertain, unknown.uncertain) == (False, True)
    assert unknown.texts == ("mi madre se llama [NOMBRE_1]",)
    assert not ALONE.redact(["me llamó la atención la fotosíntesis"]).uncertain


@pytest.mark.parametrize(
    "text",
    [
        "Lucía García López",
        "García López, Lucía",
        "lucia garcia",
        "LUCÍA GARCÍA",
        "Lucia Garcia Lopez",
        "yingjia chen",
        "Yingjia",
        "yingjia",
        "José Luis",
        "jose luis ortega",
        "Lucía",
        unicodedata.normalize("NFD", "Lucía García"),
        "Luc\u00adía García",
        "Ｌucía García",
    ],
)
def test_a_name_of_the_roster_is_found_however_it_is_written(text: str) -> None:
    before, after = "¿Has visto a ", " en el patio?"
    [find] = ROSTER.find(before + text + after)
    assert (find.start, find.end, find.kind) == (len(before), len(before) + len(text), Kind.NAME)


@pytest.mark.parametrize(
    "text", ["El Sol sale por el este.", "Sol y sombra.", "el mar y el sol", "la luz del sol"]
)
def test_a_name_that_is_a_word_too_is_left_where_it_is_one(text: str) -> None:
    assert ROSTER.find(text) == []
    assert ROSTER.find("Ayer Sol trajo el balón a clase") != []


def test_a_list_of_pupils_is_read_by_the_headings_of_its_columns() -> None:
    rows = "alumno;nacimiento;telefono;nota\nA1;19/03/2009;655231969;7\nA2;02/12/2009;615894705;9"
    assert ALONE.redact([rows]).texts == (
        "alumno;nacimiento;telefono;nota\nA1;[NACIMIENTO_1];[TELEFONO_1];7\nA2;[NACIMIENTO_2];[TELEFONO_2];9",
    )
    assert ALONE.find("planeta;masa;radio\nMarte;641710000;3389\nTierra;597219000;6371") == []


def test_a_name_ends_with_its_line() -> None:
    assert ALONE.redact(["Me llamo Inmaculada Gallego\nDepartamento de Francés"]).texts == (
        "Me llamo [NOMBRE_1]\nDepartamento de Francés",
    )


@pytest.mark.parametrize(
    "text, left",
    [
        ("vivo en Serrano 23, 2º A", "vivo en [DIRECCION_1]"),
        ("vivo en el 14 de la calle Mayor", "vivo en el [DIRECCION_1]"),
        ("Vivo en Madrid 3 días a la semana", "Vivo en Madrid 3 días a la semana"),
        ("Harry Potter vive en Privet Drive 4", "Harry Potter vive en Privet Drive 4"),
    ],
)
def test_a_home_needs_no_word_for_its_street_where_somebody_tells_of_it(text: str, left: str) -> None:
    assert ALONE.redact([text]).texts == (left,)


def test_own_terms_are_never_personal_data() -> None:
    assert ALONE.find("El pabellón Carmen Ruiz está cerrado") != []
    assert Scanner(allow=["Carmen Ruiz"]).find("El pabellón Carmen Ruiz está cerrado") == []


def test_a_figure_is_left_alone_and_a_pupil_of_that_name_is_not() -> None:
    assert ALONE.find("Isabel Allende escribió La casa de los espíritus") == []
    assert ALONE.find("me llamo Isabel Allende y voy a 2º B") != []
    assert Scanner(roster=["Allende Ruiz, Isabel"]).find("Isabel Allende y yo hemos acabado") != []


@pytest.mark.parametrize("scanner", [ALONE, WITH_ROSTER], ids=["alone", "with a roster"])
def test_nothing_is_found_in_what_was_redacted(scanner: Scanner) -> None:
    for text in [*personal(), *lessons()]:
        [redacted] = scanner.redact([text.text]).texts
        assert scanner.find(redacted) == [], redacted
    everything = scanner.redact([text.text for text in personal()]).texts
    assert [text for text in everything if scanner.find(text)] == []


PIECES = [
    "me llamo ",
    "mi profe ",
    "Lucía",
    " Gómez",
    "lucia",
    "tel. ",
    "612 345 678",
    "12345678Z",
    "ES91 2100 0418 4502 0005 1332",
    "calle Mayor ",
    "5",
    ", 3º B",
    " 28013 Madrid",
    "@lucia_99",
    "lucia@correo.es",
    "[NOMBRE_1]",
    "nací el ",
    "3 de mayo de 2010",
    "DNI ",
    "expediente ",
    "1234 BCD",
    "coche ",
    " y ",
    ", ",
    ". ",
    "\n",
    "-",
    "/",
    " ",
    "Hola, ",
    "Federico García Lorca",
    "Sol",
    "í",
    "\u0301",
    "\u200b",
    "ş",
    "中",
    "6",
    "+34 ",
    "arroba",
    " punto com",
    "seis ",
    "se llama ",
    "María",
    " de la ",
    "C/ ",
    "(",
    ")",
]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), min_size=1, max_size=4))
def test_whatever_is_put_together_nothing_is_left_to_find(texts: list[str]) -> None:
    redacted = ROSTER.redact(texts)
    for given_, finds, left in zip(texts, redacted.findings, redacted.texts, strict=True):
        assert ROSTER.find(left) == [], left
        ends = [0, *(end for find in finds for end in (find.start, find.end)), len(given_)]
        assert ends == sorted(ends)
        outside = [given_[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True)]
        # Offsets are into what was given: what lies between the finds stands in the result as it was.
        position = 0
        for part in outside:
            assert (position := left.find(part, position)) != -1
        assert len(PLACEHOLDER.findall(left)) >= len(finds)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=120))
def test_no_text_breaks_a_rule(text: str) -> None:
    for find in ALONE.redact([text]).findings[0]:
        assert 0 <= find.start < find.end <= len(text)


def test_the_quick_look_before_the_rules_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text.text for text in [*personal(), *lessons()]]
    quick = [ALONE.find(text) for text in texts]
    monkeypatch.setattr(Scanner, "_looks", lambda self, texts: [self._thorough_look(text) for text in texts])
    assert [ALONE.find(text) for text in texts] == quick


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("El del 2251-MKL ha dejado las luces puestas", [Kind.PLATE]),
        ("Gira a 3500 RPM, un 1977 PSP y el 2024-FPB de letras", []),
        ("Marta Gil Ruiz, 3 de mayo de 2012, quiere plaza", [Kind.NAME, Kind.BIRTH_DATE]),
        ("El 3 de mayo de 2012 hubo eclipse", []),
        ("Está en Lugar de Outeiro 14, 27256 Castro de Rei", [Kind.ADDRESS]),
        ("Me escribe ratoncosmico12", []),
        ("Escribe a lu@correo.es o a ratoncosmico12", [Kind.EMAIL, Kind.HANDLE]),
        ("Apunta: Loreta Bascunyán Ruiz, DNI 12345678Z", [Kind.NAME, Kind.DNI]),
    ],
)
def test_what_is_doubtful_by_itself_counts_beside_another_find(text: str, kinds: list[Kind]) -> None:
    assert [find.kind for find in Scanner().find(text)] == kinds


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("El NIF de la universidad es Q1818002F y debe figurar en las facturas.", []),
        ("Facturas a nombre del AMPA, NIF G28029643.", []),
        ("El NIF es Q1818002E.", [Kind.RECORD_NUMBER]),
        ("Precio de la matrícula EOI 2024/25 en Madrid.", []),
        ("La matrícula es EOI 2024.", [Kind.PLATE]),
        ("Programa de la audición: Sonata K. 545 (1.er mov.), Nocturno op. 9.", []),
        ("Vivo en Zabalburu K. 545, en Bilbao.", [Kind.ADDRESS]),
    ],
)
def test_a_body_a_course_and_a_work_of_music_are_nobody(text: str, kinds: list[Kind]) -> None:
    assert [find.kind for find in ALONE.find(text)] == kinds
