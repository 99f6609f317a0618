"""The short form of `make chaos`: faults on a whole installation, then every rule; and every rule tested itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from ftworker.store import parked
from ftworker.store.parked import ParkedMessage
from tests.chaos.evidence import Evidence, gather
from tests.chaos.invariants import RULES, judge
from tests.chaos.person import Person
from tests.chaos.plan import make_plan
from tests.chaos.plant import Plant
from tests.chaos.processes import Ended
from tests.chaos.random_faults import Injector, make_steps
from tests.chaos.rounds import one_round

SEED = 11
FAULTS = 40
CONVERSATIONS = 80


@dataclass
class Rested:
    """A plant after a round of faults, and what was found of it."""

    plant: Plant
    evidence: Evidence
    faults: dict[str, int]


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rested]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("chaos")
        for parent in (folder, folder.parent):
            parent.chmod(0o755)  # PostgreSQL runs as another user where root tests
        plant = stack.enter_context(Plant(folder, broker="valkey", events=("stream", "task")))
        plant.start()
        person = stack.enter_context(Person(plant.store, plant.vendors))
        injector = Injector(plant)
        steps = make_steps(SEED, injector.weights, pause_seconds=0.3)
        plan = make_plan(SEED, CONVERSATIONS, transports=("stream", "task"))
        evidence, _ = one_round(plant, person, injector, steps, plan, FAULTS)
        yield Rested(plant, evidence, dict(injector.done))


def test_after_faults_at_random_every_promise_holds(rested: Rested) -> None:
    assert judge(rested.evidence) == [], rested.faults
    # Not for want of work: events came in, and models were trained of them.
    assert len(rested.evidence.inbox) > CONVERSATIONS
    assert {row.state for row in rested.evidence.runs} >= {"promoted"}
    assert {row.pipeline for row in rested.evidence.runs} == {"tutor", "house"}


def test_every_rule_finds_the_violations_that_are_planted(rested: Rested) -> None:
    plant = rested.plant
    # Nobody may mend what is spoilt now.
    plant.processes.close()
    # The stream is lost when it holds nothing any more: that excuses nobody.
    assert plant.stream_loss is not None
    assert plant.stream_loss.lose(plant.stream_loss.empty)
    planted = {
        **_spoil_rows(plant, rested.evidence),
        **_spoil_files(plant),
        **_spoil_queues(plant, rested.evidence),
        **_spoil_vendors(plant, rested.evidence),
    }
    plant.processes.ended.append(Ended("ingest", 1, by_us=False, last_words="Traceback"))
    planted["no_process_ends_by_itself"] = ["ingest ended with 1"]
    plant.tasks.read_along()
    evidence = gather(plant, list(plant.due()))
    evidence.vendors["violations"] = ["jobs.create: no such field"]
    planted["the_vendors_kept_to_their_description"] = ["jobs.create: no such field"]

    found = judge(evidence)

    assert set(planted) == set(RULES)
    missed = [
        (rule, expected)
        for rule, all_expected in planted.items()
        for expected in all_expected
        if not any(one.rule == rule and re.search(expected, one.what) for one in found)
    ]
    assert missed == []


def _spoil_rows(plant: Plant, evidence: Evidence) -> dict[str, list[str]]:
    """What only a fault of ours could do to rows, done by hand; returns what each rule must say of it."""
    deleted = next(one for one in evidence.expected if one.deleted)
    kept = [one.conversation_id for one in evidence.expected if not one.deleted]
    held = [row for row in evidence.examples if row.dataset_id and row.conversation_id in kept]
    dropped = next(row for row in evidence.drops if row.conversation_id in kept)
    # A task message may be forgotten by its broker; an event of a stream that nobody lost may not.
    promised = {message.key for message in evidence.messages if message.via == "stream"}
    recorded = [
        row.event_id
        for row in evidence.inbox
        if row.conversation_id in kept and (row.event_source, row.event_id) in promised
    ]
    over = [row for row in evidence.runs if row.state == "promoted"]
    tutor = [row for row in over if row.pipeline == "tutor"]
    cut = evidence.datasets[0]
    word = evidence.expected[0].canary
    statements: list[tuple[str, tuple[Any, ...]]] = [
        ("DELETE FROM ftworker.inbox WHERE event_id = %s", (recorded[0],)),
        ("UPDATE ftworker.inbox SET event_id = 'nobody' WHERE event_id = %s", (recorded[1],)),
        ("UPDATE ftworker.inbox SET processed_at = NULL, outcome = NULL WHERE event_id = %s", (recorded[2],)),
        ("DELETE FROM ftworker.parked", ()),
        ("DELETE FROM ftworker.examples WHERE id = %s", (held[0].id,)),
        ("DELETE FROM ftworker.drops WHERE turn = %s", (dropped.turn,)),
        (
            "UPDATE ftworker.inbox SET payload = %s WHERE conversation_id = %s",
            (deleted.canary, deleted.conversation_id),
        ),
        ("UPDATE ftworker.conversations SET deleted_at = NULL", ()),
        ("UPDATE ftworker.datasets SET sequence = 99 WHERE id = %s", (cut.id,)),
        ("UPDATE ftworker.runs SET state = 'submitted', finished_at = NULL WHERE id = %s", (over[0].id,)),
        ("UPDATE ftworker.runs SET error_message = %s WHERE id = %s", (f"about {word}", over[-1].id)),
        (
            "UPDATE ftworker.runs SET lease_token = gen_random_uuid(), lease_expires_at = now() WHERE id = %s",
            (over[-1].id,),
        ),
        ("UPDATE ftworker.runs SET model = 'ft:another' WHERE id = %s", (tutor[-1].id,)),
        ("UPDATE ftworker.promotions SET model = 'lost:1' WHERE pipeline = 'house'", ()),
    ]
    with plant.store.transaction() as cursor:
        for statement, parameters in statements:
            cursor.execute(statement, parameters)
        parked.hold(cursor, [ParkedMessage.of(b"another", "malformed_json", "nobody's")], "stream")
    return {
        "every_event_is_accounted_for_once": [
            f"{recorded[0]}.*is not recorded",
            "'nobody'.*nobody published it",
            f"{recorded[2]} ended as None",
            "were no event and are not parked",
            "are parked and were a good event",
        ],
        "every_turn_became_what_it_had_to": [
            f"{held[0].conversation_id}.*examples",
            f"{dropped.conversation_id}.*drops",
        ],
        "nothing_of_a_deleted_conversation_is_left": [
            f"{deleted.conversation_id}: deleted_at is None",
            f"{deleted.conversation_id}: event .* still holds its text",
            f"table inbox still holds the word {deleted.canary}",
        ],
        "each_example_is_in_at_most_one_cut": [f"dataset {held[0].dataset_id} was cut", "numbered .*99"],
        "every_run_is_over_or_waits_for_a_person": [f"run {over[0].id} is submitted"],
        "no_lease_outlives_its_holder": [f"run {over[-1].id}"],
        "nothing_waits_that_nobody_wakes": ["events wait", f"run {over[-1].id}", "not in the inbox"],
        "one_model_serves_each_pipeline": [f"run {tutor[-1].id} serves ft:another", "Ollama lacks lost:1"],
    }


def _spoil_files(plant: Plant) -> dict[str, list[str]]:
    """One data file gets a line more."""
    file = min(Path(plant.disk.folder).glob("datasets/tutor/*/train.jsonl"))
    with file.open("a", encoding="utf-8") as data:
        data.write("{}\n")
    return {"datasets_are_what_their_manifests_say": ["altered"]}


def _spoil_queues(plant: Plant, evidence: Evidence) -> dict[str, list[str]]:
    """A task that nobody takes, with a conversation in its arguments; an event that nobody reads; a talkative log."""
    word = evidence.expected[1].canary
    assert plant.valkey_tasks is not None
    assert plant.valkey_events is not None
    with redis.Redis(port=plant.valkey_tasks.port) as client:
        client.rpush("ftworker", f'{{"body": "", "headers": {{"argsrepr": "({word},)"}}}}')
    with redis.Redis(port=plant.valkey_events.port) as client:
        client.xadd(plant.settings.ingest.stream, {"event": "{}"})
    with (plant.logs / "worker.log").open("a", encoding="utf-8") as log:
        log.write(f"about {word}\n")
    return {
        "queues_are_empty": [r"ftworker: \d", "events in stream: 1"],
        "no_conversation_shows": [f"task messages.*{word}", f"log worker.log.*{word}", "table runs"],
    }


def _spoil_vendors(plant: Plant, evidence: Evidence) -> dict[str, list[str]]:
    """Somebody pays for a second job of the same run."""
    job = evidence.vendors["jobs"][0]
    paid = requests.post(
        f"http://127.0.0.1:{plant.vendors.openai_port}/v1/fine_tuning/jobs",
        json={"model": job["model"], "training_file": job["training_file"]},
        headers={"Authorization": f"Bearer {plant.vendors.key}"},
        timeout=10,
    )
    assert paid.ok, paid.text
    return {"one_job_for_each_run_and_generation": [f"2 jobs were paid for .*{job['id']}"]}
