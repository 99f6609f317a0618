"""Looks at everything ftworker needs and says what to do. Reads only; one failure hides no other.

`ftworker doctor` prints the findings. Never shows a secret: URLs are masked.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ftworker.clock import Clock, utc_now
from ftworker.errors import FtworkerError
from ftworker.installation import Installation
from ftworker.masking import mask_url
from ftworker.settings import LocalSettings, Settings
from ftworker.store import pending_migrations
from ftworker.store.migrate import MINIMUM_POSTGRESQL, server_version
from ftworker.store.processes import BEAT_SECONDS
from ftworker.store.trainings import open_trainings
from ftworker.tokenizers import counter_for
from ftworker.training.places import FOLDER
from ftworker.training.stages import gpu_lines
from ftworker.trainings import describe

CLOCK_SKEW_SECONDS = 5.0
LOW_DISK_BYTES = 1_000_000_000
TRAINING_DISK_BYTES = 20_000_000_000
"""Room for a merged 8 billion parameters in 8 bits, once in the working folder and once where it is published."""
ALIVE_SECONDS = 4 * BEAT_SECONDS

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `advice` is the next step, empty when all is well."""

    level: Level
    subject: str
    message: str
    advice: str = ""


def examine(here: Installation) -> Iterator[Check]:
    """Every check, in the order in which a newcomer would mend them. Raises nothing."""
    for subject, check in (
        ("database", lambda: _database(here)),
        ("clock", lambda: _clock(here, utc_now)),
        ("broker", lambda: _broker(here.settings)),
        ("events", lambda: _events(here.settings)),
        ("dead letters", lambda: _dead_letters(here.settings)),
        ("storage", lambda: _storage(here.settings)),
        ("processes", lambda: _processes(here)),
    ):
        yield from _guarded(subject, check)
    for name in here.settings.pipelines:
        yield from _guarded(f"tokens of {name}", lambda name=name: _tokens(here.settings, name))  # type: ignore[misc]
    for name in here.settings.sources:
        yield from _guarded(f"source {name}", lambda name=name: _source(here, name))  # type: ignore[misc]
    if here.settings.sources_without_section():
        yield from _guarded("sources", lambda: _unknown_sources(here))
    for name in here.settings.privacy.rosters:
        yield from _guarded(f"roster {name}", lambda name=name: _roster(here.settings, name))  # type: ignore[misc]
    if any(_trains_here(here.settings, pipeline.provider) for pipeline in here.settings.pipelines.values()):
        yield from _guarded("training", lambda: _training(here))
    for name in sorted({pipeline.provider for pipeline in here.settings.pipelines.values()}):
        yield from _guarded(f"provider {name}", lambda name=name: _provider(here, name))  # type: ignore[misc]


def _guarded(subject: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except FtworkerError as error:
        yield Check("error", subject, str(error), "mend this and run `ftworker doctor` again")
    except Exception as error:  # noqa: BLE001 - reported as a finding
        # A check must not end the others; the text of an unknown exception may hold a secret.
        yield Check(
            "error", subject, f"the check itself failed: {type(error).__name__}", "report this as a bug"
        )


def _database(here: Installation) -> Iterator[Check]:
    with here.store.transaction() as cursor:
        number, version = server_version(cursor)
    if number < MINIMUM_POSTGRESQL:
        yield Check("error", "database", f"PostgreSQL {version} is too old", "use PostgreSQL 14 or newer")
    else:
        yield Check("ok", "database", f"PostgreSQL {version} answers")
    missing = pending_migrations(here.store)
    if missing:
        yield Check("error", "database", f"{len(missing)} migrations are missing", "run `ftworker migrate`")


def _clock(here: Installation, clock: Clock) -> Iterator[Check]:
    with here.store.transaction() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    skew = (clock() - theirs).total_seconds()
    if abs(skew) > CLOCK_SKEW_SECONDS:
        yield Check(
            "warning",
            "clock",
            f"this machine is {skew:+.1f} s off the database's clock",
            "synchronise both by NTP",
        )
    else:
        yield Check("ok", "clock", f"{skew:+.2f} s off the database's clock")


def _broker(settings: Settings) -> Iterator[Check]:
    if settings.broker_url is None:
        yield Check(
            "error",
            "broker",
            "no broker is configured or running",
            "set FTWORKER_BROKER_URL or `ftworker up`",
        )
        return
    yield _connect("broker", settings.broker_url.get_secret_value(), "check FTWORKER_BROKER_URL")


def _events(settings: Settings) -> Iterator[Check]:
    url = settings.events()
    if url is not None and settings.events_url is not None:
        yield _connect("events", url, "check FTWORKER_EVENTS_URL")


def _dead_letters(settings: Settings) -> Iterator[Check]:
    from ftworker.events.dead_letters import count, dead_queues

    for url, queue in dead_queues(settings):
        waiting = count(settings, url, queue)
        if waiting:
            yield Check(
                "warning",
                "dead letters",
                f"{waiting} messages wait in {queue}: each ended its process, or came with one that did, too often",
                "`ftworker parked collect`, then `ftworker parked list`",
            )
        else:
            yield Check("ok", "dead letters", f"none in {queue}")


def _connect(subject: str, url: str, advice: str) -> Check:
    from kombu import Connection

    try:
        with Connection(url.replace("valkey://", "redis://", 1), connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own; reported as a finding
        return Check("error", subject, f"{mask_url(url)} does not answer: {type(error).__name__}", advice)
    return Check("ok", subject, f"{mask_url(url)} answers")


def _storage(settings: Settings) -> Iterator[Check]:
    from ftworker.datasets.storage import make_folder, open_storage, storage_errors

    url = settings.storage()
    filesystem, root = open_storage(url)
    probe = f"{root}/.doctor-{os.getpid()}"
    with storage_errors(url):
        make_folder(filesystem, root)
        filesystem.pipe_file(probe, b"ftworker")
        filesystem.rm_file(probe)
    if not url.startswith("file://"):
        yield Check("ok", "storage", f"{mask_url(url)} can be written")
        return
    free = shutil.disk_usage(root).free
    level: Level = "ok" if free > LOW_DISK_BYTES else "warning"
    advice = "" if level == "ok" else "free some space, or set storage_url to object storage"
    yield Check(level, "storage", f"{root} can be written, {free / 1e9:.1f} GB free", advice)


def _processes(here: Installation) -> Iterator[Check]:
    if pending_migrations(here.store):
        return
    with here.store.transaction() as cursor:
        cursor.execute(
            "SELECT name, count(*) FROM ftworker.processes "
            "WHERE seen_at > now() - make_interval(secs => %s) GROUP BY name",
            (ALIVE_SECONDS,),
        )
        alive = {row.name: row.count for row in cursor.fetchall()}
    for name in ("ingest", "worker", "trainer", "beat", "web"):
        if alive.get(name):
            yield Check("ok", "processes", f"{name}: {alive[name]} alive")
        else:
            yield Check("warning", "processes", f"{name}: none alive", "`ftworker up` starts all processes")


def _trains_here(settings: Settings, provider: str) -> bool:
    found = settings.providers.get(provider)
    return isinstance(found, LocalSettings) and found.trainer != "none"


def _training(here: Installation) -> Iterator[Check]:
    """What a training on this machine finds. Whether packages and base are there, the provider's own check says."""
    devices = gpu_lines()
    if devices:
        yield Check("ok", "training", f"{len(devices)} GPU: {devices[0].partition(' (UUID')[0]}")
    else:
        yield Check(
            "note",
            "training",
            "no NVIDIA GPU is seen on this machine",
            "docs/LOCAL.md says what trains on which hardware; a second machine can be the trainer",
        )
    home = here.settings.home.absolute()
    folder = next(part for part in (home / FOLDER, *(home / FOLDER).parents) if part.exists())
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free > TRAINING_DISK_BYTES else "warning"
    advice = "" if level == "ok" else "free some, or set FTWORKER_HOME to a larger disk: docs/OPERATIONS.md"
    yield Check(level, "training", f"{folder}: {free / 1e9:.1f} GB free for trainings", advice)
    if pending_migrations(here.store):
        return
    with here.store.transaction() as cursor:
        found = open_trainings(cursor)
    for training in found:
        where = f" on {training.host}" if training.state == "running" else ""
        yield Check(
            "ok", "training", f"run {training.run_id} is {training.state}{where}: {describe(training)}"
        )


def _tokens(settings: Settings, pipeline: str) -> Iterator[Check]:
    # Without it nothing of any pipeline is accumulated.
    yield Check("ok", f"tokens of {pipeline}", f"counted by {counter_for(settings, pipeline).name}")


def _source(here: Installation, name: str) -> Iterator[Check]:
    for finding in here.make_source(name).check():
        yield Check(finding.level, f"source {name}", f"{finding.subject}: {finding.message}", finding.advice)


def _unknown_sources(here: Installation) -> Iterator[Check]:
    """Names that no section has. Well where the RAG sends whole conversations under them, and else a mistake."""
    for pipeline, name in here.settings.sources_without_section().items():
        with here.store.transaction() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM ftworker.conversations WHERE source_name = %s) AS known", (name,)
            )
            if cursor.fetchone().known:
                continue
        yield Check(
            "note",
            f"pipeline {pipeline}",
            f"no source named {name} is configured, and no event of it came: only events that carry their messages "
            "reach it",
            f"correct pipelines.{pipeline}.source, or add [sources.{name}]",
        )


def _roster(settings: Settings, name: str) -> Iterator[Check]:
    from ftworker.rosters import read_roster

    yield Check("ok", f"roster {name}", f"{len(read_roster(settings, name)):,} names can be read")


def _provider(here: Installation, name: str) -> Iterator[Check]:
    findings = here.make_provider(name).check()
    page = "LOCAL" if here.settings.provider(name).kind == "local" else "PROVIDERS"
    for finding in findings:
        yield Check(finding.level, f"provider {name}", finding.message, f"see docs/{page}.md, {finding.code}")
    if not findings:
        yield Check("ok", f"provider {name}", "answers")
