"""`python -m tests.chaos.soak --minutes 30`: a whole installation under steady work, and nothing of it may grow.

Events come all the time (repeats, later versions, deletions and malformed ones among them), datasets are cut, runs go
to OpenAI, to Ollama and to a training on this machine; no faults. Every few seconds everything is sampled
(`soak_samples`). At the end the first third is left out as warm-up and `soak_judging` looks at every series; then the
plant rests and every invariant is looked at. Exit status 1 when something grows or does not hold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from ftworker.settings import load_settings
from tests.chaos import workshop
from tests.chaos.evidence import gather
from tests.chaos.invariants import RULES, Violation
from tests.chaos.invariants import judge as judge_rules
from tests.chaos.person import Person
from tests.chaos.plan import Plan, Published, Transport, make_plan
from tests.chaos.plant import Broker, Plant
from tests.chaos.soak_judging import LEAST_SAMPLES, Bound, Verdict, judge
from tests.chaos.soak_samples import (
    DATABASE,
    FILES,
    LOGS,
    OURS,
    PAGE,
    ROWS,
    STREAM,
    TRAININGS,
    Sample,
    Sampler,
)
from tests.servers import wait_until

WARM_UP = 1 / 3
"""Share of the time after which everything is imported, connected and cached."""
PLAN_CONVERSATIONS = 150
"""Repeats, versions and deletions come within so many conversations of each other."""
READY_SECONDS = 90.0
SETTLE_SECONDS = 180.0
CUT_SECONDS = 25.0
"""About so often each pipeline reaches its threshold; each event brings about one example to each."""

# Ingest, web and the workers as the product has them by default; providers that answer within seconds.
CONFIGURATION = """
storage_url = "{storage}"

[web]
port = {web_port}

[providers.openai]
kind = "openai"
poll_interval_seconds = 2.0

[providers.local]
kind = "local"
poll_interval_seconds = 1.0

[pipelines.tutor]
provider = "openai"
base_model = "{openai_model}"
strategy = "new"
promote = "auto"
trigger = {{ min_examples = THRESHOLD, max_examples = MOST, cooldown_seconds = 0 }}

[pipelines.house]
provider = "local"
base_model = "{ollama_model}"
strategy = "replay"
promote = "auto"
trigger = {{ min_examples = THRESHOLD, max_examples = MOST, cooldown_seconds = 0 }}
"""

MEMORY = Bound(per_ten_minutes=1.0, least=0.5)
COUNT = Bound(per_ten_minutes=0.5, least=1.0)
TABLE = Bound(per_ten_minutes=0.5, least=0.2)

BOUNDS_OF_PROCESSES = {"own MB": MEMORY, "files": COUNT, "sockets": COUNT, "threads": COUNT}
"""Own memory is judged: what is shared with others is theirs, or a file's."""
BOUNDS = {
    (TRAININGS, "processes"): COUNT,
    (OURS, "zombies"): COUNT,
    (DATABASE, "idle in transaction"): COUNT,
    (DATABASE, "oldest transaction seconds"): COUNT,
    (DATABASE, "locks"): Bound(per_ten_minutes=2.0, least=4.0),
    (DATABASE, "lock waits"): COUNT,
    (ROWS, "waiting events"): Bound(per_ten_minutes=20.0, least=20.0),
    (ROWS, "runs leased"): COUNT,
    (ROWS, "leases past their time"): COUNT,
    (ROWS, "runs parked"): COUNT,
    (ROWS, "runs on their way"): COUNT,
    (ROWS, "processes"): COUNT,
    (STREAM, "entries"): Bound(per_ten_minutes=20.0, least=20.0),
    (STREAM, "pending"): Bound(per_ten_minutes=20.0, least=20.0),
    (STREAM, "consumers"): COUNT,
    (FILES, "temporary"): COUNT,
    (FILES, "in temporary folder"): COUNT,
    (LOGS, "bytes an event"): Bound(per_ten_minutes=1.0, least=2.0, share=0.1),
    (PAGE, "bytes"): Bound(per_ten_minutes=200.0, least=200.0),
}
SMALL_TABLES = (
    "table processes",
    "table totals",
    "table pipelines",
    "table source_progress",
    "table store_changes",
)
"""Written all the time, and of a few rows for ever."""


@dataclass(frozen=True)
class Judged:
    """One series and what was found."""

    who: str
    what: str
    verdict: Verdict


def bound_of(who: str, what: str) -> Bound | None:
    """What may not grow. None: it grows with what was done (rows, files), or is a server's own."""
    if (who, what) in BOUNDS:
        return BOUNDS[who, what]
    if who.startswith("queue "):
        return Bound(per_ten_minutes=5.0, least=10.0)
    if who.startswith("connections of "):
        return COUNT
    if who.endswith("Valkey"):
        return {"memory MB": MEMORY, "keys": COUNT, "clients": COUNT}.get(what)
    if who.startswith("table "):
        if what == "bytes a row":
            # Dead rows wait for autovacuum until they are a fifth of the table: it swells by that, once.
            return Bound(per_ten_minutes=50.0, least=50.0, share=0.1)
        return TABLE if what == "MB" and who in SMALL_TABLES else None
    return BOUNDS_OF_PROCESSES.get(what)


def judge_samples(samples: Sequence[Sample], warm_up_seconds: float) -> list[Judged]:
    """Look at every series after the warm-up. One that was there for less than half of that time (a training job) is
    not judged: its number is.
    """
    kept = [sample for sample in samples if sample.at_seconds >= warm_up_seconds]
    series: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for sample in kept:
        for who, numbers in sample.numbers.items():
            for what, value in numbers.items():
                series[who, what].append((sample.at_seconds, value))
    judged = []
    for (who, what), points in sorted(series.items()):
        bound = bound_of(who, what)
        if bound is not None and len(points) >= max(LEAST_SAMPLES, len(kept) / 2):
            times, values = zip(*points, strict=True)
            judged.append(Judged(who, what, judge(times, values, bound)))
    return judged


# -- the work


class Work:
    """Steady events: each second so many, of plans of a few hundred messages that follow each other."""

    def __init__(self, plant: Plant, seed: int, per_second: float) -> None:
        self._plant = plant
        self._per_second = per_second
        self._seed = seed
        self._messages = self._all()
        self._given = 0
        self._begun = time.monotonic()
        # Faster than they are given: what is given goes out at once.
        plant.publisher.per_second = per_second * 10

    def give_what_is_due(self) -> None:
        due = int((time.monotonic() - self._begun) * self._per_second)
        self._plant.publisher.give([next(self._messages) for _ in range(due - self._given)])
        self._given = due

    def finish(self) -> None:
        """Give the rest of the last plan: what becomes of a conversation follows from all its messages."""
        *_, last = self._plant.plans
        self._plant.publisher.give(last.messages[self._of_last :])

    def _all(self) -> Iterator[Published]:
        first = 0
        while True:
            plan: Plan = make_plan(self._seed, PLAN_CONVERSATIONS, first=first, transports=self._plant.events)
            first += PLAN_CONVERSATIONS
            self._plant.plans.append(plan)
            for self._of_last, message in enumerate(plan.messages, 1):
                yield message


def soak(
    folder: Path,
    samples_file: Path,
    *,
    minutes: float,
    per_second: float,
    every_seconds: float,
    broker: Broker,
    events: tuple[Transport, ...],
    seed: int,
) -> tuple[list[Judged], list[Violation]]:
    """Work for so long, sampling. Returns what was judged, and what does not hold after a rest."""
    threshold = round(per_second * CUT_SECONDS)
    configuration = CONFIGURATION.replace("THRESHOLD", str(threshold)).replace("MOST", str(2 * threshold))
    temporary = folder / "temporary"
    with ExitStack() as stack:
        plant = stack.enter_context(
            Plant(
                folder,
                broker=broker,
                events=events,
                trainings=True,
                configuration=configuration,
                clocks=False,
                extra_environment={"*": {"TMPDIR": str(temporary)}},
            )
        )
        temporary.mkdir()
        _raise_the_workshop(plant, threshold)
        plant.start()
        stack.enter_context(Person(plant.store, plant.vendors))
        sampler = Sampler(plant, temporary)
        stack.callback(sampler.close)
        wait_until(sampler.is_ready, READY_SECONDS, message="every process works")
        work = Work(plant, seed, per_second)
        deadline = time.monotonic() + minutes * 60
        next_sample = time.monotonic()
        next_word = next_sample + 60
        while (now := time.monotonic()) < deadline:
            work.give_what_is_due()
            if now >= next_sample:
                sampler.take()
                next_sample = now + every_seconds
            if now >= next_word:
                next_word += 60
                _say_where_it_is(plant, sampler)
            time.sleep(0.2)
        judged = judge_samples(sampler.samples, minutes * 60 * WARM_UP)
        samples_file.write_text(
            json.dumps(
                {
                    "minutes": minutes,
                    "events a second": per_second,
                    "broker": broker,
                    "samples": [asdict(sample) for sample in sampler.samples],
                    "judged": [asdict(one) for one in judged],
                },
                indent=1,
            )
        )
        work.finish()
        unsettled = plant.settle(SETTLE_SECONDS)
        evidence = gather(plant, unsettled)
        violations = judge_rules(evidence)
        if sampler.failed_scrapes:
            violations.append(Violation("every scrape is answered", f"{sampler.failed_scrapes} were not"))
        print(
            f"{len(evidence.messages)} messages, {len(evidence.examples)} examples, {len(evidence.runs)} runs; "
            f"{len(sampler.samples)} samples, in {samples_file}; {len(RULES)} invariants over {evidence.facts} facts"
        )
    return judged, violations


def _raise_the_workshop(plant: Plant, threshold: int) -> None:
    """Its own threshold is for a plant with few events."""
    file = Path(plant.environment["FTWORKER_CONFIG"])
    before = f"min_examples = {workshop.THRESHOLD},"
    file.write_text(
        file.read_text().replace(before, f"min_examples = {threshold}, max_examples = {2 * threshold},")
    )
    plant.settings = load_settings(file)
    plant.pipelines = dict.fromkeys(plant.pipelines, threshold)


def _say_where_it_is(plant: Plant, sampler: Sampler) -> None:
    newest = sampler.samples[-1]
    own = {who: numbers["own MB"] for who, numbers in newest.numbers.items() if "own MB" in numbers}
    print(
        f"{newest.at_seconds / 60:5.1f} min: {plant.publisher.confirmed} events, "
        f"{newest.numbers['rows']['runs finished']:.0f} runs, own MB "
        + ", ".join(f"{who} {value:.1f}" for who, value in sorted(own.items())),
        flush=True,
    )


# -- the answer


def table(judged: Sequence[Judged]) -> Iterator[str]:
    """One line a process with its memory, one line for each other series."""
    processes: dict[str, dict[str, Verdict]] = defaultdict(dict)
    for one in judged:
        if one.what in BOUNDS_OF_PROCESSES:
            processes[one.who][one.what] = one.verdict
    yield f"{'process':28} {'own MB':>7} {'at end':>7} {'most':>7} {'in 10 min':>10}   files sockets threads"
    for who, found in processes.items():
        own = found["own MB"]
        counts = [f"{found[what].last:7.0f}" for what in ("files", "sockets", "threads")]
        yield (
            f"{who:28} {own.first:7.1f} {own.last:7.1f} {own.most:7.1f} {own.per_ten_minutes:+10.2f} {' '.join(counts)}"
            f"{_grows(found.values())}"
        )
    yield f"{'other':46} {'first':>10} {'at end':>10} {'most':>10} {'in 10 min':>10}"
    for one in judged:
        if one.who not in processes:
            verdict = one.verdict
            yield (
                f"{one.who + ': ' + one.what:46} {verdict.first:10.2f} {verdict.last:10.2f} {verdict.most:10.2f} "
                f"{verdict.per_ten_minutes:+10.2f}{_grows([verdict])}"
            )


def _grows(verdicts: Iterable[Verdict]) -> str:
    return "   GROWS" if any(verdict.grows for verdict in verdicts) else ""


def main() -> None:
    arguments = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="ftworker-soak-"))
    folder.chmod(0o755)
    print(
        f"{arguments.minutes:g} minutes, {arguments.rate:g} events a second by {' and '.join(arguments.events)}, "
        f"tasks by {arguments.broker}, in {folder}",
        flush=True,
    )
    judged, violations = soak(
        folder,
        arguments.json,
        minutes=arguments.minutes,
        per_second=arguments.rate,
        every_seconds=arguments.every,
        broker=arguments.broker,
        events=tuple(arguments.events),
        seed=arguments.seed,
    )
    print("\n".join(table(judged)))
    growing = [one for one in judged if one.verdict.grows]
    for one in growing:
        print(f"{one.who}: {one.what} grows by {one.verdict.per_ten_minutes:.2f} in ten minutes")
    for violation in violations:
        print(violation)
    print(f"{len(judged)} series judged, {len(growing)} grow; {len(violations)} violations")
    if growing or violations:
        print(f"everything is in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--broker", choices=("amqp", "valkey"), default="amqp", help="of the tasks")
    parser.add_argument(
        "--events",
        nargs="+",
        choices=("amqp", "stream"),
        default=["amqp", "stream"],
        help="how events come in",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--json",
        type=Path,
        default=Path(tempfile.gettempdir()) / "ftworker-soak.json",
        help="where all samples are written to",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
