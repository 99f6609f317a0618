"""No text, however hostile, takes longer than its length: every rule is bounded around what it looks at."""

from __future__ import annotations

import time

import pytest

from ftworker.curation.privacy import Scanner, sensitive

SCANNER = Scanner(roster=["García López, Lucía"])
LENGTH = 40_000

HOSTILE = [
    "a@",
    "1 ",
    "1",
    "a",
    "1.111",
    "2100 ",
    "612 345 678 ",
    "calle ",
    "calle Mayor ",
    "C/ A 1, ",
    "de la ",
    "me llamo ",
    "me llamo Ana ",
    "Ana García ",
    "García, ",
    "Lucía ",
    "lucia garcia ",
    "mi profe de ",
    "nací el ",
    "3 de mayo ",
    "@a_1 ",
    "arroba ",
    "a punto ",
    "seis ",
    "(at) ",
    "[NOMBRE_1] ",
    "í\u0301",
    "\u200b",
    "« ",
    "Ana y ",
    "Don Juan ",
    "coche 1234 BCD ",
    "-1234-",
    "DNI ",
    "mi mi mi ",
    "me pega ",
    "mi madre tiene ",
    "x" * 50 + "@",
    "\n",
    "¿",
    "M-1234-AB ",
    "se llama ",
    "kalea 1 ",
    "28013 ",
    "cp 28013 ",
    "Hola, ",
    "ES12 3456 ",
    "de 12 3 ",
    "es 1.2-3 ",
    "Apellidos: ",
    "Nombre: García, ",
    "discord: a1 ",
    "sigueme en insta ",
    "expediente 1-2/3",
    "a @ gmail . ",
    "envía al ",
    "nacimiento: 3 de mayo de dos mil ",
    "Avda. s/n, ",
    "Zabalburu plaza 6, ",
    "calle 2 de mayo n 3 ",
    "seguridad social 12 1 2 ",
    "el mío es 6 4 0 ",
    "se lee 612 345 678 ",
    "mi canal de twitch, a1b, ",
    "a-b @a-b-",
    "gracias!! Paulita ",
    "Nombre: Rosa canina ",
    "somos Abril y Marta y ",
    "the to and Lucy ",
    "vivo en ",
    "vivo en A 1, ",
    "vivo en el 3º B del 14 de la calle ",
    "vivo, en ",
    "NIA ",
    "NIA 1 ",
    "número de alumno de ",
    "tarjeta Bono ",
    "Calle 4 # 1-2 ",
    "Mz. B Lt. 1 ",
    "calle Mayor 1-2 ",
    "calle A, piso 1, ",
    "mi usuario de ",
    "mi insta a1 ",
    "soy a_1 en insta ",
    "a_arroba_",
    "a[@]b.",
    "a @gmail",
    "gmail: a1 ",
    "a#1234 insta ",
    "el 3 de mayo cumplo ",
    "nació el 3 de mayo ",
    "naci 1-V-2010 ",
    "00 44 12 ",
    "tel 1 2 ",
    "mi numero 1_1",
    "visa 4 ",
    "dni 1 2 ",
    "t.me/a",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_takes_time_in_proportion_to_its_length(piece: str) -> None:
    text = piece * (LENGTH // len(piece))
    began = time.perf_counter()
    SCANNER.redact([text])
    sensitive(text)
    # Quadratic work on so long a text takes minutes; the slowest of these takes a second on a busy machine.
    assert time.perf_counter() - began < 20
