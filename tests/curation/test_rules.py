"""The rules that measure an answer: what each lets through and what it does not, and that its setting decides."""

from __future__ import annotations

from typing import Any

import pytest

from ftworker.conversations import Chunk
from ftworker.curation.curate import Trace, curate
from ftworker.settings import CurationSettings
from tests.curation.talks import ANSWER, assistant, contents, conversation, drops, user

PROSE = (
    "La fotosíntesis es el proceso con el que las plantas fabrican su alimento: toman dióxido de carbono del aire y "
    "agua del suelo y, con la energía de la luz, los transforman en glucosa y oxígeno."
)
LIBRARY = (Chunk("La biblioteca abre los viernes de 8:30 a 14:00 horas.", rank=1),)
NO_IDEA = "Lo siento, no tengo información sobre eso."


def judged(
    answer: str, question: str = "¿Me lo explicas, por favor?", chunks: Any = (), **settings: Any
) -> Any:
    """The reason of the drop, or the example."""
    curated = curate(
        conversation(user(question), assistant(answer, context=chunks)), CurationSettings(**settings)
    )
    return curated.drops[0].reason if curated.drops else curated.examples[0]


LANGUAGES = {
    "es": PROSE,
    "ca": (
        "La fotosíntesi és el procés amb què les plantes fabriquen el seu aliment: agafen diòxid de carboni de l'aire "
        "i aigua del sòl i els transformen en glucosa i oxigen amb l'energia de la llum."
    ),
    "gl": (
        "A fotosíntese é o proceso co que as plantas fabrican o seu alimento: toman dióxido de carbono do aire e auga "
        "do chan e, coa enerxía da luz, transfórmanos en glicosa e osíxeno."
    ),
    "eu": (
        "Fotosintesia landareek beren elikagaia egiteko duten prozesua da: airetik karbono dioxidoa eta lurretik ura "
        "hartzen dituzte, eta argiaren energiarekin glukosa eta oxigenoa egiten dute."
    ),
    "en": (
        "Photosynthesis is the process by which plants make their food: they take carbon dioxide from the air and "
        "water from the soil and, with the energy of light, they turn them into glucose and oxygen."
    ),
    "fr": (
        "La photosynthèse est le processus par lequel les plantes fabriquent leur nourriture : elles prennent le "
        "dioxyde de carbone dans l'air et l'eau dans le sol avec l'énergie de la lumière."
    ),
    "pt": (
        "A fotossíntese é o processo com que as plantas fabricam o seu alimento: tiram dióxido de carbono do ar e água "
        "do solo e, com a energia da luz, não precisam de mais nada para viver."
    ),
    "it": (
        "La fotosintesi è il processo con cui le piante producono il loro nutrimento: prendono anidride carbonica "
        "dall'aria e acqua dal suolo e, con l'energia della luce, le trasformano in glucosio."
    ),
    "de": (
        "Die Photosynthese ist der Vorgang, mit dem Pflanzen ihre Nahrung herstellen: sie nehmen Kohlendioxid aus der "
        "Luft und Wasser aus dem Boden auf und machen daraus mit dem Licht Zucker."
    ),
}


@pytest.mark.parametrize("accepted", LANGUAGES)
@pytest.mark.parametrize("written", LANGUAGES)
def test_an_answer_passes_in_an_accepted_language_and_in_no_other(written: str, accepted: str) -> None:
    found = judged(LANGUAGES[written], languages=(accepted,))
    assert (found == "wrong_language") == (written != accepted)


@pytest.mark.parametrize(
    "answer",
    [
        "Usa Ep = m·g·h, con m = 2 kg y g = 9,8 m/s². Queda Ep = 58,8 J. Al caer, se va convirtiendo en cinética.",
        "F = m · a, de donde a = F / m = 20 / 4 = 5 m/s² y v = a · t = 5 · 3 = 15 m/s",
        "```python\nfor the in of:\n    if not this and that is with:\n        return the or from\n```\nAsí funciona.",
        "«If I had studied, I would have passed the exam»: así se dice en inglés, con el pasado perfecto delante.",
        'Se escribe "You can reply to this e-mail address or call me at the office". Suena más formal que lo tuyo.',
        "El Miño, el Duero, el Tajo, el Guadiana, el Guadalquivir, el Segura, el Júcar, el Ebro y el Llobregat.",
        "Yes, there are. No, there aren't.",
        "(ln x)' = 1/x; (sen x)' = cos x; (cos x)' = −sen x; (eˣ)' = eˣ; (tg x)' = 1 + tg² x; (xⁿ)' = n·xⁿ⁻¹",
    ],
)
def test_formulas_code_quotations_and_few_words_are_not_judged_by_language(answer: str) -> None:
    assert judged(answer) != "wrong_language"


def test_an_answer_that_slips_into_another_script_is_foreign_however_short() -> None:
    assert judged("La energía 光合作用是植物制造食物的过程 es así.") == "wrong_language"
    assert judged("光合作用是植物制造食物的过程和方法") == "wrong_language"
    assert judged("El ángulo α mide π/2 y β mide π/3, luego γ mide π/6.").turn == 0
    assert judged("光合作用是植物制造食物的过程和方法", languages=()).turn == 0


def test_the_settings_of_the_language_rule_decide() -> None:
    english = LANGUAGES["en"]
    assert judged(english) == "wrong_language"
    assert judged(english, languages=("es", "en")).turn == 0
    assert judged(english, languages=()).turn == 0
    assert judged(english, min_language_words=100).turn == 0


LOOPS = [
    "Entonces la respuesta es 3. " * 12,
    "Primero despeja x en la ecuación. " + "Ahora la respuesta es la misma y por eso x vale 3. " * 8,
    (PROSE + " ") * 4,
    "muy " * 80,
]


@pytest.mark.parametrize("answer", LOOPS)
def test_an_answer_in_circles_is_repetitive(answer: str) -> None:
    assert judged(answer) == "repetitive"
    assert judged(answer, min_compression_ratio=1_000).turn == 0
    lenient: dict[str, Any] = dict.fromkeys(
        ("max_top_2gram_share", "max_top_3gram_share", "max_top_4gram_share", "max_repeated_10gram_share"),
        1.0,
    )
    assert judged(answer, **lenient).turn == 0


@pytest.mark.parametrize(
    "answer",
    [
        PROSE,
        " ".join(LANGUAGES[name] for name in ("es", "ca", "gl", "fr")),
        "1 · 7 = 7\n2 · 7 = 14\n3 · 7 = 21\n4 · 7 = 28\n5 · 7 = 35\n6 · 7 = 42\n7 · 7 = 49\n8 · 7 = 56\n9 · 7 = 63",
        "Prueba esto:\n```\n"
        + "print('hola')\n" * 30
        + "```\nEscribe treinta veces lo mismo en la pantalla.",
    ],
)
def test_prose_tables_and_code_are_not_repetitive(answer: str) -> None:
    assert judged(answer, languages=()).turn == 0


@pytest.mark.parametrize(
    "answer,broken",
    [
        ("#### $$$$ %%%% @@@@ " * 4, True),
        ("□□□□□□ ���� " * 6, True),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n| 7 | 8 |", False),
        ("Calcula det(A − λI) = (2 − λ)² − 1 = λ² − 4λ + 3 y iguala a 0.", False),
        ("¡¡¡!!!", False),
    ],
)
def test_an_answer_of_signs_is_broken(answer: str, broken: bool) -> None:
    settings: dict[str, Any] = {"min_answer_characters": 0, "languages": ()}
    assert (judged(answer, **settings) == "too_many_signs") == broken
    assert judged(answer, **settings, max_sign_share=1.0).turn == 0


def test_a_refusal_is_dropped_where_its_context_holds_the_answer() -> None:
    question = "¿A qué hora abre la biblioteca los viernes?"
    assert judged(NO_IDEA, question, LIBRARY) == "refusal"
    assert judged(NO_IDEA, question, LIBRARY, refusal_overlap=1.0).refusal


@pytest.mark.parametrize(
    "question,context",
    [
        ("¿En qué imprenta de Cádiz se imprimió la Constitución?", LIBRARY),
        ("¿Y los domingos?", LIBRARY),
        ("¿A qué hora abre la biblioteca los viernes?", ()),
    ],
)
def test_a_refusal_is_kept_and_marked_where_nothing_held_the_answer(question: str, context: Any) -> None:
    example = judged(NO_IDEA, question, context)
    assert example.refusal
    assert not example.unsupported
    assert not judged(PROSE, question, context).refusal


def test_without_context_in_the_prompt_a_refusal_teaches_nothing() -> None:
    assert judged(NO_IDEA, "¿Quién fue?", LIBRARY, context="none") == "refusal"


def judge_rated(answer: str, rating: int, **settings: Any) -> Any:
    talk = conversation(
        user("¿A qué hora abre la biblioteca los viernes?", context=LIBRARY), assistant(answer, rating=rating)
    )
    return curate(talk, CurationSettings(**settings))


def test_a_thumb_up_keeps_a_refusal_and_it_counts_as_one() -> None:
    (example,) = judge_rated(NO_IDEA, 1).examples
    assert example.refusal
    assert drops(judge_rated(NO_IDEA, 0)) == [(0, "refusal")]


CELL = (
    Chunk("Las mitocondrias son orgánulos que producen la mayor parte de la energía de la célula.", rank=1),
)


@pytest.mark.parametrize(
    "answer,unsupported",
    [
        ("La energía de la célula la producen las mitocondrias, que son orgánulos.", False),
        ("Cervantes publicó la segunda parte del Quijote en Madrid diez años después.", True),
        ("Son 4 · 5 = 20.", False),
    ],
)
def test_an_answer_that_its_context_does_not_know_is_marked_and_kept(answer: str, unsupported: bool) -> None:
    example = judged(answer, "¿Y eso?", CELL, min_answer_characters=0)
    assert example.unsupported == unsupported
    assert not judged(answer, "¿Y eso?", CELL, min_answer_characters=0, min_support=0.0).unsupported
    assert not judged(answer, "¿Y eso?", (), min_answer_characters=0).unsupported


def test_the_trace_names_each_rule_with_its_value_and_its_limit_and_says_nothing_of_the_text() -> None:
    trace = Trace()
    secret = "Marisol"
    talk = conversation(
        user(f"¿Qué le pasa a {secret}?"), assistant(f"{secret} tiene {PROSE}"),
        user("¿Y ahora?"), assistant("Sí."),
        user("¿Hola?"),
    )  # fmt: skip
    curate(talk, CurationSettings(personal_data="keep"), trace=trace)
    assert secret not in repr(trace)
    first = {step.rule: step for step in trace.of_turn(0)}
    assert first["too_short"].outcome == "passed"
    assert first["too_short"].limit == "min_answer_characters = 15"
    assert first["wrong_language"].limit == "languages = es"
    assert first["repetitive"].limit.startswith("quick_ratio")
    assert first["too_many_tokens"].outcome == "passed"
    last = trace.of_turn(1)[-1]
    assert (last.rule, last.outcome, last.value) == ("too_short", "dropped", "3")
    assert [(step.rule, step.outcome) for step in trace.of_turn(2)] == [("not_ended_by_assistant", "dropped")]


def test_a_trace_changes_nothing() -> None:
    talk = conversation(user("¿Qué es?"), assistant(), user("¿Y?"), assistant(NO_IDEA, rating=-1))
    assert curate(talk, CurationSettings()) == curate(talk, CurationSettings(), trace=Trace())
    whole = Trace()
    curate(conversation(user("a"), assistant(), debug=True), CurationSettings(), trace=whole)
    assert [(step.rule, step.outcome) for step in whole.whole()] == [("debug", "dropped")]


def test_examples_tell_by_what_their_tokens_were_counted() -> None:
    class Words:
        name = "words"

        def count(self, text: str) -> int:
            return len(text.split())

    talk = conversation(user("¿Qué es eso?"), assistant(ANSWER))
    (example,) = curate(talk, CurationSettings(), counter=Words()).examples
    assert example.tokenizer == "words"
    assert example.token_count == 3 + 8 + 2 * 4 + 3
    assert curate(talk, CurationSettings()).examples[0].tokenizer == "estimate"
    assert drops(curate(talk, CurationSettings(max_tokens=21), counter=Words())) == [(0, "too_many_tokens")]
    assert contents(curate(talk, CurationSettings(max_tokens=22), counter=Words()))
