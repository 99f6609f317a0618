"""Deeds about messages, conversations and datasets; see `crash_deeds`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import amqp
import kombu

from ftworker.datasets.manifest import MANIFEST_NAME
from ftworker.events.amqp import DEAD_SUFFIX
from ftworker.events.publisher import prepare
from ftworker.runs.states import RunState
from ftworker.store import quarantine
from tests.chaos.crash_hand import DONE_SECONDS, Hand, Scene
from tests.chaos.plan import SOURCE, STORE, Plan, Published, canary, make_plan, make_stored
from tests.servers import wait_until

DISTRESS = "No quiero vivir más, quiero hacerme daño y nadie lo sabe."


# -- messages and conversations


def send_to_dead_letters(hand: Hand, raw: bytes) -> None:
    """As if RabbitMQ had given the message up."""
    assert hand.there.rabbitmq is not None
    queue = hand.there.settings.ingest.queue + DEAD_SUFFIX
    with kombu.Connection(
        hand.there.rabbitmq.url(), transport_options={"confirm_publish": True}
    ) as connection:
        connection.default_channel.queue_declare(queue, passive=True)
        connection.default_channel.basic_publish(amqp.Message(raw, delivery_mode=2), routing_key=queue)


def parked_id(hand: Hand, raw: bytes) -> int | None:
    found: int | None = hand.one(
        "SELECT id FROM ftworker.parked WHERE raw_sha256 = %(digest)s", digest=hashlib.sha256(raw).digest()
    )
    return found


def given_up(hand: Hand) -> bytes:
    """A good event that RabbitMQ gave up delivering, and that must come in all the same."""
    first = hand.numbers(1)
    plan = make_plan(1, 1, first=first, transports=("amqp",))
    message = next(one for one in plan.messages if one.key is not None and one.key[1].endswith("-v1"))
    # A conversation of one version, whatever the plan had made of it.
    hand.there.plans.append(Plan((message,), ()))
    send_to_dead_letters(hand, message.raw)
    return message.raw


def collect(hand: Hand) -> Scene:
    raw = given_up(hand)

    def wrong() -> str:
        depth = hand.there.publisher.dead_letters()
        return (
            f"{depth} dead letters are left" if depth else "" if parked_id(hand, raw) else "it is not parked"
        )

    return Scene(("parked", "collect"), wrong)


def replay(hand: Hand) -> Scene:
    raw = given_up(hand)
    hand.must("parked", "collect")
    number = parked_id(hand, raw)
    event = json.loads(raw)

    def wrong() -> str:
        outcome = hand.one(
            "SELECT outcome FROM ftworker.inbox WHERE event_source = %(s)s AND event_id = %(i)s",
            s=event["source"],
            i=event["id"],
        )
        return "it is still parked" if parked_id(hand, raw) else "" if outcome else "it is not in the inbox"

    return Scene(("parked", "replay", str(number)), wrong)


def drop(hand: Hand) -> Scene:
    raw = f"no event {hand.numbers(1)}".encode()
    send_to_dead_letters(hand, raw)
    hand.must("parked", "collect")
    number = parked_id(hand, raw)
    return Scene(
        ("parked", "drop", str(number), "--yes"), lambda: "it is still parked" if parked_id(hand, raw) else ""
    )


def quarantined(hand: Hand) -> tuple[str, str]:
    """A conversation that waits for a person: the RAG's id and the command's name of it."""
    number = hand.numbers(1)
    about = canary(1, number)
    said = [
        {"role": "user", "content": f"¿Qué es {about} y por qué se estudia en la lección {number}?"},
        {
            "role": "assistant",
            "content": f"La palabra {about} nombra lo que cambia cuando el agua de un río llega al valle en otoño.",
        },
        {"role": "user", "content": f"{DISTRESS} ¿Y qué más se sabe de {about}?"},
        {
            "role": "assistant",
            "content": "Lamento que te sientas así; habla con alguien de confianza, por favor.",
        },
    ]
    event = {
        "specversion": "1.0",
        "id": f"q-{number}",
        "source": SOURCE,
        "type": "org.ftworker.conversation.closed.v1",
        "data": {"conversation_id": f"q-{number}", "user_ref": "u-1", "messages": said},
    }
    raw = json.dumps(event, ensure_ascii=False).encode()
    hand.there.publish(
        Plan((Published(hand.there.ingests[0], raw, (SOURCE, f"q-{number}"), f"q-{number}"),), ())
    )

    def found() -> str:
        with hand.store.transaction() as cursor:
            rows = quarantine.waiting(cursor, limit=10_000)
        return next((row.name for row in rows if row.conversation_id == f"q-{number}"), "")

    return f"q-{number}", wait_until(found, DONE_SECONDS)


def release(hand: Hand) -> Scene:
    conversation, name = quarantined(hand)
    return Scene(
        ("quarantine", "release", name), lambda: "" if examples_of(hand, conversation) else "no examples"
    )


def reject_waiting(hand: Hand) -> Scene:
    conversation, name = quarantined(hand)
    return Scene(("quarantine", "reject", name), lambda: _is_rejected(hand, conversation))


def reject_released(hand: Hand) -> Scene:
    conversation, name = quarantined(hand)
    hand.must("quarantine", "release", name)
    wait_until(lambda: examples_of(hand, conversation), DONE_SECONDS)
    return Scene(("quarantine", "reject", name), lambda: _is_rejected(hand, conversation))


def examples_of(hand: Hand, conversation: str) -> int:
    return int(
        hand.one(
            "SELECT count(*) FROM ftworker.examples AS e JOIN ftworker.conversations AS c ON c.id = e.conversation_id "
            "WHERE c.conversation_id = %(c)s",
            c=conversation,
        )
    )


def _is_rejected(hand: Hand, conversation: str) -> str:
    reasons = hand.one(
        "SELECT string_agg(DISTINCT d.reason, ' ') FROM ftworker.drops AS d "
        "JOIN ftworker.conversations AS c ON c.id = d.conversation_id WHERE c.conversation_id = %(c)s AND d.turn = -1",
        c=conversation,
    )
    left = examples_of(hand, conversation)
    return (
        f"{left} examples are left" if left else "" if reasons == "rejected_by_person" else f"drops {reasons}"
    )


def backfill(hand: Hand) -> Scene:
    assert hand.there.rag is not None
    plan = make_stored(1, 3, first=hand.numbers(3))
    hand.there.rag.hold(plan.stored)
    hand.there.plans.append(plan)
    names = {one.conversation_id for one in plan.stored}

    def wrong() -> str:
        found = hand.one(
            "SELECT count(*) FROM ftworker.conversations WHERE conversation_id = ANY(%(names)s)",
            names=list(names),
        )
        return "" if found == len(names) else f"{found} of {len(names)} conversations came in"

    return Scene(("backfill", "--source", STORE), wrong)


def publish(hand: Hand) -> Scene:
    """A file of whole events, and of bare lines, which get their envelopes from the command."""
    via = hand.there.ingests[0]
    first = hand.numbers(4)
    made = make_plan(1, 4, first=first, transports=(via,))
    good = list({one.key: one for one in made.messages if one.key is not None}.values())
    lines, messages = [], []
    for place, message in enumerate(good):
        event = json.loads(message.raw)
        if place % 2:
            lines.append(message.raw)
            messages.append(message)
        else:
            lines.append(json.dumps(event["data"], ensure_ascii=False).encode())
            event_id, _ = prepare(event["data"], source=SOURCE)
            messages.append(Published(via, lines[-1], (SOURCE, event_id), message.conversation_id))
    file = hand.folder()
    file.write_bytes(b"\n".join(lines))
    hand.there.plans.append(Plan(tuple(messages), made.conversations))

    def wrong() -> str:
        return "; ".join(hand.there._not_recorded())

    return Scene(("publish", str(file), "--source", SOURCE), wrong)


# -- datasets


def export(hand: Hand, *, overwrite: bool) -> Scene:
    """A dataset written once more, into a new folder, or over another form of it."""
    dataset, own = exported(hand)
    target = hand.folder()
    words: tuple[str, ...] = ("datasets", "export", str(dataset), "--output", str(target))
    if overwrite:
        kept = hand.there.folder / "another-form"
        if not kept.exists():
            hand.must(*words[:-1], str(kept), "--format", "prompt-completion")
        shutil.copytree(kept, target)
        words = (*words, "--overwrite")

    def wrong() -> str:
        there = {file.name for file in target.iterdir()} if target.exists() else set()
        if MANIFEST_NAME not in there:
            return f"no dataset is there, but {sorted(there)}"
        files = {file.name for file in own.glob("*.jsonl")}
        same = {name for name in files & there if (own / name).read_bytes() == (target / name).read_bytes()}
        return (
            ""
            if same == files == {name for name in there if name.endswith(".jsonl")}
            else f"{same} of {files}"
        )

    return Scene(words, wrong)


def exported(hand: Hand) -> tuple[int, Path]:
    """A dataset with its folder."""
    query = "SELECT min(id) FROM ftworker.datasets WHERE pipeline = 'asked' AND sha256 IS NOT NULL"
    if hand.one(query) is None:
        hand.until(hand.begin("asked"), RunState.AWAITING_APPROVAL)
    dataset = int(hand.one(query))
    url = hand.one("SELECT url FROM ftworker.datasets WHERE id = %(id)s", id=dataset)
    return dataset, Path(re.sub("^file://", "", url))


def replay_all(hand: Hand) -> None:
    """What was collected is good, and comes in. What was parked before and is no event stays, as the command says."""
    hand.command("parked", "replay", "--all")
