"""What is published: conversations with versions, deletions, repeats, malformed bytes, in an order of their own. Pure.

The same seed gives the same events. Each conversation carries a canary: a word that exists nowhere else, so that
whoever leaks a text is found out. What must become of each conversation follows from the plan alone.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from ftworker.events.closing import EVENT_SOURCE, closing_by_id

Transport = Literal["amqp", "stream", "task"]
"""How a RAG tells of a closing: an event with its messages, or (task) Celery's task with the ids of what it stores."""
Turn = Literal["good", "thumbs_down", "too_short"]

DUPLICATES = 0.10
MALFORMED = 0.01
LATER_VERSIONS = 0.15
DELETED = 0.04
SOURCE = "/chaos"
STORE = "rag"
"""The source, in ftworker's configuration, of conversations that are told of by their ids."""
FIRST_CLOSE = datetime(2025, 1, 7, 8, tzinfo=UTC)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_NOUNS = _words(
    "río bosque volcán teorema verbo siglo imperio átomo poema mapa planeta enzima molino puente tratado "
    "glaciar acorde triángulo desierto reino motor cuento espejo viento faro mineral templo camino"
)
_ADJECTIVES = _words(
    "antiguo lejano brillante profundo sencillo curioso enorme delicado famoso extraño tranquilo valioso"
)
_VERBS = _words(
    "explica describe cambia sostiene recuerda compara protege transforma acompaña organiza mide inspira"
)
_PLACES = _words(
    "valle aula laboratorio ciudad costa montaña biblioteca museo huerto taller puerto pueblo llanura isla"
)
_REASONS = (
    "Además, cada {noun} {adjective} {verb} al {other} que está cerca de su {place} desde hace {years} años.",
    "Por eso nadie que vive lejos de una {place} dice que su {noun} {verb} más de {years} veces a este {other}.",
    "Según quienes estudian {place} y {other}, todo {noun} muy {adjective} {verb} algo nuevo a los {years} días.",
)
SYLLABLES = _words("bra cle dri flo gru pla tre vru zen qui mor tul sip nox lar fen dor vik sab jun")


@dataclass(frozen=True)
class Published:
    """One message for a broker. `key` is the event's identity; None for bytes that are no event."""

    via: Transport
    raw: bytes
    key: tuple[str, str] | None
    conversation_id: str | None = None

    @property
    def raw_sha256(self) -> bytes:
        return hashlib.sha256(self.raw).digest()


@dataclass(frozen=True)
class Expected:
    """What must become of one conversation: the turns of its last version, or nothing once it is deleted."""

    conversation_id: str
    canary: str
    turns: tuple[Turn, ...]
    deleted: bool


@dataclass(frozen=True)
class Stored:
    """A conversation as the RAG stores it, in its last version, for whoever hears its id."""

    conversation_id: str
    user_ref: str
    closed_at: str
    messages: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Plan:
    """Some conversations and the messages that tell of them, in the order in which they are published."""

    messages: tuple[Published, ...]
    conversations: tuple[Expected, ...]
    stored: tuple[Stored, ...] = ()


def make_plan(
    seed: int, count: int, *, first: int = 0, transports: tuple[Transport, ...] = ("amqp",)
) -> Plan:
    """`count` conversations numbered from `first`; repeats, later versions and deletions among their events."""
    chance = random.Random(f"plan {seed} {first}")
    expected: list[Expected] = []
    messages: list[Published] = []
    stored: list[Stored] = []
    carrying = tuple(via for via in transports if via != "task")
    for number in range(first, first + count):
        conversation, versions = _conversation(seed, number, chance)
        expected.append(conversation)
        if "task" in transports and chance.random() * len(transports) < 1:
            stored.append(_stored(versions))
            messages += [_by_id(event, carrying) for event in versions]
        else:
            messages += [_message(event, chance.choice(carrying)) for event in versions]
    messages += [chance.choice(messages) for _ in range(round(len(messages) * DUPLICATES))]
    malformed = _malformed(seed, first, max(1, round(len(messages) * MALFORMED)))
    messages += [Published(chance.choice(carrying), raw, None) for raw in malformed]
    if stored:
        messages.append(_not_by_id(f"n-{seed}-{first}"))
    # Out of order: versions, deletions and repeats of a conversation overtake each other.
    chance.shuffle(messages)
    return Plan(tuple(messages), tuple(expected), tuple(stored))


def make_stored(seed: int, count: int, *, first: int) -> Plan:
    """`count` conversations that a RAG stores and tells nobody of. None is deleted: no store could tell of that."""
    chance = random.Random(f"stored {seed} {first}")
    made = [_conversation(seed, number, chance) for number in range(first, first + count)]
    expected = tuple(replace(one, deleted=False) for one, _ in made)
    return Plan((), expected, tuple(_stored(versions) for _, versions in made))


def canary(seed: int, number: int) -> str:
    """A word that stands in every text of one conversation, and nowhere else in the world."""
    digest = hashlib.sha256(f"canary {seed} {number}".encode()).digest()
    return "".join(SYLLABLES[byte % len(SYLLABLES)] for byte in digest[:7])


def _conversation(
    seed: int, number: int, chance: random.Random
) -> tuple[Expected, list[tuple[str, Mapping[str, Any]]]]:
    name = f"c-{seed}-{number}"
    word = canary(seed, number)
    kinds: list[Turn] = chance.choices(
        ("good", "thumbs_down", "too_short"), weights=(90, 5, 5), k=chance.choice((1, 1, 2))
    )
    messages: list[dict[str, Any]] = []
    events: list[tuple[str, Mapping[str, Any]]] = []

    def close(version: int, **data: Any) -> None:
        closed_at = FIRST_CLOSE + timedelta(minutes=number, seconds=version)
        events.append(
            (
                f"{name}-v{version}",
                {
                    "conversation_id": name,
                    "user_ref": f"u-{number % 60}",
                    "closed_at": closed_at.isoformat(),
                    **data,
                },
            )
        )

    for turn, kind in enumerate(kinds):
        messages += _turn(word, turn, kind, chance)
    close(1, reason="user_ended", messages=list(messages))
    if chance.random() < LATER_VERSIONS:
        kinds.append("good")
        messages += _turn(word, len(kinds) - 1, "good", chance)
        close(2, reason="idle_timeout", messages=list(messages))
    deleted = chance.random() < DELETED
    if deleted:
        close(3, reason="deleted")
    return Expected(name, word, tuple(kinds), deleted), events


def _turn(word: str, turn: int, kind: Turn, chance: random.Random) -> list[dict[str, Any]]:
    question = (
        f"¿Qué es {word} {turn} y por qué un {chance.choice(_NOUNS)} {chance.choice(_ADJECTIVES)} "
        f"{chance.choice(_VERBS)} el {chance.choice(_NOUNS)} de la lección {chance.randrange(10_000)}?"
    )
    if kind == "too_short":
        return [{"role": "user", "content": question}, {"role": "assistant", "content": "Sí."}]
    reasons = " ".join(
        frame.format(
            noun=chance.choice(_NOUNS),
            adjective=chance.choice(_ADJECTIVES),
            verb=chance.choice(_VERBS),
            other=chance.choice(_NOUNS),
            place=chance.choice(_PLACES),
            years=chance.randrange(2, 900),
        )
        for frame in chance.sample(_REASONS, chance.choice((1, 2, 3)))
    )
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": f"La palabra {word} quiere decir que el {chance.choice(_NOUNS)} {chance.choice(_VERBS)} lo que "
        f"hay en él. {reasons}",
    }
    if kind == "thumbs_down":
        answer["rating"] = -1
    return [{"role": "user", "content": question}, answer]


def _message(event: tuple[str, Mapping[str, Any]], via: Transport) -> Published:
    event_id, data = event
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": "org.ftworker.conversation.closed.v1",
        "data": data,
    }
    raw = json.dumps(envelope, ensure_ascii=False).encode()
    return Published(via, raw, (SOURCE, event_id), str(data["conversation_id"]))


def _stored(versions: Sequence[tuple[str, Mapping[str, Any]]]) -> Stored:
    last = [data for _, data in versions if "messages" in data][-1]
    return Stored(
        last["conversation_id"],
        last["user_ref"],
        last["closed_at"],
        tuple(last["messages"]),
    )


def _by_id(event: tuple[str, Mapping[str, Any]], carrying: Sequence[Transport]) -> Published:
    """A closing by the task, with ids alone. A deletion comes as an event: no store could tell of it a second time."""
    event_id, data = event
    if data["reason"] == "deleted":
        return _message((event_id, {**data, "source_name": STORE}), carrying[0])
    new, _ = closing_by_id(event_id, data["conversation_id"], STORE, data["reason"], {})
    return Published("task", new[0].payload.encode(), (EVENT_SOURCE, event_id), data["conversation_id"])


def _not_by_id(event_id: str) -> Published:
    """What the task does not take: more than ids."""
    _, parked = closing_by_id(event_id, event_id, STORE, "user_ended", {"note": 1})
    return Published("task", parked[0].raw, None)


def _malformed(seed: int, first: int, count: int) -> Iterable[bytes]:
    """Bytes that are no event, each in another way, with a canary of their own inside."""
    for number in range(count):
        word = canary(seed, -(first + number + 1))
        shapes = (
            f'{{"specversion": "1.0", "id": "{word}", "data": {{"messages": ["{word}'.encode(),
            f'{{"specversion": "1.0", "id": "{word}", "source": "/chaos", "type": "other", "data": {{}}}}'.encode(),
            b"\xff\xfe" + word.encode(),
            b"\x80\x04\x95" + word.encode() + b"R.",
            json.dumps(["¿Qué?", word], ensure_ascii=False).encode(),
            json.dumps(
                {
                    "specversion": "1.0",
                    "id": f"{word}-x",
                    "source": SOURCE,
                    "type": "org.ftworker.conversation.closed.v1",
                    "data": {"conversation_id": "", "messages": [{"role": "user", "content": word}]},
                }
            ).encode(),
        )
        yield shapes[sum(word.encode()) % len(shapes)]
