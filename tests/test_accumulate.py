"""From waiting events to examples: which version counts, what waits, what is parked, what is erased."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ftworker.accumulate import MISSING_ATTEMPTS, UNEXPECTED_ATTEMPTS, Accumulated, accumulate
from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.errors import SourceRejected, SourceUnavailable
from ftworker.events.contract import EVENT_TYPE
from ftworker.events.replay import replay
from ftworker.examples_of import takers
from ftworker.runs import control, cutting
from ftworker.runs.states import Step
from ftworker.runs.steps import StepRunner
from ftworker.settings import Settings, settings_from
from ftworker.store import Cursor, Store, examples, inbox, parked, totals
from ftworker.store.inbox import NewEvent
from tests.doubles.fake_provider import FakeProvider, Killed
from tests.doubles.fake_source import FakeSource, FakeSources

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "el gato de Marisol duerme"


def said(text: str, number: int) -> list[dict[str, Any]]:
    """A question and its answer, long enough to be worth teaching."""
    return [
        {"role": "user", "content": f"Pregunta {number} sobre {text}, ¿me la explicas?"},
        {"role": "assistant", "content": f"Respuesta {number} sobre {text}, con todo detalle."},
    ]


def turns(count: int, text: str = "química") -> list[dict[str, Any]]:
    return [message for number in range(count) for message in said(text, number)]


class Bench:
    """An installation with its inbox, and what tests ask of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.store = Store(url)
        self.source = FakeSource()
        self.sources = FakeSources(self.source)
        self.events = 0
        self.values: dict[str, Any] = {
            "home": folder,
            "database_url": url,
            "worker": {"accumulate_batch": 50},
            # Conversations here say the same things: what else becomes of them is the question.
            "pipelines": {
                "tutor": {
                    "provider": "local",
                    "trigger": {"min_examples": 1},
                    "curation": {"drop_duplicates": False},
                }
            },
        }

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(self.values)

    def event(
        self,
        conversation_id: str,
        messages: list[dict[str, Any]] | None,
        *,
        closed_at: datetime | None = None,
        **data: Any,
    ) -> NewEvent:
        self.events += 1
        body: dict[str, Any] = {"conversation_id": conversation_id, "source_name": "chat", **data}
        if messages is not None:
            body["messages"] = messages
        if closed_at is not None:
            body["closed_at"] = closed_at.isoformat()
        event = {
            "specversion": "1.0",
            "id": f"e{self.events}",
            "source": "/rag",
            "type": EVENT_TYPE,
            "data": body,
        }
        return NewEvent("/rag", f"e{self.events}", body["source_name"], conversation_id, json.dumps(event))

    def arrive(self, *events: NewEvent) -> None:
        with self.store.transaction() as cursor:
            inbox.record_batch(cursor, events, [], "task")

    def closed(self, conversation_id: str, messages: list[dict[str, Any]] | None, **data: Any) -> None:
        self.arrive(self.event(conversation_id, messages, **data))

    def work(self) -> Accumulated:
        return accumulate(self.store, self.settings, self.sources)

    def run_all(self) -> None:
        """Work until nothing is due."""
        while self.work().taken:
            continue

    def time_passes(self) -> None:
        """Whatever was postponed is due."""
        self.sql("UPDATE ftworker.inbox SET not_before = now() - interval '1 s' WHERE not_before IS NOT NULL")

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        with self.store.transaction() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def outcomes(self) -> dict[str, str | None]:
        return {row.event_id: row.outcome for row in self.sql("SELECT event_id, outcome FROM ftworker.inbox")}

    def taught(self, pipeline: str = "tutor") -> list[tuple[str, int, bool]]:
        """(conversation, turn, in a dataset) of every example."""
        found = self.sql(
            """
            SELECT c.conversation_id, e.turn, e.dataset_id IS NOT NULL FROM ftworker.examples AS e
            JOIN ftworker.conversations AS c ON c.id = e.conversation_id WHERE e.pipeline = %s ORDER BY 1, 2
            """,
            pipeline,
        )
        return [(row[0], row[1], row[2]) for row in found]

    def contents(self) -> str:
        return " ".join(row.content for row in self.sql("SELECT content FROM ftworker.examples ORDER BY id"))

    def parked(self) -> list[tuple[str, str]]:
        return [
            (row.reason, row.detail)
            for row in self.sql("SELECT reason, detail FROM ftworker.parked ORDER BY id")
        ]

    def totals(self) -> dict[tuple[str, str], float]:
        with self.store.transaction() as cursor:
            found = totals.read(cursor)
        return {key: value for key, value in found.items() if key[0].startswith("examples")}

    def cut(self, pipeline: str = "tutor") -> int:
        """Cut what waits and leave the pipeline free for the next cut."""
        run_id = cutting.start_by_hand(self.store, self.settings, pipeline, lambda: datetime.now(UTC))
        control.cancel_run(self.store, run_id)
        return run_id


@pytest.fixture
def bench(emptied_database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(emptied_database_url, tmp_path)
    yield made
    made.store.close()


# -- what comes in


def test_an_event_with_its_messages_gives_an_example_for_each_good_answer(bench: Bench) -> None:
    bench.closed("c1", turns(2))
    done = bench.work()
    assert (done.taken, done.examples, done.drops, done.pipelines) == (1, 2, 0, {"tutor"})
    assert bench.taught() == [("c1", 0, False), ("c1", 1, False)]
    assert bench.outcomes() == {"e1": "examples"}
    assert bench.source.asked == []


def test_nothing_waits_nothing_happens(bench: Bench) -> None:
    assert bench.work() == Accumulated()


def test_events_without_messages_are_read_from_their_source_in_one_query(bench: Bench) -> None:
    for number in range(3):
        bench.source.add(conversation(f"c{number}", 1))
        bench.closed(f"c{number}", None)
    assert bench.work().examples == 3
    assert bench.source.asked == [("c0", "c1", "c2")]


def conversation(conversation_id: str, count: int, **facts: Any) -> Conversation:
    messages = tuple(Message(m["role"], m["content"]) for m in turns(count))
    return Conversation("chat", conversation_id, messages, **facts)


def test_what_the_event_says_of_a_conversation_from_a_source_counts(bench: Bench) -> None:
    bench.values["pipelines"]["tutor"] |= {"tenant": "escuela", "course": "mates"}
    bench.source.add(conversation("c1", 1, course_id="mates"))
    bench.source.add(conversation("c2", 1, course_id="mates"))
    bench.closed("c1", None, tenant_id="escuela")
    bench.closed("c2", None, tenant_id="otra")
    bench.work()
    assert bench.taught() == [("c1", 0, False)]
    assert bench.outcomes() == {"e1": "examples", "e2": "unmatched"}


def test_what_gives_no_example_has_a_reason(bench: Bench) -> None:
    bench.closed("c1", [{"role": "user", "content": "hola"}, {"role": "assistant", "content": "¡Hola!"}])
    bench.closed("c2", turns(1), consent={"training": False})
    bench.closed("c3", [])
    done = bench.work()
    assert (done.examples, done.drops) == (0, 3)
    assert set(bench.outcomes().values()) == {"dropped"}
    with bench.store.transaction() as cursor:
        assert [tuple(row) for row in examples.conversation_outcome(cursor, "chat", "c2")] == [
            ("tutor", -1, "dropped", "no_consent", None)
        ]


def test_several_pipelines_claim_a_conversation_once_each(bench: Bench) -> None:
    bench.values["pipelines"] |= {
        "everything": {"provider": "local"},
        "other_source": {"provider": "local", "source": "elsewhere"},
    }
    bench.closed("c1", turns(1))
    bench.closed("c1", turns(1))
    done = bench.work()
    assert done.examples == 2
    assert done.pipelines == {"tutor", "everything"}
    for name in ("tutor", "everything"):
        assert bench.taught(name) == [("c1", 0, False)]
    assert bench.taught("other_source") == []
    bench.cut("everything")
    assert bench.taught("tutor") == [("c1", 0, False)]


@pytest.mark.parametrize(
    "source, tenant, course, expected",
    [
        ("chat", "north", "maths", ["all", "chat", "north", "maths", "exact"]),
        ("chat", "north", None, ["all", "chat", "north"]),
        ("chat", None, "maths", ["all", "chat", "maths"]),
        ("chat", "south", "maths", ["all", "chat", "maths"]),
        ("forum", None, None, ["all"]),
    ],
)
def test_a_conversation_goes_to_the_pipelines_that_choose_it(
    source: str, tenant: str | None, course: str | None, expected: list[str]
) -> None:
    choices: dict[str, dict[str, str]] = {
        "all": {},
        "chat": {"source": "chat"},
        "north": {"tenant": "north"},
        "maths": {"course": "maths"},
        "exact": {"source": "chat", "tenant": "north", "course": "maths"},
        "other": {"source": "chat", "tenant": "north", "course": "history"},
    }
    pipeline = {"provider": "openai", "base_model": "gpt"}
    settings = settings_from({"pipelines": {name: pipeline | choice for name, choice in choices.items()}})
    found = takers(settings, Conversation(source, "c1", (), tenant_id=tenant, course_id=course))
    assert found == expected


def test_examples_of_one_user_share_a_group_that_does_not_name_them(bench: Bench) -> None:
    bench.closed("c1", turns(1), user_ref="ana@example.org")
    bench.closed("c2", turns(1), user_ref="ana@example.org")
    bench.closed("c3", turns(1))
    bench.closed("c4", turns(1))
    bench.work()
    groups = [row.split_group for row in bench.sql("SELECT split_group FROM ftworker.examples ORDER BY id")]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    assert not any("ana" in group for group in groups)


def test_a_model_name_that_postgresql_cannot_hold_is_left_out_and_the_example_stays(bench: Bench) -> None:
    for number, model in enumerate(("llama\u0000", "x" * 10_000, "llama3.2:3b")):
        messages = turns(1)
        messages[1]["model"] = model
        bench.closed(f"c{number}", messages)
    assert bench.work().examples == 3
    models = [row.model for row in bench.sql("SELECT model FROM ftworker.examples ORDER BY conversation_id")]
    assert models == [None, None, "llama3.2:3b"]


def test_half_a_surrogate_pair_in_a_store_drops_its_turn_and_nothing_else(bench: Bench) -> None:
    broken = Conversation(
        "chat",
        "c1",
        (
            Message("user", "¿Qué es \ud800 esto, por favor?"),
            Message("assistant", "Una respuesta de verdad."),
        ),
    )
    bench.source.add(broken)
    bench.source.add(conversation("c2", 1))
    bench.closed("c1", None)
    bench.closed("c2", None)
    bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes() == {"e1": "dropped", "e2": "examples"}


# -- several versions of one conversation


def test_of_several_events_about_a_conversation_the_newest_wins_within_a_batch(bench: Bench) -> None:
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    bench.closed("c1", turns(1, "vieja"), closed_at=NOON)
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "superseded"}
    assert "vieja" not in bench.contents()
    assert len(bench.taught()) == 2


def test_an_older_event_that_comes_later_changes_nothing(bench: Bench) -> None:
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    bench.work()
    bench.closed("c1", turns(1, "vieja"), closed_at=NOON)
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "superseded"}
    assert len(bench.taught()) == 2
    assert "vieja" not in bench.contents()


def test_a_newer_version_replaces_what_still_waits(bench: Bench) -> None:
    bench.closed("c1", turns(3, "vieja"), closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(2, "nueva"), closed_at=NOON + HOUR)
    done = bench.work()
    assert done.examples == 0
    assert bench.taught() == [("c1", 0, False), ("c1", 1, False)]
    assert "vieja" not in bench.contents()


def test_the_same_again_under_another_id_changes_nothing_and_counts_nothing(bench: Bench) -> None:
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    before = bench.totals()
    bench.closed("c1", turns(2), closed_at=NOON)
    assert bench.work().examples == 0
    assert bench.totals() == before
    assert len(bench.taught()) == 2


def test_a_clock_in_the_future_does_not_shut_out_later_versions(bench: Bench) -> None:
    bench.closed("c1", turns(1, "vieja"), closed_at=datetime.now(UTC) + timedelta(days=4_000))
    bench.work()
    bench.closed("c1", turns(2, "nueva"), closed_at=datetime.now(UTC) + timedelta(seconds=5))
    bench.work()
    assert bench.outcomes() == {"e1": "examples", "e2": "examples"}
    assert len(bench.taught()) == 2


def test_an_event_without_any_time_is_as_new_as_its_arrival(bench: Bench) -> None:
    bench.closed("c1", turns(1, "vieja"))
    bench.work()
    bench.closed("c1", turns(2, "nueva"))
    bench.work()
    assert len(bench.taught()) == 2


@pytest.mark.parametrize("unit", ["turn", "conversation"])
def test_a_reopened_conversation_adds_only_the_turns_that_no_dataset_holds(bench: Bench, unit: str) -> None:
    bench.values["pipelines"]["tutor"]["curation"] = {"unit": unit}
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    first = bench.taught()
    bench.cut()
    bench.closed("c1", turns(4), closed_at=NOON + HOUR)
    bench.work()
    cut, waiting = bench.taught()[: len(first)], bench.taught()[len(first) :]
    assert [turn for _, turn, _ in cut] == [turn for _, turn, _ in first]
    assert all(held for _, _, held in cut)
    assert [turn for _, turn, held in waiting if not held] == ([2, 3] if unit == "turn" else [3])

    # Taught are the new answers; those of the dataset before stand as history.
    (newest,) = bench.sql("SELECT content FROM ftworker.examples ORDER BY turn DESC LIMIT 1")
    weights = [(m["content"][:11], m.get("weight")) for m in json.loads(newest.content)[1::2]]
    taught = {text for text, weight in weights if weight != 0}
    assert taught == ({"Respuesta 3"} if unit == "turn" else {"Respuesta 2", "Respuesta 3"})
    assert {"Respuesta 0", "Respuesta 1"} <= {text for text, weight in weights if weight == 0}

    bench.cut()
    bench.closed("c1", turns(4), closed_at=NOON + 2 * HOUR)
    assert bench.work().examples == 0
    assert not any(not held for _, _, held in bench.taught())
    assert bench.outcomes()["e3"] == "examples"


def test_why_earlier_turns_were_dropped_is_still_known_after_a_conversation_reopened(bench: Bench) -> None:
    short = [{"role": "user", "content": "¿Y qué más me cuentas?"}, {"role": "assistant", "content": "Nada."}]
    bench.closed("c1", [*said("a", 0), *short, *said("a", 2)], closed_at=NOON)
    bench.work()
    bench.cut()
    bench.closed("c1", [*said("a", 0), *short, *said("a", 2), *short], closed_at=NOON + HOUR)
    bench.work()
    assert [(row.turn, row.reason) for row in bench.sql("SELECT * FROM ftworker.drops ORDER BY turn")] == [
        (1, "too_short"),
        (3, "too_short"),
    ]


def test_a_drop_goes_when_a_newer_version_gives_an_example_instead(bench: Bench) -> None:
    bench.closed("c1", [{"role": "user", "content": "¿Qué es un ácido?"}], closed_at=NOON)
    bench.work()
    assert len(bench.sql("SELECT 1 FROM ftworker.drops")) == 1
    bench.closed("c1", turns(1), closed_at=NOON + HOUR)
    bench.work()
    assert bench.sql("SELECT 1 FROM ftworker.drops") == []
    assert len(bench.taught()) == 1


def test_a_conversation_that_left_a_pipeline_leaves_only_what_was_cut(bench: Bench) -> None:
    bench.values["pipelines"]["tutor"]["course"] = "mates"
    bench.closed("c1", turns(1), course_id="mates", closed_at=NOON)
    bench.closed("c2", turns(1), course_id="mates", closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(1), course_id="historia", closed_at=NOON + HOUR)
    bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes()["e3"] == "unmatched"


def test_a_cut_that_takes_a_conversation_meanwhile_is_waited_for(bench: Bench) -> None:
    """Else a whole conversation, reopened while it was being cut, would be taught twice."""
    bench.values["pipelines"]["tutor"]["curation"] = {"unit": "conversation"}
    bench.closed("c1", turns(2), closed_at=NOON)
    bench.work()
    bench.closed("c1", turns(4), closed_at=NOON + HOUR)
    _work_during_a_cut(bench)
    assert bench.taught() == [("c1", 1, True), ("c1", 3, False)]
    (new,) = bench.sql("SELECT content FROM ftworker.examples WHERE turn = 3")
    assert [m.get("weight") for m in json.loads(new.content)[1::2]] == [0, 0, None, None]


def _work_during_a_cut(bench: Bench) -> None:
    """A cut takes all that waits, and commits only when somebody waits for it."""
    cutter = Store(bench.url)
    with ThreadPoolExecutor(1) as pool:
        with cutter.transaction() as cursor:
            cursor.execute(
                "INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples) "
                "VALUES ('tutor', 1, 'all', '{}', 1) RETURNING id"
            )
            dataset_id = cursor.fetchone().id
            cursor.execute("UPDATE ftworker.examples SET dataset_id = %s", (dataset_id,))
            working = pool.submit(bench.work)
            _wait_for_a_lock(bench)
        working.result(timeout=30)
    cutter.close()


def _wait_for_a_lock(bench: Bench) -> None:
    """Until somebody waits for a lock of somebody else."""
    for _ in range(500):
        waiting = bench.sql("SELECT count(*) AS n FROM pg_locks WHERE NOT granted")[0].n
        if waiting:
            return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits for a lock")


# -- deletions


def test_a_cut_that_takes_a_deleted_conversation_meanwhile_holds_nothing_of_its_text(bench: Bench) -> None:
    """What was waiting when the deletion looked, and in a dataset when it came to erase, kept its text."""
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    _work_during_a_cut(bench)
    assert bench.taught() == [("c1", 0, True), ("c1", 1, True)]
    rows = bench.sql("SELECT content, erased_at FROM ftworker.examples")
    assert [(row.content, row.erased_at is not None) for row in rows] == [("", True)] * 2
    assert_nothing_of_it_is_left(bench)


def test_a_deleted_conversation_leaves_a_tombstone_and_nothing_of_its_text(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.closed("c2", turns(1), closed_at=NOON)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    done = bench.work()
    assert done.taken == 1
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes()["e3"] == "deleted"
    assert_nothing_of_it_is_left(bench)
    assert bench.sql("SELECT 1 FROM ftworker.conversations WHERE deleted_at IS NOT NULL") != []


def assert_nothing_of_it_is_left(bench: Bench) -> None:
    tables = [row[0] for row in bench.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'ftworker'")]
    for table in tables:
        for row in bench.sql(f"SELECT t::text AS text FROM ftworker.{table} AS t"):
            assert SECRET not in row.text, table
            assert SECRET.encode().hex() not in row.text, table


def test_examples_in_datasets_lose_their_text_and_keep_their_place(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.work()
    bench.cut()
    bench.closed("c1", turns(3, SECRET), closed_at=NOON + HOUR)
    bench.work()
    bench.closed("c1", None, reason="deleted")
    bench.work()
    assert bench.taught() == [("c1", 0, True), ("c1", 1, True)]
    assert_nothing_of_it_is_left(bench)
    erased = bench.sql("SELECT content, split_group FROM ftworker.examples WHERE erased_at IS NOT NULL")
    assert [tuple(row) for row in erased] == [("", ""), ("", "")]


def test_erased_examples_are_in_no_export(bench: Bench, tmp_path: Path) -> None:
    for number in range(3):
        bench.closed(f"c{number}", turns(1, SECRET if number == 1 else "física"), closed_at=NOON)
    bench.work()
    run_id = cutting.start_by_hand(bench.store, bench.settings, "tutor", lambda: datetime.now(UTC))
    bench.closed("c1", None, reason="deleted")
    bench.work()
    StepRunner(bench.store, bench.settings, lambda _: FakeProvider()).perform(run_id, Step.EXPORT)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(SECRET in path.read_text(encoding="utf-8") for path in files)
    assert any("física" in path.read_text(encoding="utf-8") for path in files)


def test_a_deletion_of_what_was_never_seen_holds_against_an_event_that_comes_late(bench: Bench) -> None:
    bench.closed("c1", None, reason="deleted")
    bench.work()
    bench.closed("c1", turns(2, SECRET), closed_at=datetime.now(UTC))
    bench.work()
    assert bench.taught() == []
    assert bench.outcomes() == {"e1": "deleted", "e2": "deleted"}
    assert_nothing_of_it_is_left(bench)


def test_a_deletion_in_the_same_batch_wins_in_whatever_order_it_came(bench: Bench) -> None:
    bench.closed("c1", turns(2, SECRET), closed_at=NOON)
    bench.closed("c2", turns(1))
    bench.closed("c1", None, reason="deleted", closed_at=NOON - HOUR)
    bench.closed("c1", turns(3, SECRET), closed_at=NOON + HOUR)
    done = bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert set(bench.outcomes().values()) == {"deleted", "examples"}
    assert (done.taken, done.examples) == (2, 1)
    assert_nothing_of_it_is_left(bench)


def test_a_deletion_erases_what_was_parked_and_what_waits_for_its_source(bench: Bench) -> None:
    bench.closed("c1", turns(1, SECRET), source_name="unknown")
    bench.closed("c1", None, source_name="unknown", user_ref="u")
    bench.work()
    bench.closed("c1", None, source_name="unknown", reason="deleted")
    bench.work()
    assert bench.parked() == []
    assert_nothing_of_it_is_left(bench)


def test_many_deletions_are_done_batch_after_batch(bench: Bench) -> None:
    bench.values["worker"]["accumulate_batch"] = 10
    bench.arrive(*(bench.event(f"c{n}", turns(1)) for n in range(5)))
    bench.arrive(*(bench.event(f"c{n}", None, reason="deleted") for n in range(25)))
    bench.arrive(bench.event("c99", turns(1)))
    bench.run_all()
    assert bench.taught() == [("c99", 0, False)]


# -- sources in trouble


def test_events_of_a_source_that_is_not_configured_are_parked_with_the_reason(bench: Bench) -> None:
    bench.closed("c1", None, source_name="unknown")
    bench.closed("c2", turns(1))
    bench.work()
    assert bench.outcomes() == {"e1": "parked", "e2": "examples"}
    assert [reason for reason, _ in bench.parked()] == ["unknown_source"]
    assert "no source named 'unknown'" in bench.parked()[0][1]


def test_a_source_that_cannot_be_read_as_configured_parks_its_events(bench: Bench) -> None:
    bench.source.error = SourceRejected("source chat: no table messages; check sources.chat.messages")
    bench.closed("c1", None)
    bench.work()
    assert bench.parked() == [("source_rejected", str(bench.source.error))]


def test_a_source_that_is_down_delays_its_events_longer_and_longer_and_no_others(bench: Bench) -> None:
    bench.source.error = SourceUnavailable("down")
    bench.closed("c1", None)
    waits = []
    for number in range(8):
        bench.closed(f"inline{number}", turns(1))
        bench.work()
        (row,) = bench.sql(
            "SELECT extract(epoch FROM not_before - now())::float8 AS wait FROM ftworker.inbox "
            "WHERE processed_at IS NULL"
        )
        waits.append(round(row.wait, -1))
        assert bench.work().taken == 0
        bench.time_passes()
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert len(bench.taught()) == 8
    bench.source.error = None
    bench.source.add(conversation("c1", 1))
    bench.work()
    assert bench.outcomes()["e1"] == "examples"


def test_a_source_that_was_down_for_weeks_still_only_delays(bench: Bench) -> None:
    bench.source.error = SourceUnavailable("down")
    bench.closed("c1", None)
    bench.sql("UPDATE ftworker.inbox SET attempts = 5000")
    bench.work()
    assert bench.outcomes() == {"e1": None}
    assert bench.parked() == []


def test_a_conversation_that_its_source_does_not_have_is_looked_for_some_times_and_then_parked(
    bench: Bench,
) -> None:
    bench.closed("c1", None)
    bench.closed("c2", None)
    for look in range(1, MISSING_ATTEMPTS):
        bench.work()
        assert bench.outcomes() == {"e1": None, "e2": None}, look
        bench.time_passes()
    bench.source.add(conversation("c2", 1))
    bench.work()
    assert bench.outcomes() == {"e1": "parked", "e2": "examples"}
    assert len(bench.source.asked) == MISSING_ATTEMPTS
    ((reason, detail),) = bench.parked()
    assert reason == "conversation_not_found"
    assert "after 5 looks" in detail


def test_what_was_parked_works_when_it_is_replayed_after_the_source_was_mended(bench: Bench) -> None:
    bench.closed("c1", None, source_name="later")
    bench.work()
    mended = FakeSource("later")
    mended.add(conversation("c1", 1))
    bench.sources.sources["later"] = mended
    with bench.store.transaction() as cursor:
        assert replay(cursor, parked.ids(cursor), 1 << 20).waiting_again == 1
    assert bench.work().examples == 1
    assert bench.outcomes() == {"e1": "examples"}
    assert bench.parked() == []


def test_an_older_event_is_used_when_the_newest_cannot_be(bench: Bench) -> None:
    bench.closed("c1", turns(1, "primera"), closed_at=NOON)
    bench.closed("c1", None, closed_at=NOON + HOUR, source_name="chat")
    bench.source.error = SourceRejected("no such table")
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": "parked"}
    assert "primera" in bench.contents()


def test_an_older_event_is_used_while_the_newest_waits_for_its_source_and_then_replaced(bench: Bench) -> None:
    bench.closed("c1", turns(1, "primera"), closed_at=NOON)
    bench.closed("c1", None, closed_at=NOON + HOUR)
    bench.source.error = SourceUnavailable("down")
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": None}
    bench.source.error = None
    bench.source.add(conversation("c1", 2))
    bench.time_passes()
    bench.run_all()
    assert bench.outcomes() == {"e1": "examples", "e2": "examples"}
    assert "primera" not in bench.contents()


# -- what cannot be


@pytest.mark.parametrize(
    "payload, reason",
    [
        ("{", "malformed_json"),
        ('{"specversion": "1.0"}', "not_cloudevent"),
        ("null", "not_cloudevent"),
    ],
)
def test_a_row_that_is_no_event_is_parked_and_the_rest_goes_on(
    bench: Bench, payload: str, reason: str
) -> None:
    bench.arrive(NewEvent("/rag", "bad", "chat", "c0", payload))
    bench.closed("c1", turns(1))
    bench.work()
    assert bench.outcomes() == {"bad": "parked", "e1": "examples"}
    assert bench.parked()[0][0] == reason


def test_a_row_whose_text_was_erased_before_its_time_is_parked(bench: Bench) -> None:
    bench.closed("c1", turns(1))
    bench.sql("UPDATE ftworker.inbox SET payload = NULL")
    bench.work()
    assert bench.parked()[0][0] == "no_payload"


def test_a_conversation_that_breaks_our_code_is_parked_alone_and_its_text_shows_nowhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def curate_badly(conversation: Conversation, *arguments: Any, **options: Any) -> Any:
        if conversation.conversation_id == "c2":
            raise ValueError(f"cannot cope with {SECRET}")
        return curate(conversation, *arguments, **options)

    monkeypatch.setattr("ftworker.examples_of.curate", curate_badly)
    for number in range(5):
        bench.closed(f"c{number}", turns(1, SECRET))
    with caplog.at_level(logging.INFO):
        for _ in range(UNEXPECTED_ATTEMPTS):
            assert bench.parked() == []
            bench.run_all()
            assert [event for event, outcome in bench.outcomes().items() if outcome != "examples"] == ["e3"]
            bench.time_passes()
    assert bench.outcomes()["e3"] == "parked"
    ((reason, detail),) = bench.parked()
    assert reason == "unexpected_error"
    assert "ValueError" in detail
    assert SECRET not in detail
    assert not any(SECRET in record.getMessage() for record in caplog.records)
    monkeypatch.undo()
    with bench.store.transaction() as cursor:
        replay(cursor, parked.ids(cursor), 1 << 20)
    bench.run_all()
    assert len(bench.taught()) == 5


def test_a_fault_of_ours_that_breaks_every_event_delays_them_and_is_over_when_it_is_mended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise TypeError

    monkeypatch.setattr("ftworker.examples_of.curate", broken)
    for number in range(4):
        bench.closed(f"c{number}", turns(1))
    for _ in range(2):
        bench.run_all()
        bench.time_passes()
    monkeypatch.undo()
    bench.run_all()
    assert bench.parked() == []
    assert len(bench.taught()) == 4


# -- the batch as a whole


def test_totals_are_exactly_what_was_kept_and_dropped(bench: Bench) -> None:
    bench.values["pipelines"]["second"] = {"provider": "local", "curation": {"drop_duplicates": False}}
    for number in range(4):
        bench.closed(f"c{number}", turns(2))
    bench.closed("short", [*said("a", 0), *said("b", 1), {"role": "user", "content": "¿Sigues ahí, tutor?"}])
    bench.closed("none", [])
    bench.run_all()
    assert bench.totals() == {
        ("examples_kept", "pipeline=tutor"): 10,
        ("examples_kept", "pipeline=second"): 10,
        ("examples_dropped", "pipeline=tutor,reason=not_ended_by_assistant"): 1,
        ("examples_dropped", "pipeline=second,reason=not_ended_by_assistant"): 1,
        ("examples_dropped", "pipeline=tutor,reason=empty_conversation"): 1,
        ("examples_dropped", "pipeline=second,reason=empty_conversation"): 1,
    }


class DyingStore(Store):
    """The store of a worker that dies just before, or just after, it commits."""

    def __init__(self, url: str, *, after: bool) -> None:
        super().__init__(url)
        self._after = after

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        with super().transaction() as cursor:
            yield cursor
            if not self._after:
                raise Killed
        raise Killed


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_a_worker_killed_in_the_middle_leaves_its_events_waiting_or_done_and_nothing_between(
    bench: Bench, *, after: bool
) -> None:
    for number in range(10):
        bench.closed(f"c{number}", turns(2))
    dying = DyingStore(bench.url, after=after)
    with pytest.raises(Killed):
        accumulate(dying, bench.settings, bench.sources)
    dying.close()
    assert set(bench.outcomes().values()) == ({"examples"} if after else {None})
    bench.run_all()
    assert len(bench.taught()) == 20
    assert bench.totals() == {("examples_kept", "pipeline=tutor"): 20}


def test_a_worker_killed_while_it_reads_a_source_leaves_its_events_waiting(bench: Bench) -> None:
    bench.source.add(conversation("c1", 1))
    bench.closed("c1", None)

    def die() -> None:
        bench.source.before = None
        raise Killed

    bench.source.before = die
    with pytest.raises(Killed):
        bench.work()
    assert bench.outcomes() == {"e1": None}
    assert bench.work().examples == 1


def test_workers_at_one_moment_share_the_work_and_count_it_once(bench: Bench) -> None:
    """Conversations, newer versions and deletions all mixed, in batches that overlap as much as they can."""
    bench.values["worker"]["accumulate_batch"] = 7
    bench.arrive(
        *(
            bench.event(f"c{(n * 7) % 40}", turns(1 + n // 40), closed_at=NOON + n * HOUR / 60)
            for n in range(120)
        )
    )
    bench.arrive(*(bench.event(f"c{n}", None, reason="deleted") for n in range(0, 40, 4)))
    bench.arrive(*(bench.event(f"c{n}", None, reason="deleted") for n in range(0, 40, 4)))
    gate = threading.Barrier(4)

    def work() -> None:
        store = Store(bench.url)
        gate.wait(timeout=30)
        while accumulate(store, bench.settings, bench.sources).taken:
            continue
        store.close()

    with ThreadPoolExecutor(4) as pool:
        for working in [pool.submit(work) for _ in range(4)]:
            working.result(timeout=60)
    bench.run_all()
    assert None not in bench.outcomes().values()
    alive = [f"c{n}" for n in range(40) if n % 4]
    assert bench.taught() == sorted((name, turn, False) for name in alive for turn in range(3))
    assert bench.parked() == []
    kept = bench.totals()["examples_kept", "pipeline=tutor"]
    assert kept >= len(bench.taught())


def test_a_batch_holds_up_nobody_who_works_on_others(bench: Bench) -> None:
    bench.values["worker"]["accumulate_batch"] = 1
    bench.source.add(conversation("slow", 1))
    bench.closed("slow", None)
    bench.closed("quick", turns(1))
    seen: list[int] = []

    def meanwhile() -> None:
        other = Store(bench.url)
        seen.append(accumulate(other, bench.settings, bench.sources).examples)
        other.close()

    bench.source.before = _once(bench.source, meanwhile)
    assert bench.work().examples == 1
    assert seen == [1]


def _once(source: FakeSource, act: Callable[[], None]) -> Callable[[], None]:
    def first() -> None:
        source.before = None
        act()

    return first
