"""Accumulate and cut against a model in memory: whatever comes in whatever order, the same examples are kept.

Hypothesis plays the RAG (versions of conversations in any order, repeats, deletions), workers whose commits get lost,
triggers that cut, and a person who decides about quarantine. What a dataset holds is read from the database when it is
cut, since any of what waits may be chosen; from then on it must never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ftworker.accumulate import accumulate
from ftworker.errors import DatabaseUnavailable, Refused
from ftworker.quarantine import decide
from ftworker.runs import control, cutting
from ftworker.store import quarantine
from ftworker.store.inbox import NewEvent
from ftworker.store.quarantine import Decision
from tests.accumulate.bench import Bench, said
from tests.fuzz.cases import fuzzed, ran
from tests.runs.test_never_pay_twice import UnreliableStore

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
PIPELINES = {"tutor": "*", "north": "norte"}
"""Each with the tenant that it takes."""
SAD = "No quiero vivir más, quiero hacerme daño."

Turn = tuple[str, str, int]
"""Pipeline, conversation, turn."""


@dataclass(frozen=True)
class Version:
    """One event about a conversation, in the order of arrival."""

    number: int
    conversation: str
    minute: int
    turns: int
    tenant: str
    sad: bool

    @property
    def mark(self) -> str:
        """Stands in every text of it, and in no other version's."""
        return f"tema{self.number}x"

    def pipelines(self) -> list[str]:
        return [name for name, tenant in PIPELINES.items() if tenant in ("*", self.tenant)]


@dataclass
class Known:
    """What the model knows of one conversation."""

    pending: list[Version] = field(default_factory=list)
    version: Version | None = None
    deletion_pending: bool = False
    deleted: bool = False
    held_back: bool = False
    """Whether the version stands in quarantine: it has turns that no dataset holds."""
    released: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)


class Accumulating(RuleBasedStateMachine):
    """See the module."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        ran["accumulate and cut: sequences"] += 1
        self.bench = bench
        self.unreliable = UnreliableStore(bench.url)
        bench.sql(
            """
            SET LOCAL session_replication_role = replica;
            DELETE FROM ftworker.run_journal; DELETE FROM ftworker.runs; DELETE FROM ftworker.examples;
            DELETE FROM ftworker.drops; DELETE FROM ftworker.quarantine_reviews; DELETE FROM ftworker.datasets;
            DELETE FROM ftworker.conversations; DELETE FROM ftworker.inbox; DELETE FROM ftworker.pipelines
            """
        )
        self.known: dict[str, Known] = {}
        self.sent: list[tuple[NewEvent, str]] = []
        self.waiting: dict[Turn, str] = {}
        """Each with the mark that its text holds."""
        self.held: dict[Turn, str] = {}
        """The same of datasets; an empty mark: erased."""
        self.datasets: dict[Turn, int] = {}

    # -- the RAG

    @rule(
        conversation=st.sampled_from(["c1", "c2"]),
        minute=st.integers(0, 5),
        turns=st.integers(1, 4),
        tenant=st.sampled_from(["norte", "sur"]),
        sad=st.booleans(),
        worked=st.booleans(),
    )
    def a_version_arrives(
        self, conversation: str, minute: int, turns: int, tenant: str, sad: bool, worked: bool
    ) -> None:
        version = Version(len(self.sent), conversation, minute, turns, tenant, sad)
        messages = [message for turn in range(turns) for message in said(version.mark, turn)]
        if sad:
            messages[0]["content"] += f" {SAD}"
        self._send(version, messages, tenant_id=tenant)
        self._of(conversation).pending.append(version)
        if worked:
            self.workers_work(5)

    @precondition(lambda self: len(self.sent) > 6)
    @rule(conversation=st.sampled_from(["c1", "c2"]), worked=st.booleans())
    def it_is_deleted(self, conversation: str, worked: bool) -> None:
        version = Version(len(self.sent), conversation, 0, 0, "", sad=False)
        self._send(version, None, reason="deleted")
        self._of(conversation).deletion_pending = True
        if worked:
            self.workers_work(5)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def an_event_is_repeated(self, data: st.DataObject) -> None:
        event, _ = data.draw(st.sampled_from(self.sent))
        self.bench.arrive(event)

    def _send(self, version: Version, messages: list[dict[str, Any]] | None, **more: Any) -> None:
        event = self.bench.event(
            version.conversation, messages, closed_at=START + timedelta(minutes=version.minute), **more
        )
        self.bench.arrive(event)
        self.sent.append((event, version.conversation))

    # -- workers

    @rule(batch=st.integers(1, 5))
    def workers_work(self, batch: int) -> None:
        self.bench.values["worker"] = {"accumulate_batch": batch}
        self.bench.run_all()
        self._expect()

    @rule(batch=st.integers(1, 5), commits=st.integers(1, 4), kept=st.booleans())
    def the_answer_to_a_commit_is_lost(self, batch: int, commits: int, kept: bool) -> None:
        self.bench.values["worker"] = {"accumulate_batch": batch}
        self.unreliable.lose_answer(commits, kept=kept)
        with suppress(DatabaseUnavailable):
            while accumulate(self.unreliable, self.bench.settings, self.bench.sources).taken:
                continue
        self.workers_work(batch)

    def _expect(self) -> None:
        """What accumulating everything that was sent leads to."""
        for name, known in self.known.items():
            if known.deletion_pending or known.deleted:
                known.deleted, known.deletion_pending, known.version = True, False, None
                known.pending.clear()
                self.held |= {turn: "" for turn in self.held if turn[1] == name}
                self._forget(name)
                continue
            newest = max(known.pending, key=lambda one: (one.minute, one.number), default=None)
            known.pending.clear()
            if newest is None or (known.version is not None and newest.minute < known.version.minute):
                continue
            known.version = newest
            self._forget(name)
            new: dict[Turn, str] = {}
            for pipeline in newest.pipelines():
                cut = max((turn[2] for turn in self.held if turn[:2] == (pipeline, name)), default=-1)
                new |= {(pipeline, name, turn): newest.mark for turn in range(cut + 1, newest.turns)}
            known.held_back = newest.sad and newest.number not in known.released and bool(new)
            if not known.held_back:
                self.waiting |= new

    def _forget(self, conversation: str) -> None:
        self.waiting = {turn: mark for turn, mark in self.waiting.items() if turn[1] != conversation}

    # -- triggers and people

    @rule(pipeline=st.sampled_from(sorted(PIPELINES)), limit=st.none() | st.integers(1, 4))
    def a_dataset_is_cut(self, pipeline: str, limit: int | None) -> None:
        self.bench.values["pipelines"][pipeline]["trigger"]["max_examples"] = limit
        there = [turn for turn in self.waiting if turn[0] == pipeline]
        try:
            run = cutting.start_by_hand(
                self.bench.store, self.bench.settings, pipeline, lambda: START + timedelta(days=1)
            )
        except Refused:
            assert there == []
            return
        control.cancel_run(self.bench.store, run)
        cut = {
            turn: number for turn, (number, _) in self._stored().items() if number and turn not in self.held
        }
        assert len(cut) == min(len(there), limit or len(there))
        assert set(cut) <= set(there)
        assert len(set(cut.values())) == 1
        self.datasets |= cut
        self.held |= {turn: self.waiting.pop(turn) for turn in cut}

    @precondition(lambda self: self._quarantined())
    @rule(data=st.data(), decision=st.sampled_from(["released", "rejected"]), worked=st.booleans())
    def a_person_decides(self, data: st.DataObject, decision: Decision, worked: bool) -> None:
        name = data.draw(st.sampled_from(self._quarantined()))
        known = self.known[name]
        assert known.version is not None
        (row,) = self.bench.sql("SELECT id FROM ftworker.conversations WHERE conversation_id = %s", name)
        number = known.version.number
        before = number in known.released
        try:
            decide(self.bench.store, self.bench.settings, row.id, decision)
        except Refused:
            raise AssertionError("its event is there, so a decision can be carried out") from None
        if decision == "released":
            known.released.add(number)
            known.rejected.discard(number)
        else:
            known.released.discard(number)
            known.rejected.add(number)
        if (decision == "released") != before:
            # Its event waits once more.
            known.pending.append(known.version)
        if worked:
            self.workers_work(5)

    def _quarantined(self) -> list[str]:
        return sorted(
            name
            for name, known in self.known.items()
            if known.version is not None and not known.deleted
            and (known.held_back or known.version.number in known.released)
            # A decision is about the version that a person sees; the others are to be worked on first.
            and not known.pending and not known.deletion_pending
        )  # fmt: skip

    # -- what must hold

    @invariant()
    def the_same_examples_are_kept(self) -> None:
        stored = self._stored()
        assert {turn for turn, (number, _) in stored.items() if number is None} == set(self.waiting)
        assert {turn: number for turn, (number, _) in stored.items() if number is not None} == self.datasets
        for turn, mark in {**self.waiting, **self.held}.items():
            content = stored[turn][1]
            assert content == "" if mark == "" else mark in content

    @invariant()
    def every_event_is_recorded_once_and_ends_well(self) -> None:
        outcomes = self.bench.outcomes()
        assert len(outcomes) == len(self.sent)
        if not any(known.pending or known.deletion_pending for known in self.known.values()):
            assert None not in outcomes.values()

    @invariant()
    def who_waits_in_quarantine_has_no_waiting_example(self) -> None:
        if any(known.pending or known.deletion_pending for known in self.known.values()):
            return
        with self.bench.store.transaction() as cursor:
            waiting = {row.conversation_id for row in quarantine.waiting(cursor)}
        expected = {
            name
            for name in self._quarantined()
            if (version := self.known[name].version) is not None
            and self.known[name].held_back
            and version.number not in self.known[name].rejected
        }
        assert waiting == expected

    def _of(self, conversation: str) -> Known:
        return self.known.setdefault(conversation, Known())

    def _stored(self) -> dict[Turn, tuple[int | None, str]]:
        rows = self.bench.sql(
            """
            SELECT e.pipeline, c.conversation_id, e.turn, e.dataset_id, e.content
            FROM ftworker.examples AS e JOIN ftworker.conversations AS c ON c.id = e.conversation_id
            """
        )
        return {(row.pipeline, row.conversation_id, row.turn): (row.dataset_id, row.content) for row in rows}

    def teardown(self) -> None:
        self.unreliable.close()


@pytest.fixture
def bench(emptied_database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(emptied_database_url, tmp_path)
    made.values["pipelines"] = {
        name: {
            "provider": "local",
            "tenant": tenant,
            "strategy": "new",
            "trigger": {"min_examples": 1, "cooldown_seconds": 0},
            "curation": {"drop_duplicates": False},
        }
        for name, tenant in PIPELINES.items()
    }
    yield made
    made.store.close()


def test_whatever_comes_in_whatever_order_the_same_examples_are_kept(bench: Bench) -> None:
    run_state_machine_as_test(
        lambda: Accumulating(bench),  # type: ignore[arg-type]  # any factory will do
        settings=fuzzed(0.01, short=20, steps=40),
    )
