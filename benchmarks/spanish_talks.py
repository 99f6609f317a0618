"""Spanish tutoring conversations of about 2 KB, as many as are wanted: the demonstration's sentences, recombined.

Each has three questions with answers of several sentences; no two are alike, but one in twenty repeats another with
a few words changed. One in eight names a pupil of the roster, a phone or an e-mail; a few fail, refuse or are rated
down. The same number is always the same conversation.
"""

from __future__ import annotations

import random
import re
from functools import cache

import msgspec

from ftworker.conversations import Conversation, Message
from ftworker.demo.conversations import packaged_conversations
from ftworker.store import Store, inbox
from ftworker.store.inbox import NewEvent

CHARACTERS = 2_000
TURNS = 3
USERS = 1_500
_EVENTS_A_BATCH = 500

_FIRST_NAMES = """
Lucía Hugo Martina Mateo Sofía Leo Valeria Daniel Julia Pablo Paula Álvaro Emma Adrián Daniela Enzo Carla Mario Alba
Diego Noa Lucas Alma Bruno Sara Manuel Carmen Iker Vega Marcos Lara Izan Mía Javier Valentina Marco Olivia Álex Claudia
Carlos Jimena Antonio Lola Gonzalo Chloe Miguel Aitana Eric Abril Ángel
"""
_LAST_NAMES = """
García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Hernández Ruiz Díaz Moreno Muñoz
Álvarez Romero Gutiérrez Alonso Navarro Torres Domínguez Ramos Vázquez Ramírez Gil Serrano Morales Molina Blanco Suárez
Castro Ortega Delgado Ortiz Marín Rubio Núñez Medina Sanz Castillo Iglesias Cortés Garrido Santos Guerrero Lozano Cano
Prieto
"""
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[A-ZÁÉÍÓÚÑ¿¡])")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w{5,}")


@cache
def roster(names: int = 2_000) -> tuple[str, ...]:
    """That many full names, the same each time."""
    dice = random.Random(7)
    found: dict[str, None] = {}
    while len(found) < names:
        found[f"{dice.choice(_FIRST)} {dice.choice(_LAST)} {dice.choice(_LAST)}"] = None
    return tuple(found)


@cache
def _said() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The demonstration's questions, and the sentences of its answers."""
    questions: dict[str, None] = {}
    sentences: dict[str, None] = {}
    for talk in packaged_conversations():
        if not str(talk["locale"]).startswith("es"):
            continue
        for message in talk["messages"]:
            if message["role"] == "user" and 25 < len(message["content"]) < 250:
                questions[message["content"]] = None
            if message["role"] == "assistant" and not message["error"]:
                parts = _SENTENCE.split(message["content"])
                sentences.update(dict.fromkeys(part for part in parts if 40 < len(part) < 250))
    return tuple(questions), tuple(sentences)


def _varied(text: str, dice: random.Random) -> str:
    """The text with other numbers in it."""
    return _NUMBER.sub(lambda found: str(dice.randrange(10 ** len(found[0]))), text)


def _personal(dice: random.Random) -> str:
    name = dice.choice(roster())
    return dice.choice(
        (
            f"Soy {name}. ",
            f"Me llamo {name.split()[0]} y no lo entiendo. ",
            f"Me lo ha explicado {name} pero no me quedó claro. ",
            f"Si puede, escríbame a {name.split()[0].lower()}{dice.randrange(99)}@correo.example.org. ",
            f"Mi madre está en el +34 6{dice.randrange(10**8):08d}. ",
        )
    )


def talk(number: int) -> Conversation:
    """The conversation of that number."""
    copy = number % 20 == 19
    dice = random.Random(number - 1 if copy else number)
    questions, sentences = _said()
    said = []
    for _ in range(TURNS):
        question = _varied(dice.choice(questions), dice)
        wanted = CHARACTERS // TURNS - len(question)
        parts: list[str] = []
        while sum(map(len, parts)) < wanted:
            parts.append(_varied(dice.choice(sentences), dice))
        said.append((question, " ".join(parts)))
    if copy:
        # As when two pupils ask the same and the model says it almost in the same words.
        said = [(question, _WORD.sub("también", answer, count=2)) for question, answer in said]
    own = random.Random(~number)
    if own.random() < 1 / 8:
        said[0] = (_personal(own) + said[0][0], said[0][1])
    messages: list[Message] = []
    for turn, (question, answer) in enumerate(said):
        odd = own.random()
        error = "timeout" if odd < 0.01 else None
        rating = -1 if 0.01 <= odd < 0.03 else 1 if odd > 0.85 else None
        told = "Lo siento, no tengo información sobre eso en los apuntes." if 0.03 <= odd < 0.04 else answer
        messages.append(Message("user", question, id=f"m{2 * turn}"))
        messages.append(Message("assistant", told, id=f"m{2 * turn + 1}", error=error, rating=rating))
    user = f"u{own.randrange(USERS)}"
    return Conversation("bench", f"c{number}", tuple(messages), user_ref=user, training_consent=True)


def record_talks(store: Store, first: int, count: int, *, tenants: int = 0) -> None:
    """Put the events of so many conversations into the inbox, as ingest does; of so many schools, where given."""
    events = []
    for number in range(first, first + count):
        one = talk(number)
        data = {
            "conversation_id": one.conversation_id,
            "source_name": "bench",
            "user_ref": one.user_ref,
            "messages": one.messages,
        }
        if tenants:
            data["tenant_id"] = f"t{number % tenants}"
        event = {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "/rag",
            "type": "org.ftworker.conversation.closed.v1",
            "data": data,
        }
        payload = msgspec.json.encode(event).decode()
        events.append(NewEvent("/rag", f"e{number}", "bench", one.conversation_id, payload))
    for begin in range(0, len(events), _EVENTS_A_BATCH):
        with store.transaction() as cursor:
            inbox.record_batch(cursor, events[begin : begin + _EVENTS_A_BATCH], [], "task")
