"""What the tests of accumulate share: an installation with its inbox, and what a conversation says."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ftworker.accumulate import Accumulated, accumulate
from ftworker.conversations import Conversation, Message
from ftworker.events.contract import EVENT_TYPE
from ftworker.runs import control, cutting
from ftworker.settings import Settings
from ftworker.store import Store, inbox, totals
from ftworker.store.inbox import NewEvent
from tests.doubles.fake_source import FakeSource, FakeSources

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


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


def conversation(conversation_id: str, count: int, **facts: Any) -> Conversation:
    messages = tuple(Message(m["role"], m["content"]) for m in turns(count))
    return Conversation("chat", conversation_id, messages, **facts)


def work_during_a_cut(bench: Bench) -> None:
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
