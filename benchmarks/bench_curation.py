"""How fast conversations become training rows, beside a plain assembly of the same libraries; and over more cores.

One core: filters, personal data with a roster of 2,000 names, signatures of near-duplicates, exact tokens, JSONL,
zstandard, over Spanish conversations of 2 KB; ours and the plain one in turns, best of the rounds. More cores: the real
path, Celery workers over waiting rows in a private PostgreSQL with a private Valkey; beside it, how much two processes
of this machine do at once. `python -m benchmarks.bench_curation [--conversations 4000] [--rounds 3] [--profile]`. The
figures are in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import os
import pstats
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard
from celery import Celery

from benchmarks.place import own_place
from benchmarks.plain_assembly import PlainAssembly
from benchmarks.spanish_talks import record_talks, roster, talk
from ftworker.conversations import Conversation
from ftworker.curation.curate import curating, in_step
from ftworker.curation.near_duplicates import NearDuplicates
from ftworker.curation.privacy.scan import Scanner
from ftworker.curation.tokens import make_counter
from ftworker.datasets.formats import row_format
from ftworker.datasets.lessons import bare_question, lesson_text
from ftworker.settings import DEFAULT_SYSTEM_PROMPT, CurationSettings
from ftworker.store import Store, inbox, migrate
from tests.integration.workbench import Workbench
from tests.servers import OwnProcess, PostgresServer, ValkeyServer, wait_until

TARGET = 1_500
BATCH = 500
NEAR_DUPLICATE_SIMILARITY = 0.8
STAGES = ("curation", "JSONL", "signatures", "compression")


def batches(talks: Sequence[Conversation]) -> Iterator[list[Conversation]]:
    """The conversations as `accumulate` and the export take them."""
    left = iter(talks)
    while batch := list(islice(left, BATCH)):
        yield batch


def ours(talks: Sequence[Conversation], spent: dict[str, float] | None = None) -> tuple[int, int]:
    """Rows and tokens. `spent` gets the seconds of each stage."""
    settings = CurationSettings()
    scanner, counter = Scanner(roster=roster()), make_counter("o200k_base")
    to_rows = row_format("openai-chat", DEFAULT_SYSTEM_PROMPT).rows
    bare = bare_question(settings.context_template)
    signatures, packed = NearDuplicates(NEAR_DUPLICATE_SIMILARITY), zstandard.ZstdCompressor(3).compressobj()
    rows = tokens = 0
    for batch in batches(talks):
        times = [time.perf_counter()]
        done = in_step(curating(one, settings, scanner=scanner, counter=counter) for one in batch)
        curated = [example for of_one in done for example in of_one.examples]
        times.append(time.perf_counter())
        contents = [example.content.decode() for example in curated]
        lines = b"\n".join(line for content in contents for line in to_rows(content))
        times.append(time.perf_counter())
        signatures.add([lesson_text(content, bare) for content in contents])
        times.append(time.perf_counter())
        packed.compress(lines)
        times.append(time.perf_counter())
        rows += len(curated)
        tokens += sum(example.token_count for example in curated)
        if spent is not None:
            for stage, begun, ended in zip(STAGES, times[:-1], times[1:], strict=True):
                spent[stage] = spent.get(stage, 0.0) + ended - begun
    packed.flush()
    return rows, tokens


def plain(talks: Sequence[Conversation]) -> tuple[int, int]:
    """Rows and tokens, by the plain assembly."""
    assembly = PlainAssembly(roster())
    packed = zstandard.ZstdCompressor(3).compressobj()
    rows = tokens = 0
    signatures = []
    for one in talks:
        for line, counted, signature in assembly.curate(one):
            packed.compress(line)
            signatures.append(signature.digest())
            rows, tokens = rows + 1, tokens + counted
    packed.flush()
    return rows, tokens


def one_core(talks: Sequence[Conversation], rounds: int) -> None:
    """Print conversations a second of both, and where our time goes."""
    size = sum(len(message.content.encode()) for one in talks for message in one.messages) / len(talks)
    print(f"{len(talks):,} conversations of {size:,.0f} bytes, one core, best of {rounds} rounds in turns")
    best: dict[str, float] = {}
    spent: dict[str, float] = {}
    results: dict[str, tuple[int, int]] = {}
    for _ in range(rounds):
        stages: dict[str, float] = {}
        for name, work in (("ftworker", partial(ours, talks, stages)), ("plain", partial(plain, talks))):
            seconds, results[name] = _timed(work)
            if seconds < best.get(name, float("inf")):
                best[name] = seconds
                if name == "ftworker":
                    spent = stages
    for name, label in (("ftworker", "ftworker"), ("plain", "plain assembly")):
        rows, tokens = results[name]
        rate = len(talks) / best[name]
        print(
            f"  {label:16} {rate:8,.0f} /s   x{best['plain'] / best[name]:.2f}   {rows:,} rows, {tokens:,} tokens"
            + (f"   x{rate / TARGET:.2f} of the target of {TARGET:,}" if name == "ftworker" else "")
        )
    total = sum(spent.values())
    shares = ", ".join(f"{stage} {spent[stage] / total:.0%}" for stage in STAGES)
    print(f"  ftworker's time: {shares}", flush=True)


def profile(talks: Sequence[Conversation]) -> None:
    """Print the functions in which our curation spends its time."""
    ours(talks[:BATCH])
    with cProfile.Profile() as profiler:
        ours(talks)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


# -- more cores

CONFIGURATION_OF_CURATION = """
[privacy.rosters.school]
file = "{roster}"
"""


def more_cores(conversations: int, rounds: int) -> None:
    """Print how much two worker processes do, as a multiple of what one does."""
    cores = _two_processes()
    print(f"\nthis machine now: two processes do x{cores:.2f} of what one does")
    with own_place() as place:
        postgres, valkey = place.start(PostgresServer), place.start(ValkeyServer)
        rates: dict[int, float] = {}
        for number in range(rounds):
            for processes in (1, 2):
                valkey.flush()
                database = postgres.create_database()
                migrate(database)
                home = place.folder / f"home-{number}-{processes}"
                seconds = _accumulated(home, database, valkey.url(), processes, conversations)
                rates[processes] = max(rates.get(processes, 0.0), conversations / seconds)
                postgres.drop_database(database)
    for processes, rate in rates.items():
        print(
            f"  {processes} worker process{'es' if processes > 1 else '  '} {rate:8,.0f} /s   x{rate / rates[1]:.2f}"
        )
    print(f"  of what the machine gives: {rates[2] / rates[1] / cores:.0%}", flush=True)


def _accumulated(folder: Path, database: str, broker: str, processes: int, conversations: int) -> float:
    """Seconds until every waiting row is accumulated by so many worker processes."""
    folder.mkdir()
    started: list[OwnProcess] = []

    def start(
        arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> OwnProcess:
        output = folder / f"process-{len(started)}.log"
        program = Path(sys.executable).parent / arguments[0]
        process = OwnProcess(
            [str(program), *arguments[1:]], {**os.environ, **(env or {})}, output, cwd or folder
        )
        started.append(process)
        return process

    bench = Workbench(folder, database, broker, start, openai_base_url="http://127.0.0.1:1", threshold=10**9)
    names = folder / "roster.txt"
    names.write_text("\n".join(roster()), encoding="utf-8")
    configuration = folder / "ftworker.toml"
    configuration.write_text(
        configuration.read_text() + CONFIGURATION_OF_CURATION.format(roster=names), encoding="utf-8"
    )
    store = Store(database)
    try:
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"]
        command = [
            "celery",
            "-A",
            "ftworker.celery:app",
            "worker",
            "-Q",
            "ftworker",
            "-c",
            str(processes),
            *quiet,
        ]
        start(command, bench.environment).wait_for_output("ready.", 60)
        # The first conversations pay for imports, vocabulary and roster in each process.
        record_talks(store, 0, BATCH * 2 * processes)
        _ring(broker, processes)
        wait_until(lambda: not _waiting(store), 120)
        record_talks(store, BATCH * 2 * processes, conversations)
        begun = time.monotonic()
        _ring(broker, processes)
        wait_until(lambda: not _waiting(store), 600, interval=0.02)
        return time.monotonic() - begun
    finally:
        store.close()
        bench.store.close()
        for process in reversed(started):
            process.close()


def _ring(broker: str, times: int) -> None:
    """As many doorbells as there are processes: each works until nothing waits."""
    with Celery("bench", broker=broker) as app:
        for _ in range(times):
            app.send_task("ftworker.accumulate", queue="ftworker")


def _waiting(store: Store) -> bool:
    with store.transaction() as cursor:
        return inbox.has_waiting(cursor)


def _two_processes() -> float:
    """How much two processes of this machine compute at once, as a multiple of one."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(2) as pool:
        pool.map(_spin, [1, 1])
        alone = min(pool.apply(_spin, (1_000_000,)) for _ in range(3))
        both = min(max(pool.map(_spin, [1_000_000] * 2, chunksize=1)) for _ in range(3))
    return 2 * alone / both


def _spin(times: int) -> float:
    begun = time.perf_counter()
    total = 0
    for number in range(times):
        total += number * number % 7
    return time.perf_counter() - begun


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="only: where one core spends its time")
    parser.add_argument("--cores", action="store_true", help="only: one and two worker processes")
    options = parser.parse_args()
    talks = [talk(number) for number in range(options.conversations)]
    if options.profile:
        profile(talks)
        return
    if not options.cores:
        one_core(talks, options.rounds)
    more_cores(options.conversations, options.rounds)


if __name__ == "__main__":
    main()
