"""What becomes an example and what does not: one table for the reasons, one test for each rule of the
content.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.conversations import Chunk, Conversation, Message
from ftworker.curation.curate import WHOLE_CONVERSATION, Curated, curate, curating, in_step
from ftworker.curation.reasons import DropReason
from ftworker.settings import CurationSettings
from tests.curation.talks import ANSWER, assistant, contents, conversation, drops, user

SEED_QUESTION = "¿Cuál es la fórmula de la energía?"
SEED_ANSWER = (
    "La fórmula de la energía es E=mc², donde E es energía, m es masa y c es la velocidad de la luz."
)


GOOD = (user("¿Qué hace la mitocondria?"), assistant())

WHOLE = [
    (DropReason.DELETED, conversation(*GOOD), {"closed_reason": "deleted"}, {}),
    (DropReason.DEBUG, conversation(*GOOD, debug=True), {}, {}),
    (DropReason.NO_CONSENT, conversation(*GOOD, training_consent=False), {}, {}),
    (DropReason.NO_CONSENT, conversation(*GOOD), {}, {"require_consent": True}),
    (
        DropReason.REASON_NOT_SELECTED,
        conversation(*GOOD),
        {"closed_reason": "idle_timeout"},
        {"reasons_closed": ("resolved",)},
    ),
    (DropReason.REASON_NOT_SELECTED, conversation(*GOOD), {}, {"reasons_closed": ("resolved",)}),
    (DropReason.EMPTY_CONVERSATION, conversation(), {}, {}),
    (DropReason.EMPTY_CONVERSATION, conversation(Message("system", "Eres un tutor.")), {}, {}),
    (DropReason.EMPTY_CONVERSATION, conversation(Message("tool", "{}")), {}, {}),
    (DropReason.EMPTY_CONVERSATION, conversation(user(" "), assistant("\n"), user("")), {}, {}),
    (DropReason.TOO_MANY_MESSAGES, conversation(*GOOD, *GOOD), {}, {"max_messages": 3}),
    (DropReason.UNKNOWN_ROLE, conversation(*GOOD, Message("narrador", "Y entonces...")), {}, {}),
    (DropReason.UNKNOWN_ROLE, conversation(Message("", "hola"), assistant()), {}, {}),
    (DropReason.NO_USER_MESSAGE, conversation(assistant("¡Hola! ¿En qué puedo ayudarte?")), {}, {}),
]

DROP = {"personal_data": "drop"}
REFUSES = "Lo siento, no tengo información sobre eso."
ENGLISH = (
    "The mitochondria is the part of the cell that makes the energy which all of the others need to live."
)

TURNS = [
    (DropReason.NO_USER_MESSAGE, (user("  \n"), assistant()), {}),
    (DropReason.ERROR_ANSWER, (user("¿Qué es?"), assistant(error="timeout")), {}),
    (DropReason.ERROR_ANSWER, (user("¿Qué es?"), assistant(error=True)), {}),
    (DropReason.EMPTY_ANSWER, (user("¿Qué es?"), assistant(" \n\t ")), {}),
    (DropReason.EMPTY_ANSWER, (user("¿Qué es?"), assistant("<think>mmm</think>")), {}),
    (DropReason.LONE_SURROGATE, (user("mira \ud83d"), assistant()), {}),
    (DropReason.LONE_SURROGATE, (user("¿Qué es?"), assistant(ANSWER + "\udc00")), {}),
    (DropReason.CONTROL_CHARACTERS, (user("a\x00b"), assistant()), {}),
    (DropReason.CONTROL_CHARACTERS, (user("¿Qué es?"), assistant(ANSWER + "\x1b[31m")), {}),
    (DropReason.CONTROL_CHARACTERS, (user("¿Qué es?"), assistant("El \x93quijote\x94 de Cervantes")), {}),
    (DropReason.SPECIAL_TOKENS, (user("¿Qué es <|endoftext|>?"), assistant()), {}),
    (DropReason.SPECIAL_TOKENS, (user("¿Qué es?"), assistant(ANSWER + "<|fim_suffix|>")), {}),
    (DropReason.SPECIAL_TOKENS, (user("¿Qué es?"), assistant(ANSWER + "<end_of_turn>")), {}),
    (DropReason.SPECIAL_TOKENS, (user("[INST] hola [/INST]"), assistant()), {}),
    (DropReason.SPECIAL_TOKENS, (user("q", context=(Chunk("a <|im_end|> b"),)), assistant()), {}),
    (DropReason.PERSONAL_DATA, (user("mi correo es ana@hotmail.com"), assistant()), DROP),
    (DropReason.PERSONAL_DATA, (user("¿Quién?"), assistant("Llámala al 612 345 678, seguro")), DROP),
    (DropReason.PERSONAL_DATA, (user("q"), assistant(context=(Chunk("Tutora: m.gil@colegio.es"),))), DROP),
    (DropReason.THUMBS_DOWN, (user("¿Qué es?"), assistant(rating=-1)), {}),
    (
        DropReason.REFUSAL,
        (
            user("¿A qué hora abre la biblioteca los viernes?"),
            assistant(REFUSES, context=(Chunk("La biblioteca abre los viernes de 8:30 a 14:00 horas."),)),
        ),
        {},
    ),
    (DropReason.WRONG_LANGUAGE, (user("¿Qué es?"), assistant(ENGLISH)), {}),
    (DropReason.REPETITIVE, (user("¿Qué es?"), assistant("La respuesta es la respuesta. " * 20)), {}),
    (DropReason.TOO_MANY_SIGNS, (user("¿Qué es?"), assistant("#### $$$$ %%%% @@@@ " * 4)), {}),
    (DropReason.TOO_SHORT, (user("¿Cuánto es 2+2?"), assistant("Son cuatro.")), {}),
    (DropReason.TOO_LONG, (user("¿Qué es?"), assistant("a" * 101)), {"max_answer_characters": 100}),
    (DropReason.TOO_MANY_TOKENS, (user("palabra " * 100), assistant()), {"max_tokens": 64}),
]


@pytest.mark.parametrize("reason,talk,arguments,settings", WHOLE)
@pytest.mark.parametrize("unit", ["turn", "conversation"])
def test_a_conversation_is_dropped_as_a_whole_for_one_reason(
    reason: DropReason, talk: Conversation, arguments: dict[str, Any], settings: dict[str, Any], unit: Any
) -> None:
    curated = curate(talk, CurationSettings(unit=unit, **settings), **arguments)
    assert curated == Curated((), curated.drops)
    assert drops(curated) == [(WHOLE_CONVERSATION, reason.value)]
    assert reason.whole or reason is DropReason.NO_USER_MESSAGE


@pytest.mark.parametrize("reason,messages,settings", TURNS)
@pytest.mark.parametrize("unit", ["turn", "conversation"])
def test_a_turn_is_dropped_for_its_reason_and_the_others_stay(
    reason: DropReason, messages: tuple[Message, ...], settings: dict[str, Any], unit: Any
) -> None:
    curated = curate(conversation(*GOOD, *messages), CurationSettings(unit=unit, **settings))
    if reason is DropReason.TOO_MANY_TOKENS and unit == "conversation":
        assert drops(curated) == [(0, reason.value), (1, reason.value)]
    else:
        assert drops(curated) == [(1, reason.value)]
        assert [example.turn for example in curated.examples] == [0]
    assert not reason.whole


def test_every_reason_has_a_case_in_these_tables() -> None:
    # test_redaction has the quarantine, test_preferences pairs; accumulate finds duplicates and asks people.
    elsewhere = {
        DropReason.NOT_ENDED_BY_ASSISTANT,
        DropReason.REPEATED_QUESTION,
        DropReason.NO_PREFERENCE,
        DropReason.DUPLICATE,
        *(reason for reason in DropReason if reason.startswith(("quarantined", "rejected"))),
    }
    covered = {case[0] for case in WHOLE} | {case[0] for case in TURNS} | elsewhere
    assert covered == set(DropReason)


def test_the_seeds_example_is_the_conversation_without_its_system_prompt() -> None:
    curated = curate(
        conversation(Message("system", "otro"), user(SEED_QUESTION), assistant(SEED_ANSWER)),
        CurationSettings(),
    )
    (example,) = curated.examples
    assert example.content.decode() == (
        f'[{{"role":"user","content":"{SEED_QUESTION}"}},{{"role":"assistant","content":"{SEED_ANSWER}"}}]'
    )
    assert example.content_sha256 == hashlib.sha256(example.content).digest()
    assert example.turn == 0
    assert example.token_count > 40


def test_each_good_turn_carries_its_history_at_weight_zero() -> None:
    curated = curate(
        conversation(user("uno"), assistant("respuesta número uno"), user("dos"), assistant("respuesta dos")),
        CurationSettings(min_answer_characters=0),
    )
    assert contents(curated)[1] == [
        {"role": "user", "content": "uno"},
        {"role": "assistant", "content": "respuesta número uno", "weight": 0},
        {"role": "user", "content": "dos"},
        {"role": "assistant", "content": "respuesta dos"},
    ]


def test_a_whole_conversation_is_one_example_and_bad_answers_stand_at_weight_zero() -> None:
    curated = curate(
        conversation(
            user("uno"), assistant("buena respuesta, la primera"),
            user("dos"), assistant("mala respuesta, la segunda", rating=-1),
            user("tres"), assistant("buena respuesta, la tercera"),
        ),
        CurationSettings(unit="conversation"),
    )  # fmt: skip
    (messages,) = contents(curated)
    assert [message.get("weight") for message in messages] == [None, None, None, 0, None, None]
    assert drops(curated) == [(1, "thumbs_down")]
    assert curated.examples[0].turn == 2


def test_chunks_stand_in_served_order_in_the_prompt_of_their_own_turn_alone() -> None:
    chunks = (Chunk("segundo", rank=2), Chunk("primero", rank=1))
    talk = conversation(
        user("¿uno?"), assistant("respuesta con fuentes", context=chunks),
        user("¿dos?"), assistant("respuesta sin fuentes"),
    )  # fmt: skip
    first, second = contents(curate(talk, CurationSettings()))
    assert first[0]["content"] == "Contexto:\n[1] primero\n\n[2] segundo\n\nPregunta: ¿uno?"
    assert second[0]["content"] == "¿uno?"
    assert second[2]["content"] == "¿dos?"


@pytest.mark.parametrize("bearer", ["user", "tool", "assistant"])
def test_chunks_belong_to_the_turn_whichever_message_bears_them(bearer: str) -> None:
    def bears(role: str) -> dict[str, Any]:
        return {"context": (Chunk("pasaje"),)} if role == bearer else {}

    talk = conversation(
        user("¿uno?", **bears("user")),
        Message("tool", "{}", **bears("tool")),
        assistant(**bears("assistant")),
    )
    assert contents(curate(talk, CurationSettings()))[0][0]["content"].startswith("Contexto:\n[1] pasaje")


def test_a_passage_that_question_and_answer_both_bear_counts_once() -> None:
    chunk = (Chunk("pasaje", rank=1),)
    talk = conversation(user("¿uno?", context=chunk), assistant(context=chunk))
    prompt = contents(curate(talk, CurationSettings()))[0][0]["content"]
    assert prompt.count("pasaje") == 1


def test_context_none_leaves_the_bare_question_and_no_numbers_of_passages() -> None:
    talk = conversation(
        user("¿Qué es lista[1]?"),
        assistant("El segundo elemento [1], como lista[1]; véase [7].", context=(Chunk("pasaje"),)),
    )
    (messages,) = contents(curate(talk, CurationSettings(context="none")))
    assert messages[0]["content"] == "¿Qué es lista[1]?"
    assert messages[1]["content"] == "El segundo elemento, como lista[1]; véase [7]."


def test_templates_are_filled_once_and_other_braces_are_text() -> None:
    settings = CurationSettings(
        context_template='{"docs": {context}} {question}', chunk_template="<{source}#{chunk_id}> {text}"
    )
    talk = conversation(
        user("{context}"), assistant(context=(Chunk("{question} y {rank}", source="libro", chunk_id="p1"),))
    )
    prompt = contents(curate(talk, settings))[0][0]["content"]
    assert prompt == '{"docs": <libro#p1> {question} y {rank}} {context}'


def test_history_is_cut_at_whole_turns_and_the_newest_stay() -> None:
    talk = conversation(*(m for n in range(5) for m in (user(f"pregunta {n}"), assistant(f"{ANSWER} {n}"))))
    last = contents(curate(talk, CurationSettings(max_history_messages=5)))[-1]
    assert [message["content"] for message in last[::2]] == ["pregunta 2", "pregunta 3", "pregunta 4"]
    assert len(contents(curate(talk, CurationSettings(max_history_messages=0)))[-1]) == 2


def test_history_gives_way_before_a_turn_is_dropped_for_its_tokens() -> None:
    talk = conversation(user("larga " * 100), assistant(), user("corta"), assistant())
    curated = curate(talk, CurationSettings(max_tokens=100))
    assert drops(curated) == [(0, "too_many_tokens")]
    assert len(contents(curated)[0]) == 2


@pytest.mark.parametrize("unit", ["turn", "conversation"])
def test_what_is_unusable_never_stands_in_the_history_of_later_turns(unit: Any) -> None:
    bad = [messages for reason, messages, _ in TURNS[:12]]
    private = (user("mi correo es ana@hotmail.com"), assistant())
    talk = conversation(*(m for messages in (*bad, private) for m in messages), user("¿y bien?"), assistant())
    (messages,) = contents(curate(talk, CurationSettings(unit=unit, personal_data="drop")))
    assert [message["content"] for message in messages] == ["¿y bien?", ANSWER]


def test_without_the_personal_data_rule_such_turns_are_kept() -> None:
    talk = conversation(user("mi correo es ana@hotmail.com"), assistant())
    assert len(curate(talk, CurationSettings(personal_data="keep")).examples) == 1


def test_a_question_without_answer_is_a_drop_of_the_turn_it_would_be() -> None:
    curated = curate(conversation(*GOOD, user("¿sigues ahí?")), CurationSettings())
    assert drops(curated) == [(1, "not_ended_by_assistant")]
    assert drops(curate(conversation(user("¿hola?")), CurationSettings())) == [(0, "not_ended_by_assistant")]


def test_a_greeting_is_no_lesson_and_no_history() -> None:
    curated = curate(conversation(assistant("¡Hola! ¿En qué te ayudo?"), *GOOD), CurationSettings())
    assert drops(curated) == [(0, "no_user_message")]
    assert [example.turn for example in curated.examples] == [1]
    assert [message["role"] for message in contents(curated)[0]] == ["user", "assistant"]


@pytest.mark.parametrize(
    "first,second,dropped",
    [
        ("¿Qué es una mitocondria?", "que ES una mitocondria", False),  # an accent makes another word
        ("¿Qué es una mitocondria?", "Qué es  una mitocondria", True),
        ("¿Qué es una mitocondria?", "¿Qué es una célula?", False),
        ("otro ejemplo por favor", "otro ejemplo por favor", False),
        ("dame más ejercicios", "dame más ejercicios", False),
        ("sí", "sí", False),
    ],
)
def test_the_answer_before_a_repeated_question_is_dropped(first: str, second: str, dropped: bool) -> None:
    curated = curate(conversation(user(first), assistant(), user(second), assistant()), CurationSettings())
    assert drops(curated) == ([(0, "repeated_question")] if dropped else [])


def test_a_question_repeated_without_a_second_answer_counts_too() -> None:
    curated = curate(
        conversation(user("¿Qué es un átomo?"), assistant(), user("¿Qué es un átomo?")), CurationSettings()
    )
    assert drops(curated) == [(0, "repeated_question"), (1, "not_ended_by_assistant")]


def test_a_thumb_up_excuses_shortness_refusal_and_repetition() -> None:
    up = {"rating": 1}
    talk = conversation(
        user("¿Cuánto es dos y dos?"), assistant("Cuatro.", **up),
        user("¿Cuánto es dos y dos?"), assistant("No lo sé.", **up),
    )  # fmt: skip
    curated = curate(talk, CurationSettings())
    assert drops(curated) == []
    assert [example.rating for example in curated.examples] == [1, 1]


@pytest.mark.parametrize(
    "own,whole,rating",
    [(1, -1, 1), (-1, 1, -1), (None, -1, -1), (None, 1, 1), (0, -1, -1), (5, None, 1), (None, None, 0)],
)
def test_an_answers_own_rating_wins_over_the_conversations(
    own: int | None, whole: int | None, rating: int
) -> None:
    talk = conversation(user("¿Qué es?"), assistant(rating=own), rating=whole)
    (example,) = curate(talk, CurationSettings(drop_thumbs_down=False)).examples
    assert example.rating == rating


def test_questions_in_a_row_are_one_question() -> None:
    (messages,) = contents(
        curate(conversation(user("Hola"), user("¿Qué es?"), assistant()), CurationSettings())
    )
    assert messages[0]["content"] == "Hola\n\n¿Qué es?"


@pytest.mark.parametrize(
    "answers,kept",
    [
        ((assistant("parte una,"), assistant("parte dos.")), "parte una,\n\nparte dos."),
        ((assistant("se cortó", error=True), assistant(ANSWER)), ANSWER),
        ((assistant("mala respuesta", rating=-1), assistant(ANSWER)), ANSWER),
        ((assistant(""), Message("tool", "{}"), assistant(ANSWER)), ANSWER),
    ],
)
def test_of_answers_in_a_row_the_sound_ones_are_one_answer(answers: tuple[Message, ...], kept: str) -> None:
    curated = curate(conversation(user("¿Qué es?"), *answers), CurationSettings())
    assert contents(curated)[0][-1]["content"] == kept
    assert curated.examples[0].turn == 0


def test_interface_markers_and_thinking_are_no_part_of_an_answer() -> None:
    raw = "<think>a ver\nsi</think>\n\nLa célula ##0$$ es la unidad de la vida [ID:1]. "
    curated = curate(conversation(user("¿Qué es?"), assistant(raw)), CurationSettings())
    assert contents(curated)[0][-1]["content"] == "La célula es la unidad de la vida."


@pytest.mark.parametrize(
    "user_word,assistant_word", [("human", "ai"), ("Usuario", " Asistente "), ("USER", "Bot")]
)
def test_the_stores_own_words_for_roles_are_understood(user_word: str, assistant_word: str) -> None:
    curated = curate(
        conversation(Message(user_word, "¿Qué es?"), Message(assistant_word, ANSWER)), CurationSettings()
    )
    assert [message["role"] for message in contents(curated)[0]] == ["user", "assistant"]


def test_the_answers_model_is_kept_else_the_conversations() -> None:
    talk = conversation(user("a"), assistant(model="m-1"), user("b"), assistant(), model="m-0")
    assert [example.model for example in curate(talk, CurationSettings()).examples] == ["m-1", "m-0"]
    broken = conversation(user("a"), assistant(model="m\x00"))
    assert curate(broken, CurationSettings()).examples[0].model is None


def test_a_reopened_conversation_teaches_only_its_new_turns() -> None:
    talk = conversation(
        user("uno"), assistant(ANSWER + " 1"), user("dos"), assistant("<|x|>"), user("tres"), assistant(),
        user("cuatro"),
    )  # fmt: skip
    curated = curate(talk, CurationSettings(), after_turn=1)
    assert [example.turn for example in curated.examples] == [2]
    assert [message["content"] for message in contents(curated)[0]] == ["uno", ANSWER + " 1", "tres", ANSWER]
    assert drops(curated) == [(3, "not_ended_by_assistant")]
    (whole,) = contents(curate(talk, CurationSettings(unit="conversation"), after_turn=0))
    assert [message.get("weight") for message in whole] == [None, 0, None, None]


def test_a_reopened_conversation_without_anything_new_gives_nothing() -> None:
    talk = conversation(*GOOD, user("¿y?"))
    assert curate(conversation(*GOOD), CurationSettings(), after_turn=0) == Curated((), ())
    assert drops(curate(talk, CurationSettings(), after_turn=0)) == [(1, "not_ended_by_assistant")]


messages = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["user", "assistant", "system", "tool", "human", "ai"]),
        content=st.text(max_size=60) | st.sampled_from(["", SEED_QUESTION, SEED_ANSWER, "ana@hotmail.com"]),
        rating=st.sampled_from([None, -1, 0, 1]),
        error=st.sampled_from([None, None, None, True]),
        context=st.lists(st.builds(Chunk, text=st.text(max_size=20)), max_size=2).map(tuple),
    ),
    max_size=12,
)


@given(messages=messages, unit=st.sampled_from(["turn", "conversation"]), after=st.integers(-1, 3))
def test_whatever_comes_in_each_new_turn_is_taught_or_dropped_once(
    messages: list[Message], unit: Any, after: int
) -> None:
    settings = CurationSettings(unit=unit, min_answer_characters=0)
    curated = curate(conversation(*messages), settings, after_turn=after)
    assert curated == curate(conversation(*messages), settings, after_turn=after)
    turns = [drop.turn for drop in curated.drops]
    assert len(turns) == len(set(turns))
    assert all(turn > after for turn in turns if turn != WHOLE_CONVERSATION)
    for example in curated.examples:
        rows = json.loads(example.content)
        assert rows[-1]["role"] == "assistant"
        assert [row["role"] for row in rows] == ["user", "assistant"] * (len(rows) // 2)
        assert all(row["content"].strip() for row in rows)
        taught = sum(row["role"] == "assistant" and row.get("weight") != 0 for row in rows)
        assert taught == 1 if unit == "turn" else taught >= 1
        assert example.turn > after
        assert example.turn not in turns


def test_a_whole_conversation_that_grows_twice_teaches_each_turn_once() -> None:
    settings = CurationSettings(unit="conversation")
    pairs = [m for n in range(4) for m in (user(f"¿pregunta número {n}?"), assistant(f"{ANSWER} {n}"))]
    first = curate(conversation(*pairs[:4]), settings)
    second = curate(conversation(*pairs), settings, after_turn=first.examples[0].turn)
    taught = [
        message["content"]
        for messages in (*contents(first), *contents(second))
        for message in messages
        if message["role"] == "assistant" and message.get("weight") != 0
    ]
    assert taught == [f"{ANSWER} {n}" for n in range(4)]
    assert curate(conversation(*pairs), settings, after_turn=second.examples[0].turn) == Curated((), ())


def test_a_batch_in_step_comes_to_what_each_comes_to_alone() -> None:
    settings = CurationSettings()
    # Dropped before the first step, at its end, held back for a person, redacted and kept: each at its own place.
    batch = [
        conversation(user("¿qué es un ion?"), assistant(ANSWER)),
        conversation(user("hola")),
        conversation(user("no quiero vivir más"), assistant(ANSWER)),
        conversation(user("me llamo Lucía Gómez, ¿qué es un ion?"), assistant(ANSWER)),
        conversation(user("¿qué es?"), assistant("x")),
        conversation(*[m for n in range(3) for m in (user(f"¿pregunta {n}?"), assistant(f"{ANSWER} {n}"))]),
    ]
    alone = [curate(one, settings) for one in batch]
    assert in_step(curating(one, settings) for one in batch) == alone
    assert [len(one.examples) for one in alone] == [1, 0, 0, 1, 0, 3]
    assert alone[3].redactions == {"name": 1}
    assert in_step([]) == []
