"""The last gate: what it reads of a file, what it passes over, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest

from ftworker.curation.privacy.scan import Scanner
from ftworker.datasets.formats import row_format
from ftworker.datasets.last_look import PersonalDataLeft, look_through, texts_of

MAIL = "lucia.perez@instituto.es"
SYSTEM = f"Escribe a {MAIL} si hay dudas."
CHAT = (
    '[{"role":"user","content":"¿Qué es\u2028un átomo?"},{"role":"assistant","content":"Una parte.","weight":0},'
    '{"role":"user","content":"¿Y un ion?"},{"role":"assistant","content":"%s"}]'
)
PAIR = (
    '{"input":[{"role":"user","content":"¿Qué es un ion?"}],'
    '"preferred_output":[{"role":"assistant","content":"Un átomo con carga."}],'
    '"non_preferred_output":[{"role":"assistant","content":"%s"}]}'
)
CLEAN = "Un átomo con carga [CORREO_1]."
FORMATS = {
    "openai-chat": CHAT,
    "prompt-completion": CHAT,
    "instruction-json": CHAT,
    "instruction-jsonl": CHAT,
    "openai-preference": PAIR,
    "preference": PAIR,
}


def kinds(text: str) -> Iterator[str]:
    return (find.kind.value for find in Scanner().find(text))


def file_of(form_name: str, *answers: str) -> tuple[str, BytesIO]:
    form = row_format(form_name, SYSTEM)
    rows = [row for answer in answers for row in form.rows(FORMATS[form_name] % answer)]
    return f"train.{form.extension}", BytesIO(form.head + form.separator.join(rows) + form.tail)


@pytest.mark.parametrize("form_name", FORMATS)
def test_a_find_in_any_format_is_told_by_kind_and_row_and_never_by_its_text(form_name: str) -> None:
    with pytest.raises(PersonalDataLeft) as caught:
        look_through([file_of(form_name, CLEAN, CLEAN, f"Escribe a {MAIL}.")], kinds)
    assert caught.value.counts == {"email": 1}
    assert len(caught.value.places) == 1
    assert "lucia" not in str(caught.value)
    assert "1 email" in str(caught.value)


@pytest.mark.parametrize("form_name", FORMATS)
def test_the_system_prompt_and_placeholders_are_no_finds(form_name: str) -> None:
    seen: list[int] = []
    look_through([file_of(form_name, CLEAN)], kinds, seen.append)


def test_rows_are_counted_as_the_file_has_them() -> None:
    with pytest.raises(PersonalDataLeft) as caught:
        look_through([file_of("openai-chat", CLEAN, CLEAN, MAIL)], kinds)
    assert caught.value.places == ["train.jsonl:3"]


def test_every_text_of_stored_content_is_looked_at() -> None:
    row = {
        "a": [{"role": "user", "content": "uno"}, {"role": "system", "content": "dos"}],
        "response": "tres",
    }
    assert list(texts_of(row)) == ["uno", "tres"]


def test_turns_of_an_instruction_are_looked_at_one_by_one() -> None:
    history = "Usuario: Spotify no va\n\nAsistente: CaCO3 y KMnO4\n\nUsuario: ¿y ahora?"
    assert list(texts_of({"instruction": history, "response": "Sí."})) == [
        "Spotify no va",
        "CaCO3 y KMnO4",
        "¿y ahora?",
        "Sí.",
    ]
    with pytest.raises(PersonalDataLeft):
        look_through(
            [("train.json", BytesIO(b'[{"instruction": "Usuario: %s", "response": "x"}]' % MAIL.encode()))],
            kinds,
        )
