"""How long work stands still after each kind of kill: from the kill to the next progress of what was killed.

Real processes on private servers, started again at once when they die, and the doubles of tests/chaos.
`python -m benchmarks.bench_recovery [--rounds 3] [--settings short|product] [--only WORD]`. `short` waits as little as
SHORT says, so that it ends; `product` as ftworker does by default, which takes an hour. Beside it plain Celery
(`plain_celery`), whose worker is killed in a task. The figures are kept in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.place import own_place
from benchmarks.plain_celery import Killed, PlainCelery
from benchmarks.recovery_scenes import SCENES, SCENES_OF_TASKS, SCENES_OF_TRAININGS, Scene, Scenes
from tests.chaos import workshop
from tests.chaos.plan import Transport
from tests.chaos.plant import Broker, Plant
from tests.servers import RabbitmqServer, ValkeyServer

SHORT: Final = """
[worker]
sweep_interval_seconds = 0.5
revive_after_seconds = 2.0
step_lease_seconds = 3.0
reconcile_interval_seconds = 0.5

[ingest]
claim_idle_seconds = 2.0
"""
SHORT_OF_OPENAI: Final = "submit_timeout_seconds = 2.5"
CONFIGURATION: Final = """
storage_url = "{storage}"
SETTINGS
[web]
port = {web_port}
cache_seconds = 0.2

[providers.openai]
kind = "openai"
poll_interval_seconds = 0.5
OF_OPENAI

[pipelines.tutor]
provider = "openai"
base_model = "{openai_model}"
strategy = "new"
trigger = {{ min_examples = 1000000 }}
"""
BROKERS: Final[dict[Broker, str]] = {"amqp": "RabbitMQ", "valkey": "Valkey"}
VALKEY_OPTIONS: Final = {"visibility_timeout": 10.0, "unacked_restore_throttle": 1}
"""By default kombu gives a message of a dead worker back after an hour, and looks every hundred seconds."""
LOST_AFTER_SECONDS: Final = 12.0
"""Nothing is left that would begin a task that has not begun again by then."""
PATIENCE_SECONDS: Final = 60.0

Figures = dict[tuple[str, str], list[float | None]]
"""Seconds of each round by what was killed and the broker; None: it never went on."""


def play(
    folder: Path,
    figures: Figures,
    *,
    broker: Broker,
    events: tuple[Transport, ...],
    settings: str,
    rounds: int,
    played: Mapping[str, Scene],
) -> None:
    """Play the scenes on one plant so many times, in turns."""
    if not played:
        return
    short = settings == "short"
    configuration = CONFIGURATION.replace("SETTINGS", SHORT if short else "")
    configuration = configuration.replace("OF_OPENAI", SHORT_OF_OPENAI if short else "")
    with ExitStack() as stack:
        plant = stack.enter_context(
            Plant(
                folder,
                broker=broker,
                events=events,
                trainings=True,
                configuration=configuration,
                clocks=False,
            )
        )
        config = Path(plant.environment["FTWORKER_CONFIG"])
        by_itself = f"min_examples = {workshop.THRESHOLD},"
        config.write_text(config.read_text().replace(by_itself, "min_examples = 1000000,"))
        plant.start()
        scenes = Scenes(plant)
        for number in range(rounds):
            for name, scene in played.items():
                scenes.prepare()
                seconds = scene(scenes)
                figures[name, BROKERS[broker]].append(seconds)
                print(f"  {number + 1}: {name} ({BROKERS[broker]}): {seconds:.2f} s", flush=True)


def play_plain(figures: Figures, rounds: int) -> None:
    """The task of a plain Celery worker that is killed."""
    with own_place() as place:
        servers: dict[Broker, RabbitmqServer | ValkeyServer] = {
            "amqp": place.start(RabbitmqServer),
            "valkey": place.start(ValkeyServer),
        }
        ways: tuple[tuple[str, bool, Killed], ...] = (
            ("a plain task, Celery's defaults: worker", False, "worker"),
            ("a plain task, acks_late: worker", True, "worker"),
            ("a plain task, acks_late: child", True, "child"),
        )
        for number in range(rounds):
            for broker, server in servers.items():
                for name, late, killed in ways:
                    found = figures[name, BROKERS[broker]]
                    if None in found:
                        continue  # What is lost once is lost each time.
                    options: dict[str, float] = {}
                    if isinstance(server, ValkeyServer):
                        server.flush()
                        url, options = server.url(), VALKEY_OPTIONS
                    else:
                        url = server.create_vhost()
                    plain = PlainCelery(
                        place.folder / f"{number}-{broker}-{late}-{killed}", url, late, options
                    )
                    waits = broker == "valkey" and late and killed == "worker"
                    patience = PATIENCE_SECONDS if waits else LOST_AFTER_SECONDS
                    found.append(plain.seconds_to_begin_again(killed, patience))
                    print(f"  {number + 1}: {name} ({BROKERS[broker]}): {found[-1]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settings", choices=("short", "product"), default="short")
    parser.add_argument("--only", default="", help="only scenes with this word in their name")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures: Figures = defaultdict(list)
    with own_place() as place:
        folder = place.folder

        def chosen(scenes: Mapping[str, Scene]) -> dict[str, Scene]:
            return {what: scene for what, scene in scenes.items() if options.only in what}

        common = {"settings": options.settings, "rounds": options.rounds}
        # A training waits for leases and pauses, so it waits beside the others.
        beside = threading.Thread(
            target=play,
            args=(folder / "trainings", figures),
            kwargs={
                **common,
                "broker": "valkey",
                "events": ("stream",),
                "played": chosen(SCENES_OF_TRAININGS),
            },
        )
        beside.start()
        of_amqp = chosen(SCENES | SCENES_OF_TASKS)
        play(folder / "amqp", figures, broker="amqp", events=("amqp", "stream"), played=of_amqp, **common)
        of_valkey = chosen(SCENES_OF_TASKS)
        play(folder / "valkey", figures, broker="valkey", events=("stream",), played=of_valkey, **common)
        if options.only in "plain":
            play_plain(figures, options.rounds)
        beside.join()
    print(f"\n{'killed':46} {'tasks by':10} {'median':>8} {'least':>8} {'most':>8}   rounds")
    for (what, broker), values in figures.items():
        known = [value for value in values if value is not None]
        if len(known) < len(values) or not known:
            print(f"{what:46} {broker:10}    never")
            continue
        print(
            f"{what:46} {broker:10} {statistics.median(known):6.2f} s {min(known):6.2f} s {max(known):6.2f} s"
            f"   {len(known)}"
        )
    if options.json:
        rows = [{"killed": what, "broker": broker, "seconds": v} for (what, broker), v in figures.items()]
        options.json.write_text(json.dumps({"settings": options.settings, "figures": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
