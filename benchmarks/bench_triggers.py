"""What a look at the triggers and a cut cost with little and with much history: neither may grow with it.

Two databases on one private server, 10,000 and 1,000,000 stored examples (see bench_metrics), 1,000 waiting in each
round. Rounds alternate between the two. `python -m benchmarks.bench_triggers [--rounds 15]`. The figures are kept in
docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bench_metrics import SIZES, fill
from ftworker.clock import utc_now
from ftworker.runs.cutting import cut_if_due, explain_trigger
from ftworker.settings import Settings, settings_from
from ftworker.store import Store
from tests.servers import PostgresServer

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
    looks: dict[int, list[float]] = {size: [] for size in SIZES}
    cuts: dict[int, list[float]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # PostgreSQL runs as another user under root.
        Path(folder).chmod(0o755)
        (Path(folder) / "postgresql").mkdir()
        postgres = PostgresServer(Path(folder) / "postgresql")
        stack.callback(postgres.stop)
        postgres.start()
        stores = {size: Store(fill(postgres, size)) for size in SIZES}
        for number in range(options.rounds + 2):
            for size, store in stores.items():
                look, cut = one_round(store, settings, number)
                # The first rounds open connections and warm caches.
                if number >= 2:
                    looks[size].append(look)
                    cuts[size].append(cut)
        for store in stores.values():
            store.close()
    print(f"\n{'':24} {'10,000 stored':>14} {'1,000,000':>12} {'ratio':>7}   target at most {TARGET_RATIO}")
    failed = False
    for name, seconds in (("look at the triggers", looks), (f"cut of {WAITING:,} examples", cuts)):
        small, large = (statistics.median(seconds[size]) for size in SIZES)
        print(f"{name:24} {small * 1e3:11.2f} ms {large * 1e3:9.2f} ms {large / small:7.2f}")
        failed |= large / small > TARGET_RATIO
    if failed:
        raise SystemExit(1)


def one_round(store: Store, settings: Settings, number: int) -> tuple[float, float]:
    """Let examples arrive, look, cut; returns the seconds of the look and of the cut."""
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
    return statistics.median(looks), cut


if __name__ == "__main__":
    main()
