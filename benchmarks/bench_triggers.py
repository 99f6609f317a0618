"""What a batch of accumulate, a look at the triggers, and a cut cost with much history: no more than with little.

Databases on one private server with 10,000, 100,000 and 1,000,000 stored conversations (see bench_metrics); in each
round 1,000 examples wait. Rounds go from one to the next. `python -m benchmarks.bench_triggers [--rounds 15]`. The
figures are kept in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import statistics
import time

from benchmarks.bench_metrics import fill
from benchmarks.bench_scale import BATCH, no_source
from benchmarks.place import own_place
from benchmarks.spanish_talks import record_talks
from ftworker.accumulate import accumulate
from ftworker.clock import utc_now
from ftworker.runs.cutting import cut_if_due, explain_trigger
from ftworker.settings import Settings, settings_from
from ftworker.store import Store
from tests.servers import PostgresServer

SIZES = (10_000, 100_000, 1_000_000)
WAITING = 1_000
LOOKS = 20
"""A look takes about a millisecond, so each round takes the median of so many."""
TARGET_RATIO = 1.5
CONFIGURATION = {
    "pipelines": {
        "tutor": {
            "provider": "openai",
            "base_model": "gpt-4.1-mini",
            "trigger": {"min_examples": WAITING, "cooldown_seconds": 0},
        }
    }
}

NOBODY_WAITS = """
UPDATE ftworker.inbox SET processed_at = now(), outcome = 'examples' WHERE processed_at IS NULL
"""
CLEAR = "DELETE FROM ftworker.examples WHERE dataset_id IS NULL"
ARRIVE = """
INSERT INTO ftworker.examples
    (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count)
SELECT 'tutor', n, %(round)s, md5((n / 20)::text), repeat('palabra ', 60), sha256((n || '-' || %(round)s)::bytea), 180
FROM generate_series(1, %(waiting)s) AS n
"""
END_RUN = """
UPDATE ftworker.runs SET state = 'failed', error_code = 'bench', finished_at = now(), next_action_at = NULL
WHERE state = 'cut'
"""


def main() -> None:
    """Fill, measure, print medians and ratios; ends with 1 when one is above the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    settings = settings_from(CONFIGURATION)
    taken: dict[str, dict[int, list[float]]] = {}
    with own_place() as place:
        postgres = place.start(PostgresServer)
        stores = {size: Store(fill(postgres, size)) for size in SIZES}
        for store in stores.values():
            with store.transaction() as cursor:
                cursor.execute(NOBODY_WAITS)
        for number in range(options.rounds + 2):
            for size, store in stores.items():
                for name, seconds in one_round(store, settings, number).items():
                    # The first rounds open connections and warm caches.
                    if number >= 2:
                        taken.setdefault(name, {}).setdefault(size, []).append(seconds)
        for store in stores.values():
            store.close()
    sizes = "".join(f"{size:14,}" for size in SIZES)
    print(f"\nstored conversations {'':12}{sizes}   ratios of the last, target at most {TARGET_RATIO}")
    failed = False
    for name, by_size in taken.items():
        medians = [statistics.median(by_size[size]) for size in SIZES]
        cells = "".join(f"{median * 1e3:11.2f} ms" for median in medians)
        print(f"{name:33}{cells}   {medians[1] / medians[0]:.2f} {medians[-1] / medians[0]:.2f}")
        failed |= medians[-1] / medians[0] > TARGET_RATIO
    if failed:
        raise SystemExit(1)


def one_round(store: Store, settings: Settings, number: int) -> dict[str, float]:
    """Let conversations and examples come, look, cut; returns the seconds of each."""
    record_talks(store, number * BATCH, BATCH)
    started = time.perf_counter()
    accumulate(store, settings, no_source)
    accumulated = time.perf_counter() - started
    with store.transaction() as cursor:
        cursor.execute(CLEAR)
        cursor.execute(ARRIVE, {"round": 1_000 + number, "waiting": WAITING})
    looks = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        explain_trigger(store, settings, "tutor", utc_now())
        looks.append(time.perf_counter() - started)
    started = time.perf_counter()
    run_id = cut_if_due(store, settings, "tutor", utc_now)
    cut = time.perf_counter() - started
    if run_id is None:
        raise SystemExit("the trigger did not fire")
    with store.transaction() as cursor:
        cursor.execute(END_RUN)
    return {
        f"accumulate, {BATCH} conversations": accumulated,
        "a look at the triggers": statistics.median(looks),
        f"a cut of {WAITING:,} examples": cut,
    }


if __name__ == "__main__":
    main()
