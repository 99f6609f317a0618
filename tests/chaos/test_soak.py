"""The judge of a soak: leaks are found in made-up series and in a real process, and what is no leak passes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from tests.chaos.soak import (
    BOUNDS_OF_PROCESSES,
    MEMORY,
    Judged,
    bound_of,
    judge_samples,
    table,
)
from tests.chaos.soak_judging import Bound, judge, slope
from tests.chaos.soak_samples import Sample, process_numbers

SECONDS = [5.0 * number for number in range(240)]
"""Twenty minutes, a sample every five seconds."""


def grows(value_at: Callable[[float], float], bound: Bound = MEMORY) -> bool:
    return judge(SECONDS, [value_at(second) for second in SECONDS], bound).grows


def test_the_slope_is_the_median_of_all_pairs_and_no_outlier_moves_it() -> None:
    values = [100.0 + 0.01 * second for second in SECONDS]
    values[17], values[200] = 0.0, 10_000.0

    assert slope(SECONDS, values) == pytest.approx(0.01, rel=0.02)


def test_a_leak_is_found_also_below_noise_and_among_spikes() -> None:
    chance = random.Random(3)
    leak = 1.5 / 600

    assert grows(lambda second: 60 + leak * second)
    assert grows(lambda second: 60 + leak * second + chance.gauss(0, 0.8))
    assert grows(lambda second: 60 + leak * second + (40 if chance.random() < 0.1 else 0))
    # An allocator asks for half a megabyte at a time.
    assert grows(lambda second: 60 + int(2 * leak * second) / 2)


def test_a_leak_of_connections_is_found_one_by_one() -> None:
    assert grows(lambda second: 11.0 + int(second / 300), BOUNDS_OF_PROCESSES["files"])


@pytest.mark.parametrize(
    "value_at",
    [
        lambda second: 60.0,
        lambda second: 60 + 3 * random.Random(second).gauss(0, 1),
        lambda second: 60 + second % 150 / 15,
        lambda second: 60 + second % 500 / 50,
        lambda second: 60 + (5.0 if second > 400 else 0.0),
        lambda second: 60 + (5.0 if second > 900 else 0.0),
        lambda second: 60 + 5 * (1 - 2 ** -(second / 120)),
        lambda second: 60 - 0.01 * second,
        lambda second: 60 + 0.9 / 600 * second,
    ],
    ids=[
        "flat",
        "noise",
        "sawtooth",
        "slow sawtooth",
        "step",
        "late step",
        "cache that fills",
        "shrinking",
        "within the bound",
    ],
)
def test_what_is_no_leak_is_not_found(value_at: Callable[[float], float]) -> None:
    assert not grows(value_at)


def test_a_bound_by_share_goes_with_the_level() -> None:
    bytes_a_row = Bound(per_ten_minutes=1.0, least=1.0, share=0.1)

    assert not grows(lambda second: 1_500 + 140 * second / 600, bytes_a_row)
    assert grows(lambda second: 1_500 + 190 * second / 600, bytes_a_row)


def test_the_warm_up_and_what_lives_shortly_are_left_out() -> None:
    samples = [
        Sample(
            second,
            {
                "worker": {"own MB": 60 + max(0.0, 400 - second)},
                "trainer child 7": {"own MB": 60 + second},
                **({"job": {"own MB": second}} if second > 1_000 else {}),
            },
        )
        for second in SECONDS
    ]

    judged = judge_samples(samples, warm_up_seconds=400)

    assert [(one.who, one.verdict.grows) for one in judged] == [("trainer child 7", True), ("worker", False)]


def test_the_table_shows_every_series_and_marks_what_grows() -> None:
    numbers = {"own MB": 1.0, "files": 4.0, "sockets": 1.0, "threads": 1.0}
    samples = [
        Sample(second, {"beat": {**numbers, "files": 4 + second / 60}, "queue ftworker": {"length": 0.0}})
        for second in SECONDS
    ]

    lines = [*table(judge_samples(samples, 0.0))]

    assert [line.split()[0] for line in lines] == ["process", "beat", "other", "queue"]
    assert [line.endswith("GROWS") for line in lines] == [False, True, False, False]


def test_rows_and_datasets_may_grow_and_what_serves_them_may_not() -> None:
    assert bound_of("rows", "runs finished") is None
    assert bound_of("files of ours", "in storage") is None
    assert bound_of("table inbox", "MB") is None
    for who, what in (
        ("table inbox", "bytes a row"),
        ("table processes", "MB"),
        ("connections of ftworker", "connections"),
        ("queue ftworker", "length"),
        ("the stream", "consumers"),
        ("worker child 12", "own MB"),
        ("files of ours", "temporary"),
    ):
        assert bound_of(who, what) is not None, (who, what)


LEAKING = """
import sys, time
kept = []
print("ready", flush=True)
while True:
    kept.append((open(sys.argv[1]), bytearray(b"x" * 200_000)))
    time.sleep(0.03)
"""


def test_a_process_that_leaks_memory_and_files_is_seen_as_such() -> None:
    samples = []
    with subprocess.Popen(
        [sys.executable, "-c", LEAKING, __file__], stdout=subprocess.PIPE, text=True
    ) as leaking:
        assert leaking.stdout is not None
        assert leaking.stdout.readline() == "ready\n"
        for _ in range(20):
            samples.append(
                Sample(time.monotonic(), {"leaking": process_numbers(psutil.Process(leaking.pid))})
            )
            time.sleep(0.05)
        leaking.kill()

    found: dict[str, Judged] = {one.what: one for one in judge_samples(samples, 0.0)}

    assert {what: one.verdict.grows for what, one in found.items()} == {
        "own MB": True,
        "files": True,
        "sockets": False,
        "threads": False,
    }
