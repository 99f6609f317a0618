"""From waiting examples to one dataset and one run, whoever else tries at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ftworker.clock import utc_now
from ftworker.errors import NotFound, Refused
from ftworker.runs import control, cutting
from ftworker.runs.states import RunState, Step
from ftworker.settings import Settings
from ftworker.store import Store, datasets, examples, runs
from ftworker.store.datasets import DatasetRow
from tests.runs.worlds import PIPELINE, World, add_examples, settings_for

EAGER: dict[str, Any] = {"trigger": {"min_examples": 20, "cooldown_seconds": 0}}


def rows(world: World, query: str) -> list[Any]:
    with world.store.transaction() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def cut(world: World) -> int | None:
    return cutting.cut_if_due(world.store, world.settings, PIPELINE, world.clock)


def claimed(world: World) -> list[int]:
    """How many examples each dataset was the first to hold, oldest dataset first; 0 stands for waiting ones."""
    found = rows(
        world,
        "SELECT coalesce(dataset_id, 0) AS dataset, count(*) AS n FROM ftworker.examples GROUP BY 1 ORDER BY 1",
    )
    return [row.n for row in found]


def dataset_of(world: World, run_id: int) -> DatasetRow:
    dataset_id = world.run(run_id).dataset_id
    with world.store.transaction() as cursor:
        return datasets.get_dataset(cursor, dataset_id)


# -- exactly once


def together(world: World, workers: int, act: Callable[[], Any]) -> list[Any]:
    """What each of so many threads got from `act`, begun at one moment."""
    gate = threading.Barrier(workers)

    def run() -> Any:
        with world.store.transaction() as cursor:
            cursor.execute("SELECT 1")  # connecting takes longer than what is to collide
        gate.wait(timeout=30)
        try:
            return act()
        finally:
            world.store.close()

    with ThreadPoolExecutor(workers) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(workers)]]


@pytest.mark.parametrize("attempt", range(5))
def test_any_number_of_workers_that_see_a_threshold_crossed_cut_one_dataset(
    world: World, attempt: int
) -> None:
    world.configure(**EAGER)
    add_examples(world.store, 20)
    begun = together(world, 8, lambda: cut(world))
    assert sorted(run is not None for run in begun) == [False] * 7 + [True]
    assert [(row.sequence, row.new_examples) for row in rows(world, "SELECT * FROM ftworker.datasets")] == [
        (1, 20)
    ]
    assert claimed(world) == [20]
    assert len(rows(world, "SELECT 1 FROM ftworker.runs")) == 1


def _cut_in_a_process(url: str, folder: str, gate: Any) -> int | None:
    settings = settings_for(url, Path(folder), **EAGER)
    store = Store(url)
    with store.transaction() as cursor:
        cursor.execute("SELECT 1")
    gate.wait(timeout=60)
    try:
        return cutting.cut_if_due(store, settings, PIPELINE, utc_now)
    finally:
        store.close()


def test_processes_with_connections_of_their_own_cut_one_dataset(world: World, tmp_path: Path) -> None:
    assert world.settings.database_url is not None
    url = world.settings.database_url.get_secret_value()
    add_examples(world.store, 20)
    context = get_context("spawn")
    with context.Manager() as manager, context.Pool(3) as pool:
        gate = manager.Barrier(3)
        begun = pool.starmap(_cut_in_a_process, [(url, str(tmp_path), gate)] * 3)
    assert sum(run is not None for run in begun) == 1
    assert claimed(world) == [20]


def test_a_threshold_crossed_again_and_again_by_many_is_cut_each_time_once(world: World) -> None:
    world.configure(**EAGER, strategy="new")
    for crossing in range(3):
        add_examples(world.store, 20, first=20 * crossing)
        begun = [run for run in together(world, 4, lambda: cut(world)) if run is not None]
        assert len(begun) == 1
        control.cancel_run(world.store, begun[0])
    assert claimed(world) == [20, 20, 20]
    sequences = rows(world, "SELECT sequence FROM ftworker.datasets ORDER BY 1")
    assert [row.sequence for row in sequences] == [1, 2, 3]


def test_people_and_triggers_at_one_moment_begin_one_run(world: World) -> None:
    world.configure(**EAGER)
    add_examples(world.store, 20)

    def by_hand() -> object:
        try:
            return cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
        except Refused as refusal:
            return str(refusal)

    acts: list[Callable[[], object]] = [by_hand, lambda: cut(world)] * 3
    lock = threading.Lock()

    def one() -> object:
        with lock:
            act = acts.pop()
        return act()

    answers = together(world, 6, one)
    assert sum(isinstance(answer, int) for answer in answers) == 1
    assert all("is in flight" in answer for answer in answers if isinstance(answer, str))


# -- what is cut


def test_rows_that_are_being_rewritten_wait_for_the_next_dataset(world: World) -> None:
    world.configure(**EAGER, strategy="new")
    add_examples(world.store, 30)
    assert world.settings.database_url is not None
    rewriting = Store(world.settings.database_url.get_secret_value())
    with rewriting.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.examples SET token_count = 1 WHERE id IN "
            "(SELECT id FROM ftworker.examples ORDER BY id LIMIT 5)"
        )
        run_id = cut(world)
    rewriting.close()
    assert run_id is not None
    assert claimed(world) == [5, 25]


def test_when_too_few_rows_are_free_nothing_is_cut_and_the_next_look_does(world: World) -> None:
    world.configure(**EAGER)
    add_examples(world.store, 20)
    assert world.settings.database_url is not None
    rewriting = Store(world.settings.database_url.get_secret_value())
    with rewriting.transaction() as cursor:
        cursor.execute(
            "SELECT id FROM ftworker.examples ORDER BY id LIMIT 11 FOR UPDATE",
        )
        assert cut(world) is None
        with pytest.raises(Refused, match="try again"):
            cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
        assert rows(world, "SELECT 1 FROM ftworker.datasets") == []
    rewriting.close()
    assert cut(world) is not None
    assert claimed(world) == [20]


def test_an_example_is_rewritten_or_cut_and_never_both(world: World) -> None:
    """Accumulating a newer version of each conversation while datasets are cut from the older ones."""
    world.configure(**EAGER, strategy="new")
    add_examples(world.store, 60)
    stop = threading.Event()

    def rewrite() -> None:
        store = Store(url)
        while not stop.is_set():
            add_examples(store, 60, tokens=7)
        store.close()

    assert world.settings.database_url is not None
    url = world.settings.database_url.get_secret_value()
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(30):
            run_id = cut(world)
            if run_id is not None:
                control.cancel_run(world.store, run_id)
    finally:
        stop.set()
        writer.join(timeout=30)
    assert sum(claimed(world)) == 60
    cut_rows = sum(row.new_examples for row in rows(world, "SELECT new_examples FROM ftworker.datasets"))
    in_datasets = rows(world, "SELECT count(*) AS n FROM ftworker.examples WHERE dataset_id IS NOT NULL")
    assert cut_rows == in_datasets[0].n


def test_a_limit_leaves_the_newest_for_the_next_dataset(world: World) -> None:
    world.configure(trigger={"min_examples": 20, "max_examples": 15, "cooldown_seconds": 0}, strategy="new")
    add_examples(world.store, 35)
    first = cut(world)
    assert first is not None
    assert claimed(world) == [20, 15]
    oldest = rows(world, "SELECT max(id) AS id FROM ftworker.examples WHERE dataset_id IS NOT NULL")[0].id
    newest = rows(world, "SELECT min(id) AS id FROM ftworker.examples WHERE dataset_id IS NULL")[0].id
    assert oldest < newest
    control.cancel_run(world.store, first)
    assert cut(world) is not None
    assert claimed(world) == [5, 15, 15]


@pytest.mark.parametrize(
    "strategy, share, expected",
    [("all", 0.2, 50), ("new", 0.2, 20), ("replay", 0.0, 20), ("replay", 1.0, 50)],
)
def test_a_strategy_decides_what_a_dataset_holds_besides_the_new(
    world: World, strategy: str, share: float, expected: int
) -> None:
    world.configure(strategy=strategy, replay_share=share)
    control.cancel_run(world.store, world.begin(30))
    run_id = world.begin(20)
    world.perform(run_id, Step.EXPORT)
    dataset = dataset_of(world, run_id)
    assert dataset.manifest is not None
    assert dataset.manifest["provenance"]["examples"] == expected
    assert dataset.new_examples == 20


def test_replay_takes_a_stable_share_of_the_old(world: World) -> None:
    world.configure(strategy="replay", replay_share=0.5)
    control.cancel_run(world.store, world.begin(200))
    kept: list[set[str]] = []
    for _ in range(2):
        run_id = world.begin(10)
        query, parameters = examples.dataset_query("replay", PIPELINE, world.run(run_id).dataset_id, 0.5)
        with world.store.stream(query, parameters) as found:
            kept.append({row[1] for row in found})
        control.cancel_run(world.store, run_id)
    old = {f"user-{n}" for n in range(200)}
    assert kept[0] & old == kept[1] & old
    assert 70 <= len(kept[0] & old) <= 130


def test_a_dataset_carries_the_settings_that_decide_its_bytes(world: World) -> None:
    run_id = world.begin()
    world.configure(system_prompt="Otra cosa", split={"validation_share": 0.5})
    dataset = dataset_of(world, run_id)
    assert dataset.settings["system_prompt"].startswith("Eres un asistente")
    assert dataset.settings["split"] == {
        "validation_share": 0.1,
        "salt": "ftworker",
        "golden_share": 0.02,
        "golden_examples": 50,
    }
    assert dataset.settings["selection"]["near_duplicate_similarity"] == 0.8
    assert dataset.settings["format"] == "openai-chat"


def test_another_cut_of_the_same_rows_gives_the_same_bytes(world: World) -> None:
    hashes = []
    for _ in range(2):
        world.empty()
        run_id = world.begin(40)
        world.perform(run_id, Step.EXPORT)
        hashes.append(dataset_of(world, run_id).sha256)
    assert hashes[0] is not None
    assert hashes[0] == hashes[1]


# -- by hand


@pytest.mark.parametrize(
    "waiting, reason",
    [
        (0, "no example waits since the last dataset"),
        (9, "the dataset would hold 9 examples, the provider needs at least 10"),
    ],
)
def test_a_run_by_hand_that_cannot_begin_says_why(world: World, waiting: int, reason: str) -> None:
    add_examples(world.store, waiting)
    with pytest.raises(Refused, match=f"pipeline tutor: {reason}; `ftworker triggers`"):
        cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    assert rows(world, "SELECT 1 FROM ftworker.datasets") == []


def test_a_run_by_hand_waits_for_the_one_in_flight(world: World) -> None:
    busy = world.begin()
    add_examples(world.store, 20, first=100)
    with pytest.raises(Refused, match=rf"run {busy} \(cut\) is in flight"):
        cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    with pytest.raises(Refused, match=rf"run {busy} \(cut\) is in flight"):
        cutting.start_by_hand(
            world.store, world.settings, PIPELINE, world.clock, dataset_id=world.run(busy).dataset_id
        )


def test_examples_kept_from_before_count_towards_the_providers_minimum(world: World) -> None:
    control.cancel_run(world.store, world.begin(12))
    add_examples(world.store, 1, first=100)
    assert cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    world.empty()
    world.configure(strategy="new")
    control.cancel_run(world.store, world.begin(12))
    add_examples(world.store, 1, first=100)
    with pytest.raises(Refused, match="would hold 1 examples"):
        cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)


def test_a_limit_below_the_providers_minimum_cuts_where_enough_was_kept(world: World) -> None:
    control.cancel_run(world.store, world.begin(12))
    world.configure(trigger={"min_examples": 10, "max_examples": 5, "cooldown_seconds": 0})
    add_examples(world.store, 12, first=100)
    assert cut(world) is not None
    assert claimed(world) == [7, 12, 5]


def test_a_local_provider_needs_one_example_only(world: World) -> None:
    world.configure(provider="local", base_model="llama3.2:3b")
    assert world.run(world.begin(1)).state is RunState.CUT


def test_training_the_same_again_is_refused_and_names_the_run_that_did_it(world: World) -> None:
    run_id = world.bring_to(RunState.TRAINED)
    dataset_id = world.run(run_id).dataset_id
    with pytest.raises(Refused, match=rf"as run {run_id}; `ftworker runs retry {run_id}`"):
        cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock, dataset_id=dataset_id)


def test_another_training_of_the_same_dataset_is_another_run(world: World) -> None:
    first = world.bring_to(RunState.TRAINED)
    dataset_id = world.run(first).dataset_id
    world.configure(training={"n_epochs": 5})
    second = cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock, dataset_id=dataset_id)
    world._go_on_to(second, RunState.TRAINED)
    assert world.run(second).dataset_id == dataset_id
    assert world.run(second).run_key != world.run(first).run_key


def test_a_dataset_of_another_pipeline_or_none_is_refused(world: World) -> None:
    run_id = world.bring_to(RunState.TRAINED)
    other = world.settings.model_copy(
        update={"pipelines": {**world.settings.pipelines, "other": world.settings.pipeline(PIPELINE)}}
    )
    dataset_id = world.run(run_id).dataset_id
    with pytest.raises(Refused, match="belongs to pipeline tutor, not to other"):
        cutting.start_by_hand(world.store, other, "other", world.clock, dataset_id=dataset_id)
    with pytest.raises(NotFound, match="no dataset 999999"):
        cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock, dataset_id=999_999)
    with pytest.raises(NotFound, match="no pipeline named 'x'"):
        cutting.start_by_hand(world.store, world.settings, "x", world.clock)


# -- triggers on real rows


def test_after_a_cut_the_pipeline_rests_for_its_cooldown(world: World) -> None:
    world.configure(trigger={"min_examples": 20, "cooldown_seconds": 3_600})
    add_examples(world.store, 20)
    first = cut(world)
    assert first is not None
    control.cancel_run(world.store, first)
    add_examples(world.store, 20, first=20)
    assert cut(world) is None
    world.ahead = timedelta(minutes=59)
    assert cut(world) is None
    world.ahead = timedelta(minutes=61)
    assert cut(world) is not None


@pytest.mark.parametrize("state", sorted(RunState))
def test_a_pipeline_is_busy_while_its_run_is_in_flight_and_free_when_it_is_over(
    world: World, state: RunState
) -> None:
    run_id = world.bring_to(state)
    world.configure(**EAGER)
    add_examples(world.store, 20, first=1_000)
    report = cutting.explain_trigger(world.store, world.settings, PIPELINE, world.clock())
    busy = world.run(run_id).finished_at is None
    assert report.facts.in_flight == (f"run {run_id} ({state})" if busy else None)
    assert (cut(world) is None) == busy


def test_tokens_and_age_are_those_of_what_waits(world: World) -> None:
    control.cancel_run(world.store, world.begin(12))
    add_examples(world.store, 3, first=100, tokens=7)
    facts = cutting.explain_trigger(world.store, world.settings, PIPELINE, world.clock()).facts
    assert (facts.waiting_examples, facts.waiting_tokens) == (3, 21)
    assert facts.oldest_at is not None
    assert timedelta(0) <= utc_now() - facts.oldest_at < timedelta(minutes=1)


def test_a_schedule_fires_once_at_its_time_and_not_when_it_is_first_seen(world: World) -> None:
    # Every hour, and an hour passes between two looks.
    world.configure(
        trigger={"min_examples": None, "schedule": "0 * * * *", "max_wait_floor": 15, "cooldown_seconds": 0}
    )
    add_examples(world.store, 20)
    assert cut(world) is None
    assert cut(world) is None
    world.ahead = timedelta(hours=1)
    first = cut(world)
    assert first is not None
    assert world.run(first).trigger == "schedule"
    control.cancel_run(world.store, first)
    add_examples(world.store, 20, first=100)
    assert cut(world) is None
    world.ahead = timedelta(hours=2)
    assert cut(world) is not None


def test_a_time_of_the_schedule_with_too_few_examples_passes_unused(world: World) -> None:
    world.configure(trigger={"min_examples": None, "schedule": "0 * * * *", "max_wait_floor": 15})
    assert cut(world) is None
    world.ahead = timedelta(hours=1)
    assert cut(world) is None
    add_examples(world.store, 20)
    assert cut(world) is None
    world.ahead = timedelta(hours=2)
    assert cut(world) is not None


def test_a_time_of_the_schedule_that_finds_a_run_in_flight_is_used_when_that_is_over(world: World) -> None:
    world.configure(
        trigger={"min_examples": None, "schedule": "0 * * * *", "max_wait_floor": 15, "cooldown_seconds": 0}
    )
    assert cut(world) is None
    busy = world.begin(12)
    add_examples(world.store, 20, first=100)
    # The cut by hand answered the time before it; the next comes while the run is in flight.
    world.ahead = timedelta(hours=1)
    assert cut(world) is None
    control.cancel_run(world.store, busy)
    assert cut(world) is not None


def test_a_look_that_finds_nothing_takes_no_lock(world: World) -> None:
    add_examples(world.store, 5)
    with world.store.transaction() as cursor:
        datasets.lock_pipeline(cursor, PIPELINE)
        # With the lock held elsewhere, a look that wanted it would wait for ever.
        waiting = threading.Thread(target=_look, args=(world.settings,), daemon=True)
        waiting.start()
        waiting.join(timeout=20)
        assert not waiting.is_alive()


def _look(settings: Settings) -> None:
    assert settings.database_url is not None
    store = Store(settings.database_url.get_secret_value())
    assert cutting.worth_a_look(store, settings, [PIPELINE], utc_now()) == []
    store.close()


def test_two_retries_at_one_moment_begin_one_generation(world: World) -> None:
    run_id = world.bring_to(RunState.FAILED)

    def retry() -> bool:
        try:
            control.retry_run(world.store, run_id)
        except Refused:
            return False
        return True

    together(world, 4, retry)
    assert world.run(run_id).generation == 2
    with world.store.transaction() as cursor:
        assert runs.runs_in_flight(cursor, [PIPELINE])[PIPELINE] == (run_id, RunState.CUT)


def test_one_look_at_many_pipelines_finds_those_that_may_do_something(world: World) -> None:
    settings = world.settings.model_dump()
    for name, trigger in (
        ("full", {"min_examples": 12}),
        ("below", {"min_examples": 13}),
        ("empty", {"min_examples": 12}),
        ("scheduled", {"min_examples": None, "schedule": "0 3 * * *"}),
    ):
        settings["pipelines"][name] = {**settings["pipelines"][PIPELINE], "trigger": trigger}
    for name in ("full", "below"):
        add_examples(world.store, 12, pipeline=name)
    many = Settings.model_validate(settings)
    names = ["full", "below", "empty", "scheduled"]
    # A schedule's clock is started by the first look.
    assert cutting.worth_a_look(world.store, many, names, utc_now()) == ["full", "scheduled"]
    for name in names:
        cutting.cut_if_due(world.store, many, name, utc_now)
    assert cutting.worth_a_look(world.store, many, names, utc_now()) == []
