"""Several workers and killed ones: nothing lost, nothing counted twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from ftworker.accumulate import accumulate
from ftworker.store import Cursor, Store
from tests.accumulate.bench import HOUR, NOON, Bench, conversation, said, turns
from tests.doubles.fake_provider import Killed
from tests.doubles.fake_source import FakeSource


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
